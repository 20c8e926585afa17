"""hotcertd as a service manager sees it: start, notifications, watchdog, end."""

import os
import re
import signal
import stat
import subprocess
import tempfile

import pytest

from lib import pki, wait
from lib.process import Process

CONF = """\
[hotcert]
{daemon}
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
[probe redis]
record = {record}
{probe}
"""


@pytest.fixture
def configured(hotcertd, ca, tls, probe):
    """A daemon that is not started yet; configure(daemon=…, probe=…) changes its drop-in."""
    ca.issue().write(tls)

    def configure(**more):
        hotcertd.conf("10-test", CONF.format(**{"tls": tls, "record": probe.path, "daemon": "", "probe": "", **more}))
    hotcertd.configure = configure
    configure()
    return hotcertd


def messages(daemon, key):
    return [m for m in daemon.notify.read() if key in m]


# ---- READY, RELOADING, STOPPING, STATUS ----

def test_ready_comes_once_with_a_status(configured):
    configured.start()
    configured.sync()
    ready = messages(configured, "READY")
    assert len(ready) == 1 and ready[0]["STATUS"] == "1 watch, 1 instance, all ok", ready


@pytest.fixture
def gate(configured, tmp_path):
    """An instance whose first job ends when gate() is called."""
    fifo = tmp_path / "gate"
    os.mkfifo(fifo)
    configured.conf("20-gate", f"[exec gate]\nwatch = redis\ncommand = cat {fifo}\n")
    return lambda: os.close(os.open(fifo, os.O_WRONLY))


def test_ready_waits_for_the_first_job(configured, gate):
    configured.start(ready=False)
    wait.until(configured.socket.exists, "control socket")
    wait.until(lambda: configured.instance("probe:redis")["state"] == "ok", "the other instance")
    assert not messages(configured, "READY")
    gate()
    configured.notify.wait("READY", "1", configured.process.running)


def test_ready_timeout(configured):
    configured.configure(daemon="ready_timeout = 100ms", probe="behave = never")
    configured.start()
    configured.wait_log("ready_timeout")


def test_reload_is_one_message_and_its_end_another(configured):
    configured.start()
    for how in configured.sighup, configured.reload:
        seen = len(configured.notify.read())
        how()
        configured.notify.wait("READY", "1", configured.process.running, seen)
        new = configured.notify.read()[seen:]
        begin = next(m for m in new if "RELOADING" in m)
        assert begin["RELOADING"] == "1" and int(begin["MONOTONIC_USEC"]) > 0
        assert "READY" not in begin
        assert [m["READY"] for m in new[new.index(begin):] if "READY" in m] == ["1"]


def test_a_failed_reload_ends_too_and_says_so(configured):
    configured.start()
    configured.conf("50-bad", "[probe redis]\nnonsense = 1\n")
    configured.sighup()
    status = configured.notify.status()
    assert status.startswith("reload failed: ") and "50-bad.conf:2" in status, status
    (configured.conf_dir / "50-bad.conf").unlink()
    configured.sighup()
    assert "reload failed" not in configured.notify.status()


def test_a_reload_before_ready_is_no_ready(configured, gate):
    configured.start(ready=False)
    wait.until(configured.socket.exists, "control socket")
    assert configured.reload()[0] == 0
    configured.process.kill(signal.SIGHUP)
    wait.until(lambda: configured.log_text().count("reloaded") == 2, "both reloads")
    assert not messages(configured, "READY") and not messages(configured, "RELOADING")
    gate()
    configured.notify.wait("READY", "1", configured.process.running)
    assert len(messages(configured, "READY")) == 1


def test_status_follows_what_happens(configured, ca, tls):
    configured.configure(probe="behave = failed")
    configured.start()
    wait.until(lambda: "1 not ok: probe:redis is failed: this will never work" in configured.notify.status(),
               configured.notify.status)
    configured.configure()
    assert configured.reload()[0] == 0
    key = ca.issue().write(tls).key
    configured.sync()
    wait.until(lambda: configured.notify.status().endswith("all ok"), configured.notify.status)
    before = len(messages(configured, "STATUS"))
    for _ in range(50):
        pki.replace(tls / "redis.crt", ca.issue(key=key).cert_pem)
        configured.sync()
    assert len(messages(configured, "STATUS")) == before  # nothing of it is news


def status_lengths(daemon):
    return [len(m["STATUS"].encode()) for m in messages(daemon, "STATUS")]


def test_status_is_one_short_line_of_utf8(configured, tls):
    """The manager drops a message that is not; here it would be cut in the middle of a character."""
    euros = "\u20ac" * 60
    for i in range(4):
        directory = tls / ("\u20ac" * 30 + "x" * i)
        configured.conf("20-odd", f"""\
            [watch odd]
            directory = {directory}
            cert = {euros}
            settle_warn = 10ms
            [probe odd]
            """)
        configured.start(ready=False)
        wait.until(lambda: max(status_lengths(configured), default=0) >= 397, lambda: status_lengths(configured))
        assert max(status_lengths(configured)) <= 400
        configured.stop()


# ---- watchdog ----

def test_watchdog_pings_at_half_its_time(configured):
    configured.env["WATCHDOG_USEC"] = "200000"
    configured.start()
    wait.until(lambda: len(messages(configured, "WATCHDOG")) >= 5, "five pings")
    assert all(m == {"WATCHDOG": "1"} for m in messages(configured, "WATCHDOG"))


def test_no_watchdog_that_is_meant_for_another(configured):
    configured.env.update(WATCHDOG_USEC="20000", WATCHDOG_PID="1")
    configured.start()
    configured.sync()
    configured.stop()
    assert not messages(configured, "WATCHDOG")


@pytest.fixture
def quiet(ca):
    """A certificate directory of which none above is one where others come and go all the time, as in /tmp."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        ca.issue().write(directory)
        yield directory


def test_idle_means_idle(configured, quiet):
    """Between two pings of the watchdog there is nothing to wake up for."""
    configured.configure(daemon="rescan = 0", tls=quiet)
    configured.env["WATCHDOG_USEC"] = "600000"
    configured.start()
    configured.sync()

    def switches():
        with open(f"/proc/{configured.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M).group(1))

    def pings():
        return len(messages(configured, "WATCHDOG"))
    settled = pings() + 4  # the update that follows a change, at most a second later, is over by then
    wait.until(lambda: pings() >= settled, "settled")
    first, before = pings(), switches()
    wait.until(lambda: pings() >= first + 4, "four more pings")
    assert switches() - before <= pings() - first + 1


# ---- the end ----

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_it_stops(configured, sig):
    configured.start()
    configured.expected_dead = True
    assert configured.process.stop(sig) == 0
    assert not configured.socket.exists()
    assert configured.notify.wait("STOPPING", "1")


def test_it_stops_while_a_job_runs(configured):
    configured.configure(daemon="ready_timeout = 50ms", probe="behave = never\ntimeout = 1h")
    configured.start()
    configured.stop()
    assert "job cancelled" in configured.log_text()


def test_nothing_but_stopping_is_said_after_stopping(configured):
    configured.start()
    for sig in signal.SIGHUP, signal.SIGTERM:
        configured.process.kill(sig)
    configured.expected_dead = True
    while configured.process.running():
        configured.process.kill(signal.SIGHUP)  # at every moment of the end
    assert configured.process.wait() == 0
    said = configured.notify.read()
    after = said[next(i for i, m in enumerate(said) if "STOPPING" in m) + 1:]
    assert not [m for m in after if "READY" in m or "RELOADING" in m], said


# ---- the start ----

def test_a_second_daemon_is_refused(configured, make_hotcertd):
    configured.start()
    second = make_hotcertd("second")
    second.conf("10-test", (configured.conf_dir / "10-test.conf").read_text())
    second.runtime_dir = configured.runtime_dir
    code, out = second.run()
    assert code == 1 and f"process {configured.process.pid}" in out and "runtime_dir" in out, out
    assert configured.ctl("version")[0] == 0
    assert len(configured.status()["instances"]) == 1


def test_errors_are_all_said_and_nothing_is_started(configured, probe):
    configured.conf("50-bad", "[probe redis]\nnonsense = 1\n[probe other]\n")
    code, out = configured.run()
    assert code == 1 and "50-bad.conf:2" in out and "50-bad.conf:3" in out, out
    assert not configured.socket.exists() and not configured.state_dir.exists() and not probe.calls()


def test_directories_are_made(configured):
    configured.start()
    assert stat.S_IMODE(configured.runtime_dir.stat().st_mode) == 0o755
    assert stat.S_IMODE(configured.state_dir.stat().st_mode) == 0o700


@pytest.mark.parametrize("fault, words", [
    (lambda d: d.runtime_dir.touch(), "runtime_dir"),
    (lambda d: (d.runtime_dir.mkdir(), d.socket.touch()), "no socket"),
    (lambda d: setattr(d, "runtime_dir", d.directory / ("long" * 30)), "107 bytes"),
    (lambda d: d.state_dir.touch(), "state_dir")], ids=["file", "in the way", "too long", "state"])
def test_a_directory_that_cannot_be_used(configured, fault, words):
    fault(configured)
    code, out = configured.run()
    assert code == 1 and words in out, out


def test_a_group_may_be_let_in(configured):
    configured.runtime_dir.mkdir()
    os.chown(configured.runtime_dir, -1, 12345)
    configured.runtime_dir.chmod(0o2750)
    configured.start()
    st = configured.socket.stat()
    assert stat.S_IMODE(st.st_mode) == 0o660 and st.st_gid == 12345


def test_closed_descriptors(configured):
    """What is opened first must not become the daemon's stderr."""
    configured.notify = None
    process = Process(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *configured.argv()],
                      configured.directory / "log")
    wait.until(configured.socket.exists, "control socket")
    for fd in range(3):
        assert os.readlink(f"/proc/{process.pid}/fd/{fd}") == "/dev/null"
    assert process.stop() == 0


@pytest.mark.parametrize("wanted", [False, True])
def test_core_dumps(configured, wanted):
    """What may not be dumped belongs to root in /proc: proc(5), PR_SET_DUMPABLE."""
    if wanted:
        configured.env["HOTCERT_COREDUMP"] = "1"
    configured.wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    for path in configured.directory, *configured.directory.iterdir():
        os.chown(path, 65534, 65534)
    for path in configured.directory.parents:
        if path.stat().st_mode & 0o005 != 0o005 and path.stat().st_uid == os.getuid():
            path.chmod(path.stat().st_mode | 0o055)
    configured.conf("10-test", "")
    configured.start(ready=False)
    wait.until(configured.socket.exists, "control socket")
    assert (os.stat(f"/proc/{configured.process.pid}/environ").st_uid == 65534) == wanted


# ---- the command line ----

def test_usage_errors(configured):
    for args in ["--what"], ["-C"], ["more"], ["--man"], ["-t", "x"]:
        code, out = configured.run(*args)
        assert code == 2 and "hotcertd -h" in out, out


def test_help_and_version(configured):
    for args in ["-h"], ["--help"]:
        done = subprocess.run([configured.build / "hotcertd", *args], stdout=subprocess.PIPE, check=False)
        assert done.returncode == 0 and done.stdout.startswith(b"usage: hotcertd")
    code, out = configured.run("-V")
    assert code == 0 and re.fullmatch(r"hotcertd \d+\.\d+\.\d+ \(plugin interface 1\.\d+\)\n", out), out


def test_check(configured, probe):
    code, out = configured.check()
    assert code == 0 and "right" in out, out
    configured.conf("50-bad", "[probe redis]\nnonsense = 1\n[probe other]\n")
    code, out = configured.check()
    assert code == 1 and re.search(r"^\S+50-bad\.conf:2: ", out, re.M), out
    assert not configured.runtime_dir.exists() and not probe.calls()


def test_options_of_a_plugin(configured):
    code, out = configured.run("--options", "probe")
    assert code == 0, out
    for regex in r"^probe 1 - ", r"^record +path", r"^retry_min +duration +1s", r"^  note \[WORD\.\.\.\] ":
        assert re.search(regex, out, re.M), (regex, out)
    code, out = configured.run("--options", "probe", "--man")
    assert code == 0 and re.search(r"^\.TP\n\\fBrecord\\fR \(path\)$", out, re.M), out
    code, out = configured.run("--options", "hotcert")
    assert code == 0 and "metrics_file" in out, out
    code, out = configured.run("--options", "nobody")
    assert code == 1 and "nobody" in out, out


def test_several_conf_dirs(configured, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    (more / "20-more.conf").write_text("[probe second]\nwatch = redis\n")
    argv = configured.argv
    configured.argv = lambda *a: argv("-C", more, *a)
    configured.start()
    assert [i["name"] for i in configured.status()["instances"]] == ["probe:redis", "probe:second"]


def test_log_level_is_changed_by_a_reload(configured):
    configured.start()
    assert " debug " not in configured.log_text()
    configured.configure(daemon="log_level = error")
    assert configured.reload()[0] == 0
    mark = configured.log_mark()
    configured.ctl("do", "probe:redis", "note")
    configured.configure(daemon="log_level = debug")
    assert configured.reload()[0] == 0
    assert "do probe:redis" not in configured.log_text()[mark:]
    configured.ctl("do", "probe:redis", "note")
    configured.wait_log("do probe:redis", since=mark)
