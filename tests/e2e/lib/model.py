"""The model of a watch: a plain reading of the disk, and what hotcertd has to make of it.

It knows every file content that the test ever writes by its digest, so it judges without parsing anything.
"""

import errno
import fnmatch
import hashlib
import os
import stat

WHOLE, MISSING, BROKEN, EXPIRED = 0, 10, 20, 30
NAMES = {WHOLE: "whole", MISSING: "missing", BROKEN: "broken", EXPIRED: "expired"}
BADNESS = [WHOLE, EXPIRED, MISSING, BROKEN]
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
ZEROS = "0" * 64


def worst(states):
    return max(states, key=BADNESS.index, default=WHOLE)


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Contents:
    """All that may stand in a file: what it is, and to which pair it belongs."""

    def __init__(self, ca):
        lower = ca.intermediate()
        self.known = {}
        self.pairs = [(lower if i % 2 else ca).issue() for i in range(10)]
        self.pairs += [ca.issue(lifetime=(-7200, -3600)) for _ in range(2)]
        self.expired = {10, 11}
        authorities = [type(ca)(f"Root {i}") for i in range(4)]
        self.roots = [root.pem for root in authorities]
        for i, pair in enumerate(self.pairs):
            self.learn(pair.cert_pem, "cert", i)
            self.learn(pair.key_pem, "key", i)
            self.learn(pair.cert_pem[:-60], "torn", i)
            self.learn(pair.key_pem[:-60], "torn", i)
        for i, root in enumerate(self.roots):
            self.learn(root, "root", i)
        self.fingerprints = {("cert", i): pair.fingerprint for i, pair in enumerate(self.pairs)}
        self.fingerprints |= {("root", i): root.fingerprint for i, root in enumerate(authorities)}
        self.learn(b"", "empty", 0)
        self.learn(b"nothing of the kind\n", "junk", 0)
        self.learn(b"a file\n", "junk", 0)
        self.junk = [b"", b"nothing of the kind\n", self.pairs[0].cert_pem[:-60], self.pairs[1].key_pem[:-60]]

    def learn(self, data, kind, i):
        self.known[digest(data)] = (kind, i)
        if len(data) > 40:  # where a slow writer has come to
            self.known[digest(data[:40])] = ("torn", i)

    def what(self, sha256):
        return self.known[sha256]


class File:
    """One file of a watch as it is now."""

    def __init__(self, role, path):
        self.role, self.path = role, path
        self.sha256, self.mode, self.uid, self.gid = ZEROS, 0, 0, 0
        self.state = WHOLE
        try:
            self.read()
        except OSError as e:
            self.state = MISSING if e.errno in ABSENT else BROKEN

    def read(self):
        fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as f:
            st = os.fstat(fd)
            if not stat.S_ISREG(st.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            self.sha256 = digest(f.read())
        self.mode, self.uid, self.gid = stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid

    def seen(self):
        """As the probe writes it down."""
        return self.role, self.path, self.state, self.mode, self.uid, self.gid, self.sha256


class Watch:
    """A [watch] section: roles, or match."""

    def __init__(self, name, directory, cert=None, key=None, ca=None, match=None, settle_warn="20ms"):
        self.name, self.directory, self.match = name, str(directory), match
        self.roles = {r: os.path.join(self.directory, f)
                      for r, f in (("cert", cert), ("key", key), ("ca", ca)) if f}
        self.settle_warn = settle_warn

    def section(self):
        keys = {"directory": self.directory, **self.roles, "settle_warn": self.settle_warn}
        if self.match:
            keys["match"] = ", ".join(self.match)
        return f"[watch {self.name}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items())

    def look(self, contents):
        """What is there now."""
        if self.match:
            return Look(*self.look_matches(contents))
        files = [File(role, path) for role, path in self.roles.items()]
        leaf = None
        for file in files:
            if file.state == WHOLE:
                leaf = self.judge(file, contents, leaf)
        return Look(files, WHOLE, leaf if "cert" in self.roles else None)

    def judge(self, file, contents, leaf):
        what = kind, i = contents.what(file.sha256)
        certificate = kind in ("cert", "root")
        if file.role == "key":
            file.state = WHOLE if kind == "key" and leaf in (None, ("cert", i)) else BROKEN
            return leaf
        file.state = WHOLE if certificate else BROKEN
        if file.role != "cert" or not certificate:
            return leaf
        if kind == "cert" and i in contents.expired:
            file.state = EXPIRED
        return what

    def look_matches(self, contents):
        try:
            names = sorted(n for n in os.listdir(self.directory) if self.matches(n))
        except OSError as e:
            return [], MISSING if e.errno in ABSENT else BROKEN, None
        files = [File("", os.path.join(self.directory, n)) for n in names
                 if not os.path.isdir(os.path.join(self.directory, n))]
        for file in files:
            if file.state == WHOLE and contents.what(file.sha256)[0] in ("torn", "empty"):
                file.state = BROKEN
        return files, WHOLE if files else MISSING, None

    def matches(self, name):
        return not name.startswith(".") and any(fnmatch.fnmatchcase(name, m) for m in self.match)


class Look:
    """The state of a watch, and its files."""

    def __init__(self, files, state, leaf):
        self.state = worst([state, *(f.state for f in files)])
        self.files = [f.seen() for f in files]
        self.leaf = leaf  # what stands in `cert`: a kind and a number; None: no certificate

    def __repr__(self):
        return f"{NAMES[self.state]} {[(f[0], f[1], f[2], f[6][:8]) for f in self.files]}"


def seen(call):
    """The files of a line of the probe, as Look.files."""
    return [(f["role"], f["path"], f["state"], f["mode"], f["uid"], f["gid"], f["sha256"]) for f in call["files"]]


def told(call):
    """All that the plugin can tell two calls by, but for the generation: the reasons too."""
    return seen(call), call["error"], [f["error"] for f in call["files"]]
