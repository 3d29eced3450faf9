# SPDX-License-Identifier: Apache-2.0
"""The same bucket by s3fs and by rclone: what one writes the other reads.

Both sides are the programs themselves, never at the same time.
"""

import contextlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from lib import env, stored
from lib.data import MIB, PART, noise
from lib.mount import mount_type
from lib.process import Child, wait_until

pytestmark = pytest.mark.servers("versitygw")

SIZES = (0, 1, 4096, 4097, MIB, PART + 1)
WHEN_NS = 981173106_789012345
ODD = "user.odd \u00fc %&+'"        # s3fs itself stumbles over : , and "
RCLONE = shutil.which("rclone")
needs_rclone = pytest.mark.skipif(
    RCLONE is None, reason="rclone: command not found (apt: rclone)")
needs_s3fs = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("s3fs") is None,
    reason="s3fs: command not found (apt: s3fs), or not root")


@pytest.fixture
def s3fs(server, bucket, tmp_path):
    """A context with s3fs's mount of the bucket; gone at its end."""
    point = tmp_path / "s3fs"
    point.mkdir()
    passwd = tmp_path / "s3fs.passwd"
    with open(os.open(passwd, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(f"{server.access}:{server.secret}\n")

    @contextlib.contextmanager
    def mounted():
        child = Child(
            ["s3fs", bucket, str(point), "-f", "-o",
             f"url={server.endpoint},use_path_request_style,use_xattr,"
             f"passwd_file={passwd}"],
            tmp_path / "s3fs.log", env.clean())
        try:
            wait_until(lambda: mount_type(point) or not child.running(),
                       20 * env.slow(), "s3fs")
            assert mount_type(point) == "fuse.s3fs", child.output()
            yield point
        finally:
            subprocess.run(["umount", "-l", point], check=False)
            child.stop()

    yield mounted


def look(top):
    """Return {path: all that stat, readlink, listxattr and read tell}.

    But for the mtime of a folder: that of a change in it is not sent.
    """
    found = {}
    for here, folders, files in os.walk(top):
        for name in folders + files:
            path = Path(here, name)
            short = str(path.relative_to(top))
            if short.startswith(".pailfs"):
                folders[:] = [f for f in folders if f != ".pailfs"]
                continue
            st = path.lstat()
            kind = stat.S_IFMT(st.st_mode)
            content = xattrs = size = None
            if kind == stat.S_IFLNK:
                content = os.readlink(path)
            elif kind == stat.S_IFREG:
                content, size = path.read_bytes(), st.st_size
            if kind in (stat.S_IFREG, stat.S_IFDIR):
                xattrs = {n: os.getxattr(path, n) for n in os.listxattr(path)
                          if not n.startswith("user.s3.")}
            found[short] = {"mode": oct(st.st_mode), "size": size,
                            "owner": (st.st_uid, st.st_gid),
                            "mtime": kind == stat.S_IFDIR or st.st_mtime_ns,
                            "content": content,
                            "xattrs": xattrs}
    return found


def fill(top):
    """Make one of each, as a program does on a disk."""
    for i, size in enumerate(SIZES):
        path = top / f"size {size}"
        path.write_bytes(noise(size, size))
        path.chmod([0o644, 0o600, 0o755, 0o4711, 0o444, 0o2750][i])
        os.utime(path, ns=(WHEN_NS, WHEN_NS + i))
    (top / "d/\u00fcml\u00e4ut & +%20").mkdir(parents=True)
    (top / "d/\u00fcml\u00e4ut & +%20/f~'\"").write_bytes(b"odd name")
    (top / "d/owned").write_bytes(b"owned")
    os.chown(top / "d/owned", 1234, 56789)
    (top / "empty").mkdir(0o700)
    os.chown(top / "empty", 7, 8)
    (top / "sticky").mkdir()
    (top / "sticky").chmod(0o1777)
    (top / "link").symlink_to("d/owned")
    (top / "dangling").symlink_to("/no/where/\u00fc %41")
    os.mkfifo(top / "fifo", 0o640)
    (top / "xattrs").write_bytes(b"x")
    os.setxattr(top / "xattrs", "user.plain", b"value")
    os.setxattr(top / "xattrs", ODD, b"\0\xff binary \n")
    os.setxattr(top / "d", "user.of a folder", b"1")


def differences(one, two):
    """Return {path: {what: (one's, two's)}} where they are not the same."""
    found = {}
    for path in sorted({*one, *two}):
        first, second = one.get(path, {}), two.get(path, {})
        unlike = {what: (first.get(what), second.get(what))
                  for what in {*first, *second}
                  if first.get(what) != second.get(what)}
        if unlike:
            found[path] = unlike
    return found


@needs_s3fs
def test_s3fs_wrote_it(s3fs, bucket, mount):
    with s3fs() as top:
        fill(top)
        wanted = look(top)
    m = mount(bucket)
    assert differences(wanted, look(m.path)) == {}


@needs_s3fs
def test_s3fs_reads_it(s3fs, bucket, mount):
    m = mount(bucket, ro=False)
    fill(m.path)
    wanted = look(m.path)
    assert len(wanted) == 16
    m.umount()
    with s3fs() as top:
        assert differences(wanted, look(top)) == {}


@needs_s3fs
def test_each_changes_what_the_other_made(s3fs, bucket, mount):
    """Nothing that the other had set is lost on the way, and back."""
    def change(top):
        (top / "size 4096").chmod(0o640)
        os.utime(top / "size 4097", ns=(5 * 10**9, 6 * 10**9))
        os.chown(top / "link", 99, 98, follow_symlinks=False)
        os.setxattr(top / "xattrs", "user.more", b"m")
        os.removexattr(top / "xattrs", "user.plain")
        os.rename(top / "size 1", top / "renamed")
        os.rename(top / "d", top / "moved")
        with open(top / "moved/owned", "ab") as f:
            f.write(b" more")
        os.unlink(top / "dangling")
        (top / "empty").rmdir()
        (top / "size 0").write_bytes(b"no more")

    with s3fs() as top:
        fill(top)
    m = mount(bucket, ro=False, ttl=0)
    change(m.path)
    wanted = look(m.path)
    assert wanted["xattrs"]["xattrs"][ODD] == b"\0\xff binary \n"
    m.umount()
    with s3fs() as top:
        assert differences(wanted, look(top)) == {}
        shutil.rmtree(top / "moved")
        for name in ("renamed", "link"):
            os.unlink(top / name)
        (top / "again").mkdir()
        fill(top / "again")
        change(top / "again")
        wanted = look(top)
    m.start()
    assert differences(wanted, look(m.path)) == {}


@pytest.mark.servers("moto")    # versitygw has no a beside a/b
def test_folders_of_consoles_and_hadoop(s3, bucket, mount):
    """Such as no program of POSIX made: shown, filled, and removed whole."""
    s3.put_object(Bucket=bucket, Key="console/")
    s3.put_object(Bucket=bucket, Key="typed/", ContentType="text/plain")
    s3.put_object(Bucket=bucket, Key="hadoop_$folder$")
    s3.put_object(Bucket=bucket, Key="old", ContentType="application/"
                                                        "x-directory")
    names = ["console", "hadoop", "old", "typed"]
    m = mount(bucket, ro=False)
    assert sorted(os.listdir(m.path)) == names
    for name in names:
        st = os.stat(m.path / name)
        assert stat.S_ISDIR(st.st_mode) and st.st_mode & 0o777 == 0o755
        assert os.listdir(m.path / name) == []
        (m.path / name / "f").write_bytes(b"f")
        (m.path / name / "sub").mkdir()
    m.remount()
    for name in names:
        assert sorted(os.listdir(m.path / name)) == ["f", "sub"]
        (m.path / name).chmod(0o700)
        (m.path / name / "sub").rmdir()
        (m.path / name / "f").unlink()
        assert os.listdir(m.path / name) == []
        (m.path / name).rmdir()
    m.umount()
    assert stored.keys(s3, bucket) == {}


@pytest.fixture
def rclone(server, tmp_path):
    """Run rclone with words; the bucket is at r:BUCKET."""
    config = tmp_path / "rclone.conf"
    config.write_text(
        "[r]\ntype = s3\nprovider = Other\nregion = us-east-1\n"
        f"access_key_id = {server.access}\n"
        f"secret_access_key = {server.secret}\n"
        f"endpoint = {server.endpoint}\nforce_path_style = true\n")

    def run(*words):
        done = subprocess.run([RCLONE, "--config", config, *words],
                              env=env.clean(), capture_output=True, text=True,
                              timeout=60 * env.slow(), check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout + done.stderr

    return run


@pytest.fixture
def folder(tmp_path):
    top = tmp_path / "folder"
    for i, size in enumerate(SIZES):
        path = top / f"d{i % 2}" / f"size {size}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(size, size))
        os.utime(path, ns=(WHEN_NS, WHEN_NS + i * 1001))
    return top


def times(top):
    return {str(path.relative_to(top)): (path.read_bytes(),
                                         path.stat().st_mtime_ns)
            for path in top.rglob("*") if path.is_file()}


@needs_rclone
def test_rclone_wrote_it(rclone, folder, bucket, mount):
    rclone("copy", folder, f"r:{bucket}")
    m = mount(bucket)
    assert times(m.path) == times(folder)


@needs_rclone
def test_rclone_reads_it(rclone, folder, bucket, mount, tmp_path):
    """Times to the nanosecond, and nothing to do for a sync."""
    m = mount(bucket, ro=False)
    subprocess.run(["cp", "-a", f"{folder}/.", m.path], check=True)
    m.umount()
    rclone("copy", f"r:{bucket}", tmp_path / "back", "--exclude", "/.pailfs/**")
    assert times(tmp_path / "back") == times(folder)
    said = rclone("sync", folder, f"r:{bucket}", "-v", "--exclude",
                  "/.pailfs/**")
    assert "Copied" not in said and "Deleted" not in said, said
    said = rclone("check", folder, f"r:{bucket}", "--exclude", "/.pailfs/**")
    assert "0 differences found" in said, said


@needs_rclone
def test_rclone_touches_what_pailfs_made(rclone, bucket, mount):
    """A metadata copy of rclone's keeps mode and owner; its time is read."""
    m = mount(bucket, ro=False, ttl=0)
    path = m.path / "f"
    path.write_bytes(b"x" * 5000)
    path.chmod(0o640)
    os.chown(path, 1234, 5678)
    m.umount()
    rclone("touch", "-t", "2001-02-03T04:05:06.789012345", f"r:{bucket}/f")
    m.start()
    st = path.stat()
    assert st.st_mtime_ns == WHEN_NS
    assert (oct(st.st_mode), st.st_uid, st.st_gid) == ("0o100640", 1234, 5678)
