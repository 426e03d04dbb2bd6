# SPDX-License-Identifier: BSD-2-Clause
"""Zones of illumos and Solaris: a connection of another one can be dropped, by its exact tuple, and not be seen.

The kernel shows the caller's own zone.  So there is no look before, none
after, and no identity: the kernel's own answer is all there is.  zones(7).
"""

from __future__ import annotations

import errno
import os

from ..errors import Error, NotSupported
from ..model.addresses import is_number, printable
from . import platform
from .procfs import psinfo

#: in whichever zone it is; only on request, since it may hit the same tuple of another zone
ALL = -1
#: zone 0 is the caller's own view, wherever dropping is allowed: also within a zone with its own IP stack
OWN = 0
#: what the kernel can take
LARGEST = 2**31 - 2

ZONEADM = "/usr/sbin/zoneadm"
#: ZONES_TMPDIR, sys/zone.h
RUNNING = "/var/run/zones"


def number_of(zone: str | int) -> int:
    """The id of a zone given by ID, NAME or "all"; OWN for the caller's own.

    Raises ValueError on a system without zones and for what can be no zone,
    Error when there is none of that name, NotSupported for one that only it
    can reach itself.
    """
    if not platform.ZONES:
        raise ValueError("--zone: this system has no zones" + ("; --netns names a network namespace" if platform.NETNS else ""))
    text = str(zone)
    if text == "all":
        return ALL
    if is_number(text):
        if int(text) > LARGEST:
            raise ValueError(f"--zone: {printable(text)} is no zone id")
        return OWN if int(text) == _own() else int(text)
    if not text or isinstance(zone, int):
        raise ValueError("--zone: a zone is an ID, a NAME or all")
    return OWN if text == "global" and not _own() else _id_of(text, _listed(), _own())


def check_visible(zone: str | int | None) -> None:
    """Raise NotSupported unless this is the caller's own zone: only its connections show.  None is its own."""
    if zone is None or number_of(zone) == OWN:
        return
    raise NotSupported(
        "connections of another zone do not show",
        errno=errno.EOPNOTSUPP,
        hint="name one by its four values with --zone, or run tcpdrop in the zone: zlogin ZONE tcpdrop ...",
    )


def others() -> bool:
    """Has any other zone been up since boot, as far as can be seen: from the global zone, by root?

    zoneadmd leaves a file for each; to start zoneadm would cost more than a drop.
    """
    try:
        return any(name.endswith(".zoneadmd_door") for name in os.listdir(RUNNING))
    except OSError:
        return False


def _own() -> int | None:
    """The id of the caller's own zone; None when it cannot be read."""
    try:
        return psinfo(os.getpid()).zone
    except OSError:
        return None


def _listed() -> str:
    """Running zones, id:name:state:path:uuid:brand:ip-type a line, and on SmartOS more behind.  zoneadm(8)."""
    import subprocess

    try:
        done = subprocess.run([ZONEADM, "list", "-p"], capture_output=True, check=True, timeout=30)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        raise Error("zones cannot be listed", step="zoneadm", hint="give the zone's id") from None
    return done.stdout.decode("utf-8", "surrogateescape")


def _id_of(name: str, listed: str, own: int | None = None) -> int:
    for line in listed.split("\n"):
        fields = line.replace("\\:", "").split(":")  # a colon in a path is escaped
        if fields[1:2] != [name] or not is_number(fields[0]):
            continue
        if int(fields[0]) == own:
            return OWN
        if fields[6:7] == ["excl"]:
            raise NotSupported(
                f"zone '{printable(name)}' has an IP stack of its own",
                errno=errno.EOPNOTSUPP,
                hint=f"run tcpdrop in it: zlogin {printable(name)} tcpdrop ...",
            )
        return int(fields[0])
    raise Error(f"no running zone '{printable(name)}'", errno=errno.ENOENT, step="zoneadm", hint="zoneadm list shows them")
