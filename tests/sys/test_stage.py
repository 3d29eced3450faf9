# SPDX-License-Identifier: Apache-2.0
"""A file four times the cache: what does not fit goes to S3 before the close.

It lies under .pailfs/OWNER/stage/ until then, hidden, and nothing stays there.
"""

import errno
import mmap
import os
import random
import threading
import time

import pytest
from lib import env, stored
from lib.data import MIB, noise

CACHE = 16 * MIB
SIZE = 4 * CACHE
PIECE = MIB
STAGE = stored.STAGE.pattern


@pytest.fixture
def small(bucket, mount, proxy):
    """A factory of mounts whose cache holds a quarter of the file."""
    def start(**options):
        options = {"ro": False, "cache_size": CACHE, "free_space": 0,
                   "proxy": proxy, **options}
        return mount(bucket, **options)
    return start


@pytest.fixture
def opened():
    """A factory of descriptors that are closed before the mount goes.

    No process may be started while one is open: it closes its copy, which is
    a close like another.
    """
    made = []

    def start(path, flags=os.O_CREAT | os.O_RDWR):
        made.append(os.open(path, flags))
        return made[-1]

    yield start
    for fd in made:
        try:
            os.close(fd)
        except OSError:
            pass


def disk(m):
    """The bytes of the cache folder."""
    return sum(os.lstat(os.path.join(here, name)).st_blocks * 512
               for here, _, names in os.walk(m.cache) for name in names)


def write(fd, data, at=0):
    for off in range(0, len(data), PIECE):
        piece = data[off:off + PIECE]
        assert os.pwrite(fd, piece, at + off) == len(piece)


def read(fd, size, at=0):
    pieces = []
    for off in range(at, at + size, PIECE):
        pieces.append(os.pread(fd, min(PIECE, at + size - off), off))
    return b"".join(pieces)


def fails(call, *args):
    try:
        call(*args)
    except OSError:
        pass


def nothing_stays(s3, bucket):
    stored.wait_for(lambda: not stored.staged(s3, bucket), "them to go")
    assert stored.uploads(s3, bucket) == []


def aside(s3, bucket, name, kind):
    """The one file that is kept beside ${name}."""
    prefix = f"{name}.{kind}-"
    stored.wait_for(lambda: stored.keys(s3, bucket, prefix), prefix, 30)
    (key,) = stored.keys(s3, bucket, prefix)
    return key


@pytest.mark.parametrize("sync, cache", [
    ("close", CACHE), ("fsync", CACHE), ("local", CACHE),
    pytest.param("close", 64 * MIB, marks=pytest.mark.long)])
def test_p5_written_and_read_in_sequence(s3, bucket, small, opened, sync,
                                         cache):
    m = small(sync=sync, cache_size=cache)
    size = 4 * cache
    data = noise(size)
    fd = opened(m.path / "f")
    write(fd, data)
    assert stored.staged(s3, bucket) and os.listdir(m.path) == ["f"]
    assert disk(m) <= cache
    assert stored.keys(s3, bucket) == {}
    assert read(fd, size) == data
    os.close(fd)
    stored.check(s3, bucket, "f", m.path / "f", data)
    assert (m.path / "f").read_bytes() == data
    nothing_stays(s3, bucket)


def test_p5_what_was_staged_is_written_again(s3, bucket, small, opened):
    """Anywhere, before the close, a little and a lot; and it is cut."""
    m = small()
    data = bytearray(noise(SIZE))
    fd = opened(m.path / "f")
    write(fd, data)
    rng = random.Random(7)
    for i in range(60):
        off = rng.randrange(SIZE)
        new = noise(min(rng.choice((1, 700, 5000, 2 * MIB)), SIZE - off), i)
        write(fd, new, off)
        data[off:off + len(new)] = new
        at = rng.randrange(SIZE - PIECE)
        assert read(fd, PIECE, at) == data[at:at + PIECE], i
    os.ftruncate(fd, SIZE - 5 * MIB - 3)
    del data[SIZE - 5 * MIB - 3:]
    write(fd, noise(3 * MIB, 99), len(data))
    data += noise(3 * MIB, 99)
    assert read(fd, len(data)) == data
    os.close(fd)
    stored.check(s3, bucket, "f", m.path / "f", bytes(data))
    nothing_stays(s3, bucket)


def test_p5_a_file_that_s3_has_grows(s3, bucket, small, opened):
    """Its bytes, what was changed of them, and more than the cache."""
    s3.put_object(Bucket=bucket, Key="f", Body=noise(SIZE, 1))
    m = small()
    fd = opened(m.path / "f", os.O_RDWR)
    write(fd, noise(2 * CACHE, 2), SIZE)
    write(fd, b"new", 9 * MIB)
    assert stored.body(s3, bucket, "f") == noise(SIZE, 1)
    os.close(fd)
    data = bytearray(noise(SIZE, 1) + noise(2 * CACHE, 2))
    data[9 * MIB:9 * MIB + 3] = b"new"
    stored.check(s3, bucket, "f", m.path / "f", bytes(data))
    nothing_stays(s3, bucket)


def test_p5_mapped(s3, bucket, small, opened):
    m = small()
    fd = opened(m.path / "f")
    os.ftruncate(fd, 8 * MIB)
    data = b""
    for i in range(SIZE // (8 * MIB)):
        os.ftruncate(fd, (i + 1) * 8 * MIB)
        with mmap.mmap(fd, 8 * MIB, offset=i * 8 * MIB) as view:
            view[:] = noise(8 * MIB, i)
        data += noise(8 * MIB, i)
    with mmap.mmap(fd, SIZE) as view:
        assert view[:] == data
        view[5 * MIB:5 * MIB + 4] = b"maps"
    os.close(fd)
    data = data[:5 * MIB] + b"maps" + data[5 * MIB + 4:]
    stored.check(s3, bucket, "f", m.path / "f", data)
    nothing_stays(s3, bucket)


def test_p5_several_files_at_once(s3, bucket, small, opened):
    """Each larger than the cache, none closed before the last is written."""
    m = small()
    fds = [opened(m.path / f"f{i}") for i in range(3)]
    for off in range(0, 2 * CACHE, PIECE):
        for i, fd in enumerate(fds):
            write(fd, noise(PIECE, off + i), off)
    for i, fd in enumerate(fds):
        os.close(fd)
        data = b"".join(noise(PIECE, off + i)
                        for off in range(0, 2 * CACHE, PIECE))
        stored.check(s3, bucket, f"f{i}", m.path / f"f{i}", data)
    nothing_stays(s3, bucket)


# moto: "GetObject key=f.conflict-... status=412" by the ETag that it gave to
# the copy of 64 MiB, in one run of two.
@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("is_new", [True, False])
def test_p3_another_mount_wins_the_name(s3, bucket, small, opened, is_new):
    """Both are whole, and the loser's writer is told."""
    if not is_new:
        s3.put_object(Bucket=bucket, Key="f", Body=noise(9 * MIB, 5))
    m = small()
    other = small()
    data = noise(SIZE)
    fd = opened(m.path / "f")
    write(fd, data)
    (other.path / "f").write_bytes(b"theirs")
    with pytest.raises(OSError) as e:
        os.close(fd)
    assert e.value.errno == errno.ESTALE
    key = aside(s3, bucket, "f", "conflict")
    assert stored.body(s3, bucket, key) == data
    assert stored.body(s3, bucket, "f") == b"theirs"
    assert (m.path / "f").read_bytes() == b"theirs"
    assert (m.path / key).read_bytes() == data
    nothing_stays(s3, bucket)


def test_p3_what_was_emptied_takes_over(s3, bucket, small, opened):
    """As a file that fits: what is there by then was to go."""
    s3.put_object(Bucket=bucket, Key="f", Body=noise(9 * MIB, 5))
    m = small()
    fd = opened(m.path / "f", os.O_WRONLY | os.O_TRUNC)
    write(fd, noise(2 * CACHE))
    assert stored.staged(s3, bucket)
    s3.put_object(Bucket=bucket, Key="f", Body=b"theirs")
    os.close(fd)
    stored.check(s3, bucket, "f", m.path / "f", noise(2 * CACHE))
    assert len(stored.keys(s3, bucket)) == 1
    nothing_stays(s3, bucket)


@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("sync, is_new", [
    ("close", True), ("fsync", False), ("local", True)])
def test_p1_killed_before_the_close(s3, bucket, small, opened, sync, is_new):
    """What was written is kept beside, whole; the name is as S3 has it."""
    if not is_new:
        s3.put_object(Bucket=bucket, Key="f", Body=noise(9 * MIB, 5))
    m = small(sync=sync)
    fd = opened(m.path / "f")
    write(fd, noise(SIZE))
    write(fd, b"again", 3 * MIB)
    time.sleep(env.slow())  # what was written is known by then
    m.kill9()
    m.start()
    key = aside(s3, bucket, "f", "unfinished")
    data = noise(SIZE)
    data = data[:3 * MIB] + b"again" + data[3 * MIB + 5:]
    assert stored.body(s3, bucket, key) == data
    assert (m.path / key).read_bytes() == data
    assert stored.exists(s3, bucket, "f") == (not is_new)
    if not is_new:
        assert (m.path / "f").read_bytes() == noise(9 * MIB, 5)
    nothing_stays(s3, bucket)


@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("sync", ["fsync", "local"])
def test_p1_killed_after_an_earlier_close(s3, bucket, small, opened, sync):
    """What that had covered is the file; what came after is kept beside."""
    m = small(sync=sync, write_delay=60000)
    fd = opened(m.path / "f")
    write(fd, noise(3 * MIB))
    os.close(os.dup(fd))
    write(fd, noise(SIZE), MIB)
    assert stored.staged(s3, bucket) and stored.keys(s3, bucket) == {}
    time.sleep(env.slow())
    m.kill9()
    m.remount(write_delay=100)
    key = aside(s3, bucket, "f", "unfinished")
    assert stored.body(s3, bucket, key) == noise(3 * MIB)[:MIB] + noise(SIZE)
    stored.wait_for(lambda: stored.exists(s3, bucket, "f"))
    assert stored.body(s3, bucket, "f") == noise(3 * MIB)
    nothing_stays(s3, bucket)


@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("op, nth, when", [
    ("UploadPart", 4, "after"), ("CompleteMultipartUpload", 1, "before"),
    ("CompleteMultipartUpload", 1, "after"),
    ("CompleteMultipartUpload", 2, "after"), ("UploadPartCopy", 1, "before"),
    ("DeleteObject", 1, "before")])
def test_p1_killed_while_it_is_staged(s3, bucket, proxy, small, opened, op,
                                      nth, when):
    """Nothing is left, of what was under way either."""
    m = small()
    fd = opened(m.path / "f")
    rule = proxy.fault("hold", op=op, key=STAGE, nth=nth, when=when)
    done = []

    def work():
        try:
            for off in range(0, SIZE, PIECE):
                os.pwrite(fd, noise(PIECE, off), off)
                done.append(off)
        except OSError:
            pass

    job = threading.Thread(target=work)
    job.start()
    proxy.wait_held(timeout=60)
    m.kill9()
    proxy.clear(rule)
    proxy.drop()
    job.join()
    m.start()
    key = aside(s3, bucket, "f", "unfinished")
    data = stored.body(s3, bucket, key)
    # The last quarter of a second may be missing.
    for off in range(0, len(data) - len(data) % PIECE, PIECE):
        piece = data[off:off + PIECE]
        assert piece == noise(PIECE, off) or off > len(data) - CACHE, off
    nothing_stays(s3, bucket)


@pytest.mark.servers("versitygw")
def test_p1_killed_while_it_is_closed(s3, bucket, proxy, small, opened):
    """An fsync that had returned, and one that has not."""
    m = small()
    data = noise(SIZE)
    fd = opened(m.path / "f")
    write(fd, data)
    os.fsync(fd)
    assert stored.body(s3, bucket, "f") == data
    nothing_stays(s3, bucket)
    write(fd, noise(2 * CACHE, 3), SIZE)
    rule = proxy.fault("hold", op="CompleteMultipartUpload", key="^f$",
                       when="before")
    job = threading.Thread(target=fails, args=(os.fsync, fd))
    job.start()
    proxy.wait_held(timeout=60)
    m.kill9()
    proxy.clear(rule)
    proxy.drop()
    job.join()
    m.start()
    whole = data + noise(2 * CACHE, 3)
    stored.wait_for(lambda: stored.keys(s3, bucket) == {"f": len(whole)},
                    "the upload to go on", 30)
    stored.check(s3, bucket, "f", m.path / "f", whole)
    nothing_stays(s3, bucket)


def test_p5_it_is_removed_or_renamed_meanwhile(s3, bucket, small, opened):
    m = small()
    gone, moved = opened(m.path / "gone"), opened(m.path / "moved")
    for fd in (gone, moved):
        write(fd, noise(2 * CACHE, fd))
    os.unlink(m.path / "gone")
    os.rename(m.path / "moved", m.path / "there")
    assert read(gone, 2 * CACHE) == noise(2 * CACHE, gone)
    write(gone, noise(2 * CACHE, 77), CACHE)
    assert read(gone, 3 * CACHE) == (
        noise(2 * CACHE, gone)[:CACHE] + noise(2 * CACHE, 77))
    write(moved, b"more", 2 * CACHE)
    os.close(gone)
    os.close(moved)
    stored.check(s3, bucket, "there", m.path / "there",
                 noise(2 * CACHE, moved) + b"more")
    assert stored.keys(s3, bucket) == {"there": 2 * CACHE + 4}
    nothing_stays(s3, bucket)


def test_p5_what_cannot_be_staged(s3, bucket, proxy, small, opened):
    """ENOSPC, and all that was written arrives; the log says why, once."""
    m = small()
    rule = proxy.fault("status", key=STAGE, status=403,
                       code="AccessDenied")
    fd = opened(m.path / "f")
    size = 0
    with pytest.raises(OSError) as e:
        while size < SIZE:
            size += os.pwrite(fd, noise(PIECE, size), size)
    assert e.value.errno == errno.ENOSPC and size > CACHE // 2
    assert "does not fit in the cache folder" in m.log_tail()
    os.close(fd)
    data = b"".join(noise(PIECE, off) for off in range(0, size, PIECE))
    assert stored.body(s3, bucket, "f") == data
    proxy.clear(rule)
    fd = opened(m.path / "g")
    write(fd, noise(2 * CACHE))
    os.close(fd)
    stored.check(s3, bucket, "g", m.path / "g", noise(2 * CACHE))
    nothing_stays(s3, bucket)


def test_p5_a_file_that_never_had_a_name_for_long(s3, bucket, small, opened):
    """Temporary files: they are gone with their close."""
    m = small()
    fd = opened(m.path / "tmp")
    os.unlink(m.path / "tmp")
    write(fd, noise(SIZE))
    assert stored.staged(s3, bucket) and stored.keys(s3, bucket) == {}
    assert read(fd, SIZE) == noise(SIZE)
    os.close(fd)
    nothing_stays(s3, bucket)
    assert stored.keys(s3, bucket) == {}
