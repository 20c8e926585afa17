"""A real hotcertd in a folder of its own, and hotcertctl against it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import textwrap

from lib import wait
from lib.notify import Notify
from lib.process import Process

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / os.environ.get("HOTCERT_BUILD", "build/gcc")


def plugin_files(build=BUILD):
    return sorted((build / "plugins").glob("*.so")) + sorted((build / "tests/plugins").glob("*.so"))


def copy_plugins(directory, files):
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, directory / file.name)
        (directory / file.name).chmod(0o644)
    return directory


class Hotcertd:
    """conf/, state/, run/ and log in `directory`; plugins from `plugin_dir`, which tests may share."""

    def __init__(self, directory, plugin_dir, build=BUILD, wrapper=()):
        self.directory = pathlib.Path(directory)
        self.build = build
        self.wrapper = list(wrapper)  # a command to start it through: faketime, unshare, strace…
        self.conf_dir = self.directory / "conf"
        self.plugin_dir = pathlib.Path(plugin_dir)
        self.state_dir = self.directory / "state"
        self.runtime_dir = self.directory / "run"
        self.conf_dir.mkdir(parents=True, exist_ok=True)
        self.log_path = self.directory / "hotcertd.log"
        self.socket = self.runtime_dir / "control.sock"
        self.env = {}
        self.process = None
        self.notify = None
        self.expected_dead = False

    # -- configuration --

    def conf(self, name, text):
        """Puts a drop-in in place; the text is dedented."""
        path = self.conf_dir / f"{name}.conf"
        temporary = self.directory / "drop-in.new"
        temporary.write_text(textwrap.dedent(text))
        os.rename(temporary, path)
        return path

    def own_plugins(self, *names):
        """Gives this daemon a plugin folder of its own with only these."""
        files = [f for f in plugin_files(self.build) if f.stem in names]
        assert len(files) == len(names), f"not built: {set(names) - {f.stem for f in files}}"
        self.plugin_dir = copy_plugins(self.directory / "plugins", files)
        return self.plugin_dir

    def argv(self, *more):
        return [*self.wrapper, self.build / "hotcertd", "-C", self.conf_dir, "-P", self.plugin_dir,
                "-S", self.state_dir, "-R", self.runtime_dir, *more]

    # -- life --

    def run(self, *args):
        """Runs it to its end, as `hotcertd -t` does: (code, output)."""
        return run(self.argv(*args), self.env)

    def check(self):
        return self.run("-t")

    def start(self, ready=True, deadline=None):
        assert not self.process or not self.process.running()
        if self.notify:
            self.notify.close()
        self.notify = Notify(self.directory / "notify")
        self.process = Process(self.argv(), self.log_path,
                               env={"NOTIFY_SOCKET": self.notify.path, **self.env})
        self.expected_dead = False
        if ready:
            try:
                self.notify.wait("READY", "1", self.process.running, deadline=deadline)
            except AssertionError as e:
                raise AssertionError(f"{e}\n{self.process.tail()}") from None
        return self

    def stop(self):
        """SIGTERM; it has to end with 0."""
        self.expected_dead = True
        code = self.process.stop()
        assert code == 0, f"hotcertd ended with {code}:\n{self.process.tail()}"

    def kill(self):
        self.expected_dead = True
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def finish(self):
        """For the fixture: ends it, and fails where it died without being asked to."""
        try:
            if self.process and self.process.running():
                self.stop()
            elif self.process and not self.expected_dead:
                raise AssertionError(f"hotcertd died with {self.process.popen.returncode}:\n"
                                     f"{self.process.tail(100)}")
        finally:
            if self.process:
                self.process.kill()
            if self.notify:
                self.notify.close()

    # -- what a person can do --

    def ctl(self, *args, deadline=60):
        """hotcertctl: (exit code, output)."""
        return run([self.build / "hotcertctl", "-s", self.socket, *args], self.env, deadline)

    def sync(self, timeout="30s"):
        """Returns when every event so far is drained and every job has settled: 0 or 1."""
        code, out = self.ctl("sync", "--timeout", timeout)
        assert code in (0, 1), f"sync: {code}: {out}\n{self.process.tail()}"
        return code

    def reload(self):
        return self.ctl("reload")

    def sighup(self):
        """SIGHUP, until the daemon says that it is through with it."""
        seen = len(self.notify.read())
        self.process.kill(signal.SIGHUP)
        self.notify.wait("RELOADING", "1", self.process.running, seen)
        self.notify.wait("READY", "1", self.process.running, seen)

    def status(self):
        code, out = self.ctl("--json", "status")
        assert code == 0, out
        return json.loads(out)

    def instance(self, name):
        return next(i for i in self.status()["instances"] if i["name"] == name)

    def watch(self, name):
        return next(w for w in self.status()["watches"] if w["name"] == name)

    def wait_instance(self, name, state, deadline=None):
        """Polls status until the instance is in this state; returns it."""
        def look():
            now = self.instance(name)
            return now["state"] == state and now
        return wait.until(look, lambda: f"{name} is {self.instance(name)}, not {state}\n{self.process.tail()}",
                          deadline)

    # -- its log --

    def wait_log(self, regex, deadline=None, since=0):
        return self.process.wait_log(regex, deadline, since)

    def log_mark(self):
        return self.process.log.mark()

    def log_text(self):
        return self.process.log.read()

    def tail(self):
        return self.process.tail() if self.process else "hotcertd was not started"


def run(argv, env=None, deadline=60):
    """(exit code, stdout and stderr)."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=deadline, check=False,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout.decode(errors="replace")
