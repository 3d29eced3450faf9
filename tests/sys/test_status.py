# SPDX-License-Identifier: Apache-2.0
"""pailctl status: what is on its way, and status --watch."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading

import pytest
from lib import env
from lib.data import MIB, noise

pytestmark = pytest.mark.servers("versitygw")
HOME = b"\x1b[H"


def watch(m, *words, **options):
    return subprocess.Popen(
        [*env.pailctl(), "status", str(m.path), "--watch", *words],
        env=m.environment, **options)


def read_until(fd, true, so_far=b""):
    """Return what comes until ${true} of all of it."""
    while not true(so_far):
        ready, _, _ = select.select([fd], [], [], 30 * env.slow())
        assert ready, so_far
        so_far += os.read(fd, 65536)
    return so_far


def end(job):
    """Ctrl-C is no failure."""
    job.send_signal(signal.SIGINT)
    assert job.wait(20 * env.slow()) == 0


@pytest.fixture
def sending(proxy, bucket, mount):
    """A mount with 20 MiB on their way, all parts there, held at the end."""
    m = mount(bucket, proxy=proxy, ro=False)
    (m.path / "p").write_bytes(noise(9 * MIB))  # asks what the server can do
    proxy.fault("hold", op="CompleteMultipartUpload", key="^d/f$")
    (m.path / "d").mkdir()
    writer = threading.Thread(
        target=lambda: (m.path / "d/f").write_bytes(noise(20 * MIB)))
    writer.start()
    try:
        proxy.wait_held(timeout=30 * env.slow())
        yield m
    finally:
        proxy.release()
        writer.join(30 * env.slow())
    assert not writer.is_alive()
    assert m.status()["sending"] == []


def test_uploads_with_progress(sending):
    (one,) = sending.status()["sending"]
    assert one["key"] == one["text"] == "d/f" and one["age_s"] >= 0
    assert one["sent"] == one["size"] == 20 * MIB
    said = sending.ctl("status", str(sending.path))[1]
    assert re.search(r"^    100 % of    20\.0 MiB     d/f$", said, re.M), said


def test_watch_on_a_terminal(sending):
    """In place, lined up, and no more than fits."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 80, 0, 0))
    with watch(sending, stdout=theirs) as job:
        os.close(theirs)
        said = read_until(ours, lambda text: text.count(HOME) >= 4)
        end(job)
    os.close(ours)
    screens = said.split(HOME)
    assert screens[0] == b"\x1b[2J"
    for screen in screens[1:4]:
        lines = screen.removesuffix(b"\x1b[J").split(b"\x1b[K\r\n")
        assert len(lines) == 20 and lines[-1] == b""
        assert lines[0] == b"state            mounted"
        values = {re.match(rb"(\S+(?: \S+)*,?) +", line).end()
                  for line in lines[:-1]
                  if len(line.split(b"  ")[0]) < 16 and b"  " in line
                  and not line.startswith(b" ")}
        assert values == {17}, lines


def test_watch_elsewhere(sending):
    with watch(sending, stdout=subprocess.PIPE) as job:
        said = read_until(job.stdout.fileno(),
                          lambda text: text.count(b"\n\n") >= 2)
        end(job)
    first, second = said.decode().split("\n\n")[:2]
    assert first.startswith("state            mounted\n")
    assert second.startswith("state            mounted\n")
    assert "\x1b" not in first and "d/f" in first


def test_watch_for_programs(sending):
    with watch(sending, "--json", stdout=subprocess.PIPE) as job:
        said = read_until(job.stdout.fileno(),
                          lambda text: text.count(b"\n") >= 2)
        end(job)
    for line in said.splitlines()[:2]:
        assert json.loads(line)["sending"][0]["text"] == "d/f"


def test_watch_ends_with_the_mount(bucket, mount):
    m = mount(bucket)
    with watch(m, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as job:
        read_until(job.stdout.fileno(), lambda text: b"\n\n" in text)
        m.umount()
        assert job.wait(20 * env.slow()) == 1


def test_it_has_all_that_is_asked_for(bucket, mount):
    m = mount(bucket, ro=False)
    (m.path / "f").write_bytes(b"1")
    said, got = m.ctl("status", str(m.path))[1], m.status()
    for label in ("state", "cache used", "not in S3 yet", "  files",
                  "  on their way", "  oldest, s", "S3 down", "S3 up",
                  "S3 retries", "S3 errors", "  PutObject"):
        assert re.search(f"^{label} ", said, re.M), label
    assert got["state"] == "mounted" and got["sending"] == []
    for name in ("dirty_bytes", "dirty_files", "uploads", "oldest_s", "used",
                 "size"):
        assert isinstance(got["cache"][name], int)
    for name in ("retries", "errors", "bytes_up", "bytes_down"):
        assert isinstance(got["s3"][name], int)
    assert got["s3"]["requests"]["PutObject"] >= 1


def test_watch_is_for_status(bucket, mount):
    m = mount(bucket)
    status, said = m.ctl("umount", str(m.path), "--watch")
    assert status == 2 and "--watch is an option of status" in said
