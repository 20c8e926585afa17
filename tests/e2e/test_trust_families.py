"""trust, `system` on Alpine, Arch, RHEL and SUSE.

Their programs are not to be had here. What stands in for each is a script, below a sysroot, that works with the same
directories; on all but Alpine it has the same program do the work, p11-kit's trust(1).
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from lib.hotcertd import run
from lib.pki import CA, replace
from trust_case import daemon, pem_of, the_machines_own_store  # noqa: F401 fixtures

MODULE = next(pathlib.Path("/usr/lib").glob("*/pkcs11/p11-kit-trust.so"), None)
pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="chroot(8) needs root"),
              pytest.mark.skipif(not (MODULE and shutil.which("trust")), reason="needs p11-kit and p11-kit-modules")]

EXTRACT = "trust extract --filter=ca-anchors --overwrite --purpose server-auth"


class Family:
    """Where things are, and the stand-in for the program; source is what p11-kit reads."""

    def __init__(self, anchors, update, bundle, script, source=None, sign=None):
        self.anchors, self.update, self.bundle, self.script = anchors, update, bundle, script
        self.source, self.sign = source, sign


FAMILIES = {
    "redhat": Family("etc/pki/ca-trust/source/anchors", "usr/bin/update-ca-trust", "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                     f'test "$*" = extract\nD=/etc/pki/ca-trust/extracted/pem\n{EXTRACT} --format=pem-bundle --comment $D/tls-ca-bundle.pem\n'
                     f"{EXTRACT} --format=pem-directory-hash $D/directory-hash\n", source="/etc/pki/ca-trust/source"),
    "suse": Family("etc/pki/trust/anchors", "usr/sbin/update-ca-certificates", "var/lib/ca-certificates/ca-bundle.pem",
                   f'test "$*" = ""\numask 0222\nD=/var/lib/ca-certificates\n{EXTRACT} --format=pem-directory-hash $D/pem\n'
                   f"{EXTRACT} --format=pem-bundle $D/ca-bundle.pem\n", source="/etc/pki/trust"),
    "arch": Family("etc/ca-certificates/trust-source/anchors", "usr/bin/update-ca-trust", "etc/ca-certificates/extracted/tls-ca-bundle.pem",
                   f"D=/etc/ca-certificates/extracted\n{EXTRACT} --format=pem-directory-hash $D/cadir\n"
                   f"{EXTRACT} --format=pem-bundle $D/tls-ca-bundle.pem\n", source="/etc/ca-certificates/trust-source"),
    # Every file but hidden ones, whatever its name ends in, as update-ca.c does.
    "alpine": Family("usr/local/share/ca-certificates", "usr/sbin/update-ca-certificates", "etc/ssl/certs/ca-certificates.crt",
                     "cd /usr/local/share/ca-certificates\nfor f in *; do test ! -f $f || cat $f; done >/etc/ssl/certs/bundle.new\n"
                     "mv /etc/ssl/certs/bundle.new /etc/ssl/certs/ca-certificates.crt\n", sign="etc/alpine-release"),
}


def put_program(root, program, at=None):
    """With the libraries that it is linked with."""
    for path in {program, *re.findall(r"(/\S+) \(0x", run(["ldd", program])[1])}:
        there = root / (at if at and path == program else path.lstrip("/"))
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there)


class System:
    def __init__(self, family, root):
        self.family, self.root = family, root
        self.anchors, self.bundle, self.update = root / family.anchors, root / family.bundle, root / family.update
        for directory in self.anchors, self.bundle.parent, self.update.parent, root / "etc", root / "tmp", root / "dev":
            directory.mkdir(parents=True, exist_ok=True)
        put_program(root, "/bin/sh")
        for program in "cat", "mv", "trust":
            put_program(root, shutil.which(program))
        put_program(root, str(MODULE))
        if family.source:
            modules = root / "usr/share/p11-kit/modules"
            modules.mkdir(parents=True)
            (modules / "trust.module").write_text(f"module: p11-kit-trust.so\ntrust-policy: yes\nx-init-reserved: paths='{family.source}'\n")
        if family.sign:
            (root / family.sign).write_text("3.20.0\n")
        self.script(family.script)
        self.stock = CA("Administrator")
        self.stock.write(self.anchors / "mine.crt")
        subprocess.run(["chroot", root, f"/{family.update}", *(["extract"] if "trust" in family.update else [])], check=True)

    def script(self, text):
        self.update.write_text(f"#!/bin/sh -e\n{text}")
        self.update.chmod(0o755)

    def files(self):
        return sorted(p.name for p in self.anchors.iterdir() if p.name != "mine.crt")

    def trusts(self, ca):
        leaf = self.root.with_name(f"leaf-{ca.fingerprint}.pem")
        leaf.write_bytes(ca.issue().leaf_pem)
        return run(["openssl", "verify", "-no-CApath", "-CAfile", self.bundle, leaf])[0] == 0


@pytest.fixture(params=FAMILIES)
def system(request, tmp_path):
    return System(FAMILIES[request.param], tmp_path / "root")


@pytest.fixture
def root(system):
    return system.root


def test_installed_rotated_and_uninstalled(daemon, system, ca, tls):
    daemon.configure("overlap = 0")
    daemon.start()
    assert daemon.instance("trust:corp")["state"] == "ok", daemon.log_text()
    assert system.files() == [f"hotcert-corp-{ca.fingerprint[:32]}-Test_Root.crt"]
    assert system.trusts(ca) and system.trusts(system.stock)
    before = system.bundle.stat()
    daemon.restart()
    assert (system.bundle.stat().st_ino, system.bundle.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    second = CA("Test Root")
    replace(tls / "ca.crt", pem_of(second, system.stock))
    assert daemon.sync() == 0, daemon.log_text()
    assert len(system.files()) == 1 and system.trusts(second) and not system.trusts(ca)
    assert daemon.instance("trust:corp")["details"]["system"].startswith("1 installed, 1 there from others")
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert not system.files() and not system.trusts(second) and system.trusts(system.stock)


def test_taking_out_is_made_good_after_a_failure(daemon, system, ca, tls):
    """The program fails, the daemon is killed; what it has not finished it finds again by the note that it left."""
    second = CA("Second")
    replace(tls / "ca.crt", pem_of(ca, second))
    daemon.configure("overlap = 0\nretry_min = 1h\nretry_max = 1h")
    daemon.start()
    name = next(n for n in system.files() if ca.fingerprint[:32] in n)
    system.script("echo sorry >&2\nexit 3\n")
    replace(tls / "ca.crt", second.pem)
    daemon.wait_log(f"{system.family.update} exited with 3: sorry")
    daemon.kill()
    note = system.anchors / f".{name}.gone"
    assert note.exists() and b"CERTIFICATE" not in note.read_bytes() and system.trusts(ca)
    system.script(system.family.script)
    daemon.start()
    daemon.ctl("retry", "trust:corp")
    daemon.wait_instance("trust:corp", "ok")
    assert len(system.files()) == 1 and not system.trusts(ca) and system.trusts(second)


def test_a_program_that_does_nothing_is_noticed(daemon, system):
    system.script("exit 0\n")
    daemon.configure("retry_min = 1h\nretry_max = 1h")
    daemon.start()
    daemon.wait_log(f"/{system.family.update} ended well, but CN=Test Root is not in {system.bundle}")
