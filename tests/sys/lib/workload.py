# SPDX-License-Identifier: Apache-2.0
"""Buckets full of files in no time, and programs that read them.

    plant(server, bucket, {"d/a": b"..."})      versitygw only
    run("find", m.path)                         -> what it printed
"""

import hashlib
import os
import random
import subprocess

from . import env

KIB = 1 << 10
MIB = 1 << 20
BLOCK = 128 * KIB
PART = 8 * MIB


def data(size, seed=0):
    """Return ${size} bytes that nothing else resembles."""
    return random.Random(f"{seed}/{size}").randbytes(size)


def sha(content):
    return hashlib.sha256(content).hexdigest()


def plant(server, bucket, files):
    """Put {key: bytes} into a bucket of versitygw, as files on its disk.

    A thousand objects take a tenth of the time that as many PUTs take.
    """
    root = server.root / bucket
    made = set()
    for key, content in files.items():
        path = root / key
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_bytes(content)
        etag = hashlib.md5(content).hexdigest()
        os.setxattr(path, b"user.etag", f'"{etag}"'.encode())
        os.setxattr(path, b"user.content-type", b"binary/octet-stream")
    return files


def run(*command, timeout=60, check=True, **options):
    """Run a program; return what it printed, bytes."""
    done = subprocess.run([str(word) for word in command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False,
                          timeout=timeout * env.slow(), **options)
    if check:
        assert done.returncode == 0, (command, done.returncode,
                                      done.stderr[-2000:])
    return done.stdout


def ranges(proxy, key=None):
    """Return the (first, last) that GETs asked for, sorted.

    That of a whole object is what came.
    """
    proxy.wait_idle()
    asked = []
    for e in proxy.log("GetObject", key):
        if e["range"]:
            assert e["range"].startswith("bytes="), e
            first, last = map(int, e["range"][6:].split("-"))
        else:
            first, last = 0, e["down"] - 1
        asked.append((first, last))
    return sorted(asked)


def rss(pid, field="VmRSS"):
    """Return the resident memory of a process in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * KIB
    raise ValueError(field)
