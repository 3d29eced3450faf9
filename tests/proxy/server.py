# SPDX-License-Identifier: Apache-2.0
"""The proxy as a whole: its parts, its listening socket, its connections."""

import asyncio
import socket

from . import exchange, shape, wire
from .conditions import Conditions
from .record import Record
from .rules import Rules


class Holds:
    """Answers held back by name until they are released."""

    def __init__(self):
        self.waiting = {}       # name -> [future]

    async def wait(self, name, client):
        """Wait for a release, or until the client is gone."""
        future = asyncio.get_running_loop().create_future()
        queue = self.waiting.setdefault(name, [])
        queue.append(future)
        gone = asyncio.ensure_future(client.gone())
        try:
            await asyncio.wait({future, gone},
                               return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            if future in queue:
                queue.remove(future)
        if not future.done():
            raise exchange.ClientGone("left while it was held")

    def release(self, name=None, count=None):
        """Release ${count} answers (all) of ${name} (all), oldest first."""
        names = list(self.waiting) if name is None else [name]
        released = 0
        for one in names:
            queue = self.waiting.get(one, [])
            while queue and (count is None or released < count):
                future = queue.pop(0)
                if not future.done():
                    future.set_result(None)
                    released += 1
        return released

    def held(self):
        return {name: len(q) for name, q in self.waiting.items() if q}


class Proxy:
    """Everything that connections share."""

    def __init__(self, upstream, link, conditions=False, domain=""):
        self.upstream = upstream
        self.shape = link
        self.domain = domain
        self.total_up = shape.Total()
        self.total_down = shape.Total()
        self.record = Record()
        self.rules = Rules()
        self.holds = Holds()
        self.buffers = wire.Buffers()
        self.conditions = Conditions(upstream, conditions)
        self.clients = {}       # number -> (Stream, task)
        self.listener = None
        self.accepting = None
        self.accepted = 0

    def listen(self, host, port):
        """Start to accept; return the port."""
        self.listener = socket.create_server((host, port), backlog=1024)
        self.listener.setblocking(False)
        self.accepting = asyncio.ensure_future(self._accept())
        return self.listener.getsockname()[1]

    async def _accept(self):
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self.listener)
            self.accepted += 1
            asyncio.ensure_future(self._client(sock, self.accepted))

    async def _client(self, sock, number):
        client = wire.Stream(sock)
        self.clients[number] = (client, asyncio.current_task())
        try:
            await exchange.serve(self, client, number)
        finally:
            self.clients.pop(number, None)

    def drop(self):
        """Reset all client connections, as a failing network does."""
        victims = list(self.clients.values())
        for client, task in victims:
            task.cancel()
            client.reset()
        return len(victims)

    async def idle(self, timeout):
        """Wait until no request is in flight; say whether that came true."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while self.record.in_flight:
            if loop.time() >= end:
                return False
            await asyncio.sleep(0.002)
        return True
