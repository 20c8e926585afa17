"""exec: commands that are run for changes, what they are told, and every way in which they can end."""

import os
import pathlib
import signal

import pytest

from lib import wait

CONF = """\
[watch www]
directory = {tls}
cert = redis.crt
key = redis.key
{watch}
[exec www]
command = {command}
{more}
"""


class Command:
    """A shell script that appends a record for each run; what else it does can be changed at any time."""

    def __init__(self, directory):
        self.directory = directory
        self.path = directory / "command"
        self.runs_path = directory / "runs"
        self.then("exit 0")

    def then(self, text):
        temporary = self.directory / "command.new"
        temporary.write_text(f'#!/bin/sh\n(env | grep "^HOTCERT_\\|^/"; echo "ARGS $# $*"; echo END) >>{self.runs_path}\n{text}\n')
        temporary.chmod(0o755)
        os.rename(temporary, self.path)

    def runs(self):
        """The environment of each run."""
        if not self.runs_path.exists():
            return []
        return [dict(line.split("=", 1) for line in record.splitlines() if "=" in line)
                for record in self.runs_path.read_text().split("END\n")[:-1]]


@pytest.fixture
def command(tmp_path):
    return Command(tmp_path)


@pytest.fixture
def daemon(hotcertd, ca, tls, command):
    """Configured, not yet started; `configure` writes the drop-in anew."""
    ca.issue().write(tls)

    def configure(more="", line=None, watch=""):
        return hotcertd.conf("10-exec", CONF.format(tls=tls, command=command.path if line is None else line, more=more, watch=watch))
    hotcertd.configure = configure
    configure()
    return hotcertd


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_gone(pid):
    wait.until(lambda: not alive(pid), f"process {pid} still runs")


def pid_in(path):
    return int(wait.until(lambda: path.exists() and path.read_text().strip(), f"nothing in {path}"))


# ---- what the command is told -----------------------------------------------------------------------

def test_a_run_is_told_all_about_the_pair(daemon, command, ca, tls):
    ca.write(tls / "ca.crt")
    pair = ca.intermediate().issue(sans=["www.internal", "10.0.0.5"]).write(tls)
    daemon.configure(watch="ca = ca.crt")
    daemon.start()
    assert daemon.instance("exec:www")["state"] == "ok"
    run, = command.runs()
    when = "%Y-%m-%dT%H:%M:%SZ"
    assert run["HOTCERT_INSTANCE"] == "exec:www" and run["HOTCERT_WATCH"] == "www"
    assert run["HOTCERT_DIRECTORY"] == str(tls) and int(run["HOTCERT_GENERATION"]) >= 1
    assert run["HOTCERT_CERT"] == str(tls / "redis.crt") and run["HOTCERT_KEY"] == str(tls / "redis.key")
    assert run["HOTCERT_CA"] == str(tls / "ca.crt")
    assert run["HOTCERT_SUBJECT"] == "CN=redis.internal" and run["HOTCERT_ISSUER"] == "CN=Test Intermediate"
    assert int(run["HOTCERT_SERIAL"], 16) == int(pair.serial, 16) and run["HOTCERT_FINGERPRINT"] == pair.fingerprint
    assert run["HOTCERT_SANS"] == "dns:www.internal ip:10.0.0.5"
    assert run["HOTCERT_NOT_BEFORE"] == pair.cert.not_valid_before.strftime(when)
    assert run["HOTCERT_NOT_AFTER"] == pair.cert.not_valid_after.strftime(when)
    files = command.runs_path.read_text().partition("HOTCERT_FILES=")[2].splitlines()[:3]
    assert sorted(files) == sorted(str(tls / n) for n in ("redis.crt", "redis.key", "ca.crt"))


def test_a_watch_of_any_files(daemon, hotcertd, command, tls):
    hotcertd.conf("10-exec", f"[watch all]\ndirectory = {tls}\nmatch = *.crt\n[exec www]\nwatch = all\n"
                             f"command = {command.path}\n")
    daemon.start()
    run, = command.runs()
    assert run["HOTCERT_FILES"] == str(tls / "redis.crt") and "HOTCERT_CERT" not in run


def test_words_arrive_as_they_were_quoted(daemon, command):
    script = f"'for a do echo \"<$a>\"; done >{command.directory}/words'"
    daemon.configure(line=rf"""sh -c {script} - a 'b  c' "d \"e\"" f\ g '' 100%% * $HOME --list=1,2""")
    daemon.start()
    words = (command.directory / "words").read_text().split("\n")
    assert words == ["<a>", "<b  c>", '<d "e">', "<f g>", "<>", "<100%>", "<*>", "<$HOME>", "<--list=1,2>", ""]


@pytest.mark.parametrize("line, words", [
    ("'", "quote that is not closed"),
    ("true && false", "sh -c"),
    ("cat x | y", "sh -c"),
])
def test_a_bad_command_is_an_error_of_its_line(daemon, line, words):
    path = daemon.conf("20-bad", f"[exec www]\ncommand = {line}\n")
    code, out = daemon.check()
    assert code == 1 and f"{path}:2:" in out and words in out, out


def test_a_missing_command_is_an_error(daemon):
    daemon.configure(line="")
    code, out = daemon.check()
    assert code == 1 and "[exec www] command: missing" in out, out


# ---- when it is run -----------------------------------------------------------------------------------

def test_it_is_run_once_for_each_change_and_not_for_a_restart_or_a_rescan(daemon, command, ca, tls):
    daemon.conf("05-rescan", "[hotcert]\nrescan = 100ms\n")
    daemon.start()
    assert len(command.runs()) == 1
    for n in range(2, 5):
        pair = ca.issue().write(tls)
        assert daemon.sync() == 0
        assert len(command.runs()) == n
        assert command.runs()[-1]["HOTCERT_FINGERPRINT"] == pair.fingerprint
    daemon.restart()
    daemon.sync()
    assert "has been run for these files" in str(daemon.instance("exec:www"))
    calls = daemon.instance("exec:www")["totals"]["ok"]
    wait.until(lambda: daemon.instance("exec:www")["totals"]["ok"] > calls + 3, "no rescan")
    daemon.kill()
    daemon.start()
    daemon.sync()
    assert len(command.runs()) == 4


def test_a_change_while_the_daemon_is_down(daemon, command, ca, tls):
    daemon.start()
    daemon.stop()
    ca.issue().write(tls)
    daemon.start()
    assert len(command.runs()) == 2


def test_a_change_of_rights_counts(daemon, command, tls):
    daemon.start()
    (tls / "redis.key").chmod(0o640)
    assert daemon.sync() == 0
    assert len(command.runs()) == 2


def test_another_command_is_run_for_the_same_files(daemon, command):
    daemon.start()
    daemon.configure(line=f"{command.path} again")
    assert daemon.reload()[0] == 0 and daemon.sync() == 0
    assert len(command.runs()) == 2 and "ARGS 1 again\n" in command.runs_path.read_text()


def test_run_by_hand(daemon, command):
    daemon.start()
    code, out = daemon.ctl("do", "exec:www", "run")
    assert code == 0 and "ran " in out, out
    assert len(command.runs()) == 2 and command.runs()[0] == command.runs()[1]
    command.then("echo no such luck; exit 4")
    code, out = daemon.ctl("do", "exec:www", "run")
    assert code == 1 and "exited with 4: no such luck" in out, out
    code, out = daemon.ctl("do", "exec:www", "run", "surplus")
    assert code != 0, out


def test_run_by_hand_before_there_is_a_pair(daemon, command, tls):
    (tls / "redis.key").unlink()
    daemon.start(ready=False)
    wait.until(lambda: daemon.socket.exists() and daemon.ctl("version")[0] == 0, "no socket")
    code, out = daemon.ctl("do", "exec:www", "run")
    assert code == 1 and "no whole set of files" in out, out
    assert not command.runs()


# ---- how it ends ----------------------------------------------------------------------------------------

def test_exit_75_is_tried_again(daemon, command):
    daemon.configure("retry_min = 50ms")
    command.then(f"echo not yet; test -e {command.directory}/now || exit 75")
    daemon.start(ready=False)
    daemon.wait_log("exited with 75: not yet")
    wait.until(lambda: len(command.runs()) > 1, "no second try")
    (command.directory / "now").touch()
    daemon.wait_instance("exec:www", "ok")


@pytest.mark.parametrize("then, words", [
    ("echo out; echo err >&2; exit 3", "exited with 3: err"),
    ("exit 1", "exited with 1"),
    ("echo dying; kill -TERM $$", "was killed by signal 15 (Terminated): dying"),
])
def test_other_ends_are_failures_and_wait_for_a_person(daemon, command, then, words):
    command.then(then)
    daemon.start()
    instance = daemon.instance("exec:www")
    assert instance["state"] == "failed" and words in instance["message"]
    assert len(command.runs()) == 1
    command.then("exit 0")
    assert daemon.ctl("retry", "exec:www")[0] == 0
    daemon.wait_instance("exec:www", "ok")
    assert len(command.runs()) == 2


def test_a_failure_is_not_taken_for_done_when_old_files_come_back(daemon, command, ca, tls):
    old = ca.issue().write(tls)
    daemon.start()
    command.then("exit 1")
    ca.issue().write(tls)
    assert daemon.sync() == 1
    command.then("exit 0")
    old.write(tls)
    assert daemon.sync() == 0
    assert len(command.runs()) == 3


@pytest.mark.parametrize("line, more, words", [
    ("/nowhere/program", "", "cannot run /nowhere/program: No such file"),
    ("no-such-program-in-path", "", "cannot run no-such-program-in-path: No such file"),
    ("/etc/passwd", "", "cannot run /etc/passwd: Permission denied"),
    ("/tmp", "", "cannot run /tmp: Permission denied"),
    ("true", "user = no-such-user", "cannot run true as user no-such-user: No such file"),
    ("true", "group = no-such-group", "cannot run true with group no-such-group: No such file"),
])
def test_what_cannot_be_started(daemon, line, more, words):
    daemon.configure(more, line)
    daemon.start()
    instance = daemon.instance("exec:www")
    assert instance["state"] == "failed" and words in instance["message"]


def test_the_last_lines_are_in_the_log_and_no_more(daemon, command):
    command.then(r"seq 1 20000; printf 'colour \033[31m\007 bell\n'; head -c 100000 /dev/zero | tr '\0' x; echo; echo last; exit 9")
    daemon.start()
    text = daemon.log_text()
    assert "last" in text and "\x1b" not in text and "\x07" not in text
    assert text.count(f"exec:www: {command.path}: ") == 8
    assert max(len(line) for line in text.splitlines()) < 1000
    assert "exited with 9: last" in daemon.instance("exec:www")["message"]


def test_the_output_of_a_good_run_is_of_lower_rank(daemon, command):
    command.then("echo all is well")
    daemon.start()
    assert "all is well" not in daemon.log_text()
    daemon.conf("05-level", "[hotcert]\nlog_level = info\n")
    daemon.restart()
    daemon.ctl("do", "exec:www", "run")
    assert "all is well" in daemon.log_text()


def test_after_its_timeout_it_dies_with_its_children(daemon, command):
    pids = command.directory
    daemon.configure("timeout = 300ms\nretry_min = 1h\nretry_max = 1h")
    command.then(f"echo working; echo $$ >{pids}/self; tail -f /dev/null & echo $! >{pids}/child; wait")
    daemon.start(ready=False)
    self, child = pid_in(pids / "self"), pid_in(pids / "child")
    daemon.wait_log("was still running after")
    daemon.wait_instance("exec:www", "retry")
    wait_gone(self)
    wait_gone(child)
    assert "working" in daemon.log_text()


def test_what_it_leaves_behind_in_its_group_is_killed(daemon, command):
    command.then(f"tail -f /dev/null & echo $! >{command.directory}/child")
    daemon.start()
    wait_gone(pid_in(command.directory / "child"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_was_cut_short_is_repeated(daemon, command, how):
    command.then(f"echo $$ >{command.directory}/self; exec tail -f /dev/null")
    daemon.start(ready=False)
    pid = pid_in(command.directory / "self")
    if how == signal.SIGKILL:
        daemon.kill()
        os.kill(pid, signal.SIGKILL)
    else:
        daemon.stop()
        wait_gone(pid)
    command.then("exit 0")
    daemon.start()
    daemon.wait_instance("exec:www", "ok")
    assert len(command.runs()) == 2


def test_a_command_that_is_removed_from_the_configuration_while_it_runs(daemon, command):
    command.then(f"echo $$ >{command.directory}/self; exec tail -f /dev/null")
    daemon.start(ready=False)
    pid = pid_in(command.directory / "self")
    daemon.conf("10-exec", "")
    wait.until(lambda: daemon.reload()[0] == 0, "no reload")
    wait_gone(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.parametrize("more, expected", [
    ("user = nobody", "nobody nogroup nogroup"),
    ("user = nobody\ngroup = daemon", "nobody daemon"),
    ("group = daemon", "root daemon daemon"),
])
def test_as_somebody_else(daemon, command, more, expected):
    daemon.configure(more, "sh -c 'echo $(id -un) $(id -gn) $(id -Gn)'")
    daemon.conf("05-level", "[hotcert]\nlog_level = info\n")
    daemon.start()
    assert daemon.instance("exec:www")["state"] == "ok"
    assert f"sh: {expected}" in daemon.log_text()
