# SPDX-License-Identifier: Apache-2.0
"""How long is believed what S3 said, of names that are not there, too; and
that a short ttl asks once for a system call, not once for each of its steps.
"""

import os
import time

import pytest

from lib.workload import plant, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(60)]


@pytest.fixture
def small(server, bucket, proxy, mount):
    """A factory of mounts of a small tree, of which nothing is known."""
    def make(**options):
        plant(server, bucket, {"d/f": b"1234" * 2000, "d/g": b"x"})
        m = mount(bucket, proxy=proxy, **{"attrs": "list", "ro": False,
                                          **options})
        os.stat(m.path / "d")
        proxy.wait_idle()
        proxy.reset()
        return m
    return make


def counts(proxy):
    proxy.wait_idle()
    got = proxy.counts()
    proxy.reset()
    return got


ASKED = {"HeadObject": 1, "ListObjectsV2": 1}


@pytest.mark.parametrize("listed", [False, True])
def test_a_missing_name_is_asked_for_once(proxy, small, listed):
    """Within negative_ttl nothing is asked, by whatever call."""
    m = small(ttl=300, negative_ttl=300)
    if listed:
        run("ls", "-f", m.path / "d")
        proxy.reset()
    for _ in range(2):
        assert not os.path.lexists(m.path / "d/no")
        time.sleep(1.1)     # longer than a second, as once
    assert counts(proxy) == ({} if listed else ASKED)
    # The kernel asks anew, whatever it believes, before it makes a thing.
    os.mkdir(m.path / "d/no")
    asked = [e["op"] for e in proxy.log() if e["key"].startswith("d/no")]
    assert asked == ["PutObject"]
    assert "ListObjectsV2" not in counts(proxy)


@pytest.mark.parametrize("listed", [False, True])
def test_then_it_is_asked_again(s3, bucket, proxy, small, listed):
    """negative_ttl=1 is a second, however long the ttl is."""
    m = small(ttl=300, negative_ttl=1)
    if listed:
        run("ls", "-f", m.path / "d")
    assert not os.path.lexists(m.path / "d/no")
    s3.put_object(Bucket=bucket, Key="d/no", Body=b"it is")
    time.sleep(1.2)
    assert (m.path / "d/no").read_bytes() == b"it is"


def test_with_ttl_alone_names_come_as_soon(s3, bucket, small):
    """Who gives ttl=0 and nothing else wants to see new names, too."""
    m = small(ttl=0)
    assert not os.path.lexists(m.path / "d/no")
    s3.put_object(Bucket=bucket, Key="d/no", Body=b"it is")
    assert (m.path / "d/no").read_bytes() == b"it is"


def test_own_creations_are_there_at_once(proxy, small):
    """However long a name was believed not to be there."""
    m = small(ttl=300, negative_ttl=300)
    made = {"file": lambda p: p.write_bytes(b"x"), "dir": os.mkdir,
            "link": lambda p: os.symlink("target", p),
            "other": lambda p: os.rename(m.path / "d/g", p)}
    for name, make in made.items():
        path = m.path / "d" / name
        assert not os.path.lexists(path)
        make(path)
        assert os.path.lexists(path), name
        assert name in os.listdir(m.path / "d")
    assert not os.path.lexists(m.path / "d/g")
    os.unlink(m.path / "d/file")
    assert not os.path.lexists(m.path / "d/file")


def test_what_a_listing_shows_is_there_at_once(s3, bucket, small):
    """ls must not show what cat then does not find."""
    m = small(ttl=1, negative_ttl=300)
    for name in ("new", "dir"):
        assert not os.path.lexists(m.path / "d" / name)
    s3.put_object(Bucket=bucket, Key="d/new", Body=b"it is")
    s3.put_object(Bucket=bucket, Key="d/dir/x", Body=b"x")
    time.sleep(1.1)
    assert sorted(os.listdir(m.path / "d")) == ["dir", "f", "g", "new"]
    deadline = time.monotonic() + 20    # a thread tells the kernel
    while not os.path.lexists(m.path / "d/new"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (m.path / "d/new").read_bytes() == b"it is"
    assert os.listdir(m.path / "d/dir") == ["x"]


@pytest.mark.parametrize("listed", [False, True])
def test_what_stands_in_the_way_is_there_at_once(s3, bucket, small, listed):
    """A refusal says that another made it: that is believed, not the ttl."""
    m = small(ttl=300, negative_ttl=300)
    if listed:
        run("ls", "-f", m.path / "d")
    for name in ("dir", "new"):
        assert not os.path.lexists(m.path / "d" / name)
    s3.put_object(Bucket=bucket, Key="d/dir/", Body=b"")
    with pytest.raises(FileExistsError):
        os.mkdir(m.path / "d/dir")
    assert os.path.isdir(m.path / "d/dir")
    s3.put_object(Bucket=bucket, Key="d/new", Body=b"another's")
    os.rename(m.path / "d/g", m.path / "d/new")
    assert (m.path / "d/new").read_bytes() == b"x"
    assert s3.get_object(Bucket=bucket, Key="d/new")["Body"].read() == b"x"


@pytest.mark.parametrize("attrs", ["list", "posix"])
def test_one_stat_asks_once(proxy, small, attrs):
    """ttl=0: a HEAD a file, and a LIST of one key for its directory."""
    m = small(ttl=0, attrs=attrs)
    os.stat(m.path / "d/f")
    proxy.wait_idle()
    proxy.reset()
    for _ in range(3):
        os.stat(m.path / "d/f")
        got = counts(proxy)
        assert got["HeadObject"] == 1, got
        assert got["ListObjectsV2"] == 1, got


def test_one_open_asks_once(proxy, small):
    """ttl=0: open, fstat and read: one HEAD, and no GET of what is here."""
    m = small(ttl=0)
    (m.path / "d/f").read_bytes()
    proxy.wait_idle()
    proxy.reset()
    (m.path / "d/f").read_bytes()
    assert counts(proxy) == ASKED


def test_a_change_is_seen_all_the_same(s3, bucket, small):
    """ttl=0: each stat sees what is there when it begins."""
    m = small(ttl=0)
    for size in range(1, 30):
        s3.put_object(Bucket=bucket, Key="d/f", Body=b"x" * size)
        assert os.stat(m.path / "d/f").st_size == size
        s3.put_object(Bucket=bucket, Key="d/f", Body=b"y" * (size + 50))
        with open(m.path / "d/f", "rb") as f:
            assert f.read() == b"y" * (size + 50)
