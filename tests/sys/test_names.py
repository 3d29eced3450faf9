# SPDX-License-Identifier: Apache-2.0
"""Names of all kinds, and keys that can be none."""

import json
import os
import subprocess
import unicodedata

import pytest
from botocore.exceptions import ClientError
from lib.data import noise

NFC = unicodedata.normalize("NFC", "caf\u00e9-\u00c5ngstr\u00f6m")
NFD = unicodedata.normalize("NFD", NFC)
NAMES = [
    NFC, NFD, "\u65e5\u672c\u8a9e.txt", "\U0001f4fc film.mkv", "\uffee\uffdc",
    "a b", " leading", "trailing ", "two  blanks", "a%20b", "a%2Fb", "100%",
    "%", "%zz", "a+b", "+", "a&b=c?d#e", "a;b,c:d@e", "it's", '"quoted"',
    "`tick`", "back\\slash", "\\", "<xml>&amp;<xml", "]]>", "*", "[x]",
    "{y}", "$(z)", "~", "!", "^|", ".hidden", "..twice", "...", "trailing.",
    "trailing..", "-rf", "--help", "a.b.c", "tab\there", "x" * 255,
    "\u00e9" * 127, "CON", "nul", "del\x7f"]
NEWLINE = ["new\nline", "\nfirst", "last\n"]


def names_for(server):
    """moto's router knows no newline in a key (it answers 404)."""
    return NAMES + (NEWLINE if server.name == "versitygw" else [])


def odd(m):
    """Return {key: reason} as pailctl odd says."""
    status, said = m.ctl("odd", "--json", str(m.path))
    assert status == 0, said
    return {one["key"]: one["reason"] for one in json.loads(said)}


def walk(top):
    """List everything below ${top} and read every file."""
    found = {}

    def fail(error):
        raise error

    for here, _, files in os.walk(top, onerror=fail):
        for name in files:
            path = os.path.join(here, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, top)] = f.read()
    return found


def test_files_of_all_names(server, s3, bucket, mount):
    wanted = {}
    for i, name in enumerate(names_for(server)):
        wanted[name] = noise(50 + i, i)
        s3.put_object(Bucket=bucket, Key="d/" + name, Body=wanted[name])
    m = mount(bucket)
    assert sorted(os.listdir(m.path / "d")) == sorted(wanted)
    assert walk(m.path / "d") == wanted
    assert odd(m) == {}
    for name in wanted:
        key = os.getxattr(m.path / "d" / name, "user.s3.key")
        assert key == b"d/" + name.encode()


def test_looked_up_without_a_listing(server, s3, bucket, mount):
    for name in names_for(server):
        s3.put_object(Bucket=bucket, Key="d/" + name, Body=name.encode())
    m = mount(bucket)
    for name in names_for(server):
        assert (m.path / "d" / name).read_bytes() == name.encode()
        assert not (m.path / "d" / ("z" + name)[:255]).exists() or \
            len(name) > 254


def test_folders_of_all_names(server, s3, bucket, mount):
    for name in names_for(server):
        s3.put_object(Bucket=bucket, Key=f"{name}/in/f", Body=name.encode())
    m = mount(bucket)
    assert sorted(os.listdir(m.path)) == sorted(names_for(server))
    for name in names_for(server):
        assert os.listdir(m.path / name) == ["in"]
        assert (m.path / name / "in/f").read_bytes() == name.encode()


@pytest.mark.parametrize("prefix", ["a b+c/%41", "caf\u00e9,x"])
def test_a_prefix_of_odd_letters(s3, bucket, mount, prefix):
    s3.put_object(Bucket=bucket, Key=f"{prefix}/f", Body=b"x")
    m = mount(f"{bucket}:/{prefix}")
    assert os.listdir(m.path) == ["f"]
    assert (m.path / "f").read_bytes() == b"x"
    m.remount()
    assert (m.path / "f").read_bytes() == b"x"


def test_names_too_long(s3, bucket, mount):
    m = mount(bucket)
    with pytest.raises(OSError, match="too long"):
        (m.path / ("x" * 256)).stat()
    assert not (m.path / ("x" * 255)).exists()
    deep = m.path.joinpath(*["y" * 200] * 6)    # no key is that long
    assert not deep.exists()


def test_a_name_that_is_no_utf8(s3, bucket, mount):
    """It cannot be in the bucket by way of boto3; asking harms nobody."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    m = mount(bucket)
    try:
        assert not os.path.exists(os.path.join(bytes(m.path), b"\xff\xfe"))
    except OSError:
        pass
    assert (m.path / "f").read_bytes() == b"x"


# Keys that have no path.  versitygw cannot hold them.

ODD = ["d//x", "d/./x", "d/../x", "../escape", "./here", "/lead", "//lead2",
       "d/" + "n" * 256, "e/f/", "d/..", "d/."]


@pytest.fixture
def odd_bucket(s3, bucket):
    for key in ODD:
        s3.put_object(Bucket=bucket, Key=key, Body=b"data of " + key.encode())
    for key in ("d/fine", "e/f/g", "ok"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


@pytest.mark.servers("moto")
def test_odd_keys_are_listed_and_harmless(odd_bucket, mount):
    m = mount(odd_bucket)
    assert walk(m.path) == {"d/fine": b"d/fine", "e/f/g": b"e/f/g",
                            "ok": b"ok"}
    listed = odd(m)
    assert m.status()["cache"]["odd_keys"] == len(listed)
    for key in ODD:     # each itself, or the prefix that it lies under
        assert [o for o in listed if o and key.startswith(o)], (key, listed)
    for reason in listed.values():
        assert reason
    for fine in ("d/fine", "e/f/g", "ok", "d/", "e/"):
        assert fine not in listed
    status, said = m.ctl("odd", str(m.path))
    assert status == 0 and len(said.splitlines()) == len(listed)
    assert sum("has no path" in line for line in
               m.log.read_text().splitlines()) == len(listed)


@pytest.mark.servers("moto")
def test_odd_keys_do_not_hide_what_the_kernel_means(odd_bucket, mount):
    m = mount(odd_bucket)
    assert os.path.samefile(m.path / "d" / "..", m.path)
    assert os.path.samefile(m.path / "d" / ".", m.path / "d")
    assert not (m.path / "lead").exists()
    assert not (m.path / "escape").exists()
    assert not (m.path / "d" / "x").exists()
    assert len(subprocess.run(["ls", "-laR", str(m.path)], check=True,
                              capture_output=True).stdout) > 0


@pytest.mark.servers("moto")
def test_an_odd_key_that_is_gone_is_forgotten(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="d//x", Body=b"x")
    s3.put_object(Bucket=bucket, Key="d/f", Body=b"x")
    m = mount(bucket, ttl=0)
    os.listdir(m.path / "d")
    assert len(odd(m)) == 1
    s3.delete_object(Bucket=bucket, Key="d//x")
    os.listdir(m.path / "d")
    assert odd(m) == {}


@pytest.mark.servers("moto")
def test_control_characters(s3, bucket, mount):
    """XML cannot carry most of them but as %XX: moto has encoding-type."""
    keys = ["a\x01b", "esc\x1b[31m", "bell\x07"]
    for key in keys:
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        except ClientError as e:
            pytest.skip(f"the server refuses it: {e}")
    m = mount(bucket)
    assert sorted(os.listdir(m.path)) == sorted(keys)
    for key in keys:
        assert (m.path / key).read_bytes() == key.encode()
