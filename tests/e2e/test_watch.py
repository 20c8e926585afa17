"""Section 4 of the design: whatever happens to the files, the last state arrives, once."""

import hashlib
import mmap
import os
import pathlib
import resource
import shutil
import signal
import subprocess

import pytest

from lib import model_sys, pki, wait
from lib.probe import files
from lib.process import Process


@pytest.fixture
def world(hotcertd, probe, ca, tls):
    """A running daemon without rescan, so that nothing but events can help it, and its first pair."""
    return World(hotcertd, probe, ca, tls)


class World:
    def __init__(self, hotcertd, probe, ca, directory):
        self.hotcertd, self.probe, self.ca, self.directory = hotcertd, probe, ca, directory
        self.seen = 0

    def configure(self, directory=None, cert="redis.crt", key="redis.key", plugin="probe", daemon="", watch=""):
        self.hotcertd.conf("10-test", f"""\
[hotcert]
rescan = 0
ready_timeout = 300ms
{daemon}
[watch redis]
directory = {directory or self.directory}
{f"cert = {cert}" if cert else ""}
{f"key = {key}" if key else ""}
settle_warn = 100ms
{watch}
[{plugin} redis]
record = {self.probe.path}
retry_min = 50ms
""")
        return self

    def start(self, **kwargs):
        self.configure(**kwargs)
        self.hotcertd.start()
        self.seen = len(self.probe.calls())
        return self

    def expect(self, pair):
        """The pair has arrived whole and in one job, and nothing else has."""
        self.probe.wait_digest(pair.cert_digest, since=self.seen)
        calls = self.settle()
        assert self.hotcertd.instance("probe:redis")["state"] == "ok"
        assert [c["state"] for c in calls] == [0]
        assert files(calls[0])["cert"]["certs"][0] == pair.serial
        return calls[0]

    def settle(self):
        """The calls since the last time."""
        self.hotcertd.sync()
        calls = self.probe.calls()[self.seen:]
        self.seen += len(calls)
        return calls


@pytest.mark.parametrize("how", [pki.replace, pki.in_place, pki.recreate], ids=lambda f: f.__name__)
def test_a_new_pair_is_one_job(world, how):
    world.ca.issue().write(world.directory)
    world.start()
    for _ in range(3):
        world.expect(world.ca.issue().write(world.directory, how=how))


def test_certificate_first_then_key(world):
    world.ca.issue().write(world.directory)
    world.start()
    pair = world.ca.issue()
    pki.replace(world.directory / "redis.crt", pair.cert_pem)
    assert world.settle() == []
    pki.replace(world.directory / "redis.key", pair.key_pem, 0o600)
    world.expect(pair)


def test_a_pair_that_was_there_before_the_start(world):
    pair = world.ca.issue().write(world.directory)
    world.start()
    assert [files(c)["cert"]["certs"] for c in world.probe.calls()] == [[pair.serial]]


def test_the_same_content_again_is_no_job(world):
    pair = world.ca.issue().write(world.directory)
    world.start()
    for _ in range(3):
        pair.write(world.directory)
    (world.directory / "unrelated").write_text("x")
    (world.directory / "redis.crt").touch()
    assert world.settle() == []


def test_kubernetes_data_swap(world):
    def secret(generation, pair):
        folder = world.directory / f"..{generation}"
        pair.write(folder)
        os.symlink(folder.name, world.directory / "..data_tmp")
        os.rename(world.directory / "..data_tmp", world.directory / "..data")
        return pair
    secret(1, world.ca.issue())
    for name in "redis.crt", "redis.key":
        os.symlink(f"..data/{name}", world.directory / name)
    world.start()
    for generation in 2, 3:
        world.expect(secret(generation, world.ca.issue()))
        shutil.rmtree(world.directory / f"..{generation - 1}")
    assert world.settle() == []


def test_certbot_live_links(world, tmp_path):
    archive, live = tmp_path / "archive/redis", tmp_path / "live/redis"
    live.mkdir(parents=True)

    def renew(n):
        pair = world.ca.issue().write(archive, cert=f"fullchain{n}.pem", key=f"privkey{n}.pem")
        for name in "fullchain", "privkey":
            link = live / f"{name}.pem"
            link.unlink(missing_ok=True)
            os.symlink(f"../../archive/redis/{name}{n}.pem", link)
        return pair
    renew(1)
    world.start(directory=live, cert="fullchain.pem", key="privkey.pem")
    world.expect(renew(2))
    world.expect(renew(3))
    world.expect(world.ca.issue().write(archive, cert="fullchain3.pem", key="privkey3.pem"))


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_swapped_link_on_the_path(world, tmp_path, where):
    for n in 1, 2:
        (tmp_path / f"v{n}/a/b").mkdir(parents=True)
    base = {"first": "link/a/b", "middle": "m/link/b", "last": "m/link"}[where]
    target = {"first": "v{}", "middle": "../v{}/a", "last": "../v{}/a/b"}[where]
    link = tmp_path / base[:base.index("link") + 4]
    link.parent.mkdir(exist_ok=True)
    os.symlink(target.format(1), link)
    world.ca.issue().write(tmp_path / "v1/a/b")
    pair = world.ca.issue().write(tmp_path / "v2/a/b")
    world.start(directory=tmp_path / base)
    os.symlink(target.format(2), tmp_path / "new")
    os.rename(tmp_path / "new", link)
    world.expect(pair)
    world.expect(world.ca.issue().write(tmp_path / "v2/a/b"))
    world.ca.issue().write(tmp_path / "v1/a/b")
    assert world.settle() == []


def test_a_link_that_points_nowhere_and_then_somewhere(world, tmp_path):
    os.symlink("store/a", tmp_path / "link")
    world.start(directory=tmp_path / "link")
    pair = world.ca.issue()
    (tmp_path / "store").mkdir()
    pair.write(tmp_path / "store/a")
    world.expect(pair)


def test_a_directory_that_is_missing_at_the_start(world, tmp_path):
    world.start(directory=tmp_path / "x/y/z")
    assert world.hotcertd.watch("redis")["state"] == "missing"
    world.expect(world.ca.issue().write(tmp_path / "x/y/z"))


def test_a_directory_that_is_deleted_and_made_again(world, tmp_path):
    directory = tmp_path / "x/y"
    world.ca.issue().write(directory)
    world.start(directory=directory)
    for gone in directory, tmp_path / "x", directory:
        shutil.rmtree(gone)
        assert world.settle() == []
        assert world.hotcertd.watch("redis")["state"] == "missing"
        world.expect(world.ca.issue().write(directory))


def test_a_directory_that_is_moved_away_and_another_moved_in(world, tmp_path):
    directory, aside, other = tmp_path / "x/y", tmp_path / "x/aside", tmp_path / "other"
    world.ca.issue().write(directory)
    world.start(directory=directory)
    pair = world.ca.issue().write(other)
    os.rename(directory, aside)
    assert world.settle() == []
    os.rename(other, directory)
    world.expect(pair)
    world.ca.issue().write(aside)
    assert world.settle() == []
    pair = world.ca.issue().write(tmp_path / "above/y")
    os.rename(tmp_path / "x", tmp_path / "x.old")
    os.rename(tmp_path / "above", tmp_path / "x")
    world.expect(pair)


def test_a_file_where_the_directory_should_be(world, tmp_path):
    (tmp_path / "x").write_text("not a directory")
    world.start(directory=tmp_path / "x")
    (tmp_path / "x").unlink()
    world.expect(world.ca.issue().write(tmp_path / "x"))


def in_namespace(*flags):
    return subprocess.run(["unshare", *flags, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.skipif(not in_namespace("-m"), reason="no mount namespaces here")
def test_a_directory_that_is_mounted_over(world, tmp_path):
    def in_daemons_namespace(*argv):
        subprocess.run(["nsenter", "-t", str(world.hotcertd.process.pid), "-m", *map(str, argv)], check=True)
    world.hotcertd.wrapper = ["unshare", "-m"]
    old = world.ca.issue().write(world.directory)
    pair = world.ca.issue().write(tmp_path / "other")
    world.start()
    in_daemons_namespace("mount", "--bind", tmp_path / "other", world.directory)
    world.expect(pair)
    world.expect(world.ca.issue().write(tmp_path / "other"))
    in_daemons_namespace("umount", world.directory)
    world.expect(old)


def test_a_queue_overflow_loses_nothing(world):
    limit = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    world.ca.issue().write(world.directory)
    world.start(watch="match = *.crt", cert="", key="")
    mark = world.hotcertd.log_mark()
    world.hotcertd.process.kill(signal.SIGSTOP)
    for i in range(limit // 2 + 10):
        (world.directory / f"{i}.crt").touch()
    for i in range(limit // 2 + 10):
        (world.directory / f"{i}.crt").unlink()
    pair = world.ca.issue().write(world.directory)
    world.hotcertd.process.kill(signal.SIGCONT)
    world.probe.wait_digest(pair.cert_digest, role="redis.crt")
    world.hotcertd.wait_log("inotify lost events", since=mark)
    world.settle()
    assert files(world.probe.last()).keys() == {"redis.crt"}


@pytest.mark.skipif(not in_namespace("-U", "-r"), reason="no user namespaces here")
def test_max_user_watches_reached_falls_back_to_polling(world):
    world.hotcertd.wrapper = ["unshare", "-U", "-r", "sh", "-c",
                              'echo 1 >/proc/sys/user/max_inotify_watches && exec "$@"', "sh"]
    world.ca.issue().write(world.directory)
    world.start()
    world.hotcertd.wait_log(r"fs\.inotify\.max_user_watches")
    world.expect(world.ca.issue().write(world.directory))
    world.expect(world.ca.issue().write(world.directory, how=pki.in_place))
    assert world.hotcertd.process.log.count(r"fs\.inotify\.max_user_watches") == 1


def test_a_directory_that_may_not_be_listed_falls_back_to_polling(world, tmp_path):
    """Its name is enough to reach what is in it, not to watch it. Root may list everything, so without that."""
    world.hotcertd.wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search",
                              "--inh-caps=-dac_override,-dac_read_search"]
    directory = tmp_path / "closed/tls"
    world.ca.issue().write(directory)
    os.chown(tmp_path / "closed", 65534, 65534)
    (tmp_path / "closed").chmod(0o711)
    world.start(directory=directory)
    world.hotcertd.wait_log(rf"instead of being watched: {tmp_path}/closed may not be listed and searched by user 0")
    assert f"{tmp_path}/closed" in world.hotcertd.watch("redis")["polled"]
    world.expect(world.ca.issue().write(directory))
    (tmp_path / "closed").chmod(0o755)
    world.expect(world.ca.issue().write(directory))
    assert world.hotcertd.watch("redis")["polled"] is None


@pytest.fixture
def mounts():
    """A mount namespace of the test's own. To be had before the daemon, which must be in it too."""
    with model_sys.private_mounts() as can:
        if not can:
            pytest.skip("no mount namespaces here")
        yield


@pytest.fixture
def fuse(mounts, tmp_path):
    """fuse(source, target): a real FUSE file system that shows source at target."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no FUSE here")
    served = []

    def mount(source, target):
        served.append(Process(["bindfs", "-f", source, target], tmp_path / "bindfs.log"))
        wait.until(lambda: os.path.ismount(target), lambda: f"mounted\n{served[0].tail()}")
    yield mount
    for one in served:
        one.stop()


def test_a_fuse_file_system_is_polled(fuse, world, tmp_path):
    """It tells nothing of what others do in its source."""
    source = tmp_path / "source"
    world.ca.issue().write(source)
    fuse(source, world.directory)
    world.start()
    world.hotcertd.wait_log("instead of being watched: a network or FUSE file system")
    assert "FUSE" in world.hotcertd.watch("redis")["polled"]
    world.expect(world.ca.issue().write(source))


def test_a_file_that_is_mounted_by_itself_is_polled(mounts, world, tmp_path):
    """As containers get single files. Who writes to it writes elsewhere."""
    pair = world.ca.issue().write(world.directory)
    source = pki.in_place(tmp_path / "single.crt", pair.cert_pem)
    model_sys.bind(source, world.directory / "redis.crt")
    try:
        world.start()
        world.hotcertd.wait_log("instead of being watched: a file of it is mounted by itself")
        renewed = world.ca.issue(key=pair.key)
        pki.in_place(source, renewed.cert_pem)
        world.expect(renewed)
    finally:
        model_sys.unmount(world.directory / "redis.crt")
    world.settle()
    assert world.hotcertd.watch("redis")["polled"] is None


def test_no_descriptors_are_no_state_of_the_files(world):
    """A plugin that enrols must not hear that a pair is broken which is only not read."""
    old = world.ca.issue().write(world.directory)
    world.start(plugin="probe_all")
    mark = world.hotcertd.log_mark()
    pid = world.hotcertd.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))  # all that it has open is higher
    pair = world.ca.issue().write(world.directory)
    world.hotcertd.wait_log("cannot be read now: Too many open files; trying again", since=mark)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    world.probe.wait_digest(pair.cert_digest)  # by the poll alone: nothing else happens
    assert [files(c)["cert"]["sha256"] for c in world.probe.calls()] == [old.cert_digest, pair.cert_digest]
    assert "held back" not in world.hotcertd.log_text()[mark:]
    assert world.hotcertd.process.log.count("cannot be read now", mark) == 1


def test_a_storm_of_writes_ends_on_the_last(world):
    pairs = [world.ca.issue() for _ in range(50)]
    pairs[0].write(world.directory)
    world.start()
    hows = [pki.replace, pki.in_place, pki.recreate]
    for i in range(600):
        pairs[i % 49].write(world.directory, how=hows[i % 3])
    pairs[49].write(world.directory)
    world.probe.wait_digest(pairs[49].cert_digest)
    calls = world.settle()
    assert len(calls) <= 601
    assert all(c["state"] == 0 for c in calls)
    assert files(calls[-1])["cert"]["sha256"] == pairs[49].cert_digest
    serials = {p.serial for p in pairs}
    assert all(files(c)["cert"]["certs"][0] in serials for c in calls)


def test_match_sees_files_come_and_go(world):
    roots = [pki.CA(f"Root {i}") for i in range(3)]
    roots[0].write(world.directory / "a.crt")
    (world.directory / "note.txt").write_text("no certificate")
    world.start(cert="", key="", watch="match = *.crt, *.pem")
    assert files(world.probe.last()).keys() == {"a.crt"}
    roots[1].write(world.directory / "b.pem")
    world.settle()
    assert files(world.probe.last()).keys() == {"a.crt", "b.pem"}
    (world.directory / "a.crt").unlink()
    world.settle()
    assert files(world.probe.last()).keys() == {"b.pem"}
    (world.directory / "note.txt").write_text("still none")
    assert world.settle() == []


def test_match_follows_links_to_other_directories(world, tmp_path):
    """Kubernetes' ..data, and a link to a link that leads nowhere at first."""
    roots = [pki.CA(f"Root {i}") for i in range(5)]
    roots[0].write(world.directory / "ca.crt")
    (world.directory / "..1").mkdir()
    roots[1].write(world.directory / "..1/kube.crt")
    os.symlink("..1", world.directory / "..data")
    os.symlink("..data/kube.crt", world.directory / "kube.crt")
    os.symlink("../store/current/far.crt", world.directory / "far.crt")
    world.start(plugin="probe_all", cert="", key="", watch="match = *.crt")

    def digests():
        world.settle()
        return {name: f["sha256"] for name, f in files(world.probe.last()).items()}
    before = digests()
    roots[2].write(world.directory / "..1/kube.crt")
    in_place = digests()
    assert in_place["kube.crt"] != before["kube.crt"]
    (world.directory / "..2").mkdir()
    roots[3].write(world.directory / "..2/kube.crt")
    os.symlink("..2", world.directory / "..data_tmp")
    os.rename(world.directory / "..data_tmp", world.directory / "..data")
    swapped = digests()
    assert swapped["kube.crt"] != in_place["kube.crt"]
    assert (swapped["ca.crt"], swapped["far.crt"]) == (before["ca.crt"], "0" * 64)
    (tmp_path / "store/v1").mkdir(parents=True)
    roots[4].write(tmp_path / "store/v1/far.crt")
    os.symlink("v1", tmp_path / "store/current")
    assert digests()["far.crt"] != "0" * 64
    assert world.probe.last()["state"] == 0


def test_the_wanting_plugin_hears_of_missing_files(world):
    pair = world.ca.issue().write(world.directory)
    world.start(plugin="probe_all")
    (world.directory / "redis.crt").unlink()
    wait.until(lambda: world.probe.last()["state"] == 10, lambda: f"MISSING; last: {world.probe.last()}")
    assert files(world.probe.last())["key"]["state"] == 0
    world.settle()
    pair.write(world.directory)
    world.settle()
    assert world.probe.last()["state"] == 0


def write_through_memory(path, data):
    """inotify(7) tells nothing of a change through mmap(2), until the mapping goes."""
    with open(path, "r+b") as f:
        memory = mmap.mmap(f.fileno(), len(data))
    memory[:] = data
    return memory


def test_rescan_notices_what_no_event_told(world):
    pairs = [world.ca.issue() for _ in range(2)]
    certs = [p.cert_pem.ljust(2048, b"\n") for p in pairs]
    keys = [p.key_pem.ljust(1024, b"\n") for p in pairs]
    cert, key = world.directory / "redis.crt", world.directory / "redis.key"
    pki.in_place(key, keys[0], 0o600)
    pki.in_place(cert, certs[0])
    world.start()
    mappings = write_through_memory(cert, certs[1]), write_through_memory(key, keys[1])
    assert world.settle() == []
    world.hotcertd.conf("20-rescan", "[hotcert]\nrescan = 100ms\n")
    assert world.hotcertd.reload()[0] == 0
    call = world.probe.wait_digest(hashlib.sha256(certs[1]).hexdigest())
    assert call["state"] == 0 and files(call)["cert"]["certs"] == [pairs[1].serial]
    for memory in mappings:
        memory.close()
