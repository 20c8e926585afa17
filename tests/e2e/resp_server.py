"""A scripted RESP server, for what a real Redis cannot be made to do: other versions and faults.

It answers HELLO and CONFIG like a Redis of the version it is told to be, on a unix socket, and serves the pair that
it has loaded on a TLS port of 127.0.0.1, which answers commands, too. `script` overrides answers, by the first words of
a command: bytes to send, HANG, or CLOSE; those two may also be its "handshake".
"""

import hashlib
import pathlib
import socket
import ssl
import threading

HANG = object()
CLOSE = object()

MULTI, SINGLE, NO_RELOAD_OF_EQUAL_PATHS = "multi", "single", "7.0.0"


def form_of(version):
    if version.startswith("6."):
        return SINGLE
    return NO_RELOAD_OF_EQUAL_PATHS if version == "7.0.0" else MULTI


def bulk(text):
    data = text if isinstance(text, bytes) else str(text).encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def array(items):
    return b"*%d\r\n" % len(items) + b"".join(bulk(i) for i in items)


class RespServer:
    def __init__(self, directory, tls, version="7.0.15", product="redis", mode="standalone", role="master"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.version, self.product, self.mode, self.role = version, product, mode, role
        self.unix = self.directory / "resp.sock"
        self.tls = pathlib.Path(tls)
        self.script = {}
        self.commands = []  # all that were received, as lists of words
        self.connections = 0  # at the unix socket
        self.loads = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.open = set()  # RESP connections
        self.tls_listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.tls_listener.getsockname()[1]
        self.config = {"tls-cert-file": str(self.tls / "redis.crt"), "tls-key-file": str(self.tls / "redis.key"),
                       "tls-ca-cert-file": str(self.tls / "ca.crt"), "tls-client-cert-file": "",
                       "tls-client-key-file": "", "tls-dh-params-file": "", "tls-port": str(self.port),
                       "bind": "127.0.0.1", "dir": str(self.directory)}
        self.load()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.unix))
        self.listener.listen(64)
        self.threads = [threading.Thread(target=self.accept, args=(self.listener, self.serve_resp), daemon=True),
                        threading.Thread(target=self.accept, args=(self.tls_listener, self.serve_tls), daemon=True)]
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.stopping.set()
        for listener in (self.listener, self.tls_listener):
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        with self.lock:
            for s in self.open:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        for thread in self.threads:
            thread.join(5)

    def drop(self):
        """Ends the connections that are open, those that hang too."""
        with self.lock:
            for s in self.open:
                s.shutdown(socket.SHUT_RDWR)

    def load(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.config["tls-cert-file"], self.config["tls-key-file"])
        self.context = context
        self.loads += 1

    # -- connections --

    def accept(self, listener, serve):
        while not self.stopping.is_set():
            try:
                s, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=(s, serve), daemon=True).start()

    def run(self, s, serve):
        try:
            serve(s)
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(s)
            s.close()

    def serve_tls(self, s):
        if self.script.get("handshake") is HANG:
            self.stopping.wait()
        if self.script.get("handshake") in (HANG, CLOSE):
            return
        with self.context.wrap_socket(s, server_side=True) as wrapped:
            self.talk(wrapped)

    def serve_resp(self, s):
        self.connections += 1
        with self.lock:
            self.open.add(s)
        self.talk(s)

    def talk(self, s):
        with s.makefile("rwb") as stream:
            while (words := self.read_command(stream)) is not None:
                self.commands.append(words)
                answer = self.answer(words)
                if answer is HANG:
                    self.stopping.wait()
                    return
                if answer is CLOSE:
                    return
                for part in [answer] if isinstance(answer, bytes) else answer:
                    stream.write(part)
                    stream.flush()

    @staticmethod
    def read_command(stream):
        line = stream.readline()
        if not line.startswith(b"*"):
            return None
        words = []
        for _ in range(int(line[1:])):
            size = int(stream.readline()[1:])
            words.append(stream.read(size + 2)[:-2].decode())
        return words

    # -- answers --

    def answer(self, words):
        for prefix in (" ".join(words[:3]), " ".join(words[:2]), words[0]):
            if prefix in self.script:
                scripted = self.script[prefix]
                return scripted(words) if callable(scripted) else scripted
        if words[0] == "AUTH":
            return b"+OK\r\n"
        if words[0] == "HELLO":
            return self.hello()
        if words[:2] == ["CONFIG", "GET"]:
            return self.config_get(words[2])
        if words[:2] == ["CONFIG", "SET"]:
            return self.config_set(words[2:])
        return b"-ERR unknown command '%s'\r\n" % words[0].encode()

    def hello(self):
        return (b"*14\r\n" + bulk("server") + bulk(self.product) + bulk("version") + bulk(self.version)
                + bulk("proto") + b":2\r\n" + bulk("id") + b":7\r\n" + bulk("mode") + bulk(self.mode)
                + bulk("role") + bulk(self.role) + bulk("modules") + b"*0\r\n")

    def config_get(self, pattern):
        if pattern == "tls-*-file":
            names = [n for n in self.config if n.startswith("tls-") and n.endswith("-file")]
        else:
            names = [n for n in self.config if n == pattern]
        return array([x for n in names for x in (n, self.config[n])])

    def config_set(self, pairs):
        form = form_of(self.version)
        if form == SINGLE and len(pairs) != 2:
            return b"-ERR Unknown subcommand or wrong number of arguments for 'SET'. Try CONFIG HELP.\r\n"
        new = dict(zip(pairs[::2], pairs[1::2]))
        changed = {k: v for k, v in new.items() if self.config[k] != v}
        self.config.update(new)
        if form == NO_RELOAD_OF_EQUAL_PATHS and not changed:
            return b"+OK\r\n"
        try:
            self.load()
        except (OSError, ssl.SSLError):
            return (b"-ERR CONFIG SET failed (possibly related to argument 'tls-cert-file') - Unable to update TLS "
                    b"configuration. Check server logs.\r\n")
        return b"+OK\r\n"

    def sets(self):
        return [c for c in self.commands if c[:2] == ["CONFIG", "SET"]]

    def served(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as s:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(s) as wrapped:
                return hashlib.sha256(wrapped.getpeercert(binary_form=True)).hexdigest()
