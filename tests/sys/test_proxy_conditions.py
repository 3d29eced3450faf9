# SPDX-License-Identifier: Apache-2.0
"""The test proxy refuses what S3 would refuse, whatever the server does."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

WRONG = '"0123456789abcdef0123456789abcdef"'


def put(s3, bucket, key, body=b"old"):
    return s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"]


def body(s3, bucket, key):
    """Return an object's bytes, None if it is not there."""
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None


def writer(s3, bucket, kind):
    """Return f(key, **conditions) that writes b"new" by one operation."""
    s3.put_object(Bucket=bucket, Key="source", Body=b"new")

    def complete(key, **conditions):
        ids = {"Bucket": bucket, "Key": key}
        ids["UploadId"] = s3.create_multipart_upload(**ids)["UploadId"]
        etag = s3.upload_part(PartNumber=1, Body=b"new", **ids)["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        s3.complete_multipart_upload(MultipartUpload=parts, **ids,
                                     **conditions)

    return {
        "PutObject": lambda key, **c: s3.put_object(
            Bucket=bucket, Key=key, Body=b"new", **c),
        "CopyObject": lambda key, **c: s3.copy_object(
            Bucket=bucket, Key=key, CopySource=f"{bucket}/source", **c),
        "CompleteMultipartUpload": complete}[kind]


def refusal(call, *args, **kwargs):
    """Return (status, code) of the error that the call meets."""
    with pytest.raises(ClientError) as e:
        call(*args, **kwargs)
    return (e.value.response["ResponseMetadata"]["HTTPStatusCode"],
            e.value.response["Error"]["Code"])


KINDS = ["PutObject", "CopyObject", "CompleteMultipartUpload"]
FAILED = (412, "PreconditionFailed")
ABSENT = (404, "NoSuchKey")


@pytest.mark.parametrize("kind", KINDS)
def test_writes(proxy, proxy_s3, bucket, kind):
    write = writer(proxy_s3, bucket, kind)
    assert refusal(write, "a", IfMatch=WRONG) == ABSENT
    assert body(proxy_s3, bucket, "a") is None
    write("a", IfNoneMatch="*")
    assert body(proxy_s3, bucket, "a") == b"new"
    etag = put(proxy_s3, bucket, "a")
    assert refusal(write, "a", IfNoneMatch="*") == FAILED
    assert refusal(write, "a", IfMatch=WRONG) == FAILED
    assert body(proxy_s3, bucket, "a") == b"old"
    refused = [e for e in proxy.log(op=kind) if e["condition"]]
    assert [e["condition"] for e in refused] == ["if-match", "if-none-match",
                                                 "if-match"]
    write("a", IfMatch=etag)
    assert body(proxy_s3, bucket, "a") == b"new"


def test_the_key_of_a_condition_is_exact(proxy_s3, bucket):
    key = "d/a b+%41\u00e9'"
    etag = put(proxy_s3, bucket, key)
    put(proxy_s3, bucket, "d/a b A\u00e9'", b"other")
    assert refusal(proxy_s3.put_object, Bucket=bucket, Key=key, Body=b"x",
                   IfMatch=WRONG) == FAILED
    proxy_s3.put_object(Bucket=bucket, Key=key, Body=b"x", IfMatch=etag)
    assert body(proxy_s3, bucket, key) == b"x"


@pytest.mark.parametrize("kind", ["CopyObject", "UploadPartCopy"])
def test_copy_sources(proxy_s3, bucket, kind):
    key = "so urce+\u00e9"
    etag = put(proxy_s3, bucket, key)
    ids = {"Bucket": bucket, "Key": "dest"}
    call = proxy_s3.copy_object
    if kind == "UploadPartCopy":
        ids["UploadId"] = proxy_s3.create_multipart_upload(**ids)["UploadId"]
        ids["PartNumber"] = 1
        call = proxy_s3.upload_part_copy
    ids["CopySource"] = {"Bucket": bucket, "Key": key}
    assert refusal(call, CopySourceIfMatch=WRONG, **ids) == FAILED
    assert refusal(call, CopySourceIfNoneMatch=etag, **ids) == FAILED
    assert body(proxy_s3, bucket, "dest") is None
    call(CopySourceIfMatch=etag, **ids)
    missing = {**ids, "CopySource": f"{bucket}/missing"}
    assert refusal(call, CopySourceIfMatch=etag, **missing) == ABSENT


def test_copy_checks_both_ends(proxy_s3, bucket):
    source, dest = put(proxy_s3, bucket, "s", b"new"), put(proxy_s3, bucket,
                                                           "d")
    copy = {"Bucket": bucket, "Key": "d", "CopySource": f"{bucket}/s"}
    assert refusal(proxy_s3.copy_object, CopySourceIfMatch=source,
                   IfMatch=WRONG, **copy) == FAILED
    assert refusal(proxy_s3.copy_object, CopySourceIfMatch=WRONG,
                   IfMatch=dest, **copy) == FAILED
    proxy_s3.copy_object(CopySourceIfMatch=source, IfMatch=dest, **copy)
    assert body(proxy_s3, bucket, "d") == b"new"


def test_delete(proxy_s3, bucket):
    etag = put(proxy_s3, bucket, "a")
    ids = {"Bucket": bucket, "Key": "a"}
    assert refusal(proxy_s3.delete_object, IfMatch=WRONG, **ids) == FAILED
    assert body(proxy_s3, bucket, "a") == b"old"
    proxy_s3.delete_object(IfMatch=etag, **ids)
    assert body(proxy_s3, bucket, "a") is None
    assert refusal(proxy_s3.delete_object, IfMatch=etag, **ids) == ABSENT
    assert refusal(proxy_s3.delete_object, IfMatch="*", **ids) == ABSENT
    put(proxy_s3, bucket, "a")
    proxy_s3.delete_object(IfMatch="*", **ids)
    assert body(proxy_s3, bucket, "a") is None


@pytest.mark.parametrize("quiet", [False, True])
def test_delete_objects(proxy_s3, bucket, quiet):
    right = {k: put(proxy_s3, bucket, k) for k in ("a", "b&<", "c d")}
    put(proxy_s3, bucket, "star")
    objects = [{"Key": "a", "ETag": right["a"]}, {"Key": "star", "ETag": "*"},
               {"Key": "b&<", "ETag": WRONG}, {"Key": "c d"},
               {"Key": "gone", "ETag": WRONG}]
    got = proxy_s3.delete_objects(Bucket=bucket, Delete={
        "Objects": objects, "Quiet": quiet})
    failed = {e["Key"]: e["Code"] for e in got["Errors"]}
    assert failed == {"b&<": "PreconditionFailed", "gone": "NoSuchKey"}
    if not quiet:
        assert {d["Key"] for d in got["Deleted"]} == {"a", "c d",
                                                         "star"}
    left = [o["Key"] for o in
            proxy_s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == ["b&<"]


@pytest.mark.parametrize("etags, left", [("right", 0), ("wrong", 3),
                                         ("star", 0)])
def test_delete_objects_all_or_none(proxy, proxy_s3, bucket, etags, left):
    tags = {k: put(proxy_s3, bucket, k) for k in "abc"}
    got = proxy_s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": k, "ETag": {"right": tags[k], "wrong": WRONG,
                            "star": "*"}[etags]} for k in "abc"]})
    assert len(got.get("Errors", [])) == left
    assert len(got.get("Deleted", [])) == 3 - left
    assert proxy_s3.list_objects_v2(Bucket=bucket)["KeyCount"] == left
    assert proxy.count("DeleteObjects") == 1 and proxy.count("HeadObject") == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("condition", ["IfNoneMatch", "IfMatch"])
def test_of_eight_at_once_exactly_one_wins(proxy, proxy_s3, bucket, kind,
                                           condition):
    value = "*"
    if condition == "IfMatch":
        value = put(proxy_s3, bucket, "k")
    write = writer(proxy_s3, bucket, kind)
    if kind == "PutObject":         # a body of its own for each
        def write(key, number=0, **c):
            proxy_s3.put_object(Bucket=bucket, Key=key,
                                Body=b"%d" % number * 100_000, **c)

    def attempt(number):
        extra = {"number": number} if kind == "PutObject" else {}
        try:
            write("k", **{condition: value}, **extra)
            return number
        except ClientError as e:
            assert e.response["Error"]["Code"] == "PreconditionFailed"
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [n for n in pool.map(attempt, range(8)) if n is not None]
    # An IfMatch that copies the same bytes gives the same ETag: put() wrote
    # other bytes, so the first winner changes it.
    assert len(won) == 1
    if kind == "PutObject":
        assert body(proxy_s3, bucket, "k") == b"%d" % won[0] * 100_000
    assert proxy.log(op="HeadObject") == []


def test_a_refused_put_leaves_the_connection_usable(proxy, proxy_s3, bucket):
    put(proxy_s3, bucket, "k")
    for _ in range(5):
        assert refusal(proxy_s3.put_object, Bucket=bucket, Key="k",
                       Body=bytes(300_000), IfNoneMatch="*") == FAILED
        assert body(proxy_s3, bucket, "k") == b"old"
    assert proxy.stats()["in_flight"] == 0


def test_a_stuck_writer_that_dies_frees_its_key(proxy, proxy_s3, bucket):
    put(proxy_s3, bucket, "k")
    proxy.fault("hang", op="PutObject", times=1, acted=True)
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(proxy_s3.put_object, Bucket=bucket, Key="k",
                            Body=b"stuck")
        while not proxy.log(op="PutObject")[1:]:
            time.sleep(0.01)
        proxy_s3.put_object(Bucket=bucket, Key="k", Body=b"next")
        proxy.drop()
        with pytest.raises(Exception):
            stuck.result(5)
    assert body(proxy_s3, bucket, "k") == b"next"


@pytest.mark.servers("moto")
def test_switched_off_the_server_decides(proxy, proxy_s3, bucket):
    """moto ignores it: so it is the proxy that refuses elsewhere here."""
    put(proxy_s3, bucket, "d")
    put(proxy_s3, bucket, "s", b"new")
    proxy.conditions(False)
    proxy_s3.copy_object(Bucket=bucket, Key="d", CopySource=f"{bucket}/s",
                         IfNoneMatch="*")
    assert body(proxy_s3, bucket, "d") == b"new"
