# SPDX-License-Identifier: Apache-2.0
"""pailctl warm and evict: all of it is cached, or no byte."""

import json
import os

import pytest
from lib import stored
from lib.data import MIB, noise
from lib.workload import KIB, plant, run

pytestmark = pytest.mark.servers("versitygw")
FILES = {"d/a": noise(3 * MIB), "d/b": b"b" * 5000, "d/sub/c": noise(MIB),
         "d/sub/deeper/e": b"e", "d/empty": b"", "other": noise(MIB)}


@pytest.fixture
def m(proxy, bucket, mount):
    """What was learnt is believed for long."""
    return mount(bucket, proxy=proxy, ro=False, ttl=3600, attrs="posix")


def chunks(m):
    """The bytes of all chunk files."""
    return sum(p.stat().st_blocks * 512
               for p in m.cache.glob("*/chunks/*/*"))


def read_all(m, files):
    """Read as programs do, not from the kernel's pages."""
    for key, body in files.items():
        assert (m.path / key).read_bytes() == body, key


def test_a_tree(server, bucket, proxy, m):
    """Names, attributes and bytes: then a program costs no request."""
    plant(server, bucket, FILES)
    status, said = m.ctl("warm", str(m.path / "d"))
    assert (status, said) == (0, "cached: 5 files, 4.0 MiB, of 8 names")
    got = proxy.counts()["GetObject"]
    proxy.wait_idle()
    proxy.reset()
    read_all(m, {k: v for k, v in FILES.items() if k.startswith("d/")})
    run("ls", "-lR", m.path / "d")
    assert proxy.counts() == {}
    read_all(m, {"other": FILES["other"]})
    assert proxy.count("GetObject") == 1 and got >= 4


def test_again_costs_nothing(server, bucket, proxy, m):
    plant(server, bucket, FILES)
    first = m.ctl("warm", str(m.path))
    assert first[0] == 0
    proxy.wait_idle()
    proxy.reset()
    assert m.ctl("warm", str(m.path)) == first
    assert proxy.counts() == {}


def test_a_file_and_what_is_none(server, bucket, m):
    plant(server, bucket, FILES)
    assert m.ctl("warm", str(m.path / "d/b")) == (
        0, "cached: 1 files, 4.9 KiB, of 1 names")
    status, said = m.ctl("warm", "--json", str(m.path / "d/sub"))
    assert status == 0 and json.loads(said) == {
        "files": 2, "bytes": MIB + 1, "names": 4, "notes": []}
    status, said = m.ctl("warm", str(m.path / "d/none"))
    assert status == 1 and "o such file" in said


def test_what_s3_refuses_is_named(server, bucket, proxy, m):
    plant(server, bucket, FILES)
    proxy.fault("status", op="GetObject", key="d/b", status=403,
                code="AccessDenied")
    status, said = m.ctl("warm", str(m.path / "d"))
    assert status == 1
    assert said.splitlines()[0] == "d/b\tfile\tPermission denied"
    assert "cached: 4 files" in said and "not cached: 1" in said


def test_it_ends_when_the_cache_is_full(server, bucket, proxy, mount):
    """What was there before gives way; what it fetched stays."""
    files = plant(server, bucket, {f"w/{n:02}": noise(4 * MIB, n)
                                   for n in range(20)})
    plant(server, bucket, {f"old/{n}": noise(4 * MIB, n)
                           for n in range(10)})
    m = mount(bucket, proxy=proxy, ttl=3600, cache_size=64 * MIB)
    for n in range(10):
        (m.path / "old" / str(n)).read_bytes()
    stored.wait_for(lambda: m.status()["cache"]["in_memory"] == 0,
                    "all are closed", 20)
    status, said = m.ctl("warm", str(m.path / "w"))
    assert status == 1 and "the cache is full" in said, said
    count = int(said.split("cached: ")[1].split()[0])
    assert f"w/{count:02}\tfull\t" in said
    assert count >= 8, "the old ones went"
    proxy.wait_idle()
    proxy.reset()
    read_all(m, dict(list(files.items())[:count]))
    assert proxy.count("GetObject") == 0
    assert m.status()["cache"]["used"] <= 64 * MIB


def test_evict(server, s3, bucket, proxy, m):
    """Bytes that S3 has, also of open files; names stay known."""
    plant(server, bucket, FILES)
    assert m.ctl("warm", str(m.path))[0] == 0
    fd = os.open(m.path / "d/a", os.O_RDONLY)
    proxy.wait_idle()
    proxy.reset()
    assert m.ctl("evict", str(m.path / "d")) == (0, "")
    assert MIB <= chunks(m) < 2 * MIB       # of "other"
    run("ls", "-lR", m.path)
    assert proxy.counts() == {}
    assert os.pread(fd, 10, MIB) == FILES["d/a"][MIB:MIB + 10]
    os.close(fd)
    read_all(m, FILES)
    assert proxy.count("GetObject") >= 4
    status, said = m.ctl("evict", str(m.path / "none"))
    assert status == 1 and "o such file" in said


def test_evict_leaves_what_s3_has_not(s3, bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False, sync="local", write_delay=60000)
    with open(m.path / "open", "wb") as f:
        f.write(noise(64 * KIB))
        f.flush()
        (m.path / "closed").write_bytes(noise(64 * KIB))
        assert m.ctl("evict", str(m.path)) == (0, "")
        assert m.status()["cache"]["dirty_bytes"] == 128 * KIB
    m.umount()
    for name in ("open", "closed"):
        assert stored.body(s3, bucket, name) == noise(64 * KIB)
