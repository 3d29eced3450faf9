# SPDX-License-Identifier: Apache-2.0
"""A server that hangs: what waits for it starves nothing that does not."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from lib import env, process
from lib.workload import MIB, data, plant, rss, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(90)]
READERS = 500
SIZE = 300_000
# A program that reads files in threads, as Ctrl-C finds a player or a tar.
CROWD = """
import hashlib, os, sys, threading
folder, count = sys.argv[1], int(sys.argv[2])
threading.stack_size(256 << 10)
sums = [""] * count
def read(i):
    try:
        with open(f"{folder}/f{i}", "rb") as f:
            sums[i] = hashlib.md5(f.read()).hexdigest()
    except OSError as e:
        sums[i] = f"errno {e.errno}"
threads = [threading.Thread(target=read, args=(i,)) for i in range(count)]
for t in threads: t.start()
print("started", flush=True)
for t in threads: t.join()
print("\\n".join(sums))
"""
CTRL_C = ("import signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
          "open(sys.argv[1], 'rb').read()")


def within(seconds, what, call):
    """Run ${call}; fail if it takes longer than ${seconds}."""
    start = time.monotonic()
    value = call()
    took = time.monotonic() - start
    assert took < seconds * env.slow(), f"{what}: {took:.2f} s"
    return value


@pytest.fixture
def crowd():
    """A factory of processes that read many files at once."""
    made = []

    def start(folder, count):
        made.append(subprocess.Popen(
            [sys.executable, "-c", CROWD, str(folder), str(count)],
            stdout=subprocess.PIPE, text=True))
        assert made[-1].stdout.readline() == "started\n"
        return made[-1]

    yield start
    for one in made:
        one.kill()
        one.wait(20)
        one.stdout.close()


def test_500_readers_on_a_hung_server(server, bucket, proxy, mount, crowd):
    """Cached files, ls, stat, a status and Ctrl-C answer all the while."""
    files = {f"d/f{i}": data(SIZE, i) for i in range(READERS)}
    cached = {f"c/g{i}": data(SIZE, -i - 1) for i in range(20)}
    plant(server, bucket, {**files, **cached})
    m = mount(bucket, proxy=proxy, attrs="list", ttl=600, negative_ttl=600,
              timeout=80)
    run("find", m.path)
    for key, content in cached.items():
        assert (m.path / key).read_bytes() == content
    rule = proxy.fault("hold", op="GetObject")
    readers = crowd(m.path / "d", READERS)
    proxy.wait_held(count=16)
    time.sleep(0.5)
    # From the chunk file, past the page cache.
    for key, content in cached.items():
        out = within(2, key, lambda k=key: run(
            "dd", f"if={m.path / k}", "bs=512k", "iflag=direct",
            "status=none"))
        assert out == content
    listed = within(2, "ls", lambda: run("ls", "-l", m.path / "d"))
    assert len(listed.splitlines()) == READERS + 1
    within(1, "stat", lambda: os.stat(m.path / "d/f7"))
    within(1, "lookup", lambda: os.path.lexists(m.path / "d/nothing"))
    within(2, "status", m.status)
    one = subprocess.Popen([sys.executable, "-c", CTRL_C,
                            str(m.path / "d/f3")])
    time.sleep(0.3)
    assert one.poll() is None, "it did not wait"
    one.send_signal(2)
    within(2, "Ctrl-C", lambda: one.wait(30))
    if not env.flavour():
        assert rss(m.pid) <= 64 * MIB, f"{rss(m.pid) / MIB:.0f} MiB"
    proxy.clear(rule)
    proxy.release()
    out, _ = readers.communicate(timeout=60)
    assert out.split("\n")[:READERS] == [
        hashlib.md5(files[f"d/f{i}"]).hexdigest() for i in range(READERS)]


def test_a_crowd_can_be_killed(server, bucket, proxy, mount, crowd):
    """Ctrl-C of a process with 100 blocked reads ends all of them."""
    plant(server, bucket, {f"d/f{i}": data(SIZE, i) for i in range(100)})
    m = mount(bucket, proxy=proxy, attrs="list", ttl=600, timeout=80)
    run("find", m.path)
    proxy.fault("hold", op="GetObject")
    readers = crowd(m.path / "d", 100)
    proxy.wait_held(count=16)
    readers.kill()
    within(3, "the end of the crowd", lambda: readers.wait(40))
    proxy.clear()
    proxy.release()
    assert (m.path / "d/f99").read_bytes() == data(SIZE, 99)


@pytest.mark.parametrize("what", ["GetObject", "ListObjectsV2",
                                  "HeadObject"])
def test_the_deadline(server, bucket, proxy, mount, what):
    """No answer for timeout= seconds: EIO, and after it all is well."""
    plant(server, bucket, {"d/f": data(SIZE)})
    m = mount(bucket, proxy=proxy, attrs="posix", ttl=600, timeout=2)
    calls = {"GetObject": lambda: (m.path / "d/f").read_bytes(),
             "ListObjectsV2": lambda: os.listdir(m.path / "d"),
             "HeadObject": lambda: os.stat(m.path / "d/f")}
    if what != "HeadObject":
        os.stat(m.path / "d")
    if what == "GetObject":
        run("ls", "-l", m.path / "d")
    proxy.fault("hang", op=what)
    start = time.monotonic()
    with pytest.raises(OSError) as e:
        calls[what]()
    took = time.monotonic() - start
    assert e.value.errno == errno.EIO
    # The kernel may ask twice: for the read-ahead, then for the page.
    assert 1.5 <= took < 8 * env.slow(), f"{took:.1f} s"
    proxy.clear()
    calls[what]()
    assert (m.path / "d/f").read_bytes() == data(SIZE)


BAD = {
    "500": ("GetObject", "internal_error", {}),
    "503": ("GetObject", "slow_down", {}),
    "range": ("GetObject", "wrong_range", {}),
    "listing": ("ListObjectsV2", "body", {"text": "<html>hello</html>"}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_answers_for_good_end_in_time(name, server, bucket, proxy,
                                          mount):
    """A server that answers, but badly, costs no more than timeout=."""
    timeout = 3
    content = data(9 * MIB)     # more than one piece: ranges are asked for
    plant(server, bucket, {"d/f": content})
    m = mount(bucket, proxy=proxy, attrs="list", ttl=600, timeout=timeout)
    os.stat(m.path / "d")
    op, action, args = BAD[name]
    if op == "GetObject":
        run("ls", "-l", m.path / "d")
    proxy.reset()
    rule = proxy.fault(action, op=op, **args)
    start = time.monotonic()
    with pytest.raises(OSError) as e:
        if op == "GetObject":
            (m.path / "d/f").read_bytes()
        else:
            os.listdir(m.path / "d")
    took = time.monotonic() - start
    assert e.value.errno in (errno.EIO, errno.EBUSY)
    # Once: the kernel's second question after the read-ahead is answered.
    assert took < (timeout + 2) * env.slow(), f"{took:.1f} s"
    assert proxy.fired(rule) >= 4, "given up early"
    proxy.clear()
    if op == "GetObject":
        assert (m.path / "d/f").read_bytes() == content
    assert os.listdir(m.path / "d") == ["f"]


def test_slow_is_not_hung(server, bucket, proxy, mount):
    """Bytes that trickle for longer than timeout= are progress."""
    content = data(600_000)
    plant(server, bucket, {"f": content})
    m = mount(bucket, proxy=proxy, attrs="list", timeout=2)
    run("ls", m.path)
    proxy.shape(rate=120_000)
    start = time.monotonic()
    assert (m.path / "f").read_bytes() == content
    assert time.monotonic() - start > 3, "not slow: nothing is proved"


def test_readers_of_one_range_share_its_request(server, bucket, proxy,
                                                mount):
    """50 readers of one file ask for each part once."""
    content = data(5 * MIB)
    plant(server, bucket, {"f": content})
    m = mount(bucket, proxy=proxy, attrs="list", ttl=600)
    run("ls", m.path)
    proxy.fault("hold", op="GetObject")
    results = []

    def read():
        results.append((m.path / "f").read_bytes() == content)

    threads = [threading.Thread(target=read) for _ in range(50)]
    for thread in threads:
        thread.start()
    proxy.wait_held()
    time.sleep(0.3)
    proxy.clear()
    proxy.release()
    for thread in threads:
        thread.join(30)
    assert results == [True] * 50
    assert proxy.count("GetObject") == 1


def test_umount_while_the_server_hangs(server, bucket, proxy, mount, crowd):
    """pailctl umount says what keeps it, or unmounts: it never hangs."""
    plant(server, bucket, {f"d/f{i}": data(SIZE, i) for i in range(10)})
    m = mount(bucket, proxy=proxy, attrs="list", ttl=600, timeout=80)
    run("find", m.path)
    proxy.fault("hold", op="GetObject")
    readers = crowd(m.path / "d", 10)
    proxy.wait_held(count=2)
    status, said = within(10, "umount",
                          lambda: m.ctl("umount", str(m.path)))
    assert status == 0 or said, "neither done nor told why"
    readers.kill()
    readers.wait(20)
    proxy.clear()
    proxy.release()
    if m.mounted():
        assert (m.path / "d/f3").read_bytes() == data(SIZE, 3)
    else:
        m.pid = 0


def test_a_late_end_leaves_others_alone(server, bucket, proxy, mount):
    """A daemon that ends late takes nothing from the mount that came next.

    The kernel gives the device number of a mount that is gone to the next.
    """
    plant(server, bucket, {"f": b"x"})
    for _ in range(5):
        old = mount(bucket, proxy=proxy)
        device = os.stat(old.path).st_dev
        os.kill(old.pid, signal.SIGSTOP)
        try:
            # umount(8) would ask the daemon first.
            assert process.LIBC.umount2(os.fsencode(old.path), 0) == 0
            new = mount(bucket, proxy=proxy)
        finally:
            os.kill(old.pid, signal.SIGCONT)
        assert process.reap(old.pid, 20 * env.slow()) in (0, None)
        old.pid = 0
        if os.stat(new.path).st_dev == device:
            break
        new.umount()  # another program on the machine took the number
    else:
        pytest.skip("st_dev of a new mount is never that of the one before")
    assert new.status()["pid"] == new.pid
