# SPDX-License-Identifier: Apache-2.0
"""Faults inside answer bodies.

${at} is a byte offset; negative: from the end; a float: a part of the length.
It is brought into the body, so that a fault that fires always harms, unless
the body is empty.
"""

from .faults import Fault, fault


def offset(at, length):
    """Return the offset in a body of ${length} bytes that ${at} means."""
    n = int(at * length) if isinstance(at, float) else at
    if n < 0:
        n += length
    return max(0, min(n, length - 1))


class BodyFault(Fault):
    """Keeps ${at} and the length."""

    def __init__(self, at=0.5):
        self.at = at
        self.length = 0

    def limit(self, length):
        self.length = length
        return None

    def where(self):
        return offset(self.at, self.length)


@fault("truncate")
class Truncate(BodyFault):
    """Full Content-Length, but the connection ends at byte ${at}."""

    def limit(self, length):
        return offset(self.at, length) if length else None


@fault("stall")
class Stall(BodyFault):
    """The body stops at byte ${at}; the connection stays open."""

    def limit(self, length):
        return offset(self.at, length) if length else None

    async def at_limit(self, x):
        await x.client.gone()


@fault("flip")
class Flip(BodyFault):
    """Bit ${bit} of byte ${at} is wrong."""

    def __init__(self, at=0.5, bit=0):
        super().__init__(at)
        self.mask = 1 << bit

    def piece(self, start, view):
        at = self.where() - start
        if not 0 <= at < len(view):
            return view
        out = bytearray(view)
        out[at] ^= self.mask
        return out


@fault("duplicate")
class Duplicate(BodyFault):
    """${size} bytes at ${at} come twice; the length stays, the end is lost."""

    def __init__(self, at=0.5, size=4096):
        super().__init__(at)
        self.size = size
        self.kept = bytearray()

    def piece(self, start, view):
        """Return the bytes that were ${size} earlier, from ${at}+size on."""
        at = self.where() + self.size
        shift_from = max(0, at - start)
        if shift_from >= len(view):
            self.kept = (self.kept + bytes(view))[-self.size:]
            return view
        history = self.kept + bytes(view)
        base = len(history) - len(view)
        tail = self._shifted(history, base + shift_from, len(history))
        self.kept = history[-self.size:]
        return bytes(view[:shift_from]) + tail

    def _shifted(self, history, start, end):
        return bytes(history[start - self.size:end - self.size])
