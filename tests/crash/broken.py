# SPDX-License-Identifier: Apache-2.0
"""A build that is broken on purpose: the harness must find what is wrong.

    first_found(site, "late_intent", "close", 12)    the seed, None: no one

Without HOW the same seeds must pass, or it was something else that was found.
"""

import os

from .campaign import Campaign
from .worker import LARGE_MIN, PART, PIECE, Worker
from .worlds import Wrong


class Setter(Worker):
    """Sets modes, which S3 learns after a while."""

    def step(self):
        if len(self.files()) < 3:
            missing = [n for n in ("a", "b", "c") if n not in self.tree]
            self.write("create", missing[0], 0, [(0, 100, self.tag("a"))])
        else:
            self.step_chmod()


class Streamer(Worker):
    """Writes files in parts, and changes a part that is on its way."""

    def step(self):
        edits = self.pieces(0, LARGE_MIN, self.tag("big"))
        at = self.dice.randrange(PART - PIECE)
        edits.insert(PART // PIECE + self.dice.randrange(8, 24),
                     (at, at + PIECE, self.tag("big")))
        self.write("large", "big", os.O_TRUNC, edits)


# What shows the defect, and the answers that are to come late for that.
WORK = {"late_intent": (Setter, None), "early_part": (Streamer, "UploadPart")}
DELAY_MS = 150


def first_found(site, how, mode, seeds, is_broken=True, without=()):
    """Return the first seed that fails, None if all pass."""
    worker, slow = WORK[how]
    if slow:
        site.proxy.fault("delay", op=slow, ms=DELAY_MS)
    try:
        for seed in range(seeds):
            try:
                Campaign(site, seed, mode, worker=worker, workers=1,
                         latency_ms=0, calls=15, without=without, env_extra={
                             "PAILFS_BREAK": how if is_broken else ""}).run(1)
            except Wrong:
                if not is_broken:
                    raise
                return seed
    finally:
        site.proxy.clear()
    return None
