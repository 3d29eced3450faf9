# SPDX-License-Identifier: Apache-2.0
"""pailfs for an ordinary user, and who is kept out."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import warnings
from pathlib import Path

import pytest
from lib import env, process, stored
from lib.mount import mount_type, option_text

NOBODY = 65534
OTHER = 65533
LIMIT_S = 30

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another"),
    pytest.mark.skipif(not shutil.which("fusermount3"),
                       reason="users mount by fusermount3")]


@pytest.fixture(scope="module", autouse=True)
def open_device():
    """Open /dev/fuse to all, as udev does elsewhere.

    fusermount3 -u reads /etc/mtab, which every installed system has.
    """
    mtab = Path("/etc/mtab")
    if not mtab.exists():
        mtab.symlink_to("../proc/self/mounts")
    mode = stat.S_IMODE(os.stat("/dev/fuse").st_mode)
    if mode & 0o666 != 0o666:
        warnings.warn(f"/dev/fuse was {mode:o}: opened for these tests")
        os.chmod("/dev/fuse", 0o666)
    yield
    os.chmod("/dev/fuse", mode)


def as_user(uid, *words, **options):
    """Run a command as somebody; return (status, all that it said)."""
    options.setdefault("env", {**os.environ, "HOME": "/nonexistent"})
    with tempfile.TemporaryFile() as out:   # a daemon would hold a pipe
        done = subprocess.run(
            ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
             *map(str, words)], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, check=False, cwd="/",
            timeout=LIMIT_S * env.slow(), **options)
        out.seek(0)
        return done.returncode, out.read().decode(errors="replace").strip()


class User:
    """A home folder with copies of the programs, which others cannot see."""

    def __init__(self, server, uid=NOBODY):
        self.uid = uid
        self.home = Path(tempfile.mkdtemp(prefix="pailfs-user-"))
        for source in (env.pailfs()[-1], env.pailctl()[-1]):
            shutil.copy(source, self.home)
        self.pailfs = self.home / Path(env.pailfs()[-1]).name
        self.pailctl = self.home / Path(env.pailctl()[-1]).name
        self.path = self.home / "mnt"
        self.path.mkdir()
        self.passwd = self.home / "passwd"
        self.passwd.write_text(f"{server.access}:{server.secret}\n")
        self.passwd.chmod(0o600)
        for path in (self.home, self.path, self.passwd):
            os.chown(path, uid, uid)
        self.home.chmod(0o755)
        self.options = {"endpoint": server.endpoint, "region": "us-east-1",
                        "path_style": True, "passwd_file": self.passwd,
                        "ro": True, "cache_size": "1G"}

    def run(self, *words):
        return as_user(self.uid, *env.wrap(), *words,
                       env={**env.clean(), "HOME": str(self.home)})

    def mount(self, bucket, **options):
        return self.run(self.pailfs, bucket, self.path, "-o",
                        option_text({**self.options, **options}))

    def start(self, script):
        """A shell of the user's, in the mount."""
        return subprocess.Popen(
            ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}",
             "--clear-groups", "sh", "-c", f"cd {self.path} && {script}"],
            stdin=subprocess.PIPE)

    def clean_up(self):
        if mount_type(self.path):
            subprocess.run(["umount", "-l", str(self.path)], check=True)
        try:
            process.wait_until(lambda: not process.naming(str(self.path)),
                               5 * env.slow(), "the daemon to end")
        except TimeoutError:
            for pid in process.naming(str(self.path)):
                process.kill(pid)
            raise
        finally:
            shutil.rmtree(self.home)


@pytest.fixture
def user(server):
    one = User(server)
    yield one
    one.clean_up()


def test_a_user_mounts_reads_and_unmounts(s3, bucket, user):
    s3.put_object(Bucket=bucket, Key="d/f", Body=b"mine")
    status, said = user.mount(bucket)
    assert (status, said) == (0, "")
    assert mount_type(user.path) == "fuse.pailfs"
    assert user.run("cat", user.path / "d/f") == (0, "mine")
    assert user.run("stat", "-c", "%u %g %a", user.path / "d/f") == (
        0, f"{NOBODY} {NOBODY} 644")
    status, said = user.run(user.pailctl, "status", user.path)
    assert status == 0 and bucket in said
    status, said = user.run(user.pailctl, "umount", user.path)
    assert (status, said) == (0, "")
    assert mount_type(user.path) == ""


def test_the_cache_is_in_the_home(s3, bucket, user):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    assert user.mount(bucket) == (0, "")
    folder = user.home / ".local/state/pailfs"
    assert list(folder.glob("*/meta.db"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == NOBODY


def test_others_are_kept_out(s3, bucket, user):
    """Even root: it is not root's mount."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    assert user.mount(bucket) == (0, "")
    with pytest.raises(OSError) as e:
        os.listdir(user.path)
    assert e.value.errno == errno.EACCES
    status, said = as_user(OTHER, "cat", user.path / "f")
    assert status != 0 and "Permission denied" in said
    status, said = as_user(OTHER, user.pailctl, "status", user.path)
    assert status == 1 and bucket not in said
    status, _ = as_user(OTHER, user.pailctl, "umount", user.path)
    assert status == 1 and mount_type(user.path)
    done = subprocess.run([*env.pailctl(), "status", str(user.path)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and bucket in done.stdout


def test_a_dead_mount_of_a_user_is_cleared(s3, bucket, user):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    assert user.mount(bucket, ttl=0) == (0, "")
    (pid,) = process.naming(str(user.path))
    process.kill(pid)
    status, said = user.mount(bucket, ttl=0)
    assert (status, said) == (0, "")
    assert user.run("cat", user.path / "f") == (0, "x")


@pytest.mark.servers("versitygw")
def test_a_killed_mount_of_a_user_that_hangs(s3, bucket, proxy, user, fuse):
    """As in test_dead_mount.py: umount -f is for root only."""
    user.options.update(endpoint=proxy.endpoint, ro=False)
    assert user.mount(bucket) == (0, "")
    (pid,) = process.naming(str(user.path))
    fuse.watch(pid, user.path)
    assert user.run("sh", "-c", f"echo base >{user.path}/f") == (0, "")
    f = user.start("exec cat 1<>f")
    f.stdin.write(b"mine")
    f.stdin.flush()
    stored.wait_for(lambda: '"dirty_files": 1' in user.run(
        user.pailctl, "status", user.path, "--json")[1], "the write", 20)
    s3.put_object(Bucket=bucket, Key="f", Body=b"theirs")
    proxy.fault("hold", op="PutObject", key="^d/$", when="before", nth=1)
    d = user.start("mkdir d")
    proxy.wait_held()
    f.communicate(b"")      # its end is a conflict
    process.wait_until(lambda: process.hangs(pid), LIMIT_S * env.slow(),
                       "it to hang")
    os.kill(pid, signal.SIGKILL)
    proxy.drop()
    proxy.restore()
    assert user.mount(bucket)[0] == 0
    assert d.wait(LIMIT_S * env.slow()) != 0
    assert user.run("cat", user.path / "f") == (0, "theirs")


def test_allow_other_needs_leave(bucket, user):
    try:
        with open("/etc/fuse.conf", encoding="utf-8") as f:
            allowed = any(line.strip() == "user_allow_other" for line in f)
    except FileNotFoundError:
        allowed = False
    status, said = user.mount(bucket, allow_other=True)
    if allowed:
        assert status == 0
    else:
        assert status == 1 and "user_allow_other" in said


def test_a_cache_that_the_user_may_not_write(bucket, user, tmp_path):
    folder = user.home / "roots"
    folder.mkdir(mode=0o755)
    status, said = user.mount(bucket, cache=folder)
    assert status == 1
    assert str(folder) in said and "cache=" in said
    assert said.count("\n") == 0


def test_a_mount_point_that_is_not_the_users(bucket, user):
    status, said = user.run(user.pailfs, bucket, "/usr", "-o",
                            option_text(user.options))
    assert status == 1 and "/usr" in said
    assert mount_type("/usr") == ""


def test_a_passwd_file_that_the_user_may_not_read(bucket, user):
    os.chown(user.passwd, 0, 0)
    status, said = user.mount(bucket)
    assert status == 1 and str(user.passwd) in said


@pytest.mark.servers("versitygw")
def test_a_mount_of_root_is_roots(s3, bucket, mount, tmp_path):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    point = Path(tempfile.mkdtemp(prefix="pailfs-root-"))
    point.chmod(0o755)
    m = mount(bucket, path=point)
    try:
        status, said = as_user(NOBODY, "cat", point / "f")
        assert status != 0 and "Permission denied" in said
    finally:
        m.umount()
        point.rmdir()


def test_allow_other_obeys_the_modes(s3, bucket, mount):
    for key, mode, uid in (("all", 0o644, 0), ("roots", 0o600, 0),
                           ("theirs", 0o600, NOBODY), ("in/x", 0o644, 0)):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x", Metadata={
            "mode": str(stat.S_IFREG | mode), "uid": str(uid)})
    s3.put_object(Bucket=bucket, Key="in/", Body=b"", Metadata={
        "mode": str(stat.S_IFDIR | 0o700), "uid": "0"})
    point = Path(tempfile.mkdtemp(prefix="pailfs-root-"))
    point.chmod(0o755)
    m = mount(bucket, path=point, allow_other=True)
    try:
        assert as_user(NOBODY, "cat", point / "all") == (0, "x")
        assert as_user(NOBODY, "cat", point / "theirs") == (0, "x")
        for closed in ("roots", "in/x"):
            status, said = as_user(NOBODY, "cat", point / closed)
            assert status != 0 and "Permission denied" in said, closed
        assert as_user(OTHER, "cat", point / "theirs")[0] != 0
    finally:
        m.umount()
        point.rmdir()
