# SPDX-License-Identifier: BSD-2-Clause
"""Services through which people and controllers reach a host, by the command's name; `login NAME` in /etc/tcpdrop.conf adds one."""

from __future__ import annotations

from . import rules

_SHELLS = ("sshd", "sshd-session", "sshd-auth", "dropbear", "telnetd", "in.telnetd", "utelnetd", "rlogind", "in.rlogind", "in.rshd")
_ROAMING = ("mosh-server", "etserver", "etterminal", "tailscaled", "teleport", "tmate", "tmate-ssh-serve")
_BROWSERS = (
    "cockpit-ws",
    "cockpit-tls",
    "cockpit-session",
    "ttyd",
    "gotty",
    "wetty",
    "shellinaboxd",
    "webmin",
    "miniserv.pl",
    "jupyter-lab",
    "jupyter-noteboo",
)
_DESKTOPS = ("xrdp", "xrdp-sesman", "Xvnc", "Xtigervnc", "Xtightvnc", "x11vnc", "x0vncserver", "vncserver-x11-c", "wayvnc", "krfb", "guacd")
_FURTHER = ("gnome-remote-de", "rustdesk", "anydesk", "teamviewerd", "nxserver.bin", "nxd", "kubelet", "conmon", "code-server")

#: names as the kernel keeps them, cut at 15 bytes
LOGIN_SERVICES = frozenset((*_SHELLS, *_ROAMING, *_BROWSERS, *_DESKTOPS, *_FURTHER))
#: who makes their sockets, where the creator is all that is told
LOGIN_CREATORS = LOGIN_SERVICES | {"inetd"}


def is_login_service(name: str | None, *, creator: bool = False) -> bool:
    """Is a process of this name one through which people log in?  creator: it is who made the socket, where no more is told."""
    return name is not None and (name in (LOGIN_CREATORS if creator else LOGIN_SERVICES) or name in rules.login_names)


def considered() -> str:
    """What was looked for, for people: the best known, and how many more."""
    return f"{', '.join(('sshd', 'cockpit', 'xrdp', 'Xvnc', 'mosh', *sorted(rules.login_names)))} and {len(LOGIN_SERVICES) - 5} more"
