"""Servers that belong together: a cluster of three, a primary with its replica, a Sentinel."""

import hashlib
import socket
import ssl

from lib import wait
from lib.hotcertd import run
from lib.process import Process
from lib.redis_clients import CLI
from lib.redis_server import BINARY, reserve_port


def leaf_at(port):
    """The SHA-256 of the leaf that a port shows, whoever may connect to it in the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=wait.DEADLINE) as raw, context.wrap_socket(raw) as s:
        return hashlib.sha256(s.getpeercert(binary_form=True)).hexdigest()


def info(server, section, name):
    """A line of INFO."""
    for line in server.command("INFO", section).splitlines():
        if line.startswith(f"{name}:"):
            return line.split(":", 1)[1]
    return None


class Cluster:
    """Three primaries whose clients and whose bus need certificates: `tls-auth-clients yes`, `tls-cluster yes`."""

    def __init__(self, make_redis, tls):
        self.reserved, self.nodes = [], []
        for _ in range(3):
            reserved, bus = reserve_port()
            self.reserved.append(reserved)
            node = make_redis(tls, tls / "ca.crt", options=[
                "cluster-enabled yes", "tls-cluster yes", f"cluster-port {bus}", "tls-auth-clients yes"])
            node.bus = bus
            self.nodes.append(node.start())
        self.join(tls)

    def join(self, tls):
        nodes = [f"127.0.0.1:{n.port}" for n in self.nodes]
        code, out = run([CLI, "--cluster", "create", *nodes, "--cluster-replicas", "0", "--cluster-yes", "--tls",
                         "--cacert", tls / "ca.crt", "--cert", tls / "redis.crt", "--key", tls / "redis.key"])
        assert code == 0, out
        wait.until(self.healthy, "the cluster does not come up")

    def healthy(self):
        return all("cluster_state:ok" in n.command("CLUSTER", "INFO") and len(self.links(n)) == 4 for n in self.nodes)

    @staticmethod
    def links(node):
        """{(direction, node): when it was made}: one each way to each of the others."""
        links = [dict(zip(link[::2], link[1::2])) for link in node.command("CLUSTER", "LINKS")]
        return {(link["direction"], link["node"]): link["create-time"] for link in links}

    def finish(self):
        for reserved in self.reserved:
            reserved.close()


class Sentinel:
    """Watches a primary; TLS only, its pair in the folder that hotcert watches."""

    def __init__(self, directory, tls, primary):
        self.directory = directory
        directory.mkdir()
        self.reserved, self.port = reserve_port()
        self.conf = directory / "sentinel.conf"
        self.conf.write_text("".join(f"{line}\n" for line in [
            "port 0", f"tls-port {self.port}", "bind 127.0.0.1", f"unixsocket {directory}/s.sock", f"dir {directory}",
            f"tls-cert-file {tls}/redis.crt", f"tls-key-file {tls}/redis.key", f"tls-ca-cert-file {tls}/ca.crt",
            "tls-auth-clients no", "tls-replication yes", f"sentinel monitor main 127.0.0.1 {primary.port} 1"]))
        self.process = None

    def start(self):
        self.process = Process([BINARY, self.conf, "--sentinel"], self.directory / "sentinel.log")
        self.process.wait_log("Sentinel ID is")
        return self

    def restart(self):
        self.process.stop()
        return self.start()

    def finish(self):
        self.process.kill()
        self.process.wait()
        self.reserved.close()
