# SPDX-License-Identifier: Apache-2.0
"""File handles, by which NFS servers and backup programs know files.

Each test takes them, mounts anew so that the kernel knows nothing of before,
and opens them.
"""

import errno
import os
import shutil
import subprocess

import pytest
from lib import handles

pytestmark = [pytest.mark.servers("versitygw"),
              pytest.mark.skipif(os.geteuid() != 0, reason="root's calls")]

CONTENT = b"content" * 1000


@pytest.fixture
def m(s3, bucket, mount):
    for key in ("d/e/deep", "d/file", "top"):
        s3.put_object(Bucket=bucket, Key=key, Body=CONTENT)
    return mount(bucket, ro=False, ttl=1)


def read(m, handle):
    fd = handles.opened(m.path, handle)
    try:
        return os.read(fd, 1 << 20)
    finally:
        os.close(fd)


def refused(m, handle):
    """Return the errno with which a handle is refused."""
    with pytest.raises(OSError) as e:
        os.close(handles.opened(m.path, handle, os.O_PATH))
    return e.value.errno


def kill(m):
    m.kill9()
    subprocess.run(["umount", "-l", str(m.path)], check=True)
    m.start()


@pytest.mark.parametrize("how", ("remount", "kill"))
def test_files_after_a_restart(m, how):
    paths = ("d/e/deep", "d/file", "top")
    (m.path / "made").write_bytes(CONTENT)
    taken = {path: handles.of_path(m.path / path)
             for path in (*paths, "made")}
    assert len(set(taken.values())) == len(taken)
    numbers = {path: os.stat(m.path / path).st_ino for path in taken}
    for path, handle in taken.items():
        assert read(m, handle) == CONTENT, path     # warm
    m.remount() if how == "remount" else kill(m)
    for path, handle in taken.items():
        assert read(m, handle) == CONTENT, path
        fd = handles.opened(m.path, handle)
        assert os.fstat(fd).st_ino == numbers[path]
        os.close(fd)
        assert handles.of_path(m.path / path) == handle


def test_written_by_its_handle(s3, bucket, m):
    handle = handles.of_path(m.path / "d/file")
    m.remount()
    fd = handles.opened(m.path, handle, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"more")
    os.close(fd)
    m.remount()
    assert read(m, handle) == CONTENT + b"more"
    got = s3.get_object(Bucket=bucket, Key="d/file")["Body"].read()
    assert got == CONTENT + b"more"


def test_folders_after_a_restart(m):
    """The kernel finds its way up to the root, and the name of each."""
    taken = {path: handles.of_path(m.path / path)
             for path in (".", "d", "d/e")}
    m.remount()
    for path in ("d/e", "d", "."):
        fd = handles.opened(m.path, taken[path], os.O_DIRECTORY)
        assert os.readlink(f"/proc/self/fd/{fd}") == str(
            m.path / path).rstrip("."), path
        assert os.listdir(fd) == os.listdir(m.path / path)
        up = os.stat("..", dir_fd=fd).st_ino
        assert path == "." or up == os.stat(m.path / path / "..").st_ino
        os.close(fd)
    assert os.stat(m.path / "d/e/..").st_ino == os.stat(m.path / "d").st_ino


def test_links_and_fifos(m):
    (m.path / "link").symlink_to("top")
    os.mkfifo(m.path / "fifo")
    taken = [handles.of_path(m.path / name) for name in ("link", "fifo")]
    m.remount()
    link, fifo = (handles.opened(m.path, handle, os.O_PATH)
                  for handle in taken)
    assert os.readlink("", dir_fd=link) == "top"
    assert os.fstat(fifo).st_ino == os.stat(m.path / "fifo").st_ino
    os.close(link)
    os.close(fifo)


def test_renamed(m):
    """A handle is of the file, whatever its name, and its folder's."""
    deep = handles.of_path(m.path / "d/e/deep")
    folder = handles.of_path(m.path / "d/e")
    os.rename(m.path / "d/e/deep", m.path / "d/e/other")
    os.rename(m.path / "d", m.path / "moved")
    m.remount()
    assert read(m, deep) == CONTENT
    fd = handles.opened(m.path, folder, os.O_DIRECTORY)
    assert os.readlink(f"/proc/self/fd/{fd}") == str(m.path / "moved/e")
    os.close(fd)


def test_changed_by_another(s3, bucket, m):
    """It is of a version: who has it looks the name up again."""
    handle = handles.of_path(m.path / "top")
    m.umount()
    s3.put_object(Bucket=bucket, Key="top", Body=b"another's")
    m.start()
    os.listdir(m.path)
    os.stat(m.path / "top")
    assert refused(m, handle) == errno.ESTALE
    assert read(m, handles.of_path(m.path / "top")) == b"another's"


@pytest.mark.parametrize("sync", ("close", "fsync"))
def test_removed(s3, bucket, mount, sync):
    s3.put_object(Bucket=bucket, Key="d/file", Body=CONTENT)
    m = mount(bucket, ro=False, sync=sync, write_delay=60000)
    handle = handles.of_path(m.path / "d/file")
    folder = handles.of_path(m.path / "d")
    os.unlink(m.path / "d/file")
    os.rmdir(m.path / "d")
    (m.path / "d").mkdir()
    (m.path / "d/file").write_bytes(b"anew")
    # The kernel forgets what has no name.
    assert refused(m, handle) == errno.ESTALE
    assert refused(m, folder) == errno.ESTALE
    m.remount()
    assert refused(m, handle) == errno.ESTALE
    assert refused(m, folder) == errno.ESTALE


def test_of_another_cache_folder(m):
    """Its numbers may be given again: they are others."""
    taken = {path: handles.of_path(m.path / path)
             for path in ("d/e/deep", "d/file", "top", "d", "d/e")}
    root = handles.of_path(m.path)
    m.umount()
    shutil.rmtree(m.cache)
    m.start()
    for here, _, _ in os.walk(m.path):
        assert os.listdir(here)
    for path, handle in taken.items():
        assert refused(m, handle) == errno.ESTALE, path
        assert handles.of_path(m.path / path) != handle
    os.close(handles.opened(m.path, root, os.O_DIRECTORY))


def test_handles_of_nothing(m):
    good = bytearray(handles.of_path(m.path / "top"))
    for at in range(8, len(good)):
        bad = bytearray(good)
        bad[at] ^= 0x55
        assert refused(m, bytes(bad)) == errno.ESTALE
    m.check()
    assert read(m, bytes(good)) == CONTENT
