# SPDX-License-Identifier: Apache-2.0
"""Kills at one certain moment: what tests/crash found, one by one."""

import threading

import pytest
from lib import stored
from lib.data import noise

pytestmark = pytest.mark.servers("versitygw")


def kill_at(m, proxy, call, op, when):
    """Kill while the first ${op} of ${call} is held; mount again."""
    proxy.fault("hold", op=op, key="^f$", when=when, nth=1)
    thread = threading.Thread(target=lambda: pytest.raises(OSError, call))
    thread.start()
    proxy.wait_held()
    m.kill9()
    thread.join()
    proxy.restore()
    proxy.wait_idle()
    m.remount()


def test_p3_an_append_that_s3_has_is_no_conflict(s3, bucket, proxy, mount):
    """Its answer was lost with the daemon, and so was what was local."""
    m = mount(bucket, proxy=proxy, ro=False)
    wanted = noise(300_000)
    (m.path / "f").write_bytes(wanted)

    def append():
        with open(m.path / "f", "ab") as f:
            f.write(b"more")

    kill_at(m, proxy, append, "PutObject", "after")
    stored.wait_for(lambda: m.status()["cache"]["dirty_files"] == 0, "it", 20)
    assert stored.keys(s3, bucket) == {"f": 300_004}
    stored.check(s3, bucket, "f", m.path / "f", wanted + b"more")
