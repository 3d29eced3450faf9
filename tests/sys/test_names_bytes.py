# SPDX-License-Identifier: Apache-2.0
"""Names that are not UTF-8: S3 has no such keys, and none is made."""

import errno
import os
import stat

import pytest
from lib import stored

pytestmark = pytest.mark.servers("versitygw")

# Latin-1; cut off; longer than need be; surrogates, of which CESU-8 makes one
# character; beyond Unicode.
BAD = [b"caf\xe9", b"x\xc3", b"\xc0\xae", b"\xed\xa0\xbd\xed\xb8\x80",
       b"\xf4\x90\x80\x80"]
# The last before and the first after the surrogates, and beyond.
GOOD = ["caf\u00e9", "\ud7ff\ue000", "\U0001f600"]


@pytest.fixture
def top(bucket, mount):
    return mount(bucket, ro=False)


def make(path):
    os.close(os.open(path, os.O_CREAT | os.O_RDWR))


WAYS = {
    "create": make,
    "mkdir": os.mkdir,
    "mknod": lambda path: os.mknod(path, stat.S_IFIFO | 0o600),
    "symlink": lambda path: os.symlink(b"old", path),
    "rename": lambda path: os.rename(os.path.dirname(path) + b"/old", path),
    "rename_folder":
        lambda path: os.rename(os.path.dirname(path) + b"/dir", path),
}


@pytest.mark.parametrize("way", WAYS)
def test_refused(s3, bucket, top, way):
    """By each call that makes a name; all is as before."""
    (top.path / "old").write_bytes(b"old")
    (top.path / "dir").mkdir()
    before = stored.keys(s3, bucket)
    for name in BAD:
        with pytest.raises(OSError) as e:
            WAYS[way](os.fsencode(top.path) + b"/" + name)
        assert e.value.errno == errno.EILSEQ, name
    assert sorted(os.listdir(top.path)) == ["dir", "old"]
    assert stored.keys(s3, bucket) == before
    log = top.log.read_text()
    assert log.count("is not UTF-8") == len(BAD) and "'caf?'" in log


def test_others_are_fine(s3, bucket, top):
    for i, name in enumerate(GOOD):
        (top.path / name).write_bytes(b"%d" % i)
    top.remount()
    assert sorted(os.listdir(top.path)) == sorted(GOOD)
    for i, name in enumerate(GOOD):
        assert stored.body(s3, bucket, name) == b"%d" % i
        os.rename(top.path / name, top.path / (name + "2"))
        assert (top.path / (name + "2")).read_bytes() == b"%d" % i
        (top.path / (name + "2")).unlink()
    assert os.listdir(top.path) == []
    assert stored.keys(s3, bucket) == {}
