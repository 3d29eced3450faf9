# SPDX-License-Identifier: Apache-2.0
"""The benchmark measures what it says, at tiny sizes; and its tables."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lib import env

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path.append(str(BENCH))

import plot  # noqa: E402
import result  # noqa: E402
from measure import Sample  # noqa: E402

FILES = 4       # of a row that makes 200
CHANGING = {"PutObject", "CopyObject", "DeleteObject", "DeleteObjects",
            "UploadPart", "UploadPartCopy", "CreateMultipartUpload",
            "CompleteMultipartUpload"}


@pytest.fixture
def bench(tmp_path):
    """A factory: run rows; return ({(row, program): sample}, folder)."""
    def run(*rows, **options):
        done = subprocess.run(
            [sys.executable, BENCH / "bench.py"], check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=90 * env.slow(),
            env={**env.clean(), "ROWS": " ".join(rows), "SCALE": "0.01",
                 "RUNS": "1", "PROFILE": "raw", "PEERS": "none",
                 "OUT": str(tmp_path), **options})
        assert done.returncode == 0, done.stdout.decode()
        samples = json.loads((tmp_path / "raw.json").read_text())
        return {(s["row"], s["who"]): s for s in samples}, tmp_path
    return run


def changes(sample):
    return {name: n for name, n in sample["ops"].items() if name in CHANGING}


def test_rows_are_measured(bench):
    got, out = bench("seqread", "create", "createlater", "append", "rm")
    for (row, who), s in got.items():
        if who in ("bare", "pailfs"):
            assert 0 < s["took"] <= s["held"], s
        elif who != "s5cmd":
            assert s["note"] == "not measured" and s["held"] is None, s
    for row in ("create", "createlater"):
        for who in ("bare", "pailfs"):
            assert changes(got[row, who]) == {"PutObject": FILES + 1}
            assert got[row, who]["up"] == FILES * 4096
    assert changes(got["rm", "pailfs"]) == {"DeleteObjects": 1}
    # What is sent after a delay is not there when the program goes on.
    assert got["createlater", "pailfs"]["held"] >= 0.1
    ours = got["seqread", "pailfs"]
    assert ours["down"] >= 5 << 20 and ours["peak"] > 1 << 20
    assert ours["cpu"] is not None
    assert changes(got["append", "bare"]) == {
        "CreateMultipartUpload": 1, "UploadPart": 1, "UploadPartCopy": 1,
        "CompleteMultipartUpload": 1}
    text = (out / "raw.md").read_text()
    assert "a trial" in text and "not measured" in text
    assert "rm -r of 4" in text
    for name in ("seconds", "memory"):
        ElementTree.parse(out / f"raw-{name}.svg")


@pytest.mark.parametrize("name", ["ROWS", "PEERS", "PROFILE"])
def test_unknown_words_are_told(bench, name):
    with pytest.raises(AssertionError, match=f"bench: {name}: no .*'x'"):
        bench("seqread", **{name: "x"})


def results(**programs):
    """{program: [(took, held), ...]} -> {program: Result}."""
    return result.by_program(
        [Sample("r", who, *pair) for who, runs in programs.items()
         for pair in runs], "r")


def test_ratios_are_medians_of_runs():
    got = results(bare=[(1, 1), (2, 2), (4, 4)],
                  pailfs=[(3, 3), (2, 2), (8, 8)])
    assert got["pailfs"].held == 3
    assert got["pailfs"].over(got["bare"]) == 2     # of 3, 1, 2


def test_the_same_is_compared_with_the_same():
    """Who answers before the server has it is no peer of who waits."""
    got = results(bare=[(1, 1)], pailfs=[(5, 5)], early=[(0.1, 9)],
                  slow=[(7, 7)])
    assert got["early"].early and not got["pailfs"].early
    assert result.best(got, "pailfs", "took").who == "slow"
    assert result.best(got, "pailfs", "held").who == "slow"


def test_what_is_refused_is_no_peer():
    got = result.by_program([Sample("r", "pailfs", 1, 1),
                             Sample("r", "other", note="EPERM")], "r")
    assert result.best(got, "pailfs", "held") is None
    assert got["pailfs"].over(got["other"]) is None


def test_bars_are_as_long_as_their_values():
    svg = plot.bars("t < u", ["a", "b"], [("g", [0.1, 10]), ("h", [None, 1])])
    root = ElementTree.fromstring(svg)
    tag = "{http://www.w3.org/2000/svg}rect"
    long = [float(r.get("width")) for r in root.iter(tag)
            if r.get("x") == str(plot.LEFT) and r.get("height") == "8"]
    assert long == [1.0, plot.WIDTH, plot.WIDTH / 2]
