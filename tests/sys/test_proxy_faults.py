# SPDX-License-Identifier: Apache-2.0
"""Every fault of the test proxy, as a client meets it."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import (BotoCoreError, ClientError,
                                 ConnectionClosedError)
from lib import raw, stored
from tests.proxy import bodyfaults, faults, rules

DATA = bytes(i * 7 % 251 for i in range(200_000))
MID = len(DATA) // 2
LOST = (ConnectionClosedError, BotoCoreError)


@pytest.fixture
def key(proxy, proxy_s3, bucket):
    """An object with DATA."""
    proxy_s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    proxy.reset()
    return "k"


def error_of(call, **args):
    """Return (status, code, headers) of the error that ${call} meets."""
    with pytest.raises(ClientError) as e:
        call(**args)
    meta = e.value.response["ResponseMetadata"]
    return (meta["HTTPStatusCode"], e.value.response["Error"]["Code"],
            meta["HTTPHeaders"])


@pytest.mark.parametrize("action, args, status, code", [
    ("slow_down", {}, 503, "SlowDown"),
    ("internal_error", {}, 500, "InternalError"),
    ("expired_token", {}, 400, "ExpiredToken"),
    ("time_skewed", {}, 403, "RequestTimeTooSkewed"),
    ("status", {"status": 409, "code": "OperationAborted"}, 409,
     "OperationAborted"),
])
def test_error_answers(proxy, proxy_s3, bucket, key, action, args, status,
                       code):
    proxy.fault(action, op="GetObject", times=1, **args)
    get = {"Bucket": bucket, "Key": key}
    assert error_of(proxy_s3.get_object, **get)[:2] == (status, code)
    assert proxy_s3.get_object(**get)["Body"].read() == DATA
    first, second = proxy.log()
    assert (first["fault"], first["status"]) == (action, status)
    assert (second["fault"], second["conn"]) == ("", first["conn"])


def test_error_answers_to_a_put_keep_the_object(proxy, proxy_s3, s3, bucket,
                                                key):
    proxy.fault("slow_down", op="PutObject", retry_after=7)
    status, _, headers = error_of(proxy_s3.put_object, Bucket=bucket,
                                  Key=key, Body=b"new" * 99999)
    assert (status, headers["retry-after"]) == (503, "7")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == DATA


def test_an_error_to_a_head_has_no_body(proxy, proxy_s3, bucket, key):
    proxy.fault("slow_down", op="HeadObject", times=1)
    status, _, _ = error_of(proxy_s3.head_object, Bucket=bucket, Key=key)
    assert status == 503
    proxy_s3.head_object(Bucket=bucket, Key=key)
    assert len({e["conn"] for e in proxy.log()}) == 1


def test_skewed_time_tells_the_servers_time(proxy, raw_get, bucket, key):
    proxy.fault("time_skewed", skew_s=3600)
    reply = raw_get(bucket, key)
    stamp = time.strftime("%Y-%m-%dT%H:", time.gmtime(time.time() + 3600))
    assert f"<ServerTime>{stamp}".encode() in reply.body
    assert "MaxAllowedSkewMilliseconds" in reply.body.decode()


def test_reset_before_the_server_acts(proxy, proxy_s3, s3, bucket, key):
    proxy.fault("reset", op="PutObject", times=1)
    with pytest.raises(LOST):
        proxy_s3.put_object(Bucket=bucket, Key=key, Body=b"new")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == DATA


def test_reset_after_the_server_acted(proxy, proxy_s3, s3, bucket, key):
    proxy.fault("lost_reply", op="PutObject", times=1)
    with pytest.raises(LOST):
        proxy_s3.put_object(Bucket=bucket, Key=key, Body=b"new")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"new"
    entry = proxy.log(op="PutObject")[0]
    assert (entry["status"], entry["end"]) == (0, "cut")


def test_resets_are_resets(proxy, raw_get, bucket, key):
    proxy.fault("reset")
    assert raw_get(bucket, key).error == "reset"


@pytest.mark.parametrize("at, sent", [(1000, 1000), (-1, len(DATA) - 1),
                                      (0, 0), (0.5, MID), (10**9,
                                                           len(DATA) - 1)])
def test_truncated_body(proxy, raw_get, bucket, key, at, sent):
    proxy.fault("truncate", op="GetObject", at=at)
    reply = raw_get(bucket, key)
    assert reply.status == 200
    assert int(reply.headers["content-length"]) == len(DATA)
    assert (reply.error, reply.body) == ("short", DATA[:sent])
    assert proxy.log()[0]["end"] == "cut"


def test_stalled_body(proxy, raw_get, bucket, key):
    proxy.fault("stall", op="GetObject", at=5000)
    reply = raw_get(bucket, key, timeout=2)
    assert (reply.status, reply.error) == (200, "timeout")
    assert reply.body == DATA[:5000]
    proxy.wait_idle()           # the client left, and the proxy saw it


@pytest.mark.parametrize("acted", [False, True])
def test_hang_before_the_headers(proxy, raw_get, server, bucket, key, acted):
    proxy.fault("hang", op="GetObject", times=1, acted=acted)
    reply = raw_get(bucket, key, timeout=0.3)
    assert (reply.status, reply.error) == (0, "timeout")
    proxy.wait_idle()
    assert raw_get(bucket, key).body == DATA


@pytest.mark.parametrize("first", [None, 1000])
def test_flipped_bit(proxy, raw_get, bucket, key, first):
    proxy.fault("flip", op="GetObject", at=77, bit=3)
    reply = raw_get(bucket, key, first)
    wrong = bytearray(DATA[first or 0:])
    wrong[77] ^= 8
    assert (reply.error, reply.body) == ("", bytes(wrong))


@pytest.mark.parametrize("at, size", [(0, 100), (70_000, 4096),
                                      (0.5, 65536), (-10, 5)])
def test_duplicated_chunk(proxy, raw_get, bucket, key, at, size):
    proxy.fault("duplicate", op="GetObject", at=at, size=size)
    n = bodyfaults.offset(at, len(DATA))
    want = DATA[:n + size] + DATA[n:]
    assert raw_get(bucket, key).body == want[:len(DATA)] != DATA


@pytest.mark.parametrize("first, last", [(0, 999), (1000, 1999),
                                         (100_000, None), (0, None),
                                         (199_000, 199_999)])
def test_wrong_range(proxy, raw_get, bucket, key, first, last):
    proxy.fault("wrong_range", op="GetObject")
    reply = raw_get(bucket, key, first, last)
    assert (reply.status, reply.error) == (206, "")
    said = reply.headers["content-range"]
    start, end = map(int, said[len("bytes "):].split("/")[0].split("-"))
    assert start != first
    assert reply.body == DATA[start:end + 1]


def test_wrong_range_that_lies(proxy, raw_get, bucket, key):
    proxy.fault("wrong_range", op="GetObject", lie=True)
    reply = raw_get(bucket, key, 1000, 1999)
    assert reply.headers["content-range"] == f"bytes 1000-1999/{len(DATA)}"
    assert reply.body == DATA[2000:3000]


def test_whole_object_in_place_of_a_range(proxy, raw_get, bucket, key):
    proxy.fault("whole_200", op="GetObject")
    reply = raw_get(bucket, key, 1000, 1999)
    assert reply.status == 200 and reply.body == DATA
    assert "content-range" not in reply.headers


def test_missing_content_range(proxy, raw_get, bucket, key):
    proxy.fault("no_content_range", op="GetObject")
    reply = raw_get(bucket, key, 1000, 1999)
    assert (reply.status, reply.body) == (206, DATA[1000:2000])
    assert "content-range" not in reply.headers


@pytest.mark.parametrize("acted", [False, True])
def test_copy_answers_200_with_an_error(proxy, proxy_s3, s3, bucket, key,
                                        acted):
    proxy.fault("error_200", op="CopyObject", times=1, acted=acted)
    copy = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/{key}"}
    # botocore turns such an answer into a 500, as it must.
    status, code, _ = error_of(proxy_s3.copy_object, **copy)
    assert (status, code) == (500, "InternalError")
    assert proxy.log(op="CopyObject")[0]["status"] == 200
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert ("copy" in [o["Key"] for o in listed]) == acted


@pytest.mark.parametrize("op", ["UploadPartCopy", "CompleteMultipartUpload"])
def test_multipart_answers_200_with_an_error(proxy, proxy_s3, bucket, key,
                                             op):
    proxy.fault("error_200", op=op, times=1)
    ids = {"Bucket": bucket, "Key": "m"}
    ids["UploadId"] = proxy_s3.create_multipart_upload(**ids)["UploadId"]
    copy = {"PartNumber": 1, "CopySource": f"{bucket}/{key}", **ids}
    if op == "UploadPartCopy":
        assert error_of(proxy_s3.upload_part_copy, **copy)[0] == 500
    etag = proxy_s3.upload_part_copy(**copy)["CopyPartResult"]["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    done = {"MultipartUpload": parts, **ids}
    if op == "CompleteMultipartUpload":
        assert error_of(proxy_s3.complete_multipart_upload, **done)[0] == 500
    proxy_s3.complete_multipart_upload(**done)
    assert proxy.fired() == 1


def test_truncated_list_document(proxy, proxy_s3, server, bucket, key):
    proxy.fault("cut_xml", op="ListObjectsV2", at=0.6)
    path, headers = raw.signed(server, proxy.endpoint, "GET", bucket, "",
                               query="list-type=2")
    conn = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    conn.request("GET", path, headers=headers)
    answer = conn.getresponse()
    body = answer.read()
    conn.close()
    assert answer.status == 200
    assert b"ListBucketResult" in body and b"</ListBucketResult>" not in body


@pytest.mark.parametrize("when", ["before", "after"])
def test_held_answers_wait_while_others_pass(proxy, proxy_s3, s3, bucket, key,
                                             when):
    proxy.fault("hold", op="PutObject", key="^held$", name="x", when=when)
    with ThreadPoolExecutor(1) as pool:
        put = pool.submit(proxy_s3.put_object, Bucket=bucket, Key="held",
                          Body=b"1")
        proxy.wait_held("x")
        listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
        there = "held" in [o["Key"] for o in listed]
        assert there == (when == "after")
        # Others pass, also those for the same key.
        proxy_s3.put_object(Bucket=bucket, Key="other", Body=b"2")
        proxy_s3.list_objects_v2(Bucket=bucket)
        assert not put.done() and proxy.held() == {"x": 1}
        assert proxy.release("x") == 1
        put.result(5)
    assert proxy.held() == {}


def test_a_body_of_the_tests_choice(proxy, proxy_s3, bucket, key):
    proxy.fault("body", op="ListObjectsV2", times=1, text=(
        "<ListBucketResult><Contents><Key>evil/../k</Key></Contents>"
        "</ListBucketResult>"))
    listed = proxy_s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [o["Key"] for o in listed] == ["evil/../k"]
    listed = proxy_s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [o["Key"] for o in listed] == [key]


def test_delay_and_header(proxy, proxy_s3, bucket, key):
    proxy.fault("delay", op="HeadObject", ms=150)
    start = time.monotonic()
    proxy_s3.head_object(Bucket=bucket, Key=key)
    assert time.monotonic() - start >= 0.15
    proxy.clear()
    proxy.fault("header", op="HeadObject", name="ETag", value='"other"')
    assert proxy_s3.head_object(Bucket=bucket, Key=key)["ETag"] == '"other"'


def test_rules_pick_by_op_key_query_and_number(proxy, proxy_s3, bucket, key):
    proxy_s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    rule = proxy.fault("slow_down", op="GetObject|HeadObject", key="^k$",
                       nth=2, times=2)
    seen = []
    for name in (key, "other", key, key, "other", key):
        try:
            proxy_s3.get_object(Bucket=bucket, Key=name)["Body"].read()
            seen.append("ok")
        except ClientError:
            seen.append("503")
    assert seen == ["ok", "ok", "503", "503", "ok", "ok"]
    assert proxy.fired(rule) == 2
    proxy.clear(rule)
    assert proxy.rules() == []
    proxy.fault("slow_down", query="delimiter=%2F")
    proxy_s3.list_objects_v2(Bucket=bucket)
    with pytest.raises(ClientError):
        proxy_s3.list_objects_v2(Bucket=bucket, Delimiter="/")


@pytest.mark.parametrize("seed", [1, 2])
def test_probability_is_repeatable_by_its_seed(seed):
    class Req:
        op, key, query_text = "GetObject", "k", ""

    def run():
        rule = rules.Rule(1, {"action": "reset", "probability": 0.1,
                              "seed": seed})
        return [rule.takes(Req) for _ in range(2000)]

    assert run() == run()
    assert 140 < sum(run()) < 260


def test_bad_rules_are_refused(proxy):
    for bad in ({"action": "explode"}, {"action": "truncate", "fast": 1},
                {"action": "reset", "op": "("}):
        with pytest.raises(ValueError):
            proxy.fault(**bad)
    assert proxy.rules() == []


def test_some_keys_of_a_batch_are_kept(proxy, proxy_s3, s3, bucket):
    for key in ("a", "b1", "b2"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    proxy.fault("keep", op="DeleteObjects", keys="^b")
    said = proxy_s3.delete_objects(Bucket=bucket, Delete={
        "Objects": [{"Key": key} for key in ("a", "b1", "b2")]})
    assert [one["Key"] for one in said["Deleted"]] == ["a"]
    assert ([(one["Key"], one["Code"]) for one in said["Errors"]]
            == [("b1", "AccessDenied"), ("b2", "AccessDenied")])
    assert stored.keys(s3, bucket) == {"b1": 1, "b2": 1}


def test_every_action_is_tested():
    text = open(__file__, encoding="utf-8").read()
    missing = [name for name in faults.REGISTRY if f'"{name}"' not in text]
    assert not missing
