# SPDX-License-Identifier: Apache-2.0
"""The two commands: what they say, and that they neither crash nor hang."""

import errno
import os
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from lib import env, process
from lib.command import (QUICK_S, mount_at, mounts_at, pailctl, pailfs,
                         refused, words_of)
from lib.data import MIB, noise
from lib.mount import MountError, mount_type, option_text, run


# What can be wrong with the server.

def test_no_such_bucket(mount):
    said = refused(mount, "absent-" + os.urandom(4).hex())
    assert re.search(r"absent-\w+", said)
    assert re.search("no such bucket|does not exist|no bucket", said)


def test_a_wrong_secret(server, bucket, mount):
    said = refused(mount, bucket, auth=None, env_extra={
        "AWS_ACCESS_KEY_ID": server.access, "AWS_SECRET_ACCESS_KEY": "wrong"})
    assert re.search("denied|refused|secret|signature|credentials", said)


def test_a_wrong_key_id(bucket, mount):
    said = refused(mount, bucket, auth=None, env_extra={
        "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "wrong"})
    assert re.search("denied|refused|key|credentials", said)
    assert "no such bucket" not in said


def test_no_credentials(bucket, mount):
    said = refused(mount, bucket, auth=None)
    assert "credentials" in said


@pytest.mark.servers("versitygw")
def test_credentials_that_a_session_token_spoils(server, bucket, mount):
    """As an expired one: versitygw knows no session tokens."""
    said = refused(mount, bucket, auth="env", env_extra={
        "AWS_SESSION_TOKEN": "bogus"})
    assert re.search("token|credentials|expired", said)


@pytest.mark.servers("versitygw")
def test_a_bucket_that_is_not_public(bucket, mount):
    said = refused(mount, bucket, auth=None, no_sign=True)
    assert re.search("denied|refused|no_sign|credentials", said)


@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("region", [None, "eu-west-1"])
def test_the_region_is_found_out(s3, bucket, mount, region):
    """versitygw refuses a signature for another; its answer names its own."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    m = mount(bucket, region=region)
    assert (m.path / "f").read_bytes() == b"x"
    assert m.status()["region"] == "us-east-1"


@pytest.mark.servers("versitygw")
def test_a_secret_is_never_said(server, bucket, mount, tmp_path):
    m = mount(bucket, log_level="debug")
    os.listdir(m.path)
    refused(mount, "absent-bucket", log_level="debug")
    for log in tmp_path.glob("m*/log"):
        assert server.secret not in log.read_text()


@pytest.mark.servers("versitygw")
def test_a_passwd_file_that_others_may_read(bucket, mount, tmp_path):
    file = tmp_path / "open"
    file.write_text("a:b\n")
    file.chmod(0o644)
    said = refused(mount, bucket, auth=None, passwd_file=file)
    assert str(file) in said and "600" in said


@pytest.mark.servers("versitygw")
def test_an_unreachable_endpoint(bucket, mount):
    said = refused(mount, bucket, timeout=3,
                   endpoint=f"http://127.0.0.1:{process.free_port()}")
    assert re.search("reach|connect|refused", said)


@pytest.mark.servers("versitygw")
def test_an_endpoint_without_a_name(bucket, mount):
    said = refused(mount, bucket, timeout=3,
                   endpoint="http://absent.invalid:9")
    assert "absent.invalid" in said


@pytest.mark.servers("versitygw")
def test_an_endpoint_that_is_no_http(bucket, mount, tmp_path):
    """A server that says something else, and one that hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            while True:
                try:
                    conn, _ = listener.accept()
                except OSError:
                    return
                with conn:
                    conn.recv(4096)
                    conn.sendall(b"220 mail.example ESMTP\r\n")
        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        refused(mount, bucket, timeout=3,
                endpoint=f"http://127.0.0.1:{port}")
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.servers("versitygw")
def test_an_endpoint_that_is_some_web_server(bucket, mount):
    """It has never heard of the bucket: which server said so is told."""
    class Absent(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)
        do_HEAD = do_GET

        def log_message(self, *_):
            pass
    with ThreadingHTTPServer(("127.0.0.1", 0), Absent) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{web.server_port}"
        said = refused(mount, bucket, timeout=3, endpoint=endpoint)
        web.shutdown()
    assert endpoint in said and "check the endpoint" in said, said


@pytest.mark.servers("versitygw")
def test_an_endpoint_that_hangs(server, bucket, mount):
    """timeout= bounds it."""
    server.pause()
    try:
        said = refused(mount, bucket, timeout=2)
    finally:
        server.resume()
    assert re.search("reach|answer|tim", said)


@contextmanager
def starting(m, *words):
    """Yield a pailfs that starts and is not waited for; killed at the end."""
    m.path.mkdir(exist_ok=True)
    child = subprocess.Popen(words_of(m, *words), env=m.environment,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.wait(QUICK_S)


@pytest.mark.servers("versitygw")
def test_ctrl_c_while_the_server_hangs(server, bucket, mount):
    m = mount(bucket, start=False)
    server.pause()
    try:
        with starting(m, "-f") as child:
            time.sleep(0.5)
            child.send_signal(signal.SIGINT)
            child.wait(QUICK_S * env.slow())
    finally:
        server.resume()
    assert not m.mounted()


@pytest.mark.servers("versitygw")
def test_ctrl_c_before_it_is_in_the_background(server, bucket, mount):
    """Nobody waits for the mount any more: none may be left, dead least."""
    m = mount(bucket, start=False)
    server.pause()
    try:
        with starting(m) as child:
            time.sleep(0.5)
            child.send_signal(signal.SIGINT)
            child.wait(QUICK_S * env.slow())
    finally:
        server.resume()
    process.wait_until(lambda: not process.naming(str(m.path)),
                       QUICK_S * env.slow(), "the daemon to give up")
    assert not m.mounted()


# What can be wrong with the options.

@pytest.mark.servers("versitygw")
@pytest.mark.parametrize("options, words", [
    ({"cash_size": "1G"}, "cash_size.*cache_size"),
    ({"xyzzyxyzzy": True}, "xyzzyxyzzy.*--help"),
    ({"cache_size": "1"}, "cache_size=1: must be"),
    ({"cache_size": "much"}, "cache_size=much"),
    ({"cache_size": "10X"}, "cache_size=10X"),
    ({"cache_size": "-1"}, "cache_size=-1"),
    ({"cache_size": "99999999999999999999"}, "cache_size"),
    ({"timeout": "0"}, "timeout=0: must be"),
    ({"ttl": "1e9"}, "ttl=1e9"),
    ({"umask": "8"}, "umask=8"),
    ({"umask": "01000"}, "umask=01000: must be"),
    ({"file_mode": "rw"}, "file_mode=rw"),
    ({"threads": "0"}, "threads=0: must be"),
    ({"attrs": "all"}, "attrs=all.*posix"),
    ({"log_level": "loud"}, "log_level=loud"),
    ({"endpoint": "eu-west-1"}, "eu-west-1.*region="),
    ({"region": ""}, "region"),
    ({"profile": "absent"}, "absent"),
    ({"passwd_file": "/absent/passwd"}, "/absent/passwd"),
    ({"log_file": "/absent/log"}, "/absent/log"),
])
def test_bad_options(bucket, mount, options, words):
    auth = None if "profile" in options else "passwd"
    said = refused(mount, bucket, auth=auth, **options)
    assert re.search(words, said), said


@pytest.mark.servers("versitygw")
def test_bad_arguments(bucket, tmp_path):
    point = str(tmp_path)
    for words in ([], [bucket], [bucket, point, "more"], ["", point],
                  ["s3://", point], ["a/b", point], [":/x", point],
                  [bucket, point, "-o"], [bucket, point, "-q"]):
        status, out, err = pailfs(*words)
        assert status == 2 and out == "" and err.startswith("pailfs: "), words


@pytest.mark.servers("versitygw")
def test_names_of_s3fs_mean_the_same(server, bucket, mount):
    m = mount(bucket, endpoint=None, url=server.endpoint, path_style=None,
              use_path_request_style=True, stat_cache_expire=7,
              ensure_diskfree=10, parallel_count=8)
    assert os.listdir(m.path) == []


@pytest.mark.servers("versitygw")
def test_help_and_version():
    status, out, err = pailfs("--help")
    assert status == 0 and err == ""
    for option in ("endpoint", "path_style", "region", "profile",
                   "passwd_file",
                   "no_sign", "cache", "cache_size", "free_space", "memory",
                   "timeout", "ttl", "negative_ttl", "attrs", "uid", "gid",
                   "umask", "file_mode", "dir_mode", "ro", "allow_other",
                   "threads", "bucket_size", "log_level"):
        assert re.search(rf"^  {option}\b", out, re.M), option
    assert pailfs("-h")[1] == out
    status, version, _ = pailfs("--version")
    assert status == 0 and re.fullmatch(r"pailfs \d+\.\d+\.\d+\n", version)
    assert pailfs("-V")[1] == version
    status, out, _ = pailctl("--help")
    assert status == 0
    for word in ("status", "umount", "odd", "log_level", "--json", "--list",
                 "--get", "--output"):
        assert word in out, word
    assert pailctl("--version")[1] == version.replace("pailfs", "pailctl")


# What can be wrong with the mount point.

@pytest.mark.servers("versitygw")
def test_bad_mount_points(bucket, mount, tmp_path):
    absent = tmp_path / "not-there"
    status, _, err = pailfs(bucket, str(absent))
    assert status == 1 and str(absent) in err and "mkdir" in err
    file = tmp_path / "file"
    file.write_bytes(b"")
    status, _, err = pailfs(bucket, str(file))
    assert status == 1 and "not a directory" in err


def test_a_mount_point_in_use(bucket, mount, tmp_path):
    m = mount(bucket)
    with pytest.raises(MountError) as e:
        mount_at(m, cache=tmp_path / "other")
    assert "pailctl umount" in e.value.said
    assert os.listdir(m.path) == [] and len(mounts_at(m.path)) == 1


@pytest.mark.parametrize("wait_s", [0, 0.2])
def test_a_dead_mount_point_is_cleared(s3, bucket, mount, wait_s):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    m = mount(bucket, ttl=0)
    assert (m.path / "f").read_bytes() == b"x"
    m.kill9()
    time.sleep(wait_s)
    with pytest.raises(OSError) as e:
        os.listdir(m.path)
    assert e.value.errno == errno.ENOTCONN
    status, said = m.ctl("status", str(m.path))
    assert status == 1 and "dead" in said
    mount_at(m)
    assert (m.path / "f").read_bytes() == b"x"
    assert len(mounts_at(m.path)) == 1


def test_a_dead_mount_point_with_the_default_ttl(s3, bucket, mount):
    """The kernel still answers stat() of the root from its memory."""
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    m = mount(bucket)
    os.listdir(m.path)
    m.kill9()
    mount_at(m)
    assert (m.path / "f").read_bytes() == b"x"


# Nothing can be changed.

def changes(top):
    """Yield (name, call) of everything that would change the file system."""
    f, d, new = top / "f", top / "d", top / "new"
    yield "write", lambda: os.open(f, os.O_WRONLY)
    yield "read and write", lambda: os.open(f, os.O_RDWR)
    yield "append", lambda: os.open(f, os.O_WRONLY | os.O_APPEND)
    yield "O_TRUNC", lambda: os.open(f, os.O_WRONLY | os.O_TRUNC)
    yield "create", lambda: os.open(new, os.O_CREAT | os.O_WRONLY)
    yield "mkdir", lambda: os.mkdir(new)
    yield "rmdir", lambda: os.rmdir(d)
    yield "unlink", lambda: os.unlink(f)
    yield "rename", lambda: os.rename(f, new)
    yield "rename over", lambda: os.rename(f, d / "g")
    yield "symlink", lambda: os.symlink("f", new)
    yield "link", lambda: os.link(f, new)
    yield "mkfifo", lambda: os.mkfifo(new)
    yield "mknod", lambda: os.mknod(new)
    yield "chmod", lambda: os.chmod(f, 0o600)
    yield "chown", lambda: os.chown(f, 1, 1)
    yield "utime", lambda: os.utime(f, (1, 1))
    yield "truncate", lambda: os.truncate(f, 0)
    yield "setxattr", lambda: os.setxattr(f, "user.x", b"1")
    yield "removexattr", lambda: os.removexattr(f, "user.note")
    yield "chmod /", lambda: os.chmod(top, 0o700)


def test_ro_refuses_every_change(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x", Metadata={
        "xattr": "%7B%22user.note%22%3A%22eA%3D%3D%22%7D"})
    s3.put_object(Bucket=bucket, Key="d/g", Body=b"x")
    m = mount(bucket, ro=True)
    before = [(o["Key"], o["ETag"], o["LastModified"]) for o in
              s3.list_objects_v2(Bucket=bucket)["Contents"]]
    for name, change in changes(m.path):
        with pytest.raises(OSError) as e:
            change()
        assert e.value.errno == errno.EROFS, (name, e.value)
    assert m.status()["read_only"] is True
    assert sorted(os.listdir(m.path)) == ["d", "f"]
    assert (m.path / "f").read_bytes() == b"x"
    assert os.getxattr(m.path / "f", "user.note") == b"x"
    assert before == [(o["Key"], o["ETag"], o["LastModified"]) for o in
                      s3.list_objects_v2(Bucket=bucket)["Contents"]]
    requests = m.status()["s3"]["requests"]
    assert not {"PutObject", "DeleteObject", "CopyObject"} & set(requests)


# The end.

def ended(m):
    """Wait until the daemon is gone; it must have ended well."""
    assert process.reap(m.pid, QUICK_S * env.slow()) in (0, None)
    m.pid = 0
    assert not m.mounted()


def test_pailctl_umount_waits_for_the_daemon(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    m = mount(bucket)
    (m.path / "f").read_bytes()
    assert m.ctl("umount", str(m.path))[0] == 0
    again = mount(bucket, cache=m.cache)    # nobody holds the folder
    assert (again.path / "f").read_bytes() == b"x"
    ended(m)


def test_sigterm_unmounts(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    m = mount(bucket)
    assert (m.path / "f").read_bytes() == b"x"
    os.kill(m.pid, signal.SIGTERM)
    ended(m)
    m.start()
    assert (m.path / "f").read_bytes() == b"x"
    assert m.status()["s3"]["requests"].get("GetObject", 0) == 0


def test_fusermount_unmounts(bucket, mount):
    m = mount(bucket)
    subprocess.run(["fusermount3", "-u", str(m.path)], check=True)
    ended(m)


def test_umount_of_a_mount_in_use(s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    m = mount(bucket)
    with open(m.path / "f", "rb") as f:
        status, said = m.ctl("umount", str(m.path))
        assert status == 1 and "in use" in said
        assert f.read() == b"x" and m.alive()
    m.umount()


def test_sigterm_while_a_reader_hangs(server, s3, proxy, bucket, mount):
    s3.put_object(Bucket=bucket, Key="f", Body=noise(100_000))
    m = mount(bucket, proxy=proxy)
    os.listdir(m.path)
    proxy.fault("hold", op="GetObject")
    child = subprocess.Popen(["cat", str(m.path / "f")],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    proxy.wait_held()
    try:
        os.kill(m.pid, signal.SIGTERM)
        ended(m)
    finally:
        proxy.release()
        child.kill()
        child.wait(10)


# pailctl.

def test_pailctl_where_nothing_is_mounted(tmp_path):
    for command in ("status", "umount", "odd"):
        status, out, err = pailctl(command, str(tmp_path))
        assert status == 1 and out == "", command
        assert str(tmp_path) in err and "no pailfs" in err
    assert pailctl("status", str(tmp_path / "absent"))[0] == 1
    assert pailctl("status", "/")[0] == 1
    assert pailctl("dance", str(tmp_path))[0] == 2
    assert pailctl()[0] == 2 and pailctl("status")[0] == 2


def test_pailctl_says_what_is_wrong(bucket, mount):
    m = mount(bucket)
    for words, said in (
            (["status"], "the mount point is missing"),
            (["log_level", str(m.path)], "the level is missing"),
            (["conflicts", str(m.path), "--keep"], "missing after --keep"),
            (["status", str(m.path), "--keep", "f"],
             "--keep is an option of conflicts, not of status")):
        status, out, err = pailctl(*words)
        assert status == 2 and out == "" and said in err, words
        assert err.count("\n") == 1
    status, _, err = pailctl("log_level", str(m.path), "loud")
    assert status == 1 and "must be error, warning" in err
    assert "no answer" not in err


def test_status_in_full(server, s3, bucket, mount):
    s3.put_object(Bucket=bucket, Key="a/f", Body=bytes(1000))
    m = mount(f"{bucket}:/a", cache_size="64M")
    (m.path / "f").read_bytes()
    st = m.status()
    assert st["bucket"] == bucket and st["prefix"] == "a/"
    assert st["endpoint"] == server.endpoint and st["region"] == "us-east-1"
    assert st["mountpoint"] == str(m.path) and st["read_only"] is True
    assert st["state"] == "mounted" and st["uptime_s"] >= 0
    assert st["cache"]["size"] == 64 * MIB
    assert 0 < st["cache"]["used"] < 4 * MIB
    assert st["cache"]["fetched_bytes"] == 1000
    assert st["cache"]["read_bytes"] == 1000
    assert st["s3"]["requests"]["GetObject"] == 1
    assert st["s3"]["bytes_down"] >= 1000
    assert st["s3"]["errors"] == 0 and st["s3"]["in_flight"] == 0
    with open(m.path / "f", "rb"):
        assert m.status()["cache"]["open_files"] == 1
    status, said = m.ctl("status", str(m.path))
    assert status == 0
    for word in (bucket, server.endpoint, "64.0 MiB", "GetObject",
                 "read-only"):
        assert word in said


def test_status_by_a_relative_path(bucket, mount):
    m = mount(bucket)
    done = subprocess.run([*env.pailctl(), "status", m.path.name],
                          cwd=m.path.parent, capture_output=True, check=False)
    assert done.returncode == 0


# mount(8).

@pytest.fixture
def helper():
    """/sbin/mount.pailfs, for as long as the test lasts."""
    link = "/sbin/mount.pailfs"
    if os.path.lexists(link):
        if os.path.realpath(link) != os.path.realpath(env.pailfs()[-1]):
            pytest.skip(f"{link} is there, and another program")
        yield link
        return
    os.symlink(os.path.abspath(env.pailfs()[-1]), link)
    yield link
    os.unlink(link)


@pytest.mark.servers("versitygw")
@pytest.mark.skipif(bool(env.wrap()), reason="mount(8) knows no wrapper")
@pytest.mark.parametrize("extra", [
    "ro", "ro,_netdev,nofail,noauto,user,x-systemd.automount,"
    "x-systemd.requires=network-online.target,comment=media,nosuid,nodev"])
def test_mount_8(server, s3, bucket, mount, helper, extra):
    s3.put_object(Bucket=bucket, Key="d/f", Body=b"x")
    m = mount(bucket, start=False)
    m.path.mkdir()
    del m.options["ro"]
    status, said = run(
        ["mount", "-t", "pailfs", f"{bucket}:/d", str(m.path), "-o",
         f"{option_text(m.options)},{extra}"], 20, m.environment, m.folder)
    assert status == 0, said
    m.check()
    m.pid = m.status()["pid"]
    assert (m.path / "f").read_bytes() == b"x"
    (flags,) = mounts_at(m.path)
    assert "ro" in flags and ("nosuid" in flags or "nosuid" not in extra)
    subprocess.run(["umount", str(m.path)], check=True)
    ended(m)
    assert mount_type(m.path) == ""


@pytest.mark.servers("versitygw")
def test_the_foreground(server, bucket, mount):
    """-f: messages to stderr, ends by Ctrl-C."""
    m = mount(bucket, start=False)
    with starting(m, "-f") as child:
        process.wait_until(m.mounted, QUICK_S * env.slow(), "the mount")
        process.wait_until(lambda: m.ctl("status", str(m.path))[0] == 0,
                           QUICK_S * env.slow(), "an answer")
        assert m.status()["pid"] == child.pid or env.wrap()
        assert os.listdir(m.path) == []
        child.send_signal(signal.SIGINT)
        assert child.wait(QUICK_S * env.slow()) == 0
    assert not m.mounted()
