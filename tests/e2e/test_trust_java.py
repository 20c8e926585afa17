"""trust, `java:`: real keystores and the keytool of a real JDK."""

import os
import re
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import pkcs12

from lib import wait
from lib.hotcertd import run
from lib.pki import CA, replace
from trust_case import daemon, pem_of, the_machines_own_store  # noqa: F401 fixtures

pytestmark = [pytest.mark.skipif(not shutil.which("keytool"), reason="needs keytool of a JDK or JRE"),
              pytest.mark.xdist_group("java")]  # each run of it keeps a processor busy
PASSWORD = "changeit"


@pytest.fixture
def root(tmp_path):
    return tmp_path


class Keystore:
    """One with a root of somebody else; made once for each kind and password, since each keytool takes a second."""

    made = {}

    def __init__(self, directory, kind="PKCS12", password=PASSWORD):
        self.path, self.password, self.kind = directory / "cacerts", password, kind
        if (kind, password) not in self.made:
            self.stock = CA("Stock Root")
            self.add("stock", self.stock)
            self.made[kind, password] = self.stock, self.path.read_bytes()
        self.stock, data = self.made[kind, password]
        self.path.write_bytes(data)

    def keytool(self, *words):
        return subprocess.run(["keytool", "-J-Duser.language=en", "-J-XX:TieredStopAtLevel=1", *map(str, words), "-keystore", self.path,
                               "-storepass", self.password], check=True, capture_output=True, text=True).stdout

    def add(self, alias, ca):
        ca.write(self.path.with_name(f"{alias}.crt"))
        self.keytool("-importcert", "-noprompt", "-storetype", self.kind, "-alias", alias, "-file", self.path.with_name(f"{alias}.crt"))

    def list(self):
        """{alias: fingerprint}"""
        if self.kind == "PKCS12":
            certs = pkcs12.load_pkcs12(self.path.read_bytes(), self.password.encode()).additional_certs
            return {c.friendly_name.decode().lower(): c.certificate.fingerprint(hashes.SHA256()).hex() for c in certs}
        return {alias: fp.replace(":", "").lower() for alias, fp in
                re.findall(r"^Alias name: (\S+)$.*?^\s*SHA256: (\S+)$", self.keytool("-list", "-v"), re.M | re.S)}

    def ours(self):
        return {alias: fp for alias, fp in self.list().items() if alias.startswith("hotcert-")}


@pytest.fixture
def keystore(tmp_path):
    (tmp_path / "java").mkdir()
    return Keystore(tmp_path / "java")


def configure(daemon, keystore, more="overlap = 0"):
    daemon.configure(f"{more}\nretry_min = 1h\nretry_max = 1h", stores=f"java:{keystore.path}")


def left(keystore):
    return sorted(n for n in os.listdir(keystore.path.parent) if not n.endswith(".crt"))


def test_installed_rotated_and_uninstalled(daemon, keystore, ca, tls):
    keystore.path.chmod(0o640)
    configure(daemon, keystore)
    daemon.start()
    assert daemon.instance("trust:corp")["state"] == "ok", daemon.log_text()
    alias = f"hotcert-corp-{ca.fingerprint[:32]}-test_root"
    assert keystore.list() == {"stock": keystore.stock.fingerprint, alias: ca.fingerprint}
    assert keystore.path.stat().st_mode & 0o777 == 0o640 and left(keystore) == ["cacerts"]
    before = keystore.path.stat()
    daemon.restart()
    assert keystore.path.stat().st_ino == before.st_ino and keystore.path.stat().st_mtime_ns == before.st_mtime_ns
    second = CA("Test Root")
    replace(tls / "ca.crt", pem_of(second, keystore.stock))
    assert daemon.sync() == 0, daemon.log_text()
    assert list(keystore.ours().values()) == [second.fingerprint]
    assert daemon.instance("trust:corp")["details"][f"java:{keystore.path}"].startswith("1 installed, 1 there from others")
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert keystore.list() == {"stock": keystore.stock.fingerprint} and left(keystore) == ["cacerts"]


def test_a_keystore_of_the_older_kind_stays_one(daemon, tmp_path, ca):
    keystore = Keystore(tmp_path, "JKS")
    configure(daemon, keystore)
    daemon.start()
    assert set(keystore.list().values()) == {keystore.stock.fingerprint, ca.fingerprint}
    assert keystore.path.read_bytes()[:4] == bytes.fromhex("feedfeed")


@pytest.mark.skipif(not shutil.which("javac"), reason="needs a JDK")
def test_a_java_client_trusts_it(daemon, keystore, ca, tls, tmp_path):
    """Not by what keytool lists, but by a handshake of Java's own TLS with what the store is now."""
    leaf = ca.issue()
    leaf.write(tls)
    (tmp_path / "Client.java").write_text(
        'public class Client { public static void main(String[] a) throws Exception {\n'
        ' var s = (javax.net.ssl.SSLSocket) javax.net.ssl.SSLSocketFactory.getDefault().createSocket("127.0.0.1", Integer.parseInt(a[0]));\n'
        ' s.startHandshake(); System.out.println("trusted"); } }\n')
    configure(daemon, keystore)

    def client():
        server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", tls / "redis.crt", "-key", tls / "redis.key"],
                                  stdout=subprocess.PIPE, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = next(m.group(1) for m in (re.match(r"ACCEPT 127.0.0.1:(\d+)", line) for line in server.stdout) if m)
            return run(["java", "-XX:TieredStopAtLevel=1", f"-Djavax.net.ssl.trustStore={keystore.path}",
                        f"-Djavax.net.ssl.trustStorePassword={PASSWORD}", tmp_path / "Client.java", port])
        finally:
            server.kill()
            server.communicate()
    code, out = client()
    assert code != 0 and "unable to find valid certification path" in out, out
    daemon.start()
    assert client() == (0, "trusted\n")


def test_a_keystore_is_made(daemon, tmp_path, ca):
    keystore = Keystore(tmp_path)
    keystore.path.unlink()
    configure(daemon, keystore)
    daemon.start()
    assert list(keystore.list().values()) == [ca.fingerprint] and keystore.path.stat().st_mode & 0o777 == 0o644


def test_the_password_comes_from_a_file_and_is_never_an_argument(daemon, tmp_path, ca):
    keystore = Keystore(tmp_path, password="s3cret-of-ours")
    (tmp_path / "bin").mkdir()
    spy = tmp_path / "bin/keytool"  # writes down its arguments, and then is keytool
    spy.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/arguments\nexec {shutil.which("keytool")} "$@"\n')
    spy.chmod(0o755)
    daemon.wrapper = ["env", f"PATH={tmp_path}/bin:{os.environ['PATH']}"]
    configure(daemon, keystore)
    daemon.start()
    assert re.search("keytool exited with 1: .*password was incorrect", daemon.log_text())
    daemon.stop()
    secret = tmp_path / "password"
    secret.write_text("s3cret-of-ours\n")
    secret.chmod(0o600)
    configure(daemon, keystore, f"java_password_file = {secret}")
    daemon.start()
    daemon.ctl("retry", "trust:corp")
    daemon.wait_instance("trust:corp", "ok")
    assert ca.fingerprint in keystore.list().values()
    arguments = (tmp_path / "arguments").read_text()
    assert f"-storepass:file {secret}" in arguments and "s3cret" not in arguments + daemon.log_text()


def test_what_others_have_done_meanwhile_is_kept_and_ours_is_made_good(daemon, keystore, ca):
    configure(daemon, keystore)
    daemon.start()
    mine = CA("Mine")
    keystore.add("mine", mine)
    keystore.keytool("-delete", "-alias", next(iter(keystore.ours())))
    daemon.restart()
    assert {keystore.stock.fingerprint, mine.fingerprint, ca.fingerprint} == set(keystore.list().values())


def test_killed_in_the_middle_the_keystore_is_whole(daemon, keystore, ca, tls):
    configure(daemon, keystore)
    cas = [CA(f"Root {n}") for n in range(3)]
    replace(tls / "ca.crt", pem_of(*cas))
    before = keystore.path.read_bytes()
    daemon.start(ready=False)
    copy = keystore.path.with_name("cacerts.hotcert")
    wait.until(lambda: copy.exists() and copy.stat().st_size != len(before), "no change begins")
    daemon.kill()
    assert keystore.path.read_bytes() == before
    daemon.start(deadline=60)
    assert len(keystore.ours()) == 3 and left(keystore) == ["cacerts"]


def test_two_instances_take_turns(daemon, tmp_path, ca, tls):
    keystore = Keystore(tmp_path)
    configure(daemon, keystore)
    other = CA("Other")
    other.write(tls / "other.crt")
    daemon.conf("20-b", f"[watch b]\ndirectory = {tls}\nmatch = other.crt\n[trust b]\nstores = java:{keystore.path}\n")
    daemon.start(deadline=60)
    assert set(keystore.ours().values()) == {ca.fingerprint, other.fingerprint}


def test_a_torn_keystore_is_an_error_and_left(daemon, keystore):
    keystore.path.write_bytes(b"rubbish")
    configure(daemon, keystore)
    daemon.start()
    assert re.search("keytool exited with 1: ", daemon.instance("trust:corp")["message"] + daemon.log_text())
    assert keystore.path.read_bytes() == b"rubbish" and left(keystore) == ["cacerts"]
