# SPDX-License-Identifier: BSD-2-Clause
"""Options from one table, for every form of the command.

Not argparse: it costs more time than a drop, and it takes abbreviations, so
that a new option could change what an old script means.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


class UsageError(Exception):
    """The command line cannot be understood; status 2, before anything is opened."""


#: LIST may be repeated and takes comma lists, TEXTS is repeated and kept whole,
#: MAYBE takes a value only behind "="
FLAG, VALUE, LIST, TEXTS, MAYBE = "flag", "value", "list", "texts", "maybe"

#: dest -> (kind, spellings)
OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "help": (FLAG, ("-h", "--help")),
    "version": (FLAG, ("-V", "--version")),
    "dry_run": (FLAG, ("-n", "--dry-run")),
    "yes": (FLAG, ("-y", "--yes")),
    "ask": (FLAG, ("--ask",)),
    "all": (FLAG, ("-a", "--all")),
    "as_commands": (FLAG, ("-l",)),
    "max_drops": (VALUE, ("--max-drops",)),
    "limit": (VALUE, ("--limit",)),
    "order": (VALUE, ("--order",)),
    "mine": (FLAG, ("--mine",)),
    "method": (VALUE, ("--method",)),
    "include_self": (FLAG, ("--include-self",)),
    "protect": (TEXTS, ("--protect",)),
    "duration": (VALUE, ("--for",)),
    "until_gone": (MAYBE, ("--until-gone",)),
    "interval": (VALUE, ("--interval",)),
    "rate": (VALUE, ("--rate",)),
    "ipv4": (FLAG, ("-4",)),
    "ipv6": (FLAG, ("-6",)),
    "netns": (VALUE, ("--netns",)),
    "zone": (VALUE, ("--zone",)),
    "json": (FLAG, ("--json",)),
    "jsonl": (FLAG, ("--jsonl",)),
    "quiet": (FLAG, ("-q", "--quiet")),
    "count": (FLAG, ("-c", "--count")),
    "fields": (LIST, ("-o", "--output")),
    "holders": (FLAG, ("-p", "--processes")),
    "no_header": (FLAG, ("-H", "--no-header")),
    "resolve": (FLAG, ("-r", "--resolve")),
    "color": (VALUE, ("--color",)),
    "summary_by": (VALUE, ("--summary-by",)),
    "explain": (FLAG, ("--explain",)),
    "from": (VALUE, ("--from",)),
    "allow_none": (FLAG, ("--allow-none",)),
    "reason": (VALUE, ("--reason",)),
    "syslog": (FLAG, ("--syslog",)),
    "no_syslog": (FLAG, ("--no-syslog",)),
    "local_addr": (LIST, ("--local-addr",)),
    "local_port": (LIST, ("--local-port",)),
    "remote_addr": (LIST, ("--remote-addr",)),
    "remote_port": (LIST, ("--remote-port",)),
    "states": (LIST, ("-s", "--state")),
    "pid": (LIST, ("--pid",)),
    "process": (LIST, ("--process",)),
    "user": (LIST, ("--user",)),
    "idle": (VALUE, ("--idle",)),
    "age": (VALUE, ("--age",)),
    "ansible": (FLAG, ("--ansible",)),
    "salt": (FLAG, ("--salt",)),
    "man": (FLAG, ("--man",)),
    "completion": (VALUE, ("--completion",)),
}

#: the values of --color
COLORS = ("auto", "always", "never")

SPELLINGS = {spelling: dest for dest, (_, spellings) in OPTIONS.items() for spelling in spellings}

_COMMON = frozenset({"help", "version", "json", "jsonl"})
SELECTORS = frozenset({"local_addr", "local_port", "remote_addr", "remote_port", "states", "pid", "process", "user", "idle", "age"})
_WHERE = frozenset({"ipv4", "ipv6", "netns", "zone"})
_OUTPUT = frozenset({"quiet", "count", "allow_none", "limit", "order"})
_DROP = frozenset({"dry_run", "method", "include_self", "protect", "reason", "syslog", "no_syslog"})
_MANY = frozenset({"mine", "color", "yes", "ask", "all", "max_drops", "duration", "until_gone", "interval", "rate", "from", "as_commands"})
ALLOWED = {
    "classic": _COMMON | _WHERE | _DROP | {"quiet", "allow_none"},
    "list": _COMMON
    | _WHERE
    | _OUTPUT
    | SELECTORS
    | {"mine", "fields", "holders", "no_header", "resolve", "color", "summary_by", "explain", "all"},
    "drop": _COMMON | _WHERE | _OUTPUT | SELECTORS | _DROP | _MANY,
    "top": {"help", "version", "mine", "color", "interval"} | _WHERE | SELECTORS | _DROP,
    "check": _COMMON,
    "demo": _COMMON - {"json", "jsonl"},
    "help": _COMMON - {"json", "jsonl"},
    "paths": _COMMON | {"ansible", "salt", "man", "completion"},
}


#: options whose values are names of processes and devices, or filters with such in them
_NAMES = {"process", "user", "protect"}


class Parsed:
    """operands, and a value for each option given: True, text, or a list of texts."""

    def __init__(self) -> None:
        self.operands: list[str] = []
        self.given: dict[str, object] = {}
        #: "--" was among the arguments: the classic form is meant
        self.classic_forced = False

    def flag(self, dest: str) -> bool:
        return dest in self.given

    def text(self, dest: str) -> str | None:
        value = self.given.get(dest)
        return value if isinstance(value, str) else None

    def texts(self, dest: str) -> list[str] | None:
        value = self.given.get(dest)
        return value if isinstance(value, list) else None

    @property
    def machine(self) -> bool:
        """Is the output for programs?"""
        return self.flag("json") or self.flag("jsonl")

    def coloured(self, *, terminal: bool) -> bool:
        """Is text painted by its meaning?  By itself where a terminal shows it, and NO_COLOR is not set."""
        when = self.text("color")
        if when in ("always", "never"):
            return when == "always"
        return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") not in ("", "dumb")

    @property
    def audited(self) -> bool:
        """Is a real run told to syslog?  By default when root drops."""
        return not self.flag("no_syslog") and (self.flag("syslog") or os.geteuid() == 0)

    @property
    def family(self) -> int:
        return 4 if self.flag("ipv4") else 6 if self.flag("ipv6") else 0


def parse(arguments: list[str]) -> Parsed:
    """Take the options out, wherever they stand before "--".  Raises UsageError."""
    parsed = Parsed()
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            parsed.classic_forced = True
            parsed.operands += rest
        elif argument.startswith("--"):
            name, equals, value = argument.partition("=")
            _store(parsed, name, value if equals else None, rest)
        elif argument.startswith("-") and len(argument) > 1 and argument != "->":
            _short(parsed, argument, rest)
        else:
            parsed.operands.append(argument)
    if sys.getfilesystemencoding() != "utf-8":
        _read_as_utf8(parsed)
    if parsed.flag("ipv4") and parsed.flag("ipv6"):
        raise UsageError("-4 and -6 exclude each other: without both, either family is meant")
    if parsed.flag("syslog") and parsed.flag("no_syslog"):
        raise UsageError("--syslog and --no-syslog exclude each other")
    if parsed.flag("yes") and parsed.flag("ask"):
        raise UsageError("--yes and --ask exclude each other")
    if parsed.flag("json") and parsed.flag("jsonl"):
        raise UsageError("--json and --jsonl exclude each other")
    if parsed.machine and (parsed.flag("count") or "summary_by" in parsed.given):
        raise UsageError("--count and --summary-by are for people: --json and --jsonl have the counts in their summary")
    if parsed.machine and (parsed.flag("explain") or parsed.flag("as_commands")):
        raise UsageError("--explain and -l print text alone: leave --json and --jsonl out")
    if parsed.machine and parsed.flag("resolve"):
        raise UsageError("-r is for people: what programs read has numbers")
    if parsed.text("color") not in (None, *COLORS):
        raise UsageError(f"--color is one of {', '.join(COLORS)}")
    return parsed


def _read_as_utf8(parsed: Parsed) -> None:
    """The bytes that were typed, as names are read from the kernel: the locale's own reading of them would never match."""
    if not parsed.classic_forced and parsed.operands[:1] in (["list"], ["drop"], ["top"]):  # a filter follows, no host's name
        parsed.operands = [_as_utf8(text) for text in parsed.operands]
    for dest in _NAMES & parsed.given.keys():
        parsed.given[dest] = [_as_utf8(text) for text in parsed.texts(dest) or []]


def _as_utf8(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def _short(parsed: Parsed, argument: str, rest: object) -> None:
    """'-nq' is '-n -q'; behind the first that takes a value all is its value."""
    for place in range(1, len(argument)):
        name = f"-{argument[place]}"
        kind = OPTIONS[SPELLINGS[name]][0] if name in SPELLINGS else FLAG
        if kind != FLAG:
            _store(parsed, name, argument[place + 1 :] or None, rest)
            return
        _store(parsed, name, None, rest)


def _store(parsed: Parsed, name: str, value: str | None, rest: object) -> None:
    dest = SPELLINGS.get(name)
    if dest is None:
        raise UsageError(_meant().unknown_option(name, SPELLINGS))
    kind = OPTIONS[dest][0]
    if kind == FLAG and value is not None:
        raise UsageError(f"{name} takes no value")
    if kind == FLAG or (kind == MAYBE and value is None):
        parsed.given[dest] = True
        return
    if value is None:
        value = next(rest, None)  # type: ignore[call-overload]
    if value is None:
        raise UsageError(f"{name} needs a value")
    if value == "":
        raise UsageError(f"{name}: an empty value selects nothing by mistake; leave the option out")
    if kind in (LIST, TEXTS):
        values = parsed.given.setdefault(dest, [])
        values += _listed(name, value) if kind == LIST else [value]  # type: ignore[operator]
    elif parsed.given.setdefault(dest, value) != value:
        raise UsageError(f"{name} is given twice")


def _meant() -> ModuleType:
    """What helps with a mistake, and is loaded by one only."""
    from . import meant

    return meant


def _shown(text: str) -> str:
    return str(_meant().printable(text))


def _listed(name: str, value: str) -> list[str]:
    """The values of a comma list, which may have blanks around each and a comma at its end."""
    if "," not in value:
        return [value]
    values = [one.strip(" \t") for one in value.split(",")]
    if not values[-1]:
        values.pop()
    if not values or not all(values):
        raise UsageError(f"{name}: '{_shown(value)}' has an empty value (a variable that is not set?)")
    return values


def check_allowed(parsed: Parsed, form: str) -> None:
    """Raise UsageError for an option that this form does not take."""
    for dest in parsed.given:
        if dest not in ALLOWED[form]:
            raise UsageError(_meant().not_of_this_form(OPTIONS[dest][1], form))
