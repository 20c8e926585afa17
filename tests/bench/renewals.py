"""Renewals against one real step-ca: CPU and memory of one hotcertd, and of curl started once per certificate."""

import contextlib
import os
import resource
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from lib import wait
from lib.hotcertd import Hotcertd
from lib.pki import KEYS, key_pem, name, pem, sign
from report import Row

HOUR = 3600
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
"""


class Issuer:
    """The authority's intermediate, for certificates that are due from the start."""

    def __init__(self, ca):
        self.cert_pem = (ca.folder / "certs" / "intermediate_ca.crt").read_bytes()
        self.cert = x509.load_pem_x509_certificate(self.cert_pem)
        self.key = load_pem_private_key((ca.folder / "secrets" / "intermediate_ca_key").read_bytes(), ca.PASSWORD.encode())

    def write(self, directory, subject):
        key = KEYS["ec-p256"]()
        usage = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                               "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"], False)
        cert = sign(name(subject), key.public_key(), self.cert.subject, self.key, (-17 * HOUR, 7 * HOUR), [
            (x509.SubjectAlternativeName([x509.DNSName(subject)]), False),
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


def by_hotcertd(bench, n, stack):
    """(CPU in ns and peak of memory in KiB, both per renewal)"""
    place = bench.folder / "renewals"
    issuer = Issuer(bench.step_ca)
    text = "[hotcert]\nrescan = 0\nready_timeout = 100ms\n"
    for i in range(n):
        issuer.write(place / str(i), f"w{i}.internal")
        text += SECTIONS.format(i=i, directory=place / str(i), ca=bench.step_ca)
    hotcertd = Hotcertd(place / "d", bench.plugin_dir)
    stack.callback(hotcertd.finish)
    hotcertd.conf("all", text)
    before = bench.step_ca.requests("/1.0/renew")
    hotcertd.start()
    wait.until(lambda: bench.step_ca.requests("/1.0/renew") - before >= n,
               lambda: f"{bench.step_ca.requests('/1.0/renew')} renewals\n{hotcertd.tail()}", 600)
    assert hotcertd.sync() == 0, hotcertd.tail()
    return cpu_ns(hotcertd.process.pid) / n, peak_kib(hotcertd.process.pid) / n


def by_curl(bench, n):
    place = bench.folder / "renewals-curl"
    Issuer(bench.step_ca).write(place, "curl.internal")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(n):
        subprocess.run(["curl", "-sf", "--cacert", bench.step_ca.root, "--cert", place / "tls.crt", "--key", place / "tls.key",
                        "-X", "POST", "-o", place / "reply", bench.step_ca.url + "/1.0/renew"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent * 1e9 / n, curl_peak_kib(bench)


def curl_peak_kib(bench):
    out = subprocess.run(["/usr/bin/python3", "-c", "import os, sys\n"
                          "pid = os.spawnvp(os.P_NOWAIT, 'curl', ['curl', '-sf', '--cacert', sys.argv[1], '-o', '/dev/null', sys.argv[2]])\n"
                          "print(os.wait4(pid, 0)[2].ru_maxrss)", bench.step_ca.root, bench.step_ca.url + "/health"],
                         check=True, capture_output=True, text=True)
    return int(out.stdout)


def measure(bench):
    n = 100 if bench.quick else 1000
    with contextlib.ExitStack() as stack:
        cpu, memory = by_hotcertd(bench, n, stack)
    peer_cpu, peer_memory = by_curl(bench, min(n, 200))
    return [
        Row(f"CPU of one of {n} renewals, curl as peer", f"{peer_cpu / 1e6:.1f} ms", f"{cpu / 1e6:.1f} ms",
            f"{peer_cpu / cpu:.1f}x less", ">= 10x", peer_cpu / cpu >= 10, "start of the daemon included"),
        Row(f"memory for one of {n} certificates", f"{peer_memory} KiB", f"{memory:.0f} KiB", f"{peer_memory / memory:.1f}x less",
            ">= 10x", peer_memory / memory >= 10, "all of the daemon's at its peak; a process each")]
