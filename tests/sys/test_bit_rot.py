# SPDX-License-Identifier: Apache-2.0
"""A flipped bit in a chunk file: found, said, repaired from S3; or, in bytes
that S3 does not have, reported by name and never sent as good."""

import errno
import os

import pytest
from lib import stored
from lib.data import MIB, PART, noise
from lib.process import wait_until
from lib.env import slow

pytestmark = pytest.mark.servers("versitygw")
FILES = "^(?!\\.pailfs/)"       # keys that are no probes
DENIED = {"status": 403, "code": "AccessDenied"}


@pytest.fixture
def m(proxy, bucket, mount):
    return mount(bucket, proxy=proxy, ro=False)


def flip(m, size, at):
    """Flip a bit of the chunk file of ${size} bytes."""
    (path,) = [p for p in m.cache.glob("*/chunks/*/*")
               if p.stat().st_size == size]
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 0x10]))


def cached(s3, bucket, m, name, body):
    """Have ${body} in S3 and in the cache folder, not mounted."""
    s3.put_object(Bucket=bucket, Key=name, Body=body)
    assert (m.path / name).read_bytes() == body
    m.umount()


@pytest.mark.parametrize("size,at,edit", [
    (300_000, 140_000, (131_072 + 5, b"edit")),         # the same block
    (300_000, 1000, (299_000, b"edit")),                # another, one PUT
    (14 * MIB, 6 * MIB, (5 * MIB, b"edit")),            # the same window
    (14 * MIB, 6 * MIB + 5, (6 * MIB - 3, b"edit")),
    (300_000, 200_000, (300_000, b"appended")),
    (300_000, 290_000, (280_000, None))])               # truncated
def test_p4_old_bytes_are_fetched_again(s3, bucket, m, size, at, edit):
    """What a change takes along of the old object is not the wrong byte."""
    wanted = bytearray(noise(size))
    cached(s3, bucket, m, "f", noise(size))
    flip(m, size, at)
    m.start()
    off, text = edit
    fd = os.open(m.path / "f", os.O_RDWR)
    if text is None:
        os.ftruncate(fd, off)
        del wanted[off:]
    else:
        os.pwrite(fd, text, off)
        wanted[off:off + len(text)] = text
    os.close(fd)
    assert stored.body(s3, bucket, "f") == wanted
    assert (m.path / "f").read_bytes() == wanted


def unsent(s3, bucket, proxy, m, sizes, op="PutObject"):
    """Have files that S3 refused in the cache folder, not mounted."""
    rule = proxy.fault("status", op=op, key=FILES, **DENIED)
    for name, size in sizes.items():
        with pytest.raises(OSError) as e:
            (m.path / name).write_bytes(noise(size, size))
        assert e.value.errno == errno.EACCES
    status, _ = m.ctl("umount", str(m.path))
    assert status == 1
    m.pid = 0
    proxy.clear(rule)
    assert stored.keys(s3, bucket) == {}


@pytest.mark.parametrize("size,op", [
    (300_000, "PutObject"), (12 * MIB, "CreateMultipartUpload"),
    (12 * MIB, "UploadPart")])
def test_p4_unsent_bytes_are_never_sent_as_good(s3, bucket, proxy, m, size,
                                                op):
    sizes = {"bad": size, "good": size + 1}
    unsent(s3, bucket, proxy, m, sizes, op)
    flip(m, size, 150_000)
    m.start()
    stored.wait_for(lambda: "good" in stored.keys(s3, bucket), "the other",
                    20)
    stored.wait_for(lambda: "'bad' is damaged" in m.log_tail(), "a word", 20)
    assert "131072-262144" in m.log_tail()
    assert os.getxattr(m.path / "bad", "user.s3.state") == b"damaged"
    fd = os.open(m.path / "bad", os.O_RDWR)
    with pytest.raises(OSError) as e:
        os.fsync(fd)
        os.pwrite(fd, b"x", 0)
        os.fsync(fd)
    assert e.value.errno == errno.EIO
    with pytest.raises(OSError) as e:
        os.pread(fd, 1000, 150_000)
    assert e.value.errno == errno.EIO
    # Nor does a change of a part of the block make it good.
    with pytest.raises(OSError) as e:
        os.pwrite(fd, b"y", 140_000)
    assert e.value.errno == errno.EIO
    assert stored.keys(s3, bucket) == {"good": size + 1}
    # All of it anew is the cure.
    assert os.pwrite(fd, noise(size), 0) == size
    os.fsync(fd)
    os.close(fd)
    assert stored.body(s3, bucket, "bad") == noise(size)
    assert os.getxattr(m.path / "bad", "user.s3.state") == b"clean"
    assert stored.body(s3, bucket, "good") == noise(size + 1, size + 1)
    assert m.status()["cache"]["bad_blocks"] >= 1


@pytest.mark.parametrize("sync", ["fsync", "local"])
def test_p4_closed_bytes_after_a_kill(s3, bucket, proxy, mount, sync):
    """A close that did not wait for S3 leaves CRCs, too."""
    m = mount(bucket, proxy=proxy, ro=False, sync=sync, write_delay=60_000)
    for name, size in {"bad": 300_000, "good": 300_001}.items():
        (m.path / name).write_bytes(noise(size, size))
    m.kill9()
    assert stored.keys(s3, bucket) == {}
    flip(m, 300_000, 299_999)
    m.start()
    stored.wait_for(lambda: "good" in stored.keys(s3, bucket), "the other",
                    20)
    stored.wait_for(lambda: "'bad' is damaged" in m.log_tail(), "a word", 20)
    assert "262144-300000" in m.log_tail()
    assert stored.keys(s3, bucket) == {"good": 300_001}
    assert stored.body(s3, bucket, "good") == noise(300_001, 300_001)
    os.unlink(m.path / "bad")


def test_p4_a_damaged_file_can_be_removed(s3, bucket, proxy, m):
    unsent(s3, bucket, proxy, m, {"bad": 200_000})
    flip(m, 200_000, 5)
    m.start()
    stored.wait_for(lambda: "'bad' is damaged" in m.log_tail(), "a word", 20)
    os.unlink(m.path / "bad")
    assert os.listdir(m.path) == []
    m.umount()


def test_p4_no_false_alarm_after_a_kill(s3, bucket, proxy, m):
    """A CRC in the database is withdrawn before its block changes."""
    unsent(s3, bucket, proxy, m, {"f": 300_000})
    rule = proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    m.start()
    fd = os.open(m.path / "f", os.O_RDWR)
    os.pwrite(fd, b"newer", 140_000)
    m.kill9()
    with pytest.raises(OSError):
        os.close(fd)
    proxy.clear(rule)
    m.start()
    wanted = bytearray(noise(300_000, 300_000))
    wanted[140_000:140_005] = b"newer"
    stored.wait_for(lambda: stored.keys(s3, bucket), "it", 20)
    assert stored.body(s3, bucket, "f") == wanted
    assert m.status()["cache"]["bad_blocks"] == 0


def test_p4_the_scrubber_finds_it(s3, bucket, m):
    """Nobody reads it; it is found, counted and named all the same."""
    cached(s3, bucket, m, "f", noise(3 * MIB))
    flip(m, 3 * MIB, 2 * MIB + 7)
    m.start()
    wait_until(lambda: m.status()["cache"]["checked_blocks"] == 24,
               30 * slow(), "all blocks")
    got = m.status()["cache"]
    assert got["bad_blocks"] == 1 and got["read_bytes"] == 0
    assert "local copy of 'f' is damaged" in m.log_tail()
    assert (m.path / "f").read_bytes() == noise(3 * MIB)
    assert m.status()["cache"]["fetched_bytes"] == PART // 64
