"""No secret is to be found where it does not belong: in the log, in answers, in the process list, in saved state, or in the
daemon's memory once it is done."""

import os
import pathlib
import re

import pytest

from redis_case import configure, failed, mended

PASSWORD = "Xq7-correct-horse-Zw9"
WRONG = "Xq7-battery-staple-Zw9"
OLD_PASSPHRASE = "Xq7-open-sesame-Zw9"
PASSPHRASE = "Xq7-open-the-key-Zw9"
SECRETS = [PASSWORD, WRONG, OLD_PASSPHRASE, PASSPHRASE]


@pytest.fixture
def secret(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path
    return write


def put_to_work(hotcertd, make_redis, ca, tls, secret, kind):
    """A daemon that has used every secret, right and wrong, at its most talkative."""
    ca.write(tls / "ca.crt")
    ca.issue().write(tls, password=OLD_PASSPHRASE)
    server = make_redis(tls, tls / "ca.crt", password=PASSWORD, options=[f"tls-key-file-pass {OLD_PASSPHRASE}"]).start()
    address = f"unix:{server.unix}" if kind == "unix" else f"localhost:{server.port}"
    phrase = secret("phrase", OLD_PASSPHRASE)
    hotcertd.conf("loud", f"[hotcert]\nlog_level = debug\n[watch r]\nkey_password_file = {phrase}\n")
    configure(hotcertd, tls, f"address = {address}", f"password_file = {secret('pw', WRONG)}",
              f"key_password_file = {phrase}").start()
    assert "WRONGPASS" in failed(hotcertd)[1]
    secret("pw", PASSWORD)
    mended(hotcertd)
    for word in OLD_PASSPHRASE, PASSPHRASE, PASSPHRASE:  # the second has to be sent along
        secret("phrase", word)
        pair = ca.issue().write(tls, password=word)
        assert hotcertd.sync() == 0, hotcertd.tail()
        assert server.served() == pair.fingerprint
    return server


def memory(pid):
    """Every writable page of a process, and the names of what was mapped there."""
    with open(f"/proc/{pid}/mem", "rb", 0) as mem, open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if not found:
                continue
            start, end = (int(x, 16) for x in found.groups())
            mem.seek(start)
            try:
                yield line.split()[-1], mem.read(end - start)
            except OSError:
                continue


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_no_secret_is_told(hotcertd, make_redis, ca, tls, secret, kind):
    put_to_work(hotcertd, make_redis, ca, tls, secret, kind)
    pid = hotcertd.process.pid
    told = [hotcertd.log_text(), hotcertd.notify.status()]
    for words in ["status"], ["status", "redis:r"], ["--json", "status"], ["metrics"], ["do", "redis:r", "check"]:
        told.append(hotcertd.ctl(*words)[1])
    for name in "cmdline", "environ", "comm":
        told.append(pathlib.Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace"))
    for file in hotcertd.state_dir.rglob("*"):
        if file.is_file():
            told.append(file.read_bytes().decode("latin1"))
    assert len(told) > 9
    for text in told:
        for word in SECRETS:
            assert word not in text


@pytest.mark.skipif("asan" in os.environ.get("HOTCERT_BUILD", ""), reason="ASan keeps freed memory as it was")
@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_no_secret_stays_in_memory(hotcertd, make_redis, ca, tls, secret, kind):
    """What a core dump would hold. The path of the secret is there, which shows that the search finds what there is."""
    put_to_work(hotcertd, make_redis, ca, tls, secret, kind)
    found = {word: [] for word in [*SECRETS, str(secret("pw", PASSWORD))]}
    for where, data in memory(hotcertd.process.pid):
        for word, places in found.items():
            if word.encode() in data:
                places.append(where)
    path = str(tls.parent / "pw")
    assert found.pop(path)
    assert found == {word: [] for word in SECRETS}
