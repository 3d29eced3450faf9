# SPDX-License-Identifier: Apache-2.0
"""An answer on its way to the client, and S3's error documents."""

from xml.sax.saxutils import escape

from . import wire

REASONS = {
    200: "OK", 206: "Partial Content", 301: "Moved Permanently",
    307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 409: "Conflict",
    411: "Length Required", 412: "Precondition Failed",
    416: "Requested Range Not Satisfiable", 429: "Too Many Requests",
    500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout",
}
MESSAGES = {
    "SlowDown": "Please reduce your request rate.",
    "InternalError": "We encountered an internal error. Please try again.",
    "RequestTimeTooSkewed": "The difference between the request time and the "
                            "current time is too large.",
    "ExpiredToken": "The provided token has expired.",
    "AccessDenied": "Access Denied",
    "PreconditionFailed": "At least one of the pre-conditions you specified "
                          "did not hold",
    "NoSuchKey": "The specified key does not exist.",
    "ConditionalRequestConflict": "The conditional request cannot succeed "
                                  "due to a conflicting operation.",
}
REQUEST_ID = "PROXY00000000000"


class Answer:
    """Status, raw head and body of an answer.

    The body is either here (${body}) or still at the server: then ${stream}
    delivers it as ${frame} says, and ${body} is None.
    """

    def __init__(self, head, body=None, stream=None, frame=0):
        self.head = head
        self.body = body
        self.stream = stream
        self.frame = frame

    @property
    def status(self):
        return int(self.head[9:12])

    @property
    def headers(self):
        return wire.headers_of(self.head)

    @property
    def length(self):
        """Bytes of the body if known beforehand, else None."""
        if self.body is not None:
            return len(self.body)
        return self.frame if isinstance(self.frame, int) else None

    def set_header(self, name, value):
        self.head = wire.set_header(self.head, name, value)

    def set_status(self, status):
        line_end = self.head.index(b"\r\n")
        reason = REASONS.get(status, "Status")
        self.head = (f"HTTP/1.1 {status} {reason}".encode()
                     + self.head[line_end:])

    def set_body(self, body):
        """Replace the body, with a Content-Length that fits."""
        self.body = body
        self.frame = len(body)
        self.set_header("Transfer-Encoding", None)
        self.set_header("Content-Length", len(body))


def make(status, body=b"", headers=None):
    """Return an answer of our own; ${headers} is {name: value}."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}",
             f"x-amz-request-id: {REQUEST_ID}", "Server: pailfs-test-proxy"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return Answer("\r\n".join(lines).encode("latin-1"), body)


def error_xml(code, key="", message="", extra=None):
    """Return S3's <Error> document as bytes."""
    parts = {"Code": code, "Message": message or MESSAGES.get(code, code),
             **(extra or {}), "Resource": xml_text("/" + key),
             "RequestId": REQUEST_ID}
    inner = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in parts.items())
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return text.encode("utf-8", "replace")


def xml_text(text):
    """Replace what XML 1.0 cannot carry."""
    return "".join(c if c >= " " or c in "\t\n\r" else "?" for c in text)


def error(req, status, code, message="", headers=None, extra=None):
    """Return an error answer to ${req}; a HEAD gets no body."""
    body = error_xml(code, f"{req.bucket}/{req.key}", message, extra)
    ans = make(status, body, {"Content-Type": "application/xml",
                              **(headers or {})})
    if req.method == "HEAD":
        ans.body = b""
    return ans
