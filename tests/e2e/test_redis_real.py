"""A real server as people run it: client certificates for everybody, the documented ACL user, an encrypted key, a
certificate that expired an hour ago."""

import os
import pathlib
import re

import pytest

from lib.hotcertd import ROOT, run
from lib.pki import CA, DAY, replace
from lib.redis_clients import cli_words
from lib.redis_server import RedisError, call
from redis_case import configure, failed, instance, mended, renew

LIBFAKETIME = str(next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), ""))


def at(hotcertd, offset):
    """The daemon's wall clock is so far off: "-2h", or "" for the real one."""
    hotcertd.env = {"FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "LD_PRELOAD": LIBFAKETIME,
                    "ASAN_OPTIONS": os.environ["ASAN_OPTIONS"] + ":verify_asan_link_order=0"} if offset else {}
    return hotcertd


@pytest.fixture
def server(make_redis, ca, tls):
    """server(*options): a running server whose pair lies in the watch."""
    def start(*options, **kwargs):
        ca.write(tls / "ca.crt")
        ca.issue().write(tls, password=kwargs.pop("passphrase", None))
        return make_redis(tls, tls / "ca.crt", options=options, **kwargs).start()
    return start


# ---- tls-auth-clients yes ---------------------------------------------------------------------------------------

def client_lines(directory):
    return f"client_cert = {directory}/redis.crt", f"client_key = {directory}/redis.key"


def test_everybody_needs_a_certificate(hotcertd, server, ca, tls, tmp_path):
    """The daemon's own one is renewed meanwhile and read again for each connection."""
    one = server("tls-auth-clients yes", "maxclients 100")
    mine = tmp_path / "mine"
    ca.issue("certreload").write(mine)
    configure(hotcertd, tls, f"address = localhost:{one.port}", *client_lines(mine)).start()
    assert run(cli_words(one) + ["PING"])[0] != 0
    assert run(cli_words(one) + ["--cert", mine / "redis.crt", "--key", mine / "redis.key", "PING"]) == (0, "PONG\n")
    for key_type in "rsa-2048", "ec-p256", "ed25519":
        ca.issue("certreload", key_type=key_type).write(mine)
        one.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        pair = renew(ca, tls, hotcertd)
        assert one.served() == pair.fingerprint and instance(hotcertd)["state"] == "ok"


def test_the_server_s_own_pair_is_the_client_s_too(hotcertd, server, ca, tls):
    """As many do: one pair for both sides, so a new one is shown by the client as soon as it is there."""
    one = server("tls-auth-clients yes")
    configure(hotcertd, tls, f"address = localhost:{one.port}", *client_lines(tls)).start()
    for key_type in "ec-p256", "rsa-2048":
        pair = renew(ca, tls, hotcertd, key_type=key_type)
        assert one.served() == pair.fingerprint and instance(hotcertd)["state"] == "ok"


def test_the_ca_of_both_sides_changes_in_two_phases(hotcertd, server, ca, tls):
    """Old and new together, then new pairs, then the old one goes: nobody is locked out on the way."""
    one = server("tls-auth-clients yes")
    configure(hotcertd, tls, f"address = localhost:{one.port}", *client_lines(tls)).start()
    new = CA("New Root")
    for bundle, issuer in (ca.pem + new.pem, ca), (ca.pem + new.pem, new), (new.pem, new):
        replace(tls / "ca.crt", bundle)
        hotcertd.sync()
        pair = renew(issuer, tls, hotcertd)
        assert one.served() == pair.fingerprint and instance(hotcertd)["state"] == "ok"
    one.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    pair = renew(new, tls, hotcertd)
    assert one.served() == pair.fingerprint


def test_a_client_certificate_that_has_expired(hotcertd, server, ca, tls, tmp_path):
    one = server("tls-auth-clients yes")
    mine = tmp_path / "mine"
    ca.issue("certreload", lifetime=(-7200, -3600)).write(mine)
    configure(hotcertd, tls, f"address = localhost:{one.port}", *client_lines(mine)).start()
    before = one.served()
    ca.issue().write(tls)
    _, message = failed(hotcertd)
    assert f"client certificate {mine}/redis.crt, which has expired" in message, message
    assert one.served() == before
    ca.issue("certreload").write(mine)
    mended(hotcertd)


# ---- the ACL user of the manual -----------------------------------------------------------------------------------

def documented_acl():
    text = (ROOT / "plugins/redis/README.md").read_text()
    return re.search(r"^    (ACL SETUSER certreload on >PASSWORD .*)$", text, re.M)[1].replace("PASSWORD", "pw-1").split()


def test_the_documented_user_is_enough_and_has_no_more(hotcertd, server, ca, tls, tmp_path):
    assert " ".join(documented_acl()).replace("pw-1", "PASSWORD") in (ROOT / "README.md").read_text()
    one = server("tls-auth-clients yes")
    one.command(*documented_acl())
    one.command("CONFIG", "SET", "requirepass", "admin-1")
    one.password = "admin-1"
    (tmp_path / "secret").write_text("pw-1\n")
    configure(hotcertd, tls, f"address = localhost:{one.port}", "username = certreload",
              f"password_file = {tmp_path}/secret", *client_lines(tls)).start()
    for _ in range(3):
        pair = renew(ca, tls, hotcertd)
        assert one.served() == pair.fingerprint and instance(hotcertd)["state"] == "ok"
    code, report = hotcertd.ctl("do", "redis:r", "check")
    assert code == 0, report
    assert one.command("ACL", "LOG") == []
    for words in ("PING",), ("GET", "x"), ("INFO",), ("CONFIG", "REWRITE"), ("ACL", "LIST"):
        with pytest.raises(RedisError, match="NOPERM"):
            as_user(one, tls, *words)
    for text in hotcertd.log_text(), report, hotcertd.ctl("status", "redis:r")[1]:
        assert "pw-1" not in text


def as_user(server, tls, *words):
    from ssl import create_default_context
    from socket import create_connection
    context = create_default_context(cafile=str(server.ca))
    context.load_cert_chain(tls / "redis.crt", tls / "redis.key")
    with create_connection(("127.0.0.1", server.port)) as raw, context.wrap_socket(raw, server_hostname="localhost") as s:
        with s.makefile("rwb") as stream:
            call(stream, "AUTH", "certreload", "pw-1")
            return call(stream, *words)


# ---- a key with a passphrase ----------------------------------------------------------------------------------------

def test_a_key_with_a_passphrase(hotcertd, server, ca, tls, tmp_path):
    """The server knows it from its configuration; hotcert needs it to see that the pair belongs together."""
    one = server("tls-key-file-pass open-sesame", passphrase="open-sesame")
    (tmp_path / "pass").write_text("open-sesame\n")
    configure(hotcertd, tls, f"address = localhost:{one.port}")
    hotcertd.conf("zz-pass", f"[watch r]\nkey_password_file = {tmp_path}/pass\n")
    hotcertd.start()
    for key_type in "ec-p256", "rsa-2048":
        pair = ca.issue(key_type=key_type).write(tls, password="open-sesame")
        assert hotcertd.sync() == 0, hotcertd.process.tail()
        assert one.served() == pair.fingerprint
    assert "open-sesame" not in hotcertd.log_text() + hotcertd.ctl("--json", "status")[1]


# ---- a server whose certificate expired an hour ago ---------------------------------------------------------------------

@pytest.fixture
def ca():
    """A root that is older than what is issued for the past."""
    return CA(lifetime=(-DAY, 3650 * DAY))


@pytest.fixture
def expired(hotcertd, server, ca, tls):
    """A daemon whose clock was two hours behind has seen the certificate served; it is stopped. Until now nobody was
    there to renew it."""
    one = server()
    old = ca.issue(lifetime=(-6 * 3600, -3600)).write(tls)
    one.restart()
    configure(at(hotcertd, "-2h"), tls, f"address = localhost:{one.port}").start()
    assert hotcertd.sync() == 0, hotcertd.process.tail()
    assert one.served() == old.fingerprint
    hotcertd.stop()
    at(hotcertd, "")
    return one


def test_an_hour_after_the_end_it_is_still_known(hotcertd, expired, ca, tls):
    """Clients that verify are refused; the pinned certificate lets hotcert in, and then everybody again."""
    assert "certificate verify failed" in run(cli_words(expired) + ["PING"])[1]
    pair = ca.issue().write(tls)
    hotcertd.start()
    assert hotcertd.sync() == 0, hotcertd.process.tail()
    assert expired.served() == pair.fingerprint
    assert run(cli_words(expired) + ["PING"]) == (0, "PONG\n")


@pytest.mark.parametrize("other", ["certificate", "authority"])
def test_another_one_that_has_expired_is_refused(hotcertd, expired, ca, tls, tmp_path, other):
    """Nor does a password go there: it is not the one that was served, or not of a trusted root."""
    issuer = ca if other == "certificate" else CA("Another Root", lifetime=(-DAY, DAY))
    impostor = issuer.issue(lifetime=(-6 * 3600, -3600)).write(tls)
    expired.command("CONFIG", "SET", "tls-cert-file", tls / "redis.crt", "tls-key-file", tls / "redis.key")
    (tmp_path / "secret").write_text("pw-1")
    configure(hotcertd, tls, f"address = localhost:{expired.port}", f"password_file = {tmp_path}/secret")
    ca.issue().write(tls)
    hotcertd.start()
    state, message = failed(hotcertd)
    assert state == "failed" and "no password was sent" in message, message
    assert expired.served() == impostor.fingerprint
    assert "cmdstat_auth" not in expired.command("INFO", "commandstats")
