"""trust, `directory:`: hashed names as OpenSSL and curl look roots up."""

import os
import shutil
import threading

import pytest

from lib.hotcertd import run
from lib.pki import CA, replace
from trust_case import daemon, pem_of, the_machines_own_store  # noqa: F401 fixtures


@pytest.fixture
def root(tmp_path):
    return tmp_path


@pytest.fixture
def store(tmp_path):
    (tmp_path / "roots").mkdir()
    return tmp_path / "roots"


@pytest.fixture
def started(daemon, store):
    def start(more="overlap = 0", ready=True):
        daemon.configure(more, stores=f"directory:{store}")
        daemon.start(ready=ready)
        return daemon
    return start


def trusts(store, ca):
    leaf = store.with_name(f"leaf-{ca.fingerprint}.pem")
    leaf.write_bytes(ca.issue().leaf_pem)
    return run(["openssl", "verify", "-no-CAfile", "-CApath", store, leaf])[0] == 0


def row(store):
    """All places; no row has a hole."""
    places = sorted(n for n in os.listdir(store) if n[8:9] == ".")
    for name in places:
        number = int(name[9:])
        assert number == 0 or f"{name[:9]}{number - 1}" in places, f"a hole before {name}: {places}"
    return places


def targets(store):
    """What all places lead to: a root has several where others that stood before it have gone."""
    return {os.readlink(store / name) for name in row(store)}


def test_installed_rotated_and_uninstalled(started, store, ca, tls):
    daemon = started()
    name = f"hotcert-corp-{ca.fingerprint[:32]}-Test_Root.pem"
    assert sorted(os.listdir(store))[1] == name and len(row(store)) == 1 and os.readlink(store / row(store)[0]) == name
    assert trusts(store, ca)
    second, third = CA("Test Root"), CA("Other")
    replace(tls / "ca.crt", pem_of(ca, second, third))
    assert daemon.sync() == 0
    assert len(row(store)) == 3 and all(trusts(store, c) for c in (ca, second, third))
    before = sorted(os.listdir(store))
    assert run(["openssl", "rehash", store])[0] == 0 and sorted(os.listdir(store)) == before  # it agrees
    replace(tls / "ca.crt", pem_of(second))
    assert daemon.sync() == 0
    assert len(targets(store)) == 1 and trusts(store, second) and not trusts(store, ca) and not trusts(store, third)
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert not os.listdir(store)


def test_a_client_trusts_the_root_that_stays(started, store, ca, tls):
    second = CA("Test Root")
    replace(tls / "ca.crt", pem_of(ca, second))
    daemon = started()
    leaf = store.with_name("leaf.pem")
    leaf.write_bytes(second.issue().leaf_pem)
    failed, count, stop = [], [0], threading.Event()

    def client():
        while not stop.is_set():
            code, out = run(["openssl", "verify", "-no-CAfile", "-CApath", store, leaf])
            count[0] += 1
            if code:
                failed.append(out)
    thread = threading.Thread(target=client)
    thread.start()
    for roots in ((second,), (ca, second), (second,), (CA("Test Root"), second)) * 10:
        replace(tls / "ca.crt", pem_of(*roots))
        assert daemon.sync() == 0
    stop.set()
    thread.join()
    assert not failed and count[0] > 10, (count, failed[:1])


@pytest.mark.parametrize("as_link", [True, False])
def test_what_others_have_there_stays_and_is_found(started, store, ca, tls, as_link):
    """Behind ours in the row, too: as a link, or as a file that is called so itself."""
    theirs, second = CA("Test Root"), CA("Test Root")
    daemon = started()
    place = row(store)[0][:9] + "1"
    if as_link:
        theirs.write(store / "theirs.crt")
        (store / place).symlink_to("theirs.crt")
    else:
        theirs.write(store / place)
    replace(tls / "ca.crt", pem_of(ca, theirs, second))
    assert daemon.sync() == 0
    assert daemon.instance("trust:corp")["details"][f"directory:{store}"].startswith("2 installed, 1 there from others")
    assert len(row(store)) == 3
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert trusts(store, theirs) and not trusts(store, ca) and not trusts(store, second)
    assert {(store / place).is_symlink() for place in row(store)} == {as_link}
    assert {(store / place).read_bytes() for place in row(store)} == {theirs.pem}


def test_what_somebody_breaks_is_made_good(started, store, ca):
    daemon = started()
    place, name = row(store)[0], os.readlink(store / row(store)[0])
    for damage in (lambda: (store / place).unlink(), lambda: (store / name).unlink(), lambda: (store / name).write_bytes(b"x")):
        damage()
        assert not trusts(store, ca)
        daemon.restart()
        assert trusts(store, ca) and sorted(os.listdir(store)) == sorted([place, name])


def dies(daemon, call, nth):
    """Starts it to be killed at the nth such system call; False where there are not so many."""
    daemon.wrapper = ["strace", "-D", "-qq", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={nth}", "-o", "/dev/null"]
    daemon.env["ASAN_OPTIONS"] = f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0"  # LeakSanitizer needs ptrace itself
    daemon.start(ready=False)
    daemon.expected_dead = True
    try:
        daemon.notify.wait("READY", "1", daemon.process.running)
    except AssertionError:
        if daemon.process.running():
            raise
    dead = not daemon.process.running()
    if not dead:
        daemon.stop()
    daemon.wrapper = []
    del daemon.env["ASAN_OPTIONS"]
    return dead


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize("call", ["/^rename", "/^symlink", "/^unlink"])
def test_killed_at_each_step_of_a_change(started, store, tls, call):
    """Never a hole in the row, never a moment without the roots that stay; and the next start makes it good.

    The oldest goes each time, which so has been at every place of the row."""
    roots = [CA("Test Root") for _ in range(3)]
    replace(tls / "ca.crt", pem_of(*roots))
    daemon = started()
    daemon.stop()
    for n in range(1, 40):
        roots = roots[1:] + [CA("Test Root")]
        replace(tls / "ca.crt", pem_of(*roots))
        dead = dies(daemon, call, n)
        assert row(store) and all(trusts(store, c) for c in roots[:2])
        daemon.start()
        assert daemon.instance("trust:corp")["state"] == "ok"
        assert len(targets(store)) == 3 and len(row(store)) <= 4 and all(trusts(store, c) for c in roots)
        assert len([f for f in os.listdir(store) if f.endswith(".pem")]) == 3
        daemon.stop()
        if not dead:
            break
    assert not dead


def test_a_dead_link_of_others_is_said_and_left(started, store, ca):
    probe = started()
    place = row(store)[0]
    probe.stop()
    for path in store.iterdir():
        path.unlink()
    (store / place).symlink_to("nowhere.crt")
    probe.start()
    instance = probe.instance("trust:corp")
    assert instance["state"] == "failed" and f"a link {place[:8]}.N that leads nowhere hides those behind" in instance["message"]
    assert os.readlink(store / place) == "nowhere.crt"
    (store / place).unlink()
    assert probe.ctl("retry", "trust:corp")[0] == 0
    probe.wait_instance("trust:corp", "ok")
    assert trusts(store, ca) and len(targets(store)) == 1


def test_a_missing_directory_and_a_relative_one(started, daemon, store):
    store.rmdir()
    started()
    instance = daemon.instance("trust:corp")
    assert instance["state"] == "failed" and "cannot read it: No such file or directory; its directory must exist" in instance["message"]
    daemon.configure(stores="directory:roots")
    code, out = daemon.check()
    assert code == 1 and "needs an absolute path, as in directory:/etc/app/roots" in out
