# SPDX-License-Identifier: Apache-2.0
"""Fixtures and helpers of the tests of the S3 client: import what is used.

    tool        a client of the bucket      proxy_tool  one through the proxy
    new_tool    a factory: new_tool(checksum=True, ...)
"""

import os

import pytest

from .tool import Tool

MIB = 1 << 20
DATA = bytes(i * 31 % 253 for i in range(300_000))


@pytest.fixture
def environ(server, reports):
    """What a client of the server needs in its environment."""
    return reports.environment({
        **os.environ, "AWS_ACCESS_KEY_ID": server.access,
        "AWS_SECRET_ACCESS_KEY": server.secret, "AWS_REGION": "us-east-1"})


@pytest.fixture
def new_tool(environ, server, bucket):
    """A factory of clients of the bucket; ended after the test."""
    made = []

    def start(**config):
        config.setdefault("bucket", bucket)
        config.setdefault("endpoint", server.endpoint)
        made.append(Tool(environ, **config))
        assert made[-1].opened["err"] == "", made[-1].opened
        return made[-1]

    yield start
    for one in made:
        assert one.close() == 0


@pytest.fixture
def tool(new_tool):
    return new_tool()


@pytest.fixture
def proxy_tool(proxy, new_tool):
    """A client through the proxy, with nothing counted yet."""
    one = new_tool(endpoint=proxy.endpoint, timeout_s=6)
    proxy.reset()
    return one


def good(answer):
    assert answer["err"] == "", answer
    return answer


def listed(answer):
    return [e["key"] for e in answer["entries"]]


def put_parts(tool, key, tmp_path, sizes, **fields):
    """Upload random parts; return (upload id, parts, bytes)."""
    up = good(tool.call("CreateMultipartUpload", key=key, **fields))
    parts, whole = [], b""
    for number, size in enumerate(sizes, 1):
        piece = os.urandom(size)
        path = tmp_path / f"part{number}"
        path.write_bytes(piece)
        answer = good(tool.call(
            "UploadPart", key=key, upload_id=up["upload_id"], crc=True,
            part_number=number, body_file=str(path)))
        parts += answer["parts"]
        whole += piece
    return up["upload_id"], parts, whole
