"""trust, `nss:`: a real database of NSS and its certutil."""

import os
import re
import shutil
import subprocess

import pytest

from lib import wait
from lib.pki import CA, replace
from trust_case import daemon, pem_of, the_machines_own_store  # noqa: F401 fixtures

pytestmark = pytest.mark.skipif(not shutil.which("certutil"), reason="needs certutil of libnss3-tools")


@pytest.fixture
def root(tmp_path):
    return tmp_path


class Database:
    def __init__(self, directory, password=None):
        self.path, self.secret = directory, directory.with_name("password")
        directory.mkdir()
        self.secret.write_text(f"{password}\n" if password else "")
        self.secret.chmod(0o600)
        self.certutil("-N", *(() if password else ("--empty-password",)))

    def certutil(self, *words, ok=True):
        return subprocess.run(["certutil", "-d", f"sql:{self.path}", *(("-f", self.secret) if self.secret.stat().st_size else ()),
                               *map(str, words)], check=ok, capture_output=True, text=True).stdout

    def add(self, nickname, ca, trust="C,,"):
        ca.write(self.path.with_name("add.crt"))
        self.certutil("-A", "-n", nickname, "-t", trust, "-a", "-i", self.path.with_name("add.crt"))

    def list(self):
        """{nickname: trust}"""
        return dict(re.findall(r"^(\S.*?) +(\S*,\S*,\S*) *$", self.certutil("-L"), re.M))

    def ours(self):
        return {n for n in self.list() if n.startswith("hotcert-")}

    def trusts(self, ca):
        """By NSS's own verification of a server's certificate."""
        ca.issue().write(self.path.parent / "leaf")
        self.certutil("-A", "-n", "leaf", "-t", ",,", "-a", "-i", self.path.parent / "leaf/redis.crt")
        try:
            return "certificate is valid" in self.certutil("-V", "-n", "leaf", "-u", "V", ok=False)
        finally:
            self.certutil("-D", "-n", "leaf")


@pytest.fixture
def database(tmp_path):
    (tmp_path / "leaf").mkdir()
    return Database(tmp_path / "nss")


def configure(daemon, database, more="overlap = 0", retry="1h"):
    daemon.configure(f"{more}\nretry_min = {retry}\nretry_max = {retry}", stores=f"nss:{database.path}")


def test_installed_rotated_and_uninstalled(daemon, database, ca, tls):
    mine = CA("Mine")
    database.add("My own CA", mine, "CT,C,C")
    assert not database.trusts(ca)
    configure(daemon, database)
    daemon.start()
    assert daemon.instance("trust:corp")["state"] == "ok", daemon.log_text()
    assert database.list() == {"My own CA": "CT,C,C", f"hotcert-corp-{ca.fingerprint[:32]}-Test_Root": "C,,"}
    assert database.trusts(ca) and sorted(os.listdir(database.path)) == ["cert9.db", "key4.db", "pkcs11.txt"]
    second = CA("Test Root")  # of the same name, as after a rotation
    replace(tls / "ca.crt", pem_of(ca, second, mine))
    assert daemon.sync() == 0, daemon.log_text()
    assert daemon.instance("trust:corp")["details"][f"nss:{database.path}"].startswith("2 installed, 1 there from others")
    assert database.trusts(ca) and database.trusts(second)
    replace(tls / "ca.crt", pem_of(second, mine))
    assert daemon.sync() == 0, daemon.log_text()
    assert database.trusts(second) and not database.trusts(ca)
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert database.list() == {"My own CA": "CT,C,C"} and not database.trusts(second)


def test_a_database_that_is_the_same_is_not_asked_again(daemon, database):
    spy = database.path.with_name("bin") / "certutil"  # counts, and then is certutil
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\necho "$@" >>{database.path}.runs\nexec {shutil.which("certutil")} "$@"\n')
    spy.chmod(0o755)
    daemon.wrapper = ["env", f"PATH={spy.parent}:{os.environ['PATH']}"]
    daemon.conf("05-rescan", "[hotcert]\nrescan = 100ms\n")
    configure(daemon, database)
    daemon.start()
    runs = database.path.with_name("nss.runs").read_text()
    calls = daemon.instance("trust:corp")["totals"]["ok"]
    wait.until(lambda: daemon.instance("trust:corp")["totals"]["ok"] > calls + 3, "no rescan")
    assert database.path.with_name("nss.runs").read_text() == runs


def test_what_somebody_takes_out_or_distrusts_is_made_good(daemon, database, ca):
    daemon.conf("05-rescan", "[hotcert]\nrescan = 100ms\n")
    configure(daemon, database, retry="100ms")  # it may see what we do before it has looked at what it did
    daemon.start()
    nickname, = database.ours()
    database.certutil("-D", "-n", nickname)
    wait.until(lambda: database.ours() == {nickname}, "it does not come back")
    database.certutil("-M", "-n", nickname, "-t", ",,")
    wait.until(lambda: database.list().get(nickname) == "C,,", "it stays without trust")


def test_a_root_that_others_have_without_trust_is_left(daemon, database, ca):
    database.add("theirs", ca, ",,")
    configure(daemon, database)
    daemon.start()
    instance = daemon.instance("trust:corp")
    assert instance["state"] == "failed" and 'CN=Test Root is there as "theirs" without trust; give it trust or remove it' in instance["message"]
    assert database.list() == {"theirs": ",,"}


def test_a_database_with_a_password(daemon, tmp_path, ca):
    database = Database(tmp_path / "nss", "s3cret-of-ours")
    configure(daemon, database)
    daemon.start()
    assert daemon.instance("trust:corp")["state"] == "retry" and re.search("certutil exited with [0-9]+", daemon.log_text())
    daemon.stop()
    configure(daemon, database, f"nss_password_file = {database.secret}")
    daemon.start()
    daemon.ctl("retry", "trust:corp")
    daemon.wait_instance("trust:corp", "ok")
    assert len(database.ours()) == 1 and "s3cret" not in daemon.log_text()


def test_no_database_is_made(daemon, database, tmp_path):
    for file in database.path.iterdir():
        file.unlink()
    configure(daemon, database)
    daemon.start()
    instance = daemon.instance("trust:corp")
    assert instance["state"] == "failed" and f"`certutil -N -d sql:{database.path} --empty-password` makes a database" in instance["message"]
    assert not os.listdir(database.path)
