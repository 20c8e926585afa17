"""The control socket's bounds: who is slow, idle or one too many hurts nobody."""

import json
import os
import random
import socket
import struct

import pytest

from lib import wait
from lib.process import Process

WATCHES = 1000


@pytest.fixture
def daemon(hotcertd, ca, tls):
    ca.issue().write(tls)
    hotcertd.conf("10-good", f"""\
        [hotcert]
        ready_timeout = 300ms
        [watch redis]
        directory = {tls}
        cert = redis.crt
        key = redis.key
        [probe redis]
        """)
    return hotcertd.start()


def many_watches(daemon, tls):
    """So that an answer is larger than any socket's buffer."""
    daemon.conf("50-many", "".join(f"[watch w{i}]\ndirectory = {tls}\ncert = redis.crt\nkey = redis.key\n"
                                   for i in range(WATCHES)))
    assert daemon.reload()[0] == 0
    assert daemon.sync() == 0


def connect(daemon):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(wait.DEADLINE)
    s.connect(str(daemon.socket))
    return s


def answer(s):
    """The whole of it, to its end."""
    data = b""
    while True:
        part = s.recv(65536)
        if not part:
            return data
        data += part


def ask(daemon, **request):
    with connect(daemon) as s:
        s.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(answer(s))


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_a_request_byte_by_byte(daemon):
    with connect(daemon) as s:
        for byte in b'{"cmd":"version"}\n':
            s.sendall(bytes([byte]))
        assert json.loads(answer(s))["ok"] is True


def test_what_follows_the_request_is_ignored(daemon):
    with connect(daemon) as s:
        s.sendall(b'{"cmd":"version"}\n{"cmd":"reload"}\ngarbage')
        assert answer(s).count(b"\n") == 1
    assert "reload" not in daemon.log_text()


@pytest.mark.parametrize("size, ok", [(65535, True), (65536, False), (1 << 20, False)])
def test_the_longest_request(daemon, size, ok):
    line = json.dumps({"cmd": "version", "x": ""}).encode()
    line = line.replace(b'""', b'"' + b"x" * (size - len(line)) + b'"')
    with connect(daemon) as s:
        try:
            s.sendall(line + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not take all of it
        reply = json.loads(s.recv(65536))
    assert reply["ok"] is ok, reply
    assert ok or "65536 bytes" in reply["error"]


@pytest.mark.parametrize("cmd, args", [("status", ["a", "b"]), ("reload", ["x"]), ("renew", []), ("do", []),
                                       ("nonsense", []), ("", [])])
def test_wrong_requests_are_answered(daemon, cmd, args):
    reply = ask(daemon, cmd=cmd, args=args)
    assert reply["ok"] is False and reply["error"], reply


def test_random_requests(daemon):
    """Mutations of right requests: each is answered, or hung up on, and nothing else happens."""
    chance = random.Random(7)
    seeds = [b'{"cmd":"status","args":["redis"]}', b'{"cmd":"do","args":["probe:redis","note","a"]}',
             b'{"cmd":"wait-expiry","within_ms":99999999999,"timeout_ms":1}', b'{"cmd":"sync","timeout_ms":1000}']
    for _ in range(400):
        line = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(line))
            line[at:at + chance.randrange(3)] = bytes(chance.randrange(256) for _ in range(chance.randrange(3)))
        with connect(daemon) as s:
            s.sendall(bytes(line).replace(b"\n", b" ") + b"\n")
            reply = answer(s)
        assert not reply or isinstance(json.loads(reply)["ok"], bool), line
    assert daemon.ctl("version")[0] == 0


def test_idle_and_slow_clients_are_dropped(daemon, tls):
    """Ten seconds each, at the same time."""
    many_watches(daemon, tls)
    before = descriptors(daemon)
    idle = connect(daemon)
    half = connect(daemon)
    half.sendall(b'{"cmd":')
    slow = [connect(daemon) for _ in range(10)]
    for s in slow:
        s.sendall(b'{"cmd":"status"}\n')
    assert len(ask(daemon, cmd="status")["watches"]) == WATCHES + 1
    for s in idle, half:
        reply = json.loads(answer(s))
        assert reply == {"ok": False, "error": "no request within 10 s"}
    wait.until(lambda: descriptors(daemon) <= before, lambda: f"{descriptors(daemon)}, were {before}")
    for s in slow:
        assert not answer(s).endswith(b"}\n")  # cut: it was dropped
        s.close()


def test_a_reader_that_takes_its_time_gets_all(daemon, tls):
    many_watches(daemon, tls)
    with connect(daemon) as s:
        s.sendall(b'{"cmd":"status"}\n')
        assert daemon.ctl("version")[0] == 0
        data = b""
        while True:
            part = s.recv(1000)
            if not part:
                break
            data += part
    assert len(json.loads(data)["watches"]) == WATCHES + 1


def test_a_client_that_resets(daemon, tls):
    many_watches(daemon, tls)
    before = descriptors(daemon)
    for _ in range(50):
        s = connect(daemon)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.sendall(b'{"cmd":"status"}\n')
        s.close()
    wait.until(lambda: descriptors(daemon) <= before, lambda: f"{descriptors(daemon)}, were {before}")
    assert daemon.ctl("version")[0] == 0


def test_who_waits_leaves_room_for_others(daemon):
    waiting = []
    for _ in range(48):
        waiting.append(connect(daemon))
        waiting[-1].sendall(b'{"cmd":"wait-expiry"}\n')
        assert ask(daemon, cmd="version")["ok"]  # its turn comes no sooner
    reply = ask(daemon, cmd="wait-expiry", timeout_ms=1)
    assert "busy: 48 clients" in reply["error"], reply
    code, out = daemon.ctl("sync")
    assert code == 1 and "busy" in out, out
    assert daemon.ctl("status")[0] == 0
    waiting.pop().close()
    wait.until(lambda: daemon.ctl("sync")[0] == 0, "a place")
    for s in waiting:
        s.close()


def test_two_hundred_at_once_are_all_served(daemon):
    clients = [connect(daemon) for _ in range(200)]
    assert descriptors(daemon) < 120
    for s in clients:
        s.sendall(b'{"cmd":"version"}\n')
    for s in clients:
        assert json.loads(answer(s))["ok"] is True
        s.close()


def test_out_of_descriptors(daemon):
    """accept(2) fails: the daemon goes on, does not spin, and serves again when it can."""
    used = descriptors(daemon)
    daemon.stop()
    daemon.wrapper = ["prlimit", f"--nofile={used + 4}"]
    daemon.start()
    clients = [connect(daemon) for _ in range(8)]
    daemon.wait_log("cannot accept a client: Too many open files")
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as f:
        ticks = sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:13])
    for s in clients:
        s.close()
    assert daemon.ctl("version")[0] == 0
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as f:
        assert sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:13]) - ticks < 20  # 0.2 s of CPU
    assert len(daemon.log_text().split("cannot accept a client")) < 8


def test_a_hundred_hotcertctl(daemon):
    """Real ones, twenty at a time."""
    for _ in range(5):
        running = [Process([daemon.build / "hotcertctl", "-s", daemon.socket, "sync"], daemon.directory / "ctl.log")
                   for _ in range(20)]
        assert [p.wait() for p in running] == [0] * 20
