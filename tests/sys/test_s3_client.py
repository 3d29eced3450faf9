# SPDX-License-Identifier: Apache-2.0
"""The S3 client of pailfs against real servers, with boto3 as the witness."""

import hashlib
import os
import time

import pytest
from botocore.exceptions import ClientError
from lib.client import (DATA, MIB, environ, good, listed,  # noqa: F401
                        new_tool, proxy_tool, put_parts, tool)
from lib.tool import Tool

ODD_KEYS = ["plain", "with space", "plus+plus", "per%41cent", "quote'\"",
            "tilde~(x)!*", "a&b<c>d", "ünï-NFC", "u\u0308-NFD", "日本語/深い",
            "deep/er/and/deeper", "😀", "semi;colon,=?#", "back\\slash",
            "-dash", "x\x7fy"]


def test_open_tells_the_region_and_asks_once(proxy, new_tool):
    tool = new_tool(endpoint=proxy.endpoint)
    assert tool.opened["region"] == "us-east-1"
    assert proxy.counts() == {"HeadBucket": 1}


def test_objects_of_boto3_are_read(tool, s3, bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="a/b", Body=DATA, ContentType="x/y",
                  Metadata={"mode": "33188", "mtime": "1.5"})
    want = s3.head_object(Bucket=bucket, Key="a/b")
    out = tmp_path / "out"
    for answer in (tool.call("HeadObject", key="a/b"),
                   tool.call("GetObject", key="a/b", out=str(out))):
        found = good(answer)["object"]
        assert found["size"] == len(DATA)
        assert found["etag"] == want["ETag"]
        assert found["content_type"] == "x/y"
        assert found["meta"] == {"mode": "33188", "mtime": "1.5"}
        assert found["modified_ns"] == want[
            "LastModified"].timestamp() * 10**9
    assert out.read_bytes() == DATA


def test_objects_of_the_client_are_read_by_boto3(new_tool, s3, bucket,
                                                 tmp_path):
    path = tmp_path / "in"
    path.write_bytes(DATA)
    for n, config in enumerate([{}, {"checksum": True},
                                {"sign_payload": True}]):
        tool = new_tool(**config)
        for source in (False, True):
            key = f"k{n}{source}"
            etag = good(tool.call(
                "PutObject", key=key, body_file=str(path), source=source,
                crc=True, content_type="x/z",
                meta={"a": "1", "b-c": "two  words"}))["object"]["etag"]
            got = s3.get_object(Bucket=bucket, Key=key)
            assert got["Body"].read() == DATA
            assert got["ETag"] == etag
            assert got["ContentType"] == "x/z"
            assert got["Metadata"]["a"] == "1"


def test_an_empty_object(new_tool, s3, bucket):
    tool = new_tool(checksum=True)
    good(tool.call("PutObject", key="empty", body="", crc=True))
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""
    answer = good(tool.call("GetObject", key="empty"))
    assert (answer["object"]["size"], answer["received"]) == (0, 0)
    assert tool.call("GetObject", key="empty", len=1)["err"] == "ERANGE"


def test_odd_keys(tool, s3, bucket, server):
    keys = [k for k in ODD_KEYS if server.name != "moto" or "\n" not in k]
    for key in keys:
        good(tool.call("PutObject", key=key, body=key))
    for key in keys:
        got = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert got == key.encode(), key
        assert good(tool.call("HeadObject", key=key))["object"]["size"]
    want = sorted(keys, key=str.encode)
    assert listed(good(tool.call("ListObjectsV2"))) == want
    good(tool.call("CopyObject", key="copy", source_key=keys[3]))
    for key in keys[:4]:
        good(tool.call("DeleteObject", key=key))
    answer = good(tool.call("DeleteObjects",
                            deletes=[{"key": k} for k in keys[4:]]))
    assert set(answer["deletes"]) == {""}
    assert listed(tool.call("ListObjectsV2")) == ["copy"]


@pytest.mark.servers("moto")
def test_keys_that_are_no_paths(tool, s3, bucket):
    keys = ["/lead", "a//b", "a/../b", "./c", "dir/", "a", "a/x", "x\x01y",
            "e" * 1024]
    for key in keys:
        good(tool.call("PutObject", key=key, body=key))
        assert s3.get_object(Bucket=bucket,
                             Key=key)["Body"].read() == key.encode()
    assert listed(tool.call("ListObjectsV2")) == sorted(keys)
    assert tool.call("HeadObject", key="e" * 1025)["err"] == "EINVAL"
    assert tool.call("HeadObject", key="")["err"] == "EINVAL"
    before = tool.stats()["requests"]
    answer = good(tool.call("DeleteObjects",
                            deletes=[{"key": k} for k in keys]))
    assert answer["deletes"] == [""] * len(keys)
    after = tool.stats()["requests"]
    assert after["DeleteObjects"] - before["DeleteObjects"] == 1
    assert after["DeleteObject"] - before["DeleteObject"] == 1
    assert listed(tool.call("ListObjectsV2")) == []


def test_listing_in_pages_and_folded(tool, s3, bucket):
    keys = [f"d{i % 3}/f{i:03}" for i in range(25)] + ["top"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"12345")
    found, token = [], None
    while True:
        answer = good(tool.call("ListObjectsV2", max_keys=7, token=token))
        assert len(answer["entries"]) <= 7
        found += listed(answer)
        token = answer["next_token"]
        if token is None:
            break
    assert found == sorted(keys)
    answer = tool.call("ListObjectsV2", delimiter=True)
    assert [(e["key"], e["is_prefix"], e["size"])
            for e in answer["entries"]] == [
                ("d0/", True, 0), ("d1/", True, 0), ("d2/", True, 0),
                ("top", False, 5)] or sorted(
                    listed(answer)) == ["d0/", "d1/", "d2/", "top"]
    answer = tool.call("ListObjectsV2", prefix="d1/", start_after="d1/f010")
    assert listed(answer) == [k for k in sorted(keys)
                              if k.startswith("d1/") and k > "d1/f010"]


def test_parallel_ranges_give_the_object(tool, s3, bucket, tmp_path):
    body = os.urandom(9 * MIB + 12345)
    s3.put_object(Bucket=bucket, Key="big", Body=body)
    etag = s3.head_object(Bucket=bucket, Key="big")["ETag"]
    out = tmp_path / "out"
    step = 700_001
    ids = [tool.send("GetObject", key="big", off=off, len=step,
                     out=str(out), if_match=etag, background=off % 2 == 1)
           for off in range(0, len(body), step)]
    answers = [good(tool.wait(i)) for i in ids]
    assert sum(a["received"] for a in answers) == len(body)
    assert {a["object"]["size"] for a in answers} == {len(body)}
    assert out.read_bytes() == body


def test_ranges_at_the_borders(tool, s3, bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    out = tmp_path / "out"
    for off, length in [(0, 1), (len(DATA) - 1, 1), (len(DATA) - 1, 500),
                        (7, 0), (0, len(DATA)), (0, 10 * len(DATA))]:
        out.unlink(missing_ok=True)
        answer = good(tool.call("GetObject", key="k", off=off, len=length,
                                out=str(out)))
        want = DATA[off:off + length] if length else DATA[off:]
        assert answer["received"] == len(want)
        assert out.read_bytes()[off:] == want
    answer = tool.call("GetObject", key="k", off=len(DATA), len=1)
    assert (answer["err"], answer["status"]) == ("ERANGE", 416)


def test_conditions(proxy_tool, s3, bucket):
    tool = proxy_tool
    etag = good(tool.call("PutObject", key="k", body="1",
                          if_none_match="*"))["object"]["etag"]
    other = '"00000000000000000000000000000000"'
    for op, fields in [
            ("PutObject", {"body": "2", "if_none_match": "*"}),
            ("PutObject", {"body": "2", "if_match": other}),
            ("GetObject", {"if_match": other}),
            ("HeadObject", {"if_match": other}),
            ("CopyObject", {"source_key": "k", "if_none_match": "*"}),
            ("CopyObject", {"source_key": "k", "source_if_match": other}),
            ("DeleteObject", {"if_match": other})]:
        answer = tool.call(op, key="k", **fields)
        assert (answer["err"], answer["status"]) == ("ESTALE", 412), op
        assert not answer["unsure"] and answer["attempts"] == 1
    answer = tool.call("HeadObject", key="k", if_none_match=etag)
    assert (answer["err"], answer["status"]) == ("EAGAIN", 304)
    answer = tool.call("DeleteObjects", deletes=[
        {"key": "k", "if_match": other}, {"key": "nothing"}])
    assert answer["deletes"] == ["ESTALE", ""]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    good(tool.call("PutObject", key="k", body="3", if_match=etag))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"3"


def test_copy_keeps_or_replaces_metadata(tool, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=DATA, ContentType="x/y",
                  Metadata={"m": "1"})
    etag = s3.head_object(Bucket=bucket, Key="a")["ETag"]
    answer = good(tool.call("CopyObject", key="b c", source_key="a",
                            source_if_match=etag))
    assert answer["object"]["etag"] == etag
    good(tool.call("CopyObject", key="d", source_key="b c",
                   replace_meta=True, meta={"n": "2"}, content_type="q/r"))
    b, d = (s3.head_object(Bucket=bucket, Key=k) for k in ("b c", "d"))
    assert (b["Metadata"], b["ContentType"]) == ({"m": "1"}, "x/y")
    assert (d["Metadata"], d["ContentType"]) == ({"n": "2"}, "q/r")


@pytest.mark.parametrize("checksum", [False, True])
def test_multipart(new_tool, server, s3, bucket, tmp_path, checksum):
    tool = new_tool(checksum=checksum)
    upload, parts, whole = put_parts(tool, "m", tmp_path,
                                     [5 * MIB, 5 * MIB, 77],
                                     meta={"k": "v"}, content_type="a/b")
    good(tool.call("UploadPart", key="m", upload_id=upload, part_number=9,
                   body="not used", crc=True))
    uploads = good(tool.call("ListMultipartUploads"))["uploads"]
    assert [(u["key"], u["upload_id"]) for u in uploads] == [("m", upload)]
    answer = good(tool.call("CompleteMultipartUpload", key="m",
                            upload_id=upload, parts=parts,
                            if_none_match="*", complete_size=len(whole)))
    got = s3.get_object(Bucket=bucket, Key="m")
    assert got["Body"].read() == whole
    assert got["ETag"] == answer["object"]["etag"]
    assert (got["Metadata"], got["ContentType"]) == ({"k": "v"}, "a/b")
    if not (checksum and server.name == "moto"):
        # moto says FULL_OBJECT of what is a composite checksum.
        out = tmp_path / "out"
        good(tool.call("GetObject", key="m", out=str(out)))
        assert out.read_bytes() == whole
    assert tool.call("ListMultipartUploads")["uploads"] == []


def test_list_parts(tool, tmp_path):
    upload, parts, _ = put_parts(tool, "m", tmp_path, [5 * MIB, 9])
    answer = good(tool.call("ListParts", key="m", upload_id=upload))
    assert [(p["number"], p["size"], p["etag"]) for p in answer["parts"]] == [
        (p["number"], p["size"], p["etag"]) for p in parts]
    good(tool.call("AbortMultipartUpload", key="m", upload_id=upload))
    answer = tool.call("ListParts", key="m", upload_id=upload)
    assert (answer["err"], answer["code"]) == ("ENOENT", "NoSuchUpload")


def test_parts_are_copied_from_an_object(new_tool, s3, bucket, tmp_path):
    tool = new_tool(checksum=True)
    old = os.urandom(12 * MIB)
    s3.put_object(Bucket=bucket, Key="k", Body=old)
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    upload = good(tool.call("CreateMultipartUpload", key="k"))["upload_id"]
    parts = []
    for number, off, length in [(1, 0, 5 * MIB), (3, 6 * MIB, 6 * MIB)]:
        answer = good(tool.call(
            "UploadPartCopy", key="k", upload_id=upload, part_number=number,
            source_key="k", source_if_match=etag, off=off, len=length))
        assert answer["parts"][0]["size"] == length
        parts += answer["parts"]
    window = os.urandom(MIB + 5 * MIB)
    (tmp_path / "w").write_bytes(window)
    parts.insert(1, good(tool.call(
        "UploadPart", key="k", upload_id=upload, part_number=2, crc=True,
        body_file=str(tmp_path / "w")))["parts"][0])
    good(tool.call("CompleteMultipartUpload", key="k", upload_id=upload,
                   parts=parts))
    got = s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    assert hashlib.md5(got).digest() == hashlib.md5(
        old[:5 * MIB] + window + old[6 * MIB:]).digest()


def test_a_body_that_does_not_match_its_checksum_is_refused(new_tool, server,
                                                            s3, bucket):
    if server.name == "moto":
        pytest.skip("moto takes any checksum")
    tool = new_tool(checksum=True)
    answer = tool.call("PutObject", key="k", body="abc", crc32c=12345)
    assert answer["err"] == "EIO"
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key="k")


def test_open_says_what_is_wrong(environ, server, bucket):
    cases = [
        ({"bucket": bucket + "-none"}, {}, "ENOENT", "no such bucket"),
        ({}, {"AWS_SECRET_ACCESS_KEY": "wrong"}, "EACCES", "secret"),
        ({}, {"AWS_ACCESS_KEY_ID": "AKIDUNKNOWN"}, "EACCES", "access key"),
        ({}, {"AWS_ACCESS_KEY_ID": ""}, "EACCES", "AWS_ACCESS_KEY_ID"),
        ({"no_sign": True}, {}, "EACCES", "denied"),
        ({"endpoint": "http://127.0.0.1:1"}, {}, "EHOSTUNREACH", "refuses"),
        ({"endpoint": "http://no.such.host.invalid"}, {}, "EHOSTUNREACH",
         "cannot find"),
        ({"endpoint": "us-east-1?"}, {}, "EINVAL", "URL"),
        ({"bucket": "a/b"}, {}, "EINVAL", "bucket"),
        ({"region": "no region"}, {}, "EINVAL", "region"),
        ({"connections": 0}, {}, "EINVAL", "connections"),
    ]
    for config, extra, err, said in cases:
        if "no_sign" in config and server.name == "moto":
            continue    # moto fails with 500
        config = {"bucket": bucket, "endpoint": server.endpoint, **config}
        start = time.monotonic()
        with Tool({**environ, **extra}, **config) as tool:
            opened = tool.opened
        assert opened["err"] == err, (config, extra, opened)
        assert said in opened["message"], (config, extra, opened)
        assert "wrong" not in opened["message"].split()
        assert time.monotonic() - start < 10


def test_a_wrong_region_is_corrected(environ, server, bucket, proxy):
    rule = proxy.fault(
        "status", op="HeadBucket|ListObjectsV2", times=1, status=400,
        code="AuthorizationHeaderMalformed",
        headers={"x-amz-bucket-region": "us-east-1"})
    with Tool(environ, bucket=bucket, endpoint=proxy.endpoint,
              region="eu-west-3") as tool:
        assert tool.opened["err"] == "", tool.opened
        assert tool.opened["region"] == "us-east-1"
        good(tool.call("PutObject", key="k", body="x"))
    assert proxy.fired(rule) == 1
