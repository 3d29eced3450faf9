# SPDX-License-Identifier: Apache-2.0
"""Attributes as s3fs, rclone, AWS's tools and geesefs leave them."""

import base64
import errno
import json
import os
import stat
import subprocess
import time
from urllib.parse import quote

import pytest
from lib.data import noise

NS = 10 ** 9
WHEN = 1354040105               # seconds; rclone's own example


def put(s3, bucket, key, body=b"some text", content_type=None, **metadata):
    """Put an object; a_b=1 is the header x-amz-meta-a-b: 1."""
    extra = {"ContentType": content_type} if content_type else {}
    return s3.put_object(
        Bucket=bucket, Key=key, Body=body,
        Metadata={k.replace("_", "-"): str(v) for k, v in metadata.items()},
        **extra)


def permissions(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def s3fs_xattrs(**values):
    return quote(json.dumps({
        f"user.{k}": base64.b64encode(v).decode() for k, v in values.items()}))


# As others write them.

def test_a_file_of_s3fs(s3, bucket, mount):
    put(s3, bucket, "f", mode=0o100640, uid=1234, gid=5678,
        mtime=f"{WHEN}.123456789", atime=f"{WHEN + 1}", ctime=f"{WHEN + 2}.5",
        xattr=s3fs_xattrs(colour=b"blue\0\xff", empty=b""))
    m = mount(bucket)
    st = (m.path / "f").stat()
    assert st.st_mode == stat.S_IFREG | 0o640
    assert (st.st_uid, st.st_gid, st.st_nlink) == (1234, 5678, 1)
    assert st.st_mtime_ns == WHEN * NS + 123456789
    assert st.st_atime_ns == (WHEN + 1) * NS
    assert st.st_ctime_ns == (WHEN + 2) * NS + NS // 2
    assert os.getxattr(m.path / "f", "user.colour") == b"blue\0\xff"
    assert os.getxattr(m.path / "f", "user.empty") == b""
    assert {"user.colour", "user.empty"} <= set(os.listxattr(m.path / "f"))


def test_a_symlink_of_s3fs(s3, bucket, mount):
    put(s3, bucket, "l", b"d/target", "application/octet-stream",
        mode=0o120777, mtime=WHEN)
    put(s3, bucket, "d/target", b"reached")
    m = mount(bucket)
    assert os.readlink(m.path / "l") == "d/target"
    st = os.lstat(m.path / "l")
    assert st.st_mode == stat.S_IFLNK | 0o777
    assert st.st_size == len("d/target")
    assert (m.path / "l").read_bytes() == b"reached"
    with os.scandir(m.path) as entries:
        assert [e.is_symlink() for e in sorted(entries, key=lambda e: e.name)
                ] == [False, True]


def test_a_directory_of_s3fs(s3, bucket, mount):
    put(s3, bucket, "d/", b"", "application/x-directory", mode=0o40711,
        uid=77, gid=88, mtime=f"{WHEN}.000000001")
    put(s3, bucket, "d/f")
    m = mount(bucket)
    st = (m.path / "d").stat()
    assert st.st_mode == stat.S_IFDIR | 0o711
    assert (st.st_uid, st.st_gid) == (77, 88)
    assert st.st_mtime_ns == WHEN * NS + 1
    assert os.listdir(m.path / "d") == ["f"]


def test_a_fifo_and_a_device(s3, bucket, mount):
    put(s3, bucket, "p", b"", mode=stat.S_IFIFO | 0o620)
    put(s3, bucket, "s", b"", mode=stat.S_IFSOCK | 0o600)
    m = mount(bucket)
    st = (m.path / "p").stat()
    assert st.st_mode == stat.S_IFIFO | 0o620
    assert (m.path / "s").stat().st_mode == stat.S_IFSOCK | 0o600
    fd = os.open(m.path / "p", os.O_RDONLY | os.O_NONBLOCK)
    os.close(fd)


@pytest.mark.parametrize("text, ns", [
    ("1354040105.123456789", 123456789), ("1354040105.5", 500000000),
    ("1354040105", 0), ("1354040105.000000001", 1)])
def test_a_file_of_rclone(s3, bucket, mount, text, ns):
    put(s3, bucket, "f", mtime=text, md5chksum="UxLjFNkAqkQj4dZsnZ2QYQ==")
    m = mount(bucket)
    assert (m.path / "f").stat().st_mtime_ns == WHEN * NS + ns
    assert permissions(m.path / "f") == 0o644


@pytest.mark.parametrize("mode", ["0100604", "100604"])
def test_a_file_of_datasync_and_fsx(s3, bucket, mount, mode):
    put(s3, bucket, "f", file_permissions=mode, file_owner=11, file_group=12,
        file_mtime=f"{WHEN * NS + 7}ns", file_atime=f"{WHEN * NS + 8}ns",
        user_agent="aws-datasync")
    m = mount(bucket)
    st = (m.path / "f").stat()
    assert st.st_mode == stat.S_IFREG | 0o604
    assert (st.st_uid, st.st_gid) == (11, 12)
    assert st.st_mtime_ns == WHEN * NS + 7
    assert st.st_atime_ns == WHEN * NS + 8


def test_a_symlink_of_fsx(s3, bucket, mount):
    put(s3, bucket, "l", b"/etc/hostname", file_permissions="0120777")
    m = mount(bucket)
    assert os.readlink(m.path / "l") == "/etc/hostname"


def test_a_symlink_of_geesefs(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="l", Body=b"",
                  Metadata={"--symlink-target": "a%25b/c"})
    m = mount(bucket)
    assert os.readlink(m.path / "l") == "a%b/c"


def test_a_file_of_geesefs(s3, bucket, mount):
    put(s3, bucket, "f", mode=0o100755, uid=5, gid=6, mtime=WHEN)
    m = mount(bucket)
    st = (m.path / "f").stat()
    assert (st.st_mode, st.st_uid, st.st_gid) == (
        stat.S_IFREG | 0o755, 5, 6)
    assert st.st_mtime_ns == WHEN * NS


def test_a_large_file_has_attributes_too(s3, bucket, mount):
    """Over 4 096 bytes the type is known at once, the rest when asked."""
    put(s3, bucket, "f", noise(10_000), mode=0o100600, uid=9, mtime=WHEN)
    m = mount(bucket)
    os.listdir(m.path)
    st = (m.path / "f").stat()
    assert (permissions(m.path / "f"), st.st_uid, st.st_mtime_ns) == (
        0o600, 9, WHEN * NS)


def test_a_time_before_1970(s3, bucket, mount):
    put(s3, bucket, "f", mtime="-1.5")
    m = mount(bucket)
    assert (m.path / "f").stat().st_mtime_ns == -3 * NS // 2


def test_nonsense_is_as_if_it_were_not_there(s3, bucket, mount):
    for i, bad in enumerate(["x", "-1", "99999999999999999999", "1e400",
                             "0x10", "%00", "1 2"]):
        put(s3, bucket, f"f{i}", mode=bad, uid=bad, gid=bad, mtime=bad + "x",
            xattr=bad, file_permissions=bad)
    m = mount(bucket)
    for name in os.listdir(m.path):
        st = (m.path / name).stat()
        assert st.st_mode == stat.S_IFREG | 0o644, name
        assert (st.st_uid, st.st_gid) == (0, 0), name
        assert abs(st.st_mtime - time.time()) < 120, name
        assert (m.path / name).read_bytes() == b"some text"


def test_a_metadata_copy_shows_after_the_ttl(s3, bucket, mount):
    """The ETag stays the same: LastModified tells."""
    put(s3, bucket, "f", mode=0o100600)
    m = mount(bucket, ttl=0)
    assert permissions(m.path / "f") == 0o600
    time.sleep(1.1)             # LastModified has whole seconds
    s3.copy_object(Bucket=bucket, Key="f", CopySource=f"{bucket}/f",
                   MetadataDirective="REPLACE",
                   Metadata={"mode": str(0o100755)})
    assert permissions(m.path / "f") == 0o755
    assert (m.path / "f").read_bytes() == b"some text"


@pytest.mark.servers("moto")    # versitygw's LastModified stays
def test_a_metadata_copy_of_what_was_made_here(s3, bucket, mount):
    """Its LastModified was not seen before: a later one is another's."""
    m = mount(bucket, ro=False, ttl=1)
    (m.path / "f").write_bytes(b"some text")
    time.sleep(3.1)             # two seconds are the same time
    s3.copy_object(Bucket=bucket, Key="f", CopySource=f"{bucket}/f",
                   MetadataDirective="REPLACE",
                   Metadata={"mode": str(0o100755)})
    time.sleep(1.1)
    assert os.listdir(m.path) == ["f"]
    assert permissions(m.path / "f") == 0o755
    assert (m.path / "f").read_bytes() == b"some text"


def test_a_metadata_copy_within_the_second(s3, bucket, mount):
    """Headers seen within 2 s of LastModified are asked for again."""
    m = mount(bucket, ttl=0)
    for mode in (0o600, 0o640, 0o755):
        put(s3, bucket, "f", mode=stat.S_IFREG | mode)
        assert permissions(m.path / "f") == mode


# Options.

def test_no_metadata_at_all(s3, bucket, mount):
    before = time.time() - 2
    put(s3, bucket, "f")
    put(s3, bucket, "d/f")
    m = mount(bucket)
    st = (m.path / "f").stat()
    assert st.st_mode == stat.S_IFREG | 0o644
    assert (st.st_uid, st.st_gid) == (os.geteuid(), os.getegid())
    assert before <= st.st_mtime <= time.time() + 2
    assert st.st_blocks * 512 >= st.st_size
    assert (m.path / "d").stat().st_mode == stat.S_IFDIR | 0o755
    assert m.path.stat().st_mode == stat.S_IFDIR | 0o755


def test_file_mode_and_dir_mode(s3, bucket, mount):
    put(s3, bucket, "f")
    put(s3, bucket, "d/f")
    put(s3, bucket, "own", mode=0o100700)
    m = mount(bucket, file_mode="0640", dir_mode="0710")
    assert permissions(m.path / "f") == 0o640
    assert permissions(m.path / "d") == 0o710
    assert permissions(m.path) == 0o710
    assert permissions(m.path / "own") == 0o700


def test_uid_gid_and_umask_win_over_metadata(s3, bucket, mount):
    put(s3, bucket, "f", mode=0o100777, uid=1, gid=2)
    put(s3, bucket, "d/f")
    m = mount(bucket, uid=4321, gid=8765, umask="0027")
    for path in ("f", "d", "d/f", "."):
        st = (m.path / path).stat()
        assert (st.st_uid, st.st_gid) == (4321, 8765), path
    assert permissions(m.path / "f") == 0o750
    assert permissions(m.path / "d") == 0o750
    assert permissions(m.path / "d/f") == 0o640


def test_attrs_list_asks_for_no_headers(proxy, proxy_s3, bucket, mount):
    put(proxy_s3, bucket, "f", mode=0o100600, uid=7, mtime=WHEN)
    put(proxy_s3, bucket, "l", b"f", mode=0o120777)
    put(proxy_s3, bucket, "d/g", noise(5000))
    m = mount(bucket, proxy=proxy, attrs="list")
    proxy.reset()
    out = subprocess.run(["ls", "-lR", str(m.path)], check=True,
                         capture_output=True).stdout
    assert b" f\n" in out and b" g\n" in out
    st = (m.path / "f").stat()
    assert st.st_mode == stat.S_IFREG | 0o644
    assert st.st_mtime > WHEN + 1000
    assert stat.S_ISREG(os.lstat(m.path / "l").st_mode)
    assert (m.path / "l").read_bytes() == b"f"
    assert proxy.count("HeadObject") == 0


# Extended attributes.

def test_what_pailfs_tells_of_an_object(s3, bucket, mount):
    etag = put(s3, bucket, "d/f")["ETag"].strip('"')
    m = mount(bucket)

    def get(name):
        return os.getxattr(m.path / "d/f", "user.s3." + name).decode()

    assert get("etag").strip('"') == etag
    assert get("key") == "d/f"
    assert get("storage-class") == "STANDARD"
    assert get("state") == "clean"
    # Who copies attributes is not to carry them along, nor remove them.
    assert os.listxattr(m.path / "d/f") == []
    assert os.getxattr(m.path / "d", "user.s3.key") == b"d/"
    with pytest.raises(OSError) as e:
        get("nonsense")
    assert e.value.errno == errno.ENODATA


@pytest.mark.servers("moto")
def test_the_version_id(s3, bucket, mount):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={
        "Status": "Enabled"})
    version = put(s3, bucket, "f")["VersionId"]
    m = mount(bucket)
    (m.path / "f").stat()
    assert os.getxattr(m.path / "f", "user.s3.version-id").decode() == version


def test_getfattr_and_getxattr_sizes(s3, bucket, mount):
    value = b"v" * 500
    put(s3, bucket, "f", xattr=s3fs_xattrs(note=value))
    m = mount(bucket)
    out = subprocess.run(
        ["getfattr", "--absolute-names", "-d", "-m", "-", str(m.path / "f")],
        check=True, capture_output=True, text=True).stdout
    assert f'user.note="{value.decode()}"' in out
    assert "user.s3." not in out
    out = subprocess.run(
        ["getfattr", "--absolute-names", "--only-values", "-n",
         "user.s3.key", str(m.path / "f")],
        check=True, capture_output=True, text=True).stdout
    assert out == "f"
    with pytest.raises(OSError) as e:
        os.getxattr(m.path / "f", "security.capability")
    assert e.value.errno == errno.ENODATA


# The file system as a whole.

def test_statfs(bucket, mount):
    m = mount(bucket, bucket_size="3T")
    vfs = os.statvfs(m.path)
    assert vfs.f_frsize * vfs.f_blocks == 3 << 40
    assert 0 < vfs.f_bavail <= vfs.f_bfree <= vfs.f_blocks
    assert vfs.f_namemax == 255
    assert vfs.f_files > 0 and vfs.f_ffree > 0
    line = subprocess.run(["df", "--output=size,fstype", "-B1", str(m.path)],
                          check=True, capture_output=True, text=True).stdout
    assert line.splitlines()[1].split() == [str(3 << 40), "fuse.pailfs"]


def test_attributes_are_kept_over_a_remount(proxy, proxy_s3, bucket, mount):
    put(proxy_s3, bucket, "d/f", mode=0o100600, uid=3, mtime=f"{WHEN}.5")
    put(proxy_s3, bucket, "d/l", b"f", mode=0o120777)
    m = mount(bucket, proxy=proxy, ttl=600)
    time.sleep(2.1)             # headers younger than this are asked again
    def look():
        st = os.lstat(m.path / "d/f")  # but for st_dev, another mount's
        return (st.st_mode, st.st_ino, st.st_uid, st.st_gid, st.st_size,
                st.st_mtime_ns, os.readlink(m.path / "d/l"))

    before = look()
    m.umount()
    proxy.reset()
    m.remount()
    assert look() == before
    assert proxy.count("HeadObject") == 0
    assert proxy.count("GetObject") == 0
