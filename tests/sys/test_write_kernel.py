# SPDX-License-Identifier: Apache-2.0
"""What kernels and shells really do with files they write."""

import errno
import mmap
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import stored
from lib.data import BLOCK, MIB, PART, noise
from lib.workload import run

pytestmark = pytest.mark.servers("versitygw")
APPENDER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
for i in range(int(sys.argv[3])):
    os.write(fd, f"{sys.argv[2]} {i}\\n".encode())
os.close(fd)
"""


@pytest.fixture
def m(bucket, mount):
    """A mount that may write."""
    return mount(bucket, ro=False)


def shell(script, folder):
    return run("sh", "-ec", script, cwd=folder)


# Descriptors that are inherited, doubled, closed in any order.

def test_a_shell_loop(s3, bucket, m):
    """Each command inherits the descriptor; each ends with a FLUSH."""
    shell("for i in $(seq 1 40); do /bin/echo line $i; done >out", m.path)
    wanted = "".join(f"line {i}\n" for i in range(1, 41)).encode()
    stored.check(s3, bucket, "out", m.path / "out", wanted)


def test_a_shell_loop_that_appends(s3, bucket, m):
    shell("for i in 1 2 3 4 5 6 7 8; do echo line $i >>out; done; "
          "{ /bin/echo a; echo b; /bin/echo c; } >>out", m.path)
    wanted = "".join(f"line {i}\n" for i in range(1, 9)) + "a\nb\nc\n"
    stored.check(s3, bucket, "out", m.path / "out", wanted.encode())


def test_shell_redirections(s3, bucket, m):
    shell("exec 3>a; echo 1 >&3; /bin/echo 2 >&3; exec 4>&3; exec 3>&-;"
          "/bin/echo 3 >&4; exec 4>&-; cat a >b; cat a a >>b;"
          "sed s/2/two/ <b >c; sort -o b b; : >d; echo x | tee e >f", m.path)
    wanted = {"a": b"1\n2\n3\n", "b": b"1\n1\n1\n2\n2\n2\n3\n3\n3\n",
              "c": b"1\ntwo\n3\n" * 3, "d": b"", "e": b"x\n", "f": b"x\n"}
    for name, body in wanted.items():
        stored.check(s3, bucket, name, m.path / name, body)


def test_fork_and_exec_with_open_files(s3, bucket, m):
    """A child that ends has closed its copy of every descriptor."""
    with open(m.path / "f", "wb", buffering=0) as f:
        for i in range(10):
            f.write(b"p%d" % i)
            subprocess.run([sys.executable, "-c",
                            f"import os; os.write({f.fileno()}, b'c{i}')"],
                           pass_fds=[f.fileno()], check=True)
        f.write(b"end")
    wanted = b"".join(b"p%dc%d" % (i, i) for i in range(10)) + b"end"
    stored.check(s3, bucket, "f", m.path / "f", wanted)


def test_a_child_that_outlives_its_parent(s3, bucket, m):
    """The last to close is who counts."""
    shell("(sleep 0.5; echo late) >f & echo early >g", m.path)
    stored.check(s3, bucket, "g", m.path / "g", b"early\n")
    stored.wait_for(lambda: stored.keys(s3, bucket).get("f") == 5)
    stored.check(s3, bucket, "f", m.path / "f", b"late\n")


@pytest.mark.parametrize("seed", range(4))
def test_dup_and_close_in_any_order(s3, bucket, m, seed):
    """What was written before a close is in S3 after it."""
    dice = random.Random(seed)
    fds = [os.open(m.path / "f", os.O_RDWR | os.O_CREAT, 0o644)]
    wanted = bytearray()
    for _ in range(4):
        fds.append(os.dup(dice.choice(fds)))
        fds.append(os.open(m.path / "f", os.O_RDWR))
    dice.shuffle(fds)
    while fds:
        data = dice.randbytes(dice.randrange(1, 50_000))
        off = dice.randrange(len(wanted) + 1)
        os.pwrite(dice.choice(fds), data, off)
        wanted[off:off + len(data)] = data
        os.close(fds.pop())
        assert stored.body(s3, bucket, "f") == wanted
    stored.check(s3, bucket, "f", m.path / "f", wanted)


def test_closing_what_others_wrote(s3, bucket, m):
    """Any writer's close waits for what is in the file."""
    with open(m.path / "f", "wb", buffering=0) as f:
        f.write(b"written")
        os.close(os.open(m.path / "f", os.O_RDWR))
        assert stored.body(s3, bucket, "f") == b"written"


# mmap.

@pytest.mark.parametrize("size", [100_000, 12 * MIB])
def test_stores_after_close(s3, bucket, m, size):
    """A mapping outlives its descriptor; no FLUSH tells of these bytes."""
    wanted = bytearray(noise(size))
    (m.path / "f").write_bytes(wanted)
    fd = os.open(m.path / "f", os.O_RDWR)
    view = mmap.mmap(fd, size)
    os.close(fd)
    for off in (0, size // 2, size - 4):
        view[off:off + 4] = wanted[off:off + 4] = b"mmap"
    view.close()
    stored.wait_for(lambda: stored.body(s3, bucket, "f") == wanted)
    assert (m.path / "f").read_bytes() == wanted


def test_msync(s3, bucket, m):
    wanted = bytearray(noise(3 * BLOCK))
    (m.path / "f").write_bytes(wanted)
    with open(m.path / "f", "r+b") as f, mmap.mmap(f.fileno(), 0) as view:
        view[1000:1004] = wanted[1000:1004] = b"sync"
        view.flush()
        assert stored.body(s3, bucket, "f") == wanted
        view[2000:2004] = wanted[2000:2004] = b"last"
    stored.wait_for(lambda: stored.body(s3, bucket, "f") == wanted)


def test_a_new_file_made_by_mmap(s3, bucket, m):
    size = 3 * MIB
    with open(m.path / "f", "w+b") as f:
        f.truncate(size)
        with mmap.mmap(f.fileno(), size) as view:
            view[:] = noise(size)
    stored.wait_for(lambda: stored.body(s3, bucket, "f") == noise(size))


# Several writers.

@pytest.mark.parametrize("count", [2, 4])
def test_processes_that_append(s3, bucket, m, count):
    """No line is lost, none is torn."""
    lines = 150
    crowd = [subprocess.Popen([sys.executable, "-c", APPENDER, m.path / "log",
                               str(i), str(lines)]) for i in range(count)]
    assert [one.wait(60) for one in crowd] == [0] * count
    got = stored.body(s3, bucket, "log").decode().splitlines()
    assert sorted(got) == sorted(f"{i} {n}" for i in range(count)
                                 for n in range(lines))
    for i in range(count):
        assert [x for x in got if x.startswith(f"{i} ")] == \
            [f"{i} {n}" for n in range(lines)], "out of order"


def test_threads_that_write_elsewhere(s3, bucket, m):
    """One file, eight writers, each in its own stripes."""
    size, step = 24 * MIB, 96 * 1024
    wanted = noise(size)
    fd = os.open(m.path / "f", os.O_RDWR | os.O_CREAT, 0o644)

    def stripes(number):
        for off in range(number * step, size, 8 * step):
            os.pwrite(fd, wanted[off:off + step], off)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(stripes, range(8)))
    os.close(fd)
    stored.check(s3, bucket, "f", m.path / "f", wanted)


def test_many_files_at_once(s3, bucket, m):
    wanted = {f"d{i % 4}/f{i}": noise(i * 9001, i) for i in range(60)}
    for i in range(4):
        os.mkdir(m.path / f"d{i}")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda k: (m.path / k).write_bytes(wanted[k]), wanted))
    for key, body in wanted.items():
        assert stored.body(s3, bucket, key) == body


# A file changes while it is on its way.

def generations(body, step):
    """Assert that a body is one generation: the same number everywhere."""
    marks = {body[off:off + 8] for off in range(0, len(body), step)}
    assert len(marks) == 1, f"torn: {sorted(marks)[:5]}"


@pytest.mark.parametrize("size", [2 * MIB, 20 * MIB])
def test_written_while_it_is_being_uploaded(s3, bucket, proxy, mount, size):
    """What a close published is whole, and the last word is S3's."""
    m = mount(bucket, proxy=proxy, ro=False)
    step = MIB // 2
    (m.path / "f").write_bytes(bytes(size))
    proxy.shape(rate=size)              # a second for each upload
    fd = os.open(m.path / "f", os.O_RDWR)
    closing = threading.Thread(target=lambda: os.close(os.dup(fd)))
    for off in range(0, size, step):
        os.pwrite(fd, b"%08d" % 1, off)
    closing.start()
    time.sleep(0.3)
    for number in (2, 3):
        for off in range(0, size, step):
            os.pwrite(fd, b"%08d" % number, off)
        time.sleep(0.1)
    closing.join()
    generations(stored.body(s3, bucket, "f"), step)
    proxy.shape("raw")
    os.close(fd)
    body = stored.body(s3, bucket, "f")
    generations(body, step)
    assert body[:8] == b"00000003"
    assert stored.uploads(s3, bucket) == []


def test_truncated_while_it_is_being_uploaded(s3, bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False)
    size = 10 * MIB
    proxy.shape(rate=size)
    fd = os.open(m.path / "f", os.O_RDWR | os.O_CREAT, 0o644)
    os.pwrite(fd, noise(size), 0)
    closing = threading.Thread(target=lambda: os.close(os.dup(fd)))
    closing.start()
    time.sleep(0.3)
    os.ftruncate(fd, 1000)
    closing.join()
    proxy.shape("raw")
    os.close(fd)
    stored.check(s3, bucket, "f", m.path / "f", noise(size)[:1000])


def test_unlinked_while_it_is_being_uploaded(s3, bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False)
    proxy.fault("hold", op="PutObject", key="^f$", times=1, when="before")
    writer = threading.Thread(
        target=lambda: (m.path / "f").write_bytes(b"x" * 1000))
    writer.start()
    proxy.wait_held()
    remover = threading.Thread(target=lambda: os.unlink(m.path / "f"))
    remover.start()
    time.sleep(0.2)
    proxy.release()
    writer.join()
    remover.join()
    assert stored.keys(s3, bucket) == {}
    assert os.listdir(m.path) == []


def test_renamed_while_it_is_being_uploaded(s3, bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False)
    proxy.fault("hold", op="PutObject", key="^f$", times=1, when="before")
    writer = threading.Thread(
        target=lambda: (m.path / "f").write_bytes(b"x" * 1000))
    writer.start()
    proxy.wait_held()
    mover = threading.Thread(
        target=lambda: os.rename(m.path / "f", m.path / "g"))
    mover.start()
    time.sleep(0.2)
    proxy.release()
    writer.join()
    mover.join()
    stored.check(s3, bucket, "g", m.path / "g", b"x" * 1000)
    assert stored.keys(s3, bucket) == {"g": 1000}


# Names change under open files.

def test_a_folder_renamed_with_open_children(s3, bucket, m):
    os.makedirs(m.path / "d/e")
    (m.path / "d/e/old").write_bytes(b"old")
    with open(m.path / "d/new", "wb", buffering=0) as new, \
            open(m.path / "d/e/old", "ab", buffering=0) as old, \
            open(m.path / "d/e/unsent", "wb", buffering=0) as unsent:
        new.write(b"before ")
        old.write(b" before ")
        os.rename(m.path / "d", m.path / "x")
        new.write(b"after")
        old.write(b"after")
        unsent.write(b"only after")
        assert os.listdir(m.path) == ["x"]
        assert (m.path / "x/new").read_bytes() == b"before after"
    wanted = {"new": b"before after", "e/old": b"old before after",
              "e/unsent": b"only after"}
    for name, body in wanted.items():
        stored.check(s3, bucket, "x/" + name, m.path / "x" / name, body)
    assert stored.keys(s3, bucket) == {
        "x/": 0, "x/e/": 0, **{"x/" + n: len(b) for n, b in wanted.items()}}


def test_an_open_file_is_renamed(s3, bucket, m):
    """As editors and loggers do: write, rename, write."""
    for size in (10, 20 * MIB):
        with open(m.path / "a", "wb", buffering=0) as f:
            f.write(noise(size))
            os.rename(m.path / "a", m.path / "b")
            f.write(b"more")
            os.rename(m.path / "b", m.path / "c")
        stored.check(s3, bucket, "c", m.path / "c", noise(size) + b"more")
        assert stored.keys(s3, bucket) == {"c": size + 4}


def test_an_editor_saves(s3, bucket, m):
    """Write beside, fsync, rename over; with readers of the old one."""
    (m.path / "f").write_bytes(b"version 0")
    for i in range(1, 6):
        with open(m.path / "f", "rb") as reader:
            with open(m.path / ".f.tmp", "wb") as f:
                f.write(b"version %d" % i)
                f.flush()
                os.fsync(f.fileno())
            os.rename(m.path / ".f.tmp", m.path / "f")
            assert reader.read() == b"version %d" % (i - 1)
        stored.check(s3, bucket, "f", m.path / "f", b"version %d" % i)
    assert stored.keys(s3, bucket) == {"f": 9}


@pytest.mark.parametrize("how", ["unlink", "overwrite", "rename over",
                                 "o_trunc"])
def test_an_open_file_goes_that_is_only_partly_local(s3, bucket, mount, how):
    """Our own hand must not take the bytes away from who reads them."""
    size = 40 * MIB
    body = noise(size)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket, ro=False)
    (m.path / "other").write_bytes(b"other")
    fd = os.open(m.path / "f", os.O_RDONLY)
    try:
        assert os.pread(fd, 4096, 0) == body[:4096]
        if how == "unlink":
            os.unlink(m.path / "f")
        elif how == "rename over":
            os.rename(m.path / "other", m.path / "f")
        elif how == "o_trunc":
            os.close(os.open(m.path / "f", os.O_WRONLY | os.O_TRUNC))
        else:
            with open(m.path / "f", "r+b", buffering=0) as f:
                f.write(b"changed")
        if how in ("unlink", "rename over"):
            for off in range(0, size, 5 * MIB):
                assert os.pread(fd, 5000, off) == body[off:off + 5000]
        elif how == "o_trunc":      # the same file, as on a disk
            assert os.pread(fd, 5000, 39 * MIB) == b""
        else:
            assert os.pread(fd, 7, 0) == b"changed"
            assert os.pread(fd, 5000, 39 * MIB) == \
                body[39 * MIB:39 * MIB + 5000]
    finally:
        os.close(fd)
    found = {"unlink": None, "o_trunc": b"", "rename over": b"other",
             "overwrite": b"changed" + body[7:]}[how]
    if found is None:
        assert stored.keys(s3, bucket) == {"other": 5}
    else:
        assert stored.body(s3, bucket, "f") == found


def test_unlinked_and_written_where_it_is_only_partly_local(s3, bucket, mount):
    size = 40 * MIB
    body = noise(size)
    s3.put_object(Bucket=bucket, Key="f", Body=body)
    m = mount(bucket, ro=False)
    with open(m.path / "f", "r+b", buffering=0) as f:
        os.unlink(m.path / "f")
        f.seek(20 * MIB)
        f.write(b"changed")
        assert os.pread(f.fileno(), 11, 20 * MIB - 4) == \
            body[20 * MIB - 4:20 * MIB] + b"changed"
        assert os.pread(f.fileno(), 100, 39 * MIB) == \
            body[39 * MIB:39 * MIB + 100]
    assert stored.keys(s3, bucket) == {}


def test_deleted_and_made_again(s3, bucket, m):
    for i in range(15):
        body = noise(1000 + i, i)
        (m.path / "f").write_bytes(body)
        assert stored.body(s3, bucket, "f") == body
        os.unlink(m.path / "f")
        assert not stored.exists(s3, bucket, "f")
    with open(m.path / "f", "wb", buffering=0) as first:
        first.write(b"first")
        os.unlink(m.path / "f")
        with open(m.path / "f", "wb", buffering=0) as second:
            second.write(b"second one")
        first.write(b"more")
    assert stored.body(s3, bucket, "f") == b"second one"


def test_made_by_many_deleted_by_many(s3, bucket, m):
    """Threads that fight for a few names: no error but the honest ones.

    ESTALE is honest here as on NFS: the kernel looks up twice, and what it
    found was replaced before it was opened, both times.
    """
    names = ["a", "b", "c"]
    fine = {errno.ENOENT, errno.EEXIST, errno.ESTALE}
    wrong = []

    def fight(seed):
        dice = random.Random(seed)
        for _ in range(60):
            one, two = dice.choice(names), dice.choice(names)
            try:
                dice.choice([
                    lambda: (m.path / one).write_bytes(b"%08d" % seed * 99),
                    lambda: os.unlink(m.path / one),
                    lambda: os.rename(m.path / one, m.path / two),
                    lambda: (m.path / one).read_bytes()])()
            except OSError as e:
                if e.errno not in fine:
                    wrong.append((e.errno, str(e)))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(fight, range(6)))
    found = stored.keys(s3, bucket)
    assert sorted(found) == sorted(os.listdir(m.path))
    for key in found:
        body = stored.body(s3, bucket, key)
        assert body == (m.path / key).read_bytes()
        assert len(body) in (0, 8 * 99) and body == body[:8] * 99
    assert wrong == []


# Attributes.

def test_chmod_right_after_close(s3, bucket, m):
    """Neither is lost, whichever comes to S3 first."""
    for i in range(20):
        path = m.path / f"f{i}"
        path.write_bytes(b"x" * i)
        os.chmod(path, 0o600)
        if i % 2:
            with open(path, "ab") as f:
                f.write(b"y")
    for i in range(20):
        def sent(key=f"f{i}"):
            mode = stored.head(s3, bucket, key)["Metadata"]["mode"]
            return int(mode) == 0o100600
        stored.wait_for(sent)
        assert stored.body(s3, bucket, f"f{i}") == b"x" * i + b"y" * (i % 2)


def test_chmod_while_it_is_open(s3, bucket, m):
    with open(m.path / "f", "wb", buffering=0) as f:
        f.write(b"1")
        os.fchmod(f.fileno(), 0o640)
        os.fsync(f.fileno())
        os.fchmod(f.fileno(), 0o604)
        f.write(b"2")
    stored.check(s3, bucket, "f", m.path / "f", b"12")
    assert (m.path / "f").stat().st_mode == 0o100604


def test_times_set_before_close_stay(s3, bucket, m):
    """cp -p and tar: write, utimens, close."""
    with open(m.path / "f", "wb", buffering=0) as f:
        f.write(noise(100_000))
        os.utime(f.fileno(), ns=(10 ** 18, 10 ** 18 + 7))
    assert (m.path / "f").stat().st_mtime_ns == 10 ** 18 + 7
    stored.check(s3, bucket, "f", m.path / "f", noise(100_000))


def test_times_of_a_large_file_stay(s3, bucket, m):
    """Its upload began before utimens."""
    with open(m.path / "f", "wb", buffering=0) as f:
        f.write(noise(3 * PART))
        time.sleep(0.2)
        os.utime(f.fileno(), ns=(10 ** 18, 10 ** 18 + 7))
        os.fchmod(f.fileno(), 0o600)
    assert (m.path / "f").stat().st_mtime_ns == 10 ** 18 + 7
    stored.check(s3, bucket, "f", m.path / "f", noise(3 * PART))
    m.remount()
    assert (m.path / "f").stat().st_mtime_ns == 10 ** 18 + 7


# Read-only.

def test_a_read_only_mount_refuses(proxy, s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="d/f", Body=b"x")
    m = mount(bucket, proxy=proxy, ro=True)
    path = m.path / "d/f"
    assert path.read_bytes() == b"x"
    proxy.reset()
    calls = [
        lambda: open(path, "wb"), lambda: open(path, "ab"),
        lambda: open(m.path / "n", "wb"), lambda: os.unlink(path),
        lambda: os.mkdir(m.path / "n"), lambda: os.rmdir(m.path / "d"),
        lambda: os.rename(path, m.path / "n"), lambda: os.chmod(path, 0o600),
        lambda: os.chown(path, 1, 1), lambda: os.utime(path),
        lambda: os.truncate(path, 0), lambda: os.symlink("x", m.path / "n"),
        lambda: os.mkfifo(m.path / "n"), lambda: os.link(path, m.path / "n"),
        lambda: os.setxattr(path, "user.a", b"b"),
        lambda: os.removexattr(path, "user.a")]
    for number, call in enumerate(calls):
        with pytest.raises(OSError) as e:
            call()
        assert e.value.errno == errno.EROFS, (number, e.value)
    assert not {op for op in proxy.counts()
                if not op.startswith(("Get", "Head", "List"))}
    assert stored.keys(s3, bucket) == {"d/f": 1}
