# SPDX-License-Identifier: Apache-2.0
"""A large upload goes on where it was: after a kill, and after an outage."""

import os
import re
import subprocess

import pytest
from lib import modes, stored
from lib.data import noise

MIB = 1 << 20
PART = 5 * MIB
PARTS = 12
SIZE = (PARTS - 1) * PART + 1000
CRC_OF_X = "nSzuZg=="                # CRC32C of a part of them
SOME = 5                                # of them get through before


def sent(proxy):
    """Return the numbers of the parts that were sent."""
    return {int(re.search(r"partNumber=(\d+)", one["query"])[1])
            for one in proxy.log(op="UploadPart", key="f")}


def begun(proxy):
    return len(proxy.log(op="CreateMultipartUpload", key="f"))


def there(s3, bucket):
    """Return the numbers of the parts that S3 has of "f"."""
    (one,) = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    got = s3.list_parts(Bucket=bucket, Key="f", UploadId=one["UploadId"])
    return {part["PartNumber"] for part in got.get("Parts", [])}


def check(s3, bucket, m):
    modes.settle(m)
    assert stored.body(s3, bucket, "f") == noise(SIZE)
    assert (m.path / "f").read_bytes() == noise(SIZE)
    assert stored.uploads(s3, bucket) == []
    assert stored.keys(s3, bucket) == {"f": SIZE, "first": 1}


@pytest.fixture
def m(bucket, proxy, mount):
    return modes.start(mount, bucket, proxy, "close", part_size="5M",
                       timeout=60)


def kill(s3, bucket, proxy, m, tmp_path, **hold):
    """Kill while the close waits for parts; return those that S3 has."""
    (tmp_path / "f").write_bytes(noise(SIZE))
    proxy.fault("hold", op="UploadPart", key="^f$", nth=SOME + 1, times=100,
                **hold)
    # Not this process: what it starts would close the file, too.
    with subprocess.Popen(["cp", tmp_path / "f", m.path / "f"]) as writer:
        stored.wait_for(lambda: m.status()["cache"]["uploads"] == 1,
                        "the close to begin", 60)
        proxy.wait_held(timeout=60)
        m.kill9()
        writer.kill()
    proxy.restore()
    proxy.wait_idle()
    parts = there(s3, bucket)
    assert len(parts) >= SOME
    proxy.reset()
    return parts


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill(s3, bucket, proxy, m, tmp_path, when):
    parts = kill(s3, bucket, proxy, m, tmp_path, when=when)
    m.start()
    check(s3, bucket, m)
    # (What was on its way may have come in since they were asked for.)
    assert not sent(proxy) & parts
    assert begun(proxy) == 0


def test_other_bytes_under_the_same_number(s3, bucket, proxy, m, tmp_path):
    """Another part, of the right size."""
    parts = kill(s3, bucket, proxy, m, tmp_path)
    (one,) = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    s3.upload_part(Bucket=bucket, Key="f", UploadId=one["UploadId"],
                   PartNumber=min(parts), Body=b"x" * PART,
                   ChecksumCRC32C=CRC_OF_X)
    m.start()
    check(s3, bucket, m)
    assert sent(proxy) & parts == {min(parts)}


def test_an_outage(s3, bucket, proxy, mount):
    m = modes.start(mount, bucket, proxy, "close", part_size="5M")
    proxy.fault("reset", op="UploadPart", key="^f$", nth=SOME + 1, times=10000)
    fd = os.open(m.path / "f", os.O_CREAT | os.O_WRONLY)
    assert os.write(fd, noise(SIZE)) == SIZE    # nothing is forked here
    with pytest.raises(OSError):
        os.fsync(fd)
    modes.cut(proxy)
    stored.wait_for(lambda: m.status()["cache"]["uploads"] == 0,
                    "it to be given up", 30)
    parts = there(s3, bucket)
    assert len(parts) >= SOME
    proxy.reset()
    proxy.clear()
    check(s3, bucket, m)
    assert not sent(proxy) & parts
    assert begun(proxy) == 0
    modes.close(fd)
