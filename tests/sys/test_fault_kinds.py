# SPDX-License-Identifier: Apache-2.0
"""Each kind of fault at one request in ten, while four threads write.

test_write_errors.py has the kinds that a retry mends alone; here are those
that need more: a look at what S3 has, a clock, or patience.  A flipped bit
is test_faults.py's: only a body that is read has a checksum.
"""

import errno
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import stored
from test_write_errors import Worker

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(240)]
TIMEOUT_S = 2                   # of the daemon; a stalled answer costs that
CLEAN = {errno.EIO, errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.EACCES,
         errno.EINVAL, errno.EEXIST, errno.ETIMEDOUT}
BELOW = r"^w\d/."               # all but the folders of the threads
FAULTS = {
    "truncated": ("truncate", {"at": 0.5}),
    "stalled": ("stall", {"at": 0.5}),
    "409": ("status", {"status": 409, "code": "ConditionalRequestConflict"}),
    "skew": ("time_skewed", {}),
    "expired token": ("expired_token", {}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_p1_other_faults_at_ten_percent(name, s3, bucket, proxy, mount):
    """What close, unlink and rename acknowledged is so."""
    m = mount(bucket, proxy=proxy, ro=False, timeout=TIMEOUT_S)
    action, args = FAULTS[name]
    rule = proxy.fault(action, key=BELOW, probability=0.1, seed=5, **args)
    workers = [Worker(m.path, i) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda w: w.run(25), workers))
    fired = proxy.fired(rule)
    assert fired >= 3, "no fault happened: nothing is proved"
    proxy.clear()
    errors = [e for w in workers for e in w.errors]
    assert {number for _, number in errors} <= CLEAN, errors
    for w in workers:
        w.check(s3, bucket)
    m.umount()
    m.start()
    for w in workers:
        w.check(s3, bucket)
    assert not [key for key in stored.keys(s3, bucket) if "conflict" in key]
