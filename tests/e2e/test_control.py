"""hotcertctl and the control socket, used and abused."""

import json
import os
import random
import resource
import socket
import stat

import pytest

from lib import wait

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


@pytest.fixture
def daemon(hotcertd, ca, tls, probe):
    ca.issue().write(tls)
    hotcertd.conf("10-good", CONF.format(tls=tls, record=probe.path))
    return hotcertd.start()


def test_status_as_json(daemon, tls):
    status = daemon.status()
    watch, instance = status["watches"][0], status["instances"][0]
    assert (watch["name"], watch["directory"], watch["state"]) == ("redis", str(tls), "whole")
    assert watch["generation"] >= 1 and watch["not_after"]
    assert (instance["name"], instance["watch"], instance["state"]) == ("probe:redis", "redis", "ok")
    assert instance["message"] == "done" and instance["details"]["applied"] == "1"


def test_status_for_people(daemon):
    code, out = daemon.ctl("status")
    assert code == 0 and "probe:redis" in out and "\x1b" not in out, out
    code, out = daemon.ctl("status", "probe:redis")
    assert code == 0 and "probe:redis" in out, out
    code, out = daemon.ctl("status", "nobody")
    assert code == 1 and "nobody" in out, out


def test_sync_is_through_with_every_change_before_it(daemon, probe, ca, tls):
    for _ in range(20):
        pair = ca.issue().write(tls)
        assert daemon.sync() == 0
        assert probe.last()["files"][0]["sha256"] == pair.cert_digest


def test_sync_waits_and_gives_up(daemon):
    daemon.conf("50-never", "[probe never]\nwatch = redis\nbehave = never\ntimeout = 1h\n")
    assert daemon.reload()[0] == 0
    code, out = daemon.ctl("sync", "--timeout", "100ms")
    assert code == 1 and "probe:never" in out, out


def test_sync_says_what_failed(daemon):
    daemon.conf("50-failed", "[probe bad]\nwatch = redis\nbehave = failed\n")
    assert daemon.reload()[0] == 0
    code, out = daemon.ctl("sync")
    assert code == 1 and "probe:bad" in out and "never work" in out, out


def test_retry(daemon, probe):
    assert daemon.ctl("retry", "probe:redis")[0] == 0
    probe.wait_calls(2)
    assert daemon.ctl("retry", "redis")[0] == 0
    probe.wait_calls(3)
    code, out = daemon.ctl("retry", "nobody")
    assert code == 1 and "nobody" in out, out


def test_renew_needs_a_plugin_that_renews(daemon):
    code, out = daemon.ctl("renew", "redis")
    assert code == 1 and "redis" in out, out


def test_metrics(daemon, tmp_path):
    code, out = daemon.ctl("metrics")
    assert code == 0, out
    for line in out.splitlines():
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) is not None
    assert 'hotcert' in out and 'redis' in out
    daemon.conf("50-metrics", f"[hotcert]\nmetrics_file = {tmp_path}/hotcert.prom\n")
    assert daemon.reload()[0] == 0
    wait.until((tmp_path / "hotcert.prom").exists, "metrics_file")


def test_version(daemon):
    code, out = daemon.ctl("version")
    assert code == 0 and "hotcert" in out, out


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["status", "a", "b", "c"], ["renew"], ["do"], ["--nonsense"]])
def test_usage(daemon, argv):
    assert daemon.ctl(*argv)[0] == 2


def test_without_a_daemon(daemon):
    daemon.stop()
    code, out = daemon.ctl("status")
    assert code == 3 and str(daemon.socket) in out, out


def test_json_errors_are_json_too(daemon):
    code, out = daemon.ctl("--json", "status", "nobody")
    assert code == 1 and json.loads(out), out


def test_the_socket_is_for_root_alone(daemon):
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o600


def test_a_stale_socket_is_no_obstacle(daemon):
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.ctl("version")[0] == 0
    daemon.stop()
    assert not daemon.socket.exists()


# ---- abuse ----

def connect(daemon):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(wait.DEADLINE)
    s.connect(str(daemon.socket))
    return s


def send(s, data):
    """As much as the daemon takes before it hangs up."""
    try:
        s.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def rss(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))


def sanitized(daemon):
    """Its quarantine keeps what was freed."""
    return "asan" in daemon.build.name


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


@pytest.mark.parametrize("data", [
    b"\n", b"garbage\n", b"{\n", b"[]\n", b"null\n", b"{}\n", b'{"command": 7}\n', b"\0\0\0\n", b"\xff\xfe\n",
    b"[" * 5000 + b"\n", b'{"command": "' + b"x" * 5000 + b'"}\n', random.Random(7).randbytes(3000) + b"\n"],
    ids=lambda d: repr(d[:12]))
def test_garbage_is_answered_or_hung_up_on(daemon, data):
    with connect(daemon) as s:
        send(s, data)
        s.shutdown(socket.SHUT_WR)
        try:
            while s.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert daemon.ctl("version")[0] == 0


def test_a_megabyte_without_a_newline(daemon):
    before = rss(daemon)
    clients = [connect(daemon) for _ in range(20)]
    for s in clients:
        send(s, b"x" * (1 << 20))
    assert daemon.ctl("version")[0] == 0
    assert sanitized(daemon) or rss(daemon) - before < 4096
    for s in clients:
        s.close()


def test_five_hundred_clients(daemon):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2048)), hard))
    fds, before = descriptors(daemon), rss(daemon)
    clients = []
    for i in range(500):
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        try:
            s.connect(str(daemon.socket))
        except BlockingIOError:  # the backlog is full: the daemon does not take more
            s.close()
            continue
        clients.append(s)
        if i % 2:
            send(s, b'{"comm')
    assert sanitized(daemon) or rss(daemon) - before < 16384
    for s in clients:
        s.close()
    wait.until(lambda: descriptors(daemon) <= fds, lambda: f"{descriptors(daemon)} descriptors, were {fds}")
    assert daemon.ctl("version")[0] == 0


def test_a_client_that_vanishes_while_it_waits(daemon):
    daemon.conf("50-never", "[probe never]\nwatch = redis\nbehave = never\ntimeout = 1h\n")
    assert daemon.reload()[0] == 0
    fds = descriptors(daemon)
    from lib.process import Process
    for command in ["sync"], ["do", "probe:redis", "hang"], ["sync"]:
        client = Process([daemon.build / "hotcertctl", "-s", daemon.socket, *command], daemon.directory / "ctl.log")
        wait.until(lambda: descriptors(daemon) > fds, "connected")
        client.kill()
        client.wait()
        wait.until(lambda: descriptors(daemon) == fds, "descriptor closed")
    assert daemon.ctl("version")[0] == 0


def test_a_client_that_never_reads(daemon):
    with connect(daemon) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        send(s, b'{"command": "status"}\n')
        assert daemon.ctl("version")[0] == 0
    assert daemon.sync() == 0
