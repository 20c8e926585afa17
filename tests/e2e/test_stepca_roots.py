"""Roots come, stay for their overlap, and go; none goes that is in use; others in the file are nobody's business."""

import json
import os

import pytest

from https_server import ScriptedCA
from lib import wait
from lib.pki import CA
from stepca_case import Site, issued


@pytest.fixture
def scripted(ca, tmp_path):
    server = ScriptedCA(ca, tmp_path / "scripted")
    yield server
    server.close()


@pytest.fixture
def site(hotcertd, scripted, tls):
    return Site(hotcertd, scripted, tls).configure("overlap = 2s")


@pytest.fixture
def new():
    return CA("New Root")


def announce(scripted, *authorities):
    scripted.routes["/roots"] = 201, {"crts": [a.pem.decode() for a in authorities]}


def move_to(scripted, authority, directory):
    """The CA's own certificate and what it issues are by another root from here on."""
    authority.issue(cn="localhost").write(directory, "moved.crt", "moved.key")
    scripted.context.load_cert_chain(directory / "moved.crt", directory / "moved.key")
    scripted.context.load_verify_locations(cadata=authority.pem.decode())
    scripted.routes["/1.0/sign"] = lambda request: scripted.reply(scripted.issue_by(authority, request))


def renew(site):
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0, out
    return out


def roots(site):
    return (site.tls / "ca.crt").read_bytes()


def moved(site, scripted, ca, new):
    """Both are announced, then the CA moves to the new one and announces that alone."""
    issued(site)
    announce(scripted, ca, new)
    renew(site)
    assert roots(site) == ca.pem + new.pem
    move_to(scripted, new, site.daemon.directory)
    scripted.routes["/1.0/renew"] = lambda request: scripted.reply(new.issue(key=site.key()).cert)
    announce(scripted, new)
    renew(site)
    site.daemon.wait_log(f"announces a root no more: {ca.fingerprint}")


def test_a_root_goes_after_its_overlap(site, scripted, ca, new):
    moved(site, scripted, ca, new)
    assert roots(site) == ca.pem + new.pem, "its overlap is not over"
    site.daemon.restart()
    assert site.daemon.sync() == 0
    wait.until(lambda: (renew(site), roots(site) == new.pem)[1], "its end")
    site.daemon.wait_log(f"the root goes: {ca.fingerprint}")
    # The pinned root is history: what it vouched for is still trusted, over a restart and without the file.
    site.daemon.stop()
    (site.tls / "ca.crt").unlink()
    scripted.routes[f"/root/{ca.fingerprint}"] = 404, {"status": 404, "message": "not found"}
    site.daemon.start()
    assert site.daemon.sync() == 0, site.message()
    renew(site)
    assert roots(site) == new.pem


def test_a_root_that_comes_back_stays(site, scripted, ca, new):
    moved(site, scripted, ca, new)
    announce(scripted, new, ca)
    renew(site)
    site.configure("overlap = 0")
    assert site.daemon.reload()[0] == 0
    renew(site)
    assert roots(site) == ca.pem + new.pem


def test_the_last_root_stays_and_the_file_is_never_emptied(site, scripted, ca, new):
    site.configure("overlap = 0")
    issued(site)
    announce(scripted, new)  # a CA that forgets the root it works with
    renew(site)
    assert ca.pem in roots(site), "the certificate in place leads to it"
    scripted.routes["/roots"] = 201, {"crts": []}
    renew(site)
    assert ca.pem in roots(site)


def test_a_root_that_the_certificate_leads_to_stays(site, scripted, ca, new):
    site.configure("overlap = 0")
    issued(site)
    announce(scripted, ca, new)
    renew(site)
    announce(scripted, new)
    renew(site)
    assert roots(site) == ca.pem + new.pem


def test_others_in_the_file_stay_when_a_root_goes(site, scripted, ca, new):
    stranger = CA("Stranger")
    moved(site, scripted, ca, new)
    (site.tls / "ca.crt").write_bytes(b"# ours\n" + stranger.pem + roots(site) + b"# the end\n")
    wait.until(lambda: (renew(site), ca.pem not in roots(site))[1], "its end")
    assert roots(site) == b"# ours\n" + stranger.pem + new.pem + b"# the end\n"


def test_another_fingerprint_begins_anew(site, scripted, ca, new, hotcertd):
    moved(site, scripted, ca, new)
    other = CA("Other")
    path = hotcertd.conf_dir / "50-redis.conf"
    hotcertd.conf("50-redis", path.read_text().replace(ca.fingerprint, other.fingerprint))
    scripted.routes[f"/root/{other.fingerprint}"] = 404, {"status": 404, "message": "not found"}
    assert hotcertd.reload()[0] == 0
    code, out = hotcertd.ctl("renew", "redis")
    assert code == 1 and "404" in out and other.fingerprint in out, out


@pytest.fixture
def other(new, tmp_path):
    server = ScriptedCA(new, tmp_path / "other")
    yield server
    server.close()


def go_over(site, other, more):
    """To another CA: the configuration names it, and nothing more is done."""
    site.configure(more, ca=other, credentials=f"provisioner = redis\npassword_file = {other.password_file}")
    assert site.daemon.reload()[0] == 0
    wait.until(lambda: other.ca.pem in roots(site), "the other one's root")


def test_the_root_of_another_ca_than_before_goes_when_nothing_needs_it(site, ca, new, other):
    issued(site)
    assert roots(site) == ca.pem
    go_over(site, other, "overlap = 0")
    assert roots(site) == ca.pem + new.pem, "the certificate in place leads to it"
    assert "issued" in renew(site)
    assert new.pem in roots(site)
    renew(site)
    assert roots(site) == new.pem


def test_the_root_of_another_ca_than_before_stays_for_its_overlap(site, ca, new, other):
    issued(site)
    go_over(site, other, "")
    renew(site)
    site.daemon.restart()
    assert site.daemon.sync() == 0 and roots(site) == ca.pem + new.pem
    # Whoever wants it gone at once takes it out, and it does not come back.
    (site.tls / "ca.crt").write_bytes(new.pem)
    renew(site)
    assert roots(site) == new.pem


def test_it_goes_over_a_restart_too(site, ca, new, other):
    issued(site)
    site.daemon.stop()
    site.configure("overlap = 2s", ca=other, credentials=f"provisioner = redis\npassword_file = {other.password_file}")
    site.daemon.start()
    assert site.daemon.sync() == 0
    wait.until(lambda: (renew(site), roots(site) == new.pem)[1], "its end")
    site.daemon.wait_log(f"the root goes: {ca.fingerprint}")


# -- federation --------------------------------------------------------------------------------------------


def test_federation_is_extra_trust_and_no_more(site, scripted, ca, tls):
    friend = CA("Friend")
    scripted.routes["/federation"] = 201, {"crts": [friend.pem.decode(), ca.pem.decode()]}
    issued(site)
    assert roots(site) == ca.pem and scripted.count("/federation") == 0
    site.configure("federation = yes\noverlap = 0")
    assert site.daemon.reload()[0] == 0
    renew(site)
    assert roots(site) == ca.pem + friend.pem
    # The CA itself is not trusted by it.
    friend.issue(cn="localhost").write(site.daemon.directory, "moved.crt", "moved.key")
    scripted.context.load_cert_chain(site.daemon.directory / "moved.crt", site.daemon.directory / "moved.key")
    site.daemon.restart()
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 1 and "does not prove to be our CA" in out, out
    ca.issue(cn="localhost").write(site.daemon.directory, "moved.crt", "moved.key")
    scripted.context.load_cert_chain(site.daemon.directory / "moved.crt", site.daemon.directory / "moved.key")
    site.configure("overlap = 0")
    assert site.daemon.reload()[0] == 0
    renew(site)
    assert roots(site) == ca.pem


@pytest.mark.parametrize("answer", [(501, {"status": 501, "message": "no"}), (201, b"junk"), (200, {"crts": ["junk"]})])
def test_a_federation_that_cannot_be_had_stops_nothing(site, scripted, ca, answer):
    scripted.routes["/federation"] = answer
    issued(site.configure("federation = yes"))
    assert roots(site) == ca.pem
    site.daemon.wait_log("warning stepca:redis: GET .*/federation")


def test_a_real_ca_with_two_roots_and_a_federation(make_step_ca, hotcertd, tls, tmp_path, new):
    ca = make_step_ca(lifetime="5m")
    friend = CA("Friend")
    files = {"second": new, "friend": friend}
    for name, authority in files.items():
        authority.write(ca.folder / f"{name}.crt")
    config = json.loads(ca.config.read_text())
    config.update(root=[str(ca.root), str(ca.folder / "second.crt")], federatedRoots=[str(ca.folder / "friend.crt")])
    ca.config.write_text(json.dumps(config))
    site = Site(hotcertd, ca.start(), tls).configure("federation = yes\noverlap = 0")
    issued(site)
    assert roots(site) == ca.root.read_bytes() + new.pem + friend.pem
    config.update(root=str(ca.root))
    config.pop("federatedRoots")
    ca.config.write_text(json.dumps(config))
    ca.stop()
    ca.start()
    renew(site)
    assert roots(site) == ca.root.read_bytes()


def test_intermediates_come_from_the_chain_each_time(make_step_ca, hotcertd, tls):
    site = Site(hotcertd, make_step_ca(lifetime="5m").start(), tls).configure()
    issued(site)
    for _ in range(2):
        renew(site)
        assert len(site.certs()) == 2
        site.assert_whole()
    assert len(os.listdir(tls)) == 3
