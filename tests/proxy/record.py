# SPDX-License-Identifier: Apache-2.0
"""Counters by operation and the log of requests.

Times are time.monotonic(), which on Linux is one clock for all processes: a
test may compare them with its own.  "up" and "down" are body bytes, without
heads.  Requests that the proxy makes itself are not recorded.
"""

import time
from dataclasses import asdict, dataclass

LOG_MAX = 200_000


@dataclass
class Entry:
    """One request."""
    id: int
    op: str
    bucket: str
    key: str
    method: str
    query: str
    range: str
    conn: int                   # number of the client connection
    t_start: float
    parallel: int               # requests in flight at its start, itself too
    t_first: float = 0.0        # first byte of the answer sent
    t_end: float = 0.0          # 0.0: still in flight
    status: int = 0             # 0: no answer was sent
    up: int = 0
    down: int = 0
    fault: str = ""             # action of the rule that fired
    condition: str = ""         # condition the proxy refused, if any
    end: str = ""               # "ok", "closed" by the client, "cut" by us


class Record:
    """All requests since the last reset."""

    def __init__(self):
        self.in_flight = 0
        self.next_id = 1
        self.counters = {}      # id of an open entry -> its op's counters
        self.reset()

    def reset(self):
        """Forget all; what is in flight counts for nobody from here on."""
        self.log = []
        self.ops = {}
        self.peak = self.in_flight
        self.dropped = 0

    def _op(self, name):
        return self.ops.setdefault(name, {
            "requests": 0, "up": 0, "down": 0, "errors": 0,
            "in_flight": 0, "peak": 0})

    def begin(self, req, conn):
        """Enter a request whose head has arrived."""
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        op = self._op(req.op)
        op["requests"] += 1
        op["in_flight"] += 1
        op["peak"] = max(op["peak"], op["in_flight"])
        entry = Entry(self.next_id, req.op, req.bucket, req.key, req.method,
                      req.query_text, req.range, conn, time.monotonic(),
                      self.in_flight)
        self.next_id += 1
        self.counters[entry.id] = op
        if len(self.log) < LOG_MAX:
            self.log.append(entry)
        else:
            self.dropped += 1
        return entry

    def up(self, entry, n):
        entry.up += n
        self.counters[entry.id]["up"] += n

    def down(self, entry, n):
        entry.down += n
        self.counters[entry.id]["down"] += n

    def end(self, entry, how):
        """Close ${entry}; it counts as an error unless it ended well."""
        entry.t_end = time.monotonic()
        entry.end = how
        self.in_flight -= 1
        op = self.counters.pop(entry.id)
        op["in_flight"] -= 1
        if how != "ok" or entry.status >= 400:
            op["errors"] += 1

    def stats(self):
        """Return the counters, as JSON will carry them."""
        total = {name: sum(op[name] for op in self.ops.values())
                 for name in ("requests", "up", "down", "errors")}
        return {**total, "in_flight": self.in_flight, "peak": self.peak,
                "dropped": self.dropped, "ops": self.ops}

    def entries(self):
        return [asdict(entry) for entry in self.log]
