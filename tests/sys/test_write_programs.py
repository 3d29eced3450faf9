# SPDX-License-Identifier: Apache-2.0
"""Programs that know nothing of S3 write on the mount as on a disk.

Each runs twice, in a folder of the disk and on the mount.  Both must look the
same after it, and again once the mount came back with an empty cache; and the
bucket must hold the same bytes, as boto3 reads them.
"""

import json
import mmap
import random
import shelve
import shutil
import sqlite3
import sys
import tarfile
import zipfile

import pytest
from lib import stored
from lib.data import MIB, PART, noise
from lib.pairs import differ, ENV, look, pair, tree  # noqa: F401
from lib.workload import run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(90)]
EVERYWHERE = pytest.mark.servers("versitygw", "moto")


# Copies and archives.

@EVERYWHERE
def test_cp_a(pair, tree):
    pair.run("cp", "-a", tree, "copy")
    pair.run("cp", "-a", "copy", "again")
    pair.proved(times=True)
    pair.run("diff", "-r", "--no-dereference", "copy", "again")


@EVERYWHERE
def test_rsync_twice(pair, tree):
    """The second run, the one after a remount, finds nothing to do."""
    words = ["rsync", "-ai", f"{tree}/", "copy"]
    assert run(*words, cwd=pair.m.path) != b""
    run(*words, cwd=pair.disk)
    assert run(*words, cwd=pair.m.path) == b""
    pair.proved(times=True)
    assert run(*words, cwd=pair.m.path) == b"", "anew"
    assert run(*words, "-c", cwd=pair.m.path) == b"", "by checksum"


def test_rsync_changes(pair, tree):
    """What changed, vanished, grew; in place, too."""
    pair.run("rsync", "-a", f"{tree}/", "copy")
    with open(tree / "sizes" / str(PART + 1), "r+b") as f:
        f.seek(5 * MIB)
        f.write(b"changed")
    with open(tree / "top", "ab") as f:
        f.write(b"more")
    shutil.rmtree(tree / "many/sub1")
    (tree / "new").write_bytes(b"new")
    pair.run("rsync", "-a", "--delete", f"{tree}/", "copy")
    pair.proved(times=True)
    with open(tree / "sizes" / str(PART + 1), "r+b") as f:
        f.write(b"again")
    pair.run("rsync", "-a", "--inplace", "--no-whole-file", f"{tree}/",
             "copy")
    pair.proved(times=True)


@EVERYWHERE
def test_tar_x(pair, tree, tmp_path):
    run("tar", "cf", tmp_path / "t.tar", "-C", tree, ".")
    pair.run("tar", "xpf", tmp_path / "t.tar")
    pair.proved(times=True)
    pair.sh("tar czf new.tgz many && mkdir out && tar xzf new.tgz -C out")
    assert differ(look(tree / "many"), look(pair.m.path / "out/many")) == []


def test_tar_appends(pair, tree):
    for folder in pair.both:
        with tarfile.open(folder / "t.tar", "w") as tar:
            tar.add(tree / "top", "one")
        with tarfile.open(folder / "t.tar", "a") as tar:
            tar.add(tree / "sizes", "two")
    pair.proved()


def test_unzip(pair, tree, tmp_path):
    """(unzip, where there is none python3 -m zipfile -e.)"""
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as z:
        for path in sorted(tree.rglob("*")):
            if not path.is_symlink():
                z.write(path, path.relative_to(tree))
    words = (["unzip", "-q"] if shutil.which("unzip")
             else [sys.executable, "-m", "zipfile", "-e"])
    pair.run(*words, tmp_path / "t.zip", *([] if words[0] == "unzip"
                                           else ["."]))
    pair.proved()


def test_zipfile_appends(pair):
    """The directory at the end is overwritten and written anew."""
    for folder in pair.both:
        for i in range(4):
            with zipfile.ZipFile(folder / "z.zip", "a") as z:
                info = zipfile.ZipInfo(f"n{i}", (2020, 1, 1, 0, 0, 0))
                z.writestr(info, noise(3 * MIB, i))
    pair.proved()
    with zipfile.ZipFile(pair.m.path / "z.zip") as z:
        assert z.testzip() is None and len(z.namelist()) == 4


# Programs that edit.

@pytest.mark.parametrize("options", [
    "", "set backup", "set nowritebackup", "set backupcopy=yes"])
def test_vim(pair, options):
    def make(folder):
        (folder / "f.txt").write_text("one\ntwo\n" * 1000)
        (folder / "f.txt").chmod(0o640)
    pair.do(make)
    pair.run("vim", "-es", "-u", "NONE", "-c", options, "-c", "%s/two/2/",
             "-c", "wq", "f.txt")
    assert (pair.m.path / "f.txt").read_text() == "one\n2\n" * 1000
    pair.proved()


def test_sed_perl_patch(pair):
    pair.sh("seq 1 5000 >a; cp a b; cp a c; sed -i s/7/seven/ a;"
            "sed -i.bak -e 5d b; perl -pi -e s/3/drei/ c;"
            "seq 1 5000 | sed 's/^44$/x/' >d; seq 1 5000 >e;"
            "diff -u e d >p || true; sed -i '1,2d' p;"
            "printf -- '--- e\\n+++ e\\n' | cat - p >q; patch -s -b e q;"
            "cmp d e; patch -s -R e q; sort -rn -o a a; truncate -s 1M c")
    pair.proved()


@pytest.mark.parametrize("words", [
    "conv=fsync", "conv=fdatasync,notrunc seek=3", "oflag=sync",
    "oflag=append conv=notrunc"])
def test_dd(pair, words, tmp_path):
    (tmp_path / "in").write_bytes(noise(9 * MIB + 5))
    pair.sh("printf 'was there' >f;"
            f"dd if={tmp_path}/in of=f bs=1M status=none {words}")
    pair.proved()


def test_dd_direct(pair, tmp_path):
    (tmp_path / "in").write_bytes(noise(9 * MIB))
    pair.sh(f"dd if={tmp_path}/in of=f bs=1M oflag=direct status=none;"
            "dd if=f of=g bs=1M iflag=direct status=none; cmp f g")
    pair.proved()


def test_install_touch_ln(pair, tree):
    pair.sh(f"install -D -m 751 {tree}/top bin/tool;"
            f"install -p -m 640 {tree}/sizes/4097 x; install -d -m 700 dd;"
            "touch -d '2001-02-03 04:05:06.789 UTC' bin/tool;"
            "ln -s bin/tool l; ln -sfn x l; cp -P l l2;"
            "tee -a log <x >/dev/null; mkdir -p p/q/r; rmdir -p p/q/r;"
            "split -b 1000 x part.; cat part.* >whole; cmp x whole")
    pair.proved()
    st = (pair.m.path / "bin/tool").stat()
    assert st.st_mtime_ns == 981173106789 * 10**6


def test_mv_and_find_delete(pair, tree, tmp_path):
    """Folders within the mount, away from it, and back."""
    pair.run("cp", "-a", tree, "t")
    pair.sh("mkdir x; mv t x/t; mv x/t/many x/t/sizes .; mv -n top x || :;"
            "mv sizes x/t; mv x y; mv -T y z")
    pair.proved(times=True)
    for i, folder in enumerate(pair.both):
        away = tmp_path / f"away{i}"
        run("mv", folder / "z", away)
        run("mv", away, folder / "back")
    pair.proved(times=True)
    pair.sh("find back -name '*[0-9]' -delete; find many -delete;"
            "find back -type l -exec rm {} +; mkdir kept")
    pair.proved(times=True)
    pair.sh("rm -r back; rm -rf nothing")
    pair.proved()


@EVERYWHERE
@pytest.mark.parametrize("size", [1000, PART + 1, 30 * MIB])
def test_cp_reflink(pair, size, tmp_path):
    (tmp_path / "in").write_bytes(noise(size))
    pair.sh(f"cp {tmp_path}/in a; cp --reflink=auto a b;"
            "cp --reflink=auto b c; printf x >>b; cp --reflink=auto b a")
    pair.proved()


# Databases.

@EVERYWHERE
@pytest.mark.parametrize("mode", ["DELETE", "WAL", "TRUNCATE", "PERSIST"])
def test_sqlite(pair, mode):
    """Two connections; what was committed is there, also after a remount."""
    path = pair.m.path / "x.db"
    dice = random.Random(mode)
    rows = {}
    one, two = (sqlite3.connect(path, timeout=20) for _ in range(2))
    assert one.execute(f"PRAGMA journal_mode={mode}").fetchone() == (
        mode.lower(),)
    one.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, b BLOB)")
    one.commit()
    for i in range(30):
        db = dice.choice([one, two])
        change = {dice.randrange(60): dice.randbytes(
            dice.choice([10, 3000, 40_000])) for _ in range(5)}
        db.executemany("REPLACE INTO t VALUES (?, ?)", change.items())
        if i % 7 == 3:
            db.rollback()
        else:
            db.commit()
            rows |= change
        other = two if db is one else one
        assert dict(other.execute("SELECT i, b FROM t")) == rows
    one.execute("DELETE FROM t WHERE i < 20")
    one.commit()
    two.execute("VACUUM")
    rows = {i: b for i, b in rows.items() if i >= 20}
    one.close()
    two.close()
    pair.empty()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert dict(db.execute("SELECT i, b FROM t")) == rows
    db.close()
    assert stored.body(pair.s3, pair.bucket, "x.db") == path.read_bytes()
    assert set(stored.keys(pair.s3, pair.bucket)) <= {
        "x.db", "x.db-journal"}


def test_shelve(pair):
    """dbm in whatever form this Python has."""
    for folder in pair.both:
        for turn in range(3):
            with shelve.open(str(folder / "s")) as s:
                for i in range(20):
                    s[str(i * turn)] = noise(i * 100, i)
    pair.empty()
    with shelve.open(str(pair.m.path / "s"), "r") as s, \
            shelve.open(str(pair.disk / "s"), "r") as wanted:
        assert dict(s) == dict(wanted) and len(s) == 30


def test_mmap_writer(pair):
    """Stores all over a file, by a program that ends without msync."""
    script = ("import mmap, random; r = random.Random(5)\n"
              "f = open('m', 'w+b'); f.truncate(12 << 20)\n"
              "v = mmap.mmap(f.fileno(), 0)\n"
              "for _ in range(300):\n"
              "    at = r.randrange(len(v) - 9000)\n"
              "    n = r.randrange(9000); v[at:at + n] = r.randbytes(n)\n")
    pair.run(sys.executable, "-c", script)
    pair.proved()
    with open(pair.m.path / "m", "r+b") as f, \
            mmap.mmap(f.fileno(), 0) as view:
        view.move(0, 6 * MIB, MIB)
    wanted = bytearray((pair.disk / "m").read_bytes())
    wanted[:MIB] = wanted[6 * MIB:7 * MIB]
    pair.empty()
    assert (pair.m.path / "m").read_bytes() == wanted


# Development.

@EVERYWHERE
def test_git(pair, tmp_path):
    """init, add, commit, branch, merge, gc, clone, fsck; on disk alike."""
    git = "git -c gc.auto=0 -c protocol.file.allow=always"
    pair.sh(f"{git} init -q -b main w; cd w; seq 1 2000 >a; mkdir d;"
            f"seq 1 99 >d/b; {git} add .; {git} commit -qm one;"
            f"{git} checkout -qb side; seq 2 2000 >a; {git} commit -qam two;"
            f"{git} checkout -q main; echo c >c; {git} add c;"
            f"{git} commit -qm three; {git} merge -q --no-edit side;"
            f"{git} tag v1; {git} mv c d/c; {git} rm -q d/b;"
            f"{git} commit -qm four; {git} status --porcelain;"
            f"{git} stash list; {git} repack -adq; {git} fsck --full;"
            f"cd ..; {git} clone -q --no-hardlinks w clone; cd clone;"
            f"{git} log --format=%H")
    # The index has inode numbers and times, the config has paths.
    pair.proved(but=r".*/\.git/(index|ORIG_HEAD|config|logs/.*)")
    run("git", "-c", "safe.directory=*", "-C", pair.m.path / "clone", "fsck",
        "--full", "--strict", env=ENV)
    run("git", "-c", "safe.directory=*", "clone", "-q", pair.m.path / "w",
        tmp_path / "out", env=ENV)
    assert (tmp_path / "out/a").read_bytes() == (
        pair.disk / "w/a").read_bytes()


def test_make_and_gcc(pair):
    """Built on the mount, runs from there; the second make does nothing."""
    def make(folder):
        (folder / "a.c").write_text("int b(void);\nint main(void)"
                                    "{ return b(); }\n")
        (folder / "b.c").write_text("int b(void) { return 42; }\n")
        (folder / "Makefile").write_text(
            "x: a.o libb.a\n\tcc -o $@ $^\nlibb.a: b.o\n\tar rcD $@ $^\n")
    pair.do(make)
    pair.sh("make -s; ./x || test $? = 42; make -q; touch b.c;"
            "! make -q; make -s; make -q")
    pair.proved()
    pair.sh("./x || test $? = 42; make -q")


def test_pip_target(pair, tmp_path):
    """A package from a wheel, imported from the mount."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        for i in range(20):
            z.writestr(f"tiny/m{i}.py", f"X = {i}\n")
        z.writestr("tiny/__init__.py", "from .m7 import X\n")
        z.writestr("tiny-1.0.dist-info/METADATA",
                   "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        z.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n"
                   "Root-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("tiny-1.0.dist-info/RECORD", "")
    for _ in range(2):          # the second replaces the first
        for folder in pair.both:
            run(sys.executable, "-m", "pip", "--isolated", "install", "-q",
                "--no-index", "--no-deps", "--no-compile", "--upgrade",
                "--no-cache-dir", "--disable-pip-version-check",
                "--target", folder / "lib", wheel, env=ENV, cwd=tmp_path)
    pair.proved()
    out = run(sys.executable, "-c", "import tiny; print(tiny.X)",
              env={**ENV, "PYTHONPATH": str(pair.m.path / "lib")})
    assert out == b"7\n"


# Video.

@EVERYWHERE
def test_ffmpeg(pair):
    """+faststart reads the file back and moves its index to the front."""
    make = ["ffmpeg", "-v", "error", "-fflags", "+bitexact", "-f", "lavfi",
            "-i", "testsrc=size=320x240:rate=25:duration=3", "-flags",
            "+bitexact", "-c:v", "mpeg4", "-q:v", "1", "-threads", "1"]
    pair.run(*make, "end.mp4")
    pair.run(*make, "-movflags", "+faststart", "start.mp4")
    pair.run("ffmpeg", "-v", "error", "-i", "start.mp4", "-c", "copy",
             "-fflags", "+bitexact", "-movflags", "+faststart", "copy.mov")
    pair.run(*make, "f%03d.jpg")
    pair.proved()
    assert (pair.m.path / "start.mp4").read_bytes().index(b"moov") < 100
    shown = json.loads(pair.run("ffprobe", "-v", "error", "-count_frames",
                                "-show_streams", "-of", "json", "start.mp4"))
    assert shown["streams"][0]["nb_read_frames"] == "75"
