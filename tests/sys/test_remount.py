# SPDX-License-Identifier: Apache-2.0
"""mount -o remount: ro and rw change, nothing else does."""

import errno
import os
import re
import subprocess

import pytest
from lib import env, stored
from lib.command import mounts_at
from lib.mount import option_text, run

pytestmark = [
    pytest.mark.servers("versitygw"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mount(2) is for root")]
HELPERS = ("/sbin/mount.pailfs", "/sbin/mount.fuse.pailfs")
LIMIT_S = 20


@pytest.fixture
def remount(tmp_path):
    """Remount as mount(8) would have its helper do: remount(m, "ro")."""
    link = tmp_path / "mount.fuse.pailfs"
    link.symlink_to(os.path.abspath(env.pailfs()[-1]))

    def call(m, words, source=None):
        return run([*env.wrap(), str(link), source or m.bucket, str(m.path),
                    "-o", f"remount,{words}", "-t", "fuse.pailfs"], LIMIT_S,
                   m.environment, m.folder)
    return call


def refuses_writes(m):
    with pytest.raises(OSError) as e:
        (m.path / "no").write_bytes(b"x")
    return e.value.errno == errno.EROFS


def flags(m):
    (found,) = mounts_at(m.path)
    return [f for f in found if f not in ("ro", "rw")]


def test_ro_and_rw_again(s3, bucket, mount, remount):
    """What is owed to S3 is sent all the same."""
    m = mount(bucket, ro=False, sync="local", write_delay=500)
    before = flags(m)
    (m.path / "f").write_bytes(b"one")
    assert remount(m, "ro") == (0, "")
    assert refuses_writes(m) and m.status()["read_only"] is True
    assert (m.path / "f").read_bytes() == b"one"
    stored.wait_for(lambda: stored.keys(s3, bucket) == {"f": 3}, "f", LIMIT_S)
    assert remount(m, "rw") == (0, "")
    assert m.status()["read_only"] is False
    (m.path / "f").write_bytes(b"two!")
    assert flags(m) == before
    m.umount()
    assert stored.body(s3, bucket, "f") == b"two!"


def test_the_options_that_it_has_change_nothing(bucket, mount, remount):
    """mount(8) gives those of fstab, and those that the kernel shows."""
    m = mount(f"{bucket}:/d", ro=False, ttl=7, cache_size="64M",
              log_level="info", negative_ttl=3)
    same = option_text({**m.options, "stat_cache_expire": 7})
    kernel = ",".join(mounts_at(m.path)[0])
    for words in (kernel, f"{same},_netdev,nofail", f"{same},{kernel},ro"):
        assert remount(m, words) == (0, ""), words
    assert refuses_writes(m)
    assert remount(m, "rw", source=bucket) == (0, "")


@pytest.mark.parametrize("words, said", [
    ("ttl=5", "ttl.*only ro and rw.*pailctl umount"),
    ("ro,cache=/elsewhere", "cache.*only ro and rw"),
    ("attrs=list", "attrs.*only ro and rw"),
    ("allow_other", "allow_other.*only ro and rw"),
    ("noexec", "noexec.*remount,bind,noexec"),
    ("suid", "suid.*remount,bind,suid"),
    ("tll=5", "unknown option 'tll'"),
    ("ttl=x", "ttl=x")])
def test_other_changes_are_refused(bucket, mount, remount, words, said):
    m = mount(bucket, ro=False)
    status, text = remount(m, words)
    assert status != 0 and re.search(said, text), text
    assert text.startswith("pailfs: ") and text.count("\n") == 0
    (m.path / "f").write_bytes(b"x")


def test_another_bucket_is_refused(bucket, mount, remount):
    m = mount(f"{bucket}:/d", ro=False)
    for source in ("another", f"{bucket}:/e"):
        status, text = remount(m, "ro", source=source)
        assert status == 1 and bucket in text, text
    assert remount(m, "ro", source=f"{bucket}:/d") == (0, "")


def test_ro_while_a_file_is_written(bucket, mount, remount):
    m = mount(bucket, ro=False)
    with open(m.path / "f", "wb") as f:
        status, text = remount(m, "ro")
        assert status == 1 and "open for writing" in text, text
        f.write(b"x")
    assert remount(m, "ro") == (0, "")


def test_what_was_mounted_ro_stays_so(bucket, mount, remount):
    """It has not looked at what the mount before it left unsent."""
    m = mount(bucket, ro=True)
    assert remount(m, "ro") == (0, "")
    status, text = remount(m, "rw")
    assert status == 1 and "pailctl umount" in text, text
    assert refuses_writes(m) and m.status()["read_only"] is True


def test_where_no_mount_is(bucket, mount, remount):
    m = mount(bucket, ro=False)
    m.umount()
    status, text = remount(m, "ro")
    assert status == 1 and "no pailfs is mounted" in text
    m.start()
    m.kill9()
    status, text = remount(m, "ro")
    assert status == 1 and "has died" in text


@pytest.fixture
def helpers():
    """What make install puts into /sbin, for as long as the test lasts."""
    if env.wrap() or any(map(os.path.lexists, HELPERS)):
        pytest.skip("mount(8) knows no wrapper, or another pailfs")
    for link in HELPERS:
        os.symlink(os.path.abspath(env.pailfs()[-1]), link)
    yield
    for link in HELPERS:
        os.unlink(link)


def test_mount_8(bucket, mount, helpers):
    m = mount(bucket, ro=False)
    for words, is_ro in (("ro", True), ("rw", False)):
        status, said = run(["mount", "-o", f"remount,{words}", str(m.path)],
                           LIMIT_S, m.environment, m.folder)
        assert status == 0, said
        assert (words in mounts_at(m.path)[0]) and is_ro == (
            m.status()["read_only"])
    done = subprocess.run(["mount", "-o", "remount,ttl=3", str(m.path)],
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "only ro and rw" in done.stderr
