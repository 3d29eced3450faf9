# SPDX-License-Identifier: Apache-2.0
"""Small disks for a cache folder, and how to fill one.

    with tmpfs(tmp_path / "t", "8m") as folder: ...
    with ext4(tmp_path / "t", 32) as folder: ...      MiB, in a file
    with filled(folder): ...                          by another's file

They need root: who is not is told by mount(8) itself.
"""

import errno
import os
import subprocess
from contextlib import contextmanager


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@contextmanager
def tmpfs(path, size):
    path.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(path))
    try:
        yield path
    finally:
        _run("umount", "-l", str(path))


@contextmanager
def ext4(path, mib):
    image = path.with_suffix(".img")
    with open(image, "wb") as f:
        f.truncate(mib << 20)
    _run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image))
    path.mkdir()
    _run("mount", "-o", "loop", str(image), str(path))
    try:
        yield path
    finally:
        _run("umount", "-l", str(path))
        image.unlink()


@contextmanager
def filled(folder):
    """Have another program's file take all that is free."""
    name = folder / "filler"
    fd = os.open(name, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    os.write(fd, bytes(size))
            except OSError as e:
                assert e.errno == errno.ENOSPC, e
        yield name
    finally:
        os.close(fd)
        name.unlink()
