# SPDX-License-Identifier: Apache-2.0
"""What no close or fsync had covered when the daemon was killed.

It becomes a file beside, NAME.unfinished-HOST-TIME, in every mode; NAME is as
S3 has it.
"""

import functools
import os
import time

import pytest
from lib import env, modes, stored
from lib.data import MIB, noise
from lib.modes import end, restart, settle, writing

NOTED_S = env.slow()    # what was written is known by then


@pytest.fixture
def mounted(proxy, bucket, mount):
    return functools.partial(modes.start, mount, bucket, proxy)


def kept(s3, bucket, m, name="f"):
    """The one file that is kept of ${name}, by either way."""
    settle(m)
    (key,) = modes.unfinished(s3, bucket, name)
    data = stored.body(s3, bucket, key)
    assert (m.path / key).read_bytes() == data
    log = m.log.read_text()
    assert f"is kept as '{key}'" in log
    status, said = m.ctl("conflicts", str(m.path))
    assert status == 0 and key in said and "unfinished" in said
    return data


def killed(m, proxy, job, at_once=False):
    if not at_once:
        time.sleep(NOTED_S)
    restart(m, proxy)
    end(job)


@pytest.mark.parametrize("sync", modes.ALL)
def test_a_new_file(s3, bucket, proxy, mounted, sync):
    m = mounted(sync)
    killed(m, proxy, writing(m.path / "f", 300_000), at_once=True)
    assert kept(s3, bucket, m) == b"x" * 300_000
    assert not (m.path / "f").exists()
    assert not stored.exists(s3, bucket, "f")


@pytest.mark.parametrize("sync", modes.ALL)
def test_a_new_file_of_parts(s3, bucket, proxy, mounted, sync):
    """Some went up already."""
    m = mounted(sync)
    job = writing(m.path / "f", 20 * MIB)
    killed(m, proxy, job)
    assert kept(s3, bucket, m) == b"x" * (20 * MIB)
    assert not (m.path / "f").exists()


@pytest.mark.parametrize("sync", modes.ALL)
@pytest.mark.parametrize("size", [3000, 20 * MIB])
def test_a_file_that_s3_has(s3, bucket, proxy, mounted, sync, size):
    """The bytes round the change are taken from S3's."""
    data = noise(size)
    s3.put_object(Bucket=bucket, Key="f", Body=data)
    m = mounted(sync)
    killed(m, proxy, writing(m.path / "f", 1000, 1500))
    want = data[:1500] + b"x" * 1000 + data[2500:]
    assert kept(s3, bucket, m) == want
    assert (m.path / "f").read_bytes() == data
    assert stored.body(s3, bucket, "f") == data


@pytest.mark.parametrize("sync", modes.ALL)
def test_written_anew(s3, bucket, proxy, mounted, sync):
    """Emptied, and written at once: nothing of the old one is in it."""
    data = noise(300_000)
    s3.put_object(Bucket=bucket, Key="f", Body=data)
    m = mounted(sync)
    assert (m.path / "f").read_bytes() == data
    killed(m, proxy, writing(m.path / "f", 1000, 500, "anew"), at_once=True)
    assert kept(s3, bucket, m) == bytes(500) + b"x" * 1000
    assert (m.path / "f").read_bytes() == data


@pytest.mark.parametrize("sync", modes.ALL)
def test_truncated(s3, bucket, proxy, mounted, sync):
    data = noise(9 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=data)
    m = mounted(sync)
    killed(m, proxy, writing(m.path / "f", 0, 0, "cut2500"))
    assert kept(s3, bucket, m) == data[:2500]
    assert (m.path / "f").read_bytes() == data


@pytest.mark.parametrize("sync", modes.ALL)
def test_nothing_was_written(s3, bucket, proxy, mounted, sync):
    """A new empty file goes; one that was only emptied is as it was."""
    s3.put_object(Bucket=bucket, Key="old", Body=b"old")
    m = mounted(sync)
    new = os.open(m.path / "f", os.O_CREAT | os.O_WRONLY)
    old = os.open(m.path / "old", os.O_WRONLY | os.O_TRUNC)
    m.kill9()
    modes.close(new)
    modes.close(old)
    m.start()
    settle(m)
    assert sorted(os.listdir(m.path)) == ["first", "old"]
    assert (m.path / "old").read_bytes() == b"old"
    assert stored.keys(s3, bucket) == {"first": 1, "old": 3}


def test_killed_again_before_it_is_sent(s3, bucket, proxy, mounted):
    """Where the bytes round the change lie is known still."""
    data = noise(20 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=data)
    m = mounted("close")
    job = writing(m.path / "f", 1000, 10 * MIB)
    time.sleep(NOTED_S)
    proxy.fault("status", op="CreateMultipartUpload", status=403,
                code="AccessDenied")
    for _ in range(3):
        m.kill9()
        m.start()
    end(job)
    proxy.clear()
    want = data[:10 * MIB] + b"x" * 1000 + data[10 * MIB + 1000:]
    assert kept(s3, bucket, m) == want
    assert (m.path / "f").read_bytes() == data


def test_the_old_one_is_written_meanwhile(s3, bucket, proxy, mounted):
    """By this mount, before the bytes beside it are sent."""
    data = noise(20 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=data)
    m = mounted("close")
    job = writing(m.path / "f", 1000, 10 * MIB)
    time.sleep(NOTED_S)
    rule = proxy.fault("status", op="CreateMultipartUpload", status=403,
                       code="AccessDenied")
    m.kill9()
    m.start()
    end(job)
    stored.wait_for(lambda: m.status()["cache"]["failed_files"] == 1)
    (m.path / "f").write_bytes(b"short")
    proxy.clear(rule)
    want = data[:10 * MIB] + b"x" * 1000 + data[10 * MIB + 1000:]
    assert kept(s3, bucket, m) == want
    assert stored.body(s3, bucket, "f") == b"short"


def test_the_old_one_is_gone(s3, bucket, proxy, mounted):
    """What cannot be had any more is told: partial."""
    data = noise(20 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=data)
    m = mounted("close")
    job = writing(m.path / "f", 1000, 10 * MIB)
    time.sleep(NOTED_S)
    m.kill9()
    end(job)
    s3.put_object(Bucket=bucket, Key="f", Body=b"another's")
    m.start()
    settle(m)
    (key,) = stored.keys(s3, bucket, "f.partial-")
    got = stored.body(s3, bucket, key)
    assert got == bytes(10 * MIB) + b"x" * 1000 + \
        bytes(len(data) - 10 * MIB - 1000)
    missing = os.getxattr(m.path / key, "user.pailfs.missing").decode()
    assert missing == f"0-{10 * MIB} {10 * MIB + 1000}-{len(data)}"
    assert modes.unfinished(s3, bucket, "f") == []
    assert (m.path / "f").read_bytes() == b"another's"
