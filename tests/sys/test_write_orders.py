# SPDX-License-Identifier: Apache-2.0
"""Writing beside what else happens: orders of events that are rare."""

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import stored
from lib.data import MIB, noise

DENIED = {"status": 403, "code": "AccessDenied"}
FILES = "^(?!\\.pailfs/)"       # keys that are no probes


@pytest.fixture
def m(proxy, bucket, mount):
    """A mount that may write, through the proxy."""
    return mount(bucket, proxy=proxy, ro=False, ttl=1)


def close(fd):
    """Close it; return the errno, 0."""
    try:
        os.close(fd)
    except OSError as e:
        return e.errno
    return 0


def fails(call, *args):
    """Call it, which may fail; return the errno, 0."""
    try:
        call(*args)
    except OSError as e:
        return e.errno
    return 0


@pytest.fixture
def hasty(proxy, bucket, mount):
    """One that does not wait long for an answer."""
    return mount(bucket, proxy=proxy, ro=False, ttl=1, timeout=3)


def clean(m):
    got = m.status()["cache"]
    return got["dirty_files"] == 0 and got["dirty_bytes"] == 0


def test_unlink_while_its_close_waits(s3, bucket, proxy, m):
    """Parts went up already: they are aborted, whoever comes first."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"old")
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, noise(20 * MIB))
    stored.wait_for(lambda: proxy.count("UploadPart") > 0)
    proxy.fault("hold", op="DeleteObject", key="^f$", times=1, when="before")
    gone = threading.Thread(target=fails, args=(os.unlink, m.path / "f"))
    gone.start()
    proxy.wait_held()
    closing = threading.Thread(target=close, args=(fd,))
    closing.start()
    time.sleep(0.5)
    proxy.release()
    gone.join()
    closing.join()
    assert stored.keys(s3, bucket) == {}
    stored.wait_for(lambda: stored.uploads(s3, bucket) == [])
    m.umount()


def test_more_large_files_than_threads(s3, bucket, proxy, m):
    """They go up all at once, each in several parts."""
    data = noise(17 * MIB)
    files = []
    for i in range(36):
        files.append(os.open(m.path / f"f{i}", os.O_WRONLY | os.O_CREAT))
        for off in (16 * MIB, 8 * MIB, 0):
            os.pwrite(files[-1], data[off:off + 8 * MIB], off)
    with ThreadPoolExecutor(36) as pool:
        assert set(pool.map(close, files)) == {0}
    assert stored.keys(s3, bucket) == {f"f{i}": 17 * MIB for i in range(36)}


def test_an_empty_file_filled_by_another(s3, bucket, m):
    """It was empty here: that is no reason to overwrite what it is now."""
    s3.put_object(Bucket=bucket, Key="log", Body=b"")
    fd = os.open(m.path / "log", os.O_WRONLY | os.O_APPEND)
    s3.put_object(Bucket=bucket, Key="log", Body=b"theirs")
    os.write(fd, b"mine")
    assert close(fd) == errno.ESTALE
    assert stored.body(s3, bucket, "log") == b"theirs"
    stored.wait_for(lambda: len(stored.keys(s3, bucket)) == 2)


def test_directory_vanishes_under_a_new_file(s3, bucket, m):
    s3.put_object(Bucket=bucket, Key="d/x", Body=b"x")
    fd = os.open(m.path / "d/new", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"kept")
    s3.delete_object(Bucket=bucket, Key="d/x")
    time.sleep(1.5)
    os.listdir(m.path)
    os.listdir(m.path)
    assert close(fd) == 0
    assert stored.keys(s3, bucket) == {"d/new": 4}
    assert (m.path / "d/new").read_bytes() == b"kept"


def test_loser_that_has_no_room_yet(s3, bucket, proxy, mount):
    """It is kept aside as soon as there is."""
    m = mount(bucket, proxy=proxy, ro=False, cache_size="64M")
    data = noise(24 * MIB)
    (m.path / "f").write_bytes(b"old")
    other = os.open(m.path / "g", os.O_WRONLY | os.O_CREAT)
    os.write(other, data)
    fd = os.open(m.path / "f", os.O_WRONLY)
    os.write(fd, data)
    s3.put_object(Bucket=bucket, Key="f", Body=b"theirs")
    assert close(fd) != 0
    assert stored.body(s3, bucket, "f") == b"theirs"
    assert close(other) == 0
    stored.wait_for(lambda: len(stored.keys(s3, bucket)) == 3, "it", 15)
    (key,) = stored.keys(s3, bucket, "f.conflict-")
    assert stored.body(s3, bucket, key) == data
    assert (m.path / "f").read_bytes() == b"theirs"


@pytest.mark.parametrize("size", [100, 12 * MIB])
def test_refused_and_killed(s3, bucket, proxy, m, size):
    """What was refused is kept, whatever ends the mount."""
    data = noise(size)
    (m.path / "old").write_bytes(b"o" * size)
    op = "PutObject" if size < MIB else "CreateMultipartUpload"
    proxy.fault("status", op=op, key=FILES, **DENIED)
    fails((m.path / "f").write_bytes, data)
    fd = os.open(m.path / "old", os.O_WRONLY)
    os.pwrite(fd, b"new", 1)
    close(fd)
    m.kill9()
    proxy.clear()
    m.start()
    assert (m.path / "f").read_bytes() == data
    stored.wait_for(lambda: clean(m), "both", 20)
    assert stored.body(s3, bucket, "f") == data
    want = b"o" + b"new" + b"o" * (size - 4)
    assert stored.body(s3, bucket, "old") == want


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("second", [None, "lost_reply", "reset"])
def test_lost_put(s3, bucket, proxy, hasty, second, killed):
    """An answer that never came, and a look that failed: no conflict.

    Nor with what was tried after it, which may have had no effect.
    """
    m = hasty
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"mine")
    proxy.fault("status", op="HeadObject", key="^f$", **DENIED)
    lost = proxy.fault("lost_reply", op="PutObject", key="^f$")
    assert close(fd) != 0
    if second:
        proxy.fault(second, op="PutObject", key="^f$")
        proxy.clear(lost)
        fd = os.open(m.path / "f", os.O_RDWR)
        os.pwrite(fd, b"M", 0)
        assert fails(os.fsync, fd) != 0
        close(fd)
    if killed:
        m.kill9()
    proxy.clear()
    if killed:
        m.start()
    stored.wait_for(lambda: clean(m), "it", 20)
    assert stored.keys(s3, bucket) == {"f": 4}
    assert stored.body(s3, bucket, "f") == (b"Mine" if second else b"mine")


def test_killed_before_the_end_of_an_upload_is_told(s3, bucket, proxy, m):
    """Parts went up while it was written: it is known again all the same."""
    data = noise(20 * MIB)
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, data)
    stored.wait_for(lambda: proxy.count("UploadPart") > 0)
    proxy.fault("hold", op="CompleteMultipartUpload", key="^f$")
    closing = threading.Thread(target=close, args=(fd,))
    closing.start()
    proxy.wait_held()
    m.kill9()
    closing.join()
    proxy.clear()
    proxy.release()
    m.start()
    stored.wait_for(lambda: clean(m), "it", 20)
    assert stored.keys(s3, bucket) == {"f": len(data)}
    assert stored.body(s3, bucket, "f") == data


def test_lost_put_then_refused_and_unlinked(s3, bucket, proxy, hasty):
    """What the first one stored does not come back."""
    m = hasty
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"mine")
    look = proxy.fault("status", op="HeadObject", key="^f$", **DENIED)
    lost = proxy.fault("lost_reply", op="PutObject", key="^f$")
    assert close(fd) != 0
    refused = proxy.fault("status", op="PutObject", key="^f$", **DENIED)
    proxy.clear(lost)
    fd = os.open(m.path / "f", os.O_RDWR)
    assert fails(os.fsync, fd) == errno.EACCES
    close(fd)
    proxy.clear(look)
    os.unlink(m.path / "f")
    proxy.clear(refused)
    assert stored.keys(s3, bucket) == {}


def test_unlink_what_is_not_settled(s3, bucket, proxy, hasty):
    m = hasty
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"mine")
    rule = proxy.fault("status", op="HeadObject", key="^f$", **DENIED)
    lost = proxy.fault("lost_reply", op="PutObject", key="^f$")
    assert close(fd) != 0
    proxy.clear(rule)
    proxy.clear(lost)
    os.unlink(m.path / "f")
    assert stored.keys(s3, bucket) == {}


def test_refused_append_and_remount(s3, bucket, proxy, m):
    """Its base is not all here: it is still to be had."""
    base = noise(24 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=base)
    rule = proxy.fault("status", op="CreateMultipartUpload", key=FILES,
                       **DENIED)
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"more")
    assert close(fd) == errno.EACCES
    m.ctl("umount", str(m.path))
    m.pid = 0
    proxy.clear(rule)
    m.start()
    assert (m.path / "f").read_bytes() == base + b"more"
    stored.wait_for(lambda: clean(m), "it", 20)
    assert stored.body(s3, bucket, "f") == base + b"more"
    assert list(stored.keys(s3, bucket)) == ["f"]


# moto answers 500 to a part of an upload that is not there.
@pytest.mark.servers("versitygw")
def test_the_upload_is_aborted_by_another(s3, bucket, proxy, m):
    """A lifecycle rule took the upload: it is begun anew."""
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT)
    data = noise(20 * MIB)
    os.write(fd, data)
    stored.wait_for(lambda: stored.uploads(s3, bucket) != [])
    time.sleep(1)
    for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]:
        s3.abort_multipart_upload(Bucket=bucket, Key=one["Key"],
                                  UploadId=one["UploadId"])
    assert close(fd) == 0
    assert stored.body(s3, bucket, "f") == data


def test_copy_of_a_file_that_is_being_written(s3, bucket, proxy, m):
    """The copy has one version of it, and close does not fail."""
    (m.path / "a").write_bytes(b"0" * MIB)
    errors = []

    def write():
        for i in range(1, 10):
            errors.append(fails((m.path / "a").write_bytes,
                                bytes([48 + i]) * MIB))

    def copy(i):
        src = os.open(m.path / "a", os.O_RDONLY)
        dst = os.open(m.path / f"b{i}", os.O_WRONLY | os.O_CREAT)
        r = fails(os.copy_file_range, src, dst, MIB, 0, 0)
        return r or close(dst) or close(src)

    with ThreadPoolExecutor(4) as pool:
        writer = pool.submit(write)
        copies = list(pool.map(copy, range(24)))
        writer.result()
    assert set(errors) == {0}
    assert set(copies) <= {0}, copies
    assert [k for k in stored.keys(s3, bucket) if "." in k] == []


def test_read_while_attributes_are_sent(s3, bucket, proxy, m):
    """A large object gets a new ETag by a copy onto itself."""
    data = noise(20 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=data)
    proxy.fault("hold", op="CopyObject", key="^f$", times=1, when="after")
    os.chmod(m.path / "f", 0o600)
    proxy.wait_held()
    got = []
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: (m.path / "f").read_bytes())
        time.sleep(1)
        proxy.release()
        got = reading.result()
    assert got == data


def test_completed_again_under_another_condition(s3, bucket, proxy, m):
    """O_TRUNC looks again; the parts are there already."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"old")
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_TRUNC)
    data = noise(20 * MIB)
    os.write(fd, data)
    s3.put_object(Bucket=bucket, Key="f", Body=b"theirs")
    assert close(fd) == 0
    assert stored.body(s3, bucket, "f") == data


def test_an_unlinked_file_lives_on(s3, bucket, m):
    """What has it open reads it, and changes what it is."""
    data = noise(200000)
    fd = os.open(m.path / "f", os.O_RDWR | os.O_CREAT)
    os.write(fd, data)
    os.fsync(fd)
    os.unlink(m.path / "f")
    assert os.fstat(fd).st_size == len(data) and os.fstat(fd).st_nlink == 0
    assert os.pread(fd, MIB, 0) == data
    os.fchmod(fd, 0o640)
    os.utime(fd, ns=(10**18, 10**18 + 1))
    os.ftruncate(fd, 5)
    st = os.fstat(fd)
    assert (st.st_mode & 0o777, st.st_size) == (0o640, 5)
    assert os.pread(fd, MIB, 0) == data[:5]
    assert close(fd) == 0
    assert not stored.keys(s3, bucket)


def test_times_set_while_others_are_sent(s3, bucket, m):
    """The last ones win, whatever is on its way meanwhile."""
    names = [f"f{i}" for i in range(40)]
    for name in names:
        (m.path / name).write_bytes(b"x")

    def touch(name, i):
        os.utime(m.path / name, ns=(10**18, 10**18))
        time.sleep(0.095 + i % 8 * 0.005)   # about write_delay
        os.utime(m.path / name, ns=(10**18, 2 * 10**18))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(touch, names, range(len(names))))
    m.umount()
    sent = {s3.head_object(Bucket=bucket, Key=name)["Metadata"]["mtime"]
            for name in names}
    assert sent == {"2000000000.000000000"}


def test_folders_have_their_modes_with_ttl_0(bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False)
    (m.path / "a").mkdir(0o700)
    (m.path / "a/b").mkdir(0o711)
    m.umount()
    again = mount(bucket, proxy=proxy, ttl=0)
    assert (again.path / "a").stat().st_mode & 0o777 == 0o700
    assert (again.path / "a/b").stat().st_mode & 0o777 == 0o711
