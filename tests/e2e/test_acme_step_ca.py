"""The stepca plugin over ACME, with a real step-ca, which looks at the ports 80 and 443: in a network of its own."""

import os
import re
import shutil
import stat

import pytest

from acme_case import AcmeSite, begin, files_below, start, WebServer
from lib import netns, pebble, wait

pytestmark = pytest.mark.skipif(netns.reason_not_to() is not None, reason=str(netns.reason_not_to()))


@pytest.fixture(autouse=True)
def network(build):
    with netns.inside():
        yield


@pytest.fixture
def dns(tmp_path, network):
    pebble.build()
    server = pebble.DNS(tmp_path / "dns", port=53).start()
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    yield server
    server.finish()


@pytest.fixture
def make_ca(make_step_ca, dns, tmp_path):
    def make(**options):
        return make_step_ca(lifetime="5m", wrapper=netns.with_resolver(tmp_path / "resolv.conf"), **options).start()
    return make


@pytest.fixture
def ca(make_ca):
    return make_ca()


@pytest.fixture
def www(tmp_path):
    (tmp_path / "www").mkdir()
    running = WebServer(tmp_path / "www", 80)
    yield tmp_path / "www"
    running.close()


class StepSite(AcmeSite):
    roles = "ca = ca.crt"

    def __init__(self, daemon, tls, ca, challenge, **kwargs):
        super().__init__(daemon, tls, f"url = {ca.url}\nfingerprint = {ca.fingerprint}\nprovisioner = acme", challenge, **kwargs)
        self.ca = ca


def by_dns(dns, tmp_path, more=""):
    return f"challenge = dns-01\ndns_hook = {dns.hook(tmp_path / 'hook', more)}"


@pytest.fixture
def site(hotcertd, tls, ca):
    return StepSite(hotcertd, tls, ca, "challenge = http-01").configure()


@pytest.fixture
def dns_site(hotcertd, tls, ca, dns, tmp_path):
    return StepSite(hotcertd, tls, ca, by_dns(dns, tmp_path)).configure()


@pytest.mark.parametrize("kind", ["http-01", "tls-alpn-01"])
@pytest.mark.parametrize("sans", ["a.example, b.example", "127.0.0.1", "c.example, 127.0.0.1"])
def test_our_own_listener(kind, sans, hotcertd, tls, ca):
    site = StepSite(hotcertd, tls, ca, f"challenge = {kind}", sans=sans).configure()
    start(site)
    assert site.names() == sorted(sans.split(", "))
    site.assert_whole()
    assert (tls / "ca.crt").read_bytes() == ca.root.read_bytes()
    assert stat.S_IMODE(os.stat(tls / "redis.key").st_mode) == 0o600


def test_listener_of_ipv6(hotcertd, tls, ca):
    site = StepSite(hotcertd, tls, ca, "challenge = http-01\nhttp_listen = [::1]:80", sans="::1").configure()
    start(site)
    assert site.names() == ["::1"]


def test_webroot(hotcertd, tls, ca, www):
    site = StepSite(hotcertd, tls, ca, f"challenge = http-01\nwebroot = {www}").configure()
    start(site)
    site.assert_whole()
    assert files_below(www) == []


def test_dns_hook(dns_site, tmp_path):
    dns_site.sans = "a.example, *.a.example"
    start(dns_site.configure())
    dns_site.assert_whole()
    assert dns_site.names() == ["*.a.example", "a.example"]
    wait.until(lambda: dns_site.state("acme-left") is None, "the records are still noted")
    assert sorted(c[0] for c in pebble.calls(tmp_path / "hook")) == ["cleanup"] * 2 + ["present"] * 2


def test_the_common_name_is_a_checked_name(site):
    site.sans = "a.example, B.example, 127.0.0.1"
    leaf = start(site.configure("subject = b.example"))
    assert leaf.subject.rfc4514_string() == "CN=b.example"


def test_renewal_over_mtls_needs_no_order(site, ca):
    old = start(site)
    code, out = site.daemon.ctl("renew", "web")
    assert code == 0 and "renewed over mTLS" in out and site.leaf() != old, out
    assert ca.requests("/acme/acme/new-order") == 1


def test_renewal_that_the_provisioner_forbids(make_ca, hotcertd, tls):
    ca = make_ca(options=["--renew=false"])
    site = StepSite(hotcertd, tls, ca, "challenge = tls-alpn-01").configure()
    old = start(site)
    code, out = site.daemon.ctl("renew", "web")
    assert code == 0 and "issued over ACME" in out and site.leaf() != old, out
    assert ca.requests("/acme/acme/new-order") == 2 and ca.requests("/acme/acme/new-account") == 1


def test_the_account_is_kept_and_made_anew_where_the_ca_has_lost_it(site, ca):
    start(site)
    account = site.state("acme-account")
    for forgets in False, True:
        site.daemon.stop()
        site.lose()
        ca.stop()
        if forgets:
            shutil.rmtree(ca.folder / "db")
        ca.start()
        start(site)
        assert site.state("acme-account")["key"] == account["key"]
        assert (site.state("acme-account")["url"] != account["url"]) == forgets
    site.daemon.wait_log("forgotten our account")


def test_a_ca_that_goes_down_in_the_middle(dns_site, dns, ca, tmp_path):
    """The order is finished once it is up again, with the account from before."""
    dns_site.challenge = by_dns(dns, tmp_path, f"[ -e {tmp_path}/once ] || kill -TERM {ca.process.pid}\n>{tmp_path}/once")
    begin(dns_site.configure())
    dns_site.failed("retry", "is the CA running")
    ca.process.wait()
    ca.process = None
    ca.start()
    dns_site.daemon.ctl("retry", "web")
    assert dns_site.daemon.sync() == 0, dns_site.message()
    dns_site.assert_whole()
    assert ca.requests("/acme/acme/new-order") == 1 and ca.requests("/acme/acme/new-account") == 1


def test_a_record_that_is_late_is_looked_for_again(dns_site, dns, ca, tmp_path):
    """step-ca leaves such a challenge pending: it wants to be asked for another look."""
    values = tmp_path / "values"
    dns_site.sans = "a.example"
    dns_site.challenge = by_dns(dns, tmp_path, f'[ $1 = cleanup ] || {{ echo "$3" >{values}; exit 0; }}')
    dns_site.configure().daemon.start(ready=False)
    asked = re.compile(r"path=/acme/acme/challenge/")
    wait.until(lambda: len(asked.findall(ca.log())) == 1, ca.log)
    dns.post("set-txt", host="_acme-challenge.a.example.", value=values.read_text().strip())
    wait.until(lambda: dns_site.certs(), dns_site.daemon.tail)
    assert ca.requests("/acme/acme/new-order") == 1 and len(asked.findall(ca.log())) > 1


def test_a_record_that_never_comes(dns_site, tmp_path):
    dns_site.sans = "a.example"
    (tmp_path / "hook").write_text("#!/bin/sh\n")
    begin(dns_site.configure())
    dns_site.daemon.wait_instance("stepca:web", "retry", 60)
    text = dns_site.message()
    assert "could not verify a.example (dns-01): " in text and "dns_delay" in text, text


def test_the_port_is_taken(site, www):
    site.daemon.start()
    site.failed("retry", "cannot listen on http_listen = :80", "webroot")


@pytest.mark.parametrize("says,detail", [(None, "connection: "), (b"hello", "rejectedIdentifier: ")], ids=["404", "wrong"])
def test_somebody_else_answers(site, tmp_path, ca, says, detail):
    """A wrong answer ends the challenge, none at all leaves it pending: then step-ca looks several times."""
    running = WebServer(tmp_path, 80, says)
    site.sans = "a.example"
    site.challenge = "challenge = http-01\nhttp_listen = 127.0.0.1:8080"
    begin(site.configure())
    site.daemon.wait_instance("stepca:web", "retry", 60)
    running.close()
    text = site.message()
    assert f"could not verify a.example (http-01): {detail}" in text and "port 80" in text, text
    looked = len(re.findall(r"path=/acme/acme/challenge/", ca.log()))
    assert looked == 1 if says else looked > 3, looked


def test_an_unknown_provisioner(site):
    site.server = site.server.replace("provisioner = acme", "provisioner = akme")
    site.configure().daemon.start()
    site.failed("failed", "/acme/akme/directory: HTTP 404", "provisioner")


def test_killed_in_the_middle(dns_site, dns, ca, tmp_path):
    gate, reached = tmp_path / "gate", tmp_path / "reached"
    os.mkfifo(gate)
    dns_site.challenge = by_dns(dns, tmp_path, f"[ -e {reached} ] || {{ >{reached}; read x <{gate}; }}")
    dns_site.configure().daemon.start(ready=False)
    wait.until(reached.exists, "the hook was not called")
    dns_site.daemon.kill()
    gate.write_text("go\n")
    start(dns_site)
    dns_site.assert_whole()
    assert ca.requests("/acme/acme/new-order") == 1 and ca.requests("/acme/acme/new-account") == 1


def test_check(site, ca):
    start(site.configure("lifetime = 2m"))
    code, out = site.daemon.ctl("do", "stepca:web", "check")
    assert code == 0 and f"{ca.url}/acme/acme/directory answers" in out and "/account/" in out and ":80 is free" in out, out


def test_a_lifetime_is_asked_for(site):
    leaf = start(site.configure("lifetime = 2m"))
    assert 118 <= (leaf.not_valid_after - leaf.not_valid_before).total_seconds() <= 181, "not the five minutes of the CA"
