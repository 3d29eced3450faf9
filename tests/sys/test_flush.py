# SPDX-License-Identifier: Apache-2.0
"""pailctl flush: what is not in S3 is sent now, and what is not says so."""

import json
import os
import pty
import re
import subprocess

import pytest
from lib import env, stored
from lib.data import MIB, noise

pytestmark = pytest.mark.servers("versitygw")
NEVER_MS = 60_000
DENIED = {"status": 403, "code": "AccessDenied"}


@pytest.fixture
def m(proxy, bucket, mount):
    """What is closed is sent much later, or when somebody asks for it."""
    return mount(bucket, proxy=proxy, ro=False, sync="fsync",
                 write_delay=NEVER_MS)


def flush(m, *words, **options):
    return m.ctl("flush", *map(str, words), **options)


def start(m, *words, **options):
    return subprocess.Popen([*env.pailctl(), "flush", *map(str, words)],
                            env=m.environment, **options)


def test_all_of_a_mount(s3, bucket, m):
    (m.path / "d").mkdir()
    for i in range(20):
        (m.path / "d" / f"{i}").write_bytes(noise(100 + i, i))
    (m.path / "gone").write_bytes(b"1")
    assert flush(m, m.path) == (0, "")
    assert len(stored.keys(s3, bucket)) == 22
    (m.path / "gone").unlink()
    (m.path / "d/0").rename(m.path / "moved")
    (m.path / "d/1").chmod(0o600)
    assert stored.exists(s3, bucket, "gone")
    assert flush(m, m.path) == (0, "")
    found = stored.keys(s3, bucket)
    assert "gone" not in found and "d/0" not in found
    assert stored.body(s3, bucket, "moved") == noise(100, 0)
    assert stored.head(s3, bucket, "d/1")["Metadata"]["mode"] == str(0o100600)
    cache = m.status()["cache"]
    assert cache["dirty_files"] == 0 and cache["dirty_attrs"] == 0
    assert cache["owed_deletes"] == 0
    assert flush(m, m.path) == (0, "")


def test_a_folder_or_a_file(s3, bucket, m):
    """No more than what was named goes."""
    for name in ("a/b", "c"):
        (m.path / name).mkdir(parents=True)
    for name in ("a/b/1", "a/b/2", "a/3", "c/4"):
        (m.path / name).write_bytes(name.encode())
    assert flush(m, m.path / "a/b/1") == (0, "")
    assert list(stored.keys(s3, bucket)) == ["a/b/1"]
    assert flush(m, str(m.path / "a/b") + "/") == (0, "")
    assert sorted(stored.keys(s3, bucket)) == ["a/b/", "a/b/1", "a/b/2"]
    assert flush(m, m.path / "a") == (0, "")
    assert sorted(stored.keys(s3, bucket)) == [
        "a/", "a/3", "a/b/", "a/b/1", "a/b/2"]
    with start(m, cwd=m.path / "a/b") as job:   # all of the mount
        assert job.wait(30 * env.slow()) == 0
    assert stored.body(s3, bucket, "c/4") == b"c/4"


def test_a_file_that_is_written_still(s3, bucket, m):
    """As fsync: what was written until now."""
    with open(m.path / "f", "wb", buffering=0) as f:
        f.write(b"half")
        assert flush(m, m.path / "f") == (0, "")
        assert stored.body(s3, bucket, "f") == b"half"
        f.write(b" and half")
    assert flush(m, m.path) == (0, "")
    assert stored.body(s3, bucket, "f") == b"half and half"


def test_what_is_refused_is_named(s3, bucket, proxy, m):
    rules = [proxy.fault("status", op="PutObject", key="bad", **DENIED),
             proxy.fault("status", op="CopyObject", key="mode", **DENIED)]
    (m.path / "mode").write_bytes(b"1")
    assert flush(m, m.path) == (0, "")
    (m.path / "mode").chmod(0o600)
    (m.path / "d").mkdir()
    (m.path / "d/bad").write_bytes(b"1")
    (m.path / "d/good").write_bytes(b"1")
    status, said = flush(m, m.path)
    assert status == 1
    assert "d/bad\tfile\tPermission denied" in said.splitlines()
    assert re.search("^mode\tname\t.*mode.*not in S3$", said, re.M), said
    assert "tried again: 2" in said and "good" not in said
    assert stored.body(s3, bucket, "d/good") == b"1"
    status, said = flush(m, m.path / "d", "--json")
    found = json.loads(said[said.index("["):said.rindex("]") + 1])
    assert status == 1 and [one["text"] for one in found] == ["d/bad"]
    for rule in rules:
        proxy.clear(rule)
    assert flush(m, m.path) == (0, "")
    assert stored.body(s3, bucket, "d/bad") == b"1"


def test_a_name_that_is_refused(s3, bucket, proxy, m):
    rule = proxy.fault("status", op="PutObject", key="^d/$", **DENIED)
    (m.path / "d").mkdir()
    (m.path / "e").mkdir()
    status, said = flush(m, m.path)
    assert status == 1 and "d\tname\tS3 does not know that it was made" in said
    assert "\ne\t" not in said and stored.exists(s3, bucket, "e/")
    proxy.clear(rule)
    assert flush(m, m.path / "d") == (0, "")
    assert stored.exists(s3, bucket, "d/")


def test_the_loser_of_a_conflict_is_sent(s3, bucket, m):
    (m.path / "f").write_bytes(b"base")
    assert flush(m, m.path) == (0, "")
    s3.put_object(Bucket=bucket, Key="f", Body=b"theirs")
    with open(m.path / "f", "r+b") as f:
        f.write(b"ours")
    status, said = flush(m, m.path)
    assert status == 0 and said.startswith("f\tconflict\t")
    found = stored.keys(s3, bucket)
    (loser,) = [key for key in found if key != "f"]
    assert stored.body(s3, bucket, loser) == b"ours"
    assert stored.body(s3, bucket, "f") == b"theirs"


def test_a_bar_on_a_terminal(s3, bucket, proxy, m):
    """It moves while parts go up, and is gone in the end."""
    (m.path / "probe").write_bytes(b"1")
    assert flush(m, m.path) == (0, "")
    (m.path / "f").write_bytes(noise(20 * MIB))
    proxy.fault("hold", op="CompleteMultipartUpload", key="^f$")
    ours, theirs = pty.openpty()
    with start(m, m.path, stderr=theirs) as job:
        os.close(theirs)
        proxy.wait_held()
        said = b""
        while b"100%" not in said:
            said += os.read(ours, 4096)
        assert job.poll() is None
        proxy.release()
        assert job.wait(30 * env.slow()) == 0
        said += os.read(ours, 4096)
    os.close(ours)
    assert re.search(rb"\[#*-*\] +\d+%  still 1 files, ", said), said
    assert said.endswith(b"\r\x1b[K"), said
    assert stored.body(s3, bucket, "f") == noise(20 * MIB)


def test_lines_elsewhere(bucket, proxy, m):
    (m.path / "probe").write_bytes(b"1")
    assert flush(m, m.path) == (0, "")
    (m.path / "f").write_bytes(bytes(5000))
    proxy.fault("hold", op="PutObject", key="^f$")
    with start(m, m.path, stderr=subprocess.PIPE) as job:
        line = job.stderr.readline().decode()
        assert line == "pailctl: still to be sent: 1 files, 4.9 KiB\n"
        proxy.release()
        assert job.wait(30 * env.slow()) == 0


def test_what_is_no_mount(m, tmp_path):
    status, said = flush(m, tmp_path)
    assert status == 1 and "no file or folder of a pailfs is" in said
    status, said = flush(m, m.path / "none")
    assert status == 1 and "no such file" in said
