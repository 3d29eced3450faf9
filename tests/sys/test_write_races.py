# SPDX-License-Identifier: Apache-2.0
"""Threads that take each other's names away: as on a disk, errors, too.

A call fails with what a disk would say, never with ESTALE; and what is read is
one version, whole.
"""

import errno
import os
import random
import threading
import time

import pytest
from lib import stored
from lib.data import noise

NAMES = ["a", "b", "c", "d", "e", "f"]
SIZES = [1, 100, 5000, 70_000, 200_000]


class Threads:
    """Threads that end, all of them, when one has failed."""

    def __init__(self):
        self.failed = []
        self.all = []

    def add(self, function, *args):
        def run():
            try:
                function(*args)
            except BaseException as e:  # told by join()
                self.failed.append(e)

        self.all.append(threading.Thread(target=run))

    def go(self):
        for one in self.all:
            one.start()
        for one in self.all:
            one.join()
        if self.failed:
            raise self.failed[0]


def read(path):
    """Return all of a file, by one descriptor."""
    fd = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(fd, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)


def version(who, n):
    """Return the bytes that thread ${who} wrote as its ${n}th version."""
    size = SIZES[(who + n) % len(SIZES)]
    return (b"%d/%d/%d\n" % (who, n, size) + noise(size, who * 1000 + n))


def check_whole(body):
    """Assert that a body is one of those versions."""
    head, _, _ = body.partition(b"\n")
    who, n, size = (int(word) for word in head.split(b"/"))
    assert body == version(who, n), (
        f"{len(body)} bytes that begin as version {n} of {who}, {size} bytes")


@pytest.mark.parametrize("ttl", [10, 0])
@pytest.mark.parametrize("attrs", ["posix", "list"])
def test_one_name_replaced_by_many(s3, bucket, mount, ttl, attrs):
    """It is always there, and always whole."""
    m = mount(bucket, ro=False, ttl=ttl, attrs=attrs)
    path = m.path / "f"
    path.write_bytes(version(0, 0))
    threads, done = Threads(), threading.Event()
    left = [3]
    lock = threading.Lock()

    def write(who):
        try:
            for n in range(25):
                if threads.failed:
                    return
                mine = m.path / f"new{who}"
                mine.write_bytes(version(who, n))
                os.replace(mine, path)
        finally:
            with lock:
                left[0] -= 1
            if not left[0]:
                done.set()

    def look():
        count = 0
        while not (done.is_set() or threads.failed) or not count:
            check_whole(read(path))
            os.stat(path)
            count += 1

    for who in range(3):
        threads.add(write, who)
    for _ in range(3):
        threads.add(look)
    threads.go()
    m.umount()
    assert list(stored.keys(s3, bucket)) == ["f"]
    check_whole(stored.body(s3, bucket, "f"))


def test_one_name_unlinked_and_made_again(s3, bucket, m):
    """It is there, or not; and what was opened can be read."""
    threads, done = Threads(), threading.Event()

    def write():
        try:
            for n in range(60):
                if threads.failed:
                    return
                fd = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT
                             | os.O_EXCL, 0o644)
                os.write(fd, version(0, n))
                if n % 3:
                    os.close(fd)
                os.unlink(m.path / "f")
                if not n % 3:
                    os.close(fd)
        finally:
            done.set()

    def look():
        while not (done.is_set() or threads.failed):
            try:
                body = read(m.path / "f")
                os.stat(m.path / "f")
            except FileNotFoundError:
                continue
            if body:
                check_whole(body)

    threads.add(write)
    for _ in range(3):
        threads.add(look)
    threads.go()
    m.umount()
    assert stored.keys(s3, bucket) == {}


@pytest.fixture
def m(bucket, mount):
    return mount(bucket, ro=False)


class Player:
    """One thread of the stress: seeded, by what a disk would allow."""

    MAY = {
        "create": {errno.EEXIST}, "rename": {errno.ENOENT},
        "unlink": {errno.ENOENT}, "stat": {errno.ENOENT},
        "read": {errno.ENOENT}, "chmod": {errno.ENOENT},
        "hold": {errno.ENOENT}, "list": set()}

    def __init__(self, who, seed, root):
        self.who = who
        self.dice = random.Random(f"{seed}/{who}")
        self.root = root
        self.n = 0
        self.last = None

    def name(self):
        return os.path.join(self.root, self.dice.choice(NAMES))

    def create(self):
        path = self.name()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.write(fd, version(self.who, self.n))
            if self.dice.random() < 0.2:
                os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self):
        os.rename(self.name(), self.name())

    def unlink(self):
        os.unlink(self.name())

    def stat(self):
        st = os.stat(self.name())
        assert st.st_size == 0 or st.st_size > 3

    def chmod(self):
        os.chmod(self.name(), self.dice.choice([0o600, 0o644]))

    def list(self):
        names = os.listdir(self.root)
        assert set(names) <= set(NAMES)

    def read(self):
        body = read(self.name())
        if body:                # not written yet
            check_whole(body)

    def hold(self):
        """Use a descriptor whatever becomes of the name."""
        fd = os.open(self.name(), os.O_RDONLY)
        try:
            first = os.pread(fd, 1 << 20, 0)
            time.sleep(self.dice.random() * 0.01)
            os.fchmod(fd, 0o640)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            again = os.pread(fd, 1 << 20, 0)
            assert not first or first == again
            size = os.fstat(fd).st_size
            assert size == len(again) or not again
        finally:
            os.close(fd)

    def play(self, steps, threads):
        for _ in range(steps):
            if threads.failed:
                return
            self.n += 1
            step = self.dice.choice(
                ["create", "create", "create", "rename", "rename", "unlink",
                 "stat", "read", "read", "chmod", "hold", "list"])
            try:
                getattr(self, step)()
            except OSError as e:
                if e.errno not in self.MAY[step]:
                    raise AssertionError(
                        f"thread {self.who}, step {self.n}: {step}: "
                        f"{errno.errorcode[e.errno]}") from e


def stress(s3, bucket, m, seed, steps):
    threads = Threads()
    root = m.path / "dir"
    os.mkdir(root)
    for who in range(4):
        threads.add(Player(who, seed, root).play, steps, threads)
    threads.go()
    wanted = {"dir/": 0}
    for name in os.listdir(root):
        body = read(root / name)
        check_whole(body)
        wanted["dir/" + name] = len(body)
    seen = {name: (root / name).read_bytes() for name in os.listdir(root)}
    m.umount()
    assert stored.keys(s3, bucket) == wanted
    for name, body in seen.items():
        assert stored.body(s3, bucket, "dir/" + name) == body, name
    assert stored.uploads(s3, bucket) == []


@pytest.mark.parametrize("options", [
    {}, {"ttl": 0}, {"ttl": 0, "write_delay": 0, "attrs": "list"}],
    ids=["default", "ttl0", "list"])
@pytest.mark.parametrize("seed", [1, 2])
def test_names_of_a_folder(s3, bucket, mount, seed, options):
    seed = int(os.environ.get("PAILFS_SEED") or seed)
    stress(s3, bucket, mount(bucket, ro=False, **options), seed,
           int(os.environ.get("PAILFS_STEPS") or 250))
