"""What the tests of the trust plugin share. Import the fixtures by name."""

import pathlib

import pytest

CONF = """\
[watch tls]
directory = {tls}
settle_warn = 200ms
{roles}
[trust corp]
watch = tls
stores = {stores}
sysroot = {root}
{more}
"""
ROLES = "cert = redis.crt\nkey = redis.key\nca = ca.crt"


def pem_of(*cas):
    return b"".join(ca.pem for ca in cas)


@pytest.fixture(autouse=True)
def the_machines_own_store():
    """Nothing may touch it: fails where it has changed."""
    def look():
        paths = [pathlib.Path("/etc/ssl/certs/ca-certificates.crt"), pathlib.Path("/etc/ssl/certs"),
                 pathlib.Path("/usr/local/share/ca-certificates")]
        return [(p, p.stat().st_mtime_ns, p.stat().st_ino) for p in paths if p.exists()]
    before = look()
    yield
    assert look() == before


@pytest.fixture
def daemon(hotcertd, root, ca, tls):
    """Configured with a watch whose `ca` is there and whose pair is not; not yet started."""
    ca.write(tls / "ca.crt")

    def configure(more="", stores="system", roles=ROLES):
        return hotcertd.conf("10-trust", CONF.format(tls=tls, root=root, stores=stores, roles=roles, more=more))
    hotcertd.configure = configure
    configure()
    return hotcertd
