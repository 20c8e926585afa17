"""The life of a CA's roots, end to end: a real step-ca, a real Redis, and clients that never fail.

The CA gets a second root, signs under that, and gives up the first. hotcertd does the rest: stepca keeps the roots and the
certificate, redis loads it, trust tells the host's programs whom to trust.
"""

import json
import os
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lib import wait
from lib.pki import replace
from lib.redis_server import RedisServer
from test_trust import System
from trust_case import the_machines_own_store  # noqa: F401 a fixture

pytestmark = pytest.mark.skipif(not os.access("/usr/sbin/update-ca-certificates", os.X_OK), reason="needs Debian's ca-certificates")

CONF = """\
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
ca = ca.crt
[stepca redis]
url = {ca.url}
fingerprint = {fingerprint}
provisioner = redis
password_file = {ca.password_file}
subject = redis.internal
sans = redis.internal, 127.0.0.1
[redis redis]
address = 127.0.0.1:{server.port}
[trust redis]
stores = system, bundle:{tmp}/bundle.pem, directory:{tmp}/roots
sysroot = {system.root}
overlap = 1s
"""


class Client(threading.Thread):
    """Connects again and again, verifying as one sort of program does each time."""

    def __init__(self, port, stores):
        super().__init__()
        self.port, self.stores = port, stores
        self.failed, self.issuers, self.stop = [], {}, threading.Event()

    def connect(self, how):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(**how)
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as raw:
            with context.wrap_socket(raw, server_hostname="redis.internal") as tls:
                leaf = x509.load_der_x509_certificate(tls.getpeercert(True))
                return leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier.hex()

    def run(self):
        while not self.stop.is_set():
            for how in self.stores:
                try:
                    issuer = self.connect(how)
                    self.issuers[issuer] = self.issuers.get(issuer, 0) + 1
                except OSError as e:
                    self.failed.append(f"{how}: {e}")

    def finish(self):
        self.stop.set()
        self.join()
        return self.failed


class Authority:
    """A step-ca whose configuration changes as in a rotation."""

    def __init__(self, ca, second):
        self.ca, self.first, self.second = ca, ca.root, second
        self.both = ca.folder / "both.crt"
        self.both.write_bytes(self.first.read_bytes() + second.root.read_bytes())

    def change(self, **values):
        self.ca.stop()
        config = json.loads(self.ca.config.read_text())
        self.ca.config.write_text(json.dumps({**config, **{name: str(v) if not isinstance(v, list) else v for name, v in values.items()}}))
        self.ca.root = self.both
        self.ca.start()

    def announce_both(self):
        self.change(root=[str(self.first), str(self.second.root)])

    def sign_under_the_second(self):
        self.change(crt=self.second.folder / "certs/intermediate_ca.crt", key=self.second.folder / "secrets/intermediate_ca_key")

    def give_up_the_first(self):
        self.change(root=self.second.root)


def fingerprint(path):
    return x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256()).hex()


def has(bundle, root):
    return root.read_text().strip() in bundle.read_text()


def test_a_ca_changes_its_root_and_no_client_fails(hotcertd, make_step_ca, tmp_path, tls):
    ca, second = make_step_ca("first", lifetime="1h").start(), make_step_ca("second")
    authority, system = Authority(ca, second), System(tmp_path / "root")
    server = RedisServer(tmp_path / "redis", tls, tls / "ca.crt")
    (tmp_path / "roots").mkdir()
    bundles = [system.bundle, tmp_path / "bundle.pem"]

    def configure(root):
        hotcertd.conf("50-all", CONF.format(tls=tls, ca=ca, fingerprint=fingerprint(root), server=server, tmp=tmp_path, system=system))

    def renew():
        code, out = hotcertd.ctl("renew", "stepca:redis")
        assert code == 0, out
        assert hotcertd.sync() == 0, hotcertd.log_text()
    configure(ca.root)
    hotcertd.start(ready=False)
    wait.until((tls / "redis.crt").exists, "no certificate")
    try:
        server.start()
        hotcertd.ctl("retry", "redis:redis")
        wait.until(lambda: hotcertd.sync() == 0, hotcertd.log_text)
        client = Client(server.port, [{"cafile": b} for b in bundles] + [{"capath": d} for d in (system.links, tmp_path / "roots")])
        client.start()
        renew()

        authority.announce_both()
        renew()
        for bundle in bundles:  # before anything is signed under it
            assert has(bundle, authority.first) and has(bundle, second.root), bundle
        assert len(client.issuers) == 1

        authority.sign_under_the_second()
        renew()
        wait.until(lambda: len(client.issuers) == 2, lambda: f"{client.issuers}: nobody is served the new one")

        authority.give_up_the_first()
        hotcertd.stop()
        configure(second.root)
        replace(tls / "ca.crt", second.root.read_bytes())
        hotcertd.start()
        for bundle in bundles:
            wait.until(lambda: not has(bundle, authority.first), f"the old root stays in {bundle}")
        renew()
        served = sum(client.issuers.values())
        wait.until(lambda: sum(client.issuers.values()) > served + 8, "no client goes on")
    finally:
        failed = client.finish() if "client" in locals() else None
        server.finish()
    assert not failed, failed[:3]
    assert all(has(bundle, second.root) for bundle in bundles)
    for directory in system.links, tmp_path / "roots":
        assert not [p for p in directory.iterdir() if not p.exists() or p.read_text().strip() == authority.first.read_text().strip()]
