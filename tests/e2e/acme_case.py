"""A hotcertd with one stepca instance that gets its certificate over ACME, from Pebble or from step-ca."""

from stepca_case import Site

CONF = """\
[hotcert]
rescan = 0
log_level = debug
[watch web]
directory = {tls}
cert = redis.crt
key = redis.key
settle_warn = 200ms
[stepca web]
{ca}
sans = {sans}
{challenge}
{more}
"""

STATE = "stepca:web.json"


class AcmeSite(Site):
    """ca: the lines that name it; challenge: those that say how it checks."""

    def __init__(self, daemon, tls, ca, challenge, root):
        self.daemon, self.tls = daemon, tls
        self.ca_lines, self.challenge, self.root = ca, challenge, root
        self.sans = "a.example, b.example"

    def configure(self, more="", **changes):
        values = {"tls": self.tls, "ca": self.ca_lines, "challenge": self.challenge, "sans": self.sans, "more": more,
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


def start(site):
    site.daemon.start()
    assert site.daemon.sync() == 0, site.message()
    return site.leaf()
