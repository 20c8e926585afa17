"""Pebble, the ACME server of Let's Encrypt's authors for tests, and its DNS server (pebble-challtestsrv)."""

import json
import os
import pathlib
import shutil
import ssl
import subprocess
import urllib.request

from lib import wait
from lib.pki import CA
from lib.process import Process
from lib.redis_server import reserve_port

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAMS = pathlib.Path(os.environ.get("HOTCERT_PEBBLE_DIR", ROOT / "build" / "ca" / "pebble"))


def build(programs=PROGRAMS):
    """Finds or makes pebble and pebble-challtestsrv."""
    subprocess.run([ROOT / "tests" / "ca" / "pebble", programs], check=True)


class DNS:
    """Answers A with 127.0.0.1 for every name, and TXT as it was told. Both ports are of 127.0.0.1."""

    def __init__(self, directory, port=0):
        """port 0: any that is free. All others are for a network of one's own."""
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.process = None

    def start(self):
        self.reserved, free = reserve_port()
        self.port = self.port or free
        self.managed, management = reserve_port()
        self.url = f"http://127.0.0.1:{management}"
        program = PROGRAMS / "pebble-challtestsrv"
        # Since 2.7 it is "-dnsserver", and there is DNS over HTTPS besides.
        usage = subprocess.run([program, "-h"], check=False, capture_output=True, text=True).stderr
        serve = ["-dnsserver", f"127.0.0.1:{self.port}", "-doh", ""] if "-dnsserver" in usage else [
            "-dns01", f"127.0.0.1:{self.port}"]
        self.process = Process(
            [program, *serve, "-management", f"127.0.0.1:{management}", "-http01", "", "-https01", "", "-tlsalpn01", "",
             "-defaultIPv6", ""], self.directory / "dns.log")
        wait.until(self.ready, self.process.tail)
        return self

    def ready(self):
        assert self.process.running(), self.process.tail()
        try:
            return self.post("clear-txt", host="ready.") is not None
        except OSError:
            return False

    def post(self, path, **body):
        return urllib.request.urlopen(f"{self.url}/{path}", json.dumps(body).encode(), timeout=10).read()

    def finish(self):
        if self.process and self.process.running():
            self.process.kill()
            self.process.wait()
        for s in self.reserved, self.managed:
            s.close()

    def hook(self, path, more=""):
        """A dns_hook, as people write them: it notes how it was called, then asks the server for it."""
        path.write_text(f"""#!/bin/sh
            echo "$@" >>{path}.calls
            {more}
            case $1 in
            present) exec {shutil.which('curl')} -sSf -d "{{\\"host\\":\\"$2\\",\\"value\\":\\"$3\\"}}" {self.url}/set-txt ;;
            cleanup) exec {shutil.which('curl')} -sSf -d "{{\\"host\\":\\"$2\\"}}" {self.url}/clear-txt ;;
            esac
            """.replace("\n            ", "\n"))
        path.chmod(0o755)
        return path


def calls(hook):
    """How a hook was called: [action, record, value] each."""
    path = pathlib.Path(f"{hook}.calls")
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


class Pebble:
    """One server with ports of its own. Its roots for TLS and for what it issues are in root_file; the latter is
    another one after each start. eab: {key id: MAC key}. Options of nature: see the README of Pebble."""

    def __init__(self, directory, dns, nonce_reject=0, eab=None, authz_reuse=0, lifetime=None,
                 blocked=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.reserved = [reserve_port() for _ in range(4)]
        self.port, self.management, self.http_port, self.tls_port = (port for _, port in self.reserved)
        self.directory_url = f"https://127.0.0.1:{self.port}/dir"
        self.ca = CA("Pebble's own")
        pair = self.ca.issue(cn="localhost")
        pair.write(self.directory, "tls.crt", "tls.key")
        self.root_file = self.directory / "roots.pem"
        self.dns = dns
        self.environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(nonce_reject),
                            "PEBBLE_AUTHZREUSE": str(authz_reuse)}
        self.config = {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(self.directory / "tls.crt"), "privateKey": str(self.directory / "tls.key"),
            "httpPort": self.http_port, "tlsPort": self.tls_port, "ocspResponderURL": "",
            "externalAccountBindingRequired": eab is not None, "externalAccountMACKeys": eab or {},
            "domainBlocklist": list(blocked),
            # Known to newer ones only.
            "retryAfter": {"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
        }
        if lifetime:
            self.config["certificateValidityPeriod"] = lifetime
            self.config["profiles"] = {"default": {"description": "ours", "validityPeriod": lifetime}}  # since 2.7
        self.process = None
        self.mark = 0

    def start(self):
        config = self.directory / "pebble.json"
        config.write_text(json.dumps({"pebble": self.config}))
        self.process = Process([PROGRAMS / "pebble", "-config", config, "-dnsserver", f"127.0.0.1:{self.dns.port}", "-strict"],
                               self.directory / "pebble.log", env=self.environment)
        root = wait.until(self.root, self.process.tail)
        self.root_file.write_bytes(self.ca.pem + root)
        return self

    def root(self):
        """The root of what it issues; None where it is not up yet."""
        assert self.process.running(), self.process.tail()
        context = ssl.create_default_context(cadata=self.ca.pem.decode())
        try:
            return urllib.request.urlopen(f"https://127.0.0.1:{self.management}/roots/0", timeout=10, context=context).read()
        except OSError:
            return None

    def log(self):
        return (self.directory / "pebble.log").read_text(errors="replace")

    def forget(self):
        """What was asked so far counts no more."""
        self.mark = len(self.log())
        return self

    def requests(self, what):
        """How many requests were logged with this text, as "POST /order-plz", over all starts."""
        return self.log()[self.mark:].count(what)

    def stop(self):
        if self.process and self.process.running():
            self.process.kill()
            self.process.wait()

    def finish(self):
        self.stop()
        for s, _ in self.reserved:
            s.close()
