# SPDX-License-Identifier: Apache-2.0
"""Programs that know nothing of S3, on what boto3 or others put there."""

import http.client
import io
import json
import mmap
import os
import random
import re
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from lib import process
from lib.workload import KIB, MIB, data, plant, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(90)]
VIDEO_S = 4


@pytest.fixture
def filled(server, bucket, proxy, mount):
    """A factory: plant files, mount them."""
    def make(files, **options):
        plant(server, bucket, files)
        options.setdefault("attrs", "list")
        return mount(bucket, proxy=proxy, ttl=300, **options)
    return make


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A video with its index at the end, as cameras write it."""
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    run("ffmpeg", "-v", "error", "-f", "lavfi", "-i",
        f"testsrc=size=640x360:rate=25:duration={VIDEO_S}", "-f", "lavfi",
        "-i", f"sine=duration={VIDEO_S}", "-c:v", "mpeg4", "-q:v", "2",
        "-c:a", "aac", path)
    return path


def a_tree():
    """Return a hundred files of many sizes in folders."""
    sizes = [0, 1, 511, 4096, 4097, 128 * KIB, 128 * KIB + 1, 9 * MIB]
    files = {f"big/{i}": data(size, i) for i, size in enumerate(sizes)}
    files |= {f"many/sub{i % 5}/n {i}.txt": data(i * 37, i)
              for i in range(90)}
    return files | {"top": b"top\n", "ümlaut/ß": b"utf-8"}


def tree_of(folder):
    """Return {relative path: bytes} of the files below ${folder}."""
    return {str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def test_ffprobe_and_ffmpeg(filled, video):
    """A film plays through, from the middle, and its frames are the same."""
    m = filled({"films/v.mp4": video.read_bytes()})
    path = m.path / "films/v.mp4"
    shown = json.loads(run("ffprobe", "-v", "error", "-count_frames",
                           "-show_streams", "-of", "json", path))
    assert int(shown["streams"][0]["nb_read_frames"]) == 25 * VIDEO_S
    for seek in ([], ["-ss", "2.5"]):
        sums = [run("ffmpeg", "-v", "error", *seek, "-i", p, "-f", "md5", "-")
                for p in (path, video)]
        assert sums[0] == sums[1] and sums[0].startswith(b"MD5=")


def test_ffmpeg_starts_early(filled, proxy, video):
    """A look at the head of a large film does not fetch all of it."""
    content = video.read_bytes() + bytes(64 * MIB)
    m = filled({"v.mp4": content})
    run("ffprobe", "-v", "error", m.path / "v.mp4")
    proxy.wait_idle()
    assert proxy.stats()["down"] <= 40 * MIB


def test_cp_a(filled, tmp_path):
    files = a_tree()
    m = filled(files)
    run("cp", "-a", m.path, tmp_path / "copy")
    assert tree_of(tmp_path / "copy") == files
    run("diff", "-r", m.path, tmp_path / "copy")


@pytest.mark.parametrize("attrs", ["list", "posix"])
def test_rsync_twice(filled, tmp_path, attrs):
    """The second run finds nothing to do."""
    files = a_tree()
    m = filled(files, attrs=attrs)
    run("rsync", "-a", f"{m.path}/", tmp_path / "copy")
    assert tree_of(tmp_path / "copy") == files
    again = run("rsync", "-a", "--itemize-changes", f"{m.path}/",
                tmp_path / "copy")
    assert again == b""
    m.remount()
    again = run("rsync", "-ac", "--itemize-changes", f"{m.path}/",
                tmp_path / "copy")
    assert again == b"", "after a remount"


def test_rsync_brings_the_attributes(filled, s3, bucket, tmp_path):
    """mode and mtime as s3fs writes them arrive in the copy."""
    s3.put_object(Bucket=bucket, Key="tool", Body=b"#!/bin/sh\n", Metadata={
        "mode": str(0o100751), "mtime": "1500000000.123456789",
        "uid": "1234", "gid": "4321"})
    s3.put_object(Bucket=bucket, Key="link", Body=b"tool", Metadata={
        "mode": str(0o120777), "mtime": "1500000001"})
    m = filled({"plain": b"x" * 5000}, attrs="posix")
    run("rsync", "-a", f"{m.path}/", tmp_path / "copy")
    st = os.stat(tmp_path / "copy/tool")
    assert stat.S_IMODE(st.st_mode) == 0o751
    assert st.st_mtime_ns == 1500000000123456789
    if os.geteuid() == 0:
        assert (st.st_uid, st.st_gid) == (1234, 4321)
    assert os.readlink(tmp_path / "copy/link") == "tool"


def test_tar(filled):
    files = a_tree()
    m = filled(files)
    out = run("tar", "c", "-C", m.path, ".")
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        got = {e.name[2:]: tar.extractfile(e).read() for e in tar
               if e.isfile()}
    assert got == files


def test_walkers(filled, server, bucket):
    """find, du and ls -lR see what is there, and nothing else."""
    files = a_tree()
    m = filled(files)
    want = {f"{key}\t{len(content)}" for key, content in files.items()}
    out = run("find", m.path, "-type", "f", "-printf", "%P\\t%s\\n")
    assert set(out.decode().splitlines()) == want
    total = run("find", m.path, "-type", "f", "-printf", "%s\\n").split()
    apparent = run("du", "-s", "--apparent-size", "-B1", m.path / "big")
    assert sum(map(int, total)) == sum(map(len, files.values()))
    assert int(apparent.split()[0]) >= 9 * MIB
    assert int(run("du", "-s", "-B1", m.path / "big").split()[0]) >= 9 * MIB
    text = run("ls", "-lR", m.path, env={**os.environ, "LC_ALL": "C.UTF-8"})
    lines = [line for line in text.decode().splitlines()
             if line.startswith("-")]
    assert len(lines) == len(files)
    assert run("grep", "-rlx", "top", m.path / "top").count(b"\n") == 1


def test_git_fsck_and_clone(filled, tmp_path):
    """A bare repository in the bucket is whole, and can be cloned."""
    work, bare = tmp_path / "work", tmp_path / "bare.git"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com",
           "-c", "safe.directory=*"]
    run(*git, "init", "-q", "-b", "main", work)
    for i in range(5):
        (work / f"f{i}").write_bytes(data(20_000, i))
        run(*git, "-C", work, "add", ".")
        run(*git, "-C", work, "commit", "-q", "-m", f"c{i}")
    run(*git, "init", "-q", "--bare", "-b", "main", bare)
    run(*git, "-C", work, "push", "-q", bare, "main")
    m = filled({f"r.git/{name}": content
                for name, content in tree_of(bare).items()})
    run(*git, "--git-dir", m.path / "r.git", "fsck", "--full", "--strict")
    run(*git, "clone", "-q", m.path / "r.git", tmp_path / "clone")
    assert (tmp_path / "clone/f4").read_bytes() == data(20_000, 4)
    assert run(*git, "--git-dir", m.path / "r.git", "log", "--format=%s",
               ).split() == [b"c4", b"c3", b"c2", b"c1", b"c0"]


@pytest.mark.parametrize("how", ["mode=ro", "immutable=1"])
def test_sqlite(filled, tmp_path, how):
    """A database in the bucket is read with and without locks."""
    path = tmp_path / "x.db"
    run("sqlite3", path, "CREATE TABLE t (i INTEGER PRIMARY KEY, b BLOB);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n"
        " WHERE i < 3000) INSERT INTO t SELECT i, randomblob(500) FROM n;")
    query = ("PRAGMA integrity_check; SELECT count(*), sum(i),"
             " hex(b) FROM t WHERE i > 10;")
    m = filled({"db/x.db": path.read_bytes()})
    out = run("sqlite3", "-readonly", f"file:{m.path}/db/x.db?{how}", query)
    assert out == run("sqlite3", path, query)
    assert out.startswith(b"ok\n2990|")


def test_mmap(filled):
    """Pages in any order, by two mappings, are the file's."""
    content = data(12 * MIB + 123)
    m = filled({"f": content})
    pick = random.Random(9)
    with open(m.path / "f", "rb") as f, \
            mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as one, \
            mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE,
                      prot=mmap.PROT_READ) as two:
        for _ in range(300):
            at = pick.randrange(len(content))
            length = pick.randrange(1, 20_000)
            for view in (one, two):
                assert view[at:at + length] == content[at:at + length]
        assert one[:] == content


def test_fio_verify(filled, tmp_path):
    """A pattern that fio wrote verifies; and a wrong one does not."""
    local = tmp_path / "pattern"
    common = ["--name=v", "--bs=64k", "--size=16m", "--verify=crc32c",
              "--ioengine=psync"]
    run("fio", *common, f"--filename={local}", "--rw=write",
        "--do_verify=0", cwd=tmp_path)
    good = local.read_bytes()
    bad = bytearray(good)
    bad[5 * MIB + 1000] ^= 1
    m = filled({"good": good, "bad": bytes(bad)})
    for mode in ("read", "randread"):
        run("fio", *common, f"--filename={m.path}/good", f"--rw={mode}",
            "--readonly", cwd=tmp_path)
    with pytest.raises(AssertionError, match="verify"):
        run("fio", *common, f"--filename={m.path}/bad", "--rw=read",
            "--readonly", cwd=tmp_path)


@pytest.fixture
def nginx(tmp_path):
    """A factory: nginx serves a folder on loopback; returns its port."""
    made = []

    def start(folder):
        port = process.free_port()
        home = tmp_path / "nginx"
        home.mkdir()
        temp = " ".join(f"{kind}_temp_path {home}/{kind};" for kind in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        (home / "conf").write_text(
            f"{user} daemon off; pid {home}/pid; error_log {home}/err;"
            "events {} http { access_log off; sendfile on; "
            f"{temp} server {{ listen 127.0.0.1:{port}; root {folder}; }} }}")
        made.append(process.Child(
            ["nginx", "-p", str(home), "-e", f"{home}/err", "-c",
             f"{home}/conf"], home / "log", dict(os.environ)))
        process.wait_until(lambda: process.answers(port), 10, "nginx")
        return port

    yield start
    for one in made:
        one.stop()


def fetch(port, path, first=None, last=None):
    """GET a path or a range of it; return (status, body)."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {} if first is None else {"Range": f"bytes={first}-{last}"}
        conn.request("GET", path, headers=headers)
        answer = conn.getresponse()
        return answer.status, answer.read()
    finally:
        conn.close()


def test_nginx_serves_ranges(filled, nginx, video):
    """A web server with sendfile: whole, ranges, and a player over it."""
    content = video.read_bytes()
    m = filled({"v.mp4": content, "large": data(20 * MIB)})
    port = nginx(m.path)
    assert fetch(port, "/v.mp4") == (200, content)
    pick = random.Random(4)
    large = data(20 * MIB)
    for _ in range(20):
        first = pick.randrange(len(large) - 1)
        last = min(first + pick.randrange(300_000), len(large) - 1)
        assert fetch(port, "/large", first, last) == (
            206, large[first:last + 1])
    assert fetch(port, "/nothing")[0] == 404
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format=duration",
         f"http://127.0.0.1:{port}/v.mp4"], capture_output=True, text=True,
        timeout=30, check=True).stdout
    assert float(re.search(r"duration=([\d.]+)", out)[1]) >= VIDEO_S - 0.5
