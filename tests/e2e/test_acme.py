"""The stepca plugin over ACME, with a real Pebble."""

import pytest

from acme_case import AcmeSite, start
from lib import pebble


@pytest.fixture(scope="session")
def pebble_programs():
    pebble.build()


@pytest.fixture
def dns(tmp_path, pebble_programs):
    server = pebble.DNS(tmp_path / "dns").start()
    yield server
    server.finish()


@pytest.fixture
def make_pebble(tmp_path, dns):
    made = []

    def make(**options):
        made.append(pebble.Pebble(tmp_path / f"pebble{len(made)}", dns, **options))
        return made[-1]
    yield make
    for one in made:
        one.finish()


@pytest.fixture
def server(make_pebble):
    return make_pebble().start()


def lines(server):
    return f"acme_directory = {server.directory_url}\nroot = {server.root_file}\nacme_agree_tos = yes"


def challenge_of(kind, server, tmp_path):
    """The configuration for one way to prove a name."""
    if kind == "listener":
        return f"challenge = http-01\nhttp_listen = 127.0.0.1:{server.http_port}"
    if kind == "tls-alpn-01":
        return f"challenge = tls-alpn-01\ntls_listen = 127.0.0.1:{server.tls_port}"
    if kind == "dns-01":
        return f"challenge = dns-01\ndns_hook = {server.dns.hook(tmp_path / 'hook')}"
    raise ValueError(kind)


@pytest.mark.parametrize("kind", ["listener", "tls-alpn-01", "dns-01"])
def test_first_certificate(kind, hotcertd, server, tls, tmp_path):
    site = AcmeSite(hotcertd, tls, lines(server), challenge_of(kind, server, tmp_path), server.root_file).configure()
    start(site)
    assert site.names() == ["a.example", "b.example"]
