"""The redis plugin against a scripted server: versions that the distributions no longer have, and faults of the
protocol that no real server can be made to commit."""

import ssl

import pytest

from lib import wait
from redis_case import configure, failed, instance, mended, renew
from resp_server import CLOSE, HANG, RespServer, array, bulk


@pytest.fixture
def make_resp(ca, tls, tmp_path):
    made = []

    def make(**kwargs):
        ca.write(tls / "ca.crt")
        if not made:
            ca.issue().write(tls)
        made.append(RespServer(tmp_path / f"resp{len(made)}", tls, **kwargs))
        return made[-1]
    yield make
    for server in made:
        server.finish()


@pytest.fixture
def resp(make_resp):
    return make_resp()


def start(hotcertd, tls, server, *lines, reply_timeout="500ms"):
    return configure(hotcertd, tls, f"address = unix:{server.unix}", *lines, "connect_timeout = 2s",
                     f"reply_timeout = {reply_timeout}").start()


@pytest.mark.parametrize("product, version, words", [
    ("redis", "6.0.20", 4), ("redis", "6.2.14", 4), ("redis", "7.0.0", 8), ("redis", "7.0.1", 8),
    ("redis", "7.2.4", 8), ("redis", "8.0.2", 8), ("valkey", "7.2.5", 8), ("valkey", "9.1.0", 8)])
def test_every_version_gets_its_form(hotcertd, make_resp, ca, tls, product, version, words):
    resp = make_resp(version=version, product=product)
    start(hotcertd, tls, resp)
    for _ in range(3):
        pair = renew(ca, tls, hotcertd)
        assert instance(hotcertd)["state"] == "ok", instance(hotcertd)
        assert resp.served() == pair.fingerprint
    assert resp.connections == 1
    assert {len(c) for c in resp.sets()} == {words}


def test_a_server_without_hello(hotcertd, resp, ca, tls):
    """Renamed or forbidden: the form of recent versions is tried."""
    resp.script["HELLO"] = b"-NOPERM this user has no permissions to run the 'hello' command\r\n"
    start(hotcertd, tls, resp)
    pair = renew(ca, tls, hotcertd)
    assert resp.served() == pair.fingerprint


def test_the_passphrase_is_never_asked_for(hotcertd, resp, ca, tls):
    start(hotcertd, tls, resp)
    renew(ca, tls, hotcertd)
    asked = [c[2] for c in resp.commands if c[:2] == ["CONFIG", "GET"]]
    assert "tls-*-file" in asked and not {"tls-*", "*", "tls-key-file-pass"} & set(asked)


def test_ok_is_no_proof(hotcertd, resp, ca, tls):
    """The server says +OK and serves what it served: that is said, and tried again."""
    start(hotcertd, tls, resp)
    before = resp.served()
    resp.script["CONFIG SET"] = b"+OK\r\n"
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "retry" and "CONFIG SET said OK" in message
    assert f"served is {before[:8]}" in message and f"not {pair.fingerprint[:8]}" in message
    del resp.script["CONFIG SET"]
    mended(hotcertd)
    assert resp.served() == pair.fingerprint


def test_ok_and_no_handshake_any_more(hotcertd, resp, ca, tls):
    """What a pair of different algorithms does to Redis."""
    start(hotcertd, tls, resp)

    def break_tls(words):
        resp.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate
        return b"+OK\r\n"
    resp.script["CONFIG SET"] = break_tls
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "retry" and "NEW CONNECTIONS FAIL" in message and "handshake failure" in message
    del resp.script["CONFIG SET"]
    mended(hotcertd)
    assert resp.served() == pair.fingerprint


@pytest.mark.parametrize("reply, state, says", [
    (b"-LOADING Redis is loading the dataset in memory\r\n", "retry", "LOADING"),
    (b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n", "retry",
     "a script runs"),
    (b"-MASTERDOWN Link with MASTER is down\r\n", "retry", "MASTERDOWN"),
    (b"-NOPERM User default has no permissions to run the 'config|set' command\r\n", "failed",
     "ACL SETUSER default +config|get +config|set"),
    (b"-ERR unknown command 'CONFIG', with args beginning with: 'SET'\r\n", "failed", "renamed or blocked"),
    (b"-ERR Unknown option or number of arguments for CONFIG SET - 'tls-cert-file'\r\n", "failed", "without TLS"),
    (b"-SOMETHING new\r\n", "retry", "SOMETHING new"),
    (b"-ERR " + b"x" * 5000 + b"\r\n", "failed", "x" * 100),
    (b"+OK but not quite\r\n", "ok", "serves"),
], ids=["loading", "busy", "masterdown", "noperm", "unknown-command", "no-tls", "new-code", "long", "other-words"])
def test_what_config_set_may_say(hotcertd, resp, ca, tls, reply, state, says):
    start(hotcertd, tls, resp)

    def answer(words):
        resp.load()
        return reply
    resp.script["CONFIG SET"] = answer
    ca.issue().write(tls)
    hotcertd.sync()
    now = instance(hotcertd)
    assert now["state"] == state and says in now["message"], now
    assert len(now["message"]) < 700 and "\n" not in now["message"]
    del resp.script["CONFIG SET"]
    mended(hotcertd)


def test_the_first_word_is_an_error_and_the_last(hotcertd, resp, ca, tls):
    """As with maxclients and protected mode: an error, and the connection is closed."""
    for reply, state, says in [(b"-ERR max number of clients reached\r\n", "retry", "maxclients"),
                               (b"-DENIED Redis is running in protected mode because\r\n", "failed", "protected mode")]:
        resp.script["HELLO"] = reply
        resp.script["CONFIG GET dir"] = CLOSE
        configure(hotcertd, tls, f"address = unix:{resp.unix}", f"reply_timeout = {len(says)}s")
        if hotcertd.process:
            assert hotcertd.reload()[0] == 0
        else:
            hotcertd.start()
        now = failed(hotcertd)
        assert now[0] == state and says in now[1], now
    resp.script.clear()
    mended(hotcertd)


@pytest.mark.parametrize("where", ["HELLO", "CONFIG GET tls-*-file", "CONFIG GET tls-port", "CONFIG SET"])
@pytest.mark.parametrize("fault, says", [
    (HANG, "no reply in time"),
    (CLOSE, "closed by the peer"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "Redis protocol"),
    (b"%1\r\n+server\r\n+redis\r\n", "Redis protocol"),
    (b"*2147483647\r\n", "Redis protocol"),
    (b"+OK\r\n" * 20, "nobody asked for"),
    (b"$1000000\r\npartial", "no reply in time"),
    ([b"+" + b"x" * 65536] * 20, "larger than 1 MiB"),
    ([b"$1000000000\r\n"] + [b"x" * 65536] * 20, "larger than 1 MiB"),
    (b"*1\r\n" * 12, "Redis protocol"),
], ids=["hang", "close", "http", "resp3", "huge-array", "too-many", "partial", "endless-line", "endless-bulk", "deep"])
def test_faults_of_the_protocol(hotcertd, resp, ca, tls, where, fault, says):
    resp.script[where] = fault
    start(hotcertd, tls, resp, reply_timeout="500ms" if "in time" in says else "30s")
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state in ("retry", "failed") and says in message, message
    resp.script.clear()
    mended(hotcertd)
    assert resp.served() == pair.fingerprint


def test_replies_byte_by_byte(hotcertd, resp, ca, tls):
    resp.script["HELLO"] = lambda words: [bytes([b]) for b in array(["server", "redis", "version", "7.2.0"])]
    resp.script["CONFIG GET tls-port"] = lambda words: [bytes([b]) for b in resp.config_get("tls-port")]
    start(hotcertd, tls, resp)
    pair = renew(ca, tls, hotcertd)
    assert resp.served() == pair.fingerprint


def test_a_push_on_an_idle_connection(hotcertd, resp, ca, tls):
    """Nobody asked: the connection is dropped without a word, and made anew when it is needed."""
    start(hotcertd, tls, resp)
    with resp.lock:
        for s in resp.open:
            s.sendall(b">2\r\n$10\r\ninvalidate\r\n*0\r\n")
    wait.until(lambda: not resp.open, "the connection is gone")
    pair = renew(ca, tls, hotcertd)
    assert resp.served() == pair.fingerprint and resp.connections == 2


def test_a_kept_connection_dies_at_each_step(hotcertd, resp, ca, tls):
    """Once, silently, a new one is made."""
    start(hotcertd, tls, resp)
    for where in ["CONFIG GET tls-*-file", "CONFIG GET tls-port", "CONFIG SET"]:
        def once(words, where=where):
            del resp.script[where]
            return CLOSE
        resp.script[where] = once
        mark = hotcertd.log_mark()
        pair = renew(ca, tls, hotcertd)
        assert instance(hotcertd)["state"] == "ok" and resp.served() == pair.fingerprint
        assert "warning" not in hotcertd.log_text()[mark:]


def test_odd_answers_to_hello(hotcertd, resp, ca, tls):
    resp.script["HELLO"] = b"*4\r\n*0\r\n:7\r\n" + bulk("version") + b"$-1\r\n"
    start(hotcertd, tls, resp)
    assert hotcertd.sync() == 0


def test_the_file_changes_while_it_is_loaded(hotcertd, resp, ca, tls):
    """The server has read a newer file than the one asked for: no alarm, the next job proves it."""
    start(hotcertd, tls, resp)
    newer = ca.issue()

    def overtake(words):
        del resp.script["CONFIG SET"]
        newer.write(tls)
        return resp.config_set(words[2:])
    resp.script["CONFIG SET"] = overtake
    ca.issue().write(tls)
    hotcertd.wait_instance("redis:r", "ok")
    hotcertd.sync()
    assert resp.served() == newer.fingerprint
    assert "NEW CONNECTIONS FAIL" not in hotcertd.log_text() and "said OK" not in hotcertd.log_text()
