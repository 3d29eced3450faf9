# SPDX-License-Identifier: Apache-2.0
"""The link: latency before an answer, bandwidth per request and in total.

A request's bytes are spaced by an absolute schedule (start + bytes / rate), so
that a timer that fires late costs nothing: 8 MiB at 90 MB/s take 93 ms, not
93 ms plus what the event loop lost.
"""

import asyncio
import time
from dataclasses import asdict, dataclass

MB = 1_000_000
# A request that fell this far behind its schedule (peer stalled) starts anew.
SLACK_S = 0.05
FIRST = 16 * 1024


@dataclass
class Shape:
    """What the link does.  A rate of 0 means no limit."""
    latency_ms: float = 0.0     # from the end of a request to its answer
    rate: float = 0.0           # bytes/s of one request, each direction
    total_rate: float = 0.0     # bytes/s of all requests, each direction

    def as_dict(self):
        return asdict(self)


PROFILES = {
    "s3": Shape(25.0, 90 * MB),
    "lan": Shape(2.0),
    "raw": Shape(),
}


class Total:
    """The schedule that all requests of one direction share."""

    def __init__(self):
        self.next_free = 0.0

    def book(self, n, rate):
        """Return when ${n} bytes more have passed at ${rate}."""
        start = max(time.monotonic(), self.next_free)
        self.next_free = start + n / rate
        return self.next_free


class Pacer:
    """Spaces the bytes of one body in one direction."""

    def __init__(self, shape, total):
        self.shape = shape
        self.total = total
        self.start = time.monotonic()
        self.sent = 0

    def size(self, chunk):
        """Return how many bytes to take next.

        The first FIRST bytes go at once, in however many pieces they come.
        """
        limited = self.shape.rate or self.shape.total_rate
        return FIRST - self.sent if limited and self.sent < FIRST else chunk

    async def wait(self, n):
        """Wait until ${n} more bytes may have arrived at the other side."""
        due = 0.0
        first = self.sent < FIRST
        self.sent += n
        if self.shape.rate and not first:
            due = self._own(n)
        if self.shape.total_rate:
            due = max(due, self.total.book(n, self.shape.total_rate))
        delay = due - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)

    def _own(self, n):
        rate = self.shape.rate
        due = self.start + self.sent / rate
        late = time.monotonic() - (due - n / rate)
        if late > SLACK_S:
            self.start += late
            due += late
        return due


async def latency(shape, since):
    """Wait until the answer to a request that ended at ${since} may start."""
    delay = since + shape.latency_ms / 1000 - time.monotonic()
    if delay > 0:
        await asyncio.sleep(delay)
