# SPDX-License-Identifier: Apache-2.0
"""st_nlink of a folder: 2, and its folders, or 1 if they are not known."""

import os
import subprocess

import pytest

pytestmark = pytest.mark.servers("versitygw")

# So long that nothing is asked anew while a test runs.
LONG_S = 600


def links(path):
    return os.stat(path).st_nlink


def test_a_folder_made_here_counts_its_folders(bucket, mount):
    m = mount(bucket, ro=False, ttl=LONG_S)
    top = m.path / "top"
    top.mkdir()
    assert links(top) == 2
    for name in ("a", "b", "c"):
        (top / name).mkdir()
    (top / "file").write_bytes(b"")
    (top / "link").symlink_to("a")
    assert links(top) == 5
    (top / "b").rmdir()
    assert links(top) == 4
    (m.path / "other").mkdir()
    os.rename(top / "c", m.path / "other" / "c")
    assert (links(top), links(m.path / "other")) == (3, 3)
    # A name that is replaced is one folder less.
    (top / "d").mkdir()
    os.rename(top / "a", top / "d")
    assert links(top) == 3


@pytest.mark.parametrize("sync", ("fsync", "local"))
def test_folders_that_are_sent_later_count(bucket, mount, sync):
    m = mount(bucket, ro=False, ttl=LONG_S, sync=sync, write_delay=60000)
    for name in ("a", "b"):
        (m.path / "top" / name).mkdir(parents=True)
    assert links(m.path / "top") == 4
    (m.path / "top" / "a").rmdir()
    assert links(m.path / "top") == 3


def test_a_folder_counts_when_it_was_listed(s3, bucket, mount):
    for key in ("top/a/x", "top/b/", "top/c_$folder$", "top/file"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    m = mount(bucket, ttl=LONG_S)
    top = m.path / "top"
    assert links(top) == 1      # not known: no number that says "no folders"
    os.listdir(top)
    m.remount()
    # What is kept is believed for ttl; and the kernel asks anew.
    assert links(top) == 5


def test_what_was_listed_long_ago_does_not_count(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="top/a/x", Body=b"")
    m = mount(bucket, ttl=0)
    os.listdir(m.path / "top")
    assert links(m.path / "top") == 1


def test_too_many_to_count(s3, bucket, mount):
    """Beyond a thousand it says that it does not know, as ext4 does."""
    for i in range(999):
        s3.put_object(Bucket=bucket, Key=f"top/{i}/x", Body=b"")
    m = mount(bucket, ro=False, ttl=LONG_S)
    os.listdir(m.path / "top")
    m.remount()
    assert links(m.path / "top") == 1001
    (m.path / "top" / "one more").mkdir()
    assert links(m.path / "top") == 1


def test_find_misses_nothing(s3, bucket, mount):
    """find(1) counts on st_nlink to spare itself a look at entries."""
    keys = {f"d{i}/e{j}/{'f' * (j + 1)}" for i in range(3) for j in range(3)}
    keys |= {f"d{i}/file{j}" for i in range(3) for j in range(5)}
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    m = mount(bucket)
    for _ in range(2):
        found = subprocess.run(
            ["find", ".", "-type", "f", "-links", "1", "-printf", "%P\\n"],
            cwd=m.path, check=True, capture_output=True, text=True).stdout
        assert set(found.split()) == keys
