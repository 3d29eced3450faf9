# SPDX-License-Identifier: Apache-2.0
"""The program s5cmd, the fastest of the usual tools that copy files."""

import os
import subprocess
import time

from lib import env


def find():
    """Return the program's path, None if there is none."""
    try:
        return env.tool("s5cmd")
    except FileNotFoundError:
        return None


def version(program):
    """Return what it says of its version."""
    return subprocess.run([program, "version"], check=False, timeout=30,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
                          ).stdout.decode().strip()


class S5cmd:
    """s5cmd on one bucket."""

    def __init__(self, program, link, bucket):
        self.url = f"s3://{bucket.name}/"
        self.words = [program, "--log", "error", "--endpoint-url",
                      link.proxy.endpoint]
        self.environment = {
            **os.environ, "AWS_ACCESS_KEY_ID": link.server.access,
            "AWS_SECRET_ACCESS_KEY": link.server.secret,
            "AWS_REGION": "us-east-1"}

    def run(self, *words):
        """Return the seconds it took."""
        start = time.monotonic()
        subprocess.run([*self.words, *map(str, words)], check=True,
                       env=self.environment, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        return time.monotonic() - start

    def copy(self, source, target):
        """Copy between the disk and the bucket, 16 parts of 8 MiB at once."""
        return self.run("cp", "--concurrency", "16", "--part-size", "8",
                        source, target)
