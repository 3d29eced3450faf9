# SPDX-License-Identifier: Apache-2.0
"""Kills at one certain moment: what tests/crash found, one by one."""

import mmap
import os
import stat
import threading
import time

import pytest
from lib import modes, stored
from lib.data import noise

pytestmark = pytest.mark.servers("versitygw")


def kill_at(m, proxy, call, op, when, key="f"):
    """Kill while the first ${op} of ${call} is held; mount again."""
    proxy.fault("hold", op=op, key=f"^{key}$", when=when, nth=1)
    thread = threading.Thread(target=lambda: pytest.raises(OSError, call))
    thread.start()
    proxy.wait_held()
    m.kill9()
    thread.join()
    proxy.restore()
    proxy.wait_idle()
    m.remount()


def test_p3_an_append_that_s3_has_is_no_conflict(s3, bucket, proxy, mount):
    """Its answer was lost with the daemon, and so was what was local."""
    m = mount(bucket, proxy=proxy, ro=False)
    wanted = noise(300_000)
    (m.path / "f").write_bytes(wanted)

    def append():
        with open(m.path / "f", "ab") as f:
            f.write(b"more")

    kill_at(m, proxy, append, "PutObject", "after")
    stored.wait_for(lambda: m.status()["cache"]["dirty_files"] == 0, "it", 20)
    assert stored.keys(s3, bucket) == {"f": 300_004}
    stored.check(s3, bucket, "f", m.path / "f", wanted + b"more")


def test_p2_nothing_is_believed_after_a_kill(s3, bucket, proxy, mount):
    """What S3 did for the dead daemon shows at once, not after the ttl."""
    m = mount(bucket, proxy=proxy, ro=False, ttl=600)
    for name in ("a", "b", "f"):
        (m.path / name).write_bytes(name.encode() * 5)
    os.mkdir(m.path / "d")
    assert sorted(os.listdir(m.path)) == ["a", "b", "d", "f"]
    kill_at(m, proxy, lambda: os.rename(m.path / "a", m.path / "f"),
            "CopyObject", "after")
    assert (m.path / "f").read_bytes() == b"aaaaa"
    with open(m.path / "f", "ab") as f:
        f.write(b"more")
    os.listdir(m.path)
    kill_at(m, proxy, lambda: os.rename(m.path / "b", m.path / "g"),
            "CopyObject", "after", key="g")
    assert (m.path / "g").read_bytes() == b"bbbbb"
    os.listdir(m.path)
    kill_at(m, proxy, lambda: os.mkdir(m.path / "e"), "PutObject", "after",
            key="e/")
    m.remount()
    assert sorted(os.listdir(m.path)) == ["a", "b", "d", "e", "f", "g"]
    kill_at(m, proxy, lambda: os.rmdir(m.path / "e"), "DeleteObject",
            "after", key="e/")
    assert sorted(os.listdir(m.path)) == ["a", "b", "d", "f", "g"]
    assert stored.body(s3, bucket, "f") == b"aaaaamore"


def test_p1_another_handle_publishes_nothing(s3, bucket, mount):
    """The end of a reader leaves alone what a writer has not closed."""
    m = mount(bucket, ro=False)
    old = noise(5000)
    (m.path / "f").write_bytes(old)
    with open(m.path / "f", "wb", buffering=0) as f:
        f.write(b"half of")
        assert (m.path / "f").read_bytes() == b"half of"
        stays_old(s3, bucket, old)
        f.write(b" it")
    assert stored.body(s3, bucket, "f") == b"half of it"


def stays_old(s3, bucket, old):
    """What no close covered is not sent, however long one waits."""
    for _ in range(10):
        time.sleep(0.1)
        assert stored.body(s3, bucket, "f") == old


def test_p1_stores_after_the_last_close_are_sent(s3, bucket, mount):
    """A mapping outlives its descriptor: the end of it counts."""
    m = mount(bucket, ro=False)
    (m.path / "f").write_bytes(bytes(5000))
    with open(m.path / "f", "r+b") as f:
        reader = os.open(m.path / "f", os.O_RDONLY)
        pages = mmap.mmap(f.fileno(), 5000)
    pages[:5] = b"later"
    pages.close()
    stored.wait_for(
        lambda: stored.body(s3, bucket, "f").startswith(b"later"), "it", 20)
    os.close(reader)


@pytest.mark.parametrize("changed", ["appended", "emptied"])
@pytest.mark.parametrize("sync", ["close", "fsync", "local"])
def test_p1_a_mode_outlives_what_was_not_closed(s3, bucket, mount, sync,
                                                changed):
    """It was set before the write, or after it, and S3 has the old one."""
    m = mount(bucket, ro=False, sync=sync)
    names = ("before", "after")
    for name in names:
        (m.path / name).write_bytes(b"0123456789")
    settle(m)
    m.remount(write_delay=60_000)
    os.chmod(m.path / "before", 0o640)
    jobs = [modes.writing(m.path / name, 5, *(
        (10, "") if changed == "appended" else (0, "cut0"))) for name in names]
    os.chmod(m.path / "after", 0o640)
    m.kill9()
    for job in jobs:
        modes.end(job)
    m.remount(write_delay=100)
    for name in names:
        assert stat.S_IMODE(os.stat(m.path / name).st_mode) == 0o640
        assert (m.path / name).read_bytes() == b"0123456789"
    settle(m)
    for name in names:
        stored.check(s3, bucket, name, m.path / name, b"0123456789")
        assert stat.S_IMODE(os.stat(m.path / name).st_mode) == 0o640


@pytest.mark.parametrize("sync", modes.LOCAL)
def test_p1_written_after_a_rename_that_is_owed(s3, bucket, proxy, mount, sync):
    """The bytes of before are those of the old name, until S3 has the new."""
    m = mount(bucket, proxy=proxy, ro=False, sync=sync, attrs="list")
    for name in ("appended", "emptied"):
        (m.path / name).write_bytes(b"0123456789")
    settle(m)
    m.remount(write_delay=60_000)
    jobs = []
    for name, how in (("appended", (10, "")), ("emptied", (0, "cut0"))):
        os.rename(m.path / name, m.path / (name + "2"))
        jobs.append(modes.writing(m.path / (name + "2"), 5, *how))
    m.kill9()
    for job in jobs:
        modes.end(job)
    m.remount()
    for name in ("appended2", "emptied2"):
        assert (m.path / name).read_bytes() == b"0123456789"
        assert not (m.path / name[:-1]).exists()
    m.remount(write_delay=100)
    settle(m)
    for name in ("appended2", "emptied2"):
        assert stored.body(s3, bucket, name) == b"0123456789"
    assert not [k for k in stored.keys(s3, bucket) if "conflict" in k]


def settle(m):
    modes.settle(m)
    stored.wait_for(lambda: m.status()["cache"]["owed_renames"] == 0, "names")


def test_p3_a_copy_with_attributes_is_known_again(s3, bucket, proxy, mount):
    """It has neither the ETag nor the token of what it was made from."""
    m = mount(bucket, proxy=proxy, ro=False, sync="fsync")
    wanted = noise(9 << 20)
    (m.path / "f").write_bytes(wanted)
    settle(m)
    m.remount(write_delay=5000)

    def rename():
        os.chmod(m.path / "f", 0o600)
        os.rename(m.path / "f", m.path / "g")
        fd = os.open(m.path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    kill_at(m, proxy, rename, "CopyObject", "after", key="g")
    settle(m)
    assert stored.keys(s3, bucket) == {"g": len(wanted)}
    stored.check(s3, bucket, "g", m.path / "g", wanted)
    assert stat.S_IMODE(os.stat(m.path / "g").st_mode) == 0o600
