"""Faults of a real redis-server: the old certificate stays, one line says what to do, and all is well once mended."""

import datetime
import os
import pathlib
import re
import signal
import socket
import tempfile
import threading

import pytest

from lib import wait
from lib.pki import CA, replace
from lib.process import Process
from lib.redis_server import BINARY, RedisServer, reserve_port
from redis_case import configure, failed, instance, mended, renew, sets


def secret(path, text):
    path.write_text(text)
    return f"password_file = {path}"


def test_redis_is_down(hotcertd, redis_server, ca, tls):
    configure(hotcertd, tls, f"address = localhost:{redis_server.port}").start()
    redis_server.stop()
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "retry" and "Connection refused" in message
    redis_server.start()
    mended(hotcertd)
    assert redis_server.served() == pair.fingerprint


def test_redis_is_down_at_start_and_comes_by_itself(hotcertd, redis_server, ca, tls):
    redis_server.stop()
    hotcertd.conf("fast", "[hotcert]\nlog_level = debug\n")
    configure(hotcertd, tls, f"address = unix:{redis_server.unix}", "retry_min = 50ms").start()
    assert instance(hotcertd)["state"] == "retry"
    redis_server.start()
    hotcertd.wait_instance("redis:r", "ok")


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_redis_hangs(hotcertd, redis_server, ca, tls, kind):
    """Stopped, its kernel still accepts: the handshake, or the reply, never comes."""
    address = f"unix:{redis_server.unix}" if kind == "unix" else f"localhost:{redis_server.port}"
    configure(hotcertd, tls, f"address = {address}", "connect_timeout = 300ms", "reply_timeout = 300ms")
    redis_server.process.kill(signal.SIGSTOP)
    hotcertd.start()
    state, message = failed(hotcertd)
    assert state == "retry"
    assert ("no reply in time" if kind == "unix" else "no answer to the TLS handshake") in message
    redis_server.process.kill(signal.SIGCONT)
    pair = ca.issue().write(tls)
    mended(hotcertd)
    assert redis_server.served() == pair.fingerprint


def test_redis_hangs_on_a_kept_connection(hotcertd, redis_server, ca, tls):
    configure(hotcertd, tls, f"address = localhost:{redis_server.port}", "connect_timeout = 300ms",
              "reply_timeout = 300ms").start()
    redis_server.process.kill(signal.SIGSTOP)
    pair = ca.issue().write(tls)
    state, _ = failed(hotcertd)
    assert state == "retry"
    redis_server.process.kill(signal.SIGCONT)
    mended(hotcertd)
    assert redis_server.served() == pair.fingerprint


def start_when_whole(server):
    """Redis does not start on a pair that is half written."""
    def started():
        try:
            return server.start()
        except AssertionError:
            assert "key values mismatch" in server.process.tail()
    return wait.until(started, "Redis does not start")


def test_a_restart_in_the_middle(hotcertd, redis_server, ca, tls):
    """Certificates change while the server is restarted again and again: it ends on the last one."""
    configure(hotcertd, tls, f"address = unix:{redis_server.unix}", "retry_min = 20ms", "retry_max = 100ms").start()
    for _ in range(5):
        writer = threading.Thread(target=lambda: [ca.issue().write(tls) for _ in range(5)], daemon=True)
        writer.start()
        redis_server.kill()
        start_when_whole(redis_server)
        writer.join()
        pair = ca.issue().write(tls)
        hotcertd.wait_instance("redis:r", "ok")
        redis_server.wait_served(pair.fingerprint)
    assert hotcertd.sync() == 0


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_no_password_then_a_wrong_one(hotcertd, make_redis, ca, tls, tmp_path, kind):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    server = make_redis(tls, tls / "ca.crt", password="right-one").start()
    address = f"address = unix:{server.unix}" if kind == "unix" else f"address = localhost:{server.port}"
    configure(hotcertd, tls, address).start()
    state, message = failed(hotcertd)
    assert state == "failed" and "NOAUTH" in message and "set password_file" in message
    line = secret(tmp_path / "secret", "wrong-one\n")
    configure(hotcertd, tls, address, line)
    assert hotcertd.reload()[0] == 0
    state, message = failed(hotcertd)
    assert state == "retry" and "WRONGPASS" in message and "password_file" in message
    assert "try 1, the next in 300.0 s" in hotcertd.log_text()  # no hammering
    secret(tmp_path / "secret", "right-one\n")
    mended(hotcertd)
    assert "right-one" not in hotcertd.log_text() and "wrong-one" not in hotcertd.log_text()


def test_an_acl_that_is_too_narrow(hotcertd, redis_server, ca, tls, tmp_path):
    redis_server.command("ACL", "SETUSER", "certreload", "on", ">pw", "-@all", "+config|get")
    line = secret(tmp_path / "secret", "pw")
    configure(hotcertd, tls, f"address = unix:{redis_server.unix}", "username = certreload", line).start()
    ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "failed" and message.count("NOPERM") == 1
    command = re.search(r"on the server: (ACL SETUSER certreload \+config\|get \+config\|set)$", message)
    assert command, message
    redis_server.command(*command.group(1).split())
    mended(hotcertd)


def test_a_plaintext_port(hotcertd, make_redis, ca, tls):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    reserved, port = reserve_port()
    make_redis(tls, tls / "ca.crt", options=[f"port {port}"]).start()
    configure(hotcertd, tls, f"address = 127.0.0.1:{port}", "connect_timeout = 300ms").start()
    state, message = failed(hotcertd)
    assert state in ("retry", "failed") and "tcp:" in message, message
    configure(hotcertd, tls, f"address = tcp:127.0.0.1:{port}")
    assert hotcertd.reload()[0] == 0
    assert hotcertd.sync() == 0
    reserved.close()


def test_plain_text_to_the_tls_port(hotcertd, redis_server, tls):
    configure(hotcertd, tls, f"address = tcp:127.0.0.1:{redis_server.port}").start()
    state, message = failed(hotcertd)
    assert state == "retry" and 'leave out "tcp:"' in message
    configure(hotcertd, tls, f"address = 127.0.0.1:{redis_server.port}")
    assert hotcertd.reload()[0] == 0
    assert hotcertd.sync() == 0


def test_a_wrong_name(hotcertd, make_redis, ca, tls):
    ca.write(tls / "ca.crt")
    ca.issue(sans=["redis.internal", "10.1.2.3"]).write(tls)
    server = make_redis(tls, tls / "ca.crt").start()
    configure(hotcertd, tls, f"address = localhost:{server.port}").start()
    state, message = failed(hotcertd)
    assert state == "failed"
    assert "hostname mismatch" in message and "localhost was asked for" in message
    assert "dns:redis.internal, ip:10.1.2.3" in message and "server_name" in message
    configure(hotcertd, tls, f"address = 127.0.0.1:{server.port}")
    assert hotcertd.reload()[0] == 0
    assert "IP address mismatch" in failed(hotcertd)[1]
    configure(hotcertd, tls, f"address = localhost:{server.port}", "server_name = redis.internal")
    assert hotcertd.reload()[0] == 0
    assert hotcertd.sync() == 0


def test_a_wrong_ca(hotcertd, redis_server, ca, tls, tmp_path):
    CA("Another Root").write(tmp_path / "roots.pem")
    configure(hotcertd, tls, f"address = localhost:{redis_server.port}", f"ca_file = {tmp_path}/roots.pem").start()
    state, message = failed(hotcertd)
    assert state == "failed"
    # Which of the two depends on whether the server sends its root along.
    assert re.search("unable to get local issuer certificate|self-signed certificate in certificate chain", message)
    assert "ca_file" in message
    assert "no password was sent" in message
    replace(tmp_path / "roots.pem", b"no certificate\n")
    hotcertd.ctl("retry", "redis:r")
    state, message = failed(hotcertd)
    assert f"{tmp_path}/roots.pem" in message and "PEM" in message
    (tmp_path / "roots.pem").unlink()
    hotcertd.ctl("retry", "redis:r")
    assert "No such file" in failed(hotcertd)[1]
    ca.write(tmp_path / "roots.pem")
    mended(hotcertd)


def test_no_credential_for_an_unverified_peer(hotcertd, ca, tls, tmp_path):
    """A listener with a certificate of another authority sees a handshake and nothing else."""
    import ssl
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    CA("Another Root").issue().write(tmp_path / "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "other/redis.crt", tmp_path / "other/redis.key")
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            s, _ = listener.accept()
            with s:
                try:
                    with context.wrap_socket(s, server_side=True) as wrapped:
                        seen.append(wrapped.recv(1000))
                except (ssl.SSLError, OSError) as e:
                    seen.append(e)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        configure(hotcertd, tls, f"address = localhost:{listener.getsockname()[1]}",
                  secret(tmp_path / "secret", "pw")).start()
        assert failed(hotcertd)[0] == "failed"
        thread.join(wait.DEADLINE)
    assert isinstance(seen[0], ssl.SSLError) or seen[0] == b"", seen


def test_a_mixed_pair_is_never_sent(hotcertd, redis_server, ca, tls):
    configure(hotcertd, tls, f"address = unix:{redis_server.unix}").start()
    pair = renew(ca, tls, hotcertd)
    before = sets(redis_server)
    rsa = ca.issue(key_type="rsa-2048")
    replace(tls / "redis.key", rsa.key_pem, 0o600)
    hotcertd.sync()
    replace(tls / "redis.crt", ca.issue(key_type="ed25519").cert_pem)
    hotcertd.sync()
    assert sets(redis_server) == before and redis_server.served() == pair.fingerprint
    rsa.write(tls)
    hotcertd.sync()
    assert redis_server.served() == rsa.fingerprint


def test_a_certificate_that_would_lock_us_out(hotcertd, redis_server, ca, tls):
    configure(hotcertd, tls, f"address = localhost:{redis_server.port}").start()
    pair = renew(ca, tls, hotcertd)
    ca.issue(sans=["else.internal"]).write(tls)
    state, message = failed(hotcertd)
    assert state == "failed" and "nothing was changed" in message and "mismatch" in message
    assert redis_server.served() == pair.fingerprint
    pair = renew(ca, tls, hotcertd)
    assert redis_server.served() == pair.fingerprint


def test_the_server_uses_other_files(hotcertd, make_redis, ca, tls, tmp_path):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    ca.issue().write(tmp_path / "other")
    server = make_redis(tmp_path / "other", tls / "ca.crt").start()
    before = server.served()
    configure(hotcertd, tls, f"address = unix:{server.unix}").start()
    state, message = failed(hotcertd)
    assert state == "failed" and str(tmp_path / "other/redis.crt") in message and str(tls / "redis.crt") in message
    assert server.served() == before and sets(server) == 0
    server.command("CONFIG", "SET", "tls-cert-file", tls / "redis.crt", "tls-key-file", tls / "redis.key")
    mended(hotcertd)


def test_a_server_without_tls(hotcertd, make_redis, ca, tls):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    reserved, port = reserve_port()
    server = make_redis(tls, tls / "ca.crt", options=[f"port {port}"])
    lines = server.lines
    server.lines = lambda: [line for line in lines() if not line.startswith("tls-port")]
    server.start()
    configure(hotcertd, tls, f"address = unix:{server.unix}").start()
    state, message = failed(hotcertd)
    assert state == "failed" and "tls-port is 0" in message
    server.command("CONFIG", "SET", "tls-port", server.port)
    mended(hotcertd)
    reserved.close()


def test_the_server_cannot_load_the_files(hotcertd, make_redis, ca, tls, tmp_path):
    """A broken client pair blocks all of it. The server's words are generic; the line says where to look."""
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    client = tmp_path / "client"
    ca.issue("client").write(client, "c.crt", "c.key")
    server = make_redis(tls, tls / "ca.crt", options=[f"tls-client-cert-file {client}/c.crt",
                                                      f"tls-client-key-file {client}/c.key"]).start()
    configure(hotcertd, tls, f"address = unix:{server.unix}").start()
    pair = renew(ca, tls, hotcertd)
    good = (client / "c.key").read_bytes()
    (client / "c.key").write_text("broken")
    ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "failed" and "Unable to update TLS configuration" in message
    assert "keeps the old certificate" in message and "its log says why" in message
    assert f"it has to be able to load {client}/c.crt, too" in message
    assert server.served() == pair.fingerprint
    (client / "c.key").write_bytes(good)
    mended(hotcertd)


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed for the server")
def test_the_server_may_not_read_the_key(hotcertd, ca):
    with tempfile.TemporaryDirectory(prefix="hotcert-test-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        binary = folder / "redis-as-nobody"
        binary.write_text(f"#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups {BINARY} \"$@\"\n")
        binary.chmod(0o755)
        tls = folder / "tls"
        pair = ca.issue().write(tls)
        os.chown(tls / "redis.key", 65534, -1)
        ca.write(tls / "ca.crt")
        (folder / "redis").mkdir()
        os.chown(folder / "redis", 65534, -1)
        server = RedisServer(folder / "redis", tls, tls / "ca.crt", binary=binary).start()
        try:
            configure(hotcertd, tls, f"address = unix:{server.unix}").start()
            before = sets(server)
            ca.issue().write(tls)
            state, message = failed(hotcertd)
            assert state == "failed" and "nothing was changed: its user cannot read tls-key-file" in message
            assert message.endswith(f"{tls}/redis.key has mode 0600, owner 0 and group 0, the server runs as user 65534")
            assert server.served() == pair.fingerprint and sets(server) == before
            os.chown(tls / "redis.key", 65534, -1)
            hotcertd.wait_instance("redis:r", "ok")
            tls.chmod(0o700)
            ca.issue().write(tls)
            os.chown(tls / "redis.key", 65534, -1)
            state, message = failed(hotcertd)
            assert state == "failed" and f"{tls} has mode 0700" in message
            tls.chmod(0o755)
            mended(hotcertd)
            assert sets(server) == before + 2
        finally:
            server.finish()


def test_a_sentinel(hotcertd, ca, tls, tmp_path):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    reserved, port = reserve_port()
    conf = tmp_path / "sentinel.conf"
    conf.write_text(f"port {port}\nunixsocket {tmp_path}/s.sock\ndir {tmp_path}\nbind 127.0.0.1\n")
    sentinel = Process([BINARY, conf, "--sentinel"], tmp_path / "sentinel.log")
    try:
        sentinel.wait_log("Sentinel ID is")
        configure(hotcertd, tls, f"address = tcp:127.0.0.1:{port}").start()
        state, message = failed(hotcertd)
        assert state == "failed" and "Sentinel" in message and "restart" in message
    finally:
        sentinel.kill()
        sentinel.wait()
        reserved.close()


# ---- a server certificate that has expired already ----

def expire(server, pair):
    """Waits until the pair has expired; it was made to last two seconds."""
    end = pair.cert.not_valid_after.replace(tzinfo=datetime.timezone.utc)
    wait.until(lambda: datetime.datetime.now(datetime.timezone.utc) > end, "the certificate has expired")
    assert server.served() == pair.fingerprint


@pytest.fixture
def expired(hotcertd, make_redis, ca, tls):
    """A server that serves an expired certificate; a daemon that has seen it valid, and is stopped."""
    ca.write(tls / "ca.crt")
    pair = ca.issue(lifetime=(-10, 2)).write(tls)
    server = make_redis(tls, tls / "ca.crt").start()
    configure(hotcertd, tls, f"address = localhost:{server.port}").start()
    hotcertd.stop()
    expire(server, pair)
    return server


def test_an_expired_server_that_was_seen_before(hotcertd, expired, ca, tls):
    pair = ca.issue().write(tls)
    hotcertd.start()
    assert hotcertd.sync() == 0
    assert expired.served() == pair.fingerprint


def test_an_expired_server_that_is_not_to_be_accepted(hotcertd, expired, ca, tls):
    before = expired.served()
    pair = ca.issue().write(tls)
    configure(hotcertd, tls, f"address = localhost:{expired.port}", "expired = no")
    hotcertd.start()
    state, message = failed(hotcertd)
    assert state == "failed" and "certificate has expired" in message and "unix socket" in message
    assert expired.served() == before
    configure(hotcertd, tls, f"address = unix:{expired.unix}", "expired = no")
    assert hotcertd.reload()[0] == 0
    assert hotcertd.sync() == 0
    assert expired.served() == pair.fingerprint


def test_an_expired_server_that_was_never_seen(hotcertd, make_redis, ca, tls):
    ca.write(tls / "ca.crt")
    pair = ca.issue(lifetime=(-10, 2)).write(tls)
    server = make_redis(tls, tls / "ca.crt").start()
    expire(server, pair)
    ca.issue().write(tls)
    configure(hotcertd, tls, f"address = localhost:{server.port}").start()
    assert "certificate has expired" in failed(hotcertd)[1]
    configure(hotcertd, tls, f"address = localhost:{server.port}", "expired = insecure")
    assert hotcertd.reload()[0] == 0
    assert hotcertd.sync() == 0
    assert "without any check of the server" in hotcertd.log_text()


def test_an_expired_server_with_another_name(hotcertd, expired, ca, tls):
    """The pin lets the time pass, not the name."""
    ca.issue(sans=["else.internal", "localhost"]).write(tls)
    configure(hotcertd, tls, f"address = localhost:{expired.port}", "server_name = else.internal")
    hotcertd.start()
    state, message = failed(hotcertd)
    assert state == "failed" and "mismatch" in message


# ---- configuration ----

@pytest.mark.parametrize("lines, says", [
    (["address = /run/redis.sock"], "write unix:/path"),
    (["address = rediss://redis.internal"], "write host:port"),
    (["address = ::1"], "in brackets"),
    (["address = redis:0"], "no valid port"),
    (["address = redis", "username = x"], "needs password_file"),
    (["address = redis", "client_cert = /x"], "needs client_key"),
    (["address = redis", "client_key = /x"], "needs client_cert"),
    (["address = redis", "expired = maybe"], "expired"),
    (["address = redis", "connect_timeout = 0"], "must be more than 0"),
    (["address = redis", "verify_address = redis"], "write host:port"),
    (["address = redis, valkey", "verify_address = redis:1"], "one address"),
])
def test_configuration_errors_name_the_line(hotcertd, tls, lines, says):
    configure(hotcertd, tls, *lines)
    code, out = hotcertd.check()
    assert code == 1
    assert re.search(rf"redis\.conf:\d+: \[redis r\].*{re.escape(says)}", out), out
