# SPDX-License-Identifier: Apache-2.0
"""Two mounts of one bucket do whatever comes, and a model says what each of
them may see (lib/shared.py); after each step S3 is what the model says.

A failure is shrunk to few steps, which takes minutes; PAILFS_SHRINK=0: it is
shown as it came.  PAILFS_SEED=N runs other steps.
"""

import errno
import os
import stat

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (precondition, rule,
                                 run_state_machine_as_test)
from lib import stored
from lib.data import BLOCK
from lib.shared import DIR, ESTALE, File, Handle, ancestors, is_below
from lib.sharing import Run, Two, call

SEED = os.environ.get("PAILFS_SEED")
PHASES = [Phase.generate] + [Phase.shrink] * (
    os.environ.get("PAILFS_SHRINK") != "0")
SIDES = st.integers(0, 1)
FOLDERS = ["d", "e"]
PATHS = ["a", "d/a", "e/a"]
FILES = st.sampled_from(PATHS)
ALL = st.sampled_from(PATHS + FOLDERS)
SIZES = st.sampled_from([1, 100, 5000, BLOCK + 1, 300_000])
OFFSETS = st.sampled_from([0, 3, 4096, BLOCK, 200_000])
MODES = st.sampled_from([0o600, 0o644, 0o755])
NTH = st.integers(0, 7)
HANDLES_MAX = 8


def machine(two):
    """Return a class of machines that work with ${two}."""

    class Machine(Steps):
        def __init__(self):
            super().__init__(two)

    return Machine


class Steps(Run):
    """What programs do, on either mount."""

    def __init__(self, two):
        super().__init__(two)
        self.mkdir_at(0, "d")
        self.create_at(1, "a", 5000)

    has_handles = precondition(lambda self: self.handles)

    # Whole files.

    @rule(side=SIDES, path=FILES, size=SIZES)
    def create(self, side, path, size):
        """Open with O_TRUNC, write, close."""
        self.create_at(side, path, size)

    def create_at(self, side, path, size):
        handle = self.opened(side, path, os.O_WRONLY | os.O_CREAT
                             | os.O_TRUNC)
        if handle:
            self.write_to(handle, 0, self.noise(size))
            self.close_it(handle)
        self.check()

    @rule(side=SIDES, path=ALL)
    def read(self, side, path):
        file = self.world.dirty(side, path)
        kind = self.world.kind(side, path)
        error, data = call(self.content, self.at(side, path))
        if kind == DIR:
            self.wanted(error, {errno.EISDIR}, f"read {path}")
        elif kind is None:
            self.wanted(error, {self.world.absent(side, path)},
                        f"read {path}")
        else:
            self.wanted(error, {0, ESTALE} if file and file.doubt else {0},
                        f"read {path}")
            self.same(error, data, kind, path)

    @rule(side=SIDES, path=ALL)
    def look(self, side, path):
        """stat"""
        self.look_at(side, path)

    def look_at(self, side, path):
        kind = self.world.kind(side, path)
        error, got = call(os.stat, self.at(side, path))
        self.wanted(error, {self.world.absent(side, path)}, f"stat {path}")
        if error:
            return
        if stat.S_ISDIR(got.st_mode) != (kind == DIR):
            self.wrong(f"{path}: of type {got.st_mode:o}")
        if kind == DIR:
            return
        if got.st_size != len(kind):
            self.wrong(f"{path}: {got.st_size} bytes, may be {len(kind)}")
        modes = self.world.modes.get(path, {0o644})
        if self.two.has_modes and stat.S_IMODE(got.st_mode) not in modes:
            self.wrong(f"{path}: mode {got.st_mode:o}, may be "
                        f"{[oct(m) for m in modes]}")

    @rule(side=SIDES, path=st.sampled_from(["", *FOLDERS]))
    def list(self, side, path):
        if self.world.kind(side, path) != DIR:
            error, _ = call(os.listdir, self.at(side, path))
            self.wanted(error, {self.world.absent(side, path)
                                or errno.ENOTDIR}, f"list {path}")
            return
        error, names = call(os.listdir, self.at(side, path))
        self.wanted(error, {0}, f"list {path}")
        if sorted(names) != self.world.names(side, path):
            self.wrong(f"{path} has {sorted(names)}, may have "
                        f"{self.world.names(side, path)}")

    @rule(side=SIDES, path=FILES, size=st.sampled_from(
        [0, 1, 100, BLOCK, 300_000]))
    def truncate(self, side, path, size):
        file = self.world.current(side, path)
        kind = self.world.kind(side, path)
        error, _ = call(os.truncate, self.at(side, path), size)
        if kind is None or kind == DIR:
            self.wanted(error, {self.world.absent(side, path)
                                or errno.EISDIR}, f"truncate {path}")
            return
        if file is None:        # nobody has it open
            file = File(side, path, self.world.objects[path])
        file.truncate(size)
        if not error and file.doubt and self.is_aside(file):
            # The kernel tries again what was told ESTALE: with the winner.
            self.lose(file)
            file = File(side, path, self.world.objects[path])
            file.truncate(size)
        self.flush(file, error)
        self.check()

    @rule(side=SIDES, path=ALL, mode=MODES)
    def chmod(self, side, path, mode):
        kind = self.world.kind(side, path)
        error, _ = call(os.chmod, self.at(side, path), mode)
        self.wanted(error, {self.world.absent(side, path)}, f"chmod {path}")
        if error or kind == DIR:
            return
        self.world.modes.setdefault(path, set()).add(mode)
        got = os.stat(self.at(side, path)).st_mode
        if stat.S_IMODE(got) != mode:
            self.wrong(f"{path}: mode {got:o} after chmod {mode:o}")

    # Names.

    def other_writes(self, side, *paths):
        """Whether the other mount is about to make a file at one of these, or
        a folder of one: what S3 then has under both has one name only.
        """
        return any(f.dirty and (f.path in paths or any(
            is_below(f.path, p) for p in paths))
            for f in self.world.own(1 - side))

    @rule(side=SIDES, path=st.sampled_from(FOLDERS + ["a", "d/a"]))
    def mkdir(self, side, path):
        self.mkdir_at(side, path)

    def mkdir_at(self, side, path):
        if any(f.path == path for f in self.world.own(1 - side)):
            return
        error, _ = call(os.mkdir, self.at(side, path))
        if self.world.kind(side, path) is not None:
            self.wanted(error, {errno.EEXIST}, f"mkdir {path}")
        else:
            self.wanted(error, {self.world.missing(side, path)},
                        f"mkdir {path}")
        if not error:
            self.world.folders |= ancestors(path) | {path}
        self.check()

    @rule(side=SIDES, path=ALL)
    def rmdir(self, side, path):
        kind = self.world.kind(side, path)
        error, _ = call(os.rmdir, self.at(side, path))
        if kind != DIR:
            self.wanted(error, {self.world.absent(side, path)
                                or errno.ENOTDIR}, f"rmdir {path}")
            return
        is_full = self.world.names(side, path) != []
        self.wanted(error, {errno.ENOTEMPTY if is_full else 0},
                    f"rmdir {path}")
        if not error:
            self.world.folders.discard(path)
        self.check()

    @rule(side=SIDES, path=ALL)
    def unlink(self, side, path):
        kind = self.world.kind(side, path)
        file = self.world.dirty(side, path)
        error, _ = call(os.unlink, self.at(side, path))
        if kind is None or kind == DIR:
            self.wanted(error, {self.world.absent(side, path)
                                or errno.EISDIR}, f"unlink {path}")
            return
        self.wanted(error, {0, ESTALE} if file and file.doubt else {0},
                    f"unlink {path}")
        if error:
            return
        if file and file.is_new and path in self.in_s3():
            self.world.unnamed(side, path)  # another's, not seen: it stays
        else:
            self.world.remove(side, path)
        self.check()

    @rule(side=SIDES, old=ALL, new=ALL)
    def rename(self, side, old, new):
        world = self.world
        kinds = [world.kind(side, p) for p in (old, new)]
        if kinds[0] == DIR and any(f.path == new
                                   for f in world.own(1 - side)):
            return
        if kinds[0] is not None and kinds[0] != DIR and \
                self.other_writes(side, new + "/"):
            return
        errors = self.rename_errors(side, old, new, kinds)
        doubt = any(f and f.doubt for f in (world.dirty(side, old),
                                            world.dirty(side, new)))
        error, _ = call(os.rename, self.at(side, old), self.at(side, new))
        allowed = errors or ({0, ESTALE} if doubt and kinds[0] != DIR
                             else {0})
        self.wanted(error, allowed, f"rename {old} {new}")
        if not error and old != new:
            world.rename(side, old, new)
        self.check()

    def rename_errors(self, side, old, new, kinds):
        """Return all errors that POSIX has for it."""
        world = self.world
        errors = {world.absent(side, old), world.missing(side, new)} - {0}
        if is_below(new, old):
            errors.add(errno.EINVAL)
        if is_below(old, new):
            errors.add(errno.ENOTEMPTY)
        if kinds[0] is None or kinds[1] is None or old == new:
            return errors
        if kinds[0] == DIR and kinds[1] != DIR:
            errors.add(errno.ENOTDIR)
        if kinds[0] != DIR and kinds[1] == DIR:
            errors.add(errno.EISDIR)
        if kinds[0] == DIR == kinds[1] and world.names(side, new):
            errors.add(errno.ENOTEMPTY)
        return errors

    # Open files.

    def opened(self, side, path, flags):
        """Open a file; return its Handle, None if that failed."""
        world = self.world
        kind = world.kind(side, path)
        if kind is None and self.other_writes(side, path + "/"):
            return None
        error, fd = call(os.open, self.at(side, path), flags, 0o644)
        if fd is not None:
            self.fds.append(fd)
        if kind == DIR:
            self.wanted(error, {0 if flags == os.O_RDONLY else errno.EEXIST
                                if flags & os.O_EXCL else errno.EISDIR},
                        f"open {path}")
        elif kind is None and not flags & os.O_CREAT:
            self.wanted(error, {world.absent(side, path)}, f"open {path}")
        elif kind is None:
            self.wanted(error, {world.missing(side, path)}, f"open {path}")
        elif flags & os.O_EXCL:
            self.wanted(error, {errno.EEXIST}, f"open {path}")
        else:
            self.wanted(error, {0}, f"open {path}")
        if error or kind == DIR:
            return None
        file = world.current(side, path)
        if file is None:
            file = File(side, path, world.objects.get(path))
            world.files.append(file)
            world.modes.setdefault(path, set())
            world.modes[path].add(0o644)
        if flags & os.O_TRUNC:
            file.truncate(0)
        handle = Handle(fd, file, flags & os.O_ACCMODE != os.O_RDONLY,
                        flags & os.O_APPEND != 0)
        self.handles.append(handle)
        return handle

    @precondition(lambda self: len(self.handles) < HANDLES_MAX)
    @rule(side=SIDES, path=FILES, flags=st.sampled_from([
        os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT,
        os.O_RDWR | os.O_CREAT | os.O_APPEND, os.O_RDWR | os.O_TRUNC,
        os.O_RDWR | os.O_CREAT | os.O_EXCL]))
    def open(self, side, path, flags):
        self.opened(side, path, flags)
        self.check()

    def write_to(self, handle, off, data):
        file = handle.file
        if handle.appends:
            off = len(file.data)
        error, _ = call(os.pwrite, handle.fd, data, off)
        if not self.refused(file, error):
            file.write(off, data)

    def refused(self, file, error):
        """Whether a change of an open file was, as it may be."""
        if file.lost:
            allowed = {ESTALE}
        elif file.doubt and not file.dirty:
            allowed = {0, ESTALE}       # ESTALE: it was looked at since
        else:
            allowed = {0}
        self.wanted(error, allowed, f"change of {file}")
        return error

    @precondition(lambda self: len(self.handles) < HANDLES_MAX)
    @rule(side=SIDES, path=FILES, off=OFFSETS, size=SIZES,
          flags=st.sampled_from([os.O_CREAT, os.O_TRUNC | os.O_CREAT]))
    def edit(self, side, path, off, size, flags):
        """Open, write, go on."""
        handle = self.opened(side, path, os.O_RDWR | flags)
        if handle:
            self.write_to(handle, off, self.noise(size))

    @precondition(lambda self: len(self.handles) < HANDLES_MAX)
    @rule(side=SIDES, path=FILES, size=SIZES)
    def both(self, side, path, size):
        """Both change it."""
        self.edit_at(side, path, size)
        self.edit_at(1 - side, path, size + 1)

    def edit_at(self, side, path, size):
        handle = self.opened(side, path, os.O_RDWR)
        if handle:
            self.write_to(handle, 3, self.noise(size))

    @has_handles
    @rule(nth=NTH, off=OFFSETS, size=SIZES)
    def write(self, nth, off, size):
        handle = self.pick(nth)
        if handle.writes:
            self.write_to(handle, off, self.noise(size))

    @has_handles
    @rule(nth=NTH, size=OFFSETS)
    def ftruncate(self, nth, size):
        handle = self.pick(nth)
        if not handle.writes:
            return
        error, _ = call(os.ftruncate, handle.fd, size)
        file = handle.file
        if size == len(file.data):      # which changes nothing
            self.wanted(error, {0, ESTALE} if file.lost or file.doubt
                        else {0}, f"ftruncate of {file}")
        elif not self.refused(file, error):
            file.truncate(size)

    @has_handles
    @rule(nth=NTH)
    def read_open(self, nth):
        file = self.pick(nth).file
        error, data = call(os.pread, self.pick(nth).fd, 1 << 20, 0)
        if error == errno.EBADF:
            return              # opened for writing only
        self.wanted(error, {0, ESTALE} if file.doubt or file.lost else {0},
                    f"read from {file}")
        self.same(error, data, file.data, file)

    @has_handles
    @rule(nth=NTH)
    def fsync(self, nth):
        handle = self.pick(nth)
        error, _ = call(os.fsync, handle.fd)
        self.synced(handle, error, "fsync")
        self.check()

    @has_handles
    @rule(nth=NTH)
    def close(self, nth):
        self.close_it(self.pick(nth))
        self.check()

    def close_it(self, handle):
        self.handles.remove(handle)
        self.fds.remove(handle.fd)
        error, _ = call(os.close, handle.fd)
        if handle.writes:
            self.synced(handle, error, "close")
        else:
            self.wanted(error, {0, ESTALE} if handle.file.lost else {0},
                        f"close of {handle.file}")
        self.world.closed(handle)

    def synced(self, handle, error, what):
        """Whoever has it open is told once that another was first."""
        file = handle.file
        if file.lost:
            self.wanted(error, {0, ESTALE} if handle.told else {ESTALE},
                        f"{what} of {file}")
        else:
            self.flush(file, error)
        handle.told = handle.told or error == ESTALE

    # In the end.

    @rule()
    def settle(self):
        """What waits for its time comes; then both see the same."""
        if any(len(modes) > 1 for modes in self.world.modes.values()) and \
                not any(f.dirty for f in self.world.files):
            self.settle_all()

    def settle_all(self):
        self.two.settle()
        self.check()
        for path in self.world.objects:
            shown = {stat.S_IMODE(os.stat(self.at(side, path)).st_mode)
                     for side in (0, 1)}
            said = stored.head(self.two.s3, self.two.bucket,
                               f"{self.top}/{path}")["Metadata"]
            shown.add(stat.S_IMODE(int(said["mode"])))
            if not self.two.has_modes:
                continue        # others do not ask for them
            if len(shown) > 1 or not shown <= self.world.modes[path]:
                self.wrong(f"{path}: modes {[oct(m) for m in shown]}, may "
                            "be one of "
                            f"{[oct(m) for m in self.world.modes[path]]}")
            if not any(f.path == path for f in self.world.files):
                self.world.modes[path] = shown

    def end(self):
        for handle in list(self.handles):
            self.close_it(handle)
        self.check()
        self.settle_all()
        for side in (0, 1):
            for path in ["", *sorted(self.world.folders)]:
                self.list(side, path)
            for path in sorted(self.world.objects):
                self.look_at(side, path)
                self.read(side, path)

    def teardown(self):
        try:
            if not self.is_wrong:
                self.end()
        finally:
            for fd in self.fds:
                call(os.close, fd)
            for key in stored.keys(self.two.s3, self.two.bucket,
                                   self.top + "/"):
                self.two.s3.delete_object(Bucket=self.two.bucket, Key=key)


def run(mount, s3, bucket, proxy, examples, steps, seed, **options):
    options = {"ttl": 0, "write_delay": 20, "ro": False, **options}
    two = Two([mount(bucket, proxy=proxy, **options) for _ in range(2)],
              s3, bucket)
    one = machine(two)
    if seed is not None:
        one = hypothesis.seed(seed)(one)
    run_state_machine_as_test(one, settings=settings(
        max_examples=examples, stateful_step_count=steps, deadline=None,
        database=None, report_multiple_bugs=False, derandomize=seed is None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=PHASES))
    print(f"{two.runs} runs, {two.steps} checks, {two.conflicts} conflicts")


@pytest.mark.servers("versitygw")
@pytest.mark.timeout(300)
def test_two_mounts(mount, s3, bucket, proxy):
    run(mount, s3, bucket, proxy, 15, 40, SEED and int(SEED))


@pytest.mark.long
@pytest.mark.servers("versitygw")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 104))
@pytest.mark.parametrize("attrs", ["posix", "list"])
def test_two_mounts_for_long(mount, s3, bucket, proxy, seed, attrs):
    run(mount, s3, bucket, proxy, 60, 100, int(SEED or seed), attrs=attrs)
