# SPDX-License-Identifier: Apache-2.0
"""A model of one bucket and two mounts of it: what each may see (ttl=0).

What S3 has is `objects` and `folders`.  A mount shows that, and over it what
its own programs wrote and have not closed: its Files that are dirty.  Steps of
the two come one after the other, so nearly all is certain.  What is not:

doubt   another replaced or removed the version that a File is of.  Its handles
        go on with it where they can, or are told ESTALE; what was written to
        it must lose (or, if there is no object any more, may be made anew).
modes   those that a path may have: a chmod is sent after a while.
"""

import errno
import os

ESTALE = errno.ESTALE
DIR = "dir"


class Wrong(AssertionError):
    """What a mount did was never promised."""


class Object:
    """A version in S3."""

    def __init__(self, data):
        self.data = data


class File:
    """A file that a mount has open: the version it is of, and what is new."""

    def __init__(self, side, path, base):
        self.side = side
        self.path = path        # None: it has no name any more
        self.base = base        # None: S3 has none
        self.is_new = base is None      # never sent; base: what it replaces
        self.data = base.data if base else b""
        self.dirty = base is None
        self.emptied = False
        self.doubt = False
        self.lost = False
        self.handles = 0

    def write(self, off, data):
        old = self.data
        self.data = (old[:off].ljust(off, b"\0") + data
                     + old[off + len(data):])
        self.dirty = True

    def truncate(self, size):
        if size == len(self.data):
            return              # which changes nothing
        self.emptied = self.emptied or (
            size == 0 and not self.is_new and len(self.base.data) > 0)
        self.data = self.data[:size].ljust(size, b"\0")
        self.dirty = True

    def __repr__(self):
        words = [w for w in ("dirty", "emptied", "doubt", "lost")
                 if getattr(self, w)]
        return f"{self.path} of {len(self.data)} bytes {' '.join(words)}"


class Handle:
    """A descriptor of a program."""

    def __init__(self, fd, file, writes, appends):
        self.fd = fd
        self.file = file
        self.writes = writes
        self.appends = appends
        self.told = False       # that another was first
        file.handles += 1


def parent(path):
    return os.path.dirname(path)


def is_below(path, folder):
    return path.startswith(folder + "/")


class World:
    """The bucket, and what two mounts have beside it; paths are below top."""

    def __init__(self):
        self.objects = {}
        self.folders = set()
        self.files = []
        self.modes = {}         # of each path: all that may show

    # What there is.

    def own(self, side, path=None):
        """Return the Files of a mount, or those of one path."""
        return [f for f in self.files if f.side == side and not f.lost
                and f.path is not None and path in (None, f.path)]

    def dirty(self, side, path):
        """Return the File that a mount shows as ${path}, None if none."""
        return next((f for f in self.own(side, path) if f.dirty), None)

    def current(self, side, path):
        """Return the File that who opens ${path} gets, None if none."""
        return self.dirty(side, path) or next(
            (f for f in self.own(side, path) if not f.doubt), None)

    def dirs(self, side):
        """Return the folders that a mount shows."""
        return self.folders | {
            top for f in self.own(side) if f.dirty
            for top in ancestors(f.path)}

    def kind(self, side, path):
        """Return DIR, the bytes of the file, or None."""
        if path == "" or path in self.dirs(side):
            return DIR
        file = self.dirty(side, path)
        if file:
            return file.data
        return self.objects[path].data if path in self.objects else None

    def names(self, side, folder):
        """Return the names in a folder."""
        paths = (self.objects.keys() | self.dirs(side)
                 | {f.path for f in self.own(side) if f.dirty})
        return sorted(os.path.basename(p) for p in paths
                      if parent(p) == folder)

    def missing(self, side, path):
        """Return the errno of who wants to make ${path}, 0 if none."""
        kind = self.kind(side, parent(path))
        if kind is None:
            above = parent(path)
            while self.kind(side, above) is None:
                above = parent(above)
            return (errno.ENOENT if self.kind(side, above) == DIR
                    else errno.ENOTDIR)
        return 0 if kind == DIR else errno.ENOTDIR

    def absent(self, side, path):
        """Return the errno of who wants ${path}, 0 if it is there."""
        if self.kind(side, path) is not None:
            return 0
        return self.missing(side, path) or errno.ENOENT

    # What changes it.

    def doubted(self, path, but=None):
        """S3 has another version of ${path}, or none."""
        for f in self.files:
            if f.path == path and f is not but:
                f.doubt = True

    def put(self, path, data, by=None):
        self.objects[path] = Object(data)
        self.folders |= ancestors(path)
        self.modes.setdefault(path, {0o644})
        self.doubted(path, by)
        return self.objects[path]

    def may_flush(self, file):
        """Return the outcomes of sending ${file} that are allowed."""
        there = self.objects.get(file.path)
        if file.path is None or not file.dirty:
            return {0, ESTALE} if file.doubt else {0}
        if there is file.base:
            return {0}
        if there is None:           # made anew, if all of it is here
            return {0} if file.emptied else {0, ESTALE}
        if file.emptied:
            return {0}
        if file.base and file.base.data == there.data:
            return {0, ESTALE}
        return {ESTALE}

    def flushed(self, file):
        """S3 has ${file} now."""
        if file.path is None or not file.dirty:
            return
        file.base = self.put(file.path, file.data, file)
        file.doubt = file.is_new = file.dirty = file.emptied = False

    def unnamed(self, side, path):
        """A mount has removed or replaced what it has as ${path}."""
        for f in self.own(side, path):
            f.path = None
        self.doubted(path)

    def remove(self, side, path):
        self.unnamed(side, path)
        self.objects.pop(path, None)    # (who has it open may make it anew)

    def rename(self, side, old, new):
        """A file, or a folder with all below it, gets another name."""
        if self.kind(side, old) != DIR:
            self._rename_file(side, old, new)
            return
        # (Also what another has made under the name of an unsent file.)
        for path in [p for p in self.objects if is_below(p, old)]:
            there = self.objects.pop(path)
            self.doubted(path)
            for f in self.own(side, path):
                f.doubt = f.base is not there
            self.objects[new + path[len(old):]] = there
        for path in [p for p in self.modes if is_below(p, old)]:
            self.modes[new + path[len(old):]] = self.modes.pop(path)
        for f in self.own(side):
            if is_below(f.path, old):
                f.path = new + f.path[len(old):]
        gone = {p for p in self.folders if p == old or is_below(p, old)}
        self.folders -= gone
        self.folders |= {new + p[len(old):] for p in gone} | {new}

    def _rename_file(self, side, old, new):
        file = self.dirty(side, old)
        mine = self.own(side, old)
        modes = self.modes.get(old, {0o644}) | self.modes.get(new, set())
        self.unnamed(side, new)
        if file is not None and file.is_new:
            if file.base is not None and file.base is self.objects.get(old):
                del self.objects[old]   # it was replaced, as far as seen
                self.doubted(old)
            file.base = self.objects.get(new)
            file.doubt = False
        elif old in self.objects:
            there = self.objects.pop(old)
            self.objects[new] = there
            self.doubted(old)
            for f in mine:
                f.doubt = f.base is not there
        for f in mine:
            f.path = new
        self.modes[new] = modes

    def closed(self, handle):
        handle.file.handles -= 1
        if handle.file.handles == 0:
            self.files.remove(handle.file)


def ancestors(path):
    """Return all folders above ${path}."""
    found = set()
    while path := parent(path):
        found.add(path)
    return found
