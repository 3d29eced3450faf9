# SPDX-License-Identifier: Apache-2.0
"""fsx on a file that is longer than the cache: what test_fsx.py does, staged.

What does not fit goes to S3 before the close, holes take no room, and what is
read is fetched again and again.
"""

import pytest
from lib import stored, suites
from lib.data import MIB

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(400)]
CACHE = 8 * MIB   # half of the file
OPTIONS = {"ro": False, "cache_size": CACHE, "free_space": 0}


def run(m, seed, count, tmp_path):
    p, out = suites.fsx(m.path / f"f{seed}", seed, count, tmp_path,
                        "fsx-large.toml")
    status = p.wait()
    assert status == 0, (seed, out.read_text(errors="replace")[-3000:])
    assert "A-OK" in out.read_text(), seed
    m.check()


def compare(m, s3, bucket, *seeds):
    """Assert that the bucket has the files as the mount shows them."""
    shown = {f"f{seed}": (m.path / f"f{seed}").read_bytes() for seed in seeds}
    m.umount()
    for key, content in shown.items():
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert body == content, key
    assert not stored.staged(s3, bucket)
    assert stored.uploads(s3, bucket) == []


@pytest.mark.parametrize("sync, seed", [("close", 41), ("fsync", 42)])
def test_fsx(s3, bucket, mount, tmp_path, sync, seed):
    m = mount(bucket, sync=sync, **OPTIONS)
    run(m, seed, 300, tmp_path)
    compare(m, s3, bucket, seed)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(61, 71))
def test_fsx_for_long(s3, bucket, mount, tmp_path, seed):
    m = mount(bucket, sync="fsync" if seed % 2 else "close", **OPTIONS)
    run(m, seed, 10000, tmp_path)
    compare(m, s3, bucket, seed)


def test_fsx_with_remounts(s3, bucket, mount, tmp_path):
    """Each round goes on with what the mount before it left."""
    m = mount(bucket, **OPTIONS)
    for seed in (51, 52):
        run(m, seed, 200, tmp_path)
        m.remount()
    compare(m, s3, bucket, 51, 52)
