# SPDX-License-Identifier: Apache-2.0
"""Who only reads, beside one who writes: what its close and fsync mean."""

import errno
import os
import time

import pytest
from lib import stored
from lib.data import noise
from test_write_errors import DENIED, FILES
from test_write_names import refused


@pytest.fixture
def m(proxy, bucket, mount):
    """A mount that may write, through the proxy."""
    return mount(bucket, proxy=proxy, ro=False)


def give_up(m):
    """Unmount what has something that S3 refuses."""
    status, _ = m.ctl("umount", str(m.path))
    assert status != 0
    m.pid = 0


def uploads(proxy):
    return len(proxy.log("PutObject", "f"))


def test_closing_a_reader_publishes_nothing(s3, bucket, proxy, m):
    """Half of a file is no version, whoever looks at it."""
    (m.path / "f").write_bytes(b"old")
    fd = os.open(m.path / "f", os.O_WRONLY)
    os.write(fd, b"half")
    for _ in range(3):
        assert (m.path / "f").read_bytes() == b"half"
        time.sleep(0.1)         # what the last close schedules comes late
    (m.path / "g").write_bytes(b"")
    assert stored.body(s3, bucket, "f") == b"old"
    os.write(fd, b" and half")
    os.close(fd)
    assert stored.body(s3, bucket, "f") == b"half and half"


@pytest.mark.parametrize("call", [os.fsync, os.fdatasync])
def test_fsync_is_of_the_file(s3, bucket, m, call):
    """Whoever wrote it, and however it is open here."""
    writer = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT, 0o644)
    reader = os.open(m.path / "f", os.O_RDONLY)
    for n in range(3):
        body = noise(1000, n)
        os.pwrite(writer, body, 0)
        call(reader)
        assert stored.body(s3, bucket, "f") == body
    os.close(reader)
    os.close(writer)


def test_fsync_of_a_reader_tells_what_failed(s3, bucket, proxy, m):
    writer = os.open(m.path / "f", os.O_WRONLY | os.O_CREAT, 0o644)
    reader = os.open(m.path / "f", os.O_RDONLY)
    os.write(writer, b"new")
    proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    refused(errno.EACCES, os.fsync, reader)
    proxy.clear()
    os.fsync(reader)
    assert stored.body(s3, bucket, "f") == b"new"
    os.close(reader)
    refused(errno.EACCES, os.close, writer)     # it was not told yet


def test_a_mount_that_only_reads_sends_nothing(s3, bucket, proxy, m):
    """What another mount left unsent waits for one that may write."""
    proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    refused(errno.EACCES, (m.path / "f").write_bytes, b"kept")
    give_up(m)
    proxy.clear()
    proxy.reset()
    m.options["ro"] = True
    m.start()
    fd = os.open(m.path / "f", os.O_RDONLY)
    assert os.read(fd, 100) == b"kept"
    os.fsync(fd)
    os.close(fd)
    time.sleep(0.3)
    assert uploads(proxy) == 0
    m.umount()
    m.options["ro"] = False
    m.start()
    stored.wait_for(lambda: stored.exists(s3, bucket, "f"), "the file", 30)
