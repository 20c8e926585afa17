"""Binaries of different minor versions work together: built, loaded and run, not only laid out.

abi-1.0 is built with the frozen header, abi-next with one in which every struct has a member more.
"""

import pytest

from lib import hotcertd as lib
from lib.probe import files

CONF = """\
[hotcert]
plugin_dir = {plugins}
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
[probe redis]
record = {record}
behave = {behave}
words = one, two
text = seen
"""


@pytest.mark.parametrize("behave", ["ok", "child", "thread"])
@pytest.mark.parametrize("host, plugin", [("", "abi-1.0"), ("abi-next", "abi-1.0"), ("", "abi-next")],
                         ids=["old-plugin", "old-plugin-new-host", "new-plugin-old-host"])
def test_across_minor_versions(make_hotcertd, build, ca, tls, probe, tmp_path, host, plugin, behave):
    plugins = lib.copy_plugins(tmp_path / "plugins", lib.plugin_files(build / plugin))
    daemon = make_hotcertd(build=build / host, plugin_dir=plugins)
    ca.intermediate().issue().write(tls)
    daemon.conf("10-abi", CONF.format(plugins=plugins, tls=tls, record=probe.path, behave=behave))
    daemon.start()
    daemon.wait_instance("probe:redis", "ok")
    pair = ca.intermediate().issue().write(tls)
    probe.wait_digest(pair.cert_digest)
    assert daemon.sync() == 0
    call = probe.last()
    assert call["abi_minor"] == [host == "abi-next", plugin == "abi-next"]
    assert len(files(call)["cert"]["certs"]) == 2  # the second at its stride
    assert files(call)["key"]["state"] == 0
    assert daemon.instance("probe:redis")["details"]["text"] == "seen"
    code, out = daemon.ctl("do", "probe:redis", "note", "word")
    assert code == 0 and "1 words: word" in out, out


def test_the_real_plugins_of_1_0_load_in_a_later_host(make_hotcertd, build, tmp_path):
    files_1_0 = [f for f in lib.plugin_files(build / "abi-1.0") if f.parent.name == "plugins" and
                 f.parent.parent.name == "abi-1.0"]
    plugins = lib.copy_plugins(tmp_path / "plugins", files_1_0)
    daemon = make_hotcertd(build=build / "abi-next", plugin_dir=plugins)
    assert len(files_1_0) >= 4
    for file in files_1_0:
        code, out = daemon.run("--options", file.stem)
        assert code == 0 and out, f"{file.stem}: {out}"
