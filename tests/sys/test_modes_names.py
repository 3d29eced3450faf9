# SPDX-License-Identifier: Apache-2.0
"""Changes of names in the modes in which their calls do not wait for S3.

Each returns while S3 is away; the daemon is killed; the next mount tells S3
all of it.  What that costs is counted at the proxy, which honours all
conditions.
"""

import errno
import os
import stat
import time

import pytest
from lib import env, stored
from lib.workload import plant, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(90)]
TTL_S = 300
LONG_MS = 60_000                # write_delay: until something hurries it
MODES = ["fsync", "local"]
FILES = {"a": b"bytes of a", "old": b"older", "gone": b"to go",
         "d/x": b"in d", "d/y": b"too", "e/": b"", "keep": b"stays"}


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


def mounted(server, bucket, proxy, mount, files, **options):
    """Plant files, mount, list them all, and count from there."""
    for key in [key for key in files if key.endswith("/")]:
        server.client().put_object(Bucket=bucket, Key=key)
    plant(server, bucket,
          {key: body for key, body in files.items() if key[-1] != "/"})
    m = mount(bucket, proxy=proxy, ro=False, **{
        "attrs": "list", "ttl": TTL_S, "negative_ttl": TTL_S, **options})
    probes(m)
    run("find", m.path)
    proxy.wait_idle()
    proxy.reset()
    return m


def probes(m):
    """Let it find out now what the server honours."""
    os.makedirs(m.path / ".warm/d")
    for name in ("1", "2"):
        (m.path / ".warm" / name).write_bytes(b"x")
    run("find", m.path)
    os.rename(m.path / ".warm/1", m.path / ".warm/3")
    hurry(m)
    settle(m)
    for name in ("2", "3"):
        os.unlink(m.path / ".warm" / name)
    os.rmdir(m.path / ".warm/d")
    os.rmdir(m.path / ".warm")
    hurry(m)
    settle(m)


def hurry(m):
    """What waits for its time goes now (not with sync=local)."""
    fd = os.open(m.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as e:
        assert e.errno == errno.ESTALE      # a name is back
    finally:
        os.close(fd)


def settle(m):
    """All is in S3."""
    end = time.monotonic() + 30 * env.slow()
    while owed(m):
        assert time.monotonic() < end, m.status()["cache"]
        time.sleep(0.02)


def owed(m):
    cache = m.status()["cache"]
    return sum(cache[n] for n in ("owed_creates", "owed_deletes",
                                  "owed_renames", "dirty_files",
                                  "dirty_attrs"))


def counts(proxy):
    """Return {operation: requests}."""
    proxy.wait_idle()
    out = {}
    for entry in proxy.log():
        if not entry["key"].startswith(".pailfs/"):
            out[entry["op"]] = out.get(entry["op"], 0) + 1
    return out


def cut(proxy):
    """No request gets through any more."""
    return proxy.fault("reset", op=".*")


# Each call, the daemon killed right after it.

def do_mkdir(path):
    os.mkdir(path / "new", 0o750)


def do_symlink(path):
    os.symlink("to/there", path / "link")


def do_mknod(path):
    os.mkfifo(path / "fifo", 0o600)


def do_unlink(path):
    os.unlink(path / "gone")


def do_rmdir(path):
    os.rmdir(path / "e")


def do_rename(path):
    os.rename(path / "a", path / "b")


def do_rename_over(path):
    os.rename(path / "a", path / "old")


def do_last(path):
    os.unlink(path / "d/x")
    os.unlink(path / "d/y")


AFTER = {
    do_mkdir: lambda keys: keys.update({"new/": 0}),
    do_symlink: lambda keys: keys.update({"link": 8}),
    do_mknod: lambda keys: keys.update({"fifo": 0}),
    do_unlink: lambda keys: keys.pop("gone"),
    do_rmdir: lambda keys: keys.pop("e/"),
    do_rename: lambda keys: keys.update({"b": keys.pop("a")}),
    do_rename_over: lambda keys: keys.update({"old": keys.pop("a")}),
    do_last: lambda keys: keys.update(
        {"d/": keys.pop("d/x") * keys.pop("d/y") * 0}),
}


@pytest.mark.parametrize("call", AFTER, ids=lambda call: call.__name__[3:])
def test_p1_killed_after(server, s3, bucket, proxy, mount, mode, call):
    m = mounted(server, bucket, proxy, mount, FILES, sync=mode)
    before = stored.keys(s3, bucket)
    cut(proxy)
    call(m.path)
    m.kill9()
    assert stored.keys(s3, bucket) == before
    proxy.clear()
    m.start()
    m.umount()
    wanted = dict(before)
    AFTER[call](wanted)
    assert stored.keys(s3, bucket) == wanted
    if call in (do_rename, do_rename_over):
        name = "b" if call is do_rename else "old"
        assert stored.body(s3, bucket, name) == FILES["a"]
    if call is do_mkdir:
        assert int(stored.head(s3, bucket, "new/")["Metadata"]["mode"]) == \
            stat.S_IFDIR | 0o750


def test_p1_a_new_directory_is_there_after_a_kill(server, s3, bucket, proxy,
                                                  mount, mode):
    """S3, which is asked for what it holds, knows nothing of it yet."""
    m = mounted(server, bucket, proxy, mount, {}, sync=mode)
    m.remount(write_delay=LONG_MS)
    os.makedirs(m.path / "new/sub")
    os.mkdir(m.path / "new/other")
    m.kill9()
    m.start()
    assert sorted(os.listdir(m.path / "new")) == ["other", "sub"]
    os.rmdir(m.path / "new/sub")
    os.rename(m.path / "new/other", m.path / "new/third")
    assert os.listdir(m.path / "new/third") == []
    m.umount()
    assert set(stored.keys(s3, bucket)) == {"new/", "new/third/"}


def test_p3_replaced_before_a_kill(server, s3, bucket, proxy, mount, mode):
    """The next mount knows what is there as its own, too."""
    m = mounted(server, bucket, proxy, mount, FILES, sync=mode)
    m.remount(write_delay=LONG_MS)
    run("find", m.path)
    (m.path / "new").write_bytes(b"saved")
    os.rename(m.path / "new", m.path / "old")
    os.unlink(m.path / "gone")
    (m.path / "gone").write_bytes(b"made anew")
    m.kill9()
    m.remount(write_delay=100)
    settle(m)
    assert s3_files(s3, bucket) == {**FILES, "old": b"saved",
                                    "gone": b"made anew"}


def test_p3_a_copy_that_s3_has_is_no_conflict(server, s3, bucket, proxy, mount,
                                              mode):
    """Of a file that was changed before it was renamed."""
    m = mounted(server, bucket, proxy, mount, FILES, sync=mode)
    m.remount(write_delay=LONG_MS)
    with open(m.path / "a", "ab") as f:
        f.write(b", and more")
    os.rename(m.path / "a", m.path / "b")
    m.kill9()
    proxy.fault("hold", op="CopyObject", when="after", nth=1)
    m.remount(write_delay=100)
    proxy.wait_held()
    m.kill9()
    proxy.restore()
    proxy.wait_idle()
    m.start()
    settle(m)
    left = {**FILES, "b": b"bytes of a, and more"}
    del left["a"]
    assert s3_files(s3, bucket) == left


def s3_files(s3, bucket):
    return {key: stored.body(s3, bucket, key)
            for key in stored.keys(s3, bucket)}


def test_p1_waits_where_it_says(server, s3, bucket, proxy, mount):
    """sync=close: S3 has it when the call returns."""
    m = mounted(server, bucket, proxy, mount, FILES)
    for call, change in AFTER.items():
        if call in (do_rename_over, do_last):
            continue
        wanted = stored.keys(s3, bucket)
        change(wanted)
        call(m.path)
        assert stored.keys(s3, bucket) == wanted, call


def test_seen_while_s3_is_away(server, bucket, proxy, mount, mode):
    """The mount shows what was done, and says what is owed."""
    m = mounted(server, bucket, proxy, mount, FILES, sync=mode)
    rule = cut(proxy)
    for call in (do_mkdir, do_symlink, do_unlink, do_rmdir, do_rename):
        call(m.path)
    assert sorted(os.listdir(m.path)) == [
        "b", "d", "keep", "link", "new", "old"]
    assert os.readlink(m.path / "link") == "to/there"
    with pytest.raises(FileExistsError):
        os.mkdir(m.path / "new")
    with pytest.raises(OSError) as e:
        os.rmdir(m.path / "d")
    assert e.value.errno == errno.ENOTEMPTY
    with pytest.raises(OSError) as e:
        os.mkdir(m.path / ("n" * 256))
    assert e.value.errno == errno.ENAMETOOLONG
    cache = m.status()["cache"]
    assert [cache[n] for n in ("owed_creates", "owed_deletes",
                               "owed_renames")] == [2, 3, 1]
    proxy.clear(rule)
    m.umount()


# What it costs.

def test_p6_remove_tree(server, s3, bucket, proxy, mount):
    """rm -r of 200 files: its listing and one DeleteObjects."""
    files = {f"t/f{i:03}": b"x" * 100 for i in range(200)}
    m = mounted(server, bucket, proxy, mount, {**files, "keep": b"k"},
                sync="fsync", write_delay=LONG_MS)
    run("rm", "-r", m.path / "t")
    hurry(m)
    assert counts(proxy) == {"DeleteObjects": 1}
    assert stored.keys(s3, bucket) == {"keep": 1}


def test_p6_save_by_rename(server, s3, bucket, proxy, mount):
    """1 PUT, under the name."""
    m = mounted(server, bucket, proxy, mount, {"name": b"old"},
                sync="fsync", write_delay=LONG_MS)
    with open(m.path / "tmp", "wb") as f:
        f.write(b"newer")
        f.flush()
        os.rename(m.path / "tmp", m.path / "name")
    m.umount()
    assert counts(proxy) == {"PutObject": 1}
    assert stored.body(s3, bucket, "name") == b"newer"


def test_p6_renamed_twice(server, s3, bucket, proxy, mount):
    m = mounted(server, bucket, proxy, mount, FILES, sync="fsync",
                write_delay=LONG_MS)
    os.rename(m.path / "a", m.path / "b")
    os.rename(m.path / "b", m.path / "c")
    hurry(m)
    assert counts(proxy) == {"CopyObject": 1, "DeleteObject": 1}
    assert stored.body(s3, bucket, "c") == FILES["a"]


def test_p6_never_sent(server, bucket, proxy, mount):
    m = mounted(server, bucket, proxy, mount, {"keep": b"k"}, sync="fsync",
                write_delay=LONG_MS)
    os.mkdir(m.path / "d")
    os.symlink("x", m.path / "d/l")
    os.unlink(m.path / "d/l")
    os.rmdir(m.path / "d")
    m.umount()
    assert counts(proxy) == {}


# What goes wrong.

def test_p3_another_mounts_version(server, s3, bucket, proxy, mount):
    """rm -r while another makes one of them anew: that one survives."""
    files = {f"t/f{i}": b"x" for i in range(5)}
    m = mounted(server, bucket, proxy, mount, files, sync="fsync",
                write_delay=LONG_MS)
    run("rm", "-r", m.path / "t")
    s3.put_object(Bucket=bucket, Key="t/f3", Body=b"another's")
    hurry(m)
    assert stored.keys(s3, bucket) == {"t/f3": 9}
    assert (m.path / "t/f3").read_bytes() == b"another's"
    assert m.status()["cache"]["names_back"] >= 1
    assert "t/f3" in m.log.read_text()


def test_p3_deleted_and_made_anew(server, s3, bucket, proxy, mount, mode):
    """The answer to the DELETE is lost: it does not take the new file."""
    m = mounted(server, bucket, proxy, mount, FILES, sync=mode, timeout=5)
    rule = proxy.fault("lost_reply", op="DeleteObject")
    os.unlink(m.path / "gone")
    end = time.monotonic() + 20 * env.slow()
    while not proxy.fired(rule):
        assert time.monotonic() < end
        time.sleep(0.02)
    (m.path / "gone").write_bytes(b"made anew")
    proxy.clear(rule)
    m.umount()
    assert stored.body(s3, bucket, "gone") == b"made anew"


def test_p8_refused(server, s3, bucket, proxy, mount):
    m = mounted(server, bucket, proxy, mount, FILES, sync="fsync")
    proxy.fault("status", op="DeleteObject.*", status=403,
                code="AccessDenied")
    os.unlink(m.path / "gone")
    settle(m)
    assert (m.path / "gone").read_bytes() == FILES["gone"]
    assert m.status()["cache"]["names_back"] == 1
    assert "'gone'" in m.log.read_text()
    assert "gone" in stored.keys(s3, bucket)


def test_p8_refused_at_the_end(server, s3, bucket, proxy, mount):
    """Who unmounts is told, as of a file that S3 does not take."""
    m = mounted(server, bucket, proxy, mount, FILES, sync="fsync",
                write_delay=LONG_MS)
    proxy.fault("status", op="DeleteObject.*|CopyObject", status=403,
                code="AccessDenied")
    os.unlink(m.path / "gone")
    os.rename(m.path / "a", m.path / "b")
    status, said = m.ctl("umount", str(m.path))
    assert status == 1
    assert "refused" in said and "2 names" in said, said
    proxy.clear()
    m.start()
    assert sorted(os.listdir(m.path)) == sorted(
        {key.split("/")[0] for key in FILES})


def test_sync_of_the_directory(server, s3, bucket, proxy, mount):
    """fsync of a directory: its names are in S3."""
    m = mounted(server, bucket, proxy, mount, FILES, sync="fsync",
                write_delay=LONG_MS)
    os.unlink(m.path / "gone")
    os.rename(m.path / "a", m.path / "b")
    os.mkdir(m.path / "new")
    hurry(m)
    keys = stored.keys(s3, bucket)
    assert "gone" not in keys and "a" not in keys
    assert "b" in keys and "new/" in keys


def test_p1_both_at_once(server, s3, bucket, proxy, mount, mode):
    """Many calls that depend on each other, then the kill."""
    m = mounted(server, bucket, proxy, mount, FILES, sync=mode)
    rule = cut(proxy)
    path = m.path
    run("rm", "-r", path / "d")
    os.mkdir(path / "d")
    os.rename(path / "a", path / "d/x")
    os.rename(path / "old", path / "a")
    os.rename(path / "a", path / "d/z")
    os.symlink("there", path / "old")
    os.rename(path / "old", path / "older")
    os.unlink(path / "gone")
    m.kill9()
    proxy.clear(rule)
    m.start()
    m.umount()
    assert stored.keys(s3, bucket) == {
        "d/": 0, "d/x": 10, "d/z": 5, "e/": 0, "keep": 5, "older": 5}
    assert stored.body(s3, bucket, "d/x") == FILES["a"]
    assert stored.body(s3, bucket, "d/z") == FILES["old"]
