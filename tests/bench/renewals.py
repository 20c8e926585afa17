"""Renewals against one real step-ca: CPU and memory of one hotcertd, and of curl started once per certificate."""

import contextlib
import json
import os
import shutil
import subprocess
import time

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from lib import wait
from lib.hotcertd import ROOT, Hotcertd
from lib.pki import KEYS, key_pem, name, pem, sign
from report import Row

HOUR = 3600
BEFORE_END = 8 * HOUR  # when they are renewed
STEP = shutil.which("step", path=os.environ["PATH"] + f":{ROOT}/build/ca-current/bin")
SECTIONS = """
[watch w{i}]
directory = {directory}
cert = tls.crt
key = tls.key
[stepca w{i}]
url = {ca.url}
fingerprint = {ca.fingerprint}
provisioner = redis
password_file = {ca.password_file}
subject = w{i}.internal
renew_at = 8h
jitter = 0
mtls = {mtls}
"""
STEP_PROVISIONER = x509.ObjectIdentifier("1.3.6.1.4.1.37476.9000.64.1")


def der(tag, value):
    assert len(value) < 128
    return bytes([tag, len(value)]) + value


def provisioner_extension(ca):
    """By whom it was issued: without it, step-ca would take no token of a certificate that is not in its database."""
    jwk = json.loads(ca.config.read_text())["authority"]["provisioners"][0]
    names = jwk["name"], jwk["key"]["kid"]
    return x509.UnrecognizedExtension(STEP_PROVISIONER, der(
        0x30, der(2, b"\x01") + b"".join(der(4, name.encode()) for name in names)))


class Issuer:
    """The authority's intermediate, for certificates that end when it suits."""

    def __init__(self, ca):
        self.cert_pem = (ca.folder / "certs" / "intermediate_ca.crt").read_bytes()
        self.cert = x509.load_pem_x509_certificate(self.cert_pem)
        self.provisioner = provisioner_extension(ca)
        self.key = load_pem_private_key((ca.folder / "secrets" / "intermediate_ca_key").read_bytes(), ca.PASSWORD.encode())

    def write(self, directory, subject, end):
        key = KEYS["ec-p256"]()
        usage = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                               "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"], False)
        cert = sign(name(subject), key.public_key(), self.cert.subject, self.key, (-16 * HOUR, int(end - time.time())), [
            (x509.SubjectAlternativeName([x509.DNSName(subject)]), False),
            (self.provisioner, False),
            (x509.KeyUsage(digital_signature=True, **usage), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)])
        directory.mkdir(parents=True)
        (directory / "tls.crt").write_bytes(pem(cert) + self.cert_pem)
        (directory / "tls.key").write_bytes(key_pem(key))


def cpu_ns(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 10**9 // os.sysconf("SC_CLK_TCK")


def peak_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def by_hotcertd(bench, n, mtls, stack):
    """(CPU in ns and peak of memory in KiB, both per renewal). All are due at the same second, when the daemon rests."""
    place = bench.folder / f"renewals-mtls-{mtls}"
    issuer = Issuer(bench.step_ca)
    due = time.time() + (10 if bench.quick else 30)
    text = "[hotcert]\nrescan = 0\nready_timeout = 100ms\n"
    for i in range(n):
        issuer.write(place / str(i), f"w{i}.internal", due + BEFORE_END)
        text += SECTIONS.format(i=i, directory=place / str(i), ca=bench.step_ca, mtls=mtls)
    hotcertd = Hotcertd(place / "d", bench.plugin_dir)
    stack.callback(hotcertd.finish)
    hotcertd.conf("all", text)
    before = bench.step_ca.requests("/1.0/renew")
    hotcertd.start()
    assert hotcertd.sync() == 0 and time.time() < due - 1, "the start took too long"
    started = cpu_ns(hotcertd.process.pid)
    wait.until(lambda: bench.step_ca.requests("/1.0/renew") - before >= n,
               lambda: f"{bench.step_ca.requests('/1.0/renew')} renewals\n{hotcertd.tail()}", 120)
    assert hotcertd.sync() == 0, hotcertd.tail()
    return (cpu_ns(hotcertd.process.pid) - started) / n, peak_kib(hotcertd.process.pid) / n


def curl(bench, place):
    return ["curl", "-sf", "--cacert", bench.step_ca.root, "--cert", place / "tls.crt", "--key", place / "tls.key",
            "-X", "POST", "-o", place / "reply", bench.step_ca.url + "/1.0/renew"]


def step(bench, place):
    return [STEP, "ca", "renew", "--force", "--ca-url", bench.step_ca.url, "--root", bench.step_ca.root, place / "tls.crt",
            place / "tls.key"]


# Starts a program again and again and says what the runs took. A process of its own, since what a child has at
# its peak begins with what its parent had.
LAUNCHER = """
import os, sys
spent = peak = 0
null = os.open(os.devnull, os.O_WRONLY)
for _ in range(int(sys.argv[1])):
    pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 2)])
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, sys.argv
    spent += usage.ru_utime + usage.ru_stime
    peak = max(peak, usage.ru_maxrss)
print(spent, peak, file=sys.stderr)
"""


def by_process(bench, n, command):
    """The same for a process started once per renewal."""
    place = bench.folder / f"renewals-{command.__name__}"
    Issuer(bench.step_ca).write(place, "peer.internal", time.time() + BEFORE_END)
    done = subprocess.run(["/usr/bin/python3", "-SE", "-c", LAUNCHER, str(n), *(str(a) for a in command(bench, place))],
                          env={**os.environ, "STEPPATH": str(place)}, check=True, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    spent, peak = done.stderr.split()[-2:]
    return float(spent) * 1e9 / n, int(peak)


def rows(n, peer, theirs, way, ours):
    yield Row(f"CPU of one of {n} renewals {way}, {peer} as peer", f"{theirs[0] / 1e6:.1f} ms", f"{ours[0] / 1e6:.1f} ms",
              f"{theirs[0] / ours[0]:.1f}x less", ">= 10x", theirs[0] / ours[0] >= 10, "")
    yield Row(f"memory for one of {n} certificates {way}, {peer} as peer", f"{theirs[1]} KiB", f"{ours[1]:.0f} KiB",
              f"{theirs[1] / ours[1]:.0f}x less", ">= 10x", theirs[1] / ours[1] >= 10,
              "all of the daemon's at its peak; a process for each")


def measure(bench):
    """The step CLI is the peer where it can be had (tests/ca/current builds it), else curl."""
    n = 100 if bench.quick else 1000
    ours = {}
    for mtls, way in ("yes", "over mTLS"), ("no", "by token"):
        with contextlib.ExitStack() as stack:
            ours[way] = by_hotcertd(bench, n, mtls, stack)
    for command in [curl] + [step] * bool(STEP):
        theirs = by_process(bench, min(n, 200), command)
        for way, our in ours.items():
            yield from rows(n, command.__name__, theirs, way, our)
