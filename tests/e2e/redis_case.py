"""What the tests of the redis plugin share: a daemon with one watch and one [redis] section."""

from lib import wait

def configure(hotcertd, tls, *lines, ca=True, name="r"):
    """`lines` of the section; ca: the watch has a ca file."""
    body = "\n".join(lines)
    hotcertd.conf("redis", f"[watch {name}]\ndirectory = {tls}\ncert = redis.crt\nkey = redis.key\nsettle_warn = 300ms\n"
                  + ("ca = ca.crt\n" if ca else "") + f"[redis {name}]\n{body}\n")
    return hotcertd


def renew(ca, tls, hotcertd, **kwargs):
    """A new pair in place; returns it once every job has settled."""
    pair = ca.issue(**kwargs).write(tls)
    hotcertd.sync()
    return pair


def instance(hotcertd, name="redis:r"):
    return hotcertd.instance(name)


def failed(hotcertd, name="redis:r"):
    """The message of an instance that is in state retry or failed, after every job has settled."""
    hotcertd.sync()
    now = hotcertd.instance(name)
    assert now["state"] in ("retry", "failed"), now
    return now["state"], now["message"]


def mended(hotcertd, name="redis:r"):
    """What went wrong was put right: a person asks for another try, and it works."""
    def look():
        hotcertd.ctl("retry", name)  # refused where the next try has begun by itself
        hotcertd.sync()
        now = hotcertd.instance(name)
        return now["state"] == "ok" and now
    return wait.until(look, lambda: f"{hotcertd.instance(name)}\n{hotcertd.process.tail()}")["message"]


def sets(server):
    """How often the server has been sent CONFIG SET."""
    info = server.command("INFO", "commandstats")
    line = next((x for x in info.splitlines() if x.startswith("cmdstat_config|set:")), None)
    return int(line.split("calls=")[1].split(",")[0]) if line else 0


def clients(server):
    """The ids of the connections that hotcert holds."""
    lines = server.command("CLIENT", "LIST").splitlines()
    return [line.split()[0] for line in lines if " name=hotcert " in line]
