# SPDX-License-Identifier: Apache-2.0
"""What sync= promises of bytes: where they are when a call has returned 0.

The daemon is killed right then; where the mode says that they are in the local
store, S3 is out of reach before, and comes back after.
"""

import errno
import functools
import os
import shutil
import threading

import pytest
from lib import modes, stored
from lib.data import MIB, noise
from lib.modes import LOCAL, close, cut, end, restart, settle, state, writing

SIZES = (0, 100, 9 * MIB + 17)


@pytest.fixture
def mounted(proxy, bucket, mount):
    """A factory of mounts in a mode: mounted(sync, option=value ...)."""
    return functools.partial(modes.start, mount, bucket, proxy)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sync", modes.ALL)
def test_close(s3, bucket, proxy, mounted, sync, size):
    """sync=close: in S3; else in the cache folder."""
    m = mounted(sync)
    data = noise(size)
    if sync in LOCAL:
        cut(proxy)
    (m.path / "f").write_bytes(data)
    if sync == "close":
        cut(proxy)
    restart(m, proxy)
    assert (m.path / "f").read_bytes() == data
    settle(m)
    assert stored.body(s3, bucket, "f") == data
    assert modes.unfinished(s3, bucket, "f") == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sync", modes.ALL)
def test_fsync(s3, bucket, proxy, mounted, sync, size):
    """sync=local: in the cache folder; else in S3."""
    m = mounted(sync)
    if sync == "local":
        cut(proxy)
    job = writing(m.path / "f", size, call="fsync")
    if sync != "local":
        cut(proxy)
    restart(m, proxy)
    end(job)
    assert (m.path / "f").read_bytes() == b"x" * size
    settle(m)
    assert stored.body(s3, bucket, "f") == b"x" * size
    assert modes.unfinished(s3, bucket, "f") == []


@pytest.mark.parametrize("sync", ("close", "fsync"))
def test_fsync_says_that_s3_is_away(s3, bucket, proxy, mounted, sync):
    m = mounted(sync)
    fd = os.open(m.path / "f", os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"x")
    cut(proxy)
    with pytest.raises(OSError) as e:
        os.fsync(fd)
    assert e.value.errno in (errno.EIO, errno.EHOSTUNREACH)
    proxy.clear()
    os.fsync(fd)
    assert close(fd) == 0
    assert stored.body(s3, bucket, "f") == b"x"


@pytest.mark.parametrize("sync", modes.ALL)
def test_truncate_by_name(s3, bucket, proxy, mounted, sync):
    m = mounted(sync)
    (m.path / "f").write_bytes(b"0123456789")
    settle(m)
    if sync in LOCAL:
        cut(proxy)
    os.truncate(m.path / "f", 4)
    if sync == "close":
        cut(proxy)
    restart(m, proxy)
    assert (m.path / "f").read_bytes() == b"0123"
    settle(m)
    assert stored.body(s3, bucket, "f") == b"0123"


@pytest.mark.parametrize("sync", modes.ALL)
def test_changed_and_closed(s3, bucket, proxy, mounted, sync):
    """What was not changed is S3's still, and is not here."""
    data = bytearray(noise(20 * MIB))
    s3.put_object(Bucket=bucket, Key="f", Body=bytes(data))
    m = mounted(sync)
    fd = os.open(m.path / "f", os.O_RDWR)
    if sync in LOCAL:
        cut(proxy)
    os.pwrite(fd, b"new", 9 * MIB)
    data[9 * MIB:9 * MIB + 3] = b"new"
    assert close(fd) == 0
    if sync == "close":
        cut(proxy)
    restart(m, proxy)
    settle(m)
    assert stored.body(s3, bucket, "f") == data
    assert (m.path / "f").read_bytes() == data


@pytest.mark.parametrize("sync", LOCAL)
@pytest.mark.parametrize("size", (0, 100, 3 * MIB))
def test_p1_changed_after_the_close(s3, bucket, proxy, mounted, sync, size):
    """What was closed is the file, what came after it is kept beside."""
    m = mounted(sync)
    cut(proxy)
    data = noise(size)
    (m.path / "f").write_bytes(data)
    (m.path / "g").write_bytes(data)
    jobs = [writing(m.path / "f", 1000, size // 2),
            writing(m.path / "f", 10, size + 5000),
            writing(m.path / "g", 7, call="anew")]
    assert (m.path / "g").read_bytes() == b"x" * 7
    restart(m, proxy)
    for job in jobs:
        end(job)
    settle(m)
    both = bytearray(data.ljust(size + 5010, b"\0"))
    both[size // 2:size // 2 + 1000] = b"x" * 1000
    both[size + 5000:] = b"x" * 10
    for name, changed in (("f", both), ("g", b"x" * 7)):
        assert stored.body(s3, bucket, name) == data
        assert (m.path / name).read_bytes() == data
        (key,) = modes.unfinished(s3, bucket, name)
        assert stored.body(s3, bucket, key) == changed


@pytest.mark.parametrize("sync", LOCAL)
def test_p1_changed_and_closed_again(s3, bucket, proxy, mounted, sync):
    """The newest that was closed is the file; nothing else is left."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"old" * 100)
    m = mounted(sync)
    assert (m.path / "f").read_bytes() == b"old" * 100
    cut(proxy)
    used = chunks(m)
    for i in range(3):
        with open(m.path / "f", "r+b") as f:
            f.seek(i * 100)
            f.write(b"%d" % i * 100)
    assert chunks(m) == used
    restart(m, proxy)
    settle(m)
    assert stored.body(s3, bucket, "f") == b"0" * 100 + b"1" * 100 + b"2" * 100
    assert modes.unfinished(s3, bucket, "f") == []


def chunks(m):
    """How many chunk files there are."""
    return sum(p.is_file() for p in m.cache.glob("*/chunks/*/*"))


@pytest.mark.parametrize("sync", LOCAL)
def test_emptied_after_the_close(s3, bucket, proxy, mounted, sync):
    """What a truncation let go of does not come back; what was closed does."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"old" * 100)
    m = mounted(sync)
    fd = os.open(m.path / "f", os.O_WRONLY)
    cut(proxy)
    os.ftruncate(fd, 0)
    os.write(fd, b"new")
    assert close(fd) == 0
    job = writing(m.path / "g", 1)      # another one, which is not closed
    fd = os.open(m.path / "f", os.O_WRONLY | os.O_TRUNC)
    m.kill9()
    close(fd)
    end(job)
    proxy.clear()
    m.start()
    settle(m)
    assert stored.body(s3, bucket, "f") == b"new"
    assert modes.unfinished(s3, bucket, "f") == []


def test_power_loss_after_fsync(s3, bucket, proxy, mounted, tmp_path):
    """The folder as it was when fsync had returned."""
    m = mounted("local")
    data = noise(3 * MIB)
    cut(proxy)
    fd = os.open(m.path / "f", os.O_CREAT | os.O_WRONLY)
    os.write(fd, data)
    os.fsync(fd)
    shutil.copytree(m.cache, tmp_path / "copy")
    os.pwrite(fd, b"lost", 0)
    m.kill9()
    close(fd)
    shutil.rmtree(m.cache)
    shutil.copytree(tmp_path / "copy", m.cache)
    proxy.clear()
    m.start()
    settle(m)
    assert stored.body(s3, bucket, "f") == data


@pytest.mark.parametrize("sync", LOCAL)
def test_closes_fold_into_one_upload(s3, bucket, proxy, mounted, sync):
    """No request before close returns; then one for all, modes included."""
    m = mounted(sync, write_delay=1500)
    proxy.reset()
    for i in range(5):
        with open(m.path / "f", "ab") as f:
            f.write(b"%d" % i)
    os.chmod(m.path / "f", 0o600)
    os.utime(m.path / "f", (1, 2))
    assert state(m.path / "f") == "dirty"
    assert proxy.count() == 0, proxy.counts()
    settle(m)
    assert proxy.counts() == {"PutObject": 1}
    stored.check(s3, bucket, "f", m.path / "f", b"01234")
    assert state(m.path / "f") == "clean"


@pytest.mark.parametrize("sync", LOCAL)
def test_nothing_is_sent_while_it_is_written(s3, bucket, proxy, mounted, sync):
    """A close is sent; not with what was written after it."""
    m = mounted(sync, write_delay=300)
    job = writing(m.path / "f", 10)
    with open(m.path / "f", "r+b") as f:
        f.write(b"closed")
    stored.wait_for(lambda: stored.exists(s3, bucket, "f"))
    with open(m.path / "f", "r+b") as f:
        f.write(b"CLOSED")
    fd = os.open(m.path / "f", os.O_WRONLY)
    os.pwrite(fd, b"not yet", 20)
    with pytest.raises(TimeoutError):
        stored.wait_for(
            lambda: stored.body(s3, bucket, "f") != b"closedxxxx", "it", 1)
    assert close(fd) == 0
    end(job)
    settle(m)
    assert stored.body(s3, bucket, "f") == b"CLOSEDxxxx" + bytes(10) + \
        b"not yet"


@pytest.mark.parametrize("sync", LOCAL)
def test_refused_later(s3, bucket, proxy, mounted, sync):
    """Each handle that is open then is told, once; and it is tried again."""
    m = mounted(sync)
    proxy.fault("status", op="PutObject", key="^f$", status=403,
                code="AccessDenied")
    held = os.open(m.path / "f", os.O_CREAT | os.O_RDWR)
    (m.path / "f").write_bytes(b"new")
    stored.wait_for(lambda: state(m.path / "f") == "failed", "it")
    assert close(held) == errno.EACCES
    assert close(os.open(m.path / "f", os.O_RDWR)) == 0
    assert m.status()["cache"]["failed_files"] == 1
    assert "'f'" in m.log.read_text()
    assert (m.path / "f").read_bytes() == b"new"
    proxy.clear()
    settle(m)
    assert stored.body(s3, bucket, "f") == b"new"


@pytest.mark.parametrize("sync", LOCAL)
def test_conflict_after_the_close(s3, bucket, proxy, mounted, sync):
    m = mounted(sync, write_delay=500)
    with open(m.path / "f", "xb") as f:
        f.write(b"mine")
    s3.put_object(Bucket=bucket, Key="f", Body=b"theirs")
    stored.wait_for(lambda: len(stored.keys(s3, bucket)) == 3, "both", 20)
    settle(m)
    assert stored.body(s3, bucket, "f") == b"theirs"
    (key,) = stored.keys(s3, bucket, "f.conflict-")
    assert stored.body(s3, bucket, key) == b"mine"
    assert (m.path / "f").read_bytes() == b"theirs"
    status, said = m.ctl("conflicts", str(m.path))
    assert status == 0 and key in said
    assert "changed by another" in m.log.read_text()


@pytest.mark.parametrize("sync", LOCAL)
def test_umount_sends_what_waits(s3, bucket, mounted, sync):
    m = mounted(sync, write_delay=60000)
    for i in range(20):
        (m.path / f"f{i}").write_bytes(b"%d" % i)
    m.umount()
    for i in range(20):
        assert stored.body(s3, bucket, f"f{i}") == b"%d" % i


@pytest.mark.parametrize("sync", LOCAL)
def test_copied_inside(s3, bucket, proxy, mounted, sync):
    """Bytes that are another object's are S3's when close returns."""
    s3.put_object(Bucket=bucket, Key="from", Body=noise(MIB))
    m = mounted(sync, write_delay=60000)
    source = os.open(m.path / "from", os.O_RDONLY)
    target = os.open(m.path / "to", os.O_CREAT | os.O_WRONLY)
    assert os.copy_file_range(source, target, 2 * MIB) == MIB
    assert close(target) == 0 and close(source) == 0
    assert len(proxy.log("CopyObject", "to")) == 1
    assert stored.body(s3, bucket, "to") == noise(MIB)


@pytest.mark.parametrize("sync", LOCAL)
def test_a_full_cache_waits_for_uploads(s3, bucket, proxy, mounted, sync):
    """What only waits for its time is sent when room is needed."""
    m = mounted(sync, write_delay=60000, cache_size="16M", free_space=0)
    for i in range(10):
        (m.path / f"f{i}").write_bytes(noise(4 * MIB))
    m.umount()
    for i in range(10):
        assert stored.body(s3, bucket, f"f{i}") == noise(4 * MIB)


@pytest.mark.parametrize("sync", LOCAL)
def test_a_full_cache_without_s3(s3, bucket, proxy, mounted, sync):
    """ENOSPC, when nothing can be sent; all that was closed is kept."""
    m = mounted(sync, write_delay=60000, cache_size="16M", free_space=0)
    cut(proxy)
    whole = []
    with pytest.raises(OSError) as e:
        for i in range(10):
            (m.path / f"f{i}").write_bytes(noise(4 * MIB))
            whole.append(i)
    assert e.value.errno == errno.ENOSPC and whole
    proxy.clear()
    settle(m)
    for i in whole:
        assert stored.body(s3, bucket, f"f{i}") == noise(4 * MIB)


def test_each_close_of_an_open_file_waits_for_no_other(s3, bucket, proxy,
                                                       mounted):
    """Threads that close at once share what is sent."""
    m = mounted("fsync", write_delay=1000)
    proxy.reset()
    jobs = [threading.Thread(
        target=(m.path / f"f{i % 3}").write_bytes, args=(b"x" * i,))
        for i in range(12)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    settle(m)
    assert proxy.count("PutObject") == 3, proxy.counts()
