# SPDX-License-Identifier: Apache-2.0
"""One request, from its head to the last byte of its answer.

GetObject bodies are streamed.  All other answers are small and are read whole
before they are passed on: the server has then acted for certain, which is what
locks, held and lost answers are about.
"""

import asyncio
import time

from . import answer as answers
from . import shape, wire
from .classify import parse
from .faults import Cut, Reset


class ClientGone(wire.Closed):
    """The client closed its connection."""


class Exchange:
    """A request in progress; what faults and conditions get to see."""

    def __init__(self, proxy, client, req, conn):
        self.proxy = proxy
        self.upstream = proxy.upstream
        self.client = client
        self.req = req
        self.entry = proxy.record.begin(req, conn)
        self.fault = proxy.rules.pick(req)
        self.body = None        # the request's body, if somebody took it
        self.kept = None        # pattern of keys that are not deleted
        self.unread = req.frame != 0
        self.close = req.headers.get("connection", "").lower() == "close"
        self.last_byte = time.monotonic()
        self.pacer_up = shape.Pacer(proxy.shape, proxy.total_up)
        self.pacer_down = None

    async def run(self):
        """Serve the request; return whether the connection goes on."""
        how = "cut"
        try:
            if self.fault:
                self.entry.fault = self.fault.name
            await self._deliver(await self._obtain())
            how = "ok"
            return not self.close
        except ClientGone:
            how = "closed"
            raise
        finally:
            self.proxy.record.end(self.entry, how)

    async def _obtain(self):
        """Return the answer: from a fault, a condition, or the server."""
        fault = self.fault
        ans = await fault.before(self) if fault else None
        if ans:
            await self.drain()
            return ans
        async with self.proxy.conditions.guard(self) as ans:
            if ans is None:
                ans = await self._forward()
                if self.req.op != "GetObject" and ans.frame != "close":
                    await self.upstream.fetch_body(ans)
            else:
                await self.drain()
        if not fault:
            return ans
        try:
            if ans.stream and (fault.whole or ans.length is None):
                await self.upstream.fetch_body(ans)
            new = await fault.after(self, ans)
        except BaseException:
            self._abandon(ans)
            raise
        if new is not ans:
            self._abandon(ans)
        return new

    def _abandon(self, ans):
        if ans.stream:
            ans.stream.close()
            ans.stream = None

    # The request's body.

    async def _pieces(self):
        """Yield the raw pieces of the request's body, paced."""
        if not self.unread:
            return
        source = self._sized if self.req.frame != "chunked" else self._chunks
        try:
            async for piece in source():
                await self.pacer_up.wait(len(piece))
                self.proxy.record.up(self.entry, len(piece))
                yield piece
        except ClientGone:
            raise
        except wire.Closed as e:
            raise ClientGone(str(e)) from e
        self.unread = False
        self.last_byte = time.monotonic()

    async def _sized(self):
        buf = self.proxy.buffers.take()
        view = memoryview(buf)
        left = self.req.frame
        try:
            while left:
                n = min(left, self.pacer_up.size(wire.CHUNK))
                n = await self.client.readinto(view[:n])
                if not n:
                    raise ClientGone("end inside the request's body")
                left -= n
                yield view[:n]
        finally:
            view.release()
            self.proxy.buffers.give(buf)

    async def _chunks(self):
        async for piece in wire.chunked(self.client):
            if not isinstance(piece, wire.ChunkScan):
                yield piece

    async def take_body(self):
        """Read the request's body into memory and return it."""
        if self.unread and self.req.expects:
            await self._to_client(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.body = b"".join([bytes(p) async for p in self._pieces()])
        return self.body

    async def drain(self):
        """Have the request's body out of the way of an answer of ours.

        A client that waits for "100 Continue" is not made to send it; its
        connection cannot go on then.
        """
        if self.unread and self.req.expects:
            self.close = True
            return
        async for _ in self._pieces():
            pass

    # To the server.

    async def _forward(self):
        """Send the request on; return the answer, its body yet to come."""
        while True:
            stream, used = await self.upstream.take()
            try:
                return await self._ask(stream)
            except BaseException as e:
                stream.close()
                # A connection that was idle may have been closed under us.
                again = self.req.frame == 0 or self.body is not None
                if not (used and again and type(e) is wire.Closed):
                    raise

    async def _ask(self, stream):
        await stream.send(self.req.raw)
        if self.body is not None:
            await stream.send(self.body)
            return await self.upstream.read_answer(stream, self.req.method)
        reading = asyncio.ensure_future(self.upstream.read_answer(
            stream, self.req.method, self._to_client))
        if not self.unread:
            return await reading
        sending = asyncio.ensure_future(self._send_body(stream))
        try:
            await asyncio.wait({reading, sending},
                               return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and isinstance(sending.exception(), ClientGone):
                raise sending.exception()
            ans = await reading
            if not sending.done():
                await self._early_answer(sending)
            self.close = self.close or self.unread
            return ans
        finally:
            for task in (reading, sending):
                task.cancel()
            await asyncio.gather(reading, sending, return_exceptions=True)

    async def _early_answer(self, sending):
        """The server answered before it had the body: let it end, or not."""
        if not self.req.expects:
            await asyncio.wait({sending}, timeout=0.5)

    async def _send_body(self, stream):
        async for piece in self._pieces():
            await stream.send(piece)

    # To the client.

    async def _to_client(self, data):
        try:
            await self.client.send(data)
        except wire.Closed as e:
            raise ClientGone(str(e)) from e

    async def _deliver(self, ans):
        try:
            await self._deliver_head(ans)
            if ans.body is None:
                await self._stream(ans)
        except BaseException:
            self._abandon(ans)
            raise

    async def _deliver_head(self, ans):
        """Send the head, and the body too if it is here."""
        await shape.latency(self.proxy.shape, self.last_byte)
        head = wire.set_header(b"HTTP/1.1" + ans.head[8:], "Connection", None)
        if ans.frame == "close" and ans.body is None:
            self.close = True
        if self.close:
            head = wire.set_header(head, "Connection", "close")
        self.entry.status = ans.status
        self.entry.t_first = time.monotonic()
        pacer = shape.Pacer(self.proxy.shape, self.proxy.total_down)
        self.pacer_down = pacer
        if ans.body is None:
            await self._to_client(head)
            return
        limit = self._limit(len(ans.body))
        if len(ans.body) <= shape.FIRST and limit is None:
            body = self._pass(0, ans.body)
            await pacer.wait(len(body))
            await self._to_client(head + body)
            self.proxy.record.down(self.entry, len(body))
            return
        await self._to_client(head)
        await self._slices(memoryview(ans.body), limit)

    def _limit(self, length):
        return self.fault.limit(length) if self.fault else None

    def _pass(self, offset, data):
        return self.fault.piece(offset, data) if self.fault else data

    async def _piece(self, offset, data):
        await self.pacer_down.wait(len(data))
        await self._to_client(self._pass(offset, data))
        self.proxy.record.down(self.entry, len(data))

    async def _at_limit(self):
        await self.fault.at_limit(self)
        raise Cut

    async def _slices(self, view, limit):
        end = len(view) if limit is None else limit
        offset = 0
        while offset < end:
            n = min(self.pacer_down.size(wire.CHUNK), end - offset)
            await self._piece(offset, view[offset:offset + n])
            offset += n
        if limit is not None:
            await self._at_limit()

    async def _stream(self, ans):
        """Pass a body on from the server, a chunk at a time."""
        stream = ans.stream
        if ans.frame == "chunked":
            async for piece in wire.chunked(stream):
                if not isinstance(piece, wire.ChunkScan):
                    await self._piece(0, piece)
        else:
            await self._stream_sized(ans)
        ans.stream = None
        self.upstream.give(stream, ans)

    async def _stream_sized(self, ans):
        limit = None
        left = 1 << 62
        if ans.frame != "close":
            limit = self._limit(ans.frame)
            left = ans.frame if limit is None else limit
        buf = self.proxy.buffers.take()
        view = memoryview(buf)
        offset = 0
        try:
            while offset < left:
                n = min(self.pacer_down.size(wire.CHUNK), left - offset)
                n = await ans.stream.readinto(view[:n])
                if not n:
                    break
                await self._piece(offset, view[:n])
                offset += n
                if offset % wire.YIELD_BYTES < n:
                    await asyncio.sleep(0)
        finally:
            view.release()
            self.proxy.buffers.give(buf)
        if limit is not None and offset == limit:
            await self._at_limit()
        if ans.frame != "close" and offset < left:
            raise Cut


async def serve(proxy, client, conn):
    """Serve one client connection until it ends."""
    going = True
    try:
        while going:
            raw = await client.head()
            if not raw:
                break
            req = parse(raw, proxy.domain)
            going = await Exchange(proxy, client, req, conn).run()
        await client.finish()
    except (Reset, ClientGone):
        client.reset()
    except Cut:
        await client.finish()
    except wire.BadMessage as e:
        bad = answers.make(400, str(e).encode(), {"Connection": "close"})
        try:
            await client.send(bad.head + bad.body)
        except wire.Closed:
            pass
        await client.finish()
    except wire.Closed:
        client.reset()
    finally:
        client.close()
