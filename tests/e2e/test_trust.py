"""trust: Debian's trust store in a folder, bundle files, what is refused, and when a root goes again.

Nothing here may touch the machine's own trust store: each test works below a sysroot and a fixture looks.
"""

import os
import re
import subprocess
import threading

import pytest

from lib import wait
from lib.hotcertd import run
from lib.pki import CA, DAY, replace
from trust_case import daemon, pem_of, the_machines_own_store  # noqa: F401 fixtures

pytestmark = pytest.mark.skipif(not os.access("/usr/sbin/update-ca-certificates", os.X_OK),
                                reason="needs Debian's ca-certificates")


class System:
    """A Debian system as far as update-ca-certificates(8) needs one, with one root of the distribution."""

    def __init__(self, directory):
        self.be_at(directory)
        for path in self.anchors, self.links, directory / "usr/share/ca-certificates/stock", directory / "etc/ca-certificates/update.d":
            path.mkdir(parents=True)
        self.stock = CA("Stock Root")
        self.stock.write(directory / "usr/share/ca-certificates/stock/stock.crt")
        (directory / "etc/ca-certificates.conf").write_text("# as Debian ships it\nstock/stock.crt\n")
        self.update()

    def be_at(self, directory):
        self.root = directory
        self.anchors = directory / "usr/local/share/ca-certificates"
        self.links = directory / "etc/ssl/certs"
        self.bundle = self.links / "ca-certificates.crt"

    def move(self, directory):
        self.root.rename(directory)
        self.be_at(directory)

    def update(self, *args):
        """With the long options: 20230311 (Debian 12) does not know --sysroot, which stands for them in newer ones."""
        paths = {"certsconf": "etc/ca-certificates.conf", "certsdir": "usr/share/ca-certificates", "etccertsdir": "etc/ssl/certs",
                 "localcertsdir": "usr/local/share/ca-certificates", "hooksdir": "etc/ca-certificates/update.d"}
        options = [word for name, path in paths.items() for word in (f"--{name}", self.root / path)]
        subprocess.run(["update-ca-certificates", *options, *args], check=True, capture_output=True)

    def ours(self):
        return sorted(p.name for p in self.anchors.iterdir() if p.name.startswith("hotcert-"))

    def trusts(self, ca):
        """By the bundle and by the links, as curl and as OpenSSL look: both must agree."""
        leaf = self.root / f"leaf-{ca.fingerprint}.pem"
        if not leaf.exists():
            leaf.write_bytes(ca.issue().leaf_pem)
        by_file = run(["openssl", "verify", "-no-CApath", "-CAfile", self.bundle, leaf])[0] == 0
        by_path = run(["openssl", "verify", "-no-CAfile", "-CApath", self.links, leaf])[0] == 0
        assert by_file == by_path, f"bundle: {by_file}, links: {by_path}: {sorted(os.listdir(self.links))}"
        return by_file


@pytest.fixture
def system(tmp_path):
    return System(tmp_path / "root")


@pytest.fixture
def root(system):
    return system.root


# ---- installing -----------------------------------------------------------------------------------------

def test_a_root_is_installed_before_there_is_a_pair(daemon, system, ca):
    assert not system.trusts(ca)
    daemon.start()
    assert daemon.instance("trust:corp")["state"] == "ok"
    name, = system.ours()
    assert name == f"hotcert-corp-{ca.fingerprint[:32]}-Test_Root.crt"
    assert (system.anchors / name).stat().st_mode & 0o777 == 0o644
    assert (system.anchors / name).read_bytes() == ca.pem
    assert system.trusts(ca) and system.trusts(system.stock)
    assert "1 installed" in daemon.instance("trust:corp")["details"]["system"]
    assert f"system: installed CN=Test Root, fingerprint {ca.fingerprint}" in daemon.log_text()


def test_nothing_is_done_where_all_is_right(daemon, system):
    daemon.conf("05-rescan", "[hotcert]\nrescan = 100ms\n")
    daemon.start()
    before = system.bundle.stat()
    daemon.restart()
    calls = daemon.instance("trust:corp")["totals"]["ok"]
    wait.until(lambda: daemon.instance("trust:corp")["totals"]["ok"] > calls + 3, "no rescan")
    after = system.bundle.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert "trusted already" in daemon.instance("trust:corp")["message"]


def test_a_second_root_is_added_beside_the_first(daemon, system, ca, tls):
    daemon.start()
    second = CA("Test Root")  # of the same name, as after a rotation
    replace(tls / "ca.crt", pem_of(ca, second))
    assert daemon.sync() == 0
    assert len(system.ours()) == 2 and system.trusts(ca) and system.trusts(second)


def test_what_somebody_takes_out_comes_back(daemon, system, ca):
    daemon.start()
    daemon.stop()
    (system.anchors / system.ours()[0]).unlink()
    system.update("--fresh")
    assert not system.trusts(ca)
    daemon.start()
    assert system.trusts(ca)


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"])
def test_a_damaged_file_of_ours_is_written_anew(daemon, system, ca, damage):
    daemon.start()
    daemon.stop()
    file = system.anchors / system.ours()[0]
    file.write_bytes(damage)
    daemon.start()
    assert file.read_bytes() == ca.pem and len(system.ours()) == 1 and system.trusts(ca)


def test_a_crash_between_the_file_and_the_update(daemon, system, ca):
    (system.anchors / f"hotcert-corp-{ca.fingerprint[:32]}-Test_Root.crt").write_bytes(ca.pem)
    daemon.start()
    assert len(system.ours()) == 1 and system.trusts(ca)


def test_every_file_of_a_watch_with_match(daemon, system, ca, tls):
    other = CA("Other Root")
    other.write(tls / "other.crt")
    (tls / "note.txt").write_text("no certificate")
    daemon.configure(roles="match = *.crt", more="overlap = 0")
    daemon.start()
    assert system.trusts(ca) and system.trusts(other)
    (tls / "other.crt").unlink()
    assert daemon.sync() == 0
    assert system.trusts(ca) and not system.trusts(other)


def test_ten_instances_take_turns(daemon, system, tls):
    roots = [CA(f"Root {n}") for n in range(10)]
    for n, root in enumerate(roots):
        root.write(tls / f"{n}.crt")
        daemon.conf(f"20-{n}", f"[watch w{n}]\ndirectory = {tls}\nmatch = {n}.crt\n"
                               f"[trust t{n}]\nwatch = w{n}\nsysroot = {system.root}\n")
    daemon.start(deadline=60)
    assert all(i["state"] == "ok" for i in daemon.status()["instances"])
    assert all(system.trusts(root) for root in roots)
    assert system.bundle.read_text().count("BEGIN CERTIFICATE") == 12  # with ours and the stock root


def leads_outside(system):
    return [p.name for p in system.links.iterdir() if p.is_symlink() and os.readlink(p).startswith("/")]


def test_links_hold_wherever_the_sysroot_is(daemon, system, ca, tls):
    """As in an image, whose own root directory that is; update-ca-certificates makes links that only hold outside."""
    assert leads_outside(system)
    second = CA("Test Root")
    replace(tls / "ca.crt", pem_of(ca, second))
    daemon.configure("overlap = 0")
    daemon.start()
    assert not leads_outside(system) and system.trusts(second)
    replace(tls / "ca.crt", ca.pem)
    assert daemon.sync() == 0 and not leads_outside(system)
    daemon.stop()
    system.move(system.root.with_name("image"))
    assert system.trusts(ca) and system.trusts(system.stock) and not system.trusts(second)
    assert not [p for p in system.links.iterdir() if not p.exists()]


def test_a_crash_that_left_links_into_the_sysroot(daemon, system, ca):
    daemon.start()
    daemon.stop()
    system.update()
    assert leads_outside(system)
    daemon.start()
    assert not leads_outside(system) and system.trusts(ca)


# ---- what is refused ----------------------------------------------------------------------------------------

def test_refusals_are_said_once_and_the_rest_is_installed(daemon, system, ca, tls):
    intermediate, old, young = ca.intermediate(), CA("Old", lifetime=(-2 * DAY, -DAY)), CA("Young", lifetime=(DAY, 2 * DAY))
    replace(tls / "ca.crt", pem_of(intermediate, old, young, ca) + ca.issue().leaf_pem)
    daemon.conf("05-rescan", "[hotcert]\nrescan = 100ms\n")
    daemon.start()
    calls = daemon.instance("trust:corp")["totals"]["ok"]
    wait.until(lambda: daemon.instance("trust:corp")["totals"]["ok"] > calls + 3, "no rescan")
    assert len(system.ours()) == 1 and system.trusts(ca)
    for words in ("CN=Test Intermediate .* is not self-signed", "CN=Old .* expired on 20", "CN=Young .* is not valid before 20",
                  "CN=redis.internal .* is no CA certificate"):
        assert len(re.findall(f"not installed: {words}", daemon.log_text())) == 1, words


def test_only_listed_fingerprints(daemon, system, ca, tls):
    other = CA("Other Root")
    replace(tls / "ca.crt", pem_of(ca, other))
    colons = ":".join(re.findall("..", other.fingerprint.upper()))
    daemon.configure(f"fingerprints = {colons}")
    daemon.start()
    assert system.trusts(other) and not system.trusts(ca)
    assert f"has the fingerprint {ca.fingerprint}, which `fingerprints` does not list" in daemon.log_text()


def test_all_refused_is_a_failure_and_removes_nothing(daemon, system, ca, tls):
    daemon.configure("overlap = 0")
    daemon.start()
    replace(tls / "ca.crt", ca.issue().leaf_pem)
    assert daemon.sync() == 1
    instance = daemon.instance("trust:corp")
    assert instance["state"] == "failed" and "none of 1 certificates may be installed" in instance["message"]
    assert system.trusts(ca)


@pytest.mark.parametrize("data", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB", b"rubbish\n"])
def test_a_torn_file_removes_nothing(daemon, system, ca, tls, data):
    daemon.configure("overlap = 0")
    daemon.start()
    (tls / "ca.crt").write_bytes(data)
    daemon.sync()
    assert system.trusts(ca)
    second = CA("Second")
    replace(tls / "ca.crt", pem_of(ca, second))
    assert daemon.sync() == 0 and system.trusts(second)


def test_a_missing_file_removes_nothing(daemon, system, ca, tls):
    daemon.configure("overlap = 0")
    daemon.start()
    (tls / "ca.crt").unlink()
    assert daemon.sync() == 0
    assert system.trusts(ca) and "nothing to install yet" in daemon.instance("trust:corp")["message"]
    daemon.restart()
    assert system.trusts(ca)


def test_a_watch_without_ca(daemon):
    daemon.configure(roles="cert = redis.crt\nkey = redis.key")
    daemon.start()
    instance = daemon.instance("trust:corp")
    assert instance["state"] == "failed" and "[watch tls] has no `ca`" in instance["message"]


@pytest.mark.parametrize("line, words", [
    ("stores = sytem", "sytem is no kind of store; write system, bundle:/path"),
    ("stores = bundle:relative.pem", "needs the absolute path of a file"),
    ("stores = bundle:/etc/ssl/", "needs the absolute path of a file"),
    ("stores = system:/x", "is written as system alone"),
    ("fingerprints = 0123", "0123 is no SHA-256"),
    ("sysroot = relative", "relative"),
])
def test_a_bad_option_is_an_error_of_its_line(daemon, line, words):
    path = daemon.conf("20-bad", f"[trust corp]\n{line}\n")
    code, out = daemon.check()
    assert code == 1 and f"{path}:2:" in out and words in out, out


# ---- removing --------------------------------------------------------------------------------------------------

def test_an_old_root_goes_after_overlap_by_itself(daemon, system, ca, tls):
    daemon.configure("overlap = 500ms")
    daemon.start()
    second = CA("Test Root")
    replace(tls / "ca.crt", pem_of(ca, second))
    assert daemon.sync() == 0
    replace(tls / "ca.crt", second.pem)
    wait.until(lambda: len(system.ours()) == 1, "the old root stays")
    daemon.wait_log(f"removed the root with fingerprint {ca.fingerprint}")
    assert daemon.sync() == 0
    assert system.trusts(second) and not system.trusts(ca)  # by the links too: no dead HASH.0 hides the second
    assert not [p for p in system.links.iterdir() if not p.exists()]


def test_overlap_is_kept_over_a_restart_and_ends_when_the_root_comes_back(daemon, system, ca, tls):
    second = CA("Second")
    replace(tls / "ca.crt", pem_of(ca, second))
    daemon.configure("overlap = 30d")
    daemon.start()
    replace(tls / "ca.crt", second.pem)
    assert daemon.sync() == 0
    status = daemon.instance("trust:corp")["details"]["system"]
    assert "1 to be removed, the first on 20" in status and system.trusts(ca)
    daemon.restart()
    assert daemon.instance("trust:corp")["details"]["system"] == status
    replace(tls / "ca.crt", pem_of(ca, second))
    assert daemon.sync() == 0
    assert "2 installed, 0 there from others, 0 to be removed" == daemon.instance("trust:corp")["details"]["system"]
    replace(tls / "ca.crt", second.pem)
    assert daemon.sync() == 0
    daemon.stop()
    daemon.configure("overlap = 1ms")
    daemon.start()
    assert not system.trusts(ca) and system.trusts(second)


def test_a_client_trusts_the_new_root_all_the_time(daemon, system, ca, tls):
    daemon.configure("overlap = 0")
    second = CA("Test Root")
    replace(tls / "ca.crt", pem_of(ca, second))
    daemon.start()
    leaf = system.root / "leaf.pem"
    leaf.write_bytes(second.issue().leaf_pem)
    failed, count, stop = [], [0], threading.Event()

    def client():
        while not stop.is_set():
            for how in ["-no-CAfile", "-CApath", system.links], ["-no-CApath", "-CAfile", system.bundle]:
                code, out = run(["openssl", "verify", *how, leaf])
                count[0] += 1
                if code:
                    failed.append(out)
    thread = threading.Thread(target=client, daemon=True)
    thread.start()
    for roots in ((second,), (ca, second), (second,), (CA("Test Root"), second)) * 5:
        replace(tls / "ca.crt", pem_of(*roots))
        assert daemon.sync() == 0
    stop.set()
    thread.join()
    assert not failed and count[0] > 10, (count, failed[:1])


def test_uninstall_and_install(daemon, system, ca, tls):
    mine = CA("Administrator")
    mine.write(system.anchors / "mine.crt")
    system.update()
    replace(tls / "ca.crt", pem_of(ca, mine, system.stock))
    daemon.start()
    assert len(system.ours()) == 1
    assert daemon.instance("trust:corp")["details"]["system"].startswith("1 installed, 2 there from others")
    code, out = daemon.ctl("do", "trust:corp", "uninstall")
    assert code == 0 and "1 removed" in out, out
    assert not system.ours() and not system.trusts(ca)
    assert system.trusts(mine) and system.trusts(system.stock)
    replace(tls / "ca.crt", pem_of(ca, mine, system.stock, CA("Another")))
    assert daemon.sync() == 0
    daemon.restart()
    assert not system.ours() and "install" in daemon.instance("trust:corp")["details"]["uninstalled"]
    code, out = daemon.ctl("do", "trust:corp", "install")
    assert code == 0 and "2 installed" in out, out
    assert system.trusts(ca) and len(system.ours()) == 2
    assert "uninstalled" not in daemon.instance("trust:corp")["details"]


def test_two_instances_with_the_same_root(daemon, system, ca):
    daemon.conf("20-b", f"[trust corp-b]\nwatch = tls\nsysroot = {system.root}\n")
    daemon.start()
    assert len(system.ours()) == 2
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert [n.startswith("hotcert-corp-b-") for n in system.ours()] == [True] and system.trusts(ca)


# ---- bundle files ------------------------------------------------------------------------------------------------

def blocks(path):
    return re.findall(rb"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n", path.read_bytes(), re.S)


def test_a_bundle_of_our_own(daemon, system, ca, tls, tmp_path):
    bundle = tmp_path / "bundle.pem"
    daemon.configure("overlap = 0", stores=f"bundle:{bundle}")
    daemon.start()
    assert bundle.read_bytes() == b"# hotcert corp Test_Root\n" + ca.pem
    assert bundle.stat().st_mode & 0o777 == 0o644
    second = CA("Second")
    replace(tls / "ca.crt", pem_of(second, ca))
    assert daemon.sync() == 0
    assert sorted(blocks(bundle)) == sorted([ca.pem, second.pem])
    replace(tls / "ca.crt", second.pem)
    assert daemon.sync() == 0
    assert blocks(bundle) == [second.pem]
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert not bundle.exists() and not system.ours()


@pytest.mark.parametrize("before", [b"", b"\n", b"# mine\n", b"no newline at the end", b"# hotcert corp Test_Root\n\n",
                                    b"# hotcert other X\n", b"-----BEGIN CERTIFICATE-----\nMII\n"])
def test_what_others_have_in_a_bundle_is_kept_byte_for_byte(daemon, ca, tls, tmp_path, before):
    mine = CA("Mine")
    bundle = tmp_path / "bundle.pem"
    old = before + (b"" if before.endswith(b"end") else mine.pem + b"between\n" + CA("More").pem + b"\n\nafter\n")
    bundle.write_bytes(old)
    bundle.chmod(0o640)
    replace(tls / "ca.crt", pem_of(ca, mine))
    daemon.configure(stores=f"bundle:{bundle}")
    daemon.start()
    seam = b"" if old.endswith(b"\n") or not old else b"\n"
    assert bundle.read_bytes().startswith(old + seam) and ca.pem in blocks(bundle)
    assert bundle.stat().st_mode & 0o777 == 0o640
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert not bundle.exists() if not old.strip() else bundle.read_bytes() == old + seam


def test_two_instances_in_one_bundle(daemon, ca, tls, tmp_path):
    bundle = tmp_path / "bundle.pem"
    daemon.configure(stores=f"bundle:{bundle}")
    daemon.conf("20-b", f"[trust b]\nwatch = tls\nstores = bundle:{bundle}\n")
    daemon.start()
    assert blocks(bundle) == [ca.pem, ca.pem]
    assert daemon.ctl("do", "trust:corp", "uninstall")[0] == 0
    assert bundle.read_bytes() == b"# hotcert b Test_Root\n" + ca.pem


def test_a_bundle_behind_a_link(daemon, ca, tmp_path):
    (tmp_path / "real.pem").write_bytes(b"# mine\n")
    (tmp_path / "link.pem").symlink_to("real.pem")
    daemon.configure(stores=f"bundle:{tmp_path / 'link.pem'}")
    daemon.start()
    assert (tmp_path / "link.pem").is_symlink() and blocks(tmp_path / "real.pem") == [ca.pem]


def test_one_store_fails_and_the_other_is_done(daemon, system, ca, tmp_path):
    daemon.configure(stores=f"bundle:{tmp_path}/missing/bundle.pem, system")
    daemon.start()
    instance = daemon.instance("trust:corp")
    assert instance["state"] == "failed" and system.trusts(ca)
    assert f"bundle:{tmp_path}/missing/bundle.pem: cannot write it: No such file or directory; its directory must exist" in instance["message"]
    (tmp_path / "missing").mkdir()
    assert daemon.ctl("retry", "trust:corp")[0] == 0
    daemon.wait_instance("trust:corp", "ok")
    assert blocks(tmp_path / "missing/bundle.pem") == [ca.pem]


# ---- when the system does not play along -----------------------------------------------------------------------------

def test_no_store_of_a_known_kind(daemon, system):
    system.anchors.rmdir()
    daemon.start()
    instance = daemon.instance("trust:corp")
    assert instance["state"] == "failed" and "install the package ca-certificates" in instance["message"]


def test_the_update_fails_and_is_tried_again(daemon, system, ca):
    aside = system.links.with_name("aside")
    system.links.rename(aside)
    daemon.configure("retry_min = 100ms")
    daemon.start(ready=False)
    daemon.wait_log("update-ca-certificates exited with [0-9]+: .*etc/ssl/certs")
    aside.rename(system.links)
    daemon.wait_instance("trust:corp", "ok")
    assert system.trusts(ca)


def test_an_update_that_ends_well_and_does_nothing_is_noticed(daemon, system, ca):
    subprocess.run(["chattr", "+i", system.bundle], check=False)
    if not subprocess.run(["lsattr", system.bundle], capture_output=True, check=False, text=True).stdout.startswith("----i"):
        pytest.skip("the file system knows no immutable files")
    try:
        daemon.configure("retry_min = 100ms")
        daemon.start(ready=False)
        daemon.wait_log("trust:corp: .*update-ca-certificates .*; try 1")
    finally:
        subprocess.run(["chattr", "-i", system.bundle], check=True)
    daemon.wait_instance("trust:corp", "ok")
    assert system.trusts(ca)


def test_a_read_only_store_names_the_drop_in(daemon, system):
    daemon.wrapper = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"',
                      system.anchors]
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("cannot make a mount namespace")
    daemon.start()
    instance = daemon.instance("trust:corp")
    assert instance["state"] == "failed" and "Read-only file system; under systemd the unit needs the drop-in" in instance["message"]


@pytest.mark.parametrize("wait_for", ["Updating certificates", "Running hooks", "cannot be seen"])
def test_killed_in_the_middle_of_an_update(daemon, system, ca, tls, wait_for):
    daemon.conf("05-level", "[hotcert]\nlog_level = debug\n")
    for n in range(5):
        replace(tls / "ca.crt", pem_of(*[CA(f"Root {n}.{i}") for i in range(n)], ca))
        daemon.start(ready=False)
        if wait_for != "cannot be seen":
            daemon.wait_log(wait_for)
        daemon.kill()
    daemon.start()
    assert daemon.instance("trust:corp")["state"] == "ok"
    assert system.trusts(ca) and system.trusts(system.stock)
