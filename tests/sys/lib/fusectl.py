# SPDX-License-Identifier: Apache-2.0
"""The connections of FUSE mounts, each of which can be aborted by number."""

import contextlib
import os
import subprocess

import pytest

from . import process
from .mount import mount_type

FOLDER = "/sys/fs/fuse/connections"


def number(path):
    """Return the connection's number of the mount at ${path}, not asked."""
    with open("/proc/self/mountinfo", encoding="utf-8",
              errors="surrogateescape") as f:
        rows = [line.split(" ") for line in f]
    return [row[2].split(":")[1] for row in rows if row[4] == str(path)][-1]


class Connections:
    """Ends what would hang in the kernel for ever, when a test fails.

    The number of a connection is another's once its daemon is gone.
    """

    def __init__(self):
        self.watched = []

    def watch(self, pid, path):
        self.watched.append((pid, number(path)))

    def end(self):
        for pid, one in self.watched:
            if process.hangs(pid):
                with contextlib.suppress(OSError), open(
                        os.path.join(FOLDER, one, "abort"), "wb") as f:
                    f.write(b"1")


@contextlib.contextmanager
def mounted():
    """Within it, fusectl is there, as systemd has it."""
    if mount_type(FOLDER):
        yield Connections()
        return
    if subprocess.run(["mount", "-t", "fusectl", "fusectl", FOLDER],
                      check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("fusectl cannot be mounted here")
    try:
        yield Connections()
    finally:
        subprocess.run(["umount", FOLDER], check=True)
