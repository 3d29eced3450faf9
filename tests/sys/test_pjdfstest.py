# SPDX-License-Identifier: Apache-2.0
"""What POSIX says of the calls, case by case: pjdfstest, as root.

suites/pjdfstest.failures has the cases that fail, and why.
"""

import os
import tempfile

import pytest
from lib import suites

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(300),
              pytest.mark.skipif(os.geteuid() != 0,
                                 reason="pjdfstest becomes other users")]


@pytest.fixture
def point():
    """A mount point that every user can reach, as pytest's folders are not."""
    path = tempfile.mkdtemp(prefix="pailfs-pjdfstest.")
    os.chmod(path, 0o755)
    yield path
    os.rmdir(path)


@pytest.mark.parametrize("sync", ("close", "fsync"))
def test_pjdfstest(bucket, point, mount, sync):
    m = mount(bucket, path=point, ro=False, sync=sync, allow_other=True)
    folder = m.path / "suite"
    folder.mkdir()
    folder.chmod(0o755)
    m.check()
    found = suites.pjdfstest(folder)
    m.check()
    failed = {name for name, how in found.items() if how == "FAILED"}
    must, may = suites.expected_failures()
    assert failed - must - may == set(), "these fail"
    assert must - failed == set(), "these pass: take them off the list"
    assert sum(how == "ok" for how in found.values()) >= 325
