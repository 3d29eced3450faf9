# SPDX-License-Identifier: Apache-2.0
"""max_upload=, max_download= and max_requests= hold for all together.

Times are bounds from below only: a slow machine is slower.  What is counted
from before the mount until after the last answer is all that was sent, so it
may be no more than the limit allows for that time.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.workload import KIB, MIB, data, plant

pytestmark = [pytest.mark.servers("versitygw")]
PIECE = 16 * KIB            # by which a limit may be passed, a transfer


def spent(start, limit):
    """Return what ${limit} a second may be by now: a burst, and the time."""
    return limit / 10 + (time.monotonic() - start) * limit


def test_requests_of_all_kinds(server, bucket, proxy, mount):
    """Those that are sent again, too; and none of them fails."""
    limit = 12
    plant(server, bucket, {f"d/{n}": b"x" for n in range(8)})
    proxy.fault("internal_error", op="HeadObject", times=4)
    start = time.monotonic()
    m = mount(bucket, proxy=proxy, ro=False, max_requests=limit,
              attrs="posix")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: os.stat(m.path / "d" / str(n)), range(8)))
        list(pool.map(lambda n: (m.path / f"new{n}").write_bytes(b"y"),
                      range(8)))
        list(pool.map(lambda n: os.unlink(m.path / "d" / str(n)), range(8)))
    count = proxy.count()
    assert count >= 24, proxy.counts()
    assert count <= spent(start, limit) + 1, proxy.counts()
    assert sorted(os.listdir(m.path)) == ["d"] + [f"new{n}" for n in range(8)]


def test_bytes_that_come(server, bucket, proxy, mount):
    """Two files at once."""
    limit = 2 * MIB
    files = plant(server, bucket, {k: data(3 * MIB, k) for k in "ab"})
    m = mount(bucket, proxy=proxy, max_download=limit)
    start = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda k: (m.path / k).read_bytes(), files))
    assert 6 * MIB <= spent(start, limit) + 2 * PIECE
    assert got == list(files.values())
    assert proxy.count("GetObject") == 2


def test_bytes_that_go(bucket, s3, proxy, mount):
    """Two files at once, of which one goes in parts."""
    limit = 4 * MIB
    files = {"a": data(12 * MIB, 1), "b": data(2 * MIB, 2)}
    m = mount(bucket, proxy=proxy, ro=False, max_upload=limit)
    start = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda k: (m.path / k).write_bytes(files[k]), files))
    assert 14 * MIB <= spent(start, limit) + 3 * PIECE
    for key, body in files.items():
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert proxy.stats()["up"] < 15 * MIB, "nothing was sent twice"

