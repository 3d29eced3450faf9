# SPDX-License-Identifier: Apache-2.0
"""timeout= bounds every request, whatever the server answers instead.

A server that answers badly for good costs a program timeout= seconds and what
its last attempt takes; not much less, for it might have passed.
"""

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import env
from lib.workload import MIB, data, plant, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(60)]
TIMEOUT_S = 3

BAD = {
    "500": ("internal_error", {}),
    "503": ("slow_down", {}),
    "reset": ("reset", {}),
    "garbage": ("body", {"text": "<html>hello</html>"}),
}

READS = {
    "GetObject": lambda m: (m.path / "get/f").read_bytes(),
    "HeadObject": lambda m: os.stat(m.path / "b/f"),
    "ListObjectsV2": lambda m: os.listdir(m.path / "a"),
}

CHANGES = {
    "PutObject": lambda m: (m.path / "put/f").write_bytes(b"kept"),
    "CopyObject": lambda m: os.rename(m.path / "copy/f",
                                      m.path / "copy/g"),
    "DeleteObject": lambda m: os.unlink(m.path / "gone/f"),
}


@pytest.fixture
def warm(server, bucket, proxy, mount):
    """A mount that knows all but what the test asks for."""
    # The kernel lets one thread at a time change a directory.  What comes
    # before one that was listed is not asked for ahead.
    plant(server, bucket, {
        "get/f": data(2 * MIB), "b/f": data(5000), "a/f": b"x",
        "put/x": b"x", "copy/x": b"x", "copy/f": data(5000),
        "gone/x": b"x", "gone/f": data(5000)})
    m = mount(bucket, proxy=proxy, attrs="posix", ttl=600, ro=False,
              timeout=TIMEOUT_S)
    run("ls", "-l", m.path)
    for name in ("b", "get", "put", "copy", "gone"):
        run("ls", "-f", m.path / name)
    for name in ("get", "copy", "gone"):
        os.stat(m.path / name / "f")
    return m


def check_all(proxy, m, calls):
    """Each of ${calls} fails in time."""
    def one(call):
        start = time.monotonic()
        with pytest.raises(OSError) as e:
            call(m)
        return e.value.errno, time.monotonic() - start

    with ThreadPoolExecutor(len(calls)) as pool:
        for op, (err, took) in zip(calls, pool.map(one, calls.values())):
            assert err in (errno.EIO, errno.EBUSY), (op, err)
            assert took < (TIMEOUT_S + 2.5) * env.slow(), (op, took)
            assert took > TIMEOUT_S * 0.7, (op, took)
    for op in calls:
        assert len(proxy.log(op)) >= 3, f"{op}: not tried again"


@pytest.mark.parametrize("bad", BAD)
def test_reads_end_in_time(warm, proxy, bad):
    """Bytes, attributes, names; then all is well when the server is."""
    action, args = BAD[bad]
    proxy.reset()
    proxy.fault(action, **args)
    check_all(proxy, warm, READS)
    proxy.clear()
    assert (warm.path / "get/f").read_bytes() == data(2 * MIB)
    assert os.stat(warm.path / "b/f").st_size == 5000
    assert os.listdir(warm.path / "a") == ["f"]


@pytest.mark.parametrize("bad", BAD)
def test_changes_end_in_time(warm, proxy, bad):
    """A PUT, a rename, a removal; what else they ask is answered."""
    action, args = BAD[bad]
    # What the server's conditions are worth is found out by now.
    (warm.path / "warm").write_bytes(b"x")
    os.rename(warm.path / "warm", warm.path / "warmer")
    os.unlink(warm.path / "warmer")
    proxy.reset()
    for op in CHANGES:
        proxy.fault(action, op=op, **args)
    check_all(proxy, warm, CHANGES)
    proxy.clear()
    proxy.drop()
    assert (warm.path / "get/f").read_bytes() == data(2 * MIB)
