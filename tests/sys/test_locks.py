# SPDX-License-Identifier: Apache-2.0
"""flock(2) and fcntl(2) locks, between processes on one mount."""

import fcntl
import os
import signal
import struct
import subprocess
import sys

import pytest

pytestmark = pytest.mark.servers("versitygw")

# Another process: says what it got, holds it until its input ends.
HOLDER = """
import fcntl, os, sys
kind, path, how, start, size, block = sys.argv[1:]
fd = os.open(path, os.O_RDWR)
op = {"shared": fcntl.LOCK_SH, "alone": fcntl.LOCK_EX}[how]
op |= 0 if block == "wait" else fcntl.LOCK_NB
if block == "wait":
    print("asks", flush=True)
try:
    if kind == "flock":
        fcntl.flock(fd, op)
    else:
        fcntl.lockf(fd, op, int(size), int(start))
    print("has it", flush=True)
except BlockingIOError:
    print("busy", flush=True)
sys.stdin.read()
"""


class Holder:
    """A process that has, or waits for, a lock."""

    def __init__(self, kind, path, how="alone", start=0, size=0, wait=False):
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, kind, str(path), how, str(start),
             str(size), "wait" if wait else "now"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self.says()

    def says(self):
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.communicate()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def path(bucket, mount):
    m = mount(bucket, ro=False)
    path = m.path / "f"
    path.write_bytes(b"x" * 100)
    return path


@pytest.fixture
def holder(path):
    """A factory of holders; all are gone at the end."""
    made = []

    def make(*args, **options):
        made.append(Holder(*args, **options))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.kill()


@pytest.mark.parametrize("kind", ("flock", "fcntl"))
def test_shared_and_alone(path, holder, kind):
    one = holder(kind, path, "shared")
    two = holder(kind, path, "shared")
    assert (one.said, two.said) == ("has it", "has it")
    assert holder(kind, path).said == "busy"
    one.end()
    assert holder(kind, path).said == "busy"
    two.end()
    assert holder(kind, path).said == "has it"


@pytest.mark.parametrize("end", ("end", "kill"))
@pytest.mark.parametrize("kind", ("flock", "fcntl"))
def test_who_waits_gets_it(path, holder, kind, end):
    """Also when its holder dies."""
    one = holder(kind, path)
    two = holder(kind, path, wait=True)
    assert (one.said, two.said) == ("has it", "asks")
    getattr(one, end)()
    assert two.says() == "has it"


def test_ranges(path, holder):
    one = holder("fcntl", path, start=0, size=10)
    assert one.said == "has it"
    assert holder("fcntl", path, start=10, size=10).said == "has it"
    assert holder("fcntl", path, start=5, size=1).said == "busy"
    # Beyond the end, too, where nothing is yet.
    assert holder("fcntl", path, start=5000, size=10).said == "has it"
    assert holder("fcntl", path, start=5005).said == "busy"


def test_a_name_does_not_matter(path, holder):
    """Of the file, not of its name; one of that name made anew is another."""
    assert holder("flock", path).said == "has it"
    other = path.with_name("other")
    os.rename(path, other)
    assert holder("flock", other).said == "busy"
    path.write_bytes(b"anew")
    assert holder("flock", path).said == "has it"


def test_a_writer_that_closes_keeps_it_from_none(path, holder):
    """An upload in between, and the lock stays."""
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.close(os.dup(fd))
    path.write_bytes(b"y" * 200)
    assert holder("flock", path).said == "busy"
    os.close(fd)
    assert holder("flock", path).said == "has it"


def test_of_open_descriptions(path):
    """F_OFD_SETLK: two of one process are at odds, too."""
    def ask(fd):
        return fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(
            "hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))

    one, two = (os.open(path, os.O_RDWR) for _ in range(2))
    ask(one)
    with pytest.raises(BlockingIOError):
        ask(two)
    os.close(one)
    ask(two)
    os.close(two)


def test_a_lease(path):
    """fcntl(2): of a file that nobody else has open."""
    fd = os.open(path, os.O_RDONLY)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    assert fcntl.fcntl(fd, fcntl.F_GETLEASE) == fcntl.F_RDLCK
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    os.close(fd)


def test_locks_go_with_the_mount(bucket, mount):
    """Another mount of the bucket knows nothing of them: they are local."""
    one = mount(bucket, ro=False)
    (one.path / "f").write_bytes(b"x")
    two = mount(bucket, ro=False)
    with open(one.path / "f", "r+b") as f, open(two.path / "f", "r+b") as g:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
