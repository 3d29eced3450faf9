# SPDX-License-Identifier: Apache-2.0
"""Programs that make whole trees: packages, venvs, backups, databases."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from lib.pairs import differ, ENV, look, pair, tree  # noqa: F401
from lib.workload import run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(200)]

# Another process: adds rows, one transaction each, to what others add to.
WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=120)
for i in range(int(sys.argv[3])):
    with db:
        db.execute("BEGIN IMMEDIATE")
        n, = db.execute("SELECT count(*) FROM t").fetchone()
        db.execute("INSERT INTO t VALUES (?, ?, ?)", (n, sys.argv[2], i))
db.close()
"""


def test_rsync_ahax_delete(pair, tree):
    """Links, xattrs and holes asked for; what is gone goes."""
    os.setxattr(tree / "top", "user.note", b"n")
    words = ["rsync", "-aHAX", "--delete", f"{tree}/", "copy"]
    pair.run(*words)
    assert os.getxattr(pair.m.path / "copy/top", "user.note") == b"n"
    shutil.rmtree(tree / "sizes")
    (tree / "many").rename(tree / "more")
    (tree / "link").unlink()
    os.setxattr(tree / "top", "user.note", b"other")
    pair.run(*words)
    pair.proved(times=True)
    assert os.getxattr(pair.m.path / "copy/top", "user.note") == b"other"
    assert run("rsync", "-aHAXi", "--delete", f"{tree}/", "copy",
               cwd=pair.m.path) == b""


def test_a_debian_package(pair, tmp_path):
    """Built on the mount, and unpacked there."""
    def make(folder):
        root = folder / "pkg"
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN").chmod(0o755)
        (root / "DEBIAN/control").write_text(
            "Package: tiny\nVersion: 1\nArchitecture: all\n"
            "Maintainer: t <t@example.com>\nDescription: tiny\n")
        for i in range(40):
            path = root / f"usr/share/tiny/d{i % 7}/f{i}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes([i]) * 999)
        (root / "usr/share/tiny/link").symlink_to("d0/f0")
    pair.do(make)
    for folder in pair.both:
        run("dpkg-deb", "--root-owner-group", "-Znone", "-b", "pkg",
            "tiny.deb", cwd=folder, env=ENV)
        run("dpkg-deb", "-x", "tiny.deb", "out", cwd=folder, env=ENV)
        run("dpkg-deb", "-e", "tiny.deb", "control", cwd=folder, env=ENV)
    pair.proved(but=r".*\.deb")     # it has the times of its files


def test_a_venv(bucket, mount):
    """Made on the mount, it runs from there, also from an empty cache."""
    m = mount(bucket, ro=False, sync="fsync")
    venv = m.path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, env=ENV)
    code = "import sys; print(sys.prefix)"
    assert run(venv / "bin/python", "-c", code).decode().strip() == str(venv)
    made = look(m.path)
    m.umount()
    shutil.rmtree(m.cache)
    m.start()
    assert differ(made, look(m.path)) == []
    assert run(venv / "bin/python", "-c", code).decode().strip() == str(venv)


@pytest.mark.parametrize("sync", ("close", "fsync"))
def test_git_gc(bucket, mount, sync):
    """Loose objects become packs, and those one; all history stays."""
    m = mount(bucket, ro=False, sync=sync)
    top = m.path / "w"
    git = ["git", "-c", "safe.directory=*", "-C", top]
    run("git", "init", "-q", "-b", "main", top, env=ENV)
    for i in range(8):
        for j in range(4):
            (top / f"f{j}").write_text(f"{i} {j}\n" * 300)
        run(*git, "add", ".", env=ENV)
        run(*git, "commit", "-qm", f"c{i}", env=ENV)
        if i % 3 == 2:
            run(*git, "branch", f"b{i}", env=ENV)
            run(*git, "gc", "-q", env=ENV)
    run(*git, "branch", "-D", "-q", "b5", env=ENV)
    run(*git, "reflog", "expire", "--expire=now", "--all", env=ENV)
    run(*git, "gc", "-q", "--aggressive", "--prune=now", env=ENV)
    assert len(list((top / ".git/objects/pack").glob("*.pack"))) == 1
    assert not list((top / ".git/objects").glob("[0-9a-f][0-9a-f]"))
    history = run(*git, "log", "--stat", "--all", env=ENV)
    m.umount()
    shutil.rmtree(m.cache)
    m.start()
    run(*git, "fsck", "--full", "--strict", env=ENV)
    assert run(*git, "log", "--stat", "--all", env=ENV) == history
    assert history.count(b"commit ") == 8
    assert run(*git, "status", "--porcelain", env=ENV) == b""


@pytest.mark.parametrize("journal", ("DELETE", "WAL"))
def test_sqlite_of_two_processes(bucket, mount, journal):
    """No row is lost or counted twice: the locks hold."""
    m = mount(bucket, ro=False, sync="fsync")
    path = m.path / "x.db"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA journal_mode={journal}")
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, who TEXT, i INT)")
    db.close()
    jobs = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), who,
                              "15"], stderr=subprocess.PIPE, text=True)
            for who in "ab"]
    said = [job.communicate()[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    m.umount()
    shutil.rmtree(m.cache)
    m.start()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = db.execute("SELECT n, who, i FROM t ORDER BY n").fetchall()
    db.close()
    assert [n for n, _, _ in rows] == list(range(30))
    for who in "ab":
        assert [i for _, w, i in rows if w == who] == list(range(15))


def test_many_sources(bucket, mount):
    """A project of some hundred files, built by make -j2 on the mount."""
    m = mount(bucket, ro=False, sync="fsync")
    top = Path(m.path / "project")
    names = [f"d{i % 10}/f{i}" for i in range(150)]
    for name in names:
        path = top / f"{name}.c"
        path.parent.mkdir(parents=True, exist_ok=True)
        number = name.rsplit("f", 1)[1]
        path.write_text(f"int f{number}(void) {{ return {number}; }}\n")
    objects = " ".join(f"{name}.o" for name in names)
    (top / "main.c").write_text("int f149(void);\nint main(void)"
                                " { return f149() - 149; }\n")
    (top / "Makefile").write_text(
        f"x: main.o liball.a\n\tcc -o $@ $^\nliball.a: {objects}\n"
        "\tar rcD $@ $^\n")
    make = ["make", "-s", "-j2", "-C", top]
    run(*make, timeout=150, env=ENV)
    run(top / "x")
    run(*make, "-q", env=ENV)
    m.remount()
    run(*make, "-q", env=ENV)
    run(top / "x")
