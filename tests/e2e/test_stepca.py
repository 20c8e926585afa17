"""The stepca plugin and a real step-ca: from nothing to a certificate that renews itself."""

import datetime
import json
import os
import pathlib
import re
import select
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lib import jose, wait
from lib.pki import CA, DAY, key_pem, name, pem, replace, sign
from stepca_case import Site, issued

LIBFAKETIME = str(next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), ""))


@pytest.fixture
def step_ca(make_step_ca):
    return make_step_ca(lifetime="5m").start()


@pytest.fixture
def site(hotcertd, step_ca, tls):
    return Site(hotcertd, step_ca, tls).configure()


# -- the first certificate ----------------------------------------------------------------------


def test_first_issue(site):
    issued(site)
    site.assert_whole()
    assert site.names() == ["127.0.0.1", "redis.internal"]
    assert len(site.certs()) == 2, "leaf and intermediate, no root"
    assert (site.tls / "ca.crt").read_bytes() == site.ca.root.read_bytes()
    assert stat.S_IMODE(os.stat(site.tls / "redis.key").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(site.tls / "redis.crt").st_mode) == 0o644
    assert sorted(os.listdir(site.tls)) == ["ca.crt", "redis.crt", "redis.key"]
    details = site.daemon.instance("stepca:redis")["details"]
    assert details["url"] == site.ca.url and int(details["serial"], 16) == site.leaf().serial_number
    assert "valid until" in details and "renews at" in details


def test_the_log_says_it_in_few_lines_and_without_secrets(site):
    site.daemon.conf("10-log", "[hotcert]\nlog_level = debug\n")
    issued(site)
    log = site.daemon.log_text()
    assert len(re.findall(r"stepca:redis: issued: valid until \S+, serial [0-9a-f]+", log)) == 1
    assert site.ca.PASSWORD not in log and "PRIVATE" not in log
    assert not re.search(r"eyJ[A-Za-z0-9_-]{20}", log), "a token in the log"


@pytest.mark.parametrize("key_type,kind,size", [
    ("ec-p384", ec.EllipticCurvePrivateKey, 384), ("rsa-2048", rsa.RSAPrivateKey, 2048),
    ("rsa-3072", rsa.RSAPrivateKey, 3072), ("ed25519", ed25519.Ed25519PrivateKey, None)])
def test_key_types(site, key_type, kind, size):
    site.configure(f"key_type = {key_type}")
    issued(site)
    assert isinstance(site.key(), kind) and getattr(site.key(), "key_size", None) == size


def test_all_kinds_of_names_and_a_lifetime(site):
    site.sans = "Redis.internal, *.redis.internal, 10.0.0.5, ::1,\n  spiffe://trust/redis, ops@example.com"
    leaf = issued(site.configure("lifetime = 90s"))
    assert site.names() == sorted(["redis.internal", "*.redis.internal", "10.0.0.5", "::1", "spiffe://trust/redis",
                                   "ops@example.com"])
    assert (leaf.not_valid_after - leaf.not_valid_before).total_seconds() == 90


def test_modes_and_group_are_as_configured(site):
    issued(site.configure("mode = 0640\nkey_mode = 0440\ngroup = daemon"))
    for name, mode in ("redis.crt", 0o640), ("redis.key", 0o440), ("ca.crt", 0o640):
        st = os.stat(site.tls / name)
        assert (stat.S_IMODE(st.st_mode), st.st_gid) == (mode, 1), name


def test_token_file(site):
    provisioner = json.loads(site.ca.config.read_text())["authority"]["provisioners"][0]
    jwk = jose.decrypt(provisioner["encryptedKey"], site.ca.PASSWORD)
    token = jose.one_time_token(jwk, "redis", site.ca.url + "/1.0/sign", "redis.internal",
                                ["redis.internal", "127.0.0.1"])
    path = site.daemon.directory / "token"
    path.write_text(token + "\n")
    site.credentials = f"token_file = {path}"
    issued(site.configure())
    site.assert_whole()
    # It works once; what comes after is renewal, and that needs none.
    path.unlink()
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0 and "renewed over mTLS" in out, out


def test_renewal_without_mtls(site):
    """By a token, and revoked by one: nobody is shown the certificate."""
    issued(site.configure("mtls = no"))
    old = site.leaf()
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0 and "renewed by token" in out and site.leaf() != old, out
    site.assert_whole()
    code, out = site.daemon.ctl("do", "stepca:redis", "revoke")
    assert code == 0 and "revoked, and a new one issued" in out, out
    site.assert_whole()


def test_a_new_key_takes_mtls(site):
    code, out = site.configure("mtls = no\nrekey = yes").daemon.check()
    assert code == 1 and "mtls: must be yes with rekey" in out, out


def test_a_used_token_is_explained(site):
    path = site.daemon.directory / "token"
    path.write_text("eyJhbGciOiJub25lIn0.e30.AAAA")
    site.credentials = f"token_file = {path}"
    site.configure().daemon.start()
    text = site.failed("retry", "401", str(path), "fresh")
    assert "AAAA" not in text
    path.unlink()
    site.daemon.ctl("retry", "redis")
    wait.until(lambda: "No such file" in site.message(), site.message)


def test_a_key_that_is_there_is_used(site, ca):
    key = ca.issue().key
    replace(site.tls / "redis.key", key_pem(key), 0o640)
    issued(site)
    site.assert_whole()
    assert site.key().private_numbers() == key.private_numbers()
    assert stat.S_IMODE(os.stat(site.tls / "redis.key").st_mode) == 0o640


def test_other_roots_in_the_ca_file_stay(site, ca):
    ca.write(site.tls / "ca.crt")
    issued(site)
    text = (site.tls / "ca.crt").read_bytes()
    assert text == ca.pem + site.ca.root.read_bytes()


def test_a_root_file_instead_of_a_fingerprint(site):
    path = site.daemon.conf("50-redis", (site.daemon.conf_dir / "50-redis.conf").read_text().replace(
        f"fingerprint = {site.ca.fingerprint}", f"root = {site.ca.root}"))
    assert "fingerprint" not in path.read_text()
    issued(site)
    site.assert_whole()
    assert site.ca.requests("/root/" + site.ca.fingerprint) == 0


def test_a_watch_without_ca_role(site):
    text = (site.daemon.conf_dir / "50-redis.conf").read_text()
    site.daemon.conf("50-redis", text.replace("ca = ca.crt\n", ""))
    issued(site)
    site.assert_whole()
    assert sorted(os.listdir(site.tls)) == ["redis.crt", "redis.key"]


def test_a_provisioner_on_a_later_page(make_step_ca, hotcertd, tls):
    ca = make_step_ca(lifetime="5m")
    config = json.loads(ca.config.read_text())
    first = config["authority"]["provisioners"][0]
    for i in range(130):
        key = jose.private_jwk(ec.generate_private_key(ec.SECP256R1()))
        config["authority"]["provisioners"].append({**first, "name": f"p{i}", "key": jose.public_jwk(key)})
    key = jose.private_jwk(ec.generate_private_key(ec.SECP256R1()))
    config["authority"]["provisioners"].append({
        "type": "JWK", "name": "last", "key": jose.public_jwk(key), "encryptedKey": jose.encrypt(key, ca.PASSWORD)})
    ca.config.write_text(json.dumps(config))
    site = Site(hotcertd, ca.start(), tls)
    site.credentials = f"provisioner = last\npassword_file = {ca.password_file}"
    issued(site.configure())
    assert len(re.findall(r"path=\"?/provisioners", ca.log())) == 2, "two pages"


@pytest.mark.parametrize("key,rounds,enc", [
    (lambda: ec.generate_private_key(ec.SECP384R1()), 600000, "A256GCM"),
    (lambda: ec.generate_private_key(ec.SECP521R1()), 100000, "A128GCM"),
    (lambda: rsa.generate_private_key(65537, 2048), 100000, "A256GCM"),
    (ed25519.Ed25519PrivateKey.generate, 100000, "A256GCM"),
], ids=["p384-600k", "p521-a128gcm", "rsa", "ed25519"])
def test_provisioner_keys(make_step_ca, hotcertd, tls, key, rounds, enc):
    ca = make_step_ca(lifetime="5m")
    config = json.loads(ca.config.read_text())
    jwk = jose.private_jwk(key())
    config["authority"]["provisioners"][0].update(
        key=jose.public_jwk(jwk), encryptedKey=jose.encrypt(jwk, ca.PASSWORD, rounds, enc))
    ca.config.write_text(json.dumps(config))
    site = Site(hotcertd, ca.start(), tls).configure()
    issued(site)
    site.assert_whole()


# -- renewal --------------------------------------------------------------------------------------


def test_it_renews_itself(make_step_ca, hotcertd, tls):
    site = Site(hotcertd, make_step_ca(lifetime="4s").start(), tls).configure("renew_at = 50%\njitter = 0")
    old = issued(site)
    key = (site.tls / "redis.key").read_bytes()
    for _ in range(2):
        old = site.wait_renewed(old)
    site.assert_whole()
    assert (site.tls / "redis.key").read_bytes() == key
    assert site.ca.requests("/1.0/renew") >= 2 and site.ca.requests("/1.0/sign") == 1
    site.daemon.wait_log("renewed over mTLS: valid until")


def test_renew_by_hand_ends_when_the_certificate_is_there(site):
    old = issued(site)
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0 and "renewed over mTLS" in out, out
    assert site.leaf() != old
    site.assert_whole()
    assert int(re.search(r"serial ([0-9a-f]+)", out)[1], 16) == site.leaf().serial_number


def test_renew_where_there_is_nothing_enrols(site, step_ca):
    step_ca.stop()
    site.daemon.start()
    site.failed("retry", step_ca.url)
    step_ca.start()
    code, out = site.daemon.ctl("renew", "stepca:redis")
    assert code == 0 and "issued" in out, out


@pytest.mark.parametrize("key_type", ["ec-p256", "rsa-2048"])
def test_rekey(site, key_type):
    issued(site.configure(f"rekey = yes\nkey_type = {key_type}"))
    key = site.key().public_key().public_numbers()
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0 and "new key" in out, out
    assert site.key().public_key().public_numbers() != key
    assert stat.S_IMODE(os.stat(site.tls / "redis.key").st_mode) == 0o600
    assert sorted(os.listdir(site.tls)) == ["ca.crt", "redis.crt", "redis.key"]
    assert site.daemon.sync() == 0
    assert site.leaf().public_key().public_numbers() == site.key().public_key().public_numbers()


def expired(site, tls):
    """A certificate of the site's CA that has expired while nobody looked."""
    leaf = issued(site)
    site.daemon.stop()
    wait.until(lambda: datetime.datetime.utcnow() > leaf.not_valid_after, "its end")
    return leaf


def aged(ca):
    """The authority with certificates that began a day ago."""
    secrets = ca.folder / "secrets"
    root_key, key = (load_pem_private_key((secrets / file).read_bytes(), ca.PASSWORD.encode())
                     for file in ("root_ca_key", "intermediate_ca_key"))
    root = sign(name("Root"), root_key.public_key(), name("Root"), root_key, (-DAY, DAY), authority(root_key, root_key))
    middle = sign(name("Middle"), key.public_key(), name("Root"), root_key, (-DAY, DAY), authority(key, root_key))
    ca.root.write_bytes(pem(root))
    (ca.folder / "certs" / "intermediate_ca.crt").write_bytes(pem(middle))
    ca.fingerprint = root.fingerprint(hashes.SHA256()).hex()
    return ca


def authority(key, issuer_key):
    """With all that a strict verifier asks for, as Python is from 3.13 on."""
    return [(x509.BasicConstraints(ca=True, path_length=None), True),
            (x509.KeyUsage(True, False, False, False, False, True, True, False, False), True),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)]


def test_an_expired_certificate_is_renewed_by_token(make_step_ca, hotcertd, tls):
    # step-ca verifies the chain as of a minute before the leaf's end, so all of it must have been valid then.
    ca = aged(make_step_ca(lifetime="2s", options=["--backdate=1m"])).start()
    site = Site(hotcertd, ca, tls).configure()
    old = expired(site, tls)
    site.daemon.start()
    site.wait_renewed(old)
    site.daemon.wait_log("renewed by token")
    assert site.ca.requests("/1.0/sign") == 1


def test_where_the_ca_does_not_renew_expired_ones_it_enrols(make_step_ca, hotcertd, tls):
    ca = make_step_ca(lifetime="2s", options=["--renew-expired=false"])
    site = Site(hotcertd, ca.start(), tls).configure()
    old = expired(site, tls)
    key = (tls / "redis.key").read_bytes()
    site.daemon.start()
    site.wait_renewed(old)
    assert ca.requests("/1.0/sign") >= 2
    assert (tls / "redis.key").read_bytes() == key


def test_where_the_ca_renews_nothing_it_enrols(make_step_ca, hotcertd, tls):
    ca = make_step_ca(lifetime="5m", options=["--renew=false"])
    site = Site(hotcertd, ca.start(), tls).configure()
    issued(site)
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0 and "issued" in out, out
    site.assert_whole()


def test_a_certificate_of_another_ca_is_replaced_when_due(site, ca):
    ca.issue(lifetime=(-100, 10)).write(site.tls)
    site.daemon.start()
    wait.until(lambda: len(site.certs()) == 2, "a certificate of this CA")
    site.assert_whole()


# -- what others do, and restarts -------------------------------------------------------------------


def test_a_pair_that_is_not_due_is_left_alone(site, ca):
    pair = ca.issue(cn="other").write(site.tls)
    site.daemon.start()
    assert site.daemon.sync() == 0
    assert site.leaf() == pair.cert
    assert site.ca.requests("/1.0/sign") == 0


def test_a_pair_that_others_replace_is_adopted(site, ca):
    issued(site)
    pair = ca.issue(cn="other").write(site.tls)
    assert site.daemon.sync() == 0
    assert site.leaf() == pair.cert
    assert "valid until " + pair.cert.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ") in site.message()


def test_a_restart_asks_for_no_new_certificate(site):
    old = issued(site)
    site.daemon.restart()
    assert site.daemon.sync() == 0
    assert site.leaf() == old
    wait.until(lambda: site.ca.requests("/roots") >= 2, "a look at the roots")
    assert site.ca.requests("/1.0/sign") == 1 and site.ca.requests("/1.0/renew") == 0


def test_other_names_in_the_configuration_get_a_new_certificate(site):
    issued(site)
    key = (site.tls / "redis.key").read_bytes()
    site.sans = "redis.internal, replica.internal"
    site.configure()
    assert site.daemon.reload()[0] == 0
    assert site.daemon.sync() == 0
    assert site.names() == ["redis.internal", "replica.internal"]
    assert (site.tls / "redis.key").read_bytes() == key
    site.daemon.restart()
    assert site.daemon.sync() == 0
    assert site.ca.requests("/1.0/sign") == 2


def test_another_key_type_in_the_configuration_gets_a_new_pair(site):
    issued(site)
    site.configure("key_type = ec-p384")
    assert site.daemon.reload()[0] == 0
    assert site.daemon.sync() == 0
    assert site.key().key_size == 384
    site.assert_whole()


def test_a_removed_certificate_comes_back(site):
    issued(site)
    (site.tls / "redis.crt").unlink()
    assert site.daemon.sync() == 0
    site.assert_whole()
    (site.tls / "ca.crt").unlink()
    assert site.daemon.sync() == 0
    assert (site.tls / "ca.crt").read_bytes() == site.ca.root.read_bytes()
    assert site.ca.requests("/1.0/sign") == 2


def test_a_pair_that_stays_broken_is_replaced(site, ca):
    issued(site)
    replace(site.tls / "redis.key", ca.issue().key_pem, 0o600)
    wait.until(lambda: site.ca.requests("/1.0/sign") == 2, "an enrolment")
    assert site.daemon.sync() == 0
    site.assert_whole()


def test_an_encrypted_key_is_not_overwritten(site, ca):
    pair = ca.issue()
    replace(site.tls / "redis.key", pair.encrypted("pw"), 0o600)
    site.daemon.start()
    site.failed("failed", "encrypted", "redis.key")
    assert (site.tls / "redis.key").read_bytes().startswith(b"-----BEGIN ENCRYPTED")


def test_an_interrupted_change_of_key_is_brought_to_its_end(site):
    issued(site)
    site.daemon.stop()
    old_cert = (site.tls / "redis.crt").read_bytes()
    site.daemon.start()
    site.configure("rekey = yes")
    assert site.daemon.reload()[0] == 0
    assert site.daemon.ctl("renew", "redis")[0] == 0
    site.daemon.stop()
    # As a crash between the two renames leaves it: new key, new certificate staged, old one in place.
    os.rename(site.tls / "redis.crt", site.tls / ".redis.crt.hotcert-next")
    new_cert = (site.tls / ".redis.crt.hotcert-next").read_bytes()
    replace(site.tls / "redis.crt", old_cert)
    site.daemon.start()
    site.daemon.wait_log("interrupted change of key")
    assert site.daemon.sync() == 0
    assert (site.tls / "redis.crt").read_bytes() == new_cert
    assert site.ca.requests("/1.0/sign") == 1
    assert sorted(os.listdir(site.tls)) == ["ca.crt", "redis.crt", "redis.key"]


def test_a_staged_certificate_without_its_key_is_removed(site):
    issued(site)
    old = site.leaf()
    site.daemon.stop()
    replace(site.tls / ".redis.crt.hotcert-next", CA().issue().cert_pem)
    site.daemon.start()
    assert site.daemon.sync() == 0
    assert site.leaf() == old
    assert sorted(os.listdir(site.tls)) == ["ca.crt", "redis.crt", "redis.key"]


def test_killed_at_many_instants(site):
    site.configure("rekey = yes")
    issued(site)
    for i in range(12):
        renew = subprocess.Popen(
            [site.daemon.build / "hotcertctl", "-s", site.daemon.socket, "renew", "redis"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # From before the first request to after the last rename.
        select.select([], [], [], 0.002 * i)
        site.daemon.kill()
        renew.wait()
        site.daemon.start()
        assert site.daemon.sync() == 0, i
        site.assert_whole()
    assert sorted(f for f in os.listdir(site.tls) if not f.startswith(".")) == ["ca.crt", "redis.crt", "redis.key"]


# -- what can go wrong with a real CA --------------------------------------------------------------------


def test_a_ca_that_is_down_at_first(site, step_ca):
    step_ca.stop()
    site.daemon.start()
    site.failed("retry", step_ca.url, "is the CA running")
    step_ca.start()
    site.daemon.wait_instance("stepca:redis", "ok")
    site.assert_whole()


def test_a_ca_that_hangs(site, step_ca):
    old = issued(site.configure("request_timeout = 300ms"))
    step_ca.pause()
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 1 and "imed out" in out, out
    assert site.leaf() == old
    step_ca.resume()
    assert site.daemon.ctl("renew", "redis")[0] == 0
    assert site.leaf() != old


def test_a_wrong_password(site):
    secret = site.daemon.directory / "password"
    secret.write_text("wrong\n")
    site.credentials = f"provisioner = redis\npassword_file = {secret}"
    site.configure().daemon.start()
    site.failed("failed", str(secret), "does not open", "redis")
    secret.write_text(site.ca.PASSWORD + "\n")
    assert site.daemon.ctl("retry")[0] == 0
    assert site.daemon.sync() == 0
    site.assert_whole()


def test_a_wrong_fingerprint(site, ca):
    text = (site.daemon.conf_dir / "50-redis.conf").read_text()
    site.daemon.conf("50-redis", text.replace(site.ca.fingerprint, ca.fingerprint))
    site.daemon.start()
    site.failed("failed", "404", ca.fingerprint, "check url, fingerprint")
    assert not (site.tls / "redis.crt").exists() and not (site.tls / "ca.crt").exists()


def test_a_ca_that_was_replaced_by_another_is_not_trusted(site, make_step_ca):
    old = issued(site)
    other = make_step_ca("other").start()
    text = (site.daemon.conf_dir / "50-redis.conf").read_text()
    site.daemon.conf("50-redis", text.replace(site.ca.url, other.url))
    assert site.daemon.reload()[0] == 0
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 1 and "does not prove to be our CA" in out, out
    assert site.leaf() == old
    assert (site.tls / "ca.crt").read_bytes() == site.ca.root.read_bytes()


@pytest.mark.parametrize("provisioner,words", [("nobody", "no provisioner"), ("acme", "not of type JWK")])
def test_a_provisioner_that_is_not_there(site, provisioner, words):
    site.credentials = f"provisioner = {provisioner}\npassword_file = {site.ca.password_file}"
    site.configure().daemon.start()
    site.failed("failed", words, provisioner)


def test_what_the_ca_does_not_allow(site):
    site.configure("lifetime = 30d").daemon.start()
    site.failed("failed", "403", "duration", "claims")
    assert (site.tls / "redis.key").exists(), "the key is kept for the next try"
    key = (site.tls / "redis.key").read_bytes()
    site.configure("lifetime = 1h")
    assert site.daemon.reload()[0] == 0
    assert site.daemon.sync() == 0
    assert (site.tls / "redis.key").read_bytes() == key
    site.assert_whole()


def test_a_clock_that_is_two_hours_off(site, step_ca):
    site.daemon.env = {"FAKETIME": "+2h", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "LD_PRELOAD": LIBFAKETIME,
                       "ASAN_OPTIONS": os.environ["ASAN_OPTIONS"] + ":verify_asan_link_order=0"}
    site.daemon.start()
    site.failed("retry", "401", "behind ours", f"aud {step_ca.url}/1.0/sign", "iss redis", "kid ", "iat ")
    # Two tokens a try, and no more tries at once than there were changes on disk (the key, the pair held back).
    assert site.daemon.sync() == 1
    assert step_ca.requests("/1.0/sign") <= 6


def test_a_directory_that_cannot_be_written_costs_the_ca_nothing(site):
    # Root without the right to pass over modes.
    site.daemon.wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    os.chmod(site.tls, 0o555)
    site.daemon.start()
    site.failed("retry", str(site.tls), "Permission denied")
    assert site.ca.requests("/root/" + site.ca.fingerprint) == 0
    os.chmod(site.tls, 0o755)
    site.daemon.ctl("retry")
    site.daemon.wait_instance("stepca:redis", "ok")


# -- configuration ---------------------------------------------------------------------------------------


def test_all_faults_of_a_section_are_named(hotcertd, tls):
    secret = hotcertd.directory / "secret"
    secret.write_text("x")
    hotcertd.conf("50", f"""\
        [watch redis]
        directory = {tls}
        cert = redis.crt
        key = redis.key
        [stepca redis]
        url = http://ca.internal
        fingerprint = 1234
        password_file = {secret}
        token_file = {secret}
        sans = redis.internal, not a name
        mode = rw-r--r--
        key_mode = 4600
        owner = nobody-of-this-name
        renew_at = 0
        """)
    code, out = hotcertd.check()
    assert code == 1
    for line, words in ((6, "https://HOST"), (7, "64 hex digits"), (9, "either this or password_file"), (10, "not a name"),
                        (11, "octal"), (12, "octal"), (13, "no user"), (14, "leave time")):
        assert re.search(rf"50\.conf:{line}: .*{words}", out), (line, words, out)


def test_what_is_missing_is_named(hotcertd, tls):
    hotcertd.conf("50", f"[watch redis]\ndirectory = {tls}\ncert = c\nkey = k\n[stepca redis]\nurl = https://ca\n")
    code, out = hotcertd.check()
    assert code == 1
    for key in "fingerprint", "password_file", "subject":
        assert key in out, out


def test_a_watch_without_roles_is_refused(site):
    text = (site.daemon.conf_dir / "50-redis.conf").read_text()
    site.daemon.conf("50-redis", text.replace("cert = redis.crt\nkey = redis.key\nca = ca.crt\n", "match = *.crt\n"))
    site.daemon.start()
    site.failed("failed", "[watch redis]", "cert =")
