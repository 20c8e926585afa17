"""Many servers of one instance: none waits for one that hangs, replicas come first, what is right is left alone."""

import re

import pytest

from lib import wait
from lib.pki import replace
from lib.redis_server import product
from redis_case import clients, configure, failed, instance, mended, renew, sets
from resp_server import CLOSE, HANG, RespServer


def addresses(servers):
    return "address = " + "\n    ".join(f"unix:{s.unix}" for s in servers)


@pytest.fixture
def make_resp(ca, tls, tmp_path):
    made = []
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)

    def make(**kwargs):
        made.append(RespServer(tmp_path / f"resp{len(made)}", tls, **kwargs))
        return made[-1]
    yield make
    for server in made:
        server.finish()


def test_three_of_three_hundred_hang(hotcertd, make_resp, ca, tls):
    """The others do not wait for them: they have the new certificate while the three still hang."""
    servers = [make_resp() for _ in range(300)]
    hanging, well = servers[::100], [s for s in servers if s not in servers[::100]]
    configure(hotcertd, tls, addresses(servers), "connect_timeout = 60s", "reply_timeout = 60s", "timeout = 120s")
    hotcertd.start()
    assert hotcertd.sync() == 0
    for server in hanging:
        server.script["CONFIG GET tls-*-file"] = HANG
    pair = ca.issue().write(tls)
    expected = {id(s): s.loads + 1 for s in well}
    wait.until(lambda: all(s.loads >= expected[id(s)] for s in well),
               lambda: f"{sum(s.loads < expected[id(s)] for s in well)} of 297 are not reloaded")
    assert instance(hotcertd)["state"] == "running"  # because of the three
    assert {s.served() for s in well[::50]} == {pair.fingerprint}
    for server in hanging:
        server.script["CONFIG GET tls-*-file"] = CLOSE
        server.drop()
    state, message = failed(hotcertd)
    assert state == "retry" and "; failed as well: " in message and message.endswith(" and 289 more"), message
    for server in hanging:
        server.script.clear()
    seen = [len(s.commands) for s in well]
    mended(hotcertd)
    assert {s.served() for s in hanging} == {pair.fingerprint}
    assert [len(s.commands) for s in well] == seen  # what is done is not done again


def test_replicas_first(hotcertd, make_redis, ca, tls):
    """Whatever the order in the list."""
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    primary = make_redis(tls, tls / "ca.crt", options=["tls-replication yes"]).start()
    replicas = [make_redis(tls, tls / "ca.crt", options=["tls-replication yes", f"replicaof 127.0.0.1 {primary.port}"])
                .start() for _ in range(2)]
    for replica in replicas:
        wait.until(lambda r=replica: "master_link_status:up" in r.command("INFO", "replication"), "the replica is linked")
    every = [primary, *replicas]
    configure(hotcertd, tls, addresses(every)).start()
    for _ in range(3):
        pair = renew(ca, tls, hotcertd)
        assert [s.served() for s in every] == [pair.fingerprint] * 3
    # What a replica cannot load is not tried on the primary.
    block_reload(replicas[0], tls)
    before = primary.served(), sets(primary), replicas[0].served()
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "failed" and message.startswith(f"unix:{replicas[0].unix}: CONFIG SET: "), message
    assert "; not tried: " in message and str(primary.unix) in message.split("; not tried: ")[1]
    assert (primary.served(), sets(primary), replicas[0].served()) == before
    unblock_reload(replicas[0], tls)
    mended(hotcertd)
    assert [s.served() for s in every] == [pair.fingerprint] * 3
    assert "master_link_status:up" in replicas[0].command("INFO", "replication")


def test_a_replica_that_is_slow_to_say_so(hotcertd, make_resp, ca, tls):
    """The primary has answered long before; it waits all the same."""
    primary, replica = make_resp(), make_resp(role="replica")
    order = []
    for server in primary, replica:
        def answer(words, server=server):
            order.append(server.role)
            return server.config_set(words[2:])
        server.script["CONFIG SET"] = answer
    configure(hotcertd, tls, addresses([primary, replica]))

    def late(words):
        asked = len([c for c in replica.commands if c[0] == "HELLO"])
        wait.until(lambda: [c[2] for c in primary.commands if c[1] == "GET"].count("tls-port") >= asked, "the primary answers")
        return replica.hello()
    replica.script["HELLO"] = late
    hotcertd.start()
    order.clear()
    for _ in range(3):
        renew(ca, tls, hotcertd)
    assert order == ["replica", "master"] * 3


def test_a_failed_change_does_not_wait_for_those_that_hang(hotcertd, make_resp, ca, tls):
    one, hanging = make_resp(role="replica"), make_resp()
    configure(hotcertd, tls, addresses([one, hanging]), "reply_timeout = 60s", "timeout = 120s").start()
    one.script["CONFIG SET"] = b"-ERR CONFIG SET failed - Unable to update TLS configuration. Check server logs.\r\n"
    hanging.script["HELLO"] = HANG
    ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "failed" and message.endswith(f"; not tried: unix:{hanging.unix}"), message
    hanging.script.clear()
    hanging.drop()
    one.script.clear()
    mended(hotcertd)


def block_reload(server, tls):
    """A client pair that the server cannot load blocks all of it, on the next CONFIG SET."""
    client = tls.parent / "client"
    client.mkdir(exist_ok=True)
    replace(client / "c.crt", (tls / "redis.crt").read_bytes())
    replace(client / "c.key", (tls / "redis.key").read_bytes(), 0o600)
    server.command("CONFIG", "SET", "tls-client-cert-file", client / "c.crt", "tls-client-key-file", client / "c.key")
    server.good = (client / "c.key").read_bytes()
    replace(client / "c.key", b"broken", 0o600)


def unblock_reload(server, tls):
    replace(tls.parent / "client/c.key", server.good, 0o600)


def test_nothing_to_do_is_no_news(hotcertd, make_redis, ca, tls):
    """Every server serves it already: that is what the job says, and no notice is logged at the next start."""
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    servers = [make_redis(tls, tls / "ca.crt").start() for _ in range(2)]
    configure(hotcertd, tls, addresses(servers)).start()
    pair = renew(ca, tls, hotcertd)
    assert instance(hotcertd)["message"].startswith(f"all 2 serve {pair.fingerprint[:8]}…")
    assert not instance(hotcertd)["message"].endswith("already")
    mark = hotcertd.log_mark()
    hotcertd.restart()
    assert hotcertd.sync() == 0
    assert instance(hotcertd)["message"].endswith("already")
    assert "redis:r: all 2" not in hotcertd.log_text()[mark:]
    # One of two is news.
    servers[0].restart()
    servers[1].stop()
    pair = ca.issue().write(tls)
    assert failed(hotcertd)[0] == "retry"
    servers[1].start()
    mended(hotcertd)
    assert [s.served() for s in servers] == [pair.fingerprint] * 2


def test_the_state_of_each_is_shown(hotcertd, make_redis, ca, tls):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    one, other = (make_redis(tls, tls / "ca.crt").start() for _ in range(2))
    configure(hotcertd, tls, addresses([one]) + f"\n    localhost:{other.port}").start()
    other.stop()
    pair = ca.issue().write(tls)
    assert failed(hotcertd)[0] == "retry"
    out = hotcertd.ctl("status", "redis:r")[1]
    shown = next(line for line in out.splitlines() if str(one.unix) in line and "served" in line)
    assert re.search(rf"{product()} standalone master, process {one.process.pid} of user \d+; served "
                     rf"{pair.fingerprint[:8]}….*: serves {pair.fingerprint[:8]}", " ".join(out.split())), out
    assert "Connection refused" in out and shown


def test_ipv6_and_a_name(hotcertd, make_redis, ca, tls):
    ca.write(tls / "ca.crt")
    sans = ["localhost", "::1", "127.0.0.1"]
    ca.issue(sans=sans).write(tls)
    server = make_redis(tls, tls / "ca.crt", options=["bind 127.0.0.1 ::1"]).start()
    configure(hotcertd, tls, f"address = [::1]:{server.port}\n    localhost:{server.port}").start()
    pair = renew(ca, tls, hotcertd, sans=sans)
    assert instance(hotcertd)["message"].startswith(f"all 2 serve {pair.fingerprint[:8]}")
    assert len(clients(server)) == 2


def test_names_are_resolved_off_the_loop(hotcertd, redis_server, ca, tls):
    """A name server that does not answer holds up its own target alone."""
    configure(hotcertd, tls, f"address = unix:{redis_server.unix}\n    nowhere.invalid:6379", "connect_timeout = 2s").start()
    pair = ca.issue().write(tls)
    redis_server.wait_served(pair.fingerprint)
    state, message = failed(hotcertd)
    assert state == "retry" and message.startswith("nowhere.invalid:6379: ")
