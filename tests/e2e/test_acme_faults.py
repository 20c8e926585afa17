"""The stepca plugin and an ACME server that misbehaves, or takes its time: scripted."""

import socket
import ssl
import time

import pytest
from cryptography import x509

from acme_case import AcmeSite, begin, start
from acme_server import ScriptedACME, problem
from https_server import HttpsServer
from lib import wait
from lib.pki import CA
from lib.redis_server import reserve_port


@pytest.fixture
def server(ca, tmp_path):
    running = ScriptedACME(ca, tmp_path / "acme")
    yield running
    running.close()


@pytest.fixture
def port():
    reserved, free = reserve_port()
    yield free
    reserved.close()


@pytest.fixture
def site(hotcertd, tls, server, port):
    lines = f"acme_directory = {server.directory_url}\nroot = {server.root_file}\nrequest_timeout = 2s"
    return AcmeSite(hotcertd, tls, lines, f"challenge = http-01\nhttp_listen = 127.0.0.1:{port}", sans="a.example").configure()


def always(*answer):
    return lambda server: answer


def post(server, path):
    return [payload for p, payload in server.payloads if p == path]


def signed_then(kind, status=400, **more):
    def answer(server):
        def route(request):
            server.signed(request)
            status_, body, headers = problem(status, kind, "so it is", **more)
            return status_, body, server.headers(**headers)
        return route
    return answer


# -- replies: (path, answer, state, words) ----------------------------------------------------------------------

FAULTS = {
    "directory-html": ("/directory", always(200, b"<html>Hello</html>"), "retry", ["<html>Hello", "proxy"]),
    "directory-list": ("/directory", always(200, []), "retry", ["not an ACME server's"]),
    "directory-http": ("/directory", always(200, {"newNonce": "http://ca/", "newAccount": "https://ca/", "newOrder": "https://ca/"}),
                       "retry", ["not an ACME server's"]),
    "directory-404": ("/directory", always(404, b"no"), "failed", ["HTTP 404"]),
    "directory-503": ("/directory", always(503, b"soon"), "retry", ["HTTP 503: soon"]),
    "directory-hang": ("/directory", always(HttpsServer.HANG), "retry", ["timed out"]),
    "nonce-none": ("/nonce", always(204, b""), "retry", ["/nonce", "not an ACME server's"]),
    "nonce-bad": ("/nonce", always(204, b"", {"Replay-Nonce": 'a"b'}), "retry", ["/nonce", "not an ACME server's"]),
    "account-nowhere": ("/account", always(201, {}), "retry", ["not an ACME server's"]),
    "account-refused": ("/account", signed_then("invalidContact"), "failed", ["invalidContact: so it is", "acme_contact"]),
    "account-unbound": ("/account", signed_then("externalAccountRequired", 401), "failed", ["acme_eab_kid"]),
    "account-terms": ("/account", signed_then("userActionRequired", 403, instance="https://ca/new-terms"), "failed",
                      ["https://ca/new-terms", "person"]),
    "account-again": ("/account", signed_then("badNonce"), "retry", ["badNonce"]),
    "order-internal": ("/order", signed_then("serverInternal", 500), "retry", ["so it is", "trouble"]),
    "order-rejected": ("/order", signed_then("rejectedIdentifier", subproblems=[
        {"type": "x", "detail": "never\nheard", "identifier": {"type": "dns", "value": "a.example"}}]), "failed",
        ["so it is (a.example: never heard)", "check sans"]),
    "order-caa": ("/order", signed_then("caa", 403), "retry", ["caa: so it is", "CAA record"]),
    "order-unknown": ("/order", signed_then("flatEarth"), "failed", ["flatEarth: so it is"]),
    "order-nowhere": ("/order", lambda server: lambda request: (201, {}, server.headers()), "retry", ["not an ACME server's"]),
    "order-empty": ("/order", lambda server: lambda request: (201, {}, server.headers(Location=f"{server.url}/order/1")),
                    "retry", ["not an ACME server's"]),
    "authz-torn": ("/authz/0", lambda server: lambda request: (200, b'{"identi', server.headers()), "retry",
                   ["not an ACME server's"]),
    "authz-path": ("/authz/0", lambda server: lambda request: (200, {
        "identifier": {"type": "dns", "value": "a.example"}, "status": "pending", "challenges": [
            {"type": "http-01", "url": f"{server.url}/challenge", "token": "../../etc/passwd", "status": "pending"}]},
        server.headers()), "retry", ["not an ACME server's"]),
    "challenge-refused": ("/challenge", signed_then("unauthorized", 403), "retry", ["unauthorized: so it is"]),
    "finalize-refused": ("/finalize", signed_then("badCSR"), "failed", ["badCSR: so it is", "key_type"]),
    "certificate-none": ("/certificate", lambda server: lambda request: (200, b"nothing", server.headers()), "retry",
                         ["not an ACME server's", "nothing"]),
    "certificate-other-key": ("/certificate", lambda server: lambda request: (200, server.issue(
        server.csr, key=CA().key), server.headers()), "failed", ["another key"]),
    "certificate-other-name": ("/certificate", lambda server: lambda request: (200, server.issue(
        server.csr, sans=["b.example"]), server.headers()), "failed", ["lacks the name a.example"]),
    "certificate-expired": ("/certificate", lambda server: lambda request: (200, server.issue(
        server.csr, lifetime=(-100, -10)), server.headers()), "failed", ["has expired"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_goes_wrong_and_is_mended(site, server, fault):
    path, answer, state, words = FAULTS[fault]
    made = answer(server)
    server.routes[path] = made if callable(made) or made is HttpsServer.HANG else made[0] if made == (HttpsServer.HANG,) else made
    server.verdict = "valid"
    begin(site)
    site.failed(state, *words)
    assert not (site.tls / "redis.crt").exists()
    server.mend()
    # What an order has come to can be final: then the next one is good.
    wait.until(lambda: site.daemon.ctl("retry", "web") and site.daemon.sync() == 0, site.message)
    site.assert_pair()


# -- what counts as an answer, and when -----------------------------------------------------------------------------


def test_every_request_is_signed_as_it_should(site, server):
    """The server verifies each; what they say is looked at here."""
    server.verdict = "valid"
    server.meta = {"termsOfService": "https://ca/terms"}
    site.sans = "a.example, 10.0.0.5"
    start(site.configure("acme_agree_tos = yes\nacme_contact = ops@a.example\nsubject = a.example"))
    assert post(server, "/account") == [{"termsOfServiceAgreed": True, "contact": ["mailto:ops@a.example"]}]
    assert post(server, "/order") == [{"identifiers": [{"type": "dns", "value": "a.example"}, {"type": "ip", "value": "10.0.0.5"}]}]
    assert post(server, "/authz/0") == [None, None] and post(server, "/certificate") == [None]
    assert server.csr.subject.rfc4514_string() == "CN=a.example"


def test_a_rate_limit_is_waited_for(site, server):
    server.routes["/order"] = lambda request: (429, problem(429, "rateLimited", "too many")[1], {"Retry-After": "3600"})
    begin(site)
    text = site.failed("retry", "rateLimited: too many", "waiting")
    site.daemon.wait_log(r"the next in (59|60) m|the next in 3[56]\d\d")
    # The key file that was written is no reason to ask sooner, a person is.
    assert server.count("/order") == 1, text
    server.mend()
    server.verdict = "valid"
    site.daemon.ctl("retry", "web")
    assert site.daemon.sync() == 0, site.message()


def test_what_was_refused_is_not_asked_for_again_at_once(site, server):
    server.routes["/order"] = signed_then("rejectedIdentifier")(server)
    begin(site)
    site.failed("failed", "rejectedIdentifier")
    site.daemon.wait_log("held back: ")
    assert site.daemon.sync() == 1
    assert server.count("/order") == 1


def test_each_name_is_told_apart(site, server):
    server.verdict = problem(403, "unauthorized", "a.example says no")[1]
    site.sans = "a.example, b.example"
    begin(site.configure())
    site.failed("retry", "could not verify a.example (http-01): unauthorized: a.example says no", "port 80")
    assert site.state("acme-order") is None


def test_a_challenge_that_is_not_offered(site, server):
    server.offered = ["dns-01", "device-attest-01"]
    begin(site)
    site.failed("failed", "does not verify a.example by http-01, only by dns-01, device-attest-01")


def test_slow_orders_are_polled(site, server):
    """processing first, and Retry-After heeded; ready before valid shows."""
    server.verdict = "valid"
    states = iter(["processing", "processing", "valid"])
    finalize = server.good["/finalize"]

    def later(request):
        finalize(request)
        server.order_status = next(states)
        return 200, server.order(), server.headers()

    def look(request):
        server.signed(request)
        if server.order_status == "processing":
            server.order_status = next(states)
        return 200, server.order(), server.headers(**{"Retry-After": "1"})
    server.routes["/finalize"], server.routes["/order/1"] = later, look
    before = time.monotonic()
    start(site)
    assert time.monotonic() - before > 1.2 and server.count("/order/1") == 3 and server.orders == 1


def test_an_order_that_the_ca_ends(site, server):
    def end(request):
        server.signed(request)
        return 200, {**server.order(), "status": "invalid", "error": problem(403, "caa", "forbidden")[1]}, server.headers()
    server.verdict = "valid"
    server.routes["/finalize"] = end
    begin(site)
    site.failed("retry", "ended the order: caa: forbidden")
    server.mend()
    site.daemon.ctl("retry", "web")
    assert site.daemon.sync() == 0, site.message()
    assert server.orders == 2


def test_a_saved_order_for_other_names_is_left_alone(site, server):
    begin(site)
    wait.until(lambda: server.told, "the challenge was not posted")
    site.daemon.kill()
    server.verdict = "valid"
    site.sans = "b.example"
    start(site.configure())
    assert server.orders == 2 and site.names() == ["b.example"]


def test_a_saved_order_that_is_gone(site, server):
    begin(site)
    wait.until(lambda: server.told, "the challenge was not posted")
    site.daemon.kill()
    server.verdict = "valid"
    server.routes["/order/1"] = lambda request: (404, problem(404, "malformed", "no such order")[1], server.headers()) \
        if server.orders == 1 else server.good["/order/1"](request)
    start(site)
    assert server.orders == 2


def test_killed_before_the_certificate_is_fetched(site, server):
    """The order is over for the CA: the next start fetches what is ready, for the key that was kept."""
    server.verdict = "valid"
    server.routes["/certificate"] = HttpsServer.HANG
    begin(site)
    wait.until(lambda: server.count("/certificate"), "the certificate was not asked for")
    site.daemon.kill()
    key = (site.tls / "redis.key").read_bytes()
    server.mend()
    start(site)
    assert server.orders == 1 and (site.tls / "redis.key").read_bytes() == key
    code, out = site.daemon.ctl("renew", "web")
    assert code == 0 and server.orders == 2, out


@pytest.mark.parametrize("at", range(1, 12))
def test_killed_at_each_request(site, server, at):
    """Whatever the CA has heard by then: one account key, no lost order but where its name never came, a whole pair.
    There are ten; the last time it is killed as soon as the certificate is in place."""
    server.verdict = "valid"
    server.before = lambda number: number == at and site.daemon.kill()
    site.daemon.start(ready=False)
    wait.until(lambda: not site.daemon.process.running() or site.certs(), site.daemon.tail)
    assert site.daemon.process.running() == (at == 11)
    site.daemon.kill()
    server.before = None
    old = start(site)
    assert len(server.account_keys) == 1
    assert server.orders == (2 if at == 4 else 1), server.requests
    assert site.state("acme-left") is None and (at == 11 or site.state("acme-order") is None)
    code, out = site.daemon.ctl("renew", "web")
    assert code == 0 and site.leaf() != old and site.state("acme-order") is None, out


def test_a_reload_keeps_an_order_that_waits(site, server):
    begin(site)
    wait.until(lambda: server.told, "the challenge was not posted")
    site.daemon.conf("10-log", "[hotcert]\nlog_level = info\n")
    assert site.daemon.reload()[0] == 0
    server.verdict = "valid"
    assert site.daemon.sync() == 0, site.message()
    assert server.orders == 1


# -- our listeners ------------------------------------------------------------------------------------------------------


def http(port, request):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(request)
        try:
            return b"".join(iter(lambda: s.recv(4096), b""))
        except ConnectionResetError:
            return b""


def test_the_http_listener_says_nothing_else(site, server, port):
    begin(site)
    wait.until(lambda: server.told, "the challenge was not posted")
    path = b"/.well-known/acme-challenge/"
    good = http(port, b"GET " + path + b"token-0_http-01 HTTP/1.1\r\nHost: a.example\r\n\r\n")
    head, body = good.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and body.startswith(b"token-0_http-01.") and len(body) == 16 + 43
    for request in (b"GET / HTTP/1.1\r\n\r\n", b"GET " + path + b" HTTP/1.1\r\n\r\n", b"POST " + path + b"token-0_http-01 HTTP/1.1\r\n\r\n",
                    b"GET " + path + b"token-0_http-02 HTTP/1.1\r\n\r\n", b"GET " + path + b"../x HTTP/1.0\n\n", b"\r\n\r\n"):
        assert http(port, request).startswith(b"HTTP/1.1 404 "), request
    assert http(port, b"GET " + path + b"a" * 4091) == b""
    # One that says nothing, and one byte at a time, hold up nobody.
    idle = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(80)]
    for s in idle:
        s.close()
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        for byte in b"GET " + path + b"token-0_http-01 HTTP/1.1\r\n\r\n":
            s.sendall(bytes([byte]))
        assert b"200 OK" in s.recv(4096)
    server.verdict = "valid"
    assert site.daemon.sync() == 0, site.message()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10)


def handshake(port, name, protocols=("acme-tls/1",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    with socket.create_connection(("127.0.0.1", port), 10) as s, context.wrap_socket(s, server_hostname=name) as tls:
        assert tls.selected_alpn_protocol() == "acme-tls/1"
        return x509.load_der_x509_certificate(tls.getpeercert(True))


def test_the_tls_listener_speaks_acme_alone(site, server, port):
    site.challenge = f"challenge = tls-alpn-01\ntls_listen = 127.0.0.1:{port}"
    site.sans = "a.example, 2001:db8::1"
    begin(site.configure())
    wait.until(lambda: server.told == 2, "the challenges were not posted")
    leaf = handshake(port, "A.example", ["h2", "acme-tls/1"])
    extension = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
    assert extension.critical and extension.value.value[:2] == b"\x04\x20" and len(extension.value.value) == 34
    assert [str(n.value) for n in leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value] == ["a.example"]
    address = handshake(port, "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa")
    assert [str(n.value) for n in address.extensions.get_extension_for_class(x509.SubjectAlternativeName).value] == ["2001:db8::1"]
    for name, protocols in ("b.example", ["acme-tls/1"]), ("a.example", ["h2"]), ("a.example", None), (None, ["acme-tls/1"]):
        with pytest.raises(ssl.SSLError):
            handshake(port, name, protocols)
    assert b"HTTP" not in http(port, b"GET / HTTP/1.1\r\n\r\n")
    server.verdict = "valid"
    assert site.daemon.sync() == 0, site.message()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10)


def test_a_listener_outlives_the_section_that_opened_it(hotcertd, site, server, port, tmp_path, ca):
    """Two sections wait for their CAs on one port; the first is dropped by a reload."""
    other = ScriptedACME(ca, tmp_path / "other")
    other.offered = ["http-01"]
    begin(site)
    wait.until(lambda: server.told, "the challenge was not posted")
    hotcertd.conf("60-other", (hotcertd.conf_dir / "50-web.conf").read_text().split("[watch web]")[1].join(
        ["[watch other]", ""]).replace("[stepca web]", "[stepca other]").replace(server.directory_url, other.directory_url)
        .replace("redis.", "other."))
    assert hotcertd.reload()[0] == 0
    wait.until(lambda: other.told, "the challenge was not posted")
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(b"GET /.well-known/acme-challenge/token-0_http-01 HTTP/1.1\r\n")
        (hotcertd.conf_dir / "50-web.conf").unlink()
        assert hotcertd.reload()[0] == 0
        s.sendall(b"\r\n")
        assert b"200 OK" in s.recv(4096)
    assert b"200 OK" in http(port, b"GET /.well-known/acme-challenge/token-0_http-01 HTTP/1.1\r\n\r\n")
    other.verdict = "valid"
    assert hotcertd.sync() == 0, hotcertd.status()
    other.close()
    assert other.orders == 1
