"""kill -9 at random instants during renewals: the pair on disk is always whole, and Redis ends on it."""

import os
import random
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from lib.process import Process

KILLS = int(os.environ.get("HOTCERT_KILLS", "200"))

CONF = """\
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
ca = ca.crt
settle_warn = 100ms
[stepca redis]
url = {ca.url}
fingerprint = {ca.fingerprint}
provisioner = {ca.provisioner}
password_file = {ca.password_file}
subject = redis.internal
sans = redis.internal, 127.0.0.1
rekey = {rekey}
retry_min = 50ms
[redis redis]
address = unix:{redis.unix}
retry_min = 50ms
"""


def public_bytes(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def leaf_of_whole_pair(tls):
    """The fingerprint of what is on disk, which is a pair."""
    cert = x509.load_pem_x509_certificate((tls / "redis.crt").read_bytes())
    key = serialization.load_pem_private_key((tls / "redis.key").read_bytes(), None)
    assert public_bytes(cert.public_key()) == public_bytes(key.public_key()), "the pair on disk is mixed"
    assert (tls / "redis.key").stat().st_mode & 0o077 == 0
    return cert.fingerprint(hashes.SHA256()).hex()


def renewal_takes(hotcertd):
    """In seconds, on this machine and under its load."""
    begin = time.monotonic()
    code, out = hotcertd.ctl("renew", "redis")
    assert code == 0, out
    return time.monotonic() - begin


@pytest.mark.parametrize("rekey", ["no", "yes"])
def test_killed_during_renewals(hotcertd, make_step_ca, make_redis, tls, rekey):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    ca = make_step_ca(lifetime="5m").start()
    redis = make_redis(tls, tls / "ca.crt")
    hotcertd.conf("10-test", CONF.format(tls=tls, ca=ca, redis=redis, rekey=rekey))
    # Redis wants its files at its start: the first certificate comes before it.
    hotcertd.start(ready=False)
    hotcertd.wait_log("control socket")
    hotcertd.wait_instance("stepca:redis", "ok")
    redis.start()
    renewed = set()
    takes = renewal_takes(hotcertd)
    for _ in range(KILLS // 2):
        leaf = leaf_of_whole_pair(tls)
        takes *= 1.2 if leaf in renewed else 0.9  # the load changes: about every third is to come through
        renewed.add(leaf)
        ctl = Process([hotcertd.build / "hotcertctl", "-s", hotcertd.socket, "renew", "redis"],
                      hotcertd.directory / "ctl.log")
        try:  # a random instant of the renewal, or of what follows
            ctl.popen.wait(chance.random() * 1.5 * takes)
        except subprocess.TimeoutExpired:
            pass
        hotcertd.kill()
        ctl.wait()
        if rekey == "no":
            leaf_of_whole_pair(tls)
        hotcertd.start()
    leaf = leaf_of_whole_pair(tls)
    assert hotcertd.sync() == 0, f"seed {seed}: {hotcertd.status()}"
    redis.wait_served(leaf)
    left = [f for f in os.listdir(tls) if f not in ("redis.crt", "redis.key", "ca.crt")]
    assert len(left) <= 3, f"seed {seed}: temporary files pile up: {left}"
    assert len(renewed) > KILLS // 10, f"seed {seed}: only {len(renewed)} renewals came through"
