# SPDX-License-Identifier: Apache-2.0
"""S3 is away for a while: programs go on, and all drains when it is back."""

import functools
import os

import pytest
from lib import env, modes, stored
from lib.data import noise
from lib.modes import LOCAL, close, cut, end, settle, writing


@pytest.fixture
def mounted(proxy, bucket, mount):
    return functools.partial(modes.start, mount, bucket, proxy)


def away(m):
    return m.status()["cache"]["away_s"]


def sending(m):
    return m.status()["cache"]["uploads"]


@pytest.mark.parametrize("sync", LOCAL)
def test_programs_go_on(s3, bucket, proxy, mounted, sync):
    m = mounted(sync, ttl=600, timeout=2)
    (m.path / "read").write_bytes(noise(300_000))
    settle(m)
    assert away(m) == 0
    assert "S3 is away" not in m.ctl("status", str(m.path))[1]
    cut(proxy)
    for i in range(8):
        (m.path / f"f{i}").write_bytes(b"%d" % i)
    stored.wait_for(lambda: away(m) > 3 and not sending(m),
                    "the outage to be seen", 20)
    assert (m.path / "read").read_bytes() == noise(300_000)
    for i in range(8):                      # nothing is frozen meanwhile
        with open(m.path / f"f{i}", "ab") as f:
            f.write(b"more")
        (m.path / f"g{i}").write_bytes(b"new")
    got = m.status()["cache"]
    assert got["dirty_files"] == 16 and got["oldest_s"] >= 3, got
    assert "S3 is away" in m.ctl("status", str(m.path))[1]
    proxy.clear()
    settle(m)
    for i in range(8):
        assert stored.body(s3, bucket, f"f{i}") == b"%dmore" % i
        assert stored.body(s3, bucket, f"g{i}") == b"new"
    got = m.status()["cache"]
    assert got["away_s"] == 0 and got["oldest_s"] == 0, got


def test_what_failed_often_goes_soon(s3, bucket, proxy, mounted):
    """Its own next try would be minutes away."""
    m = mounted("close", timeout=1)
    fd = os.open(m.path / "f", os.O_CREAT | os.O_WRONLY)
    cut(proxy)
    for i in range(7):
        os.write(fd, b"%d" % i)
        with pytest.raises(OSError):
            os.fsync(fd)
    stored.wait_for(lambda: away(m) > 0, "the outage to be seen", 20)
    proxy.clear()
    stored.wait_for(lambda: stored.exists(s3, bucket, "f"), "it", 15)
    settle(m)
    assert stored.body(s3, bucket, "f") == b"0123456"
    assert close(fd) == 0


@pytest.mark.parametrize("sync", modes.ALL)
def test_bytes_of_an_age_are_sent(s3, bucket, proxy, mounted, sync):
    """max_dirty_age: though a program writes the file still; else not."""
    m = mounted(sync, max_dirty_age=1)
    job = writing(m.path / "f", 1000)
    stored.wait_for(lambda: stored.exists(s3, bucket, "f"), "it", 15)
    assert stored.body(s3, bucket, "f") == b"x" * 1000
    end(job)
    settle(m)
    assert len(stored.keys(s3, bucket)) == 2
    m.remount(max_dirty_age=0)
    job = writing(m.path / "g", 1000)
    with pytest.raises(TimeoutError):
        stored.wait_for(lambda: stored.exists(s3, bucket, "g"), "it",
                        3 / env.slow())
    end(job)
    settle(m)
    assert stored.body(s3, bucket, "g") == b"x" * 1000
