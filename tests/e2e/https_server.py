"""A scripted HTTPS server, and a scripted CA on top of it: for what a real step-ca can't be made to do."""

import http.server
import json
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lib import jose
from lib.pki import pem


class HttpsServer:
    """routes: path (without its query) to an answer: (status, body[, headers]), a function of the request that
    gives one or writes to request.wfile itself and gives None, or HANG. Bodies that are no bytes are JSON."""

    HANG = object()

    def __init__(self, pair, directory, client_ca=None):
        self.routes = {}
        self.requests = []  # (method, path)
        self.connections = 0
        self.date = None  # what the Date header says; None: the time
        self.closing = threading.Event()
        files = directory / "https.crt", directory / "https.key"
        directory.mkdir(parents=True, exist_ok=True)
        files[0].write_bytes(pair.cert_pem)
        files[1].write_bytes(pair.key_pem)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*files)
        if client_ca:
            self.context.load_verify_locations(cadata=client_ca.pem.decode())
            self.context.verify_mode = ssl.CERT_OPTIONAL
        self.port = 0
        self.listen_again()
        self.url = f"https://127.0.0.1:{self.port}"

    def listen_again(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def hang_up(self):
        """Connections are refused from here on, until listen_again()."""
        self.server.shutdown()
        self.server.server_close()

    def _handler(self):
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                self.request.settimeout(30)
                script.connections += 1
                self.request = script.context.wrap_socket(self.request, server_side=True)
                super().setup()

            def do_GET(self):
                size = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(size)
                script.answer(self)

            do_POST = do_GET

            def date_time_string(self, timestamp=None):
                return script.date or super().date_time_string(timestamp)

            def log_message(self, *_):
                pass

        return Handler

    def count(self, path):
        return sum(p.split("?")[0] == path for _, p in self.requests)

    def answer(self, request):
        self.requests.append((request.command, request.path))
        answer = self.routes.get(request.path.split("?")[0], (404, {"status": 404, "message": "not found"}))
        if callable(answer):
            answer = answer(request)
        if answer is self.HANG:
            self.closing.wait(30)
            answer = None
        if answer is None:
            request.close_connection = True
            return
        status, body, *headers = answer
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request.send_response(status)
        for name, value in (headers[0] if headers else {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def close(self):
        self.closing.set()
        self.hang_up()


class ScriptedCA(HttpsServer):
    """Answers as step-ca does, from an authority of lib.pki; any route can be overridden, and mended."""

    PASSWORD = "scripted"

    def __init__(self, ca, directory, lifetime=300):
        super().__init__(ca.issue(cn="localhost"), directory, client_ca=ca)
        self.ca = ca
        self.lifetime = lifetime
        self.fingerprint = ca.fingerprint
        self.password_file = directory / "password"
        self.password_file.write_text(self.PASSWORD)
        self.jwk = jose.private_jwk(ec.generate_private_key(ec.SECP256R1()))
        encrypted = jose.encrypt(self.jwk, self.PASSWORD, rounds=1000)
        self.tokens = []  # the claims of each one-time token that came
        self.good = {
            f"/root/{ca.fingerprint}": (200, {"ca": ca.pem.decode()}),
            "/roots": (201, {"crts": [ca.pem.decode()]}),
            "/provisioners": (200, {"provisioners": [{
                "type": "JWK", "name": "redis", "key": jose.public_jwk(self.jwk), "encryptedKey": encrypted}],
                "nextCursor": ""}),
            "/1.0/sign": self.sign,
            "/1.0/renew": self.renew,
        }
        self.mend()

    def mend(self):
        self.routes = dict(self.good)

    def reply(self, cert, chain=()):
        texts = [pem(cert).decode(), *(c.decode() for c in chain)]
        return 201, {"crt": texts[0], "ca": self.ca.pem.decode(), "certChain": texts}

    def issue(self, request, **changes):
        """The certificate that a request asks for, but for the changes: those of lib.pki.CA.issue()."""
        return self.issue_by(self.ca, request, **changes)

    def issue_by(self, authority, request, **changes):
        csr = x509.load_pem_x509_csr(json.loads(request.body)["csr"].encode())
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        values = {"cn": csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value,
                  "sans": [str(n.value) for n in names], "lifetime": (-1, self.lifetime)}
        return authority.issue(**{**values, "key": PublicHalf(csr.public_key()), **changes}).cert

    def sign(self, request):
        _, claims = jose.verify(json.loads(request.body)["ott"], jose.ec_key(self.jwk).public_key())
        self.tokens.append(claims)
        return self.reply(self.issue(request))

    def renew(self, request):
        der = request.connection.getpeercert(True)
        if not der:
            return 400, {"status": 400, "message": "missing client certificate"}
        old = x509.load_der_x509_certificate(der)
        names = [str(n.value) for n in old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value]
        cn = old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return self.reply(self.ca.issue(cn, names, key=PublicHalf(old.public_key()), lifetime=(-1, self.lifetime)).cert)


class PublicHalf:
    """Stands in for a private key where only its public half is looked at."""

    def __init__(self, key):
        self.key = key

    def public_key(self):
        return self.key

    def private_bytes(self, *_):
        return b""
