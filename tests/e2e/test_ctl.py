"""hotcertctl as a person and a script see it."""

import json
import os
import pathlib
import pty
import re
import socket
import subprocess
import threading

import pytest

from lib import wait
from lib.process import Process

CONF = """\
[hotcert]
ready_timeout = 300ms
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
[probe redis]
record = {record}
"""
BAD = "[probe bad]\nwatch = redis\nbehave = failed\n"
RETRY = "[probe again]\nwatch = redis\nbehave = retry\nretry_min = 1h\nretry_max = 1h\n"
WAITING = "[watch empty]\ndirectory = {tmp}/empty\ncert = a.crt\nkey = a.key\nsettle_warn = 100ms\n[probe empty]\n"


@pytest.fixture
def daemon(hotcertd, ca, tls, probe):
    ca.issue().write(tls)
    hotcertd.conf("10-good", CONF.format(tls=tls, record=probe.path))
    return hotcertd.start()


def add(daemon, text):
    daemon.conf("50-more", text)
    code, out = daemon.reload()
    assert code == 0, out
    daemon.sync()


def has_socket(process):
    fds = pathlib.Path(f"/proc/{process.pid}/fd")
    try:
        return any("socket" in os.readlink(f) for f in fds.iterdir())
    except FileNotFoundError:  # closed meanwhile
        return False


def spawn(daemon, *args):
    """hotcertctl in the background, connected to the daemon."""
    process = Process([daemon.build / "hotcertctl", "-s", daemon.socket, *args], daemon.directory / "ctl.log")
    wait.until(lambda: has_socket(process), "connected")
    assert daemon.ctl("version")[0] == 0  # so the other one was accepted before
    return process


def on_terminal(daemon, *args, env=None):
    """What hotcertctl writes to a terminal of 80 columns."""
    master, slave = pty.openpty()
    subprocess.run(["stty", "cols", "80"], stdin=slave, check=True)
    child = subprocess.Popen([daemon.build / "hotcertctl", "-s", daemon.socket, *args], stdin=slave, stdout=slave,
                             stderr=slave, env={**os.environ, "TERM": "xterm", **(env or {})})
    os.close(slave)
    out = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not data:
            break
        out += data
    os.close(master)
    return child.wait(), out.decode().replace("\r\n", "\n")


# ---- status ----

def test_status_is_one_line_for_each_that_is_well(daemon, tls):
    code, out = daemon.ctl("status")
    assert code == 0
    lines = out.splitlines()
    assert re.fullmatch(r"hotcertd \S+, up .*: 1 watch, 1 instance, all well", lines[0]), lines[0]
    assert re.fullmatch(rf"redis +whole +redis\.internal +in \d+ h.* +(now|\d+ .+ ago) +{tls}", lines[3]), lines[3]
    assert re.fullmatch(r"probe:redis +ok +redis +(now|\d+ .+ ago) +done", lines[6]), lines[6]
    assert len(lines) == 7


def test_status_says_what_is_wrong_and_what_happens_next(daemon, tmp_path):
    add(daemon, BAD + RETRY + WAITING.format(tmp=tmp_path))
    code, out = daemon.ctl("status")
    assert code == 0
    assert "1 watch" not in out and "2 watches, 4 instances, 4 not well" in out
    for regex in (r"^probe:bad +failed .*\n    this will never work\n    Waits for .* hotcertctl retry probe:bad$",
                  r"^probe:again +retry .*\n    again please\n    Tried 1 time; the next try comes in .* hotcertctl "
                  r"retry probe:again$",
                  r"^empty +missing .*\n    .*No such file or directory",
                  r"^probe:empty +waiting .*\n    Waits for watch empty to be whole\.$"):
        assert re.search(regex, out, re.M), (regex, out)


def test_status_of_a_failed_reload(daemon):
    daemon.conf("50-more", "[probe other]\n")
    assert daemon.reload()[0] == 1
    code, out = daemon.ctl("status")
    assert code == 0 and "The last reload failed" in out and "50-more.conf:1" in out, out
    (daemon.conf_dir / "50-more.conf").unlink()
    assert daemon.reload()[0] == 0
    assert "reload failed" not in daemon.ctl("status")[1]


def test_status_of_one(daemon, ca, tls):
    pair = ca.issue().write(tls)
    daemon.sync()
    code, out = daemon.ctl("status", "probe:redis")
    assert code == 0
    for regex in (r"^watch redis$", rf"^  serial +{pair.serial}$", rf"^  SHA-256 +{pair.fingerprint}$",
                  r"^  valid until +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \(in .*\)$",
                  r"^  names +dns:redis.internal, dns:localhost, ip:127.0.0.1$",
                  r"^instance probe:redis$", r"^  jobs +2 ok, 0 to be retried, 0 failed$", r"^  applied +2$"):
        assert re.search(regex, out, re.M), (regex, out)


def test_status_of_a_name_is_about_that_alone(daemon, tmp_path):
    add(daemon, WAITING.format(tmp=tmp_path))
    code, out = daemon.ctl("--json", "status", "redis")
    status = json.loads(out)
    assert code == 0
    assert [w["name"] for w in status["watches"]] == ["redis"]
    assert [i["name"] for i in status["instances"]] == ["probe:redis"]
    code, out = daemon.ctl("status", "rediss")
    assert code == 1 and 'did you mean "redis"' in out, out


def test_colour_on_a_terminal_only(daemon):
    code, out = on_terminal(daemon, "status")
    assert code == 0 and "\x1b[32mok\x1b[0m" in out, out
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in out.splitlines()) <= 80
    assert "\x1b" not in on_terminal(daemon, "status", env={"NO_COLOR": "1"})[1]
    assert "\x1b" not in on_terminal(daemon, "status", env={"TERM": "dumb"})[1]
    assert "\x1b" not in daemon.ctl("status")[1]


def test_texts_of_others_cannot_steer_the_terminal(daemon, ca, tls):
    ca.issue(cn="evil\x1b]0;title\x07\u202e", sans=["redis.internal"]).write(tls)
    assert daemon.sync() == 0
    for args in ["status"], ["status", "redis"]:
        code, out = on_terminal(daemon, *args, env={"NO_COLOR": "1"})
        assert code == 0 and "\x1b" not in out and "\x07" not in out and "\u202e" not in out, repr(out)


STATUS_SCHEMA = {
    "daemon": {"version": str, "pid": int, "now": int, "started_at": int, "uptime_ms": int, "ready": bool,
               "loaded_at": int, "reload_error": (str, None), "files": list, "watches": int, "instances": int,
               "refused": int, "running": int, "reloads_ok": int, "reloads_failed": int, "snapshots": int,
               "rescans": int, "inotify": dict},
    "watches": {"name": str, "directory": str, "state": str, "error": (str, None), "generation": int, "files": int,
                "subject": (str, None), "sans": list, "issuer": (str, None), "serial": (str, None),
                "not_before": (int, None), "not_after": (int, None), "fingerprint": (str, None),
                "polled": (str, None), "changed_at": (int, None)},
    "instances": {"name": str, "plugin": str, "plugin_version": (str, None), "plugin_stale": bool, "watch": str,
                  "state": str, "message": (str, None), "attempts": int, "retry_at": (int, None),
                  "ok_at": (int, None), "ended_at": (int, None), "took_us": int, "generation": int, "totals": dict,
                  "details": dict},
}


def check_members(found, schema):
    assert list(found) == list(schema)
    for key, types in schema.items():
        types = types if isinstance(types, tuple) else (types,)
        value = found[key]
        assert type(value) in types or (value is None and None in types), (key, value)


def test_json_has_the_same_members_in_the_same_order_always(daemon, tmp_path):
    add(daemon, BAD + RETRY + WAITING.format(tmp=tmp_path))
    code, out = daemon.ctl("status", "--json")
    status = json.loads(out)
    assert code == 0 and list(status) == ["ok", "daemon", "watches", "instances"] and status["ok"] is True
    check_members(status["daemon"], STATUS_SCHEMA["daemon"])
    for kind, n in ("watches", 2), ("instances", 4):
        assert len(status[kind]) == n
        for one in status[kind]:
            check_members(one, STATUS_SCHEMA[kind])
    states = {i["name"]: i["state"] for i in status["instances"]}
    assert states == {"probe:redis": "ok", "probe:bad": "failed", "probe:again": "retry", "probe:empty": "waiting"}


# ---- commands ----

def test_reload_lists_every_error(daemon):
    daemon.conf("50-more", "[probe redis]\nfoo = 1\nnumber = many\n[nobody x]\n")
    code, out = daemon.reload()
    assert code == 1
    for regex in r"50-more\.conf:2: .*foo", r"50-more\.conf:3: .*number", r"50-more\.conf:4: .*":
        assert re.search(regex, out), (regex, out)
    code, out = daemon.ctl("--json", "reload")
    answer = json.loads(out)
    assert code == 1 and answer["ok"] is False and len(answer["errors"]) >= 3, out
    assert daemon.instance("probe:redis")["state"] == "ok"


def test_who_asked_is_logged(daemon):
    daemon.reload()
    daemon.wait_log(rf"reload: asked for by user {os.getuid()}, process \d+")
    daemon.ctl("do", "probe:redis", "note", "private words")
    daemon.wait_log(r"do probe:redis: asked for")
    assert "private" not in daemon.log_text()


def test_do(daemon):
    assert daemon.ctl("do", "probe:redis", "note", "a", "-b", "--json") == (0, "3 words: --json\n")
    code, out = daemon.ctl("--json", "do", "redis", "note", "a")
    assert code == 0
    assert json.loads(out) == {"ok": True, "results": [
        {"instance": "probe:redis", "action": "note", "status": "ok", "text": "1 words: a"}]}


def test_do_what_cannot_be_done(daemon):
    code, out = daemon.ctl("do", "probe:redis", "refuse")
    assert code == 1 and "Operation not permitted" in out, out
    for args in ["dance"], []:
        code, out = daemon.ctl("do", "probe:redis", *args)
        assert code == 1 and re.search(r"^  note \[WORD\.\.\.\] +Says the words again$", out, re.M), out
    code, out = daemon.ctl("do", "probe:reddis", "note")
    assert code == 1 and 'did you mean "probe:redis"' in out, out


def test_do_waits_for_its_end_and_no_longer_than_asked(daemon):
    code, out = daemon.ctl("do", "--timeout", "100ms", "probe:redis", "hang")
    assert code == 1 and "not within 100 ms" in out and "hang" in out, out


def test_an_ambiguous_name(daemon):
    add(daemon, "[exec redis]\ncommand = true\n")
    code, out = daemon.ctl("do", "redis", "note")
    assert code == 1 and "probe:redis" in out and "exec:redis" in out, out


def test_retry(daemon, probe):
    assert daemon.ctl("retry")[0] == 0
    add(daemon, BAD)
    before = daemon.instance("probe:bad")["totals"]["failed"]
    code, out = daemon.ctl("retry")
    assert code == 0 and "probe:bad" in out and "probe:redis" not in out, out
    assert daemon.sync() == 1
    assert daemon.instance("probe:bad")["totals"]["failed"] == before + 1
    assert len(probe.calls()) == 1


def test_a_refused_instance(daemon):
    """It does not keep the rest from starting, and every command says why it is not there."""
    daemon.stop()
    daemon.conf("50-more", "[probe odd]\nwatch = redis\ncreate = fail\n")
    daemon.start()
    daemon.wait_log(r"50-more\.conf:1: \[probe odd\]: ")
    code, out = daemon.ctl("status")
    assert code == 0 and re.search(r"^probe:odd +refused .*\n    .*50-more\.conf:1: .*\n    Mend that, then: hotcertctl "
                                   r"reload$", out, re.M), out
    assert daemon.instance("probe:redis")["state"] == "ok"
    for args in ["do", "probe:odd", "note"], ["renew", "odd"], ["retry", "odd"]:
        code, out = daemon.ctl(*args)
        assert code == 1 and "refused" in out, (args, out)
    code, out = daemon.ctl("sync")
    assert code == 1 and "probe:odd" in out, out


def test_retry_of_what_waits(daemon, tmp_path):
    add(daemon, WAITING.format(tmp=tmp_path))
    code, out = daemon.ctl("retry", "empty")
    assert code == 1 and "probe:empty is waiting" in out, out


def test_renew_says_who_can(daemon):
    code, out = daemon.ctl("renew", "redis")
    assert code == 1 and "probe:redis cannot renew" in out and "none" in out, out


def test_wait_expiry(daemon, ca, tls):
    code, out = daemon.ctl("wait-expiry", "--within", "2d")
    assert code == 0 and re.match(r"redis: redis\.internal expires in .* \(20", out), out
    code, out = daemon.ctl("wait-expiry", "--timeout", "100ms")
    assert code == 1 and "no certificate is that close" in out, out
    assert daemon.ctl("wait-expiry", "nobody")[0] == 1
    ca.issue(lifetime=(-3600, 3)).write(tls)
    daemon.sync()
    code, out = daemon.ctl("wait-expiry", "redis")
    assert code == 0 and "has expired" in out, out


def test_wait_expiry_heeds_a_certificate_that_comes_later(daemon, ca, tls):
    waiter = spawn(daemon, "--json", "wait-expiry", "--within", "1h")
    pair = ca.issue(lifetime=(-3600, 1800)).write(tls)
    assert waiter.wait() == 0
    assert json.loads(waiter.log.read())["serial"] == pair.serial


def test_wait_expiry_of_a_watch_that_goes(daemon, tmp_path):
    add(daemon, WAITING.format(tmp=tmp_path))
    waiter = spawn(daemon, "wait-expiry", "empty")
    (daemon.conf_dir / "50-more.conf").unlink()
    assert daemon.reload()[0] == 0
    assert waiter.wait() == 1
    assert "empty" in waiter.log.read() or "no longer" in waiter.log.read()


def test_who_waits_is_told_that_the_daemon_stops(daemon):
    waiter = spawn(daemon, "wait-expiry")
    daemon.stop()
    assert waiter.wait() in (1, 3)
    assert "stopping" in waiter.log.read()


# ---- exit codes ----

@pytest.mark.parametrize("args", [
    ["sync", "--timeout", "soon"], ["sync", "--timeout", "-5s"], ["sync", "--timeout", "0"], ["sync", "--within", "1s"],
    ["status", "--timeout", "1s"], ["reload", "now"], ["wait-expiry", "a", "b"], ["stauts"], ["status", "--what"],
    ["-s"], ["status", b"\xff"]], ids=repr)
def test_usage(daemon, args):
    done = subprocess.run([daemon.build / "hotcertctl", "-s", daemon.socket, *args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2 and not done.stdout and b"hotcertctl" in done.stderr, done


def test_help_needs_no_daemon(daemon):
    daemon.stop()
    for args in ["-h"], ["--help"], ["status", "--help"]:
        code, out = daemon.ctl(*args)
        assert code == 0 and out.startswith("usage: hotcertctl"), out
    code, out = daemon.ctl("-V")
    assert code == 0 and re.fullmatch(r"hotcertctl \d+\.\d+\.\d+\n", out), out


def test_unreachable_says_why_and_what_to_do(daemon, tmp_path):
    for path, words in ((tmp_path / "none", "not running"), (tmp_path / ("long" * 30), "too long")):
        code, out = daemon.ctl("-s", path, "status")
        assert code == 3 and str(path) in out and words in out, out
    daemon.kill()
    code, out = daemon.ctl("status")
    assert code == 3 and "nobody listens" in out, out


def test_the_socket_from_the_environment(daemon):
    done = subprocess.run([daemon.build / "hotcertctl", "version"], stdout=subprocess.PIPE, check=False,
                          env={**os.environ, "HOTCERT_SOCKET": str(daemon.socket)})
    assert done.returncode == 0


@pytest.mark.parametrize("reply", [b"", b"hello\n", b'{"ok"', b'{"fine":true}\n', b"[]\n"], ids=repr)
def test_a_server_that_is_no_hotcertd(daemon, tmp_path, reply):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s"))
    server.listen()

    def serve():
        client, _ = server.accept()
        client.recv(4096)
        client.sendall(reply)
        client.close()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    code, out = daemon.ctl("-s", tmp_path / "s", "status")
    thread.join()
    server.close()
    assert code == 3 and out.startswith("hotcertctl: "), out


def test_an_answer_that_cannot_be_written(daemon):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([daemon.build / "hotcertctl", "-s", daemon.socket, "status"], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr
