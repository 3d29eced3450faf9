# SPDX-License-Identifier: Apache-2.0
"""Several runs of one row by one program, as one: medians.  Pure."""

import statistics

LATER_S = 0.01  # a server that has it so much later: the program went on early
LIMITS = ("bare", "s5cmd")


def middle(values):
    """Return the median of what is there, None if nothing is."""
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


class Result:
    """All samples of a row by a program."""

    def __init__(self, samples):
        self.who = samples[0].who
        self.note = next((s.note for s in samples if s.note), "")
        self.samples = samples
        for name in ("took", "held", "up", "down", "cpu"):
            setattr(self, name, None if self.note else middle(
                [getattr(s, name) for s in samples]))
        self.peak = max((s.peak for s in samples if s.peak), default=None)
        names = {name for s in samples for name in s.ops}
        self.ops = {name: middle([s.ops.get(name, 0) for s in samples])
                    for name in sorted(names)}
        self.requests = middle([sum(s.ops.values()) for s in samples])
        self.early = (not self.note and
                      self.held - self.took > LATER_S)

    def over(self, other, name="held"):
        """Return the median of the ratios of each run, None: no such."""
        if other is None or self.note or other.note:
            return None
        return middle([getattr(a, name) / getattr(b, name)
                       for a, b in zip(self.samples, other.samples)])


def by_program(samples, row):
    """Return {program: Result} of one row, in the order they first came."""
    groups = {}
    for sample in samples:
        if sample.row == row:
            groups.setdefault(sample.who, []).append(sample)
    return {who: Result(group) for who, group in groups.items()}


def best(results, us, name):
    """Return the peer with the least seconds, None: there is none.

    The same is compared with the same: what the server has ("held"), or what
    a program waits ("took") among those that all wait for the server, or all
    do not.
    """
    mine = results[us]
    found = [r for who, r in results.items()
             if who != us and who not in LIMITS and not r.note
             and (name == "held" or r.early == mine.early)]
    return min(found, key=lambda r: getattr(r, name), default=None)
