# SPDX-License-Identifier: Apache-2.0
"""Multipart uploads that a kill leaves, and those of others."""

import json
import re
import threading

import pytest
from lib import stored
from lib.data import noise

MIB = 1 << 20
OPTIONS = {"ro": False, "part_size": "5M"}


def listed(m):
    """What pailctl says is open: {key: ours}."""
    status, said = m.ctl("uploads", "--json", str(m.path))
    assert status == 0, said
    return {one["text"]: one["ours"] for one in json.loads(said)}


def kill(s3, bucket, proxy, mount, **hold):
    """Kill while a request of "f" is held; all but the other's go then."""
    other = s3.create_multipart_upload(Bucket=bucket, Key="f.other")
    m = mount(bucket, proxy=proxy, **OPTIONS)
    (m.path / "old").write_bytes(noise(12 * MIB))   # asks for conditions
    proxy.fault("hold", key="^f$", times=100, **hold)
    thread = threading.Thread(target=lambda: pytest.raises(
        OSError, (m.path / "f").write_bytes, noise(16 * MIB)))
    thread.start()
    proxy.wait_held(timeout=30)
    begun = set(stored.uploads(s3, bucket))
    if hold["op"] != "CreateMultipartUpload":
        assert listed(m) == {"f": True, "f.other": False}
    m.kill9()
    thread.join()
    proxy.restore()
    proxy.wait_idle()
    m.remount()
    # If the close had begun, "f" goes up (test_resume.py); else the upload
    # is aborted.
    stored.wait_for(lambda: m.status()["cache"]["dirty_files"] == 0
                    and stored.uploads(s3, bucket) == ["f.other"],
                    "the upload to go", 30)
    assert listed(m) == {"f.other": False}
    text = m.ctl("uploads", str(m.path))[1]
    assert re.fullmatch(rf"f.other\t\d+[mhd]\tother\t{other['UploadId']}",
                        text)
    return begun


@pytest.mark.parametrize(("op", "when", "nth"), [
    ("UploadPart", "after", 2), ("CompleteMultipartUpload", "before", 1)])
def test_a_kill_leaves_none(s3, bucket, proxy, mount, op, when, nth):
    begun = kill(s3, bucket, proxy, mount, op=op, when=when, nth=nth)
    assert begun == {"f", "f.other"}


# moto began all uploads on 10 November 2010.
@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_create_that_was_not_answered(s3, bucket, proxy, mount, when):
    begun = kill(s3, bucket, proxy, mount, op="CreateMultipartUpload",
                 when=when, nth=1)
    assert ("f" in begun) == (when == "after")
