# SPDX-License-Identifier: Apache-2.0
"""What S3 refuses, and a bad link: told in time, and nothing is lost."""

import errno
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import env, stored
from lib.data import MIB, PART, noise
from lib.workload import run
from test_write_names import refused

pytestmark = pytest.mark.servers("versitygw")
DENIED = {"status": 403, "code": "AccessDenied"}
BOTH = pytest.mark.servers("versitygw", "moto")
FILES = "^(?!\\.pailfs/)"       # keys that are no probes
FAULTS = {
    "503": ("slow_down", {}), "500": ("internal_error", {}),
    "reset": ("reset", {}), "lost reply": ("lost_reply", {}),
    "error in 200": ("error_200", {}), "delay": ("delay", {"ms": 200}),
    "error in 200, acted": ("error_200", {"acted": True}),
}


@pytest.fixture
def m(proxy, bucket, mount):
    """A mount that may write, through the proxy."""
    return mount(bucket, proxy=proxy, ro=False)


def cache(m):
    return m.status()["cache"]


def peek(path, size=1 << 30):
    """Return a file's bytes; its close may tell of what is not in S3."""
    fd = os.open(path, os.O_RDONLY)
    try:
        size = min(size, os.fstat(fd).st_size)
        return os.pread(fd, size, 0)
    finally:
        try:
            os.close(fd)
        except OSError:
            pass


# Refused by a policy.

@pytest.mark.parametrize("size,op", [
    (100, "PutObject"), (12 * MIB, "CreateMultipartUpload"),
    (12 * MIB, "UploadPart"), (12 * MIB, "CompleteMultipartUpload")])
def test_p8_put_denied(s3, bucket, proxy, m, size, op):
    """EACCES at close or earlier; the bytes are kept, and go up later."""
    proxy.fault("status", op=op, key=FILES, **DENIED)
    refused(errno.EACCES, (m.path / "f").write_bytes, noise(size))
    assert not stored.exists(s3, bucket, "f")
    assert peek(m.path / "f") == noise(size)
    got = cache(m)
    assert got["failed_files"] == 1 and got["dirty_files"] == 1, got
    assert got["dirty_bytes"] >= size
    status, said = m.ctl("status", str(m.path))
    assert status == 0 and "refused by S3" in said
    proxy.clear()
    with open(m.path / "f", "rb+") as f:
        os.fsync(f.fileno())
    stored.check(s3, bucket, "f", m.path / "f", noise(size))
    got = cache(m)
    assert got["failed_files"] == 0 and got["dirty_bytes"] == 0, got
    assert stored.uploads(s3, bucket) == []


def test_p8_put_denied_is_tried_again(s3, bucket, proxy, m):
    """By a timer, without anybody asking."""
    proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    refused(errno.EACCES, (m.path / "f").write_bytes, b"kept")
    proxy.clear()
    stored.wait_for(lambda: stored.keys(s3, bucket) == {"f": 4}, "a retry",
                    15)
    stored.check(s3, bucket, "f", m.path / "f", b"kept")


def test_p8_overwrite_denied(s3, bucket, proxy, m):
    """The old object stays."""
    (m.path / "f").write_bytes(b"old")
    proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    refused(errno.EACCES, (m.path / "f").write_bytes, b"newer")
    assert stored.body(s3, bucket, "f") == b"old"
    assert peek(m.path / "f") == b"newer"
    assert cache(m)["failed_files"] == 1


def test_p8_each_handle_is_told_once(proxy, m):
    proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    writer = os.open(m.path / "f", os.O_RDWR | os.O_CREAT)
    other = os.open(m.path / "f", os.O_RDWR)
    os.write(writer, b"x")
    refused(errno.EACCES, os.fsync, writer)
    refused(errno.EACCES, os.fsync, other)
    proxy.clear()
    for fd in (writer, other):
        try:
            os.close(fd)
        except OSError as e:
            assert e.errno == errno.EACCES


def test_p8_put_denied_and_unlinked(s3, bucket, proxy, m):
    """Nothing is owed any more."""
    proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    refused(errno.EACCES, (m.path / "f").write_bytes, b"x" * 1000)
    os.unlink(m.path / "f")
    assert os.listdir(m.path) == []
    stored.wait_for(lambda: cache(m)["dirty_bytes"] == 0)
    assert cache(m)["failed_files"] == 0
    m.umount()
    proxy.clear()
    assert stored.keys(s3, bucket) == {}


def test_p8_umount_tells_and_keeps(s3, bucket, proxy, m):
    """Not 0 and the name; the next mount sends it."""
    rule = proxy.fault("status", op="PutObject", key=FILES, **DENIED)
    refused(errno.EACCES, (m.path / "kept").write_bytes, b"bytes" * 1000)
    status, said = m.ctl("umount", str(m.path))
    assert status != 0, said
    assert "kept" in said + m.log_tail(), said
    assert not m.mounted()
    m.pid = 0
    proxy.clear(rule)
    m.start()
    assert (m.path / "kept").read_bytes() == b"bytes" * 1000
    stored.wait_for(lambda: stored.keys(s3, bucket) == {"kept": 5000}, "it",
                    15)


def test_p8_mkdir_and_symlink_denied(s3, bucket, proxy, m):
    assert os.listdir(m.path) == []
    proxy.fault("status", op="PutObject", **DENIED)
    refused(errno.EACCES, os.mkdir, m.path / "d")
    refused(errno.EACCES, os.symlink, "x", m.path / "l")
    refused(errno.EACCES, os.mkfifo, m.path / "p")
    proxy.clear()
    assert os.listdir(m.path) == []
    os.mkdir(m.path / "d")
    assert stored.keys(s3, bucket) == {"d/": 0}


def test_p8_delete_denied(s3, bucket, proxy, m):
    (m.path / "f").write_bytes(b"x")
    os.mkdir(m.path / "d")
    proxy.fault("status", op="DeleteObjects?", **DENIED)
    refused(errno.EACCES, os.unlink, m.path / "f")
    refused(errno.EACCES, os.rmdir, m.path / "d")
    assert sorted(os.listdir(m.path)) == ["d", "f"]
    assert (m.path / "f").read_bytes() == b"x"
    proxy.clear()
    os.unlink(m.path / "f")
    os.rmdir(m.path / "d")
    assert stored.keys(s3, bucket) == {}


@BOTH
@pytest.mark.parametrize("op", ["CopyObject", "DeleteObject"])
def test_p8_rename_denied(s3, bucket, proxy, m, op):
    """Both names are as before, here and in S3."""
    for name in ("f", "g"):
        (m.path / name).write_bytes(name.encode() * 5)
    proxy.fault("status", op=op, key=FILES, **DENIED)
    refused(errno.EACCES, os.rename, m.path / "f", m.path / "h")
    proxy.clear()
    assert (m.path / "f").read_bytes() == b"fffff"
    assert (m.path / "g").read_bytes() == b"ggggg"
    found = stored.keys(s3, bucket)
    assert {"f", "g"} <= set(found) <= {"f", "g", "h"}, found
    assert op == "DeleteObject" or "h" not in found
    assert set(os.listdir(m.path)) == set(found)
    os.rename(m.path / "f", m.path / "h")
    assert stored.keys(s3, bucket) == {"g": 5, "h": 5}
    assert sorted(os.listdir(m.path)) == ["g", "h"]


@BOTH
def test_p8_rename_denied_of_an_open_file(s3, bucket, proxy, m):
    """The copy is deleted; who writes and who reads goes on."""
    wanted = bytearray(noise(9 * MIB))
    (m.path / "f").write_bytes(wanted)
    proxy.fault("status", op="DeleteObject", key="^f$", **DENIED)
    proxy.shape(latency_ms=200)
    with open(m.path / "f", "r+b", buffering=0) as f:
        mover = threading.Thread(target=refused, args=(
            errno.EACCES, os.rename, m.path / "f", m.path / "h"))
        mover.start()
        for i in range(50):
            off = i * 1000
            os.pwrite(f.fileno(), b"%03d" % i, off)
            wanted[off:off + 3] = b"%03d" % i
            os.fchmod(f.fileno(), 0o600 + i % 8)
            off += 8 * MIB
            assert os.pread(f.fileno(), 99, off) == wanted[off:off + 99]
            time.sleep(0.02)
        mover.join()
    proxy.restore()
    stored.check(s3, bucket, "f", m.path / "f", wanted)
    assert stored.keys(s3, bucket) == {"f": 9 * MIB}
    assert (m.path / "f").stat().st_mode == 0o100601


@BOTH
def test_p8_rename_denied_over_another(s3, bucket, proxy, m):
    """What it replaced is gone: both names show what S3 has."""
    (m.path / "f").write_bytes(b"one")
    (m.path / "g").write_bytes(b"other")
    with open(m.path / "g", "rb", buffering=0) as reader:
        proxy.fault("status", op="DeleteObject", key=FILES, **DENIED)
        refused(errno.EACCES, os.rename, m.path / "f", m.path / "g")
        proxy.clear()
        assert reader.read() == b"other"
    for name in ("f", "g"):
        stored.check(s3, bucket, name, m.path / name, b"one")
    os.rename(m.path / "f", m.path / "g")
    assert stored.keys(s3, bucket) == {"g": 3}


@BOTH
@pytest.mark.parametrize("over", [False, True])
def test_p8_rename_cut_by_a_kill(s3, bucket, proxy, m, over):
    """Copied, and not deleted: both names show what S3 has."""
    (m.path / "f").write_bytes(b"one")
    if over:
        (m.path / "g").write_bytes(b"other")
    proxy.fault("hold", op="DeleteObject", key="^f$", when="before")
    mover = threading.Thread(target=lambda: pytest.raises(
        OSError, os.rename, m.path / "f", m.path / "g"))
    mover.start()
    proxy.wait_held()
    m.kill9()
    mover.join()
    proxy.restore()
    m.remount()
    assert sorted(os.listdir(m.path)) == ["f", "g"]
    for name in ("f", "g"):
        stored.check(s3, bucket, name, m.path / name, b"one")


def test_p8_rename_of_a_folder_denied(s3, bucket, proxy, m):
    """The folder is as it was: never half here and half there."""
    os.mkdir(m.path / "d")
    wanted = {f"{i}": noise(100 + i, i) for i in range(20)}
    for name, body in wanted.items():
        (m.path / "d" / name).write_bytes(body)
    proxy.fault("status", op="CopyObject", key="7$", **DENIED)
    refused(errno.EACCES, os.rename, m.path / "d", m.path / "e")
    proxy.clear()
    assert stored.tree(m.path / "d") == wanted
    for name, body in wanted.items():
        assert stored.body(s3, bucket, f"d/{name}") == body
    os.rename(m.path / "d", m.path / "new")
    assert stored.tree(m.path / "new") == wanted


def test_p8_chmod_denied(s3, bucket, proxy, m):
    """The call returned: the change is kept and shows until it is sent."""
    (m.path / "f").write_bytes(b"x")
    proxy.fault("status", op="CopyObject", key=FILES, **DENIED)
    os.chmod(m.path / "f", 0o600)
    time.sleep(0.6)
    assert (m.path / "f").stat().st_mode == 0o100600
    assert cache(m)["dirty_attrs"] == 1
    with open(m.path / "f", "rb+") as f:
        refused(errno.EACCES, os.fsync, f.fileno())
    proxy.clear()
    with open(m.path / "f", "rb+") as f:
        os.fsync(f.fileno())
    assert stored.head(s3, bucket, "f")["Metadata"]["mode"] == str(0o100600)


def test_p8_probes_denied(s3, bucket, proxy, m):
    """Who may not write under .pailfs/ can work all the same."""
    proxy.fault("status", key="^\\.pailfs/", **DENIED)
    (m.path / "f").write_bytes(b"1")
    (m.path / "f").write_bytes(b"12")
    os.rename(m.path / "f", m.path / "g")
    (m.path / "h").write_bytes(b"123")
    os.unlink(m.path / "h")
    assert stored.keys(s3, bucket) == {"g": 2}


@pytest.mark.parametrize("code,status,number", [
    ("EntityTooLarge", 400, errno.EFBIG), ("QuotaExceeded", 403, None),
    ("NoSuchBucket", 404, None), ("KMS.DisabledException", 400, None)])
def test_p8_other_refusals(s3, bucket, proxy, m, code, status, number):
    rule = proxy.fault("status", op="PutObject", key=FILES, status=status,
                       code=code)
    with pytest.raises(OSError) as e:
        (m.path / "f").write_bytes(b"kept")
    if number:
        assert e.value.errno == number
    assert cache(m)["failed_files"] == 1
    proxy.clear(rule)
    with open(m.path / "f", "rb+") as f:
        os.fsync(f.fileno())
    assert stored.body(s3, bucket, "f") == b"kept"


# Over S3's limits: refused when the call is made.

def deep(length):
    """Return a path whose key has ${length} bytes."""
    parts = ["n" * 200] * (length // 201)
    parts.append("m" * (length - 201 * len(parts)))
    return "/".join(parts)


def test_keys_of_1024_bytes(s3, bucket, m):
    """1 024 bytes are a key, 1 025 are none."""
    folder = deep(1004)
    os.makedirs(m.path / folder)
    fits, long = folder + "/" + "f" * 19, folder + "/" + "f" * 20
    assert len(fits) == 1024
    (m.path / fits).write_bytes(b"x")
    assert stored.body(s3, bucket, fits) == b"x"
    (m.path / "other").write_bytes(b"y")
    before = stored.keys(s3, bucket)
    for call in (lambda: open(m.path / long, "wb"),
                 lambda: os.mkdir(m.path / (folder + "/" + "f" * 19)[:-1]
                                  / ("g" * 30)),
                 lambda: os.mkdir(m.path / (folder + "/" + "e" * 19)),
                 lambda: os.symlink("x", m.path / long),
                 lambda: os.mkfifo(m.path / long),
                 lambda: os.rename(m.path / "other", m.path / long),
                 lambda: open(m.path / ("x" * 256), "wb")):
        with pytest.raises(OSError) as e:
            call()
        assert e.value.errno in (errno.ENAMETOOLONG, errno.ENOENT), e.value
    refused(errno.ENAMETOOLONG, open, m.path / long, "wb")
    assert stored.keys(s3, bucket) == before


def test_a_folder_whose_keys_would_be_too_long(s3, bucket, m):
    """Refused before anything moves."""
    folder = deep(900)
    os.makedirs(m.path / "d" / folder)
    (m.path / "d" / folder / ("f" * 100)).write_bytes(b"x")
    (m.path / "d/a").write_bytes(b"y")
    before = stored.keys(s3, bucket)
    refused(errno.ENAMETOOLONG, os.rename, m.path / "d", m.path / ("e" * 50))
    assert stored.keys(s3, bucket) == before
    assert os.listdir(m.path) == ["d"]
    os.rename(m.path / "d", m.path / "e")
    assert (m.path / "e" / folder / ("f" * 100)).read_bytes() == b"x"


def test_xattrs_over_2_kib(s3, bucket, m):
    """ENOSPC when it is set, and what was there before stays."""
    (m.path / "f").write_bytes(b"x")
    os.setxattr(m.path / "f", "user.small", b"1" * 300)
    for size in (2048, 5000, 60_000):
        refused({errno.ENOSPC, errno.E2BIG}, os.setxattr, m.path / "f",
                "user.big", b"x" * size)
    refused(errno.ENOSPC, os.setxattr, m.path / "f", "user.big", b"x" * 2048)
    set_ones = 0
    with pytest.raises(OSError) as e:
        for set_ones in range(20):
            os.setxattr(m.path / "f", f"user.n{set_ones}", b"x" * 200)
    assert e.value.errno == errno.ENOSPC and 2 <= set_ones <= 8
    names = {n for n in os.listxattr(m.path / "f") if "s3" not in n}
    assert names == {"user.small", *(f"user.n{i}" for i in range(set_ones))}
    with open(m.path / "f", "ab") as f:
        f.write(b"y")
    assert stored.body(s3, bucket, "f") == b"xy"
    total = sum(len(k) + len(v) for k, v in stored.head(
        s3, bucket, "f")["Metadata"].items())
    assert total <= 2048


# A link that fails one request in ten.

class Worker:
    """One thread with files of its own; it knows what must be where."""

    def __init__(self, top, number):
        self.top = top / f"w{number}"
        self.dice = random.Random(number)
        self.names = [f"{i}" for i in range(6)]
        self.sure = {}          # name -> bytes, None: not there
        self.unsure = set()     # names about which an error was said
        self.errors = []

    def content(self):
        size = self.dice.choice([0, 10, 5000, 5000, 300_000, PART + 5])
        return noise(size, self.dice.random())

    def set(self, name, content):
        self.sure[name] = content

    def step(self):
        name = self.dice.choice(self.names)
        other = self.dice.choice(self.names)
        what = self.dice.choice(["write", "write", "write", "append",
                                 "unlink", "rename"])
        old = self.sure.get(name)
        if what == "write":
            content = self.content()
            self.attempt({name: content}, lambda: (
                self.top / name).write_bytes(content))
        elif old is None or name in self.unsure or other in self.unsure:
            return
        elif what == "append":
            self.attempt({name: old + b"more"}, lambda: self.append(name))
        elif what == "unlink":
            self.attempt({name: None}, lambda: os.unlink(self.top / name))
        elif name != other:
            self.attempt({name: None, other: old}, lambda: os.rename(
                self.top / name, self.top / other))

    def append(self, name):
        with open(self.top / name, "ab") as f:
            f.write(b"more")

    def attempt(self, after, call):
        """Try; what is acknowledged is so from then on."""
        try:
            call()
        except OSError as e:
            self.errors.append((list(after), e.errno))
            self.unsure.update(after)
            return
        self.sure.update(after)
        if len(after) == 1:         # a write settles what was unsure
            self.unsure -= set(after)

    def run(self, steps):
        os.mkdir(self.top)
        for _ in range(steps):
            self.step()

    def check(self, s3, bucket):
        """Assert that the bucket and the mount hold what was acknowledged."""
        found = stored.keys(s3, bucket, self.top.name + "/")
        for name, content in self.sure.items():
            if name in self.unsure:
                continue
            key = f"{self.top.name}/{name}"
            assert (key in found) == (content is not None), (key, found)
            if content is not None:
                assert stored.body(s3, bucket, key) == content, key
                assert (self.top / name).read_bytes() == content, key
        extra = {key for key in found if "conflict" in key}
        assert not extra, f"a conflict with nobody: {extra}"


@pytest.mark.parametrize("name", [*FAULTS, "all"])
def test_p1_faults_at_ten_percent(name, s3, bucket, proxy, m):
    """What close, unlink and rename acknowledged is so."""
    if name == "all":
        rules = [proxy.fault(a, probability=0.025, seed=i, **args)
                 for i, (a, args) in enumerate(FAULTS.values())]
    else:
        action, args = FAULTS[name]
        only = ("CopyObject|UploadPartCopy|CompleteMultipartUpload"
                if action == "error_200" else None)
        rules = [proxy.fault(action, probability=0.1, seed=3, op=only,
                             **args)]
    workers = [Worker(m.path, i) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda w: w.run(40), workers))
    fired = sum(proxy.fired(rule) for rule in rules)
    assert fired >= 3, "no fault happened: nothing is proved"
    proxy.clear()
    errors = [e for w in workers for e in w.errors]
    assert {number for _, number in errors} <= {errno.EIO, errno.EAGAIN,
                                                errno.EBUSY}, errors
    assert len(errors) <= 8, errors
    for w in workers:
        w.check(s3, bucket)
    m.umount()
    m.start()
    for w in workers:
        w.check(s3, bucket)


def test_p8_close_ends_when_the_server_hangs(s3, bucket, proxy, mount):
    """EIO after the timeout, bytes kept, sent when it is back."""
    m = mount(bucket, proxy=proxy, ro=False, timeout=2)
    (m.path / "warm").write_bytes(b"x")
    proxy.fault("hang", op="PutObject", key=FILES)
    start = time.monotonic()
    refused(errno.EIO, (m.path / "f").write_bytes, b"kept")
    assert time.monotonic() - start < 30 * env.slow()
    proxy.clear()
    proxy.drop()
    stored.wait_for(lambda: stored.keys(s3, bucket).get("f") == 4, "it", 20)
    assert stored.keys(s3, bucket) == {"f": 4, "warm": 1}


def test_p8_a_writer_waits_while_others_work(bucket, proxy, mount):
    """A close that waits stops neither reads nor names elsewhere."""
    m = mount(bucket, proxy=proxy, ro=False)
    (m.path / "other").write_bytes(b"x")
    proxy.fault("hold", op="PutObject", key="^f$")
    writer = threading.Thread(
        target=lambda: (m.path / "f").write_bytes(b"y"))
    writer.start()
    try:
        proxy.wait_held()
        assert sorted(os.listdir(m.path)) == ["f", "other"]
        assert (m.path / "f").stat().st_size == 1
        (m.path / "another").write_bytes(b"z")
        os.unlink(m.path / "other")
        run("cat", m.path / "another")
        assert m.status()["cache"]["uploads"] >= 1
        assert proxy.held() == {"hold": 1} and writer.is_alive()
    finally:
        proxy.clear()
        proxy.release()
        writer.join()


def test_p8_a_reader_waits_for_no_upload(bucket, proxy, mount):
    """Nor does its close: it has nothing to say."""
    m = mount(bucket, proxy=proxy, ro=False)
    proxy.fault("hold", op="PutObject", key="^f$")
    writer = threading.Thread(
        target=lambda: (m.path / "f").write_bytes(b"y"))
    writer.start()
    # It would hang, if it did wait.
    timer = threading.Timer(20 * env.slow(), proxy.release)
    timer.start()
    try:
        proxy.wait_held()
        assert (m.path / "f").read_bytes() == b"y"
        assert proxy.held() == {"hold": 1}
    finally:
        timer.cancel()
        proxy.clear()
        proxy.release()
        writer.join()
