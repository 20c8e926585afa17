"""Private memory and idleness, with all plugins at work against a real Redis and a real step-ca."""

import contextlib
import os
import select
import time

from contender import WATCH, Contender
from lib import wait
from lib.hotcertd import Hotcertd
from lib.redis_server import RedisServer
from report import Row
from scale import make_directories, watches

STACK = """
[stepca redis]
url = {ca.url}
fingerprint = {ca.fingerprint}
provisioner = {ca.provisioner}
password_file = {ca.password_file}
subject = redis.internal
sans = redis.internal, localhost

[redis redis]
address = unix:{server.unix}

[trust redis]
stores = bundle:{bundle}

[exec redis]
command = true
"""


def stack_of_all(bench, name, stack, daemon=""):
    """A hotcertd with an instance of each plugin on one watch, not yet started."""
    place = bench.folder / name
    tls = place / "tls"
    tls.mkdir(parents=True)
    Contender(tls, bench.same_key(1))
    server = RedisServer(place / "redis", tls, bench.step_ca.root)
    stack.callback(server.finish)
    server.start()
    hotcertd = Hotcertd(place / "d", bench.plugin_dir)
    stack.callback(hotcertd.finish)
    hotcertd.conf("all", f"[hotcert]\n{daemon}\n" + WATCH.format(name="redis", directory=tls) + "ca = ca.crt\n"
                  + STACK.format(ca=bench.step_ca, server=server, bundle=place / "bundle.pem"))
    return hotcertd


def status_numbers(path, key):
    with open(path, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key + ":"))


def private_kib(hotcertd):
    assert hotcertd.sync() == 0, hotcertd.status()
    return status_numbers(f"/proc/{hotcertd.process.pid}/status", "RssAnon")


def memory(bench):
    """Yields the rows of private memory: with one watch, and for each further one."""
    counts = [1, 1001] if bench.quick else [1, 1001, 10001]
    used = {}
    make_directories(bench, bench.pairs, counts[-1] - 1)
    with contextlib.ExitStack() as stack:
        hotcertd = stack_of_all(bench, "memory", stack)
        for n in counts:
            hotcertd.conf("more", watches(bench.pairs, n - 1))
            hotcertd.start()
            used[n] = private_kib(hotcertd)
            hotcertd.stop()
    yield Row("private memory, all plugins active, one watch", "", f"{used[1] / 1024:.2f} MB", "", "<= 3 MB",
              used[1] <= 3072)
    for n in counts[1:]:
        each = (used[n] - used[1]) / (n - 1)
        yield Row(f"each further watch, of {n - 1:,}", "", f"{each:.2f} KB", "", "<= 4 KB", each <= 4,
                  f"{used[n] / 1024:.1f} MB in all")


class Idle:
    """Counts the wake-ups of a settled daemon from here on, all its threads together."""

    def __init__(self, hotcertd):
        self.hotcertd = hotcertd
        assert hotcertd.start().sync() == 0, hotcertd.status()
        self.pidfd = os.pidfd_open(hotcertd.process.pid)
        seen = wait.until(self.at_rest, "the daemon does not come to rest")
        self.since, self.before = time.monotonic(), seen.pop()

    def at_rest(self):
        """Its switches, where they stay the same for a while: what has changed is saved a second later."""
        before = self.switches()
        ended = select.select([self.pidfd], [], [], 2)[0]
        assert not ended, self.hotcertd.process.tail()
        return self.switches() == before and [before]

    def switches(self):
        tasks = f"/proc/{self.hotcertd.process.pid}/task"
        return sum(status_numbers(f"{tasks}/{tid}/status", "voluntary_ctxt_switches")
                   for tid in os.listdir(tasks))

    def after(self, seconds):
        """How often it woke up in so long; a daemon that ends ends this too."""
        ended = select.select([self.pidfd], [], [], max(0, self.since + seconds - time.monotonic()))[0]
        assert not ended, self.hotcertd.process.tail()
        return self.switches() - self.before


def idle(bench):
    """Yields two rows: nothing that wakes it, and the defaults under a watchdog."""
    seconds = 10 if bench.quick else 60
    with contextlib.ExitStack() as stack:
        quiet = stack_of_all(bench, "quiet", stack, "rescan = 0")
        usual = stack_of_all(bench, "usual", stack)
        usual.env["WATCHDOG_USEC"] = str(10 * 1000 * 1000)
        quiet, usual = Idle(quiet), Idle(usual)
        woken, pings = quiet.after(seconds), seconds // 5 + 1
        yield Row(f"idle for {seconds} s, no rescan, no watchdog: wake-ups", "", str(woken), "", "0", woken == 0)
        woken = usual.after(seconds)
        yield Row("the same with a watchdog of 10 s, rescan 5 min", "", str(woken), "", f"<= {pings}",
                  woken <= pings)
