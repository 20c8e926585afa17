"""The stepca plugin over ACME, with a real Pebble."""

import os
import re
import signal
import socket
import time

import pytest

from acme_case import AcmeSite, begin, files_below, start, wait_file, WebServer
from lib import pebble, wait
from lib.redis_server import reserve_port

KINDS = ["webroot", "listener", "tls-alpn-01", "dns-01"]
EAB = {"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}


@pytest.fixture(scope="module")
def dns(tmp_path_factory):
    pebble.build()
    server = pebble.DNS(tmp_path_factory.mktemp("dns")).start()
    yield server
    server.finish()


@pytest.fixture(scope="module")
def shared(tmp_path_factory, dns):
    """shared(name, …): one Pebble for all tests that leave it as it is; it makes two RSA keys when it starts."""
    made = {}

    def get(name, **options):
        if name not in made:
            made[name] = pebble.Pebble(tmp_path_factory.mktemp(name), dns, **options).start()
        return made[name].forget()
    yield get
    for one in made.values():
        one.finish()


@pytest.fixture
def server(request, shared, tmp_path, dns):
    """The shared one, or for tests that stop or change it one of their own."""
    if getattr(request, "param", None) != "own":
        yield shared("pebble")
        return
    own = pebble.Pebble(tmp_path / "pebble", dns).start()
    yield own
    own.finish()


with_its_own = pytest.mark.parametrize("server", ["own"], indirect=True)


@pytest.fixture
def web(server, tmp_path):
    """A web server of somebody else where Pebble looks, and its folder."""
    (tmp_path / "www").mkdir()
    running = WebServer(tmp_path / "www", server.http_port)
    yield tmp_path / "www"
    running.close()


def lines(server):
    return f"acme_directory = {server.directory_url}\nroot = {server.root_file}\nacme_agree_tos = yes"


def listener(server):
    return f"challenge = http-01\nhttp_listen = 127.0.0.1:{server.http_port}"


def by_dns(server, tmp_path, more=""):
    return f"challenge = dns-01\ndns_hook = {server.dns.hook(tmp_path / 'hook', more)}"


@pytest.fixture
def site(hotcertd, tls, server):
    """Answers on a listener of its own."""
    return AcmeSite(hotcertd, tls, lines(server), listener(server)).configure()


@pytest.fixture
def dns_site(hotcertd, tls, server, tmp_path):
    return AcmeSite(hotcertd, tls, lines(server), by_dns(server, tmp_path)).configure()


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


# -- the first certificate ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["listener", "tls-alpn-01"])
@pytest.mark.parametrize("sans", ["a.example, b.example", "127.0.0.1", "c.example, 127.0.0.1"])
def test_our_own_listener(kind, sans, hotcertd, server, tls):
    challenge = listener(server) if kind == "listener" else (
        f"challenge = tls-alpn-01\ntls_listen = 127.0.0.1:{server.tls_port}")
    site = AcmeSite(hotcertd, tls, lines(server), challenge, sans).configure()
    start(site)
    assert site.names() == sorted(sans.split(", "))
    assert len(site.certs()) == 2, "leaf and intermediate"
    assert not listens(server.http_port) and not listens(server.tls_port), "the listener stays open"
    assert site.state("acme-order") is None and site.state("acme-left") is None


def test_webroot(hotcertd, server, tls, web):
    site = AcmeSite(hotcertd, tls, lines(server), f"challenge = http-01\nwebroot = {web}").configure()
    start(site)
    assert site.names() == ["a.example", "b.example"]
    assert (web / ".well-known/acme-challenge").stat().st_mode & 0o777 == 0o755
    assert files_below(web) == [], "the proofs stay"


def test_dns_hook(dns_site, tmp_path):
    dns_site.sans = "a.example, *.a.example"
    start(dns_site.configure())
    assert dns_site.names() == ["*.a.example", "a.example"]
    wait.until(lambda: dns_site.state("acme-left") is None, "the records are still noted")
    calls = pebble.calls(tmp_path / "hook")
    assert [c[:2] for c in calls] == [["present", "_acme-challenge.a.example."]] * 2 + [
        ["cleanup", "_acme-challenge.a.example."]] * 2
    assert {c[2] for c in calls[:2]} == {c[2] for c in calls[2:]} and all(len(c[2]) == 43 for c in calls)


def test_many_names(dns_site, tmp_path):
    """More than the state has room for: what is put up for them is taken down all the same."""
    dns_site.sans = ",\n  ".join(f"name{i}.a.example" for i in range(60))
    start(dns_site.configure())
    assert len(dns_site.names()) == 60
    wait.until(lambda: len(pebble.calls(tmp_path / "hook")) == 120, lambda: pebble.calls(tmp_path / "hook"))
    log = dns_site.daemon.log_text()
    assert log.count("too many names") == 1 and "cannot keep" not in log


def test_a_dns_delay_is_kept(dns_site):
    before = time.monotonic()
    start(dns_site.configure("dns_delay = 700ms"))
    assert time.monotonic() - before > 0.7


def test_nonces_that_are_refused(hotcertd, shared, tls):
    server = shared("nonces", nonce_reject=40)
    site = AcmeSite(hotcertd, tls, lines(server), listener(server)).configure()
    start(site)
    assert server.requests("POST /") > 12, "no nonce was refused"


def test_the_log_is_short_and_without_secrets(site):
    start(site)
    log = site.daemon.log_text()
    assert len(re.findall(r"stepca:web: issued over ACME \(http-01\): valid until \S+, serial [0-9a-f]+", log)) == 1
    assert "PRIVATE" not in log and not re.search(r"eyJ[A-Za-z0-9_-]{20}", log), "a key or a signature in the log"


@pytest.mark.parametrize("kind", ["listener", "tls-alpn-01"])
def test_two_sections_share_a_listener(kind, hotcertd, server, tls, tmp_path):
    key, port = ("http_listen", server.http_port) if kind == "listener" else ("tls_listen", server.tls_port)
    challenge = f"challenge = {'http-01' if kind == 'listener' else kind}\n{key} = 127.0.0.1:{port}"
    for name in "one", "two", "three":
        hotcertd.conf(name, f"""
            [watch {name}]
            directory = {tls}
            cert = {name}.crt
            key = {name}.key
            [stepca {name}]
            sans = {name}.example, www.{name}.example
            """.replace("\n            ", "\n") + lines(server) + "\n" + challenge + "\n")
    hotcertd.start()
    assert hotcertd.sync() == 0, hotcertd.status()
    assert sorted(f for f in os.listdir(tls) if f.endswith("crt")) == ["one.crt", "three.crt", "two.crt"]
    assert not listens(port)


# -- the account ---------------------------------------------------------------------------------


def test_the_account_is_kept(site, server):
    first = start(site)
    account = site.state("acme-account")
    site.daemon.stop()
    site.lose()
    assert start(site) != first
    assert site.state("acme-account") == account
    assert server.requests("POST /sign-me-up") == 1 and server.requests("POST /order-plz") == 2


@with_its_own
def test_an_account_that_the_ca_has_forgotten(site, server):
    start(site)
    old = site.state("acme-account")
    site.daemon.stop()
    server.stop()
    server.start()
    site.lose()
    start(site)
    new = site.state("acme-account")
    assert new["key"] == old["key"] and server.requests("POST /sign-me-up") == 2
    site.daemon.wait_log("forgotten our account")


def test_contacts_follow_the_configuration(site, server):
    start(site.configure("acme_contact = ops@a.example"))
    assert site.state("acme-account")["contact"] == '["mailto:ops@a.example"]'
    site.configure("acme_contact = root@a.example, mailto:ops@a.example")
    assert site.daemon.reload()[0] == 0
    code, out = site.daemon.ctl("renew", "web")
    assert code == 0, out
    assert site.state("acme-account")["contact"] == '["mailto:root@a.example", "mailto:ops@a.example"]'.replace(" ", "")
    assert server.requests("POST /sign-me-up") == 1 and server.requests("POST /my-account/") == 1


def test_terms_are_agreed_to_by_a_person(site, server):
    site.server = site.server.replace("acme_agree_tos = yes", "")
    site.configure().daemon.start()
    site.failed("failed", "terms of service", "acme_agree_tos")
    assert server.requests("POST /") == 0
    site.server += "\nacme_agree_tos = yes"
    site.configure()
    assert site.daemon.reload()[0] == 0 and site.daemon.sync() == 0, site.message()


def binding(tmp_path, kid, key):
    (tmp_path / "mac").write_text(f"{key}\n")
    return f"acme_eab_kid = {kid}\nacme_eab_key_file = {tmp_path / 'mac'}"


def test_external_account(hotcertd, shared, tls, tmp_path):
    server = shared("eab", eab=EAB)
    site = AcmeSite(hotcertd, tls, lines(server), listener(server))
    start(site.configure(binding(tmp_path, "kid-1", EAB["kid-1"])))
    assert EAB["kid-1"] not in hotcertd.log_text()


@pytest.mark.parametrize("kid,key,words", [
    (None, None, ["acme_eab_kid", "acme_eab_key_file"]),
    ("kid-1", EAB["kid-1"][::-1], ["/sign-me-up: HTTP 40"]),
    ("kid-2", EAB["kid-1"], ["/sign-me-up: HTTP 40"]),
    ("kid-1", "?!", ["no key in base64url"]),
    ("kid-1", "", ["no key in base64url"]),
], ids=["none", "wrong-key", "wrong-kid", "no-base64", "empty"])
def test_external_account_goes_wrong(hotcertd, shared, tls, tmp_path, kid, key, words):
    server = shared("eab", eab=EAB)
    site = AcmeSite(hotcertd, tls, lines(server), listener(server))
    begin(site.configure(binding(tmp_path, kid, key) if kid else ""))
    wait.until(lambda: site.daemon.instance("stepca:web")["state"] in ("failed", "retry"), site.daemon.tail)
    text = site.message()
    assert all(w in text for w in words), text
    assert not (tls / "redis.crt").exists()
    assert not key or key not in site.daemon.log_text()


# -- challenges that fail ----------------------------------------------------------------------------


def test_nobody_answers(site, server):
    other, port = reserve_port()
    site.challenge = f"challenge = http-01\nhttp_listen = 127.0.0.1:{port}"
    site.configure().daemon.start()
    site.failed("retry", "could not verify", ".example (http-01): connection: ", "refused", "port 80")
    assert site.state("acme-order") is None and not listens(port)
    other.close()
    site.challenge = listener(server)
    site.configure()
    assert site.daemon.reload()[0] == 0 and site.daemon.sync() == 0, site.message()


def test_somebody_else_answers(site, web):
    other, port = reserve_port()
    site.challenge = f"challenge = http-01\nhttp_listen = 127.0.0.1:{port}"
    site.configure().daemon.start()
    site.failed("retry", "could not verify", ".example (http-01): unauthorized: ", "404")
    other.close()


def test_the_port_is_taken(site, web, server):
    site.daemon.start()
    site.failed("retry", f"cannot listen on http_listen = 127.0.0.1:{server.http_port}", "webroot")


def test_a_hook_that_fails(dns_site, server, tmp_path):
    dns_site.challenge = by_dns(server, tmp_path, "[ $1 = cleanup ] || { echo the zone is locked; exit 3; }")
    dns_site.configure().daemon.start()
    dns_site.failed("retry", f"dns_hook {tmp_path / 'hook'} present _acme-challenge.", "exited with 3", "the zone is locked")
    wait.until(lambda: [c[0] for c in pebble.calls(tmp_path / "hook")] == ["present", "cleanup"],
               lambda: pebble.calls(tmp_path / "hook"))
    server.dns.hook(tmp_path / "hook")
    dns_site.daemon.ctl("retry", "web")
    assert dns_site.daemon.sync() == 0, dns_site.message()
    assert server.requests("POST /order-plz") == 1, "the order was taken up again"


def test_a_hook_that_hangs(dns_site, server, tmp_path):
    dns_site.challenge = by_dns(server, tmp_path, "[ $1 = cleanup ] || exec tail -f /dev/null")
    dns_site.configure("dns_timeout = 300ms").daemon.start()
    dns_site.failed("retry", "dns_timeout", "killed")
    wait.until(lambda: pebble.calls(tmp_path / "hook")[-1][0] == "cleanup", lambda: pebble.calls(tmp_path / "hook"))


def test_a_hook_that_is_not_there(dns_site):
    dns_site.challenge = "challenge = dns-01\ndns_hook = /no/such/hook 'of mine'"
    dns_site.configure().daemon.start()
    dns_site.failed("retry", "dns_hook /no/such/hook present", "No such file")
    assert dns_site.state("acme-left") is None


def test_a_record_without_effect(dns_site, server, tmp_path):
    """The hook lies: the CA says what it saw, and cleanup is called all the same."""
    (tmp_path / "hook").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path / "hook"}.calls\n')
    dns_site.daemon.start()
    dns_site.failed("retry", "could not verify", "(dns-01): unauthorized: ", "dns_delay")
    wait.until(lambda: dns_site.state("acme-left") is None, "the records are still noted")
    assert sorted(c[0] for c in pebble.calls(tmp_path / "hook")) == ["cleanup"] * 2 + ["present"] * 2


def test_a_name_that_the_ca_refuses(hotcertd, shared, tls):
    server = shared("blocked", blocked=["blocked-domain.example"])
    site = AcmeSite(hotcertd, tls, lines(server), listener(server), sans="a.example, blocked-domain.example").configure()
    site.daemon.start()
    site.failed("failed", "/order-plz: HTTP 4", "rejectedIdentifier", "blocked-domain.example", "check sans")


@with_its_own
def test_an_unknown_root_is_put_right_without_another_order(site, server):
    whole = server.root_file.read_bytes()
    server.root_file.write_bytes(server.ca.pem)
    site.daemon.start()
    site.failed("failed", "does not lead to a root we trust")
    server.root_file.write_bytes(whole)
    site.daemon.ctl("retry", "web")
    assert site.daemon.sync() == 0, site.message()
    site.assert_pair()
    assert server.requests("POST /order-plz") == 1


# -- renewal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rekey", ["no", "yes"])
def test_renewal_is_a_new_order(site, server, rekey):
    old = start(site.configure(f"rekey = {rekey}"))
    key = (site.tls / "redis.key").read_bytes()
    code, out = site.daemon.ctl("renew", "web")
    assert code == 0 and "issued over ACME (http-01)" in out, out
    assert site.leaf() != old and (site.tls / "redis.key").read_bytes() == key or rekey == "yes"
    assert ((site.tls / "redis.key").read_bytes() == key) == (rekey == "no")
    site.assert_pair()
    assert server.requests("POST /sign-me-up") == 1 and server.requests("POST /order-plz") == 2


def test_it_renews_itself(hotcertd, shared, tls):
    server = shared("short", lifetime=8)
    site = AcmeSite(hotcertd, tls, lines(server), listener(server)).configure("renew_at = 50%\njitter = 0")
    site.wait_renewed(start(site))
    site.assert_pair()


def test_authorizations_that_are_valid_already(hotcertd, shared, tls, tmp_path):
    server = shared("reuse", authz_reuse=100)
    site = AcmeSite(hotcertd, tls, lines(server), by_dns(server, tmp_path)).configure()
    old = start(site)
    code, out = site.daemon.ctl("renew", "web")
    assert code == 0 and site.leaf() != old, out
    assert len([c for c in pebble.calls(tmp_path / "hook") if c[0] == "present"]) == 2


# -- interruptions --------------------------------------------------------------------------------------


@with_its_own
def test_a_ca_that_is_gone_in_the_middle(dns_site, server, tmp_path):
    """It hangs once the order is made: the order is taken up again when it is back."""
    dns_site.challenge = by_dns(server, tmp_path, f"[ -e {tmp_path}/once ] || kill -STOP {server.process.pid}\n>{tmp_path}/once")
    begin(dns_site.configure("request_timeout = 1s"))
    dns_site.failed("retry", "timed out")
    server.process.kill(signal.SIGCONT)
    dns_site.daemon.ctl("retry", "web")
    assert dns_site.daemon.sync() == 0, dns_site.message()
    dns_site.assert_pair()
    assert server.requests("POST /order-plz") == 1 and server.requests("POST /sign-me-up") == 1
    dns_site.daemon.wait_log("taking up the order https://.* again")


def test_killed_in_the_middle(dns_site, server, tmp_path):
    """After a SIGKILL while a record is up the next start cleans up, and goes on with account and order."""
    gate, reached = tmp_path / "gate", tmp_path / "reached"
    os.mkfifo(gate)
    dns_site.challenge = by_dns(server, tmp_path, f"[ -e {reached} ] || {{ >{reached}; read x <{gate}; }}")
    dns_site.configure().daemon.start(ready=False)
    wait_file(reached)
    dns_site.daemon.kill()
    assert dns_site.state("acme-left")[0][0] == "dns" and dns_site.state("acme-order") is not None
    gate.write_text("go\n")
    start(dns_site)
    calls = [c[0] for c in pebble.calls(tmp_path / "hook")]
    assert calls[:4] == ["present", "cleanup", "present", "present"], calls
    wait.until(lambda: dns_site.state("acme-left") is None, "the records are still noted")
    assert server.requests("POST /order-plz") == 1 and server.requests("POST /sign-me-up") == 1


def test_cancelled_by_its_deadline(dns_site, server, tmp_path):
    dns_site.challenge = by_dns(server, tmp_path, "[ $1 = cleanup ] || exec tail -f /dev/null")
    dns_site.configure("timeout = 1s").daemon.start()
    dns_site.daemon.wait_instance("stepca:web", "retry")
    wait.until(lambda: [c[0] for c in pebble.calls(tmp_path / "hook")][:2] == ["present", "cleanup"],
               lambda: pebble.calls(tmp_path / "hook"))


@with_its_own
def test_the_listener_closes_with_the_daemon_running_on(site, server):
    """A reload that drops the section in the middle of an order takes everything with it."""
    server.process.kill(signal.SIGSTOP)
    begin(site)
    wait.until(lambda: site.daemon.instance("stepca:web")["state"] == "running", site.daemon.tail)
    (site.daemon.conf_dir / "50-web.conf").unlink()
    assert site.daemon.reload()[0] == 0
    server.process.kill(signal.SIGCONT)
    assert not listens(server.http_port)


# -- configuration ----------------------------------------------------------------------------------------


GOOD = "url = https://ca.example\nroot = /ca.crt\n"


@pytest.mark.parametrize("text,words", [
    ("challenge = http-01\nsans = *.a", ["sans", "wildcard", "dns-01"]),
    ("challenge = dns-01\ndns_hook = /x\nsans = 10.0.0.1", ["sans", "address", "http-01"]),
    ("challenge = http-01\nsans = ops@a.example", ["sans", "DNS names and IP addresses"]),
    ("challenge = http-01\nsans = a\nsubject = b", ["subject", "sans"]),
    ("challenge = dns-01\nsans = a", ["dns_hook", "missing"]),
    ("challenge = dns-01\nsans = a\ndns_hook = x | y", ["dns_hook", "shell"]),
    ("challenge = http-01\nsans = a\nhttp_listen = localhost:80", ["http_listen", "[ADDRESS]:PORT"]),
    ("challenge = http-01\nsans = a\nhttp_listen = :0", ["http_listen"]),
    ("challenge = http-01\nsans = a\nhttp_listen = :80\nwebroot = /w", ["http_listen", "webroot"]),
    ("challenge = http-01\nsans = a\ntls_listen = :443", ["tls_listen", "tls-alpn-01"]),
    ("challenge = http-01\nsans = a\nacme_eab_kid = k", ["acme_eab_key_file", "missing"]),
    ("challenge = http-01\nsans = a\nacme_contact = nobody", ["acme_contact", "e-mail"]),
    ("challenge = http-01\nsans = a\nacme_directory = http://ca", ["acme_directory", "https://"]),
    ("challenge = http-01\nsans = a\ntoken_file = /t", ["token_file", "challenge"]),
    ("challenge = smtp-01\nsans = a", ["challenge", "http-01"]),
    ("token_file = /t\nsans = a\nwebroot = /w", ["webroot", "challenge = http-01"]),
    ("token_file = /t\nsans = a\nacme_contact = a@b", ["acme_contact", "challenge = "]),
])
def test_mistakes_in_the_configuration(hotcertd, tls, text, words):
    hotcertd.conf("50-web", f"[watch web]\ndirectory = {tls}\ncert = a\nkey = b\n[stepca web]\n{GOOD}{text}\n")
    code, out = hotcertd.check()
    assert code == 1, out
    assert any(all(w in line for w in words) for line in out.splitlines()), out


def test_a_configuration_without_a_mistake(hotcertd, tls):
    hotcertd.conf("50-web", f"[watch web]\ndirectory = {tls}\ncert = a\nkey = b\n[stepca web]\n"
                  "acme_directory = https://acme.example/dir\nroot = /ca.crt\nchallenge = tls-alpn-01\n"
                  "sans = a.example, 2001:db8::1\ntls_listen = [::1]:8443\n")
    assert hotcertd.check()[0] == 0


# -- check --------------------------------------------------------------------------------------------------


def check(site):
    code, out = site.daemon.ctl("do", "stepca:web", "check")
    return code, {line[4:].strip().split(":")[0]: line for line in out.splitlines() if line[:4] in ("ok  ", "FAIL")}, out


def test_check(site, server, web):
    site.challenge = f"challenge = http-01\nwebroot = {web}"
    start(site.configure())
    code, report, out = check(site)
    assert code == 0 and all(line.startswith("ok") for line in report.values()), out
    assert server.directory_url in report["directory"] and "/my-account/" in report["account"] and str(web) in report["webroot"]
    assert server.requests("POST /order-plz") == 1


@pytest.mark.parametrize("what,stage,words", [
    ("terms", "account", ["terms of service", "acme_agree_tos"]),
    ("port", "http_listen", ["Address already in use"]),
    ("hook", "dns_hook", ["/no/such/hook: No such file"]),
    ("webroot", "webroot", ["/no/such/root: No such file"]),
])
def test_check_says_what_is_wrong(site, server, what, stage, words):
    site.challenge = {"hook": "challenge = dns-01\ndns_hook = /no/such/hook",
                      "webroot": "challenge = http-01\nwebroot = /no/such/root"}.get(what, site.challenge)
    if what == "terms":
        site.server = site.server.replace("acme_agree_tos = yes", "")
    with socket.socket() as taken:
        if what == "port":
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", server.http_port))
            taken.listen()
        site.configure().daemon.start()
        site.daemon.sync()
        code, report, out = check(site)
    assert code == 1 and report[stage].startswith("FAIL") and all(w in report[stage] for w in words), out
    assert report["directory"].startswith("ok"), out


@with_its_own
def test_check_without_a_server(site, server):
    server.stop()
    site.daemon.start()
    code, _, out = check(site)
    assert code == 1 and server.directory_url in out and "is the CA running" in out, out
