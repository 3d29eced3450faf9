# SPDX-License-Identifier: Apache-2.0
"""Content of which every byte says which write it is of.

A tag names one write, once in a run: "w1/a#17".  stream(tag) is an endless
row of bytes that no other tag has; a write of [off, end) under a tag puts the
tag's bytes of [off, end) there.  A Body is what a file holds: extents of tags.
"""

import functools
import os
import random

CHUNK = 64 << 10
PAGE = 4096


@functools.lru_cache(maxsize=512)
def _chunk(tag, index):
    return random.Random(f"{tag}/{index}").randbytes(CHUNK)


def stream(tag, off, end):
    """Return the bytes [off, end) of a tag; zeros for None."""
    if tag is None:
        return bytes(end - off)
    first = off // CHUNK
    text = b"".join(_chunk(tag, i) for i in range(first, -(-end // CHUNK)))
    return text[off - first * CHUNK:end - first * CHUNK]


class Body:
    """An immutable content: extents (off, end, tag) without gaps from 0."""

    def __init__(self, extents=()):
        self.extents = tuple(extents)
        self.size = self.extents[-1][1] if self.extents else 0

    def truncate(self, size):
        """Return the body cut to ${size}, or with zeros up to it."""
        kept = [(off, min(end, size), tag) for off, end, tag in self.extents
                if off < size]
        if size > self.size:
            kept.append((self.size, size, None))
        return Body(kept)

    def write(self, off, end, tag):
        """Return the body after a write of [off, end) under ${tag}."""
        base = self if off <= self.size else self.truncate(off)
        left = [(o, min(e, off), t) for o, e, t in base.extents if o < off]
        right = [(max(o, end), e, t) for o, e, t in base.extents if e > end]
        return Body([*left, (off, end, tag), *right])

    def bytes(self):
        return b"".join(stream(tag, off, end)
                        for off, end, tag in self.extents)

    def is_of(self, content):
        """Whether ${content} is this body's."""
        return len(content) == self.size and content == self.bytes()

    def __eq__(self, other):
        return isinstance(other, Body) and self.extents == other.extents

    def __hash__(self):
        return hash(self.extents)

    def __repr__(self):
        return f"{self.size} B: " + (", ".join(
            f"{off}-{end} {tag or 'zeros'}"
            for off, end, tag in self.extents[:8]) or "empty")


def explain(content, tags):
    """Say which tag the bytes of ${content} are of, as far as one fits."""
    runs = []
    off = 0
    while off < len(content) and len(runs) < 40:
        end, who = _longest(content, off, tags)
        if runs and runs[-1][2] == who:
            runs[-1][1] = end
        else:
            runs.append([off, end, who])
        off = end
    return ", ".join(f"{off}-{end} {who}" for off, end, who in runs)


def _longest(content, off, tags):
    """Return (end, tag) of the longest run from ${off}, within its page."""
    page = content[off:off - off % PAGE + PAGE]
    best, who = 0, "?"
    for tag in [None, *tags]:
        same = os.path.commonprefix(
            [page, stream(tag, off, off + len(page))])
        if len(same) > best:
            best, who = len(same), tag or "zeros"
    return off + (best or len(page)), who
