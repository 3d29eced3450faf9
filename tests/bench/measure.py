# SPDX-License-Identifier: Apache-2.0
"""One run of one row by one program: what it took, and what went over the link.

The clock of the proxy's log is ours (time.monotonic()).
"""

import errno
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bare import Bare
from lib.workload import rss
from link import Bucket
from s5cmd import S5cmd

HELD_S = 60     # so long the server may take to have it
STEP_S = 0.005
CHANGING = ("PUT", "POST", "DELETE")


@dataclass
class Sample:
    """What one run was.  note says why there are no figures."""
    row: str
    who: str
    took: float = None      # seconds until the program went on
    held: float = None      # seconds until the server had it
    ops: dict = field(default_factory=dict)     # {operation: requests}
    up: int = 0             # bytes
    down: int = 0
    cpu: float = None       # seconds of the daemon
    peak: int = None        # bytes of the daemon's memory
    note: str = ""


def cpu_s(pid):
    """Return the processor seconds that a process has used."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def planted(link, row, *tops):
    """A bucket with what the row needs, ("d", small=False) at least.

    What is small stays until the end: some file systems make new files slowly
    for minutes where many were removed.
    """
    bucket = Bucket(link)
    scratch = link.scratch()
    try:
        for top in tops:
            row.plant(bucket, top, small=top != "d")
        if row.large:
            link.touch_memory(row.large)
        yield bucket, scratch
    finally:
        if row.large:
            link.drop(scratch)
            bucket.remove()


def traffic(link, sample):
    """Put what the proxy counted into a sample."""
    link.proxy.wait_idle()
    stats = link.proxy.stats()
    sample.ops = {name: op["requests"] for name, op in stats["ops"].items()
                  if name != "HeadBucket"}      # which warms a connection
    sample.up, sample.down = stats["up"], stats["down"]


def limit(link, row, who, s5cmd):
    """Measure a client that is no mount: "bare" or "s5cmd"."""
    sample = Sample(row.name, who)
    with planted(link, row, "d") as (bucket, scratch):
        link.proxy.reset()
        if who == "bare":
            sample.took = row.bare(Bare(link, bucket))
        elif s5cmd:
            sample.took = row.s5cmd(S5cmd(s5cmd, link, bucket), scratch)
        else:
            sample.note = "not measured"
        if sample.took is None:
            sample.note = sample.note or "-"
        traffic(link, sample)
    sample.held = sample.took
    return sample


def until_held(link, row, bucket, start):
    """Wait until the server has it; return when, seconds from ${start}."""
    end = time.monotonic() + HELD_S
    while not row.held(bucket.root / "d"):
        if time.monotonic() > end:
            raise TimeoutError(f"the server does not have it: {row.name}")
        time.sleep(STEP_S)
    link.proxy.wait_idle()
    return max([e["t_end"] for e in link.proxy.log()
                if e["method"] in CHANGING and e["status"] < 300]
               or [start]) - start


def warm_up(row, mount, bucket):
    """Do the row's work once, smaller, elsewhere."""
    row.work(mount.path / "warm", small=True)
    end = time.monotonic() + HELD_S
    while not row.held(bucket.root / "warm", small=True):
        if time.monotonic() > end:
            raise TimeoutError(f"not warm: {row.name}")
        time.sleep(STEP_S)


def work(link, row, mount, bucket, sample):
    """Measure the work in a mount."""
    if row.writes:
        warm_up(row, mount, bucket)
    row.prepare(mount)
    link.proxy.wait_idle()
    link.proxy.reset()
    cpu = cpu_s(mount.pid)
    start = time.monotonic()
    own = row.work(mount.path / "d")
    sample.took = sample.held = own or time.monotonic() - start
    if row.writes:
        sample.held = max(sample.took, until_held(link, row, bucket, start))
    traffic(link, sample)
    sample.cpu = cpu_s(mount.pid) - cpu
    sample.peak = rss(mount.pid, "VmHWM")


def mounted(link, row, who, kind):
    """Measure a program that mounts; what a peer refuses is noted."""
    sample = Sample(row.name, who)
    tops = ("d", "warm") if row.writes else ("d",)
    with planted(link, row, *tops) as (bucket, scratch):
        mount = kind(link, bucket, scratch, row.options)
        try:
            work(link, row, mount, bucket, sample)
        except (OSError, AssertionError) as e:
            if who == "pailfs":
                raise
            why = getattr(e, "errno", None)
            sample = Sample(row.name, who, note=(
                errno.errorcode.get(why, "failed") if why else "failed"))
        finally:
            mount.close()
    return sample
