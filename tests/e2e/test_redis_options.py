"""What production servers need beside the reload itself: containers, moved paths, passphrases, the cluster bus, renamed
commands, restarts, compromised keys, drift and warnings. On real servers."""

import os
import re
import signal
import threading

import pytest

from lib import wait
from lib.hotcertd import run
from lib.pki import replace
from lib.process import Process
from lib.redis_server import BINARY, RedisServer, product, reserve_port
from redis_case import configure, failed, instance, mended, renew, sets


@pytest.fixture
def server(make_redis, ca, tls):
    """server(*options): a running server whose pair lies in the watch."""
    def start(*options, **kwargs):
        ca.write(tls / "ca.crt")
        if not (tls / "redis.crt").exists():
            ca.issue().write(tls)
        return make_redis(kwargs.pop("tls", tls), tls / "ca.crt", options=options, **kwargs).start()
    return start


def rescans_of(hotcertd):
    return hotcertd.status()["daemon"]["rescans"]


def check(hotcertd, expected=0):
    code, out = hotcertd.ctl("do", "redis:r", "check")
    assert code == expected, out
    return out


# ---- where the server has its files -----------------------------------------------------------------------------

def test_a_server_with_other_names_for_the_files(hotcertd, server, ca, tls, tmp_path):
    """As in a container: its /tls is a copy of ours, byte by byte; nobody here can see that."""
    theirs = tmp_path / "container/tls"
    theirs.parent.mkdir()
    os.rename(tls, theirs)
    tls.mkdir()
    ca.write(theirs / "ca.crt")
    ca.issue().write(theirs)
    for name in "redis.crt", "redis.key", "ca.crt":
        (tls / name).write_bytes((theirs / name).read_bytes())
    one = server(tls=theirs)
    configure(hotcertd, tls, f"address = unix:{one.unix}").start()
    state, message = failed(hotcertd)
    assert state == "failed" and "path_map" in message and f'"{theirs}/redis.crt"' in message
    configure(hotcertd, tls, f"address = unix:{one.unix}", f"path_map = {tls}:{theirs}")
    assert hotcertd.reload()[0] == 0
    assert hotcertd.sync() == 0
    pair = ca.issue()
    pair.write(theirs)
    pair.write(tls)
    assert hotcertd.sync() == 0
    assert one.served() == pair.fingerprint and f"{theirs}/redis.crt" in check(hotcertd)


def test_the_server_s_root_is_looked_through(hotcertd, ca, tls, tmp_path):
    """A server in a mount namespace of its own, where our directory has another name: the inode tells."""
    if run(["unshare", "--mount", "true"])[0]:
        pytest.skip("mount namespaces cannot be made here")
    theirs = tmp_path / "inside"
    theirs.mkdir()
    binary = tmp_path / "contained"
    binary.write_text(f"#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {tls} {theirs} && exec {BINARY} \"$@\"' sh \"$@\"\n")
    binary.chmod(0o755)
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    one = RedisServer(tmp_path / "redis", theirs, theirs / "ca.crt", binary=binary).start()
    try:
        configure(hotcertd, tls, f"address = unix:{one.unix}").start()
        assert not list(theirs.iterdir())
        pair = renew(ca, tls, hotcertd)
        assert instance(hotcertd)["state"] == "ok" and one.served() == pair.fingerprint
    finally:
        one.finish()


@pytest.mark.parametrize("rewrite", ["yes", "no"])
def test_a_server_is_moved_to_the_watched_files(hotcertd, server, ca, tls, tmp_path, rewrite):
    other = tmp_path / "other"
    ca.issue().write(other)
    ca.issue().write(tls)
    one = server(tls=other)
    configure(hotcertd, tls, f"address = unix:{one.unix}", "set_paths = yes", f"rewrite = {rewrite}").start()
    assert hotcertd.sync() == 0
    assert one.command("CONFIG", "GET", "tls-cert-file")[1] == str(tls / "redis.crt")
    written = f'tls-cert-file "{tls}/redis.crt"' in (one.directory / "redis.conf").read_text()
    assert written == (rewrite == "yes")
    assert ("configuration file was rewritten" in instance(hotcertd)["message"]) == written
    pair = renew(ca, tls, hotcertd)
    assert one.served() == pair.fingerprint and "rewritten" not in instance(hotcertd)["message"]


def test_a_server_without_a_configuration_file_is_not_rewritten(hotcertd, make_redis, ca, tls, tmp_path):
    other = tmp_path / "other"
    ca.write(tls / "ca.crt")
    ca.issue().write(other)
    ca.issue().write(tls)
    one = make_redis(other, tls / "ca.crt")
    words = [w for line in one.lines() for w in ("--" + line).split(" ", 1)]
    one.process = Process([one.binary, *[w.strip('"') for w in words]], one.directory / "redis.log")
    one.process.wait_log("Ready to accept connections")
    configure(hotcertd, tls, f"address = unix:{one.unix}", "set_paths = yes", "rewrite = yes").start()
    state, message = failed(hotcertd)
    assert state == "failed" and "is served, but CONFIG REWRITE: ERR The server is running without a config file" in message
    assert one.command("CONFIG", "GET", "tls-cert-file")[1] == str(tls / "redis.crt")


# ---- a passphrase that the server does not know yet -------------------------------------------------------------

def test_the_passphrase_changes_with_the_key(hotcertd, server, ca, tls, tmp_path):
    secret = tmp_path / "pass"
    secret.write_text("first-word\n")
    ca.issue().write(tls, password="first-word")
    one = server("tls-key-file-pass first-word")
    configure(hotcertd, tls, f"address = unix:{one.unix}", f"key_password_file = {secret}")
    hotcertd.conf("zz", f"[watch r]\nkey_password_file = {secret}\n[hotcert]\nlog_level = debug\n")
    hotcertd.start()
    before = sets(one)
    for n, word in enumerate(["first-word", "second-word", "second-word"]):
        secret.write_text(word)
        pair = ca.issue().write(tls, password=word)
        assert hotcertd.sync() == 0, hotcertd.log_text()
        assert one.served() == pair.fingerprint
    # The one that was known was not sent: it would show in the slow log.
    assert sets(one) == before + 4
    # A plain key with a passphrase set is fine.
    pair = renew(ca, tls, hotcertd)
    assert one.served() == pair.fingerprint
    assert not re.search("(first|second)-word", hotcertd.log_text() + check(hotcertd) + hotcertd.ctl("--json", "status")[1])


# ---- the cluster bus -----------------------------------------------------------------------------------------------

def test_the_bus_is_proven_too(hotcertd, server, ca, tls):
    reserved, bus = reserve_port()
    one = server("cluster-enabled yes", "tls-cluster yes", f"cluster-port {bus}")
    configure(hotcertd, tls, f"address = unix:{one.unix}", "bus = yes").start()
    pair = renew(ca, tls, hotcertd)
    assert instance(hotcertd)["state"] == "ok" and one.served() == pair.fingerprint
    assert re.search(rf"bus +port {bus} serves {pair.fingerprint[:8]}", check(hotcertd))
    reserved.close()


def test_a_bus_that_cannot_be_reached(hotcertd, server, ca, tls):
    """Something else has the port: the certificate is served, yet the line says what is not proven."""
    from resp_server import RespServer
    one = server()
    resp = RespServer(one.directory / "resp", tls, mode="cluster")
    resp.config |= {"tls-cluster": "yes", "cluster-port": str(reserve_port()[1])}
    configure(hotcertd, tls, f"address = unix:{resp.unix}", "bus = yes").start()
    ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "retry" and "not proven on the cluster bus, port" in message
    resp.config["cluster-port"] = str(resp.port)
    mended(hotcertd)
    resp.finish()


def test_a_bus_without_tls_is_no_fault(hotcertd, server, ca, tls):
    one = server()
    configure(hotcertd, tls, f"address = unix:{one.unix}", "bus = yes").start()
    pair = renew(ca, tls, hotcertd)
    assert one.served() == pair.fingerprint and "has none that speaks TLS" in check(hotcertd)


# ---- renamed, blocked, impossible ------------------------------------------------------------------------------------

def test_a_renamed_config(hotcertd, server, ca, tls, tmp_path):
    one = server("rename-command CONFIG s3cr3t", "user certreload on >pw -@all +config|get +config|set")
    (tmp_path / "pw").write_text("pw")
    user = "username = certreload", f"password_file = {tmp_path}/pw"
    configure(hotcertd, tls, f"address = unix:{one.unix}", *user).start()
    state, message = failed(hotcertd)
    assert state == "failed" and "config_command" in message and "fallback_command" in message
    configure(hotcertd, tls, f"address = unix:{one.unix}", *user, "config_command = s3cr3t")
    assert hotcertd.reload()[0] == 0
    pair = renew(ca, tls, hotcertd)
    assert instance(hotcertd)["state"] == "ok" and one.served() == pair.fingerprint


class Supervisor(threading.Thread):
    """Starts a server again when it has ended, as systemd does; fallback_command only has to end it."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.first = server.process
        self.over = threading.Event()
        self.start()

    def run(self):
        self.first.wait(600)
        self.server.start()
        self.over.wait()  # what it has started dies with the thread

    def command(self):
        return f"kill -9 {self.first.pid}"

    def restarted(self):
        return self.server.process is not self.first

    def finish(self):
        self.first.kill()
        self.over.set()
        self.join(wait.DEADLINE)


@pytest.fixture
def supervise():
    made = []

    def make(server):
        made.append(Supervisor(server))
        return made[-1]
    yield make
    for one in made:
        one.finish()
        one.server.finish()


def test_a_blocked_config_and_a_restart(hotcertd, server, ca, tls, supervise):
    one = server('rename-command CONFIG ""')
    watcher = supervise(one)
    configure(hotcertd, tls, f"address = localhost:{one.port}", f"fallback_command = {watcher.command()}").start()
    assert hotcertd.sync() == 0 and not watcher.restarted()  # it serves the file already
    assert "already" in check(hotcertd)
    pair = ca.issue().write(tls)
    assert hotcertd.sync() == 0
    assert one.served() == pair.fingerprint and watcher.restarted()
    assert instance(hotcertd)["message"] == f"serves {pair.fingerprint[:8]}… until " + \
        pair.cert.not_valid_after.strftime("%Y-%m-%d %H:%M:%S UTC") + ", after kill"
    # The next restart would have to find the process by another id; none is needed.
    hotcertd.restart()
    assert hotcertd.sync() == 0 and "already" in instance(hotcertd)["message"]


class Sentinel:
    def __init__(self, directory, tls):
        self.directory, self.tls = directory, tls
        self.reserved, self.port = reserve_port()

    def start(self):
        conf = self.directory / "sentinel.conf"
        conf.write_text(f"port 0\ntls-port {self.port}\nbind 127.0.0.1\ndir {self.directory}\ntls-auth-clients no\n"
                        f"tls-cert-file {self.tls}/redis.crt\ntls-key-file {self.tls}/redis.key\n"
                        f"tls-ca-cert-file {self.tls}/ca.crt\n")
        self.process = Process([BINARY, conf, "--sentinel"], self.directory / "sentinel.log")
        self.process.wait_log("Sentinel ID is")
        return self

    def finish(self):
        self.process.kill()
        self.process.wait()
        self.reserved.close()


def test_a_sentinel_with_a_fallback(hotcertd, ca, tls, tmp_path, supervise):
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    sentinel = Sentinel(tmp_path, tls).start()
    watcher = supervise(sentinel)
    configure(hotcertd, tls, f"address = localhost:{sentinel.port}").start()
    state, message = failed(hotcertd)
    assert state == "failed" and "this is a Sentinel" in message and "fallback_command" in message
    assert len(re.findall(r"error redis:r: .*this is a Sentinel", hotcertd.log_text())) == 1  # said once
    configure(hotcertd, tls, f"address = localhost:{sentinel.port}", f"fallback_command = {watcher.command()}")
    assert hotcertd.reload()[0] == 0
    pair = ca.issue().write(tls)
    assert hotcertd.sync() == 0
    message = instance(hotcertd)["message"]
    assert message.startswith(f"serves {pair.fingerprint[:8]}") and message.endswith("after kill")
    assert watcher.restarted()


def test_a_fallback_that_fails(hotcertd, server, ca, tls, tmp_path):
    """It is not run again and again."""
    one = server('rename-command CONFIG ""')
    script = tmp_path / "restart-it"
    script.write_text(f"#!/bin/sh\necho \"$HOTCERT_ADDRESS\" >>{tmp_path}/restarts\necho 'no unit of that name'\nexit 3\n")
    script.chmod(0o755)
    hotcertd.conf("fast", "[hotcert]\nrescan = 100ms\n")
    configure(hotcertd, tls, f"address = localhost:{one.port}", f"fallback_command = {script}").start()
    before = one.served()
    ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "failed" and "exited with 3" in message and "no unit of that name" in hotcertd.log_text()
    rescans = rescans_of(hotcertd)
    wait.until(lambda: rescans_of(hotcertd) > rescans + 3, "rescans go on")
    hotcertd.sync()
    assert one.served() == before
    assert (tmp_path / "restarts").read_text() == f"localhost:{one.port}\n"
    configure(hotcertd, tls, f"address = localhost:{one.port}", "fallback_command = /nowhere/at-all")
    assert hotcertd.reload()[0] == 0
    state, message = failed(hotcertd)
    assert state == "failed" and "cannot run /nowhere/at-all: No such file" in message


# ---- after the swap -----------------------------------------------------------------------------------------------

def test_clients_are_disconnected_after_a_compromise(hotcertd, server, ca, tls, tmp_path):
    one = server("user certreload on >pw -@all +config|get +config|set")
    (tmp_path / "pw").write_text("pw")
    configure(hotcertd, tls, f"address = unix:{one.unix}", "username = certreload", f"password_file = {tmp_path}/pw",
              "kill_clients = yes").start()
    held = [one.connect(), one.connect()]
    held[1].sendall(b"SUBSCRIBE x\r\n")
    assert b"subscribe" in held[1].recv(100)
    pair = ca.issue().write(tls)
    state, message = failed(hotcertd)
    assert state == "failed" and "CLIENT KILL: NOPERM" in message and one.served() == pair.fingerprint
    command = re.search(r"on the server: (ACL SETUSER certreload .*)$", message)[1]
    assert command.endswith("+config|get +config|set +client|kill")
    one.command(*command.split())
    # What is still owed is done, even by the next daemon after a crash.
    hotcertd.kill()
    hotcertd.start()
    message = mended(hotcertd)
    for connection in held:
        assert connection.recv(100) == b""
        connection.close()
    assert re.search(r"; \d clients were disconnected$", message) or "already" in message
    with one.connect() as fresh:
        hotcertd.ctl("retry", "redis:r")
        hotcertd.sync()
        fresh.sendall(b"PING\r\n")
        assert fresh.recv(100) == b"+PONG\r\n"  # without a change nobody is


# ---- drift -------------------------------------------------------------------------------------------------------------

def drift(one, ca, tls):
    """The server is given another certificate by hand, behind the daemon's back."""
    other = ca.issue().write(tls.parent / "hand")
    one.command("CONFIG", "SET", "tls-cert-file", tls.parent / "hand/redis.crt", "tls-key-file", tls.parent / "hand/redis.key")
    return other


def test_what_was_set_by_hand_is_found_at_a_rescan(hotcertd, server, ca, tls):
    one = server()
    hotcertd.conf("fast", "[hotcert]\nrescan = 200ms\n")
    configure(hotcertd, tls, f"address = unix:{one.unix}", "set_paths = yes").start()
    pair = renew(ca, tls, hotcertd)
    drift(one, ca, tls)
    wait.until(lambda: one.command("CONFIG", "GET", "tls-cert-file")[1] == str(tls / "redis.crt"), "the path is back")
    one.wait_served(pair.fingerprint)


def test_no_drift_is_looked_for(hotcertd, server, ca, tls):
    one = server()
    hotcertd.conf("fast", "[hotcert]\nrescan = 100ms\n")
    configure(hotcertd, tls, f"address = unix:{one.unix}", "set_paths = yes", "recheck = 0").start()
    renew(ca, tls, hotcertd)
    other = drift(one, ca, tls)
    rescans = rescans_of(hotcertd)
    wait.until(lambda: rescans_of(hotcertd) > rescans + 3, "rescans go on")
    hotcertd.sync()
    assert one.served() == other.fingerprint
    pair = renew(ca, tls, hotcertd)  # a change is always looked at
    assert one.served() == pair.fingerprint


def test_a_restart_with_an_old_file(hotcertd, server, ca, tls):
    one = server()
    hotcertd.conf("fast", "[hotcert]\nrescan = 200ms\n")
    configure(hotcertd, tls, f"address = unix:{one.unix}").start()
    pair = renew(ca, tls, hotcertd)
    good = {n: (tls / n).read_bytes() for n in ("redis.crt", "redis.key")}
    hotcertd.process.kill(signal.SIGSTOP)
    ca.issue().write(tls)
    one.restart()
    replace(tls / "redis.key", good["redis.key"], 0o600)
    replace(tls / "redis.crt", good["redis.crt"])
    assert one.served() != pair.fingerprint
    hotcertd.process.kill(signal.SIGCONT)
    one.wait_served(pair.fingerprint)


# ---- the end is near -------------------------------------------------------------------------------------------------

def test_a_certificate_that_nobody_renews(hotcertd, server, ca, tls):
    one = server()
    configure(hotcertd, tls, f"address = unix:{one.unix}", "warn_at = 1h").start()
    pair = renew(ca, tls, hotcertd, lifetime=(-100, 8))
    hotcertd.wait_log(rf"warning redis:r: unix:\S+: the served certificate ends in \ds \({pair.fingerprint[:8]}….*\): "
                      "nothing newer lies in the watch")
    hotcertd.wait_log(rf"error redis:r: .*the served certificate has ended \({pair.fingerprint[:8]}")
    mark = hotcertd.log_mark()
    pair = renew(ca, tls, hotcertd)
    assert one.served() == pair.fingerprint and "served certificate" not in hotcertd.log_text()[mark:]


def test_a_newer_certificate_that_cannot_be_loaded(hotcertd, server, ca, tls):
    """The warning says what stands in the way."""
    one = server()
    configure(hotcertd, tls, f"address = unix:{one.unix}", "warn_at = 1h").start()
    renew(ca, tls, hotcertd, lifetime=(-100, 600))
    one.command("ACL", "SETUSER", "default", "-config|set")
    ca.issue().write(tls)
    assert "NOPERM" in failed(hotcertd)[1]
    hotcertd.wait_log(r"warning redis:r: unix:\S+: the served certificate ends in 9m \d+s .*NOPERM")


# ---- the report ----------------------------------------------------------------------------------------------------

def test_check_reports_all_but_the_set(hotcertd, server, ca, tls):
    """Every server is reported, whatever is wrong with the one before."""
    one, other = server(), server()
    configure(hotcertd, tls, f"address = localhost:{one.port}\n    unix:{other.unix}", "server_name = localhost").start()
    hotcertd.sync()
    one.command("ACL", "SETUSER", "default", "-config|set")
    before = sets(other)
    hotcertd.process.kill(signal.SIGSTOP)
    pair = ca.issue().write(tls)
    other.command("CONFIG", "SET", "tls-port", "0")
    hotcertd.process.kill(signal.SIGCONT)
    hotcertd.sync()
    out = check(hotcertd, 1)
    head, first, second = re.split(r"\n\n", out.strip())
    assert head.endswith("looked at 2 servers, changed nothing")
    for line in (rf"^localhost:{one.port}$", r"^connected +TLSv1\.[23], chain and name verified$",
                 rf"^server +{product()} standalone master$", rf"^files +{tls}/redis\.crt, {tls}/redis\.key, the CA file$",
                 r"^serves +[0-9a-f]{8}… until ", r"^preflight +in date", r"^result +would be reloaded by CONFIG SET$"):
        assert re.search(line, first, re.M), (line, first)
    for line in (rf"^unix:{other.unix}$", rf"^connected +(to process {other.process.pid} of user|still)", r"^result +tls-port is 0"):
        assert re.search(line, second, re.M), (line, second)
    assert sets(other) == before + 1 and one.served() != pair.fingerprint
