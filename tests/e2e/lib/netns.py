"""A network of one's own: nobody else's ports, and 80, 443 and 53 are free. For the thread that asks, and its children."""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
libc = ctypes.CDLL(None, use_errno=True)


def reason_not_to():
    """Why there can be none here, or None."""
    try:
        with inside():
            return None
    except OSError as e:
        return f"needs a network namespace of its own: {e}"


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sH14x", b"lo", IFF_UP)
        fcntl.ioctl(s, SIOCSIFFLAGS, request)


@contextlib.contextmanager
def inside():
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        check(libc.unshare(CLONE_NEWNET))
        try:
            loopback_up()
            yield
        finally:
            check(libc.setns(before, CLONE_NEWNET))
    finally:
        os.close(before)


def with_resolver(path):
    """The words before a command that shall ask the name server in this resolv.conf."""
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(path)]
