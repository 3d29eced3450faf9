# SPDX-License-Identifier: Apache-2.0
"""Calls that few programs make: each works, or is refused as its page says."""

import ctypes
import errno
import mmap
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import stored
from lib.data import MIB, noise
from lib.dirent import Dir
from lib.workload import plant

pytestmark = pytest.mark.servers("versitygw")
LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
COLLAPSE_RANGE, INSERT_RANGE = 0x08, 0x20


@pytest.fixture
def m(bucket, mount):
    return mount(bucket, ro=False)


def failure(call, *args):
    """Return the errno of a call that fails."""
    with pytest.raises(OSError) as e:
        call(*args)
    return e.value.errno


# lseek(2): SEEK_DATA, SEEK_HOLE.

def seeks(fd, *offsets):
    """Return what both say at each offset, "end" for ENXIO."""
    found = []
    for off in offsets:
        for whence in (os.SEEK_DATA, os.SEEK_HOLE):
            try:
                found.append(os.lseek(fd, off, whence))
            except OSError as e:
                assert e.errno == errno.ENXIO
                found.append("end")
    return found


def test_all_is_data_but_the_end(s3, bucket, m):
    """S3 has no holes: the one that each file has is behind it."""
    s3.put_object(Bucket=bucket, Key="stored", Body=bytes(MIB))
    with open(m.path / "made", "wb") as f:
        f.seek(MIB - 1)
        f.write(b"x")
        f.flush()
        assert seeks(f.fileno(), 0, 100, MIB - 1, MIB) == [
            0, MIB, 100, MIB, MIB - 1, MIB, "end", "end"]
        f.truncate(10)
        assert seeks(f.fileno(), 0, 10) == [0, 10, "end", "end"]
    (m.path / "empty").write_bytes(b"")
    for name, size in (("stored", MIB), ("empty", 0)):
        fd = os.open(m.path / name, os.O_RDONLY)
        assert seeks(fd, 0, size, size + 1) == (
            [0, size] if size else ["end", "end"]) + ["end"] * 4
        os.close(fd)


def test_cp_of_a_sparse_file(m, tmp_path):
    """Nothing is lost by programs that go by holes."""
    content = bytes(MIB) + noise(5000) + bytes(3 * MIB)
    (m.path / "f").write_bytes(content)
    for how in ("auto", "always", "never"):
        copy = tmp_path / how
        assert os.system(f"cp --sparse={how} '{m.path / 'f'}' '{copy}'") == 0
        assert copy.read_bytes() == content
    assert os.system(f"tar -C '{m.path}' -Scf - f | tar -xOf - "
                     f"> '{tmp_path / 'tar'}'") == 0
    assert (tmp_path / "tar").read_bytes() == content


# What is refused.

def test_o_tmpfile(m):
    """open(2) names EOPNOTSUPP; programs then make a file and unlink it."""
    assert failure(os.open, m.path, os.O_TMPFILE | os.O_RDWR, 0o600) == \
        errno.EOPNOTSUPP
    assert os.listdir(m.path) == []
    with pytest.raises(OSError):
        os.open(m.path / "none", os.O_TMPFILE | os.O_RDWR, 0o600)


def renameat2(old, new, flags):
    if LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new),
                      flags):
        raise OSError(ctypes.get_errno(), "renameat2")


@pytest.mark.parametrize("kinds,flags", (
    ("files", EXCHANGE), ("folders", EXCHANGE), ("both", EXCHANGE),
    ("files", WHITEOUT), ("files", EXCHANGE | NOREPLACE), ("files", 64)))
def test_rename_exchange_and_whiteout(s3, bucket, m, kinds, flags):
    """S3 cannot swap two objects so that others see both or neither."""
    a, b = m.path / "a", m.path / "b"
    for path, is_dir in ((a, kinds == "folders"), (b, kinds != "files")):
        if is_dir:
            path.mkdir()
            (path / path.name).write_bytes(path.name.encode())
        else:
            path.write_bytes(path.name.encode())
    before = stored.tree(m.path)
    keys = stored.keys(s3, bucket)
    assert failure(renameat2, a, b, flags) == errno.EINVAL
    assert stored.tree(m.path) == before
    assert stored.keys(s3, bucket) == keys


def test_acls(m):
    (m.path / "f").write_bytes(b"x")
    for name in ("system.posix_acl_access", "system.posix_acl_default"):
        assert failure(os.setxattr, m.path, name, b"\2\0\0\0") == \
            errno.EOPNOTSUPP
        assert failure(os.getxattr, m.path / "f", name) == errno.EOPNOTSUPP
    assert failure(os.setxattr, m.path / "f", "trusted.x", b"1") == \
        errno.EOPNOTSUPP
    assert failure(os.setxattr, m.path / "f", "security.x", b"1") == \
        errno.EOPNOTSUPP


def fallocate(fd, mode, off, size):
    if LIBC.fallocate(fd, mode, ctypes.c_int64(off), ctypes.c_int64(size)):
        raise OSError(ctypes.get_errno(), "fallocate")


def test_ranges_cannot_be_moved(m):
    content = noise(100000)
    (m.path / "f").write_bytes(content)
    with open(m.path / "f", "r+b") as f:
        for mode in (COLLAPSE_RANGE, INSERT_RANGE):
            assert failure(fallocate, f.fileno(), mode, 0, 4096) == \
                errno.EOPNOTSUPP
    assert (m.path / "f").read_bytes() == content


# O_DIRECT.

def test_o_direct(s3, bucket, m):
    """Of any size at any place, beside what others have in the page cache."""
    content = bytearray(noise(3 * MIB + 5))
    (m.path / "f").write_bytes(content)
    plain = os.open(m.path / "f", os.O_RDWR)
    direct = os.open(m.path / "f", os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(-1, MIB) as room:
        for off, size in ((0, MIB), (4096, 4096), (2 * MIB, 8192)):
            with memoryview(room)[:size] as part:
                assert os.preadv(direct, [part], off) == size
                assert part == content[off:off + size]
                part[:] = noise(size, seed=off + 1)
                content[off:off + size] = part
                assert os.pwritev(direct, [part], off) == size
            assert os.pread(plain, size, off) == content[off:off + size]
        os.pwrite(plain, b"plain", 4100)
        content[4100:4105] = b"plain"
        assert os.preadv(direct, [room], 0) == MIB
        assert room[:] == content[:MIB]
        # The end, and behind it.
        assert os.preadv(direct, [room], 3 * MIB) == 5
        assert os.preadv(direct, [room], 4 * MIB) == 0
    for fd in (plain, direct):
        os.close(fd)
    assert stored.body(s3, bucket, "f") == content


# readdir(3), while the programs of this mount change the folder.

def fill(server, bucket, m):
    """Return names of files in d, more than come in one answer."""
    names = {f"steady{i:04}" for i in range(2500)}
    plant(server, bucket, {f"d/{name}": b"" for name in names})
    assert set(os.listdir(m.path / "d")) == names
    return names


@pytest.mark.parametrize("sync", ("close", "fsync"))
def test_readdir_while_names_come_and_go(server, bucket, mount, sync):
    """What was there all the time is shown once, whatever else happens."""
    m = mount(bucket, ro=False, sync=sync)
    steady = fill(server, bucket, m)
    folder = m.path / "d"
    done = threading.Event()

    def disturb():
        i = 0
        while not done.is_set():
            i += 1
            path = folder / f"{'as'[i % 2]}{i % 9}"
            path.write_bytes(b"")
            os.rename(path, folder / "moved")
            os.unlink(folder / "moved")

    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(disturb)
        try:
            for _ in range(6):
                with Dir(folder) as d:
                    seen = [d.read() for _ in range(900)]
                    mark = d.tell()
                    rest = d.rest()
                    d.seek(mark)
                    again = d.rest()
                for tail in (rest, again):
                    found = [n for n in seen + tail if n.startswith("steady")]
                    assert len(found) == len(set(found))
                    assert set(found) == steady
        finally:
            done.set()
        busy.result()


def test_emptied_while_it_is_read(server, bucket, mount):
    """rm -r reads on after it removed what it has read."""
    m = mount(bucket, ro=False, sync="fsync")
    names = fill(server, bucket, m)
    folder = m.path / "d"
    with Dir(folder) as d:
        seen = []
        while (name := d.read()) is not None:
            if name not in (".", ".."):
                seen.append(name)
                os.unlink(folder / name)
        assert len(seen) == len(names) and set(seen) == names
        d.rewind()
        assert d.rest() == []
    folder.rmdir()
