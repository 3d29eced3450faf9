# SPDX-License-Identifier: Apache-2.0
"""Random operations on a mount and on a disk: nobody can tell them apart.

A failure shows its seed and the last steps.  PAILFS_SEED=N runs that seed,
PAILFS_STEPS=N so many steps of each.
"""

import os
import random
import shutil
import stat

import pytest
from lib import stored
from lib.bets import Bets
from lib.twins import Chooser, Twins

STEPS = int(os.environ.get("PAILFS_STEPS") or 0)
ONLY = os.environ.get("PAILFS_SEED")
# What a seed is run with: options, how often trees are compared, how often
# the mount is made anew.
WAYS = {
    "default": ({}, 1, 0.003),
    "attrs=list": ({"attrs": "list", "ttl": 60}, 10, 0.003),
    "no ttl": ({"ttl": 0, "write_delay": 10}, 40, 0.003),
    "small cache": ({"cache_size": "64M"}, 10, 0),
    "sync=fsync": ({"sync": "fsync"}, 40, 0.003),
    "sync=local": ({"sync": "local", "write_delay": 1000}, 40, 0.003),
}


@pytest.fixture(autouse=True)
def no_umask():
    """Modes are what programs say."""
    old = os.umask(0)
    yield
    os.umask(old)


def check_bucket(server, s3, bucket, twins, seen):
    """Assert that the bucket is what the disk is.

    ${seen}: {path: lstat} of what the mount showed before it went.
    """
    tree = twins.disk.tree()
    wanted = {path + "/" * stat.S_ISDIR(int(mode, 8)): path
              for path, (mode, _) in tree.items()}
    found = stored.keys(s3, bucket)
    assert sorted(found) == sorted(wanted), "keys"
    for key, path in wanted.items():
        mode, more = tree[path]
        if stat.S_ISDIR(int(mode, 8)):
            body = b""
        elif stat.S_ISLNK(int(mode, 8)):
            body = more.encode()
        else:
            body = twins.disk.read(0, path)
        got = s3.get_object(Bucket=bucket, Key=key)
        assert got["Body"].read() == body, f"bytes of {key}"
        said = got["Metadata"]
        assert oct(int(said["mode"])) == mode, (key, said)
        if not key.endswith("/"):       # a child changes its parent's, here
            assert stored.ns_of(said["mtime"]) == seen[path].st_mtime_ns, (
                key, said, seen[path])
        assert ("xattr" in said) == bool(xattrs(twins.disk.at(path))), (
            key, said)
    if server.name == "moto":       # versitygw forgets to list some
        assert stored.uploads(s3, bucket) == []


def xattrs(path):
    """Return the extended attributes that programs gave."""
    return {} if os.path.islink(path) else {
        name: os.getxattr(path, name) for name in os.listxattr(path)}


def anew(server, s3, bucket, m, twins, empty):
    """Close all, unmount, look at the bucket, mount again."""
    twins.close_all()
    seen = {path: os.lstat(twins.mount.at(path))
            for path in twins.mount.tree()}
    m.umount()
    check_bucket(server, s3, bucket, twins, seen)
    if empty:
        shutil.rmtree(m.cache)
    m.start()
    if empty and m.options.get("attrs") == "list":
        return                  # whose modes are not asked for
    twins.same_trees()
    twins.same_bytes()
    for path in twins.disk.tree():
        now = os.lstat(twins.mount.at(path))
        assert (stat.S_ISDIR(now.st_mode)
                or now.st_mtime_ns == seen[path].st_mtime_ns), path
        for name, value in xattrs(twins.disk.at(path)).items():
            assert os.getxattr(twins.mount.at(path), name) == value, path


class Run:
    """One seed."""

    def __init__(self, seed, way, twins):
        self.seed = seed
        self.way = way
        self.twins = twins

    def go(self, steps, renew):
        """Do so many steps; ${renew}(empty) makes the mount anew."""
        dice = random.Random(self.seed)
        chooser = Chooser(dice, self.twins)
        _, every, anew_too = WAYS[self.way]
        for n in range(1, steps + 1):
            if dice.random() < anew_too:
                empty = dice.random() < 0.5 and "list" not in self.way
                self.twins.note((n, "anew", empty))
                renew(empty)
            self.twins.step((n, *chooser.next()))
            if n % every == 0:
                self.twins.same_trees()
            if n % 100 == 0:
                self.twins.same_bytes()
        self.twins.same_bytes()
        renew(True)

    def told(self, call, *args):
        """Run ${call}; a failure says how it came about."""
        said = None
        try:
            call(*args)
        except Exception as e:
            said = (
                f"seed {self.seed}, {self.way}, step "
                f"{len(self.twins.steps)}: {type(e).__name__}: {e}\n"
                f"the last steps:\n{self.twins.shown()}")
        if said:
            pytest.fail(said, pytrace=False)


def run(server, s3, bucket, mount, tmp_path, seed, way, steps):
    disk = tmp_path / "disk"
    disk.mkdir()
    m = mount(bucket, ro=False, **WAYS[way][0])
    twins = Twins(disk, m.path)
    one = Run(int(ONLY or seed), way, twins)
    try:
        one.told(one.go, STEPS or steps,
                 lambda empty: anew(server, s3, bucket, m, twins, empty))
    finally:
        twins.close_all()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("way,seed", [
    ("default", 1), ("attrs=list", 2), ("no ttl", 3), ("small cache", 4),
    ("sync=fsync", 5), ("sync=local", 6)])
def test_like_a_disk(server, s3, bucket, mount, tmp_path, seed, way):
    """Same results, same errors, same trees, and the bucket has it all."""
    run(server, s3, bucket, mount, tmp_path, seed, way, 400)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(100, 104))
def test_like_a_disk_for_long(server, s3, bucket, mount, tmp_path, seed, way):
    run(server, s3, bucket, mount, tmp_path, seed, way, 20_000)


# A bad link.

FAULTS = {"slow_down": {}, "internal_error": {}, "reset": {},
          "lost_reply": {}}
PATHS = [folder + name for folder in ("", "d/", "e/")
         for name in ("a", "b", "x y", "\u00fc")]


class BadLink:
    """One seed of bets over a link that fails at times, or all the time."""

    def __init__(self, seed, m, proxy, s3, bucket):
        self.seed = seed
        self.m = m
        self.proxy = proxy
        self.s3 = s3
        self.bucket = bucket
        self.dice = random.Random(seed)
        self.bets = Bets(self.dice, m.path, PATHS)
        self.fired = 0

    def spoil(self):
        """From now on, a request in twenty fails."""
        for action, args in FAULTS.items():
            self.proxy.fault(action, probability=0.0125,
                             seed=self.dice.randrange(10**6), **args)

    def outage(self):
        """For some steps nothing that changes the bucket succeeds."""
        # (An answer that says no is asked for ten times, for a minute.)
        rule = self.proxy.fault(self.dice.choice(["reset", "lost_reply"]), op=(
            "PutObject|CopyObject|DeleteObject|UploadPart|"
            "CompleteMultipartUpload|CreateMultipartUpload"))
        for _ in range(self.dice.randrange(1, 4)):
            self.bets.one()
        self.fired += self.proxy.fired(rule)
        self.proxy.clear(rule)
        self.settle()

    def content(self):
        return {key: stored.body(self.s3, self.bucket, key)
                for key in stored.keys(self.s3, self.bucket)
                if not key.endswith("/")}

    def settled(self):
        got = self.m.status()["cache"]
        return not got["dirty_files"] and not got["failed_files"]

    def settle(self):
        """On a good link all that is owed is sent; look at it."""
        self.fired += self.proxy.fired()
        self.proxy.clear()
        stored.wait_for(self.settled, "what is owed", 30)
        self.bets.compare(self.content)
        self.spoil()

    def go(self, steps):
        self.spoil()
        for n in range(1, steps + 1):
            if self.dice.random() < 0.02:
                self.outage()
            else:
                self.bets.one()
            if n % 50 == 0 or self.bets.joint:
                self.settle()
        self.settle()
        self.proxy.clear()
        self.m.umount()
        assert stored.uploads(self.s3, self.bucket) == []
        shutil.rmtree(self.m.cache)
        self.m.start()
        self.bets.compare(self.content)
        assert self.fired >= steps / 50, "no fault: nothing is proved"
        assert self.bets.failed <= steps / 10, "retries should carry more"

    def told(self, steps):
        said = None
        try:
            self.go(steps)
        except Exception as e:
            last = "\n    ".join(self.bets.last)
            said = (f"seed {self.seed}, step {self.bets.n}: "
                    f"{type(e).__name__}: {e}\nthe last steps:\n"
                    f"    {last}\nthe log:\n{self.m.log_tail(15)}")
        if said:
            pytest.fail(said, pytrace=False)


def over_a_bad_link(mount, proxy, s3, bucket, seed, steps):
    m = mount(bucket, proxy=proxy, ro=False, timeout=1)
    for name in ("d", "e"):
        os.mkdir(m.path / name)
    BadLink(int(ONLY or seed), m, proxy, s3, bucket).told(STEPS or steps)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [1, 2])
def test_p1_over_a_bad_link(s3, bucket, proxy, mount, seed):
    """What was acknowledged is in the bucket, and nothing else is."""
    over_a_bad_link(mount, proxy, s3, bucket, seed, 200)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 104))
def test_p1_over_a_bad_link_for_long(s3, bucket, proxy, mount, seed):
    over_a_bad_link(mount, proxy, s3, bucket, seed, 5000)
