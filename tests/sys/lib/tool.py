# SPDX-License-Identifier: Apache-2.0
"""The S3 client of pailfs as a process: tests/unit/s3_tool.c.

    with Tool(env, bucket=..., endpoint=...) as tool:
        tool.opened["err"] == ""
        tool.call("HeadObject", key="a")["object"]["size"]
        ids = [tool.send("GetObject", key="a", out=path) for _ in range(9)]
        tool.wait(ids[0])
"""

import json
import queue
import subprocess
import threading

from . import env

PROGRAM = "s3_tool"


class Tool:
    """One process, which is one struct s3."""

    def __init__(self, environ, **config):
        config.setdefault("timeout_s", 20)
        config.setdefault("connections", 16)
        self.answers = {}
        self.lines = queue.Queue()
        self.next_id = 1
        self.process = subprocess.Popen(
            [*env.wrap(), str(env.build() / "unit" / PROGRAM), "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
        threading.Thread(target=self._read, daemon=True).start()
        self._write(config)
        self.opened = self._next(60)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def _write(self, value):
        self.process.stdin.write(json.dumps(value).encode() + b"\n")
        self.process.stdin.flush()

    def _next(self, timeout):
        line = self.lines.get(timeout=timeout * env.slow())
        if line is None:
            raise RuntimeError(f"the tool ended: {self.process.wait()}")
        return line

    def send(self, op, **fields):
        """Start a call; return its id."""
        number = self.next_id
        self.next_id += 1
        self._write({"id": number, "op": op, **fields})
        return number

    def wait(self, number, timeout=60):
        """Return the answer of a call, in whatever order they end."""
        while number not in self.answers:
            answer = self._next(timeout)
            self.answers[answer["id"]] = answer
        return self.answers.pop(number)

    def call(self, op, **fields):
        return self.wait(self.send(op, **fields))

    def cancel(self, number):
        self._write({"op": "cancel", "target": number})

    def stats(self):
        return self.call("stats")

    def close(self, timeout=60):
        """End the process, once all calls are done; return its status."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            status = self.process.wait(timeout * env.slow())
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return status

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.close()
        if kind is None and status != 0:
            raise RuntimeError(f"the tool ended with {status}")
