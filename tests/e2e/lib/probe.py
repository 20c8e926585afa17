"""What the probe plugin wrote down: one dict for each call of apply()."""

import json

from lib import wait


class Probe:
    def __init__(self, path):
        self.path = str(path)
        self.follower = wait.Follower(self.path)

    def calls(self):
        return [json.loads(line) for line in self.follower.read().splitlines(keepends=True)
                if line.endswith("\n")]

    def last(self):
        return self.calls()[-1]

    def wait_calls(self, n, deadline=None):
        """Until apply() was called n times at least; all calls."""
        def look():
            calls = self.calls()
            return len(calls) >= n and calls
        return wait.until(look, lambda: f"{n} calls of apply(); there are {len(self.calls())}", deadline)

    def wait_digest(self, digest, role="cert", since=0, deadline=None):
        """Until a call, the since-th or later, had this file; that call."""
        def look():
            return next((c for c in self.calls()[since:] if files(c).get(role, {}).get("sha256") == digest), None)
        return wait.until(look, lambda: f"no call with {role} {digest}; last: {self.calls()[-1:]}", deadline)


def files(call):
    """The files of a call by role, or by name where the watch has `match`."""
    return {f["role"] or f["path"].rsplit("/", 1)[1]: f for f in call["files"]}
