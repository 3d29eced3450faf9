# SPDX-License-Identifier: Apache-2.0
"""Bytes to put into buckets: no two blocks alike, the same in every run."""

import hashlib
import os
import random
import struct

BLOCK = 128 << 10       # what has one CRC in the cache
PART = 8 << 20          # what one request fetches at most
MIB = 1 << 20


def noise(size, seed=0):
    """Return ${size} random bytes, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def digest(path, chunk=MIB):
    """Return the SHA-256 of a file, read in sequence."""
    total = hashlib.sha256()
    with open(path, "rb", buffering=0) as f:
        while data := f.read(chunk):
            total.update(data)
    return total.hexdigest()


def put_behind(server, bucket, key, size=0, seed=0):
    """Make an object in versitygw's folder; return the path of its file.

    Each block begins and ends with its own number, between is a hole: a
    gigabyte is made in a blink, and a misplaced block is still found.
    """
    path = server.root / bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as f:
        f.truncate(size)
        for start in range(0, size, BLOCK):
            end = min(start + BLOCK, size)
            stamp = struct.pack("<QQ", seed, start + 1)[:end - start]
            os.pwrite(f.fileno(), stamp, start)
            os.pwrite(f.fileno(), stamp, end - len(stamp))
    os.setxattr(path, b"user.etag", f'"{seed:016x}{size:016x}"'.encode())
    return path
