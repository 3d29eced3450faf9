# SPDX-License-Identifier: Apache-2.0
"""pailfs, mounted to be measured: attrs=list, default options but for that."""

import sys

from lib.mount import Mounts
from lib.reports import Reports

NAME = "pailfs"
TTL_S = 3600
LIMIT_S = 600   # then a daemon that hangs is killed


class Ours:
    """One mount of pailfs; see peers.Peer."""

    def __init__(self, link, bucket, folder, options):
        self.mounts = Mounts(folder, link.server,
                             Reports(folder / "reports"), LIMIT_S)
        self.mount = self.mounts(bucket.name, proxy=link.proxy, ro=False, **{
            "attrs": "list", "ttl": TTL_S, "negative_ttl": TTL_S, **options})
        self.path = self.mount.path
        self.cache = self.mount.cache
        self.pid = self.mount.pid

    def close(self):
        wrong = self.mounts.clean_up()
        if wrong:
            sys.exit("\n".join(wrong))
