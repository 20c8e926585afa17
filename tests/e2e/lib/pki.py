"""Certificates for tests: authorities, pairs of every kind, and every way to put them on disk."""

import datetime
import hashlib
import ipaddress
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS = {
    "ec-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
DAY = 86400


def name(cn):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def key_pem(key, password=None):
    how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def sign(subject, public_key, issuer, issuer_key, lifetime, extensions):
    """lifetime: seconds from now of notBefore and notAfter."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
               .public_key(public_key).serial_number(x509.random_serial_number())
               .not_valid_before(now + datetime.timedelta(seconds=lifetime[0]))
               .not_valid_after(now + datetime.timedelta(seconds=lifetime[1])))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer_key, algorithm)


class CA:
    """An authority. parent None: a self-signed root."""

    def __init__(self, cn="Test Root", parent=None, key_type="ec-p256", lifetime=(-3600, 3650 * DAY)):
        self.parent = parent
        self.key = KEYS[key_type]()
        issuer, issuer_key = (parent.cert.subject, parent.key) if parent else (name(cn), self.key)
        self.cert = sign(name(cn), self.key.public_key(), issuer, issuer_key, lifetime, [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (x509.KeyUsage(True, False, False, False, False, True, True, False, False), True),
            (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)])
        self.pem = pem(self.cert)
        self.fingerprint = self.cert.fingerprint(hashes.SHA256()).hex()

    def intermediate(self, cn="Test Intermediate", **kwargs):
        return CA(cn, parent=self, **kwargs)

    def chain(self):
        """What a server sends above the leaf: the intermediates, without the root."""
        return [self.pem] + self.parent.chain() if self.parent else []

    def issue(self, cn="redis.internal", sans=None, key_type="ec-p256", lifetime=(-3600, DAY), key=None):
        key = key or KEYS[key_type]()
        sans = [cn, "localhost", "127.0.0.1"] if sans is None else sans
        cert = sign(name(cn), key.public_key(), self.cert.subject, self.key, lifetime, [
            (x509.SubjectAlternativeName([general_name(s) for s in sans]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)])
        return Pair(cert, key, self.chain())

    def write(self, path):
        return replace(path, self.pem)


class Pair:
    """A leaf, its key and the chain above it."""

    def __init__(self, cert, key, chain):
        self.cert = cert
        self.key = key
        self.leaf_pem = pem(cert)
        self.cert_pem = self.leaf_pem + b"".join(chain)
        self.key_pem = key_pem(key)
        self.serial = cert.serial_number.to_bytes((cert.serial_number.bit_length() + 7) // 8, "big").hex()
        self.fingerprint = cert.fingerprint(hashes.SHA256()).hex()
        self.cert_digest = hashlib.sha256(self.cert_pem).hexdigest()

    def encrypted(self, password):
        return key_pem(self.key, password)

    def write(self, directory, cert="redis.crt", key="redis.key", how=None, password=None):
        """Key, then certificate, each by `how`: replace (default), in_place or recreate."""
        how = how or replace
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        how(directory / key, self.encrypted(password) if password else self.key_pem, 0o600)
        how(directory / cert, self.cert_pem)
        return self


def replace(path, data, mode=0o644):
    """Atomically: a temporary file and rename(2)."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.new")
    in_place(temporary, data, mode)
    os.rename(temporary, path)
    return path


def in_place(path, data, mode=0o644):
    """Truncates and writes: others can see it torn. A FIFO that nobody reads is an error."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK, mode)
    with os.fdopen(fd, "wb") as f:
        f.write(data)
    return path


def recreate(path, data, mode=0o644):
    """unlink(2), then a new file."""
    if os.path.lexists(path):
        os.unlink(path)
    return in_place(path, data, mode)
