# SPDX-License-Identifier: Apache-2.0
"""pailctl fsck of a mount: database, chunk files and bucket are compared."""

import os

import pytest
from lib import stored
from lib.data import MIB, noise
from lib.folder import Folder

pytestmark = pytest.mark.servers("versitygw")
DENIED = {"status": 403, "code": "AccessDenied"}


@pytest.fixture
def m(proxy, bucket, mount):
    """What was learnt is believed for long."""
    return mount(bucket, proxy=proxy, ro=False, ttl=3600)


def fsck(m, *words):
    """Return (status, {(path, word)}, all that was said)."""
    status, said = m.ctl("fsck", str(m.path), *words)
    lines = [line.split("\t") for line in said.splitlines() if "\t" in line]
    return status, {(line[0], line[1]) for line in lines}, said


def test_nothing_is_wrong(s3, bucket, m):
    """With all kinds of files, open ones, dirty ones, large ones."""
    s3.put_object(Bucket=bucket, Key="a/theirs", Body=noise(300_000))
    s3.put_object(Bucket=bucket, Key="a//odd", Body=b"1")
    (m.path / "d/e").mkdir(parents=True)
    (m.path / "d/e/f").write_bytes(noise(9 * MIB))
    (m.path / "d/empty").write_bytes(b"")
    (m.path / "link").symlink_to("d/e/f")
    os.mkfifo(m.path / "fifo")
    assert (m.path / "a/theirs").read_bytes() == noise(300_000)
    (m.path / "d/e/f").rename(m.path / "d/g")
    (m.path / "d/gone").write_bytes(b"1")
    (m.path / "d/gone").unlink()
    with open(m.path / "open", "wb", buffering=0) as f:
        f.write(noise(200_000))
        os.truncate(m.path / "a/theirs", 150_000)
        assert fsck(m) == (0, set(), "")
    assert fsck(m) == (0, set(), "")
    assert fsck(m, "--repair") == (0, set(), "")
    m.remount()
    assert fsck(m) == (0, set(), "")
    assert (m.path / "d/g").read_bytes() == noise(9 * MIB)
    assert fsck(m) == (0, set(), "")


def test_it_asks_a_folder_at_a_time(s3, bucket, proxy, m):
    for i in range(30):
        s3.put_object(Bucket=bucket, Key=f"d/{i:02}", Body=b"1")
    s3.put_object(Bucket=bucket, Key="never/seen", Body=b"1")
    assert len(os.listdir(m.path / "d")) == 30
    before = m.status()["s3"]["requests"]["ListObjectsV2"]
    assert fsck(m)[0] == 0
    assert m.status()["s3"]["requests"]["ListObjectsV2"] == before + 1


def test_another_version_in_s3(s3, bucket, m):
    """What the database calls clean is not what S3 has."""
    for name in ("same", "changed", "removed"):
        s3.put_object(Bucket=bucket, Key=f"d/{name}", Body=noise(5000))
        assert (m.path / "d" / name).read_bytes() == noise(5000)
    s3.put_object(Bucket=bucket, Key="d/changed", Body=noise(5000, 7))
    s3.delete_object(Bucket=bucket, Key="d/removed")
    wrong = {("d/changed", "object"), ("d/removed", "object")}
    assert fsck(m)[:2] == (4, wrong)
    assert (m.path / "d/changed").read_bytes() == noise(5000)   # the ttl
    status, found, said = fsck(m, "--repair")
    assert (status, found) == (1, wrong) and said.count("\tmended") == 2
    assert (m.path / "d/changed").read_bytes() == noise(5000, 7)
    assert not (m.path / "d/removed").exists()
    assert fsck(m) == (0, set(), "")


def test_a_flipped_byte(s3, bucket, m):
    s3.put_object(Bucket=bucket, Key="d/f", Body=noise(300_000))
    s3.put_object(Bucket=bucket, Key="d/g", Body=noise(300_001))
    fd = os.open(m.path / "d/g", os.O_RDONLY)
    os.pread(fd, 300_001, 0)
    assert (m.path / "d/f").read_bytes() == noise(300_000)
    folder = Folder(m)
    folder.flip(300_000, 140_000)
    folder.flip(300_001, 10)        # of an open file
    status, found, said = fsck(m)
    assert (status, found) == (4, {("d/f", "block"), ("d/g", "block")})
    assert "d/f\tblock\tbytes 131072-262144 are damaged" in said
    assert "d/g\tblock\tbytes 0-131072 are damaged" in said
    assert fsck(m)[0] == 4          # it was left as it is
    assert fsck(m, "--repair")[:2] == (1, found)
    assert fsck(m) == (0, set(), "")
    assert m.ctl("drop", str(m.path / "none"))[0] == 1
    assert (m.path / "d/f").read_bytes() == noise(300_000)
    os.close(fd)


def test_chunk_files_that_are_gone_or_nobodys(s3, bucket, m):
    for i, name in enumerate("fg"):
        s3.put_object(Bucket=bucket, Key=name, Body=noise(200_000 + i))
        assert (m.path / name).read_bytes() == noise(200_000 + i)
    m.remount()                     # none is in memory
    folder = Folder(m)
    folder.chunk(200_000).unlink()
    os.truncate(folder.chunk(200_001), 1000)
    orphan = folder.add_orphan(1000)
    status, found, _ = fsck(m)
    assert (status, found) == (4, {("f", "missing"), ("g", "missing"),
                                   (orphan, "orphan")})
    assert fsck(m, "--repair")[:2] == (1, found)
    assert fsck(m) == (0, set(), "")
    assert not (folder.path / orphan).exists()
    for i, name in enumerate("fg"):
        assert (m.path / name).read_bytes() == noise(200_000 + i)


def test_dirty_bytes_are_never_touched(s3, bucket, proxy, m):
    """Damaged ones are named; whole ones stay, also next to an orphan."""
    (m.path / "e").mkdir()
    proxy.fault("status", op="PutObject", key="^e/(bad|good)$", **DENIED)
    for i, name in enumerate(("bad", "good")):
        with pytest.raises(PermissionError):
            (m.path / "e" / name).write_bytes(noise(150_000 + i))
    folder = Folder(m)
    folder.flip(150_000, 5)
    before = folder.chunk(150_000).read_bytes()
    status, found, said = fsck(m, "--repair")
    assert (status, found) == (4, {("e/bad", "block")})
    assert "S3 does not have them" in said and "left as it is: 1" in said
    assert folder.chunk(150_000).read_bytes() == before
    assert folder.chunk(150_001).read_bytes() == noise(150_001)
    proxy.clear()
    status, said = m.ctl("flush", str(m.path))
    assert status == 1 and "e/bad\tfile\tdamaged in the cache folder" in said
    assert stored.body(s3, bucket, "e/good") == noise(150_001)
    (m.path / "e/bad").unlink()
    assert fsck(m) == (0, set(), "")


def test_what_cannot_be_checked(m, tmp_path):
    status, said = m.ctl("fsck", str(tmp_path))
    assert status == 8 and "neither a mount point of pailfs nor" in said
    status, said = m.ctl("fsck", str(tmp_path / "none"))
    assert status == 8
    (folder,) = m.cache.glob("*/meta.db")
    for path in (folder.parent, m.cache):
        status, said = m.ctl("fsck", str(path))
        assert status == 8 and "give the mount point instead" in said
    assert m.ctl("fsck")[0] == 2
    assert m.ctl("status", str(m.path), "--repair")[0] == 2
