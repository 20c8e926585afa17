"""The drop-ins that hotcert ships: inert as they are, and right once their settings are uncommented."""

import re

import pytest

from lib.hotcertd import ROOT, run

DROP_INS = sorted((ROOT / "conf.d").glob("*.conf"))


def uncommented(text):
    return re.sub(r"^;", "", text, flags=re.MULTILINE)


@pytest.fixture
def daemon(hotcertd, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in "redis-password", "provisioner-password", "keystore-password", "nss-password":
        (credentials / name).write_text("x\n")
    hotcertd.env["CREDENTIALS_DIRECTORY"] = str(credentials)
    return hotcertd


def test_there_are_some():
    assert len(DROP_INS) >= 4


@pytest.mark.parametrize("path", DROP_INS, ids=lambda p: p.stem)
def test_a_drop_in_as_shipped_changes_nothing(daemon, path):
    text = path.read_text()
    assert all(not line or line[0] in "#;" for line in text.splitlines())
    daemon.conf(path.stem, text)
    code, out = daemon.check()
    assert code == 0, out


@pytest.mark.parametrize("path", DROP_INS, ids=lambda p: p.stem)
def test_a_drop_in_works_when_uncommented(daemon, path):
    daemon.conf(path.stem, uncommented(path.read_text()))
    code, out = daemon.check()
    assert code == 0, out


def test_all_drop_ins_work_together(daemon):
    for path in DROP_INS:
        daemon.conf(path.stem, uncommented(path.read_text()))
    code, out = daemon.check()
    assert code == 0, out


def test_the_daemons_drop_in_shows_the_defaults(build):
    """Each default in 00-hotcert.conf is the one that `hotcertd --options hotcert` prints."""
    code, out = run([build / "hotcertd", "--options", "hotcert"])
    assert code == 0, out
    defaults = dict(re.findall(r"^(\w+) +\S+ +(\S+) ", out, flags=re.MULTILINE))
    shown = dict(re.findall(r"^;(\w+) = (\S+)$", (ROOT / "conf.d/00-hotcert.conf").read_text(), flags=re.MULTILINE))
    assert set(shown) == set(defaults) - {"KEY"}
    for key, value in shown.items():
        assert defaults[key] in (value, "-"), key
