# SPDX-License-Identifier: Apache-2.0
"""A cache folder whose disk fails, at each single call of a scenario: content
right or a clean error, nothing acknowledged is lost, and the mount goes on."""

import errno
import os

import pytest
from lib import stored
from lib.data import MIB, noise
from lib.faultdisk import FaultDisk

pytestmark = pytest.mark.servers("versitygw")
HONEST = {errno.EIO, errno.ENOSPC}
STRIDE = 23     # of the calls to the database, in the short run


@pytest.fixture
def disk(tmp_path):
    one = FaultDisk(tmp_path)
    yield one
    one.disarm()


@pytest.fixture
def m(bucket, mount, disk):
    return mount(bucket, ro=False, env_extra=disk.environment, ttl=0)


class Scenario:
    """Files in a folder of their own: what must be where is known."""

    def __init__(self, s3, bucket, m, name):
        self.s3, self.bucket = s3, bucket
        self.name = name
        self.top = m.path / name
        self.sure = {}
        self.unsure = set()
        self.errors = []
        os.mkdir(self.top)
        for i, one in enumerate("abcdef"):
            self.put(one, noise(200_000 + i, i))
            assert one in self.sure, self.errors
        s3.put_object(Bucket=bucket, Key=f"{name}/far",
                      Body=noise(300_000, 9))
        self.sure["far"] = noise(300_000, 9)

    def attempt(self, after, call):
        try:
            call()
        except OSError as e:
            self.errors.append((sorted(after), e.errno))
            self.unsure.update(after)
            return
        self.sure.update(after)
        self.unsure -= set(after)

    def put(self, name, body):
        self.attempt({name: body},
                     lambda: (self.top / name).write_bytes(body))

    def edit(self, name, after, edit):
        def call():
            fd = os.open(self.top / name, os.O_RDWR)
            try:
                edit(fd)
            except OSError:
                try:
                    os.close(fd)
                except OSError as e:
                    assert e.errno in HONEST, e
                raise
            os.close(fd)

        self.attempt({name: after}, call)

    def read(self, name):
        try:
            body = (self.top / name).read_bytes()
        except OSError as e:
            self.errors.append(([f"read {name}"], e.errno))
            return
        if name not in self.unsure:
            assert body == self.sure[name], name

    def run(self):
        old = self.sure
        self.put("new", noise(150_000, 7))
        self.edit("a", old["a"][:1000] + b"edited" + old["a"][1006:],
                  lambda fd: os.pwrite(fd, b"edited", 1000))
        self.edit("b", old["b"] + b"more",
                  lambda fd: os.pwrite(fd, b"more", len(old["b"])))
        self.edit("c", old["c"][:140_000],
                  lambda fd: os.ftruncate(fd, 140_000))
        self.edit("d", old["d"] + bytes(9000),
                  lambda fd: os.posix_fallocate(fd, 0, len(old["d"]) + 9000))
        self.read("far")
        self.attempt({"e": None, "g": old["e"]}, lambda: os.rename(
            self.top / "e", self.top / "g"))
        self.attempt({"f": None}, lambda: os.unlink(self.top / "f"))
        self.read("a")

    def check(self):
        """What was acknowledged is in S3; the rest can be written anew."""
        assert {number for _, number in self.errors} <= HONEST, self.errors
        found = stored.keys(self.s3, self.bucket, self.name + "/")
        for name, body in self.sure.items():
            if name in self.unsure:
                continue
            key = f"{self.name}/{name}"
            assert (key in found) == (body is not None), (key, self.errors)
            if body is not None:
                assert stored.body(self.s3, self.bucket, key) == body, key
                assert (self.top / name).read_bytes() == body, key
        for name in sorted(self.unsure):
            self.put(name, noise(1000, name))
            assert name not in self.unsure, (name, self.errors)

    def check_after(self, listed):
        wanted = {n for n, body in self.sure.items() if body is not None}
        assert set(listed) == wanted
        for name in wanted:
            assert (self.top / name).read_bytes() == self.sure[name], name


def loop(s3, bucket, m, disk, stride, **how):
    """Fail the 1st, the 2nd, ... call, until a run ends before it."""
    nth, done, fired = 1, [], 0
    while True:
        one = Scenario(s3, bucket, m, f"n{nth}")
        disk.arm(nth=nth, **how)
        one.run()
        disk.disarm()
        fired += disk.fired
        one.check()
        done.append(one)
        if not disk.fired:
            break
        nth += stride
    assert fired >= 3, "no fault happened: nothing is proved"
    assert m.alive()
    m.umount()
    m.start()
    assert not list(m.cache.glob("*/damaged*"))
    for one in done:
        one.check_after(os.listdir(one.top))
    return done


ALL = [("chunk", errno.EIO), ("chunk", errno.ENOSPC), ("db", errno.EIO),
       ("db", errno.ENOSPC)]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("files,error", ALL)
def test_p1_each_write_fails(s3, bucket, m, disk, files, error):
    loop(s3, bucket, m, disk, STRIDE if files == "db" else 1, files=files,
         error=error)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_p1_each_write_of_the_database_fails(s3, bucket, m, disk, error):
    loop(s3, bucket, m, disk, 1, files="db", error=error)


@pytest.mark.parametrize("files,error", ALL)
def test_p1_a_disk_that_fails_for_good(s3, bucket, m, disk, files, error):
    """Clean errors while it does, and after that all goes on."""
    one = Scenario(s3, bucket, m, "d")
    disk.arm(files, error=error, sticky=True)
    one.run()
    disk.disarm()
    assert disk.fired
    one.check()
    m.umount()
    m.start()
    one.check_after(os.listdir(one.top))


def test_p4_a_disk_that_cannot_be_read(s3, bucket, m, disk):
    """What S3 has comes from there; what only the disk has is EIO."""
    s3.put_object(Bucket=bucket, Key="f", Body=noise(3 * MIB))
    assert (m.path / "f").read_bytes() == noise(3 * MIB)
    m.umount()
    m.start()
    disk.arm("chunk", calls="read", sticky=True)
    assert (m.path / "f").read_bytes() == noise(3 * MIB)
    assert disk.fired
    fd = os.open(m.path / "f", os.O_RDWR)
    os.pwrite(fd, b"x" * 200_000, 0)
    with pytest.raises(OSError) as e:
        os.fsync(fd)
    assert e.value.errno == errno.EIO
    assert "'f' is damaged" in m.log_tail()
    assert stored.body(s3, bucket, "f") == noise(3 * MIB)
    disk.disarm()
    os.fsync(fd)
    os.close(fd)
    assert stored.body(s3, bucket, "f") == (
        b"x" * 200_000 + noise(3 * MIB)[200_000:])
