# SPDX-License-Identifier: Apache-2.0
"""The control API: JSON over HTTP on a port of its own.

    GET    /stats                       counters
    GET    /log                         all requests since the last reset
    POST   /reset                       forget counters and log
    GET    /shape       POST {latency_ms, rate, total_rate | profile}
    GET    /rules       POST {a rule} -> {"id": n}     DELETE {"id": n} or {}
    GET    /held        POST /release {"name": n, "count": c} or {}
    POST   /conditions  {"on": true}
    POST   /upstream    {"host": h, "port": p}
    POST   /drop                        reset all client connections
    POST   /idle        {"timeout": s}  -> {"idle": true} when nothing is left
"""

import asyncio
import json

from . import shape, wire
from .answer import make


def new_shape(old, wish):
    """Return ${old} with what ${wish} says; raise ValueError."""
    base = old
    wish = dict(wish)
    if "profile" in wish:
        base = shape.PROFILES[wish.pop("profile")]
    return shape.Shape(**{**base.as_dict(), **wish})


class Control:
    """Answers control requests about one proxy."""

    def __init__(self, proxy):
        self.proxy = proxy

    async def call(self, method, path, args):
        """Return the JSON value that answers a request; raise LookupError."""
        name = f"{method.lower()}_{path.strip('/')}"
        handler = getattr(self, name, None)
        if handler is None:
            raise LookupError(f"no {method} {path}")
        # Requests whose last byte was just sent are booked first.
        await asyncio.sleep(0)
        result = handler(args)
        return await result if asyncio.iscoroutine(result) else result

    def get_stats(self, _):
        return self.proxy.record.stats()

    def get_log(self, _):
        return self.proxy.record.entries()

    def post_reset(self, _):
        self.proxy.record.reset()

    def get_shape(self, _):
        return self.proxy.shape.as_dict()

    def post_shape(self, args):
        self.proxy.shape = new_shape(self.proxy.shape, args)
        return self.proxy.shape.as_dict()

    def get_rules(self, _):
        return self.proxy.rules.as_list()

    def post_rules(self, args):
        return {"id": self.proxy.rules.add(args)}

    def delete_rules(self, args):
        self.proxy.rules.remove(args.get("id"))

    def get_held(self, _):
        return self.proxy.holds.held()

    def post_release(self, args):
        return {"released": self.proxy.holds.release(
            args.get("name"), args.get("count"))}

    def post_conditions(self, args):
        self.proxy.conditions.enabled = bool(args["on"])

    def post_upstream(self, args):
        self.proxy.upstream.target(args["host"], args["port"])

    def post_drop(self, _):
        return {"dropped": self.proxy.drop()}

    async def post_idle(self, args):
        return {"idle": await self.proxy.idle(args.get("timeout", 10))}

    async def serve(self, reader, writer):
        """Serve one control connection (asyncio streams)."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = wire.framing(wire.headers_of(head))
                body = await reader.readexactly(length)
                writer.write(await self._reply(head, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _reply(self, head, body):
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        status = 200
        try:
            args = json.loads(body) if body else {}
            result = await self.call(method, path, args)
        except LookupError as e:
            status, result = 404, {"error": str(e)}
        except (ValueError, TypeError) as e:
            status, result = 400, {"error": str(e)}
        ans = make(status, json.dumps(result).encode(),
                   {"Content-Type": "application/json"})
        return ans.head + ans.body
