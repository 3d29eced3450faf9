# SPDX-License-Identifier: Apache-2.0
"""Conditional requests, as S3 defines them, for servers that ignore some.

    PutObject, CompleteMultipartUpload   If-Match, If-None-Match: *
    CopyObject                           the same for its destination
    CopyObject, UploadPartCopy           x-amz-copy-source-if-[none-]match
    DeleteObject                         If-Match (an ETag or *)
    DeleteObjects                        <ETag> of each key

Requests that change one key pass one at a time, conditional or not; so what a
HEAD says about the key holds until the server has answered.  (Not for changes
that bypass the proxy.)  An unmet condition is answered here: 412, or 404
NoSuchKey where If-Match meets no object.  A request whose conditions are met
goes on unchanged, to be judged by the server once more; except deletions with
"*", which servers take for an ETag: they go on without it, signed anew.
"""

import asyncio
import base64
import hashlib
import xml.etree.ElementTree as ET
from contextlib import AsyncExitStack, asynccontextmanager
from xml.sax.saxutils import escape

from . import answer
from .classify import copy_source

WRITES = {"PutObject", "CompleteMultipartUpload", "CopyObject",
          "DeleteObject"}
COPIES = {"CopyObject", "UploadPartCopy"}
SOURCE_MATCH = "x-amz-copy-source-if-match"
SOURCE_NONE = "x-amz-copy-source-if-none-match"
ERRORS = {412: "PreconditionFailed", 404: "NoSuchKey"}


class Locks:
    """A lock for each key somebody uses."""

    def __init__(self):
        self.locks = {}         # name -> [lock, users]

    @asynccontextmanager
    async def hold(self, names):
        """Hold all ${names}, taken in order so that nobody deadlocks."""
        async with AsyncExitStack() as stack:
            for name in sorted(set(names)):
                await stack.enter_async_context(self._one(name))
            yield

    @asynccontextmanager
    async def _one(self, name):
        slot = self.locks.setdefault(name, [asyncio.Lock(), 0])
        slot[1] += 1
        try:
            async with slot[0]:
                yield
        finally:
            slot[1] -= 1
            if not slot[1]:
                del self.locks[name]


def plain(etag):
    """Return an ETag without quotes and weakness mark."""
    return etag.strip().removeprefix("W/").strip('"')


def unmet(etag, if_match=None, if_none_match=None):
    """Return the status that refuses the conditions, or 0.

    ${etag} is that of the object as it is, None where there is none.
    """
    if if_match is not None:
        if etag is None:
            return 404
        wanted = [plain(e) for e in if_match.split(",")]
        if "*" not in wanted and plain(etag) not in wanted:
            return 412
    if if_none_match is not None and etag is not None:
        refused = [plain(e) for e in if_none_match.split(",")]
        if "*" in refused or plain(etag) in refused:
            return 412
    return 0


class HeadFailed(Exception):
    """The server did not say how the object is."""


class Conditions:
    """Stands between an exchange and the server."""

    def __init__(self, upstream, enabled):
        self.upstream = upstream
        self.enabled = enabled
        self.locks = Locks()

    @asynccontextmanager
    async def guard(self, x):
        """Hold the keys of ${x}; yield the answer that refuses it, or None.

        The caller forwards the request inside, if it may.
        """
        req = x.req
        batch = req.op == "DeleteObjects"
        if not self.enabled or not (batch or req.op in WRITES | COPIES):
            yield None
            return
        if batch:
            names = await self._batch_names(x)
        else:
            names = self._names(req)
        async with self.locks.hold(names):
            try:
                verdict = await (self._batch(x) if batch else self._single(x))
            except HeadFailed as e:
                verdict = answer.error(req, 500, "InternalError", str(e))
            yield verdict

    def _names(self, req):
        names = [(req.bucket, req.key)] if req.op in WRITES else []
        if SOURCE_MATCH in req.headers or SOURCE_NONE in req.headers:
            names.append(copy_source(req)[:2])
        return names

    async def _etag(self, bucket, key, version=""):
        """Return the ETag of an object, None if there is none."""
        query = f"versionId={version}" if version else ""
        head = await self.upstream.signed("HEAD", bucket, key, query)
        if head.status == 404:
            return None
        if head.status != 200:
            raise HeadFailed(f"test proxy: HEAD said {head.status}")
        return head.headers.get("etag", "")

    async def _single(self, x):
        req, headers = x.req, x.req.headers
        checks = []
        if req.op in WRITES:
            checks.append(((req.bucket, req.key), "if-match",
                           "if-none-match"))
        if req.op in COPIES:
            checks.append((copy_source(req), SOURCE_MATCH, SOURCE_NONE))
        for name, match, none in checks:
            if match not in headers and none not in headers:
                continue
            etag = await self._etag(*name)
            status = unmet(etag, headers.get(match), headers.get(none))
            if status:
                held = match if match in headers else none
                x.entry.condition = held
                return answer.error(req, status, ERRORS[status],
                                    extra={"Condition": held})
        if req.op == "DeleteObject" and headers.get("if-match") == "*":
            return await self.upstream.signed("DELETE", req.bucket, req.key,
                                              req.query_text)
        return None

    async def _batch_names(self, x):
        x.batch = parse_batch(await x.take_body())
        return [(x.req.bucket, key) for key, _, _ in x.batch]

    async def _batch(self, x):
        """Leave out the keys whose ETag differs; the answer tells of them."""
        bucket = x.req.bucket
        asked = [item for item in x.batch if item[2] is not None]
        etags = await asyncio.gather(
            *(self._etag(bucket, key, version) for key, version, _ in asked))
        refused = {(key, version): "AccessDenied"
                   for key, version, _ in x.batch
                   if x.kept and x.kept.search(key)}
        for (key, version, wanted), etag in zip(asked, etags):
            status = unmet(etag, wanted)
            if status:
                refused[key, version] = ERRORS[status]
        if refused:
            x.entry.condition = "ETag"
        elif all(wanted != "*" for _, _, wanted in asked):
            return None
        rest = [item for item in x.batch if item[:2] not in refused]
        return await self._delete_rest(x, rest, refused)

    async def _delete_rest(self, x, rest, refused):
        errors = "".join(
            f"<Error><Key>{escape(key)}</Key><Code>{code}</Code><Message>"
            f"{answer.MESSAGES[code]}</Message></Error>"
            for (key, _), code in refused.items())
        if not rest:
            body = f"<DeleteResult>{errors}</DeleteResult>".encode()
            return answer.make(200, body, {"Content-Type": "application/xml"})
        quiet = b"<Quiet>true</Quiet>" in x.body
        document = batch_xml(rest, quiet)
        got = await self.upstream.signed(
            "POST", x.req.bucket, "", "delete=", body=document,
            headers={"Content-MD5": md5(document)})
        if got.status == 200:
            got.set_body(insert_errors(got.body, errors))
        return got


def md5(data):
    """Return Content-MD5 of ${data}; S3 demands it (or a checksum) here."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def parse_batch(body):
    """Return [(key, version, etag or None)] of a DeleteObjects body."""
    out = []
    for item in ET.fromstring(body).iter():
        if item.tag.rpartition("}")[2] != "Object":
            continue
        part = {e.tag.rpartition("}")[2]: e.text or "" for e in item}
        out.append((part.get("Key", ""), part.get("VersionId", ""),
                    part.get("ETag")))
    return out


def batch_xml(items, quiet):
    """Return a DeleteObjects body for ${items}, without their ETags."""
    objects = "".join(
        f"<Object><Key>{xml_key(key)}</Key>"
        + (f"<VersionId>{escape(version)}</VersionId>" if version else "")
        + "</Object>" for key, version, _ in items)
    flag = "<Quiet>true</Quiet>" if quiet else ""
    return (f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{objects}{flag}</Delete>").encode()


def xml_key(key):
    """Escape a key, also the characters that XML parsers would normalise."""
    return escape(key, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def insert_errors(body, errors):
    """Return a DeleteResult with <Error> elements more."""
    text = body.decode()
    end = text.rfind("</DeleteResult>")
    if end < 0:                 # <DeleteResult .../> has no inside
        return f"<DeleteResult>{errors}</DeleteResult>".encode()
    return (text[:end] + errors + text[end:]).encode()
