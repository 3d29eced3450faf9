# SPDX-License-Identifier: Apache-2.0
"""Where the client's credentials come from, up to a signed request."""

import os
import time

import pytest
from lib.env import slow
from lib.tool import Tool
from tests.stubs.imds import Imds

pytestmark = pytest.mark.servers("versitygw")


@pytest.fixture
def environ(reports, tmp_path):
    """An environment without credentials, with an empty home."""
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    env = reports.environment({**os.environ, "HOME": str(home)})
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        env.pop(name, None)
    return env


@pytest.fixture
def imds(server):
    """The metadata service of an instance whose role may use the server."""
    with Imds(key=server.access, secret=server.secret, token="") as stub:
        yield stub


@pytest.fixture
def role(environ, imds):
    """An environment as on EC2."""
    env = {**environ, "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.endpoint}
    del env["AWS_EC2_METADATA_DISABLED"]
    return env


@pytest.fixture
def where(server, bucket):
    return {"bucket": bucket, "endpoint": server.endpoint, "timeout_s": 10}


def head(tool):
    return tool.call("HeadObject", key="none")["err"]


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)


def test_the_role_of_the_instance(role, imds, where):
    with Tool(role, **where) as tool:
        assert tool.opened["err"] == "", tool.opened
        assert head(tool) == "ENOENT"
    assert dict(imds.calls) == {"token": 1, "role": 1, "credentials": 1}


def test_keys_are_refreshed_before_they_expire(role, imds, where):
    imds.lifetime_s = 5
    with Tool(role, **where) as tool:
        end = time.monotonic() + 20 * slow()
        while imds.calls["credentials"] < 3:
            assert time.monotonic() < end, "not refreshed"
            assert head(tool) == "ENOENT"
            time.sleep(0.2)
    assert imds.calls["refused"] == 0


def test_old_keys_are_used_while_the_service_fails(role, imds, where):
    imds.lifetime_s = 6         # 5 at least: it is told in whole seconds
    start = time.monotonic()
    with Tool(role, **where) as tool:
        imds.fail = 503
        end = time.monotonic() + 6.5
        while time.monotonic() < start + 3:
            assert head(tool) == "ENOENT"
            time.sleep(0.2)
        while time.monotonic() < end:
            time.sleep(0.1)
        waits = tool.send("HeadObject", key="none")
        time.sleep(0.5)
        imds.fail = None
        assert tool.wait(waits)["err"] == "ENOENT"


def test_without_keys_a_call_ends_in_time(role, imds, where):
    imds.lifetime_s = 2
    with Tool(role, **{**where, "timeout_s": 3}) as tool:
        imds.fail = 503
        time.sleep(3)
        start = time.monotonic()
        answer = tool.call("HeadObject", key="none")
        assert answer["err"] == "EACCES"
        assert "credentials" in answer["message"]
        assert 2 < time.monotonic() - start < 10 * slow()


@pytest.mark.parametrize("op", ["GetObject", "HeadObject"])
def test_rotated_keys_are_fetched_when_the_old_ones_are_refused(
        role, imds, where, server, proxy, op):
    where["endpoint"] = proxy.endpoint
    with Tool(role, **where) as tool:
        proxy.fault("expired_token", op=op, times=1)
        assert tool.call(op, key="none")["err"] == "ENOENT"
    assert imds.calls["credentials"] == 2


@pytest.mark.parametrize("attribute, value, said", [
    ("no_v2", True, "404"), ("role", None, "404"), ("fail", 500, "500"),
    ("hop_limit", True, "metadata service"),
])
def test_a_service_that_gives_nothing(role, imds, where, attribute, value,
                                      said):
    setattr(imds, attribute, value)
    start = time.monotonic()
    with Tool(role, **where) as tool:
        assert tool.opened["err"] == "EACCES"
        assert "no credentials found" in tool.opened["message"]
        assert said in tool.opened["message"]
    assert time.monotonic() - start < 6 * slow()
    assert imds.calls["credentials"] == 0
    if attribute != "role":
        assert imds.calls["role"] == 0      # no version 1


def test_a_service_that_is_switched_off_is_not_asked(role, imds, where):
    with Tool({**role, "AWS_EC2_METADATA_DISABLED": "TRUE"}, **where) as tool:
        assert tool.opened["err"] == "EACCES"
    assert not imds.calls


def test_the_passwd_file(environ, where, server, bucket, tmp_path):
    path = tmp_path / "passwd"
    good = f"{server.access}:{server.secret}\n"
    write(path, f"other:no:no\nno:no\n{bucket}:{good}")
    with Tool(environ, passwd_file=str(path), **where) as tool:
        assert tool.opened["err"] == "" and head(tool) == "ENOENT"
    write(path, good, 0o644)
    with Tool(environ, passwd_file=str(path), **where) as tool:
        assert tool.opened["err"] == "EACCES"
        assert "chmod 600" in tool.opened["message"]
        assert server.secret not in tool.opened["message"]


def test_a_profile(environ, where, server, tmp_path):
    aws = tmp_path / "home" / ".aws"
    write(aws / "credentials", "[default]\naws_access_key_id=no\n"
          "aws_secret_access_key=no\n[p]\n"
          f"aws_access_key_id = {server.access}\n"
          f"aws_secret_access_key = {server.secret}\n")
    write(aws / "config", "[profile p]\nregion = us-east-1\n")
    env = {**environ, "AWS_ACCESS_KEY_ID": "no",
           "AWS_SECRET_ACCESS_KEY": "no"}
    with Tool(env, profile="p", **where) as tool:
        assert tool.opened["err"] == "", tool.opened
        assert tool.opened["region"] == "us-east-1"
    write(aws / "credentials", (aws / "credentials").read_text(), 0o644)
    with Tool(env, profile="p", **where) as tool:
        assert tool.opened["err"] == ""
        assert "chmod 600" in tool.opened["message"]
        assert server.secret not in tool.opened["message"]
    with Tool(env, profile="q", **where) as tool:
        assert tool.opened["err"] == "EACCES"
        assert "profile q" in tool.opened["message"]
