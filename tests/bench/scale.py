"""Ten thousand watches at the start, and a hundred thousand renames over a thousand of them."""

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from contender import CERT, KEY, PROGRAMS, WATCH
from lib.hotcertd import Hotcertd
from lib.probe import Probe
from report import Row, time_text, within

KEYS_MADE = 50


def make_directories(bench, folder, n):
    """folder/0 and up, each with a pair; there are KEYS_MADE different ones."""
    pairs = bench.new_keys(KEYS_MADE)
    for i in range(n):
        place = folder / str(i)
        if not place.exists():
            place.mkdir(parents=True)
            (place / KEY).write_bytes(pairs[i % KEYS_MADE].key_pem)
            (place / CERT).write_bytes(pairs[i % KEYS_MADE].cert_pem)


def watches(folder, n, instance=""):
    return "".join(WATCH.format(name=f"w{i}", directory=folder / str(i))
                   + instance.format(name=f"w{i}") for i in range(n))


def until_exit(argv):
    begin = time.monotonic_ns()
    subprocess.run(argv, check=True)
    return time.monotonic_ns() - begin


def until_ready(hotcertd):
    begin = time.monotonic_ns()
    hotcertd.start(deadline=120)
    taken = time.monotonic_ns() - begin
    assert hotcertd.sync() == 0
    hotcertd.stop()
    return taken


def start(bench):
    """Yields a row: from the start of the program until all has been read and applied."""
    n = 1000 if bench.quick else 10000
    make_directories(bench, bench.pairs, n)
    hotcertd = Hotcertd(bench.folder / "start", bench.plugin_dir)
    hotcertd.conf("all", "[hotcert]\nready_timeout = 5m\n" + watches(bench.pairs, n, "[probe {name}]\n"))
    floor = [PROGRAMS / "floor_start", bench.pairs, str(n)]
    until_exit(floor)
    taken = [(until_exit(floor), until_ready(hotcertd)) for _ in range(3)]
    yield within(f"start with {n:,} watches of a pair each, until READY=1", *zip(*taken), 1.3)


class Storm:
    """Renames new certificates into the directories of `n` watches."""

    def __init__(self, bench, folder, n, renames):
        self.places = [folder / str(i) for i in range(n)]
        self.renames = renames
        self.variants = [bench.variants(i, 5) for i in range(KEYS_MADE)]
        self.last = [None] * n

    def _rename(self, i, variant):
        pair = self.variants[i % KEYS_MADE][variant]
        new = f"{self.places[i]}/.{CERT}.new"
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        os.write(fd, pair.cert_pem)
        os.close(fd)
        os.rename(new, f"{self.places[i]}/{CERT}")
        self.last[i] = pair.cert_digest

    def blow(self, pid):
        """As fast as it goes; the daemon is stopped for a third of it, which is more than its queue holds.
        Each watch's last certificate is one it had not had before."""
        n = len(self.places)
        for k in range(self.renames):
            if k == self.renames * 4 // 10:
                os.kill(pid, signal.SIGSTOP)
            elif k == self.renames * 7 // 10:
                os.kill(pid, signal.SIGCONT)
            self._rename(k % n, 4 if k >= self.renames - n else random.randrange(4))
        return time.monotonic_ns()


def last_applied(record):
    """The certificate that each instance saw last."""
    return {call["instance"]: call["files"][0]["sha256"] for call in Probe(record).calls()}


def storm(bench):
    """Yields two rows: nothing lost, and how soon all is settled."""
    renames = 20000 if bench.quick else 100000
    n = 1000
    hotcertd = Hotcertd(bench.folder / "storm", bench.plugin_dir)
    record = hotcertd.directory / "applied"
    with contextlib.ExitStack() as stack:
        # ext4 writes a file to disk when it is renamed over another one; a tmpfs is as fast as it goes
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hotcert-bench.", dir="/dev/shm")))
        make_directories(bench, folder, n)
        hotcertd.conf("all", watches(folder, n, "[probe {name}]\nrecord = " + f"{record}\n"))
        stack.callback(hotcertd.finish)
        hotcertd.start()
        wind = Storm(bench, folder, n, renames)
        begin = time.monotonic_ns()
        end = wind.blow(hotcertd.process.pid)
        assert hotcertd.sync("120s") == 0
        settled = time.monotonic_ns() - end
        overflows = hotcertd.process.log.count("inotify lost events")
        seen = last_applied(record)
    right = sum(seen.get(f"probe:w{i}") == digest for i, digest in enumerate(wind.last))
    yield Row(f"{renames:,} renames over {n:,} watches, with an overflow: on the last state", "", f"{right:,}", "",
              f"{n:,}", right == n and overflows > 0,
              f"{renames / (end - begin) * 1e9:,.0f} renames/s; overflows {overflows}")
    yield Row("the same: last event to all settled", "", time_text(settled), "", "<= 1 s", settled <= 1e9)
