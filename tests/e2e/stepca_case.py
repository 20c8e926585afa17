"""A hotcertd with one stepca instance, and the certificate directory it looks after."""

import re

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lib import wait

CONF = """\
[hotcert]
rescan = 0
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
ca = ca.crt
settle_warn = 200ms
[stepca redis]
url = {ca.url}
fingerprint = {ca.fingerprint}
{credentials}
subject = redis.internal
sans = {sans}
{more}
"""


class Site:
    """A hotcertd with one stepca instance, and the directory it looks after."""

    def __init__(self, daemon, ca, tls):
        self.daemon, self.ca, self.tls = daemon, ca, tls
        self.credentials = f"provisioner = redis\npassword_file = {ca.password_file}"
        self.sans = "redis.internal, 127.0.0.1"

    def configure(self, more="", **changes):
        values = {"tls": self.tls, "ca": self.ca, "credentials": self.credentials, "sans": self.sans, "more": more,
                  **changes}
        self.daemon.conf("50-redis", CONF.format(**values))
        return self

    def certs(self):
        """The chain in place, leaf first; [] where there is none."""
        try:
            text = (self.tls / "redis.crt").read_bytes()
        except FileNotFoundError:
            return []
        return [x509.load_pem_x509_certificate(block)
                for block in re.findall(b"-----BEGIN.*?-----END CERTIFICATE-----\n", text, re.S)]

    def leaf(self):
        return self.certs()[0]

    def key(self):
        return load_pem_private_key((self.tls / "redis.key").read_bytes(), None)

    def names(self):
        names = self.leaf().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return sorted(str(n.value) for n in names)

    def assert_whole(self):
        """Key and certificate belong together, and the chain leads to the CA's root."""
        leaf, *above = self.certs()
        assert leaf.public_key().public_numbers() == self.key().public_key().public_numbers()
        above.append(x509.load_pem_x509_certificate(self.ca.root.read_bytes()))
        for cert, issuer in zip([leaf, *above], above):
            issuer.public_key().verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(cert.signature_hash_algorithm))

    def wait_renewed(self, old, deadline=None):
        wait.until(lambda: self.certs() and self.leaf() != old, "another certificate", deadline)
        return self.leaf()

    def message(self):
        return self.daemon.instance("stepca:redis")["message"]

    def failed(self, state, *words):
        """The instance is in this state, and its line has all these words."""
        self.daemon.wait_instance("stepca:redis", state)
        text = self.message()
        for word in words:
            assert word in text, text
        return text


def issued(site):
    """Starts the daemon and gives the first certificate."""
    site.daemon.start()
    assert site.daemon.sync() == 0, site.message()
    return site.leaf()
