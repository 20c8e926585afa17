"""Real servers that belong together: a cluster, a primary with its replica, a Sentinel."""

import re

import pytest

from lib import wait
from lib.redis_topology import Cluster, Sentinel, info, leaf_at
from redis_case import configure, failed, instance, mended, renew, sets


def addresses(servers):
    return "address = " + "\n    ".join(f"localhost:{s.port}" for s in servers)


# ---- cluster ------------------------------------------------------------------------------------------------

@pytest.fixture
def cluster(make_redis, ca, tls):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    one = Cluster(make_redis, tls)
    yield one
    one.finish()


def test_a_cluster(hotcertd, cluster, ca, tls, tmp_path):
    """Both ports of every node show the new certificate; links and state stay, and a node that comes back gets in."""
    client = tmp_path / "client"
    ca.issue("certreload").write(client, "c.crt", "c.key")
    configure(hotcertd, tls, addresses(cluster.nodes), "bus = yes", f"client_cert = {client}/c.crt",
              f"client_key = {client}/c.key").start()
    links = [cluster.links(n) for n in cluster.nodes]
    for key_type in "ec-p256", "rsa-2048", "ec-p256":
        pair = renew(ca, tls, hotcertd, key_type=key_type)
        assert instance(hotcertd)["message"].startswith(f"all 3 serve {pair.fingerprint[:8]}")
        assert {leaf_at(port) for n in cluster.nodes for port in (n.port, n.bus)} == {pair.fingerprint}
        assert cluster.healthy() and [cluster.links(n) for n in cluster.nodes] == links
    code, report = hotcertd.ctl("do", "redis:r", "check")
    assert code == 0 and all(f"port {n.bus} serves {pair.fingerprint[:8]}" in report for n in cluster.nodes), report
    cluster.nodes[1].restart()
    wait.until(cluster.healthy, "the node that was restarted does not get in")


# ---- a primary with its replica -------------------------------------------------------------------------------

@pytest.fixture
def primary_and_replica(make_redis, ca, tls):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    options = ["tls-replication yes"]
    primary = make_redis(tls, tls / "ca.crt", options=options).start()
    replica = make_redis(tls, tls / "ca.crt", options=[*options, f"replicaof 127.0.0.1 {primary.port}"]).start()
    wait_link(replica)
    return primary, replica


def wait_link(replica):
    wait.until(lambda: info(replica, "replication", "master_link_status") == "up", "the replica has no link")


def forbid_the_change(server):
    server.command("ACL", "SETUSER", "default", "-config|set")


def allow_it(server):
    server.command("ACL", "SETUSER", "default", "+config|set")


def test_a_replica_comes_before_its_primary(hotcertd, primary_and_replica, ca, tls):
    """Named in the other order. Where the replica fails the primary is left alone; where the primary fails, the
    replica is done."""
    primary, replica = primary_and_replica
    configure(hotcertd, tls, addresses([primary, replica])).start()
    old = renew(ca, tls, hotcertd)
    before = sets(primary)
    forbid_the_change(replica)
    new = ca.issue().write(tls)
    _, message = failed(hotcertd)
    assert f"localhost:{replica.port}: " in message and f"not tried: localhost:{primary.port}" in message, message
    assert primary.served() == replica.served() == old.fingerprint and sets(primary) == before
    allow_it(replica)
    mended(hotcertd)
    assert primary.served() == replica.served() == new.fingerprint
    forbid_the_change(primary)
    newer = ca.issue().write(tls)
    _, message = failed(hotcertd)
    assert f"localhost:{primary.port}: " in message and f"done: localhost:{replica.port}" in message, message
    assert replica.served() == newer.fingerprint and primary.served() == new.fingerprint
    allow_it(primary)
    mended(hotcertd)
    assert primary.served() == newer.fingerprint


def test_replication_goes_on(hotcertd, primary_and_replica, ca, tls):
    """The link stays over rotations, and one that is dropped comes back with the certificates of now."""
    primary, replica = primary_and_replica
    configure(hotcertd, tls, addresses([primary, replica])).start()
    syncs = info(primary, "stats", "sync_full")
    for n in range(3):
        pair = renew(ca, tls, hotcertd, key_type=["ec-p256", "rsa-2048"][n % 2])
        assert primary.served() == replica.served() == pair.fingerprint
        primary.command("SET", "n", n)
        wait.until(lambda: replica.command("GET", "n") == str(n), "the replica does not follow")  # noqa: B023
    assert info(replica, "replication", "master_link_status") == "up"
    assert info(primary, "stats", "sync_full") == syncs
    primary.command("CLIENT", "KILL", "TYPE", "replica")
    wait.until(lambda: info(primary, "stats", "sync_partial_ok") == "1", "the replica does not come back")
    wait_link(replica)


def test_after_a_failover_the_order_turns(hotcertd, primary_and_replica, ca, tls):
    first, second = primary_and_replica
    configure(hotcertd, tls, addresses([second, first])).start()
    renew(ca, tls, hotcertd)
    second.command("REPLICAOF", "NO", "ONE")
    first.command("REPLICAOF", "127.0.0.1", second.port)
    wait_link(first)
    old = renew(ca, tls, hotcertd)
    forbid_the_change(first)
    ca.issue().write(tls)
    _, message = failed(hotcertd)
    assert f"not tried: localhost:{second.port}" in message, message
    assert second.served() == old.fingerprint
    allow_it(first)
    mended(hotcertd)


# ---- a Sentinel -----------------------------------------------------------------------------------------------

@pytest.fixture
def sentinel(redis_server, tls, tmp_path):
    one = Sentinel(tmp_path / "sentinel", tls, redis_server).start()
    yield one
    one.finish()


def test_a_sentinel_is_told_plainly_and_once(hotcertd, sentinel, ca, tls):
    configure(hotcertd, tls, addresses([sentinel])).start()
    state, message = failed(hotcertd)
    assert state == "failed" and "Sentinel" in message and "restart" in message, message
    old = leaf_at(sentinel.port)
    for _ in range(3):
        ca.issue().write(tls)
        failed(hotcertd)
    assert leaf_at(sentinel.port) == old
    said = re.findall(r"^.* (?:warning|error) .*Sentinel.*$", hotcertd.log_text(), re.M)
    assert len(said) == 4, said  # once at the start, once a change
