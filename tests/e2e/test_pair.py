"""A pair is handed out whole or not at all, with one clear line, and recovers by itself when mended."""

import os
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lib import pki
from lib.probe import files

SECRET = "squeamish ossifrage"


@pytest.fixture
def daemon(hotcertd, probe, tls, tmp_path):
    (tmp_path / "passphrase").write_text(SECRET + "\n")
    hotcertd.conf("10-test", f"""\
        [hotcert]
        rescan = 0
        ready_timeout = 300ms
        [watch redis]
        directory = {tls}
        cert = redis.crt
        key = redis.key
        settle_warn = 100ms
        [probe redis]
        record = {probe.path}
        """)
    return hotcertd


def der(pair):
    return pair.cert.public_bytes(serialization.Encoding.DER)


def put(tls, pair, cert=None, key=None):
    pki.replace(tls / "redis.key", pair.key_pem if key is None else key, 0o600)
    pki.replace(tls / "redis.crt", pair.cert_pem if cert is None else cert)


def other_key(ca, pair):
    return {"key": ca.issue().key_pem}


def other_algorithm(ca, pair):
    return {"key": ca.issue(key_type="rsa-2048").key_pem}


def truncated_certificate(ca, pair):
    return {"cert": pair.cert_pem[:-40]}


def truncated_key(ca, pair):
    return {"key": pair.key_pem[:-40]}


def empty_certificate(ca, pair):
    return {"cert": b""}


def empty_key(ca, pair):
    return {"key": b""}


def der_certificate(ca, pair):
    return {"cert": der(pair)}


def no_pem_at_all(ca, pair):
    return {"cert": b"hello\n"}


def swapped(ca, pair):
    return {"cert": pair.key_pem, "key": pair.cert_pem}


def encrypted_key_without_passphrase(ca, pair):
    return {"key": pair.encrypted(SECRET)}


def huge_certificate(ca, pair):
    return {"cert": pair.cert_pem + b"# padding\n" * 110000}


def chain_out_of_order(ca, pair):
    lower = ca.intermediate("One").intermediate("Two")
    leaf = lower.issue()
    return {"key": leaf.key_pem, "cert": leaf.leaf_pem + lower.parent.pem + lower.pem}


def leaf_not_first(ca, pair):
    leaf = ca.intermediate().issue()
    return {"key": leaf.key_pem, "cert": ca.pem + leaf.leaf_pem}


BROKEN = [other_key, other_algorithm, truncated_certificate, truncated_key, empty_certificate, empty_key,
          der_certificate, no_pem_at_all, swapped, encrypted_key_without_passphrase, huge_certificate,
          chain_out_of_order, leaf_not_first]


@pytest.mark.parametrize("fault", BROKEN, ids=lambda f: f.__name__)
def test_a_broken_pair_is_held_back_and_mended(daemon, probe, ca, tls, fault):
    ca.issue().write(tls)
    daemon.start()
    assert len(probe.calls()) == 1
    mark = daemon.log_mark()
    pair = ca.issue()
    put(tls, pair, **fault(ca, pair))
    daemon.wait_log(r"redis\.(crt|key)", since=mark)
    daemon.sync()
    watch = daemon.watch("redis")
    assert watch["state"] == "broken" and "redis." in watch["error"], watch
    assert len(probe.calls()) == 1
    put(tls, pair)
    probe.wait_digest(pair.cert_digest)
    assert daemon.sync() == 0
    assert len(probe.calls()) == 2
    assert daemon.watch("redis")["state"] == "whole"
    lines = [line for line in daemon.log_text()[mark:].splitlines() if watch["error"] in line]
    assert len(lines) == 1, lines


@pytest.mark.parametrize("lifetime, word", [((-7200, -3600), "expired"), ((3600, 7200), "not valid before")])
def test_out_of_date_is_not_dispatched(daemon, probe, ca, tls, lifetime, word):
    put(tls, ca.issue(lifetime=lifetime))
    daemon.start()
    assert daemon.watch("redis")["state"] == "expired"
    daemon.wait_log(word)
    assert probe.calls() == []
    pair = ca.issue()
    put(tls, pair)
    probe.wait_digest(pair.cert_digest)


def test_a_certificate_that_becomes_valid_is_dispatched_by_itself(daemon, probe, ca, tls):
    pair = ca.issue(lifetime=(2, 3600))
    put(tls, pair)
    daemon.start()
    probe.wait_digest(pair.cert_digest)
    assert daemon.sync() == 0


def test_a_certificate_that_expires_is_said_so(daemon, probe, ca, tls):
    put(tls, ca.issue(lifetime=(-3600, 2)))
    daemon.start()
    daemon.wait_log("expired")
    assert daemon.watch("redis")["state"] == "expired"


@pytest.mark.parametrize("passphrase, state", [(SECRET, "whole"), ("wrong", "broken")])
def test_an_encrypted_key(daemon, probe, ca, tls, tmp_path, passphrase, state):
    (tmp_path / "passphrase").write_text(passphrase + "\n")
    daemon.conf("20-passphrase", f"[watch redis]\nkey_password_file = {tmp_path}/passphrase\n")
    pair = ca.issue()
    put(tls, pair, key=pair.encrypted(SECRET))
    daemon.start()
    daemon.sync()
    assert daemon.watch("redis")["state"] == state, daemon.watch("redis")
    assert len(probe.calls()) == (state == "whole")
    assert SECRET not in daemon.log_text()
    if state == "broken":
        put(tls, pair)
        probe.wait_digest(pair.cert_digest)


def test_a_passphrase_that_is_mended(daemon, probe, ca, tls, tmp_path):
    """Nothing but the passphrase file changes, and it lies elsewhere."""
    secret = tmp_path / "secrets/passphrase"
    secret.parent.mkdir()
    secret.write_text("wrong")
    daemon.conf("20-passphrase", f"[watch redis]\nkey_password_file = {secret}\n")
    pair = ca.issue()
    put(tls, pair, key=pair.encrypted(SECRET))
    daemon.start()
    daemon.sync()
    assert daemon.watch("redis")["state"] == "broken", daemon.watch("redis")
    pki.replace(secret, SECRET.encode())
    probe.wait_digest(pair.cert_digest)
    assert daemon.sync() == 0


def test_nearly_a_megabyte_is_dispatched(daemon, probe, ca, tls):
    """As much as is read of a file: see huge_certificate above for more."""
    pair = ca.issue()
    put(tls, pair, cert=(pair.cert_pem + b"# padding\n" * 110000)[:1024 * 1024])
    daemon.start()
    assert [files(c)["cert"]["bytes"] for c in probe.calls()] == [1024 * 1024]


def test_a_traditional_encrypted_key(daemon, probe, ca, tls, tmp_path):
    """The Proc-Type form that `openssl ec -aes256` writes."""
    daemon.conf("20-passphrase", f"[watch redis]\nkey_password_file = {tmp_path}/passphrase\n")
    pair = ca.issue()
    key = pair.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                 serialization.BestAvailableEncryption(SECRET.encode()))
    put(tls, pair, key=key)
    daemon.start()
    probe.wait_digest(pair.cert_digest)


@pytest.mark.parametrize("key_type", sorted(pki.KEYS))
def test_each_kind_of_key(daemon, probe, ca, tls, key_type):
    pair = ca.intermediate().issue(key_type=key_type)
    put(tls, pair)
    daemon.start()
    assert files(probe.last())["cert"]["certs"][0] == pair.serial
    assert len(files(probe.last())["cert"]["certs"]) == 2


def test_key_bytes_are_not_handed_out(daemon, probe, ca, tls):
    ca.issue().write(tls)
    daemon.start()
    key = files(probe.last())["key"]
    assert key["bytes"] == 0 and key["mode"] == 0o600


def test_a_combined_file(daemon, probe, ca, tls):
    daemon.conf("20-combined", "[watch redis]\ncert = both.pem\nkey = both.pem\n")
    pair = ca.issue()
    pki.replace(tls / "both.pem", pair.key_pem + pair.cert_pem, 0o600)
    daemon.start()
    daemon.sync()
    call = probe.wait_calls(1)[0]
    assert files(call)["cert"]["certs"] == [pair.serial]


def test_a_key_that_cannot_be_read(daemon, probe, ca, tls):
    """Root reads everything, so the daemon is started without the capabilities for that."""
    daemon.wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search",
                      "--inh-caps=-dac_override,-dac_read_search"]
    pair = ca.issue().write(tls)
    os.chmod(tls / "redis.key", 0)
    daemon.start()
    daemon.sync()
    watch = daemon.watch("redis")
    assert watch["state"] == "broken" and "redis.key" in watch["error"], watch
    daemon.wait_log(r"redis\.key: cannot be read by user 0")
    assert probe.calls() == []
    os.chmod(tls / "redis.key", 0o600)
    probe.wait_digest(pair.cert_digest)


@pytest.mark.parametrize("make", [lambda p: os.mkdir(p), lambda p: os.mkfifo(p)], ids=["directory", "fifo"])
def test_something_else_under_the_name(daemon, probe, ca, tls, make):
    pair = ca.issue()
    pki.replace(tls / "redis.crt", pair.cert_pem)
    make(tls / "redis.key")
    daemon.start()
    daemon.sync()
    assert daemon.watch("redis")["state"] == "broken"
    subprocess.run(["rm", "-r", tls / "redis.key"], check=True)
    put(tls, pair)
    probe.wait_digest(pair.cert_digest)


def test_a_certificate_with_an_odd_subject_is_one_log_line(daemon, probe, ca, tls):
    pair = ca.issue(cn="evil\nname %n%s\x1b[31m", sans=["redis.internal"])
    assert isinstance(pair.cert, x509.Certificate)
    put(tls, pair)
    daemon.start()
    probe.wait_digest(pair.cert_digest)
    assert "\x1b" not in daemon.log_text()
