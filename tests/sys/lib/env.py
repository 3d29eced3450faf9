# SPDX-License-Identifier: Apache-2.0
"""Where things are, and how patient to be.

    PAILFS_BUILD    folder of the programs (default: build/ at the top)
    PAILFS_BIN      the pailfs program, if it is elsewhere
    PAILCTL_BIN     the pailctl program
    PAILFS_WRAP     words before a program of ours, for instance setarch -R
    PAILFS_TOOLS    folder whose bin/ has versitygw, pjdfstest and fsx
    PAILFS_FLAVOUR  "", asan or tsan
    PAILFS_SLOW     factor of all time limits (default 1; 4 with a flavour)
"""

import os
import shlex
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DROP = ("AWS_", "CURL_CA", "REQUESTS_CA", "SSL_CERT", "PAILFS_SECRET")


def build():
    return Path(os.environ.get("PAILFS_BUILD") or ROOT / "build")


def pailfs():
    """Return the command line of pailfs, without arguments."""
    program = os.environ.get("PAILFS_BIN") or str(build() / "pailfs")
    return [*wrap(), program]


def pailctl():
    """Return the command line of pailctl, without arguments."""
    program = os.environ.get("PAILCTL_BIN") or str(build() / "pailctl")
    return [*wrap(), program]


def wrap():
    return shlex.split(os.environ.get("PAILFS_WRAP", ""))


def flavour():
    return os.environ.get("PAILFS_FLAVOUR", "")


def slow():
    """Return the factor for all time limits."""
    default = "4" if flavour() else "1"
    return float(os.environ.get("PAILFS_SLOW") or default)


def tool(name):
    """Return the path of what make setup built; raise FileNotFoundError."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    tools = Path(os.environ.get("PAILFS_TOOLS") or Path(cache) / "pailfs")
    found = shutil.which(name, path=f"{tools / 'bin'}:"
                         + os.environ.get("PATH", ""))
    if not found:
        raise FileNotFoundError(f"no {name} in {tools}/bin: run make setup")
    return found


def versitygw():
    return tool("versitygw")


def clean():
    """Return an environment without anything that steers an S3 client."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(DROP) and not k.lower().endswith("_proxy")}
    env["AWS_EC2_METADATA_DISABLED"] = "true"
    env["AWS_CONFIG_FILE"] = env["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null"
    return env


def adopt_clean():
    """Make this process's own environment clean, for boto3 and children."""
    env = clean()
    os.environ.clear()
    os.environ.update(env)
