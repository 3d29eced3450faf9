# SPDX-License-Identifier: Apache-2.0
"""What boto3 wrote, the mount reads byte for byte."""

import errno
import hashlib
import mmap
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import env
from lib.command import mount_at
from lib.data import BLOCK, MIB, PART, digest, noise, put_behind

SIZES = [0, 1, 4095, 4096, 4097, BLOCK - 1, BLOCK, BLOCK + 1,
         PART - 1, PART, PART + 1]


def peak_rss(pid):
    """Return the most memory a process ever had resident, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    raise ValueError(f"no VmHWM of {pid}")


def pread_all(fd, size, off=0, step=MIB):
    """Return ${size} bytes of a file from ${off}, read in sequence."""
    out = bytearray()
    while len(out) < size:
        data = os.pread(fd, min(step, size - len(out)), off + len(out))
        if not data:
            break
        out += data
    return bytes(out)


def test_sizes_around_the_borders(s3, bucket, mount):
    wanted = {f"f{size}": noise(size, size) for size in SIZES}
    for key, body in wanted.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    m = mount(bucket)
    for key, body in wanted.items():
        with open(m.path / key, "rb") as f:
            assert os.fstat(f.fileno()).st_size == len(body)
            assert f.read() == body, key
            assert os.pread(f.fileno(), 10, len(body)) == b""
            assert os.pread(f.fileno(), 10, len(body) + PART) == b""


@pytest.mark.servers("versitygw")
def test_a_gigabyte_in_little_memory(server, bucket, mount):
    size = 1 << 30
    source = put_behind(server, bucket, "d/large", size, seed=7)
    m = mount(bucket, cache_size="256M", free_space=0)
    assert (m.path / "d/large").stat().st_size == size
    assert digest(m.path / "d/large") == digest(source)
    assert m.status()["cache"]["used"] <= 256 * MIB
    if not env.flavour():       # a sanitizer's own memory is not ours
        assert peak_rss(m.pid) <= 64 * MIB


@pytest.mark.servers("versitygw")
def test_memory_with_many_readers(server, bucket, mount):
    """512 MiB by eight readers at once."""
    size = 64 * MIB
    sources = [put_behind(server, bucket, f"f{i}", size, seed=i)
               for i in range(8)]
    m = mount(bucket, cache_size="1G", free_space=0)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(digest, [m.path / s.name for s in sources]))
    assert got == [digest(s) for s in sources]
    if not env.flavour():
        assert peak_rss(m.pid) <= 64 * MIB


def test_random_preads(s3, bucket, mount):
    body = noise(20 * MIB + 12345)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket)
    dice = random.Random(1)
    fd = os.open(m.path / "f", os.O_RDONLY)
    try:
        for _ in range(300):
            off = dice.randrange(len(body) + 1000)
            size = dice.choice([1, 100, 4096, BLOCK, BLOCK + 1, 3 * MIB])
            assert os.pread(fd, size, off) == body[off:off + size], (off, size)
    finally:
        os.close(fd)


def test_mmap(s3, bucket, mount):
    body = noise(3 * MIB + 17)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket)
    dice = random.Random(2)
    with open(m.path / "f", "rb") as f, mmap.mmap(
            f.fileno(), 0, prot=mmap.PROT_READ) as view:
        assert len(view) == len(body)
        for _ in range(100):
            off = dice.randrange(len(body))
            assert view[off:off + 5000] == body[off:off + 5000]
        assert view[:] == body


def test_o_direct(s3, bucket, mount):
    body = noise(2 * MIB + 100)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket)
    fd = os.open(m.path / "f", os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, MIB) as room:    # aligned, as O_DIRECT wants it
            for off in (MIB, 0, 2 * MIB, 4096, 3 * MIB):
                count = os.preadv(fd, [room], off)
                assert room[:count] == body[off:off + MIB], off
    finally:
        os.close(fd)


def test_twenty_files_by_parallel_threads(s3, bucket, mount):
    wanted = {f"d/f{i}": noise(200_000 + 70_001 * i, i) for i in range(20)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(
            Bucket=bucket, Key=key, Body=wanted[key]), wanted))
    m = mount(bucket)
    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda key: (m.path / key).read_bytes(), wanted))
    for body, key in zip(got, wanted):
        assert body == wanted[key], key


def test_two_readers_of_a_file_fetch_it_once(proxy, proxy_s3, bucket, mount):
    """Forwards and backwards at once: misses of the same bytes are joined."""
    body = noise(12 * MIB)
    proxy_s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket, proxy=proxy)

    def read(order):
        out = {}
        fd = os.open(m.path / "f", os.O_RDONLY)
        try:
            for off in order:
                out[off] = os.pread(fd, MIB, off)
        finally:
            os.close(fd)
        return b"".join(out[off] for off in sorted(out))

    starts = range(0, len(body), MIB)
    with ThreadPoolExecutor(3) as pool:
        got = list(pool.map(read, [starts, reversed(starts), starts]))
    assert all(one == body for one in got)
    assert m.status()["cache"]["fetched_bytes"] == len(body)


def test_a_cache_smaller_than_the_file(server, s3, bucket, mount):
    body = noise(24 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket, cache_size="8M", free_space=0)
    for _ in range(2):
        fd = os.open(m.path / "f", os.O_RDONLY)
        try:
            assert pread_all(fd, len(body)) == body
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)
        used = sum(f.stat().st_blocks * 512 for f in m.cache.rglob("*")
                   if f.is_file())
        assert used <= 8 * MIB
    assert m.status()["cache"]["evicted_bytes"] >= 16 * MIB


def test_nothing_is_fetched_again_after_a_remount(proxy, proxy_s3, bucket,
                                                  mount):
    body = noise(9 * MIB)
    proxy_s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket, proxy=proxy)
    assert (m.path / "f").read_bytes() == body
    m.umount()
    proxy.reset()
    m.remount()
    assert (m.path / "f").read_bytes() == body
    assert proxy.count("GetObject") == 0
    assert m.status()["s3"]["requests"].get("GetObject", 0) == 0


def test_cached_bytes_survive_the_death_of_the_daemon(proxy, proxy_s3, bucket,
                                                      mount):
    """Clean facts may be lost by a crash, never wrong."""
    body = noise(9 * MIB)
    proxy_s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket, proxy=proxy)
    assert (m.path / "f").read_bytes() == body
    m.kill9()
    mount_at(m)
    assert (m.path / "f").read_bytes() == body


def test_a_flipped_bit_in_the_cache_is_found(proxy, proxy_s3, bucket, mount):
    body = noise(5 * BLOCK)
    proxy_s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket, proxy=proxy)
    assert (m.path / "f").read_bytes() == body
    m.umount()
    (chunk,) = [f for f in m.cache.rglob("chunks/*/*")
                if f.is_file() and f.stat().st_size >= len(body)]
    with open(chunk, "r+b") as f:
        f.seek(2 * BLOCK + 77)
        byte = f.read(1)[0]
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte ^ 4]))
    m.remount()
    assert (m.path / "f").read_bytes() == body
    assert m.status()["cache"]["bad_blocks"] >= 1


# An object is replaced while a reader holds it.

def test_a_replaced_file_shows_new_bytes(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f", Body=b"old")
    m = mount(bucket, ttl=0)
    before = (m.path / "f").stat()
    assert (m.path / "f").read_bytes() == b"old"
    s3.put_object(Bucket=bucket, Key="f", Body=b"the new one")
    assert (m.path / "f").read_bytes() == b"the new one"
    after = (m.path / "f").stat()
    assert (after.st_size, after.st_ino) == (11, before.st_ino)


def test_of_the_same_size_too(s3, bucket, mount):
    """Neither the size nor, within a second, LastModified tells."""
    m = mount(bucket, ttl=0)
    for round in range(5):
        body = noise(5000, round)
        s3.put_object(Bucket=bucket, Key="f", Body=body)
        assert (m.path / "f").read_bytes() == body


def test_the_ttl_bounds_how_long_old_bytes_are_shown(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f", Body=b"old")
    m = mount(bucket, ttl=1)
    assert (m.path / "f").read_bytes() == b"old"
    s3.put_object(Bucket=bucket, Key="f", Body=b"new")
    time.sleep(1.1)
    assert (m.path / "f").read_bytes() == b"new"


def test_a_holder_of_local_bytes_keeps_them(s3, bucket, mount):
    old, new = noise(3 * BLOCK, 1), noise(3 * BLOCK, 2)
    s3.put_object(Bucket=bucket, Key="f", Body=old)
    m = mount(bucket, ttl=0)
    with open(m.path / "f", "rb", buffering=0) as holder:
        assert holder.read(len(old)) == old
        s3.put_object(Bucket=bucket, Key="f", Body=new)
        with open(m.path / "f", "rb") as f:
            assert f.read() == new
            os.posix_fadvise(holder.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            assert os.pread(holder.fileno(), len(old), 0) == old
            assert os.pread(f.fileno(), len(new), 0) == new
            assert os.fstat(holder.fileno()).st_ino == \
                os.fstat(f.fileno()).st_ino == (m.path / "f").stat().st_ino


def test_a_holder_never_sees_a_mix(s3, bucket, mount):
    """What was not local when the object went: old bytes, or ESTALE."""
    old, new = noise(40 * MIB, 1), noise(40 * MIB, 2)
    s3.put_object(Bucket=bucket, Key="f", Body=old)
    m = mount(bucket, ttl=0)
    stale = 0
    fd = os.open(m.path / "f", os.O_RDONLY)
    try:
        assert os.pread(fd, 4096, 0) == old[:4096]
        s3.put_object(Bucket=bucket, Key="f", Body=new)
        assert digest(m.path / "f") == hashlib.sha256(new).hexdigest()
        for off in range(0, len(old), MIB // 2):
            try:
                got = os.pread(fd, 5000, off)
            except OSError as e:
                assert e.errno == errno.ESTALE
                stale += 1
            else:
                assert got == old[off:off + 5000], off
        assert stale > 0, "where did the old bytes come from?"
    finally:
        os.close(fd)
    assert (m.path / "f").read_bytes() == new


def test_a_holder_of_a_removed_file(s3, bucket, mount):
    body = noise(40 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket, ttl=0)
    fd = os.open(m.path / "f", os.O_RDONLY)
    try:
        assert os.pread(fd, 4096, 0) == body[:4096]
        s3.delete_object(Bucket=bucket, Key="f")
        assert not (m.path / "f").exists()
        assert os.pread(fd, 4096, 0) == body[:4096]
        with pytest.raises(OSError) as e:
            os.pread(fd, 4096, 39 * MIB)
        assert e.value.errno in (errno.ESTALE, errno.ENOENT)
    finally:
        os.close(fd)
