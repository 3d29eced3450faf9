# SPDX-License-Identifier: Apache-2.0
"""A cache folder whose disk is full: writers wait, then ENOSPC; the rest goes
on, and what was acknowledged arrives."""

import errno
import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import stored
from lib.data import MIB, noise
from lib.disk import ext4, filled, tmpfs

pytestmark = pytest.mark.servers("versitygw")
STAGE = stored.STAGE.pattern    # of bytes that are not closed yet
FILES = "^(?!\\.pailfs/)"       # keys that are no probes
DENIED = {"status": 403, "code": "AccessDenied"}


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request, tmp_path):
    """A folder on a filesystem of some 24 MiB."""
    make = {"tmpfs": lambda: tmpfs(tmp_path / "disk", "24m"),
            "ext4": lambda: ext4(tmp_path / "disk", 26)}[request.param]
    with make() as folder:
        yield folder


@pytest.fixture
def m(proxy, bucket, mount, disk):
    """A mount whose limit is the disk."""
    one = mount(bucket, proxy=proxy, ro=False, cache=disk / "c",
                cache_size="1G", free_space=0)
    yield one
    proxy.restore()
    if one.alive():
        one.umount()


def fill(m, proxy, name="fill", step=MIB // 4):
    """Write a file until ENOSPC, as no bytes may go to S3 before the close.

    Return (its open file, how much it holds).
    """
    proxy.fault("status", key=STAGE, **DENIED)
    f = open(m.path / name, "wb", buffering=0)
    size = 0
    try:
        while True:
            size += f.write(noise(step, size))
            assert size < 64 * MIB, "there is no end"
    except OSError as e:
        assert e.errno == errno.ENOSPC, e
    assert size >= 8 * MIB, size
    return f, size


def check_filled(s3, bucket, name, size, step=MIB // 4):
    """Assert that the object is what fill() wrote."""
    body = stored.body(s3, bucket, name)
    assert len(body) >= size
    for at in range(0, size, step):
        assert body[at:at + step] == noise(step, at), at


def test_p5_writers_wait_for_uploads(s3, bucket, proxy, m):
    """Four times the disk, in files that are closed: nobody fails."""
    proxy.shape(latency_ms=20)

    def write(i):
        (m.path / f"f{i}").write_bytes(noise(3 * MIB, i))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(32)))
    for i in range(32):
        assert stored.body(s3, bucket, f"f{i}") == noise(3 * MIB, i), i
    for i in random.Random(1).sample(range(32), 8):
        assert (m.path / f"f{i}").read_bytes() == noise(3 * MIB, i)


def test_p5_a_file_of_four_times_the_disk(s3, bucket, m):
    """In sequence, read before it is closed, and written again."""
    data = bytearray(noise(96 * MIB))
    with open(m.path / "f", "w+b", buffering=0) as f:
        for off in range(0, len(data), MIB):
            assert f.write(data[off:off + MIB]) == MIB
        data[5 * MIB:5 * MIB + 4] = b"new!"
        assert os.pwrite(f.fileno(), b"new!", 5 * MIB) == 4
        for off in range(0, len(data), MIB):
            assert os.pread(f.fileno(), MIB, off) == data[off:off + MIB], off
    stored.check(s3, bucket, "f", m.path / "f", bytes(data))
    m.umount()
    assert stored.staged(s3, bucket) == []


def test_p5_enospc_and_what_was_written_arrives(s3, bucket, proxy, m):
    f, size = fill(m, proxy)
    f.close()
    check_filled(s3, bucket, "fill", size)
    (m.path / "next").write_bytes(noise(5 * MIB))
    stored.check(s3, bucket, "next", m.path / "next", noise(5 * MIB))


def test_p5_reads_go_on_when_all_is_dirty(s3, bucket, proxy, m):
    """What does not fit goes past the cache folder."""
    s3.put_object(Bucket=bucket, Key="far", Body=noise(3 * MIB, 5))
    s3.put_object(Bucket=bucket, Key="small", Body=b"x" * 5000)
    os.listdir(m.path)
    f, size = fill(m, proxy)
    assert (m.path / "far").read_bytes() == noise(3 * MIB, 5)
    assert (m.path / "small").read_bytes() == b"x" * 5000
    with open(m.path / "far", "rb") as far:
        assert os.pread(far.fileno(), 5000, MIB + 7) == noise(
            3 * MIB, 5)[MIB + 7:MIB + 5007]
    assert "go past it" in m.log_tail()
    f.close()
    check_filled(s3, bucket, "fill", size)
    assert m.log_tail().count("go past it") == 1


def test_p5_a_flush_that_needs_old_bytes(s3, bucket, proxy, m):
    """A window round a change is fetched and sent without room for it."""
    old = {name: noise(size, size) for name, size in (
        ("large", 14 * MIB), ("small", 3 * MIB))}
    for name, body in old.items():
        s3.put_object(Bucket=bucket, Key=name, Body=body)
    files = {name: os.open(m.path / name, os.O_RDWR) for name in old}
    for name, fd in files.items():
        os.pwrite(fd, b"changed", 2 * MIB + 5)
    filler, size = fill(m, proxy)
    for name, fd in files.items():
        os.fsync(fd)
        wanted = bytearray(old[name])
        wanted[2 * MIB + 5:2 * MIB + 12] = b"changed"
        assert stored.body(s3, bucket, name) == wanted, name
        os.close(fd)
    filler.close()
    check_filled(s3, bucket, "fill", size)


def test_p5_refused_uploads_keep_the_disk_full(s3, bucket, proxy, m):
    """ENOSPC for writers, at once; reads go on; all arrives in the end."""
    s3.put_object(Bucket=bucket, Key="far", Body=noise(2 * MIB, 5))
    rule = proxy.fault("status", op="PutObject|UploadPart", key=FILES,
                       **DENIED)
    kept = []
    full = False
    while not full:
        fd = os.open(m.path / f"k{len(kept)}", os.O_WRONLY | os.O_CREAT)
        try:
            assert os.write(fd, noise(MIB, len(kept))) == MIB
            kept.append(len(kept))
        except OSError as e:
            assert e.errno == errno.ENOSPC, e
            full = True
        with pytest.raises(OSError) as e:
            os.close(fd)
        assert e.value.errno in (errno.EACCES, errno.ENOSPC), e.value
    assert 8 <= len(kept) < 64
    assert (m.path / "far").read_bytes() == noise(2 * MIB, 5)
    proxy.clear(rule)
    for i in kept:
        with open(m.path / f"k{i}", "rb+") as f:
            os.fsync(f.fileno())
    for i in kept:
        stored.check(s3, bucket, f"k{i}", m.path / f"k{i}", noise(MIB, i))


def test_p5_others_fill_the_disk(s3, bucket, m, disk):
    """No room for the database either: ENOSPC, no damage, and it goes on."""
    s3.put_object(Bucket=bucket, Key="far", Body=noise(2 * MIB, 5))
    (m.path / "old").write_bytes(noise(300_000))
    assert sorted(os.listdir(m.path)) == ["far", "old"]
    done = {}
    with filled(disk):
        assert (m.path / "old").read_bytes() == noise(300_000)
        for i in range(40):
            try:
                (m.path / f"n{i}").write_bytes(noise(200_000, i))
                done[f"n{i}"] = noise(200_000, i)
            except OSError as e:
                assert e.errno == errno.ENOSPC, e
            try:
                os.mkdir(m.path / f"d{i}")
                os.chmod(m.path / "old", 0o600 + i % 8)
            except OSError as e:
                assert e.errno == errno.ENOSPC, e
        try:
            assert (m.path / "far").read_bytes() == noise(2 * MIB, 5)
        except OSError as e:
            assert e.errno == errno.ENOSPC, e
    for name, body in done.items():
        assert stored.body(s3, bucket, name) == body, name
    assert (m.path / "far").read_bytes() == noise(2 * MIB, 5)
    (m.path / "after").write_bytes(noise(5 * MIB))
    stored.check(s3, bucket, "after", m.path / "after", noise(5 * MIB))
    m.umount()
    m.start()
    assert not list(m.cache.glob("*/damaged*"))
    for name, body in {**done, "after": noise(5 * MIB)}.items():
        assert (m.path / name).read_bytes() == body, name
