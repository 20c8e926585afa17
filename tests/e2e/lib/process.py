"""A child process of a test: ended by its pid, gone with the test run, its output in a file."""

import ctypes
import os
import signal
import subprocess

from lib import wait

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    def __init__(self, argv, log_path, env=None, cwd=None, stdin=subprocess.DEVNULL):
        self.argv = [str(a) for a in argv]
        self.log = wait.Follower(log_path)
        with open(log_path, "ab") as log:
            self.log.offset = log.tell()
            self.popen = subprocess.Popen(
                self.argv, stdin=stdin, stdout=log, stderr=log, cwd=cwd,
                env={**os.environ, **(env or {})}, preexec_fn=die_with_parent)
        self.pid = self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def kill(self, sig=signal.SIGKILL):
        if self.running():
            self.popen.send_signal(sig)

    def wait(self, deadline=None):
        """The exit code, or minus the signal."""
        try:
            return self.popen.wait(deadline or wait.DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.argv[0]} does not end:\n{self.tail()}") from None

    def stop(self, sig=signal.SIGTERM):
        self.kill(sig)
        return self.wait()

    def tail(self, lines=40):
        return "\n".join(self.log.read().splitlines()[-lines:])

    def wait_log(self, regex, deadline=None, since=0):
        """The first match in the log; fails at once when the process has ended without it."""
        def look():
            ended = not self.running()
            found = self.log.search(regex, since)
            if not found and ended:
                raise AssertionError(f"{self.argv[0]} ended ({self.popen.returncode}) before it "
                                     f"logged /{regex}/:\n{self.tail()}")
            return found
        return wait.until(look, lambda: f"no /{regex}/ in the log:\n{self.tail()}", deadline)
