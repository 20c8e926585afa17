"""The third-party plugin: every command of its README, in order, as a newcomer pastes them."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from lib.hotcertd import BUILD, ROOT, run

README = ROOT / "examples/plugin/README.md"


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The build under test, and a folder for the README's mktemp."""
    short = tempfile.TemporaryDirectory(prefix="hc-")  # the path of a socket has 107 bytes
    (tmp_path / "tmp").symlink_to(short.name)
    monkeypatch.setenv("TMPDIR", short.name)
    monkeypatch.setenv("B", str(BUILD.relative_to(ROOT)))
    for name in "PKG_CONFIG_PATH", "PKG_CONFIG_SYSROOT_DIR", "MAKEFLAGS", "MAKELEVEL", "DESTDIR":
        monkeypatch.delenv(name, raising=False)
    if "asan" in BUILD.name:
        monkeypatch.setenv("SAN", "1")
    yield tmp_path
    short.cleanup()


def script(before_last=""):
    """All `sh` blocks of the README; before_last is put in front of the one that tidies up."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.M | re.S)
    assert len(blocks) == 6
    return "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n" + "".join(blocks[:-1]) + before_last + blocks[-1]


def test_every_command_of_the_readme(environment):
    again = """
echo "== before restart"; cat "$TRY/service.log"
kill $daemon; wait $daemon
$hotcertd 2>"$TRY/hotcertd.log" & daemon=$!
until $hotcertctl version >/dev/null 2>&1; do :; done
$hotcertctl sync
echo "== after restart"; cat "$TRY/service.log"
"""
    done = subprocess.run(["bash"], input=script(again), cwd=ROOT, check=False, text=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = done.stdout
    assert done.returncode == 0, out
    for words in "file with the number of the process", "USR2", "signal:www", "sent SIGHUP to process":
        assert words in out, out
    before = out.partition("== before restart\n")[2].partition("== after restart\n")[0]
    after = out.partition("== after restart\n")[2]
    assert before.count("told") == 3, out
    assert after.count("told") == 3, out
    assert not list((environment / "tmp").iterdir())


def test_only_the_installed_header_is_used(environment):
    """The folder is copied away from the tree, and the compiler is given what pkg-config says, nothing else."""
    install = environment / "installed"
    code, out = run(["make", "-C", ROOT, "install", f"DESTDIR={install}"])
    assert code == 0, out
    env = {"PKG_CONFIG_PATH": str(install / "usr/lib/pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(install)}
    code, flags = run(["pkg-config", "--cflags", "hotcert"], env)
    assert code == 0 and flags.strip() == f"-I{install}/usr/include", flags
    copy = environment / "copy"
    subprocess.run(["cp", "-r", README.parent, copy], check=True)
    for compiler in filter(shutil.which, ("gcc", "clang")):
        code, out = run(["make", "-C", copy, "clean", "install", f"CC={compiler}",
                         "CFLAGS=-Werror -O2", f"plugindir={install}/usr/lib/hotcert/plugins"], env)
        assert code == 0 and "-Icore" not in out, out
    assert (install / "usr/lib/hotcert/plugins/signal.so").stat().st_mode & 0o777 == 0o644
    code, out = run(["nm", "-D", "--defined-only", copy / "signal.so"])
    assert [line.split()[2] for line in out.splitlines()] == ["hc_plugin_v1"], out


CONF = """\
[watch www]
directory = {tls}
cert = redis.crt
key = redis.key
[signal www]
pid_file = {pid}
{more}
"""


@pytest.fixture
def daemon(hotcertd, environment, ca, tls):
    plugins = hotcertd.own_plugins()
    include = ROOT / "core/include"
    code, out = run(["cc", "-std=c11", "-D_GNU_SOURCE", "-fPIC", "-fvisibility=hidden", f"-I{include}", "-shared",
                     README.parent / "signal.c", "-o", plugins / "signal.so"])
    assert code == 0, out
    ca.issue().write(tls)
    hotcertd.pid_file = pathlib.Path(environment / "service.pid")
    hotcertd.conf("10-signal", CONF.format(tls=tls, pid=hotcertd.pid_file, more="retry_min = 100ms"))
    return hotcertd


@pytest.fixture
def service():
    """A process that ends with 42 when it is told to."""
    code = "import signal, sys; signal.signal(signal.SIGHUP, lambda *_: sys.exit(42)); print(flush=True); signal.pause()"
    process = subprocess.Popen(["/usr/bin/python3", "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_service_that_is_yet_to_start(daemon, service):
    daemon.start(ready=False)
    daemon.wait_log("cannot read .*service.pid: No such file")
    daemon.pid_file.write_text(f"{service.pid}\n")
    daemon.wait_instance("signal:www", "ok")
    assert service.wait(20) == 42


@pytest.mark.parametrize("text, state, words", [
    ("nonsense\n", "failed", "holds no process number"),
    ("1\n", "failed", "holds no process number"),
    ("-1\n", "failed", "holds no process number"),
    (f"{2**22 - 1}\n", "retry", "No such process"),
])
def test_bad_pid_files(daemon, text, state, words):
    daemon.pid_file.write_text(text)
    daemon.start(ready=False)
    daemon.wait_log(words)
    daemon.wait_instance("signal:www", state)


def test_another_program_is_not_signalled(daemon, service):
    daemon.conf("20-program", "[signal www]\nprogram = nginx\n")
    daemon.pid_file.write_text(str(service.pid))
    daemon.start(ready=False)
    daemon.wait_log("is another program")
    assert service.poll() is None
    assert os.readlink(f"/proc/{service.pid}/exe")
