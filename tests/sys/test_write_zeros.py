# SPDX-License-Identifier: Apache-2.0
"""Runs of zeros are copied within S3, and are zeros, whatever happens.

What they cost is counted in test_budget_write.py.
"""

import errno
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import stored
from lib.data import MIB, noise

ZEROS = ".pailfs/zero/16777216"
SIZE = 64 * MIB
POKE = 34 * MIB + 12345
OURS = pytest.mark.servers("versitygw")   # what the server is matters not
DENIED = {"status": 403, "code": "AccessDenied"}


@pytest.fixture
def m(bucket, proxy, mount):
    return mount(bucket, proxy=proxy, ro=False)


def poke(path, size=SIZE, data=b"in the middle"):
    """Write a sparse file; return its bytes."""
    with open(path, "wb", buffering=0) as f:
        f.truncate(size)
        os.pwrite(f.fileno(), data, POKE)
    want = bytearray(size)
    want[POKE:POKE + len(data)] = data
    return want


def both(s3, bucket, m, name, want):
    """Assert that S3 has ${want}, and that the mount shows it."""
    assert stored.body(s3, bucket, name) == want
    assert (m.path / name).read_bytes() == want


def copied(proxy, name="f"):
    return proxy.log(op="UploadPartCopy", key=name)


def reserved(s3, bucket):
    """Return the keys that pailfs has for itself."""
    got = s3.list_objects_v2(Bucket=bucket, Prefix=".pailfs/")
    return [one["Key"] for one in got.get("Contents", [])]


def ends(f):
    os.write(f, b"first")
    os.pwrite(f, b"last", SIZE - 4)


def grown(f):
    os.pwrite(f, noise(6 * MIB), 0)
    os.ftruncate(f, SIZE)
    os.pwrite(f, noise(6 * MIB, 1), 40 * MIB)


def allocated(f):
    os.posix_fallocate(f, 0, SIZE)
    os.pwrite(f, noise(10 * MIB), 40 * MIB + 7)


def dotted(f):
    """Runs about as long as the shortest part."""
    for i in range(9):
        os.pwrite(f, noise(3, i), i * 11 * MIB // 2)
    os.ftruncate(f, SIZE)


def cut(f):
    os.ftruncate(f, 2 * SIZE)
    os.pwrite(f, noise(20 * MIB), SIZE - 5 * MIB)
    os.ftruncate(f, SIZE - MIB // 3)
    os.ftruncate(f, SIZE)


@pytest.mark.parametrize("how", [ends, grown, allocated, dotted, cut])
def test_a_new_file_with_holes(s3, bucket, proxy, m, tmp_path, how):
    for path in (m.path / "f", tmp_path / "f"):
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        how(fd)
        os.close(fd)
    want = (tmp_path / "f").read_bytes()
    both(s3, bucket, m, "f", want)
    assert copied(proxy) != []
    assert os.listdir(m.path) == ["f"]
    m.umount()
    assert reserved(s3, bucket) == [ZEROS]
    m.start()
    assert (m.path / "f").read_bytes() == want


@pytest.mark.parametrize("mode", ["-p", "-z"])
def test_a_hole_in_a_large_object(s3, bucket, proxy, mount, mode):
    """Parts of the base and parts of zeros; nothing goes up."""
    want = bytearray(noise(SIZE))
    s3.put_object(Bucket=bucket, Key="f", Body=want)
    m = mount(bucket, proxy=proxy, ro=False)
    subprocess.run(["fallocate", mode, "-o", str(20 * MIB), "-l",
                    str(30 * MIB), m.path / "f"], check=True)
    with open(m.path / "f", "r+b", buffering=0) as f:
        f.truncate(SIZE + 20 * MIB)
    want[20 * MIB:50 * MIB] = bytes(30 * MIB)
    want += bytes(20 * MIB)
    both(s3, bucket, m, "f", want)
    assert proxy.log(op="UploadPart", key="f") == []


@OURS
def test_equal_parts(s3, bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False, part_size="8M")
    want = poke(m.path / "f")
    both(s3, bucket, m, "f", want)
    assert len(copied(proxy)) == SIZE // (8 * MIB) - 1


def test_streamed_parts_are_kept(s3, bucket, proxy, m, tmp_path):
    """cp writes the data, which goes up meanwhile; the hole is copied."""
    data = noise(24 * MIB)
    with open(tmp_path / "f", "wb") as f:
        f.write(data)
        f.seek(48 * MIB)
        f.write(data)
    subprocess.run(["cp", "--sparse=always", tmp_path / "f", m.path / "f"],
                   check=True)
    both(s3, bucket, m, "f", data + bytes(24 * MIB) + data)
    sent = sum(e["up"] for e in proxy.log(op="UploadPart", key="f"))
    assert sent == 48 * MIB


def test_mounts_share_the_zeros(s3, bucket, proxy, mount):
    mounts = [mount(bucket, proxy=proxy, ro=False) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        wants = list(pool.map(
            lambda i: poke(mounts[i].path / f"f{i}"), range(3)))
    for i in range(3):
        assert stored.body(s3, bucket, f"f{i}") == wants[i]
    mounts[0].umount()
    assert reserved(s3, bucket) == [ZEROS]
    poke(mounts[1].path / "g")
    assert copied(proxy, "g") != []


@OURS
# Where it does not work, zeros are sent.

@pytest.mark.parametrize("op", ["HeadObject", "PutObject"])
def test_p8_nothing_under_pailfs_is_allowed(s3, bucket, proxy, m, op):
    proxy.fault("status", op=op, key="^\\.pailfs/zero", **DENIED)
    both(s3, bucket, m, "f", poke(m.path / "f"))
    assert copied(proxy) == [] and reserved(s3, bucket) == []
    both(s3, bucket, m, "g", poke(m.path / "g"))
    assert m.log_tail(1000).count("zeros are sent like other bytes") == 1


@OURS
@pytest.mark.parametrize("status,code", [
    (403, "AccessDenied"), (501, "NotImplemented"), (400, "InvalidRequest")])
def test_p8_copies_are_refused(s3, bucket, proxy, m, status, code):
    proxy.fault("status", op="UploadPartCopy", status=status, code=code)
    both(s3, bucket, m, "f", poke(m.path / "f"))
    proxy.reset()
    both(s3, bucket, m, "g", poke(m.path / "g"))
    assert copied(proxy, "g") == []
    assert m.log_tail(1000).count("zeros are sent like other bytes") == 1


@OURS
@pytest.mark.parametrize("body", [
    b"x", bytes(16 * MIB - 1) + b"x", b"x" + bytes(16 * MIB - 1)])
def test_p7_what_is_there_is_not_zeros(s3, bucket, proxy, m, body):
    s3.put_object(Bucket=bucket, Key=ZEROS, Body=body)
    both(s3, bucket, m, "f", poke(m.path / "f"))
    assert copied(proxy) == []
    assert stored.body(s3, bucket, ZEROS) == body
    assert "does not hold zeros: delete it" in m.log_tail(1000)


def test_p7_zeros_of_another_etag_are_read_first(s3, bucket, proxy, m):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=ZEROS)["UploadId"]
    parts = [{"PartNumber": i, "ETag": s3.upload_part(
        Bucket=bucket, Key=ZEROS, UploadId=upload, PartNumber=i,
        Body=bytes(8 * MIB))["ETag"]} for i in (1, 2)]
    s3.complete_multipart_upload(Bucket=bucket, Key=ZEROS, UploadId=upload,
                                 MultipartUpload={"Parts": parts})
    for name in ("f", "g"):
        both(s3, bucket, m, name, poke(m.path / name))
        assert copied(proxy, name) != []
    got = [e["op"] for e in proxy.log(key=ZEROS)]
    assert got == ["HeadObject", "GetObject"]


@OURS
def test_p7_a_copy_is_not_of_zeros(s3, bucket, proxy, m):
    """As S3 says of what it has copied: versitygw does, of this object."""
    s3.put_object(Bucket=bucket, Key=ZEROS, Body=bytes(16 * MIB),
                  ChecksumCRC32C="o6uFQg==")
    both(s3, bucket, m, "f", poke(m.path / "f"))
    assert copied(proxy) != []
    assert "does not hold zeros: delete it" in m.log_tail(1000)


@pytest.mark.parametrize("gone", [True, False])
def test_the_zeros_are_gone_or_replaced(s3, bucket, proxy, m, gone):
    """They are made anew; what is not zeros is not copied."""
    poke(m.path / "f")
    if gone:
        s3.delete_object(Bucket=bucket, Key=ZEROS)
    else:
        s3.put_object(Bucket=bucket, Key=ZEROS, Body=noise(16 * MIB))
    both(s3, bucket, m, "g", poke(m.path / "g"))
    if gone:
        proxy.reset()
        both(s3, bucket, m, "h", poke(m.path / "h"))
        assert copied(proxy, "h") != []


# Lost answers, conflicts, ends in the middle.

@pytest.mark.parametrize("op,key", [
    ("UploadPartCopy", "^f$"), ("PutObject", "^\\.pailfs/zero"),
    ("CompleteMultipartUpload", "^f$")])
def test_p3_an_answer_that_is_lost(s3, bucket, proxy, m, op, key):
    poke(m.path / "warm")
    s3.delete_object(Bucket=bucket, Key=ZEROS)
    rule = proxy.fault("lost_reply", op=op, key=key, times=1)
    both(s3, bucket, m, "f", poke(m.path / "f"))
    assert proxy.fired(rule) == 1
    assert stored.keys(s3, bucket) == {"f": SIZE, "warm": SIZE}
    assert stored.uploads(s3, bucket) == []


def test_p3_a_sparse_loser_is_kept(s3, bucket, proxy, m):
    """It is sparse in the cache, and sent as such."""
    poke(m.path / "warm")
    fd = os.open(m.path / "f", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, SIZE)
    os.pwrite(fd, b"mine", POKE)
    s3.put_object(Bucket=bucket, Key="f", Body=b"theirs")
    proxy.reset()
    with pytest.raises(OSError) as e:
        os.close(fd)
    assert e.value.errno == errno.ESTALE

    def beside():
        return [k for k in stored.keys(s3, bucket) if ".conflict-" in k]

    stored.wait_for(beside, "the loser", 20)
    want = bytearray(SIZE)
    want[POKE:POKE + 4] = b"mine"
    (name,) = beside()
    assert stored.body(s3, bucket, name) == want
    assert stored.body(s3, bucket, "f") == b"theirs"
    assert stored.uploads(s3, bucket) == []
    # Five megabytes at first; the part that holds them, of the loser.
    assert sum(e["up"] for e in proxy.log(op="UploadPart")) < 14 * MIB


def test_refused_and_sent_by_the_next_mount(s3, bucket, proxy, m):
    """Its holes are still holes."""
    rule = proxy.fault("status", op="CreateMultipartUpload", key="^f$",
                       **DENIED)
    with pytest.raises(OSError) as e:
        poke(m.path / "f")
    assert e.value.errno == errno.EACCES
    m.kill9()
    proxy.clear(rule)
    proxy.reset()
    m.start()
    stored.wait_for(lambda: "f" in stored.keys(s3, bucket), "it", 20)
    want = bytearray(SIZE)
    want[POKE:POKE + 13] = b"in the middle"
    both(s3, bucket, m, "f", want)
    assert sum(e["up"] for e in proxy.log(op="UploadPart", key="f")) == 5 * MIB


def test_unlinked_while_zeros_are_copied(s3, bucket, proxy, m):
    proxy.fault("hold", op="UploadPartCopy", key="^f$", nth=3, when="before")
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(poke, m.path / "f")
        proxy.wait_held()
        removing = pool.submit(os.unlink, m.path / "f")
        proxy.release()
        writing.result()
        removing.result()
    m.umount()
    assert stored.keys(s3, bucket) == {}
    assert reserved(s3, bucket) == [ZEROS]
    assert stored.uploads(s3, bucket) == []


@pytest.mark.parametrize("op,key", [
    ("UploadPartCopy", "^f$"), ("PutObject", "^\\.pailfs/zero")])
def test_p1_killed_while_zeros_are_copied(s3, bucket, proxy, m, op, key):
    """The old object stays; what is written then is right."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"old")
    proxy.fault("hold", op=op, key=key, nth=1, when="before")
    writer = subprocess.Popen(
        ["sh", "-c", f"truncate -s {SIZE} {m.path}/f"],
        stderr=subprocess.DEVNULL)
    proxy.wait_held()
    m.kill9()
    proxy.drop()
    assert writer.wait() != 0
    proxy.clear()
    assert stored.body(s3, bucket, "f") == b"old"
    m.start()
    both(s3, bucket, m, "g", poke(m.path / "g"))
    m.umount()
    assert set(stored.keys(s3, bucket)) == {"f", "g"}
    assert reserved(s3, bucket) == [ZEROS]
