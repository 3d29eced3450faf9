# SPDX-License-Identifier: Apache-2.0
"""The cache folder: unusable, of others, damaged; an error or a cold start."""

import errno
import os
import shutil
import sqlite3
import subprocess

import pytest
from lib.command import mount_at, refused
from lib.data import MIB, noise
from lib.disk import tmpfs
from lib.mount import MountError


def test_a_file_in_the_way_of_the_cache(bucket, mount, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    for folder in (file, file / "below"):
        said = refused(mount, bucket, cache=folder)
        assert str(file) in said and "cache=" in said
    assert file.read_bytes() == b""


@pytest.mark.servers("versitygw")
def test_a_read_only_cache(bucket, mount, tmp_path):
    with tmpfs(tmp_path / "t", "4m") as folder:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        said = refused(mount, bucket, cache=folder)
        assert str(folder) in said and "Read-only" in said


@pytest.mark.servers("versitygw")
def test_a_full_cache(bucket, mount, tmp_path):
    with tmpfs(tmp_path / "t", "4m") as folder:
        with open(folder / "fill", "wb") as f, pytest.raises(OSError):
            while True:
                f.write(bytes(65536))
                f.flush()
        said = refused(mount, bucket, cache=folder)
        assert str(folder) in said and "No space" in said


@pytest.mark.servers("versitygw")
def test_a_small_cache_that_fills_up(s3, bucket, mount, tmp_path):
    """Right bytes or ENOSPC; and what needs no room goes on."""
    body = noise(12 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    s3.put_object(Bucket=bucket, Key="small", Body=b"x")
    with tmpfs(tmp_path / "t", "8m") as folder:
        m = mount(bucket, cache=folder, cache_size="64M", free_space=0)
        try:
            assert (m.path / "f").read_bytes() == body
        except OSError as e:
            assert e.errno == errno.ENOSPC
        assert sorted(os.listdir(m.path)) == ["f", "small"]
        assert (m.path / "small").read_bytes() == b"x"
        m.umount()


@pytest.mark.servers("versitygw")
def test_less_space_than_is_to_stay_free(s3, bucket, mount, tmp_path):
    """free_space= cannot be kept: no bytes are cached, said as ENOSPC."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"x" * 10000)
    with tmpfs(tmp_path / "t", "8m") as folder:
        try:
            m = mount(bucket, cache=folder, free_space="1G")
        except MountError as e:
            assert "free_space" in e.said or "space" in e.said
            return
        assert os.listdir(m.path) == ["f"]
        try:
            assert (m.path / "f").read_bytes() == b"x" * 10000
        except OSError as e:
            assert e.errno == errno.ENOSPC
        m.umount()


def test_a_cache_in_use(bucket, mount, tmp_path):
    first = mount(bucket, cache=tmp_path / "c")
    said = refused(mount, bucket, cache=tmp_path / "c")
    assert "in use" in said and "cache=" in said
    assert os.listdir(first.path) == []


def database(m):
    (path,) = m.cache.glob("*/meta.db")
    return path


@pytest.mark.servers("versitygw")
def test_a_cache_of_a_newer_schema(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    m = mount(bucket)
    assert (m.path / "f").read_bytes() == b"x"
    m.umount()
    db = sqlite3.connect(database(m))
    (version,) = db.execute("PRAGMA user_version").fetchone()
    db.execute("PRAGMA user_version=99")
    db.close()
    before = database(m).read_bytes()
    with pytest.raises(MountError) as e:
        m.start()
    assert "newer" in e.value.said and "cache=" in e.value.said
    assert database(m).read_bytes() == before, "it is not ours to change"
    db = sqlite3.connect(database(m))
    db.execute(f"PRAGMA user_version={version}")
    db.close()
    m.start()
    assert (m.path / "f").read_bytes() == b"x"


@pytest.mark.servers("versitygw")
def test_a_cache_of_another_bucket(s3, bucket, mount):
    """Its folder under the other one's name."""
    other = bucket + "-other"
    s3.create_bucket(Bucket=other)
    first, second = mount(bucket), mount(other)
    first.umount()
    second.umount()
    (mine,), (theirs,) = first.cache.iterdir(), second.cache.iterdir()
    shutil.rmtree(theirs)
    shutil.move(mine, theirs)
    with pytest.raises(MountError) as e:
        second.start()
    assert "another bucket" in e.value.said
    s3.delete_bucket(Bucket=other)


@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("damage", ["garbage", "header", "middle", "empty",
                                    "cut"])
def test_a_corrupt_database(s3, bucket, mount, damage):
    """Moved aside, said, cold start: the bytes come from S3 again."""
    for i in range(200):
        s3.put_object(Bucket=bucket, Key=f"d/{i}", Body=str(i).encode())
    m = mount(bucket)
    for i in range(0, 200, 10):
        assert (m.path / f"d/{i}").read_bytes() == str(i).encode()
    m.umount()
    path = database(m)
    good = path.read_bytes()
    path.write_bytes({
        "garbage": noise(len(good)), "header": noise(100) + good[100:],
        "middle": good[:8192] + noise(len(good) - 8192), "empty": b"",
        "cut": good[:len(good) // 2]}[damage])
    m.start()
    for i in range(200):
        assert (m.path / f"d/{i}").read_bytes() == str(i).encode()
    assert len(os.listdir(m.path / "d")) == 200
    if damage in ("garbage", "header"):
        assert list(m.cache.glob("*/damaged-*")), "nothing was moved aside"
    m.umount()


@pytest.mark.servers("versitygw")
def test_the_warning_of_a_corrupt_database(bucket, mount):
    m = mount(bucket)
    m.umount()
    database(m).write_bytes(noise(20000))
    said = mount_at(m)
    assert "warning" in said and "damaged" in said and len(
        said.splitlines()) == 1
    assert noise(20000) in [f.read_bytes() for f in
                            m.cache.glob("*/damaged-*/*") if f.is_file()]


@pytest.mark.servers("versitygw")
def test_lost_chunk_files(s3, bucket, mount):
    body = noise(300_000)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket)
    assert (m.path / "f").read_bytes() == body
    m.umount()
    (chunks,) = m.cache.glob("*/chunks")
    shutil.rmtree(chunks)
    m.start()
    assert (m.path / "f").read_bytes() == body


@pytest.mark.servers("versitygw")
def test_a_chunk_file_that_was_cut(s3, bucket, mount):
    body = noise(300_000)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket)
    assert (m.path / "f").read_bytes() == body
    m.umount()
    for chunk in m.cache.glob("*/chunks/*/*"):
        os.truncate(chunk, 100_000)
    m.start()
    assert (m.path / "f").read_bytes() == body


def test_the_cache_folder_is_private(bucket, mount):
    m = mount(bucket)
    (folder,) = (f for f in m.cache.iterdir() if f.is_dir())
    assert folder.stat().st_mode & 0o077 == 0
    assert database(m).stat().st_mode & 0o077 == 0
