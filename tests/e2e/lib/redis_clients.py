"""Real clients of Redis: each does one thing over and over in a thread of its own, and counts what fails.

Holders keep the connection that they began with. Most clients connect again by themselves without a word, so a holder
asks for its CLIENT ID: another number is a connection that was dropped. Openers make a new one each time.
"""

import contextlib
import subprocess
import threading

import redis

from lib.hotcertd import BUILD, run
from lib.process import Process
from lib.redis_server import BINARY
from lib.wait import DEADLINE, Follower, until

CLI = BINARY.replace("-server", "-cli")
HIREDIS = BUILD / "tests/clients/hiredis_tls"
PAUSE_S = 0.002  # so that a machine of two cores has room for the server and the daemon


class Client(threading.Thread):
    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.ending = threading.Event()
        self.done, self.failures = 0, []
        self.leaves = set()  # what an opener was shown, where its library tells

    def once(self):
        raise NotImplementedError

    def run(self):
        while not self.ending.wait(PAUSE_S):
            try:
                self.once()
                self.done += 1
            except Exception as e:  # whatever it is, a client has failed
                self.failures.append(f"{type(self).__name__}: {e!r}")

    def wait_done(self, more=1):
        """Returns when it has done it so many times more, or has failed."""
        goal = self.done + more
        until(lambda: self.done >= goal or self.failures, lambda: f"{type(self).__name__} does nothing")

    def finish(self):
        self.ending.set()
        if self.ident:
            self.join(DEADLINE)
        self.close()

    def close(self):
        pass


def python(server, **more):
    """redis-py: verifies the chain and, where that can be asked for, the name."""
    return redis.Redis(host="localhost", port=server.port, ssl=True, ssl_ca_certs=str(server.ca), ssl_check_hostname=True,
                       socket_timeout=DEADLINE, **more)


def cli_words(server):
    return [CLI, "-h", "127.0.0.1", "-p", server.port, "--tls", "--cacert", server.ca]


class Holder(Client):
    id = None

    def once(self):
        now = int(self.ask("CLIENT ID"))
        assert self.id in (None, now), f"the connection was dropped: id {self.id}, then {now}"
        self.id = now

    def ask(self, command):
        raise NotImplementedError


class PythonHolder(Holder):
    def __init__(self, server):
        super().__init__(server)
        self.client = python(server, single_connection_client=True)

    def ask(self, command):
        return self.client.execute_command(command)

    def close(self):
        self.client.close()


class Piped:
    """A program that answers each line of its standard input with one of its own."""

    def __init__(self, argv, log_path):
        self.process = Process(argv, log_path, stdin=subprocess.PIPE)
        self.answers = Follower(log_path)
        self.asked = 0

    def ask(self, command):
        self.process.popen.stdin.write(command.encode() + b"\n")
        self.process.popen.stdin.flush()
        self.asked += 1
        until(lambda: self.answers.read().count("\n") >= self.asked or not self.process.running(),
              lambda: f"no answer to {command}: {self.answers.text[-300:]}")
        return self.answers.text.splitlines()[-1]

    def finish(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.popen.stdin.close()


class PipedHolder(Holder):
    def __init__(self, server, argv, name):
        super().__init__(server)
        self.piped = Piped(argv, server.directory / f"{name}.log")

    def ask(self, command):
        return self.piped.ask(command)

    def close(self):
        self.piped.finish()


class CliHolder(PipedHolder):
    def __init__(self, server):
        super().__init__(server, cli_words(server), "cli")


class HiredisHolder(PipedHolder):
    def __init__(self, server):
        super().__init__(server, [HIREDIS, server.port, server.ca], "hiredis")


class PythonOpener(Client):
    def once(self):
        client = python(self.server, single_connection_client=True)
        try:
            assert client.ping()
            self.leaves.add(client.connection._sock.getpeercert(True))  # redis-py has no public way to it
        finally:
            client.close()


class CliOpener(Client):
    def once(self):
        code, out = run([*cli_words(self.server), "PING"])
        assert (code, out) == (0, "PONG\n"), (code, out)


class HiredisOpener(Client):
    def __init__(self, server):
        super().__init__(server)
        self.piped = Piped([HIREDIS, server.port, server.ca], server.directory / "hiredis-new.log")

    def once(self):
        out = self.piped.ask("CONNECT")
        assert out == "PONG", out

    def close(self):
        self.piped.finish()


KINDS = {"redis-cli": (CliHolder, CliOpener), "redis-py": (PythonHolder, PythonOpener),
         "hiredis": (HiredisHolder, HiredisOpener)}


def missing(kind):
    """Why there is no such client here, or None."""
    return "hiredis of this Debian has no TLS" if kind == "hiredis" and not HIREDIS.exists() else None
