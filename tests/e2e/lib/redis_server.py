"""A real Redis or Valkey: a unix socket, a TLS port of 127.0.0.1, no plain port."""

import hashlib
import os
import pathlib
import re
import socket
import ssl
import subprocess

from lib import wait
from lib.process import Process

# Another server for the same tests: HOTCERT_REDIS_SERVER=valkey-server
BINARY = os.environ.get("HOTCERT_REDIS_SERVER", "redis-server")


def reserve_port():
    """A free port, bound but not listening: nobody else is given it, and a server that sets SO_REUSEADDR,
    as Redis does, can still listen on it. Keep the socket as long as the port is needed."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]


class RedisServer:
    """options: more lines of redis.conf. The pair lies in `tls`, which may be hotcert's watch."""

    def __init__(self, directory, tls, ca, options=(), password=None, cert="redis.crt", key="redis.key",
                 binary=BINARY):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.reserved, self.port = reserve_port()
        self.tls = pathlib.Path(tls)
        self.cert, self.key, self.ca = self.tls / cert, self.tls / key, pathlib.Path(ca)
        self.unix = self.directory / "r.sock"
        self.options = list(options)
        self.password = password
        self.binary = binary
        self.process = None

    def lines(self):
        return ["port 0", f"tls-port {self.port}", "bind 127.0.0.1", f"unixsocket {self.unix}",
                f"dir {self.directory}", 'save ""', "appendonly no", "daemonize no",
                f"tls-cert-file {self.cert}", f"tls-key-file {self.key}",
                f"tls-ca-cert-file {self.ca}", "tls-auth-clients no",
                *([f"requirepass {self.password}"] if self.password else []), *self.options]

    def start(self):
        conf = self.directory / "redis.conf"
        conf.write_text("".join(f"{line}\n" for line in self.lines()))
        self.process = Process([self.binary, conf], self.directory / "redis.log")
        self.process.wait_log("Ready to accept connections")
        return self

    def stop(self):
        if self.process:
            self.process.stop()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def finish(self):
        if self.process and self.process.running():
            self.process.kill()
            self.process.wait()
        self.reserved.close()

    def command(self, *words):
        """One command over the unix socket; the reply as str, int, None or list; errors raise."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(wait.DEADLINE)
            s.connect(str(self.unix))
            with s.makefile("rwb") as stream:
                if self.password:
                    call(stream, "AUTH", self.password)
                return call(stream, *words)

    def connect(self, verify=True, server_hostname="redis.internal"):
        """A TLS connection, a full handshake each time."""
        context = ssl.create_default_context(cafile=str(self.ca) if verify else None)
        context.check_hostname = verify
        context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=wait.DEADLINE)
        try:
            return context.wrap_socket(raw, server_hostname=server_hostname)
        except BaseException:
            raw.close()
            raise

    def served(self):
        """The SHA-256 of the leaf that a new connection gets."""
        with self.connect(verify=False) as s:
            return hashlib.sha256(s.getpeercert(binary_form=True)).hexdigest()

    def wait_served(self, fingerprint, deadline=None):
        wait.until(lambda: self.served() == fingerprint,
                   lambda: f"Redis serves {self.served()}, not {fingerprint}", deadline)


def product():
    """The server as hotcert names it, by what it says itself: "redis 7.0.15"."""
    said = subprocess.run([BINARY, "--version"], check=True, capture_output=True, text=True).stdout
    name, version = re.match(r"(\w+) server v=([\d.]+)", said).groups()
    return f"{name.lower()} {version}"


class RedisError(Exception):
    pass


def call(stream, *words):
    """A command on an open connection in RESP2."""
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    stream.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
    stream.flush()
    return read_reply(stream)


def read_reply(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise RedisError("connection closed")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"-":
        raise RedisError(rest)
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
    if kind == b"*":
        return [read_reply(stream) for _ in range(int(rest))]
    return rest
