# SPDX-License-Identifier: Apache-2.0
"""How fast a mount reads, as ratios to bare clients on the same link.

    bench.py [ROW...]       rows: seqread cached ttfb randread find statall
                            smallfiles

The link is the test proxy's profile "s3": 25 ms to the first byte, 90 MB/s a
request.  "bare" is the plan of requests by http.client on warm connections
that drops the bytes, "s5cmd" that program (which keeps them); both go through
the same proxy, in the same run.  Figures are medians.

    PAILFS_BENCH_RUNS   how often each row is measured (3)
    PAILFS_BENCH_MIB    size of the large file (512)
"""

import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "sys")]

from bare import Bare, S5cmd  # noqa: E402
from lib import env, process, servers  # noqa: E402
from lib.mount import Mounts  # noqa: E402
from lib.reports import Reports  # noqa: E402
from lib.workload import BLOCK, KIB, MIB, PART, plant, rss, run  # noqa: E402
from table import Sample, table  # noqa: E402
from tests.proxy.client import Proxy  # noqa: E402

BUCKET = "bench"
RUNS = int(os.environ.get("PAILFS_BENCH_RUNS", "3"))
LARGE = int(os.environ.get("PAILFS_BENCH_MIB", "512")) * MIB
TTL_S = 3600
HEADS = 64      # that a mount has in flight
FILES = 32      # likewise, small ones


def timed(call, *args):
    """Return the seconds that ${call} takes."""
    start = time.monotonic()
    call(*args)
    return time.monotonic() - start


def read_through(path):
    run("dd", f"if={path}", "of=/dev/null", "bs=1M", "status=none")


def walk(path, stat=False):
    """Walk a tree as programs do; return how many files there are."""
    count = 0
    for folder, _, names in os.walk(path):
        count += len(names)
        if stat:
            for name in names:
                os.lstat(f"{folder}/{name}")
    return count


def forget(path):
    """Have a file's bytes on the disk and nowhere else."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def cpu_s(pid):
    """Return the processor seconds that a process has used."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    """A server, the proxy before it, a bucket, and what was measured."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.server = servers.Versitygw(self.folder / "server").start()
        self.proxy = Proxy.start(self.server.host, self.server.port,
                                 self.server.access, self.server.secret,
                                 profile="s3", conditions=True)
        (self.folder / "mounts").mkdir()
        self.mounts = Mounts(self.folder / "mounts", self.server,
                             Reports(self.folder / "reports"))
        self.bare = Bare(self.server, self.proxy, BUCKET)
        self.s5cmd = S5cmd(self.server, self.proxy, BUCKET)
        self.samples = []
        self.peak = 0       # bytes of memory that a daemon had
        self.planted = set()
        self.server.client().create_bucket(Bucket=BUCKET)

    def close(self):
        wrong = self.mounts.clean_up()
        self.proxy.stop()
        self.server.stop()
        if wrong:
            sys.exit("\n".join(wrong))

    def mount(self, *listed, **options):
        """Mount, cold but for the names in the root and in ${listed}."""
        m = self.mounts(BUCKET, proxy=self.proxy,
                        **{"attrs": "list", "ttl": TTL_S, **options})
        for folder in ("", *listed):
            run("ls", m.path / folder)
        self.proxy.wait_idle()
        self.proxy.reset()
        return m

    def unmount(self, m):
        self.peak = max(self.peak, rss(m.pid, "VmHWM"))
        m.umount()
        shutil.rmtree(m.cache, ignore_errors=True)

    def requests(self, op=None):
        """Return how many requests came since the last time."""
        self.proxy.wait_idle()
        count = self.proxy.count(op) if op else self.proxy.count()
        self.proxy.reset()
        return count

    def add(self, what, took, target="-", bare=None, s5cmd=None, **facts):
        self.samples.append(Sample(
            what, took, bare, s5cmd, target,
            {name.replace("_", " "): n for name, n in facts.items()}))

    def plant(self, name, files):
        """Put files into the bucket, the first time that they are wanted."""
        if name not in self.planted:
            plant(self.server, BUCKET, files())
        self.planted.add(name)

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

    def touch_memory(self):
        """Have the machine own the memory that caches are about to take.

        A virtual machine that gave free memory back to its host pays for
        each page, once: more than for all else that reading costs.
        """
        path = self.folder / "memory"
        with open(path, "wb") as f:
            for _ in range(3 * LARGE // MIB):
                f.write(bytes(MIB))
        path.unlink()


def bench_seqread(b):
    """A large file once through, cold."""
    b.large()
    plan = [b.bare.request("large/f", at, min(at + PART, LARGE) - 1)
            for at in range(0, LARGE, PART)]
    bare = min(b.bare.parallel(plan, n) for n in (8, 16, 32))
    b.touch_memory()
    s5cmd = b.s5cmd.fetch("large/f", b.folder / "fetched")
    b.touch_memory()
    m = b.mount("large")
    before, proxy = cpu_s(m.pid), cpu_s(b.proxy.pid)
    took = timed(read_through, m.path / "large/f")
    used, proxy = cpu_s(m.pid) - before, cpu_s(b.proxy.pid) - proxy
    b.add(f"sequential read, {LARGE // MIB} MiB", took, "1.2", bare, s5cmd,
          s_CPU=used, GETs=b.requests("GetObject"),
          MiB_RSS=rss(m.pid, "VmHWM") / MIB, of_a_core_the_proxy=proxy / took)
    b.unmount(m)


def bench_cached(b):
    """The same from the local cache; all bytes come from the disk."""
    source = b.large()
    m = b.mount("large")
    path = m.path / "large/f"
    b.touch_memory()
    read_through(path)
    m.remount()
    b.requests()
    for file in (path, source, *(m.cache.rglob("chunks/*/*"))):
        forget(file)
    took = timed(read_through, path)
    gets = b.requests("GetObject")
    for file in (path, source):
        forget(file)
    bare = timed(read_through, source)
    b.add("the same again; bare: the local file, from disk", took, "1.25",
          bare, GETs=gets)
    b.unmount(m)


def first_bytes(b, size, target):
    """Open and first 4 KiB of 20 listed files, in no order."""
    count = 20
    name = f"first{size // MIB}"
    b.plant(name, lambda: {f"{name}/{i}": os.urandom(size)
                           for i in range(count)})
    plan = [b.bare.request(f"{name}/{i}", 0, 4 * KIB - 1)
            for i in range(count)]
    bare = statistics.median(b.bare.one_by_one(plan))
    m = b.mount(name)

    took = []
    for i in reversed(range(count)):    # nothing is fetched ahead
        start = time.monotonic()
        with open(m.path / name / str(i), "rb", buffering=0) as f:
            assert len(f.read(4 * KIB)) == 4 * KIB
            took.append(time.monotonic() - start)
        # What goes on to come is no part of the next one.
        b.proxy.wait_idle()
    b.add(f"open + first 4 KiB of {size // MIB} MiB",
          statistics.median(took), target, bare)
    b.unmount(m)


def bench_ttfb(b):
    """Large files, and such as are shown only when they are there whole."""
    first_bytes(b, 8 * MIB, "1.1")
    first_bytes(b, MIB, "-")


def bench_randread(b):
    """100 random 4 KiB reads of the large file."""
    b.large()
    pick = random.Random(2)
    places = [pick.randrange(1, LARGE // (4 * KIB)) * 4 * KIB
              for _ in range(100)]
    bare = sum(b.bare.one_by_one(
        [b.bare.request("large/f", at, at + 4 * KIB - 1) for at in places]))
    m = b.mount("large")
    fd = os.open(m.path / "large/f", os.O_RDONLY)
    took = sum(timed(os.pread, fd, 4 * KIB, at) for at in places)
    os.close(fd)
    b.proxy.wait_idle()
    moved = b.proxy.stats()["down"]
    b.add("100 random 4 KiB reads", took, "1.1; 15 MB", bare, MB=moved / 1e6,
          GETs=b.requests("GetObject"))
    b.unmount(m)


def bench_find(b):
    """os.walk over 10 000 files in 100 directories."""
    b.plant("find", lambda: {f"find/d{i // 100:02}/{i:05}": b"x"
                             for i in range(10_000)})
    plan = b.bare.pages("find%2F", [f"find%2Fd{i * 10:02}%2F"
                                    for i in range(10)])
    bare = sum(b.bare.one_by_one(plan))
    s5cmd = b.s5cmd.list("find/")
    m = b.mount()
    before = cpu_s(m.pid)
    took = timed(walk, m.path / "find")
    b.add("find 10 000 in 100 directories", took, "1.15; 12 requests", bare,
          s5cmd, s_CPU=cpu_s(m.pid) - before, requests=b.requests())
    warm = timed(walk, m.path / "find")
    b.add("the same, warm", warm, requests=b.requests())
    b.unmount(m)


def bench_statall(b):
    """A walk with lstat of 1 000 files."""
    b.plant("stat", lambda: {f"stat/d{i % 10}/{i}": os.urandom(5000)
                             for i in range(1000)})
    pages = b.bare.pages("stat%2F", ["stat%2F", "stat%2Fd0", "stat%2Fd1"])
    heads = [b.bare.request(f"stat/d{i % 10}/{i}", method="HEAD")
             for i in range(1000)]
    bare = sum(b.bare.one_by_one(pages))
    for attrs, target in (("list", "0.15 s; 3 requests"),
                          ("posix", "0.6 s; 0 requests warm")):
        if attrs == "posix":
            bare += b.bare.parallel(heads, HEADS)
        m = b.mount(attrs=attrs)
        took = timed(walk, m.path / "stat", True)
        b.add(f"walk + stat of 1 000, {attrs}", took, target, bare,
              requests=b.requests())
        took = timed(walk, m.path / "stat", True)
        b.add(f"the same warm, {attrs}", took, requests=b.requests())
        b.unmount(m)


def bench_smallfiles(b):
    """300 files of 16 KiB, one after the other."""
    b.plant("small", lambda: {f"small/{i:03}": os.urandom(16 * KIB)
                              for i in range(300)})
    plan = [b.bare.request(f"small/{i:03}") for i in range(300)]
    bare = b.bare.parallel(plan, FILES)
    m = b.mount("small")
    before = cpu_s(m.pid)
    took = timed(run, "sh", "-c", f"cat {m.path}/small/* >/dev/null")
    b.add("300 files of 16 KiB in order", took, "0.8 s", bare,
          s_CPU=cpu_s(m.pid) - before, GETs=b.requests("GetObject"))
    b.unmount(m)


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
                for _ in range(RUNS):
                    ROWS[name](b)
        finally:
            b.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(table(b.samples)))
    print(f"\nPeak memory (RSS) of all mounts: {b.peak / MIB:.0f} MiB (64).")


if __name__ == "__main__":
    main(sys.argv[1:])
