# SPDX-License-Identifier: Apache-2.0
"""Small files that are read one after the other are fetched ahead, and what
that must not cost: no request for who reads at random, nobody's time.
"""

import random
import time

import pytest

from lib import env
from lib.workload import KIB, MIB, data, plant, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(60)]
COUNT = 100
AHEAD = 32      # files, at most


@pytest.fixture
def series(server, bucket, proxy, mount):
    """A factory: plant files, mount, list their folder."""
    def make(size=16 * KIB, count=COUNT, **options):
        files = {f"d/{i:03}": data(size, i) for i in range(count)}
        plant(server, bucket, files)
        m = mount(bucket, proxy=proxy,
                  **{"attrs": "list", "ttl": 600, **options})
        run("ls", "-f", m.path / "d")
        proxy.wait_idle()
        proxy.reset()
        return m, files
    return make


def asked(proxy):
    """Return the names of what was asked for, in order."""
    proxy.wait_idle()
    assert set(proxy.counts()) <= {"GetObject"}
    return [e["key"][2:] for e in proxy.log("GetObject")]


def read_first(m, proxy, files, held):
    """Read six files; so many of those behind them must be on their way."""
    proxy.fault("hold", op="GetObject", key="d/0(0[6-9]|[1-9])")
    for key in list(files)[:6]:
        assert (m.path / key).read_bytes() == files[key]
    proxy.wait_held(count=held)
    proxy.clear()
    proxy.release()


def test_p6_files_in_order(series, proxy):
    """Each is asked for once, many at a time, and is what it should be."""
    m, files = series()
    read_first(m, proxy, files, AHEAD)
    for key, content in files.items():
        assert (m.path / key).read_bytes() == content
    assert sorted(asked(proxy)) == sorted(key[2:] for key in files)
    proxy.reset()
    for key, content in files.items():
        assert (m.path / key).read_bytes() == content
    assert asked(proxy) == []


@pytest.mark.parametrize("size", [16 * KIB, 1000])
def test_p6_files_in_order_with_attributes(series, proxy, size):
    """attrs=posix: one HEAD and one GET each, many at a time of either; of
    4096 bytes or less the HEAD must have told that it is a file."""
    m, files = series(size=size, attrs="posix")
    if size > 4096:
        read_first(m, proxy, files, AHEAD)
    for key, content in files.items():
        assert (m.path / key).read_bytes() == content
    proxy.wait_idle()
    heads = [e["key"] for e in proxy.log("HeadObject")]
    gets = [e["key"] for e in proxy.log("GetObject")]
    assert sorted(heads) == sorted(gets) == sorted(files)


def test_p6_files_by_a_program(series, proxy):
    """cat of a pattern, and readdir's order, are such an order."""
    m, files = series()
    out = run("sh", "-c", f"cat {m.path}/d/*")
    assert out == b"".join(files.values())
    assert sorted(asked(proxy)) == sorted(key[2:] for key in files)
    again, _ = series()
    run("tar", "cf", again.folder / "tar", "-C", again.path / "d", ".")
    assert sorted(asked(proxy)) == sorted(key[2:] for key in files)


@pytest.mark.parametrize("order", ["random", "backwards", "every-third"])
def test_p6_no_order_no_request(series, proxy, order):
    """Exactly what is read is asked for."""
    m, files = series()
    names = sorted(key[2:] for key in files)
    if order == "random":
        names = random.Random(2).sample(names, 60)
    elif order == "backwards":
        names.reverse()
    else:
        names = names[::3]
    for name in names:
        (m.path / "d" / name).read_bytes()
    assert asked(proxy) == names


def test_p6_a_wrong_guess_is_the_last(series, proxy):
    """Who stops, or goes elsewhere, has cost what was ahead then."""
    m, files = series()
    names = sorted(key[2:] for key in files)
    for name in names[:20]:
        (m.path / "d" / name).read_bytes()
    got = asked(proxy)
    assert got[:3] == names[:3]
    assert sorted(got) == names[:len(got)] and len(got) <= 20 + AHEAD
    proxy.reset()
    elsewhere = [names[-1], names[-9], names[-5]]
    for name in elsewhere:
        (m.path / "d" / name).read_bytes()
    assert asked(proxy) == elsewhere


def test_p6_two_files_are_no_series(series, proxy):
    """Nor is one that is opened and not read."""
    m, _ = series()
    for name in ("000", "001"):
        (m.path / "d" / name).read_bytes()
    for name in ("002", "003", "004", "005"):
        with open(m.path / "d" / name, "rb"):
            pass
    assert asked(proxy) == ["000", "001"]


def test_large_files_are_left_to_their_reader(series, proxy):
    """Over a MiB each is read ahead of itself, not of the next one."""
    m, files = series(size=MIB + 1, count=8)
    for key in list(files)[:5]:
        (m.path / key).read_bytes()
    assert set(asked(proxy)) == {"000", "001", "002", "003", "004"}


def test_it_is_bounded_by_bytes(series, proxy):
    """MiBs ahead: 8 at most."""
    m, files = series(size=MIB, count=40)
    proxy.fault("hold", op="GetObject", key="d/0(0[6-9]|[1-9])")
    for key in list(files)[:6]:
        (m.path / key).read_bytes()
    proxy.wait_held(count=4)
    time.sleep(0.3)
    held = proxy.count("GetObject") - 6
    proxy.clear()
    proxy.release()
    assert held <= 8
    assert (m.path / "d/039").read_bytes() == files["d/039"]


def test_nobody_else_waits(series, proxy, server, bucket):
    """While all that is ahead hangs, others are served, and umount is."""
    plant(server, bucket, {"other": data(100 * KIB)})
    m, files = series()
    run("ls", m.path)
    proxy.reset()
    proxy.fault("hold", op="GetObject", key="d/0(0[6-9]|[1-9])")
    for key in list(files)[:6]:
        (m.path / key).read_bytes()
    proxy.wait_held(count=8)
    start = time.monotonic()
    assert (m.path / "other").read_bytes() == data(100 * KIB)
    m.umount()
    assert time.monotonic() - start < 20 * env.slow()
    proxy.clear()
    proxy.release()
    m.start()
    assert (m.path / "d/050").read_bytes() == files["d/050"]


def test_p2_what_changed_meanwhile_is_read_anew(series, proxy, s3, bucket):
    """What is ahead is of a version, as all that is read."""
    m, files = series(ttl=1)
    for key in list(files)[:6]:
        (m.path / key).read_bytes()
    proxy.wait_idle()
    s3.put_object(Bucket=bucket, Key="d/006", Body=b"new")
    s3.put_object(Bucket=bucket, Key="d/060", Body=b"newer")
    time.sleep(1.1)
    for key in list(files)[6:]:
        want = {"d/006": b"new", "d/060": b"newer"}.get(key, files[key])
        assert (m.path / key).read_bytes() == want
