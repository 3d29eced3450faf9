# SPDX-License-Identifier: Apache-2.0
"""Web servers, and Python's own ways to save, write on the mount.

As test_write_programs.py: on a disk and on the mount alike.
"""

import http.client
import io
import os
import random
import sys

import pytest
from lib import process, stored
from lib.data import MIB, PART, noise
from lib.pairs import differ, ENV, pair  # noqa: F401
from lib.workload import run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(90)]
EVERYWHERE = pytest.mark.servers("versitygw", "moto")


# Web servers.

def request(port, method, path, body=None, **headers):
    """Make a request; return (status, body)."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        conn.request(method, path, body,
                     {k.replace("_", "-"): v for k, v in headers.items()})
        answer = conn.getresponse()
        return answer.status, answer.read()
    finally:
        conn.close()


@pytest.fixture
def child():
    """A factory of servers, stopped before the mount goes."""
    made = []

    def start(port, *words):
        made.append(process.Child([str(w) for w in words[1:]], words[0],
                                  ENV))
        process.wait_until(lambda: process.answers(port), 20, str(words[1]))

    yield start
    for one in made:
        one.stop()


def test_http_server(pair, child, tmp_path):
    """It serves what was just written, in each of its states."""
    port = process.free_port()
    child(port, tmp_path / "log", sys.executable, "-m", "http.server", port,
          "--bind", "127.0.0.1", "--directory", pair.m.path)
    for i in range(10):
        body = noise(i * 60_000 + i, i)
        (pair.m.path / "f").write_bytes(body)
        assert request(port, "GET", "/f") == (200, body)
        with open(pair.m.path / "f", "ab", buffering=0) as f:
            f.write(b"more")
            assert request(port, "GET", "/f") == (200, body + b"more")
        os.rename(pair.m.path / "f", pair.m.path / "g")
        assert request(port, "GET", "/g") == (200, body + b"more")
        assert request(port, "GET", "/f")[0] == 404


@EVERYWHERE
def test_nginx_uploads(pair, child, tmp_path):
    """PUT, MKCOL, MOVE, COPY and DELETE of its WebDAV."""
    if b"http_dav_module" not in run("sh", "-c", "nginx -V 2>&1"):
        pytest.skip("no WebDAV: nginx -V 2>&1 | grep http_dav_module")
    port = process.free_port()
    home, top = tmp_path / "nginx", pair.m.path
    home.mkdir()
    temp = " ".join(f"{kind}_temp_path {home}/{kind};" for kind in (
        "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    # Bodies wait on the mount, and are renamed into place.
    (home / "conf").write_text(
        f"{user} daemon off; pid {home}/pid; error_log {home}/err;"
        f"events {{}} http {{ access_log off; sendfile on; {temp}"
        f"client_body_temp_path {top}/tmp; client_max_body_size 0;"
        f"server {{ listen 127.0.0.1:{port}; root {top}/www;"
        "create_full_put_path on; dav_access user:rw group:r all:r;"
        "dav_methods PUT DELETE MKCOL COPY MOVE; } }")
    child(port, home / "log", "nginx", "-p", home, "-e", home / "err", "-c",
          home / "conf")
    url = f"http://127.0.0.1:{port}"
    sizes = [0, 1, 70_000, PART + 1, 20 * MIB]
    for size in sizes:
        status, _ = request(port, "PUT", f"/up/f{size}", noise(size, size))
        assert status in (201, 204)
        assert request(port, "GET", f"/up/f{size}") == (
            200, noise(size, size))
    assert request(port, "PUT", "/up/f1", b"new")[0] == 204
    assert request(port, "MKCOL", "/d/")[0] == 201
    assert request(port, "COPY", "/up/f70000",
                   Destination=url + "/d/copy")[0] == 204
    assert request(port, "MOVE", "/up/f1", Destination=url + "/d/g")[0] == 204
    assert request(port, "DELETE", "/up/f0")[0] == 204
    assert request(port, "MOVE", "/d/", Destination=url + "/e/")[0] in (
        201, 204)
    assert request(port, "GET", "/up/f70000", Range="bytes=100-199") == (
        206, noise(70_000, 70_000)[100:200])
    wanted = {"www/up/f70000": noise(70_000, 70_000), "www/e/g": b"new",
              "www/e/copy": noise(70_000, 70_000)}
    wanted |= {f"www/up/f{size}": noise(size, size) for size in sizes[3:]}
    found = {key: stored.body(pair.s3, pair.bucket, key) for key
             in stored.keys(pair.s3, pair.bucket) if not key.endswith("/")}
    assert differ(wanted, found) == []


# Python's own ways to save.

def test_ways_to_save(pair):
    """Temporary file and replace, rotating logs, text and gzip appended."""
    script = """
import gzip, logging, logging.handlers, os, tempfile
for i in range(10):
    fd, name = tempfile.mkstemp(dir=".")
    with os.fdopen(fd, "w") as f:
        f.write("version %d\\n" % i * 500)
        f.flush()
        os.fsync(f.fileno())
    os.replace(name, "saved")
    with gzip.GzipFile("log.gz", "ab", mtime=0) as f:
        f.write(b"%d" % i * 1000)
h = logging.handlers.RotatingFileHandler("log", maxBytes=2000, backupCount=3)
log = logging.getLogger()
log.addHandler(h)
for i in range(300):
    log.warning("line %d", i)
fd = os.open(".", os.O_RDONLY)
os.fsync(fd)
with tempfile.TemporaryFile(dir=".") as f:
    f.write(b"x" * 300_000)
    f.seek(0)
    assert f.read() == b"x" * 300_000
with open("held", "w+b") as f:
    f.write(b"held")
    os.unlink("held")
    f.seek(0)
    assert f.read() == b"held"
    with open("held", "wb") as g:
        g.write(b"another")
"""
    pair.run(sys.executable, "-c", script)
    pair.proved()


def test_a_stream_that_is_cut(pair):
    """A program that is killed: what it wrote until then is kept."""
    pair.sh("(yes | head -c 3000000; sleep 1; yes) >f & p=$!;"
            "sleep 0.5; kill $p; wait $p || :")
    stored.wait_for(lambda: stored.keys(pair.s3, pair.bucket).get("f"))
    pair.empty()
    found = (pair.m.path / "f").read_bytes()
    assert found[:3_000_000] == b"y\n" * 1_500_000
    assert stored.body(pair.s3, pair.bucket, "f") == found


def test_io_of_python(pair):
    """Buffered writers that seek back and forth."""
    for folder in pair.both:
        with io.open(folder / "f", "w+b", buffering=7000) as f:
            dice = random.Random(3)
            for _ in range(400):
                f.seek(dice.randrange(2 * MIB))
                if dice.random() < 0.7:
                    f.write(dice.randbytes(dice.randrange(9000)))
                else:
                    f.read(dice.randrange(9000))
            f.truncate(MIB)
    pair.proved()
