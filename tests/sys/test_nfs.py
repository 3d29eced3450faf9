# SPDX-License-Identifier: Apache-2.0
"""The mount exported by NFS, by a server of userspace, nfs-ganesha.

It knows files by their handles (test_handles.py) and closes them without a
flush.  Where the kernel has a server (`mount -t nfsd nfsd DIR' does not say
"unknown filesystem type"), it asks for the same.
"""

import os
import shutil

import pytest
from lib import nfs, stored
from lib.pairs import look
from lib.workload import data

pytestmark = [
    pytest.mark.servers("versitygw"), pytest.mark.timeout(240),
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="root's calls"),
    pytest.mark.skipif(not shutil.which("ganesha.nfsd"),
                       reason="which ganesha.nfsd: nothing; apt-get install"
                       " nfs-ganesha-vfs libnfs13")]

LARGE = 1 << 20


class Exported:
    """A mount, its server and a client."""

    def __init__(self, folder, m):
        self.m = m
        self.server = nfs.Server(folder / "nfs", m.path)
        self.server.start()
        self.client = nfs.Client(self.server.port)

    def call(self, name, path, *args):
        return self.client.path(name, path, *args)

    def close(self):
        self.client.close()
        self.server.stop()

    def restart(self, clear):
        """All of it begins anew."""
        self.client.close()
        self.server.stop()
        self.m.umount()
        if clear:
            shutil.rmtree(self.m.cache)
        self.m.start()
        self.server.start()
        self.client = nfs.Client(self.server.port)


@pytest.fixture(params=("close", "fsync"))
def exported(request, bucket, mount, tmp_path):
    one = Exported(tmp_path, mount(bucket, ro=False, sync=request.param))
    yield one
    one.close()


def in_s3(s3, bucket, exported):
    """Unmount, and assert that S3 has what was shown."""
    shown = look(exported.m.path)
    exported.server.stop()
    exported.m.umount()
    shutil.rmtree(exported.m.cache)
    exported.m.start()
    assert look(exported.m.path) == shown
    assert stored.uploads(s3, bucket) == []
    return shown


def test_a_tree(s3, bucket, exported):
    """Made, changed and moved about by the client; the mount shows it."""
    call, client = exported.call, exported.client
    call("mkdir", "/d")
    call("mkdir", "/d/e")
    client.write("/d/small", b"small")
    client.write("/d/large", data(LARGE))
    assert client.read("/d/large") == data(LARGE)
    call("rename", "/d/small", b"/d/e/other")
    call("truncate", "/d/large", 5000)
    call("chmod", "/d/e/other", 0o600)
    call("symlink", "e/other", b"/d/link")
    client.write("/d/gone", b"gone")
    call("unlink", "/d/gone")
    call("mkdir", "/d/void")
    call("rmdir", "/d/void")
    with pytest.raises(OSError):
        call("rmdir", "/d/e")
    call("rename", "/d/e", b"/moved")
    assert client.read("/moved/other") == b"small"
    shown = in_s3(s3, bucket, exported)
    assert set(shown) == {"d", "d/large", "d/link", "moved", "moved/other"}
    assert shown["d/large"][1] == data(LARGE)[:5000]
    assert shown["moved/other"] == ("0o100600", b"small", 0)


def test_what_programs_do_is_seen(exported):
    """And what the client does, by them."""
    top, client = exported.m.path, exported.client
    (top / "d").mkdir()
    (top / "d/f").write_bytes(b"one")
    assert client.read("/d/f") == b"one"
    handle = client.open("/d/f", os.O_RDWR)
    client.pwrite(handle, b"two!", 2)
    client.call("fsync", handle)
    assert (top / "d/f").read_bytes() == b"ontwo!"
    client.shut(handle)
    os.rename(top / "d/f", top / "d/g")
    assert client.read("/d/g") == b"ontwo!"


def test_written_and_closed_without_fsync(s3, bucket, exported):
    """No flush comes with this close; S3 gets it."""
    handle = exported.client.open("/f", os.O_RDWR | os.O_CREAT)
    exported.client.pwrite(handle, data(100_000))
    exported.client.shut(handle)
    stored.wait_for(lambda: stored.exists(s3, bucket, "f") and stored.body(
        s3, bucket, "f") == data(100_000))


@pytest.mark.parametrize("clear", (False, True))
def test_server_and_mount_begin_anew(exported, clear):
    exported.call("mkdir", "/d")
    exported.client.write("/d/f", b"before")
    exported.restart(clear)
    assert exported.client.read("/d/f") == b"before"
    exported.client.write("/d/g", b"after")
    assert (exported.m.path / "d/g").read_bytes() == b"after"
