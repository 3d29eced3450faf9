# SPDX-License-Identifier: Apache-2.0
"""Random operations on two folders at once: a disk's and a mount's.

    dice = random.Random(seed)
    twins = Twins(disk, m.path)
    for n in range(1500):
        twins.step((n, *choose(dice, twins)))

A step is (number, operation, arguments...), all of it data, so that a list of
steps can be run again, or a part of it.  An operation is a method of Side; it
returns what can be compared, or raises OSError.  Open files are in slots; an
operation on an empty slot does nothing.

Not compared, since no two systems agree, or S3 has no such thing: size, link
count and times of folders; what lseek says of an open folder; st_blocks and
holes; inode numbers; hard links (EPERM on the mount), O_TMPFILE and
RENAME_EXCHANGE (refused there); attributes user.s3.* (the mount's own).
"""

import ctypes
import errno
import mmap
import os
import stat
from collections import deque

from .data import BLOCK, MIB, noise

LIBC = ctypes.CDLL(None, use_errno=True)
SLOTS = 5
NAMES = ["a", "b", "c", "d1", "x y", "\u00fc", ".h"]
TARGETS = ["a", "b", "d1/c", "d1", "nowhere", "x y/a"]
SIZES = [0, 1, 100, 4096, 5000, BLOCK - 1, BLOCK, BLOCK + 1, 200_000]
OFFSETS = [0, 1, 5, 4095, 4096, BLOCK - 1, BLOCK, 300_000, MIB]
MODES = [0o600, 0o644, 0o755, 0o400, 0o000]
FLAGS = [os.O_RDWR, os.O_RDWR, os.O_RDONLY, os.O_WRONLY, os.O_RDWR
         | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_TRUNC, os.O_WRONLY
         | os.O_APPEND | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_EXCL,
         os.O_RDWR | os.O_TRUNC, os.O_RDWR | os.O_APPEND]
KEEP_SIZE = 1
NOREPLACE = 1
LAST = 15                   # steps that a failure shows
AT_FDCWD = -100


def _libc(result, path=None):
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


class Side:
    """One of the two folders and what is open in it."""

    def __init__(self, root):
        self.root = os.fspath(root)
        self.fds = {}

    def at(self, path):
        return os.path.join(self.root, path)

    def close_all(self):
        for slot in list(self.fds):
            self.close(0, slot)

    # Open files.

    def open(self, _n, slot, path, flags):
        if slot in self.fds:
            self.close(0, slot)
        self.fds[slot] = os.open(self.at(path), flags, 0o644)

    def close(self, _n, slot):
        os.close(self.fds.pop(slot))

    def pwrite(self, n, slot, off, size):
        return os.pwrite(self.fds[slot], noise(size, n), off)

    def pread(self, _n, slot, off, size):
        return os.pread(self.fds[slot], size, off)

    def ftruncate(self, _n, slot, size):
        os.ftruncate(self.fds[slot], size)

    def fallocate(self, _n, slot, mode, off, size):
        _libc(LIBC.fallocate(self.fds[slot], mode, ctypes.c_long(off),
                             ctypes.c_long(size)))

    def fsync(self, _n, slot):
        os.fsync(self.fds[slot])

    def fchmod(self, _n, slot, mode):
        os.fchmod(self.fds[slot], mode)
        return stat.S_IMODE(os.fstat(self.fds[slot]).st_mode)

    def fstat(self, _n, slot):
        return self._shown(os.fstat(self.fds[slot]))

    def forget(self, _n, slot):
        """Let the next read ask the daemon, not the kernel's pages."""
        os.posix_fadvise(self.fds[slot], 0, 0, os.POSIX_FADV_DONTNEED)

    def seek_end(self, _n, slot):
        if stat.S_ISDIR(os.fstat(self.fds[slot]).st_mode):
            return None         # means something else to each system
        return os.lseek(self.fds[slot], 0, os.SEEK_END)

    def copy(self, _n, slot, off, to_slot, to_off, size):
        total = 0
        while total < size:
            done = os.copy_file_range(
                self.fds[slot], self.fds[to_slot], size - total, off + total,
                to_off + total)
            if not done:
                break
            total += done
        return total

    def store(self, n, slot, off, size, flush):
        """Write by a mapping; only where the file is."""
        st = os.fstat(self.fds[slot])
        end = st.st_size
        if stat.S_ISDIR(st.st_mode) or off + size > end or not size:
            return "outside"    # a folder's size is each system's own
        with mmap.mmap(self.fds[slot], end) as view:
            before = view[off:off + size]
            view[off:off + size] = noise(size, n)
            if flush:
                view.flush()
        return before

    # Paths.

    def create(self, n, path, size):
        with open(self.at(path), "wb", buffering=0) as f:
            f.write(noise(size, n))

    def append(self, n, path, size):
        fd = os.open(self.at(path), os.O_WRONLY | os.O_APPEND)
        try:
            return os.write(fd, noise(size, n))
        finally:
            os.close(fd)

    def poke(self, n, path, off, size):
        fd = os.open(self.at(path), os.O_RDWR)
        try:
            return os.pwrite(fd, noise(size, n), off)
        finally:
            os.close(fd)

    def read(self, _n, path):
        with open(self.at(path), "rb", buffering=0) as f:
            return f.read()

    def truncate(self, _n, path, size):
        os.truncate(self.at(path), size)

    def unlink(self, _n, path):
        os.unlink(self.at(path))

    def mkdir(self, _n, path, mode):
        os.mkdir(self.at(path), mode)

    def rmdir(self, _n, path):
        os.rmdir(self.at(path))

    def rename(self, _n, path, to):
        os.rename(self.at(path), self.at(to))

    def rename_noreplace(self, _n, path, to):
        _libc(LIBC.renameat2(AT_FDCWD, os.fsencode(self.at(path)), AT_FDCWD,
                             os.fsencode(self.at(to)), NOREPLACE))

    def symlink(self, _n, target, path):
        os.symlink(target, self.at(path))

    def readlink(self, _n, path):
        return os.readlink(self.at(path))

    def chmod(self, _n, path, mode):
        os.chmod(self.at(path), mode)
        return stat.S_IMODE(os.stat(self.at(path)).st_mode)

    def utime(self, n, path):
        os.utime(self.at(path), ns=(n * 10**9 + 123456789,
                                    n * 10**10 + 987654321))
        return os.stat(self.at(path)).st_mtime_ns

    def setxattr(self, n, path, name, size, flags):
        os.setxattr(self.at(path), name, noise(size, n), flags)

    def getxattr(self, _n, path, name):
        return os.getxattr(self.at(path), name)

    def listxattr(self, _n, path):
        # What the mount says of itself is no attribute of the file.
        return sorted(name for name in os.listxattr(self.at(path))
                      if not name.startswith("user.s3."))

    def removexattr(self, _n, path, name):
        os.removexattr(self.at(path), name)

    def listdir(self, _n, path):
        with os.scandir(self.at(path)) as entries:
            return sorted((e.name, e.is_dir(follow_symlinks=False),
                           e.is_symlink()) for e in entries)

    def lstat(self, _n, path):
        return self._shown(os.lstat(self.at(path)))

    @staticmethod
    def _shown(st):
        if stat.S_ISDIR(st.st_mode):
            return oct(st.st_mode)
        return oct(st.st_mode), st.st_size, st.st_nlink

    # All of it.

    def tree(self):
        """Return {path: mode and size, or target} of all that is there."""
        found = {}
        for here, folders, files in os.walk(self.root):
            for name in folders + files:
                path = os.path.join(here, name)
                st = os.lstat(path)
                more = None
                if stat.S_ISLNK(st.st_mode):
                    more = os.readlink(path)
                elif stat.S_ISREG(st.st_mode):
                    more = st.st_size
                found[os.path.relpath(path, self.root)] = (
                    oct(st.st_mode), more)
        return found

    def bytes(self):
        """Return {path: bytes} of all files."""
        return {path: self.read(0, path) for path, (mode, _)
                in self.tree().items() if stat.S_ISREG(int(mode, 8))}


ON_SLOTS = {"close", "pwrite", "pread", "ftruncate", "fallocate", "fsync",
            "fchmod", "fstat", "forget", "seek_end", "copy", "store"}


def short(value):
    """Return a value as a failure shows it."""
    if isinstance(value, bytes) and len(value) > 24:
        return f"{len(value)} bytes"
    return repr(value)


def differ(one, two):
    """Return in words where two results differ."""
    if isinstance(one[1], bytes) and isinstance(two[1], bytes):
        at = next((i for i, (x, y) in enumerate(zip(one[1], two[1]))
                   if x != y), None)
        if at is not None:
            return (f"bytes differ from {at} on: disk "
                    f"{one[1][at:at + 8]!r}, mount {two[1][at:at + 8]!r}")
    if isinstance(one[1], dict) and isinstance(two[1], dict):
        keys = sorted(set(one[1]) | set(two[1]))
        return "; ".join(
            f"{key}: disk {short(one[1].get(key))}, mount "
            f"{short(two[1].get(key))}" for key in keys
            if one[1].get(key) != two[1].get(key))
    return f"disk {one[0]} {short(one[1])}, mount {two[0]} {short(two[1])}"


class Twins:
    """Both sides; each step must end alike."""

    def __init__(self, disk, mount):
        self.disk = Side(disk)
        self.mount = Side(mount)
        self.last = deque(maxlen=LAST)
        self.steps = []

    def _one(self, side, step):
        number, name, *args = step
        try:
            return "ok", getattr(side, name)(number, *args)
        except OSError as e:
            return "error", errno.errorcode.get(e.errno, e.errno)

    def note(self, step):
        """Remember what is done by others."""
        self.steps.append(step)
        self.last.append((step, "ok"))

    def step(self, step):
        """Do ${step} on both sides; raise AssertionError if they differ."""
        self.steps.append(step)
        if step[1] in ON_SLOTS and not self._open(step):
            return
        one, two = (self._one(side, step) for side in (self.disk, self.mount))
        self.last.append((step, one[0] if one[0] == "ok" else one[1]))
        assert one == two, f"{step}: {differ(one, two)}"

    def _open(self, step):
        slots = [step[2]] + ([step[4]] if step[1] == "copy" else [])
        return all(slot in self.disk.fds for slot in slots)

    def same_trees(self):
        one, two = ("ok", self.disk.tree()), ("ok", self.mount.tree())
        assert one == two, f"trees differ: {differ(one, two)}"

    def same_bytes(self):
        one, two = ("ok", self.disk.bytes()), ("ok", self.mount.bytes())
        if one != two:
            for path, content in one[1].items():
                each = ("ok", content), ("ok", two[1].get(path))
                assert each[0] == each[1], f"{path}: {differ(*each)}"

    def close_all(self):
        self.disk.close_all()
        self.mount.close_all()

    def shown(self):
        """Return the last steps, a line each."""
        return "\n".join(f"    {step!r} -> {how}" for step, how in self.last)


WEIGHTS = {
    "create": 6, "append": 5, "poke": 6, "read": 8, "truncate": 4,
    "unlink": 5, "mkdir": 3, "rmdir": 3, "rename": 8, "rename_noreplace": 2,
    "symlink": 1, "readlink": 1, "chmod": 2, "utime": 2, "setxattr": 1,
    "getxattr": 1, "listxattr": 1, "removexattr": 1, "listdir": 3,
    "lstat": 3, "open": 8, "close": 5, "pwrite": 9, "pread": 7,
    "ftruncate": 3, "fallocate": 1, "fsync": 1, "fchmod": 1, "fstat": 2,
    "forget": 2, "seek_end": 1, "copy": 3, "store": 3}


class Chooser:
    """Chooses the next step by what is there."""

    def __init__(self, dice, twins, big=0.01):
        self.dice = dice
        self.twins = twins
        self.big = big
        self.names = list(WEIGHTS)
        self.weights = list(WEIGHTS.values())
        self.found = None       # what paths() found for this step

    def paths(self):
        if self.found is None:
            tree = self.twins.disk.tree()
            self.found = sorted(tree), [""] + sorted(
                path for path, (mode, _) in tree.items()
                if stat.S_ISDIR(int(mode, 8)))
        return self.found

    def new(self):
        """Return a path of which the folder is there."""
        _, folders = self.paths()
        folders = [path for path in folders if path.count("/") < 2]
        return os.path.join(self.dice.choice(folders),
                            self.dice.choice(NAMES))

    def old(self):
        """Return the path of something that is there, nearly always."""
        paths, _ = self.paths()
        if not paths or self.dice.random() < 0.15:
            return self.new()
        return self.dice.choice(paths)

    def size(self):
        if self.dice.random() < self.big:
            return self.dice.choice([9 * MIB, 8 * MIB, 8 * MIB + 1])
        return self.dice.choice(SIZES)

    def off(self):
        if self.dice.random() < self.big:
            return self.dice.choice([8 * MIB - 1, 8 * MIB, 5 * MIB + 1])
        return self.dice.choice(OFFSETS)

    def slot(self):
        """Return a slot, mostly one in use."""
        used = sorted(self.twins.disk.fds)
        if used and self.dice.random() < 0.95:
            return self.dice.choice(used)
        return self.dice.randrange(SLOTS)

    def args(self, name):
        pick = self.dice.choice
        xattr = "user." + pick(["one", "two"])
        ways = {
            "create": lambda: (self.new(), self.size()),
            "append": lambda: (self.old(), self.size()),
            "poke": lambda: (self.old(), self.off(), self.size()),
            "truncate": lambda: (self.old(), pick([self.size(), self.off()])),
            "mkdir": lambda: (self.new(), pick([0o755, 0o700])),
            "rename": lambda: (self.old(), pick([self.new, self.old])()),
            "symlink": lambda: (pick(TARGETS), self.new()),
            "chmod": lambda: (self.old(), pick(MODES)),
            "setxattr": lambda: (self.old(), xattr, pick([0, 1, 40]),
                                 pick([0, 0, os.XATTR_CREATE,
                                       os.XATTR_REPLACE])),
            "getxattr": lambda: (self.old(), xattr),
            "open": lambda: (self.dice.randrange(SLOTS),
                             pick([self.old, self.old, self.new])(),
                             pick(FLAGS)),
            "pwrite": lambda: (self.slot(), self.off(), self.size()),
            "pread": lambda: (self.slot(), self.off(), pick(
                [1, 5000, 2 * MIB])),
            "ftruncate": lambda: (self.slot(), self.off()),
            "fallocate": lambda: (self.slot(), pick([0, 0, KEEP_SIZE]),
                                  self.off(), self.size()),
            "fchmod": lambda: (self.slot(), pick(MODES)),
            "copy": lambda: (self.slot(), self.off(), self.slot(),
                             self.off(), self.size()),
            "store": lambda: (self.slot(), self.off(), self.size(),
                              pick([False, True])),
        }
        ways["rename_noreplace"] = ways["rename"]
        ways["removexattr"] = ways["getxattr"]
        if name in ways:
            return ways[name]()
        return (self.slot(),) if name in ON_SLOTS else (self.old(),)

    def next(self):
        """Return an operation and its arguments."""
        self.found = None
        name = self.dice.choices(self.names, self.weights)[0]
        return (name, *self.args(name))
