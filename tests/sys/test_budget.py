# SPDX-License-Identifier: Apache-2.0
"""How many requests a reader costs, to the last one (P6).

Real programs read through the mount; the proxy counts.  "Listed" means that a
program has listed the directory within the ttl.
"""

import math
import os
import random
import subprocess
import time

import pytest

from lib.workload import BLOCK, KIB, MIB, PART, data, plant, ranges, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(60)]
TTL_S = 300


@pytest.fixture
def listed(server, bucket, proxy, mount):
    """A factory: plant files, mount, list; nothing is counted yet."""
    def make(files, listing=True, **options):
        plant(server, bucket, files)
        options = {"attrs": "list", "ttl": TTL_S, "negative_ttl": TTL_S,
                   **options}
        m = mount(bucket, proxy=proxy, **options)
        if listing:
            run("ls", "-f", m.path)
        proxy.wait_idle()
        proxy.reset()
        return m
    return make


def counts(proxy):
    proxy.wait_idle()
    return proxy.counts()


@pytest.mark.parametrize("n", [1, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("attrs", ["list", "posix"])
def test_p6_listing(listed, proxy, n, attrs):
    """A directory of n entries: ceil(n / 1000) requests, of any size."""
    m = listed({f"d/{i:05}": b"x" * 5000 for i in range(n)}, attrs=attrs)
    assert len(os.listdir(m.path / "d")) == n
    got = counts(proxy)
    # posix: "stat of an entry, 1 HEAD, once" is the directory's own.
    assert [e["key"] for e in proxy.log("HeadObject")] == (
        ["d/"] if attrs == "posix" else [])
    assert got["ListObjectsV2"] == math.ceil(n / 1000)
    assert set(got) <= {"ListObjectsV2", "HeadObject"}


def test_p6_listing_with_attributes(listed, proxy):
    """ls -l asks no more than ls where the listing has all there is."""
    m = listed({f"d/{i:05}": b"x" * (i % 50) for i in range(1500)})
    out = run("ls", "-l", m.path / "d").splitlines()
    assert len(out) == 1501
    assert counts(proxy) == {"ListObjectsV2": 2}


def test_p6_find_is_a_few_flat_listings(listed, proxy):
    """10 000 files in 100 directories: at most 12 requests, then none."""
    m = listed({f"d{i // 100:02}/{i:05}": b"x" for i in range(10_000)},
               listing=False)
    found = run("find", m.path, "-type", "f").splitlines()
    assert len(set(found)) == 10_000
    got = counts(proxy)
    assert set(got) == {"ListObjectsV2"} and got["ListObjectsV2"] <= 12, got
    proxy.reset()
    assert len(run("find", m.path, "-type", "f").splitlines()) == 10_000
    run("du", "-s", m.path)
    assert counts(proxy) == {}


def test_p6_find_types_cost_a_head_for_small_objects(listed, proxy):
    """attrs=posix: what may be a symlink is asked, once, and no other."""
    files = {f"d{i % 4}/small{i}": b"s" * (4096 if i % 2 else 1)
             for i in range(40)}
    files |= {f"d{i % 4}/large{i}": b"l" * 4097 for i in range(40)}
    m = listed(files, listing=False, attrs="posix")
    assert len(run("find", m.path, "-type", "f").splitlines()) == 80
    got = counts(proxy)
    assert got["ListObjectsV2"] <= 5, got
    heads = [e["key"] for e in proxy.log("HeadObject")]
    assert sorted(key for key in heads if not key.endswith("/")) == \
        sorted(key for key in files if "small" in key)
    # find stats the first directories before a walk is recognised.
    assert len(heads) <= 40 + 2, heads
    proxy.reset()
    run("find", m.path, "-type", "f")
    assert counts(proxy) == {}


@pytest.mark.parametrize("explicit", [False, True])
def test_p6_find_asks_for_the_markers_that_are(listed, proxy, s3, bucket,
                                               explicit):
    """attrs=posix: directories without a marker are known by the walk, also
    where small files have their neighbours asked for ahead; each of those
    with one costs its HEAD, once."""
    dirs = [f"d{i:02}" for i in range(30)]
    if explicit:
        for name in dirs:
            s3.put_object(Bucket=bucket, Key=f"{name}/")
    m = listed({f"{name}/{i:03}": b"l" * (5000 if i % 10 else 1)
                for name in dirs for i in range(50)},
               listing=False, attrs="posix")
    assert len(run("find", m.path, "-type", "f").splitlines()) == 1500
    got = counts(proxy)
    assert got["ListObjectsV2"] <= 4, got
    heads = [e["key"] for e in proxy.log("HeadObject")]
    assert len(set(heads)) == len(heads), "asked twice"
    assert sum(not key.endswith("/") for key in heads) == 150
    heads = [key for key in heads if key.endswith("/")]
    if explicit:
        assert sorted(heads) == [f"{name}/" for name in dirs]
    else:
        # Before the walk is recognised.
        assert len(heads) <= 2, heads
    proxy.reset()
    run("find", m.path, "-type", "f")
    run("ls", "-l", m.path)
    assert counts(proxy) == {}


def test_p6_stat_posix_costs_a_head_once(listed, proxy):
    """attrs=posix: stat of n files is n HEADs; again, none; nor after a
    remount, for they are kept by key and version."""
    keys = [f"d/{i}" for i in range(30)]
    m = listed({key: b"z" * 9000 for key in keys}, attrs="posix")
    time.sleep(2.1)     # else LastModified is too young to be trusted
    run("ls", "-f", m.path / "d")
    proxy.reset()
    for _ in range(2):
        run("ls", "-l", m.path / "d")
        assert counts(proxy) == {"HeadObject": 30}
        assert sorted(e["key"] for e in proxy.log()) == sorted(keys)
    m.remount()
    proxy.wait_idle()
    proxy.reset()
    run("ls", "-l", m.path / "d")
    assert counts(proxy) == {}


def test_p6_stat_of_one_file_asks_for_it(listed, proxy):
    """attrs=posix: one stat waits for one HEAD, whatever goes ahead."""
    m = listed({f"d/{i}": b"z" * 9000 for i in range(5)}, attrs="posix")
    run("ls", "-f", m.path / "d")
    proxy.reset()
    run("stat", m.path / "d/3")
    run("stat", m.path / "d/3")
    keys = [e["key"] for e in proxy.log("HeadObject")]
    assert keys.count("d/3") == 1 and len(keys) == len(set(keys))
    assert set(counts(proxy)) == {"HeadObject"}


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("there", [True, False])
def test_p6_stat_of_an_unknown_path(listed, proxy, depth, there):
    """HEAD and LIST of one key for each component that nobody knows."""
    names = ["a", "b", "c"][:depth]
    key = "/".join(names)
    m = listed({key if there else "other": b"1234"}, listing=False)
    done = run("stat", "-c%s", m.path / key, check=False)
    assert done == (b"4\n" if there else b"")
    got = counts(proxy)
    asked = depth if there else 1
    assert got == {"HeadObject": asked, "ListObjectsV2": asked}, got
    limits = [e["query"] for e in proxy.log("ListObjectsV2")]
    assert all("max-keys=" in query for query in limits), limits
    proxy.reset()
    run("stat", m.path / key, check=False)
    assert counts(proxy) == {}, "the answer was not kept"


def test_p6_stat_inside_a_listed_directory(listed, proxy):
    """Nothing: neither of what is there nor of what is not."""
    m = listed({"d/x/y": b"1", "d/f": b"22"})
    run("ls", "-f", m.path / "d")
    proxy.reset()
    assert run("stat", "-c%s", m.path / "d/f") == b"2\n"
    run("stat", m.path / "d/x")
    for name in ("nothing", "f2", "Thumbs.db", "X"):
        assert not os.path.lexists(m.path / "d" / name)
    assert counts(proxy) == {}


PROGRAMS = {"cat": ["cat"], "dd": ["dd", "bs=4k", "status=none"],
            "dd1m": ["dd", "bs=1M", "status=none"], "tail": ["tail", "-c+1"]}


SIZES = [0, 1, PART - 1, PART, PART + 1, 20 * MIB]


@pytest.mark.parametrize("program,size", [
    *(("cat", size) for size in SIZES),
    *((name, 20 * MIB) for name in PROGRAMS if name != "cat")])
def test_p6_sequential_read(listed, proxy, size, program):
    """ceil(s / 8 MiB) GETs, each byte once, no HEAD."""
    content = data(size)
    m = listed({"d/f": content})
    run("ls", "-f", m.path / "d")
    proxy.reset()
    with open(m.path / "d/f", "rb") as f:
        out = run_on(PROGRAMS[program], f)
    assert out == content
    n = math.ceil(size / PART)
    assert counts(proxy) == ({"GetObject": n} if n else {})
    asked = ranges(proxy)
    assert sum(last - first + 1 for first, last in asked) == size, asked
    assert [first for first, _ in asked] == [i * PART for i in range(n)]


@pytest.mark.parametrize("latency_ms,rate,size", [
    (25, 90e6, 200 * MIB), (60, 20e6, 40 * MIB)])
def test_p6_sequential_read_over_a_real_link(listed, proxy, latency_ms, rate,
                                             size):
    """The same where bytes take their time: read-ahead splits nothing,
    however far it looks."""
    m = listed({"d/f": data(size)})
    run("ls", "-f", m.path / "d")
    proxy.reset()
    proxy.shape(latency_ms=latency_ms, rate=rate)
    run("dd", f"if={m.path}/d/f", "of=/dev/null", "bs=1M")
    asked = ranges(proxy)
    assert sum(last - first + 1 for first, last in asked) == size, asked
    assert len(asked) == size // PART, asked


def run_on(command, file):
    return subprocess.run(command, stdin=file, stdout=subprocess.PIPE,
                          timeout=50, check=True).stdout


def test_p6_random_reads(listed, proxy):
    """A 4 KiB read anywhere: one GET of at most 128 KiB."""
    size = 32 * MIB
    content = data(size)
    m = listed({"d/f": content})
    run("ls", "-f", m.path / "d")
    proxy.reset()
    blocks = random.Random(3).sample(range(2, size // BLOCK, 3), 40)
    fd = os.open(m.path / "d/f", os.O_RDONLY)
    try:
        for block in blocks:
            at = block * BLOCK + 4 * KIB * (block % 32)
            assert os.pread(fd, 4 * KIB, at) == content[at:at + 4 * KIB]
    finally:
        os.close(fd)
    assert counts(proxy) == {"GetObject": len(blocks)}
    assert all(last - first < BLOCK for first, last in ranges(proxy))


def test_p6_random_reads_by_fio(listed, proxy, tmp_path):
    """The same by fio, past the page cache: 150 kB moved for each read.

    Reads that happen to fall behind one another look like a sequence.
    """
    m = listed({"d/f": data(64 * MIB)})
    run("ls", "-f", m.path / "d")
    proxy.reset()
    run("fio", "--name=r", f"--filename={m.path}/d/f", "--rw=randread",
        "--readonly", "--bs=4k", "--size=60m", "--offset=2m",
        "--io_size=400k", "--direct=1", "--randseed=5", "--ioengine=psync",
        cwd=tmp_path)
    asked = ranges(proxy)
    assert 80 <= len(asked) <= 100, asked
    moved = sum(last - first + 1 for first, last in asked)
    assert moved <= 100 * 150_000, asked


def test_p6_second_read_is_free(listed, proxy):
    """What was read is local: nothing is asked, whoever reads and how."""
    content = data(10 * MIB)
    m = listed({"d/f": content})
    assert (m.path / "d/f").read_bytes() == content
    proxy.wait_idle()
    proxy.reset()
    assert (m.path / "d/f").read_bytes() == content
    hits = m.status()["cache"]["hit_bytes"]
    out = run("dd", f"if={m.path}/d/f", "bs=1M", "iflag=direct",
              "status=none")
    assert out == content
    assert counts(proxy) == {}
    assert m.status()["cache"]["hit_bytes"] - hits == len(content), \
        "not read from the chunk file: the test proves nothing"


def test_p6_cached_over_a_remount(listed, proxy):
    """The cache is kept: no GET for what it holds, and nothing to look."""
    content = data(10 * MIB)
    m = listed({"d/f": content})
    run("find", m.path)
    assert (m.path / "d/f").read_bytes() == content
    m.umount()
    proxy.reset()
    m.start()
    run("find", m.path)
    assert (m.path / "d/f").read_bytes() == content
    got = counts(proxy)
    assert set(got) <= {"HeadBucket", "GetBucketLocation"}, got


def test_p6_open_after_the_ttl_costs_one_head(listed, proxy):
    """Older than the ttl: one conditional HEAD says that all is as it was."""
    content = data(MIB)
    m = listed({"d/f": content}, ttl=4)
    run("ls", "-f", m.path / "d")
    assert (m.path / "d/f").read_bytes() == content
    proxy.wait_idle()
    time.sleep(4.5)
    proxy.reset()
    fd = os.open(m.path, os.O_RDONLY)
    try:
        assert (m.path / "d/f").read_bytes() == content
    finally:
        os.close(fd)
    got = counts(proxy)
    assert got.get("HeadObject") == 1 and "GetObject" not in got, got
    assert got.get("ListObjectsV2", 0) <= 1, got


def test_p6_requests_are_shown(listed, proxy):
    """pailctl status counts what the proxy counts."""
    m = listed({f"d/{i}": data(100, i) for i in range(5)})
    before = m.status()["s3"]["requests"]
    for i in range(5):
        (m.path / f"d/{i}").read_bytes()
    got = counts(proxy)
    after = m.status()["s3"]["requests"]
    for op, n in got.items():
        assert after.get(op, 0) - before.get(op, 0) == n, (op, got, after)
    assert got["GetObject"] == 5
