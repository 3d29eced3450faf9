# SPDX-License-Identifier: Apache-2.0
"""Names, attributes and kinds of files that programs make on the mount."""

import ctypes
import errno
import json
import os
import stat
import subprocess
import base64
from urllib.parse import unquote

import pytest
from lib import stored
from lib.data import MIB, PART, noise
from lib.workload import run

AT_FDCWD = -100
NOREPLACE, EXCHANGE = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)
NS = 10 ** 9


@pytest.fixture
def m(bucket, mount):
    """A mount that may write."""
    return mount(bucket, ro=False)


def renameat2(old, new, flags):
    if LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new),
                      ctypes.c_uint(flags)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def refused(number, call, *args, **options):
    """Assert that a call fails with ${number}, one or a set."""
    wanted = number if isinstance(number, set) else {number}
    with pytest.raises(OSError) as e:
        call(*args, **options)
    assert e.value.errno in wanted, e.value


def metadata(s3, bucket, key):
    return stored.head(s3, bucket, key)["Metadata"]


# Making and removing.

def test_unlink(s3, bucket, m):
    for name in ("a", "b"):
        (m.path / name).write_bytes(b"x")
    os.unlink(m.path / "a")
    assert stored.keys(s3, bucket) == {"b": 1}
    assert os.listdir(m.path) == ["b"]
    refused(errno.ENOENT, os.unlink, m.path / "a")
    refused(errno.ENOENT, open, m.path / "a", "rb")


def test_mkdir(s3, bucket, m):
    os.mkdir(m.path / "d", 0o750)
    got = stored.head(s3, bucket, "d/")
    assert got["ContentLength"] == 0
    assert got["ContentType"] == "application/x-directory"
    assert int(got["Metadata"]["mode"]) == stat.S_IFDIR | 0o750
    os.makedirs(m.path / "d/e/f/g")
    assert stored.keys(s3, bucket) == {
        "d/": 0, "d/e/": 0, "d/e/f/": 0, "d/e/f/g/": 0}
    refused(errno.EEXIST, os.mkdir, m.path / "d")
    refused(errno.ENOENT, os.mkdir, m.path / "x/y")
    (m.path / "f").write_bytes(b"")
    refused(errno.EEXIST, os.mkdir, m.path / "f")
    refused(errno.ENOTDIR, os.mkdir, m.path / "f/d")


def test_rmdir(s3, bucket, m):
    os.makedirs(m.path / "d/e")
    (m.path / "d/e/f").write_bytes(b"x")
    refused(errno.ENOTEMPTY, os.rmdir, m.path / "d")
    refused(errno.ENOTEMPTY, os.rmdir, m.path / "d/e")
    refused(errno.ENOTDIR, os.rmdir, m.path / "d/e/f")
    refused(errno.EISDIR, os.unlink, m.path / "d/e")
    os.unlink(m.path / "d/e/f")
    os.rmdir(m.path / "d/e")
    assert stored.keys(s3, bucket) == {"d/": 0}
    os.rmdir(m.path / "d")
    assert stored.keys(s3, bucket) == {}
    assert os.listdir(m.path) == []
    refused(errno.ENOENT, os.rmdir, m.path / "d")


def test_rmdir_of_what_others_filled(s3, bucket, mount):
    """The listing that says "empty" is that of S3."""
    m = mount(bucket, ro=False, ttl=0)
    os.mkdir(m.path / "d")
    assert os.listdir(m.path / "d") == []
    s3.put_object(Bucket=bucket, Key="d/theirs", Body=b"x")
    refused(errno.ENOTEMPTY, os.rmdir, m.path / "d")
    assert stored.keys(s3, bucket) == {"d/": 0, "d/theirs": 1}


def test_an_implicit_folder_outlives_its_last_file(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="a/b/f", Body=b"x")
    m = mount(bucket, ro=False)
    os.unlink(m.path / "a/b/f")
    assert "a/b/" in stored.keys(s3, bucket)
    assert os.listdir(m.path / "a/b") == []
    os.rmdir(m.path / "a/b")
    assert stored.keys(s3, bucket) == {"a/": 0}
    m.remount()
    assert os.listdir(m.path) == ["a"]


def test_rm_r(s3, bucket, m):
    for i in range(30):
        os.makedirs(m.path / f"d/{i % 5}/{i % 3}", exist_ok=True)
        (m.path / f"d/{i % 5}/{i % 3}/{i}").write_bytes(b"x" * i)
    assert len(stored.keys(s3, bucket)) == 30 + 15 + 5 + 1
    run("rm", "-r", m.path / "d")
    assert stored.keys(s3, bucket) == {}
    assert os.listdir(m.path) == []


def test_o_excl(s3, bucket, m):
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    os.close(os.open(m.path / "lock", flags))
    refused(errno.EEXIST, os.open, m.path / "lock", flags)
    s3.put_object(Bucket=bucket, Key="theirs", Body=b"x")
    refused(errno.EEXIST, os.open, m.path / "theirs", flags)


def test_a_file_that_was_unlinked_is_written_on(s3, bucket, m):
    with open(m.path / "f", "w+b", buffering=0) as f:
        f.write(b"before")
        os.unlink(m.path / "f")
        assert os.fstat(f.fileno()).st_nlink == 0
        f.write(b" and after")
        os.fsync(f.fileno())
        assert os.pread(f.fileno(), 100, 0) == b"before and after"
        assert os.fstat(f.fileno()).st_size == 16
        assert stored.keys(s3, bucket) == {}
        (m.path / "f").write_bytes(b"another")
        assert os.pread(f.fileno(), 100, 0) == b"before and after"
        f.write(b"!")
    assert stored.body(s3, bucket, "f") == b"another"
    os.unlink(m.path / "f")
    assert stored.keys(s3, bucket) == {}
    stored.wait_for(lambda: m.status()["cache"]["dirty_bytes"] == 0)


@pytest.mark.parametrize("size", [100_000, 12 * MIB])
def test_a_stored_file_that_was_unlinked_is_read_on(s3, bucket, m, size):
    (m.path / "f").write_bytes(noise(size))
    with open(m.path / "f", "r+b", buffering=0) as f:
        os.unlink(m.path / "f")
        assert stored.keys(s3, bucket) == {}
        f.write(b"new")
        assert os.pread(f.fileno(), size, 0) == (
            b"new" + noise(size)[3:])[:1 << 30]
    assert stored.keys(s3, bucket) == {}


def test_the_name_is_free_at_once(s3, bucket, m):
    for i in range(10):
        (m.path / "f").write_bytes(b"x" * i)
        os.unlink(m.path / "f")
        os.mkdir(m.path / "f")
        os.rmdir(m.path / "f")
    assert stored.keys(s3, bucket) == {}
    (m.path / "f").write_bytes(b"last")
    assert stored.keys(s3, bucket) == {"f": 4}


# Renaming.

@pytest.mark.parametrize("size", [0, 1000, 20 * MIB])
def test_rename_a_file(s3, bucket, m, size):
    wanted = noise(size)
    (m.path / "a.txt").write_bytes(wanted)
    os.setxattr(m.path / "a.txt", "user.colour", b"blue")
    os.chmod(m.path / "a.txt", 0o640)
    os.utime(m.path / "a.txt", ns=(5 * NS, 7 * NS + 1))
    os.mkdir(m.path / "d")
    before = (m.path / "a.txt").stat()
    os.rename(m.path / "a.txt", m.path / "d/b.txt")
    assert stored.keys(s3, bucket) == {"d/": 0, "d/b.txt": size}
    stored.check(s3, bucket, "d/b.txt", m.path / "d/b.txt", wanted)
    after = (m.path / "d/b.txt").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (
        before.st_ino, 7 * NS + 1, stat.S_IFREG | 0o640)
    assert os.getxattr(m.path / "d/b.txt", "user.colour") == b"blue"
    assert (m.path / "d/b.txt").read_bytes() == wanted
    assert not os.path.lexists(m.path / "a.txt")


def test_rename_over_a_file(s3, bucket, m):
    for name in ("a", "b"):
        (m.path / name).write_bytes(name.encode() * 100)
    with open(m.path / "b", "rb") as old:
        os.rename(m.path / "a", m.path / "b")
        assert old.read() == b"b" * 100
    assert stored.keys(s3, bucket) == {"b": 100}
    stored.check(s3, bucket, "b", m.path / "b", b"a" * 100)
    assert os.listdir(m.path) == ["b"]


def test_rename_onto_itself(s3, bucket, m):
    (m.path / "a").write_bytes(b"1")
    os.rename(m.path / "a", m.path / "a")
    assert stored.keys(s3, bucket) == {"a": 1}


def test_rename_refused(s3, bucket, m):
    os.makedirs(m.path / "d/sub")
    os.mkdir(m.path / "e")
    (m.path / "f").write_bytes(b"x")
    before = stored.keys(s3, bucket)
    refused(errno.ENOENT, os.rename, m.path / "no", m.path / "f")
    refused(errno.ENOENT, os.rename, m.path / "f", m.path / "no/f")
    refused(errno.EISDIR, os.rename, m.path / "f", m.path / "d")
    refused(errno.ENOTDIR, os.rename, m.path / "d", m.path / "f")
    refused({errno.ENOTEMPTY, errno.EEXIST}, os.rename, m.path / "e",
            m.path / "d")
    refused(errno.EINVAL, os.rename, m.path / "d", m.path / "d/sub/d")
    assert stored.keys(s3, bucket) == before


def test_rename_noreplace(s3, bucket, m):
    for name in ("a", "b"):
        (m.path / name).write_bytes(name.encode())
    os.mkdir(m.path / "d")
    refused(errno.EEXIST, renameat2, m.path / "a", m.path / "b", NOREPLACE)
    refused(errno.EEXIST, renameat2, m.path / "d", m.path / "b", NOREPLACE)
    refused(errno.EINVAL, renameat2, m.path / "a", m.path / "b", EXCHANGE)
    run("mv", "-n", m.path / "a", m.path / "b", check=False)
    assert (m.path / "a").read_bytes() == b"a"
    assert stored.body(s3, bucket, "b") == b"b"
    renameat2(m.path / "a", m.path / "c", NOREPLACE)
    run("mv", "-n", m.path / "b", m.path / "d")
    assert stored.keys(s3, bucket) == {"c": 1, "d/": 0, "d/b": 1}


def test_rename_noreplace_sees_what_others_put(s3, bucket, m):
    (m.path / "a").write_bytes(b"mine")
    assert os.listdir(m.path) == ["a"]
    s3.put_object(Bucket=bucket, Key="b", Body=b"theirs")
    refused(errno.EEXIST, renameat2, m.path / "a", m.path / "b", NOREPLACE)
    assert stored.body(s3, bucket, "b") == b"theirs"
    assert stored.body(s3, bucket, "a") == b"mine"


def test_rename_a_folder(s3, bucket, m):
    wanted = {}
    for i in range(40):
        name = f"s{i % 3}/t{i % 2}/f{i}"
        os.makedirs((m.path / "d" / name).parent, exist_ok=True)
        wanted[name] = noise(i * 100, i)
        (m.path / "d" / name).write_bytes(wanted[name])
    wanted["large"] = noise(PART + 1)
    (m.path / "d/large").write_bytes(wanted["large"])
    os.symlink("large", m.path / "d/link")
    os.chmod(m.path / "d", 0o700)
    ino = (m.path / "d/large").stat().st_ino
    before = stored.tree(m.path / "d")
    os.rename(m.path / "d", m.path / "new")
    found = stored.keys(s3, bucket)
    assert all(key.startswith("new/") for key in found), found
    assert "new/" in found and "new/s0/t0/" in found
    for name, content in wanted.items():
        stored.check(s3, bucket, f"new/{name}", m.path / "new" / name,
                     content)
    assert stored.tree(m.path / "new") == before
    assert (m.path / "new/large").stat().st_ino == ino
    assert stat.S_IMODE((m.path / "new").stat().st_mode) == 0o700
    assert os.listdir(m.path) == ["new"]


@pytest.mark.servers("moto")
def test_rename_a_folder_of_others(s3, bucket, mount):
    """Implicit, never listed, with keys that have no path.

    (versitygw makes d/x/y of d/x//y.)
    """
    for key in ("d/a", "d/e/b", "d/e/f/c", "d/x//y"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    m = mount(bucket, ro=False)
    os.rename(m.path / "d", m.path / "n")
    found = stored.keys(s3, bucket)
    assert {"n/a", "n/e/b", "n/e/f/c"} <= set(found)
    assert not {"d/a", "d/e/b", "d/e/f/c"} & set(found)
    assert {"d/x//y", "n/x//y"} & set(found), "an odd key was dropped"
    assert stored.body(s3, bucket, "n/e/f/c") == b"d/e/f/c"


def test_rename_over_an_empty_folder(s3, bucket, m):
    os.mkdir(m.path / "a")
    os.mkdir(m.path / "b")
    (m.path / "a/f").write_bytes(b"1")
    os.rename(m.path / "a", m.path / "b")
    assert stored.keys(s3, bucket) == {"b/": 0, "b/f": 1}


def test_rename_out_of_an_implicit_folder(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="d/f", Body=b"x")
    m = mount(bucket, ro=False)
    os.rename(m.path / "d/f", m.path / "f")
    assert stored.keys(s3, bucket) == {"d/": 0, "f": 1}


# Kinds of files.

def test_symlink(s3, bucket, m):
    target = "d/caf\u00e9 \u65e5\u672c"
    os.symlink(target, m.path / "l")
    got = s3.get_object(Bucket=bucket, Key="l")
    assert got["Body"].read() == target.encode()
    assert int(got["Metadata"]["mode"]) == stat.S_IFLNK | 0o777
    stored.check_metadata(got["Metadata"], m.path / "l")
    assert os.readlink(m.path / "l") == target
    assert os.lstat(m.path / "l").st_size == len(target.encode())
    refused(errno.EEXIST, os.symlink, "x", m.path / "l")
    os.rename(m.path / "l", m.path / "k")
    assert os.readlink(m.path / "k") == target
    assert stored.body(s3, bucket, "k") == target.encode()


def test_special_files(s3, bucket, m, mount):
    os.mkfifo(m.path / "fifo", 0o600)
    os.mknod(m.path / "sock", stat.S_IFSOCK | 0o640)
    os.mknod(m.path / "plain", stat.S_IFREG | 0o644)
    kinds = {"fifo": stat.S_IFIFO | 0o600, "sock": stat.S_IFSOCK | 0o640,
             "plain": stat.S_IFREG | 0o644}
    other = mount(bucket)
    for name, mode in kinds.items():
        assert os.lstat(m.path / name).st_mode == mode
        assert int(metadata(s3, bucket, name)["mode"]) == mode
        assert stored.keys(s3, bucket)[name] == 0
        assert os.lstat(other.path / name).st_mode == mode


def test_no_hard_links(m):
    (m.path / "f").write_bytes(b"x")
    refused({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK},
            os.link, m.path / "f", m.path / "g")
    assert os.listdir(m.path) == ["f"]


# Attributes.

@pytest.mark.parametrize("kind", ["file", "large", "folder", "implicit"])
def test_chmod_chown_utimens(s3, bucket, mount, kind):
    key = {"folder": "x/", "implicit": "x/"}.get(kind, "x")
    if kind == "implicit":
        s3.put_object(Bucket=bucket, Key="x/f", Body=b"1")
    m = mount(bucket, ro=False)
    body = noise(20 * MIB if kind == "large" else 500)
    if kind == "folder":
        os.mkdir(m.path / "x")
    elif kind != "implicit":
        (m.path / "x").write_bytes(body)
    os.chmod(m.path / "x", 0o2705)
    os.chown(m.path / "x", 1234, 5678)
    os.utime(m.path / "x", ns=(11 * NS + 5, -7 * NS + 3))
    st = (m.path / "x").stat()
    assert stat.S_IMODE(st.st_mode) & 0o777 == 0o705
    assert (st.st_uid, st.st_gid) == (1234, 5678)
    assert (st.st_atime_ns, st.st_mtime_ns) == (11 * NS + 5, -7 * NS + 3)

    def sent():
        try:
            stored.check_metadata(metadata(s3, bucket, key), m.path / "x")
        except (AssertionError, s3.exceptions.ClientError):
            return False
        return True

    stored.wait_for(sent, "the attributes to be sent")
    if kind in ("file", "large"):
        assert stored.body(s3, bucket, "x") == body
    m.remount()
    now = (m.path / "x").stat()  # st_dev is another mount's
    assert (now.st_mode, now.st_uid, now.st_gid, now.st_mtime_ns) == (
        st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns)


def test_fsync_sends_attributes(s3, bucket, mount):
    m = mount(bucket, ro=False, write_delay=60000)
    (m.path / "f").write_bytes(b"x")
    os.chmod(m.path / "f", 0o600)
    assert int(metadata(s3, bucket, "f")["mode"]) != stat.S_IFREG | 0o600
    with open(m.path / "f", "rb") as f:
        os.fsync(f.fileno())
    assert int(metadata(s3, bucket, "f")["mode"]) == stat.S_IFREG | 0o600


def test_umount_sends_attributes(s3, bucket, mount):
    m = mount(bucket, ro=False, write_delay=60000)
    (m.path / "f").write_bytes(b"x")
    os.chmod(m.path / "f", 0o600)
    m.umount()
    assert int(metadata(s3, bucket, "f")["mode"]) == stat.S_IFREG | 0o600


def xattrs_of(text):
    """Decode s3fs's form."""
    return {name: base64.b64decode(value)
            for name, value in json.loads(unquote(text)).items()}


def test_xattrs(s3, bucket, m, mount):
    path = m.path / "f"
    path.write_bytes(b"x")
    os.setxattr(path, "user.colour", b"blue\0\xff")
    os.setxattr(path, "user.caf\u00e9 %", b"")
    os.setxattr(path, "user.gone", b"1")
    os.removexattr(path, "user.gone")
    refused(errno.EEXIST, os.setxattr, path, "user.colour", b"",
            os.XATTR_CREATE)
    refused(errno.ENODATA, os.setxattr, path, "user.no", b"",
            os.XATTR_REPLACE)
    refused(errno.ENODATA, os.removexattr, path, "user.no")
    refused({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP}, os.setxattr, path,
            "user.s3.etag", b"x")
    wanted = {"user.colour": b"blue\0\xff", "user.caf\u00e9 %": b""}
    stored.wait_for(lambda: xattrs_of(metadata(s3, bucket, "f").get(
        "xattr", "{}")) == wanted)
    other = mount(bucket)
    for one in (m, other):
        names = {n for n in os.listxattr(one.path / "f")
                 if not n.startswith("user.s3.")}
        assert names == set(wanted)
        for name, value in wanted.items():
            assert os.getxattr(one.path / "f", name) == value


def test_setfattr(s3, bucket, m):
    (m.path / "f").write_bytes(b"x")
    subprocess.run(["setfattr", "-n", "user.a", "-v", "b", m.path / "f"],
                   check=True)
    assert os.getxattr(m.path / "f", "user.a") == b"b"
    stored.wait_for(lambda: "xattr" in metadata(s3, bucket, "f"))
