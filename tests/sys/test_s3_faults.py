# SPDX-License-Identifier: Apache-2.0
"""The S3 client of pailfs when things go wrong: the faults of the proxy."""

import os
import time

import pytest
from botocore.exceptions import ClientError
from lib import env
from lib.client import (DATA, MIB, environ, good, listed,  # noqa: F401
                        new_tool, proxy_tool, put_parts, tool)


def test_a_busy_server_is_asked_again(proxy, proxy_tool, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    for action in ("slow_down", "internal_error", "reset"):
        proxy.clear()
        rule = proxy.fault(action, op="GetObject", times=2)
        answer = good(proxy_tool.call("GetObject", key="k"))
        assert answer["received"] == len(DATA)
        assert answer["attempts"] >= 2 and proxy.fired(rule) == 2


def test_retry_after_is_honoured(proxy, proxy_tool):
    proxy.fault("slow_down", op="HeadObject", times=1, retry_after=2)
    start = time.monotonic()
    assert proxy_tool.call("HeadObject", key="k")["err"] == "ENOENT"
    assert 1.9 < time.monotonic() - start < 6 * env.slow()


@pytest.mark.parametrize("at", [0, 0.3, -1])
def test_a_short_body_goes_on_where_it_ended(proxy, proxy_tool, s3, bucket,
                                             tmp_path, at):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    proxy.fault("truncate", op="GetObject", nth=1, at=at)
    out = tmp_path / "out"
    answer = good(proxy_tool.call("GetObject", key="k", out=str(out)))
    assert (answer["attempts"], answer["received"]) == (2, len(DATA))
    assert out.read_bytes() == DATA


def test_the_rest_of_another_version_is_refused(proxy, proxy_tool, s3,
                                                bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    proxy.fault("truncate", op="GetObject", nth=1, at=0.5)
    proxy.fault("hold", op="GetObject", nth=1, name="h", when="before")
    out = tmp_path / "out"
    number = proxy_tool.send("GetObject", key="k", out=str(out))
    proxy.wait_held("h")
    s3.put_object(Bucket=bucket, Key="k", Body=DATA[::-1])
    proxy.release("h")
    answer = proxy_tool.wait(number)
    assert answer["err"] == "ESTALE" and answer["status"] == 412
    half = out.read_bytes()
    assert half == DATA[:len(half)] and 0 < len(half) < len(DATA)


@pytest.mark.parametrize("action, args", [
    ("wrong_range", {}), ("no_content_range", {}), ("whole_200", {}),
    ("header", {"name": "Content-Range", "value": "bytes 100-199/50"}),
    ("header", {"name": "ETag", "value": '"another"'}),
])
def test_a_wrong_answer_never_reaches_the_sink(proxy, proxy_tool, s3, bucket,
                                               tmp_path, action, args):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    rule = proxy.fault(action, op="GetObject", times=1, **args)
    out = tmp_path / "out"
    answer = proxy_tool.call("GetObject", key="k", off=1000, len=5000,
                             if_match=etag, out=str(out))
    assert proxy.fired(rule) == 1
    if action == "header" and args["name"] == "ETag":
        assert (answer["err"], answer["received"]) == ("ESTALE", 0)
        assert out.stat().st_size == 0
    else:
        assert answer["attempts"] == 2 and good(answer)
        assert out.read_bytes()[1000:] == DATA[1000:6000]


@pytest.mark.servers("versitygw")   # moto keeps no CRC32C
def test_a_flipped_bit_is_found_by_the_checksum(proxy, new_tool, tmp_path):
    tool = new_tool(endpoint=proxy.endpoint, checksum=True)
    (tmp_path / "in").write_bytes(DATA)
    good(tool.call("PutObject", key="k", body_file=str(tmp_path / "in"),
                   crc=True))
    good(tool.call("GetObject", key="k"))
    proxy.fault("flip", op="GetObject", times=1)
    answer = tool.call("GetObject", key="k")
    assert answer["err"] == "EIO" and "checksum" in answer["message"]


def test_a_stalled_body_ends_in_time_and_goes_on(proxy, new_tool, s3, bucket,
                                                 tmp_path):
    tool = new_tool(endpoint=proxy.endpoint, timeout_s=2)
    s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    proxy.fault("stall", op="GetObject", at=0.5, nth=1)
    proxy.fault("stall", op="GetObject", at=0.0)
    start = time.monotonic()
    answer = tool.call("GetObject", key="k", out=str(tmp_path / "out"))
    assert answer["err"] == "ETIMEDOUT"
    assert 1.5 < time.monotonic() - start < 12 * env.slow()
    half = (tmp_path / "out").read_bytes()
    assert half == DATA[:len(half)]
    # As long as bytes come with each attempt, it goes on.
    proxy.clear()
    proxy.fault("stall", op="GetObject", at=0.5, times=2)
    answer = good(tool.call("GetObject", key="k", out=str(tmp_path / "all")))
    assert (tmp_path / "all").read_bytes() == DATA


def test_a_hung_server_times_out_and_cancel_is_at_once(proxy, new_tool):
    tool = new_tool(endpoint=proxy.endpoint, timeout_s=3)
    proxy.fault("hang")
    first = tool.send("HeadObject", key="a")
    second = tool.send("HeadObject", key="b")
    start = time.monotonic()
    time.sleep(0.3)
    tool.cancel(second)
    assert tool.wait(second)["err"] == "ECANCELED"
    assert time.monotonic() - start < 2 * env.slow()
    answer = tool.wait(first)
    assert answer["err"] == "ETIMEDOUT" and "no answer" in answer["message"]
    assert time.monotonic() - start < 12 * env.slow()
    assert tool.stats()["down_since_ms"] > 0
    proxy.clear()
    assert tool.call("HeadObject", key="a")["err"] == "ENOENT"
    assert tool.stats()["down_since_ms"] == 0


def test_an_interrupted_run_ends_at_once(proxy, proxy_tool):
    proxy.fault("hang")
    start = time.monotonic()
    answer = proxy_tool.call("HeadObject", key="a", run=True,
                             interrupt_ms=200)
    assert answer["err"] == "EINTR"
    assert time.monotonic() - start < 10 * env.slow()


def test_a_put_whose_answer_was_lost(proxy, proxy_tool, s3, bucket):
    proxy.fault("lost_reply", op="PutObject", nth=1)
    answer = good(proxy_tool.call("PutObject", key="plain", body="x"))
    assert answer["attempts"] == 2 and not answer["unsure"]
    proxy.clear()
    proxy.fault("lost_reply", op="PutObject", nth=1)
    answer = proxy_tool.call("PutObject", key="new", body="x",
                             if_none_match="*")
    assert (answer["err"], answer["unsure"]) == ("ESTALE", True)
    assert s3.get_object(Bucket=bucket, Key="new")["Body"].read() == b"x"
    proxy.clear()
    proxy.fault("hang", op="PutObject", acted=True)
    answer = proxy_tool.call("PutObject", key="hung", body="x")
    assert (answer["err"], answer["unsure"]) == ("ETIMEDOUT", True)
    proxy.clear()
    proxy.fault("reset", op="DeleteObject", times=1)
    answer = good(proxy_tool.call("DeleteObject", key="hung"))
    assert answer["attempts"] == 2


def test_an_error_after_status_200(proxy, proxy_tool, s3, bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="a", Body=DATA)
    proxy.fault("error_200", op="CopyObject", times=1)
    answer = good(proxy_tool.call("CopyObject", key="b", source_key="a"))
    assert answer["attempts"] == 2
    proxy.clear()
    proxy.fault("error_200", op="PutObject", times=1)
    assert good(proxy_tool.call("PutObject", key="c",
                                body="x"))["attempts"] == 2
    proxy.clear()
    upload, parts, whole = put_parts(proxy_tool, "m", tmp_path, [MIB])
    proxy.fault("error_200", op="CompleteMultipartUpload", times=1,
                code="InternalError")
    good(proxy_tool.call("CompleteMultipartUpload", key="m",
                         upload_id=upload, parts=parts))
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == whole


@pytest.mark.parametrize("action, args", [
    ("cut_xml", {"at": 0.5}), ("body", {"text": "<html>hello</html>"}),
    ("body", {"text": ""}), ("body", {"text": "\x00" * 1000}),
])
def test_a_listing_that_is_none(proxy, proxy_tool, s3, bucket, action, args):
    s3.put_object(Bucket=bucket, Key="a", Body=DATA)
    proxy.fault(action, op="ListObjectsV2", times=1, **args)
    answer = good(proxy_tool.call("ListObjectsV2"))
    assert answer["attempts"] == 2 and listed(answer) == ["a"]


def test_a_clock_that_is_off_is_corrected(proxy, proxy_tool, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=DATA)
    proxy.fault("time_skewed", op="GetObject", times=1, skew_s=7200)
    number = proxy_tool.send("GetObject", key="a")
    answer = proxy_tool.wait(number)
    # The real server's clock is right, so the corrected one is refused; the
    # second correction is another call's.
    assert answer["attempts"] == 2
    good(proxy_tool.call("GetObject", key="a"))


def test_a_sink_or_source_that_fails_ends_the_call(new_tool, s3, bucket,
                                                   tmp_path):
    tool = new_tool(checksum=True)
    s3.put_object(Bucket=bucket, Key="a", Body=DATA)
    answer = tool.call("GetObject", key="a", fail_at=100_000)
    assert answer["err"] == "ENOSPC" and answer["attempts"] == 1
    path = tmp_path / "in"
    path.write_bytes(DATA)
    answer = tool.call("PutObject", key="b", body_file=str(path),
                       source=True, fail_at=50_000, crc=True)
    assert answer["err"] == "EIO" and answer["attempts"] == 1
    # Without a checksum versitygw keeps what came: it may have had effect.
    assert answer["unsure"]
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key="b")
    good(tool.call("GetObject", key="a"))


def test_faults_at_ten_percent(proxy, new_tool, s3, bucket, tmp_path):
    tool = new_tool(endpoint=proxy.endpoint, timeout_s=15)
    body = os.urandom(4 * MIB)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    for n, action in enumerate(["slow_down", "internal_error", "reset",
                                "lost_reply", "truncate", "wrong_range",
                                "no_content_range"]):
        proxy.fault(action, op="GetObject", probability=0.1, seed=n)
    out = tmp_path / "out"
    step = 64 * 1024
    ids = [tool.send("GetObject", key="k", off=off, len=step, out=str(out))
           for off in range(0, len(body), step)]
    for number in ids:
        good(tool.wait(number))
    assert out.read_bytes() == body
    assert proxy.fired() > 10


def test_connections_are_kept_and_bounded(proxy, new_tool, s3, bucket):
    tool = new_tool(endpoint=proxy.endpoint, connections=3)
    s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    proxy.reset()
    ids = [tool.send("GetObject", key="k", len=100) for _ in range(60)]
    for number in ids:
        good(tool.wait(number))
    assert proxy.stats()["peak"] <= 3
    assert len({e["conn"] for e in proxy.log()}) <= 4


def test_foreground_goes_first(proxy, new_tool, s3, bucket):
    tool = new_tool(endpoint=proxy.endpoint, connections=1)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    proxy.reset()
    proxy.fault("hold", op="HeadObject", nth=1, name="h")
    first = tool.send("HeadObject", key="first")
    proxy.wait_held("h")
    ids = [tool.send("GetObject", key="k", background=True)
           for _ in range(5)]
    ids.append(tool.send("HeadObject", key="last"))
    time.sleep(0.2)
    proxy.release("h")
    for number in [first, *ids]:
        tool.wait(number)
    assert [e["op"] for e in proxy.log()][:2] == ["HeadObject"] * 2
