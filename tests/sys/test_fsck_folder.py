# SPDX-License-Identifier: Apache-2.0
"""pailctl fsck of a cache folder that is not mounted."""

import hashlib
import json
import os

import pytest
from lib import stored
from lib.data import MIB, noise
from lib.folder import Folder

pytestmark = pytest.mark.servers("versitygw")
FILES = "^(?!\\.pailfs/)"       # keys that are no probes
DENIED = {"status": 403, "code": "AccessDenied"}


@pytest.fixture
def m(proxy, bucket, mount):
    return mount(bucket, proxy=proxy, ro=False, ttl=3600)


def fsck(m, path, *words):
    """Return (status, {(path, word)}, all that was said)."""
    status, said = m.ctl("fsck", str(path), *words)
    lines = [line.split("\t") for line in said.splitlines() if "\t" in line]
    return status, {(line[0], line[1]) for line in lines}, said


def contents(folder):
    """Return {name: digest} of all that lies in it."""
    return {str(path.relative_to(folder)):
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()}


def cached(s3, bucket, m, sizes):
    """Have clean files in the folder, not mounted."""
    for name, size in sizes.items():
        s3.put_object(Bucket=bucket, Key=name, Body=noise(size, size))
        assert (m.path / name).read_bytes() == noise(size, size)
    m.umount()
    return Folder(m)


def unsent(proxy, m, sizes):
    """Have files that S3 refused in the folder, not mounted."""
    rule = proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    for name, size in sizes.items():
        with pytest.raises(PermissionError):
            (m.path / name).write_bytes(noise(size, size))
    assert m.ctl("umount", str(m.path))[0] == 1
    m.pid = 0
    proxy.clear(rule)
    return Folder(m)


def test_nothing_is_wrong(s3, bucket, m):
    (m.path / "d").mkdir()
    (m.path / "d/f").write_bytes(noise(9 * MIB))
    (m.path / "link").symlink_to("d/f")
    folder = cached(s3, bucket, m, {"g": 300_000})
    before = contents(folder.path)
    assert fsck(m, folder.path) == (0, set(), "")
    assert fsck(m, m.cache) == (0, set(), "")       # what cache= names
    assert fsck(m, folder.path, "--repair") == (0, set(), "")
    assert contents(folder.path) == before


def test_it_finds_and_mends(s3, bucket, m):
    sizes = {"d/flipped": 300_000, "d/gone": 300_001, "d/short": 300_002,
             "d/good": 300_003}
    folder = cached(s3, bucket, m, sizes)
    folder.flip(300_000, 140_000)
    folder.chunk(300_001).unlink()
    os.truncate(folder.chunk(300_002), 200_000)
    orphan = folder.add_orphan(1003)
    (folder.path / "chunks/eb/notes.txt").write_bytes(b"x")
    wrong = {("d/flipped", "block"), ("d/gone", "missing"),
             ("d/short", "missing"), (orphan, "orphan"),
             ("chunks/eb/notes.txt", "stranger")}
    before = contents(folder.path)
    status, found, said = fsck(m, folder.path)
    assert (status, found) == (4, wrong) and "bytes 131072-262144" in said
    assert contents(folder.path) == before
    status, said = m.ctl("fsck", str(m.cache), "--json")
    notes = json.loads(said[said.index("["):said.rindex("]") + 1])
    assert {(one["text"], one["what"]) for one in notes} == wrong
    assert {one["folder"] for one in notes} == {str(folder.path)}
    status, found, said = fsck(m, folder.path, "--repair")
    assert (status, found) == (5, wrong) and said.count("\tmended") == 4
    assert fsck(m, folder.path)[:2] == (4, {("chunks/eb/notes.txt",
                                             "stranger")})
    m.start()
    used = sum(p.stat().st_size for p in folder.path.glob("chunks/*/3*"))
    assert m.status()["cache"]["used"] < used + 3 * MIB
    for name, size in sizes.items():
        assert (m.path / name).read_bytes() == noise(size, size)
    assert m.ctl("fsck", str(m.path))[0] == 4       # the stranger


@pytest.mark.parametrize("harm", ["flip", "gone", "short"])
def test_unsent_bytes_are_never_touched(s3, bucket, proxy, m, harm):
    folder = unsent(proxy, m, {"bad": 300_000, "good": 300_001})
    assert fsck(m, folder.path, "--repair") == (0, set(), "")
    if harm == "flip":
        folder.flip(300_000, 5)
    elif harm == "gone":
        folder.chunk(300_000).unlink()
    else:
        os.truncate(folder.chunk(300_000), 100_000)
    before = contents(folder.path)
    status, found, said = fsck(m, folder.path, "--repair")
    word = "block" if harm == "flip" else "lost"
    assert (status, found) == (4, {("bad", word)})
    assert {"flip": "bytes 0-131072", "gone": "bytes 0-300000",
            "short": "bytes 100000-300000"}[harm] in said
    assert contents(folder.path) == before
    m.start()
    stored.wait_for(lambda: "good" in stored.keys(s3, bucket), "it", 20)
    assert stored.body(s3, bucket, "good") == noise(300_001, 300_001)
    assert stored.keys(s3, bucket) == {"good": 300_001}
    (m.path / "bad").unlink()


def test_after_a_kill(s3, bucket, proxy, mount):
    """What the next mount goes on with is not wrong."""
    m = mount(bucket, proxy=proxy, ro=False, sync="fsync",
              write_delay=60_000)
    for i in range(5):
        (m.path / f"{i}").write_bytes(noise(200_000 + i, i))
    fd = os.open(m.path / "1", os.O_RDWR)
    os.write(fd, b"newer")          # beside what was closed: a snapshot
    (m.path / "2").unlink()
    m.kill9()
    with pytest.raises(OSError):
        os.close(fd)
    folder = Folder(m)
    status, found, said = fsck(m, folder.path, "--repair")
    assert status in (0, 1) and {word for _, word in found} <= {"orphan"}, said
    m.start()
    assert m.ctl("flush", str(m.path))[0] == 0
    for i in (0, 1, 3, 4):
        assert stored.body(s3, bucket, f"{i}") == noise(200_000 + i, i)
    assert not stored.exists(s3, bucket, "2")


def test_after_a_kill_of_a_staged_file(bucket, proxy, mount):
    """What is neither here nor under its name lies in a staging object."""
    m = mount(bucket, proxy=proxy, ro=False, cache_size=16 * MIB,
              free_space=0)
    fd = os.open(m.path / "f", os.O_CREAT | os.O_RDWR)
    for i in range(24):
        os.pwrite(fd, noise(MIB, i), i * MIB)
    m.kill9()
    with pytest.raises(OSError):
        os.close(fd)
    status, found, said = fsck(m, Folder(m).path, "--repair")
    assert status in (0, 1) and {word for _, word in found} <= {"orphan"}, said
    m.start()
    assert m.ctl("fsck", str(m.path))[0] == 0


def test_a_damaged_database(s3, bucket, proxy, m):
    """Nothing is made of what it says; what it owes is kept."""
    folder = unsent(proxy, m, {"owed": 300_000})
    size = (folder.path / "meta.db").stat().st_size
    with open(folder.path / "meta.db", "r+b") as f:
        for page in range(1, size // 4096):
            f.seek(page * 4096 + 2000)
            byte = f.read(1)[0]
            f.seek(page * 4096 + 2000)
            f.write(bytes([byte ^ 1]))
    folder.add_orphan(1000)
    before = contents(folder.path)
    status, found, said = fsck(m, folder.path, "--repair")
    assert (status, found) == (4, {("meta.db", "database")}), said
    after = contents(folder.path)
    assert {name: after[name] for name in before} == before
    m.start()
    kept = {p.stat().st_size for p in folder.path.glob("damaged-*/chunks/*")}
    assert 300_000 in kept


def test_folders_that_are_none(m, tmp_path):
    m.umount()
    (tmp_path / "x").mkdir()
    status, _, said = fsck(m, tmp_path / "x")
    assert status == 8 and "nor a cache folder" in said
    assert os.listdir(tmp_path / "x") == []
