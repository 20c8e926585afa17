"""A whole Debian with a real systemd as its first process: debootstrap once, then systemd-nspawn."""

import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess

from lib import wait
from lib.hotcertd import ROOT, run

CACHE = ROOT / "build/guest"
NEEDS = ["debootstrap", "systemd-nspawn", "nsenter"]


def reason_not_to():
    """Why there can be no guest here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [p for p in NEEDS if not shutil.which(p)]
    return f"needs {', '.join(missing)}" if missing else None


def suite():
    return re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M).group(1)


def packages_of(files):
    """The packages with the libraries that these programs are linked with."""
    libraries = set()
    for file in files:
        libraries |= set(re.findall(r"=> (/\S+)", run(["ldd", file])[1]))
    found = set()
    for library in libraries:
        for path in library, os.path.realpath(library), f"/usr{library}":
            code, owner = run(["dpkg-query", "-S", path])
            if code == 0:
                found.add(re.split("[:,]", owner)[0])
                break
    return sorted(found)


def image(files):
    """The root directory of a guest in which these programs can run; made once and kept. None: cannot be had."""
    include = ["ca-certificates", "dbus", "openssl", "redis-server", "systemd", "systemd-sysv", *packages_of(files)]
    name = f"{suite()}-{hashlib.sha256(' '.join(include).encode()).hexdigest()[:8]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (CACHE / name).exists():
            shutil.rmtree(CACHE / "new", ignore_errors=True)
            code, out = run(["debootstrap", "--variant=minbase", f"--include={','.join(include)}", suite(), CACHE / "new"],
                            deadline=600)
            if code:
                return None, out[-500:]
            os.rename(CACHE / "new", CACHE / name)
    return CACHE / name, None


class Guest:
    """Boots it; what is changed inside is forgotten at the end. binds: {path in the guest: path here}."""

    def __init__(self, directory, root, binds):
        self.log = open(directory / "guest.log", "wb")
        argv = ["setpriv", "--pdeathsig", "KILL", "systemd-nspawn", "-q", "-D", root, "--volatile=overlay", "--boot",
                "--register=no", "--keep-unit", "--private-network", f"--machine=hotcert-{os.getpid()}"]
        argv += [f"--bind-ro={here}:{there}" for there, here in binds.items()]
        self.nspawn = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=self.log,
                                       stderr=subprocess.STDOUT)
        self.init = None

    def boot(self):
        """True when it is up; False where systemd-nspawn cannot boot one here."""
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")

        def up():
            if self.nspawn.poll() is not None:
                return "ended"
            self.init = int((children.read_text().split() or [0])[0])
            return self.init and self.run("systemctl", "is-system-running")[1].strip() in ("running", "degraded")
        try:
            return wait.until(up, "the guest does not boot", 60) is True
        except AssertionError:
            return False

    def path(self, path):
        """A path in the guest, seen from here."""
        return pathlib.Path(f"/proc/{self.init}/root{path}")

    def run(self, *argv, deadline=60):
        return run(["nsenter", "-t", self.init, "-m", "-u", "-i", "-n", "-p", "-C", *argv], deadline=deadline)

    def sh(self, script):
        """Runs a script in it, which has to end well; returns what it said."""
        code, out = self.run("sh", "-euc", script)
        assert code == 0, f"{script}\n{out}"
        return out

    def finish(self):
        self.nspawn.terminate()
        try:
            self.nspawn.wait(20)
        except subprocess.TimeoutExpired:
            if self.init:
                os.kill(self.init, signal.SIGKILL)
            self.nspawn.kill()
            self.nspawn.wait()
        self.log.close()
