"""A real step-ca for tests and the demo: made, started, stopped, killed and started again.

The programs come from tests/ca/build. The standard library is all that is needed here.
"""

import json
import os
import pathlib
import select
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("HOTCERT_CA_DIR", ROOT / "build" / "ca"))


def build(programs=PROGRAMS):
    """Makes step-ca and step-ca-init where they are missing or old."""
    subprocess.run([ROOT / "tests" / "ca" / "build", programs], check=True)


class StepCA:
    """One authority with a folder and a port of its own. A context manager."""

    PASSWORD = "correct horse battery staple"

    def __init__(self, folder, name="hotcert test", provisioner="redis", lifetime="60s", options=(), wrapper=()):
        """Makes the authority, without starting it. `options` are those of step-ca-init, `wrapper` is a command
        to start it through."""
        self.folder = pathlib.Path(folder)
        self.provisioner = provisioner
        self.wrapper = list(wrapper)
        self.process = None
        self.folder.mkdir(parents=True)
        self.password_file = self.folder / "password"
        self.password_file.write_text(self.PASSWORD + "\n")
        self.password_file.chmod(0o600)
        self.log_file = self.folder / "log"
        self._reserve_port()
        self.url = f"https://127.0.0.1:{self.port}"
        made = subprocess.run(
            [PROGRAMS / "step-ca-init", "--name", name, "--address", f"127.0.0.1:{self.port}",
             "--password-file", self.password_file, "--provisioner", provisioner,
             "--lifetime", lifetime, *options, self.folder],
            check=True, capture_output=True, text=True, env=self._environment())
        self.fingerprint = made.stdout.strip()
        self.root = self.folder / "certs" / "root_ca.crt"
        self.config = self.folder / "config" / "ca.json"

    def _reserve_port(self):
        """Binds without listening: the port stays ours over restarts, connections are refused,
        and step-ca, which sets SO_REUSEADDR as we do, can still listen on it."""
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.port = self._port.getsockname()[1]

    def _environment(self):
        return {**os.environ, "STEPPATH": str(self.folder)}

    def start(self, timeout=30):
        """Starts it and returns once it answers."""
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, PROGRAMS / "step-ca", self.config, "--password-file", self.password_file],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment())
        deadline = time.monotonic() + timeout
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"step-ca does not start:\n{self.log()}")
            select.select([], [], [], 0.01)
        return self

    def healthy(self):
        """True where GET /health is answered, by a server that this authority's root verifies."""
        try:
            return urllib.request.urlopen(self.url + "/health", timeout=5,
                                          context=self.tls()).status == 200
        except OSError:
            return False

    def post(self, path, body):
        """POSTs JSON; returns the reply's."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=20, context=self.tls()))

    def tls(self):
        """A client context that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.root)

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def requests(self, path):
        """How many requests for a path were answered so far."""
        return sum(f" path={path} " in line for line in self.log().splitlines())

    def stop(self, sig=signal.SIGTERM):
        """Ends it; connections are refused from here on, until start()."""
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(sig)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def pause(self):
        """Stops it in its tracks: connections are accepted by the kernel and never answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.stop(signal.SIGKILL)
        self._port.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()
