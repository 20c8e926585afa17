"""Plugins that cannot be loaded, and plugins that misbehave: the daemon and its other plugins live on."""

import os

import pytest

from lib import wait
from lib.probe import Probe

BASE = """\
[hotcert]
rescan = 0
ready_timeout = 500ms
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
[probe good]
watch = redis
record = {record}
"""


@pytest.fixture
def daemon(hotcertd, ca, tls, probe):
    ca.issue().write(tls)
    hotcertd.conf("10-good", BASE.format(tls=tls, record=probe.path))
    return hotcertd


def not_elf(folder):
    (folder / "bad.so").write_text("#!/bin/sh\n")


def truncated_elf(folder):
    (folder / "bad.so").write_bytes((folder / "probe.so").read_bytes()[:1000])


def empty(folder):
    (folder / "bad.so").write_bytes(b"")


def directory(folder):
    (folder / "bad.so").mkdir()


def group_writable(folder):
    (folder / "bad.so").write_bytes((folder / "probe.so").read_bytes())
    (folder / "bad.so").chmod(0o664)


def world_writable(folder):
    (folder / "bad.so").write_bytes((folder / "probe.so").read_bytes())
    (folder / "bad.so").chmod(0o646)


def of_somebody_else(folder):
    (folder / "bad.so").write_bytes((folder / "probe.so").read_bytes())
    (folder / "bad.so").chmod(0o644)
    os.chown(folder / "bad.so", 65534, -1)


UNLOADABLE = {
    "not-there": ("nowhere", None, "there is no "),
    "not-elf": ("bad", not_elf, "bad.so"),
    "truncated": ("bad", truncated_elf, "cut short"),
    "empty": ("bad", empty, "bad.so"),
    "directory": ("bad", directory, "bad.so"),
    "group-writable": ("bad", group_writable, "writable"),
    "world-writable": ("bad", world_writable, "writable"),
    "owner": ("bad", of_somebody_else, "own"),
    "no-symbol": ("bad_symbol", None, "hc_plugin_v1"),
    "undefined-symbol": ("bad_undefined", None, "nobody_has_th"),
    "wrong-major": ("bad_major", None, "2"),
    "short-struct": ("bad_short", None, "bad_short.so"),
    "missing-operation": ("bad_operation", None, "apply"),
    "option-without-help": ("bad_options", None, "option 2 has no help"),
    "option-of-unknown-type": ("bad_type", None, "does not know"),
    "wrong-name": ("bad_name", None, "somebody_else"),
}
FAKES = ["probe", "bad_symbol", "bad_undefined", "bad_major", "bad_short", "bad_operation", "bad_name",
         "bad_options", "bad_type"]


@pytest.mark.parametrize("case", UNLOADABLE)
def test_an_unloadable_plugin_is_refused(daemon, case):
    """At the start that instance alone is refused; at a reload the old configuration runs on."""
    name, prepare, reason = UNLOADABLE[case]
    folder = daemon.own_plugins(*FAKES)
    if prepare:
        prepare(folder)
    path = daemon.conf("50-bad", f"[{name} x]\nwatch = redis\n")
    code, out = daemon.check()
    assert code == 1 and f"{path}:1:" in out and reason in out and f"{name}.so" in out, out
    daemon.start()
    assert reason in daemon.wait_instance(f"{name}:x", "refused")["message"]
    daemon.wait_log(f"{path}:1:")
    daemon.wait_instance("probe:good", "ok")
    path.unlink()
    assert daemon.reload()[0] == 0
    daemon.conf("50-bad", f"[{name} x]\nwatch = redis\n")
    code, out = daemon.reload()
    assert code == 1 and f"{path}:1:" in out and reason in out, out
    assert [i["name"] for i in daemon.status()["instances"]] == ["probe:good"]
    assert daemon.sync() == 0


def test_a_plugin_directory_that_others_can_write(daemon):
    daemon.own_plugins("probe").chmod(0o777)
    code, out = daemon.check()
    assert code == 1 and str(daemon.plugin_dir) in out and "writable" in out, out


def test_a_link_into_a_directory_that_others_can_write(daemon, tmp_path):
    folder = daemon.own_plugins("probe")
    place = tmp_path / "place"
    place.mkdir()
    (folder / "probe.so").rename(place / "probe.so")
    (folder / "probe.so").symlink_to(place / "probe.so")
    assert daemon.check()[0] == 0
    place.chmod(0o777)
    code, out = daemon.check()
    assert code == 1 and f"{place} is writable" in out, out


@pytest.mark.parametrize("name", ["../probe", "probe/../probe", ".", "a b", "%n"])
def test_a_plugin_name_cannot_leave_the_directory(daemon, name):
    path = daemon.conf("50-bad", f"[{name} x]\nwatch = redis\n")
    code, out = daemon.check()
    assert code == 1 and f"{path}:1:" in out, out


@pytest.mark.parametrize("how, reason", [("fail", "Input/output error"), ("invalid", "does not like invalid")])
def test_create_fails(daemon, how, reason):
    path = daemon.conf("50-bad", f"[probe bad]\nwatch = redis\ncreate = {how}\n")
    code, out = daemon.check()
    assert code == 1 and str(path) in out and reason in out and "[probe bad]" in out, out
    path.unlink()
    daemon.start()
    daemon.conf("50-bad", f"[probe bad]\nwatch = redis\ncreate = {how}\n")
    assert daemon.reload()[0] == 1
    assert [i["name"] for i in daemon.status()["instances"]] == ["probe:good"]


def test_a_changed_plugin_file_is_noticed_at_reload(daemon):
    folder = daemon.own_plugins("probe")
    daemon.start()
    data = (folder / "probe.so").read_bytes()
    (folder / "new").write_bytes(data + b"\0")
    (folder / "new").chmod(0o644)
    (folder / "new").rename(folder / "probe.so")
    daemon.reload()
    daemon.wait_log("probe.so.*restart")


# ---- behaviour ----

def misbehave(daemon, how, more="", timeout="200ms"):
    daemon.conf("50-bad", f"[probe bad]\nwatch = redis\nbehave = {how}\ntimeout = {timeout}\nretry_min = 50ms\n"
                          f"retry_max = 100ms\n{more}\n")
    return daemon.start()


def still_works(daemon, probe, ca, tls):
    """The other instance gets the next pair, and the daemon answers."""
    pair = ca.issue().write(tls)
    probe.wait_digest(pair.cert_digest)
    daemon.wait_instance("probe:good", "ok")
    assert daemon.ctl("version")[0] == 0


@pytest.mark.parametrize("how", ["ok", "timer", "alarm", "io", "thread", "child"])
def test_a_job_may_end_in_any_way_the_host_offers(daemon, probe, ca, tls, how):
    misbehave(daemon, how, timeout="10s")
    for _ in range(3):
        still_works(daemon, probe, ca, tls)
        daemon.wait_instance("probe:bad", "ok")
    assert daemon.sync() == 0
    if how == "child":
        daemon.wait_log("probe:bad.*hello from the child")


@pytest.mark.parametrize("how", ["never", "late", "confess"])
def test_a_job_past_its_deadline_is_cancelled_and_tried_again(daemon, probe, ca, tls, how):
    misbehave(daemon, how)
    daemon.wait_log("job cancelled")
    mark = daemon.log_mark()
    daemon.wait_log("job cancelled", since=mark)
    bad = daemon.instance("probe:bad")
    assert bad["state"] in ("retry", "running") and bad["attempts"] >= 1, bad
    assert ("the target was slow" if how == "confess" else "200 ms") in bad["message"], bad
    still_works(daemon, probe, ca, tls)


def test_job_done_twice(daemon, probe, ca, tls):
    misbehave(daemon, "twice")
    still_works(daemon, probe, ca, tls)
    assert daemon.wait_instance("probe:bad", "ok")["message"] == "the first time"


def test_apply_returns_an_error(daemon, probe, ca, tls):
    misbehave(daemon, "error")
    bad = wait.until(lambda: (i := daemon.instance("probe:bad"))["state"] == "retry" and i, "retry")
    assert "Input/output error" in bad["message"], bad
    still_works(daemon, probe, ca, tls)


def test_retry_and_failed_are_shown(daemon, probe, ca, tls):
    misbehave(daemon, "failed")
    bad = daemon.wait_instance("probe:bad", "failed")
    assert bad["message"] == "this will never work"
    assert daemon.sync() == 1
    still_works(daemon, probe, ca, tls)


def test_retry_until_it_works(daemon, probe, ca, tls, tmp_path):
    (tmp_path / "obstacle").write_text("")
    misbehave(daemon, "unless", f"unless = {tmp_path}/obstacle")
    bad = wait.until(lambda: (i := daemon.instance("probe:bad"))["attempts"] >= 3 and i, "three attempts")
    assert "is still there" in bad["message"]
    (tmp_path / "obstacle").unlink()
    daemon.wait_instance("probe:bad", "ok")
    assert daemon.sync() == 0


def test_attempts_and_backoff_survive_a_restart(daemon, tmp_path):
    (tmp_path / "obstacle").write_text("")
    daemon.conf("50-bad", f"[probe bad]\nwatch = redis\nbehave = unless\nunless = {tmp_path}/obstacle\n"
                          "retry_min = 1h\nretry_max = 2h\n")
    daemon.start()
    before = daemon.wait_instance("probe:bad", "retry")
    daemon.restart()
    after = daemon.wait_instance("probe:bad", "retry")
    assert after["attempts"] == before["attempts"] and abs(after["retry_at"] - before["retry_at"]) < 1000
    assert daemon.ctl("retry", "probe:bad")[0] == 0
    wait.until(lambda: "still there" in daemon.instance("probe:bad")["message"], "one more attempt")


def test_a_servers_wish_to_wait_survives_a_restart(daemon, tmp_path):
    """The plugin's bound is longer than retry_max."""
    (tmp_path / "obstacle").write_text("")
    misbehave(daemon, "unless", f"unless = {tmp_path}/obstacle\nwait = 1h")
    before = daemon.wait_instance("probe:bad", "retry")
    daemon.restart()
    after = daemon.wait_instance("probe:bad", "retry")
    assert (after["attempts"], after["retry_at"]) == (1, before["retry_at"]), (before, after)
    assert "before the restart" in after["message"], after


def test_a_change_while_a_job_runs_makes_one_job_of_retry_and_change(daemon, probe, ca, tls, tmp_path):
    """Its backoff begins and ends in the job that the change asked for, and asks for no third."""
    (tmp_path / "obstacle").write_text("")
    misbehave(daemon, "timer", f"unless = {tmp_path}/obstacle\ndelay = 1s\nrecord = {tmp_path}/bad.jsonl",
              timeout="30s")
    bad = Probe(tmp_path / "bad.jsonl")
    bad.wait_calls(1)
    still_works(daemon, probe, ca, tls)
    bad.wait_calls(2)
    (tmp_path / "obstacle").unlink()
    daemon.wait_instance("probe:bad", "ok")
    assert daemon.sync() == 0
    assert len(bad.calls()) == 2
    assert daemon.instance("probe:bad")["totals"] == {"ok": 1, "retry": 1, "failed": 0}


def test_percent_signs(daemon, probe, ca, tls):
    misbehave(daemon, "percent")
    assert daemon.wait_instance("probe:bad", "ok")["message"] == "%n%s%n as text"
    assert "%n%s%n%1000000d as text" in daemon.log_text()
    still_works(daemon, probe, ca, tls)


def test_a_plugin_that_holds_the_loop_is_named(daemon, probe, ca, tls):
    misbehave(daemon, "spin")
    daemon.wait_log(r"probe:bad.* apply.*\b2[ .0-9]")
    still_works(daemon, probe, ca, tls)


def test_what_an_instance_leaves_behind_goes_with_it(daemon, probe, ca, tls):
    misbehave(daemon, "leave")
    (daemon.conf_dir / "50-bad.conf").unlink()
    assert daemon.reload()[0] == 0
    assert [i["name"] for i in daemon.status()["instances"]] == ["probe:good"]
    still_works(daemon, probe, ca, tls)


@pytest.mark.parametrize("how", ["never", "late", "spin", "timer", "thread"])
def test_the_daemon_ends_whatever_its_plugins_do(daemon, how):
    daemon.conf("50-bad", f"[probe bad]\nwatch = redis\nbehave = {how}\ndelay = 100ms\ntimeout = 1h\n")
    daemon.start()
    daemon.stop()


# ---- actions ----

def test_actions(daemon):
    daemon.start()
    code, out = daemon.ctl("do", "probe:good", "note", "one", "two words")
    assert code == 0 and "2 words: two words" in out, out
    code, out = daemon.ctl("do", "probe:good", "nothing")
    assert code != 0 and "note" in out, out
    code, out = daemon.ctl("do", "probe:good", "refuse")
    assert code == 1 and "not permitted" in out, out
    code, out = daemon.ctl("do", "probe:nobody", "note")
    assert code != 0 and "probe:nobody" in out, out


def test_an_action_past_its_deadline(daemon):
    daemon.conf("50-t", "[probe good]\ntimeout = 200ms\n")
    daemon.start()
    code, out = daemon.ctl("do", "probe:good", "hang")
    assert code == 1 and "200" in out, out
    assert daemon.ctl("do", "probe:good", "note")[0] == 0
