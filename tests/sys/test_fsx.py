# SPDX-License-Identifier: Apache-2.0
"""fsx: random operations on one file, each read compared.

mmap, truncate, punched holes, copy_file_range, closing and opening again,
dropped pages, among plain reads and writes.  At the end S3 has what the mount
shows.
"""

import pytest
from lib import stored, suites

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(400)]
AT_ONCE = 5


def run_all(m, seeds, count, tmp_path):
    """Run fsx with each seed, some at once; assert that all went well."""
    m.check()
    seeds = list(seeds)
    for i in range(0, len(seeds), AT_ONCE):
        running = [(seed, *suites.fsx(m.path / f"f{seed}", seed, count,
                                      tmp_path))
                   for seed in seeds[i:i + AT_ONCE]]
        ended = [(seed, p.wait(), out) for seed, p, out in running]
        for seed, status, out in ended:
            assert status == 0, (seed, out.read_text(errors="replace")[-3000:])
            assert "A-OK" in out.read_text(), seed
    m.check()


def compare(m, s3, bucket, seeds):
    """Assert that the bucket has the files as the mount shows them."""
    shown = {f"f{seed}": (m.path / f"f{seed}").read_bytes() for seed in seeds}
    m.umount()
    for key, content in shown.items():
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert body == content, key
    assert stored.uploads(s3, bucket) == []


@pytest.mark.parametrize("sync", ("close", "fsync"))
def test_fsx(s3, bucket, mount, tmp_path, sync):
    seeds = range(1, 11) if sync == "close" else range(11, 14)
    m = mount(bucket, ro=False, sync=sync)
    run_all(m, seeds, 10000, tmp_path)
    compare(m, s3, bucket, seeds)


def test_fsx_over_a_bad_link(s3, bucket, proxy, mount, tmp_path):
    """One request in twenty fails, in each of these ways."""
    for seed, action in enumerate(("slow_down", "reset", "lost_reply")):
        proxy.fault(action, probability=0.02, seed=seed)
    m = mount(bucket, proxy=proxy, ro=False)
    run_all(m, (21, 22), 2000, tmp_path)
    proxy.clear()
    compare(m, s3, bucket, (21, 22))


def test_fsx_with_remounts(s3, bucket, mount, tmp_path):
    """Each round goes on with what the mount before it left."""
    m = mount(bucket, ro=False)
    for seed in (31, 32, 33):
        run_all(m, (seed,), 2000, tmp_path)
        m.remount()
    compare(m, s3, bucket, (31, 32, 33))
