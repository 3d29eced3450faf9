# SPDX-License-Identifier: Apache-2.0
"""What stat(2) tells, beside what metadata says: inode numbers, times."""

import os
import shutil
import subprocess

import pytest
from lib import stored
from lib.process import wait_until

pytestmark = pytest.mark.servers("versitygw")

# st_ctime.

@pytest.mark.parametrize("sync", ("close", "fsync"))
@pytest.mark.parametrize("kind", ("file", "folder", "link", "fifo", "open"))
def test_rename_sets_ctime(bucket, mount, sync, kind):
    m = mount(bucket, ro=False, sync=sync, ttl=600)
    old, new = m.path / "old", m.path / "new"
    f = None
    if kind == "folder":
        old.mkdir()
        (old / "child").write_bytes(b"child")
    elif kind == "link":
        old.symlink_to("target")
    elif kind == "fifo":
        os.mkfifo(old)
    else:
        f = old.open("wb")
        f.write(b"content")
        if kind == "file":
            f.close()
        else:
            f.flush()
    before = os.lstat(old)
    child = os.lstat(old / "child") if kind == "folder" else None
    os.rename(old, new)
    after = os.lstat(new)
    assert after.st_ctime_ns > before.st_ctime_ns
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_ino == before.st_ino
    if f:
        f.close()
    ctime = os.lstat(new).st_ctime_ns
    # It stays, also when it is mounted anew.
    wait_until(lambda: os.listdir(m.path) == ["new"], 20, "the listing")
    m.remount()
    assert os.lstat(new).st_ctime_ns == ctime
    assert os.lstat(new).st_mtime_ns == before.st_mtime_ns
    if child:
        assert os.lstat(new / "child").st_ctime_ns == child.st_ctime_ns


def test_a_rename_that_fails_sets_no_ctime(bucket, proxy, mount):
    m = mount(bucket, ro=False, proxy=proxy)
    (m.path / "old").write_bytes(b"content")
    before = os.stat(m.path / "old")
    proxy.fault("status", op="CopyObject", status=403, code="AccessDenied")
    with pytest.raises(PermissionError):
        os.rename(m.path / "old", m.path / "new")
    proxy.clear()
    assert os.stat(m.path / "old").st_ctime_ns == before.st_ctime_ns


def test_what_a_rename_does_to_metadata(s3, bucket, mount):
    """The copy keeps all headers of others: ctime alone is not sent."""
    s3.put_object(Bucket=bucket, Key="old", Body=b"x" * 5000,
                  CacheControl="max-age=5",
                  Metadata={"ctime": "1000000000.5", "note": "n"})
    m = mount(bucket, ro=False)
    assert os.stat(m.path / "old").st_ctime_ns == 1000000000500000000
    os.rename(m.path / "old", m.path / "new")
    got = stored.head(s3, bucket, "new")
    assert got["Metadata"]["ctime"] == "1000000000.5"
    assert got["Metadata"]["note"] == "n"
    assert got["CacheControl"] == "max-age=5"
    # Along with what is sent anyway it is.
    os.chmod(m.path / "new", 0o600)
    ctime = os.stat(m.path / "new").st_ctime_ns
    m.umount()
    assert stored.ns_of(stored.head(s3, bucket, "new")
                        ["Metadata"]["ctime"]) == ctime


# st_ino.

def test_inode_numbers_stay(s3, bucket, mount):
    """Over a restart, a rename, a new version, and what others change."""
    for i in range(5):
        s3.put_object(Bucket=bucket, Key=f"d/f{i}", Body=b"x")
    m = mount(bucket, ro=False, ttl=0)
    (m.path / "made").mkdir()
    (m.path / "made" / "file").write_bytes(b"1")

    def numbers():
        return {os.path.join(here, name): os.lstat(
                    os.path.join(here, name)).st_ino
                for here, folders, files in os.walk(m.path)
                for name in folders + files}

    first = numbers()
    assert len(set(first.values())) == len(first) == 8
    with os.scandir(m.path / "d") as entries:
        assert {e.inode() for e in entries} == {
            n for path, n in first.items() if "/d/" in path}
    m.remount()
    assert numbers() == first
    (m.path / "made" / "file").write_bytes(b"2" * 9000)
    s3.put_object(Bucket=bucket, Key="d/f0", Body=b"another's")
    assert numbers() == first
    m.kill9()
    subprocess.run(["umount", "-l", str(m.path)], check=True)
    m.start()
    assert numbers() == first
    # A name that was removed and made anew is another file.
    os.unlink(m.path / "d" / "f1")
    (m.path / "d" / "f1").write_bytes(b"x")
    assert os.stat(m.path / "d" / "f1").st_ino not in first.values()


# statx(2).

def test_no_time_of_birth(bucket, mount):
    """S3 keeps none: LastModified is that of the last PUT or COPY."""
    m = mount(bucket, ro=False)
    (m.path / "f").write_bytes(b"x")
    said = subprocess.run(["stat", "-c", "%w %W", m.path / "f", m.path],
                          check=True, capture_output=True, text=True).stdout
    assert said == "- 0\n- 0\n"


def test_the_cache_folder_is_all_that_numbers_hang_on(s3, bucket, mount):
    """Cold, nothing is known: a number may be any, but one for each."""
    for i in range(5):
        s3.put_object(Bucket=bucket, Key=f"f{i}", Body=b"x")
    m = mount(bucket)
    first = {name: os.stat(m.path / name).st_ino
             for name in os.listdir(m.path)}
    m.umount()
    shutil.rmtree(m.cache)
    m.start()
    again = {name: os.stat(m.path / name).st_ino
             for name in os.listdir(m.path)}
    assert set(again) == set(first)
    assert len(set(again.values())) == 5
