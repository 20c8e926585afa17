"""A scripted ACME server: for what Pebble and step-ca can't be made to do. It verifies every signature, URL and nonce."""

import base64
import itertools
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

from https_server import HttpsServer, PublicHalf
from lib import jose


def problem(status, kind, detail, headers=None, **more):
    return status, {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, **more}, headers or {}


class ScriptedACME(HttpsServer):
    """One account, one order at a time. Any route can be overridden: see HttpsServer. Challenges stay pending until
    they were all posted and `verdict` says otherwise: "valid", or the object that a challenge's "error" is to be."""

    def __init__(self, ca, directory):
        super().__init__(ca.issue(cn="localhost"), directory)
        self.ca = ca
        self.root_file = directory / "root.pem"
        self.root_file.write_bytes(ca.pem)
        self.directory_url = f"{self.url}/directory"
        self.meta = {}
        self.nonces = set()
        self.counter = itertools.count(1)
        self.account_key = None
        self.account_keys = set()
        self.before = None  # called with the number of each request, before it is answered
        self.payloads = []  # (path, payload) of each signed request
        self.identifiers = []
        self.orders = 0
        self.order_status = "pending"
        self.offered = ["http-01", "tls-alpn-01", "dns-01"]
        self.verdict = None
        self.told = 0  # how often a challenge was posted
        self.certificate = b""
        self.good = {
            "/directory": lambda request: (200, {"newNonce": f"{self.url}/nonce", "newAccount": f"{self.url}/account",
                                                 "newOrder": f"{self.url}/order", "meta": self.meta}),
            "/nonce": lambda request: (204, b"", self.headers()),
            "/account": self.new_account,
            "/account/1": lambda request: self.signed(request) and (200, {"status": "valid"}, self.headers()),
            "/order": self.new_order,
            "/order/1": lambda request: self.signed(request) and (200, self.order(), self.headers()),
            "/authz/0": lambda request: self.signed(request) and (200, self.authz(0), self.headers()),
            "/authz/1": lambda request: self.signed(request) and (200, self.authz(1), self.headers()),
            "/challenge": self.challenge,
            "/finalize": self.finalize,
            "/certificate": lambda request: self.signed(request) and (200, self.certificate, self.headers()),
        }
        self.mend()

    def mend(self):
        self.routes = dict(self.good)

    def answer(self, request):
        if self.before:
            self.before(len(self.requests) + 1)
        super().answer(request)

    def headers(self, **more):
        nonce = f"nonce{next(self.counter)}"
        self.nonces.add(nonce)
        return {"Replay-Nonce": nonce, **more}

    def signed(self, request):
        """The payload of a request, all of it verified; (None,) for POST-as-GET."""
        assert request.headers["Content-Type"] == "application/jose+json"
        body = json.loads(request.body)
        header = json.loads(jose.unb64(body["protected"]))
        self.nonces.remove(header["nonce"])
        assert header["url"] == self.url + request.path
        if "jwk" in header:
            self.account_keys.add(header["jwk"]["x"])
            self.account_key = ec.EllipticCurvePublicNumbers(
                jose.number(header["jwk"]["x"]), jose.number(header["jwk"]["y"]), ec.SECP256R1()).public_key()
        else:
            assert header["kid"] == f"{self.url}/account/1"
        text, signature = f"{body['protected']}.{body['payload']}".encode(), jose.unb64(body["signature"])
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        self.account_key.verify(encode_dss_signature(r, s), text, ec.ECDSA(hashes.SHA256()))
        payload = json.loads(jose.unb64(body["payload"])) if body["payload"] else None
        self.payloads.append((request.path, payload))
        return (payload,)

    def new_account(self, request):
        self.signed(request)
        return 201, {"status": "valid"}, self.headers(Location=f"{self.url}/account/1")

    def order(self):
        if self.order_status == "pending" and self.verdict == "valid" and self.told >= len(self.identifiers):
            self.order_status = "ready"
        order = {"status": self.order_status, "identifiers": self.identifiers, "finalize": f"{self.url}/finalize",
                 "authorizations": [f"{self.url}/authz/{i}" for i in range(len(self.identifiers))]}
        if self.order_status == "valid":
            order["certificate"] = f"{self.url}/certificate"
        return order

    def new_order(self, request):
        payload, = self.signed(request)
        self.identifiers = payload["identifiers"]
        self.orders += 1
        self.order_status, self.told = "pending", 0
        return 201, self.order(), self.headers(Location=f"{self.url}/order/1")

    def authz(self, i):
        told = self.told >= len(self.identifiers)
        status = "pending" if not told or not self.verdict else "valid" if self.verdict == "valid" else "invalid"
        challenges = []
        for kind in self.offered:
            one = {"type": kind, "url": f"{self.url}/challenge", "token": f"token-{i}_{kind}", "status": status}
            if status == "invalid":
                one["error"] = self.verdict
            challenges.append(one)
        return {"identifier": self.identifiers[i], "status": status, "challenges": challenges}

    def challenge(self, request):
        assert self.signed(request) == ({},)
        self.told += 1
        return 200, {"type": "http-01", "url": f"{self.url}/challenge", "status": "pending", "token": "x"}, self.headers()

    def issue(self, csr, **changes):
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        cn = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        values = {"cn": cn[0].value if cn else "none", "sans": [str(n.value) for n in names], "lifetime": (-1, 300),
                  "key": PublicHalf(csr.public_key())}
        return self.ca.issue(**{**values, **changes}).leaf_pem

    def finalize(self, request):
        payload, = self.signed(request)
        text = payload["csr"]
        self.csr = x509.load_der_x509_csr(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        self.certificate = self.issue(self.csr)
        self.order_status = "valid"
        return 200, self.order(), self.headers()
