# SPDX-License-Identifier: Apache-2.0
"""Sanitizer reports: every test has a folder for them, and none may fill it.

A daemon has no terminal; the sanitizers write files PREFIX.PID instead.
"""

import os
from pathlib import Path

VARIABLES = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")


class Reports:
    """The report folder of one test."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir()
        # A daemon of another user must be able to report.
        self.folder.chmod(0o1777)

    def environment(self, env):
        """Return ${env} with reports sent here; other options stay."""
        out = dict(env)
        for name in VARIABLES:
            kept = [o for o in out.get(name, "").split(":")
                    if o and not o.startswith("log_path=")]
            out[name] = ":".join(
                kept + [f"log_path={self.folder}/{name[:4].lower()}"])
        return out

    def text(self):
        """Return all that was reported, "" if nothing was."""
        out = []
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and os.path.getsize(path):
                text = path.read_text(errors="replace")
                out.append(f"--- {path.name}\n{text}")
        return "\n".join(out)
