"""Crash-only: kill -9 at any instant, then a start: the same result."""

import os
import random

import pytest

from lib.probe import files

CONF = """\
[hotcert]
ready_timeout = 300ms
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
[probe redis]
record = {record}
[probe slow]
watch = redis
behave = timer
delay = 3ms
"""


@pytest.fixture
def daemon(hotcertd, ca, tls, probe):
    ca.issue().write(tls)
    hotcertd.conf("10-good", CONF.format(tls=tls, record=probe.path))
    return hotcertd


def test_a_change_made_while_it_was_down_is_applied_at_the_start(daemon, probe, ca, tls):
    daemon.start()
    daemon.kill()
    pair = ca.issue().write(tls)
    daemon.start()
    assert files(probe.last())["cert"]["sha256"] == pair.cert_digest


def test_killed_at_many_instants(daemon, probe, ca, tls):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    pairs = [ca.issue() for _ in range(20)]
    for i in range(30):
        daemon.start(ready=chance.random() < 0.5)
        for _ in range(chance.randrange(4)):
            pair = pairs[chance.randrange(20)].write(tls)
        daemon.kill()
        left = [f for f in os.listdir(daemon.state_dir) if f.startswith(".")] if daemon.state_dir.exists() else []
        assert len(left) <= i + 1, f"temporary files pile up (seed {seed}): {left}"
    pair = ca.issue().write(tls)
    daemon.start()
    assert daemon.sync() == 0, f"seed {seed}"
    assert files(probe.last())["cert"]["sha256"] == pair.cert_digest, f"seed {seed}"


@pytest.mark.parametrize("rubbish", [b"", b"\0" * 100, b"{", os.urandom(512)], ids=["empty", "zeros", "torn", "noise"])
def test_rubbish_in_the_state_directory_is_survived(daemon, rubbish):
    daemon.conf("50-failed", "[probe bad]\nwatch = redis\nbehave = failed\n")
    daemon.start()
    daemon.stop()
    written = [f for f in daemon.state_dir.rglob("*") if f.is_file()]
    assert written
    for file in written:
        file.write_bytes(rubbish)
    daemon.start()
    daemon.wait_instance("probe:redis", "ok")


def test_a_full_disk_under_the_state_directory(daemon):
    """/dev/full cannot be a directory; a file system of one page can."""
    daemon.wrapper = ["unshare", "-m", "sh", "-c",
                      f'mkdir -p {daemon.state_dir} && mount -t tmpfs -o size=4k,nr_inodes=2 none {daemon.state_dir} '
                      '&& exec "$@"', "sh"]
    daemon.conf("50-failed", "[probe bad]\nwatch = redis\nbehave = failed\n")
    daemon.start()
    daemon.wait_instance("probe:bad", "failed")
    daemon.wait_instance("probe:redis", "ok")
