# SPDX-License-Identifier: Apache-2.0
"""Mounts that the server refuses, in part or for the clock of the machine."""

import json
import os

import pytest
from lib import env, servers
from lib.mount import MountError
from lib.workload import data, plant, run

CLOCK = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The wall clock is off by so many seconds as the file $CLOCK_OFF says. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	char text[32] = "";
	int r = (int)syscall(SYS_clock_gettime, id, ts);
	int fd = id == CLOCK_REALTIME ? open(getenv("CLOCK_OFF"), O_RDONLY)
				      : -1;

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		ts->tv_sec += atoi(text);
	if (fd >= 0)
		close(fd);
	return r;
}
"""


class Clock:
    """The wall clock of a mount; its offset can be set at any time."""

    def __init__(self, folder):
        source, library = folder / "clock.c", folder / "clock.so"
        self.file = folder / "clock_off"
        source.write_text(CLOCK)
        run(os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library,
            source)
        self.environ = {"LD_PRELOAD": str(library),
                        "CLOCK_OFF": str(self.file)}
        self.set(0)

    def set(self, seconds):
        self.file.write_text(str(seconds))


@pytest.fixture
def clock(tmp_path):
    """A clock for env_extra=clock.environ."""
    if env.flavour():
        pytest.skip("a sanitizer wants to be the first library")
    return Clock(tmp_path)


@pytest.mark.servers("versitygw")       # moto verifies no times
@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_a_clock_that_is_off(server, bucket, proxy, mount, clock, seconds):
    """It mounts, and is corrected once and for all."""
    plant(server, bucket, {"f": data(300_000)})
    clock.set(seconds)
    m = mount(bucket, proxy=proxy, attrs="list", env_extra=clock.environ)
    start = len(proxy.log())
    assert (m.path / "f").read_bytes() == data(300_000)
    assert os.listdir(m.path) == ["f"]
    statuses = [entry["status"] for entry in proxy.log()]
    assert 403 in statuses[:start], "the server does not look at the time"
    assert 403 not in statuses[start:], "asked again each time"


@pytest.mark.servers("versitygw")
def test_a_clock_that_is_set_while_mounted(server, bucket, proxy, mount,
                                           clock):
    """By hours, forth and back: programs see nothing of it."""
    files = {f"f{i}": data(1000, i) for i in range(6)}
    plant(server, bucket, files)
    m = mount(bucket, proxy=proxy, attrs="posix", ttl=0,
              env_extra=clock.environ)
    for i, seconds in enumerate((0, 10_000, -10_000, 40, 0)):
        clock.set(seconds)
        assert (m.path / f"f{i}").read_bytes() == files[f"f{i}"]
        assert sorted(os.listdir(m.path)) == sorted(files)
    refused = [e for e in proxy.log() if e["status"] == 403]
    assert 3 <= len(refused) <= 12, "once for each time it was set"


def allow(*actions, deny=()):
    """Return a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": list(actions), "Resource": "*"},
        *([{"Effect": "Deny", "Action": list(deny), "Resource": "*"}]
          if deny else [])]})


POLICIES = {
    "list": allow("s3:ListBucket"),
    "get": allow("s3:GetObject"),
    "denied": allow("s3:*", deny=["s3:GetObject"]),
    "nothing": allow("s3:PutObject"),
}


class MotoUsers(servers.Moto):
    """moto with a user for each policy."""

    def command(self):
        words, extra = super().command()
        count = servers.MOTO_FREE_CALLS * (1 + len(POLICIES))
        return words, {**extra, "INITIAL_NO_AUTH_ACTION_COUNT": str(count)}

    def set_up(self):
        iam = servers.client(self.endpoint, "any", "any", "iam")
        self.keys = {}
        for name, policy in POLICIES.items():
            iam.create_user(UserName=name)
            iam.put_user_policy(UserName=name, PolicyName="s3",
                                PolicyDocument=policy)
            key = iam.create_access_key(UserName=name)["AccessKey"]
            self.keys[name] = {
                "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        super().set_up()


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    """A moto with users, and a bucket "pail" with d/f in it."""
    one = MotoUsers(tmp_path_factory.mktemp("users"))
    try:
        s3 = one.start().client()
        s3.create_bucket(Bucket="pail")
        s3.put_object(Bucket="pail", Key="d/f", Body=b"hello")
        yield one
    finally:
        one.stop()


@pytest.fixture
def mount_as(users, mount):
    """A factory: mount_as(user, ...)."""
    def start(user, **options):
        return mount("pail", auth=None, env_extra=users.keys[user],
                     endpoint=users.endpoint, **options)
    return start


@pytest.mark.servers("moto")
@pytest.mark.parametrize("user", ["list", "denied"])
def test_who_may_list_but_not_read(mount_as, user):
    """The tree is there; to read a file is EACCES, at once."""
    m = mount_as(user, attrs="list")
    assert os.listdir(m.path / "d") == ["f"]
    assert (m.path / "d/f").stat().st_size == 5
    with pytest.raises(PermissionError):
        (m.path / "d/f").read_bytes()
    assert os.listdir(m.path) == ["d"]
    assert "access denied" in m.log_tail() and "'d/f'" in m.log_tail()


@pytest.mark.servers("moto")
def test_attributes_that_nobody_may_read(mount_as):
    """attrs=posix asks by HEAD, which is denied, too: listed, and EACCES."""
    m = mount_as("list", attrs="posix")
    assert os.listdir(m.path) == ["d"]
    with pytest.raises(PermissionError):
        os.stat(m.path / "d")
    assert "HeadObject" in m.log_tail() and "access denied" in m.log_tail()


@pytest.mark.servers("moto")
@pytest.mark.parametrize("user", ["get", "nothing"])
def test_who_may_not_list(mount_as, user):
    """A mount without listings would be of no use: one line says why."""
    m = mount_as(user, start=False)
    with pytest.raises(MountError) as e:
        m.start()
    assert e.value.status == 1 and len(e.value.said.splitlines()) == 1
    assert "access denied to 'pail'" in e.value.said
    assert "permissions" in e.value.said
    assert not m.mounted()
