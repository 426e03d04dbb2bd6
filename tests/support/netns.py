# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces without tools: enter a fresh one, bring its lo up, lose capabilities."""

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCGIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCADDRT = 0x8914, 0x8913, 0x8916, 0x891C, 0x890B
IFF_UP, RTF_UP, RTF_HOST = 1, 1, 4


def here():
    """The network namespace of the calling thread."""
    return Path("/proc/thread-self/ns/net").readlink()


def _libc_call(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)


def unshare(flags):
    if hasattr(os, "unshare"):
        os.unshare(flags)
    else:
        _libc_call("unshare", flags)


def _ifreq(name, payload):
    return struct.pack("16s24s", name.encode(), payload)


def _sockaddr_in(addr):
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(addr))


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        raw = fcntl.ioctl(s, SIOCGIFFLAGS, _ifreq("lo", b""))
        flags = struct.unpack_from("H", raw, 16)[0] | IFF_UP
        fcntl.ioctl(s, SIOCSIFFLAGS, _ifreq("lo", struct.pack("H", flags)))


def add_address_on_lo(addr):
    """One more local address; the whole of a larger prefix would become local."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFADDR, _ifreq("lo:1", _sockaddr_in(addr)))
        fcntl.ioctl(s, SIOCSIFNETMASK, _ifreq("lo:1", _sockaddr_in("255.255.255.255")))


def add_host_route_on_lo(addr):
    """Packets to this address leave by lo, come back by it, and nobody takes them: a silent peer."""
    name = ctypes.create_string_buffer(b"lo")
    route = struct.pack(
        "@L16s16s16sHhLPhP" + "LLH",
        *(0, _sockaddr_in(addr), _sockaddr_in("0.0.0.0"), _sockaddr_in("255.255.255.255")),
        *(RTF_UP | RTF_HOST, 0, 0, 0, 0, ctypes.addressof(name), 0, 0, 0),
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCADDRT, route)


def _write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def _enter():
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        unshare(CLONE_NEWNET)
    else:
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    loopback_up()


def enter():
    """Move this process into a fresh network namespace of its own; None, or why that cannot be.

    A fork tries first: a failure half-way must not leave us half-way.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _enter()
        except OSError as e:
            os.write(write, str(e).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        why = answer.read().decode()
    os.waitpid(pid, 0)
    if why:
        return f"no network namespace of our own: {why}"
    _enter()
    return None


def lone_root():
    """Is root here an ordinary user's, in a user namespace of one?  It owns its network, and neither other users nor their processes."""
    try:
        ranges = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return False
    return sum(int(one.split()[2]) for one in ranges) < 65536


def drop_capabilities():
    """This process keeps its user and loses every capability, as an ordinary user has none."""

    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]

    nothing = (ctypes.c_uint32 * 6)()
    _libc_call("capset", ctypes.byref(Header(0x20080522, 0)), nothing)
