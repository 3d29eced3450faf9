# SPDX-License-Identifier: Apache-2.0
"""The signer against botocore's: tests/unit/s3_sign_tool.c.

Thousands of random requests, with the seed in the name of the test: methods,
keys, queries, headers, tokens and times of all kinds.  Hosts, encoded paths
and queries are compared, too, as they are part of what is signed.
"""

import datetime
import os
import random
import subprocess
import urllib.parse
from pathlib import Path
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from lib import env

PROGRAM = "s3_sign_tool"
REQUESTS = 1500
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ODD = "/ +%&=?#~!*'();:@,[]{}|\\^`\"<>.-_$äß€😀\u0301\x7f\x01\n\t"
PLAIN = "abcXYZ019"
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
REGIONS = ("us-east-1", "eu-central-1", "auto", "cn-north-1")
PARAMS = ("prefix", "delimiter", "list-type", "uploads", "uploadId",
          "partNumber", "versionId", "start-after", "max-keys", "a", "A",
          "a-b", "a.b", "ab", "x y")
HEADERS = ("Range", "If-Match", "content-type", "X-Amz-Copy-Source",
           "x-amz-storage-class", "Content-MD5", "X-AMZ-acl")
ENDPOINTS = ("http://127.0.0.1:9000", "https://[::1]:8443",
             "https://s3.eu-west-1.amazonaws.com", "http://s3.example.org:80",
             "https://s3.example.org:443", "http://h:8080/pre/fix")
BUCKETS = ("pail", "pail-2", "my.pail", "My_Pail")


class Signer(botocore.auth.S3SigV4Auth):
    """Botocore's signer with a payload hash of our choice."""

    def __init__(self, request):
        keys = Credentials(request["access"], request["secret"],
                           request.get("token"))
        super().__init__(keys, "s3", request["region"])
        self.hash = request.get("payload", EMPTY)

    def payload(self, request):
        return self.hash


def text(rnd, least, most):
    letters = ODD if rnd.random() < 0.5 else PLAIN
    return "".join(rnd.choice(letters + PLAIN)
                   for _ in range(rnd.randint(least, most)))


def header_value(rnd):
    letters = PLAIN + "  \t/:,;=\"%+"
    return "".join(rnd.choice(letters) for _ in range(rnd.randint(0, 30)))


def make_request(rnd):
    request = {
        "method": rnd.choice(METHODS),
        "endpoint": rnd.choice(ENDPOINTS),
        "bucket": rnd.choice(BUCKETS),
        "region": rnd.choice(REGIONS),
        "access": "AK" + text(rnd, 1, 20).replace("\n", ""),
        "secret": text(rnd, 1, 60),
        "time": str(rnd.choice((1369353600, rnd.randrange(2 ** 32)))),
    }
    if rnd.random() < 0.9:
        request["key"] = text(rnd, 1, rnd.choice((3, 20, 120)))
    if rnd.random() < 0.4:
        request["token"] = "T+/=" * rnd.randint(1, 200)
    if rnd.random() < 0.7:
        request["payload"] = rnd.choice((UNSIGNED, EMPTY, "ab" * 32))
    request["path-style"] = rnd.random() < 0.5
    request["params"] = [(name, text(rnd, 0, 12)) for name in
                         rnd.sample(PARAMS, rnd.randint(0, 6))]
    meta = [f"x-amz-meta-{n}" for n in "abBC"]
    names = rnd.sample([*HEADERS, *meta], rnd.randint(0, 8))
    if names and rnd.random() < 0.2:
        names.append(names[0])
    request["headers"] = [(name, header_value(rnd)) for name in names]
    return request


def in_path(request, url):
    """Say whether the bucket must be in the path."""
    bucket = request["bucket"]
    return (request["path-style"] or url.hostname[0].isdigit()
            or ":" in url.hostname or bucket == "My_Pail"
            or ("." in bucket and url.scheme == "https"))


def expect(request):
    """Return the host, path and query that the request should have."""
    url = urllib.parse.urlsplit(request["endpoint"])
    host = url.netloc
    if url.port == {"http": 80, "https": 443}[url.scheme]:
        host = host.rpartition(":")[0]
    path = url.path
    if in_path(request, url):
        path += "/" + request["bucket"]
    else:
        host = f"{request['bucket']}.{host}"
    if "key" in request or path == url.path:
        path += "/" + urllib.parse.quote(request.get("key", ""), safe="/~")
    pairs = sorted(f"{urllib.parse.quote(n, safe='')}\0"
                   f"{urllib.parse.quote(v, safe='')}"
                   for n, v in request["params"])
    query = "&".join(pairs).replace("\0", "=")
    return f"{url.scheme}://{host}", host, path, query


def sign(request):
    """Return the Authorization header that botocore makes."""
    base, _, path, _ = expect(request)
    aws = AWSRequest(method=request["method"], url=base + path,
                     params=dict(request["params"]))
    for name, value in request["headers"]:
        aws.headers.add_header(name, value)
    when = datetime.datetime.fromtimestamp(int(request["time"]),
                                           datetime.timezone.utc)
    with set_clock(when):
        Signer(request).add_auth(aws)
    return aws.headers["Authorization"]


def set_clock(when):
    """Let botocore's signer think that it is WHEN, in all its versions."""
    if hasattr(botocore.auth, "get_current_datetime"):
        return mock.patch.object(botocore.auth, "get_current_datetime",
                                 lambda *_, **__: when.replace(tzinfo=None))
    fake = mock.Mock(wraps=datetime.datetime)
    fake.utcnow.return_value = when.replace(tzinfo=None)
    return mock.patch.object(botocore.auth.datetime, "datetime", fake)


def word(value):
    return value.encode().hex() or "."


def lines(request):
    """Return the request as the tool reads it."""
    out = [f"{name} {word(request[name])}"
           for name in ("method", "endpoint", "bucket", "key", "region",
                        "access", "secret", "token", "payload", "time")
           if name in request]
    for kind in ("param", "header"):
        out += [f"{kind} {word(n)} {word(v)}" for n, v in request[kind + "s"]]
    if request["path-style"]:
        out.append("path-style")
    return "\n".join([*out, "sign\n"])


def program():
    folder = os.environ.get("PAILFS_UNIT_DIR") or env.build() / "unit"
    return str(Path(folder) / PROGRAM)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_like_botocore(seed):
    rnd = random.Random(seed)
    requests = [make_request(rnd) for _ in range(REQUESTS)]
    done = subprocess.run(
        [*env.wrap(), program(), "-"], check=True, capture_output=True,
        input="".join(map(lines, requests)).encode())
    answers = done.stdout.decode().split("\n")[:-1]
    assert len(answers) == 4 * REQUESTS
    for number, request in enumerate(requests):
        host, path, query, authorization = answers[4 * number:4 * number + 4]
        assert (host, path, query) == expect(request)[1:], request
        assert authorization == sign(request), request
