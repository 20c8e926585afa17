"""make demo: hotcert's main job on a real step-ca and a real Redis, as a timeline.

A step-ca whose certificates live for 60 seconds, a Redis that speaks TLS only, a hotcertd with the
drop-ins of demo/conf.d, and clients that never stop: one connection is held the whole time, new ones are
opened all the time. Ends after three renewals; exit 0 only if all of it was seen to happen.
"""

import hashlib
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import step_ca  # noqa: E402
from lib.redis_server import RedisServer, call  # noqa: E402

RENEWALS = 3
PATIENCE_S = 240
NAME = "redis.internal"
BUILD = ROOT / os.environ.get("HOTCERT_BUILD", "build/gcc")

LOG_LINE = re.compile(r"^\S+ (?P<time>\S+) (?P<level>\w+) (?:(?P<who>\w+):(?P<name>\w+): )?"
                      r"(?P<text>.*?)(?: \[(?P<ms>[\d.]+) ms\])?$")


class Timeline:
    """One line an event: when, who, what, how long."""

    COLOURS = {"step-ca": 35, "stepca": 36, "trust": 34, "redis": 31, "client": 33, "hotcertd": 32}

    def __init__(self):
        self.start = time.monotonic()
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.lock = threading.Lock()

    def paint(self, text, code):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def add(self, who, text, ms=None):
        took = f"{ms:9.1f} ms" if ms is not None else " " * 12
        when = f"{time.monotonic() - self.start:8.3f} s"
        with self.lock:
            self.wipe()
            print(f"{self.paint(when, 2)}  {self.paint(f'{who:10}', self.COLOURS.get(who, 0))}"
                  f"{self.paint(took, 1)}  {text}", flush=True)


    def tick(self, text):
        """A line at the bottom that the next one replaces; on a terminal only."""
        if self.colour:
            with self.lock:
                self.wipe()
                print(self.paint(text, 2), end="", flush=True)

    def wipe(self):
        if self.colour:
            print("\r\033[K", end="")


class Client(threading.Thread):
    """Talks to Redis over TLS, chain and name verified, until it is told to end."""

    def __init__(self, redis, bundle, timeline):
        super().__init__(daemon=True)
        self.redis, self.timeline = redis, timeline
        self.context = ssl.create_default_context(cafile=bundle)
        self.ending = threading.Event()
        self.commands = self.connections = self.failed = 0
        self.served = []  # fingerprints of leaves, in the order in which they were first seen
        self.slowest = 0.0

    def open(self):
        raw = socket_to(self.redis.port)
        try:
            return self.context.wrap_socket(raw, server_hostname=NAME)
        except BaseException:
            raw.close()
            raise

    def use(self, connection, times):
        with connection, connection.makefile("rwb") as stream:
            call(stream, "AUTH", self.redis.password)
            for _ in times:
                assert call(stream, "INCR", "demo") > 0
                self.commands += 1

    def fail(self, error):
        self.failed += 1
        self.timeline.add("client", f"FAILED: {error}")

    def end(self):
        self.ending.set()
        self.join(10)


class Opener(Client):
    """A new connection, a full handshake and one command, over and over."""

    def run(self):
        while not self.ending.wait(0.01):
            begin = time.monotonic()
            try:
                connection = self.open()
                self.see(connection)
                self.use(connection, range(1))
            except Exception as e:  # whatever it is, a client has failed
                self.fail(e)
            self.connections += 1
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def see(self, connection):
        leaf = hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest()
        if leaf in self.served:
            return
        self.served.append(leaf)
        self.timeline.add("client", f"a new connection gets certificate {leaf[:8]}…")


class Holder(Client):
    """One connection, held over all renewals, a command every few milliseconds."""

    def run(self):
        try:
            self.use(self.open(), iter(lambda: self.ending.wait(0.005), True))
        except Exception as e:
            self.fail(e)
        self.connections = 1


def socket_to(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


class Log(threading.Thread):
    """Follows hotcertd's log, shows what a person wants to see of it, counts what must happen."""

    SHOWN = {"notice", "warning", "error"}

    def __init__(self, pipe, timeline):
        super().__init__(daemon=True)
        self.pipe, self.timeline = pipe, timeline
        self.lines = []
        self.changed = threading.Condition()

    def run(self):
        for raw in self.pipe:
            found = LOG_LINE.match(raw.rstrip("\n"))
            if not found:
                continue
            if found["level"] in self.SHOWN:
                self.timeline.add(found["who"] or "hotcertd", found["text"],
                                  float(found["ms"]) if found["ms"] else None)
            with self.changed:
                self.lines.append(found)
                self.changed.notify_all()

    def matching(self, who, regex):
        return [line for line in self.lines if line["who"] == who and re.search(regex, line["text"])]

    def wait(self, who, regex, count, seconds):
        with self.changed:
            return self.changed.wait_for(lambda: len(self.matching(who, regex)) >= count, seconds)


class Demo:
    def __init__(self, directory):
        self.directory = directory
        self.timeline = Timeline()
        self.ending = []  # what to end, newest first

    def secret(self, name, value):
        folder = self.directory / "credentials"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / name).write_text(value + "\n")
        (folder / name).chmod(0o600)

    def start_ca(self):
        step_ca.build()
        ca = step_ca.StepCA(self.directory / "ca", name="Demo CA", lifetime="60s")
        self.ending.insert(0, ca.close)
        ca.start()
        self.secret("provisioner-password", ca.PASSWORD)
        self.timeline.add("step-ca", f"answers at {ca.url}, its certificates live for 60 s")
        return ca

    def prepare_redis(self):
        tls = self.directory / "tls"
        tls.mkdir(mode=0o755)
        redis = RedisServer(self.directory / "redis", tls, tls / "ca.crt", password=secrets.token_hex(16))
        self.ending.insert(0, redis.finish)
        self.secret("redis-password", redis.password)
        return redis

    def configure(self, ca, redis):
        conf = self.directory / "conf.d"
        conf.mkdir()
        (self.directory / "clients").mkdir()
        values = {"DIR": self.directory, "CA_URL": ca.url, "CA_FINGERPRINT": ca.fingerprint,
                  "REDIS_PORT": redis.port}
        for template in sorted((ROOT / "demo" / "conf.d").glob("*.conf")):
            text = re.sub(r"@(\w+)@", lambda m: str(values[m[1]]), template.read_text())
            (conf / template.name).write_text(text)
        return conf

    def start_hotcertd(self, conf):
        plugins = self.directory / "plugins"
        plugins.mkdir(mode=0o755)
        for built in (BUILD / "plugins").glob("*.so"):
            shutil.copyfile(built, plugins / built.name)
        daemon = subprocess.Popen(
            [BUILD / "hotcertd", "-C", conf, "-P", plugins, "-S", self.directory / "state",
             "-R", self.directory / "run"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "CREDENTIALS_DIRECTORY": str(self.directory / "credentials")})
        self.ending.insert(0, lambda: daemon.poll() is None and (daemon.kill(), daemon.wait()))
        log = Log(daemon.stderr, self.timeline)
        log.start()
        self.timeline.add("hotcertd", f"started with {', '.join(f.name for f in sorted(conf.iterdir()))}")
        return daemon, log

    def start_clients(self, redis):
        bundle = self.directory / "clients" / "ca-bundle.pem"
        clients = [Holder(redis, bundle, self.timeline), Opener(redis, bundle, self.timeline)]
        for client in clients:
            client.start()
            self.ending.insert(0, client.end)
        self.timeline.add("client", "one connection is held, new ones are opened all the time")
        return clients

    def ctl(self, *args):
        return subprocess.run([BUILD / "hotcertctl", "-s", self.directory / "run" / "control.sock", *args],
                              stdin=subprocess.DEVNULL, check=False, text=True, capture_output=True)

    def run(self):
        ca = self.start_ca()
        redis = self.prepare_redis()
        daemon, log = self.start_hotcertd(self.configure(ca, redis))
        require(log.wait("stepca", "^issued", 1, 60), "no certificate was issued")
        require(log.wait("trust", "", 1, 30), "the CA was not installed into the clients' bundle")
        redis.start()
        self.timeline.add("redis", f"redis-server started on TLS port {redis.port}, with the new certificate")
        require(log.wait("redis", "serves", 1, 60), "Redis was not seen to serve the certificate")
        clients = self.start_clients(redis)
        end = time.monotonic() + PATIENCE_S
        for n in range(1, RENEWALS + 1):
            while not log.wait("stepca", "^renewed", n, 0.2):
                require(time.monotonic() < end, f"renewal {n} did not come")
                self.timeline.tick(self.so_far(clients, n))
            require(log.wait("redis", "^serves", n + 1, 30), f"Redis does not serve renewal {n}")
        require(self.ctl("sync", "--timeout", "30s").returncode == 0, "hotcertctl sync found trouble")
        self.seen(clients[1], RENEWALS + 1)
        print(f"\n$ hotcertctl status\n{self.ctl('status').stdout}", flush=True)
        for client in clients:
            client.end()
        daemon.send_signal(signal.SIGTERM)
        require(daemon.wait(20) == 0, f"hotcertd ended with {daemon.returncode}")
        return self.summary(log, clients)

    def so_far(self, clients, n):
        commands, connections, failed = (sum(getattr(c, what) for c in clients)
                                         for what in ("commands", "connections", "failed"))
        return (f"  waiting for renewal {n} of {RENEWALS}: {commands} commands, {connections} connections, "
                f"{failed} failed so far")

    def seen(self, opener, count):
        """The clients, too, must have met each of the certificates."""
        end = time.monotonic() + 10
        while len(opener.served) < count and time.monotonic() < end:
            opener.ending.wait(0.01)
        require(len(opener.served) >= count, "the clients did not meet every certificate")

    def summary(self, log, clients):
        renewed, served = log.matching("stepca", "^renewed"), log.matching("redis", "^serves")
        failed = sum(c.failed for c in clients)
        reloads = [float(line["ms"]) for line in served[1:]]
        rows = [("renewals", len(renewed)),
                ("reloads, each proven by a handshake", f"{len(reloads)}  ({', '.join(f'{r:.1f}' for r in reloads)} ms)"),
                ("commands on connections", sum(c.commands for c in clients)),
                ("connections made", sum(c.connections for c in clients)),
                ("slowest new connection", f"{clients[1].slowest * 1e3:.0f} ms"),
                ("connections failed", failed)]
        for name, value in rows:
            print(f"  {name:38} {self.timeline.paint(value, 1)}")
        return failed == 0 and len(renewed) >= RENEWALS and len(reloads) >= RENEWALS

    def end(self):
        for end in self.ending:
            end()


class Missing(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Missing(what)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="hotcert-demo-") as directory:
        demo = Demo(pathlib.Path(directory))
        try:
            good = demo.run()
        except Missing as e:
            good = False
            demo.timeline.add("demo", f"FAILED: {e}")
        finally:
            demo.end()
    print(f"\n  {'All of it was seen to happen.' if good else 'Something of it did not happen.'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
