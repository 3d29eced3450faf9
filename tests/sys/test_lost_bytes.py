# SPDX-License-Identifier: Apache-2.0
"""After a kill: bytes that a close had covered, and that are not in the cache
folder any more.

What is there of the file becomes NAME.partial-HOST-TIME, with zeros in place of
the others; NAME is as S3 has it, and the log says what is lost.
"""

import os

import pytest
from lib import modes, stored
from lib.data import MIB, noise
from lib.folder import Folder

pytestmark = pytest.mark.servers("versitygw")
MISSING = "user.pailfs.missing"


def closed(bucket, proxy, mount, **options):
    """A mount whose closes S3 does not see before it is killed."""
    return modes.start(mount, bucket, proxy, "fsync", write_delay=60_000,
                       **options)


def partial(s3, bucket, m, missing):
    """The one that is kept: its bytes; all places tell of it."""
    modes.settle(m)
    (key,) = stored.keys(s3, bucket, "f.partial-")
    data = stored.body(s3, bucket, key)
    assert (m.path / key).read_bytes() == data
    assert os.getxattr(m.path / key, MISSING).decode() == missing
    (line,) = [line for line in m.log.read_text().splitlines()
               if f"is kept as '{key}'" in line]
    assert " error: 'f' " in line and missing in line
    status, said = m.ctl("conflicts", str(m.path))
    assert status == 0 and key in said and "partial" in said
    return data


@pytest.mark.parametrize("left", [0, 200_000])
def test_a_new_file(s3, bucket, proxy, mount, left):
    """Its chunk file is gone, or shorter."""
    m = closed(bucket, proxy, mount)
    data = noise(300_000)
    (m.path / "f").write_bytes(data)
    (m.path / "good").write_bytes(noise(1000))
    m.kill9()
    chunk = Folder(m).chunk(300_000)
    chunk.unlink() if left == 0 else os.truncate(chunk, left)
    m.start()
    got = partial(s3, bucket, m, f"{left}-300000")
    assert got == data[:left] + bytes(300_000 - left)
    assert not (m.path / "f").exists()
    assert not stored.exists(s3, bucket, "f")
    assert stored.body(s3, bucket, "good") == noise(1000)


def test_a_file_that_s3_has(s3, bucket, proxy, mount):
    """What was not changed is copied from S3's; NAME is that as before."""
    old = noise(9 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=old)
    m = closed(bucket, proxy, mount)
    with open(m.path / "f", "r+b") as f:
        f.write(b"x" * 1000)
        f.seek(500_000)
        f.write(b"y" * 1000)
        f.flush()
    m.kill9()
    os.truncate(Folder(m).chunk(501_000), 500_300)
    m.start()
    got = partial(s3, bucket, m, "500300-501000")
    assert got == (b"x" * 1000 + old[1000:500_000] + b"y" * 300 + bytes(700) +
                   old[501_000:])
    assert (m.path / "f").read_bytes() == old
    assert stored.body(s3, bucket, "f") == old


def test_written_since(s3, bucket, proxy, mount):
    """What was closed is partial, what was written since unfinished."""
    m = closed(bucket, proxy, mount)
    (m.path / "f").write_bytes(noise(300_000))
    job = modes.writing(m.path / "f", 1000, 300_000)
    m.kill9()
    modes.end(job)
    os.truncate(Folder(m).chunk(300_000), 100_000)
    m.start()
    got = partial(s3, bucket, m, "100000-300000")
    assert got == noise(300_000)[:100_000] + bytes(200_000)
    (key,) = modes.unfinished(s3, bucket, "f")
    assert stored.body(s3, bucket, key) == noise(300_000) + b"x" * 1000
    assert not stored.exists(s3, bucket, "f")


@pytest.mark.parametrize("early", [False, True])
def test_killed_again(s3, bucket, proxy, mount, early):
    """It stays what it is; also before its chunk file was made."""
    m = closed(bucket, proxy, mount)
    (m.path / "f").write_bytes(noise(300_000))
    m.kill9()
    Folder(m).chunk(300_000).unlink()
    proxy.fault("status", op="PutObject", key="partial", status=403,
                code="AccessDenied")
    m.start()
    m.kill9()
    if early:
        Folder(m).chunk(300_000).unlink()
    proxy.clear()
    m.start()
    assert partial(s3, bucket, m, "0-300000") == bytes(300_000)


def test_cut_after_a_failure(s3, bucket, proxy, mount):
    """What a program let go of is not lost."""
    m = mount(bucket, proxy=proxy, ro=False, timeout=3)
    rule = proxy.fault("status", op="PutObject", key="^f$", status=403,
                       code="AccessDenied")
    fd = os.open(m.path / "f", os.O_CREAT | os.O_RDWR)
    os.write(fd, noise(300_000))
    with pytest.raises(PermissionError):
        os.fsync(fd)
    os.ftruncate(fd, 1000)
    m.kill9()
    modes.close(fd)
    proxy.clear(rule)
    m.start()
    modes.settle(m)
    assert stored.body(s3, bucket, "f") == noise(300_000)[:1000]
    assert stored.keys(s3, bucket) == {"f": 1000}
