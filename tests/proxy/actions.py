# SPDX-License-Identifier: Apache-2.0
"""Faults in status, head and time, and answers to the wrong question."""

import asyncio
import re
import time
from email.utils import formatdate

from . import answer
from .faults import Fault, Reset, fault


@fault("status")
class Status(Fault):
    """Answer with any status and S3 error code; the server sees nothing."""

    def __init__(self, status=503, code="SlowDown", message="",
                 retry_after=None, headers=None, extra=None):
        self.status = int(status)
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.extra = extra
        if retry_after is not None:
            self.headers["Retry-After"] = retry_after

    async def before(self, x):
        return answer.error(x.req, self.status, self.code, self.message,
                            self.headers, self.extra)


@fault("slow_down")
class SlowDown(Status):
    """503 SlowDown, with Retry-After in seconds if given."""

    def __init__(self, retry_after=None):
        super().__init__(503, "SlowDown", retry_after=retry_after)


@fault("internal_error")
class InternalError(Status):
    """500 InternalError."""

    def __init__(self):
        super().__init__(500, "InternalError")


@fault("expired_token")
class ExpiredToken(Status):
    """400 ExpiredToken, as S3 answers a session that ran out."""

    def __init__(self):
        super().__init__(400, "ExpiredToken")


@fault("time_skewed")
class TimeSkewed(Status):
    """403 RequestTimeTooSkewed from a server whose clock is ${skew_s} on.

    The Date header tells the server's time, and so does <ServerTime>.
    """

    def __init__(self, skew_s=3600):
        super().__init__(403, "RequestTimeTooSkewed")
        self.skew_s = skew_s

    async def before(self, x):
        now = time.time() + self.skew_s
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        self.headers["Date"] = formatdate(now, usegmt=True)
        self.extra = {"RequestTime": x.req.headers.get("x-amz-date", ""),
                      "ServerTime": stamp,
                      "MaxAllowedSkewMilliseconds": 900000}
        return await super().before(x)


@fault("reset")
class ResetBefore(Fault):
    """Reset the connection; the server never sees the request."""

    async def before(self, x):
        raise Reset


@fault("lost_reply")
class LostReply(Fault):
    """The server acts, and the connection is reset instead of its answer."""

    async def after(self, x, ans):
        raise Reset


@fault("hang")
class Hang(Fault):
    """No answer, ever: wait until the client leaves.

    With acted=True the server acted first.
    """

    def __init__(self, acted=False):
        self.acted = acted

    async def _hang(self, x):
        await x.drain()
        await x.client.gone()
        raise Reset

    async def before(self, x):
        if not self.acted:
            await self._hang(x)

    async def after(self, x, ans):
        await self._hang(x)


@fault("hold")
class Hold(Fault):
    """Hold the answer back until the control API releases ${name}.

    when="after": the server has acted, as far as the client cannot know;
    when="before": the server has not seen the request.
    """

    def __init__(self, name="hold", when="after"):
        if when not in ("before", "after"):
            raise ValueError(f"hold: when={when!r}")
        self.hold = name
        self.when = when

    async def before(self, x):
        if self.when == "before":
            await x.proxy.holds.wait(self.hold, x.client)

    async def after(self, x, ans):
        if self.when == "after":
            await x.proxy.holds.wait(self.hold, x.client)
        return ans


@fault("delay")
class Delay(Fault):
    """Answer ${ms} later than the server did."""

    def __init__(self, ms=100):
        self.ms = ms

    async def after(self, x, ans):
        await asyncio.sleep(self.ms / 1000)
        return ans


@fault("error_200")
class Error200(Fault):
    """Status 200 with an <Error> body, as COPY and Complete may answer.

    With acted=True the server did act, only the client is told otherwise.
    """
    whole = True

    def __init__(self, code="InternalError", acted=False):
        self.code = code
        self.acted = acted

    def _answer(self, x):
        body = answer.error_xml(self.code, f"{x.req.bucket}/{x.req.key}")
        return answer.make(200, body, {"Content-Type": "application/xml"})

    async def before(self, x):
        return None if self.acted else self._answer(x)

    async def after(self, x, ans):
        return self._answer(x)


@fault("cut_xml")
class CutXml(Fault):
    """A well-formed HTTP answer whose document ends at part ${at} of it."""
    whole = True

    def __init__(self, at=0.5):
        self.at = at

    async def after(self, x, ans):
        ans.set_body(ans.body[:int(len(ans.body) * self.at)])
        return ans


@fault("keep")
class Keep(Fault):
    """DeleteObjects: AccessDenied for keys that match; needs conditions."""

    def __init__(self, keys=""):
        self.keys = re.compile(keys)

    async def before(self, x):
        x.kept = self.keys


@fault("body")
class Body(Fault):
    """Status 200 (or another) and a body of the test's choice."""

    def __init__(self, text="", status=200, content_type="application/xml"):
        self.text = text
        self.status = status
        self.type = content_type

    async def before(self, x):
        return answer.make(self.status, self.text.encode("utf-8"),
                           {"Content-Type": self.type})


@fault("header")
class Header(Fault):
    """Set a header of the answer, or remove it (value None)."""

    def __init__(self, name, value=None):
        self.header = name
        self.value = value

    async def after(self, x, ans):
        ans.set_header(self.header, self.value)
        return ans


@fault("no_content_range")
class NoContentRange(Header):
    """206 without a Content-Range."""

    def __init__(self):
        super().__init__("Content-Range")


def conditions_of(req):
    """Return the read conditions of ${req}, to send them on."""
    names = ("if-match", "if-none-match", "x-amz-checksum-mode")
    return {n: req.headers[n] for n in names if n in req.headers}


@fault("whole_200")
class Whole200(Fault):
    """Answer a ranged GET with 200 and the whole object."""

    async def before(self, x):
        req = x.req
        return await x.upstream.signed("GET", req.bucket, req.key,
                                       headers=conditions_of(req))


@fault("wrong_range")
class WrongRange(Fault):
    """Answer a ranged GET with the bytes of another offset.

    Content-Range says that other offset; with lie=True it claims the asked
    one, as a broken cache would: such an answer cannot be told from a right
    one by its head.
    """

    def __init__(self, shift=None, lie=False):
        self.shift = shift
        self.lie = lie

    async def before(self, x):
        req = x.req
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", req.range)
        head = await x.upstream.signed("HEAD", req.bucket, req.key)
        if not asked or head.status != 200:
            return None
        size = int(head.headers["content-length"])
        first = int(asked[1])
        last = min(int(asked[2]) if asked[2] else size - 1, size - 1)
        if first >= size:
            return None
        start, end = self._other(first, last, size)
        ans = await x.upstream.signed(
            "GET", req.bucket, req.key,
            headers={**conditions_of(req), "Range": f"bytes={start}-{end}"})
        if self.lie and ans.status == 206:
            whole = (ans.body * 2 + bytes(last - first + 1))
            ans.set_body(whole[:last - first + 1])
            ans.set_header("Content-Range", f"bytes {first}-{last}/{size}")
        return ans

    def _other(self, first, last, size):
        """Return an offset range that differs from first-last."""
        length = last - first + 1
        shift = self.shift or length
        if first + shift < size:
            start = first + shift
        elif first >= shift:
            start = first - shift
        elif first:
            start = 0
        else:
            start = min(1, size - 1)
        return start, min(start + length - 1, size - 1)
