# SPDX-License-Identifier: Apache-2.0
"""Random calls on one tree, by processes that know nothing of each other.

    python fsstress.py FOLDER SEED COUNT

Does ${COUNT} calls in ${FOLDER}; ends with 1, and says so, if one fails as no
call may when others change the tree.  Any tree may come of it: the caller
looks whether all who look at it see the same one.
"""

import errno
import os
import random
import sys

NAMES = ("a", "b", "c", "d")
# What a call is told that meets a tree which has changed meanwhile.
USUAL = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR,
         errno.EISDIR, errno.EINVAL, errno.ELOOP, errno.EBUSY,
         errno.ENODATA}


class Stress:
    """The calls; each on a random path."""

    def __init__(self, top, seed):
        self.top = top
        self.dice = random.Random(seed)

    def path(self):
        depth = self.dice.choice((1, 1, 2, 2, 3))
        return os.path.join(self.top, *(self.dice.choice(NAMES)
                                        for _ in range(depth)))

    def bytes(self):
        return self.dice.randbytes(self.dice.choice((0, 1, 4096, 70000)))

    def create(self):
        with open(self.path(), "wb", buffering=0) as f:
            f.write(self.bytes())

    def append(self):
        with open(self.path(), "ab", buffering=0) as f:
            f.write(self.bytes())

    def write(self):
        with open(self.path(), "r+b", buffering=0) as f:
            f.seek(self.dice.randrange(100000))
            f.write(self.bytes())
            if self.dice.random() < 0.3:
                os.fsync(f.fileno())

    def read(self):
        with open(self.path(), "rb", buffering=0) as f:
            f.read(1 << 20)

    def truncate(self):
        os.truncate(self.path(), self.dice.choice((0, 1, 5000, 150000)))

    def copy(self):
        with open(self.path(), "rb") as f, open(self.path(), "wb") as g:
            os.copy_file_range(f.fileno(), g.fileno(), 1 << 20)

    def unlink(self):
        os.unlink(self.path())

    def mkdir(self):
        os.mkdir(self.path())

    def rmdir(self):
        os.rmdir(self.path())

    def rename(self):
        os.rename(self.path(), self.path())

    def symlink(self):
        os.symlink(self.dice.choice(NAMES), self.path())

    def mkfifo(self):
        # Not where another would open it, and wait.
        os.mkfifo(os.path.join(self.top, "fifo"))

    def chmod(self):
        os.chmod(self.path(), self.dice.choice((0o755, 0o700, 0o777)))

    def utime(self):
        os.utime(self.path(), ns=(self.dice.randrange(10**18),
                                  self.dice.randrange(10**18)))

    def xattr(self):
        os.setxattr(self.path(), "user.x", self.dice.randbytes(9))

    def listdir(self):
        with os.scandir(self.path()) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)

    def stat(self):
        os.stat(self.path())

    def run(self, count):
        """Return what failed, None."""
        calls = [getattr(self, name) for name in (
            "create", "create", "append", "write", "read",
            "truncate", "copy", "unlink", "mkdir", "mkdir", "rmdir",
            "rename", "rename", "symlink", "mkfifo", "chmod", "utime",
            "xattr", "listdir", "stat")]
        for i in range(count):
            call = self.dice.choice(calls)
            try:
                call()
            except OSError as e:
                if e.errno not in USUAL:
                    return f"{i}: {call.__name__}: {e}"
        return None


if __name__ == "__main__":
    said = Stress(sys.argv[1], sys.argv[2]).run(int(sys.argv[3]))
    if said:
        sys.exit(said)
