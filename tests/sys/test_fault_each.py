# SPDX-License-Identifier: Apache-2.0
"""One request of a run fails: the first, then the second, to the last.

Each time all calls end well or with a clean error, in time, and in S3 is
what was acknowledged.  A kind of fault is done when a run is untouched.
"""

import errno
import os

import pytest
from lib import env, stored
from lib.scenario import Scenario

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(300)]
TIMEOUT_S = 2                   # the daemon's: without progress, EIO
MOST = 200                      # requests of a run
PAILFS_NTH = os.environ.get("PAILFS_NTH")       # this one only
# What a server may say with this fault, and a program is to know.
ALSO = {"412": {errno.EEXIST}, "expired token": {errno.EINVAL}}
FAULTS = {
    "503": ("slow_down", {}),
    "lost reply": ("lost_reply", {}),
    "412": ("status", {"status": 412, "code": "PreconditionFailed"}),
}
LONG = {
    "500": ("internal_error", {}),
    "reset": ("reset", {}),
    "truncated": ("truncate", {"at": 0.5}),
    "stalled": ("stall", {"at": 0.5}),
    "flipped bit": ("flip", {"at": 0.5, "op": "GetObject"}),
    "error in 200": ("error_200", {}),
    "error in 200, acted": ("error_200", {"acted": True}),
    "409": ("status", {"status": 409, "code": "ConditionalRequestConflict"}),
    "409 aborted": ("status", {"status": 409, "code": "OperationAborted"}),
    "skew": ("time_skewed", {}),
    "expired token": ("expired_token", {}),
    "hang": ("hang", {}),
    "hang, acted": ("hang", {"acted": True}),
}


def check_uploads(s3, bucket, proxy):
    """No upload was left but one that was begun and not answered for."""
    lost = {e["key"] for e in proxy.log("CreateMultipartUpload")
            if e["fault"]}
    assert set(stored.uploads(s3, bucket)) <= lost


def run_all(m, s3, bucket, proxy, name):
    """Run until a run is untouched; return how many were not."""
    action, args = {**FAULTS, **LONG}[name]
    options = {k: v for k, v in args.items() if k != "op"}
    # A call makes a few requests, each of which may take its time.
    patience = 6 * (TIMEOUT_S + 2) * env.slow()
    numbers = [int(PAILFS_NTH)] if PAILFS_NTH else range(1, MOST)
    for n in numbers:
        run = Scenario(m, s3, bucket, f"r{n}", patience, ALSO.get(name, ()))
        rule = proxy.fault(action, op=args.get("op"), nth=n, **options)
        try:
            run.run()
            touched = proxy.fired(rule)
            proxy.clear()
            run.check()
            check_uploads(s3, bucket, proxy)
        except AssertionError as e:
            last = [(e["op"], e["key"], e["status"], e["fault"])
                    for e in proxy.log() if e["fault"]]
            raise AssertionError(f"request {n}, {last[-1:]}: {e}\n"
                                 f"{m.log_tail()}") from e
        if not touched:
            assert run.errors == [], "an error that nobody made"
            return n - 1
    raise AssertionError(f"more than {MOST} requests")


@pytest.mark.parametrize("name", [
    *FAULTS, *(pytest.param(n, marks=pytest.mark.long) for n in LONG)])
def test_p8_each_request_fails_once(name, s3, bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False, timeout=TIMEOUT_S,
              part_size="5M", write_delay=10, ttl=60)
    Scenario(m, s3, bucket, "warm", 60).run()   # asks what the server can do
    proxy.reset()
    runs = run_all(m, s3, bucket, proxy, name)
    assert runs >= (1 if name == "flipped bit" else 15), runs
