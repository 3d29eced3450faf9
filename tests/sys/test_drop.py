# SPDX-License-Identifier: Apache-2.0
"""pailctl drop: what is cached is forgotten, and never what S3 has not."""

import os

import pytest
from lib import stored
from lib.data import MIB, noise

pytestmark = pytest.mark.servers("versitygw")
DENIED = {"status": 403, "code": "AccessDenied"}


@pytest.fixture
def m(proxy, bucket, mount):
    """What was learnt is believed for long."""
    return mount(bucket, proxy=proxy, ro=False, ttl=3600, negative_ttl=3600)


def drop(m, path):
    return m.ctl("drop", str(path))


def chunks(m):
    """The bytes of all chunk files."""
    return sum(p.stat().st_blocks * 512
               for p in m.cache.glob("*/chunks/*/*"))


def requests(m):
    return m.status()["s3"]["requests"]


def test_a_file_is_read_anew(s3, bucket, m):
    for name in ("f", "g"):
        s3.put_object(Bucket=bucket, Key=name, Body=noise(MIB),
                      Metadata={"mode": str(0o100640)})
        assert (m.path / name).read_bytes() == noise(MIB)
    ino = (m.path / "f").stat().st_ino
    s3.put_object(Bucket=bucket, Key="f", Body=b"new",
                  Metadata={"mode": str(0o100600)})
    s3.put_object(Bucket=bucket, Key="g", Body=b"new")
    assert (m.path / "f").read_bytes() == noise(MIB)
    assert drop(m, m.path / "f") == (0, "")
    assert (m.path / "f").read_bytes() == b"new"
    st = (m.path / "f").stat()
    assert st.st_mode == 0o100600 and st.st_ino == ino
    assert (m.path / "g").read_bytes() == noise(MIB)    # not named


def test_bytes_go_though_nothing_changed(s3, bucket, m):
    """From the folder and from the kernel; the inode number stays."""
    s3.put_object(Bucket=bucket, Key="d/f", Body=noise(3 * MIB))
    fd = os.open(m.path / "d/f", os.O_RDONLY)
    assert os.pread(fd, 3 * MIB, 0) == noise(3 * MIB)
    assert chunks(m) >= 3 * MIB
    before = m.status()
    assert drop(m, m.path / "d") == (0, "")
    assert chunks(m) < MIB
    assert m.status()["cache"]["used"] < before["cache"]["used"] - 2 * MIB
    assert os.pread(fd, 3 * MIB, 0) == noise(3 * MIB)   # open all the time
    os.close(fd)
    assert requests(m)["GetObject"] > before["s3"]["requests"]["GetObject"]
    assert drop(m, m.path) == (0, "")
    assert (m.path / "d/f").read_bytes() == noise(3 * MIB)


def test_listings_and_names_that_are_not_there(s3, bucket, m):
    s3.put_object(Bucket=bucket, Key="d/1", Body=b"1")
    assert os.listdir(m.path / "d") == ["1"]
    assert not (m.path / "d/2").exists()
    for key in ("d/2", "e/3"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"2")
    s3.delete_object(Bucket=bucket, Key="d/1")
    assert os.listdir(m.path / "d") == ["1"]
    assert not (m.path / "d/2").exists()
    assert drop(m, m.path / "d") == (0, "")
    assert os.listdir(m.path / "d") == ["2"]
    assert not (m.path / "d/1").exists()
    assert drop(m, m.path) == (0, "")
    assert (m.path / "e/3").read_bytes() == b"2"


def test_what_is_not_sent_is_never_dropped(s3, bucket, proxy, m):
    s3.put_object(Bucket=bucket, Key="d/clean", Body=noise(MIB))
    assert (m.path / "d/clean").read_bytes() == noise(MIB)
    rule = proxy.fault("status", op="PutObject", key="d/bad", **DENIED)
    with pytest.raises(PermissionError):
        (m.path / "d/bad").write_bytes(noise(5000))
    for path in (m.path / "d/bad", m.path / "d", m.path):
        status, said = drop(m, path)
        assert status == 1
        assert "d/bad\tfile\tnot in S3 yet: pailctl flush sends it" in said
        assert "nothing is dropped" in said
    got = requests(m).get("GetObject")
    assert (m.path / "d/clean").read_bytes() == noise(MIB)
    assert requests(m).get("GetObject") == got      # it is still here
    assert (m.path / "d/bad").read_bytes() == noise(5000)
    proxy.clear(rule)
    assert m.ctl("flush", str(m.path / "d")) == (0, "")
    assert stored.body(s3, bucket, "d/bad") == noise(5000)
    assert drop(m, m.path) == (0, "")
    assert (m.path / "d/bad").read_bytes() == noise(5000)


def test_an_open_file_that_is_written(bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False, sync="fsync",
              write_delay=60_000)
    with open(m.path / "f", "wb", buffering=0) as f:
        f.write(b"half")
        status, said = drop(m, m.path / "f")
        assert status == 1 and said.startswith("f\tfile\t")
        f.write(b" and half")
    assert drop(m, m.path / "f")[0] == 1
    assert m.ctl("flush", str(m.path / "f")) == (0, "")
    assert drop(m, m.path / "f") == (0, "")
    assert (m.path / "f").read_bytes() == b"half and half"


def test_after_a_remount(s3, bucket, m):
    """What was dropped stays so; a folder that was mounted has no harm."""
    s3.put_object(Bucket=bucket, Key="f", Body=noise(MIB))
    assert (m.path / "f").read_bytes() == noise(MIB)
    assert drop(m, m.path) == (0, "")
    m.remount()
    assert chunks(m) < MIB
    assert (m.path / "f").read_bytes() == noise(MIB)
