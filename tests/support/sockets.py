# SPDX-License-Identifier: BSD-2-Clause
"""What PyPy's socket and select lack: numbers of Linux, and libc's own names of interfaces."""

import ctypes
import os

SO_BINDTODEVICE = 25  # socket(7)
TCP_FASTOPEN = 23  # tcp(7)
#: POLLRDHUP and EPOLLRDHUP.  poll(2)
RDHUP = 0x2000


class _Interface(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint), ("name", ctypes.c_char_p)]


def if_nametoindex(name):
    index = ctypes.CDLL(None, use_errno=True).if_nametoindex(os.fsencode(name))
    if not index:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
    return index


def if_nameindex():
    """name -> index, if_nameindex(3)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.if_nameindex.restype = ctypes.POINTER(_Interface)
    found = libc.if_nameindex()
    if not found:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    named, place = {}, 0
    while found[place].index:
        named[found[place].name] = found[place].index
        place += 1
    libc.if_freenameindex(found)
    return named
