"""SIGKILL at every system call of a renewal and of a change of key, and no room on the disk at each: the pair is whole."""

import errno
import itertools
import os
import signal
import subprocess

import pytest

from lib.pki import replace
from stepca_case import Site, issued

# Under the sanitizers a call takes many times as long: there a part has to do.
STEP = int(os.environ.get("HOTCERT_KILL_STEP", "16" if "asan" in os.environ.get("HOTCERT_BUILD", "") else "1"))
TRACED = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}  # LeakSanitizer needs ptrace itself

SCENARIOS = {
    "renewal": ("", False),
    "new key": ("rekey = yes", False),
    "generation": ("rekey = yes", True),
}


@pytest.fixture(params=SCENARIOS)
def site(request, hotcertd, make_step_ca, tls):
    more, laid_out = SCENARIOS[request.param]
    if laid_out:
        (tls / "gen-1").mkdir()
        os.symlink("gen-1", tls / "current")
    site = Site(hotcertd, make_step_ca(lifetime="5m").start(), tls)
    site.configure(more)
    if laid_out:
        path = hotcertd.conf_dir / "50-redis.conf"
        hotcertd.conf("50-redis", path.read_text().replace(f"directory = {tls}", f"directory = {tls}/current"))
        site.tls = tls / "current"
    site.laid_out = laid_out
    return site


def trace(site, *options):
    site.daemon.wrapper = [site.daemon.build / "tests/at_syscall", *options]
    site.daemon.env = TRACED
    return site


def assert_tidy(site):
    """Nothing but the files that belong there; the leftovers of a crash go with the next start or write."""
    names = sorted(n for n in os.listdir(site.tls) if n != ".hotcert-generation")
    assert names == ["ca.crt", "redis.crt", "redis.key"], names
    assert os.stat(site.tls / "redis.key").st_mode & 0o077 == 0


def test_killed_at_every_system_call(site, record_property):
    """Each start is the recovery from the kill before, and the renewal after it the next one to be killed."""
    issued(site)
    site.daemon.stop()
    kills = 0
    for n in itertools.count(1, STEP):
        trace(site, n).daemon.start()
        assert site.daemon.sync() == 0, (n, site.message())
        site.assert_whole()
        site.daemon.process.kill(signal.SIGUSR1)  # from here on
        if survives(site):
            break
        site.daemon.process.wait()
        assert site.daemon.process.popen.returncode == 128 + 9, site.daemon.tail()
        site.daemon.expected_dead = True
        kills += 1
        if not may_be_between(site):
            site.assert_whole()
    record_property("kill points", kills)
    print(f"{kills} kill points, 0 broken pairs")
    assert kills >= (100 if STEP == 1 else 5)
    site.daemon.kill()
    site.daemon.wrapper, site.daemon.env = [], {}
    site.daemon.start()
    assert site.daemon.sync() == 0
    assert site.daemon.ctl("renew", "redis")[0] == 0
    site.assert_whole()
    assert_tidy(site)


def survives(site):
    """A renewal and all that comes after it, until the daemon has nothing left to do."""
    return site.daemon.ctl("renew", "redis")[0] == 0 and site.daemon.ctl("sync")[0] == 0 and site.daemon.process.running()


def may_be_between(site):
    """With two files and a new key there is a moment between two renames: the next start ends it."""
    return not site.laid_out and "rekey = yes" in (site.daemon.conf_dir / "50-redis.conf").read_text()


def is_between(site):
    """The second rename and the way back have failed: the certificate that belongs to the key lies beside the old one."""
    return may_be_between(site) and (site.tls / ".redis.crt.hotcert-next").exists()


class Between:
    """A kill between the two renames of a change of key, made by hand: what the next look has to end."""

    def __init__(self, site):
        self.tls = site.tls
        self.old = self.read()
        assert site.daemon.ctl("renew", "redis")[0] == 0
        self.new = self.read()

    def read(self):
        return {name: (self.tls / name).read_bytes() for name in ("redis.crt", "redis.key")}

    def put(self, name, data):
        replace(self.tls / name, data, 0o600)

    def back(self):
        """The old pair, whole."""
        for name, data in self.old.items():
            self.put(name, data)

    def come(self):
        self.put(".redis.key.hotcert-old", self.old["redis.key"])
        self.put(".redis.crt.hotcert-next", self.new["redis.crt"])
        self.put("redis.key", self.new["redis.key"])

    def ended(self):
        return self.read() == self.new


def test_killed_while_it_ends_what_a_kill_has_left(hotcertd, make_step_ca, tls):
    """The start after it ends it: the new pair is there, and nothing else."""
    site = Site(hotcertd, make_step_ca(lifetime="24h").start(), tls).configure("rekey = yes")
    issued(site)
    between = Between(site)
    kills = 0
    for n in itertools.count(1, 4 * STEP):
        site.daemon.stop()
        between.back()
        trace(site, n).daemon.start()
        assert site.daemon.sync() == 0, (n, site.message())
        site.daemon.process.kill(signal.SIGUSR1)
        between.come()
        if site.daemon.ctl("sync")[0] == 0 and site.daemon.process.running():
            break
        site.daemon.process.wait()
        assert site.daemon.process.popen.returncode == 128 + 9, site.daemon.tail()
        site.daemon.expected_dead = True
        kills += 1
        site.daemon.wrapper, site.daemon.env = [], {}
        site.daemon.start()
        assert site.daemon.sync() == 0, (n, site.message())
        assert between.ended(), (n, site.message())
        site.assert_whole()
        assert_tidy(site)
    site.daemon.kill()  # it is still counting
    print(f"{kills} kill points, 0 broken pairs")
    assert between.ended() and kills >= (20 if STEP == 1 else 2)


# -- no room on the disk ---------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EROFS"])
def test_no_room_from_each_write_on(site, error, tmp_path):
    """From one call on all that take space fail, until there is room again. EDQUOT: quota; ENOSPC: inodes, too."""
    issued(site)
    site.daemon.stop()
    count = tmp_path / "count"
    for n in itertools.count(1):
        trace(site, "-c", count, "-e", getattr(errno, error), n).daemon.start()
        assert site.daemon.sync() == 0, (n, site.message())
        old = site.leaf()
        site.daemon.process.kill(signal.SIGUSR1)
        code, out = site.daemon.ctl("renew", "redis")
        if code:
            assert os.strerror(getattr(errno, error)) in out, out
            assert site.leaf() == old
        if not is_between(site):
            site.assert_whole()
        site.daemon.process.kill(signal.SIGUSR2)
        site.daemon.ctl("retry")
        assert site.daemon.ctl("renew", "redis")[0] == 0
        assert site.daemon.sync() == 0, (n, site.message())
        site.assert_whole()
        assert_tidy(site)
        site.daemon.stop()
        if int(count.read_text()) < n:
            break
    print(f"{n - 1} calls that take space")


def test_a_certificate_that_cannot_be_replaced_leaves_the_old_key(hotcertd, make_step_ca, tls):
    """As with chattr +i: the key has been replaced when that shows, and is put back."""
    site = Site(hotcertd, make_step_ca(lifetime="5m").start(), tls).configure("rekey = yes")
    issued(site)
    if subprocess.run(["chattr", "+i", tls / "redis.crt"], check=False, capture_output=True).returncode:
        pytest.skip("the file system knows no immutable files")
    try:
        before = (tls / "redis.key").read_bytes()
        code, out = site.daemon.ctl("renew", "redis")
        assert code == 1 and "redis.crt" in out, out
        assert (tls / "redis.key").read_bytes() == before
        site.assert_whole()
        assert_tidy(site)
    finally:
        subprocess.run(["chattr", "-i", tls / "redis.crt"], check=True)
    assert site.daemon.ctl("renew", "redis")[0] == 0
    site.assert_whole()
