# SPDX-License-Identifier: Apache-2.0
"""Connections to the server, and requests of the proxy's own.

The proxy's own requests are signed with credentials that it was given, are
not recorded, not shaped and meet no fault.
"""

import asyncio
import socket
import time
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from . import wire
from .answer import Answer

# Servers close idle connections when they like: do not trust one for long.
IDLE_S = 2.0


def keeps_alive(answer):
    """Say whether the server leaves the connection open after ${answer}."""
    return (answer.head.startswith(b"HTTP/1.1")
            and answer.frame != "close"
            and answer.headers.get("connection", "").lower() != "close")


class Upstream:
    """The server at host:port."""

    def __init__(self, host, port, access="", secret="", region="us-east-1"):
        self.host = host
        self.port = port
        self.region = region
        self.credentials = Credentials(access, secret) if access else None
        self.idle = []          # (Stream, time it became idle)

    def target(self, host, port):
        """Send what comes from now on to another address."""
        self.drop_idle()
        self.host, self.port = host, port

    def drop_idle(self):
        for stream, _ in self.idle:
            stream.close()
        self.idle.clear()

    async def take(self):
        """Return (connection, whether it was used before)."""
        while self.idle:
            stream, since = self.idle.pop()
            if time.monotonic() - since < IDLE_S and stream.alive():
                return stream, True
            stream.close()
        return await self._connect(), False

    async def _connect(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(
                sock, (self.host, self.port))
        except OSError as e:
            sock.close()
            raise wire.Closed(f"cannot reach the server: {e}") from e
        return wire.Stream(sock)

    def give(self, stream, answer):
        """Take a connection back after ${answer} was read to its end."""
        if keeps_alive(answer):
            self.idle.append((stream, time.monotonic()))
        else:
            stream.close()

    async def read_answer(self, stream, method, on_interim=None):
        """Return the answer's head as an Answer whose body still waits.

        1xx answers are given to ${on_interim}, each with its blank line.
        """
        while True:
            head = await stream.head()
            if not head:
                raise wire.Closed("no answer")
            status = int(head[9:12])
            if status >= 200:
                break
            if on_interim:
                await on_interim(head)
        bodyless = method == "HEAD" or status in (204, 304)
        frame = wire.framing(wire.headers_of(head), bodyless, "close")
        return Answer(head, stream=stream, frame=frame)

    async def fetch_body(self, answer):
        """Read the body of ${answer} into it; free the connection."""
        stream, answer.stream = answer.stream, None
        try:
            body = await wire.read_body(stream, answer.frame)
        except wire.Closed:
            stream.close()
            raise
        self.give(stream, answer)
        if isinstance(answer.frame, int):
            answer.body = body
        else:
            answer.set_body(body)

    async def signed(self, method, bucket, key, query="", headers=None,
                     body=b""):
        """Make a request of our own; return its Answer with the body."""
        head = self._sign(method, bucket, key, query, headers or {}, body)
        while True:
            stream, used = await self.take()
            try:
                await stream.send(head + body)
                answer = await self.read_answer(stream, method)
                await self.fetch_body(answer)
                return answer
            except (wire.Closed, asyncio.CancelledError) as e:
                stream.close()
                if not used or isinstance(e, asyncio.CancelledError):
                    raise

    def _sign(self, method, bucket, key, query, headers, body):
        """Return the raw head of a signed path-style request."""
        if not self.credentials:
            raise ValueError("the proxy has no credentials of its own")
        raw = key.encode("utf-8", "surrogateescape")
        path = f"/{bucket}/{quote(raw, safe='/~')}" + (query and "?" + query)
        url = f"http://{self.host}:{self.port}{path}"
        request = AWSRequest(method, url, dict(headers), body)
        S3SigV4Auth(self.credentials, "s3", self.region).add_auth(request)
        lines = [f"{method} {path} HTTP/1.1",
                 f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in
                  request.headers.items() if name.lower() != "host"]
        if method in ("PUT", "POST"):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines + ["", ""]).encode("latin-1")
