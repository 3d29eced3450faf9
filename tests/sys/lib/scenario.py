# SPDX-License-Identifier: Apache-2.0
"""One run of all that programs do, on a link where a request may fail.

    s = Scenario(m, s3, bucket, "r1", patience=20)
    s.run()                     each call ends well, or with a clean error
    s.check()                   in S3 is what was acknowledged, whole

After an error a file may be as before or as wanted; nothing else.
"""

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor

from . import stored
from .data import MIB, noise

CLEAN = {errno.EIO, errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.EACCES,
         errno.ETIMEDOUT, errno.EHOSTUNREACH}
LARGE = 9 * MIB                 # two parts of 5 MiB


class Scenario:
    """Takes place in a folder of its own.

    ${clean}: errors that are right beside CLEAN; EEXIST among them means
    that the server may say of an object that it is another one, and lie.
    """

    def __init__(self, m, s3, bucket, name, patience, clean=()):
        self.m = m
        self.clean = CLEAN | set(clean)
        self.s3 = s3
        self.bucket = bucket
        self.name = name
        self.top = m.path / name
        self.patience = patience
        self.may = {}           # key: the bodies that it may have, or None
        self.errors = []        # (what, errno)
        self.longest = 0.0

    def run(self):
        large = noise(LARGE, 3)
        planted = noise(100_000, 4)
        self.s3.put_object(Bucket=self.bucket, Body=planted,
                           Key=f"{self.name}-planted/f")
        self.call("mkdir", {"/": b""}, os.mkdir, self.top)
        if not self.top.is_dir():
            return
        self.put("a", b"first" * 1000)
        self.put("a", b"second" * 999)
        self.put("a", b"second" * 999 + b"third", "ab", b"third")
        self.put("big", large)
        poked = b"poke" + large[4:]
        self.put("big", poked, "r+b", b"poke")
        self.call("read", {}, self.read, planted)
        self.call("readdir", {}, self.readdir)
        self.rename("a", "b")
        self.call("chmod", {}, self.chmod)
        self.put("gone", b"x" * 10)
        self.unlink("gone")

    # Calls.

    def call(self, what, after, function, *args):
        """Make one call; note what it may leave under keys."""
        for key, body in after.items():
            self.may.setdefault(key, [None]).append(body)
        start = time.monotonic()
        try:
            function(*args)
        except OSError as e:
            assert e.errno in self.clean, f"{what}: {e}"
            self.errors.append((what, e.errno))
        else:
            for key, body in after.items():
                self.may[key] = [body]
        took = time.monotonic() - start
        self.longest = max(self.longest, took)
        assert took < self.patience, f"{what} took {took:.1f} s"

    def is_sure(self, name):
        return len(self.may.get(name, [])) == 1 and self.may[name][0]

    def put(self, name, wanted, mode="wb", data=None):
        if mode == "wb" or self.is_sure(name):
            self.call(f"write {name} {mode}", {name: wanted}, self.write,
                      name, mode, wanted if data is None else data)

    def write(self, name, mode, data):
        fd = os.open(self.top / name, {
            "wb": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
            "ab": os.O_WRONLY | os.O_APPEND, "r+b": os.O_RDWR}[mode], 0o644)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(fd, left):]
        finally:
            os.close(fd)

    def rename(self, old, new):
        if self.is_sure(old):
            body = self.may[old][0]
            self.call("rename", {old: None, new: body}, os.rename,
                      self.top / old, self.top / new)
            if errno.EEXIST in self.clean:
                # Told that the old name is another's by now, it stays.
                self.may[old] = [None, body]

    def unlink(self, name):
        if self.is_sure(name):
            self.call("unlink", {name: None}, os.unlink, self.top / name)

    def read(self, wanted):
        path = self.m.path / f"{self.name}-planted" / "f"
        assert path.read_bytes() == wanted, "wrong bytes"

    def readdir(self):
        sure = {n for n, may in self.may.items()
                if n != "/" and len(may) == 1 and may[0] is not None}
        may = {n for n, bodies in self.may.items() if any(bodies)}
        assert sure <= set(os.listdir(self.top)) <= may

    def chmod(self):
        if self.is_sure("big"):
            os.chmod(self.top / "big", 0o600)
            fd = os.open(self.top / "big", os.O_RDWR)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    # The end.

    def check(self):
        """Once nothing is owed any more: the bucket and the mount."""
        self.wait()
        keys = stored.keys(self.s3, self.bucket, self.name + "/")
        for name in [key.partition("/")[2] for key in keys]:
            assert name in self.may or not name, f"{name} is nobody's"
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.check_one, self.may))

    def wait(self):
        def is_done():
            got = self.m.status()["cache"]
            return not any(got[n] for n in (
                "dirty_files", "dirty_attrs", "failed_files", "uploads"))
        stored.wait_for(is_done, f"{self.m.status()['cache']} to go", 30)

    def check_one(self, name):
        key = self.name + "/" + name.strip("/")
        body = None
        if stored.exists(self.s3, self.bucket, key):
            body = stored.body(self.s3, self.bucket, key)
        may = self.may[name]
        assert body in may, (f"{key}: {body and len(body)} bytes, not of "
                             f"{[b and len(b) for b in may]}; {self.errors}")
        if name != "/" and len(may) == 1:
            path = self.top / name
            assert path.exists() == (body is not None), key
            assert body is None or path.read_bytes() == body, key
