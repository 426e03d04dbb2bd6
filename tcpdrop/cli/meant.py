# SPDX-License-Identifier: BSD-2-Clause
"""A mistake on the command line, and what may have been meant.  Loaded by mistakes only."""

from __future__ import annotations

from ..model.addresses import printable
from ..model.nearest import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: what people type who come from ss, kill and the like
_VERBS = {
    **dict.fromkeys(("ls", "ss", "show", "netstat", "ps", "dump"), "list"),
    **dict.fromkeys(("kill", "rm", "delete", "abort", "close", "destroy"), "drop"),
    **dict.fromkeys(("htop", "watch", "monitor"), "top"),
    **dict.fromkeys(("doctor", "status", "test"), "check"),
}
_LETTERS = {
    "-t": "all of it is TCP: leave it out",
    "-u": "UDP has no connections: this is for TCP only",
    "--tcp": "all of it is TCP: leave it out",
    "--udp": "UDP has no connections: this is for TCP only",
    "-K": "to drop is a verb of its own: tcpdrop drop FILTER",
    "-p": "who holds them says: tcpdrop list -p",
    "-l": "listening sockets: tcpdrop list state listen",
    "-n": "addresses and ports are numbers anyhow: leave it out",
}


def unknown_option(name: str, spellings: Iterable[str]) -> str:
    said = f"unknown option {printable(name)}; options cannot be shortened"
    if name in _LETTERS:
        return f"{said}; {_LETTERS[name]}"
    near = nearest(name, spellings) if name.startswith("--") else ""
    return f"{said}; did you mean {near}?" if near else said


def not_of_this_form(spellings: tuple[str, ...], form: str) -> str:
    """An option that there is, but not here."""
    name = "the classic form" if form == "classic" else f"'{form}'"
    said = f"{spellings[-1]} does not go with {name}"
    hints = [_LETTERS[letter] for letter in spellings if letter in _LETTERS]
    return f"{said}; {spellings[0]}: {hints[0]}" if hints and form in ("list", "drop", "classic") else said


def verb_of(word: str, verbs: Iterable[str]) -> str:
    """The verb that was meant; "" if none is near."""
    return _VERBS.get(word) or nearest(word, verbs)


def reading(operands: list[str], verbs: Iterable[str]) -> str:
    """Operands that are neither a verb nor a connection."""
    given = [printable(operand) for operand in operands]
    number = f"{len(given)} operand{'s' if len(given) > 1 else ''}"
    meant = verb_of(operands[0], verbs)
    if given[0].lower() in ("udp", "udp4", "udp6", "sctp", "icmp"):
        return f"'{given[0]}': this is for TCP only; no other protocol has connections here"
    if len(given) == 3 and not meant:
        return f"{number}: one of LADDR LPORT RADDR RPORT is missing in '{' '.join(given)}'"
    if given[0].isalpha():
        hint = f"; did you mean '{meant}'?" if meant else ""
        return f"{number}: '{given[0]}' is no command ({', '.join(verbs)}); to drop one connection give LADDR LPORT RADDR RPORT{hint}"
    return f"{number}: a connection is LADDR LPORT RADDR RPORT or LADDR:LPORT RADDR:RPORT"
