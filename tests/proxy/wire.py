# SPDX-License-Identifier: Apache-2.0
"""Sockets, HTTP/1.1 heads and body framing; knows nothing of S3.

Everything runs on non-blocking sockets with the loop's sock_* calls: a chunk
is received into a buffer that is reused and sent from there, so Python never
copies body bytes, and a full socket stops the reader (flow control for free).
"""

import asyncio
import re
import socket
import struct

HEAD_MAX = 128 * 1024
CHUNK = 256 * 1024
YIELD_BYTES = 4 * CHUNK


class Closed(Exception):
    """The peer closed or reset the connection before the message ended."""


class BadMessage(Exception):
    """What arrived is not HTTP/1.1 as we understand it."""


class Stream:
    """One connection: a socket and the bytes read beyond the last head."""

    def __init__(self, sock):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.rest = bytearray()
        self.loop = asyncio.get_running_loop()

    async def head(self):
        """Return the next message head with its blank line, b"" at the end."""
        while True:
            end = self.rest.find(b"\r\n\r\n")
            if end >= 0:
                head = bytes(self.rest[:end + 4])
                del self.rest[:end + 4]
                return head
            if len(self.rest) > HEAD_MAX:
                raise BadMessage("head too long")
            data = await self._recv(64 * 1024)
            if not data:
                if self.rest:
                    raise Closed("end inside a head")
                return b""
            self.rest += data

    async def readinto(self, view):
        """Fill the start of ${view}; return the count, 0 at the end."""
        if self.rest:
            n = min(len(self.rest), len(view))
            view[:n] = self.rest[:n]
            del self.rest[:n]
            return n
        try:
            return await self.loop.sock_recv_into(self.sock, view)
        except OSError as e:
            raise Closed(str(e)) from e

    async def send(self, data):
        """Send all of ${data} (it may be changed once this returns)."""
        try:
            await self.loop.sock_sendall(self.sock, data)
        except OSError as e:
            raise Closed(str(e)) from e

    async def _recv(self, n):
        try:
            return await self.loop.sock_recv(self.sock, n)
        except OSError as e:
            raise Closed(str(e)) from e

    def alive(self):
        """Say whether an idle connection is open and silent."""
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return not self.rest
        except OSError:
            return False
        return False

    async def gone(self):
        """Return once the peer has closed; bytes that wait do not count."""
        while True:
            try:
                if not self.sock.recv(1, socket.MSG_PEEK):
                    return
                await asyncio.sleep(0.1)
            except BlockingIOError:
                await self._readable()
            except OSError:
                return

    async def _readable(self):
        future = self.loop.create_future()
        fd = self.sock.fileno()
        self.loop.add_reader(
            fd, lambda: future.done() or future.set_result(None))
        try:
            await future
        finally:
            self.loop.remove_reader(fd)

    def close(self):
        self.sock.close()

    def reset(self):
        """Close with a TCP reset rather than an orderly end."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.sock.close()

    async def finish(self, timeout=1.0):
        """Close in order: end our side, swallow the rest, then close.

        Closing while unread bytes wait would send a reset, and the peer might
        lose the answer that is still on its way.
        """
        try:
            self.sock.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(timeout):
                while await self._recv(CHUNK):
                    pass
        except (OSError, Closed, TimeoutError):
            pass
        self.sock.close()


class Buffers:
    """Body buffers of CHUNK bytes, reused."""

    def __init__(self):
        self.free = []

    def take(self):
        return self.free.pop() if self.free else bytearray(CHUNK)

    def give(self, buf):
        if len(self.free) < 64:
            self.free.append(buf)


def headers_of(head):
    """Return {lower-case name: value} of a raw head (the last one wins)."""
    out = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            out[name.strip().lower().decode("latin-1")] = (
                value.strip().decode("latin-1"))
    return out


def set_header(head, name, value):
    """Return ${head} with header ${name} set, or removed if value is None."""
    pattern = (rb"(?im)^" + re.escape(name.encode()) + rb"[ \t]*:[^\r\n]*\r\n")
    head = re.sub(pattern, b"", head)
    if value is None:
        return head
    return head[:-2] + f"{name}: {value}\r\n\r\n".encode("latin-1")


def framing(headers, bodyless=False, default=0):
    """Return how the body ends: a length, "chunked", or ${default}."""
    if bodyless:
        return 0
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return "chunked"
    length = headers.get("content-length")
    if length is None:
        return default
    if not length.isdigit():
        raise BadMessage(f"Content-Length {length!r}")
    return int(length)


class ChunkScan:
    """Finds the end of a chunked body without changing a byte of it."""

    def __init__(self):
        self.skip = 0
        self.line = bytearray()
        self.last = False
        self.done = False
        self.payload = []

    def feed(self, data):
        """Take ${data}; return how many of its bytes belong to the body."""
        at = 0
        while at < len(data) and not self.done:
            if self.skip:
                at += self._data(data[at:at + self.skip])
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self.line += data[at:]
                return len(data)
            self.line += data[at:end + 1]
            at = end + 1
            self._end_of_line(bytes(self.line).strip())
            self.line.clear()
        return at

    def _data(self, piece):
        self.payload.append((self.skip, piece))
        self.skip -= len(piece)
        return len(piece)

    def _end_of_line(self, line):
        if self.last:
            self.done = not line
            return
        size = line.split(b";")[0]
        try:
            count = int(size, 16)
        except ValueError:
            raise BadMessage(f"chunk size {size[:20]!r}") from None
        self.last = count == 0
        self.skip = count + 2 if count else 0

    def body(self):
        """Return the decoded payload (each chunk ends with its own CRLF)."""
        out = bytearray()
        for left, piece in self.payload:
            out += piece[:max(0, left - 2)]
        return bytes(out)


async def chunked(stream, keep=False):
    """Yield the raw pieces of a chunked body; ${keep} collects the payload.

    The last thing yielded is the ChunkScan, for those who want the payload.
    """
    scan = ChunkScan()
    while not scan.done:
        data = bytes(stream.rest)
        stream.rest.clear()
        if not data:
            data = await stream._recv(CHUNK)
        if not data:
            raise Closed("end inside a chunked body")
        used = scan.feed(data)
        if not keep:
            scan.payload.clear()
        stream.rest += data[used:]
        yield data[:used]
    yield scan


async def read_body(stream, frame, limit=64 << 20):
    """Return a whole body: ${frame} is a length, "chunked" or "close"."""
    if frame == "chunked":
        async for piece in chunked(stream, keep=True):
            last = piece
        return last.body()
    if frame == "close":
        frame, strict = limit, False
    else:
        strict = True
    out = bytearray()
    buf = memoryview(bytearray(min(frame, CHUNK) or 1))
    while len(out) < frame:
        n = await stream.readinto(buf[:min(len(buf), frame - len(out))])
        if not n:
            if strict:
                raise Closed("body too short")
            break
        out += buf[:n]
    return bytes(out)
