# SPDX-License-Identifier: Apache-2.0
"""A mount whose daemon was killed and hangs, or that ends but is not gone.

A thread of the killed one tells the kernel of a name that changed, and waits
there for the lock of the folder, which a call has that the daemon was to
answer: neither ends, and what the process has open, the connection to the
kernel and the lock of the cache folder, stays open.
"""

import os
import signal
import subprocess
import threading

import pytest
from lib import env, process, stored
from lib.command import mount_at, mounts_at
from lib.mount import MountError

pytestmark = pytest.mark.servers("versitygw")
HANG_S = 20


class Hanging:
    """Kill the daemon of a new mount so that it hangs; see above."""

    def __init__(self, s3, bucket, proxy, mount, fuse):
        self.mount = m = mount(bucket, proxy=proxy, ro=False)
        (m.path / "f").write_bytes(b"base")
        f = open(m.path / "f", "r+b", buffering=0)
        f.write(b"mine")
        s3.put_object(Bucket=bucket, Key="f", Body=b"theirs")
        proxy.fault("hold", op="PutObject", key="^d/$", when="before", nth=1)
        self.call = threading.Thread(target=self._mkdir)
        self.call.start()
        proxy.wait_held()
        with pytest.raises(OSError):
            f.close()       # a conflict, which the kernel is told of
        self.pid = m.pid
        fuse.watch(self.pid, m.path)
        process.wait_until(lambda: process.hangs(m.pid), HANG_S * env.slow(),
                           "it to hang")
        os.kill(m.pid, signal.SIGKILL)
        m.pid = 0
        process.wait_until(lambda: process.state(self.pid) == "Z",
                           HANG_S * env.slow(), "the kill")
        assert process.hangs(self.pid)
        proxy.drop()
        proxy.restore()

    def _mkdir(self):
        with pytest.raises(OSError):
            os.mkdir(self.mount.path / "d")

    def is_gone(self):
        try:
            process.reap(self.pid, HANG_S * env.slow())
            return True
        except TimeoutError:
            return False



@pytest.fixture
def hanging(s3, bucket, proxy, mount, fuse):
    one = Hanging(s3, bucket, proxy, mount, fuse)
    yield one
    fuse.end()
    one.call.join()


def test_p1_mounting_again_ends_what_hangs(hanging):
    """The old process is gone, and what it had not sent is there."""
    m = hanging.mount
    mount_at(m)
    assert hanging.is_gone() and len(mounts_at(m.path)) == 1
    names = [n for n in os.listdir(m.path) if n.startswith("f.conflict-")]
    assert (m.path / "f").read_bytes() == b"theirs"
    assert [(m.path / n).read_bytes() for n in names] == [b"mine"]


def test_pailctl_says_so_and_clears_it(hanging):
    m = hanging.mount
    status, said = m.ctl("status", str(m.path))
    assert status == 1 and "has died" in said and "pailctl umount" in said
    status, said = m.ctl("umount", str(m.path))
    assert status == 1 and "had died" in said
    assert hanging.is_gone() and not m.mounted()
    m.start()


def test_the_lock_of_what_hangs_is_told(hanging, mount):
    """Its mount was taken away, so that nobody can tell it to end."""
    m = hanging.mount
    subprocess.run(["umount", "-l", str(m.path)], check=True)
    with pytest.raises(MountError) as e:
        m.start()
    assert f"process {hanging.pid} still" in e.value.said
    assert "killed" in e.value.said and "umount -f" in e.value.said


def test_a_mount_that_ends_is_waited_for(s3, bucket, proxy, mount):
    """umount returns before its daemon has sent all, and let go of it."""
    m = mount(bucket, proxy=proxy, ro=False, sync="local")
    proxy.fault("hold", op="PutObject", key="^f$", when="before", nth=1)
    (m.path / "f").write_bytes(b"x")
    proxy.wait_held()
    old = m.pid
    subprocess.run(["umount", str(m.path)], check=True)
    release = threading.Timer(1, proxy.release)
    release.start()
    mount_at(m)
    assert process.reap(old, HANG_S * env.slow()) in (0, None)
    assert (m.path / "f").read_bytes() == b"x"
    assert stored.keys(s3, bucket) == {"f": 1}


def test_a_mount_that_does_not_end_is_told(bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False, sync="local")
    proxy.fault("hold", op="PutObject", key="^f$", when="before", nth=1)
    (m.path / "f").write_bytes(b"x")
    proxy.wait_held()
    old = m.pid
    subprocess.run(["umount", str(m.path)], check=True)
    with pytest.raises(MountError) as e:
        m.start()
    assert f"process {old} still" in e.value.said
    assert "sends what S3 does not have" in e.value.said
    proxy.release()
    mount_at(m)
    assert process.reap(old, HANG_S * env.slow()) in (0, None)
