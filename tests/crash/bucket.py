# SPDX-License-Identifier: Apache-2.0
"""What is in S3 in the end, as a client that knows nothing of pailfs reads it.
"""

import stat

from lib import stored

from .worlds import Node, Wrong

ALLOWED = (".pailfs/zero/", ".pailfs/probe/")


def trees(s3, bucket):
    """Return {top folder: {path: Node with bytes}} of all objects."""
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for one in page.get("Contents", []):
            add(s3, bucket, one["Key"], found)
    return found


def add(s3, bucket, key, found):
    """Put one object into ${found}."""
    if key.startswith(stored.RESERVED):
        if not key.startswith(ALLOWED):
            raise Wrong(f"S3 has {key}, which is nobody's")
        return
    top, _, path = key.partition("/")
    got = s3.get_object(Bucket=bucket, Key=key)
    body = got["Body"].read()
    mode = stat.S_IMODE(int(got["Metadata"].get("mode", "0")))
    if key.endswith("/"):
        if body:
            raise Wrong(f"S3 has bytes in the folder {key}")
        if path:
            found.setdefault(top, {})[path[:-1]] = Node(None, mode)
        else:
            found.setdefault(top, {})
        return
    found.setdefault(top, {})[path] = Node(body, mode)


def check_uploads(s3, bucket):
    """No multipart upload that nobody ended."""
    left = stored.uploads(s3, bucket)
    if left:
        raise Wrong(f"multipart uploads were left: {left}")
