# SPDX-License-Identifier: Apache-2.0
"""The two programs as commands, without the care that Mount takes."""

import re
import subprocess
import time

import pytest

from . import env
from .mount import MountError, option_text, run

LIMIT_S = 30
QUICK_S = 5             # for an error that needs no waiting


def _run(words):
    done = subprocess.run(words, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False,
                          timeout=LIMIT_S * env.slow())
    return done.returncode, done.stdout, done.stderr


def pailfs(*words):
    """Run pailfs, which is not to mount; return (status, stdout, stderr)."""
    return _run([*env.pailfs(), *words])


def pailctl(*words):
    """Run pailctl; return (status, stdout, stderr)."""
    return _run([*env.pailctl(), *words])


def words_of(m, *more, **options):
    """Return the command line that mounts ${m}, options changed."""
    return [*env.pailfs(), *more, m.bucket, str(m.path), "-o",
            option_text({**m.options, **options})]


def mount_at(m, **options):
    """Mount over whatever is at the mount point of ${m}.

    Returns: what was said.  Raises MountError.
    """
    status, said = run(words_of(m, **options), LIMIT_S, m.environment,
                       m.folder)
    if status:
        raise MountError(status, said)
    m.check()
    m.pid = m.status()["pid"]
    return said


def mounts_at(path):
    """Return the flags of each mount at ${path}, the topmost last."""
    wanted = re.sub(r"[ \t\n\\]", lambda c: f"\\{ord(c[0]):03o}", str(path))
    with open("/proc/self/mounts", encoding="utf-8",
              errors="surrogateescape") as f:
        rows = [line.split(" ") for line in f]
    return [row[3].split(",") for row in rows if row[1] == wanted]


def refused(mount, *args, within=QUICK_S, **options):
    """Mount in vain; return what was said: one line, soon, with a cause."""
    m = mount(*args, start=False, **options)
    start = time.monotonic()
    with pytest.raises(MountError) as e:
        m.start()
    assert time.monotonic() - start < within * env.slow()
    assert e.value.status in (1, 2), e.value
    said = e.value.said
    assert said.startswith("pailfs: ") and len(said.splitlines()) == 1, said
    assert not m.mounted()
    return said
