"""How stepca puts files in place: links, generations, one file for both, encrypted keys, access that is kept."""

import os
import stat
import struct

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stepca_case import Site, issued


@pytest.fixture
def step_ca(make_step_ca):
    return make_step_ca(lifetime="5m").start()


@pytest.fixture
def site(hotcertd, step_ca, tls):
    return Site(hotcertd, step_ca, tls).configure()


def renew(site):
    old = site.leaf()
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0, out
    assert site.leaf() != old
    assert site.daemon.sync() == 0
    site.assert_whole()
    return out


def reconfigure(site, old, new):
    path = site.daemon.conf_dir / "50-redis.conf"
    site.daemon.conf("50-redis", path.read_text().replace(old, new))


# -- links --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["redis.crt", "redis.key", "ca.crt"])
@pytest.mark.parametrize("way", ["absolute", "relative", "directory"])
def test_a_link_out_of_the_directory_is_not_followed(site, tls, tmp_path, which, way):
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / which
    victim.write_text("precious")
    if way == "directory":
        os.symlink(outside, tls / "sub")
        reconfigure(site, f"= {which}", f"= sub/{which}")
    else:
        os.symlink(victim if way == "absolute" else f"../outside/{which}", tls / which)
    site.daemon.start()
    site.failed("failed", "is a link that leads out of", str(tls), which)
    assert victim.read_text() == "precious"
    assert os.listdir(outside) == [which], "nothing was put there"
    assert site.ca.requests("/1.0/sign") == 0


def test_a_link_within_the_directory_stays(site, tls):
    for name in "redis.crt", "redis.key", "ca.crt":
        os.symlink(f"real-{name}", tls / name)
    issued(site)
    site.assert_whole()
    renew(site)
    assert all(os.readlink(tls / name) == f"real-{name}" for name in ("redis.crt", "redis.key", "ca.crt"))
    assert len(os.listdir(tls)) == 6


def test_links_in_a_circle(site, tls):
    os.symlink("redis.crt", tls / "redis.crt")
    site.daemon.start()
    site.failed("retry", "redis.crt", "symbolic links")


# -- generations ----------------------------------------------------------------------------------------

LAYOUTS = {
    "roles in current": lambda site, tls: [reconfigure(site, f"= {n}", f"= current/{n}") for n in ("redis.crt", "redis.key", "ca.crt")],
    "links into current": lambda site, tls: [os.symlink(f"current/{n}", tls / n) for n in ("redis.crt", "redis.key", "ca.crt")],
    "the directory is the link": lambda site, tls: reconfigure(site, f"directory = {tls}", f"directory = {tls}/current"),
}


@pytest.fixture(params=LAYOUTS)
def laid_out(request, site, tls):
    (tls / "gen-7").mkdir(mode=0o750)
    os.chown(tls / "gen-7", 0, 1)
    (tls / "gen-7" / "notes.txt").write_text("of somebody else")
    os.symlink("notes.txt", tls / "gen-7" / "notes")
    (tls / "gen-3").mkdir()
    os.symlink("gen-7", tls / "current")
    LAYOUTS[request.param](site, tls)
    site.holder, site.tls = tls, tls / "current"
    issued(site)
    return site


def test_each_pair_is_a_generation_of_its_own(laid_out):
    site = laid_out
    first = os.readlink(site.holder / "current")
    assert first != "gen-7"
    site.assert_whole()
    before = site.tls.resolve()
    key = (before / "redis.key").read_bytes()
    renew(site)
    now = site.tls.resolve()
    assert now.name == f"gen-{int(first[4:]) + 1}" and now.parent == before.parent
    assert (now / "redis.key").read_bytes() == key
    assert (now / "notes.txt").read_text() == "of somebody else" and os.readlink(now / "notes") == "notes.txt"
    assert stat.S_IMODE(now.stat().st_mode) == 0o750 and now.stat().st_gid == 1
    assert stat.S_IMODE((now / "redis.key").stat().st_mode) == 0o600
    # The one before is whole still, for those who hold on to it.
    site.tls = before
    site.assert_whole()


def test_generations_of_others_stay_and_old_ones_of_ours_go(laid_out):
    site = laid_out
    for _ in range(3):
        renew(site)
    names = sorted(n for n in os.listdir(site.holder) if n.startswith("gen-"))
    assert "gen-3" in names and "gen-7" in names, "made by others"
    assert len(names) == 4, names
    assert not [n for n in os.listdir(site.holder) if "hotcert" in n]


def test_a_new_key_and_its_certificate_are_swapped_in_one_rename(laid_out):
    site = laid_out
    reconfigure(site, "subject =", "rekey = yes\nsubject =")
    assert site.daemon.reload()[0] == 0
    before = site.tls.resolve()
    old = {n: (before / n).read_bytes() for n in ("redis.crt", "redis.key")}
    renew(site)
    assert (site.tls / "redis.key").read_bytes() != old["redis.key"]
    assert {n: (before / n).read_bytes() for n in old} == old, "the old generation is untouched"


def test_a_generation_that_holds_directories_is_left_alone(laid_out):
    site = laid_out
    (site.tls / "sub").mkdir()
    before = os.readlink(site.holder / "current")
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 1 and "not supported" in out, out
    assert os.readlink(site.holder / "current") == before
    (site.tls / "sub").rmdir()
    renew(site)


def test_what_a_crash_left_of_a_generation_is_made_anew(laid_out):
    site = laid_out
    current = os.readlink(site.holder / "current")
    torn = site.holder / f"gen-{int(current[4:]) + 1}"
    torn.mkdir()
    (torn / ".hotcert-generation").touch()
    (torn / "redis.crt").write_text("torn")
    os.symlink("gen-9", site.holder / ".current.hotcert~")
    renew(site)
    assert site.tls.resolve() == torn.resolve()


def test_a_link_to_a_name_without_a_number_is_no_layout(site, tls):
    (tls / "prod").mkdir()
    os.symlink("prod", tls / "current")
    LAYOUTS["roles in current"](site, tls)
    site.tls = tls / "current"
    issued(site)
    assert os.readlink(tls / "current") == "prod"
    assert sorted(os.listdir(tls / "prod")) == ["ca.crt", "redis.crt", "redis.key"]


# -- one file, encrypted keys ----------------------------------------------------------------------------


@pytest.mark.parametrize("rekey", ["no", "yes"])
def test_key_and_certificate_in_one_file(site, tls, rekey):
    reconfigure(site, "cert = redis.crt\nkey = redis.key", "cert = both.pem\nkey = both.pem")
    reconfigure(site, "subject =", f"rekey = {rekey}\nsubject =")
    issued_both(site, tls)
    first = (tls / "both.pem").read_bytes()
    assert stat.S_IMODE(os.stat(tls / "both.pem").st_mode) == 0o600
    code, out = site.daemon.ctl("renew", "redis")
    assert code == 0, out
    second = issued_both(site, tls)
    assert second != first
    assert (key_part(first) == key_part(second)) == (rekey == "no")
    assert sorted(os.listdir(tls)) == ["both.pem", "ca.crt"]


def key_part(text):
    return text[text.index(b"-----BEGIN PRIVATE KEY"):]


def issued_both(site, tls):
    if not site.daemon.process:
        site.daemon.start()
    assert site.daemon.sync() == 0, site.message()
    text = (tls / "both.pem").read_bytes()
    leaf, key = x509.load_pem_x509_certificate(text), load_pem_private_key(key_part(text), None)
    assert leaf.public_key().public_numbers() == key.public_key().public_numbers()
    return text


@pytest.mark.parametrize("rekey", ["no", "yes"])
def test_an_encrypted_key(site, tls, rekey):
    secret = site.daemon.directory / "passphrase"
    secret.write_text("open sesame\n")
    reconfigure(site, "settle_warn", f"key_password_file = {secret}\nsettle_warn")
    reconfigure(site, "subject =", f"key_password_file = {secret}\nrekey = {rekey}\nsubject =")
    site.daemon.start()
    assert site.daemon.sync() == 0, site.message()
    for _ in range(2):
        text = (tls / "redis.key").read_bytes()
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in text
        key = load_pem_private_key(text, b"open sesame")
        assert site.leaf().public_key().public_numbers() == key.public_key().public_numbers()
        code, out = site.daemon.ctl("renew", "redis")
        assert code == 0 and "over mTLS" in out, out
    assert "sesame" not in site.daemon.log_text()


# -- access -------------------------------------------------------------------------------------------------

# acl(5) as in linux/posix_acl_xattr.h: version, then (tag, permissions, id): user::rw-, user:2:r--, group::---,
# mask::r--, other::---
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in (
    (1, 6, 0xffffffff), (2, 4, 2), (4, 0, 0xffffffff), (0x10, 4, 0xffffffff), (0x20, 0, 0xffffffff)))
LABEL = b"system_u:object_r:redis_conf_t:s0\0"


@pytest.fixture
def labelled(site, tls):
    issued(site)
    names = {"redis.crt": 0o644, "redis.key": 0o640}
    try:
        for name in names:
            os.setxattr(tls / name, "system.posix_acl_access", ACL)
            os.setxattr(tls / name, "security.selinux", LABEL)
    except OSError as e:
        pytest.skip(f"{tls} takes no ACL or label: {e}")
    return site


@pytest.mark.parametrize("more", ["rekey = no", "rekey = yes", "rekey = yes\ngroup = daemon"])
def test_acl_and_label_are_kept(labelled, tls, more):
    site = labelled
    site.configure(more)
    assert site.daemon.reload()[0] == 0
    renew(site)
    for name in "redis.crt", "redis.key":
        assert os.getxattr(tls / name, "system.posix_acl_access") == ACL, name
        assert os.getxattr(tls / name, "security.selinux") == LABEL, name
        assert os.stat(tls / name).st_gid == (1 if "group" in more else 0)


def test_a_configured_mode_wins_over_the_acl(labelled, tls):
    site = labelled
    site.configure("rekey = yes\nkey_mode = 0600")
    assert site.daemon.reload()[0] == 0
    renew(site)
    assert "system.posix_acl_access" not in os.listxattr(tls / "redis.key")
    assert stat.S_IMODE(os.stat(tls / "redis.key").st_mode) == 0o600
    assert os.getxattr(tls / "redis.key", "security.selinux") == LABEL


def test_acl_and_label_go_with_a_generation(site, tls):
    (tls / "gen-1").mkdir()
    os.symlink("gen-1", tls / "current")
    LAYOUTS["links into current"](site, tls)
    issued(site)
    try:
        os.setxattr(tls / "redis.key", "system.posix_acl_access", ACL)
    except OSError as e:
        pytest.skip(f"{tls} takes no ACL: {e}")
    reconfigure(site, "subject =", "rekey = yes\nsubject =")
    assert site.daemon.reload()[0] == 0
    renew(site)
    assert os.getxattr(tls / "redis.key", "system.posix_acl_access") == ACL


@pytest.mark.parametrize("rekey", ["no", "yes"])
def test_owner_group_and_mode_are_kept(site, tls, rekey):
    issued(site)
    for name, mode, uid, gid in (("redis.crt", 0o604, 1, 2), ("redis.key", 0o440, 2, 3), ("ca.crt", 0o640, 3, 1)):
        os.chown(tls / name, uid, gid)
        os.chmod(tls / name, mode)
    site.configure(f"rekey = {rekey}")
    assert site.daemon.reload()[0] == 0
    renew(site)
    for name, mode, uid, gid in (("redis.crt", 0o604, 1, 2), ("redis.key", 0o440, 2, 3), ("ca.crt", 0o640, 3, 1)):
        st = os.stat(tls / name)
        assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (mode, uid, gid), name
