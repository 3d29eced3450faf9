# SPDX-License-Identifier: Apache-2.0
"""What was measured, several times over, as a Markdown table of medians."""

import statistics
from dataclasses import dataclass, field

HEAD = ("workload", "s", "bare, s", "ratio", "s5cmd, s", "ratio", "target",
        "")


@dataclass
class Sample:
    """One run of one workload.

    bare and s5cmd are the seconds of those clients in the same run, or None;
    facts are numbers with a name: {"GETs": 64}.
    """
    what: str
    took: float
    bare: float = None
    s5cmd: float = None
    target: str = "-"
    facts: dict = field(default_factory=dict)


def number(value):
    if isinstance(value, str):
        return value
    return f"{value:g}" if value == int(value) else f"{value:.3g}"


def seconds(samples, name):
    """Return the median of one client's seconds, and the median ratio."""
    pairs = [(s.took, getattr(s, name)) for s in samples]
    if any(other is None for _, other in pairs):
        return "-", "-"
    return (f"{statistics.median(other for _, other in pairs):.3f}",
            f"{statistics.median(took / other for took, other in pairs):.2f}")


def row(samples):
    """Return the cells of one workload."""
    first = samples[0]
    facts = [f"{number(statistics.median(s.facts[name] for s in samples))} "
             f"{name}" for name in first.facts]
    return (first.what, f"{statistics.median(s.took for s in samples):.3f}",
            *seconds(samples, "bare"), *seconds(samples, "s5cmd"),
            first.target, ", ".join(facts))


def table(samples):
    """Return the lines of the table, workloads as they first came."""
    by_name = {}
    for sample in samples:
        by_name.setdefault(sample.what, []).append(sample)
    lines = [HEAD, ("---",) * len(HEAD)]
    lines += [row(group) for group in by_name.values()]
    return ["| " + " | ".join(cells) + " |" for cells in lines]
