# SPDX-License-Identifier: Apache-2.0
"""Random operations over a bad link: what may be in each file, as a set.

An operation that succeeded leaves one content; one that failed leaves the old
or the new.  None is a file that is not there.  What was read is believed.

    bets = Bets(dice, m.path, ["a", "d/b"])
    bets.step(n); ...; bets.compare(read)
"""

import errno
import os
from collections import deque

from .data import BLOCK, MIB, noise

# What a link that fails may do to a program.
CLEAN = {errno.EIO, errno.EBUSY, errno.EAGAIN, errno.ETIMEDOUT,
         errno.EHOSTUNREACH}
SIZES = [0, 1, 100, 5000, BLOCK + 1, 300_000]
LAST = 15


def digest(content):
    """Return a content as a failure shows it."""
    if content is None:
        return "absent"
    return f"{len(content)} bytes {content[:6]!r}"


class Wrong(AssertionError):
    """What is there was never promised."""


class Bets:
    """The files of one mount, and what each may hold."""

    def __init__(self, dice, root, paths):
        self.dice = dice
        self.root = os.fspath(root)
        self.paths = list(paths)
        self.may = {path: {None} for path in paths}
        self.last = deque(maxlen=LAST)
        self.n = 0
        self.failed = 0
        self.depth = 0
        self.busy = set()
        self.joint = None       # of a rename that failed: what both may hold

    def at(self, path):
        return os.path.join(self.root, path)

    # What may be there.

    def seen(self, path, content):
        """Narrow a bet to what was seen; raise Wrong."""
        if content not in self.may[path]:
            raise Wrong(f"{path}: {digest(content)}, may be "
                        f"{[digest(one) for one in self.may[path]]}")
        self.may[path] = {content}

    def changed(self, path, change, done):
        """Apply a change to all that may be there."""
        after = {change(one) for one in self.may[path] if one is not None}
        if done:
            if not after:
                raise Wrong(f"{path}: changed, and cannot be there")
            self.may[path] = after
        else:
            self.may[path] = self.may[path] | after

    # Operations: each returns "ok" or the error, and keeps the books.

    def call(self, function, *args):
        """Return (errno or 0, result)."""
        try:
            return 0, function(*args)
        except OSError as e:
            if e.errno == errno.ENOENT:
                return e.errno, None
            self.failed += 1
            if e.errno not in CLEAN:
                raise Wrong(f"{function.__name__} {args!r:.60}: "
                            f"{errno.errorcode[e.errno]}") from e
            return e.errno, None

    def write(self, path, off, data, flags, pieces=1):
        """Open, write in pieces with other steps between, close.

        Returns: (error, was it opened).
        """
        error, fd = self.call(os.open, self.at(path), flags, 0o644)
        if error:
            return error, False
        step = -(-len(data) // pieces) or 1
        for start in range(0, len(data), step):
            more, _ = self.call(os.pwrite, fd, data[start:start + step],
                                off + start)
            error = error or more
            if pieces > 1:
                self.aside()
        if self.dice.random() < 0.2:
            self.call(os.fsync, fd)     # close alone decides
        more, _ = self.call(os.close, fd)
        return error or more, True

    def aside(self):
        """Do another step while a file is open."""
        if self.depth < 2:
            self.depth += 1
            self.one()
            self.depth -= 1

    def op_create(self, path, pieces=1):
        data = noise(self.size(), self.n)
        error, opened = self.write(
            path, 0, data, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, pieces)
        if error == errno.ENOENT:
            raise Wrong(f"{path}: ENOENT of a creation")
        if not error:
            self.may[path] = {data}
        else:
            self.may[path] |= {b"", data} if opened else {b""}
        return error

    def op_slow(self, path):
        return self.op_create(path, self.dice.randrange(2, 4))

    def change(self, path, off, data, flags, change):
        error, opened = self.write(path, off, data, flags)
        if error == errno.ENOENT and not opened:
            self.seen(path, None)
        else:
            self.changed(path, change, not error)
        return error

    def op_append(self, path):
        data = noise(self.dice.choice(SIZES), self.n)
        return self.change(path, 0, data, os.O_WRONLY | os.O_APPEND,
                           lambda old: old + data)

    def op_poke(self, path):
        data = noise(self.dice.choice(SIZES[1:]), self.n)
        off = self.dice.choice([0, 3, 4096, BLOCK, 200_000])
        return self.change(path, off, data, os.O_RDWR, lambda old: (
            old[:off].ljust(off, b"\0") + data + old[off + len(data):]))

    def op_truncate(self, path):
        size = self.dice.choice(SIZES)
        error, _ = self.call(os.truncate, self.at(path), size)
        if error == errno.ENOENT:
            self.seen(path, None)
        else:
            self.changed(path, lambda old: old[:size].ljust(size, b"\0"),
                         not error)
        return error

    def op_unlink(self, path):
        error, _ = self.call(os.unlink, self.at(path))
        if error == errno.ENOENT:
            self.seen(path, None)
        elif error:
            self.may[path] |= {None}
        elif self.may[path] == {None}:
            raise Wrong(f"{path}: removed, and cannot be there")
        else:
            self.may[path] = {None}
        return error

    def op_rename(self, path):
        to = self.free(path)
        error, _ = self.call(os.rename, self.at(path), self.at(to))
        there = self.may[path] - {None}
        if error == errno.ENOENT:
            self.seen(path, None)
        elif not error:
            if not there:
                raise Wrong(f"{path}: moved, and cannot be there")
            self.may[to], self.may[path] = there, {None}
        else:
            old = {(a, b) for a in self.may[path] for b in self.may[to]}
            self.joint = path, to, old | {
                pair for one in there for pair in ((None, one), (one, one))}
            self.may[path] = self.may[path] | {None}
            self.may[to] = self.may[to] | there
        return error

    def op_chmod(self, path):
        error, _ = self.call(os.chmod, self.at(path),
                             self.dice.choice([0o600, 0o644, 0o755]))
        if error == errno.ENOENT:
            self.seen(path, None)
        return error

    def op_read(self, path):
        error, found = self.call(self.content, path)
        if not error or error == errno.ENOENT:
            self.seen(path, found)
        return error

    def content(self, path):
        with open(self.at(path), "rb", buffering=0) as f:
            return f.read()

    # Steps.

    def size(self):
        if self.dice.random() < 0.02:
            return self.dice.choice([8 * MIB + 1, 9 * MIB])
        return self.dice.choice(SIZES)

    def free(self, *but):
        """Return a path that no step above us works on."""
        return self.dice.choice([path for path in self.paths if path
                                 not in self.busy and path not in but])

    def one(self):
        name = self.dice.choices(
            ["create", "slow", "append", "poke", "truncate", "unlink",
             "rename", "chmod", "read"], [8, 2, 5, 5, 2, 4, 6, 2, 6])[0]
        if self.depth and name == "rename":
            name = "read"       # one that fails is looked into at once
        path = self.free()
        self.busy.add(path)
        self.n += 1
        number = self.n
        self.last.append(f"{number} {name} {path} begins")
        error = getattr(self, "op_" + name)(path)
        self.busy.discard(path)
        self.last.append(f"{number} {name} {path} -> "
                         f"{errno.errorcode.get(error, 'ok')}, may be "
                         f"{[digest(c) for c in self.may[path]]}")

    def compare(self, bucket):
        """Assert that mount and ${bucket}(), {path: bytes}, agree."""
        found = bucket()
        for path in self.paths:
            error, shown = self.call(self.content, path)
            if error and error != errno.ENOENT:
                raise Wrong(f"{path}: {errno.errorcode[error]} on a good "
                            "link")
            if shown != found.get(path):
                raise Wrong(f"{path}: {digest(found.get(path))} in the "
                            f"bucket, {digest(shown)} on the mount")
        if self.joint:
            one, two, pairs = self.joint
            now = found.get(one), found.get(two)
            if now not in pairs:
                raise Wrong(f"rename {one} {two} failed and left "
                            f"{[digest(c) for c in now]}")
            self.joint = None
        for path in self.paths:
            self.seen(path, found.get(path))
        extra = set(found) - set(self.paths)
        if extra:
            raise Wrong(f"nobody made {sorted(extra)}")
