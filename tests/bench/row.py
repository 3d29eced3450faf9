# SPDX-License-Identifier: Apache-2.0
"""What a row of the benchmark is, and how large things are in it."""

import os
import time

from lib.workload import MIB, run


class Scale:
    """Sizes and counts; less than 1 makes them smaller, for a trial."""
    factor = float(os.environ.get("SCALE") or 1)

    @classmethod
    def mib(cls, size):
        """Return about ${size} MiB in bytes, of whole MiB."""
        return max(1, round(size * cls.factor)) * MIB

    @classmethod
    def count(cls, number):
        return max(4, round(number * cls.factor))


def timed(call, *args):
    """Return the seconds that ${call} takes."""
    start = time.monotonic()
    call(*args)
    return time.monotonic() - start


class Row:
    """One workload, in the folder TOP of a bucket of its own.

    A row that writes is done once before in the folder "warm", smaller, so
    that all have connections and know what the server can; TOP is unknown
    then, but for its names.
    """
    title = ""
    target = "-"        # DESIGN.md 9
    options = {}        # of pailfs
    listed = ("", "d")  # folders whose names are known
    writes = False
    large = 0           # bytes that caches will take

    def __init__(self, link):
        self.link = link

    def plant(self, bucket, top, small=False):
        """Put into the bucket what the work needs."""

    def prepare(self, mount):
        """Do what is not measured, when all is mounted."""
        for folder in self.listed:
            run("ls", mount.path / folder)

    def work(self, top, small=False):
        """Do it; return the seconds, if these are not all it took."""
        raise NotImplementedError

    def held(self, top, small=False):
        """Say whether the server's folder is as it is to be."""
        return True

    def bare(self, bare):
        """Return the seconds of the least requests that do it, or None."""

    def s5cmd(self, tool, scratch):
        """Return the seconds that s5cmd takes, or None."""
