# SPDX-License-Identifier: Apache-2.0
"""What Debian has, on the mount: packages, a large source, LibreOffice."""

import os
import shutil
import subprocess

import pytest
from lib.pairs import differ, ENV, look, pair  # noqa: F401
from lib.workload import run

pytestmark = [pytest.mark.servers("versitygw"), pytest.mark.long,
              pytest.mark.timeout(3000)]
PACKAGES = ("coreutils", "vim-runtime")      # which have no hard links
SOURCE = "git"
FILES = 4000            # that it has, at least
# What needs no library besides zlib's.
PLAIN = ("NO_CURL=1", "NO_EXPAT=1", "NO_GETTEXT=1", "NO_OPENSSL=1",
         "NO_PERL=1", "NO_PYTHON=1", "NO_TCLTK=1", "CFLAGS=-O0")


def or_skip(*words, **options):
    """Run what the test needs; where that fails, skip, and say how."""
    try:
        done = subprocess.run(
            [str(word) for word in words], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=300, check=False, **options)
        said, status = done.stdout, done.returncode
    except (OSError, subprocess.TimeoutExpired) as e:
        said, status = str(e), 1
    if status:
        pytest.skip(f"{' '.join(map(str, words))}: {said[-300:]}")
    return said


@pytest.fixture
def sources(tmp_path):
    """The options with which apt-get knows where sources are."""
    parts, lists = tmp_path / "parts", tmp_path / "lists"
    parts.mkdir()
    (lists / "partial").mkdir(parents=True)
    or_skip("sed", "-n", "s/^Types: deb$/Types: deb-src/;"
            f"w {parts}/s.sources", "/etc/apt/sources.list.d/debian.sources")
    options = ["-o", "Dir::Etc::SourceList=/dev/null",
               "-o", f"Dir::Etc::SourceParts={parts}",
               "-o", f"Dir::State::lists={lists}",
               "-o", "APT::Sandbox::User=root"]
    or_skip("apt-get", *options, "update")
    return options


def test_packages(pair):
    """Downloaded to the mount, and unpacked there."""
    or_skip("apt-get", "-o", "APT::Sandbox::User=root", "download", *PACKAGES,
            cwd=pair.m.path)
    for deb in sorted(pair.m.path.glob("*.deb")):
        shutil.copy2(deb, pair.disk)
    for deb in sorted(pair.disk.glob("*.deb")):
        pair.run("dpkg-deb", "-x", deb.name, "root", timeout=600)
    assert len(look(pair.disk)) > 1000
    pair.proved(times=True)


@pytest.mark.parametrize("sync", ("close", "fsync"))
def test_a_large_project(bucket, mount, sources, tmp_path, sync):
    """Unpacked and built by make -j2 on the mount; what comes of it works."""
    or_skip("apt-get", *sources, "--download-only", "source", SOURCE,
            cwd=tmp_path)
    archive = next(tmp_path.glob(f"{SOURCE}_*.orig.tar.*"))
    m = mount(bucket, ro=False, sync=sync)
    for top in (tmp_path / "disk", m.path / "source"):
        top.mkdir()
        run("tar", "xf", archive, "--strip-components=1", "-C", top,
            timeout=900)
    wanted = look(tmp_path / "disk", times=True)
    assert len(wanted) > FILES
    assert differ(wanted, look(m.path / "source", times=True)) == []
    make = ["make", "-s", "-j2", "-C", m.path / "source", *PLAIN, "git"]
    run(*make, env=ENV, timeout=1800)
    run(m.path / "source/git", "version", env=ENV)
    m.umount()
    shutil.rmtree(m.cache)
    m.start()
    make.remove("-s")       # it would tell what it compiles
    assert b"CC " not in run(*make, env=ENV, timeout=900)
    git = [m.path / "source/git", f"--exec-path={m.path / 'source'}"]
    run(*git, "init", "-q", m.path / "repo", env=ENV)
    (m.path / "repo/f").write_text("text\n")
    run(*git, "-C", m.path / "repo", "add", "f", env=ENV)
    run(*git, "-C", m.path / "repo", "commit", "-qm", "one", env=ENV)
    run(*git, "-C", m.path / "repo", "fsck", "--strict", env=ENV)


def test_libreoffice(bucket, mount):
    """Its profile, its locks and its documents are on the mount."""
    m = mount(bucket, ro=False)
    office = ["soffice", "--headless", "-env:UserInstallation="
              f"file://{m.path}/profile", "--convert-to"]
    text = "".join(f"line {i}\n" for i in range(500))
    (m.path / "a.txt").write_text(text)
    environment = {**os.environ, "HOME": str(m.path)}
    or_skip("soffice", "--version")     # apt-get install libreoffice-writer
    for kind, name in (("odt", "a.txt"), ("docx", "a.odt"),
                       ("odt", "a.docx"), ("odt", "a.docx"),
                       ("pdf", "a.odt"), ("txt:Text", "a.odt")):
        run(*office, kind, "--outdir", m.path, m.path / name, cwd=m.path,
            env=environment, timeout=300)
    assert (m.path / "a.pdf").read_bytes().startswith(b"%PDF")
    made = look(m.path)
    m.umount()
    shutil.rmtree(m.cache)
    m.start()
    assert differ(made, look(m.path)) == []
    assert (m.path / "a.txt").read_text("utf-8-sig") == text
    assert [p.name for p in m.path.iterdir() if "lock" in p.name] == []
