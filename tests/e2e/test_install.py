"""make install and make uninstall, into a DESTDIR of their own."""

import os
import shutil
import subprocess

import pytest

from lib.hotcertd import ROOT, run


def make(build, destination, *more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-C", ROOT, f"B={build}", f"DESTDIR={destination}",
                           *(["SAN=1"] if "asan" in build.name else []), *more],
                          env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def tree(build, tmp_path):
    make(build, tmp_path / "root", "install")
    return tmp_path / "root"


def test_everything_is_in_its_place(tree):
    for path in ("usr/sbin/hotcertd", "usr/bin/hotcertctl", "usr/include/hotcert/plugin.h",
                 "usr/lib/pkgconfig/hotcert.pc", "usr/lib/systemd/system/hotcertd.service",
                 *(f"usr/lib/hotcert/plugins/{p}.so" for p in ("exec", "redis", "stepca", "trust")),
                 *(f"usr/share/man/{m}" for m in ("man8/hotcertd.8", "man1/hotcertctl.1", "man7/hotcert-step.7"))):
        assert (tree / path).is_file(), path
    assert "ExecStart=/usr/sbin/hotcertd" in (tree / "usr/lib/systemd/system/hotcertd.service").read_text()
    writable = [p for p in tree.rglob("*") if p.stat().st_mode & 0o022]
    assert not writable


def test_what_is_installed_runs(tree):
    code, out = run([tree / "usr/sbin/hotcertd", "-t", "-C", tree / "usr/lib/hotcert/conf.d",
                     "-P", tree / "usr/lib/hotcert/plugins"])
    assert code == 0, out
    code, out = run([tree / "usr/sbin/hotcertd", "-P", tree / "usr/lib/hotcert/plugins", "--options", "redis"])
    assert code == 0 and "address" in out, out


def test_a_plugin_builds_with_pkg_config_alone(tree, tmp_path):
    env = {"PKG_CONFIG_PATH": str(tree / "usr/lib/pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(tree)}
    code, flags = run(["pkg-config", "--cflags", "hotcert"], env)
    assert code == 0, flags
    code, plugins = run(["pkg-config", "--variable=plugindir", "hotcert"], env)
    assert plugins.strip().endswith("/usr/lib/hotcert/plugins"), plugins
    code, out = run(["gcc", "-std=c99", "-pedantic", "-Wall", "-Werror", *flags.split(), "-shared", "-fPIC",
                     ROOT / "tests/abi/minimal.c", "-o", tmp_path / "minimal.so"])
    assert code == 0, out


def test_another_prefix(build, tmp_path):
    """Built anew where it matters, in a copy of the build."""
    copy = tmp_path / build.name
    shutil.copytree(build, copy, ignore=shutil.ignore_patterns("abi-*", "tests"))
    make(copy, tmp_path, "prefix=/opt/hot", "install")
    code, out = run([tmp_path / "opt/hot/sbin/hotcertd", "-t", "-C", tmp_path / "empty"])
    assert code == 1 and str(tmp_path / "empty") in out, out
    assert b"/opt/hot/lib/hotcert/plugins" in (tmp_path / "opt/hot/sbin/hotcertd").read_bytes()
    pc = (tmp_path / "opt/hot/lib/pkgconfig/hotcert.pc").read_text()
    assert "prefix=/opt/hot\n" in pc.replace(" ", "")
    assert "/opt/hot/sbin/hotcertd" in (tmp_path / "opt/hot/lib/systemd/system/hotcertd.service").read_text()
    assert not (tmp_path / "usr").exists()


def test_uninstall_leaves_nothing(build, tree):
    make(build, tree, "uninstall")
    left = [p for p in tree.rglob("*") if not p.is_dir()]
    assert not left
    assert not [p for p in tree.rglob("*") if "hotcert" in p.name]
