"""The redis plugin on a real redis-server: the new pair is served, proven, and nothing more is done than needed."""

import re

import pytest

from lib import wait
from lib.pki import CA, replace
from lib.redis_server import product, reserve_port
from redis_case import clients, configure, failed, instance, mended, renew, sets


def reach(kind, server):
    return {"unix": f"address = unix:{server.unix}",
            "tls": f"address = 127.0.0.1:{server.port}",
            "name": f"address = localhost:{server.port}",
            "tcp": f"address = tcp:127.0.0.1:{server.plain_port}"}[kind]


@pytest.fixture
def server(make_redis, ca, tls):
    """As redis_server, with a plain port beside the TLS port."""
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    reserved, port = reserve_port()
    server = make_redis(tls, tls / "ca.crt", options=[f"port {port}"])
    server.plain_port = port
    yield server.start()
    reserved.close()


@pytest.mark.parametrize("kind", ["unix", "tls", "name", "tcp"])
def test_a_new_pair_is_served(hotcertd, server, ca, tls, kind):
    configure(hotcertd, tls, reach(kind, server)).start()
    held = server.connect()
    for _ in range(3):
        pair = renew(ca, tls, hotcertd)
        assert server.served() == pair.fingerprint
        message = instance(hotcertd)["message"]
        assert re.match(rf"serves {pair.fingerprint[:8]}… until \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", message)
    held.sendall(b"PING\r\n")
    assert held.recv(100) == b"+PONG\r\n"
    held.close()


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_one_connection_is_kept_and_one_set_per_change(hotcertd, server, ca, tls, kind):
    configure(hotcertd, tls, reach(kind, server)).start()
    before, held = sets(server), clients(server)
    assert len(held) == 1
    for _ in range(4):
        renew(ca, tls, hotcertd)
    assert clients(server) == held
    pair_changes = sets(server) - before
    assert pair_changes == 4


def test_nothing_is_set_where_all_is_right(hotcertd, server, ca, tls):
    configure(hotcertd, tls, reach("unix", server)).start()
    pair = renew(ca, tls, hotcertd)
    before = sets(server)
    hotcertd.restart()
    assert hotcertd.sync() == 0
    assert hotcertd.ctl("retry", "redis:r")
    assert hotcertd.sync() == 0
    assert sets(server) == before
    assert instance(hotcertd)["message"].startswith(f"serves {pair.fingerprint[:8]}")
    assert instance(hotcertd)["message"].endswith("already")


def test_a_change_while_the_daemon_was_down(hotcertd, server, ca, tls):
    configure(hotcertd, tls, reach("tls", server)).start()
    hotcertd.kill()
    pair = ca.issue().write(tls)
    hotcertd.start()
    assert hotcertd.sync() == 0
    assert server.served() == pair.fingerprint


def test_a_set_by_hand_is_brought_back(hotcertd, server, ca, tls):
    configure(hotcertd, tls, reach("unix", server)).start()
    pair = renew(ca, tls, hotcertd)
    other = ca.issue()
    other.write(tls.parent / "other")
    good = (tls / "redis.crt").read_bytes(), (tls / "redis.key").read_bytes()
    # The same paths with another content while hotcert does not look: what a restored backup would do.
    hotcertd.stop()
    other.write(tls)
    server.command("CONFIG", "SET", "tls-cert-file", tls / "redis.crt", "tls-key-file", tls / "redis.key")
    replace(tls / "redis.key", good[1], 0o600)
    replace(tls / "redis.crt", good[0])
    assert server.served() == other.fingerprint
    hotcertd.start()
    hotcertd.sync()
    assert server.served() == pair.fingerprint


def test_a_ca_change_alone_is_loaded(hotcertd, server, ca, tls):
    configure(hotcertd, tls, reach("unix", server)).start()
    renew(ca, tls, hotcertd)
    before = sets(server)
    replace(tls / "ca.crt", ca.pem + CA("Second Root").pem)
    hotcertd.sync()
    assert sets(server) == before + 1
    hotcertd.stop()
    replace(tls / "ca.crt", ca.pem + CA("Third Root").pem)
    hotcertd.start()
    hotcertd.sync()
    assert sets(server) == before + 2


def test_a_chain_is_served_and_compared(hotcertd, make_redis, ca, tls):
    intermediate = ca.intermediate()
    ca.write(tls / "ca.crt")
    intermediate.issue().write(tls)
    server = make_redis(tls, tls / "ca.crt").start()
    configure(hotcertd, tls, f"address = localhost:{server.port}").start()
    assert hotcertd.sync() == 0
    pair = renew(intermediate, tls, hotcertd)
    assert instance(hotcertd)["state"] == "ok"
    # The same leaf under another chain is a change, too.
    again = CA("Test Intermediate", parent=ca)
    again.key = intermediate.key
    before = sets(server)
    replace(tls / "redis.crt", pair.leaf_pem + intermediate.pem + ca.pem)
    assert hotcertd.sync() == 0
    assert sets(server) == before + 1


@pytest.mark.parametrize("key_type", ["rsa-2048", "ec-p384"])
def test_the_key_type_changes(hotcertd, server, ca, tls, key_type):
    configure(hotcertd, tls, reach("unix", server)).start()
    pair = renew(ca, tls, hotcertd, key_type=key_type)
    assert server.served() == pair.fingerprint
    pair = renew(ca, tls, hotcertd)
    assert server.served() == pair.fingerprint


def test_several_servers(hotcertd, make_redis, ca, tls):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    servers = [make_redis(tls, tls / "ca.crt").start() for _ in range(3)]
    addresses = "\n    ".join(f"unix:{s.unix}" for s in servers)
    configure(hotcertd, tls, f"address = {addresses}").start()
    pair = renew(ca, tls, hotcertd)
    assert [s.served() for s in servers] == [pair.fingerprint] * 3
    assert instance(hotcertd)["message"].startswith("all 3 serve ")
    # One that is down is no failed change: the others are not kept from their new certificate.
    servers[1].stop()
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "retry"
    assert message.startswith(f"unix:{servers[1].unix}: ")
    assert message.endswith(f"; done: unix:{servers[0].unix}, unix:{servers[2].unix}")
    assert servers[0].served() == pair.fingerprint == servers[2].served()
    before = sets(servers[0])
    servers[1].start()
    mended(hotcertd)
    assert [s.served() for s in servers] == [pair.fingerprint] * 3
    assert sets(servers[0]) == before


def test_the_first_failed_change_stops_it(hotcertd, make_redis, ca, tls, tmp_path):
    """What one server could not load is not tried on the next one."""
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    client = tmp_path / "client"
    ca.issue("client").write(client, "c.crt", "c.key")
    broken = [f"tls-client-cert-file {client}/c.crt", f"tls-client-key-file {client}/c.key"]
    servers = [make_redis(tls, tls / "ca.crt", options=broken if i == 1 else []).start() for i in range(3)]
    addresses = "\n    ".join(f"unix:{s.unix}" for s in servers)
    configure(hotcertd, tls, f"address = {addresses}").start()
    old = renew(ca, tls, hotcertd)
    good = (client / "c.key").read_bytes()
    (client / "c.key").write_text("broken")
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "failed" and message.startswith(f"unix:{servers[1].unix}: CONFIG SET: ")
    assert message.endswith(f"; done: unix:{servers[0].unix}; not tried: unix:{servers[2].unix}")
    assert [s.served() for s in servers] == [pair.fingerprint, old.fingerprint, old.fingerprint]
    (client / "c.key").write_bytes(good)
    mended(hotcertd)
    assert [s.served() for s in servers] == [pair.fingerprint] * 3


def test_an_acl_user_with_a_password(hotcertd, server, ca, tls, tmp_path):
    server.command("ACL", "SETUSER", "certreload", "on", ">pass word\"1", "resetkeys", "resetchannels", "-@all",
                   "+config|get", "+config|set")
    secret = tmp_path / "secret"
    secret.write_text("pass word\"1\n")
    configure(hotcertd, tls, reach("tls", server), "username = certreload", f"password_file = {secret}").start()
    pair = renew(ca, tls, hotcertd)
    assert server.served() == pair.fingerprint
    assert len(clients(server)) == 1
    assert "pass word" not in hotcertd.log_text()


def test_the_default_user_s_password(hotcertd, make_redis, ca, tls, tmp_path):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    server = make_redis(tls, tls / "ca.crt", password="secret-1").start()
    secret = tmp_path / "secret"
    secret.write_text("secret-1")
    configure(hotcertd, tls, f"address = unix:{server.unix}", f"password_file = {secret}").start()
    pair = renew(ca, tls, hotcertd)
    assert server.served() == pair.fingerprint


def test_a_password_that_nobody_asks_for(hotcertd, server, ca, tls, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret-1")
    configure(hotcertd, tls, reach("unix", server), f"password_file = {secret}").start()
    assert hotcertd.sync() == 0
    assert "asks for no password" in hotcertd.log_text()


@pytest.mark.parametrize("protocols", ["TLSv1.2", "TLSv1.3"])
def test_a_client_certificate(hotcertd, make_redis, ca, tls, tmp_path, protocols):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    server = make_redis(tls, tls / "ca.crt", options=["tls-auth-clients yes", f"tls-protocols {protocols}"]).start()
    mine = tmp_path / "mine"
    ca.issue("certreload").write(mine, "c.crt", "c.key")
    lines = [f"client_cert = {mine}/c.crt", f"client_key = {mine}/c.key"]
    configure(hotcertd, tls, f"address = localhost:{server.port}", *lines).start()
    pair = renew(ca, tls, hotcertd)
    assert instance(hotcertd)["message"].startswith(f"serves {pair.fingerprint[:8]}")
    # Without it: the line says so, whichever way the version refuses.
    configure(hotcertd, tls, f"address = localhost:{server.port}")
    assert hotcertd.reload()[0] == 0
    state, message = failed(hotcertd)
    assert state == "failed"
    assert "asks for a client certificate" in message and "set client_cert and client_key" in message
    # The unix socket needs none, nor does the proof.
    configure(hotcertd, tls, f"address = unix:{server.unix}")
    assert hotcertd.reload()[0] == 0
    pair = renew(ca, tls, hotcertd)
    assert instance(hotcertd)["message"].startswith(f"serves {pair.fingerprint[:8]}")


def test_an_idle_connection_that_the_server_closes(hotcertd, server, ca, tls):
    configure(hotcertd, tls, reach("tls", server)).start()
    held = clients(server)
    server.command("CLIENT", "KILL", "ID", held[0].split("=")[1])
    wait.until(lambda: not clients(server), "the connection is gone")
    pair = renew(ca, tls, hotcertd)
    assert server.served() == pair.fingerprint
    assert len(clients(server)) == 1
    assert not re.search("warning|error", hotcertd.log_text())


def test_check_says_what_would_be_done(hotcertd, server, ca, tls):
    configure(hotcertd, tls, reach("tls", server)).start()
    pair = renew(ca, tls, hotcertd)
    before = sets(server)
    code, out = hotcertd.ctl("do", "redis:r", "check")
    assert code == 0, out
    assert product() in out and pair.fingerprint[:8] in out and "already" in out
    assert "chain and name verified" in out or "from an earlier run" in out
    server.restart()
    code, out = hotcertd.ctl("do", "redis:r", "check")
    assert code == 0 and "chain and name verified" in out, out
    assert sets(server) in (0, before)


def test_status_names_the_server(hotcertd, server, ca, tls):
    configure(hotcertd, tls, reach("unix", server)).start()
    pair = renew(ca, tls, hotcertd)
    code, out = hotcertd.ctl("status", "redis:r")
    assert code == 0
    assert str(server.unix) in out and product() in out and pair.fingerprint[:8] in out
