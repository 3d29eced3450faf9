# SPDX-License-Identifier: Apache-2.0
"""Threads at work in two folders, one of which renames these: as on a disk.

A call fails with what a disk would say, never with ESTALE; nothing is put
aside; and in the end S3 has what is seen, and nothing else.
"""

import errno
import os

import pytest
from lib import stored
from test_write_races import NAMES, Player, Threads, check_whole, read

FOLDERS = ["p", "q"]
FOLDS = [("p", "r"), ("r", "p"), ("q", "p"), ("p", "q")]
MAY_FOLD = {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}


class Mover(Player):
    """One who plays in folders that may go away."""

    MAY = {step: may | {errno.ENOENT} for step, may in Player.MAY.items()}

    def name(self):
        return os.path.join(self.root, self.dice.choice(FOLDERS),
                            self.dice.choice(NAMES))

    def list(self):
        os.listdir(os.path.join(self.root, self.dice.choice(FOLDERS)))

    def fold(self):
        old, new = self.dice.choice(FOLDS)
        try:
            os.rename(os.path.join(self.root, old),
                      os.path.join(self.root, new))
        except OSError as e:
            if e.errno not in MAY_FOLD:
                raise AssertionError(
                    f"step {self.n}: '{old}' to '{new}': "
                    f"{errno.errorcode[e.errno]}") from e

    def play_and_fold(self, steps, threads):
        for _ in range(steps // 4):
            self.play(4, threads)
            if not threads.failed:
                self.fold()


def tree(root):
    """Return {key: size} as the mount shows it."""
    out = {}
    for here, folders, files in os.walk(root):
        for name in files:
            path = os.path.join(here, name)
            body = read(path)
            check_whole(body)
            out[os.path.relpath(path, root)] = len(body)
        for name in folders:
            out[os.path.relpath(os.path.join(here, name), root) + "/"] = 0
    return out


@pytest.mark.parametrize("ttl", [10, 0])
@pytest.mark.parametrize("seed", [1, 2])
def test_folders_are_renamed_under_threads(s3, bucket, mount, seed, ttl):
    m = mount(bucket, ro=False, ttl=ttl)
    threads = Threads()
    for name in FOLDERS:
        os.mkdir(m.path / name)
    for who in range(3):
        threads.add(Mover(who, seed, m.path).play, 150, threads)
    threads.add(Mover(3, seed, m.path).play_and_fold, 150, threads)
    threads.go()
    wanted = tree(m.path)
    m.umount()
    assert stored.keys(s3, bucket) == wanted
    assert stored.uploads(s3, bucket) == []
