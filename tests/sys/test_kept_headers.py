# SPDX-License-Identifier: Apache-2.0
"""attrs=list: what others stored with an object is there after a change.

A listing tells none of it, so it must be asked for before it is written over.
"""

import errno
import os
import time

import pytest
from lib import stored
from lib.data import MIB, noise

MODE = 0o100600
SAID = {"mode": str(MODE), "uid": "1234", "gid": "2345",
        "mtime": "1000000000.500000000", "atime": "1000000001.500000000",
        "colour": "blue", "xattr": "%7B%22user.a%22%3A%22Yg%3D%3D%22%7D"}
TYPE = "text/x-kept"
WRITTEN = ("mtime", "ctime", "pailfs-token")
SMALL = b"0123456789" * 100
LARGE = 17 * MIB                # in parts


def plant(s3, bucket, key="d/f", body=SMALL, **said):
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=TYPE,
                  Metadata={**SAID, **said})
    return body


def check(s3, bucket, key="d/f", but=WRITTEN, **other):
    """Assert that all is kept ${but} some, and ${other} is what is set."""
    got = stored.head(s3, bucket, key)
    found = got["Metadata"]
    for name, value in {**SAID, **other}.items():
        if name in other or name not in but:
            assert found.get(name) == value, (name, found)
    assert got["ContentType"] == TYPE
    return found


def settled(m):
    stored.wait_for(lambda: not any(
        m.status()["cache"][name] for name in ("dirty_attrs", "dirty_bytes")),
        "all to be sent")


@pytest.fixture
def m(bucket, mount):
    def make(**options):
        one = mount(bucket, ro=False, **{
            "attrs": "list", "ttl": 60, "write_delay": 0, **options})
        os.listdir(one.path / "d")
        return one
    return make


def overwrite(path, old):
    new = noise(len(old), 1)
    path.write_bytes(new)
    return new


def shorten(path, old):
    path.write_bytes(b"short")
    return b"short"


def append(path, old):
    with open(path, "ab") as f:
        f.write(b"more")
    return old + b"more"


def poke(path, old):
    with open(path, "r+b", buffering=0) as f:
        f.seek(len(old) // 2)
        f.write(b"!")
    return old[:len(old) // 2] + b"!" + old[len(old) // 2 + 1:]


def read_and_poke(path, old):
    with open(path, "r+b", buffering=0) as f:
        assert f.read(100) == old[:100]
        f.seek(0)
        f.write(b"!")
    return b"!" + old[1:]


def truncate(path, old):
    os.truncate(path, 7)
    return old[:7]


def empty(path, old):
    os.truncate(path, 0)
    return b""


CHANGES = [overwrite, shorten, append, poke, read_and_poke, truncate, empty]


@pytest.mark.parametrize("size,change", [
    *((len(SMALL), change) for change in CHANGES),
    *((LARGE, change) for change in (overwrite, append, poke))])
def test_it_is_kept_when_bytes_change(s3, bucket, m, change, size):
    old = plant(s3, bucket, body=noise(size))
    one = m()
    before = time.time()
    new = change(one.path / "d/f", old)
    settled(one)
    found = check(s3, bucket)
    assert float(found["mtime"]) > before - 1
    assert stored.body(s3, bucket, "d/f") == new
    one.remount()
    assert (one.path / "d/f").read_bytes() == new


@pytest.mark.parametrize("sync", ["fsync", "local"])
@pytest.mark.parametrize("change", [overwrite, append])
def test_it_is_kept_by_what_is_sent_later(s3, bucket, m, change, sync):
    old = plant(s3, bucket)
    one = m(sync=sync)
    new = change(one.path / "d/f", old)
    settled(one)
    check(s3, bucket)
    assert stored.body(s3, bucket, "d/f") == new


def test_it_is_kept_by_what_an_empty_file_becomes(s3, bucket, m):
    plant(s3, bucket, body=b"")
    one = m()
    append(one.path / "d/f", b"")
    check(s3, bucket)


def test_what_is_set_meanwhile_is_laid_over_it(s3, bucket, m):
    """By name and by descriptor, before, between and after writes."""
    plant(s3, bucket)
    one = m(write_delay=60000)
    path = one.path / "d/f"
    with open(path, "r+b", buffering=0) as f:
        f.write(b"1")
        os.fchmod(f.fileno(), 0o640)
        f.write(b"2")
        os.utime(path, ns=(5_000_000_000, 6_000_000_000))
        os.setxattr(path, "user.c", b"d")
    found = check(s3, bucket, but=(*WRITTEN, "xattr"), mode=str(0o100640),
                  mtime="6.000000000", atime="5.000000000")
    assert "xattr" in found
    assert os.getxattr(path, "user.a") == b"b"
    assert os.getxattr(path, "user.c") == b"d"


@pytest.mark.parametrize("attrs", ["list", "posix"])
def test_it_is_kept_by_chmod_of_what_was_written(s3, bucket, m, attrs):
    """Of a large file a listing tells enough to open it."""
    old = plant(s3, bucket, body=noise(100_000))
    one = m(attrs=attrs)
    fd = os.open(one.path / "d/f", os.O_RDWR)
    try:
        os.pwrite(fd, b"!", 0)
        os.fchmod(fd, 0o640)
    finally:
        os.close(fd)
    settled(one)
    check(s3, bucket, mode=str(0o100640))
    assert stored.body(s3, bucket, "d/f") == b"!" + old[1:]


def test_it_is_kept_by_chmod(s3, bucket, m):
    plant(s3, bucket)
    one = m()
    os.chmod(one.path / "d/f", 0o640)
    settled(one)
    check(s3, bucket, but=("ctime", "pailfs-token"), mode=str(0o100640))


def test_it_is_kept_by_a_rename(s3, bucket, m):
    plant(s3, bucket)
    one = m()
    os.rename(one.path / "d/f", one.path / "d/g")
    settled(one)
    check(s3, bucket, "d/g", but=("ctime", "pailfs-token"))
    append(one.path / "d/g", SMALL)
    settled(one)
    check(s3, bucket, "d/g")


@pytest.mark.parametrize("sync", ["close", "fsync"])
def test_it_is_kept_by_a_rename_of_what_was_written(s3, bucket, m, sync):
    plant(s3, bucket)
    one = m(sync=sync)
    with open(one.path / "d/f", "ab", buffering=0) as f:
        f.write(b"more")
        os.rename(one.path / "d/f", one.path / "d/g")
    settled(one)
    check(s3, bucket, "d/g")
    assert stored.body(s3, bucket, "d/g") == SMALL + b"more"
    assert not stored.exists(s3, bucket, "d/f")


@pytest.mark.parametrize("told_by", ["chmod", "read"])
def test_it_is_kept_over_a_listing_while_it_is_open(s3, bucket, m, told_by):
    """S3 says by its time that the object was stored again, with others."""
    plant(s3, bucket)
    one = m(ttl=4)
    path = one.path / "d/f"
    if told_by == "chmod":
        os.chmod(path, 0o640)
        settled(one)
    time.sleep(2.5)
    with open(path, "r+b", buffering=0) as f:
        f.read(1)                       # it is told for as long as the ttl
        time.sleep(1.1)
        plant(s3, bucket, colour="red")
        time.sleep(1)
        os.listdir(one.path / "d")      # past the ttl of the first one
        f.write(b"!")
    check(s3, bucket, colour="red")


@pytest.mark.servers("versitygw")
def test_it_is_kept_by_what_was_staged(s3, bucket, m):
    """A file larger than the cache, over one that was there."""
    plant(s3, bucket)
    size = 48 * MIB
    one = m(cache_size="24M", free_space=0)
    with open(one.path / "d/f", "wb", buffering=0) as f:
        for i in range(size // MIB):
            f.write(noise(MIB, i))
    settled(one)
    check(s3, bucket)
    assert stored.head(s3, bucket, "d/f")["ContentLength"] == size


def test_it_is_kept_by_a_copy_within_the_mount(s3, bucket, m):
    """The copy's destination keeps its own."""
    plant(s3, bucket)
    new = plant(s3, bucket, "d/g", noise(100_000), colour="red")
    one = m()
    source = os.open(one.path / "d/g", os.O_RDONLY)
    target = os.open(one.path / "d/f", os.O_WRONLY | os.O_TRUNC)
    try:
        assert os.copy_file_range(source, target, len(new)) == len(new)
    finally:
        os.close(source)
        os.close(target)
    settled(one)
    check(s3, bucket)
    assert stored.body(s3, bucket, "d/f") == new


def test_the_loser_of_a_conflict_has_it(s3, bucket, m):
    plant(s3, bucket)
    one = m()
    path = one.path / "d/f"
    os.setxattr(path, "user.c", b"d")   # so it is asked for
    settled(one)
    f = open(path, "r+b", buffering=0)
    f.write(noise(len(SMALL)))
    plant(s3, bucket, body=b"theirs", colour="red", mode=str(0o100644))
    with pytest.raises(OSError) as e:
        f.close()
    assert e.value.errno == errno.ESTALE
    settled(one)
    (loser,) = (key for key in stored.keys(s3, bucket) if "conflict" in key)
    check(s3, bucket, loser, but=(*WRITTEN, "xattr", "atime"))
    assert os.getxattr(one.path / loser, "user.c") == b"d"
    check(s3, bucket, but=("xattr",), colour="red", mode=str(0o100644))


def test_the_loser_is_no_more_open_than_the_winner(s3, bucket, m):
    """Its own mode was never asked for, and is gone."""
    plant(s3, bucket)
    one = m()
    f = open(one.path / "d/f", "r+b", buffering=0)
    f.write(SMALL)
    plant(s3, bucket, body=b"theirs")
    with pytest.raises(OSError) as e:
        f.close()
    assert e.value.errno == errno.ESTALE
    settled(one)
    (loser,) = (key for key in stored.keys(s3, bucket) if "conflict" in key)
    found = stored.head(s3, bucket, loser)["Metadata"]
    assert found["mode"] == str(MODE) and found["uid"] == "1234"


def test_what_was_emptied_takes_over_what_is_there(s3, bucket, m):
    plant(s3, bucket)
    one = m()
    with open(one.path / "d/f", "wb", buffering=0) as f:
        f.write(b"mine")
        plant(s3, bucket, body=b"theirs", colour="red")
    settled(one)
    check(s3, bucket, colour="red")
    assert stored.body(s3, bucket, "d/f") == b"mine"


def test_what_was_deleted_is_made_again(s3, bucket, m):
    plant(s3, bucket)
    one = m()
    with open(one.path / "d/f", "wb", buffering=0) as f:
        f.write(b"mine")
        s3.delete_object(Bucket=bucket, Key="d/f")
    assert stored.body(s3, bucket, "d/f") == b"mine"


def test_it_is_asked_for_again_when_that_failed(
        s3, bucket, mount, proxy):
    """As a PUT would be; nothing is written over meanwhile."""
    plant(s3, bucket)
    one = mount(bucket, proxy=proxy, ro=False, attrs="list", ttl=60)
    os.listdir(one.path / "d")
    proxy.fault("status", op="HeadObject", status=403, code="AccessDenied")
    f = open(one.path / "d/f", "wb", buffering=0)
    f.write(b"mine")
    with pytest.raises(OSError):
        f.close()
    assert stored.body(s3, bucket, "d/f") == SMALL
    check(s3, bucket, but=())
    proxy.clear()
    with open(one.path / "d/f", "rb+") as again:
        os.fsync(again.fileno())
    assert stored.body(s3, bucket, "d/f") == b"mine"
    check(s3, bucket)


def test_it_is_shown_of_what_is_being_written(s3, bucket, m):
    """attrs=posix: what was asked for when it was new is asked for again."""
    plant(s3, bucket)
    one = m(attrs="posix", ttl=0.3)
    path = one.path / "d/f"
    plant(s3, bucket)
    time.sleep(0.4)
    fd = os.open(path, os.O_RDWR)
    try:
        os.fstat(fd)
        time.sleep(0.4)
        os.listdir(one.path / "d")
        os.pwrite(fd, b"!", 0)
        time.sleep(0.4)
        st = os.fstat(fd)
        assert (st.st_mode, st.st_uid, st.st_gid) == (MODE, 1234, 2345)
    finally:
        os.close(fd)
    check(s3, bucket)
