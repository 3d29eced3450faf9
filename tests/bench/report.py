# SPDX-License-Identifier: Apache-2.0
"""What was measured over one link, in Markdown and as plots."""

import os
import platform
import time

import plot
import result
from lib.workload import MIB
from ours import NAME

LINKS = {
    "s3": "25 ms to the first byte, 90 MB/s a request",
    "lan": "2 ms to the first byte",
    "raw": "loopback as it is: what is left is processor time",
}


def number(value, digits=3):
    """Return a number as people read it."""
    if value is None:
        return "-"
    if value == int(value) and value >= 1:
        return f"{value:.0f}"
    return f"{value:.{max(0, digits)}f}" if value < 10 else f"{value:.1f}"


def table(head, lines):
    rows = [head, ["---"] * len(head), *lines]
    return ["| " + " | ".join(cells) + " |" for cells in rows] + [""]


class Report:
    """The samples of one link."""

    def __init__(self, profile, rows, samples, runs, versions):
        self.profile = profile
        self.rows = rows            # {name: class of the row}
        self.runs = runs
        self.versions = versions    # {peer: what it says, or None}
        self.results = {name: result.by_program(samples, name)
                        for name in rows}
        self.programs = list(dict.fromkeys(s.who for s in samples))

    def ratio(self, name, other, what="held"):
        """Return how much longer pailfs took than another, as a cell."""
        value = self.results[name][NAME].over(other, what)
        if value is None:
            return "-"
        who = "" if other.who in result.LIMITS else f" ({other.who})"
        return f"{value:.2f}{who}"

    def summary(self):
        """Return the lines of pailfs's own figures and its ratios."""
        lines = []
        for name, row in self.rows.items():
            all_ = self.results[name]
            us = all_[NAME]
            lines.append([
                row.title, row.target, number(us.took), number(us.held),
                self.ratio(name, all_["bare"]),
                self.ratio(name, all_["s5cmd"]),
                self.ratio(name, result.best(all_, NAME, "held")),
                self.ratio(name, result.best(all_, NAME, "took"), "took"),
                number(us.requests), f"{number(us.up / 1e6, 1)} / "
                f"{number(us.down / 1e6, 1)}", number(us.cpu, 2),
                number((us.peak or 0) / MIB, 0)])
        return table(["workload", "target", "goes on, s", "in S3, s",
                      "x bare", "x s5cmd", "x best peer", "goes on, x best",
                      "requests", "MB up / down", "CPU, s", "MiB"], lines)

    def metric(self, title, cell, programs=None):
        """Return a table of one figure of all programs."""
        programs = programs or self.programs
        lines = []
        for name, row in self.rows.items():
            cells = [r.note if r.note else cell(r)
                     for r in (self.results[name][who] for who in programs)]
            lines.append([row.title, *cells])
        return table([title, *programs], lines)

    def kinds(self):
        """Return the requests by kind, a line for a row and program."""
        lines = []
        for name, row in self.rows.items():
            lines += [[row.title, who, ", ".join(
                f"{number(n, 0)} {op}" for op, n in r.ops.items() if n)]
                for who, r in self.results[name].items() if not r.note]
        return table(["requests by kind", "", ""], lines)

    def peaks(self):
        """Return {program: peak memory over all rows, in MiB}."""
        peaks = {}
        for results in self.results.values():
            for who, r in results.items():
                if r.peak:
                    peaks[who] = max(peaks.get(who, 0), r.peak / MIB)
        return peaks

    def intro(self):
        found = [f"{who} ({text})" for who, text in self.versions.items()
                 if text]
        return [
            f"# Link \"{self.profile}\": {LINKS[self.profile]}", "",
            f"{time.strftime('%B %Y')}, kernel {platform.release()}, "
            f"{os.cpu_count()} processors, which the server (versitygw), the "
            f"proxy and the client share. Medians of {self.runs} runs"
            + (f"; sizes x {os.environ['SCALE']}, a trial"
               if os.environ.get("SCALE", "1") != "1" else "") + ".",
            "Beside it: " + ("; ".join(found) or "none was found") + ".", "",
            "Each run has a bucket and a cold cache of its own. \"bare\" sends "
            "the least requests that do the work, on warm connections, and "
            "no more. \"goes on\" is when the last call returned, \"in S3\" "
            "when the server had all of it; ratios are of the latter, and "
            "\"goes on, x best\" compares only with peers that wait for the "
            "server as pailfs does in that row, or do not as it does not. A "
            "star marks who went on before the server had it.", ""]

    def markdown(self):
        mounts = [who for who in self.programs if who not in result.LIMITS]
        lines = self.intro() + ["## pailfs", ""] + self.summary()
        lines += [f"![seconds]({self.profile}-seconds.svg)", "",
                  f"![memory]({self.profile}-memory.svg)", "", "## All", ""]
        lines += self.metric("seconds until S3 has it",
                             lambda r: number(r.held))
        lines += self.metric("seconds until the program goes on", lambda r:
                             number(r.took) + ("*" if r.early else ""))
        lines += self.metric("requests", lambda r: number(r.requests, 0))
        lines += self.metric("MB up / down", lambda r: f"{number(r.up / 1e6, 1)}"
                             f" / {number(r.down / 1e6, 1)}")
        lines += self.metric("daemon CPU, s", lambda r: number(r.cpu, 2),
                             mounts)
        lines += self.metric("peak memory, MiB", lambda r: number(
            r.peak / MIB, 0), mounts)
        lines += table(["peak memory over all rows, MiB", ""], [
            [who, number(peak, 0)] for who, peak in self.peaks().items()])
        lines += self.kinds()
        return "\n".join(lines)

    def plots(self):
        """Return {name: SVG}."""
        shown = [who for who in self.programs
                 if any(not r[who].note for r in self.results.values())]
        groups = [(row.title, [self.results[name][who].held for who in shown])
                  for name, row in self.rows.items()]
        peaks = self.peaks()
        return {
            "seconds": plot.bars(f"Seconds until S3 has it, or all is read "
                                 f"(link \"{self.profile}\")", shown, groups),
            "memory": plot.bars("Peak memory over all rows, MiB", list(peaks),
                                [("", list(peaks.values()))])}
