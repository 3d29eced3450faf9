# SPDX-License-Identifier: Apache-2.0
"""The rows that write."""

import os

from lib.workload import KIB, MIB, PART, data, run
from row import Row, Scale

LARGE = Scale.mib(512)
MEDIUM = max(16 * MIB, Scale.mib(256))
FILES = Scale.count(200)
SMALL_FILES = 3
SMALL = 24 * MIB        # several parts
WINDOW = 5 * MIB        # the least that S3 takes as a part
COPIED = min(SMALL, MEDIUM)     # what the warming up works on
NOISE = data(PART)


def size_of(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def files_in(folder, size):
    """Return how many files of ${size} bytes a folder has."""
    try:
        with os.scandir(folder) as found:
            return sum(e.is_file() and e.stat().st_size == size
                       for e in found)
    except FileNotFoundError:
        return 0


class Write(Row):
    title = f"write {LARGE // MIB} MiB, fsync"
    target = "0.57 x s5cmd; 0.20 s CPU"
    listed = ("",)
    writes = True
    large = LARGE

    @staticmethod
    def size(small):
        return min(SMALL, LARGE) if small else LARGE

    def work(self, top, small=False):
        top.mkdir()
        fd = os.open(top / "f", os.O_WRONLY | os.O_CREAT)
        try:
            for at in range(0, self.size(small), MIB):
                n = at % PART
                os.write(fd, NOISE[n:n + MIB])
            os.fsync(fd)
        finally:
            os.close(fd)

    def held(self, top, small=False):
        return size_of(top / "f") == self.size(small)

    def bare(self, bare):
        parts = [NOISE[:min(PART, LARGE - at)]
                 for at in range(0, LARGE, PART)]
        return bare.multipart("d/f", parts)

    def s5cmd(self, tool, scratch):
        with open(scratch / "f", "wb") as f:
            for at in range(0, LARGE, PART):
                f.write(NOISE[:min(PART, LARGE - at)])
        return tool.copy(scratch / "f", f"{tool.url}d/f")


class Files(Row):
    """Many small files."""
    writes = True
    folder = "/a"       # below TOP

    @staticmethod
    def names(small):
        return [f"{i:03}" for i in range(SMALL_FILES if small else FILES)]

    def plant(self, bucket, top, small=False):
        bucket.plant({f"{top}{self.folder}/{name}": NOISE[:4 * KIB]
                      for name in self.names(small)})


class Create(Files):
    title = f"create {FILES} files of 4 KiB"
    target = f"{FILES + 2} requests; 1.15 x bare"
    listed = ("",)

    def plant(self, bucket, top, small=False):
        pass

    def work(self, top, small=False):
        top.mkdir()
        for name in self.names(small):
            (top / name).write_bytes(NOISE[:4 * KIB])

    def held(self, top, small=False):
        return files_in(top, 4 * KIB) == len(self.names(small))

    def puts(self, bare):
        return [bare.put("d/", b""),
                *(bare.put(f"d/{name}", NOISE[:4 * KIB])
                  for name in self.names(False))]

    def bare(self, bare):
        return sum(bare.one_by_one(self.puts(bare)))

    def s5cmd(self, tool, scratch):
        for name in self.names(False):
            (scratch / name).write_bytes(NOISE[:4 * KIB])
        return tool.run("cp", f"{scratch}/", f"{tool.url}d/")


class Createlater(Create):
    title = f"create {FILES} files of 4 KiB, sync=fsync"
    target = "0.1 s; in S3 by 0.5 s"
    options = {"sync": "fsync"}

    def bare(self, bare):
        return bare.parallel(self.puts(bare))


class Change(Row):
    """A large file that is not local."""
    target = "1.15 x bare; 6 requests"
    writes = True
    large = MEDIUM

    @staticmethod
    def size(small):
        return COPIED if small else MEDIUM

    def plant(self, bucket, top, small=False):
        bucket.plant_large(f"{top}/f", self.size(small))


class Append(Change):
    title = f"append 1 KiB to {MEDIUM // MIB} MiB, fsync"

    def work(self, top, small=False):
        with open(top / "f", "ab", buffering=0) as f:
            f.write(NOISE[:KIB])
            os.fsync(f.fileno())

    def held(self, top, small=False):
        return size_of(top / "f") == self.size(small) + KIB

    def bare(self, bare):
        return bare.multipart("d/f", [(0, MEDIUM - 1), NOISE[:KIB]],
                              connections=2)


class Poke(Change):
    title = f"change 1 byte in {MEDIUM // MIB} MiB, fsync"
    target = "1.15 x bare; 6 requests; 5 MiB + 1 up"

    def plant(self, bucket, top, small=False):
        super().plant(bucket, top, small)
        self.old = self.byte(bucket.root / top, small)

    def byte(self, top, small):
        try:
            with open(top / "f", "rb") as f:
                return os.pread(f.fileno(), 1, self.size(small) // 2)
        except FileNotFoundError:
            return b""

    def work(self, top, small=False):
        with open(top / "f", "r+b", buffering=0) as f:
            f.seek(self.size(small) // 2)
            f.write(bytes((self.old[0] ^ 1,)))
            os.fsync(f.fileno())

    def held(self, top, small=False):
        return self.byte(top, small) == bytes((self.old[0] ^ 1,))

    def bare(self, bare):
        first = MEDIUM // 2 // MIB * MIB
        last = min(first + WINDOW, MEDIUM) - 1
        parts = [(0, first - 1), NOISE[:last + 1 - first]]
        if last < MEDIUM - 1:
            parts.append((last + 1, MEDIUM - 1))
        return bare.multipart("d/f", parts, connections=3,
                              first=[bare.get("d/f", first, last)])


class Rename(Files):
    title = f"rename a folder of {FILES}"
    target = f"0.5 s; {FILES + 3} requests"
    listed = ("", "d", "d/a")

    def work(self, top, small=False):
        os.rename(top / "a", top / "b")

    def held(self, top, small=False):
        return (not files_in(top / "a", 4 * KIB) and
                files_in(top / "b", 4 * KIB) == len(self.names(small)))

    def bare(self, bare):
        names = self.names(False)
        copies = [bare.copy(f"d/a/{name}", f"d/b/{name}") for name in names]
        return (bare.parallel(copies) + sum(bare.one_by_one(
            [bare.deletes(f"d/a/{name}" for name in names)])))

    def s5cmd(self, tool, scratch):
        return tool.run("mv", f"{tool.url}d/a/*", f"{tool.url}d/b/")


class Rm(Files):
    title = f"rm -r of {FILES}, sync=fsync"
    target = "0.05 s; in S3 by 0.35 s; 3 requests"
    options = {"sync": "fsync"}
    folder = ""

    def work(self, top, small=False):
        run("rm", "-r", top)

    def held(self, top, small=False):
        return not files_in(top, 4 * KIB)

    def bare(self, bare):
        return sum(bare.one_by_one([bare.deletes(
            f"d/{name}" for name in self.names(False))]))

    def s5cmd(self, tool, scratch):
        return tool.run("rm", f"{tool.url}d/*")


class Cp(Change):
    title = f"cp {MEDIUM // MIB} MiB inside the mount"
    target = "1.1 x bare; 1 request"

    def work(self, top, small=False):
        run("cp", top / "f", top / "g")

    def held(self, top, small=False):
        return size_of(top / "g") == self.size(small)

    def bare(self, bare):
        return sum(bare.one_by_one([bare.copy("d/f", "d/g")]))

    def s5cmd(self, tool, scratch):
        return tool.run("cp", f"{tool.url}d/f", f"{tool.url}d/g")


ROWS = (Write, Create, Createlater, Append, Poke, Rename, Rm, Cp)
