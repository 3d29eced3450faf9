# SPDX-License-Identifier: Apache-2.0
"""The test proxy is transparent, counts exactly and shapes the link."""

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lib import raw
from tests.proxy import classify, shape, wire

KEYS = ["a", "sp ace", "pl+us", "per%cent%41", "q'u\"o", "t~i(l)d*e!",
        "nfc-\u00e9", "nfd-e\u0301", "\U0001f600", "eq=u&al;s:@,$",
        "d/e/e/p", "br[ack]{et}<>|^`", "h#ash?question"]


@pytest.mark.parametrize("key", KEYS)
def test_odd_keys_pass_signed_and_are_decoded(proxy, proxy_s3, s3, bucket,
                                              key):
    proxy_s3.put_object(Bucket=bucket, Key=key, Body=b"body of " +
                        key.encode())
    got = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert got == b"body of " + key.encode()
    listed = proxy_s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [o["Key"] for o in listed] == [key]
    assert [e["key"] for e in proxy.log(op="PutObject")] == [key]


def test_a_wrong_secret_is_refused_through_the_proxy(proxy, server, bucket):
    wrong = server.client(proxy.endpoint, secret="wrong")
    with pytest.raises(wrong.exceptions.ClientError) as e:
        wrong.list_objects_v2(Bucket=bucket)
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert proxy.log()[0]["status"] == 403


def test_operations_are_named_and_counted(proxy, proxy_s3, bucket):
    s3, part = proxy_s3, b"p" * (5 << 20)
    s3.head_bucket(Bucket=bucket)
    s3.get_bucket_location(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a", Body=part)
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    up = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    ids = {"Bucket": bucket, "Key": "m", "UploadId": up}
    one = s3.upload_part(PartNumber=1, Body=part, **ids)["ETag"]
    two = s3.upload_part_copy(PartNumber=2, CopySource=f"{bucket}/a", **ids)
    two = two["CopyPartResult"]["ETag"]
    s3.list_parts(**ids)
    s3.list_multipart_uploads(Bucket=bucket)
    s3.complete_multipart_upload(MultipartUpload={"Parts": [
        {"PartNumber": 1, "ETag": one}, {"PartNumber": 2, "ETag": two}]},
        **ids)
    up = s3.create_multipart_upload(Bucket=bucket, Key="n")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="n", UploadId=up)
    assert s3.head_object(Bucket=bucket, Key="m")["ContentLength"] == 10 << 20
    s3.list_objects_v2(Bucket=bucket)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}]})
    s3.delete_object(Bucket=bucket, Key="a")
    assert proxy.counts() == {
        "HeadBucket": 1, "GetBucketLocation": 1, "PutObject": 1,
        "CopyObject": 1, "CreateMultipartUpload": 2, "UploadPart": 1,
        "UploadPartCopy": 1, "ListParts": 1, "ListMultipartUploads": 1,
        "CompleteMultipartUpload": 1, "AbortMultipartUpload": 1,
        "HeadObject": 1, "ListObjectsV2": 1, "DeleteObjects": 1,
        "DeleteObject": 1}
    assert proxy.stats()["ops"]["UploadPart"]["up"] == len(part)


def test_bytes_ranges_and_connections_are_logged(proxy, proxy_s3, bucket):
    proxy_s3.put_object(Bucket=bucket, Key="k", Body=bytes(300_000))
    got = proxy_s3.get_object(Bucket=bucket, Key="k", Range="bytes=5-99999")
    assert len(got["Body"].read()) == 99_995
    put, get = proxy.log()
    assert (put["op"], put["up"], put["down"]) == ("PutObject", 300_000, 0)
    assert (get["range"], get["status"]) == ("bytes=5-99999", 206)
    assert (get["up"], get["down"], get["end"]) == (0, 99_995, "ok")
    assert put["t_start"] < put["t_end"] <= get["t_start"] < get["t_end"]
    assert put["conn"] == get["conn"], "no keep-alive to the client"
    assert proxy.stats()["down"] == 99_995
    proxy.reset()
    assert proxy.stats()["requests"] == 0 and proxy.log() == []


def test_bodies_pass_unchanged(proxy, proxy_s3, s3, bucket):
    data = bytes(range(256)) * (37 << 10)     # 9.25 MiB, no chunk border
    proxy_s3.put_object(Bucket=bucket, Key="k", Body=data)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data
    assert proxy_s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data


def test_parallel_requests_show_as_a_peak(proxy, proxy_s3, bucket):
    proxy_s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    proxy.reset()
    proxy.fault("hold", op="HeadObject")
    with ThreadPoolExecutor(6) as pool:
        heads = pool.map(lambda _: proxy_s3.head_object(Bucket=bucket,
                                                        Key="k"), range(6))
        proxy.wait_held(count=6)
        proxy.release()
        list(heads)
    stats = proxy.stats()
    assert stats["peak"] == 6 and stats["ops"]["HeadObject"]["peak"] == 6
    assert {e["parallel"] for e in proxy.log()} == set(range(1, 7))


def test_latency_delays_the_first_byte_only(proxy, proxy_s3, bucket):
    proxy_s3.put_object(Bucket=bucket, Key="k", Body=bytes(4 << 20))
    proxy.shape(latency_ms=400)
    proxy.reset()
    start = time.monotonic()
    proxy_s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    took = time.monotonic() - start
    entry, = proxy.log()
    assert 0.4 <= entry["t_first"] - entry["t_start"] < 6
    assert 0.4 <= took < 6          # 0.4 for each chunk would be more


def test_the_profiles_are_as_written(proxy):
    assert proxy.shape("s3") == {"latency_ms": 25, "rate": 90e6,
                                 "total_rate": 0}
    assert proxy.shape("lan")["latency_ms"] == 2
    assert proxy.shape("raw")["latency_ms"] == 0
    with pytest.raises(ValueError):
        proxy.shape("dial-up")


@pytest.mark.parametrize("way", ["up", "down"])
def test_the_rate_of_a_request_is_capped(proxy, proxy_s3, bucket, way):
    data = bytes(1_500_000)
    if way == "down":
        for n in range(4):
            proxy_s3.put_object(Bucket=bucket, Key=f"k{n}", Body=data)
    proxy.shape(rate=1e6)

    def once(n):
        if way == "up":
            proxy_s3.put_object(Bucket=bucket, Key=f"k{n}", Body=data)
        else:
            proxy_s3.get_object(Bucket=bucket, Key=f"k{n}")["Body"].read()

    start = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(once, range(4)))
    # 1.5 s each, all at once; had they to share the rate, it were 6 s.
    assert 1.48 <= time.monotonic() - start < 5.8


def test_the_total_rate_is_shared(proxy, proxy_s3, bucket):
    proxy_s3.put_object(Bucket=bucket, Key="k", Body=bytes(1_000_000))
    proxy.shape(total_rate=5e6)
    start = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: proxy_s3.get_object(
            Bucket=bucket, Key="k")["Body"].read(), range(3)))
    assert 0.58 <= time.monotonic() - start < 10


def test_a_small_ranged_read_is_not_slowed_by_the_cap(proxy, proxy_s3,
                                                      raw_get, bucket):
    proxy_s3.put_object(Bucket=bucket, Key="k", Body=bytes(1 << 20))
    proxy.shape(rate=200)       # 20 s, were the first bytes spaced, too
    start = time.monotonic()
    reply = raw_get(bucket, "k", 0, 4095)
    assert len(reply.body) == 4096 and time.monotonic() - start < 15


def test_a_client_that_leaves_is_logged(proxy, proxy_s3, server, bucket):
    proxy_s3.put_object(Bucket=bucket, Key="k", Body=bytes(8 << 20))
    proxy.shape(rate=2e6)
    path, headers = raw.signed(server, proxy.endpoint, "GET", bucket, "k")
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{proxy.port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
        sock.sendall("\r\n".join(lines + ["", ""]).encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    proxy.wait_idle()
    entry = proxy.log(op="GetObject")[0]
    assert entry["end"] == "closed" and entry["down"] < 8 << 20


def test_drop_resets_connections(proxy, proxy_s3, raw_get, bucket):
    proxy_s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    proxy.fault("hang", op="GetObject")
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(raw_get, bucket, "k")
        while not proxy.log(op="GetObject"):
            time.sleep(0.01)
        assert proxy.drop() >= 1
        assert reply.result().error in ("reset", "closed")


@pytest.mark.servers("versitygw")
def test_virtual_host_style_is_understood(new_proxy, server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k/l", Body=b"x")
    proxy = new_proxy(virtual_domain="localhost")
    with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
        sock.sendall(b"GET /k%2Fl HTTP/1.1\r\nHost: " + bucket.encode()
                     + b".localhost\r\nConnection: close\r\n\r\n")
        while sock.recv(4096):
            pass
    entry, = proxy.log()
    assert (entry["bucket"], entry["key"]) == (bucket, "k/l")
    assert entry["op"] == "GetObject"


@pytest.mark.parametrize("garbage", [
    b"hello\r\n\r\n", b"GET / HTTP/2.0 x\r\n\r\n",
    b"PUT /b/k HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"x" * (wire.HEAD_MAX + 70000)])
@pytest.mark.servers("versitygw")
def test_garbage_is_refused(proxy, garbage):
    with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
        sock.sendall(garbage)
        assert sock.recv(100).startswith(b"HTTP/1.1 400")
    assert proxy.stats()["in_flight"] == 0


@given(st.lists(st.binary(min_size=1, max_size=40)), st.binary(max_size=20),
       st.lists(st.integers(1, 30)))
@settings(max_examples=200, deadline=None)
def test_the_end_of_a_chunked_body_is_found(chunks, behind, cuts):
    body = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks)
    body += b"0\r\nx-trailer: v\r\n\r\n"
    scan, at, used = wire.ChunkScan(), 0, 0
    message = body + behind
    for cut in cuts + [len(message)]:
        piece = message[at:at + cut]
        used += scan.feed(piece)
        at += len(piece)
        if scan.done:
            break
    assert scan.done and used == len(body)
    assert scan.body() == b"".join(chunks)


@pytest.mark.parametrize("line, want", [
    ("GET / HTTP/1.1", ("ListBuckets", "", "")),
    ("GET /b?list-type=2&prefix=x HTTP/1.1", ("ListObjectsV2", "b", "")),
    ("GET /b/?versions HTTP/1.1", ("ListObjectVersions", "b", "")),
    ("POST /b/?delete HTTP/1.1", ("DeleteObjects", "b", "")),
    ("GET /b/a%20+%2B%25 HTTP/1.1", ("GetObject", "b", "a ++%")),
    ("GET /b//a/../%2e/ HTTP/1.1", ("GetObject", "b", "/a/.././")),
    ("HEAD /b/%ff HTTP/1.1", ("HeadObject", "b", "\udcff")),
    ("GET /b/k?versionId=1 HTTP/1.1", ("GetObject", "b", "k")),
    ("GET /b/k?acl HTTP/1.1", ("GetObjectAcl", "b", "k")),
    ("PUT /b/k?renameObject HTTP/1.1", ("RenameObject", "b", "k")),
])
def test_classification(line, want):
    req = classify.parse(line.encode() + b"\r\nHost: h\r\n\r\n")
    assert (req.op, req.bucket, req.key) == want


def test_the_first_bytes_go_at_once_in_however_many_pieces():
    pacer = shape.Pacer(shape.Shape(rate=200), shape.Total())
    start = time.monotonic()
    for n in (100, 3000, 1000):
        assert pacer.size(wire.CHUNK) == shape.FIRST - pacer.sent
        asyncio.run(pacer.wait(n))
    assert time.monotonic() - start < 15 and pacer.sent == 4100


def test_a_stalled_peer_does_not_earn_a_burst():
    pacer = shape.Pacer(shape.Shape(rate=1000.0), shape.Total())
    pacer.sent = 1
    pacer.start -= 100.0
    due = [pacer._own(100), pacer._own(100)]
    assert due[0] <= time.monotonic() + 0.11
    assert pacer.start > time.monotonic() - 1
