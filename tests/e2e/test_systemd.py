"""The unit under a real systemd: readiness, reload, watchdog, and what the sandbox lets each plugin do."""

import os
import re
import shutil

import pytest

from lib import wait
from lib.guest import Guest, image, reason_not_to
from lib.hotcertd import BUILD, ROOT, run

UNIT = ROOT / "systemd/hotcertd.service"
pytestmark = pytest.mark.xdist_group("guest")  # there is one


# ---- what can be said of the unit without running it ------------------------------------------------

@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("drop_in, tenths", [(None, 21), ("stepca", 21), ("trust", 21), ("trust-java", 22), ("credentials", 21), ("exec", 24)])
def test_exposure(tmp_path, drop_in, tenths):
    shutil.copy(UNIT, tmp_path)
    if drop_in:
        (tmp_path / "hotcertd.service.d").mkdir()
        shutil.copy(f"{UNIT}.d/{drop_in}.conf", tmp_path / "hotcertd.service.d")
    code, out = run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={tenths}",
                     tmp_path / UNIT.name])
    assert code == 0, out


# ---- a guest for all that follows -----------------------------------------------------------------------

def java():
    """The directories of this machine's Java, to be put into the guest; none where it is not Debian's."""
    home = os.path.dirname(os.path.dirname(os.path.realpath(shutil.which("keytool") or "")))
    settings = os.path.dirname(os.path.realpath(f"{home}/conf/net.properties"))
    return {p: p for p in (home, settings)} if home.startswith("/usr/lib/jvm/") and settings.startswith("/etc/java") else {}


@pytest.fixture(scope="module")
def guest(build, tmp_path_factory):
    if "asan" in BUILD.name:
        pytest.skip("the sandbox leaves no room for the sanitizers")
    if reason_not_to():
        pytest.skip(reason_not_to())
    files = [build / "hotcertd", build / "hotcertctl", *(build / "plugins").glob("*.so")]
    root, why = image(files)
    if not root:
        pytest.skip(f"debootstrap: {why}")
    stage = tmp_path_factory.mktemp("stage")
    plugins = stage / "plugins"
    plugins.mkdir()
    for file in files:
        shutil.copy(file, plugins if file.suffix == ".so" else stage)
    one = Guest(tmp_path_factory.mktemp("guest"), root, {
        "/usr/sbin/hotcertd": stage / "hotcertd", "/usr/bin/hotcertctl": stage / "hotcertctl",
        "/usr/lib/hotcert/plugins": plugins, "/usr/lib/systemd/system/hotcertd.service": UNIT,
        "/usr/share/doc/hotcert/hotcertd.service.d": f"{UNIT}.d", **java()})
    try:
        if not one.boot():
            pytest.skip("systemd-nspawn cannot boot a guest here")
        yield one
    finally:
        one.finish()


class Service:
    """hotcertd.service in the guest."""

    def __init__(self, guest):
        self.guest = guest
        self.tls = guest.path("/etc/redis/tls")

    def clear(self):
        self.guest.sh("systemctl stop hotcertd; systemctl reset-failed hotcertd || :; rm -rf /var/lib/hotcert/* /etc/hotcert "
                      "/run/hotcert /run/systemd/system/hotcertd.service.d /etc/redis/tls; systemctl daemon-reload; "
                      "mkdir -p /etc/hotcert/conf.d /etc/redis/tls /run/systemd/system/hotcertd.service.d")

    def conf(self, name, text):
        self.guest.path(f"/etc/hotcert/conf.d/{name}.conf").write_text(text)

    def drop_in(self, name, text=None):
        """Puts in place one that is shipped, or one of these words."""
        there = self.guest.path(f"/run/systemd/system/hotcertd.service.d/{name}.conf")
        there.write_text(text or (UNIT.with_name("hotcertd.service.d") / f"{name}.conf").read_text())
        self.guest.sh("systemctl daemon-reload")

    def ctl(self, verb):
        return self.guest.run("systemctl", verb, "hotcertd.service")

    def start(self):
        code, out = self.ctl("start")
        assert code == 0, out + self.log()
        return self

    def show(self, name):
        return self.guest.sh(f"systemctl show -P {name} hotcertd.service").strip()

    def log(self):
        return self.guest.sh("journalctl -q -u hotcertd --no-pager -o cat _SYSTEMD_INVOCATION_ID="
                             "$(systemctl show -P InvocationID hotcertd)")

    def wait_log(self, regex):
        return wait.until(lambda: re.search(regex, self.log(), re.M), lambda: f"no /{regex}/ in\n{self.log()}")

    def status(self):
        return self.guest.run("hotcertctl", "status")[1]

    def wait_ok(self, instance):
        """An attempt that failed before a restart counts: the next one may come a moment after READY."""
        wait.until(lambda: f"{instance}  ok" in self.status(), self.status)


WATCH = "[watch redis]\ndirectory = /etc/redis/tls\ncert = redis.crt\nkey = redis.key\nca = ca.crt\n"


@pytest.fixture
def service(guest, ca):
    one = Service(guest)
    one.clear()
    ca.issue().write(one.tls)
    ca.write(one.tls / "ca.crt")
    guest.sh("chown -R redis:redis /etc/redis/tls && chmod 750 /etc/redis/tls && chmod 640 /etc/redis/tls/*")
    one.conf("10-redis", WATCH)
    yield one
    guest.sh("systemctl stop hotcertd")


def run_exec(service, command, more=""):
    """Starts the service with a command; what came of it is in its status."""
    service.conf("20-exec", f"[exec redis]\ncommand = {command}\n{more}\n")
    return service.start()


# ---- life ---------------------------------------------------------------------------------------------------

def test_a_unit_ordered_after_it_finds_the_first_job_done(service, guest):
    service.conf("20-exec", "[exec redis]\ncommand = sh -c 'until test -e /run/hotcert/go; do :; done; touch /run/hotcert/done'\n")
    guest.path("/run/systemd/system/consumer.service").write_text(
        "[Unit]\nWants=hotcertd.service\nAfter=hotcertd.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        "ExecStart=test -e /run/hotcert/done\n")
    guest.sh("systemctl daemon-reload; systemctl start --no-block consumer")
    wait.until(lambda: service.show("ActiveState") == "activating" and "[exec redis]" not in service.status()
               and "running" in service.status(), "hotcertd does not start")
    assert guest.run("systemctl", "show", "-P", "ActiveState", "consumer")[1].strip() == "inactive"
    assert re.search(r"consumer.service +start +waiting", guest.sh("systemctl list-jobs --no-pager"))
    guest.path("/run/hotcert/go").touch()
    wait.until(lambda: guest.run("systemctl", "is-active", "consumer")[1].strip() in ("active", "failed"), "no consumer")
    assert guest.sh("systemctl is-active consumer hotcertd") == "active\nactive\n"
    assert service.show("StatusText").startswith("1 watch, 1 instance")
    guest.sh("systemctl stop consumer")


def test_reload_tells_by_its_exit_code(service):
    service.start()
    pid = service.show("MainPID")
    code, out = service.ctl("reload")
    assert code == 0, out + service.log()
    service.conf("90-bad", "[hotcert]\nnonsense = 1\n")
    code, out = service.ctl("reload")
    assert code != 0, service.log()
    assert service.show("ActiveState") == "active" and "90-bad.conf:2" in service.show("StatusText") + service.log()
    service.conf("90-bad", "")
    code, out = service.ctl("reload")
    assert code == 0, out + service.log()
    assert service.show("MainPID") == pid and "90-bad" not in service.show("StatusText")


def test_a_bad_configuration_is_a_failed_start(service):
    service.drop_in("test", "[Service]\nRestart=no\n")
    service.conf("90-bad", "[hotcert]\nnonsense = 1\n")
    code, _ = service.ctl("start")
    assert code != 0 and service.show("Result") == "exit-code"
    # It ends so soon that the journal may not know its unit any more, only its name.
    wait.until(lambda: "90-bad.conf:2" in service.guest.sh("journalctl -q -t hotcertd --no-pager -o cat"), "its error in the journal")


def test_stop_is_clean(service):
    service.start()
    assert service.ctl("stop")[0] == 0
    assert service.show("Result") == "success" and service.show("ExecMainStatus") == "0"


@pytest.mark.parametrize("sig, result", [("KILL", "signal"), ("STOP", "watchdog")])
def test_it_comes_back_after_a_crash_and_when_it_hangs(service, guest, sig, result):
    service.drop_in("test", "[Service]\nWatchdogSec=2s\nRestartSec=100ms\n")
    service.start()
    pid = service.show("MainPID")
    beat = service.show("WatchdogTimestampMonotonic")
    wait.until(lambda: service.show("WatchdogTimestampMonotonic") != beat, "no word for the watchdog")
    assert service.show("MainPID") == pid
    guest.sh(f"kill -{sig} {pid}")
    wait.until(lambda: service.show("NRestarts") == "1" and service.show("ActiveState") == "active", "it stays away")
    assert service.show("MainPID") != pid
    assert result in guest.sh("journalctl -q -u hotcertd --no-pager -o cat | grep result | tail -1")


# ---- the sandbox -----------------------------------------------------------------------------------------------

def test_what_a_process_of_the_service_may(service, guest):
    run_exec(service, "true")
    status = dict(line.split(":\t", 1) for line in guest.path(f"/proc/{service.show('MainPID')}/status").read_text().splitlines()
                  if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 1 << 0 | 1 << 1 | 1 << 3  # CHOWN DAC_OVERRIDE FOWNER
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


@pytest.mark.parametrize("command", [
    "touch /etc/redis/tls/x", "touch /usr/x", "touch /var/lib/x", "cat /root/secret", "mknod /var/lib/hotcert/x c 1 3", "mount -t tmpfs x /mnt",
    "chroot / true", "unshare -n true", "setpriv --reuid=100 true", "dd if=/dev/mem of=/dev/null count=1",
    "chmod u+s /var/lib/hotcert/x", "kill -0 1",
])
def test_what_the_sandbox_forbids(service, guest, command):
    guest.sh("touch /root/secret; mkdir -p /var/lib/hotcert; touch /var/lib/hotcert/x; rm -f /var/lib/hotcert/x; touch /var/lib/hotcert/x")
    if "mknod" in command:
        guest.sh("rm /var/lib/hotcert/x")
    run_exec(service, command)
    assert "exec:redis  failed" in service.status(), service.status()


@pytest.mark.parametrize("command", [
    "touch /var/lib/hotcert/x", "touch /run/hotcert/x", "touch /etc/hotcert/x", "touch /tmp/x", "cat /etc/redis/tls/redis.key",
    "systemctl is-active dbus", "openssl version", "getent passwd redis",
])
def test_what_the_sandbox_allows(service, command):
    run_exec(service, command)
    assert "exec:redis  ok" in service.status(), service.status()


def test_a_command_reloads_another_service_through_systemd(service, guest):
    guest.path("/run/systemd/system/www.service").write_text(
        "[Service]\nExecStart=tail -f /dev/null\nExecReload=touch /run/www.reloaded\n")
    guest.sh("systemctl daemon-reload; systemctl start www; rm -f /run/www.reloaded")
    run_exec(service, "systemctl reload www")
    assert "exec:redis  ok" in service.status(), service.status()
    assert guest.path("/run/www.reloaded").exists()
    guest.sh("systemctl stop www")


def test_the_drop_in_for_exec(service, guest):
    run_exec(service, "id -un", "user = redis")
    assert "cannot run id as user redis: Operation not permitted" in service.log()
    service.drop_in("exec")
    service.conf("20-exec", "[exec redis]\ncommand = sh -c 'id -un; exec tail -f /dev/null'\nuser = redis\ntimeout = 300ms\n"
                            "retry_min = 1h\nretry_max = 1h\n")
    assert service.ctl("restart")[0] == 0
    service.wait_log("exec:redis: sh: redis$")
    service.wait_log("was still running after .* and is killed")
    wait.until(lambda: guest.run("pgrep", "-x", "tail")[0] == 1 or
               "tail" not in guest.sh("ps -eo comm 2>/dev/null || cat /proc/[0-9]*/comm"), "the command lives on")


def test_the_drop_in_for_stepca_and_files_of_another_user(service, guest, ca):
    bundle = guest.path("/etc/redis/tls/roots.pem")
    bundle.write_bytes(b"# of redis\n")
    guest.sh("chown redis:redis /etc/redis/tls/roots.pem; chmod 600 /etc/redis/tls/roots.pem")
    service.conf("20-trust", "[trust redis]\nstores = bundle:/etc/redis/tls/roots.pem\n")
    service.start()
    assert "cannot write it: Read-only file system; under systemd the unit needs the drop-in for trust" in service.log()
    service.drop_in("stepca")
    assert service.ctl("restart")[0] == 0
    service.wait_ok("trust:redis")
    assert bundle.read_bytes().endswith(ca.pem)
    assert guest.sh("stat -c '%U:%G %a' /etc/redis/tls/roots.pem") == "redis:redis 600\n"


@pytest.mark.parametrize("named, state", [("/etc/redis/tls", "failed"), ("/etc/redis", "ok")])
def test_a_writable_directory_that_is_made_anew(service, guest, named, state):
    """As systemd/hotcertd.service.d/stepca.conf says: name the one above it."""
    service.drop_in("test", f"[Service]\nReadWritePaths={named}\n")
    service.conf("20-trust", "[trust redis]\nstores = bundle:/etc/redis/tls/roots.pem\n")
    service.start()
    assert "trust:redis  ok" in service.status(), service.status()
    guest.sh("mv /etc/redis/tls /etc/redis/old; mkdir /etc/redis/tls; cp -a /etc/redis/old/ca.crt /etc/redis/old/redis.* "
             "/etc/redis/tls; rm -rf /etc/redis/old")
    guest.run("hotcertctl", "retry", "trust:redis")
    guest.run("hotcertctl", "sync")
    assert f"trust:redis  {state}" in service.status(), service.status()


def test_the_drop_in_for_trust_and_the_real_store(service, guest, ca):
    verify = "openssl verify /etc/redis/tls/redis.crt"
    service.conf("20-trust", "[trust redis]\n")
    service.start()
    assert "under systemd the unit needs the drop-in for trust" in service.log() and guest.run("sh", "-c", verify)[0] != 0
    service.drop_in("trust")
    assert service.ctl("restart")[0] == 0
    service.wait_ok("trust:redis")
    assert ca.pem.decode() in guest.path("/etc/ssl/certs/ca-certificates.crt").read_text()
    guest.sh(verify)
    guest.sh("hotcertctl do trust:redis uninstall")
    assert guest.run("sh", "-c", verify)[0] != 0
    assert guest.sh("ls /usr/local/share/ca-certificates") == ""


@pytest.mark.skipif(not java(), reason="needs a Java of Debian's")
def test_the_drop_in_for_java(service, guest):
    home = next(p for p in java() if p.startswith("/usr/lib/jvm/"))
    guest.sh("mkdir -p /etc/ssl/certs/java; rm -f /etc/ssl/certs/java/*")
    service.drop_in("path", f"[Service]\nEnvironment=PATH={home}/bin:/usr/bin:/bin\nReadWritePaths=/etc/ssl/certs/java\n")
    service.conf("20-trust", "[trust redis]\nstores = java:/etc/ssl/certs/java/cacerts\n")
    service.start()
    service.wait_log("trust:redis: java:.*: keytool (exited with|was killed by signal) [0-9]+")
    assert guest.sh("ls /etc/ssl/certs/java") == ""
    service.drop_in("trust-java")
    assert service.ctl("restart")[0] == 0
    service.wait_ok("trust:redis")
    assert "trustedCertEntry" in guest.sh(f"{home}/bin/keytool -list -storepass changeit -keystore /etc/ssl/certs/java/cacerts")


def test_the_drop_in_for_credentials(service, guest):
    guest.sh("mkdir -p /etc/hotcert/credentials; cd /etc/hotcert/credentials; echo one >redis-password; echo two >provisioner-password; chmod 600 *")
    service.drop_in("credentials")
    run_exec(service, "sh -c 'cat %d/redis-password %d/provisioner-password >/var/lib/hotcert/seen'")
    assert "exec:redis  ok" in service.status(), service.status()
    assert guest.path("/var/lib/hotcert/seen").read_text() == "one\ntwo\n"


def test_a_drop_in_in_run_outlives_the_service(service, guest):
    service.start()
    guest.sh("mkdir -p /run/hotcert/conf.d; echo '[hotcert]' >/run/hotcert/conf.d/x.conf; systemctl restart hotcertd")
    assert guest.path("/run/hotcert/conf.d/x.conf").exists()


def test_the_installed_unit_is_verified(guest):
    out = guest.run("systemd-analyze", "verify", "--man=no", "hotcertd.service")[1]
    assert "hotcertd.service" not in out, out
