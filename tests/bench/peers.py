# SPDX-License-Identifier: Apache-2.0
"""Other programs that mount a bucket, where the machine has them.

Each runs with the options that its manual gives for a cache on the disk, else
with its defaults; rclone sends after 100 ms, as pailfs does, not after 5 s.
"""

import subprocess
import threading
import time

from lib import env, process
from lib.mount import mount_type

START_S = 30
LIMIT_S = 300   # then a daemon that hangs is killed
END_S = 60


class Peer:
    """One mount: its path, the pid of its daemon, its cache folder."""
    name = ""
    version = "--version"

    def __init__(self, link, bucket, folder, _options):
        self.link = link
        self.bucket = bucket.name
        self.folder = folder
        self.path = folder / "mnt"
        self.cache = folder / "cache"
        self.path.mkdir()
        self.cache.mkdir()
        self.child = process.Child(
            [env.tool(self.name), *self.words()], folder / "log",
            {**env.clean(), "HOME": str(folder), **self.environment()})
        self.pid = self.child.pid
        self.watchdog = threading.Timer(LIMIT_S, self.child.stop)
        self.watchdog.daemon = True
        self.watchdog.start()
        try:
            process.wait_until(
                lambda: mount_type(self.path) or not self.child.running(),
                START_S, f"{self.name} to mount")
            assert mount_type(self.path), self.child.output()
        except (AssertionError, TimeoutError):
            self.close()
            raise

    def words(self):
        """Return the arguments; the daemon stays in the foreground."""
        raise NotImplementedError

    def environment(self):
        server = self.link.server
        return {"AWS_ACCESS_KEY_ID": server.access, "AWS_REGION": "us-east-1",
                "AWS_SECRET_ACCESS_KEY": server.secret}

    @classmethod
    def find(cls):
        """Return what the program says of its version, None: it is absent."""
        try:
            done = subprocess.run(
                [env.tool(cls.name), cls.version], check=False, timeout=30,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env=env.clean())
        except FileNotFoundError:
            return None
        return done.stdout.decode(errors="replace").split("\n")[0].strip()

    def close(self):
        """Unmount and wait for the daemon's end, by force if need be."""
        end = time.monotonic() + END_S
        while mount_type(self.path) and time.monotonic() < end:
            subprocess.run(["umount", str(self.path)], check=False,
                           stderr=subprocess.DEVNULL)
            time.sleep(0.05)
        while self.child.running() and time.monotonic() < end:
            time.sleep(0.02)
        self.watchdog.cancel()
        self.child.stop()
        if mount_type(self.path):
            subprocess.run(["umount", "-l", str(self.path)], check=False)


class S3fs(Peer):
    name = "s3fs"

    def words(self):
        return [self.bucket, self.path, "-f", "-o", ",".join((
            f"url={self.link.proxy.endpoint}", "use_path_request_style",
            "endpoint=us-east-1", f"use_cache={self.cache}"))]


class Rclone(Peer):
    name = "rclone"
    version = "version"

    def words(self):
        return ["mount", f":s3:{self.bucket}", self.path,
                "--config", "/dev/null", "--s3-provider", "Other",
                "--s3-endpoint", self.link.proxy.endpoint,
                "--s3-region", "us-east-1", "--s3-no-check-bucket",
                "--s3-env-auth", "--cache-dir", self.cache,
                "--vfs-cache-mode", "full", "--vfs-write-back", "100ms"]


class Geesefs(Peer):
    name = "geesefs"

    def words(self):
        return ["-f", "--endpoint", self.link.proxy.endpoint,
                "--region", "us-east-1", "--list-type", "2",
                "--cache", self.cache, self.bucket, self.path]


class Goofys(Peer):
    name = "goofys"

    def words(self):
        return ["-f", "--endpoint", self.link.proxy.endpoint,
                "--region", "us-east-1", self.bucket, self.path]


class Mountpoint(Peer):
    name = "mount-s3"

    def words(self):
        return [self.bucket, self.path, "-f", "--force-path-style",
                "--endpoint-url", self.link.proxy.endpoint,
                "--region", "us-east-1", "--allow-delete",
                "--allow-overwrite", "--cache", self.cache,
                "--metadata-ttl", "3600"]


PEERS = {peer.name: peer
         for peer in (S3fs, Rclone, Geesefs, Goofys, Mountpoint)}
