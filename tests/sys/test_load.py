# SPDX-License-Identifier: Apache-2.0
"""Load as others make it: no call fails, no byte is wrong, nothing is left.

fio that verifies what it wrote, dbench, stress-ng's class
filesystem, and random calls of several processes on one tree.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lib import env, fsstress, stored
from lib.data import MIB
from lib.workload import rss, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(240)]


@pytest.fixture(params=("close", "fsync"))
def m(request, bucket, mount):
    return mount(bucket, ro=False, sync=request.param)


def compare(m, s3, bucket):
    """Assert that S3 has all files as the mount shows them."""
    shown = {str(path.relative_to(m.path)): path.read_bytes()
             for path in m.path.rglob("*") if path.is_file()}
    m.umount()
    assert {key for key in stored.keys(s3, bucket)
            if not key.endswith("/")} == set(shown)
    for key, content in shown.items():
        assert stored.body(s3, bucket, key) == content, key
    assert stored.uploads(s3, bucket) == []
    return shown


FIO = {
    "random": ["--rw=randwrite", "--bsrange=512-64k", "--ioengine=psync"],
    "mixed": ["--rw=randrw", "--bsrange=512-64k", "--ioengine=psync",
              "--fsync=50"],
    "mmap": ["--rw=randrw", "--bs=4k", "--ioengine=mmap", "--fsync=100"],
    "threads": ["--rw=randrw", "--bs=16k", "--ioengine=libaio", "--iodepth=8",
                "--direct=1"],
}


@pytest.mark.parametrize("how", FIO)
def test_fio_verifies(s3, bucket, m, tmp_path, how):
    run("fio", "--name=f", "--directory=" + str(m.path), "--size=12m",
        "--numjobs=2", "--verify=crc32c", "--verify_fatal=1",
        "--verify_state_save=0", "--randseed=1", *FIO[how],
        timeout=200, cwd=tmp_path)
    assert len(compare(m, s3, bucket)) == 2


def test_dbench(s3, bucket, m):
    """A file server's day: it fails itself if a call does."""
    done = run("dbench", "-t", "5", "-D", m.path, "2",
               timeout=200).decode()
    assert "Throughput" in done, done
    # It leaves the folders that it made last.
    folders = {f"{path.relative_to(m.path)}/" for path in m.path.rglob("*")}
    assert "clients/client1/" in folders
    assert compare(m, s3, bucket) == {}
    assert set(stored.keys(s3, bucket)) == folders


# Not of the class filesystem, or of nothing on the mount: binderfs,
# bind-mount, eventfd, ioprio, procfs.
# "io: this is a legacy I/O sync stressor": sync(2) of the whole machine.
# "fiemap: FS_IOC_FIEMAP not supported on the file system, skipping".
# "link: link calls not allowed on the filesystem, skipping stressor".
# "verity: verity is not supported on the file system or by the kernel".
STRESSORS = (
    "access", "chattr", "chdir", "chmod", "chown", "copy-file", "dentry",
    "dir", "dirdeep", "dirmany", "dnotify", "dup", "fallocate", "fanotify",
    "fcntl", "file-ioctl", "filename", "flock", "fpunch", "fsize", "fstat",
    "getdent", "handle", "hdd", "inode-flags", "inotify", "iomix", "lease",
    "locka", "lockf", "lockofd", "mknod", "open", "rename", "symlink",
    "sync-file", "touch", "utime", "xattr")
SHORT = ("dentry", "fallocate", "fpunch", "handle", "iomix", "open", "rename",
         "xattr")


def stress(m, names):
    """Run each for a second; it checks itself what it did."""
    for name in names:
        done = subprocess.run(
            ["stress-ng", f"--{name}", "1", "--timeout", "1", "--temp-path",
             m.path, "--verify", "--hdd-bytes", "4M", "--iomix-bytes", "4M",
             "--dentries", "50", "--dirdeep-inodes", "200"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
            timeout=100 * env.slow())
        said = done.stdout
        assert done.returncode == 0, said
        assert "successful run completed" in said, said
        assert "fail:" not in said and "skipping" not in said, said
        assert os.listdir(m.path) == [], name
        m.check()


def test_stress_ng(s3, bucket, m):
    stress(m, SHORT)
    m.umount()
    assert stored.keys(s3, bucket) == {}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_stress_ng_all(s3, bucket, m):
    stress(m, STRESSORS)
    m.umount()
    assert stored.keys(s3, bucket) == {}


def shape(top):
    """Return {path: kind, mode, mtime of files, content} below ${top}."""
    found = {}
    for path in sorted(Path(top).rglob("*")):
        st = path.lstat()
        content = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = (path.read_bytes(), st.st_mtime_ns,
                       os.listxattr(path).count("user.x"))
        found[str(path.relative_to(top))] = (oct(st.st_mode), content)
    return found


def stress_tree(folder, count, processes=4):
    jobs = [subprocess.Popen(
        [sys.executable, fsstress.__file__, str(folder), str(seed),
         str(count)], stderr=subprocess.PIPE, text=True)
        for seed in range(processes)]
    said = [job.communicate()[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0] * processes, said


def check_tree(m, s3, bucket):
    """Assert that a mount that knows nothing shows the same tree."""
    shown = shape(m.path)
    m.umount()
    assert stored.uploads(s3, bucket) == []
    subprocess.run(["rm", "-rf", m.cache], check=True)
    m.start()
    assert shape(m.path) == shown


# versitygw has no a beside a/b: what goes there in another order fails.  (Where
# a/ is there still it refuses the new file a with 412, as one that another made
# meanwhile, though a HEAD says that there is none: ESTALE for who writes it.)
@pytest.mark.servers("moto")
def test_random_tree(s3, bucket, m):
    m.check()
    stress_tree(m.path, 400)
    check_tree(m, s3, bucket)


# The server as above.
@pytest.mark.servers("moto")
@pytest.mark.skipif(env.flavour() != "",
                    reason="a sanitizer keeps what was freed")
def test_memory_does_not_grow(bucket, mount):
    """What is done again takes no more memory than the first times."""
    m = mount(bucket, ro=False, sync="fsync")

    def do_all():
        (m.path / "t").mkdir()
        stress_tree(m.path / "t", 400)
        run("fio", "--name=f", f"--directory={m.path}", "--size=6m",
            "--rw=randrw", "--bs=4k")
        for name in os.listdir(m.path):
            run("rm", "-rf", m.path / name)

    for _ in range(3):
        do_all()
    before = rss(m.pid)
    for _ in range(3):
        do_all()
    assert rss(m.pid) - before < 2 * MIB
    m.check()


@pytest.mark.long
@pytest.mark.servers("moto")
@pytest.mark.timeout(1200)
def test_random_tree_for_long(s3, bucket, m):
    for _ in range(10):
        m.check()
        stress_tree(m.path, 1000)
        check_tree(m, s3, bucket)
