# SPDX-License-Identifier: Apache-2.0
"""Kill points: one scenario, and the daemon dies at each place of it.

    listed(site, "close", folder)               {name: how often it is passed}
    Scenario(site, "close", at=(name, 1)).run() die there the first time

The program is the build FLAVOUR=kill, see s3/base/killpoint.h.
"""

import contextlib
import os
import re
import time
from collections import Counter

from lib import env, process
from lib.mount import MountError

from .campaign import Campaign
from .worker import LARGE_MIN, MIB, Short, Worker
from .worlds import Wrong

BUILD = env.ROOT / "build" / "kill"
# A request that changes nothing is no place where anything can be lost.
IDLE = re.compile(r"s3\.(Get|Head|List)")
DIE_S = 5


@contextlib.contextmanager
def programs():
    """Within it, the programs are those of that build."""
    if not (BUILD / "pailfs").exists():
        raise FileNotFoundError(f"no {BUILD}/pailfs: run make FLAVOUR=kill")
    old = os.environ.get("PAILFS_BIN")
    os.environ["PAILFS_BIN"] = str(BUILD / "pailfs")
    try:
        yield
    finally:
        os.environ.pop("PAILFS_BIN")
        if old is not None:
            os.environ["PAILFS_BIN"] = old


class Script(Worker):
    """All that a program may do, in one order, once."""

    def run(self):
        """Files small and large, and what may happen to them."""
        self.mkdir("d1")
        self.make("a", 5000)
        self.make("d1/b", 300_000, sync=(1,))
        self.add("a", 1000)
        self.chmod("a", 0o640)
        self.make("big", LARGE_MIN + 3 * MIB, head=True)
        self.chmod("big", 0o600)
        self.poke("big", 5 * MIB - 10)
        self.make("c", 100)
        self.rename("a", "c")
        self.make("d1/b~", 70_000)
        self.rename("d1/b~", "d1/b")
        self.write("truncate", "c", 0, [(4000,)])
        self.rename("big", "d1/big")
        if "move" in self.weights:
            self.move("d1", "d2")
        self.chmod("c", 0o604)
        time.sleep(0.25)        # it is sent after a while
        self.unlink("c")
        self.make("c", 10)
        self.make("e", 20, sync=(0,))

    def make(self, path, size, sync=(), head=False):
        edits = self.pieces(0, size, self.tag(path))
        if head:
            edits.append((0, 4096, self.tag(path)))
        self.write("create", path, os.O_TRUNC, edits, sync)

    def add(self, path, more):
        size = self.tree[path].body.size
        self.write("append", path, os.O_APPEND,
                   self.pieces(size, size + more, self.tag(path)))

    def poke(self, path, off):
        edits = self.pieces(off, off + 100, self.tag(path))
        self.write("poke", path, 0, edits)


class Scenario(Campaign):
    """One run of it, with a kill point or without."""

    def __init__(self, site, mode, at=None, without=(), log=None):
        super().__init__(site, 0, mode, worker=Script, workers=1,
                         without=without)
        self.at = at
        self.extra = {}
        if at:
            self.extra["PAILFS_KILL_AT"] = f"{at[0]}:{at[1]}"
        if log:
            self.extra["PAILFS_KILL_LOG"] = str(log)

    def run(self, kills=1):
        """Return whether the daemon died; raise Wrong."""
        self.site.s3.create_bucket(Bucket=self.bucket)
        try:
            died = self._play()
            if died:
                self.kill()
                self.mount.environment.pop("PAILFS_KILL_AT")
                self.mount.start()
                os.makedirs(self.mount.path / self.workers[0].name,
                            exist_ok=True)
                self._look()
                self._end()
        except (Wrong, AssertionError, OSError) as e:
            raise Wrong(f"killed at {self.at}, mode {self.mode}: {e}\n"
                        f"the log:\n{self.mount.log_tail()}") from e
        finally:
            self.workers[0].close()
            self.site.server.remove_bucket(self.bucket)
        return died

    def _play(self):
        """From mount to umount; return whether the daemon died before."""
        self.mount = self.site.mount(self.bucket, self.mode, start=False,
                                     env_extra=self.extra)
        worker = self.workers[0]
        try:
            self.mount.start()
            os.mkdir(self.mount.path / worker.name)
            self._enter()
            worker.run()
            worker.close()
            self.mount.umount()
        except (OSError, Short, AssertionError, MountError):
            if self.at is None or not self._has_died():
                raise
            return True
        return False

    def _has_died(self):
        """Whether no daemon is there any more, or will be in a moment."""
        word = str(self.mount.path)
        try:
            process.wait_until(lambda: not process.naming(word),
                               DIE_S * env.slow(), "the daemon to die")
        except TimeoutError:
            return False
        if self.mount.pid:
            process.reap(self.mount.pid, DIE_S)
            self.mount.pid = 0
        return True


def listed(site, mode, folder, without=()):
    """Return {name: passes} of a run to its end."""
    log = folder / "points"
    Scenario(site, mode, log=log, without=without).run()
    names = Counter(log.read_text().split("\n"))
    return {name: n for name, n in sorted(names.items())
            if name and not IDLE.match(name)}
