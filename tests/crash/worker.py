# SPDX-License-Identifier: Apache-2.0
"""One thread with a folder of its own, and the steps it takes there.

All paths are relative to an open descriptor of the folder: after a kill they
lead to the dead mount, never to the disk beneath it.
"""

import os
import random
import threading

from .content import Body
from .worlds import Manifest, Node, Wrong

KIB = 1 << 10
MIB = 1 << 20
PIECE = 128 * KIB               # one write to the daemon
PART = 5 * MIB                  # part_size= of the mounts
FILES = ["a", "b", "c", "d1/a", "d1/b", "d2/c"]
FOLDERS = ["d1", "d2"]
LARGE = ["big", "d1/big"]
LARGE_MIN = 8 * MIB + 1         # more than one PUT takes
SIZES = [0, 1, 100, 4096, 5000, 70_000, 300_000]
WEIGHTS = {"create": 6, "append": 3, "poke": 3, "truncate": 2, "unlink": 2,
           "rename": 3, "save": 3, "mkdir": 2, "rmdir": 1, "move": 1,
           "chmod": 2, "large": 1, "large_poke": 2, "large_append": 1}


class Control:
    """What workers and the one who kills know of each other."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = 0
        self.wanted = 0
        self.holds = False
        self.reached = threading.Event()
        self.killed = threading.Event()

    def begin(self, wanted, holds):
        """Set ${reached} when the ${wanted}-th call from now begins.

        With ${holds} all workers then stop, each when its call has returned,
        until the kill: nothing comes after what was acknowledged last.
        """
        self.calls = 0
        self.wanted = wanted
        self.holds = holds
        self.reached.clear()
        self.killed.clear()

    def count(self):
        with self.lock:
            self.calls += 1
            if self.calls >= self.wanted:
                self.reached.set()

    def hold(self):
        if self.holds and self.reached.is_set():
            self.killed.wait()


class Stopped(Exception):
    """The daemon was killed."""


class Short(Exception):
    """A write took less than all: the daemon died in its middle."""


class Worker:
    """Owns the folder wN."""

    def __init__(self, number, seed, control, without=()):
        self.name = f"w{number}"
        self.dice = random.Random(f"{seed}/{number}")
        self.control = control
        self.weights = {k: v for k, v in WEIGHTS.items() if k not in without}
        self.manifest = Manifest()
        self.serial = 0
        self.fd = -1
        self.fds = []           # of files that a kill left open
        self.error = None

    @property
    def tree(self):
        return self.manifest.tree

    def open(self, root, device):
        """Enter the folder below ${root}, which must be on ${device}."""
        self.fd = os.open(os.path.join(root, self.name),
                          os.O_RDONLY | os.O_DIRECTORY)
        if os.fstat(self.fd).st_dev != device:
            raise Wrong(f"{root} is not the mount")

    def close(self):
        """Let go of all that is open; of what was cut, the daemon is dead."""
        for fd in self.fds:
            try:
                os.close(fd)
            except OSError:
                pass    # of a dead mount, or closed by a close that failed
        self.fds = []
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def run(self):
        """Step until the daemon is dead; ${error}: what went wrong."""
        self.error = None
        try:
            while not self.control.killed.is_set():
                self.step()
        except Stopped:
            pass
        except (OSError, Short) as e:
            if not self.control.killed.is_set():
                self.error = Wrong(
                    f"{self.name}: {self.manifest.steps[-1]}: {e}")
        except BaseException as e:      # told by who waits for the thread
            self.error = e

    def step(self):
        kind = self.dice.choices(list(self.weights),
                                 list(self.weights.values()))[0]
        getattr(self, "step_" + kind)()

    # Calls.

    def call(self, function, *args, **more):
        """Make one call, if there still is somebody to answer."""
        if self.control.killed.is_set():
            raise Stopped
        # The many writes of a large file are not to have most of the kills.
        if function != self.edit or self.dice.random() < 0.1:
            self.control.count()
        result = function(*args, **more)
        self.control.hold()
        return result

    def tag(self, path):
        self.serial += 1
        tag = f"{self.name}/{path}#{self.serial}"
        self.manifest.tags.setdefault(path, []).insert(0, tag)
        return tag

    def files(self, large=None):
        """Return the paths of files; ${large}: only such, or no such."""
        return [path for path, node in self.tree.items()
                if node.body is not None and path in FILES + LARGE
                and (large is None or large == (path in LARGE))]

    def free(self, names):
        """Return those of ${names} whose folder is there."""
        return [n for n in names
                if not os.path.dirname(n) or os.path.dirname(n) in self.tree]

    def pick(self, among):
        return self.dice.choice(sorted(among)) if among else None

    # Bytes.

    def write(self, what, path, flags, edits, sync=()):
        """Open, change, close a file.

        ${edits}: (off, end, tag) or (size,) each; after those whose numbers
        are in ${sync}, fsync.
        """
        manifest = self.manifest
        old = self.tree.get(path)
        body = old.body if old else Body()
        mode = old.mode if old else 0o644
        if flags & os.O_TRUNC:
            body = Body()
        bodies = [body]
        for edit in edits:
            body = body.write(*edit) if len(edit) == 3 else \
                body.truncate(*edit)
            bodies.append(body)
        final = {**self.tree, path: Node(body, mode)}
        # Before it is emptied, what an earlier close left is set aside: a
        # kill between the two leaves that twice.
        written = [(path, old.body)] if old and old.body != bodies[0] else []
        manifest.begin(f"{what} {path}: {edits}"[:300], final,
                       written=[*written, (path, bodies[0])],
                       is_whole=old is None or flags & os.O_TRUNC != 0)
        fd = self.call(os.open, path, os.O_RDWR | os.O_CREAT | flags, 0o644,
                       dir_fd=self.fd)
        try:
            for n, edit in enumerate(edits):
                manifest.written.append((path, bodies[n + 1]))
                self.call(self.edit, fd, edit)
                manifest.kept = len(manifest.written) - 1
                if n in sync:
                    synced = {**self.tree, path: Node(bodies[n + 1], mode)}
                    manifest.may_be(synced)
                    self.call(os.fsync, fd)
                    manifest.acknowledge(synced)
                    manifest.begin(f"{what} {path} : after fsync {n}", final,
                                   written=[(path, bodies[n + 1])])
            self.call(os.close, fd)
        except BaseException:
            # A daemon that is not dead yet would take it for a close.
            self.fds.append(fd)
            raise
        manifest.acknowledge(final)

    def edit(self, fd, edit):
        if len(edit) == 1:
            os.ftruncate(fd, edit[0])
            return
        off, end, tag = edit
        data = Body().truncate(off).write(off, end, tag).bytes()[off:]
        if os.pwrite(fd, data, off) != end - off:
            raise Short("a short write")

    @staticmethod
    def pieces(off, end, tag):
        """Return the writes that make [off, end)."""
        return [(at, min(at + PIECE, end), tag)
                for at in range(off, end, PIECE)]

    def syncs(self, edits):
        """Return after which of ${edits} an fsync comes, if any."""
        if edits and self.dice.random() < 0.25:
            return (self.dice.randrange(len(edits)),)
        return ()

    def step_create(self):
        path = self.pick(self.free(FILES))
        size = self.dice.choice(SIZES)
        edits = self.pieces(0, size, self.tag(path))
        self.write("create", path, os.O_TRUNC, edits, self.syncs(edits))

    def step_append(self, large=False):
        path = self.pick(self.files(large))
        if path is None:
            return
        size = self.tree[path].body.size
        more = self.dice.choice([1, 1000, 5000, 200_000])
        edits = self.pieces(size, size + more, self.tag(path))
        self.write("append", path, os.O_APPEND, edits, self.syncs(edits))

    def step_poke(self, large=False):
        path = self.pick(self.files(large))
        if path is None:
            return
        edits, size = [], self.tree[path].body.size
        for _ in range(self.dice.randint(1, 3)):
            off = self.dice.randrange(size + 1)
            end = off + self.dice.choice([1, 100, 4096, 50_000])
            edits += self.pieces(off, end, self.tag(path))
        self.write("poke", path, 0, edits, self.syncs(edits))

    def step_truncate(self):
        path = self.pick(self.files())
        if path is None:
            return
        body = self.tree[path].body
        size = self.dice.choice([0, 1, body.size // 2, body.size + 3000])
        self.write("truncate", path, 0, [(size,)])

    def step_large(self):
        """Streamed, in parts that leave meanwhile; some of it is changed
        when its part is on its way, or was.
        """
        path = self.pick(self.free(LARGE))
        size = LARGE_MIN + self.dice.randrange(5 * MIB)
        edits = self.pieces(0, size, self.tag(path))
        if self.dice.random() < 0.8:
            at = self.dice.choice([0, 3 * MIB, 5 * MIB - 100])
            when = self.dice.choice([PART // PIECE + self.dice.randrange(30),
                                     len(edits)])
            edits.insert(when, (at, at + 4096, self.tag(path)))
        self.write("large", path, os.O_TRUNC, edits, self.syncs(edits))

    def step_large_poke(self):
        self.step_poke(True)

    def step_large_append(self):
        self.step_append(True)

    # Names.

    def change(self, what, function, args, *trees):
        """One call that makes trees[0] of what is there."""
        self.manifest.begin(what, *trees)
        self.call(function, *args, **self.where(function))
        self.manifest.acknowledge(trees[0])

    def where(self, function):
        if function is os.rename:
            return {"src_dir_fd": self.fd, "dst_dir_fd": self.fd}
        return {"dir_fd": self.fd}

    def without(self, *paths):
        return {p: n for p, n in self.tree.items() if p not in paths}

    def unlink(self, path):
        self.change(f"unlink {path}", os.unlink, (path,), self.without(path))

    def rename(self, old, new):
        node = self.tree[old]
        after = {**self.without(old), new: node}
        # Cut in the middle, S3 has it under both names.
        self.change(f"rename {old} {new}", os.rename, (old, new), after,
                    {**self.tree, new: node})

    def mkdir(self, path):
        self.change(f"mkdir {path}", os.mkdir, (path, 0o755),
                    {**self.tree, path: Node(None, 0o755)})

    def rmdir(self, path):
        self.change(f"rmdir {path}", os.rmdir, (path,), self.without(path))

    def below(self, folder):
        return [p for p in self.tree if p.startswith(folder + "/")]

    def move(self, old, new):
        """A folder with all that is in it gets another name."""
        moved = {new + p[len(old):]: self.tree[p]
                 for p in [old, *self.below(old)]}
        self.change(f"move {old} {new}", os.rename, (old, new),
                    {**self.without(old, *self.below(old)), **moved})

    def chmod(self, path, mode):
        self.change(f"chmod {mode:o} {path}", os.chmod, (path, mode),
                    {**self.tree, path: Node(self.tree[path].body, mode)})

    def step_unlink(self):
        path = self.pick(self.files())
        if path is not None:
            self.unlink(path)

    def step_rename(self):
        old = self.pick(self.files())
        if old is not None:
            new = self.pick(self.free(LARGE if old in LARGE else FILES))
            if new != old:
                self.rename(old, new)

    def step_save(self):
        """As editors save: a new file, renamed over the old one."""
        path = self.pick(self.files(False))
        if path is None:
            return
        other = path + "~"
        size = self.dice.choice(SIZES)
        edits = self.pieces(0, size, self.tag(other))
        self.write("save", other, os.O_TRUNC, edits, self.syncs(edits))
        self.rename(other, path)

    def step_mkdir(self):
        path = self.pick([f for f in FOLDERS if f not in self.tree])
        if path is not None:
            self.mkdir(path)

    def step_rmdir(self):
        path = self.pick([f for f in FOLDERS
                          if f in self.tree and not self.below(f)])
        if path is not None:
            self.rmdir(path)

    def step_move(self):
        old = self.pick([f for f in FOLDERS if f in self.tree])
        new = self.pick([f for f in FOLDERS if f not in self.tree])
        if old is not None and new is not None:
            self.move(old, new)

    def step_chmod(self):
        path = self.pick(self.files())
        if path is not None:
            self.chmod(path, 0o600 | self.dice.randrange(0o100))
