# SPDX-License-Identifier: Apache-2.0
"""Programs of others that test file systems, as make setup installs them."""

import os
import re
import subprocess
from pathlib import Path

from . import env

FOLDER = Path(__file__).resolve().parents[1] / "suites"
LINE = re.compile(r"^(\S+::\S+)\s+(ok|FAILED|skipped)$", re.MULTILINE)


def pjdfstest(folder):
    """Run pjdfstest in ${folder}; return {case: "ok", "FAILED", "skipped"}."""
    done = subprocess.run(
        [env.tool("pjdfstest"), "-c", FOLDER / "pjdfstest.toml",
         "-p", folder], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace", check=False)
    found = dict(LINE.findall(done.stdout))
    assert "Summary:" in done.stdout, done.stdout + done.stderr
    return found


def expected_failures():
    """Return the names of pjdfstest.failures: that must, and that may fail."""
    must, may = set(), set()
    for line in (FOLDER / "pjdfstest.failures").read_text().splitlines():
        if line.startswith("? "):
            may.add(line[2:])
        elif line and not line.startswith("#"):
            must.add(line)
    return must, may


def fsx(path, seed, count, artifacts, config="fsx.toml"):
    """Start fsx on a new file; return the process and where it writes."""
    out = Path(artifacts) / f"fsx-{seed}.out"
    with open(out, "wb") as f:
        return subprocess.Popen(
            [env.tool("fsx"), "-f", FOLDER / config, "-N", str(count),
             "-S", str(seed), "-P", str(artifacts), str(path)],
            stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
            env={**os.environ, "RUST_LOG": "info"}), out
