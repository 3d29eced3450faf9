# SPDX-License-Identifier: Apache-2.0
"""A request head -> S3 operation, bucket and key.  Pure.

The key is decoded exactly: percent escapes once, "+" is a plus, nothing is
normalised; bytes that are no UTF-8 survive as surrogate escapes.
"""

from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_to_bytes

from . import wire

# Sub-resources that name an operation by themselves: Get<X>, Put<X>, ...
BUCKET_PARTS = {
    "location": "BucketLocation", "versioning": "BucketVersioning",
    "policy": "BucketPolicy", "acl": "BucketAcl", "tagging": "BucketTagging",
    "cors": "BucketCors", "encryption": "BucketEncryption",
    "lifecycle": "BucketLifecycleConfiguration",
    "notification": "BucketNotificationConfiguration",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "publicAccessBlock": "PublicAccessBlock",
}
OBJECT_PARTS = {
    "acl": "ObjectAcl", "tagging": "ObjectTagging",
    "attributes": "ObjectAttributes", "retention": "ObjectRetention",
    "legal-hold": "ObjectLegalHold", "annotation": "ObjectAnnotation",
}
VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head",
         "POST": "Post"}


@dataclass
class Request:
    """What the proxy knows of a request from its head alone."""
    raw: bytes                  # the head as received
    method: str
    target: str                 # path?query as received
    headers: dict
    op: str = ""
    bucket: str = ""
    key: str = ""
    query: dict = field(default_factory=dict)
    query_text: str = ""
    frame: object = 0           # body: a length or "chunked"

    @property
    def range(self):
        return self.headers.get("range", "")

    @property
    def expects(self):
        return "100-continue" in self.headers.get("expect", "").lower()


def text(raw):
    """Decode the percent escapes of ${raw} into text that loses no byte."""
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def parse(raw, domain=""):
    """Return the Request of a raw head; raise wire.BadMessage."""
    line = raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(line) != 3 or not line[2].startswith("HTTP/1."):
        raise wire.BadMessage(f"request line {line!r}")
    headers = wire.headers_of(raw)
    req = Request(raw, line[0], line[1], headers)
    target = req.target
    if target.startswith("http://"):
        target = "/" + target.split("/", 3)[3]
    path, _, req.query_text = target.partition("?")
    req.query = parse_query(req.query_text)
    req.frame = wire.framing(headers)
    req.bucket, req.key = split_path(path, headers.get("host", ""), domain)
    req.op = operation(req)
    return req


def parse_query(query):
    """Return {name: value}; a name without "=" has the value ""."""
    out = {}
    for item in query.split("&"):
        if item:
            name, _, value = item.partition("=")
            out[unquote(name)] = text(value.replace("+", " "))
    return out


def split_path(path, host, domain):
    """Return (bucket, key), path style unless Host is BUCKET.${domain}."""
    name = host.rsplit(":", 1)[0]
    if domain and name.endswith("." + domain):
        return name[:-len(domain) - 1], text(path[1:])
    bucket, _, key = path[1:].partition("/")
    return text(bucket), text(key)


def operation(req):
    """Return the name of the S3 operation that ${req} is."""
    if not req.bucket:
        return "ListBuckets" if req.method == "GET" else req.method
    return object_op(req) if req.key else bucket_op(req)


def bucket_op(req):
    method, query = req.method, req.query
    if method == "GET" and query.get("list-type") == "2":
        return "ListObjectsV2"
    if method == "GET" and "uploads" in query:
        return "ListMultipartUploads"
    if method == "GET" and "versions" in query:
        return "ListObjectVersions"
    if method == "POST" and "delete" in query:
        return "DeleteObjects"
    for part, name in BUCKET_PARTS.items():
        if part in query:
            return VERBS.get(method, method) + name
    plain = {"GET": "ListObjects", "HEAD": "HeadBucket",
             "PUT": "CreateBucket", "DELETE": "DeleteBucket",
             "POST": "PostObject"}
    return plain.get(method, method)


def object_op(req):
    method, query = req.method, req.query
    copy = "x-amz-copy-source" in req.headers
    if "uploadId" in query:
        if method == "PUT":
            return "UploadPartCopy" if copy else "UploadPart"
        return {"GET": "ListParts", "POST": "CompleteMultipartUpload",
                "DELETE": "AbortMultipartUpload"}.get(method, method)
    for part, name in OBJECT_PARTS.items():
        if part in query:
            return VERBS.get(method, method) + name
    if method == "POST":
        named = {"uploads": "CreateMultipartUpload",
                 "restore": "RestoreObject", "select": "SelectObjectContent"}
        return next((op for part, op in named.items() if part in query),
                    "PostObject")
    if method == "PUT":
        if "renameObject" in query:
            return "RenameObject"
        return "CopyObject" if copy else "PutObject"
    return {"GET": "GetObject", "HEAD": "HeadObject",
            "DELETE": "DeleteObject"}.get(method, method)


def copy_source(req):
    """Return (bucket, key, version) of x-amz-copy-source."""
    raw, _, query = req.headers.get("x-amz-copy-source", "").partition("?")
    source = text(raw).lstrip("/")
    bucket, _, key = source.partition("/")
    return bucket, key, parse_query(query).get("versionId", "")
