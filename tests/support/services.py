# SPDX-License-Identifier: BSD-2-Clause
"""Whether this system has services(5): a bare Debian has not."""

import socket


def number(name):
    """The port of this TCP service; None where it is not known."""
    try:
        return socket.getservbyname(name, "tcp")
    except OSError:
        return None


#: what is said of a word that is no port
NO_PORT = "is neither a port nor a TCP service name"
if number("http") is None:
    NO_PORT = "is not a port number, and this system knows no services by name (services(5)): give the number"
