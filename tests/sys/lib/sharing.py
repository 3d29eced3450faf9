# SPDX-License-Identifier: Apache-2.0
"""Runs of two mounts of one bucket, each step of which a model judges.

    two = Two([mount(...), mount(...)], s3, bucket)
    class Machine(Run): ...     with rules, for hypothesis
"""

import errno
import hashlib
import os
import re

from hypothesis.stateful import RuleBasedStateMachine

from . import stored
from .data import noise
from .shared import World, Wrong, is_below, parent

LOSER = re.compile(r"(.*)\.(conflict|partial)-[^/]+")


def said(error):
    return errno.errorcode.get(error, "ok")


def call(function, *args):
    """Return (errno or 0, result)."""
    try:
        return 0, function(*args)
    except OSError as e:
        return e.errno, None


class Two:
    """Two mounts, and the bucket behind them."""

    def __init__(self, mounts, s3, bucket):
        self.mounts = mounts
        self.s3 = s3
        self.bucket = bucket
        self.runs = 0
        self.steps = 0
        self.conflicts = 0
        self.has_modes = mounts[0].options.get("attrs") != "list"

    def settle(self):
        """What waits for its time is in S3."""
        for m in self.mounts:
            stored.wait_for(lambda: not any(
                m.status()["cache"][n] for n in
                ("dirty_attrs", "dirty_files", "uploads")), "what is owed")

class Run(RuleBasedStateMachine):
    """One run, in a folder of its own; its rules are a test's."""

    def __init__(self, two):
        super().__init__()
        self.two = two
        self.world = World()
        self.handles = []
        self.fds = []           # all that were ever opened
        two.runs += 1
        self.top = f"t{two.runs}"
        self.serial = 0
        self.is_wrong = False
        os.mkdir(two.mounts[0].path / self.top)

    # Tools.

    def at(self, side, path):
        return os.path.join(self.two.mounts[side].path, self.top, path)

    def noise(self, size):
        self.serial += 1
        return noise(size, self.serial)

    def wrong(self, text):
        self.is_wrong = True
        raise Wrong(text)

    def wanted(self, error, allowed, what):
        """Assert that a call ended as it may."""
        if error not in allowed:
            self.wrong(f"{what}: {said(error)}, may be "
                        f"{[said(e) for e in allowed]}")

    def pick(self, nth):
        return self.handles[nth % len(self.handles)]

    def in_s3(self):
        """Return {path: etag} of the objects below the top."""
        found = {}
        for page in self.two.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.two.bucket, Prefix=self.top + "/"):
            for one in page.get("Contents", []):
                found[one["Key"][len(self.top) + 1:]] = one["ETag"]
        found.pop("", None)
        return found

    def check(self):
        """S3 is as the model says, after each step."""
        self.two.steps += 1
        found = self.in_s3()
        objects = {p: '"' + hashlib.md5(o.data).hexdigest() + '"'
                   for p, o in self.world.objects.items()}
        markers = {p[:-1] for p in found if p.endswith("/")}
        files = {p: etag for p, etag in found.items()
                 if not p.endswith("/")}
        if files != objects:
            wrong = sorted(p for p in files.keys() | objects.keys()
                           if files.get(p) != objects.get(p))
            self.wrong(f"S3 differs from the model: {wrong}: "
                        f"{[files.get(p) for p in wrong]}, may be "
                        f"{[objects.get(p) for p in wrong]}")
        empty = {f for f in self.world.folders
                 if not any(is_below(p, f) for p in objects)
                 and not any(is_below(p, f) for p in self.world.folders)}
        if not empty <= markers <= self.world.folders:
            self.wrong(f"folders in S3: {sorted(markers)}, may be "
                        f"{sorted(self.world.folders)}")

    def lose(self, file):
        """${file} was told that another was first: find what it had."""
        self.two.conflicts += 1
        file.lost = True
        if not file.dirty:
            return
        stem = file.path

        def found():
            return next((path for path in self.in_s3()
                         if self.is_loser(path, file)), None)

        path = stored.wait_for(found, f"the loser of {stem}")
        body = stored.body(self.two.s3, self.two.bucket,
                           f"{self.top}/{path}")
        self.check_loser(file, path, body)
        self.world.put(path, body)
        self.world.modes[path] = self.world.modes.get(stem, set()) | {0o644}
        file.dirty = False

    def check_loser(self, file, path, body):
        """What was written is there; only of a partial one may some miss."""
        if body == file.data:
            return
        if ".partial-" not in path or len(body) != len(file.data):
            self.wrong(f"{path} has {len(body)} bytes, not the "
                        f"{len(file.data)} that were written")
        text = os.getxattr(self.at(file.side, path), "user.pailfs.missing")
        rest = bytearray(file.data)
        for run in text.decode().split():
            off, end = map(int, run.split("-"))
            rest[off:end] = bytes(end - off)
        if rest != body:
            self.wrong(f"{path}: bytes that were there are not kept")

    def flush(self, file, error):
        """A call that sends ${file} ended with ${error}."""
        self.wanted(error, self.world.may_flush(file), f"flush of {file}")
        if error:
            self.lose(file)
        else:
            self.world.flushed(file)

    def is_aside(self, file):
        """Whether what was written to ${file} was kept beside it."""
        names = call(os.listdir, self.at(file.side, parent(file.path)))[1]
        return any(self.is_loser(os.path.join(parent(file.path), name), file)
                   for name in names or [])

    def is_loser(self, path, file):
        match = LOSER.fullmatch(path)
        return match and match[1] == file.path and \
            path not in self.world.objects

    def same(self, error, data, wanted, path):
        if not error and data != wanted:
            self.wrong(f"{path}: {len(data)} bytes {data[:6]!r}, may be "
                        f"{len(wanted)} bytes {wanted[:6]!r}")

    @staticmethod
    def content(path):
        with open(path, "rb", buffering=0) as f:
            return f.read()
