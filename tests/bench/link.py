# SPDX-License-Identifier: Apache-2.0
"""Where all is measured: a server, the shaping proxy before it, buckets."""

import os
import shutil
import uuid
from pathlib import Path

from lib import servers
from lib.workload import MIB, plant
from tests.proxy.client import Proxy


class Bucket:
    """One bucket; versitygw keeps its objects as files below root."""

    def __init__(self, link):
        self.link = link
        self.name = "b-" + uuid.uuid4().hex[:16]
        link.s3.create_bucket(Bucket=self.name)
        self.root = link.server.root / self.name

    def plant(self, files):
        """Put {key: bytes} into it."""
        plant(self.link.server, self.name, files)

    def plant_large(self, key, size):
        """Put ${size} random bytes into it, made once for all buckets.

        What replaces the object makes a new file, so that the others keep
        theirs.
        """
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(self.link.large(size), path)

    def remove(self):
        self.link.server.remove_bucket(self.name)


class Link:
    """A server with a proxy before it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.server = servers.Versitygw(self.folder / "server").start()
        self.proxy = Proxy.start(self.server.host, self.server.port,
                                 self.server.access, self.server.secret,
                                 conditions=True)
        self.s3 = self.server.client()

    def close(self):
        self.proxy.stop()
        self.server.stop()

    def large(self, size):
        """Return a file of ${size} random bytes, as the server keeps it."""
        path = self.folder / f"large-{size}"
        if not path.exists():
            with open(path, "wb") as f:
                for at in range(0, size, MIB):
                    f.write(os.urandom(min(MIB, size - at)))
            os.setxattr(path, b"user.etag", b'"%032x"' % size)
            os.setxattr(path, b"user.content-type",
                        b"binary/octet-stream")
        return path

    def touch_memory(self, size):
        """Have the machine own the memory that caches are about to take.

        A virtual machine that gave free memory back to its host pays for
        each page, once: more than for all else that moving bytes costs.
        """
        path = self.folder / "memory"
        with open(path, "wb") as f:
            for _ in range(3 * size // MIB):
                f.write(bytes(MIB))
        path.unlink()

    def scratch(self):
        """Return a new folder that nobody else uses."""
        path = self.folder / f"s-{uuid.uuid4().hex[:8]}"
        path.mkdir()
        return path

    @staticmethod
    def drop(path):
        shutil.rmtree(path, ignore_errors=True)
