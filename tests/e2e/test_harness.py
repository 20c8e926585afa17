"""The harness itself: what the other tests stand on."""

import pathlib
import re
import ssl

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_redis_server_serves_a_new_pair_after_config_set(redis_server, ca, tls):
    before = redis_server.served()
    pair = ca.issue().write(tls)
    assert redis_server.served() == before != pair.fingerprint
    redis_server.command("CONFIG", "SET", "tls-cert-file", tls / "redis.crt", "tls-key-file", tls / "redis.key")
    redis_server.wait_served(pair.fingerprint)
    redis_server.restart()
    with redis_server.connect() as s:
        assert s.version() == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        redis_server.connect(server_hostname="other.internal")


def test_nothing_waits_by_time():
    word = "sle" + "ep"
    offenders = [str(f) for f in sorted((ROOT / "tests").rglob("*"))
                 if f.is_file() and f.suffix != ".pyc" and re.search(word, f.read_text(errors="replace"))]
    assert not offenders
