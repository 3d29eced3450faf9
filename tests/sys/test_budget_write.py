# SPDX-License-Identifier: Apache-2.0
"""How many requests a writer costs, to the last one (P6).

Real programs write through the mount; the proxy, which honours all
conditions, counts.  Parents are listed.  What finds out which conditions the
server honours, under .pailfs/probe/, happens once a cache folder: it is
neither counted nor hidden (test_p6_probes_are_few).

"cp of a file inside the mount: 1 COPY" is not among these tests.
"""

import math
import os
import subprocess
import sys
import time

import pytest
from lib import modes, stored
from lib.data import MIB, PART, noise
from lib.workload import plant, run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(60)]
TTL_S = 300
PROBES = ".pailfs/"
ZEROS = ".pailfs/zero/16777216"
WINDOW = 5 * MIB + 1            # the most that one changed byte sends
CREATE = ("import os, sys\n"
          "fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)\n"
          "os.write(fd, b'x' * int(sys.argv[2]))\n")
SET = ("os.fchmod(fd, 0o640); os.fchown(fd, 12, 34)\n"
       "os.utime(fd, (5, 6)); os.setxattr(fd, 'user.a', b'b')\n"
       "os.chmod(sys.argv[1], 0o604); os.utime(sys.argv[1], (7, 8))\n")


@pytest.fixture
def listed(server, bucket, proxy, mount):
    """A factory: plant files, mount, list all; nothing is counted yet."""
    def make(files=None, **options):
        plant(server, bucket, files or {})
        m = mount(bucket, proxy=proxy, ro=False, **{
            "attrs": "list", "ttl": TTL_S, "negative_ttl": TTL_S, **options})
        warm_up(m)
        run("find", m.path)
        proxy.wait_idle()
        proxy.reset()
        return m
    return make


def warm_up(m):
    """Let the mount find out about DeleteObjects.

    Its keys are in its body, so the log does not tell a probe.
    """
    os.mkdir(m.path / ".warm")
    os.rename(m.path / ".warm", m.path / ".warm2")
    os.rmdir(m.path / ".warm2")


def wanted(entry):
    return not entry["key"].startswith(PROBES)


def settle(m, proxy):
    """All that is sent after write_delay was sent; count from here on."""
    modes.settle(m)
    proxy.wait_idle()
    proxy.reset()


def counts(proxy, later=0.0):
    """Return {operation: requests} that are no probes; ${later}: after so
    many seconds, if all that is owed was sent then."""
    if later:
        time.sleep(later)
        for m in proxy.senders:
            modes.settle(m)
    proxy.wait_idle()
    out = {}
    for entry in proxy.log():
        if wanted(entry):
            out[entry["op"]] = out.get(entry["op"], 0) + 1
    return out


def up(proxy):
    """Return the bytes of file contents that were sent."""
    return sum(e["up"] for e in proxy.log()
               if e["op"] in ("PutObject", "UploadPart") and wanted(e))


def python(*words):
    run(sys.executable, "-c", *words)


# Files.

@pytest.mark.parametrize("size", [0, 1, 4096, MIB, PART])
def test_p6_create_write_close(listed, proxy, size):
    """1 PUT."""
    m = listed({"d/old": b"x"})
    (m.path / "d/f").write_bytes(bytes(size))
    assert counts(proxy, 0.5) == {"PutObject": 1}
    assert up(proxy) == size


@pytest.mark.parametrize("attrs", ["list", "posix"])
def test_p6_create_with_attributes_before_close(listed, proxy, attrs):
    """What is set before close goes along."""
    m = listed({"d/old": b"x"}, attrs=attrs)
    python(CREATE + SET, m.path / "d/f", "5000")
    assert counts(proxy, 0.5) == {"PutObject": 1}


def test_p6_create_by_programs(listed, proxy, tmp_path):
    """cp, cp -p, tee, install: 1 PUT each."""
    m = listed({"d/old": b"x"})
    (tmp_path / "f").write_bytes(noise(10_000))
    run("cp", tmp_path / "f", m.path / "d/a")
    run("cp", "-p", tmp_path / "f", m.path / "d/b")
    run("sh", "-c", f"seq 1 1000 | tee {m.path}/d/c >/dev/null")
    run("python3", "-c", f"open('{m.path}/d/e', 'w').write('text')")
    assert counts(proxy, 0.5) == {"PutObject": 4}


def test_p6_create_by_a_shell(listed, proxy):
    """A shell and dd double the new descriptor and close one of the two
    before they write: that close, too, is kept."""
    m = listed({"d/old": b"x"})
    run("sh", "-c", f"echo hello >{m.path}/d/a")
    assert counts(proxy, 0.5) == {"PutObject": 2}
    proxy.reset()
    run("dd", f"if={__file__}", f"of={m.path}/d/b", "bs=512",
        "conv=fsync", "status=none")
    assert counts(proxy, 0.5) == {"PutObject": 2}


def test_p6_touch(listed, proxy):
    """The file is made at close; utimes by name comes after or before."""
    m = listed({"d/old": b"x"})
    run("touch", m.path / "d/f")
    got = counts(proxy, 0.5)
    assert got in ({"PutObject": 1}, {"PutObject": 1, "CopyObject": 1}), got


def test_p6_create_two_hundred(listed, proxy):
    m = listed({"d/old": b"x"})
    for i in range(200):
        (m.path / f"d/{i}").write_bytes(b"x" * 4096)
    assert counts(proxy) == {"PutObject": 200}


def test_p6_overwrite(listed, proxy):
    """A listed file, emptied and written: 1 PUT, no byte down; the first time
    1 HEAD, for what others stored with it."""
    m = listed({"d/f": noise(MIB)})
    (m.path / "d/f").write_bytes(b"new")
    assert counts(proxy, 0.5) == {"HeadObject": 1, "PutObject": 1}
    m.remount()
    os.listdir(m.path / "d")
    proxy.wait_idle()
    proxy.reset()
    (m.path / "d/f").write_bytes(b"newer")
    assert counts(proxy, 0.5) == {"PutObject": 1}


def test_p6_overwrite_what_was_made_here(listed, proxy):
    """1 PUT, with or without an unlink before."""
    m = listed({"d/old": b"x"})
    (m.path / "d/f").write_bytes(b"1")
    proxy.wait_idle()
    proxy.reset()
    (m.path / "d/f").write_bytes(b"2")
    assert counts(proxy, 0.5) == {"PutObject": 1}


@pytest.mark.parametrize("sync", ["close", "fsync"])
def test_p6_make_again_what_was_unlinked(listed, proxy, sync):
    """Nothing of the old one is wanted: no HEAD."""
    m = listed({"d/f": b"1", "d/g": b"2"}, sync=sync)
    os.unlink(m.path / "d/f")
    (m.path / "d/f").write_bytes(b"2")
    got = counts(proxy, 0.5)
    assert got.pop("DeleteObject", 0) <= 1, got
    assert got == {"PutObject": 1}


def test_p6_append_to_a_small_file(listed, proxy):
    """The GET of its bytes tells what others stored with it, too."""
    m = listed({"d/f": noise(MIB), "d/g": noise(3 * MIB)})
    for name in "fg":
        with open(m.path / "d" / name, "ab") as f:
            f.write(b"more")
        assert counts(proxy, 0.5) == {"GetObject": 1, "PutObject": 1}
        proxy.reset()


def test_p6_change_what_was_read(listed, proxy):
    """Likewise, if it was read while it was open."""
    m = listed({"d/f": noise(MIB)})
    with open(m.path / "d/f", "r+b", buffering=0) as f:
        f.read()
        f.seek(0)
        f.write(b"!")
    assert counts(proxy, 0.5) == {"GetObject": 1, "PutObject": 1}


def test_p6_every_close_of_new_bytes_is_a_put(listed, proxy):
    """So 5 for 5 programs, and the shell's own of the empty file."""
    m = listed({"d/old": b"x"})
    run("sh", "-c", "for i in 1 2 3 4 5; do /bin/echo $i; done >d/f",
        cwd=m.path)
    assert counts(proxy, 0.5) == {"PutObject": 6}


def test_p6_a_close_without_new_bytes_is_free(listed, proxy):
    m = listed({"d/f": b"x" * 100})
    fds = [os.open(m.path / "d/f", os.O_RDWR) for _ in range(5)]
    for fd in fds:
        os.close(os.dup(fd))
        os.close(fd)
    assert counts(proxy, 0.3) == {}


def test_p6_large_file_in_sequence(listed, proxy, tmp_path):
    """create, a part for each 8 MiB, complete."""
    size = 4 * PART + 100
    (tmp_path / "f").write_bytes(noise(size))
    m = listed({"d/old": b"x"})
    run("cp", tmp_path / "f", m.path / "d/f")
    got = counts(proxy, 0.5)
    # What was written after the upload began: its time follows by a COPY.
    assert got.pop("CopyObject", 0) <= 1, got
    assert got == {"CreateMultipartUpload": 1, "CompleteMultipartUpload": 1,
                   "UploadPart": math.ceil(size / PART)}
    assert up(proxy) == size


# Names.

def test_p6_unlink(listed, proxy):
    m = listed({"d/a": b"1", "d/b": b"2", "d/c": b"3"})
    os.unlink(m.path / "d/a")
    run("rm", m.path / "d/b")
    assert counts(proxy, 0.3) == {"DeleteObject": 2}


def test_p6_unlink_of_what_was_just_made(listed, proxy):
    m = listed({"d/old": b"x"})
    (m.path / "d/f").write_bytes(b"x")
    os.unlink(m.path / "d/f")
    assert counts(proxy, 0.3) == {"PutObject": 1, "DeleteObject": 1}


def test_p6_never_closed_never_sent(listed, proxy):
    m = listed({"d/old": b"x"})
    with open(m.path / "d/f", "wb", buffering=0) as f:
        f.write(b"x")
        os.unlink(m.path / "d/f")
    assert counts(proxy, 0.3) == {}


def test_p6_mkdir_and_rmdir(listed, proxy):
    m = listed({"d/old": b"x"})
    os.mkdir(m.path / "d/e")
    assert counts(proxy, 0.3) == {"PutObject": 1}
    os.mkdir(m.path / "d/e/f")
    assert os.listdir(m.path / "d/e") == ["f"]
    (m.path / "d/e/f/g").write_bytes(b"")
    os.unlink(m.path / "d/e/f/g")
    proxy.reset()
    os.rmdir(m.path / "d/e/f")
    os.rmdir(m.path / "d/e")
    assert counts(proxy, 0.3) == {"DeleteObject": 2}


def test_p6_the_last_of_an_implicit_folder(listed, proxy):
    """1 more: the marker, before the DELETE."""
    m = listed({"d/f": b"x", "e/f": b"x"})
    os.unlink(m.path / "d/f")
    assert counts(proxy, 0.3) == {"PutObject": 1, "DeleteObject": 1}
    assert [e["key"] for e in proxy.log() if wanted(e)] == ["d/", "d/f"]
    proxy.reset()
    os.rename(m.path / "e/f", m.path / "f")
    assert counts(proxy, 0.3) == {"PutObject": 1, "CopyObject": 1,
                                  "DeleteObject": 1}


def test_p6_symlink(listed, proxy):
    m = listed({"d/old": b"x"})
    os.symlink("target", m.path / "d/l")
    assert counts(proxy, 0.3) == {"PutObject": 1}
    proxy.reset()
    assert os.readlink(m.path / "d/l") == "target"
    assert counts(proxy) == {}


@pytest.mark.parametrize("attrs", ["list", "posix"])
@pytest.mark.parametrize("size", [10, 20 * MIB])
def test_p6_rename_a_file(listed, proxy, size, attrs):
    """1 COPY, 1 DELETE."""
    m = listed({"d/old": b"x"}, attrs=attrs)
    (m.path / "d/f").write_bytes(noise(size))
    settle(m, proxy)
    run("mv", m.path / "d/f", m.path / "d/g")
    assert counts(proxy, 0.3) == {"CopyObject": 1, "DeleteObject": 1}
    proxy.reset()
    (m.path / "d/h").write_bytes(b"x")
    os.rename(m.path / "d/h", m.path / "d/g")
    assert counts(proxy, 0.3) == {"PutObject": 1, "CopyObject": 1,
                                  "DeleteObject": 1}


@pytest.mark.parametrize("n", [10, 1001])
def test_p6_rename_a_folder(listed, proxy, n):
    """n copies, ceil(n / 1000) DeleteObjects; at most 64 in flight."""
    m = listed({f"d/{i:04}": b"x" for i in range(n - 1)})
    os.mkdir(m.path / "new")                # has its marker
    (m.path / "d/last").write_bytes(b"x")
    proxy.wait_idle()
    proxy.reset()
    os.rename(m.path / "d", m.path / "e")
    got = counts(proxy, 0.3)
    # An implicit folder gets a marker, or stays one without.
    assert got.pop("PutObject", 0) <= 1, got
    assert got.pop("ListObjectsV2", 0) <= math.ceil(n / 1000), got
    assert got == {"CopyObject": n,
                   "DeleteObjects": math.ceil(n / 1000)}, got
    assert proxy.stats()["ops"]["CopyObject"]["peak"] <= 64


def test_p6_rename_a_listed_folder_lists_nothing(listed, proxy):
    m = listed({f"d/{i:04}": b"x" for i in range(50)})
    os.rename(m.path / "d", m.path / "e")
    got = counts(proxy, 0.3)
    assert got.get("ListObjectsV2", 0) <= 1, got
    assert got["CopyObject"] == 50 and got["DeleteObjects"] == 1, got


# Attributes.

def test_p6_attributes_after_close(listed, proxy):
    """1 COPY for all that changed within write_delay."""
    m = listed({"d/old": b"x"}, write_delay=3000)
    (m.path / "d/f").write_bytes(b"x")
    proxy.wait_idle()
    proxy.reset()
    os.chmod(m.path / "d/f", 0o600)
    os.chown(m.path / "d/f", 12, 34)
    os.utime(m.path / "d/f", (5, 6))
    os.setxattr(m.path / "d/f", "user.a", b"b")
    assert counts(proxy, 0.1) == {"CopyObject": 1}


def test_p6_attributes_go_with_a_rename(listed, proxy):
    m = listed({"d/old": b"x"}, write_delay=5000)
    (m.path / "d/f").write_bytes(b"x")
    os.chmod(m.path / "d/f", 0o600)
    proxy.wait_idle()
    proxy.reset()
    os.rename(m.path / "d/f", m.path / "d/g")
    assert counts(proxy, 0.5) == {"CopyObject": 1, "DeleteObject": 1}


def test_p6_attributes_go_with_the_next_put(listed, proxy):
    m = listed({"d/old": b"x"}, write_delay=5000)
    (m.path / "d/f").write_bytes(b"x")
    proxy.wait_idle()
    proxy.reset()
    os.chmod(m.path / "d/f", 0o600)
    (m.path / "d/f").write_bytes(b"y")
    assert counts(proxy, 0.5) == {"PutObject": 1}


def test_p6_rsync_of_one_file(listed, proxy, tmp_path):
    """1 PUT, 1 COPY, 1 DELETE; nothing when it is run again."""
    # It sets the attributes and renames, within write_delay.
    m = listed({"d/old": b"x"}, attrs="posix", write_delay=3000)
    run("ls", "-l", m.path / "d")
    (tmp_path / "f").write_bytes(noise(100_000))
    os.utime(tmp_path / "f", (10 ** 9, 10 ** 9))
    proxy.wait_idle()
    proxy.reset()
    run("rsync", "-a", tmp_path / "f", f"{m.path}/d/")
    assert counts(proxy, 0.5) == {"PutObject": 1, "CopyObject": 1,
                                  "DeleteObject": 1}
    proxy.reset()
    run("rsync", "-a", tmp_path / "f", f"{m.path}/d/")
    assert counts(proxy, 0.5) == {}


# A small change in a large file.

@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("what", ["append", "start", "middle", "end"])
def test_p6_a_small_change_in_a_large_file(listed, s3, bucket, proxy, what,
                                           where):
    """create, 1 or 2 copies, 1 part, complete; at most 5 MiB + 1 up.

    ${where}: who wrote the file, so whether its bytes are local, and what was
    stored with it is known: if not, a GET tells that, or 1 HEAD.
    """
    size = 64 * MIB
    old = bytearray(noise(size))
    m = listed({"d/f": bytes(old)} if where == "elsewhere" else
               {"d/old": b"x"})
    if where == "here":
        (m.path / "d/f").write_bytes(old)
    settle(m, proxy)
    off = {"append": size, "start": 0, "middle": 30 * MIB + 77,
           "end": size - 1}[what]
    new = noise(1024) if what == "append" else bytes([old[off] ^ 1])
    with open(m.path / "d/f", "r+b", buffering=0) as f:
        f.seek(off)
        f.write(new)
    got = counts(proxy, 0.5)
    read = got.pop("GetObject", 0)
    assert read <= (2 if where == "elsewhere" else 0), got
    assert got.pop("HeadObject", 0) == (where == "elsewhere" and not read)
    copies = got.pop("UploadPartCopy")
    assert 1 <= copies <= 2, copies
    assert got == {"CreateMultipartUpload": 1, "UploadPart": 1,
                   "CompleteMultipartUpload": 1}
    assert up(proxy) <= WINDOW, up(proxy)
    old[off:off + len(new)] = new
    assert stored.body(s3, bucket, "d/f") == old


@pytest.mark.long
@pytest.mark.timeout(300)
def test_p6_one_byte_in_a_gigabyte(listed, proxy):
    size = 1 << 30
    m = listed({"d/old": b"x"}, cache_size="4G", free_space=0)
    with open(m.path / "d/f", "wb", buffering=0) as f:
        for i in range(256):
            f.write(noise(4 * MIB, i))
    settle(m, proxy)
    with open(m.path / "d/f", "r+b", buffering=0) as f:
        f.seek(size // 2 + 12345)
        f.write(b"!")
    got = counts(proxy, 0.5)
    assert up(proxy) <= WINDOW, up(proxy)
    assert sum(got.values()) <= 6, got


# Zeros.

def up_in_all(proxy):
    """Likewise, with the object of zeros; and how many requests made that."""
    files = {"PutObject", "UploadPart"}
    sent = [e for e in proxy.log() if e["op"] in files
            and not e["key"].startswith(PROBES + "probe/")]
    return (sum(e["up"] for e in sent),
            sum(e["key"] == ZEROS for e in sent))


def test_p6_zeros_cost_no_bandwidth(s3, bucket, listed, proxy):
    """The object of zeros, once a bucket, and S3_PART_MIN round a byte."""
    m = listed({"d/old": b"x"})

    def poke(name):
        with open(m.path / name, "wb", buffering=0) as f:
            f.truncate(200 * MIB)
            f.seek(100 * MIB)
            f.write(b"x")

    poke("d/f")
    got = counts(proxy, 0.5)
    assert got == {"CreateMultipartUpload": 1, "UploadPart": 1,
                   "UploadPartCopy": 13, "CompleteMultipartUpload": 1}, got
    assert up_in_all(proxy) == (5 * MIB + 16 * MIB, 1)
    want = bytearray(200 * MIB)
    want[100 * MIB] = ord("x")
    assert stored.body(s3, bucket, "d/f") == want
    proxy.reset()
    poke("d/g")
    assert counts(proxy, 0.5) == got
    assert up_in_all(proxy) == (5 * MIB, 0)
    # Another mount of the bucket finds it: it looks, and sends nothing.
    m.remount()
    run("find", m.path)
    proxy.wait_idle()
    proxy.reset()
    poke("d/h")
    assert counts(proxy, 0.5) == got
    assert up_in_all(proxy) == (5 * MIB, 0)
    assert [e["op"] for e in proxy.log(key=ZEROS)] == ["HeadObject"]


def test_p6_a_gigabyte_of_zeros(s3, bucket, listed, proxy):
    m = listed({"d/old": b"x"}, cache_size="4G", free_space=0)
    run("truncate", "-s", "1G", m.path / "d/f")
    got = counts(proxy, 0.5)
    assert got["UploadPartCopy"] == 64 and got.get("UploadPart", 0) == 0, got
    assert up_in_all(proxy) == (16 * MIB, 1)
    assert stored.keys(s3, bucket)["d/f"] == 1 << 30


def test_p6_both_ends_of_a_sparse_file(listed, proxy):
    m = listed({"d/old": b"x"}, cache_size="4G", free_space=0)
    with open(m.path / "d/f", "wb", buffering=0) as f:
        f.write(b"a")
        f.seek((1 << 30) - 1)
        f.write(b"z")
    assert counts(proxy, 0.5)["UploadPart"] == 2
    assert up_in_all(proxy)[0] <= 2 * 5 * MIB + 16 * MIB


def test_p6_a_hole_in_a_large_file(listed, proxy):
    """S3 copies the rest of the object, and zeros: nothing goes up."""
    m = listed({"d/old": b"x"})
    (m.path / "d/f").write_bytes(noise(100 * MIB))
    settle(m, proxy)
    run("fallocate", "-p", "-o", 20 * MIB, "-l", 64 * MIB, m.path / "d/f")
    got = counts(proxy, 0.5)
    assert got == {"CreateMultipartUpload": 1, "UploadPartCopy": 1 + 4 + 1,
                   "CompleteMultipartUpload": 1}, got
    assert up_in_all(proxy) == (16 * MIB, 1)


def test_p6_few_zeros_are_sent(listed, proxy):
    """Under the size of their object it is not worth to make it."""
    m = listed({"d/old": b"x"})
    run("truncate", "-s", "12M", m.path / "d/f")
    assert counts(proxy, 0.5)["UploadPart"] == 2
    assert proxy.log(key=ZEROS) == []
    assert up_in_all(proxy) == (12 * MIB, 0)


# The rest.

def test_p6_reading_what_was_written_is_free(listed, proxy):
    """Its bytes are local, and its attributes known."""
    m = listed({"d/old": b"x"}, attrs="posix")
    (m.path / "d/f").write_bytes(noise(PART))
    proxy.wait_idle()
    proxy.reset()
    assert (m.path / "d/f").read_bytes() == noise(PART)
    run("ls", "-l", m.path / "d/f")
    run("dd", f"if={m.path}/d/f", "of=/dev/null", "iflag=direct", "bs=1M")
    got = counts(proxy)
    assert "GetObject" not in got and "HeadObject" not in got, got


def test_p6_probes_are_few(listed, proxy):
    """Each kind of condition is tried once a cache folder."""
    m = listed({"d/old": b"x"})

    def work(n):
        (m.path / f"d/{n}").write_bytes(b"x")
        (m.path / f"d/{n}").write_bytes(b"xy")
        os.rename(m.path / f"d/{n}", m.path / f"d/{n}.new")
        os.unlink(m.path / f"d/{n}.new")
        proxy.wait_idle()
        probes = [e for e in proxy.log() if not wanted(e)]
        proxy.reset()
        return len(probes)

    assert 0 < work(1) <= 6 * 4
    assert work(2) == 0
    m.remount()
    assert work(3) == 0


def test_p6_requests_are_shown(listed, proxy):
    """pailctl status counts what the proxy counts."""
    m = listed({"d/old": b"x"})
    before = m.status()["s3"]["requests"]
    subprocess.run(["sh", "-ec", "echo a >d/a; mv d/a d/b; chmod 600 d/b;"
                    "mkdir d/e; rmdir d/e; rm d/b"], cwd=m.path, check=True)
    modes.settle(m)
    proxy.wait_idle()
    got = proxy.counts()
    after = m.status()["s3"]["requests"]
    for op, n in got.items():
        assert after.get(op, 0) - before.get(op, 0) == n, (op, got, after)
