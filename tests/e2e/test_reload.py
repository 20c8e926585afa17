"""Reload is one transaction: all of the new configuration, or the old one untouched."""

import os
import pathlib

import pytest

from lib import wait
from lib.probe import files

BASE = """\
[hotcert]
rescan = 0
ready_timeout = 300ms
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
[probe redis]
record = {record}
retry_min = 50ms
retry_max = 100ms
"""


@pytest.fixture
def daemon(hotcertd, ca, tls, probe):
    ca.issue().write(tls)
    hotcertd.conf("10-good", BASE.format(tls=tls, record=probe.path))
    return hotcertd.start()


def names(daemon):
    return [i["name"] for i in daemon.status()["instances"]]


def test_an_instance_is_added_and_dropped(daemon):
    daemon.conf("50-more", "[probe more]\nwatch = redis\n")
    assert daemon.reload()[0] == 0
    assert names(daemon) == ["probe:redis", "probe:more"]
    assert daemon.sync() == 0
    (daemon.conf_dir / "50-more.conf").unlink()
    assert daemon.reload()[0] == 0
    assert names(daemon) == ["probe:redis"]


def test_a_kept_instance_is_left_alone(daemon, probe):
    """Not created anew: its own count goes on; and it is given the current snapshot."""
    daemon.conf("50-more", "[probe more]\nwatch = redis\n")
    assert daemon.reload()[0] == 0
    assert daemon.sync() == 0
    applied = int(daemon.instance("probe:redis")["details"]["applied"])
    assert applied == len(probe.calls())
    assert int(daemon.instance("probe:more")["details"]["applied"]) == 1


def test_a_changed_instance_is_made_anew(daemon):
    daemon.conf("50-change", "[probe redis]\ntext = new\n")
    assert daemon.reload()[0] == 0
    assert daemon.sync() == 0
    assert daemon.instance("probe:redis")["details"] == {"applied": "1", "text": "new"}


def test_a_changed_watch_is_read_at_its_new_place(daemon, probe, ca, tmp_path):
    pair = ca.issue().write(tmp_path / "other")
    daemon.conf("50-change", f"[watch redis]\ndirectory = {tmp_path}/other\n")
    assert daemon.reload()[0] == 0
    assert files(probe.wait_digest(pair.cert_digest))["cert"]["path"] == f"{tmp_path}/other/redis.crt"
    pair = ca.issue().write(tmp_path / "other")
    probe.wait_digest(pair.cert_digest)


@pytest.mark.parametrize("how", ["ctl", "SIGHUP"])
def test_a_broken_configuration_changes_nothing(daemon, probe, ca, tls, how):
    path = daemon.conf("50-bad", "[probe other]\nwatch = redis\n[probe redis]\nnumber = many\n")
    if how == "ctl":
        code, out = daemon.reload()
        assert code == 1 and f"{path}:4:" in out, out
    else:
        daemon.sighup()
    daemon.wait_log(f"{path}:4:.*number")
    wait.until(lambda: str(path) in daemon.notify.status(), lambda: f"in STATUS: {daemon.notify.status()}")
    assert names(daemon) == ["probe:redis"]
    assert str(path) in str(daemon.status()["daemon"])
    pair = ca.issue().write(tls)
    probe.wait_digest(pair.cert_digest)
    path.unlink()
    assert daemon.reload()[0] == 0
    assert str(path) not in str(daemon.status()["daemon"]) + daemon.notify.status()


def test_reloading_is_told_to_the_service_manager(daemon):
    seen = len(daemon.notify.read())
    daemon.sighup()
    reloading = daemon.notify.wait("RELOADING", "1", since=seen)
    assert int(reloading["MONOTONIC_USEC"]) > 0
    daemon.stop()
    daemon.notify.wait("STOPPING", "1")


def test_a_job_in_flight_of_a_kept_instance_is_not_lost(daemon, probe, ca, tls):
    daemon.conf("50-slow", "[probe slow]\nwatch = redis\nbehave = timer\ndelay = 500ms\n")
    assert daemon.reload()[0] == 0
    daemon.wait_instance("probe:slow", "running")
    daemon.conf("60-more", "[probe more]\nwatch = redis\n")
    assert daemon.reload()[0] == 0
    assert daemon.sync() == 0
    assert "cancelled" not in daemon.log_text()


def test_a_dropped_instance_has_its_job_cancelled(daemon):
    daemon.conf("50-never", "[probe never]\nwatch = redis\nbehave = never\n")
    assert daemon.reload()[0] == 0
    daemon.wait_instance("probe:never", "running")
    (daemon.conf_dir / "50-never.conf").unlink()
    assert daemon.reload()[0] == 0
    daemon.wait_log("probe:never.*job cancelled")
    assert names(daemon) == ["probe:redis"]


def test_a_new_state_directory_waits_for_a_restart(daemon, tmp_path):
    """What an instance has remembered is not left behind; the option of the command line would win, so without it."""
    first, second = daemon.state_dir, tmp_path / "second"
    daemon.stop()
    argv = daemon.argv()
    at = argv.index("-S")
    daemon.argv = lambda *more: [*argv[:at], *argv[at + 2:], *more]
    daemon.conf("20-state", f"[hotcert]\nstate_dir = {first}\n")
    daemon.start()
    daemon.conf("20-state", f"[hotcert]\nstate_dir = {second}\n[probe bad]\nwatch = redis\nbehave = failed\n")
    assert daemon.reload()[0] == 0
    daemon.wait_log("state_dir.*restart")
    daemon.wait_instance("probe:bad", "failed")
    assert (first / "probe/bad.json").exists() and not second.exists()
    mark = daemon.log_mark()
    assert daemon.reload()[0] == 0
    daemon.wait_log("state_dir.*restart", since=mark)
    daemon.restart()
    daemon.wait_instance("probe:bad", "failed")
    assert (second / "probe/bad.json").exists()


def test_the_place_of_a_dropped_job_goes_to_one_that_waits(daemon):
    """64 jobs run at once: as many that never end, and one that waits for a place."""
    hung = daemon.conf("20-hung", "".join(f"[probe n{i}]\nwatch = redis\nbehave = never\ntimeout = 1h\n"
                                          for i in range(64)))
    assert daemon.reload()[0] == 0
    daemon.conf("50-more", "[probe more]\nwatch = redis\n")
    assert daemon.reload()[0] == 0
    daemon.wait_instance("probe:more", "queued")
    hung.unlink()
    assert daemon.reload()[0] == 0
    daemon.wait_instance("probe:more", "ok")


def resources(daemon):
    """Open descriptors and private memory in KiB."""
    proc = pathlib.Path(f"/proc/{daemon.process.pid}")
    memory = dict(line.split(":") for line in (proc / "status").read_text().splitlines() if ":" in line)
    return len(os.listdir(proc / "fd")), int(memory["RssAnon"].split()[0])


def test_a_thousand_reloads(daemon, probe, ca, tls, monkeypatch):
    """Every second one broken, certificates changing all the while: no job lost, nothing grows."""
    # AddressSanitizer keeps what was freed, and with it nothing could be seen to be flat
    monkeypatch.setenv("ASAN_OPTIONS", os.environ["ASAN_OPTIONS"]
                       + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0")
    daemon.conf("20-more", "".join(f"[probe n{i}]\nwatch = redis\nrecord = {probe.path}\nbehave = timer\n"
                                   "delay = 1ms\n" for i in range(10)))
    daemon.restart()
    pairs = [ca.issue() for _ in range(20)]
    before = None
    for i in range(1000):
        text = "[probe redis]\nnumber = many\n" if i % 2 else f"[probe n{i % 10}]\ntext = {i}\n"
        daemon.conf("50-soak", text)
        pairs[i % 20].write(tls)
        daemon.sighup()
        if i == 300:
            assert daemon.ctl("sync")[0] == 0
            before = resources(daemon)
    (daemon.conf_dir / "50-soak.conf").unlink()
    daemon.sighup()
    assert daemon.sync() == 0
    after = resources(daemon)
    assert after[0] <= before[0], f"descriptors: {before[0]} to {after[0]}"
    grown = 512 if "asan" in str(daemon.build) else 256  # it remembers stacks
    assert after[1] <= before[1] + grown, f"RssAnon: {before[1]} to {after[1]} KiB"
    last = {call["instance"]: files(call)["cert"]["sha256"] for call in probe.calls()}
    assert last == dict.fromkeys(names(daemon), pairs[999 % 20].cert_digest)
    status = daemon.status()
    for one in status["instances"]:  # each job that was begun has ended, and the last of them with the last pair
        assert one["state"] == "ok" and one["generation"] == daemon.watch("redis")["generation"], one
        assert one["totals"] == {"ok": int(one["details"]["applied"]), "retry": 0, "failed": 0}, one
    totals = status["daemon"]
    assert (totals["reloads_ok"], totals["reloads_failed"]) == (501, 500), totals
