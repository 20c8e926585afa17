"""The metrics: their format, their truth, their file."""

import os
import re

import pytest

from lib import pki, wait

SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\["\\n])*",?)*)\})? (-?\d+(?:\.\d+)?)$')


@pytest.fixture
def daemon(hotcertd, ca, tls, tmp_path):
    ca.issue().write(tls)
    hotcertd.metrics_file = tmp_path / "hotcert.prom"
    hotcertd.conf("10-good", f"""\
        [hotcert]
        metrics_file = {hotcertd.metrics_file}
        ready_timeout = 300ms
        [watch redis]
        directory = {tls}
        cert = redis.crt
        key = redis.key
        [probe redis]
        """)
    return hotcertd.start()


def parse(text):
    """{name: {labels: value}}; checks the format on the way: families whole, HELP and TYPE before them."""
    values, announced, closed, family = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# "):
            _, kind, name, rest = line.split(" ", 3)
            assert kind in ("HELP", "TYPE") and rest
            announced.setdefault(name, set()).add(kind)
            continue
        match = SAMPLE.match(line)
        assert match, line
        name, labels, value = match.groups()
        assert announced.get(name) == {"HELP", "TYPE"}, name
        if name != family:
            assert name not in closed, f"{name} is not in one piece"
            closed.add(name)
            family = name
        samples = values.setdefault(name, {})
        assert labels not in samples, line
        samples[labels] = float(value)
    assert text.endswith("\n")
    return values


def metrics(daemon):
    code, out = daemon.ctl("metrics")
    assert code == 0
    return parse(out)


def test_values(daemon, ca, tls):
    daemon.conf("50-more", "[probe bad]\nwatch = redis\nbehave = failed\n")
    assert daemon.reload()[0] == 0
    pair = ca.issue().write(tls)
    daemon.sync()
    daemon.conf("60-bad", "[probe bad]\nnonsense = 1\n")
    assert daemon.reload()[0] == 1
    m = metrics(daemon)
    place = f'watch="redis",path="{tls}/redis.crt",subject="CN=redis.internal"'
    assert m["hotcert_certificate_not_after_seconds"] == {place: pair.cert.not_valid_after_utc.timestamp()
                                                          if hasattr(pair.cert, "not_valid_after_utc") else
                                                          (pair.cert.not_valid_after - pki.datetime.datetime(1970, 1, 1))
                                                          .total_seconds()}
    assert m["hotcert_certificate_not_before_seconds"][place] < m["hotcert_start_time_seconds"][None]
    assert m["hotcert_watch_state"] == {'watch="redis",state="whole"': 1}
    assert m["hotcert_instance_state"] == {
        'instance="probe:redis",plugin="probe",watch="redis",state="ok"': 1,
        'instance="probe:bad",plugin="probe",watch="redis",state="failed"': 1}
    jobs = m["hotcert_jobs_total"]
    assert jobs['instance="probe:redis",result="ok"'] == 2 and jobs['instance="probe:redis",result="failed"'] == 0
    assert jobs['instance="probe:bad",result="failed"'] == 2
    assert m["hotcert_job_attempts"]['instance="probe:redis"'] == 0
    assert list(m["hotcert_job_last_success_timestamp_seconds"]) == ['instance="probe:redis"']
    assert m["hotcert_reloads_total"] == {'result="success"': 1, 'result="failure"': 1}
    assert m["hotcert_config_last_reload_successful"] == {None: 0}
    assert m["hotcert_inotify_watches"][None] >= 1 and m["hotcert_inotify_overflows_total"] == {None: 0}
    assert m["hotcert_ready"] == {None: 1}


def test_each_file_of_a_match(daemon, ca, tmp_path):
    many = tmp_path / "many"
    for name in "a", "b":
        ca.issue(cn=f"{name}.internal").write(many, f"{name}.crt", f"{name}.key")
    daemon.conf("50-more", f"[watch many]\ndirectory = {many}\nmatch = *.crt\n")
    assert daemon.reload()[0] == 0
    daemon.sync()
    found = [k for k in metrics(daemon)["hotcert_certificate_not_after_seconds"] if 'watch="many"' in k]
    assert len(found) == 2 and any("a.crt" in k for k in found) and any("b.crt" in k for k in found)


def test_labels_are_escaped(daemon, ca, tmp_path):
    odd = tmp_path / 'we"ird'
    odd.mkdir()
    ca.issue(cn='quo"te\\back\nline').write(odd, "odd.crt", "odd.key")
    daemon.conf("50-more", f"[watch odd]\ndirectory = {odd}\nmatch = *.crt\n")
    assert daemon.reload()[0] == 0
    daemon.sync()
    assert any('we\\"ird' in k for k in metrics(daemon)["hotcert_certificate_not_after_seconds"])


def test_the_file_follows_every_change_and_is_always_whole(daemon, ca, tls):
    wait.until(daemon.metrics_file.exists, "metrics_file")
    assert daemon.metrics_file.stat().st_mode & 0o777 == 0o644
    seen = set()

    def count():
        m = parse(daemon.metrics_file.read_text())
        seen.add(daemon.metrics_file.stat().st_ino)
        return m["hotcert_jobs_total"]['instance="probe:redis",result="ok"']
    for _ in range(2):
        ca.issue().write(tls)
        assert daemon.sync() == 0
        done = metrics(daemon)["hotcert_jobs_total"]['instance="probe:redis",result="ok"']
        wait.until(lambda: count() == done, count, deadline=5)  # noqa: B023
    assert len(seen) > 1  # replaced, not written into
    assert [f for f in os.listdir(daemon.metrics_file.parent) if "hotcert~" in f] == []


def test_a_file_that_cannot_be_written_is_said_once(daemon, ca, tls, tmp_path):
    daemon.conf("50-more", f"[hotcert]\nmetrics_file = {tmp_path}/none/hotcert.prom\n")
    assert daemon.reload()[0] == 0
    daemon.wait_log(r"metrics_file \S+/none/hotcert\.prom: No such file or directory")
    ca.issue().write(tls)
    assert daemon.sync() == 0
    (tmp_path / "none").mkdir()
    ca.issue().write(tls)
    wait.until((tmp_path / "none/hotcert.prom").exists, "metrics_file")
    assert daemon.process.log.count("metrics_file") == 1
