"""The world of the model-based test: certificate directories of every layout, and what may happen to them.

Every operation may find its files gone, moved or replaced by something else; then it does nothing, or fails half
way, as such things do.
"""

import os
import pathlib
import shutil
import stat

from lib import model_sys, pki
from lib.model import Watch

OPS = []


def op(weight):
    def add(function):
        OPS.append((weight, function))
        return function
    return add


class World:
    """Directories below `base`. `random` decides, `said` tells what was done."""

    def __init__(self, base, contents, random, mounts):
        self.base, self.contents, self.random, self.can_mount = base, contents, random, mounts
        self.said = []
        self.n = 0
        self.aside = []     # (where it is, where it came from): moved away, to come back
        self.writers = []   # (file, rest): writes that have begun
        self.held = []      # descriptors of directories that others keep open
        b = base
        self.homes = {      # where the pair of a watch lies: its certificate, its key
            "plain": (b / "plain/redis.crt", b / "plain/redis.key"),
            "kube": (b / "kube/redis.crt", b / "kube/redis.key"),
            "certbot": (b / "certbot/live/redis/fullchain.pem", b / "certbot/live/redis/privkey.pem"),
            "linked": (b / "linked/l1/l2/tls/redis.crt", b / "linked/l1/l2/tls/redis.key"),
            "far": (b / "far/cert", b / "store/key"),
            "deep": (b / "x/y/z/redis.crt", b / "x/y/z/redis.key"),
        }
        self.watches = [
            Watch("plain", b / "plain", "redis.crt", "redis.key", "ca.crt"),
            Watch("other", b / "plain", "other.crt"),
            Watch("match", b / "plain", match=["*.crt", "*.pem"]),
            Watch("kube", b / "kube", "redis.crt", "redis.key"),
            Watch("kubeall", b / "kube", match=["*.crt"]),
            Watch("certbot", b / "certbot/live/redis", "fullchain.pem", "privkey.pem"),
            Watch("linked", b / "linked/l1/l2/tls", "redis.crt", "redis.key"),
            Watch("far", b / "far", "cert", b / "store/key"),
            Watch("deep", b / "x/y/z", "redis.crt", "redis.key"),
        ]
        self.links = {      # the links, each with where it may lead
            "linked/l1": ["d1", "d2", b / "linked/d1"],
            "linked/d1/l2": ["../e1", "../e2"],
            "linked/d2/l2": ["../e1", b / "linked/e2"],
            "far/cert": [b / "store/current/cert"],
            "store/current": ["v1", "v2"],
            "plain/linked.crt": ["../store/current/cert", "../x/y/z/redis.crt", "nowhere", "linked.crt"],
        }
        self.directories = ["plain", "kube", "certbot", "certbot/live", "certbot/live/redis", "certbot/archive",
                            "certbot/archive/redis", "linked", "linked/d1", "linked/d2", "linked/e1", "linked/e2",
                            "linked/e1/tls", "linked/e2/tls", "far", "store", "store/v1", "store/v2", "x", "x/y",
                            "x/y/z"]
        self.directories = [b / d for d in self.directories]
        self.files = [p for home in self.homes.values() for p in home]
        self.files += [b / "plain/ca.crt", b / "plain/other.crt", b / "plain/more.pem", b / "store/v1/cert",
                       b / "store/v2/cert", b / "linked/e2/tls/redis.crt", b / "linked/e1/tls/redis.key"]
        for name in self.homes:
            self.mend(name)
        pki.replace(b / "plain/ca.crt", contents.roots[0])
        pki.replace(b / "plain/other.crt", contents.pairs[0].cert_pem)

    # -- tools --

    def say(self, *words):
        self.said.append(" ".join(str(w).replace(f"{self.base}/", "") for w in words))

    def fresh(self, word):
        self.n += 1
        return self.base / f"{word}{self.n}"

    def pair(self):
        return self.random.randrange(len(self.contents.pairs))

    def content(self, path):
        """Something that may stand in that file, right or wrong."""
        i = self.pair()
        pair = self.contents.pairs[i]
        if self.random.random() < 0.15:
            return self.random.choice(self.contents.junk), "junk"
        if "key" in path.name:
            return pair.key_pem, f"key {i}"
        if path.name == "ca.crt":
            return self.contents.roots[i % 4], f"root {i % 4}"
        return pair.cert_pem, f"cert {i}"

    def clear(self, path):
        """Makes room: away with what stands at path or, as no directory, above it."""
        for above in [*reversed(path.relative_to(self.base).parents[:-1]), None]:
            what = path if above is None else self.base / above
            if os.path.lexists(what) and (above is None or not what.is_dir()):
                self.remove(what)

    @staticmethod
    def remove(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    @staticmethod
    def put(path, data):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        pki.replace(path, data)

    def link(self, path, target):
        """ln -sfn, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        new = path.with_name(f".{path.name}.link")
        os.symlink(target, new)
        os.rename(new, path)

    def ensure_directory(self, path):
        if not path.is_dir():
            self.clear(path)
            path.mkdir(parents=True)

    # -- bringing a layout in order again, with a new pair --

    def mend(self, name):
        i = self.pair()
        getattr(self, f"mend_{name}", self.mend_files)(name, self.contents.pairs[i])
        self.say("mend", name, i)

    def mend_files(self, name, pair):
        for path, data in zip(self.homes[name], (pair.cert_pem, pair.key_pem)):
            self.ensure_directory(path.parent)
            self.put(path, data)

    def mend_kube(self, name, pair):
        """As the kubelet's AtomicWriter: a new directory, and ..data swapped to it."""
        home = self.homes[name][0].parent
        self.ensure_directory(home)
        old = os.readlink(home / "..data") if (home / "..data").is_symlink() else None
        new = home / self.fresh("..").name
        pair.write(new)
        self.link(home / "..data", new.name)
        for file in self.homes[name]:
            if not file.is_symlink():
                self.link(file, f"..data/{file.name}")
        if old:
            shutil.rmtree(home / old, ignore_errors=True)

    def mend_certbot(self, name, pair):
        """A new version in archive/, then each link is unlinked and made anew."""
        self.n += 1
        self.ensure_directory(self.homes[name][0].parent)
        self.ensure_directory(self.base / "certbot/archive/redis")
        for file, data in zip(self.homes[name], (pair.cert_pem, pair.key_pem)):
            version = f"{file.stem}{self.n}.pem"
            pki.replace(self.base / "certbot/archive/redis" / version, data)
            if os.path.lexists(file):
                self.remove(file)
            os.symlink(f"../../archive/redis/{version}", file)

    def mend_linked(self, name, pair):
        for directory in "d1", "d2", "e1", "e2":
            self.ensure_directory(self.base / "linked" / directory)
        for link in "linked/d1/l2", "linked/d2/l2", "linked/l1":
            if not (self.base / link).is_dir() or not (self.base / link).is_symlink():
                self.link(self.base / link, self.links[link][0])
        self.mend_files(name, pair)

    def mend_far(self, name, pair):
        for directory in "far", "store", "store/v1", "store/v2":
            self.ensure_directory(self.base / directory)
        for link in "store/current", "far/cert":
            if not (self.base / link).is_symlink():
                self.link(self.base / link, self.links[link][0])
        self.put(self.base / "store/current/cert", pair.cert_pem)
        self.put(self.base / "store/key", pair.key_pem)

    # -- one operation --

    def step(self):
        function = self.random.choices([f for _, f in OPS], [w for w, _ in OPS])[0]
        self.said.append(function.__name__)
        try:
            function(self)
        except OSError as e:
            self.say("  failed:", e)

    def being_written(self, path):
        """Two writers of one file make something that nobody knows."""
        return path.exists() and any(os.fstat(f.fileno()).st_ino == path.stat().st_ino for f, _ in self.writers)

    def finish_writes(self):
        for file, rest in self.writers:
            file.write(rest)
            file.close()
        self.writers = []

    def close(self):
        self.finish_writes()
        for fd in self.held:
            os.close(fd)
        self.held = []
        for path in model_sys.mounts_below(self.base):
            model_sys.unmount(path)


# ---- files ----

@op(30)
def renew(w):
    w.mend(w.random.choice(list(w.homes)))


@op(10)
def replace(w):
    path = w.random.choice(w.files)
    data, what = w.content(path)
    w.say("  ", path, what)
    pki.replace(path, data, w.random.choice([0o600, 0o644]))


@op(10)
def write_in_place(w):
    path = w.random.choice(w.files)
    data, what = w.content(path)
    w.say("  ", path, what)
    if not w.being_written(path):
        pki.in_place(path, data)


@op(6)
def write_slowly(w):
    """Several write(2)s, the last of them at the end of the burst."""
    path = w.random.choice(w.files)
    data, what = w.content(path)
    w.say("  ", path, what)
    if not w.being_written(path) and (path.is_file() or not os.path.lexists(path)):
        file = open(path, "wb", buffering=0)  # pylint: disable=consider-using-with
        file.write(data[:40])
        w.writers.append((file, data[40:]))


@op(6)
def recreate(w):
    path = w.random.choice(w.files)
    data, what = w.content(path)
    w.say("  ", path, what)
    pki.recreate(path, data)


@op(6)
def hard_link(w):
    path = w.random.choice(w.files)
    data, what = w.content(path)
    w.say("  ", path, what)
    source = pki.in_place(w.fresh("hard"), data)
    if w.random.random() < 0.5:
        path.unlink(missing_ok=True)
        os.link(source, path)
    else:
        new = path.with_name(f".{path.name}.hard")
        os.link(source, new)
        os.rename(new, path)
    source.unlink()


@op(4)
def nameless_file(w):
    """O_TMPFILE, then linkat(2)."""
    path = w.random.choice(w.files)
    data, what = w.content(path)
    w.say("  ", path, what)
    fd = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as f:
        f.write(data)
        f.flush()
        path.unlink(missing_ok=True)
        os.link(f"/proc/self/fd/{fd}", path, follow_symlinks=True)


@op(5)
def break_it(w):
    """Something that is no file at all, or nothing."""
    path = w.random.choice(w.files)
    how = w.random.choice(["remove", "directory", "fifo", "dangling", "loop"])
    w.say("  ", path, how)
    if os.path.lexists(path):
        w.remove(path)
    if how == "directory":
        path.mkdir()
    elif how == "fifo":
        os.mkfifo(path)
    elif how == "dangling":
        os.symlink("not there", path)
    elif how == "loop":
        os.symlink(path.name, path)


@op(6)
def change_owner_or_mode(w):
    path = w.random.choice(w.files)
    if w.random.random() < 0.5:
        os.chown(path, w.random.choice([0, 1, 2]), w.random.choice([0, 1]))
    else:
        os.chmod(path, w.random.choice([0o600, 0o640, 0o644, 0]))
    w.say("  ", path)


@op(4)
def touch(w):
    path = w.random.choice(w.files)
    w.say("  ", path)
    os.utime(path)
    (path.parent / "unrelated").touch()


@op(4)
def move_file_away_and_back(w):
    path = w.random.choice(w.files)
    w.say("  ", path)
    away = w.fresh("file")
    os.rename(path, away)
    if w.random.random() < 0.5:
        os.chmod(away, 0o640)
    os.rename(away, path)


@op(4)
def exchange_files(w):
    a, b = w.random.sample(w.files, 2)
    w.say("  ", a, b)
    model_sys.exchange(a, b)


# ---- links ----

@op(10)
def swap_link(w):
    name = w.random.choice(list(w.links))
    path, target = w.base / name, w.random.choice(w.links[name])
    w.say("  ", path, "->", target)
    if w.random.random() < 0.7:
        w.link(path, target)
    else:
        w.clear(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, path)


@op(4)
def file_becomes_link(w):
    """To a file elsewhere, which others may change."""
    path, target = w.random.sample(w.files, 2)
    w.say("  ", path, "->", target)
    w.link(path, target)


@op(5)
def directory_becomes_link(w):
    """Moved away, and a link to its new place left behind."""
    path = w.random.choice(w.directories)
    if path.is_symlink():
        return
    away = w.fresh("away")
    w.say("  ", path, "->", away)
    os.rename(path, away)
    os.symlink(away, path)


# ---- directories ----

@op(6)
def move_directory_away(w):
    path = w.random.choice(w.directories)
    away = w.fresh("away")
    w.say("  ", path, "->", away)
    os.rename(path, away)
    w.aside.append((away, path))
    if len(w.aside) > 8:
        shutil.rmtree(w.aside.pop(0)[0])


@op(8)
def move_directory_back(w):
    if not w.aside:
        return
    away, path = w.aside.pop(w.random.randrange(len(w.aside)))
    w.say("  ", away, "->", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    w.clear(path)
    os.rename(away, path)


@op(5)
def delete_directory(w):
    path = w.random.choice(w.directories)
    w.say("  ", path)
    w.remove(path)


@op(5)
def delete_and_copy_back(w):
    path = w.random.choice(w.directories)
    w.say("  ", path)
    copy = w.fresh("copy")
    shutil.copytree(path, copy, symlinks=True)
    shutil.rmtree(path)
    if w.random.random() < 0.5:
        os.rename(copy, path)
    else:
        shutil.copytree(copy, path, symlinks=True)


@op(4)
def rename_over_empty_directory(w):
    path = w.random.choice(w.directories)
    w.say("  ", path)
    copy = w.fresh("copy")
    shutil.copytree(path, copy, symlinks=True)
    shutil.rmtree(path)
    path.mkdir()
    os.rename(copy, path)


@op(4)
def exchange_directories(w):
    a = w.random.choice(w.directories)
    b = w.random.choice([*w.directories, *(away for away, _ in w.aside)])
    w.say("  ", a, b)
    model_sys.exchange(a, b)


@op(2)
def file_in_place_of_directory(w):
    path = w.random.choice(w.directories)
    w.say("  ", path)
    w.clear(path)
    path.write_text("a file\n")


@op(4)
def hold_directory_open(w):
    """As a shell does that was left in it: a deleted directory does not go before its last user."""
    if len(w.held) > 6:
        os.close(w.held.pop(0))
    path = w.random.choice(w.directories)
    w.say("  ", path)
    w.held.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


@op(1)
def change_mode_of_directory(w):
    path = w.random.choice(w.directories)
    w.say("  ", path)
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) ^ 0o050)


# ---- mounts ----

@op(4)
def mount_over(w):
    path = w.random.choice(w.directories)
    source = w.random.choice([*w.directories, *(away for away, _ in w.aside)])
    if not w.can_mount or len(model_sys.mounts_below(w.base)) > 3:
        return
    w.say("  ", source, "on", path)
    if path.is_dir() and not path.is_symlink() and source.is_dir():
        copy = w.fresh("source")
        shutil.copytree(source, copy, symlinks=True)
        model_sys.bind(copy, path)


@op(4)
def unmount(w):
    mounted = model_sys.mounts_below(w.base)
    if mounted:
        path = w.random.choice(mounted)
        w.say("  ", path)
        model_sys.unmount(path)
