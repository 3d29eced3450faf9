# SPDX-License-Identifier: Apache-2.0
"""Two writers of one file: the loser is told, and nothing is lost (P3)."""

import base64
import errno
import json
import os
import re
import time
from urllib.parse import unquote

import pytest
from lib import stored
from lib.data import MIB, noise

ASIDE = r"\.(conflict|partial)-[^/]+-\d{8}T\d{6}Z(\.\d+)?$"


@pytest.fixture
def two(bucket, mount):
    """Two mounts of a bucket, each with a cache of its own."""
    return mount(bucket, ro=False), mount(bucket, ro=False)


@pytest.fixture
def m(bucket, mount):
    return mount(bucket, ro=False)


@pytest.fixture
def opened(mount):
    """A factory of files that are closed before the mount goes."""
    made = []

    def make(path, mode="r+b"):
        made.append(open(path, mode, buffering=0))
        return made[-1]

    yield make
    for one in made:
        try:
            one.close()
        except OSError:
            pass


def told(call, *args):
    """Assert that a call says that somebody else was first."""
    with pytest.raises(OSError) as e:
        call(*args)
    assert e.value.errno == errno.ESTALE, e.value


def aside(s3, bucket, key, kind="conflict"):
    """Return the keys of losers that are kept beside ${key}."""
    return [one for one in stored.keys(s3, bucket)
            if re.fullmatch(re.escape(key) + ASIDE, one)
            and f"{key}.{kind}-" in one]


def lost(s3, bucket, key, wanted):
    """Assert that ${wanted} is kept beside ${key}, once, or will be soon."""
    stored.wait_for(lambda: aside(s3, bucket, key), f"the loser of {key}")
    (one,) = aside(s3, bucket, key)
    assert stored.body(s3, bucket, one) == wanted
    return one


def test_p3_the_log_has_a_conflict_once(s3, bucket, m, opened):
    """With both names."""
    (m.path / "f.txt").write_bytes(b"base")
    mine = opened(m.path / "f.txt")
    mine.write(b"mine")
    s3.put_object(Bucket=bucket, Key="f.txt", Body=b"theirs")
    told(mine.close)
    loser = lost(s3, bucket, "f.txt", b"mine")
    lines = [line for line in m.log.read_text().splitlines()
             if "changed by another" in line]
    assert len(lines) == 1, lines
    assert "'f.txt'" in lines[0] and f"'{loser}'" in lines[0]


@pytest.mark.parametrize("size", [100, 20 * MIB])
def test_p3_two_mounts_change_a_file(s3, bucket, two, size, opened):
    a, b = two
    base = noise(size)
    (a.path / "f.txt").write_bytes(base)
    mine = opened(a.path / "f.txt")
    theirs = opened(b.path / "f.txt")
    mine.write(b"mine")
    theirs.write(b"theirs")
    theirs.close()
    told(mine.close)
    assert stored.body(s3, bucket, "f.txt") == b"theirs" + base[6:]
    name = lost(s3, bucket, "f.txt", b"mine" + base[4:])
    assert stored.head(s3, bucket, name)["Metadata"]["mode"] == "33188"
    # The loser sees both, and the winner as the file.
    assert (a.path / "f.txt").read_bytes() == b"theirs" + base[6:]
    assert sorted(os.listdir(a.path)) == ["f.txt", name]
    assert (a.path / name).read_bytes() == b"mine" + base[4:]
    stored.wait_for(lambda: a.status()["cache"]["dirty_bytes"] == 0)
    assert a.status()["cache"]["conflicts"] == 1
    # And goes on as if nothing had been.
    with open(a.path / "f.txt", "ab") as f:
        f.write(b"!")
    assert stored.body(s3, bucket, "f.txt") == b"theirs" + base[6:] + b"!"


def test_p3_two_mounts_make_a_file(s3, bucket, two, opened):
    a, b = two
    mine = opened(a.path / "new", "wb")
    theirs = opened(b.path / "new", "wb")
    mine.write(b"mine")
    theirs.write(b"theirs")
    mine.close()
    told(theirs.close)
    assert stored.body(s3, bucket, "new") == b"mine"
    lost(s3, bucket, "new", b"theirs")


def test_p3_fsync_tells_too(s3, bucket, m, opened):
    (m.path / "f").write_bytes(b"base")
    f = opened(m.path / "f")
    f.write(b"mine")
    s3.put_object(Bucket=bucket, Key="f", Body=b"by boto3")
    told(os.fsync, f.fileno())
    assert stored.body(s3, bucket, "f") == b"by boto3"
    lost(s3, bucket, "f", b"mine")
    # What is open stays the old file, which is no more.
    told(f.write, b"again")
    assert (m.path / "f").read_bytes() == b"by boto3"
    assert len(aside(s3, bucket, "f")) == 1


@pytest.mark.parametrize("size", [5, 12 * MIB])
def test_p3_boto3_replaces_what_is_open_for_writing(s3, bucket, m, size,
                                                    opened):
    (m.path / "d").mkdir()
    (m.path / "d/f").write_bytes(noise(size))
    f = opened(m.path / "d/f", "ab")
    f.write(b"mine")
    s3.put_object(Bucket=bucket, Key="d/f", Body=b"by boto3")
    told(f.close)
    assert stored.body(s3, bucket, "d/f") == b"by boto3"
    lost(s3, bucket, "d/f", noise(size) + b"mine")
    assert stored.uploads(s3, bucket) == []


def test_p3_a_copy_that_was_changed(s3, bucket, m, opened):
    """What it was copied from is where it was: all of it is kept."""
    data = noise(20 * MIB)
    s3.put_object(Bucket=bucket, Key="from", Body=data)
    source, mine = opened(m.path / "from", "rb"), opened(m.path / "f", "wb")
    assert os.copy_file_range(source.fileno(), mine.fileno(),
                              len(data)) == len(data)
    os.pwrite(mine.fileno(), b"mine", 11 * MIB)
    os.ftruncate(mine.fileno(), 19 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=b"by boto3")
    told(mine.close)
    assert stored.body(s3, bucket, "f") == b"by boto3"
    lost(s3, bucket, "f",
         data[:11 * MIB] + b"mine" + data[11 * MIB + 4:19 * MIB])


def test_p3_the_same_size_and_time(s3, bucket, m, opened):
    """Only the ETag tells."""
    (m.path / "f").write_bytes(b"base")
    f = opened(m.path / "f")
    f.write(b"mine")
    s3.put_object(Bucket=bucket, Key="f", Body=b"BASE")
    told(f.close)
    assert stored.body(s3, bucket, "f") == b"BASE"
    lost(s3, bucket, "f", b"mine")


def test_p3_a_base_that_is_gone_is_not_made_of_zeros(s3, bucket, mount,
                                                     opened):
    size = 40 * MIB
    s3.put_object(Bucket=bucket, Key="f", Body=noise(size))
    m = mount(bucket, ro=False)
    f = opened(m.path / "f")
    f.seek(30 * MIB)
    f.write(b"mine")
    s3.put_object(Bucket=bucket, Key="f", Body=b"by boto3")
    told(f.close)
    assert stored.body(s3, bucket, "f") == b"by boto3"
    stored.wait_for(lambda: aside(s3, bucket, "f", "partial"), "a partial")
    (one,) = aside(s3, bucket, "f", "partial")
    assert aside(s3, bucket, "f") == []
    found = stored.body(s3, bucket, one)
    assert found[30 * MIB:30 * MIB + 4] == b"mine"
    # Its metadata says which bytes are not there.
    said = unquote(stored.head(s3, bucket, one)["Metadata"]["xattr"])
    ranges = base64.b64decode(json.loads(said)["user.pailfs.missing"])
    assert ranges == b"0-%d %d-%d" % (30 * MIB, 30 * MIB + 4, size), ranges


@pytest.mark.servers("moto")
def test_p3_long_names_are_shortened(s3, bucket, m, opened):
    """(versitygw replaces no object of such a name.)"""
    name = "\u00e9" * 120 + ".txt"
    (m.path / name).write_bytes(b"base")
    f = opened(m.path / name)
    f.write(b"mine")
    s3.put_object(Bucket=bucket, Key=name, Body=b"by boto3")
    told(f.close)
    stored.wait_for(lambda: len(stored.keys(s3, bucket)) == 2)
    (one,) = set(stored.keys(s3, bucket)) - {name}
    assert len(one.encode()) <= 255 and ".conflict-" in one
    assert stored.body(s3, bucket, one) == b"mine"
    assert sorted(os.listdir(m.path)) == sorted([name, one])


def test_p3_two_conflicts_within_a_second(s3, bucket, m, opened):
    for i in range(3):
        with open(m.path / "f", "wb", buffering=0) as f:
            f.write(b"base")
        f = opened(m.path / "f")
        f.write(b"%04d" % i)
        s3.put_object(Bucket=bucket, Key="f", Body=b"by boto3")
        told(f.close)
    # A loser is sent soon after its close has told.
    stored.wait_for(lambda: sorted(
        stored.body(s3, bucket, key) for key in aside(s3, bucket, "f")) == [
            b"0000", b"0001", b"0002"])


def test_p3_a_remote_deletion_is_no_conflict(s3, bucket, m):
    for size in (10, 12 * MIB):
        (m.path / "f").write_bytes(noise(size))
        with open(m.path / "f", "ab", buffering=0) as f:
            assert os.path.getsize(m.path / "f") == size
            f.write(b"mine")
            s3.delete_object(Bucket=bucket, Key="f")
        assert stored.body(s3, bucket, "f") == noise(size) + b"mine"
    assert stored.keys(s3, bucket) == {"f": 12 * MIB + 4}


# What needs no base looks again and tries once more.

def test_p3_o_trunc_of_what_changed(s3, bucket, m):
    (m.path / "f").write_bytes(b"old")
    s3.put_object(Bucket=bucket, Key="f", Body=b"by boto3")
    (m.path / "f").write_bytes(b"mine")
    assert stored.body(s3, bucket, "f") == b"mine"
    assert stored.keys(s3, bucket) == {"f": 4}


def test_p3_unlink_of_what_changed(s3, bucket, m):
    (m.path / "f").write_bytes(b"old")
    s3.put_object(Bucket=bucket, Key="f", Body=b"by boto3")
    os.unlink(m.path / "f")
    assert stored.keys(s3, bucket) == {}


def test_p3_unlink_of_what_is_gone(s3, bucket, m):
    (m.path / "f").write_bytes(b"old")
    s3.delete_object(Bucket=bucket, Key="f")
    try:
        os.unlink(m.path / "f")
    except FileNotFoundError:
        pass
    assert os.listdir(m.path) == []


def test_p3_rename_over_what_changed(s3, bucket, m):
    for name in ("f", "g"):
        (m.path / name).write_bytes(name.encode())
    s3.put_object(Bucket=bucket, Key="g", Body=b"by boto3")
    os.rename(m.path / "f", m.path / "g")
    assert stored.keys(s3, bucket) == {"g": 1}
    assert (m.path / "g").read_bytes() == b"f"


def test_p3_rename_of_what_changed_takes_the_new(s3, bucket, m):
    (m.path / "f").write_bytes(b"old")
    s3.put_object(Bucket=bucket, Key="f", Body=b"by boto3")
    try:
        os.rename(m.path / "f", m.path / "g")
    except OSError as e:
        assert e.errno == errno.ESTALE
        assert stored.keys(s3, bucket) == {"f": 8}
    else:
        assert stored.keys(s3, bucket) == {"g": 8}


def test_p3_chmod_of_what_changed(s3, bucket, m):
    """A COPY onto itself must not bring the old bytes back."""
    (m.path / "f").write_bytes(b"old")
    os.chmod(m.path / "f", 0o600)
    s3.put_object(Bucket=bucket, Key="f", Body=b"by boto3")
    time.sleep(0.5)
    m.umount()
    assert stored.body(s3, bucket, "f") == b"by boto3"


def test_p3_mkdir_twice(two):
    a, b = two
    assert os.listdir(b.path) == []
    (a.path / "d").mkdir()
    with pytest.raises(FileExistsError):
        (b.path / "d").mkdir()


# Ours after all.

@pytest.mark.parametrize("op,size", [
    ("PutObject", 100), ("CompleteMultipartUpload", 12 * MIB),
    ("UploadPart", 12 * MIB), ("CreateMultipartUpload", 12 * MIB)])
@pytest.mark.parametrize("exists", [False, True])
def test_p3_an_answer_that_is_lost(s3, bucket, proxy, mount, op, size,
                                   exists):
    """The 412 on the retry is our own write: no conflict."""
    m = mount(bucket, proxy=proxy, ro=False)
    (m.path / "warm").write_bytes(noise(size))
    if exists:
        (m.path / "f").write_bytes(b"old")
    rule = proxy.fault("lost_reply", op=op, key="^f$", times=1)
    (m.path / "f").write_bytes(noise(size))
    assert proxy.fired(rule) == 1
    assert stored.keys(s3, bucket) == {"f": size, "warm": size}
    stored.check(s3, bucket, "f", m.path / "f", noise(size))
    assert m.status()["cache"]["conflicts"] == 0


@pytest.mark.parametrize("op", ["CopyObject", "DeleteObject"])
def test_p3_an_answer_about_a_name_that_is_lost(s3, bucket, proxy, mount, op):
    m = mount(bucket, proxy=proxy, ro=False)
    for name in ("f", "h", "w"):
        (m.path / name).write_bytes(name.encode())
    os.rename(m.path / "w", m.path / "w2")
    rule = proxy.fault("lost_reply", op=op, key="^[fgh]$", times=1)
    os.rename(m.path / "f", m.path / "g")
    os.unlink(m.path / "h")
    assert proxy.fired(rule) == 1
    assert stored.keys(s3, bucket) == {"g": 1, "w2": 1}
    assert sorted(os.listdir(m.path)) == ["g", "w2"]


def test_p3_the_second_of_a_lost_put_is_another_s(s3, bucket, proxy, mount,
                                                      opened):
    """The PUT was lost on its way, and somebody else came in between."""
    m = mount(bucket, proxy=proxy, ro=False)
    (m.path / "f").write_bytes(b"base")
    f = opened(m.path / "f")
    f.write(b"mine")
    proxy.fault("reset", op="PutObject", key="^f$", times=1)
    s3.put_object(Bucket=bucket, Key="f", Body=b"by boto3")
    told(f.close)
    assert stored.body(s3, bucket, "f") == b"by boto3"
    lost(s3, bucket, "f", b"mine")
