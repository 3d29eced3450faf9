# SPDX-License-Identifier: Apache-2.0
"""pailctl conflicts: losers are listed, and one of two versions chosen."""

import errno
import json
import os
import shutil

import pytest
from lib import command, stored
from lib.data import MIB, noise


@pytest.fixture
def m(bucket, mount):
    return mount(bucket, ro=False)


def conflicts(m):
    """Return what pailctl lists, as JSON, by file."""
    status, out, err = command.pailctl("conflicts", str(m.path), "--json")
    assert status == 0, err
    return {one["file"]["key"]: one for one in json.loads(out)}


def refused(*words):
    """Run a command that must fail; return what was said: one line."""
    status, out, err = command.pailctl(*[str(w) for w in words])
    assert status == 1 and out == "", (status, out, err)
    assert err.startswith("pailctl: ") and len(err.splitlines()) == 1, err
    return err


def aside(s3, bucket, name):
    """Return the keys of losers; of a long name, its beginning counts."""
    return [k for k in stored.keys(s3, bucket)
            if k.startswith(name[:200]) and k != name
            and (".conflict-" in k[len(name[:200]):]
                 or ".partial-" in k[len(name[:200]):])]


def lose(s3, bucket, m, name):
    """Lose a conflict about a new file; return the loser's path."""
    (m.path / name).parent.mkdir(parents=True, exist_ok=True)
    (m.path / name).write_bytes(b"base")
    return lose_at(s3, bucket, m, name, 0)


def lose_at(s3, bucket, m, name, at):
    """Likewise one that is there, of which bytes are changed at ${at}."""
    f = open(m.path / name, "r+b", buffering=0)
    f.seek(at)
    f.write(b"mine")
    s3.put_object(Bucket=bucket, Key=name, Body=b"theirs")
    with pytest.raises(OSError) as e:
        f.close()
    assert e.value.errno == errno.ESTALE
    stored.wait_for(lambda: aside(s3, bucket, name), f"the loser of {name}")
    (one,) = aside(s3, bucket, name)
    return m.path / one


def test_list(s3, bucket, m):
    assert conflicts(m) == {}
    (m.path / "no.conflict-of-mine").write_bytes(b"")
    files = [lose(s3, bucket, m, name)
             for name in ("f", "d/ü b", "a.conflict-x")]
    found = conflicts(m)
    assert set(found) == {str(f.relative_to(m.path)) for f in files}
    one = found[str(files[1].relative_to(m.path))]
    assert one["of"]["key"] == "d/ü b" and one["what"] == "conflict"
    assert one["size"] == 4 and one["sent"] is True
    assert files[1].name == f"ü b.conflict-{one['host']}-{one['time']}"
    # For a person: a line each, the path first.
    status, out, _ = command.pailctl("conflicts", str(m.path))
    assert status == 0
    lines = [line.split("\t") for line in out.splitlines()]
    assert {line[0] for line in lines} == {str(f) for f in files}
    assert all(line[1] == "conflict" and line[4] == "4" for line in lines)


def test_those_of_others_are_listed(s3, bucket, m, mount):
    """By their names, once a listing has met them."""
    loser = lose(s3, bucket, m, "d/f")
    other = mount(bucket)
    os.listdir(other.path / "d")
    assert list(conflicts(other)) == [str(loser.relative_to(m.path))]


def test_keep(s3, bucket, m):
    loser = lose(s3, bucket, m, "d/f")
    status, out, err = command.pailctl(
        "conflicts", str(m.path), "--keep", str(loser))
    assert (status, out, err) == (0, "", "")
    assert stored.keys(s3, bucket) == {"d/": 0, "d/f": 6}
    assert conflicts(m) == {}


@pytest.mark.parametrize("name", ["f", "d/e/ü % b"])
def test_take(s3, bucket, m, name):
    loser = lose(s3, bucket, m, name)
    status, out, err = command.pailctl(
        "conflicts", str(m.path), "--take", str(loser))
    assert (status, out, err) == (0, "", "")
    assert (m.path / name).read_bytes() == b"mine"
    assert stored.body(s3, bucket, name) == b"mine"
    assert not stored.exists(s3, bucket, str(loser.relative_to(m.path)))
    assert conflicts(m) == {}


def test_bytes_that_are_missing_are_not_taken(s3, bucket, m):
    s3.put_object(Bucket=bucket, Key="f", Body=noise(40 * MIB))
    loser = lose_at(s3, bucket, m, "f", 30 * MIB)
    said = refused("conflicts", m.path, "--take", loser)
    assert "user.pailfs.missing" in said
    assert stored.body(s3, bucket, "f") == b"theirs"
    assert conflicts(m)[loser.name]["what"] == "partial"


@pytest.mark.servers("moto")
def test_a_name_that_was_shortened(s3, bucket, m):
    """(versitygw replaces no object of such a name.)"""
    name = "n" * 250
    loser = lose(s3, bucket, m, name)
    assert conflicts(m)[loser.name]["of"] is None
    assert "shortened" in refused("conflicts", m.path, "--take", loser)
    assert loser.exists()


def test_what_is_no_loser(s3, bucket, m, tmp_path):
    (m.path / "f").write_bytes(b"f")
    for word in ("--keep", "--take"):
        assert "no loser" in refused("conflicts", m.path, word, m.path / "f")
        assert "No such file" in refused(
            "conflicts", m.path, word, m.path / "g")
        shutil.copy(m.path / "f", tmp_path / "f.conflict-h-20200101T000000Z")
        assert "not in this mount" in refused(
            "conflicts", m.path, word,
            tmp_path / "f.conflict-h-20200101T000000Z")
    assert (m.path / "f").read_bytes() == b"f"
    for words in (["status", str(m.path), "--keep", "f"],
                  ["conflicts", str(m.path), "--keep", "f", "--take", "f"],
                  ["conflicts", str(m.path), "--take", "f", "--json"]):
        assert command.pailctl(*words)[0] == 2
