# SPDX-License-Identifier: Apache-2.0
"""One seed: workers, kills, remounts, and the checks at the end.

    result = Campaign(site, seed, "close").run(kills=4)

A Site is a server, a boto3 client of it, the proxy before it (which has all
conditions of S3), and a factory of mounts (lib.mount.Mounts).
"""

import os
import random
import subprocess
import threading
import time
import uuid

from lib import env

from . import bucket
from .worker import Control, Worker
from .worlds import Wrong, read_tree

WORKERS = 3
STEPS_S = 60                    # so long until a kill's calls were made
JOIN_S = 20                     # a dead mount answers at once
CLEAN_S = 60
NUMBERS = ("dirty_bytes", "dirty_files", "dirty_attrs", "failed_files",
           "uploads")


class Site:
    """Where it takes place."""

    def __init__(self, server, s3, proxy, mounts):
        self.server = server
        self.s3 = s3
        self.proxy = proxy
        self.mounts = mounts

    def mount(self, name, mode, **options):
        options = {"part_size": "5M", "cache_size": "512M", "ttl": 60,
                   "free_space": "1M", "timeout": 30, "log_level": "info",
                   **options}
        if mode != "close":
            options["sync"] = mode
        return self.mounts(name, proxy=self.proxy, ro=False, **options)

    def quiet(self):
        """Whatever is on its way to S3 has arrived, or never will."""
        self.proxy.drop()
        self.proxy.wait_idle(30)


def clear(mount):
    """Take a dead mount away: what still uses it gets errors."""
    if mount.mounted():
        subprocess.run(["umount", "-l", str(mount.path)], check=False,
                       stderr=subprocess.DEVNULL)
    if mount.mounted():
        subprocess.run(["fusermount3", "-uz", str(mount.path)], check=True)


def wait_clean(mount):
    """Wait until nothing is owed, without anybody asking for it."""
    end = time.monotonic() + CLEAN_S * env.slow()
    while True:
        status = mount.status()["cache"]
        owed = {n: status[n] for n in NUMBERS if status.get(n)}
        if not owed:
            return
        if time.monotonic() > end:
            raise Wrong(f"stuck: {owed}\n{mount.log_tail()}")
        time.sleep(0.05)


class Campaign:
    """The run of one seed."""

    def __init__(self, site, seed, mode, **options):
        self.site = site
        self.seed = seed
        self.mode = mode
        self.dice = random.Random(f"kills/{seed}")
        self.control = Control()
        self.without = options.pop("without", ())
        self.latency_ms = options.pop("latency_ms",
                                      self.dice.choice([0, 2, 10]))
        self.calls = options.pop("calls", 80)
        kind = options.pop("worker", Worker)
        self.workers = [kind(n, seed, self.control, self.without)
                        for n in range(options.pop("workers", WORKERS))]
        self.options = options
        self.bucket = "crash-" + uuid.uuid4().hex[:12]
        self.mount = None
        self.kills = 0

    def run(self, kills):
        """Return the number of steps that were taken; raise Wrong."""
        self.site.s3.create_bucket(Bucket=self.bucket)
        try:
            self.site.proxy.shape(latency_ms=self.latency_ms)
            self._set_up()
            for n in range(kills):
                self._round()
                if n + 1 < kills:
                    self._look()
            self._end()
        except (Wrong, AssertionError, OSError) as e:
            log = self.mount.log_tail() if self.mount else ""
            raise Wrong(
                f"seed {self.seed}, mode {self.mode}, kill {self.kills}: {e}"
                f"\nthe log:\n{log}\nagain: python -m tests.crash --seed "
                f"{self.seed} --mode {self.mode}") from e
        finally:
            for worker in self.workers:
                worker.close()
            self.site.proxy.shape("raw")
            self.site.server.remove_bucket(self.bucket)
        return sum(len(w.manifest.steps) for w in self.workers)

    def _set_up(self):
        self.mount = self.site.mount(self.bucket, self.mode, **self.options)
        for worker in self.workers:
            os.mkdir(self.mount.path / worker.name)

    def _enter(self):
        device = os.stat(self.mount.path).st_dev
        if device == os.stat(self.mount.path.parent).st_dev:
            raise Wrong("the mount is not there")
        for worker in self.workers:
            worker.open(self.mount.path, device)

    def _round(self):
        """Work, and a kill in the middle of it; mount again."""
        self._enter()
        self.control.begin(self.dice.randint(3, self.calls),
                           self.dice.random() < 0.3)
        threads = [threading.Thread(target=w.run, daemon=True)
                   for w in self.workers]
        for thread in threads:
            thread.start()
        in_time = self.control.reached.wait(STEPS_S * env.slow())
        time.sleep(self.dice.random() ** 2 * 0.05)
        failed = [w.error for w in self.workers if w.error]
        self.control.killed.set()
        self.kill()
        for thread in threads:
            thread.join(JOIN_S * env.slow())
        if any(thread.is_alive() for thread in threads):
            raise Wrong("a call did not end when the daemon had")
        if not in_time and not failed:
            raise Wrong("a call hung: "
                        f"{[w.manifest.steps[-1] for w in self.workers]}")
        for error in [*failed, *(w.error for w in self.workers if w.error)]:
            raise error
        self.mount.start()

    def kill(self):
        """SIGKILL from outside; nobody is led to the disk beneath."""
        if self.mount.alive():
            self.mount.kill9()
        self.kills += 1
        for worker in self.workers:
            worker.close()
        clear(self.mount)
        self.site.quiet()

    def _look(self):
        """What the new mount shows is one of the trees that are allowed.

        It may show what a rename that was cut has replaced, until it was
        asked for its new attributes: that is waited for.
        """
        if any(w.manifest.is_replacing for w in self.workers):
            wait_clean(self.mount)
        self._enter()
        for worker in self.workers:
            worker.manifest.settle(read_tree(worker.fd),
                                   f"{worker.name} in the mount")
            worker.close()

    def _end(self):
        """Drain; S3 has what was acknowledged, and nothing is left over."""
        if self.dice.random() < 0.3:
            wait_clean(self.mount)
        self.mount.umount()
        found = bucket.trees(self.site.s3, self.bucket)
        for worker in self.workers:
            worker.manifest.settle(found.pop(worker.name, {}),
                                   f"{worker.name} in S3")
        if found:
            raise Wrong(f"S3 has what nobody made: {sorted(found)}")
        if "uploads" not in self.without:
            bucket.check_uploads(self.site.s3, self.bucket)
        self.mount.start()
        wait_clean(self.mount)
        self._look()
        self.mount.umount()
