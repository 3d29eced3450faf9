# SPDX-License-Identifier: Apache-2.0
"""pailctl odd: keys that have no path are listed, and their bytes come."""

import json
import os
import signal
import subprocess
import time

import pytest
from lib import env, process
from lib.command import QUICK_S, pailctl
from lib.data import MIB, noise

LONG = "n" * 300
KEYS = ["/lead", "a//b", "a/../b", f"a/{LONG}", "a/./c d%41", "both", "//"]

moto = pytest.mark.servers("moto")    # versitygw cannot hold such keys


def get(m, key, *more):
    """Return (status, the bytes, what was said)."""
    done = subprocess.run(
        [*env.pailctl(), "odd", str(m.path), "--get", key, *more],
        capture_output=True, check=False, timeout=60 * env.slow())
    return done.returncode, done.stdout, done.stderr.decode()


def lines(m, *words):
    """Return [first column] of pailctl odd."""
    status, out, err = pailctl("odd", str(m.path), *words)
    assert status == 0 and err == "", err
    return [line.split("\t")[0] for line in out.splitlines()]


@pytest.fixture
def odd(s3, bucket, mount):
    """A mount that has seen KEYS, each with its own name as bytes."""
    for key in [*KEYS, "both/x", "a/fine"]:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    m = mount(bucket)
    for _ in os.walk(m.path):
        pass
    return m


@moto
def test_the_bytes_of_each(odd):
    for key in KEYS:
        text = key.replace("%", "%25")
        assert get(odd, text) == (0, key.encode(), ""), key


@moto
def test_all_that_is_listed_can_be_got(odd):
    """By what is printed: itself, or what lies below it."""
    got = set()
    listed = lines(odd)
    assert listed
    for text in listed:
        below = lines(odd, "--list", text)
        assert below
        for key in below:
            status, data, said = get(odd, key)
            assert status == 0, said
            got.add(data.decode())
    assert got >= set(KEYS)


@moto
def test_the_list_below_a_prefix(odd):
    assert lines(odd, "--list", "a/") == [
        "a/../b", "a/./c d%2541", "a//b", "a/fine", f"a/{LONG}"]
    assert len(lines(odd, "--list", "")) == len(KEYS) + 2
    assert lines(odd, "--list", "absent") == []
    status, out, _ = pailctl("odd", str(odd.path), "--json", "--list", "a/.")
    assert status == 0 and json.loads(out) == [
        {"key": "a/../b", "text": "a/../b", "size": 6},
        {"key": "a/./c d%41", "text": "a/./c d%2541", "size": 10}]
    status, out, _ = pailctl("odd", str(odd.path), "--json")
    assert status == 0
    assert all(one["text"] == one["key"].replace("%", "%25")
               for one in json.loads(out))


@moto
def test_more_keys_than_a_page(s3, bucket, mount):
    keys = [f"//{i:04}" for i in range(1100)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    m = mount(bucket)
    assert lines(m, "--list", "//") == keys


def test_a_large_one(s3, bucket, mount, tmp_path):
    data = noise(20 * MIB + 12345)
    s3.put_object(Bucket=bucket, Key="large", Body=data)
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    m = mount(bucket)
    status, out, said = get(m, "large")
    assert (status, said) == (0, "") and out == data
    assert get(m, "large", "--output", "-")[1] == data
    old = tmp_path / "old"
    old.write_bytes(b"old")
    old.chmod(0o640)
    for name in ("new", "old"):
        assert get(m, "large", "--output", str(tmp_path / name)) == (
            0, b"", "")
        assert (tmp_path / name).read_bytes() == data
    assert old.stat().st_mode & 0o777 == 0o640
    assert get(m, "empty", "--output", str(tmp_path / "empty"))[0] == 0
    assert (tmp_path / "empty").read_bytes() == b""
    assert get(m, "empty") == (0, b"", "")
    assert get(m, "large", "--output", "/dev/null") == (0, b"", "")
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "empty", "new", "old"]
    assert m.status()["cache"]["fetched_bytes"] == 0


def test_what_cannot_be(s3, bucket, mount, tmp_path):
    s3.put_object(Bucket=bucket, Key="in/f", Body=b"x")
    s3.put_object(Bucket=bucket, Key="out", Body=b"x")
    m = mount(f"{bucket}:/in")
    file = tmp_path / "file"
    for key, word in (("in/absent", "no such key"), ("out", "prefix"),
                      ("in/%4", "%25"), ("in/%00", "%25"),
                      ("in/" + '"' * 1100, "1024"), ("in/" + "n" * 9000, "1024"), ("", "prefix")):
        status, out, said = get(m, key, "--output", str(file))
        assert status == 1 and out == b"" and word in said, (key, said)
        assert len(said.splitlines()) == 1 and not file.exists()
    assert get(m, "in/f") == (0, b"x", "")
    assert get(m, "%69n%2ff") == (0, b"x", "")
    status, _, said = get(m, "in/f", "--output", str(tmp_path / "no/file"))
    assert status == 1 and "no/file" in said
    for words in (["--get"], ["--get", "a", "--list", "b"],
                  ["--get", "a", "--json"], ["--output", "a"]):
        assert pailctl("odd", str(m.path), *words)[0] == 2, words
    assert pailctl("status", str(m.path), "--get", "a")[0] == 2


def test_a_full_disk(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f", Body=noise(MIB))
    m = mount(bucket)
    status, _, said = get(m, "f", "--output", "/dev/full")
    assert status == 1 and "No space" in said
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*env.pailctl(), "odd", str(m.path), "--list", ""], stdout=full,
            stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"No space" in done.stderr


@pytest.mark.servers("versitygw")
def test_access_denied(s3, proxy, bucket, mount, tmp_path):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    m = mount(bucket, proxy=proxy)
    proxy.fault("status", op="HeadObject", status=403)
    file = tmp_path / "file"
    status, _, said = get(m, "f", "--output", str(file))
    assert status == 1 and "denied" in said and not file.exists()


def held(m, proxy, file):
    """Start a --get, of whose answers the proxy holds the second."""
    proxy.fault("hold", op="GetObject", nth=2)
    child = subprocess.Popen(
        [*env.pailctl(), "odd", str(m.path), "--get", "f", "--output",
         str(file)], stderr=subprocess.PIPE, text=True)
    proxy.wait_held()
    return child


@pytest.mark.servers("versitygw")
def test_changed_midway(s3, proxy, bucket, mount, tmp_path):
    """The second part is held while the object becomes another one."""
    s3.put_object(Bucket=bucket, Key="f", Body=noise(20 * MIB))
    m = mount(bucket, proxy=proxy)
    file = tmp_path / "file"
    file.write_bytes(b"old")
    child = held(m, proxy, file)
    s3.put_object(Bucket=bucket, Key="f", Body=noise(20 * MIB, 2))
    proxy.release()
    said = child.communicate(timeout=30 * env.slow())[1]
    assert child.returncode == 1 and "changed" in said
    assert file.read_bytes() == b"old"
    assert [p.name for p in tmp_path.glob("file*")] == ["file"]


@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_no_file(s3, proxy, bucket, mount, tmp_path, sign):
    s3.put_object(Bucket=bucket, Key="f", Body=noise(20 * MIB))
    m = mount(bucket, proxy=proxy)
    child = held(m, proxy, tmp_path / "file")
    process.wait_until(lambda: list(tmp_path.glob("file*")),
                       QUICK_S * env.slow(), "the file")
    time.sleep(0.2)
    child.send_signal(sign)
    assert child.wait(QUICK_S * env.slow()) == 1
    assert "interrupted" in child.communicate()[1]
    assert list(tmp_path.glob("file*")) == []
    proxy.release()
    assert m.status()["pid"] == m.pid or env.wrap()


@pytest.mark.servers("versitygw")
def test_a_reader_that_goes(s3, bucket, mount):
    """| head -c 1: the daemon lives, and so does the next reader."""
    s3.put_object(Bucket=bucket, Key="f", Body=noise(20 * MIB))
    m = mount(bucket)
    for _ in range(6):      # more than may be under way
        done = subprocess.run(
            f'{" ".join(env.pailctl())} odd {m.path} --get f | head -c 1',
            shell=True, capture_output=True, check=False,
            timeout=30 * env.slow())
        assert done.stdout == noise(20 * MIB)[:1]
        process.wait_until(lambda: m.status()["s3"]["in_flight"] == 0,
                           QUICK_S * env.slow(), "the daemon to notice")
    assert len(get(m, "f")[1]) == 20 * MIB


@pytest.mark.servers("versitygw")
def test_readers_that_hang(s3, bucket, mount):
    """They hold up neither commands nor the end, and there is a limit."""
    s3.put_object(Bucket=bucket, Key="f", Body=noise(20 * MIB))
    m = mount(bucket)
    stuck = [subprocess.Popen(
        [*env.pailctl(), "odd", str(m.path), "--get", "f"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    try:
        for child in stuck:
            assert child.stdout.read(1) == noise(20 * MIB)[:1]
        assert m.status()["pid"] == m.pid or env.wrap()
        status, _, said = get(m, "f")
        assert status == 1 and "too many" in said
        start = time.monotonic()
        m.umount()
        assert time.monotonic() - start < QUICK_S * env.slow()
        for child in stuck:
            said = child.communicate(timeout=QUICK_S * env.slow())[1]
            assert child.returncode == 1 and b"unmounted" in said
    finally:
        for child in stuck:
            child.kill()
            child.wait(10)


@pytest.mark.servers("versitygw")
def test_unmounted_while_s3_hangs(s3, proxy, bucket, mount, tmp_path):
    s3.put_object(Bucket=bucket, Key="f", Body=noise(20 * MIB))
    m = mount(bucket, proxy=proxy)
    child = held(m, proxy, tmp_path / "file")
    try:
        m.umount()
        said = child.communicate(timeout=QUICK_S * env.slow())[1]
        assert child.returncode == 1 and "unmounted" in said
        assert list(tmp_path.glob("file*")) == []
    finally:
        proxy.release()
        child.kill()
        child.wait(10)
