# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests.

    server      a real S3 server; each test runs once for each kind, unless it
                says @pytest.mark.servers("versitygw")
    s3          a boto3 client of it        bucket      a new bucket, its name
    proxy       the test proxy before it, conditions on, as new for each test
    proxy_s3    a boto3 client through the proxy
    raw_get     a GET through the proxy, as it is on the wire
    new_proxy   a factory: new_proxy(profile="s3", ...), stopped after the test
    mount       a factory: mount(bucket, ttl=0, ...) -> lib.mount.Mount

Options: --server NAME (repeatable), --once: each test on its first server
only, --long for tests marked "long".
"""

import functools
import shutil
import signal
import sys
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lib import env, fusectl, process, raw, servers  # noqa: E402
from lib.mount import Mounts  # noqa: E402
from lib.reports import Reports  # noqa: E402
from tests.proxy.client import Proxy  # noqa: E402

TIMEOUT_S = 120
# So long after a test's limit its daemons are killed, in case it hangs in one.
WATCHDOG_S = 5


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true",
                     help="run the tests marked long, too")
    parser.addoption("--server", action="append", choices=servers.KINDS,
                     help="run on this server only (may be repeated)")
    parser.addoption("--once", action="store_true",
                     help="run each test on the first of its servers only")


def pytest_configure(config):
    for line in ("long: takes minutes; runs with --long only",
                 "servers(name, ...): runs on these servers only"):
        config.addinivalue_line("markers", line)
    env.adopt_clean()
    # A shell starts what runs in the background with Ctrl-C ignored; what
    # the tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process.become_subreaper()


def pytest_generate_tests(metafunc):
    if "server" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("servers")
    names = mark.args if mark else list(servers.KINDS)
    if metafunc.config.getoption("--once"):
        names = names[:1]
    metafunc.parametrize("server", names, indirect=True, scope="session")


def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("--server")
    kept, left = [], []
    for item in items:
        call = getattr(item, "callspec", None)
        name = call.params.get("server") if call else None
        out = (item.get_closest_marker("long")
               and not config.getoption("--long"))
        out = out or (wanted and name and name not in wanted)
        (left if out else kept).append(item)
        mark = item.get_closest_marker("timeout")
        limit = mark.args[0] if mark else TIMEOUT_S
        # In front of the test's own, so that this one is found first.
        item.add_marker(pytest.mark.timeout(limit * env.slow()), append=False)
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def server(request, tmp_path_factory):
    """A running S3 server (lib.servers.Server)."""
    folder = tmp_path_factory.mktemp(request.param)
    one = servers.KINDS[request.param](folder)
    try:
        yield one.start()
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3(server):
    """A boto3 client of the server; it retries nothing."""
    return server.client()


@pytest.fixture
def bucket(server, s3):
    """The name of a new bucket."""
    name = "t-" + uuid.uuid4().hex[:16]
    s3.create_bucket(Bucket=name)
    yield name
    server.remove_bucket(name)


@pytest.fixture(scope="session")
def proxy_process(server, tmp_path_factory):
    """One proxy process a server: it starts slower than it is cleaned."""
    with open(tmp_path_factory.mktemp("proxy") / "log", "wb") as log:
        with Proxy.start(server.host, server.port, server.access,
                         server.secret, log=log, conditions=True) as proxy:
            yield proxy


@pytest.fixture
def proxy(proxy_process):
    """A proxy without rules, at full speed, with nothing counted."""
    proxy_process.restore()
    yield proxy_process
    proxy_process.restore()


@pytest.fixture(scope="session")
def proxy_client(server, proxy_process):
    """A boto3 client through the proxy; costly to make, so one for all."""
    return server.client(proxy_process.endpoint)


@pytest.fixture
def proxy_s3(proxy, proxy_client):
    """A boto3 client through the proxy; it retries nothing."""
    return proxy_client


@pytest.fixture
def raw_get(server, proxy):
    """lib.raw.get through the proxy: raw_get(bucket, key, first, last)."""
    return functools.partial(raw.get, server, proxy.endpoint)


@pytest.fixture
def new_proxy(server):
    """A factory of proxies with options of their own."""
    made = []

    def start(**options):
        options.setdefault("conditions", True)
        made.append(Proxy.start(server.host, server.port, server.access,
                                server.secret, **options))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def reports(tmp_path):
    """The sanitizer reports of this test; none may be there at its end."""
    folder = Reports(tmp_path / "reports")
    yield folder
    text = folder.text()
    if text:
        pytest.fail(f"a sanitizer reported:\n{text}", pytrace=False)


@pytest.fixture
def fuse():
    """lib.fusectl.Connections: what hangs in the kernel ends with the test."""
    with fusectl.mounted() as connections:
        yield connections
        connections.end()


@pytest.fixture
def mount(request, tmp_path, server, reports):
    """A factory of mounts; all are gone, and were well, at the end."""
    if "proxy" in request.fixturenames:
        request.getfixturevalue("proxy")    # made before, cleaned after
    limit = request.node.get_closest_marker("timeout").args[0]
    mounts = Mounts(tmp_path, server, reports, limit + WATCHDOG_S)
    yield mounts
    if "proxy" in request.fixturenames:
        request.getfixturevalue("proxy").restore()
    wrong = mounts.clean_up()
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
