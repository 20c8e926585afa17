"""hotcertd against a model: random operations on certificate directories of every layout, then a plain reading of
the disk says what each watch has to be, and what each instance must have been given last.

HOTCERT_MODEL_OPS: how many operations a seed; HOTCERT_MODEL_SEEDS: which seeds ("1 2 3").
"""

import json
import os
import pathlib
import random
import signal

import pytest

from lib import model_sys
from lib.model import NAMES, WHOLE, Contents, Watch, seen, told
from lib.model_world import World
from lib.pki import CA

OPS = int(os.environ.get("HOTCERT_MODEL_OPS", "300"))
SEEDS = [int(s) for s in os.environ.get("HOTCERT_MODEL_SEEDS", "1 2 3").split()]
DAEMON = "[hotcert]\nrescan = 0\nready_timeout = 50ms\nlog_level = debug\n"
HOWS = ["ok", "timer", "io", "thread", "child"]


@pytest.fixture
def mounts():
    with model_sys.private_mounts() as can:
        yield can


class Instance:
    """A [probe NAME] or [probe_all NAME] section, and what it has written down."""

    def __init__(self, plugin, name, watch, how="ok"):
        self.plugin, self.name, self.watch, self.how = plugin, name, watch, how
        self.full = f"{plugin}:{name}"
        self.number = 1
        self.calls = []
        self.since = 0       # the first call after it was created
        self.looked = 0      # calls that have been looked at
        self.unless = None   # a file: it cannot be brought in line while that exists

    def section(self, record):
        return (f"[{self.plugin} {self.name}]\nwatch = {self.watch}\nrecord = {record}\nnumber = {self.number}\n"
                f"behave = {self.how}\ndelay = 3ms\nretry_min = 20ms\nretry_max = 40ms\n"
                + (f"unless = {self.unless}\n" if self.unless else ""))


class Run:
    """One seed."""

    def __init__(self, hotcertd, tmp_path, seed, can_mount):
        self.random = random.Random(seed)
        self.seed = seed
        self.hotcertd = hotcertd
        self.contents = Contents(CA())
        base = tmp_path / "w"
        base.mkdir()
        self.world = World(base, self.contents, self.random, can_mount)
        self.watches = {w.name: w for w in self.world.watches}
        self.record = tmp_path / "record.jsonl"
        self.record.touch()
        self.reader = open(self.record, "rb")  # pylint: disable=consider-using-with
        self.stopper = tmp_path / "stopper"
        self.stopped_at = 0  # calls of probe:retrying before it was there
        self.instances = {}
        self.lenient = True  # something has happened after which the same state may be applied again
        for i, name in enumerate(self.watches):
            self.add(Instance("probe", name, name, HOWS[i % len(HOWS)]))
        for name in "plain", "match", "certbot", "linked", "deep":
            self.add(Instance("probe_all", name, name))
        retrying = Instance("probe", "retrying", "plain", "unless")
        retrying.unless = self.stopper
        self.add(retrying)
        self.spare = [Watch("spare", base / "x", match=["*.crt"]), Watch("again", base / "kube", "redis.crt")]

    def add(self, instance):
        self.instances[instance.full] = instance

    # -- the daemon --

    def configure(self):
        self.hotcertd.conf("10-model", DAEMON + "".join(w.section() for w in self.watches.values())
                           + "".join(i.section(self.record) for i in self.instances.values()))

    def start(self):
        self.configure()
        self.hotcertd.start()

    def take_calls(self):
        for line in self.reader.read().splitlines():
            call = json.loads(line)
            self.instances[call["instance"]].calls.append(call)

    # -- what may happen to the daemon --

    def reload(self, code=0):
        got, out = self.hotcertd.reload()
        assert got == code, out

    def reload_unchanged(self):
        self.lenient = True
        self.reload()

    def reload_broken(self):
        path = self.hotcertd.conf("90-broken", self.random.choice([
            "[watch nowhere]\n", "[probe odd]\nwatch = plain\nnumber = many\n", "[nothing x]\nwatch = plain\n",
            "[probe bad]\nwatch = plain\ncreate = fail\n"]))
        self.reload(1)
        path.unlink()

    def reload_changed_instance(self):
        instance = self.random.choice(list(self.instances.values()))
        instance.number += 1
        self.reload_anew([instance])

    def reload_changed_watch(self):
        watch = self.random.choice(list(self.watches.values()))
        watch.settle_warn = "21ms" if watch.settle_warn == "20ms" else "20ms"
        self.reload_anew([i for i in self.instances.values() if i.watch == watch.name])

    def reload_anew(self, instances):
        """These are made anew by it."""
        self.configure()
        self.hotcertd.sync()
        self.take_calls()
        for instance in instances:
            instance.since = len(instance.calls)
        self.lenient = True
        self.reload()

    def reload_more_or_fewer(self):
        """Watches and instances come and go."""
        watch = self.random.choice(self.spare)
        if watch.name in self.watches:
            self.hotcertd.sync()
            self.take_calls()
            del self.watches[watch.name]
            del self.instances[f"probe:{watch.name}"]
        else:
            self.watches[watch.name] = watch
            self.add(Instance("probe", watch.name, watch.name, self.random.choice(HOWS)))
        self.configure()
        self.reload()
        self.lenient = True

    def kill(self):
        self.hotcertd.kill()
        self.take_calls()
        for instance in self.instances.values():
            instance.since = len(instance.calls)
        self.lenient = True
        self.hotcertd.start()

    def overflow(self):
        """The queue of the kernel overflows while the daemon can't read it."""
        limit = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        directory = self.random.choice([d for d in self.world.directories if d.is_dir()] or [self.world.base])
        self.hotcertd.process.kill(signal.SIGSTOP)
        for i in range(limit // 2 + 100):
            os.mknod(directory / f".o{i}")
            os.unlink(directory / f".o{i}")
        for _ in range(5):
            self.world.step()
        self.hotcertd.process.kill(signal.SIGCONT)
        self.lenient = True

    def stopper_comes_or_goes(self):
        if self.stopper.exists():
            self.stopper.unlink()
        else:
            self.hotcertd.sync()
            self.take_calls()
            self.stopped_at = len(self.instances["probe:retrying"].calls)
            self.stopper.touch()

    def step(self):
        world = self.world
        n = self.random.random()
        for chance, what in ((0.01, self.reload_unchanged), (0.01, self.reload_broken),
                             (0.01, self.reload_changed_instance), (0.01, self.reload_changed_watch),
                             (0.01, self.reload_more_or_fewer), (0.01, self.kill), (0.002, self.overflow),
                             (0.02, self.stopper_comes_or_goes)):
            n -= chance
            if n < 0:
                world.said.append(what.__name__)
                what()
                return
        world.step()

    # -- the comparison --

    def settle(self):
        self.world.finish_writes()
        self.hotcertd.sync()
        if not self.stopper.exists():
            self.hotcertd.wait_instance("probe:retrying",
                                        "ok" if self.look("plain").state == WHOLE else "waiting")
        self.take_calls()

    def look(self, name):
        return self.watches[name].look(self.contents)

    def check(self):
        status = self.hotcertd.status()
        looks = {name: self.look(name) for name in self.watches}
        assert {w["name"] for w in status["watches"]} == set(self.watches)
        assert {i["name"] for i in status["instances"]} == set(self.instances)
        for watch in status["watches"]:
            self.check_watch(watch, looks[watch["name"]])
        for one in status["instances"]:
            instance = self.instances[one["name"]]
            self.check_instance(one, instance, looks[instance.watch])
        self.check_kernel(status)
        self.lenient = False

    def check_watch(self, watch, look):
        assert watch["state"] == NAMES[look.state], f"{watch}\nmodel: {look}"
        if look.leaf is not None and NAMES[look.state] in ("whole", "expired"):
            assert watch["fingerprint"] == self.contents.fingerprints[look.leaf], watch
        assert watch["polled"] is None, watch

    def check_instance(self, one, instance, look):
        wants_all = instance.plugin == "probe_all"
        stopped = instance.unless and self.stopper.exists() and len(instance.calls) > self.stopped_at
        assert one["state"] == ("waiting" if look.state != WHOLE and not wants_all else
                                "retry" if stopped else "ok"), f"{one}\nmodel: {look}"
        fresh = instance.calls[instance.looked:]
        for call in fresh:
            assert wants_all or self.is_pair(call), call
        if wants_all or look.state == WHOLE:
            assert len(instance.calls) > instance.since or one["state"] == "retry", \
                f"{instance.full} was given nothing; model: {look}"
            assert seen(instance.calls[-1]) == look.files, f"{instance.calls[-1]}\nmodel: {look}"
        if not self.lenient and not instance.unless:
            self.check_duplicates(instance)
        instance.looked = len(instance.calls)

    def is_pair(self, call):
        """What a plugin gets belongs together."""
        kinds = [self.contents.what(f["sha256"]) for f in call["files"] if f["role"] in ("cert", "key")]
        return call["state"] == WHOLE and len({i for _, i in kinds}) <= 1

    def check_duplicates(self, instance):
        """The same again only where something else was there in between."""
        calls = instance.calls[max(instance.looked - 1, instance.since):]
        for a, b in zip(calls, calls[1:]):
            assert b["generation"] > a["generation"], f"given twice: {a}\n{b}"
            assert b["generation"] > a["generation"] + 1 or told(a) != told(b), f"given twice: {a}\n{b}"

    def check_kernel(self, status):
        """No kernel watch is left behind."""
        process = pathlib.Path(f"/proc/{self.hotcertd.process.pid}")
        inotify = [fd.name for fd in process.joinpath("fd").iterdir() if is_inotify(fd)]
        count = sum(process.joinpath("fdinfo", fd).read_text().count("inotify wd:") for fd in inotify)
        assert count == status["daemon"]["inotify"]["watches"] <= 60, status["daemon"]["inotify"]

    def explain(self):
        last = "\n".join(self.world.said[-60:])
        return (f"seed {self.seed}, after {len(self.world.said)} lines; the last of them:\n{last}\n"
                f"the end of the log:\n{self.hotcertd.process.tail(60)}")


def is_inotify(fd):
    try:
        return os.readlink(fd) == "anon_inode:inotify"
    except FileNotFoundError:
        return False  # closed meanwhile


@pytest.mark.parametrize("seed", SEEDS)
def test_model(mounts, hotcertd, tmp_path, seed):
    run = Run(hotcertd, tmp_path, seed, mounts)
    run.start()
    done = 0
    try:
        while done < OPS:
            burst = run.random.choice([1, 1, 2, 3, 5, 8])
            if run.random.random() < 0.4:
                run.world.mend(run.random.choice(list(run.world.homes)))
            for _ in range(burst):
                run.step()
            done += burst
            run.settle()
            run.world.said.append("--")
            run.check()
    except (AssertionError, OSError) as e:
        raise AssertionError(f"{e}\n{run.explain()}") from e
    finally:
        run.world.close()
