# SPDX-License-Identifier: Apache-2.0
"""fsync of a folder; of the root, which stands for sync(2): FUSE has none."""

import os
import shutil

import pytest
from lib import stored
from lib.modes import cut, end, restart, settle, writing

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.timeout(90)]
LONG_MS = 60_000                # write_delay: until something hurries it
KEYS = ("d/mode", "d/old", "d/gone", "d/more", "mode")


@pytest.fixture
def m(request, s3, bucket, mount):
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    m = mount(bucket, ro=False, sync=request.param, write_delay=LONG_MS)
    for folder in (m.path, m.path / "d"):
        os.listdir(folder)
    return m


def sync(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def mode(s3, bucket, key):
    return int(stored.head(s3, bucket, key)["Metadata"].get("mode", 0)) & 0o777


@pytest.mark.parametrize("m", ("close", "fsync"), indirect=True)
def test_the_root_sends_everything(s3, bucket, m):
    (m.path / "d/e").mkdir()
    job = writing(m.path / "d/e/open", 100)
    (m.path / "d/closed").write_bytes(b"closed")
    os.unlink(m.path / "d/gone")
    os.rename(m.path / "d/old", m.path / "d/new")
    os.chmod(m.path / "d/mode", 0o604)
    os.chmod(m.path / "mode", 0o605)
    os.chmod(m.path / "d/e", 0o705)
    sync(m.path)
    assert set(stored.keys(s3, bucket)) == {
        "d/mode", "d/new", "d/more", "mode", "d/e/", "d/e/open", "d/closed"}
    assert stored.body(s3, bucket, "d/e/open") == b"x" * 100
    assert stored.body(s3, bucket, "d/closed") == b"closed"
    assert [mode(s3, bucket, key) for key in ("d/mode", "mode", "d/e/")] == [
        0o604, 0o605, 0o705]
    end(job)


@pytest.mark.parametrize("m", ("close", "fsync"), indirect=True)
def test_a_folder_sends_what_is_its_own(s3, bucket, m):
    """Its attributes and the names in it; no file that is being written."""
    (m.path / "d/e").mkdir()
    job = writing(m.path / "d/open", 100)
    os.chmod(m.path / "d", 0o701)
    os.chmod(m.path / "mode", 0o605)
    os.rename(m.path / "d/old", m.path / "d/new")
    sync(m.path / "d")
    keys = stored.keys(s3, bucket)
    assert "d/e/" in keys and "d/new" in keys and "d/old" not in keys
    assert "d/open" not in keys
    assert mode(s3, bucket, "d/") == 0o701
    assert mode(s3, bucket, "mode") == 0
    end(job)


@pytest.mark.parametrize("sync_mode", ("close", "fsync"))
def test_one_that_is_refused_keeps_no_other(s3, bucket, proxy, mount,
                                            sync_mode):
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    m = mount(bucket, proxy=proxy, ro=False, sync=sync_mode,
              write_delay=LONG_MS)
    jobs = [writing(m.path / name, 100) for name in ("a", "refused", "z")]
    os.chmod(m.path / "mode", 0o605)
    proxy.fault("status", op="PutObject", key="refused", status=403,
                code="AccessDenied")
    with pytest.raises(PermissionError):
        sync(m.path)
    keys = stored.keys(s3, bucket)
    assert "a" in keys and "z" in keys and "refused" not in keys
    assert mode(s3, bucket, "mode") == 0o605
    proxy.clear()
    sync(m.path)
    assert stored.body(s3, bucket, "refused") == b"x" * 100
    for job in jobs:
        end(job)


def test_power_loss_after_it(s3, bucket, proxy, mount, tmp_path):
    """sync=local: the folder as it was when fsync had returned."""
    m = mount(bucket, proxy=proxy, ro=False, sync="local", timeout=3)
    (m.path / "d").mkdir()
    settle(m)
    for folder in (m.path, m.path / "d"):
        os.listdir(folder)
    cut(proxy)
    job = writing(m.path / "d/open", 70000)
    sync(m.path)
    shutil.copytree(m.cache, tmp_path / "copy")
    end(job)
    m.kill9()
    shutil.rmtree(m.cache)
    shutil.copytree(tmp_path / "copy", m.cache)
    proxy.clear()
    m.start()
    settle(m)
    assert stored.body(s3, bucket, "d/open") == b"x" * 70000
    assert not [key for key in stored.keys(s3, bucket) if "unfinished" in key]


@pytest.mark.parametrize("m", ("close",), indirect=True)
def test_nothing_to_do(m):
    for path in (m.path, m.path / "d"):
        sync(path)
    os.sync()


def test_killed_after_it(s3, bucket, proxy, mount):
    m = mount(bucket, proxy=proxy, ro=False, sync="close")
    job = writing(m.path / "open", 100)
    sync(m.path)
    restart(m, proxy)
    end(job)
    assert stored.body(s3, bucket, "open") == b"x" * 100
    assert os.listdir(m.path) == ["open"]
