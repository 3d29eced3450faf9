# SPDX-License-Identifier: Apache-2.0
"""python -m tests.proxy --upstream HOST:PORT [options]

Prints one JSON line, {"port": n, "control": n, "pid": n}, when it is ready.
The credentials of its own requests come from the environment variables
PROXY_ACCESS_KEY and PROXY_SECRET_KEY, so that they stay out of ps.
"""

import argparse
import asyncio
import json
import os
import signal
import sys

from . import shape
from .control import Control, new_shape
from .server import Proxy
from .upstream import Upstream


def arguments():
    p = argparse.ArgumentParser(prog="tests.proxy", description=__doc__)
    p.add_argument("--upstream", required=True, metavar="HOST:PORT")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=0, help="0: any free one")
    p.add_argument("--control-port", type=int, default=0)
    p.add_argument("--profile", choices=shape.PROFILES, default="raw")
    p.add_argument("--latency-ms", type=float)
    p.add_argument("--rate", type=float, help="bytes/s of one request")
    p.add_argument("--total-rate", type=float, help="bytes/s of all")
    p.add_argument("--conditions", action="store_true",
                   help="implement conditional requests")
    p.add_argument("--region", default="us-east-1")
    p.add_argument("--virtual-domain", default="", metavar="DOMAIN",
                   help="Host BUCKET.DOMAIN names a bucket")
    p.add_argument("--watch-stdin", action="store_true",
                   help="end when standard input does")
    return p.parse_args()


def build(args):
    """Return the Proxy that ${args} describe."""
    host, _, port = args.upstream.rpartition(":")
    upstream = Upstream(host, int(port),
                        os.environ.get("PROXY_ACCESS_KEY", ""),
                        os.environ.get("PROXY_SECRET_KEY", ""), args.region)
    wish = {name: getattr(args, name)
            for name in ("latency_ms", "rate", "total_rate")
            if getattr(args, name) is not None}
    link = new_shape(shape.PROFILES[args.profile], wish)
    return Proxy(upstream, link, args.conditions, args.virtual_domain)


async def main(args):
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if args.watch_stdin:
        loop.add_reader(0, stop.set)
    proxy = build(args)
    control = await asyncio.start_server(Control(proxy).serve, "127.0.0.1",
                                         args.control_port)
    ports = {"port": proxy.listen(args.host, args.port),
             "control": control.sockets[0].getsockname()[1],
             "pid": os.getpid()}
    print(json.dumps(ports), flush=True)
    accepting = asyncio.ensure_future(stop.wait())
    await asyncio.wait({accepting, proxy.accepting},
                       return_when=asyncio.FIRST_COMPLETED)
    if proxy.accepting.done():
        sys.exit(f"test proxy: {proxy.accepting.exception()!r}")
    # Connections need no farewell: the process ends.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(arguments()))
