# SPDX-License-Identifier: Apache-2.0
"""Every row of the benchmark, by pailfs, by its peers, by bare clients.

What is measured comes from the environment, lists separated by blanks:

    ROWS      of these rows (all; "-h" as an argument lists them)
    RUNS      how often each (3); figures are medians
    PEERS     beside these peers (all that are found); "none": beside none
    PROFILE   over these links of the test proxy: s3, lan, raw (s3)
    OUT       where PROFILE.md, PROFILE.json and the plots go (build/bench)
    SCALE     sizes are so much of the real ones (1): a trial
"""

import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "sys")]

import measure  # noqa: E402
import ours  # noqa: E402
import report  # noqa: E402
import rows_read  # noqa: E402
import rows_write  # noqa: E402
import s5cmd  # noqa: E402
from lib import env, process  # noqa: E402
from link import Link  # noqa: E402
from peers import PEERS  # noqa: E402

ROWS = {row.__name__.lower(): row for row in rows_read.ROWS + rows_write.ROWS}


def listed(name, known, default):
    """Return the words of an environment variable; end on an unknown one."""
    words = (os.environ.get(name) or default).replace(",", " ").split()
    unknown = set(words) - set(known)
    if unknown:
        sys.exit(f"bench: {name}: no {sorted(unknown)}; there are "
                 f"{', '.join(known)}")
    return words


class Bench:
    """What is to be measured, and what was."""

    def __init__(self):
        self.rows = listed("ROWS", ROWS, " ".join(ROWS))
        self.profiles = listed("PROFILE", ("s3", "lan", "raw"), "s3")
        self.runs = int(os.environ.get("RUNS") or 3)
        self.out = Path(os.environ.get("OUT") or ROOT / "build" / "bench")
        wanted = listed("PEERS", (*PEERS, "none"), " ".join(PEERS))
        self.s5cmd = s5cmd.find()
        self.versions = {name: PEERS[name].find() if name in wanted else None
                         for name in PEERS}
        if self.s5cmd:
            self.versions["s5cmd"] = s5cmd.version(self.s5cmd)

    def sample(self, link, row, who):
        """Measure one program once."""
        if who in ("bare", "s5cmd"):
            return measure.limit(link, row, who, self.s5cmd)
        if who == ours.NAME:
            return measure.mounted(link, row, who, ours.Ours)
        if self.versions[who] is None:
            return measure.Sample(row.name, who, note="not measured")
        return measure.mounted(link, row, who, PEERS[who])

    def measure(self, link, profile):
        """Return the samples of all rows over one link."""
        link.proxy.shape(profile)
        samples = []
        programs = ("bare", "s5cmd", ours.NAME, *PEERS)
        for name in self.rows:
            for run in range(self.runs):
                print(f"{profile}: {name}, run {run + 1} of {self.runs}",
                      file=sys.stderr)
                for who in programs:
                    row = ROWS[name](link)
                    row.name = name
                    samples.append(self.sample(link, row, who))
        return samples

    def keep(self, profile, samples):
        """Write what was measured over one link; print the tables."""
        self.out.mkdir(parents=True, exist_ok=True)
        rows = {name: ROWS[name] for name in self.rows}
        made = report.Report(profile, rows, samples, self.runs, self.versions)
        text = made.markdown()
        (self.out / f"{profile}.md").write_text(text)
        (self.out / f"{profile}.json").write_text(
            json.dumps([asdict(sample) for sample in samples], indent=0))
        for name, svg in made.plots().items():
            (self.out / f"{profile}-{name}.svg").write_text(svg)
        print(text)

    def run(self):
        folder = tempfile.mkdtemp(prefix="pailfs-bench.", dir="/var/tmp")
        try:
            link = Link(folder)
            try:
                for profile in self.profiles:
                    self.keep(profile, self.measure(link, profile))
            finally:
                link.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def main(words):
    if words:
        for name, row in ROWS.items():
            print(f"{name:14} {row.title}")
        return
    env.adopt_clean()
    process.become_subreaper()
    Bench().run()


if __name__ == "__main__":
    main(sys.argv[1:])
