# SPDX-License-Identifier: Apache-2.0
"""A folder of the disk and a mount, in which the same is done."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest
from lib import stored
from lib.data import BLOCK, PART, noise
from lib.workload import run

ENV = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent",
       "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "t",
       "GIT_AUTHOR_EMAIL": "t@example.com", "GIT_COMMITTER_NAME": "t",
       "GIT_COMMITTER_EMAIL": "t@example.com",
       "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z",
       "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z",
       "PYTHONDONTWRITEBYTECODE": "1"}


def look(top, times=False, but=""):
    """Return {path: mode, content and perhaps mtime} of all below ${top}.

    Paths that match ${but} in full are left out.
    """
    found = {}
    for here, folders, files in os.walk(top):
        for name in folders + files:
            path = Path(here, name)
            short = str(path.relative_to(top))
            if re.fullmatch(but, short):
                continue
            st = path.lstat()
            content = None
            if path.is_symlink():
                content = os.readlink(path)
            elif path.is_file():
                content = path.read_bytes()
            found[short] = (oct(st.st_mode), content, st.st_mtime_ns
                            if times and stat.S_ISREG(st.st_mode) else 0)
    return found


def differ(wanted, found):
    """Return the paths that are not the same."""
    return [path for path in sorted({*wanted, *found})
            if wanted.get(path) != found.get(path)]


def in_bucket(s3, bucket, wanted, but=""):
    """Assert that the bucket is what look() said."""
    keys = {path + "/" * stat.S_ISDIR(int(mode, 8)): (mode, content)
            for path, (mode, content, _) in wanted.items()}
    found = [key for key in stored.keys(s3, bucket)
             if not re.fullmatch(but, key.rstrip("/"))]
    assert sorted(found) == sorted(keys)
    for key, (mode, content) in keys.items():
        got = s3.get_object(Bucket=bucket, Key=key)
        body = got["Body"].read()
        assert body == (content.encode() if isinstance(content, str)
                        else content or b""), key
        assert oct(int(got["Metadata"]["mode"])) == mode, key
    assert stored.uploads(s3, bucket) == []


class Pair:
    """A folder of the disk and a mount, in which the same is done."""

    def __init__(self, disk, m, s3, bucket):
        self.disk = disk
        self.m = m
        self.s3 = s3
        self.bucket = bucket

    @property
    def both(self):
        return self.disk, self.m.path

    def run(self, *words, **options):
        """Run a program in both; it must print the same."""
        said = [run(*words, cwd=folder, env=ENV, **options)
                for folder in self.both]
        assert said[0] == said[1]
        return said[1]

    def sh(self, script, **options):
        return self.run("sh", "-ec", script, **options)

    def do(self, call):
        for folder in self.both:
            call(folder)

    def proved(self, times=False, but=""):
        """Assert that both are the same: now, after all, and in S3."""
        wanted = look(self.disk, times, but)
        assert wanted, "nothing was done"
        assert differ(wanted, look(self.m.path, times, but)) == []
        self.empty()
        assert differ(wanted, look(self.m.path, times, but)) == [], "anew"
        in_bucket(self.s3, self.bucket, wanted, but)

    def empty(self):
        """Mount anew, knowing nothing."""
        self.m.umount()
        shutil.rmtree(self.m.cache)
        self.m.start()


@pytest.fixture
def pair(tmp_path, s3, bucket, mount):
    disk = tmp_path / "disk"
    disk.mkdir()
    return Pair(disk, mount(bucket, ro=False), s3, bucket)


@pytest.fixture
def tree(tmp_path):
    """A folder with all that archives carry."""
    top = tmp_path / "tree"
    sizes = [0, 1, 511, 4096, 4097, BLOCK, BLOCK + 1, PART + 1]
    files = {f"sizes/{size}": noise(size, size) for size in sizes}
    files |= {f"many/sub{i % 3}/n {i}.txt": noise(i * 37, i)
              for i in range(40)}
    files |= {"top": b"top\n", "\u00fcmlaut/\u00df": b"utf-8", "run.sh": b"#!"}
    for i, (name, content) in enumerate(files.items()):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod([0o644, 0o600, 0o755, 0o444][i % 4])
        os.utime(path, ns=(10**18 + i, 15 * 10**17 + 123456789 * i))
    (top / "void").mkdir(0o700)
    (top / "link").symlink_to("sizes/1")
    (top / "dangling").symlink_to("no/where")
    return top
