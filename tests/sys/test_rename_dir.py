# SPDX-License-Identifier: Apache-2.0
"""Rename of a folder: what S3 refuses, what a kill leaves, what is shown."""

import errno
import os
import threading
import time

import pytest
from lib import stored

COUNT = 12


def fill(s3, bucket, count=COUNT):
    """Put a folder "d" of ${count} files there; return {rest: size}."""
    tree = {}
    for i in range(count):
        rest = f"sub/f{i:02}" if i % 3 == 0 else f"f{i:02}"
        tree[rest] = 100 + i
        s3.put_object(Bucket=bucket, Key=f"d/{rest}", Body=b"x" * (100 + i))
    s3.put_object(Bucket=bucket, Key="d/")
    tree[""] = 0
    return tree


def warm(m):
    """Have pailfs find out what the server honours: not counted on later."""
    os.mkdir(m.path / "warm")
    os.rename(m.path / "warm", m.path / "cold")
    os.rmdir(m.path / "cold")
    return m


def under(tree, folder):
    """Return ${tree} as {key: size} below ${folder}."""
    return {f"{folder}/{rest}": size for rest, size in tree.items()}


def seen(path):
    """Return {rest: size} of all files below ${path}."""
    out = {}
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            out[os.path.relpath(full, path)] = os.stat(full).st_size
    return out


def files(tree):
    return {rest: size for rest, size in tree.items() if rest}


# What S3 refuses.

@pytest.mark.parametrize("kept", ["^d/", "^d/f04$", "^d/sub/f0[36]$"])
def test_a_refused_delete_puts_all_back(s3, bucket, proxy, mount, kept):
    tree = fill(s3, bucket)
    m = warm(mount(bucket, proxy=proxy, ro=False, ttl=1))
    proxy.fault("keep", op="DeleteObjects", keys=kept)
    with pytest.raises(PermissionError):
        os.rename(m.path / "d", m.path / "g")
    assert stored.keys(s3, bucket) == under(tree, "d")
    assert os.listdir(m.path) == ["d"]
    assert seen(m.path / "d") == files(tree)
    assert not os.path.exists(m.path / "g")
    proxy.clear()
    os.rename(m.path / "d", m.path / "g")
    assert stored.keys(s3, bucket) == under(tree, "g")
    assert seen(m.path / "g") == files(tree)


def test_a_refused_request_puts_all_back(s3, bucket, proxy, mount):
    tree = fill(s3, bucket)
    m = warm(mount(bucket, proxy=proxy, ro=False))
    proxy.fault("status", op="DeleteObjects", nth=1, status=403,
                code="AccessDenied")
    with pytest.raises(PermissionError):
        os.rename(m.path / "d", m.path / "g")
    assert stored.keys(s3, bucket) == under(tree, "d")
    assert seen(m.path / "d") == files(tree)


def test_anothers_change_of_a_child_stays(s3, bucket, proxy, mount):
    """It came after the copy: its DELETE is a 412."""
    tree = fill(s3, bucket)
    m = warm(mount(bucket, proxy=proxy, ro=False, ttl=1))
    proxy.fault("hold", op="DeleteObjects", when="before", nth=1)
    done = []
    thread = threading.Thread(
        target=lambda: done.append(os.rename(m.path / "d", m.path / "g")))
    thread.start()
    proxy.wait_held()
    s3.put_object(Bucket=bucket, Key="d/f01", Body=b"theirs")
    proxy.release()
    thread.join()
    assert done == [None]
    assert stored.keys(s3, bucket) == {**under(tree, "g"), "d/f01": 6}
    assert (m.path / "d" / "f01").read_bytes() == b"theirs"
    assert seen(m.path / "g") == files(tree)


# Kills.

POINTS = [("CopyObject", 1, "before"), ("CopyObject", 7, "after"),
          ("DeleteObjects", 1, "before"), ("DeleteObjects", 1, "after")]


@pytest.mark.parametrize(("op", "nth", "when"), POINTS)
def test_a_kill_leaves_one_tree(s3, bucket, proxy, mount, op, nth, when):
    tree = fill(s3, bucket)
    m = warm(mount(bucket, proxy=proxy, ro=False, ttl=1))
    os.listdir(m.path / "d")
    proxy.fault("hold", op=op, when=when, nth=nth, times=100)
    thread = threading.Thread(
        target=lambda: pytest.raises(OSError, os.rename, m.path / "d",
                                     m.path / "g"))
    thread.start()
    proxy.wait_held()
    m.kill9()
    thread.join()
    proxy.restore()
    proxy.wait_idle()
    m.remount()
    wanted = "d" if op == "CopyObject" else "g"
    # At once, while it is at work still, or not.
    assert os.listdir(m.path) == [wanted]
    assert seen(m.path / wanted) == files(tree)
    stored.wait_for(lambda: m.status()["renames"] == [], "the rest", 30)
    assert stored.keys(s3, bucket) == under(tree, wanted)
    assert os.listdir(m.path) == [wanted]
    os.rename(m.path / wanted, m.path / "last")
    assert stored.keys(s3, bucket) == under(tree, "last")


def test_a_mount_does_not_wait_for_it(s3, bucket, proxy, mount):
    """And nobody sees what is to go; others' objects stay."""
    tree = fill(s3, bucket)
    m = warm(mount(bucket, proxy=proxy, ro=False, ttl=1))
    proxy.fault("hold", op="DeleteObjects", when="before")
    thread = threading.Thread(
        target=lambda: pytest.raises(OSError, os.rename, m.path / "d",
                                     m.path / "g"))
    thread.start()
    proxy.wait_held()
    m.kill9()
    thread.join()
    s3.put_object(Bucket=bucket, Key="d/f01", Body=b"theirs")
    m.remount()
    proxy.wait_held(count=1)
    assert os.listdir(m.path) == ["g"]
    assert not os.path.exists(m.path / "d")
    assert seen(m.path / "g") == files(tree)
    (m.path / "g" / "new").write_bytes(b"new")
    shown, = m.status()["renames"]
    assert (shown["from"]["text"], shown["to"]["text"]) == ("d", "g")
    assert shown["stage"] == "deleting"
    proxy.restore()
    stored.wait_for(lambda: m.status()["renames"] == [], "the rest", 60)
    assert stored.keys(s3, bucket) == {**under(tree, "g"), "g/new": 3,
                                       "d/f01": 6}
    stored.wait_for((m.path / "d").exists, "the other's to be seen", 10)
    assert (m.path / "d" / "f01").read_bytes() == b"theirs"


# What is shown.

def test_progress(s3, bucket, proxy, mount):
    fill(s3, bucket)
    m = warm(mount(bucket, proxy=proxy, ro=False))
    assert m.status()["renames"] == []
    proxy.fault("hold", op="CopyObject", key="^g/f1", when="before")
    thread = threading.Thread(target=os.rename,
                              args=(m.path / "d", m.path / "g"))
    thread.start()
    proxy.wait_held()
    end = time.monotonic() + 20
    wanted = {"stage": "copying", "total": COUNT + 1, "copied": COUNT,
              "deleted": 0}
    while time.monotonic() < end:
        shown, = m.status()["renames"]
        if shown["copied"] == COUNT + 1 - len(
                [i for i in range(10, COUNT) if i % 3]):
            break
        time.sleep(0.05)
    wanted["copied"] = shown["copied"]
    assert {k: shown[k] for k in wanted} == wanted
    text = m.ctl("status", str(m.path))[1]
    assert "d -> g: copying" in text
    proxy.restore()
    thread.join()
    assert m.status()["renames"] == []


def test_server_gone_in_the_end(s3, bucket, proxy, mount):
    """The rename fails when its time is up, and is finished later."""
    tree = fill(s3, bucket)
    m = warm(mount(bucket, proxy=proxy, ro=False, timeout=3))
    proxy.fault("reset", op="DeleteObjects")
    # Not the first, which says what is to be copied.
    proxy.fault("reset", op="ListObjectsV2", nth=2, times=1000,
                query="^(?!.*max-keys=1(&|$)).*prefix=d%2F")
    with pytest.raises(OSError) as e:
        os.rename(m.path / "d", m.path / "g")
    assert e.value.errno in (errno.EIO, errno.ETIMEDOUT)
    stored.wait_for((m.path / "g").exists, "it to be seen", 10)
    assert not (m.path / "d").exists()
    assert seen(m.path / "g") == files(tree)
    proxy.clear()
    m.umount()
    assert stored.keys(s3, bucket) == under(tree, "g")
