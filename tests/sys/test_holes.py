# SPDX-License-Identifier: Apache-2.0
"""Holes take no room in the cache: a file of them may be longer than that.

What S3 is sent of them is in test_write_zeros.py, what is written in sequence
in test_stage.py.
"""

import contextlib
import mmap
import os
import random
import subprocess
import time

import pytest
from lib import stored
from lib.data import MIB, noise

CACHE = 16 * MIB
SIZE = 6 * CACHE
PIECE = MIB
pytestmark = pytest.mark.servers("versitygw")


@pytest.fixture
def small(bucket, mount, proxy):
    """A factory of mounts with a small cache."""
    def start(**options):
        options = {"ro": False, "cache_size": CACHE, "free_space": 0,
                   "proxy": proxy, **options}
        return mount(bucket, **options)
    return start


def disk(m):
    """Return the bytes of the cache folder, whose files come and go."""
    used = 0
    for here, _, names in os.walk(m.cache):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                used += os.lstat(os.path.join(here, name)).st_blocks * 512
    return used


def same(path, want, size):
    """Assert that ${path} is ${size} bytes, zeros but for {offset: bytes}."""
    assert os.stat(path).st_size == size
    with open(path, "rb", buffering=0) as f:
        for off in range(0, size, PIECE):
            piece = bytearray(min(PIECE, size - off))
            for at, data in want.items():
                lo, hi = max(at, off), min(at + len(data), off + len(piece))
                if lo < hi:
                    piece[lo - off:hi - off] = data[lo - at:hi - at]
            assert f.read(len(piece)) == piece, off


def in_s3(s3, bucket, tmp_path, want, size, key="f"):
    """Assert likewise of an object; nothing else of ours is left."""
    s3.download_file(bucket, key, str(tmp_path / "got"))
    same(tmp_path / "got", want, size)
    os.unlink(tmp_path / "got")
    stored.wait_for(lambda: not stored.staged(s3, bucket), "stages to go")
    assert stored.uploads(s3, bucket) == []


@pytest.mark.parametrize("size", [
    SIZE, pytest.param(10 << 30, marks=pytest.mark.long)])
def test_p5_truncate(s3, bucket, proxy, small, tmp_path, size):
    """As truncate(1) does it; then some of it is written, by another open."""
    m = small()
    want = {size // 2 + 5: noise(3 * MIB), size - 4: b"last"}
    subprocess.run(["truncate", "-s", str(size), m.path / "f"], check=True)
    assert proxy.log(op="UploadPart", key="f") == []    # zeros are copied
    assert disk(m) < CACHE // 2
    same(m.path / "f", {}, size)
    with open(m.path / "f", "r+b", buffering=0) as f:
        for off, data in want.items():
            os.pwrite(f.fileno(), data, off)
        assert disk(m) <= CACHE
        same(m.path / "f", want, size)
    assert disk(m) <= CACHE
    in_s3(s3, bucket, tmp_path, want, size)
    m.remount()
    same(m.path / "f", want, size)
    assert disk(m) <= CACHE


@pytest.mark.parametrize("sync", ["close", "fsync", "local"])
def test_p5_a_hole_is_filled(s3, bucket, small, tmp_path, sync):
    """In no order, with more than the cache holds; some of it twice."""
    m = small(sync=sync)
    rng = random.Random(3)
    places = [at for at in range(0, SIZE, PIECE) if at % (4 * PIECE)]
    rng.shuffle(places)
    want = {}
    with open(m.path / "f", "wb", buffering=0) as f:
        f.truncate(SIZE)
        for i, at in enumerate(places[:28] + places[:8]):
            want[at] = noise(PIECE, i)
            os.pwrite(f.fileno(), want[at], at)
        assert disk(m) <= CACHE
        same(m.path / "f", want, SIZE)
        os.fsync(f.fileno())
    m.umount()
    in_s3(s3, bucket, tmp_path, want, SIZE)


def test_p5_mapped(s3, bucket, small, tmp_path):
    m = small()
    fd = os.open(m.path / "f", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, SIZE)
    want = {at: noise(5000, at) for at in range(4000, SIZE, 9 * MIB)}
    with mmap.mmap(fd, SIZE) as view:
        for at, data in want.items():
            view[at:at + len(data)] = data
        assert view[:4000] == bytes(4000)
    os.close(fd)
    in_s3(s3, bucket, tmp_path, want, SIZE)
    same(m.path / "f", want, SIZE)


@pytest.mark.parametrize("mode", ["-p", "-z"])
def test_p5_what_is_punched_gives_room(s3, bucket, small, tmp_path, mode):
    """Also of an object, none of which was read."""
    body = noise(2 * CACHE)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = small()
    with open(m.path / "g", "wb", buffering=0) as g:
        g.write(noise(CACHE // 2))
        before = disk(m)
        subprocess.run(["fallocate", mode, "-o", "0", "-l", str(CACHE // 2),
                        m.path / "g"], check=True)
        assert disk(m) < before - CACHE // 4
        subprocess.run(["fallocate", mode, "-o", str(MIB), "-l",
                        str(2 * CACHE - 2 * MIB), m.path / "f"], check=True)
        assert disk(m) < CACHE // 2
    want = {0: body[:MIB], 2 * CACHE - MIB: body[-MIB:]}
    in_s3(s3, bucket, tmp_path, want, 2 * CACHE)
    in_s3(s3, bucket, tmp_path, {}, CACHE // 2, "g")
    same(m.path / "f", want, 2 * CACHE)


def test_p5_zeros_that_must_be_sent(s3, bucket, proxy, small, tmp_path):
    """Where S3 copies none, they go up from the hole."""
    m = small()
    proxy.fault("status", op="UploadPartCopy", status=501,
                code="NotImplemented")
    subprocess.run(["truncate", "-s", str(4 * CACHE), m.path / "f"],
                   check=True)
    in_s3(s3, bucket, tmp_path, {}, 4 * CACHE)
    assert disk(m) <= CACHE


@pytest.mark.parametrize("sync", ["close", "fsync"])
def test_p1_killed_before_the_close(s3, bucket, small, tmp_path, sync):
    """It is kept beside, as long as it was."""
    m = small(sync=sync)
    want = {5 * MIB: noise(2 * MIB), SIZE - MIB: noise(MIB, 1)}
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT)
    os.ftruncate(fd, SIZE)
    for at, data in want.items():
        os.pwrite(fd, data, at)
    time.sleep(1)   # what was written is known by then
    m.kill9()
    try:
        os.close(fd)
    except OSError:
        pass
    m.start()
    stored.wait_for(lambda: stored.keys(s3, bucket, "f.unfinished-"), "it", 60)
    (key,) = stored.keys(s3, bucket, "f.unfinished-")
    in_s3(s3, bucket, tmp_path, want, SIZE, key)
    same(m.path / key, want, SIZE)
    assert disk(m) <= CACHE


@pytest.mark.parametrize("sync", ["fsync", "local"])
def test_p1_killed_after_the_close(s3, bucket, small, tmp_path, sync):
    """With what was written since, both are as they were."""
    m = small(sync=sync, write_delay=60000)
    want = {5 * MIB: noise(2 * MIB)}
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT)
    os.ftruncate(fd, SIZE)
    os.pwrite(fd, want[5 * MIB], 5 * MIB)
    os.close(os.dup(fd))
    os.pwrite(fd, b"since", 50 * MIB)
    assert disk(m) < CACHE
    time.sleep(1)
    m.kill9()
    try:
        os.close(fd)
    except OSError:
        pass
    m.remount(write_delay=100)
    stored.wait_for(lambda: len(stored.keys(s3, bucket, "f")) == 2, "both", 60)
    (key,) = stored.keys(s3, bucket, "f.unfinished-")
    in_s3(s3, bucket, tmp_path, want, SIZE)
    in_s3(s3, bucket, tmp_path, {**want, 50 * MIB: b"since"}, SIZE, key)
    assert disk(m) <= CACHE
