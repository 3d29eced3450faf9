# SPDX-License-Identifier: Apache-2.0
"""Keys as a tree: folders of all kinds, long ones, ones that change."""

import itertools
import json
import os
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib.data import put_behind
from lib.dirent import Dir


def put(s3, bucket, *keys):
    """Put objects whose bytes are their keys; markers stay empty."""
    def one(key):
        empty = key.endswith("/") or key.endswith("_$folder$")
        s3.put_object(Bucket=bucket, Key=key,
                      Body=b"" if empty else key.encode())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, keys))


def many(server, s3, bucket, folder, count):
    """Make ${count} small files in a folder; return their names."""
    names = [f"n{i:05}" for i in range(count)]
    if server.name == "versitygw":
        for name in names:
            put_behind(server, bucket, f"{folder}/{name}", 5)
    else:
        put(s3, bucket, *(f"{folder}/{name}" for name in names))
    return names


def tree(top):
    """Return {path: True for a directory} of all below ${top}."""
    found = {}
    for here, folders, files in os.walk(top, onerror=raise_it):
        for name in folders + files:
            path = os.path.relpath(os.path.join(here, name), top)
            found[path] = name in folders
    return found


def raise_it(error):
    raise error


def odd(m):
    """Return {key: reason} as pailctl odd says."""
    status, said = m.ctl("odd", "--json", str(m.path))
    assert status == 0, said
    return {one["key"]: one["reason"] for one in json.loads(said)}


def run(*words):
    return subprocess.run(words, check=True, capture_output=True,
                          text=True).stdout


def test_an_empty_bucket(bucket, mount):
    m = mount(bucket)
    assert os.listdir(m.path) == []
    assert stat.S_ISDIR(m.path.stat().st_mode)


@pytest.mark.servers("versitygw")
def test_five_thousand_entries(server, s3, bucket, mount):
    names = many(server, s3, bucket, "d", 5000)
    m = mount(bucket)
    seen = os.listdir(m.path / "d")
    assert len(seen) == 5000
    assert sorted(seen) == names
    assert m.status()["s3"]["requests"]["ListObjectsV2"] <= 7
    assert (m.path / "d/n04999").stat().st_size == 5


@pytest.mark.servers("moto")
def test_more_than_a_page_of_entries(server, s3, bucket, mount):
    """Continuation tokens of another server, over two pages."""
    names = many(server, s3, bucket, "d", 1100)
    m = mount(bucket)
    assert sorted(os.listdir(m.path / "d")) == names
    assert m.status()["s3"]["requests"]["ListObjectsV2"] <= 4


def test_folders_that_are_only_implied(s3, bucket, mount):
    put(s3, bucket, "a/b/c/d/e/f", "a/b/x", "a-b", "a0", "z")
    m = mount(bucket)
    assert tree(m.path) == {
        "a": True, "a/b": True, "a/b/c": True, "a/b/c/d": True,
        "a/b/c/d/e": True, "a/b/c/d/e/f": False, "a/b/x": False,
        "a-b": False, "a0": False, "z": False}
    assert (m.path / "a/b/c/d/e/f").read_bytes() == b"a/b/c/d/e/f"


def test_a_deep_path_without_listing_above(s3, bucket, mount):
    put(s3, bucket, "a/b/c/d/e/f")
    m = mount(bucket)
    assert (m.path / "a/b/c/d/e/f").read_bytes() == b"a/b/c/d/e/f"
    for absent in ("a/b/q", "a/q/c", "q", "a/b/c/d/e/f2"):
        assert not (m.path / absent).exists()
    with pytest.raises(NotADirectoryError):
        (m.path / "a/b/c/d/e/f/g").stat()


def test_folders_made_by_the_console(s3, bucket, mount):
    """A marker with and without something below, and nested ones."""
    put(s3, bucket, "empty/", "full/", "full/f", "o/", "o/i/")
    m = mount(bucket)
    assert tree(m.path) == {"empty": True, "full": True, "full/f": False,
                            "o": True, "o/i": True}
    assert os.listdir(m.path / "empty") == []
    assert odd(m) == {}


def test_a_marker_is_found_without_a_listing(s3, bucket, mount):
    put(s3, bucket, "d/", "e/i/")
    m = mount(bucket)
    assert stat.S_ISDIR((m.path / "e/i").stat().st_mode)
    assert stat.S_ISDIR((m.path / "d").stat().st_mode)


def test_folders_made_by_hadoop(s3, bucket, mount):
    put(s3, bucket, "empty_$folder$", "full_$folder$", "full/f",
        "d/inner_$folder$")
    m = mount(bucket)
    assert tree(m.path) == {"empty": True, "full": True, "full/f": False,
                            "d": True, "d/inner": True}
    assert os.listdir(m.path / "empty") == []


def test_a_folder_by_its_content_type(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="d/", Body=b"",
                  ContentType="application/x-directory")
    m = mount(bucket)
    assert tree(m.path) == {"d": True}
    assert os.listdir(m.path / "d") == []


@pytest.mark.servers("moto")
def test_a_file_hidden_by_a_directory_is_odd(s3, bucket, mount):
    put(s3, bucket, "a", "a/x", "b")
    m = mount(bucket)
    assert tree(m.path) == {"a": True, "a/x": False, "b": False}
    assert (m.path / "a/x").read_bytes() == b"a/x"
    assert list(odd(m)) == ["a"]


@pytest.mark.servers("moto")
def test_a_directory_wins_when_looked_up_first(s3, bucket, mount):
    """Without a listing of the root, both are there to be found."""
    put(s3, bucket, "a", "a/x")
    m = mount(bucket)
    assert stat.S_ISDIR((m.path / "a").stat().st_mode)
    assert (m.path / "a/x").read_bytes() == b"a/x"


def test_the_reserved_folder_is_hidden(s3, bucket, mount):
    put(s3, bucket, ".pailfs/probe/x", "d/.pailfs/y", "f")
    m = mount(bucket)
    assert tree(m.path) == {"d": True, "d/.pailfs": True,
                            "d/.pailfs/y": False, "f": False}
    assert not (m.path / ".pailfs").exists()


@pytest.mark.parametrize("form", ["{}:/a/b", "{}:/a/b/", "{}:a/b",
                                  "s3://{}/a/b/", "s3://{}/a/b"])
def test_a_mount_of_a_prefix(s3, bucket, mount, form):
    put(s3, bucket, "a/b/f", "a/b/d/g", "a/bc", "a/b.txt", "x")
    m = mount(form.format(bucket))
    assert tree(m.path) == {"f": False, "d": True, "d/g": False}
    assert (m.path / "d/g").read_bytes() == b"a/b/d/g"
    assert os.getxattr(m.path / "f", "user.s3.key") == b"a/b/f"
    assert m.status()["prefix"] == "a/b/"


def test_two_prefixes_of_a_bucket_share_a_cache_folder(s3, bucket, mount,
                                                       tmp_path):
    put(s3, bucket, "a/f", "b/g")
    one = mount(f"{bucket}:/a", cache=tmp_path / "both")
    two = mount(f"{bucket}:/b", cache=tmp_path / "both")
    assert (os.listdir(one.path), os.listdir(two.path)) == (["f"], ["g"])


# Programs.

def test_ls_find_and_du(s3, bucket, mount):
    keys = [f"d{i}/e{j}/f{k}" for i in range(3) for j in range(3)
            for k in range(4)] + ["top", "d0/marker/"]
    put(s3, bucket, *keys)
    m = mount(bucket)
    files = {k for k in keys if not k.endswith("/")}
    long = run("ls", "-lR", str(m.path))
    assert sum(line.startswith("-") for line in long.splitlines()) == 37
    assert sum(line.startswith("d") for line in long.splitlines()) == 13
    found = run("find", str(m.path), "-type", "f", "-printf", "%P\n")
    assert sorted(found.split()) == sorted(files)
    folders = run("find", str(m.path), "-mindepth", "1", "-type", "d",
                  "-printf", "%P\n").split()
    assert len(folders) == 13 and "d0/marker" in folders
    total = run("du", "-sb", "--apparent-size", str(m.path)).split()[0]
    # coreutils 9.5 and newer do not count directories here.
    assert int(total) - sum(map(len, files)) in (0, 14 * 4096)


def test_dirent_types_and_inode_numbers(s3, bucket, mount):
    put(s3, bucket, "d/f", "d/e/g")
    s3.put_object(Bucket=bucket, Key="d/large", Body=bytes(5000))
    m = mount(bucket)
    with os.scandir(m.path / "d") as entries:
        seen = {e.name: (e.is_dir(), e.inode()) for e in entries}
    assert {k: v[0] for k, v in seen.items()} == {
        "f": False, "e": True, "large": False}
    for name, (_, number) in seen.items():
        assert number == (m.path / "d" / name).stat().st_ino


# Positions.

def test_telldir_and_seekdir(server, s3, bucket, mount):
    many(server, s3, bucket, "d", 300)
    m = mount(bucket)
    with Dir(m.path / "d") as d:
        order, marks = [], []
        while True:
            marks.append(d.tell())
            name = d.read()
            if name is None:
                break
            order.append(name)
        assert len(order) == len(set(order)) == 302     # with . and ..
        for i in (301, 0, 150, 2, 299, 151, 302):
            d.seek(marks[i])
            assert d.read() == (order[i] if i < 302 else None)
        d.rewind()
        assert d.read() == order[0]
        assert len(d.rest()) >= 300


def test_readdir_is_stable_while_others_come_and_go(server, s3, bucket, mount):
    """What was there all the time is shown exactly once."""
    steady = many(server, s3, bucket, "d", 400)
    m = mount(bucket, ttl=0, negative_ttl=0)
    done = threading.Event()

    def disturb():
        for i in itertools.count():
            if done.is_set():
                return
            key = f"d/{'an'[i % 2]}{i * 7919 % 500:05}-x"
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
            if i % 3:
                s3.delete_object(Bucket=bucket, Key=key)

    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(disturb)
        try:
            for _ in range(6):
                with Dir(m.path / "d") as d:
                    first = [d.read() for _ in range(100)]
                    os.listdir(m.path / "d")    # another listing in between
                    seen = first + d.rest()
                assert len(seen) == len(set(seen))
                assert set(steady) <= set(seen)
        finally:
            done.set()
        busy.result()


# Others change the bucket.

def test_a_new_file_appears_and_a_deleted_one_vanishes(s3, bucket, mount):
    put(s3, bucket, "d/one", "gone/f")
    m = mount(bucket, ttl=0, negative_ttl=0)
    assert os.listdir(m.path / "d") == ["one"]
    assert not (m.path / "d/two").exists()
    put(s3, bucket, "d/two", "d/e/f")
    assert sorted(os.listdir(m.path / "d")) == ["e", "one", "two"]
    assert (m.path / "d/two").read_bytes() == b"d/two"
    s3.delete_object(Bucket=bucket, Key="d/one")
    s3.delete_object(Bucket=bucket, Key="gone/f")
    assert not (m.path / "d/one").exists()
    assert sorted(os.listdir(m.path / "d")) == ["e", "two"]
    assert os.listdir(m.path) == ["d"]
    assert not (m.path / "gone").exists()


def test_lookups_alone_see_changes(s3, bucket, mount):
    """No readdir: names that programs know are asked for by name."""
    m = mount(bucket, ttl=0, negative_ttl=0)
    assert not (m.path / "f").exists()
    put(s3, bucket, "f")
    assert (m.path / "f").read_bytes() == b"f"
    s3.delete_object(Bucket=bucket, Key="f")
    assert not (m.path / "f").exists()
    put(s3, bucket, "f/g")
    assert os.listdir(m.path / "f") == ["g"]
    s3.delete_object(Bucket=bucket, Key="f/g")
    put(s3, bucket, "f")
    assert (m.path / "f").read_bytes() == b"f"


def test_within_the_ttl_nothing_is_asked(proxy, proxy_s3, bucket, mount):
    put(proxy_s3, bucket, "d/f", "d/g")
    m = mount(bucket, proxy=proxy, ttl=60, negative_ttl=60)
    os.listdir(m.path / "d")
    os.listdir(m.path)
    (m.path / "d/f").stat()
    (m.path / "d/g").stat()
    proxy.reset()
    for _ in range(3):
        assert sorted(os.listdir(m.path / "d")) == ["f", "g"]
        assert (m.path / "d/f").stat().st_size == 3
        assert not (m.path / "d/absent").exists()
    assert proxy.counts() == {}


def test_the_ttl_bounds_how_long_a_listing_is_shown(s3, bucket, mount):
    put(s3, bucket, "d/one")
    m = mount(bucket, ttl=1, negative_ttl=1)
    assert os.listdir(m.path / "d") == ["one"]
    assert not (m.path / "d/two").exists()
    put(s3, bucket, "d/two")
    s3.delete_object(Bucket=bucket, Key="d/one")
    time.sleep(1.1)
    assert os.listdir(m.path / "d") == ["two"]
    assert (m.path / "d/two").exists() and not (m.path / "d/one").exists()


def test_inode_numbers_and_listing_are_kept_over_a_remount(
        proxy, proxy_s3, bucket, mount):
    put(proxy_s3, bucket, "d/f", "d/e/g", "h")
    m = mount(bucket, proxy=proxy, ttl=600)

    def numbers():
        return {path: (m.path / path).stat().st_ino for path in tree(m.path)}

    before = numbers()
    assert len(set(before.values())) == 5
    m.umount()
    proxy.reset()
    m.remount()
    assert numbers() == before
    assert proxy.count("ListObjectsV2") == 0
    assert proxy.count("HeadObject") == 0
