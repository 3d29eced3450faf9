# SPDX-License-Identifier: Apache-2.0
"""The promises that a reader can put to the test, by their numbers."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from lib import env
from lib.workload import BLOCK, MIB, PART, data, plant, rss, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(60)]
ESTALE = 116
RSS_MAX = 64 * MIB          # DESIGN P5, at the default memory=
BUFFERS = 32 * MIB


def stripes(mark, size):
    """Return a file whose every 16 bytes tell its version and place."""
    return b"".join(b"%c%014d\n" % (mark, i) for i in range(size // 16))


# P2: no torn file.

def test_p2_replaced_between_two_ranges(s3, bucket, proxy, mount):
    """The second GET meets another version: ESTALE or old, never a mix."""
    old, new = stripes(ord("A"), 24 * MIB), stripes(ord("B"), 24 * MIB)
    s3.put_object(Bucket=bucket, Key="f", Body=old)
    m = mount(bucket, proxy=proxy, attrs="list", timeout=10)
    run("ls", m.path)
    fd = os.open(m.path / "f", os.O_RDONLY)
    try:
        assert os.pread(fd, 4096, 20 * MIB) == old[20 * MIB:20 * MIB + 4096]
        s3.put_object(Bucket=bucket, Key="f", Body=new)
        got = []
        for at in (0, 10 * MIB, 12 * MIB, 20 * MIB + BLOCK):
            try:
                got.append(os.pread(fd, 4096, at) == old[at:at + 4096])
            except OSError as e:
                assert e.errno == ESTALE
        assert all(got), "the old handle shows bytes of the new version"
        # A new open, at the same time as the old one.
        for _ in range(40):
            try:
                text = (m.path / "f").read_bytes()
                break
            except OSError as e:
                assert e.errno == ESTALE
                time.sleep(0.1)
        assert text == new
        inode = os.fstat(fd).st_ino
        assert inode == os.stat(m.path / "f").st_ino
    finally:
        os.close(fd)
    conditional = [e["status"] for e in proxy.log("GetObject")]
    assert 412 in conditional, "no GET met the change: nothing is proved"


def test_p2_replaced_again_and_again(s3, bucket, proxy, mount):
    """A writer replaces a file as fast as it can; no reader sees a mix."""
    versions = [stripes(ord("a") + i, 3 * MIB + 16 * i) for i in range(6)]
    sums = {hashlib.md5(v).hexdigest() for v in versions}
    s3.put_object(Bucket=bucket, Key="f", Body=versions[0])
    m = mount(bucket, proxy=proxy, attrs="list", ttl=0, timeout=10)
    stop = threading.Event()

    def write():
        i = 0
        while not stop.wait(0.05):
            i += 1
            s3.put_object(Bucket=bucket, Key="f", Body=versions[i % 6])

    writer = threading.Thread(target=write)
    writer.start()
    whole = stale = 0
    try:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            try:
                got = (m.path / "f").read_bytes()
            except OSError as e:
                assert e.errno == ESTALE
                stale += 1
                continue
            # A file may have been longer or shorter when it was opened.
            assert len({*got[::16]}) <= 1, "two versions in one read"
            whole += hashlib.md5(got).hexdigest() in sums
    finally:
        stop.set()
        writer.join()
    assert whole >= 3, f"{whole} whole reads, {stale} stale: too few to tell"


def test_p2_every_get_is_conditional(server, bucket, proxy, mount):
    """Each ranged GET of a file names its version."""
    plant(server, bucket, {"f": data(20 * MIB)})
    m = mount(bucket, proxy=proxy, attrs="list")
    run("ls", m.path)
    (m.path / "f").read_bytes()
    plant(server, bucket, {"f": data(20 * MIB, 1)})
    fd = os.open(m.path / "f", os.O_RDONLY | os.O_DIRECT)
    os.close(fd)
    m.umount()
    shutil.rmtree(m.cache)
    m.start()
    run("ls", m.path)
    plant(server, bucket, {"f": data(20 * MIB, 2)})
    proxy.reset()
    with open(m.path / "f", "rb") as f, pytest.raises(OSError) as e:
        f.read()
    assert e.value.errno == ESTALE
    log = proxy.log("GetObject")
    assert log and all(entry["status"] == 412 for entry in log)


# P4: the cache is disposable.

def chunk_of(m, size):
    """Return the one chunk file of ${size} bytes."""
    found = [p for p in m.cache.glob("*/chunks/*/*")
             if p.stat().st_size == size]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("at", [0, BLOCK - 1, BLOCK, 3 * MIB + 77, -1])
def test_p4_a_flipped_byte_is_found(server, bucket, proxy, mount, at):
    """A bit rots on the local disk: it is found, told and mended."""
    content = data(5 * MIB + 333)
    plant(server, bucket, {"f": content})
    m = mount(bucket, proxy=proxy, attrs="list", ttl=300)
    assert (m.path / "f").read_bytes() == content
    m.umount()
    path = chunk_of(m, len(content))
    with open(path, "r+b") as f:
        f.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 4]))
    m.start()
    proxy.reset()
    assert (m.path / "f").read_bytes() == content
    assert m.status()["cache"]["bad_blocks"] == 1
    assert proxy.count("GetObject") == 1
    assert proxy.log("GetObject")[0]["down"] <= BLOCK
    m.remount()
    proxy.reset()
    assert (m.path / "f").read_bytes() == content
    assert proxy.count("GetObject") == 0, "it was not mended on disk"


def test_p4_a_truncated_chunk_file(server, bucket, proxy, mount):
    """The local file lost its end: fetched anew, no zeros."""
    content = data(3 * MIB)
    plant(server, bucket, {"f": content})
    m = mount(bucket, proxy=proxy, attrs="list", ttl=300)
    assert (m.path / "f").read_bytes() == content
    m.umount()
    os.truncate(chunk_of(m, len(content)), MIB + 5)
    m.start()
    assert (m.path / "f").read_bytes() == content


def test_p4_a_missing_chunk_file(server, bucket, proxy, mount):
    content = data(3 * MIB)
    plant(server, bucket, {"f": content})
    m = mount(bucket, proxy=proxy, attrs="list", ttl=300)
    assert (m.path / "f").read_bytes() == content
    m.umount()
    chunk_of(m, len(content)).unlink()
    m.start()
    assert (m.path / "f").read_bytes() == content


def test_p4_a_deleted_cache_loses_nothing(server, bucket, proxy, mount):
    """The instance store came back empty: a cold start, all is there."""
    files = plant(server, bucket, {f"d/{i}": data(50_000, i)
                                   for i in range(20)})
    m = mount(bucket, proxy=proxy)
    for _ in range(2):
        for key, content in files.items():
            assert (m.path / key).read_bytes() == content
        m.umount()
        shutil.rmtree(m.cache)
        m.start()
    assert sorted(os.listdir(m.path / "d"), key=int) == [
        str(i) for i in range(20)]


def test_p4_killed_in_the_middle_of_reading(server, bucket, proxy, mount):
    """kill -9 while parts arrive; what is then read is right."""
    content = data(40 * MIB)
    plant(server, bucket, {"f": content, "g": content[:9 * MIB]})
    m = mount(bucket, proxy=proxy, attrs="list", ttl=300)
    for round_s in (0.05, 0.3, 0.6):
        proxy.shape(rate=20e6)
        reader = subprocess.Popen(["cat", str(m.path / "f")],
                                  stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        time.sleep(round_s)
        m.kill9()
        reader.wait(10)
        proxy.shape("raw")
        run("umount", "-l", m.path, check=False)
        m.start()
        assert (m.path / "g").read_bytes() == content[:9 * MIB]
    assert (m.path / "f").read_bytes() == content
    m.umount()
    for path in m.cache.glob("*/meta.db"):
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# P5: bounded.

def folder_size(folder):
    """Return what a folder takes on its disk, in bytes."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def test_p5_the_cache_stays_below_its_size(server, bucket, proxy, mount):
    """Four times cache_size is read; the folder is never larger."""
    size = 64 * MIB
    files = {f"f{i}": data(32 * MIB, i) for i in range(8)}
    plant(server, bucket, files)
    m = mount(bucket, proxy=proxy, attrs="list", cache_size=f"{size}",
              free_space="1M")
    most = [0]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.02):
            most[0] = max(most[0], folder_size(m.cache))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for key, content in files.items():
            got = hashlib.md5((m.path / key).read_bytes()).digest()
            assert got == hashlib.md5(content).digest()
    finally:
        stop.set()
        watcher.join()
    assert most[0] <= size, f"{most[0] / MIB:.1f} MiB"
    status = m.status()["cache"]
    assert status["evicted_bytes"] >= 190 * MIB
    assert status["used"] <= size
    assert most[0] >= size // 4, "hardly anything was kept"


def test_p5_a_file_larger_than_the_cache(server, bucket, proxy, mount):
    """128 MiB through a cache of 40: right, and an open file gives way."""
    content = data(128 * MIB)
    plant(server, bucket, {"f": content})
    m = mount(bucket, proxy=proxy, attrs="list", cache_size="40M",
              free_space="1M")
    run("cmp", m.path / "f", server.root / bucket / "f")
    assert folder_size(m.cache) <= 40 * MIB


@pytest.mark.skipif(env.flavour() != "", reason="sanitizers need memory")
def test_p5_memory_is_bounded(server, bucket, proxy, mount):
    """RSS stays within 64 MiB: 20 readers at once and 10 000 names."""
    files = {f"n{i // 1000}/{i}": b"" for i in range(10_000)}
    files |= {f"f{i}": data(16 * MIB, i) for i in range(8)}
    plant(server, bucket, files)
    m = mount(bucket, proxy=proxy, attrs="list")
    run("find", m.path)
    readers = [subprocess.Popen(["cat", str(m.path / f"f{i % 8}")],
                                stdout=subprocess.DEVNULL)
               for i in range(20)]
    assert all(reader.wait(50) == 0 for reader in readers)
    top = rss(m.pid, "VmHWM")
    assert top <= RSS_MAX, f"{top / MIB:.1f} MiB"


# P8: errors are honest.

def test_p8_one_line_says_what_failed(server, bucket, proxy, mount):
    """EIO to the reader; key, what was tried and the remedy in the log."""
    plant(server, bucket, {"d/some file": data(1000)})
    m = mount(bucket, proxy=proxy, attrs="list", timeout=3)
    run("ls", m.path / "d")
    proxy.fault("internal_error", op="GetObject")
    with pytest.raises(OSError) as e:
        (m.path / "d/some file").read_bytes()
    assert e.value.errno == 5
    lines = [line for line in m.log_tail().splitlines()
             if "d/some file" in line]
    assert lines, m.log_tail()
    for word in ("GetObject", "internal error", "request id"):
        assert word in lines[0], lines


def test_p8_no_secret_in_the_log(server, bucket, proxy, mount):
    """log_level=debug tells all but the keys and the signatures."""
    plant(server, bucket, {"f": data(1000)})
    m = mount(bucket, proxy=proxy, log_level="debug")
    (m.path / "f").read_bytes()
    m.umount()
    text = m.log.read_text(errors="replace")
    assert text, "nothing logged: nothing is proved"
    assert server.secret not in text
    assert "Signature=" not in text and "X-Amz-Signature" not in text


def test_p8_a_blocked_reader_can_be_interrupted(server, bucket, proxy, mount):
    """SIGINT ends a reader that waits for S3 within two seconds.

    A program that catches it waits on: the kernel waits for pages that it
    reads ahead, and leaves that wait for a deadly signal only.
    """
    plant(server, bucket, {"f": data(PART)})
    m = mount(bucket, proxy=proxy, attrs="list", timeout=60)
    run("ls", m.path)
    proxy.fault("hold", op="GetObject")
    reader = subprocess.Popen(
        [sys.executable, "-c",
         "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); "
         f"open({str(m.path / 'f')!r}, 'rb').read()"],
        stderr=subprocess.DEVNULL)
    proxy.wait_held()
    start = time.monotonic()
    reader.send_signal(2)
    reader.wait(10)
    assert time.monotonic() - start < 2 * env.slow()
    proxy.clear()
    proxy.release()
    assert (m.path / "f").read_bytes() == data(PART)
