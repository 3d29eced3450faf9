# SPDX-License-Identifier: Apache-2.0
"""What has no name any more, for who has it open: as on a disk."""

import os
import stat
import threading

import pytest
from lib import stored
from lib.data import MIB, noise
from lib.workload import plant

NS = 10 ** 9


@pytest.fixture
def m(bucket, mount):
    return mount(bucket, ro=False)


def take_away(root, how):
    """Take the name f away, in one of the ways there are."""
    if how == "unlink":
        os.unlink(root / "f")
    elif how == "replace":
        (root / "new").write_bytes(b"another")
        os.replace(root / "new", root / "f")
    else:
        os.rmdir(root / "f")


def change_all(fd):
    """Do all that descriptors can; return what can be compared."""
    seen = []
    os.fchmod(fd, 0o2640)
    seen.append(oct(os.fstat(fd).st_mode))
    os.fchown(fd, 12, 34)
    os.utime(fd, ns=(5 * NS + 1, 7 * NS + 3))
    st = os.fstat(fd)
    seen.append((st.st_uid, st.st_gid, st.st_atime_ns, st.st_mtime_ns))
    os.setxattr(fd, "user.one", b"1")
    os.setxattr(fd, "user.two", b"22")
    os.removexattr(fd, "user.one")
    seen.append(os.getxattr(fd, "user.two"))
    seen.append([name for name in os.listxattr(fd)
                 if not name.startswith("user.s3.")])
    if stat.S_ISREG(st.st_mode):
        os.ftruncate(fd, 5)
        seen.append((os.fstat(fd).st_size, os.pread(fd, 100, 0)))
        os.ftruncate(fd, 9)
        os.pwrite(fd, b"xy", 7)
        seen.append((os.fstat(fd).st_size, os.pread(fd, 100, 0)))
        os.fsync(fd)
    return seen


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("how", ["unlink", "replace"])
@pytest.mark.parametrize("attrs", ["posix", "list"])
def test_a_file(s3, bucket, mount, tmp_path, how, sent, attrs):
    m = mount(bucket, ro=False, attrs=attrs, ttl=0)
    results = []
    for root in (tmp_path, m.path):
        fd = os.open(root / "f", os.O_RDWR | os.O_CREAT, 0o600)
        os.write(fd, b"hello world")
        if sent:
            os.fsync(fd)
        take_away(root, how)
        assert os.fstat(fd).st_nlink == 0
        results.append(change_all(fd))
        os.close(fd)
    assert results[0] == results[1]
    m.umount()
    assert stored.keys(s3, bucket) == ({"f": 7} if how == "replace" else {})


def test_a_folder(s3, bucket, m, tmp_path):
    results = []
    for root in (tmp_path, m.path):
        os.mkdir(root / "f")
        fd = os.open(root / "f", os.O_RDONLY)
        take_away(root, "rmdir")
        results.append(change_all(fd))
        os.close(fd)
    assert results[0] == results[1]
    m.umount()
    assert stored.keys(s3, bucket) == {}


def test_a_folder_that_is_replaced(m):
    os.mkdir(m.path / "f")
    os.mkdir(m.path / "g")
    fd = os.open(m.path / "f", os.O_RDONLY)
    ino = os.fstat(fd).st_ino
    os.rename(m.path / "g", m.path / "f")
    assert os.fstat(fd).st_ino == ino
    os.fchmod(fd, 0o700)
    os.close(fd)


@pytest.mark.parametrize("how,op", [
    ("unlink", "DeleteObject"), ("replace", "CopyObject"),
    ("replace", "DeleteObject")])
def test_while_it_goes(s3, bucket, proxy, mount, how, op):
    """What the kernel asks then: all but changes, which wait for the end."""
    m = mount(bucket, proxy=proxy, ro=False, ttl=0)
    (m.path / "f").write_bytes(b"hello world")
    fd = os.open(m.path / "f", os.O_RDWR)
    os.setxattr(fd, "user.two", b"22")
    os.fsync(fd)
    proxy.fault("hold", op=op, key="^(f|new)$", times=1, when="after")
    taker = threading.Thread(target=take_away, args=(m.path, how))
    taker.start()
    proxy.wait_held()
    try:
        size = os.fstat(fd).st_size
        value = os.getxattr(fd, "user.two")
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        body = os.pread(fd, 100, 0)
    finally:
        proxy.release()
        taker.join()
    assert (size, value, body) == (11, b"22", b"hello world")
    assert os.fstat(fd).st_nlink == 0
    os.fchmod(fd, 0o640)
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o640
    os.close(fd)


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("how", ["unlink", "replace"])
def test_opened_after_it_went(s3, bucket, m, how, sent):
    """Who found it before may still open it, as a path walk does."""
    fd = os.open(m.path / "f", os.O_RDWR | os.O_CREAT, 0o640)
    os.write(fd, b"hello world")
    if sent:
        os.close(fd)
    found = os.open(m.path / "f", os.O_PATH)
    take_away(m.path, how)
    again = os.open(f"/proc/self/fd/{found}", os.O_RDWR)
    st = os.fstat(again)
    assert (st.st_size, st.st_nlink) == (11, 0)
    os.pwrite(again, b"J", 0)
    assert os.pread(again, 100, 0) == b"Jello world"
    os.close(again)
    os.close(found)
    if not sent:
        os.close(fd)
    m.umount()
    assert stored.keys(s3, bucket) == ({"f": 7} if how == "replace" else {})


@pytest.mark.servers("versitygw")
def test_opened_while_it_is_replaced(server, s3, bucket, proxy, mount):
    """Nothing of it is here: who opens it then gets the next one."""
    plant(server, bucket, {"f": noise(3 * MIB), "g": noise(2 * MIB, 1)})
    m = mount(bucket, proxy=proxy, ro=False)
    os.stat(m.path / "f")
    proxy.fault("hold", op="CopyObject", times=1, when="after")
    mover = threading.Thread(
        target=lambda: os.replace(m.path / "g", m.path / "f"))
    mover.start()
    proxy.wait_held()
    found = []
    reader = threading.Thread(
        target=lambda: found.append((m.path / "f").read_bytes()))
    reader.start()
    reader.join(0.3)
    proxy.release()
    mover.join()
    reader.join()
    assert found[0] == noise(2 * MIB, 1)


def test_what_was_kept_goes_when_it_is_closed(m):
    """Nothing is left in memory, nor in the cache."""
    def kept():
        """How many versions are in memory, and chunk files there."""
        files = [f for f in m.cache.rglob("chunks/*/*") if f.is_file()]
        return m.status()["cache"]["in_memory"], len(files)

    for n in range(20):
        (m.path / "f").write_bytes(noise(200_000, n))
        if n % 2:
            os.unlink(m.path / "f")
        else:
            take_away(m.path, "replace")
    assert os.listdir(m.path) == []
    stored.wait_for(lambda: kept() == (0, 0), "what is not needed to go", 20)
