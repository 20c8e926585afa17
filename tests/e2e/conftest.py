"""Fixtures: each test has its own folder and its own processes, and ends them by pid.

The binaries come from $HOTCERT_BUILD (build/gcc). A sanitizer's report, a leak, or a daemon that died
fails the test that caused it, whatever else the test saw.
"""

import os
import pathlib

import pytest

import step_ca as step
from lib import hotcertd as daemon
from lib.pki import CA
from lib.probe import Probe
from lib.redis_server import RedisServer


@pytest.fixture(autouse=True)
def sanitizers(tmp_path, monkeypatch):
    """Every process of the test reports into its folder."""
    log = tmp_path / "sanitizer"
    monkeypatch.setenv("ASAN_OPTIONS", f"log_path={log}:detect_leaks=1:exitcode=99:detect_stack_use_after_return=1")
    monkeypatch.setenv("UBSAN_OPTIONS", f"log_path={log}:print_stacktrace=1")
    monkeypatch.setenv("LSAN_OPTIONS", "print_suppressions=0")
    yield
    assert not reports(tmp_path), "\n".join(reports(tmp_path))


def reports(directory):
    return [r.read_text(errors="replace") for r in sorted(directory.glob("sanitizer.*"))]


@pytest.fixture(scope="session")
def build():
    assert (daemon.BUILD / "hotcertd").exists(), f"run make first: no hotcertd in {daemon.BUILD}"
    return daemon.BUILD


@pytest.fixture(scope="session")
def plugin_dir(build, tmp_path_factory):
    """All plugins, the fakes too, in a folder that only its owner can write."""
    return daemon.copy_plugins(tmp_path_factory.mktemp("plugins"), daemon.plugin_files(build))


@pytest.fixture
def make_hotcertd(tmp_path, plugin_dir, build, sanitizers):
    """make_hotcertd(name): more than one daemon in a test."""
    made = []

    def make(name="d", **kwargs):
        made.append(daemon.Hotcertd(tmp_path / name, kwargs.pop("plugin_dir", plugin_dir),
                                    kwargs.pop("build", build), **kwargs))
        return made[-1]
    yield make
    errors = []
    for one in made:  # pytest shows the first error of a teardown only, so all goes into it
        try:
            one.finish()
            print(one.tail())  # shown where the test has failed
        except AssertionError as e:
            errors.append(str(e))
    assert not errors, "\n".join(errors + reports(tmp_path))


@pytest.fixture
def hotcertd(make_hotcertd):
    return make_hotcertd()


@pytest.fixture
def ca():
    return CA()


@pytest.fixture
def tls(tmp_path):
    """A certificate directory, empty."""
    directory = tmp_path / "tls"
    directory.mkdir()
    return directory


@pytest.fixture
def probe(tmp_path):
    """Where the probe plugin writes: `record = {probe.path}`."""
    return Probe(tmp_path / "probe.jsonl")


@pytest.fixture
def make_redis(tmp_path):
    """make_redis(tls, ca_file, …): a redis-server, not yet started; see lib/redis_server.py."""
    made = []

    def make(*args, name="redis", **kwargs):
        made.append(RedisServer(tmp_path / f"{name}{len(made)}", *args, **kwargs))
        return made[-1]
    yield make
    for server in made:
        server.finish()


@pytest.fixture
def redis_server(make_redis, ca, tls):
    """A running redis-server whose pair, issued by `ca`, lies in `tls` as redis.crt and redis.key."""
    ca.write(tls / "ca.crt")
    ca.issue().write(tls)
    return make_redis(tls, tls / "ca.crt").start()


@pytest.fixture(scope="session")
def ca_programs():
    """step-ca and step-ca-init; built on the first use, which takes a minute."""
    step.build()


@pytest.fixture
def make_step_ca(tmp_path, ca_programs):
    """make_step_ca(name, …): a real step-ca, not yet started; see step_ca.py."""
    made = []

    def make(name="ca", **kwargs):
        made.append(step.StepCA(tmp_path / f"{name}{len(made)}", **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.close()


def pytest_report_header():
    return f"hotcert: {os.environ.get('HOTCERT_BUILD', 'build/gcc')} in {pathlib.Path.cwd()}"
