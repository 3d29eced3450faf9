# SPDX-License-Identifier: Apache-2.0
"""What may be in a folder after a kill, and what is there.

A tree is {path: Node}.  A worker takes one step at a time, so a kill leaves
few trees that are allowed: the one that was acknowledged last, and those that
the step under way may have made of it.  Beside these, and only for the step
under way, files NAME.unfinished-HOST-TIME may be there, each what its program
had written by then: whole, if S3 had nothing of the file, else but for the
last writes.
"""

import os
import re
import stat

from .content import Body, explain

LEFT = re.compile(r"^(?P<stem>.*)\.(?P<kind>unfinished|conflict|partial)-.+", re.S)


class Node:
    """A folder (body None) or a file of ${body}; ${mode}: permissions."""

    def __init__(self, body, mode):
        self.body = body
        self.mode = mode

    def __eq__(self, other):
        return (self.body, self.mode) == (other.body, other.mode)

    def __hash__(self):
        return hash((self.body, self.mode))

    def __repr__(self):
        return f"{self.mode:o} {'folder' if self.body is None else self.body}"


class Wrong(AssertionError):
    """A promise is broken."""


class Manifest:
    """What one worker was told, and what it has begun."""

    def __init__(self):
        self.tree = {}          # acknowledged
        self.begun = []         # other trees that are allowed
        self.written = []       # (path, Body) after each write of the step
        self.kept = 0           # of these, acknowledged and no older
        self.is_whole = False   # they are of a file that S3 has nothing of
        self.tags = {}          # path: its tags, newest first
        self.steps = []         # all of them, in words

    def begin(self, what, *trees, written=(), is_whole=False):
        """A step begins that may make one of ${trees} of what is there.

        ${is_whole}: it writes a new file, or one that was emptied first, of
        which a kill loses nothing.  Of another, the writes of the last quarter
        of a second may be missing.
        """
        self.steps.append(what)
        self.begun = list(trees)
        self.written = list(written)
        self.kept = 0
        self.is_whole = is_whole

    @property
    def is_replacing(self):
        """Whether a rename over another file was begun, and not more."""
        return len(self.begun) > 1 and \
            self.begun[1].keys() == self.tree.keys()

    def may_be(self, tree):
        """The step has come so far that it may have made ${tree}, too."""
        self.begun.append(tree)

    def acknowledge(self, tree):
        self.steps.append("  done")
        self.tree = tree
        self.begun = []
        self.written = []
        self.kept = 0

    def settle(self, found, where):
        """${found}, a tree with bytes for bodies, must be one allowed.

        It is what is known from then on.  Returns what was left beside it:
        {path: kind}.  Raises Wrong.
        """
        left = self._take_left(found, where)
        for tree in [*self.begun, self.tree]:
            if not differences(tree, found):
                is_old = tree is self.tree
                self.tree = tree
                self.steps.append(f"  killed; {where}: as "
                                  + ("before" if is_old else "begun")
                                  + f", beside it {left}")
                if is_old and self.kept and not left and self.is_whole:
                    raise Wrong(f"{where}: {self.written[0][0]}: what was "
                                "written is not kept as .unfinished\n"
                                + "\n".join(self.steps[-5:]))
                self.begun = []
                self.written = []
                self.kept = 0
                return left
        raise Wrong(self.complaint(found, where))

    def _take_left(self, found, where):
        """Check what was kept beside; from now on it is to stay."""
        left = {}
        for path in list(found):
            match = LEFT.match(path)
            if not match or any(path in tree
                                for tree in [self.tree, *self.begun]):
                continue    # of an earlier kill, and perhaps renamed since
            body = found[path].body
            left[path] = match["kind"]
            if match["kind"] != "unfinished":
                raise Wrong(f"{where}: {path}: a conflict with nobody\n"
                            + "\n".join(self.steps[-9:]))
            # None of the writes that returned may be missing (is_whole).
            keep = next((b for stem, b in self.written[self.kept:]
                         if stem == match["stem"] and b.is_of(body)), None)
            if keep is None:
                keep = self._cut(match["stem"], body)
            if keep is None and not self.is_whole:
                keep = self._as_found(path, body)
            if keep is None:
                raise Wrong(f"{where}: {path} is not what was written: "
                            + self.say(match["stem"], body)
                            + f"\n{self.written[self.kept:][:3]}\n"
                            + "\n".join(self.steps[-5:]))
            for tree in [self.tree, *self.begun]:
                tree[path] = Node(keep, 0)
        return left

    def _cut(self, stem, body):
        """Return what was written, if it ends within the write under way.

        The kernel may send one in two, and the kill come between.
        """
        kept = [b for name, b in self.written[self.kept:] if name == stem]
        cuts = (b.truncate(len(body)) for b in kept[1:3]
                if kept[0].size < len(body) < b.size)
        return next((b for b in cuts if b.is_of(body)), None)

    def _as_found(self, path, body):
        """Return what was kept as a Body, if each byte was written once."""
        # Some of it may have been written under another name.
        runs = explain(body, [*self.tags.get(LEFT.match(path)["stem"], []),
                              *(t for tags in self.tags.values()
                                for t in tags)])
        if "?" in runs or not self.written:
            return None
        words = [run.rsplit(" ", 1) for run in runs.split(", ") if run]
        return Body((*map(int, where.split("-")),
                     None if tag == "zeros" else tag) for where, tag in words)

    def say(self, path, body):
        tags = [tag for tags in (self.tags.get(path, []),
                                 *self.tags.values()) for tag in tags]
        return f"{len(body)} B: {explain(body, tags)}"

    def complaint(self, found, where):
        """Say how ${found} differs from each tree that is allowed."""
        lines = [f"{where}: none of the trees that are allowed"]
        named = set()
        for n, tree in enumerate([self.tree, *self.begun]):
            lines.append("from what was acknowledged:" if n == 0
                         else f"from what was begun ({n}):")
            for path in differences(tree, found):
                named.add(path)
                node = found.get(path)
                there = "nothing"
                if node is not None:
                    there = "a folder" if node.body is None else (
                        f"{node.mode:o} " + self.say(path, node.body))
                lines.append(f"  {path}: wanted {tree.get(path)}; there: "
                             f"{there}")
        lines += ["steps that name these:", *(
            f"{i}: {step}" for i, step in enumerate(self.steps)
            if any(path in step.split(": ")[0].split() for path in named))]
        lines += [f"the last of {len(self.steps)} lines:", *self.steps[-9:]]
        return "\n".join(lines)


def differences(tree, found):
    """Return the paths at which a tree of Bodies and one of bytes differ."""
    wrong = []
    for path in sorted(tree.keys() | found.keys()):
        want, have = tree.get(path), found.get(path)
        if want is None or have is None:
            wrong.append(path)
        elif (want.body is None) != (have.body is None):
            wrong.append(path)
        elif want.mode and want.mode != have.mode:
            wrong.append(path)
        elif want.body is not None and not want.body.is_of(have.body):
            wrong.append(path)
    return wrong


def read_tree(top_fd):
    """Return {path: Node with bytes} of all below an open folder."""
    found = {}
    for here, folders, files, fd in os.fwalk(".", dir_fd=top_fd):
        for name in folders:
            st = os.stat(name, dir_fd=fd)
            found[os.path.normpath(os.path.join(here, name))] = Node(
                None, stat.S_IMODE(st.st_mode))
        for name in files:
            path = os.path.normpath(os.path.join(here, name))
            try:
                found[path] = read_file(fd, name)
            except FileNotFoundError:
                pass    # an unlink had come so far: it was listed before
    return found


def read_file(fd, name):
    one = os.open(name, os.O_RDONLY, dir_fd=fd)
    with open(one, "rb", buffering=0) as f:
        mode = stat.S_IMODE(os.fstat(one).st_mode)
        return Node(f.readall(), mode)
