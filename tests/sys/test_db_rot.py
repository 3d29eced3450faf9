# SPDX-License-Identifier: Apache-2.0
"""A flipped bit in meta.db: found, said, and what only the cache folder has is
kept beside."""

import errno
import os
import random

import pytest
from lib import stored
from lib.data import noise
from lib.env import slow
from lib.process import wait_until

pytestmark = pytest.mark.servers("versitygw")
FILES = "^(?!\\.pailfs/)"       # keys that are no probes
DENIED = {"status": 403, "code": "AccessDenied"}
PAGE = 4096


def database(m):
    (path,) = m.cache.glob("*/meta.db")
    return path


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 0x10]))


def unsent(m, proxy, bodies):
    """Have files that S3 refused in the cache folder, not mounted."""
    for name in bodies:
        (m.path / name).parent.mkdir(exist_ok=True)
    rule = proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    for name, body in bodies.items():
        with pytest.raises(OSError) as e:
            (m.path / name).write_bytes(body)
        assert e.value.errno == errno.EACCES
    status, _ = m.ctl("umount", str(m.path))
    assert status == 1
    m.pid = 0
    proxy.clear(rule)


@pytest.fixture
def m(proxy, bucket, mount):
    return mount(bucket, proxy=proxy, ro=False, ttl=0)


def use(s3, bucket, m):
    """Have some hundred rows in the database; return {name: body}."""
    wanted = {f"d{i % 3}/f{i}": noise(100 + i, i) for i in range(60)}
    for name, body in wanted.items():
        s3.put_object(Bucket=bucket, Key=name, Body=body)
    assert stored.tree(m.path) == {**wanted, "d0": None, "d1": None,
                                   "d2": None}
    return wanted


@pytest.mark.timeout(240)
def test_p4_each_page_is_checked(s3, bucket, proxy, m):
    """Whichever byte it is, all that is shown is right; or it is said."""
    wanted = use(s3, bucket, m)
    m.umount()
    good = database(m).read_bytes()
    dice = random.Random(7)
    found = 0
    pages = len(good) // PAGE
    for page in range(0, pages, max(1, pages // 10)):
        at = page * PAGE + dice.randrange(100 if page == 0 else 0, PAGE)
        database(m).write_bytes(good)
        flip(database(m), at)
        m.start()
        for name in dice.sample(sorted(wanted), 5):
            try:
                assert (m.path / name).read_bytes() == wanted[name], name
            except OSError as e:
                assert e.errno == errno.EIO, e
        m.umount()
        m.start()           # what was found then is moved aside
        found += bool(list(m.cache.glob("*/damaged-*")))
        for name in dice.sample(sorted(wanted), 5):
            assert (m.path / name).read_bytes() == wanted[name], name
        m.umount()
        for old in m.cache.glob("*/damaged-*"):
            assert not list((old / "chunks").iterdir()), "nothing was owed"
            for part in ("meta.db", "meta.db-wal", "meta.db-shm", "LIST"):
                (old / part).unlink(missing_ok=True)
            (old / "chunks").rmdir()
            old.rmdir()
    assert found >= 3


def test_p4_the_scrubber_reads_the_database(s3, bucket, m):
    use(s3, bucket, m)
    m.umount()
    pages = database(m).stat().st_size // PAGE
    flip(database(m), (pages - 1) * PAGE + 2000)
    m.start()
    wait_until(lambda: f"damaged at page {pages - 1}" in m.log_tail(),
               30 * slow(), "a word")
    m.umount()
    m.start()
    assert list(m.cache.glob("*/damaged-*"))


def check_kept(m, bodies, known):
    (aside,) = m.cache.glob("*/damaged-*")
    kept = {p.name: p.read_bytes() for p in (aside / "chunks").iterdir()}
    assert sorted(kept.values()) == sorted(bodies.values())
    lines = [line.split("\t") for line in
             (aside / "LIST").read_text().splitlines()]
    assert {line[0] for line in lines} == set(kept)
    if known:
        assert {line[1]: kept[line[0]] for line in lines} == bodies
        for node, _, size, ranges in lines:
            assert int(size) == len(kept[node])
            assert ranges == f"0-{size}"


@pytest.mark.parametrize("how", ["garbage", "gone", "empty"])
def test_p4_unsent_files_of_a_lost_database(s3, bucket, proxy, m, how):
    """Nothing is deleted that S3 may not have, though nothing is known."""
    bodies = {"a": noise(5000), "d/b": noise(200_000, 1)}
    unsent(m, proxy, bodies)
    path = database(m)
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(noise(20_000) if how == "garbage" else b"")
    m.start()
    assert stored.tree(m.path) == {"d": None}
    check_kept(m, bodies, known=False)
    for i in range(30):     # numbers of chunk files begin anew
        (m.path / f"n{i}").write_bytes(noise(300, i))
    m.umount()
    m.start()
    check_kept(m, bodies, known=False)


def test_p4_unsent_files_of_a_damaged_database(s3, bucket, proxy, m):
    """What can be read still tells which they are; clean ones go."""
    wanted = use(s3, bucket, m)
    bodies = {"a": noise(5000), "e/b": noise(200_000, 1)}
    unsent(m, proxy, bodies)
    assert len(list(m.cache.glob("*/chunks/*/*"))) > 50
    (folder,) = m.cache.iterdir()
    (folder / "damaged").write_bytes(b"")       # as a mount leaves word
    m.start()
    check_kept(m, bodies, known=True)
    (aside,) = m.cache.glob("*/damaged-*")
    assert (aside / "meta.db").exists()
    for name in ("d0/f0", "d1/f1"):
        assert (m.path / name).read_bytes() == wanted[name]


def test_p4_nothing_is_kept_where_nothing_is_owed(s3, bucket, m):
    wanted = use(s3, bucket, m)
    (m.path / "new").write_bytes(b"sent")
    m.umount()
    database(m).write_bytes(noise(20_000))
    m.start()
    (aside,) = m.cache.glob("*/damaged-*")
    assert os.listdir(aside / "chunks") == []
    assert (m.path / "new").read_bytes() == b"sent"
    assert (m.path / "d0/f0").read_bytes() == wanted["d0/f0"]
