# SPDX-License-Identifier: Apache-2.0
"""HTTP as it is on the wire: answers that boto3 would hide or mend."""

import http.client
import socket
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@dataclass
class Reply:
    """What a request brought: perhaps an answer, perhaps an error, or both."""
    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    error: str = ""         # "reset", "timeout", "short", "closed" or ""


def signed(server, endpoint, method, bucket, key, headers=None, body=b"",
           query=""):
    """Return (path with query, all headers) of a request, signed in headers.

    Presigned URLs would be simpler, but moto cannot verify them.
    """
    raw_key = key.encode("utf-8", "surrogateescape")
    path = f"/{bucket}/{quote(raw_key, safe='/~')}" + (query and "?" + query)
    request = AWSRequest(method, endpoint + path, dict(headers or {}), body)
    S3SigV4Auth(Credentials(server.access, server.secret), "s3",
                "us-east-1").add_auth(request)
    return path, dict(request.headers.items())


def get(server, endpoint, bucket, key, first=None, last=None, timeout=30):
    """GET an object, or a range of it, over one new connection.

    An error in the body keeps the bytes that came before it.
    """
    headers = {}
    if first is not None:
        headers["Range"] = f"bytes={first}-{'' if last is None else last}"
    path, headers = signed(server, endpoint, "GET", bucket, key, headers)
    url = urlsplit(endpoint)
    conn = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
    reply = Reply()
    try:
        conn.request("GET", path, headers=headers)
        answer = conn.getresponse()
        reply.status = answer.status
        reply.headers = {k.lower(): v for k, v in answer.getheaders()}
        _read(answer, reply)
    except (socket.timeout, TimeoutError):
        reply.error = "timeout"
    except http.client.RemoteDisconnected:
        reply.error = "closed"
    except ConnectionResetError:
        reply.error = "reset"
    finally:
        conn.close()
    return reply


def _read(answer, reply):
    out = bytearray()
    try:
        while True:
            data = answer.read1(65536)
            if not data:
                break
            out += data
        if answer.length:
            reply.error = "short"
    except http.client.IncompleteRead:
        reply.error = "short"
    finally:
        reply.body = bytes(out)
