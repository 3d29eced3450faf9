# SPDX-License-Identifier: Apache-2.0
"""What a mount is measured against: clients that do the least.

Bare sends a given plan of requests on warm connections and drops the bytes;
S5cmd is the fastest of the usual tools, where it is installed.
"""

import http.client
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from lib import raw
from lib.workload import MIB


class Connection:
    """One connection."""

    def __init__(self, port):
        self.conn = http.client.HTTPConnection("127.0.0.1", port)
        self.conn.connect()
        self.buffer = bytearray(MIB)

    def send(self, request):
        """Send one of Bare.plan's requests; drop the answer's body."""
        method, path, headers = request
        self.conn.request(method, path, headers=headers)
        answer = self.conn.getresponse()
        assert answer.status in (200, 206), (answer.status, path)
        while answer.readinto(self.buffer):
            pass


class Bare:
    """A plan of requests, signed before the clock starts."""

    def __init__(self, server, proxy, bucket):
        self.server = server
        self.proxy = proxy
        self.bucket = bucket

    def request(self, key="", first=None, last=None, query="", method="GET"):
        """Return a signed request for a range, a listing, headers."""
        headers = {}
        if first is not None:
            headers["Range"] = f"bytes={first}-{last}"
        path, headers = raw.signed(self.server, self.proxy.endpoint, method,
                                   self.bucket, key, headers, query=query)
        return method, path, headers

    def pages(self, prefix, after):
        """Return requests for a page of keys behind each of ${after}."""
        return [self.request(query=f"list-type=2&prefix={prefix}"
                                   f"&start-after={key}") for key in after]

    def one_by_one(self, plan):
        """Return the seconds that each request of ${plan} takes."""
        conn = Connection(self.proxy.port)
        conn.send(plan[0])
        took = []
        for request in plan:
            start = time.monotonic()
            conn.send(request)
            took.append(time.monotonic() - start)
        return took

    def parallel(self, plan, connections):
        """Return the seconds of ${plan} on so many connections."""
        left = list(reversed(plan))
        ready = threading.Barrier(connections + 1)

        def work():
            conn = Connection(self.proxy.port)
            ready.wait()
            while True:
                try:
                    request = left.pop()
                except IndexError:
                    return
                conn.send(request)

        workers = [threading.Thread(target=work) for _ in range(connections)]
        for worker in workers:
            worker.start()
        ready.wait()
        start = time.monotonic()
        for worker in workers:
            worker.join()
        return time.monotonic() - start


class S5cmd:
    """The program s5cmd; all it does takes no time where there is none."""

    def __init__(self, server, proxy, bucket):
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
        self.program = shutil.which("s5cmd", path=path)
        self.url = f"s3://{bucket}/"
        self.words = ["--log", "error", "--endpoint-url", proxy.endpoint]
        self.environment = {
            **os.environ, "AWS_ACCESS_KEY_ID": server.access,
            "AWS_SECRET_ACCESS_KEY": server.secret, "AWS_REGION": "us-east-1"}

    def run(self, *words):
        """Return the seconds it took; None: it is not installed."""
        if not self.program:
            return None
        start = time.monotonic()
        subprocess.run([self.program, *self.words, *words], check=True,
                       env=self.environment, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        return time.monotonic() - start

    def fetch(self, key, path):
        """Get an object into a file, 16 parts of 8 MiB at a time."""
        took = self.run("cp", "--concurrency", "16", "--part-size", "8",
                        self.url + key, str(path))
        Path(path).unlink(missing_ok=True)
        return took

    def list(self, prefix):
        """List all keys below ${prefix}."""
        return self.run("ls", f"{self.url}{prefix}*")
