"""What proves who we are: X5C certificates, commands that print a token, template data; check and revoke."""

import base64
import hashlib
import json
import os
import re
import textwrap

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from https_server import ScriptedCA
from lib import jose, wait
from lib.pki import CA, Pair, name, replace, sign
from stepca_case import Site, issued


@pytest.fixture
def x5c_ca():
    """The authority that an X5C provisioner trusts."""
    return CA("X5C Root")


def add_provisioner(ca, **provisioner):
    config = json.loads(ca.config.read_text())
    config["authority"]["provisioners"].append(provisioner)
    ca.config.write_text(json.dumps(config))
    return ca


@pytest.fixture
def x5c_site(make_step_ca, hotcertd, tls, x5c_ca):
    ca = add_provisioner(make_step_ca(lifetime="5m"), type="X5C", name="fleet",
                         roots=base64.b64encode(x5c_ca.pem).decode())
    site = Site(hotcertd, ca.start(), tls)
    site.device = hotcertd.directory / "device"
    site.device.mkdir()
    site.credentials = (f"provisioner = fleet\nx5c_cert = {site.device}/device.crt\nx5c_key = {site.device}/device.key")
    return site.configure()


def client_pair(ca, directory, key=None, lifetime=(-60, 3600)):
    """What an X5C provisioner takes: good for signatures and for clients."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    usage = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
                           "crl_sign", "encipher_only", "decipher_only"], False)
    cert = sign(name("device"), key.public_key(), ca.cert.subject, ca.key, lifetime, [
        (x509.KeyUsage(digital_signature=True, **usage), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)])
    return Pair(cert, key, ca.chain()).write(directory, "device.crt", "device.key")


@pytest.mark.parametrize("key", [
    lambda: ec.generate_private_key(ec.SECP256R1()), lambda: ec.generate_private_key(ec.SECP384R1()),
    lambda: ec.generate_private_key(ec.SECP521R1()), lambda: rsa.generate_private_key(65537, 2048),
    ed25519.Ed25519PrivateKey.generate], ids=["p256", "p384", "p521", "rsa", "ed25519"])
def test_x5c(x5c_site, x5c_ca, key):
    client_pair(x5c_ca, x5c_site.device, key())
    issued(x5c_site)
    x5c_site.assert_whole()
    assert x5c_site.names() == ["127.0.0.1", "redis.internal"]


def test_x5c_with_an_encrypted_key(x5c_site, x5c_ca):
    pair = client_pair(x5c_ca, x5c_site.device)
    replace(x5c_site.device / "device.key", pair.encrypted("open sesame"), 0o600)
    secret = x5c_site.device / "password"
    secret.write_text("wrong\n")
    x5c_site.credentials += f"\npassword_file = {secret}"
    x5c_site.configure().daemon.start()
    x5c_site.failed("retry", "password_file does not open the key", "device.key")
    secret.write_text("open sesame\n")
    x5c_site.daemon.ctl("retry")
    x5c_site.daemon.wait_instance("stepca:redis", "ok")


@pytest.mark.parametrize("spoil,words", [
    (lambda site, ca: None, "are no certificate and its key"),
    (lambda site, ca: client_pair(CA("Stranger"), site.device), "#x5c/fleet"),
    (lambda site, ca: client_pair(ca, site.device, lifetime=(-100, -10)), "401"),
], ids=["missing", "stranger", "expired"])
def test_an_x5c_certificate_that_is_no_use(x5c_site, x5c_ca, spoil, words):
    spoil(x5c_site, x5c_ca)
    x5c_site.daemon.start()
    x5c_site.failed("retry", words)
    client_pair(x5c_ca, x5c_site.device)
    x5c_site.daemon.ctl("retry")
    x5c_site.daemon.wait_instance("stepca:redis", "ok")


# -- a command that prints a token ----------------------------------------------------------------


def command(site, script):
    path = site.daemon.directory / "token-command"
    path.write_text("#!/usr/bin/python3\n" + textwrap.dedent(script))
    path.chmod(0o755)
    site.credentials = f"provisioner = redis\ntoken_command = {path} 'an argument'"
    return site.configure()


@pytest.fixture
def step_ca(make_step_ca):
    return make_step_ca(lifetime="5m").start()


@pytest.fixture
def site(hotcertd, step_ca, tls):
    return Site(hotcertd, step_ca, tls).configure()


TOKEN_COMMAND = """\
    import json, os, sys
    sys.path.insert(0, {tests!r})
    from lib import jose
    assert sys.argv[1:] == ["an argument"]
    provisioner = json.load(open({config!r}))["authority"]["provisioners"][0]
    jwk = jose.decrypt(provisioner["encryptedKey"], {password!r})
    print("about to sign", file=sys.stderr)
    print(jose.one_time_token(jwk, os.environ["HOTCERT_PROVISIONER"], os.environ["HOTCERT_AUDIENCE"],
                              os.environ["HOTCERT_SUBJECT"], ["redis.internal", "127.0.0.1"],
                              {{"cnf": {{"x5rt#S256": os.environ["HOTCERT_CONFIRMATION"]}}, "pad": "x" * 6000}}), end="")
    """


def test_token_command(site):
    command(site, TOKEN_COMMAND.format(tests=os.path.dirname(__file__), config=str(site.ca.config), password=site.ca.PASSWORD))
    site.daemon.conf("10-log", "[hotcert]\nlog_level = debug\n")
    issued(site)
    site.assert_whole()
    log = site.daemon.log_text()
    assert "about to sign" in log and not re.search(r"eyJ[A-Za-z0-9_-]{20}", log), "a token in the log"


@pytest.mark.parametrize("script,words", [
    ("raise SystemExit('not logged in')", ["exited with 1", "not logged in"]),
    ("print('hello')", ["printed no token", "hello"]),
    ("import os; os.kill(os.getpid(), 9)", ["killed by signal 9"]),
    ("print('eyJh.e30.AAAA')", ["401", "the token was one of"]),
], ids=["exit", "chatter", "killed", "refused"])
def test_a_token_command_that_fails(site, script, words):
    command(site, script).daemon.start()
    text = site.failed("retry", *words)
    assert "AAAA" not in text


def test_a_token_command_that_is_not_there(site):
    site.credentials = "provisioner = redis\ntoken_command = /no/such/program"
    site.configure().daemon.start()
    site.failed("retry", "cannot run token_command /no/such/program", "No such file")


def test_a_token_command_that_hangs_ends_with_its_instance(site):
    marker = site.daemon.directory / "pid"
    command(site, f"""\
        import os, signal
        open({str(marker)!r} + ".new", "w").write(str(os.getpid()))
        os.rename({str(marker)!r} + ".new", {str(marker)!r})
        signal.pause()
        """)
    site.daemon.conf("10-ready", "[hotcert]\nready_timeout = 100ms\n")
    site.daemon.start()
    wait.until(marker.exists, "the command")
    (site.daemon.conf_dir / "50-redis.conf").unlink()
    assert site.daemon.reload()[0] == 0
    pid = marker.read_text()
    wait.until(lambda: not os.path.exists(f"/proc/{pid}"), "its end")


# -- template data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [".Insecure.User.unit", ".Token.user.unit"])
def test_template_data(make_step_ca, hotcertd, tls, source):
    ca = make_step_ca(lifetime="5m")
    config = json.loads(ca.config.read_text())
    config["authority"]["provisioners"][0]["options"] = {"x509": {"template": (
        '{"subject": {"commonName": {{ toJson .Subject.CommonName }}, "organizationalUnit": {{ toJson %s }}},'
        ' "sans": {{ toJson .SANs }}, "keyUsage": ["digitalSignature"], "extKeyUsage": ["serverAuth", "clientAuth"]}' % source)}}
    ca.config.write_text(json.dumps(config))
    data = hotcertd.directory / "data.json"
    data.write_text("[]")
    site = Site(hotcertd, ca.start(), tls).configure(f"template_data = {data}")
    site.daemon.start()
    site.failed("failed", "no JSON object", str(data))
    data.write_text('{"unit": "caches"}')
    site.daemon.ctl("retry")
    site.daemon.wait_instance("stepca:redis", "ok")
    assert "OU=caches" in site.leaf().subject.rfc4514_string()


# -- a token is bound to its request ------------------------------------------------------------------


def test_each_attempt_has_a_token_of_its_own_bound_to_its_request(ca, hotcertd, tls, tmp_path):
    scripted = ScriptedCA(ca, tmp_path / "scripted")
    site = Site(hotcertd, scripted, tls).configure()
    seen, answers = [], [(401, {"status": 401, "message": "burned"}), (500, {"status": 500, "message": "later"})]

    def sign(request):
        body = json.loads(request.body)
        digest = jose.b64(hashlib.sha256(x509.load_pem_x509_csr(body["csr"].encode()).public_bytes(
            serialization.Encoding.DER)).digest())
        _, claims = jose.verify(body["ott"], jose.ec_key(scripted.jwk).public_key())
        seen.append((claims["jti"], claims["cnf"]["x5rt#S256"], digest, claims["exp"] - claims["iat"]))
        return answers.pop(0) if answers else scripted.sign(request)
    scripted.routes["/1.0/sign"] = sign
    site.daemon.start()
    site.daemon.wait_instance("stepca:redis", "ok")
    scripted.close()
    assert len(seen) == 3 and len({jti for jti, *_ in seen}) == 3
    assert all(bound == digest and valid == 300 for _, bound, digest, valid in seen)


# -- check --------------------------------------------------------------------------------------------


def check(site):
    code, out = site.daemon.ctl("do", "stepca:redis", "check")
    return code, out


def test_check_reports_each_step_and_changes_nothing(site):
    issued(site)
    before = {f: (site.tls / f).read_bytes() for f in os.listdir(site.tls)}
    code, out = check(site)
    assert code == 0, out
    for line in ("CA: " + site.ca.url + " answers, verified by root " + site.ca.fingerprint, "clock: ", "provisioner: redis is there",
                 "password: it opens", "lifetime: ", "names: redis.internal, 127.0.0.1", "certificate: valid until"):
        assert re.search("^ok +" + re.escape(line), out, re.M), (line, out)
    assert {f: (site.tls / f).read_bytes() for f in os.listdir(site.tls)} == before
    assert site.ca.requests("/1.0/sign") == 1 and site.ca.requests("/1.0/renew") == 0


def test_check_before_there_is_anything(site, step_ca):
    step_ca.stop()
    site.daemon.start()
    site.failed("retry", "is the CA running")
    code, out = check(site)
    assert code == 1 and re.search("^FAIL +CA: GET " + site.ca.url, out, re.M), out
    step_ca.start()
    code, out = check(site)
    assert "FAIL" not in out and (code == 0), out


@pytest.mark.parametrize("credentials,more,words", [
    ("provisioner = redis\npassword_file = {wrong}", "", "password: the password in .* does not open"),
    ("provisioner = nobody\npassword_file = {good}", "", "provisioner: .*no provisioner \"nobody\""),
    ("token_command = /bin/false", "", "token: .*exited with 1"),
], ids=["password", "provisioner", "command"])
def test_check_says_what_is_wrong(site, credentials, more, words):
    wrong = site.daemon.directory / "wrong"
    wrong.write_text("wrong")
    site.credentials = credentials.format(wrong=wrong, good=site.ca.password_file)
    site.configure(more).daemon.start()
    wait.until(lambda: site.daemon.instance("stepca:redis")["state"] in ("failed", "retry"), "its end")
    code, out = check(site)
    assert code == 1 and re.search("^FAIL +" + words, out, re.M), out
    assert re.search("^ok +CA: ", out, re.M), out


def test_check_compares_the_lifetime_with_the_claims(make_step_ca, hotcertd, tls):
    ca = make_step_ca(lifetime="5m")
    config = json.loads(ca.config.read_text())
    config["authority"]["provisioners"][0]["claims"] = {"maxTLSCertDuration": "1h", "minTLSCertDuration": "1m",
                                                        "defaultTLSCertDuration": "5m"}
    ca.config.write_text(json.dumps(config))
    site = Site(hotcertd, ca.start(), tls).configure("lifetime = 2h")
    site.daemon.start()
    site.failed("failed", "403")
    code, out = check(site)
    assert code == 1 and "FAIL  lifetime: 2h 0m is more than the 1h 0m" in out, out


def test_check_sees_a_clock_that_is_off(ca, hotcertd, tls, tmp_path):
    scripted = ScriptedCA(ca, tmp_path / "scripted")
    scripted.routes["/health"] = lambda request: (200, {"status": "ok"})
    site = Site(hotcertd, scripted, tls).configure()
    issued(site)
    scripted.date = "Tue, 01 Jan 2030 00:00:00 GMT"
    code, out = check(site)
    scripted.close()
    assert code == 1 and re.search("^FAIL +clock: the CA's is .* ahead of ours; .* set the clocks", out, re.M), out


# -- revoke --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["", "keyCompromise", "superseded"])
def test_revoke_puts_a_certificate_with_a_new_key_in_place(site, reason):
    old = issued(site)
    code, out = site.daemon.ctl("do", "stepca:redis", "revoke", *([reason] if reason else []))
    assert code == 0 and "revoked, and a new one issued" in out, out
    assert site.leaf().serial_number != old.serial_number
    assert site.leaf().public_key().public_numbers() != old.public_key().public_numbers(), "a key that may be known to others"
    site.assert_whole()
    assert site.ca.requests("/1.0/revoke") == 1
    site.daemon.wait_log(f"revoked serial 0?{old.serial_number:x}")
    # The CA knows, and the new one is like any other.
    assert site.daemon.ctl("renew", "redis")[0] == 0
    assert site.ca.requests("/1.0/sign") == 2


def test_revoke_knows_its_reasons(site):
    old = issued(site)
    code, out = site.daemon.ctl("do", "stepca:redis", "revoke", "boredom")
    assert code == 1 and "boredom" in out and "keyCompromise" in out, out
    assert site.leaf() == old and site.ca.requests("/1.0/revoke") == 0


def test_revoke_of_nothing(site, step_ca):
    step_ca.stop()
    site.daemon.start()
    site.failed("retry", "is the CA running")
    step_ca.start()
    code, out = site.daemon.ctl("do", "stepca:redis", "revoke")
    if code:
        assert "there is no certificate" in out, out


def test_a_crash_after_the_revocation_still_changes_the_key(site):
    old = issued(site)
    # The enrolment fails for now: the provisioner's password is gone, as it would be after a crash in between.
    hidden = site.ca.password_file.rename(site.ca.password_file.with_name("hidden"))
    code, out = site.daemon.ctl("do", "stepca:redis", "revoke")
    assert code == 1, out
    assert site.leaf() == old
    site.daemon.stop()
    hidden.rename(site.ca.password_file)
    site.daemon.start()
    assert site.daemon.sync() == 0, site.message()
    assert site.leaf().public_key().public_numbers() != old.public_key().public_numbers()
    site.assert_whole()


def test_revoked_by_somebody_else_it_is_enrolled_anew_when_due(site):
    old = issued(site)
    provisioner = json.loads(site.ca.config.read_text())["authority"]["provisioners"][0]
    jwk = jose.decrypt(provisioner["encryptedKey"], site.ca.PASSWORD)
    token = jose.one_time_token(jwk, "redis", site.ca.url + "/1.0/revoke", str(old.serial_number), [])
    site.ca.post("/1.0/revoke", {"serial": str(old.serial_number), "ott": token, "reasonCode": 1, "reason": "test", "passive": True})
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0 and "issued" in out, out
    assert site.ca.requests("/1.0/sign") == 2


def test_a_serial_that_the_ca_does_not_know(make_step_ca, site):
    """A CA that was set up anew with the same keys has never heard of the certificate."""
    issued(site)
    site.ca.stop()
    db = site.ca.folder / "db"
    for path in db.iterdir():
        path.unlink()
    site.ca.start()
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0, out
    site.assert_whole()
