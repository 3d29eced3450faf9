# SPDX-License-Identifier: Apache-2.0
"""A name goes from file to folder and back before S3 was told of the first.

S3 has `a` and `a/` beside each other.  versitygw keeps objects as files and has
one of the two: so what is owed for the one goes before the other is made.
"""

import os
import shutil

import pytest
from lib import stored
from lib.pairs import look

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(90)]
LONG_MS = 60000


def write(path, content=b"new"):
    """Write a file; S3 has it."""
    with open(path, "wb") as f:
        f.write(content)
        os.fsync(f.fileno())


def file_to_folder(top):
    os.unlink(top / "file")
    os.mkdir(top / "file", 0o700)


def file_to_filled_folder(top):
    file_to_folder(top)
    write(top / "file/x")


def renamed_file_to_folder(top):
    os.rename(top / "file", top / "other")
    os.mkdir(top / "file", 0o700)
    write(top / "file/x")


def renamed_into_its_place(top):
    os.rename(top / "file", top / "other")
    os.mkdir(top / "file", 0o700)
    os.rename(top / "other", top / "file/x")


def folder_renamed_to_file(top):
    os.unlink(top / "file")
    os.rename(top / "folder", top / "file")
    write(top / "file/x")


def folder_to_file(top):
    os.unlink(top / "folder/in")
    os.rmdir(top / "folder")
    write(top / "folder")


def folder_to_its_file(top):
    os.rename(top / "folder/in", top / "in")
    os.rmdir(top / "folder")
    os.rename(top / "in", top / "folder")


def implicit_folder_to_its_file(top):
    os.rename(top / "implicit/deep/in", top / "in")
    os.rmdir(top / "implicit/deep")
    os.rmdir(top / "implicit")
    os.rename(top / "in", top / "implicit")


def two_files_crosswise(top):
    os.rename(top / "file", top / "one")
    os.rename(top / "file2", top / "two")
    os.mkdir(top / "file")
    os.mkdir(top / "file2")
    os.rename(top / "one", top / "file2/x")
    os.rename(top / "two", top / "file/x")


def folder_to_links_and_back(top):
    os.unlink(top / "folder/in")
    os.rmdir(top / "folder")
    os.symlink("file", top / "folder")
    os.unlink(top / "folder")
    os.mkfifo(top / "folder")
    os.unlink(top / "folder")
    os.mkdir(top / "folder", 0o711)


@pytest.mark.parametrize("sync", ("fsync", "local"))
@pytest.mark.parametrize("change", [
    file_to_folder, file_to_filled_folder, renamed_file_to_folder,
    renamed_into_its_place, folder_renamed_to_file, folder_to_file,
    folder_to_its_file, implicit_folder_to_its_file, two_files_crosswise,
    folder_to_links_and_back], ids=lambda call: call.__name__)
def test_kind_changes(s3, bucket, mount, change, sync):
    s3.put_object(Bucket=bucket, Key="implicit/deep/in", Body=b"in")
    m = mount(bucket, ro=False, sync=sync)
    os.mkdir(m.path / "folder")
    for name in ("file", "file2", "folder/in"):
        (m.path / name).write_bytes(b"old")
    m.remount(write_delay=LONG_MS)
    change(m.path)
    shown = look(m.path)
    m.umount()              # it fails if S3 has not got everything
    shutil.rmtree(m.cache)
    m.start()
    assert look(m.path) == shown
    assert stored.uploads(s3, bucket) == []
