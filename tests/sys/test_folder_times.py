# SPDX-License-Identifier: Apache-2.0
"""What comes into a folder changes its times here, and sends nothing.

That holds while the folder's own marker is on its way, too; what is set
meanwhile is sent.
"""

import os
import time

import pytest
from lib import env

pytestmark = pytest.mark.servers("versitygw")
KEY = "d/"


@pytest.fixture
def sending(bucket, proxy, mount):
    """A factory: a mount whose marker d/ is held on its way."""
    def make(attrs):
        m = mount(bucket, proxy=proxy, ro=False, sync="fsync", attrs=attrs,
                  write_delay=0)
        proxy.fault("hold", op="PutObject", key=KEY, times=1)
        os.mkdir(m.path / "d")
        proxy.wait_held(timeout=10 * env.slow())
        return m
    return make


def settle(m, proxy):
    """Let it go; return how often the marker was sent when all is in S3."""
    proxy.release()
    end = time.monotonic() + 30 * env.slow()
    while True:
        cache = m.status()["cache"]
        if not any(cache[n] for n in ("owed_creates", "dirty_files",
                                      "dirty_attrs")):
            break
        assert time.monotonic() < end, cache
        time.sleep(0.02)
    proxy.wait_idle()
    return len(proxy.log("PutObject", KEY))


def stored(s3, bucket):
    return s3.head_object(Bucket=bucket, Key=KEY)["Metadata"]


@pytest.mark.parametrize("attrs", ["list", "posix"])
def test_p6_what_comes_into_a_folder_sends_no_marker(sending, proxy, attrs):
    m = sending(attrs)
    before = os.stat(m.path / "d").st_mtime_ns
    for i in range(3):
        (m.path / f"d/{i}").write_bytes(b"x")
    os.unlink(m.path / "d/0")
    assert os.stat(m.path / "d").st_mtime_ns > before
    assert settle(m, proxy) == 1


def test_p6_times_that_were_set_are_sent_once(sending, proxy, s3, bucket):
    """So are those of a folder that S3 has."""
    m = sending("posix")
    assert settle(m, proxy) == 1
    proxy.fault("hold", op="PutObject", key=KEY, times=1)
    os.utime(m.path / "d", (5, 6))
    proxy.wait_held(timeout=10 * env.slow())
    (m.path / "d/f").write_bytes(b"x")
    assert settle(m, proxy) == 2
    assert float(stored(s3, bucket)["mtime"]) == 6


@pytest.mark.parametrize("ns", [(5 * 10 ** 9, 6 * 10 ** 9), None])
def test_what_is_set_meanwhile_is_sent(sending, proxy, s3, bucket, ns):
    m = sending("posix")
    (m.path / "d/f").write_bytes(b"x")
    os.utime(m.path / "d", **({"ns": ns} if ns else {}))
    os.chmod(m.path / "d", 0o700)
    want = os.stat(m.path / "d").st_mtime_ns
    assert settle(m, proxy) == 2
    seconds, _, fraction = stored(s3, bucket)["mtime"].partition(".")
    assert int(seconds) * 10 ** 9 + int((fraction or "0").ljust(9, "0")) == want
    assert int(stored(s3, bucket)["mode"]) & 0o777 == 0o700
