# SPDX-License-Identifier: Apache-2.0
"""A cache folder whose disk fails at a chosen call.

    disk = FaultDisk(tmp_path)
    m = mount(bucket, env_extra=disk.environment)
    disk.arm("db", nth=3, error=errno.EIO)      the third write to meta.db
    disk.arm("chunk", calls="read", sticky=True)
    disk.disarm(); disk.fired; disk.count
"""

import errno
import mmap
import struct
import subprocess
from pathlib import Path

from . import env

SOURCE = Path(__file__).with_suffix(".c")
FILES = {"chunk": 1, "db": 2, "both": 3}
CALLS = {"write": 1, "sync": 2, "truncate": 4, "allocate": 8, "read": 16,
         "change": 15}
FIELDS = ("files", "calls", "nth", "err", "sticky", "count", "fired")


class FaultDisk:
    """The library, built, and the plan it follows."""

    def __init__(self, folder):
        library = folder / "faultdisk.so"
        # Its offsets are those of the calls as they are named.
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE",
                        "-o", str(library), str(SOURCE), "-ldl"], check=True)
        plan = folder / "faultdisk.plan"
        plan.write_bytes(bytes(mmap.PAGESIZE))
        with open(plan, "r+b") as f:
            self.plan = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        self.environment = {"LD_PRELOAD": str(library),
                            "FAULTDISK": str(plan)}
        if env.flavour() == "asan":
            self.environment["LD_PRELOAD"] = f"{runtime()} {library}"

    def _set(self, **values):
        for name, value in values.items():
            struct.pack_into("<I", self.plan, 4 * FIELDS.index(name), value)

    def _get(self, name):
        return struct.unpack_from("<I", self.plan, 4 * FIELDS.index(name))[0]

    def arm(self, files, nth=1, error=errno.EIO, calls="change",
            sticky=False):
        self.disarm()
        self._set(calls=CALLS[calls], nth=nth, err=error, sticky=int(sticky),
                  count=0, fired=0)
        self._set(files=FILES[files])

    def disarm(self):
        self._set(files=0)

    @property
    def count(self):
        return self._get("count")

    @property
    def fired(self):
        return self._get("fired")


def runtime():
    """Return the sanitizer's library, which must be loaded first."""
    return subprocess.run(["cc", "-print-file-name=libasan.so"], check=True,
                          capture_output=True, text=True).stdout.strip()
