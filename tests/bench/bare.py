# SPDX-License-Identifier: Apache-2.0
"""The limit: a client that sends a given plan of requests and does no more.

Connections are warm, requests are signed before the clock starts where they
can be, what is read is dropped.
"""

import base64
import hashlib
import http.client
import re
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lib.workload import MIB

CONNECTIONS = 64    # as many as a mount has
KEPT = 64 << 10     # of an answer's body; the rest is dropped


class Unsigned(S3SigV4Auth):
    """Signs heads only, as all clients do that sum up bodies otherwise."""

    def payload(self, request):
        return "UNSIGNED-PAYLOAD"


@dataclass
class Request:
    """A signed request."""
    method: str
    path: str
    headers: dict
    body: bytes = b""


@dataclass
class Answer:
    """What is kept of an answer."""
    headers: dict = field(default_factory=dict)
    body: bytes = b""

    def text(self, tag):
        """Return what an XML element of the body holds."""
        return re.search(f"<{tag}>(.*?)</{tag}>", self.body.decode())[1]


class Connection:
    """One connection."""

    def __init__(self, port):
        self.conn = http.client.HTTPConnection("127.0.0.1", port)
        self.conn.connect()
        self.buffer = bytearray(MIB)

    def send(self, request):
        """Send a Request; return the Answer."""
        self.conn.request(request.method, request.path, request.body or None,
                          request.headers)
        got = self.conn.getresponse()
        assert got.status in (200, 204, 206), (got.status, request.path)
        head = b""
        while True:
            n = got.readinto(self.buffer)
            if not n:
                break
            if len(head) < KEPT:
                head += self.buffer[:n]
        return Answer({k.lower(): v for k, v in got.getheaders()}, head)


class Bare:
    """Plans of requests to one bucket."""

    def __init__(self, link, bucket):
        self.link = link
        self.server = link.server
        self.proxy = link.proxy
        self.bucket = bucket.name

    def request(self, method="GET", key="", query="", headers=None, body=b""):
        """Return a signed Request."""
        path = f"/{self.bucket}/{quote(key, safe='/~')}"
        path += query and "?" + query
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        unsigned = AWSRequest(method, self.proxy.endpoint + path, headers)
        keys = Credentials(self.server.access, self.server.secret)
        Unsigned(keys, "s3", "us-east-1").add_auth(unsigned)
        return Request(method, path, dict(unsigned.headers.items()), body)

    def get(self, key, first=None, last=None):
        wanted = {} if first is None else {"Range": f"bytes={first}-{last}"}
        return self.request("GET", key, headers=wanted)

    def put(self, key, body):
        return self.request("PUT", key, body=body)

    def copy(self, source, key):
        return self.request("PUT", key, headers={
            "x-amz-copy-source": f"/{self.bucket}/{source}"})

    def deletes(self, keys):
        """Return one DeleteObjects of up to 1 000 keys."""
        objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
        body = f"<Delete><Quiet>true</Quiet>{objects}</Delete>".encode()
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        return self.request("POST", query="delete=", body=body,
                            headers={"Content-MD5": md5})

    def page(self, prefix, after):
        """Return a request for a page of keys behind ${after}."""
        return self.request(query="list-type=2"
                            f"&prefix={quote(prefix, safe='')}"
                            f"&start-after={quote(after, safe='')}")

    def _connect(self):
        conn = Connection(self.proxy.port)
        conn.send(self.request("HEAD"))
        return conn

    def one_by_one(self, plan):
        """Return the seconds that each request of ${plan} takes."""
        conn = self._connect()
        took = []
        for request in plan:
            start = time.monotonic()
            conn.send(request)
            took.append(time.monotonic() - start)
        return took

    def parallel(self, plan, connections=CONNECTIONS):
        """Return the seconds of ${plan} on so many connections."""
        conns = [self._connect() for _ in range(min(connections, len(plan)))]
        return self._run(plan, conns)[0]

    @staticmethod
    def _run(plan, conns):
        """Return (seconds, answers); a plan has requests or makers of such."""
        left = list(enumerate(plan))[::-1]
        answers = [None] * len(plan)
        ready = threading.Barrier(len(conns) + 1)

        def work(conn):
            ready.wait()
            while True:
                try:
                    at, request = left.pop()
                except IndexError:
                    return
                answers[at] = conn.send(request() if callable(request)
                                        else request)

        workers = [threading.Thread(target=work, args=(conn,))
                   for conn in conns]
        for worker in workers:
            worker.start()
        ready.wait()
        start = time.monotonic()
        for worker in workers:
            worker.join()
        assert None not in answers, "a request of the plan failed"
        return time.monotonic() - start, answers

    def multipart(self, key, parts, first=(), connections=16):
        """Return the seconds of an upload in parts.

        A part is its bytes, or the range (first, last) of the object of now
        that is copied.  Requests in ${first} go beside the one that begins.
        """
        conns = [self._connect() for _ in range(connections)]
        begin = self.request("POST", key, "uploads=")
        start = time.monotonic()
        upload = self._run([begin, *first], conns)[1][0].text("UploadId")
        plan = [lambda n=n, part=part: self._part(key, upload, n, part)
                for n, part in enumerate(parts, 1)]
        etags = [answer.headers.get("etag") or answer.text("ETag")
                 for answer in self._run(plan, conns)[1]]
        body = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}"
                       "</ETag></Part>" for n, etag in enumerate(etags, 1))
        conns[0].send(self.request(
            "POST", key, f"uploadId={upload}",
            body=f"<CompleteMultipartUpload>{body}"
            "</CompleteMultipartUpload>".encode()))
        return time.monotonic() - start

    def _part(self, key, upload, number, part):
        query = f"partNumber={number}&uploadId={upload}"
        if isinstance(part, bytes):
            return self.request("PUT", key, query, body=part)
        return self.request("PUT", key, query, {
            "x-amz-copy-source": f"/{self.bucket}/{key}",
            "x-amz-copy-source-range": f"bytes={part[0]}-{part[1]}"})
