# SPDX-License-Identifier: Apache-2.0
"""The rows that read."""

import os
import random
import statistics
import time
from contextlib import suppress

from lib.workload import KIB, MIB, PART, data, run
from row import Row, Scale, timed

HEADS = 64      # that a mount has in flight
FILES = 32      # likewise, small ones
LARGE = Scale.mib(512)


def read_through(path):
    run("dd", f"if={path}", "of=/dev/null", "bs=1M", "status=none")


def walk(path, stat=False):
    """Walk a tree as programs do."""
    for folder, _, names in os.walk(path):
        if stat:
            for name in names:
                os.lstat(f"{folder}/{name}")


def forget(path):
    """Have a file's bytes on the disk and nowhere else."""
    fd = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):     # some refuse it where nothing is written
            os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


class Large(Row):
    """A large object is there."""
    large = LARGE

    def plant(self, bucket, top, small=False):
        bucket.plant_large(f"{top}/f", LARGE)


class Seqread(Large):
    title = f"read {LARGE // MIB} MiB, cold"
    target = "1.2 x bare; 0.30 s CPU"

    def work(self, top, small=False):
        read_through(top / "f")

    def bare(self, bare):
        plan = [bare.get("d/f", at, min(at + PART, LARGE) - 1)
                for at in range(0, LARGE, PART)]
        return min(bare.parallel(plan, n) for n in (8, 16, 32))

    def s5cmd(self, tool, scratch):
        return tool.copy(f"{tool.url}d/f", scratch / "f")


class Cached(Large):
    title = "the same again; bare: the local file"
    target = "1.25 x bare"

    def prepare(self, mount):
        super().prepare(mount)
        read_through(mount.path / "d/f")
        forget(mount.path / "d/f")
        for folder, _, names in os.walk(mount.cache):
            for name in names:
                forget(f"{folder}/{name}")

    def work(self, top, small=False):
        read_through(top / "f")

    def bare(self, bare):
        path = bare.link.large(LARGE)
        forget(path)
        return timed(read_through, path)


class Ttfb(Row):
    """Files are read from the last to the first: nothing is fetched ahead."""
    size = Scale.mib(8)
    title = f"open + first 4 KiB of {size // MIB} MiB"
    target = "1.1 x bare"
    count = Scale.count(20)

    def plant(self, bucket, top, small=False):
        bucket.plant({f"{top}/{i}": data(self.size, i)
                      for i in range(self.count)})

    def work(self, top, small=False):
        took = []
        for i in reversed(range(self.count)):
            start = time.monotonic()
            with open(top / str(i), "rb", buffering=0) as f:
                assert len(f.read(4 * KIB)) == 4 * KIB
                took.append(time.monotonic() - start)
            # What goes on to come is no part of the next one.
            self.link.proxy.wait_idle()
        return statistics.median(took)

    def bare(self, bare):
        return statistics.median(bare.one_by_one(
            [bare.get(f"d/{i}", 0, 4 * KIB - 1) for i in range(self.count)]))


class Ttfb1(Ttfb):
    """Such as pailfs shows only when they are there whole."""
    size = MIB
    title = "open + first 4 KiB of 1 MiB"
    target = "-"


class Randread(Large):
    title = f"100 random 4 KiB reads of {LARGE // MIB} MiB"
    target = "1.1 x bare; 15 MB"

    def places(self):
        pick = random.Random(2)
        return [pick.randrange(1, LARGE // (4 * KIB)) * 4 * KIB
                for _ in range(Scale.count(100))]

    def work(self, top, small=False):
        fd = os.open(top / "f", os.O_RDONLY)
        try:
            return sum(timed(os.pread, fd, 4 * KIB, at)
                       for at in self.places())
        finally:
            os.close(fd)

    def bare(self, bare):
        return sum(bare.one_by_one([bare.get("d/f", at, at + 4 * KIB - 1)
                                    for at in self.places()]))


class Find(Row):
    count = Scale.count(10_000)
    title = f"find {count} files in {count // 100} folders"
    target = "1.15 x bare; 12 requests"
    listed = ("",)

    def plant(self, bucket, top, small=False):
        bucket.plant({f"{top}/d{i // 100:02}/{i:05}": b"x"
                      for i in range(self.count)})

    def work(self, top, small=False):
        walk(top)

    def bare(self, bare):
        return sum(bare.one_by_one(
            [bare.page("d/", f"d/d{i // 100:02}/{i - 1:05}")
             for i in range(0, self.count, 1000)]))

    def s5cmd(self, tool, scratch):
        return tool.run("ls", f"{tool.url}d/*")


class Again:
    """The work was done once."""
    target = "0 requests"

    def prepare(self, mount):
        super().prepare(mount)
        self.work(mount.path / "d")

    def bare(self, bare):
        return None

    def s5cmd(self, tool, scratch):
        return None


class Findwarm(Again, Find):
    title = "find again"


class Statall(Row):
    count = Scale.count(1000)
    title = f"walk + stat of {count} files"
    target = "0.15 s; 3 requests"
    listed = ("",)

    def plant(self, bucket, top, small=False):
        bucket.plant({f"{top}/d{i % 10}/{i}": data(5000, i)
                      for i in range(self.count)})

    def work(self, top, small=False):
        walk(top, True)

    def pages(self, bare):
        return [bare.page("d/", at) for at in ("d/", "d/d0", "d/d1")]

    def bare(self, bare):
        return sum(bare.one_by_one(self.pages(bare)))


class Statwarm(Again, Statall):
    title = "walk + stat again"


class Statposix(Statall):
    title = f"walk + stat of {Statall.count}, attrs=posix"
    target = "0.6 s"
    options = {"attrs": "posix"}

    def bare(self, bare):
        heads = [bare.request("HEAD", f"d/d{i % 10}/{i}")
                 for i in range(self.count)]
        return (sum(bare.one_by_one(self.pages(bare)))
                + bare.parallel(heads, HEADS))


class Statposixwarm(Again, Statposix):
    title = "walk + stat again, attrs=posix"


class Smallfiles(Row):
    count = Scale.count(300)
    title = f"read {count} files of 16 KiB in order"
    target = "0.8 s"

    def plant(self, bucket, top, small=False):
        bucket.plant({f"{top}/{i:03}": data(16 * KIB, i)
                      for i in range(self.count)})

    def work(self, top, small=False):
        run("sh", "-c", f"cat {top}/* >/dev/null")

    def bare(self, bare):
        return bare.parallel([bare.get(f"d/{i:03}")
                              for i in range(self.count)], FILES)


ROWS = (Seqread, Cached, Ttfb, Ttfb1, Randread, Find, Findwarm, Statall,
        Statwarm, Statposix, Statposixwarm, Smallfiles)
