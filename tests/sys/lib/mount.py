# SPDX-License-Identifier: Apache-2.0
"""Mounts of the pailfs program under test.

    m = mount(bucket, attrs="list", ttl=0)
    (m.path / "a").read_bytes()
    m.status()["pid"]; m.umount(); m.remount(); m.kill9()

Options are keyword arguments: True gives the bare word, False or None nothing,
anything else NAME=VALUE.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

from . import env, process

FS_TYPE = "fuse.pailfs"
MOUNT_S = 30
UMOUNT_S = 30
STUCK_S = 5


class MountError(Exception):
    """pailfs did not mount: its status and what it said."""

    def __init__(self, status, said):
        super().__init__(f"pailfs ended with {status}: {said}")
        self.status = status
        self.said = said


def mount_type(path):
    """Return the file system type mounted at ${path}, "" if none is."""
    wanted = str(path)
    kind = ""
    with open("/proc/self/mountinfo", encoding="utf-8",
              errors="surrogateescape") as f:
        for line in f:
            left, _, right = line.partition(" - ")
            point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)),
                           left.split(" ")[4])
            if point == wanted:
                kind = right.split(" ")[0]
    return kind


def option_text(options):
    """Return {name: value} as the argument of -o."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not False and value is not None:
            text = str(value).replace("\\", "\\\\").replace(",", "\\,")
            words.append(f"{name}={text}")
    return ",".join(words)


def run(command, timeout, environment, folder):
    """Run a command; return (status, what it said).

    Its output goes to a file: a daemon that it leaves behind may keep the
    file open, where a pipe would keep us waiting.
    """
    said = Path(folder) / "said"
    with open(said, "wb") as out:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, env=environment, check=False,
            timeout=timeout * env.slow())
    return done.returncode, said.read_text(errors="replace").strip()


class Mount:
    """One mount point with its cache, its log and its daemon."""

    def __init__(self, bucket, folder, options, environment, path=None):
        self.bucket = bucket
        self.folder = Path(folder)
        self.options = options
        self.environment = environment
        self.path = Path(path or self.folder / "mnt")
        self.cache = Path(options["cache"])
        self.log = Path(options["log_file"])
        self.pid = 0
        self.statuses = []      # how its daemons ended

    def start(self):
        """Mount; raise MountError if pailfs says no."""
        try:
            self.path.mkdir()
        except FileExistsError:
            pass  # perhaps a dead mount, which cannot be looked at
        command = [*env.pailfs(), self.bucket, str(self.path), "-o",
                   option_text(self.options)]
        status, said = run(command, MOUNT_S, self.environment, self.folder)
        if status:
            raise MountError(status, said)
        self.check()
        self.pid = self._find_pid()
        return self

    def check(self):
        """Assert that this is a live mount of ours.

        A test on a mount point that is none would test the disk below.
        """
        assert os.path.ismount(self.path), f"{self.path} is no mount point"
        kind = mount_type(self.path)
        assert kind == FS_TYPE, f"{self.path} is of type {kind!r}"

    def mounted(self):
        return mount_type(self.path) != ""

    def _find_pid(self):
        pid = self.status().get("pid")
        assert isinstance(pid, int) and process.state(pid), \
            f"pailctl status gives no living pid: {pid!r}"
        return pid

    def alive(self):
        return self.pid != 0 and process.state(self.pid) not in ("", "Z", "X")

    def ctl(self, *words, timeout=UMOUNT_S):
        """Run pailctl with ${words}; return (status, what it said)."""
        return run([*env.pailctl(), *words], timeout, self.environment,
                   self.folder)

    def status(self):
        """Return pailctl's status of this mount."""
        status, said = self.ctl("status", "--json", str(self.path))
        assert status == 0, f"pailctl status: {status}: {said}"
        return json.loads(said)

    def wait_sent(self, timeout):
        """Wait until the daemon, if there is one, has no call to S3 open.

        What it asks for ahead of anybody is such a call before the reader
        has its bytes, but a request only when its net thread gets to it.
        """
        process.wait_until(
            lambda: not (self.alive() and self.mounted())
            or self.status()["s3"]["in_flight"] == 0,
            timeout * env.slow(), "the daemon's calls")

    def umount(self):
        """Unmount in order; the daemon must end well."""
        status, said = self.ctl("umount", str(self.path))
        assert status == 0, f"pailctl umount: {status}: {said}"
        assert not self.mounted(), "pailctl umount left the mount"
        self._ended(0)

    def _ended(self, wanted):
        status = process.reap(self.pid, UMOUNT_S * env.slow())
        self.statuses.append(status)
        self.pid = 0
        assert status in (None, wanted), (
            f"the daemon ended with {status}; its log:\n{self.log_tail()}")

    def remount(self, **options):
        """Unmount (if mounted and alive) and mount again, cache kept."""
        if self.alive():
            self.umount()
        self.options.update(options)
        return self.start()

    def kill9(self):
        """Kill the daemon; the dead mount point stays."""
        os.kill(self.pid, signal.SIGKILL)
        stuck = threading.Timer(STUCK_S * env.slow(), self._abort)
        stuck.start()
        try:
            self._ended(-signal.SIGKILL)
        finally:
            stuck.cancel()

    def _abort(self):
        """Let a thread of the daemon die that waits in the kernel.

        It tells the kernel that a page is not good any more, and waits for
        the read of it, which the daemon was to answer: until the connection
        is aborted.
        """
        subprocess.run(["umount", "-f", str(self.path)], check=False,
                       stderr=subprocess.DEVNULL)

    def log_tail(self, lines=40):
        try:
            text = self.log.read_text(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:])

    def clean_up(self):
        """Leave no mount and no daemon; return what was wrong, a list."""
        wrong = []
        if self.pid and not self.alive():
            status = process.reap(self.pid, 1)
            wrong.append(f"the daemon ended by itself, status {status}; its "
                         f"log:\n{self.log_tail()}")
            self.pid = 0
        wrong += self._unmount_somehow()
        wrong += self._end_daemon()
        shutil.rmtree(self.cache, ignore_errors=True)
        return wrong

    def _unmount_somehow(self):
        """Unmount by ever ruder means."""
        point = str(self.path)
        ways = [[*env.pailctl(), "umount", point],
                ["fusermount3", "-u", point], ["fusermount3", "-uz", point],
                ["umount", "-l", point]]
        said = []
        for way in ways if self.pid else ways[2:]:
            if not self.mounted():
                break
            try:
                status, text = run(way, UMOUNT_S, self.environment,
                                   self.folder)
                said.append(f"{way}: {status}: {text}")
            except (OSError, subprocess.TimeoutExpired) as e:
                said.append(f"{way}: {e}")
        if self.mounted():
            return [f"still mounted: {said}"]
        return said[:-1] if self.pid else []

    def _end_daemon(self):
        """Wait for the daemon, kill it if it stays."""
        if not self.pid:
            return self._end_strays()
        try:
            self._ended(0)
        except AssertionError as e:
            return [str(e)]
        except TimeoutError as e:
            process.kill(self.pid)
            self.pid = 0
            return [f"{e}; its log:\n{self.log_tail()}"]
        return []

    def _end_strays(self):
        """End daemons of this mount point whose pid we were not told."""
        word = str(self.path)
        try:
            process.wait_until(lambda: not process.naming(word), 2, "end")
            return []
        except TimeoutError:
            strays = process.naming(word)
        for pid in strays:
            process.kill(pid)
        return [f"left behind: processes {strays}; log:\n{self.log_tail()}"]


class Mounts:
    """The factory of one test; it cleans up behind all it made."""

    def __init__(self, folder, server, reports, limit_s=600.0):
        self.folder = Path(folder)
        self.server = server
        self.reports = reports
        self.limit_s = limit_s
        self.made = []
        self.watchdog = None
        self.killed = []

    def __call__(self, bucket, *, proxy=None, auth="passwd", env_extra=None,
                 path=None, ro=True, start=True, **options):
        """Mount ${bucket} (may be BUCKET:/PREFIX) and return the Mount.

        proxy       the proxy to go through, else straight to the server
        auth        "passwd": a 0600 passwd_file; "env": AWS_* variables;
                    None: the test provides
        env_extra   more environment for pailfs
        start=False returns without mounting
        """
        home = self.folder / f"m{len(self.made)}"
        home.mkdir()
        environment = self.reports.environment(env.clean())
        base = {"endpoint": (proxy or self.server).endpoint,
                "region": "us-east-1", "path_style": True,
                "cache": home / "cache", "log_file": home / "log", "ro": ro}
        if auth == "passwd":
            base["passwd_file"] = self._passwd(home)
        elif auth == "env":
            environment["AWS_ACCESS_KEY_ID"] = self.server.access
            environment["AWS_SECRET_ACCESS_KEY"] = self.server.secret
        environment.update(env_extra or {})
        mount = Mount(bucket, home, {**base, **options}, environment, path)
        self.made.append(mount)
        if proxy:
            proxy.senders.append(mount)
        self._watch()
        return mount.start() if start else mount

    def _passwd(self, home):
        path = home / "passwd"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(f"{self.server.access}:{self.server.secret}\n")
        return path

    def _watch(self):
        """Kill all daemons after limit_s.

        A process that waits for a hung FUSE daemon takes no signal but a
        deadly one: a test's own time limit would never get its turn.
        """
        if self.watchdog is None:
            self.watchdog = threading.Timer(self.limit_s, self._kill_all)
            self.watchdog.daemon = True
            self.watchdog.start()

    def _kill_all(self):
        for mount in self.made:
            for pid in process.naming(str(mount.path)):
                self.killed.append(f"killed {pid} of {mount.path} after "
                                   f"{self.limit_s:.0f} s")
                os.kill(pid, signal.SIGKILL)

    def clean_up(self):
        """Clean up all mounts; return what was wrong, a list."""
        wrong = [line for mount in reversed(self.made)
                 for line in mount.clean_up()]
        if self.watchdog:
            self.watchdog.cancel()
        return self.killed + wrong
