# SPDX-License-Identifier: Apache-2.0
"""What the mount wrote, boto3 reads byte for byte, described as s3fs does."""

import hashlib
import os
import random
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import stored
from lib.data import BLOCK, MIB, PART, noise, digest
from lib.workload import run
from test_names import names_for, walk

SIZES = [0, 1, 4096, BLOCK, PART - 1, PART, PART + 1, 20 * MIB]
TYPES = {"a.txt": "text/plain", "b.html": "text/html", "c.mp4": "video/mp4",
         "d.JPG": "image/jpeg", "e.tar.gz": "application/x-compressed-tar",
         "f.pdf": "application/pdf", "g.json": "application/json",
         "h.css": "text/css", "nothing": "application/octet-stream",
         ".hidden": "application/octet-stream",
         "i.xyzzy": "application/octet-stream"}
# Names for one type; which one a system has depends on its tables.
SAME = {"application/x-compressed-tar": {"application/gzip",
                                         "application/x-gtar",
                                         "application/x-gzip",
                                         "application/x-gtar-compressed"}}


@pytest.fixture
def m(bucket, mount):
    """A mount that may write."""
    return mount(bucket, ro=False)


def write_at(path, offset, data, flags=os.O_RDWR):
    fd = os.open(path, flags)
    try:
        assert os.pwrite(fd, data, offset) == len(data)
    finally:
        os.close(fd)


def test_sizes_around_the_borders(s3, bucket, m):
    for size in SIZES:
        wanted = noise(size, size)
        (m.path / f"f{size}").write_bytes(wanted)
        stored.check(s3, bucket, f"f{size}", m.path / f"f{size}", wanted)
        assert (m.path / f"f{size}").read_bytes() == wanted
    assert stored.keys(s3, bucket) == {f"f{size}": size for size in SIZES}
    assert stored.uploads(s3, bucket) == []


def test_another_mount_reads_them(bucket, m, mount):
    sizes = [0, 1, PART - 1, PART + 1, 20 * MIB]
    for size in sizes:
        (m.path / f"f{size}").write_bytes(noise(size, size))
    other = mount(bucket)
    for size in sizes:
        assert (other.path / f"f{size}").read_bytes() == noise(size, size)
        mine, theirs = ((one.path / f"f{size}").stat() for one in (m, other))
        for name in ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns"):
            assert getattr(mine, name) == getattr(theirs, name), name


def test_a_hundred_mebibytes(s3, bucket, m):
    wanted = noise(100 * MIB)
    (m.path / "large.mkv").write_bytes(wanted)
    stored.check(s3, bucket, "large.mkv", m.path / "large.mkv", wanted)
    assert stored.uploads(s3, bucket) == []


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_gigabyte(s3, bucket, mount):
    m = mount(bucket, ro=False, cache_size="4G", free_space=0)
    total = hashlib.sha256()
    with open(m.path / "large", "wb", buffering=0) as f:
        for i in range(1024):
            piece = noise(MIB, i)
            total.update(piece)
            assert f.write(piece) == MIB
    assert stored.keys(s3, bucket) == {"large": 1 << 30}
    assert stored.digest(s3, bucket, "large") == total.hexdigest()
    assert digest(m.path / "large") == total.hexdigest()


@pytest.mark.parametrize("step", [1, 1000, 4097, 3 * MIB])
def test_written_in_steps(s3, bucket, m, step):
    wanted = noise(min(9 * MIB + 11, 3000 * step), step)
    with open(m.path / "f", "wb", buffering=0) as f:
        for off in range(0, len(wanted), step):
            f.write(wanted[off:off + step])
    stored.check(s3, bucket, "f", m.path / "f", wanted)


def test_content_types(s3, bucket, m):
    for name, wanted in TYPES.items():
        (m.path / name).write_bytes(b"some text")
        got = stored.head(s3, bucket, name)["ContentType"]
        assert got in {wanted} | SAME.get(wanted, set()), name


def test_a_content_type_of_others_stays(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f.txt", Body=b"abc",
                  ContentType="text/x-mine; charset=utf-8",
                  Metadata={"colour": "blue"})
    m = mount(bucket, ro=False)
    with open(m.path / "f.txt", "ab") as f:
        f.write(b"def")
    got = s3.get_object(Bucket=bucket, Key="f.txt")
    assert got["Body"].read() == b"abcdef"
    assert got["ContentType"] == "text/x-mine; charset=utf-8"
    assert got["Metadata"]["colour"] == "blue"


def test_files_of_all_names(server, s3, bucket, m):
    os.mkdir(m.path / "d")
    wanted = {name: noise(50 + i, i)
              for i, name in enumerate(names_for(server))}
    for name, content in wanted.items():
        (m.path / "d" / name).write_bytes(content)
    assert walk(m.path / "d") == wanted
    found = stored.keys(s3, bucket)
    assert sorted(found) == sorted(["d/", *("d/" + n for n in wanted)])
    for name, content in wanted.items():
        assert stored.body(s3, bucket, "d/" + name) == content, name


def test_all_names_renamed_and_removed(server, s3, bucket, m):
    """COPY has the key in a header, DeleteObjects in a document."""
    names = names_for(server)
    for name in ("d", "e"):
        os.mkdir(m.path / name)
    for name in names:
        (m.path / "d" / name).write_bytes(name.encode())
        os.rename(m.path / "d" / name, m.path / "e" / name)
    assert sorted(stored.keys(s3, bucket, "e/")) == sorted(
        ["e/", *("e/" + name for name in names)])
    os.rename(m.path / "e", m.path / "f")
    assert sorted(stored.keys(s3, bucket)) == sorted(
        ["d/", "f/", *("f/" + name for name in names)])
    for name in names:
        assert (m.path / "f" / name).read_bytes() == name.encode()
        os.unlink(m.path / "f" / name)
    assert stored.keys(s3, bucket) == {"d/": 0, "f/": 0}


@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_thousand_files_in_a_directory(s3, bucket, m):
    os.mkdir(m.path / "d")
    wanted = {f"{i:05}": f"file {i}\n".encode() * (i % 7)
              for i in range(2000)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: (m.path / "d" / n).write_bytes(wanted[n]),
                      wanted))
    assert stored.keys(s3, bucket) == {
        "d/": 0, **{"d/" + n: len(data) for n, data in wanted.items()}}
    assert sorted(os.listdir(m.path / "d")) == sorted(wanted)
    m.remount()
    assert walk(m.path / "d") == wanted
    for name in list(wanted)[::97]:
        assert stored.body(s3, bucket, "d/" + name) == wanted[name]


# Bytes that change.

def test_sparse(s3, bucket, m):
    size = 40 * MIB + 7
    wanted = bytearray(size)
    with open(m.path / "f", "wb", buffering=0) as f:
        for off in (0, 9 * MIB - 3, 30 * MIB, size - 5):
            f.seek(off)
            f.write(b"12345")
            wanted[off:off + 5] = b"12345"
    stored.check(s3, bucket, "f", m.path / "f", wanted)
    assert (m.path / "f").read_bytes() == wanted


@pytest.mark.parametrize("size", [1, PART - 1, PART, 3 * PART + 5])
def test_all_zeros(s3, bucket, m, size):
    """truncate alone makes a file."""
    with open(m.path / "f", "wb") as f:
        f.truncate(size)
    stored.check(s3, bucket, "f", m.path / "f", bytes(size))


class Model:
    """A file on the mount and the bytes that it should have."""

    def __init__(self, path, dice, limit):
        self.path = path
        self.dice = dice
        self.limit = limit
        self.wanted = bytearray()

    def write(self, fd):
        data = self.dice.randbytes(self.dice.choice(
            [1, 100, 4096, BLOCK + 1, MIB]))
        off = self.dice.randrange(self.limit)
        assert os.pwrite(fd, data, off) == len(data)
        if off > len(self.wanted):
            self.wanted.extend(bytes(off - len(self.wanted)))
        self.wanted[off:off + len(data)] = data

    def append(self, fd):
        data = self.dice.randbytes(self.dice.choice([1, 1000, 70_000]))
        os.pwrite(fd, data, len(self.wanted))
        self.wanted += data

    def truncate(self, fd):
        size = self.dice.randrange(self.limit)
        os.ftruncate(fd, size)
        del self.wanted[size:]
        self.wanted.extend(bytes(size - len(self.wanted)))

    def read(self, fd):
        off = self.dice.randrange(self.limit)
        assert os.pread(fd, 50_000, off) == self.wanted[off:off + 50_000]

    def session(self, steps):
        """Open, do some of it, close."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            for _ in range(steps):
                self.dice.choice([self.write, self.write, self.append,
                                  self.truncate, self.read])(fd)
            assert os.fstat(fd).st_size == len(self.wanted)
        finally:
            os.close(fd)


@pytest.mark.parametrize("limit,seed", [
    (300_000, 1), (12 * MIB, 2), (30 * MIB, 3), (30 * MIB, 4)])
def test_random_writes(s3, bucket, m, limit, seed):
    """Opened, changed anywhere and closed, again and again."""
    model = Model(m.path / "f", random.Random(seed), limit)
    for _ in range(6):
        model.session(8)
        stored.check(s3, bucket, "f", model.path, model.wanted)
        assert model.path.read_bytes() == model.wanted


def test_random_writes_where_nothing_is_local(s3, bucket, mount):
    """Each session starts with an empty cache: the base is in S3 only."""
    wanted = bytearray(noise(30 * MIB))
    s3.put_object(Bucket=bucket, Key="f", Body=bytes(wanted))
    dice = random.Random(9)
    for _ in range(3):
        m = mount(bucket, ro=False)
        model = Model(m.path / "f", dice, 30 * MIB)
        model.wanted = wanted
        model.session(3)
        stored.check(s3, bucket, "f", model.path, wanted)
        m.umount()


def test_appending(s3, bucket, m):
    wanted = b""
    for i in range(30):
        line = f"line {i}\n".encode() * (i + 1)
        with open(m.path / "log", "ab") as f:
            f.write(line)
        wanted += line
        assert stored.body(s3, bucket, "log") == wanted
    stored.check(s3, bucket, "log", m.path / "log", wanted)


@pytest.mark.parametrize("size", [PART - 100, PART, 20 * MIB + 1])
def test_appending_to_a_large_file(s3, bucket, mount, size):
    wanted = noise(size)
    s3.put_object(Bucket=bucket, Key="f", Body=wanted)
    m = mount(bucket, ro=False)
    for i in range(3):
        more = noise(1000 + i, i)
        with open(m.path / "f", "ab") as f:
            f.write(more)
        wanted += more
        stored.check(s3, bucket, "f", m.path / "f", wanted)


def test_poking_into_a_large_file(s3, bucket, m):
    """Among other places at the borders of parts and of the file."""
    wanted = bytearray(noise(33 * MIB + 5))
    (m.path / "f").write_bytes(wanted)
    for off in (0, len(wanted) - 1, PART - 1, PART, 5 * MIB, 5 * MIB - 1,
                28 * MIB + 5, 16 * MIB):
        write_at(m.path / "f", off, b"\xa5")
        wanted[off] = 0xa5
        stored.check(s3, bucket, "f", m.path / "f", wanted)


@pytest.mark.parametrize("old,new", [
    (10, 0), (0, 10), (10, 5), (5, 10), (20 * MIB, 9 * MIB + 1),
    (9 * MIB, 20 * MIB), (20 * MIB, PART), (20 * MIB, 1), (100, 17 * MIB)])
def test_truncate(s3, bucket, mount, old, new):
    """By name, of a file that nobody has open and that is not local."""
    body = noise(old)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket, ro=False)
    os.truncate(m.path / "f", new)
    wanted = body[:new] + bytes(max(0, new - old))
    assert (m.path / "f").stat().st_size == new
    assert (m.path / "f").read_bytes() == wanted
    stored.wait_for(lambda: stored.keys(s3, bucket) == {"f": new})
    stored.wait_for(lambda: stored.body(s3, bucket, "f") == wanted)


def test_truncated_to_nothing_and_grown_again(s3, bucket, mount):
    """No old byte comes back."""
    s3.put_object(Bucket=bucket, Key="f", Body=noise(10 * MIB))
    m = mount(bucket, ro=False)
    fd = os.open(m.path / "f", os.O_RDWR)
    try:
        assert os.pread(fd, 100, MIB) != bytes(100)
        os.ftruncate(fd, 1000)
        os.ftruncate(fd, 10 * MIB)
        assert os.pread(fd, 10 * MIB, 1000) == bytes(10 * MIB - 1000)
        os.pwrite(fd, b"x", 5 * MIB)
    finally:
        os.close(fd)
    wanted = noise(10 * MIB)[:1000] + bytes(10 * MIB - 1000)
    wanted = wanted[:5 * MIB] + b"x" + wanted[5 * MIB + 1:]
    stored.check(s3, bucket, "f", m.path / "f", wanted)


@pytest.mark.parametrize("size", [1000, 20 * MIB])
def test_o_trunc(s3, bucket, mount, size):
    s3.put_object(Bucket=bucket, Key="f", Body=noise(size))
    m = mount(bucket, ro=False)
    with open(m.path / "f", "wb") as f:
        assert os.fstat(f.fileno()).st_size == 0
        f.write(b"new")
    stored.check(s3, bucket, "f", m.path / "f", b"new")
    with open(m.path / "f", "wb"):
        pass
    stored.check(s3, bucket, "f", m.path / "f", b"")


def test_fallocate(s3, bucket, m):
    wanted = noise(1000)
    with open(m.path / "f", "w+b", buffering=0) as f:
        f.write(wanted)
        os.posix_fallocate(f.fileno(), 0, 500)
        assert os.fstat(f.fileno()).st_size == 1000
        os.posix_fallocate(f.fileno(), 500, 9 * MIB)
        assert os.fstat(f.fileno()).st_size == 9 * MIB + 500
        assert os.pread(f.fileno(), 2000, 0) == wanted + bytes(1000)
    stored.check(s3, bucket, "f", m.path / "f",
                 wanted + bytes(9 * MIB + 500 - 1000))


@pytest.mark.parametrize("size", [10_000, 20 * MIB])
def test_a_hole_where_nothing_was_read(s3, bucket, m, size):
    """Zeros, though the cache has no byte of the file."""
    wanted = bytearray(noise(size))
    s3.put_object(Bucket=bucket, Key="f", Body=wanted)
    run("fallocate", "-p", "-o", size // 4, "-l", size // 2, m.path / "f")
    wanted[size // 4:size // 4 + size // 2] = bytes(size // 2)
    assert (m.path / "f").read_bytes() == wanted
    assert stored.body(s3, bucket, "f") == wanted


def test_fsync_publishes_what_is_open(s3, bucket, m):
    with open(m.path / "f", "wb", buffering=0) as f:
        f.write(b"first")
        os.fsync(f.fileno())
        assert stored.body(s3, bucket, "f") == b"first"
        f.write(b" second")
        os.fdatasync(f.fileno())
        assert stored.body(s3, bucket, "f") == b"first second"
        f.write(b" third")
    stored.check(s3, bucket, "f", m.path / "f", b"first second third")
    fd = os.open(m.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def test_nothing_is_published_by_a_timer(s3, bucket, m):
    """The old object stays until a program says that the new one is done."""
    (m.path / "f").write_bytes(b"old")
    with open(m.path / "f", "r+b", buffering=0) as f:
        f.write(b"new bytes")
        time.sleep(1)
        assert stored.body(s3, bucket, "f") == b"old"
        assert (m.path / "f").read_bytes() == b"new bytes"


@pytest.mark.parametrize("size,first,second,count", [
    (100_000, 0, 0, 100_000), (20 * MIB, 0, 0, 20 * MIB),
    (20 * MIB, 3, 10 * MIB + 1, 9 * MIB), (20 * MIB, 8 * MIB, 0, 8 * MIB)])
def test_copy_file_range(s3, bucket, m, size, first, second, count):
    body = noise(size)
    (m.path / "a").write_bytes(body)
    with open(m.path / "a", "rb") as a, open(m.path / "b", "wb") as b:
        left, at, to = count, first, second
        while left:
            done = os.copy_file_range(a.fileno(), b.fileno(), left, at, to)
            assert done > 0
            left, at, to = left - done, at + done, to + done
    wanted = bytes(second) + body[first:first + count]
    stored.check(s3, bucket, "b", m.path / "b", wanted)
    assert (m.path / "b").read_bytes() == wanted
    assert stored.body(s3, bucket, "a") == body


def test_times_of_writes(s3, bucket, m):
    """mtime is that of the last write, and is what S3 is told."""
    before = time.time_ns()
    with open(m.path / "f", "wb", buffering=0) as f:
        f.write(b"x")
        time.sleep(0.05)
        between = time.time_ns()
        time.sleep(0.05)
        f.write(b"y")
        time.sleep(0.05)
    st = (m.path / "f").stat()
    assert before < between < st.st_mtime_ns < time.time_ns() - 40_000_000
    stored.check(s3, bucket, "f", m.path / "f", b"xy")
    assert stat.S_IMODE(st.st_mode) == 0o666 & ~umask()
    assert (st.st_uid, st.st_gid) == (os.geteuid(), os.getegid())
    assert st.st_blocks * 512 >= st.st_size


def umask():
    mask = os.umask(0o22)
    os.umask(mask)
    return mask
