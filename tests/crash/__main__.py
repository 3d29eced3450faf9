# SPDX-License-Identifier: Apache-2.0
"""Run seeds of the crash harness; see the package."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from . import campaign
from .worlds import Wrong

from lib import env, process            # noqa: E402 (the package finds it)
from lib.mount import Mounts            # noqa: E402
from lib.reports import Reports         # noqa: E402
from lib.servers import Versitygw       # noqa: E402
from tests.proxy.client import Proxy    # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seed", help="run this one")
    parser.add_argument("--seeds", default="0-9", help="run FIRST-LAST [0-9]")
    parser.add_argument("--mode", default="close", help="sync= [close]")
    parser.add_argument("--kills", type=int, default=4, help="a seed [4]")
    parser.add_argument("--without", default="",
                        help="kinds of steps to leave out, by commas")
    parser.add_argument("--folder", help="where all of it takes place")
    return parser.parse_args()


def seeds(args):
    if args.seed:
        return [int(args.seed)]
    first, _, last = args.seeds.partition("-")
    return range(int(first), int(last or first) + 1)


def run(args, folder):
    """Run all seeds; return how many failed."""
    failed = 0
    server = Versitygw(folder / "server").start()
    try:
        with Proxy.start(server.host, server.port, server.access,
                         server.secret, conditions=True) as proxy:
            for seed in seeds(args):
                failed += run_one(args, seed, folder, server, proxy)
    finally:
        server.stop()
    return failed


def run_one(args, seed, folder, server, proxy):
    home = folder / f"seed{seed}"
    home.mkdir()
    mounts = Mounts(home, server, Reports(home / "reports"))
    site = campaign.Site(server, server.client(), proxy, mounts)
    start = time.monotonic()
    failed = 0
    try:
        steps = campaign.Campaign(
            site, seed, args.mode,
            without=args.without.split(",")).run(args.kills)
        print(f"seed {seed}: {args.kills} kills, {steps} lines of steps, "
              f"{time.monotonic() - start:.1f} s", flush=True)
    except Wrong as e:
        print(f"FAIL {e}", flush=True)
        failed = 1
    for line in mounts.clean_up():
        print(f"seed {seed}: {line}", flush=True)
        failed = 1
    return failed


def main():
    args = arguments()
    env.adopt_clean()
    process.become_subreaper()
    with tempfile.TemporaryDirectory(prefix="pailfs-crash.",
                                     dir=args.folder) as folder:
        failed = run(args, Path(folder))
    print(f"{failed} failed" if failed else "all well")
    return failed > 0


sys.exit(main())
