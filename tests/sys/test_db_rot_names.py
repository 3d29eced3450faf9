# SPDX-License-Identifier: Apache-2.0
"""A damaged meta.db that alone knew of names that S3 was not told of."""

import os
import sqlite3

import pytest
from lib import stored

pytestmark = pytest.mark.servers("versitygw")
PAGE = 4096


@pytest.fixture
def owing(s3, bucket, proxy, mount):
    """A mount that ended when S3 took nothing; the mount, what it owes."""
    m = mount(f"{bucket}:/top", proxy=proxy, ro=False, sync="local",
              timeout=1, write_delay=60_000)
    for name in ("gone", "old", "d/in"):
        s3.put_object(Bucket=bucket, Key="top/" + name, Body=name.encode())
    etag = s3.head_object(Bucket=bucket, Key="top/gone")["ETag"]
    old = s3.head_object(Bucket=bucket, Key="top/old")["ETag"]
    assert stored.tree(m.path)["gone"] == b"gone"
    os.unlink(m.path / "gone")
    os.rename(m.path / "old", m.path / "d/new")
    os.symlink("to there", m.path / "d/link")
    os.mkfifo(m.path / "fifo")
    proxy.fault("status", op="(Put|Copy|Delete).*", status=503, code="Busy")
    assert m.ctl("umount", str(m.path))[0] == 1
    m.pid = 0
    proxy.restore()
    return m, {("delete", "top/gone", etag), ("delete", "top/old", old),
               ("rename", "top/old", "top/d/new"),
               ("make", "top/d/link", "symlink", "to there"),
               ("make", "top/fifo", "fifo")}


def told(m):
    """Mount; return the lines of NAMES."""
    m.remount(write_delay=0)
    (aside,) = m.cache.glob("*/damaged-*")
    lines = (aside / "NAMES").read_text().splitlines()
    return [tuple(line.split("\t")) for line in lines]


def test_p4_owed_names_of_a_damaged_database(s3, bucket, owing):
    m, wanted = owing
    (folder,) = m.cache.iterdir()
    (folder / "damaged").write_bytes(b"")       # as a mount leaves word
    lines = told(m)
    assert set(lines) == wanted and len(lines) == len(wanted)
    tree = stored.tree(m.path)                  # as S3 has it
    assert tree == {"gone": b"gone", "old": b"old", "d": None, "d/in": b"d/in"}


def test_p4_owed_names_whose_intents_are_damaged(owing):
    """The rows tell what is left; that it may be more, is told, too."""
    m, wanted = owing
    (path,) = m.cache.glob("*/meta.db")
    db = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    (page,) = db.execute("SELECT rootpage FROM sqlite_master"
                         " WHERE name = 'intent'").fetchone()
    db.close()
    with open(path, "r+b") as f:
        f.seek((page - 1) * PAGE + 3000)
        f.write(b"\xff")
    (path.parent / "damaged").write_bytes(b"")
    lines = told(m)
    assert lines[-1] == ("?",)
    assert set(lines[:-1]) == wanted


def test_p4_where_no_name_is_owed(bucket, mount):
    m = mount(bucket, ro=False)
    (m.path / "f").write_bytes(b"x")
    m.kill9()
    (folder,) = m.cache.iterdir()
    (folder / "damaged").write_bytes(b"")
    m.start()
    (aside,) = m.cache.glob("*/damaged-*")
    assert not (aside / "NAMES").exists()
