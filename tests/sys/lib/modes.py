# SPDX-License-Identifier: Apache-2.0
"""Tests of sync=: S3 out of reach, a program that holds a file, a kill."""

import os
import subprocess
import sys

from . import stored

LOCAL = ("fsync", "local")
ALL = ("close",) + LOCAL

# Another process writes: the children of the tests' own flush what they
# inherit.
WRITER = """
import os, sys
path, size, off, call = sys.argv[1:]
fd = os.open(path, os.O_CREAT | os.O_RDWR)
if call == "anew":
    os.ftruncate(fd, 0)
os.pwrite(fd, b"x" * int(size), int(off))
if call == "fsync":
    os.fsync(fd)
if call.startswith("cut"):
    os.ftruncate(fd, int(call[3:]))
print("written", flush=True)
sys.stdin.read()
"""


def start(mount, bucket, proxy, sync, **options):
    """A mount in a mode, the root listed, conditions tried out."""
    m = mount(bucket, proxy=proxy, ro=False, sync=sync, timeout=3)
    (m.path / "first").write_bytes(b"1")
    settle(m)
    (m.path / "first").write_bytes(b"2")
    settle(m)
    if options:
        m.remount(**options)
    os.listdir(m.path)
    return m


def cut(proxy):
    """Nothing reaches S3 from now on."""
    proxy.fault("reset", op=".*")


def clean(m):
    got = m.status()["cache"]
    return all(got[n] == 0 for n in ("dirty_files", "dirty_bytes", "uploads",
                                     "dirty_attrs"))


def settle(m):
    stored.wait_for(lambda: clean(m), "all to be sent", 30)


def restart(m, proxy):
    """Kill the daemon; S3 is back, and it is mounted again."""
    m.kill9()
    proxy.clear()
    m.start()


def close(fd):
    """Close it; return the errno, 0."""
    try:
        os.close(fd)
    except OSError as e:
        return e.errno
    return 0


def state(path):
    return os.getxattr(path, "user.s3.state").decode()


def writing(path, size, off=0, call=""):
    """A process that has written into a file, and holds it open."""
    job = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(size), str(off), call],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert job.stdout.readline() == "written\n"
    return job


def end(job):
    job.kill()
    job.communicate()


def unfinished(s3, bucket, name):
    """Return the keys that are kept of what was being written."""
    return list(stored.keys(s3, bucket, name + ".unfinished-"))
