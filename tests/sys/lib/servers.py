# SPDX-License-Identifier: Apache-2.0
"""Real S3 servers on loopback, each on a free port with its own data.

versitygw keeps objects as files: Versitygw.root / BUCKET / KEY is one.  moto
keeps them in memory; its signatures are verified: the first calls, which it
lets pass unchecked, make a user and an access key.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from . import env
from .process import Child, answers, free_port, wait_until

REGION = "us-east-1"
START_S = 20
# IAM calls that moto answers before it verifies anything.
MOTO_FREE_CALLS = 3
POLICY = ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
          '"Action":"s3:*","Resource":"*"}]}')


def client(endpoint, access, secret, service="s3", **config):
    """Return a boto3 client that retries nothing, path style, SigV4."""
    config.setdefault("retries", {"total_max_attempts": 1})
    config.setdefault("read_timeout", 60)
    config.setdefault("max_pool_connections", 32)
    if service == "s3":
        config.setdefault("signature_version", "s3v4")
        config.setdefault("s3", {"addressing_style": "path"})
    return boto3.session.Session().client(
        service, endpoint_url=endpoint, region_name=REGION,
        aws_access_key_id=access, aws_secret_access_key=secret,
        config=Config(**config))


class Server:
    """What both have in common."""
    name = ""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.host = "127.0.0.1"
        self.port = 0
        self.access = "pailfstest"
        self.secret = "pailfs-test-secret"
        self.child = None

    @property
    def endpoint(self):
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self):
        return self.child.pid

    def command(self):
        raise NotImplementedError

    def start(self, port=None):
        """Start on ${port}, or on a free one that nobody snatches."""
        for attempt in (1, 2, 3):
            self.port = port or free_port()
            words, extra = self.command()
            self.child = Child(words, self.folder / "server.log",
                               {**env.clean(), **extra})
            wait_until(lambda: answers(self.port) or not self.child.running(),
                       START_S * env.slow(), f"{self.name} to listen")
            if self.child.running():
                self.set_up()
                return self
        raise RuntimeError(f"{self.name} ends at once: {self.child.output()}")

    def set_up(self):
        """Run once the server listens."""

    def stop(self):
        if self.child:
            self.child.stop()

    def pause(self):
        """Stop the server without closing a connection: it hangs."""
        self.child.signal(signal.SIGSTOP)

    def resume(self):
        self.child.signal(signal.SIGCONT)

    def client(self, endpoint=None, access=None, secret=None, **config):
        """Return a boto3 S3 client of this server (or of a proxy's)."""
        return client(endpoint or self.endpoint, access or self.access,
                      secret or self.secret, **config)

    def remove_bucket(self, name):
        """Remove a bucket with all that is in it."""
        raise NotImplementedError


class Versitygw(Server):
    """versitygw on a folder of a file system with extended attributes."""
    name = "versitygw"

    def __init__(self, folder):
        super().__init__(folder)
        self.root = self.folder / "root"
        self.root.mkdir()
        check_xattrs(self.root)

    def command(self):
        words = [env.versitygw(), "--port", f"{self.host}:{self.port}",
                 "--quiet", "--keep-alive", "--virtual-domain", "localhost",
                 "posix", str(self.root)]
        return words, {"ROOT_ACCESS_KEY": self.access,
                       "ROOT_SECRET_KEY": self.secret}

    def restart(self):
        """Stop and start again on the same port, with the same data."""
        self.stop()
        self.start(self.port)

    def remove_bucket(self, name):
        shutil.rmtree(self.root / name, ignore_errors=True)


class Moto(Server):
    """moto with signatures and permissions verified."""
    name = "moto"
    remover = None

    def command(self):
        words = [sys.executable, "-m", "moto.server", "-H", self.host,
                 "-p", str(self.port)]
        return words, {"INITIAL_NO_AUTH_ACTION_COUNT": str(MOTO_FREE_CALLS)}

    def set_up(self):
        iam = client(self.endpoint, "any", "any", "iam")
        user = "pailfs"
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName="s3",
                            PolicyDocument=POLICY)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        self.access = key["AccessKeyId"]
        self.secret = key["SecretAccessKey"]
        # A boto3 client takes longer to make than a bucket to remove.
        self.remover = self.client()

    def remove_bucket(self, name):
        """Best effort: what stays is gone with the process."""
        s3 = self.remover
        try:
            uploads = s3.list_multipart_uploads(Bucket=name)
            for up in uploads.get("Uploads", []):
                s3.abort_multipart_upload(Bucket=name, Key=up["Key"],
                                          UploadId=up["UploadId"])
            for page in s3.get_paginator("list_object_versions").paginate(
                    Bucket=name):
                self._delete(s3, name, page)
            s3.delete_bucket(Bucket=name)
        except ClientError:
            pass

    @staticmethod
    def _delete(s3, name, page):
        keys = [{"Key": o["Key"], "VersionId": o["VersionId"]}
                for kind in ("Versions", "DeleteMarkers")
                for o in page.get(kind, [])]
        if keys:
            s3.delete_objects(Bucket=name, Delete={"Objects": keys})


def check_xattrs(folder):
    """Fail in words if ${folder} cannot carry what versitygw stores."""
    try:
        os.setxattr(folder, b"user.pailfs-test", b"1")
        os.removexattr(folder, b"user.pailfs-test")
    except OSError as e:
        raise RuntimeError(f"{folder} takes no extended attributes ({e}): "
                           "give pytest another --basetemp") from e


KINDS = {kind.name: kind for kind in (Versitygw, Moto)}
