# SPDX-License-Identifier: Apache-2.0
"""Mounts over TLS, and buckets in the name of the host.

The server is a second versitygw on the folder of the first, with a
certificate that signed itself: it is its own CA.  *.localhost is loopback.
"""

import datetime
import os
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lib import env, servers
from lib.mount import MountError
from lib.workload import MIB, data, plant

pytestmark = pytest.mark.servers("versitygw")
BUCKET = "tls-pail"
DOTTED = "my.tls.pail"
FILES = {"a": b"hello", "d/b": data(3 * MIB)}
CA_NAMES = ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def make_certificate(folder, names, days=1):
    """Make folder/cert and folder/key; for ${days} from now, or ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pail")])
    cert = (x509.CertificateBuilder()
            .subject_name(name).issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(names), False)
            .add_extension(x509.BasicConstraints(True, None), True)
            .sign(key, hashes.SHA256()))
    (folder / "cert").write_bytes(
        cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))


class TlsServer(servers.Versitygw):
    """versitygw over TLS on the folder of another one."""

    def __init__(self, folder, other, **certificate):
        super().__init__(folder)
        self.root = other.root
        names = [x509.DNSName("localhost"),
                 x509.DNSName(f"{BUCKET}.localhost")]
        make_certificate(self.folder, names, **certificate)

    def command(self):
        words, extra = super().command()
        at = words.index("posix")
        return [*words[:at], "--cert", str(self.folder / "cert"), "--key",
                str(self.folder / "key"), *words[at:]], extra

    @property
    def ca(self):
        return str(self.folder / "cert")

    @property
    def endpoint(self):
        return f"https://localhost:{self.port}"


@pytest.fixture(scope="module")
def buckets(server, s3):
    """Two buckets with files in them."""
    for name in (BUCKET, DOTTED):
        s3.create_bucket(Bucket=name)
        plant(server, name, FILES)
    yield
    for name in (BUCKET, DOTTED):
        server.remove_bucket(name)


@pytest.fixture(scope="module")
def new_server(server, buckets, tmp_path_factory):
    """A factory of servers over TLS."""
    made = []

    def start(**certificate):
        made.append(TlsServer(tmp_path_factory.mktemp("tls"), server,
                              **certificate))
        return made[-1].start()

    yield start
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def tls(new_server):
    """A server over TLS with a good certificate."""
    return new_server()


def check(m):
    """All is there, and right."""
    assert sorted(os.listdir(m.path)) == ["a", "d"]
    for key, content in FILES.items():
        assert (m.path / key).read_bytes() == content


@pytest.mark.parametrize("name", CA_NAMES)
def test_a_ca_of_our_own(tls, mount, name):
    check(mount(BUCKET, endpoint=tls.endpoint, env_extra={name: tls.ca}))


def test_the_first_name_of_a_ca_counts(tls, mount, tmp_path):
    (tmp_path / "none").write_text("")
    extra = {"AWS_CA_BUNDLE": tls.ca, "SSL_CERT_FILE": str(tmp_path / "none")}
    check(mount(BUCKET, endpoint=tls.endpoint, env_extra=extra))


def refused(mount, endpoint, ca, bucket=BUCKET):
    """Mount in vain; return the one line that says why."""
    m = mount(bucket, endpoint=endpoint, start=False,
              env_extra={"AWS_CA_BUNDLE": str(ca)} if ca else {})
    start = time.monotonic()
    with pytest.raises(MountError) as e:
        m.start()
    assert time.monotonic() - start < 5 * env.slow(), "tried without hope"
    assert e.value.status == 1 and not m.mounted()
    assert len(e.value.said.splitlines()) == 1, e.value.said
    return e.value.said


def test_a_ca_that_nobody_knows(tls, mount):
    said = refused(mount, tls.endpoint, None)
    assert f"no secure connection to {tls.endpoint}" in said
    assert "certificate" in said


def test_the_certificate_of_another_host(tls, mount):
    said = refused(mount, f"https://127.0.0.1:{tls.port}", tls.ca)
    assert "no secure connection" in said and "127.0.0.1" in said


def test_a_certificate_that_has_expired(new_server, mount):
    old = new_server(days=-1)
    said = refused(mount, old.endpoint, old.ca)
    assert "no secure connection" in said and "expired" in said


def test_a_ca_file_that_is_not_there(tls, mount, tmp_path):
    said = refused(mount, tls.endpoint, tmp_path / "none")
    assert "no secure connection" in said
    assert str(tmp_path / "none") in said


def test_http_to_a_server_of_https(tls, mount):
    said = refused(mount, f"http://localhost:{tls.port}", tls.ca)
    assert "http or https" in said


def test_https_to_a_server_of_http(server, buckets, mount):
    said = refused(mount, f"https://127.0.0.1:{server.port}", None)
    assert "http or https" in said


def test_the_bucket_in_the_host_over_tls(tls, mount):
    """The certificate is that of BUCKET.localhost, and is checked so."""
    check(mount(BUCKET, endpoint=tls.endpoint, path_style="no",
                env_extra={"AWS_CA_BUNDLE": tls.ca}))


def test_a_dot_in_the_bucket_over_tls(tls, mount):
    """No certificate fits such a host: the bucket goes into the path."""
    check(mount(DOTTED, endpoint=tls.endpoint, path_style="no",
                env_extra={"AWS_CA_BUNDLE": tls.ca}))


@pytest.mark.parametrize("bucket", [BUCKET, DOTTED])
@pytest.mark.parametrize("style", ["no", "yes", "auto"])
def test_the_bucket_in_the_host(buckets, new_proxy, mount, bucket, style):
    """Over http it goes where path_style= says, with a dot or without."""
    # A proxy that does not know the domain: it sees buckets in paths only.
    proxy = new_proxy(conditions=False)
    m = mount(bucket, endpoint=f"http://localhost:{proxy.port}",
              path_style=style)
    check(m)
    seen = {entry["bucket"] == bucket for entry in proxy.log()}
    assert seen == {style != "no"}
