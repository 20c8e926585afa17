"""The stepca plugin and a CA that misbehaves, scripted: the old pair stays, one line says what to do, and it mends."""

import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest
from cryptography import x509

from https_server import HttpsServer, PublicHalf, ScriptedCA
from lib import jose, wait
from lib.pki import CA, pem
from stepca_case import Site, issued


@pytest.fixture
def scripted(ca, tmp_path):
    server = ScriptedCA(ca, tmp_path / "scripted")
    yield server
    server.close()


@pytest.fixture
def site(hotcertd, scripted, tls):
    return Site(hotcertd, scripted, tls).configure("request_timeout = 500ms")


def message(status, text, **headers):
    return status, {"status": status, "message": text}, {n.replace("_", "-"): v for n, v in headers.items()}


def test_the_scripted_ca_is_one(site, scripted):
    issued(site)
    assert scripted.tokens[0]["sha"] == scripted.fingerprint
    assert scripted.tokens[0]["aud"] == scripted.url + "/1.0/sign"
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0 and "renewed over mTLS" in out, out


def chain_of(*names):
    """A reply with the certificates of these kinds instead of the right chain."""
    def reply(server, request):
        certs = {"leaf": server.issue(request), "root": server.ca.cert, "stranger": CA("Stranger").cert}
        texts = [pem(certs[n]).decode() for n in names]
        return 201, {"crt": texts[0] if texts else "", "ca": texts[-1] if texts else "", "certChain": texts}
    return reply


def leaf_with(**changes):
    return lambda server, request: server.reply(server.issue(request, **changes))


def huge(server, request):
    """More than anyone may send, in chunks without end."""
    request.send_response(201)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    block = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for _ in range(1 << 14):
        request.wfile.write(block)


def slow(server, request):
    """A byte now and then, until the client has had enough."""
    request.send_response(201)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    while not server.closing.wait(0.05):
        request.wfile.write(b"{")
        request.wfile.flush()


def cut_off(server, request):
    request.send_response(201)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"crt":')


def fixed(*answer):
    return lambda server, request: answer


SIGN_FAULTS = {
    "400": (fixed(*message(400, "bad csr")), "failed", ["HTTP 400: bad csr", "log says why"]),
    "403": (fixed(*message(403, "not allowed by policy")), "failed", ["HTTP 403: not allowed by policy", "claims"]),
    "404": (fixed(404, b"404 page not found\n", {"Content-Type": "text/plain"}), "failed", ["HTTP 404", "step-ca?"]),
    "500": (fixed(*message(500, "database is gone")), "retry", ["HTTP 500: database is gone", "trying again"]),
    "501": (fixed(*message(501, "not implemented")), "failed", ["HTTP 501", "does not support"]),
    "503": (fixed(503, b"<html><body>Bad gateway</body></html>"), "retry", ["HTTP 503: <html><body>Bad gateway"]),
    "429": (fixed(*message(429, "slow down", Retry_After="7")), "retry", ["HTTP 429: slow down", "wait"]),
    "redirect": (fixed(307, b"", {"Location": "https://127.0.0.1:1/1.0/sign"}), "failed", ["307", "not followed"]),
    "html": (fixed(200, b"<html>Welcome to the\nproxy</html>"), "retry", ["<html>Welcome to the proxy", "proxy in between"]),
    "empty": (fixed(201, b""), "retry", ["not a step-ca's"]),
    "json-list": (fixed(201, []), "retry", ["not a step-ca's"]),
    "json-torn": (fixed(201, b'{"crt":"---'), "retry", ["not a step-ca's"]),
    "no-chain": (chain_of(), "retry", ["not a step-ca's"]),
    "nul": (fixed(201, b"\0" * 64), "retry", ["not a step-ca's"]),
    "huge": (huge, "retry", ["longer than 1 MiB"]),
    "slow": (slow, "retry", ["timed out"]),
    "hang": (lambda server, request: HttpsServer.HANG, "retry", ["timed out"]),
    "cut-off": (cut_off, "retry", ["/1.0/sign: "]),
    "closed": (lambda server, request: None, "retry", ["/1.0/sign: "]),
    "other-key": (leaf_with(key=CA().key), "failed", ["another key"]),
    "other-names": (leaf_with(sans=["evil.internal"]), "failed", ["lacks the name redis.internal"]),
    "fewer-names": (leaf_with(sans=["redis.internal"]), "failed", ["lacks the name 127.0.0.1"]),
    "expired": (leaf_with(lifetime=(-100, -10)), "failed", ["has expired on"]),
    "not-yet": (leaf_with(lifetime=(3600, 7200)), "failed", ["is not valid before", "clocks"]),
    "root-first": (chain_of("root", "leaf"), "failed", ["another key"]),
    "truncated": (lambda server, request: server.reply(server.issue_by(server.ca.intermediate(), request)), "failed",
                  ["chain of 1 certificates does not lead to a root"]),
    "stranger": (lambda server, request: server.reply(CA("Stranger").issue(
        key=csr_key(request), sans=["redis.internal", "127.0.0.1"]).cert), "failed", ["does not lead to a root"]),
}


def csr_key(request):
    return PublicHalf(x509.load_pem_x509_csr(json.loads(request.body)["csr"].encode()).public_key())


@pytest.mark.parametrize("fault", SIGN_FAULTS)
def test_signing_goes_wrong_and_is_mended(site, scripted, fault):
    answer, state, words = SIGN_FAULTS[fault]
    scripted.routes["/1.0/sign"] = lambda request: answer(scripted, request)
    site.daemon.start()
    text = site.failed(state, *words)
    assert "\n" not in text and scripted.PASSWORD not in text
    assert not (site.tls / "redis.crt").exists()
    scripted.mend()
    site.daemon.ctl("retry")
    site.daemon.wait_instance("stepca:redis", "ok")
    assert site.names() == ["127.0.0.1", "redis.internal"]
    assert site.leaf().public_key().public_numbers() == site.key().public_key().public_numbers()
    assert [f for f in os.listdir(site.tls) if f.startswith(".")] == []


RENEW_FAULTS = {name: SIGN_FAULTS[name] for name in ("403", "500", "429", "html", "huge", "hang")}
RENEW_FAULTS["other-key"] = (lambda server, request: server.reply(CA.issue(server.ca).cert), "retry", ["another key"])
RENEW_FAULTS["expired"] = (lambda server, request: server.reply(server.ca.issue(
    key=public_half(request), lifetime=(-100, -10)).cert), "retry", ["has expired on"])


def public_half(request):
    return PublicHalf(x509.load_der_x509_certificate(request.connection.getpeercert(True)).public_key())


@pytest.mark.parametrize("fault", RENEW_FAULTS)
def test_renewal_goes_wrong_and_the_old_pair_stays(site, scripted, fault):
    answer, _, words = RENEW_FAULTS[fault]
    issued(site)
    before = {f: (site.tls / f).read_bytes() for f in os.listdir(site.tls)}
    scripted.routes["/1.0/renew"] = lambda request: answer(scripted, request)
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 1 and all(w in out for w in words), out
    assert {f: (site.tls / f).read_bytes() for f in os.listdir(site.tls)} == before
    scripted.mend()
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0, out
    assert (site.tls / "redis.crt").read_bytes() != before["redis.crt"]


def test_what_looks_final_is_tried_again_while_the_certificate_runs_out(site, scripted):
    scripted.lifetime = 6
    scripted.routes["/1.0/renew"] = message(403, "no")
    site.configure("renew_at = 4s")
    issued(site)
    text = site.failed("retry", "HTTP 403")
    assert scripted.count("/1.0/renew") <= 2, text


def test_a_proxy_that_swallows_the_client_certificate(site, scripted):
    issued(site)
    seen = []

    def renew(request):
        token = request.headers.get("Authorization", "")
        if not token:
            return message(400, "missing client certificate")
        seen.append(jose.verify(token.removeprefix("Bearer "), site.leaf().public_key()))
        assert not request.connection.getpeercert(True), "a certificate would win over the token"
        return scripted.reply(scripted.ca.issue(key=site.key()).cert)
    scripted.routes["/1.0/renew"] = renew
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0 and "renewed by token" in out, out
    header, claims = seen[0]
    assert claims["aud"] == scripted.url + "/1.0/renew" and claims["sub"] == "redis.internal"
    assert len(header["x5cInsecure"]) == 1


@pytest.mark.parametrize("answer", [message(401, "no"), message(500, "invalid audience claim (aud)")], ids=["401", "500"])
def test_a_ca_that_takes_no_renewal_token_gets_a_fresh_one_time_token(site, scripted, answer):
    issued(site)
    scripted.routes["/1.0/renew"] = lambda request: (
        answer if request.headers.get("Authorization") else message(400, "missing client certificate"))
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0 and "issued" in out, out
    assert len(scripted.tokens) == 2 and scripted.tokens[0]["jti"] != scripted.tokens[1]["jti"]


def test_401_gets_one_fresh_token_and_then_patience(site, scripted):
    scripted.routes["/1.0/sign"] = message(401, "no")
    site.daemon.conf("10-log", "[hotcert]\nlog_level = info\n")
    site.daemon.start()
    site.failed("retry", "401", "our token said", "kid " + scripted.jwk["kid"])
    assert re.search(r"the next in (6\d|[7-9]\d|\d{3})\.\d s", site.daemon.log_text()), site.daemon.log_text()
    # One burned token is no reason to give up.
    answers = [message(401, "burned")]
    scripted.routes["/1.0/sign"] = lambda request: answers.pop() if answers else scripted.sign(request)
    site.daemon.ctl("retry")
    site.daemon.wait_instance("stepca:redis", "ok")


def test_retry_after_is_heeded(site, scripted):
    scripted.routes["/1.0/sign"] = message(503, "later", Retry_After="120")
    site.daemon.start()
    site.daemon.wait_log(r"HTTP 503.*the next in 1[2-9]\d\.\d s")


@pytest.mark.parametrize("body,state,words", [
    ((200, {"ca": pem(CA("Evil").cert).decode()}), "failed", "not the one of our fingerprint"),
    ((200, {"ca": "junk"}), "retry", "not a step-ca's"),
    ((200, b"<html>"), "retry", "not a step-ca's"),
    ((302, b"", {"Location": "/elsewhere"}), "failed", "not followed"),
], ids=["other-root", "junk", "html", "redirect"])
def test_bootstrap_takes_nothing_but_our_root(site, scripted, body, state, words):
    scripted.routes[f"/root/{scripted.fingerprint}"] = body
    site.daemon.start()
    site.failed(state, words)
    assert os.listdir(site.tls) == []
    assert scripted.count("/provisioners") == 0


def test_a_root_that_answers_with_another_ones_certificate(site, scripted, hotcertd, tmp_path, tls):
    """The right root by fingerprint, but the server's own certificate is not by it: somebody in between."""
    between = HttpsServer(CA("Somebody").issue(), tmp_path / "between")
    between.routes[f"/root/{scripted.fingerprint}"] = scripted.good[f"/root/{scripted.fingerprint}"]
    text = (hotcertd.conf_dir / "50-redis.conf").read_text()
    hotcertd.conf("50-redis", text.replace(scripted.url, between.url))
    hotcertd.start()
    site.failed("failed", "does not prove to be our CA", between.url)
    assert between.count("/roots") == 0 and os.listdir(tls) == []
    between.close()


@pytest.mark.parametrize("answer", [message(500, "no"), message(404, "no"), (201, b"junk"), (201, {"crts": []})],
                         ids=["500", "404", "junk", "none"])
def test_roots_that_cannot_be_had_stop_nothing(site, scripted, answer):
    scripted.routes["/roots"] = answer
    issued(site)
    assert (site.tls / "ca.crt").read_bytes() == scripted.ca.pem
    site.daemon.wait_log("warning stepca:redis: GET .*/roots: ")


def test_a_new_root_is_added_and_trusted(site, scripted):
    issued(site)
    new = CA("New Root")
    scripted.routes["/roots"] = 201, {"crts": [scripted.ca.pem.decode(), new.pem.decode(), scripted.ca.issue().leaf_pem.decode()]}
    scripted.routes["/1.0/renew"] = lambda request: scripted.reply(
        new.issue(key=public_half(request)).cert)
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0, out
    assert (site.tls / "ca.crt").read_bytes() == scripted.ca.pem + new.pem, "the old one stays; a leaf is no root"
    site.daemon.wait_log(f"announces a new root: {new.fingerprint}")
    # Learned roots outlast a restart, and a CA that moves over to the new one is still ours.
    scripted.mend()
    scripted.context.load_cert_chain(*write(new.issue(cn="localhost"), site.daemon.directory))
    site.daemon.restart()
    code, out = site.daemon.ctl("renew", "redis")
    assert "does not prove" not in out, out
    assert scripted.count("/1.0/renew") >= 2


def write(pair, directory):
    pair.write(directory, "moved.crt", "moved.key")
    return directory / "moved.crt", directory / "moved.key"


def test_other_roots_in_the_ca_file_vouch_for_nobody(site, scripted, tls):
    stranger = CA("Stranger")
    issued(site)
    with open(tls / "ca.crt", "ab") as f:
        f.write(stranger.pem)
    scripted.context.load_cert_chain(*write(stranger.issue(cn="localhost"), site.daemon.directory))
    site.daemon.restart()
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 1 and "does not prove to be our CA" in out, out


def test_pinned_roots(site, scripted, tls):
    site.configure("roots = pinned")
    scripted.routes["/roots"] = 201, {"crts": [CA("New").pem.decode()]}
    issued(site)
    assert scripted.count("/roots") == 0
    assert (tls / "ca.crt").read_bytes() == scripted.ca.pem


def test_pages_of_provisioners_without_end(site, scripted):
    scripted.routes["/provisioners"] = 200, {"provisioners": [], "nextCursor": "abc"}
    site.configure("request_timeout = 20s").daemon.start()
    site.failed("failed", "no provisioner")
    assert scripted.count("/provisioners") <= 3000


@pytest.mark.parametrize("change,words", [
    ({"encryptedKey": None}, "does not publish"),
    ({"encryptedKey": "a.b.c.d.e"}, "broken"),
    ({"encryptedKey": jose.encrypt({"kty": "oct", "k": "AAAA"}, "scripted", 1)}, "does not know"),
    ({"encryptedKey": jose.encrypt({"kty": "EC"}, "other", 1)}, "does not open"),
], ids=["none", "broken", "symmetric", "other-password"])
def test_provisioner_keys_that_are_no_use(site, scripted, change, words):
    page = scripted.routes["/provisioners"][1]
    item = {k: v for k, v in {**page["provisioners"][0], **change}.items() if v is not None}
    scripted.routes["/provisioners"] = 200, {**page, "provisioners": [item]}
    site.daemon.start()
    site.failed("failed", words, "redis")


@pytest.mark.parametrize("kind", ["text/html", "application/x-pem-file", ""])
def test_another_content_type_is_not_what_counts(site, scripted, kind):
    """A proxy may relabel a reply; whether it is one shows when it is read."""
    scripted.routes["/1.0/sign"] = lambda request: (*scripted.sign(request), {"Content-Type": kind})
    issued(site)
    assert site.names() == ["127.0.0.1", "redis.internal"]


@pytest.mark.parametrize("change", [
    {"cn": "elsewhere", "sans": ["elsewhere.internal", "10.9.8.7"]}, {"cn": "localhost", "lifetime": (-100, -10)},
    {"cn": "localhost", "lifetime": (3600, 7200)},
], ids=["renamed", "expired", "not-yet"])
def test_a_ca_whose_own_certificate_does_not_hold(site, scripted, change):
    old = issued(site)
    scripted.context.load_cert_chain(*write(scripted.ca.issue(**change), site.daemon.directory))
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 1 and "does not prove to be our CA" in out, out
    assert site.leaf() == old
    scripted.context.load_cert_chain(*write(scripted.ca.issue(cn="localhost"), site.daemon.directory))
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0, out


@pytest.mark.skipif(os.geteuid() != 0 or subprocess.run(["unshare", "-mn", "true"], check=False).returncode != 0,
                    reason="needs the right to make namespaces")
def test_a_name_server_that_never_answers(site, scripted, hotcertd, tmp_path):
    """The look-up hangs on a thread of libcurl's: the daemon answers all the same, and ends at once when told to."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:5\n")
    silent = "import socket,time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind((\"127.0.0.53\", 53))\n"
    os.mkfifo(tmp_path / "bound")
    (tmp_path / "silent.py").write_text(silent + f"open({str(tmp_path / 'bound')!r}, 'w').write('yes\\n')\n"
                                        "while True: s.recv(4096)\n")
    (tmp_path / "enter").write_text(f"""#!/bin/sh
ip link set lo up
mount --bind {tmp_path}/resolv.conf /etc/resolv.conf
setpriv --pdeathsig KILL /usr/bin/python3 {tmp_path}/silent.py &
read yes <{tmp_path}/bound
exec "$@"
""")
    hotcertd.wrapper = ["unshare", "-mn", "sh", tmp_path / "enter"]
    text = (hotcertd.conf_dir / "50-redis.conf").read_text()
    hotcertd.conf("50-redis", text.replace(scripted.url, "https://ca.example.org").replace("500ms", "1s"))
    hotcertd.start()
    site.failed("retry", "ca.example.org", "imed out")
    begun = time.monotonic()
    assert hotcertd.status()
    hotcertd.stop()
    assert time.monotonic() - begun < 10


def test_a_port_that_speaks_no_tls(site, scripted, hotcertd):
    plain = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                conn, _ = plain.accept()
            except OSError:
                return
            with conn:
                conn.recv(4096)
                conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    threading.Thread(target=serve, daemon=True).start()
    text = (hotcertd.conf_dir / "50-redis.conf").read_text()
    hotcertd.conf("50-redis", text.replace(scripted.url, f"https://127.0.0.1:{plain.getsockname()[1]}"))
    hotcertd.start()
    site.failed("retry", "/root/")
    plain.shutdown(socket.SHUT_RDWR)
    plain.close()


def test_a_name_that_does_not_resolve(site, scripted, hotcertd):
    text = (hotcertd.conf_dir / "50-redis.conf").read_text()
    hotcertd.conf("50-redis", text.replace(scripted.url, "https://no-such-host.invalid"))
    hotcertd.start()
    site.failed("retry", "no-such-host.invalid", "resolve")


def test_two_instances_do_not_wait_for_each_other(site, scripted, hotcertd, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    text = (hotcertd.conf_dir / "50-redis.conf").read_text()
    hotcertd.conf("60-other", text.replace(" redis]", " other]").replace(str(site.tls), str(other)).replace(
        "provisioner = redis", "provisioner = redis\nkey_type = rsa-3072").replace("rescan = 0\n", ""))
    hung = threading.Event()

    def hang_first(request):
        if not hung.is_set():
            hung.set()
            return HttpsServer.HANG
        return scripted.sign(request)
    scripted.routes["/1.0/sign"] = hang_first
    site.configure("request_timeout = 60s")
    hotcertd.start(ready=False)
    wait.until(lambda: (other / "redis.crt").exists() or (site.tls / "redis.crt").exists(), "one of them", 50)


def test_destroyed_in_the_middle_of_a_request(site, scripted, hotcertd):
    """The section goes while its request hangs, or while its key is made on a thread."""
    scripted.routes["/1.0/sign"] = HttpsServer.HANG
    hotcertd.conf("10-ready", "[hotcert]\nready_timeout = 100ms\n")
    site.configure("request_timeout = 10s\nkey_type = rsa-4096")
    hotcertd.start()
    (hotcertd.conf_dir / "50-redis.conf").unlink()
    assert hotcertd.reload()[0] == 0
    site.configure("request_timeout = 10s")
    assert hotcertd.reload()[0] == 0
    wait.until(lambda: scripted.count("/1.0/sign"), "a request")
    (hotcertd.conf_dir / "50-redis.conf").unlink()
    assert hotcertd.reload()[0] == 0
    assert hotcertd.sync() == 0
