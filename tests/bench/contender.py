"""Who runs against whom: a directory with a pair, and a program that tells when it has noticed a change."""

import collections
import itertools
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time

from lib import hotcertd as daemon
from lib.notify import Notify
from lib.process import die_with_parent

PROGRAMS = daemon.BUILD / "tests" / "bench"
CERT, KEY = "redis.crt", "redis.key"
WATCH = """
[watch {name}]
directory = {directory}
cert = redis.crt
key = redis.key
"""


class Lines:
    """The lines of a pipe, each with the moment of its arrival."""

    def __init__(self, fd):
        self.fd = fd
        self.rest = b""
        self.waiting = collections.deque()

    def _read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        data = os.read(self.fd, 65536)
        now = time.monotonic_ns()
        assert data, "the program has ended"
        *lines, self.rest = (self.rest + data).split(b"\n")
        self.waiting.extend((now, line.decode()) for line in lines)
        return True

    def next(self):
        while not self.waiting:
            assert self._read(20), "no answer within 20 s"
        return self.waiting.popleft()

    def drop(self):
        """What has come so far is not of interest."""
        while self._read(0):
            pass
        self.waiting.clear()


class Contender:
    """One that is given new pairs, and how long it takes to notice: see round()."""

    def __init__(self, directory, pairs):
        self.directory = directory
        self.pairs = itertools.cycle(pairs)
        self.pair = next(self.pairs).write(directory)

    def _prepare(self, name, data):
        path = self.directory / f".{name}.new"
        path.write_bytes(data)
        return path, self.directory / name

    def round(self, both=False):
        """Renames the next pair into place, the certificate last: nanoseconds from there to the answer."""
        self.pair = next(self.pairs)
        key = self._prepare(KEY, self.pair.key_pem) if both else None
        cert = self._prepare(CERT, self.pair.cert_pem)
        if both:
            os.rename(*key)
        start = time.monotonic_ns()
        os.rename(*cert)
        return self.noticed() - start

    def noticed(self):
        raise NotImplementedError


class Program(Contender):
    """A floor: it says the time itself."""

    def __init__(self, directory, pairs, name, *args):
        super().__init__(directory, pairs)
        self.popen = subprocess.Popen([PROGRAMS / name, directory, *args], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.lines = Lines(self.popen.stdout.fileno())
        assert self.lines.next()[1] == "ready"

    def noticed(self):
        return int(self.lines.next()[1])

    def finish(self):
        self.popen.kill()
        self.popen.wait()


class Peer(Contender):
    """A pipeline of programs: the moment is that of redis-cli's OK."""

    def __init__(self, directory, pairs, server):
        super().__init__(directory, pairs)
        script = pathlib.Path(__file__).with_name("peer_redis")
        self.popen = subprocess.Popen([script, directory, str(server.port), server.ca], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0,
                                      preexec_fn=die_with_parent)
        self.lines = Lines(self.popen.stdout.fileno())
        while self.lines.next()[1] != "Watches established.":
            pass

    def noticed(self):
        when, line = self.lines.next()
        while not line:
            when, line = self.lines.next()
        assert line == "OK", line
        return when

    def finish(self):
        os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


class Applied(Contender):
    """hotcertd, up to the call of apply(): the probe plugin tells it through a FIFO."""

    def __init__(self, directory, pairs, hotcertd):
        super().__init__(directory, pairs)
        fifo = hotcertd.directory / "applied"
        os.mkfifo(fifo)
        self.lines = Lines(os.open(fifo, os.O_RDWR | os.O_CLOEXEC))
        hotcertd.conf("pair", WATCH.format(name="pair", directory=directory)
                      + f"[probe pair]\nrecord = {fifo}\n")
        self.hotcertd = hotcertd.start()
        self.noticed()

    def noticed(self):
        while True:
            call = json.loads(self.lines.next()[1])
            if call["files"][0]["sha256"] == self.pair.cert_digest:
                return call["t"]

    def finish(self):
        self.hotcertd.stop()


class Served(Contender):
    """hotcertd, up to the end of the job of its redis plugin, which has seen the certificate served."""

    def __init__(self, directory, pairs, hotcertd, *servers):
        super().__init__(directory, pairs)
        addresses = "\n    ".join(f"unix:{server.unix}" for server in servers)
        hotcertd.conf("redis", WATCH.format(name="redis", directory=directory)
                      + f"[redis redis]\naddress = {addresses}\n")
        self.servers = servers
        self.hotcertd = hotcertd
        self.hotcertd.start_piped()

    def noticed(self):
        while True:
            when, line = self.hotcertd.lines.next()
            if re.search(r" redis:redis: .* \[[0-9.]+ ms\]$", line):
                return when
            # A busy machine may keep it from running for long.
            assert not re.search(r" (error|warning) ", line) or "held up" in line, line

    def finish(self):
        assert {server.served() for server in self.servers} == {self.pair.fingerprint}
        self.hotcertd.stop()


class PipedHotcertd(daemon.Hotcertd):
    """Its log comes through a pipe: `lines`."""

    def start_piped(self):
        self.notify = Notify(self.directory / "notify")
        self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env={**os.environ, "NOTIFY_SOCKET": self.notify.path},
                                        preexec_fn=die_with_parent)
        self.lines = Lines(self.process.stderr.fileno())
        self.notify.wait("READY", "1", lambda: self.process.poll() is None)
        self.lines.drop()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0
