"""Waiting for a condition, never for a time: every wait ends as soon as what it waits for is there."""

import os
import re
import select
import time

# Everything is slower under the sanitizers, and on a busy machine. A deadline only ends a test that fails.
DEADLINE = float(os.environ.get("HOTCERT_DEADLINE", "20"))


def until(condition, what, deadline=None):
    """Polls condition() until it is true and returns its value; fails after the deadline."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline or DEADLINE:g} s: {what() if callable(what) else what}")
        select.select([], [], [], 0.004)


class Follower:
    """Reads a growing text file, each line once; search() looks at all that was read so far."""

    def __init__(self, path):
        self.path = path
        self.text = ""
        self.offset = 0

    def read(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.offset)
                data = f.read()
        except FileNotFoundError:
            data = b""
        self.offset += len(data)
        self.text += data.decode(errors="replace")
        return self.text

    def search(self, regex, since=0):
        return re.search(regex, self.read()[since:], re.M)

    def mark(self):
        """The end of what is there now, for search(since=)."""
        return len(self.read())

    def count(self, regex, since=0):
        return len(re.findall(regex, self.read()[since:], re.M))
