# SPDX-License-Identifier: Apache-2.0
"""attrs=list: what programs set here stays, also when it is listed again.

S3 gives no attributes in a listing, only a time; that of our own requests is
no reason to forget what they carried.
"""

import os
import stat
import time

import pytest
from lib import stored

NS = 10 ** 9
TTL = 0.3


@pytest.fixture
def m(bucket, mount):
    """A mount that believes a listing for a moment."""
    return mount(bucket, ro=False, attrs="list", ttl=TTL, write_delay=0)


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def listed_again(m, folder=""):
    """Have ${folder} listed anew, with times that were whole seconds later."""
    time.sleep(TTL * 1.5)
    os.listdir(m.path / folder)


def settled(m):
    """Wait until the attributes that were set are sent."""
    stored.wait_for(lambda: not m.status()["cache"]["dirty_attrs"],
                    "the attributes to be sent")


def another_second():
    """Let the next change have a time that S3 shows as another."""
    time.sleep(1.1)


def prepare(m):
    """Make a folder and a file in it, and see both listed."""
    os.makedirs(m.path / "d/sub")
    (m.path / "d/sub/f").write_bytes(b"1")
    for folder in ("", "d", "d/sub"):
        listed_again(m, folder)
    another_second()


@pytest.mark.parametrize("path", ["d", "d/sub", "d/sub/f"])
def test_a_mode_stays(m, path):
    prepare(m)
    os.chmod(m.path / path, 0o500)
    settled(m)
    for _ in range(2):
        for folder in ("", "d", "d/sub"):
            listed_again(m, folder)
        assert mode(m.path / path) == 0o500


def test_a_mode_stays_when_children_come_and_go(m):
    """Some servers give a folder's object a new time then."""
    prepare(m)
    os.chmod(m.path / "d/sub", 0o500)
    settled(m)
    listed_again(m, "d/sub")
    another_second()
    (m.path / "d/sub/g").write_bytes(b"2")
    os.unlink(m.path / "d/sub/f")
    listed_again(m, "d/sub")
    assert mode(m.path / "d/sub") == 0o500


def test_modes_stay_below_a_folder_that_is_renamed(m):
    prepare(m)
    for path, bits in ("d", 0o711), ("d/sub", 0o500), ("d/sub/f", 0o640):
        os.chmod(m.path / path, bits)
        settled(m)
    another_second()
    os.rename(m.path / "d", m.path / "e")
    for _ in range(2):
        for folder in ("", "e", "e/sub"):
            listed_again(m, folder)
        found = [mode(m.path / path) for path in ("e", "e/sub", "e/sub/f")]
        assert found == [0o711, 0o500, 0o640]


def test_a_mode_stays_when_a_file_is_renamed(m):
    prepare(m)
    os.chmod(m.path / "d/sub/f", 0o640)
    settled(m)
    another_second()
    os.rename(m.path / "d/sub/f", m.path / "g")
    listed_again(m)
    assert mode(m.path / "g") == 0o640


@pytest.mark.parametrize("attrs", ["list", "posix"])
@pytest.mark.parametrize("key", ["f", "d/"])
def test_chmod_of_what_has_no_metadata_keeps_its_time(
        s3, bucket, mount, attrs, key):
    """LastModified stands for it, before and after."""
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * (key == "f"))
    m = mount(bucket, ro=False, attrs=attrs, write_delay=0)
    path = m.path / key
    os.listdir(path if key == "d/" else m.path)
    before = os.stat(path).st_mtime_ns
    another_second()
    os.chmod(path, 0o700)
    settled(m)
    os.listdir(m.path)
    m.remount()
    os.listdir(m.path)
    assert os.stat(path).st_mtime_ns // NS == before // NS


def test_chmod_of_a_folder_keeps_what_others_said(s3, bucket, m):
    s3.put_object(Bucket=bucket, Key="d/", Metadata={
        "uid": "1234", "mode": str(0o40755), "colour": "blue"})
    os.listdir(m.path / "d")
    os.chmod(m.path / "d", 0o700)
    settled(m)
    said = stored.head(s3, bucket, "d/")["Metadata"]
    assert said["uid"] == "1234" and said["colour"] == "blue"
    assert int(said["mode"]) == 0o40700
