# SPDX-License-Identifier: Apache-2.0
"""Database servers with all that they have on the mount.

A stress of odd calls by another user (allow_other): set up, filled, stopped,
cut off, and started again from an empty cache.  (No advice to do so.)
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from lib import env, process, stored

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.long,
              pytest.mark.timeout(900)]

# Database servers refuse to be root.
NOBODY = 65534 if os.geteuid() == 0 else os.geteuid()
LIMIT_S = 120
ROWS = 2000


class Place:
    """A mount that another user may use, and a folder of theirs in it."""

    def __init__(self, top, m):
        self.top = top
        self.m = m
        self.data = m.path / "data"
        self.data.mkdir(0o700)
        self.own = top / "own"      # sockets and logs
        self.own.mkdir()
        for path in (self.data, self.own):
            os.chown(path, NOBODY, -1)
        self.env = {"PATH": f"{os.environ['PATH']}:/usr/sbin",
                    "HOME": str(self.own), "LC_ALL": "C"}

    def popen(self, *words, **options):
        return subprocess.Popen(
            [str(word) for word in words], cwd="/", env=self.env, text=True,
            stderr=subprocess.STDOUT, user=NOBODY if os.geteuid() == 0
            else None, group=NOBODY if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None, **options)

    def run(self, *words, said=None):
        """Run a program as that user, ${said} to it; return what it says."""
        with tempfile.TemporaryFile("w+") as out:   # a server keeps a pipe
            job = self.popen(*words, stdin=subprocess.PIPE, stdout=out)
            job.communicate(said, timeout=LIMIT_S * env.slow())
            out.seek(0)
            text = out.read()
        assert job.returncode == 0, (words, job.returncode, text[-3000:])
        return text

    def anew(self):
        """Mount again, knowing nothing."""
        self.m.umount()
        shutil.rmtree(self.m.cache)
        self.m.start()


@pytest.fixture
def place(bucket, mount):
    """A factory: place(sync)."""
    top = Path(tempfile.mkdtemp(prefix="pailfs-db-"))
    top.chmod(0o755)
    made = []

    def make(sync):
        m = mount(bucket, path=top / "mnt", ro=False, sync=sync,
                  allow_other=os.geteuid() == 0)
        made.append(m)
        return Place(top, m)

    yield make
    for m in made:
        if m.alive():
            m.umount()
    shutil.rmtree(top)


class MariaDB:
    """A server that hears a socket alone."""

    table = "d.t"

    def __init__(self, place):
        if not shutil.which("mariadb-install-db"):
            pytest.skip("which mariadb-install-db: nothing; apt-get install"
                        " mariadb-server-core mariadb-client-core")
        self.place = place
        self.socket = place.own / "s"
        self.words = ("--no-defaults", f"--datadir={place.data}",
                      "--innodb-log-file-size=8M")
        self.job = None
        place.run("mariadb-install-db", *self.words, "--skip-test-db",
                  "--auth-root-authentication-method=normal")

    def start(self):
        with open(self.place.own / "log", "ab") as log:
            self.job = self.place.popen(
                "mariadbd", *self.words, f"--socket={self.socket}",
                f"--pid-file={self.place.own / 'pid'}",
                "--skip-networking", stdin=subprocess.DEVNULL, stdout=log)
        process.wait_until(self._answers, LIMIT_S * env.slow(), "mariadbd")

    def _answers(self):
        assert self.job.poll() is None, (self.place.own / "log").read_text()
        with contextlib.suppress(AssertionError):
            return self.sql("SELECT 1;")
        return None

    def sql(self, text):
        return self.place.run("mariadb", "--no-defaults", "-uroot", "-N",
                              f"--socket={self.socket}", said=text)

    def fill(self):
        self.sql("CREATE DATABASE d; USE d; CREATE TABLE t"
                 " (i INT PRIMARY KEY, b TEXT) ENGINE=InnoDB;"
                 " INSERT INTO t SELECT seq, repeat(md5(seq), 10)"
                 f" FROM seq_1_to_{ROWS};")

    def seen(self):
        return self.sql("CHECK TABLE d.t; SELECT count(*), sum(i),"
                        " sum(b = repeat(md5(i), 10)) FROM d.t;")

    def stop(self):
        self.sql("SHUTDOWN;")
        assert self.job.wait(LIMIT_S * env.slow()) == 0

    def kill(self):
        if self.job and self.job.poll() is None:
            self.job.kill()
            self.job.wait()


class PostgreSQL:
    """Likewise."""

    table = "t"

    def __init__(self, place):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            pytest.skip("ls /usr/lib/postgresql/*/bin/initdb: No such file:"
                        " apt-get install postgresql")
        self.place = place
        self.bin = found[-1].parent
        self.pid_file = place.data / "postmaster.pid"
        place.run(self.bin / "initdb", "-D", place.data, "-A", "trust",
                  "-U", "t", "-E", "UTF8", "--no-locale")

    def start(self):
        self.place.run(
            self.bin / "pg_ctl", "-D", self.place.data, "-w", "-l",
            self.place.own / "log", "-t", LIMIT_S, "-o",
            f"-k {self.place.own} -c listen_addresses=", "start")

    def sql(self, text):
        return self.place.run(
            self.bin / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h",
            self.place.own, "-U", "t", "-d", "postgres", "-f", "-", said=text)

    def fill(self):
        self.sql("CREATE TABLE t (i INT PRIMARY KEY, b TEXT); INSERT INTO t"
                 " SELECT i, repeat(md5(i::text), 10)"
                 f" FROM generate_series(1, {ROWS}) i;")

    def seen(self):
        return self.sql(
            "REINDEX TABLE t; SELECT count(*), sum(i), sum((b ="
            " repeat(md5(i::text), 10))::int) FROM t;")

    def stop(self):
        self.place.run(self.bin / "pg_ctl", "-D", self.place.data, "-w",
                       "-t", LIMIT_S, "-m", "fast", "stop")

    def kill(self):
        try:
            pid = int(self.pid_file.read_text().split()[0])
        except FileNotFoundError:
            return
        os.kill(pid, signal.SIGQUIT)    # at once: the log has it
        process.reap(pid, LIMIT_S * env.slow())


def keeps_its_rows(s3, bucket, place, kind):
    """Neither an end in order nor one without it loses a row."""
    server = kind(place)
    try:
        server.start()
        server.fill()
        wanted = server.seen()
        assert str(ROWS) in wanted
        server.stop()
        place.anew()
        server.start()
        assert server.seen() == wanted
        server.sql(f"DELETE FROM {server.table} WHERE i > {ROWS - 5};")
        fewer = server.seen()
        assert str(ROWS - 5) in fewer
        server.kill()
        place.anew()
        server.start()
        assert server.seen() == fewer
        server.stop()
    finally:
        server.kill()
    place.m.umount()
    assert stored.uploads(s3, bucket) == []


@pytest.mark.parametrize("sync", ("close", "fsync", "local"))
@pytest.mark.parametrize("kind", (MariaDB, PostgreSQL))
def test_keeps_its_rows(s3, bucket, place, kind, sync):
    keeps_its_rows(s3, bucket, place(sync), kind)
