"""trust, `system`: the real trust stores of Debian 12 and 13, as curl and openssl see them from inside."""

import os
import shutil
import subprocess

import pytest

from https_server import HttpsServer
from lib.hotcertd import ROOT, run
from lib.pki import CA, replace
from trust_case import daemon, pem_of, the_machines_own_store  # noqa: F401 fixtures

MATRIX = ROOT / "tests/matrix"
INSTALL = "command -v curl >/dev/null || { apt-get -qq update && apt-get -y -qq --no-install-recommends install curl; }"


def debian(suite):
    """A Debian of this suite with curl, made once and kept; skips where it cannot be had."""
    code, out = run([MATRIX / "possible"])
    if code == 0:
        code, out = run([MATRIX / "root", suite, "curl"], deadline=600)
    root = out.strip()
    if code == 0:
        code, out = run([MATRIX / "enter", root, "sh", "-c", INSTALL], deadline=300)
    if code:
        pytest.skip(out[-500:])
    return root


@pytest.fixture(params=[pytest.param(s, marks=pytest.mark.xdist_group(s)) for s in ("bookworm", "trixie")])
def root(request, tmp_path):
    copy = tmp_path / request.param
    subprocess.run(["cp", "-a", "--reflink=auto", debian(request.param), copy], check=True)
    yield copy
    shutil.rmtree(copy)


class Site:
    """A server of an authority, and who is let down by it inside."""

    def __init__(self, root, ca, directory):
        self.root, self.ca = root, ca
        self.server = HttpsServer(ca.issue(cn="localhost"), directory)
        self.server.routes["/"] = 200, b"served\n"

    def trusted(self):
        """curl reads the bundle, s_client the links: both must agree."""
        chroot = ["chroot", self.root]
        curl, out = run([*chroot, "curl", "-sS", f"https://localhost:{self.server.port}/"])
        assert (curl == 0 and out == "served\n") or curl == 60, out  # CURLE_PEER_FAILED_VERIFICATION
        s_client, out = run([*chroot, "openssl", "s_client", "-verify_return_error", "-verify_hostname", "localhost", "-connect",
                             f"127.0.0.1:{self.server.port}", "-servername", "localhost"])
        assert ("Verify return code: 0 (ok)" in out) == (s_client == 0), out
        assert (curl == 0) == (s_client == 0), (curl, out)
        return curl == 0


@pytest.fixture
def sites(root, ca, tmp_path):
    both = [Site(root, c, tmp_path / f"server{i}") for i, c in enumerate([ca, CA("Test Root")])]
    yield both
    for site in both:
        site.server.close()


def contents(root):
    """The bundle, and where each link leads inside."""
    links = root / "etc/ssl/certs"
    lead = {p.name: os.path.normpath(os.path.join("/etc/ssl/certs", os.readlink(p)))
            for p in links.iterdir() if p.is_symlink()}
    return (links / "ca-certificates.crt").read_bytes(), lead


def test_a_root_and_its_successor(daemon, root, sites, ca, tls):
    first, second = sites
    shipped = contents(root)
    assert len(shipped[1]) > 200 and not first.trusted() and not second.trusted()
    daemon.configure("overlap = 0")
    daemon.start()
    assert daemon.instance("trust:corp")["state"] == "ok", daemon.log_text()
    assert first.trusted() and not second.trusted()
    replace(tls / "ca.crt", pem_of(ca, second.ca))
    assert daemon.sync() == 0 and first.trusted() and second.trusted()
    second.ca.write(tls / "ca.crt")
    assert daemon.sync() == 0 and second.trusted() and not first.trusted()
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert not first.trusted() and not second.trusted()
    assert contents(root)[1] == shipped[1]
    assert contents(root)[0] == shipped[0]
