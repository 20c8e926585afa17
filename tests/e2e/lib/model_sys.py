"""System calls that Python does not have: mount namespaces, bind mounts, rename with exchange."""

import contextlib
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_EXCHANGE = 2
CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2


def call(function, *args):
    args = [os.fsencode(a) if isinstance(a, (str, os.PathLike)) else a for a in args]
    if function(*args) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def exchange(a, b):
    call(libc.renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE)


def bind(source, target):
    call(libc.mount, source, target, None, MS_BIND, None)


def unmount(target):
    call(libc.umount2, target, MNT_DETACH)


def mounts_below(directory):
    """The mount points below a directory, wherever they have been moved to: the last one first."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        points = [line.split()[4] for line in f]
    return [p for p in reversed(points) if p.startswith(f"{directory}/")]


@contextlib.contextmanager
def private_mounts():
    """A mount namespace of one's own for this process and its children; yields whether there is one."""
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    directory = os.getcwd()
    try:
        call(libc.unshare, CLONE_NEWNS)
    except OSError:
        os.close(before)
        yield False
        return
    try:
        call(libc.mount, "none", "/", None, MS_REC | MS_PRIVATE, None)
        yield True
    finally:
        call(libc.setns, before, CLONE_NEWNS)
        os.close(before)
        os.chdir(directory)
