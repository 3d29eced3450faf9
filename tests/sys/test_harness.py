# SPDX-License-Identifier: Apache-2.0
"""The harness itself: servers that verify, stubs, mounts, clean-up."""

import calendar
import json
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError
from botocore.session import Session
from lib import env, process
from lib.mount import Mount, MountError, Mounts, mount_type, option_text
from lib.reports import Reports
from tests.stubs.imds import Imds

FAKE = env.ROOT / "tests" / "stubs" / "fakepail.py"


# Servers.

# As these versions answer.  versitygw's 404 must not pass for "no such
# object"; moto has a 500 for most calls without a signature.
REFUSALS = {
    "versitygw": {"secret": {(403, "SignatureDoesNotMatch")},
                  "access": {(404, "XAdminUserNotFound")},
                  "signature_version": {(403, "AccessDenied")}},
    "moto": {"secret": {(403, "SignatureDoesNotMatch")},
             "access": {(403, "InvalidAccessKeyId")},
             "signature_version": {(403, "403"), (500, "500")}},
}


@pytest.mark.parametrize("wrong", [{"secret": "wrong"}, {"access": "nobody"},
                                   {"signature_version": UNSIGNED}])
def test_a_wrong_key_is_refused(server, s3, bucket, wrong):
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    bad = server.client(**wrong)
    for method, args in (("list_objects_v2", {}), ("get_object", {"Key": "k"}),
                         ("put_object", {"Key": "k", "Body": b"new"})):
        with pytest.raises(ClientError) as e:
            getattr(bad, method)(Bucket=bucket, **args)
        answer = e.value.response
        seen = (answer["ResponseMetadata"]["HTTPStatusCode"],
                answer["Error"]["Code"])
        assert seen in REFUSALS[server.name][next(iter(wrong))]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"


def test_a_bucket_is_new_and_named_for_its_test(s3, bucket):
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.servers("versitygw")
def test_a_file_in_the_backend_is_an_object(server, s3, bucket):
    (server.root / bucket / "behind").write_bytes(b"our back")
    got = s3.get_object(Bucket=bucket, Key="behind")["Body"].read()
    assert got == b"our back"


@pytest.mark.servers("versitygw")
def test_a_paused_server_hangs_and_goes_on(server, bucket):
    quick = server.client(read_timeout=0.3)
    server.pause()
    try:
        with pytest.raises(Exception, match="timeout"):
            quick.list_objects_v2(Bucket=bucket)
    finally:
        server.resume()
    server.client().list_objects_v2(Bucket=bucket)


def test_nothing_steers_the_clients():
    steering = [k for k in os.environ if k.startswith("AWS_")]
    assert sorted(steering) == ["AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED",
                                "AWS_SHARED_CREDENTIALS_FILE"]
    assert not boto3.session.Session().get_credentials()


def test_a_group_ends_with_its_leader(tmp_path):
    child = process.Child(["sh", "-c", "sleep 99 & echo $!; wait"],
                          tmp_path / "log", dict(os.environ))
    process.wait_until(child.output, 20, "the pid")
    grandchild = int(child.output())
    child.stop()
    process.wait_until(lambda: process.state(grandchild) in ("", "Z"), 20,
                       "the grandchild to end")


# The metadata stub.

def call(url, method="GET", headers=None):
    """Return (status, text) of a request to the stub."""
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=2) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, ""


def token_of(imds, ttl="60"):
    return call(imds.endpoint + "/latest/api/token", "PUT",
                {"x-aws-ec2-metadata-token-ttl-seconds": ttl})


ROLES = "/latest/meta-data/iam/security-credentials/"


def test_imds_insists_on_the_token():
    with Imds(role="r") as imds:
        assert call(imds.endpoint + ROLES)[0] == 401
        assert call(imds.endpoint + "/latest/api/token", "PUT")[0] == 400
        assert token_of(imds, "99999")[0] == 400
        header = {"x-aws-ec2-metadata-token": token_of(imds)[1]}
        assert call(imds.endpoint + ROLES, headers=header) == (200, "r")
        status, text = call(imds.endpoint + ROLES + "r", headers=header)
        assert json.loads(text)["AccessKeyId"] == "AKIDSTUB"
        imds.forget_tokens()
        assert call(imds.endpoint + ROLES, headers=header)[0] == 401
        assert imds.calls == {"role": 3, "token": 3, "credentials": 1,
                              "refused": 2}


def test_imds_tokens_expire():
    with Imds() as imds:
        header = {"x-aws-ec2-metadata-token": token_of(imds, "1")[1]}
        assert call(imds.endpoint + ROLES, headers=header)[0] == 200
        time.sleep(1.05)
        assert call(imds.endpoint + ROLES, headers=header)[0] == 401


def test_imds_fails_hangs_and_has_no_role():
    with Imds() as imds:
        imds.fail, imds.fail_times = 503, 1
        assert token_of(imds)[0] == 503
        header = {"x-aws-ec2-metadata-token": token_of(imds)[1]}
        imds.role = None
        assert call(imds.endpoint + ROLES, headers=header)[0] == 404
        imds.hang()
        with pytest.raises(TimeoutError):
            call(imds.endpoint + ROLES, headers=header)


def test_botocore_takes_what_imds_rotates(monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    with Imds(key="AK1", secret="SK1", token="ST1") as imds:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.endpoint)
        for want in (("AK1", "SK1", "ST1"), ("AK2", "SK2", "ST2")):
            found = Session().get_credentials().get_frozen_credentials()
            assert found[:3] == want
            imds.rotate("AK2", "SK2", "ST2")
        assert imds.calls["credentials"] == 2 and not imds.calls["refused"]


@pytest.mark.parametrize("lifetime_s", [-60, 1, 3600])
def test_imds_expiry_is_adjustable(lifetime_s):
    with Imds(lifetime_s=lifetime_s) as imds:
        ends = imds.credentials()["Expiration"]
    ends = calendar.timegm(time.strptime(ends, "%Y-%m-%dT%H:%M:%SZ"))
    assert abs(ends - time.time() - lifetime_s) < 2


def test_the_container_endpoint_wants_its_token():
    with Imds() as imds:
        assert call(imds.container_uri)[0] == 401
        header = {"Authorization": imds.container_token}
        status, text = call(imds.container_uri, headers=header)
        assert status == 200 and json.loads(text)["Token"] == "stub-st"


# Mounts, with a stand-in for pailfs.

@pytest.fixture
def fake(monkeypatch, tmp_path, server):
    """A mount factory whose pailfs is fakepail.py."""
    monkeypatch.setenv("PAILFS_WRAP", sys.executable)
    monkeypatch.setenv("PAILFS_BIN", str(FAKE))
    monkeypatch.setenv("PAILCTL_BIN", str(FAKE))
    (tmp_path / "fake").mkdir()
    mounts = Mounts(tmp_path / "fake", server, Reports(tmp_path / "r"))
    yield mounts
    mounts.clean_up()
    left = [m for m in mounts.made if m.mounted() or m.alive()]
    assert not left


one_server = pytest.mark.servers("versitygw")


@one_server
def test_a_mount_and_its_end(fake):
    m = fake("bucket", ttl=0, attrs="list", noisy=False)
    assert mount_type(m.path) == "fuse.pailfs" and m.alive()
    options = m.status()["options"]
    assert options["attrs"] == "list" and options["ttl"] == "0"
    assert options["ro"] == "" and "noisy" not in options
    passwd = options["passwd_file"]
    assert stat.S_IMODE(os.stat(passwd).st_mode) == 0o600
    with open(passwd, encoding="ascii") as f:
        assert f.read() == "pailfstest:pailfs-test-secret\n"
    m.umount()
    assert not m.mounted() and m.statuses == [0]
    assert fake.clean_up() == []


@one_server
def test_clean_up_of_a_good_mount_finds_nothing(fake):
    m = fake("bucket")
    assert fake.clean_up() == []
    assert not m.mounted() and not m.cache.exists() and m.statuses == [0]


@one_server
def test_a_crash_is_found(fake):
    m = fake("bucket")
    os.kill(m.pid, signal.SIGSEGV)
    process.wait_until(lambda: not m.alive(), 20, "the end")
    said = fake.clean_up()
    assert "ended by itself, status -11" in said[0]
    assert "fakepail started" in said[0], "without the log"
    assert not m.mounted()


@one_server
def test_a_bad_end_is_found(fake):
    fake("bucket", end=3)
    assert "ended with 3" in fake.clean_up()[0]
    with pytest.raises(AssertionError, match="ended with 4"):
        fake("bucket", end=4).umount()


@one_server
def test_a_daemon_that_stays_is_killed(fake, monkeypatch):
    monkeypatch.setattr("lib.mount.UMOUNT_S", 0.5)
    m = fake("bucket", stay=True)
    pid = m.pid
    assert "goes on after" in fake.clean_up()[0]
    assert process.state(pid) == ""


@one_server
def test_kill9_and_remount(fake):
    m = fake("bucket")
    m.kill9()
    assert m.mounted() and not m.alive()
    subprocess.run(["umount", "-l", m.path], check=True)
    m.remount(ttl=7)
    assert m.status()["options"]["ttl"] == "7" and m.statuses == [-9]
    m.remount()
    assert m.statuses == [-9, 0]


@one_server
def test_a_dead_mount_point_is_cleared(fake):
    m = fake("bucket")
    m.kill9()
    assert m.mounted()
    assert fake.clean_up() == []
    assert not m.mounted()


@one_server
def test_a_refusal_is_told(fake):
    with pytest.raises(MountError, match="no such bucket, sorry") as e:
        fake("bucket", refuse="no such bucket, sorry")
    assert e.value.status == 1


@one_server
def test_a_mount_that_is_none_is_found(fake, monkeypatch):
    monkeypatch.setenv("PAILFS_WRAP", "")
    monkeypatch.setenv("PAILFS_BIN", "/bin/true")
    with pytest.raises(AssertionError, match="no mount point"):
        fake("bucket")


@one_server
def test_a_sanitizer_report_is_found(fake):
    fake("bucket", report=True)
    assert fake.clean_up() == []
    assert "ERROR: fake report" in fake.reports.text()


@one_server
def test_a_daemon_whose_pid_nobody_told_is_ended(fake):
    m = fake("bucket", stay=True)
    pid, m.pid = m.pid, 0
    assert "left behind" in fake.clean_up()[0]
    assert process.state(pid) == "" and not m.mounted()


@one_server
def test_a_hung_mount_does_not_hang_the_tests(fake):
    fake.limit_s = 8        # the mount has to be there by then
    m = fake("bucket")
    m.path.with_name("mnt.deaf").touch()
    time.sleep(1.1)         # the kernel forgets the attributes after 1 s
    with pytest.raises(OSError):
        os.stat(m.path)     # no signal gets through here but the daemon's end
    assert "killed" in fake.clean_up()[0]


@one_server
def test_credentials_by_environment(fake):
    m = fake("bucket", auth="env")
    assert m.environment["AWS_ACCESS_KEY_ID"] == "pailfstest"
    assert "passwd_file" not in m.options


def test_sanitizer_options_keep_what_was_there(tmp_path):
    reports = Reports(tmp_path / "r")
    out = reports.environment({"TSAN_OPTIONS": "log_path=/x:history_size=4"})
    assert out["TSAN_OPTIONS"] == f"history_size=4:log_path={tmp_path}/r/tsan"
    assert out["ASAN_OPTIONS"] == f"log_path={tmp_path}/r/asan"


def test_option_text():
    assert option_text({"a": True, "b": None, "c": "x,y\\z", "d": 0}) == \
        r"a,c=x\,y\\z,d=0"
    assert Mount.umount and mount_type("/proc") == "proc"


def test_inner_pytest(tmp_path):
    """--long, --server and the report fixture, in a pytest of its own."""
    (tmp_path / "test_x.py").write_text(
        "import pytest\n"
        "@pytest.mark.long\ndef test_long(): pass\n"
        "def test_both(server): pass\n"
        "def test_report(reports):\n"
        "    (reports.folder / 'asan.1').write_text('ERROR: leak')\n")
    conftest = env.ROOT / "tests" / "sys"
    out = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q",
         "-p", "conftest", "--server", "versitygw", "--collect-only",
         str(tmp_path)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(conftest)})
    assert "test_both[versitygw]" in out.stdout
    assert "moto" not in out.stdout and "test_long" not in out.stdout
    out = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q",
         "-p", "conftest", str(tmp_path / "test_x.py"), "-k", "report"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(conftest)})
    assert out.returncode == 1 and "a sanitizer reported" in out.stdout
