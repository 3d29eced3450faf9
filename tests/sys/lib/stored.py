# SPDX-License-Identifier: Apache-2.0
"""What a bucket holds, as boto3 reads it, beside what a mount shows.

    body(s3, bucket, "d/f")                 its bytes
    keys(s3, bucket)                        {key: size}, without .pailfs/
    check(s3, bucket, "d/f", m.path / "d/f", wanted)
"""

import hashlib
import os
import re

from botocore.exceptions import ClientError

from . import env, process
from .data import PART

RESERVED = ".pailfs/"
STAGE = re.compile(r"^\.pailfs/[A-Za-z0-9_-]{22}/stage/")
TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
TIME = re.compile(r"-?\d+\.\d{9}")


def body(s3, bucket, key):
    """Return the bytes of an object."""
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def digest(s3, bucket, key, chunk=1 << 20):
    """Return the SHA-256 of an object, whatever its size."""
    total = hashlib.sha256()
    stream = s3.get_object(Bucket=bucket, Key=key)["Body"]
    while data := stream.read(chunk):
        total.update(data)
    return total.hexdigest()


def head(s3, bucket, key):
    return s3.head_object(Bucket=bucket, Key=key)


def exists(s3, bucket, key):
    try:
        head(s3, bucket, key)
    except ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def keys(s3, bucket, prefix=""):
    """Return {key: size} of all that is not reserved."""
    found = {}
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix)
    for page in pages:
        for one in page.get("Contents", []):
            if not one["Key"].startswith(RESERVED):
                found[one["Key"]] = one["Size"]
    return found


def uploads(s3, bucket):
    """Return the keys of uploads that nobody ended."""
    got = s3.list_multipart_uploads(Bucket=bucket)
    return [one["Key"] for one in got.get("Uploads", [])]


def staged(s3, bucket):
    """Return the keys of files that are kept there before they are closed."""
    got = s3.list_objects_v2(Bucket=bucket, Prefix=RESERVED)
    return [one["Key"] for one in got.get("Contents", [])
            if STAGE.match(one["Key"])]


def ns_of(text):
    """Return the nanoseconds of a time in metadata, s3fs's form."""
    assert TIME.fullmatch(text), text
    return int(text.replace(".", ""))


def check_metadata(metadata, path):
    """Assert that an object's metadata say what the mount shows."""
    st = os.lstat(path)
    assert int(metadata["mode"]) == st.st_mode, metadata
    assert int(metadata["uid"]) == st.st_uid, metadata
    assert int(metadata["gid"]) == st.st_gid, metadata
    assert ns_of(metadata["mtime"]) == st.st_mtime_ns, (metadata, st)
    assert TOKEN.fullmatch(metadata["pailfs-token"]), metadata


def check(s3, bucket, key, path, wanted):
    """Assert that an object is ${wanted}, and described as the mount does.

    An upload in parts has its metadata from its start; what changed until its
    end follows, soon.
    """
    got = s3.get_object(Bucket=bucket, Key=key)
    found = got["Body"].read()
    assert len(found) == len(wanted), key
    assert found == wanted, f"{key}: other bytes"
    st = os.lstat(path)

    def same_time():
        metadata = head(s3, bucket, key)["Metadata"]
        return ns_of(metadata["mtime"]) == st.st_mtime_ns

    if len(wanted) > PART:
        wait_for(same_time, f"the mtime of {key}")
    check_metadata(head(s3, bucket, key)["Metadata"], path)
    return got


def wait_for(true, what="the bucket to show it", timeout=20):
    """Wait for what is sent after a while; return it."""
    return process.wait_until(true, timeout * env.slow(), what)


def tree(top):
    """Return {path: bytes, target or None} of all below ${top}."""
    found = {}
    for here, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(here, name)
            short = os.path.relpath(path, top)
            if os.path.islink(path):
                found[short] = os.readlink(path)
            elif os.path.isdir(path):
                found[short] = None
            else:
                with open(path, "rb") as f:
                    found[short] = f.read()
    return found
