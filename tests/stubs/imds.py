# SPDX-License-Identifier: Apache-2.0
"""A stub of the EC2 instance metadata service, and of the ECS endpoint.

IMDSv2 only: without a valid token every read is 401.  What it answers can be
changed while it runs (attributes of Imds), and every call is counted.

    with Imds(key="AK", secret="SK", token="ST", lifetime_s=3600) as imds:
        ... AWS_EC2_METADATA_SERVICE_ENDPOINT=imds.endpoint ...
        imds.rotate("AK2", "SK2")
        assert imds.calls["credentials"] == 1

The container endpoint is imds.container_uri; it wants the header
Authorization: imds.container_token.
"""

import json
import secrets
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN_PATH = "/latest/api/token"
ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
CONTAINER_PATH = "/container/credentials"
MAX_TTL_S = 21600


def stamp(when):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))


class Imds:
    """The service; use it as a context manager."""

    def __init__(self, key="AKIDSTUB", secret="stub-secret", token="stub-st",
                 role="pailfs-test", lifetime_s=3600, region="us-east-1"):
        self.key = key
        self.secret = secret
        self.session_token = token
        self.role = role            # None: 404, the instance has no role
        self.lifetime_s = lifetime_s    # from each answer on; may be < 0
        self.region = region
        self.fail = None            # a status that all calls answer
        self.fail_times = None      # ... only so often
        self.no_v2 = False          # True: the token call is 404
        self.hop_limit = False      # True: the token call never answers
        self.container_token = "stub-container-token"
        self.calls = Counter()      # token, role, credentials, region, ...
        self.tokens = {}            # token -> time it ends (monotonic)
        self.lock = threading.Lock()
        self.go_on = threading.Event()
        self.go_on.set()
        self.server = None
        self.stopping = threading.Event()

    def __enter__(self):
        handler = type("BoundHandler", (Handler,), {"imds": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.container_uri = self.endpoint + CONTAINER_PATH
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()

    def rotate(self, key, secret, token="stub-st-2"):
        """Hand out other credentials from now on."""
        with self.lock:
            self.key, self.secret = key, secret
            self.session_token = token

    def hang(self):
        """Answer nothing until resume()."""
        self.go_on.clear()

    def resume(self):
        self.go_on.set()

    def forget_tokens(self):
        """Let all IMDSv2 tokens be void, as after a restart."""
        with self.lock:
            self.tokens.clear()

    def new_token(self, ttl_s):
        token = secrets.token_urlsafe(24)
        with self.lock:
            self.tokens[token] = time.monotonic() + ttl_s
        return token

    def token_valid(self, token):
        with self.lock:
            return self.tokens.get(token, 0) > time.monotonic()

    def take_failure(self):
        """Return the status that this call has to fail with, or None."""
        with self.lock:
            if self.fail is None or self.fail_times == 0:
                return None
            if self.fail_times is not None:
                self.fail_times -= 1
            return self.fail

    def credentials(self):
        """Return the credentials document as EC2 writes it."""
        now = time.time()
        with self.lock:
            return {"Code": "Success", "Type": "AWS-HMAC",
                    "LastUpdated": stamp(now), "AccessKeyId": self.key,
                    "SecretAccessKey": self.secret,
                    "Token": self.session_token,
                    "Expiration": stamp(now + self.lifetime_s)}


class Handler(BaseHTTPRequestHandler):
    """One connection to an Imds (self.imds)."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, text=""):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def prepared(self, kind):
        """Count the call, hang or fail as told; say whether to go on."""
        imds = self.imds
        with imds.lock:
            imds.calls[kind] += 1
        imds.go_on.wait()
        if imds.stopping.is_set():
            self.close_connection = True
            return False
        status = imds.take_failure()
        if status:
            self.answer(status, "stubbed failure")
        return not status

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != TOKEN_PATH:
            self.answer(404)
            return
        if not self.prepared("token"):
            return
        if self.imds.hop_limit:
            self.imds.stopping.wait()
            self.close_connection = True
        elif self.imds.no_v2:
            self.answer(404)
        else:
            self.give_token()

    def give_token(self):
        ttl = self.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= MAX_TTL_S:
            self.answer(400, "bad or missing TTL")
        elif "X-Forwarded-For" in self.headers:
            self.answer(403)
        else:
            self.answer(200, self.imds.new_token(int(ttl)))

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == CONTAINER_PATH:
            self.container()
            return
        kind = self.kind(path)
        if not self.prepared(kind):
            return
        token = self.headers.get("x-aws-ec2-metadata-token", "")
        if not self.imds.token_valid(token):
            with self.imds.lock:
                self.imds.calls["refused"] += 1
            self.answer(401)
            return
        self.metadata(path, kind)

    def kind(self, path):
        if path.rstrip("/") + "/" == ROLE_PATH:
            return "role"
        if path.startswith(ROLE_PATH):
            return "credentials"
        return "region" if path.endswith("/placement/region") else "other"

    def metadata(self, path, kind):
        imds = self.imds
        if kind == "region":
            self.answer(200, imds.region)
        elif kind == "role" and imds.role:
            self.answer(200, imds.role)
        elif kind == "credentials" and path == ROLE_PATH + str(imds.role):
            self.answer(200, json.dumps(imds.credentials()))
        else:
            self.answer(404)

    def container(self):
        if not self.prepared("container"):
            return
        if self.headers.get("Authorization") != self.imds.container_token:
            self.answer(401)
            return
        document = self.imds.credentials()
        document["RoleArn"] = "arn:aws:iam::123456789012:role/stub"
        self.answer(200, json.dumps(document))
