# SPDX-License-Identifier: Apache-2.0
"""What is owed to S3 when a mount ends: sent, told, or kept and told."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from lib import env, process

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(120)]

TIMER = """
import os, signal, sys
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
os.chdir(sys.argv[1])
fd = os.open("f", os.O_CREAT | os.O_WRONLY)
os.write(fd, b"x")
os.fsync(fd)
os.write(fd, b"y")
os.close(fd)
os.rename("f", "g")
os.mkdir("d")
os.unlink("g")
signal.setitimer(signal.ITIMER_REAL, 0)  # it would kill what tears down
"""

HALVES = """
import sys
with open(sys.argv[1] + "/f", "wb", buffering=0) as f:
    f.write(b"half")
    print("half", flush=True)
    sys.stdin.readline()
    f.write(b" and half")
"""


def body(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def umount(m):
    """Start pailctl umount."""
    return subprocess.Popen([*env.pailctl(), "umount", str(m.path)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, env=m.environment)


def wait_for(what, check, seconds=20):
    end = time.monotonic() + seconds * env.slow()
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_status_of_what_is_not_sent(s3, bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False)
    (m.path / "first").write_bytes(b"1")    # asks what the server can do
    proxy.fault("hold", op="PutObject", key="^f$")
    writer = threading.Thread(
        target=lambda: (m.path / "f").write_bytes(bytes(5000)))
    writer.start()
    proxy.wait_held()
    cache = m.status()["cache"]
    assert cache["dirty_files"] == 1 and cache["dirty_bytes"] >= 5000
    assert cache["uploads"] == 1 and cache["failed_files"] == 0
    said = m.ctl("status", str(m.path))[1]
    assert "not in S3 yet    4.9 KiB" in said, said
    assert "on their way   1" in said and "read and write" in said
    proxy.release()
    writer.join(20)
    assert not writer.is_alive()
    cache = m.status()["cache"]
    assert [cache[n] for n in ("dirty_files", "dirty_bytes", "uploads",
                               "dirty_attrs", "conflicts")] == [0] * 5
    assert body(s3, bucket, "f") == bytes(5000)


def test_sigterm_sends_what_is_open(s3, bucket, mount):
    m = mount(bucket, ro=False)
    fd = os.open(m.path / "f", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.write(fd, b"x" * 100_000)
        os.kill(m.pid, signal.SIGTERM)
        assert process.reap(m.pid, 20 * env.slow()) in (None, 0)
        m.pid = 0
    finally:
        try:
            os.close(fd)
        except OSError:
            pass
    assert body(s3, bucket, "f") == b"x" * 100_000


def test_umount_says_how_far_it_is(s3, bucket, proxy, mount):
    """It drains while still mounted, and unmounts then."""
    m = mount(bucket, proxy=proxy, ro=False)
    (m.path / "f").write_bytes(b"1")
    proxy.fault("hold", op="CopyObject", key="^f$")
    (m.path / "f").chmod(0o600)
    job = umount(m)
    proxy.wait_held()
    said = job.stdout.readline()
    assert "still to be sent" in said and "attributes of 1" in said
    assert m.mounted() and m.status()["cache"]["dirty_attrs"] == 1
    proxy.clear()
    proxy.release()
    job.communicate(timeout=30 * env.slow())
    assert job.returncode == 0 and not m.mounted()
    m._ended(0)
    assert s3.head_object(Bucket=bucket, Key="f")["Metadata"]["mode"] == \
        str(0o100600)


def test_umount_tells_what_s3_refuses(s3, bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False, timeout=3)
    (m.path / "f").write_bytes(b"1")
    rule = proxy.fault("status", op="CopyObject", status=403,
                       code="AccessDenied")
    (m.path / "f").chmod(0o600)
    job = umount(m)
    said, _ = job.communicate(timeout=60 * env.slow())
    assert job.returncode == 1 and not m.mounted(), said
    assert "not in S3" in said and "1 files" in said
    m._ended(1)
    log = m.log.read_text()
    assert "not in S3" in log and "'f'" in log
    proxy.clear(rule)
    m.start()
    assert (m.path / "f").stat().st_mode == 0o100600
    wait_for("the mode is not sent", lambda: s3.head_object(
        Bucket=bucket, Key="f")["Metadata"].get("mode") == str(0o100600))


def test_umount_of_a_mount_in_use(s3, bucket, mount):
    """Nothing half-written is sent, and the mount stays."""
    m = mount(bucket, ro=False)
    # Not in this process: each program that it starts flushes what it has.
    with subprocess.Popen([sys.executable, "-c", HALVES, str(m.path)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as writer:
        assert writer.stdout.readline() == "half\n"
        status, said = m.ctl("umount", str(m.path))
        assert status == 1 and "in use" in said
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="f")
        writer.communicate("go\n", timeout=20)
    assert writer.returncode == 0
    assert body(s3, bucket, "f") == b"half and half"
    m.umount()


def test_timers_do_not_fail_a_close(bucket, proxy, mount):
    """A program with a timer waits for S3 as any other."""
    m = mount(bucket, proxy=proxy, ro=False)
    proxy.fault("delay", op="PutObject", ms=300)
    done = subprocess.run([sys.executable, "-c", TIMER, str(m.path)],
                          check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
