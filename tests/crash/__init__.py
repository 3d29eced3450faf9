# SPDX-License-Identifier: Apache-2.0
"""The crash harness: the daemon is killed, and nothing may be lost.

    python -m tests.crash --seed 7 --mode close      replay one seed
    python -m tests.crash --seeds 0-99 --kills 5     run many

Workers (threads) write files of known content through a mount, while the
daemon is killed from outside.  What was acknowledged and what was begun is
kept here, outside the mount (worlds.py); after a remount on the same cache
folder each tree must be one that the calls allow, and after a drain boto3 says
whether the bucket is it.

content.py   bytes of which every page tells who wrote it
worlds.py    what may be there, and what is
worker.py    one thread's files and the steps it takes
bucket.py    what is in S3 in the end
campaign.py  a seed: mounts, kills, remounts, checks
broken.py    builds that are broken on purpose: they must be found
points.py    kill points of the build FLAVOUR=kill, one after the other
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIB = str(ROOT / "tests" / "sys")
if LIB not in sys.path:         # pytest has it there already
    sys.path.insert(0, LIB)
