"""The service manager's side of sd_notify(3): a real datagram socket."""

import os
import select
import socket
import time

from lib import wait


class Notify:
    def __init__(self, path):
        self.path = str(path)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(self.path)
        self.poll = select.poll()  # select(2) ends at 1024 descriptors
        self.poll.register(self.socket, select.POLLIN)
        self.messages = []  # each a dict of one datagram: {"READY": "1", "STATUS": "…"}

    def close(self):
        self.socket.close()

    def read(self, timeout=0):
        """Takes in what has come; waits at most timeout for the first datagram."""
        while self.poll.poll(timeout * 1000):
            lines = self.socket.recv(65536).decode().splitlines()
            self.messages.append(dict(line.split("=", 1) for line in lines if "=" in line))
            timeout = 0
        return self.messages

    def wait(self, key, value=None, alive=lambda: True, since=0, deadline=None):
        """The first datagram from number `since` on that has key (=value)."""
        end = time.monotonic() + (deadline or wait.DEADLINE)
        while True:
            alive_before = alive()
            for message in self.read()[since:]:
                if key in message and value in (None, message[key]):
                    return message
            if not alive_before or time.monotonic() > end:
                state = "ended" if not alive_before else "is late"
                raise AssertionError(f"no {key}={value}: the daemon {state}; got {self.messages}")
            self.read(0.02)

    def status(self):
        """The last STATUS= line."""
        return next((m["STATUS"] for m in reversed(self.read()) if "STATUS" in m), "")
