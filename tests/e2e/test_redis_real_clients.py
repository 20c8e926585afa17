"""Real clients of a real server while its certificate changes: nobody who holds a connection loses it, and nobody who
opens one is refused. HOTCERT_ROTATIONS=1000 for more of them under load."""

import itertools
import os

import pytest

from lib.redis_clients import KINDS, missing
from redis_case import configure, renew

ROTATIONS = int(os.environ.get("HOTCERT_ROTATIONS", "50"))


@pytest.fixture
def start_clients():
    """start_clients(server, classes): clients that are at work already."""
    made = []

    def start(server, classes):
        for kind in classes:
            made.append(kind(server))
        for client in made:
            client.start()
            client.wait_done()
        return made
    yield start
    for client in made:
        client.finish()


def none_failed(clients):
    failures = [f for client in clients for f in client.failures]
    assert not failures, failures[:10]


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_over_rotations(hotcertd, redis_server, ca, tls, start_clients, kind):
    if missing(kind):
        pytest.skip(missing(kind))
    configure(hotcertd, tls, f"address = unix:{redis_server.unix}").start()
    clients = start_clients(redis_server, KINDS[kind])
    for key_type in "ec-p256", "rsa-2048", "ec-p256", "ed25519":
        pair = renew(ca, tls, hotcertd, key_type=key_type)
        assert redis_server.served() == pair.fingerprint
        for client in clients:
            client.wait_done(2)  # the one that is under way may have begun before
        none_failed(clients)


def test_a_client_that_is_dropped_is_noticed(redis_server, start_clients):
    """That the above could fail: a server that drops its connections is told by every kind of client."""
    clients = start_clients(redis_server, [KINDS[k][0] for k in KINDS if not missing(k)])
    redis_server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    for client in clients:
        client.wait_done(2)
        assert client.failures


def test_rotations_under_load(hotcertd, redis_server, ca, tls, start_clients):
    """ROTATIONS of them, key types mixed; each is proven by hotcertd's handshake and by one of ours."""
    configure(hotcertd, tls, f"address = 127.0.0.1:{redis_server.port}").start()
    clients = start_clients(redis_server, [c for k in KINDS if not missing(k) for c in KINDS[k]])
    keys = itertools.cycle([ca.issue(key_type=t).key for t in ("ec-p256", "rsa-2048", "ec-p384", "ec-p256", "ed25519")])
    since = hotcertd.log_mark()
    for n in range(1, ROTATIONS + 1):
        pair = renew(ca, tls, hotcertd, key=next(keys))
        assert redis_server.served() == pair.fingerprint, f"rotation {n}\n{hotcertd.process.tail()}"
    for client in clients:
        client.wait_done(2)
    none_failed(clients)
    log = hotcertd.log_text()[since:]
    proven = log.count("redis:r: serves ") - log.count(" already")
    assert proven == ROTATIONS and " error " not in log and " warning " not in log, log[-2000:]
    opened = sum(c.done for c in clients if not hasattr(c, "id"))
    held = [c for c in clients if hasattr(c, "id")]
    print(f"{ROTATIONS} rotations, {proven} proven; {opened} new connections, 0 failed; {len(held)} held, 0 dropped, "
          f"{sum(c.done for c in held)} commands on them")
