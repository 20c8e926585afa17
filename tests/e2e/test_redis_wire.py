"""Faults on the way to a server, over TLS and at each point of the conversation; and what is left where a change has gone
wrong: the connection that is still open."""

import ssl

import pytest

from lib import wait
from lib.pki import CA, replace
from redis_case import configure, failed, instance, mended, renew
from resp_server import CLOSE, HANG, RespServer, array


@pytest.fixture
def make_resp(ca, tls, tmp_path):
    made = []
    ca.write(tls / "ca.crt")

    def make(**kwargs):
        if not made and not (tls / "redis.crt").exists():
            ca.issue().write(tls)
        made.append(RespServer(tmp_path / f"resp{len(made)}", tls, **kwargs))
        return made[-1]
    yield make
    for server in made:
        server.finish()


@pytest.fixture
def resp(make_resp):
    return make_resp()


def configured(hotcertd, tls, resp, *lines, kind="tls"):
    where = f"localhost:{resp.port}" if kind == "tls" else f"unix:{resp.unix}"
    return configure(hotcertd, tls, f"address = {where}", "connect_timeout = 1s", "reply_timeout = 500ms", *lines)


def password(tmp_path):
    (tmp_path / "pw").write_text("pw-1\n")
    return f"password_file = {tmp_path}/pw"


@pytest.mark.parametrize("where", ["handshake", "AUTH", "HELLO", "CONFIG GET tls-*-file", "CONFIG SET"])
@pytest.mark.parametrize("fault", [HANG, CLOSE], ids=["hang", "close"])
def test_it_hangs_or_closes_at_each_point(hotcertd, resp, ca, tls, tmp_path, where, fault):
    resp.script[where] = fault
    configured(hotcertd, tls, resp, password(tmp_path)).start()
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "retry", message
    says = {(True, True): "no answer to the TLS handshake", (True, False): "no reply in time"}
    assert says.get((fault is HANG, where == "handshake"), "closed by the peer") in message
    if where == "handshake":
        assert not resp.commands  # no password went anywhere
    resp.script.clear()
    mended(hotcertd)
    assert resp.served() == pair.fingerprint


@pytest.mark.parametrize("fault", [HANG, CLOSE], ids=["hang", "close"])
def test_it_hangs_or_closes_after_config_set(hotcertd, resp, ca, tls, fault):
    configured(hotcertd, tls, resp).start()

    def answer(words):
        resp.script["handshake"] = fault
        return resp.config_set(words[2:])
    resp.script["CONFIG SET"] = answer
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "retry" and "NEW CONNECTIONS FAIL" in message, message
    resp.script.clear()
    mended(hotcertd)
    assert resp.served() == pair.fingerprint


def break_tls(resp):
    """+OK, and no handshake works any more: what a certificate and a key of different types do to Redis."""
    def answer(words):
        resp.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        return b"+OK\r\n"
    return answer


def test_the_way_back_when_nobody_can_connect_any_more(hotcertd, resp, ca, tls):
    """The connection that is open already is all that is left, and it is not given up."""
    configured(hotcertd, tls, resp).start()
    renew(ca, tls, hotcertd)
    resp.script["CONFIG SET"] = break_tls(resp)
    ca.issue(key_type="rsa-2048").write(tls)
    state, message = failed(hotcertd)
    assert state == "retry" and "NEW CONNECTIONS FAIL" in message and "still open" in message
    with pytest.raises(ssl.SSLError):
        resp.served()
    hotcertd.ctl("retry", "redis:r")  # in vain, and the connection survives that, too
    assert "NEW CONNECTIONS FAIL" in failed(hotcertd)[1]
    del resp.script["CONFIG SET"]
    pair = renew(ca, tls, hotcertd)
    assert instance(hotcertd)["state"] == "ok" and resp.served() == pair.fingerprint
    assert len([c for c in resp.commands if c[2:] == ["dir"]]) == 1  # asked once for a connection


def test_it_is_rolled_back_where_the_paths_were_changed(hotcertd, resp, ca, tls, tmp_path):
    other = tmp_path / "other"
    old = ca.issue().write(other)
    resp.config |= {"tls-cert-file": f"{other}/redis.crt", "tls-key-file": f"{other}/redis.key"}
    resp.load()
    breaking = break_tls(resp)

    def answer(words):
        return breaking(words) if str(tls) in words[3] else resp.config_set(words[2:])
    resp.script["CONFIG SET"] = answer
    configured(hotcertd, tls, resp, "set_paths = yes").start()
    state, message = failed(hotcertd)
    assert state == "failed" and f"rolled back to {other}/redis.crt: serves {old.fingerprint[:8]}" in message, message
    assert resp.served() == old.fingerprint
    resp.script.clear()
    mended(hotcertd)
    assert resp.config["tls-cert-file"] == str(tls / "redis.crt")


def test_an_old_root_stands_in_the_way_of_valkey_9_1(hotcertd, make_resp, ca, tls):
    """It refuses everything then; older versions do not mind."""
    bundle = ca.pem + CA("Old Root", lifetime=(-7200, -3600)).pem
    one, old = make_resp(product="valkey", version="9.1.0"), make_resp(product="valkey", version="8.1.3")
    configured(hotcertd, tls, one, kind="unix").start()
    sent = len(one.sets())
    replace(tls / "ca.crt", bundle)
    state, message = failed(hotcertd)
    assert state == "failed" and "CN=Old Root ended" in message and "valkey 9.1.0 would refuse" in message
    assert len(one.sets()) == sent
    replace(tls / "ca.crt", ca.pem)
    pair = renew(ca, tls, hotcertd)
    assert one.served() == pair.fingerprint
    replace(tls / "ca.crt", bundle)
    failed(hotcertd)
    configured(hotcertd, tls, old, kind="unix")
    assert hotcertd.reload()[0] == 0
    pair = renew(ca, tls, hotcertd)
    assert instance(hotcertd)["state"] == "ok" and old.served() == pair.fingerprint


def test_tls_1_2_alone(hotcertd, resp, ca, tls):
    def load(make=resp.load):
        make()
        resp.context.maximum_version = ssl.TLSVersion.TLSv1_2
    resp.load = load
    resp.load()
    configured(hotcertd, tls, resp).start()
    pair = renew(ca, tls, hotcertd)
    assert instance(hotcertd)["state"] == "ok" and resp.served() == pair.fingerprint


def test_a_self_signed_server(hotcertd, redis_server, tls, tmp_path):
    """Refused, unless it is what ca_file holds: then it is as good as any root."""
    own = CA("localhost")
    from lib.pki import Pair, sign, name, general_name
    from cryptography import x509
    cert = sign(name("localhost"), own.key.public_key(), name("localhost"), own.key, (-3600, 86400),
                [(x509.SubjectAlternativeName([general_name("localhost")]), False)])
    pair = Pair(cert, own.key, [])
    pair.write(tls)
    redis_server.command("CONFIG", "SET", "tls-cert-file", tls / "redis.crt", "tls-key-file", tls / "redis.key")
    configure(hotcertd, tls, f"address = localhost:{redis_server.port}").start()
    state, message = failed(hotcertd)
    assert state == "failed" and "self-signed certificate" in message and "no password was sent" in message
    configure(hotcertd, tls, f"address = localhost:{redis_server.port}", f"ca_file = {tls}/redis.crt")
    assert hotcertd.reload()[0] == 0
    assert hotcertd.sync() == 0
    assert redis_server.served() == pair.fingerprint


def test_the_password_file_is_read_for_each_connection(hotcertd, resp, ca, tls, tmp_path):
    configured(hotcertd, tls, resp, password(tmp_path), kind="unix").start()
    (tmp_path / "pw").write_text("pw-2\n")
    resp.drop()
    wait.until(lambda: not resp.open, "the connection is gone")
    renew(ca, tls, hotcertd)
    assert [c[1] for c in resp.commands if c[0] == "AUTH"] == ["pw-1", "pw-2"]


def test_a_server_that_says_nothing_useful_of_itself(hotcertd, resp, ca, tls):
    """Control characters, other types, huge words in HELLO end up neither in the log nor in a decision."""
    resp.script["HELLO"] = array(["server", "redis\x1b[31m", "version", "7.2.0\n; rm -rf", "mode", "m" * 5000,
                                  "role", "\x00replica"])
    configured(hotcertd, tls, resp, kind="unix").start()
    pair = renew(ca, tls, hotcertd)
    assert resp.served() == pair.fingerprint
    out = hotcertd.ctl("status", "redis:r")[1]
    assert "\x1b" not in out and "rm -rf" not in out and "mmmmmmmmmmmmmmmmmmmmmmmm" not in out
