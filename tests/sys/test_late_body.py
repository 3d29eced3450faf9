# SPDX-License-Identifier: Apache-2.0
"""The body of an old version comes when a new one was written and sent."""

import mmap
import os
import threading

import pytest
from lib import stored
from lib.data import noise

SIZE = 12 << 20


def read_direct(path, off, size):
    """Past the kernel's pages, of which it so locks none."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, size)
    try:
        n = os.preadv(fd, [buffer], off)
        return buffer[:n]
    finally:
        os.close(fd)


@pytest.mark.servers("versitygw")
def test_p2_a_late_body_replaces_nothing(s3, bucket, proxy, mount):
    old, new = noise(SIZE, 1), noise(SIZE, 2)
    s3.put_object(Bucket=bucket, Key="f", Body=old)
    m = mount(bucket, proxy=proxy, ro=False)
    proxy.fault("hold", op="GetObject")
    got = []
    reader = threading.Thread(
        target=lambda: got.append(read_direct(m.path / "f", 0, 1 << 20)))
    reader.start()
    try:
        proxy.wait_held()
        fd = os.open(m.path / "f", os.O_RDWR)
        assert os.pwrite(fd, new, 0) == SIZE
        os.fsync(fd)
        os.close(fd)
    finally:
        proxy.clear()
        proxy.release()
        reader.join()
    assert got[0] in (old[:1 << 20], new[:1 << 20])
    assert read_direct(m.path / "f", 0, SIZE) == new
    stored.check(s3, bucket, "f", m.path / "f", new)
