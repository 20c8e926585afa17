"""A hotcertd with one stepca instance that gets its certificate over ACME, from Pebble, step-ca or a script."""

import functools
import http.server
import json
import threading

from lib import wait
from stepca_case import Site

CONF = """\
[hotcert]
rescan = 0
log_level = debug
[watch web]
directory = {tls}
cert = redis.crt
key = redis.key
{roles}
settle_warn = 200ms
[stepca web]
{server}
sans = {sans}
{challenge}
{more}
"""


class AcmeSite(Site):
    """server: the lines that name it; challenge: those that say how it checks; roles: more lines of the watch."""

    roles = ""

    def __init__(self, daemon, tls, server, challenge, sans="a.example, b.example"):
        self.daemon, self.tls = daemon, tls
        self.server, self.challenge, self.sans = server, challenge, sans

    def configure(self, more="", **changes):
        values = {"tls": self.tls, "roles": self.roles, "server": self.server, "challenge": self.challenge, "sans": self.sans, "more": more,
                  **changes}
        self.daemon.conf("50-web", CONF.format(**values))
        return self

    def message(self):
        return self.daemon.instance("stepca:web")["message"]

    def failed(self, state, *words):
        self.daemon.wait_instance("stepca:web", state)
        text = self.message()
        for word in words:
            assert word in text, text
        return text

    def assert_pair(self):
        assert self.leaf().public_key().public_numbers() == self.key().public_key().public_numbers()

    def state(self, key):
        """What the plugin keeps under a key; None where there is nothing."""
        path = self.daemon.state_dir / "stepca" / "web.json"
        values = json.loads(path.read_text()).get("plugin", {}) if path.exists() else {}
        return json.loads(values[key]) if key in values else None

    def lose(self):
        """The pair is gone, as if it had never been."""
        for name in "redis.crt", "redis.key":
            (self.tls / name).unlink()


def begin(site):
    """Starts the daemon, without waiting for the order's end."""
    site.daemon.start(ready=False)
    site.daemon.wait_log("hotcertd .* started")
    return site


def start(site):
    """Starts the daemon and gives the first certificate."""
    site.daemon.start()
    assert site.daemon.sync() == 0, site.message()
    site.assert_pair()
    return site.leaf()


class WebServer:
    """Serves a folder on a port of 127.0.0.1: what a webroot belongs to. says: the answer to everything instead."""

    def __init__(self, root, port, says=None):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                if says is None:
                    return super().do_GET()
                self.send_response(200)
                self.send_header("Content-Length", str(len(says)))
                self.end_headers()
                self.wfile.write(says)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=str(root)))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def files_below(root):
    return [str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()]


def wait_file(path):
    wait.until(path.exists, f"no {path}")
