# SPDX-License-Identifier: Apache-2.0
"""How fast a mount reads, as ratios to a bare client on the same link.

    bench.py [ROW...]       rows: seqread cached ttfb randread find statall
                            smallfiles

The link is the test proxy's profile "s3": 25 ms to the first byte, 90 MB/s a
request.  "limit" is the same plan of requests by a bare client (http.client,
warm connections) through the same proxy in the same run.  PAILFS_BENCH_MIB is
the size of the large file (256).
"""

import http.client
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "sys")]

from lib import env, process, raw, servers  # noqa: E402
from lib.mount import Mounts  # noqa: E402
from lib.reports import Reports  # noqa: E402
from lib.workload import BLOCK, KIB, MIB, PART, plant, rss, run  # noqa: E402
from tests.proxy.client import Proxy  # noqa: E402

BUCKET = "bench"
LARGE = int(os.environ.get("PAILFS_BENCH_MIB", "256")) * MIB
TTL_S = 3600


def timed(call, *args):
    """Return the seconds that ${call} takes."""
    start = time.monotonic()
    call(*args)
    return time.monotonic() - start


class Bare:
    """A client that does the least: one connection, signed requests."""

    def __init__(self, bench):
        self.server = bench.server
        self.endpoint = bench.proxy.endpoint
        self.conn = http.client.HTTPConnection("127.0.0.1", bench.proxy.port)
        self.buffer = bytearray(MIB)

    def get(self, key="", first=None, last=None, query=""):
        """GET a range, or a listing; drop the bytes."""
        headers = {}
        if first is not None:
            headers["Range"] = f"bytes={first}-{last}"
        path, headers = raw.signed(self.server, self.endpoint, "GET", BUCKET,
                                   key, headers, query=query)
        self.conn.request("GET", path, headers=headers)
        answer = self.conn.getresponse()
        assert answer.status in (200, 206), (answer.status, path)
        while answer.readinto(self.buffer):
            pass


class Bench:
    """A server, the proxy before it, a bucket and what was measured."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.server = servers.Versitygw(self.folder / "server").start()
        self.proxy = Proxy.start(self.server.host, self.server.port,
                                 self.server.access, self.server.secret,
                                 profile="s3", conditions=True)
        (self.folder / "mounts").mkdir()
        self.mounts = Mounts(self.folder / "mounts", self.server,
                             Reports(self.folder / "reports"))
        self.rows = []
        self.server.client().create_bucket(Bucket=BUCKET)

    def close(self):
        wrong = self.mounts.clean_up()
        self.proxy.stop()
        self.server.stop()
        if wrong:
            sys.exit("\n".join(wrong))

    def mount(self, **options):
        """Mount, cold but for the names in the root."""
        m = self.mounts(BUCKET, proxy=self.proxy,
                        **{"attrs": "list", "ttl": TTL_S, **options})
        run("ls", m.path)
        self.proxy.wait_idle()
        self.proxy.reset()
        return m

    def add(self, what, took, limit, target, note=""):
        """Add a row: seconds, the limit's seconds, the target ratio."""
        ratio = f"{took / limit:.2f} x" if limit else "-"
        shown = f"{limit:.3f}" if limit else "-"
        self.rows.append((what, f"{took:.3f}", shown, ratio, target, note))

    def large(self):
        """Make the large object, once; return its path on the server."""
        path = self.server.root / BUCKET / "large" / "f"
        if not path.exists():
            path.parent.mkdir()
            with open(path, "wb") as f:
                for _ in range(LARGE // MIB):
                    f.write(os.urandom(MIB))
            os.setxattr(path, b"user.etag", b'"%032x"' % LARGE)
        return path

    def parallel(self, jobs, threads):
        """Run ${jobs}, arguments of Bare.get, on so many connections."""
        left = list(reversed(jobs))
        clients = [Bare(self) for _ in range(threads)]
        for one in clients:
            one.get("large/f", 0, 0)

        def work(client):
            while True:
                try:
                    job = left.pop()
                except IndexError:
                    return
                client.get(*job)

        workers = [threading.Thread(target=work, args=(c,)) for c in clients]
        start = time.monotonic()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.monotonic() - start


def cpu_s(pid):
    """Return the processor seconds that a process has used."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bench_seqread(b):
    """A large file once through, cold."""
    b.large()
    jobs = [("large/f", at, min(at + PART, LARGE) - 1)
            for at in range(0, LARGE, PART)]
    limit = min(b.parallel(jobs, n) for n in (4, 8, 16))
    m = b.mount()
    run("ls", m.path / "large")
    before = cpu_s(m.pid)
    took = timed(run, "dd", f"if={m.path}/large/f", "of=/dev/null", "bs=1M",
                 "status=none")
    used = cpu_s(m.pid) - before
    b.add(f"sequential read, {LARGE // MIB} MiB", took, limit, "1.2",
          f"{LARGE / took / 1e6:.0f} MB/s, daemon {used:.2f} s CPU, "
          f"{b.proxy.count('GetObject')} GETs, "
          f"RSS {rss(m.pid, 'VmHWM') / MIB:.0f} MiB")


def bench_cached(b):
    """The same from the local cache, past the page cache of the mount."""
    source = b.large()
    m = b.mount()
    path = m.path / "large" / "f"
    words = ["of=/dev/null", "bs=1M", "status=none"]
    run("dd", f"if={path}", *words)
    m.remount()
    took = timed(run, "dd", f"if={path}", *words)
    limit = min(timed(run, "dd", f"if={source}", *words) for _ in range(3))
    b.add("the same from the cache", took, limit, "1.25",
          "limit: the local file, in the page cache")


def bench_ttfb(b):
    """Open and first 4 KiB of a listed file."""
    count = 30
    plant(b.server, BUCKET, {f"ttfb/{i}": os.urandom(MIB)
                             for i in range(count)})
    bare = Bare(b)
    bare.get("ttfb/0", 0, 0)
    limit = statistics.median(
        timed(bare.get, f"ttfb/{i}", 0, 4 * KIB - 1) for i in range(count))
    m = b.mount()
    run("ls", m.path / "ttfb")

    def first(i):
        with open(m.path / "ttfb" / str(i), "rb", buffering=0) as f:
            assert len(f.read(4 * KIB)) == 4 * KIB

    first(0)
    took = statistics.median(timed(first, i) for i in range(1, count))
    b.add("open + first 4 KiB", took, limit, "1.1")


def bench_randread(b):
    """100 random 4 KiB reads of the large file."""
    b.large()
    pick = random.Random(2)
    places = [pick.randrange(1, LARGE // (4 * KIB)) * 4 * KIB
              for _ in range(100)]
    bare = Bare(b)
    bare.get("large/f", 0, 0)
    limit = sum(timed(bare.get, "large/f", at // BLOCK * BLOCK,
                      at // BLOCK * BLOCK + BLOCK - 1) for at in places)
    m = b.mount()
    run("ls", m.path / "large")
    fd = os.open(m.path / "large/f", os.O_RDONLY)
    took = sum(timed(os.pread, fd, 4 * KIB, at) for at in places)
    os.close(fd)
    b.proxy.wait_idle()
    stats = b.proxy.stats()
    b.add("100 random 4 KiB reads", took, limit, "1.1",
          f"{stats['down'] / 1e6:.1f} MB moved (15), "
          f"{b.proxy.count('GetObject')} GETs")


def bench_find(b):
    """find over 10 000 files in 100 directories."""
    plant(b.server, BUCKET, {f"find/d{i // 100:02}/{i:05}": b"x"
                             for i in range(10_000)})
    bare = Bare(b)
    bare.get("", query="list-type=2&max-keys=1")
    limit = sum(timed(bare.get, "", None, None,
                      "list-type=2&max-keys=1000&prefix=find%2F"
                      f"&start-after=find%2Fd{i * 10:02}%2F")
                for i in range(10))
    m = b.mount()
    took = timed(run, "find", m.path / "find")
    b.proxy.wait_idle()
    b.add("find 10 000 in 100 directories", took, limit, "1.15",
          f"{b.proxy.count()} requests (12)")
    b.proxy.reset()
    warm = timed(run, "find", m.path / "find")
    b.add("the same, warm", warm, 0, "-", f"{b.proxy.count()} requests (0)")


def bench_statall(b):
    """A walk with stat of 1 000 files."""
    plant(b.server, BUCKET, {f"stat/d{i % 10}/{i}": os.urandom(5000)
                             for i in range(1000)})
    for attrs, target, asked in (("list", "0.15 s", 3), ("posix", "0.6 s",
                                                         1000)):
        m = b.mount(attrs=attrs)
        took = timed(run, "ls", "-lR", m.path / "stat")
        b.proxy.wait_idle()
        b.add(f"walk + stat of 1 000, {attrs}", took, 0, target,
              f"{b.proxy.count()} requests ({asked})")
        b.proxy.reset()
        took = timed(run, "ls", "-lR", m.path / "stat")
        b.add(f"the same warm, {attrs}", took, 0, "-",
              f"{b.proxy.count()} requests (0)")


def bench_smallfiles(b):
    """300 files of 16 KiB, one after the other."""
    plant(b.server, BUCKET, {f"small/{i:03}": os.urandom(16 * KIB)
                             for i in range(300)})
    bare = Bare(b)
    bare.get("small/000", 0, 0)
    limit = timed(lambda: [bare.get(f"small/{i:03}") for i in range(0, 300)])
    m = b.mount()
    run("ls", m.path / "small")
    took = timed(run, "sh", "-c", f"cat {m.path}/small/* >/dev/null")
    b.proxy.wait_idle()
    b.add("300 files of 16 KiB in order", took, limit, "0.8 s",
          f"{b.proxy.count('GetObject')} GETs; limit: one by one")


ROWS = {name[6:]: value for name, value in list(globals().items())
        if name.startswith("bench_")}


def main(names):
    unknown = set(names) - set(ROWS)
    if unknown:
        sys.exit(f"bench: no row {sorted(unknown)}; there are {list(ROWS)}")
    env.adopt_clean()
    process.become_subreaper()
    folder = tempfile.mkdtemp(prefix="pailfs-bench.", dir="/var/tmp")
    try:
        b = Bench(folder)
        try:
            for name in names or ROWS:
                ROWS[name](b)
        finally:
            b.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("| workload | s | limit, s | ratio | target | |")
    print("|---|---|---|---|---|---|")
    for row in b.rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
