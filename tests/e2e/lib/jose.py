"""JSON Web tokens and encrypted keys, apart from what the stepca plugin does: the two must agree."""

import base64
import hashlib
import json
import secrets
import time

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

CURVES = {"P-256": (ec.SECP256R1(), "ES256", hashes.SHA256()), "P-384": (ec.SECP384R1(), "ES384", hashes.SHA384()),
          "P-521": (ec.SECP521R1(), "ES512", hashes.SHA512())}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text):
    return int.from_bytes(unb64(text), "big")


def encoded(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def private_jwk(key):
    """A key as a private JWK with its thumbprint as kid."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        curve = f"P-{key.key_size}"
        size = (key.key_size + 7) // 8
        point = key.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": curve, "x": encoded(point.x, size), "y": encoded(point.y, size),
               "d": encoded(key.private_numbers().private_value, size), "alg": CURVES[curve][1]}
    elif isinstance(key, rsa.RSAPrivateKey):
        n = key.private_numbers()
        jwk = {"kty": "RSA", "alg": "RS256", "n": encoded(n.public_numbers.n), "e": encoded(n.public_numbers.e),
               "d": encoded(n.d), "p": encoded(n.p), "q": encoded(n.q), "dp": encoded(n.dmp1),
               "dq": encoded(n.dmq1), "qi": encoded(n.iqmp)}
    else:
        jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": b64(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
               "d": b64(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))}
    return {**jwk, "use": "sig", "kid": thumbprint(jwk)}


def thumbprint(jwk):
    """RFC 7638"""
    names = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    text = json.dumps({n: jwk[n] for n in names}, separators=(",", ":"), sort_keys=True)
    return b64(hashlib.sha256(text.encode()).digest())


def public_jwk(jwk):
    return {n: v for n, v in jwk.items() if n not in ("d", "p", "q", "dp", "dq", "qi")}


def kek(header, password):
    salt = header["alg"].encode() + b"\0" + unb64(header["p2s"])
    return PBKDF2HMAC(hashes.SHA256(), 16, salt, header["p2c"]).derive(password.encode())


def encrypt(jwk, password, rounds=100000, enc="A256GCM"):
    """A private JWK as step stores it: compact JWE by password."""
    header = {"alg": "PBES2-HS256+A128KW", "cty": "jwk+json", "enc": enc, "p2c": rounds,
              "p2s": b64(secrets.token_bytes(16))}
    head = b64(json.dumps(header).encode())
    cek, nonce = secrets.token_bytes(16 if enc == "A128GCM" else 32), secrets.token_bytes(12)
    sealed = AESGCM(cek).encrypt(nonce, json.dumps(jwk).encode(), head.encode())
    wrapped = keywrap.aes_key_wrap(kek(header, password), cek)
    return ".".join([head, b64(wrapped), b64(nonce), b64(sealed[:-16]), b64(sealed[-16:])])


def decrypt(jwe, password):
    head, wrapped, nonce, body, tag = jwe.split(".")
    cek = keywrap.aes_key_unwrap(kek(json.loads(unb64(head)), password), unb64(wrapped))
    return json.loads(AESGCM(cek).decrypt(unb64(nonce), unb64(body) + unb64(tag), head.encode()))


def ec_key(jwk):
    curve = CURVES[jwk["crv"]][0]
    public = ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]), curve)
    return ec.EllipticCurvePrivateNumbers(number(jwk["d"]), public).private_key()


def sign(jwk, claims):
    """A compact token by an EC key."""
    _, alg, digest = CURVES[jwk["crv"]]
    text = ".".join(b64(json.dumps(part).encode())
                    for part in ({"alg": alg, "kid": jwk["kid"], "typ": "JWT"}, claims))
    r, s = decode_dss_signature(ec_key(jwk).sign(text.encode(), ec.ECDSA(digest)))
    size = len(unb64(jwk["x"]))
    return f"{text}.{b64(r.to_bytes(size, 'big') + s.to_bytes(size, 'big'))}"


def one_time_token(jwk, issuer, audience, subject, sans, more=()):
    now = int(time.time())
    return sign(jwk, {"aud": audience, "iss": issuer, "sub": subject, "sans": sans, "iat": now, "nbf": now,
                      "exp": now + 300, "jti": secrets.token_hex(32), **dict(more)})


def verify(token, key):
    """(header, claims) of a token signed by this public key; raises where it is not."""
    head, body, tail = token.split(".")
    text, signature = f"{head}.{body}".encode(), unb64(tail)
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, text)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, text, PKCS1v15(), hashes.SHA256())
    else:
        half = len(signature) // 2
        der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
        key.verify(der, text, ec.ECDSA(CURVES[f"P-{key.key_size}"][2]))
    return json.loads(unb64(head)), json.loads(unb64(body))
