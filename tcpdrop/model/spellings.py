# SPDX-License-Identifier: BSD-2-Clause
"""A line of text that names a connection: ours, and those of ss, netstat, lsof, /proc/net/tcp, conntrack and tcpdump.

Each form has a shape that no other has; what has none of them is refused, and
so is what may be read in two ways.  Text alone: nothing is looked up.
Everything raises ValueError with one clear line.
"""

from __future__ import annotations

import re
import sys

from .addresses import is_number, printable, unpack_exactly
from .connection import JSON_KEYS
from .four_tuple import ARROW, End, operands, split
from .rows import LISTEN, STATE_NAMES, state_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    Ends = tuple[End, End]

#: the columns of `list -o`
_COLUMNS = frozenset(name.upper() for name in (*JSON_KEYS, "local", "remote", "user", "name"))
#: those whose text may have blanks in it; every other is one word
_BLANKS = frozenset(("PROCESS", "USER", "NETNS", "NAME"))
#: how the lines begin that stand above a table, or below it
_HEADERS = (
    ("Netid", "State"),
    ("State", "Recv-Q"),
    ("Recv-Q", "Send-Q"),
    ("Active", "Internet"),
    ("Proto", "Recv-Q"),
    ("TCP:", "IPv4"),
    ("TCP:", "IPv6"),
    ("Local", "Address"),
    ("COMMAND", "PID"),
    ("sl", "local_address"),
    ("conntrack", "v1"),
)
#: how words of ss begin that stand below a connection
_DETAILS = ("skmem:(", "inet-sockopt:", "rto:", "rtt:", "cwnd:", "mss:", "minrtt:")
#: what follows the last quote where ss -p has written names, as they are: a line without it ends within one
_PROCESSES_END = re.compile(r",pid=\d+,(.*,)?fd=\d+\)\)( |$)")
#: ... and where an old one has: a name has room for that, and for some more
_OLD_PROCESSES_END = re.compile(r",\d+,\d+\)\)( |$)")
#: with 4, 6 or 46 behind it
_PROTOCOLS = ("tcp", "udp", "udplite", "icmp", "raw", "sctp", "dccp", "mptcp")
#: what tcpdump writes before a packet, at most: date, time, device, direction
_BEFORE_IP = 4
#: so long is an end in netstat's lines, if it was cut: on the BSDs, on Linux
_NETSTAT_CUTS = (22, 23)
#: so long is an address before its dot, if a BSD's netstat has cut it, however long its port is
_ADDRESS_CUTS = (16, 18)


class Named:
    """What a line names: one connection by its ends, or one whose end on this host has one or the other of two."""

    __slots__ = ("cookie", "readings", "where")

    def __init__(self, *readings: Ends, where: str | None = None, cookie: str = "") -> None:
        self.readings = readings
        #: the network namespace; None where it is not named
        self.where = where
        #: the very socket, where the line tells it
        self.cookie = cookie


class Lines:
    """Reads line after line: a header says what the columns below it are."""

    def __init__(self) -> None:
        self._columns: list[tuple[str, int]] = []
        self._where: str | None = None
        #: did a line of netstat name a program?  It writes names as they are, also over several lines
        self._below_program = False
        #: did a line of an old ss name processes?  A name may have a whole line of another form in it, and none of ss
        self._below_old_ss = False
        #: did the line above name a connection?
        self._below_one = False

    def read(self, line: str) -> Named | None:
        """None for a line that names nothing: blank, a comment, a header."""
        words = line.split()
        if self._below_one and _is_detail(line, words):
            return None
        self._below_one = False
        if not words:
            self._columns = []
            return None
        if words[0].startswith("#"):
            self._comment(line, words)
            return None
        if len(words) > 1 and _COLUMNS.issuperset(words):
            self._columns = [] if words == ["STATE", "RECVQ", "SENDQ", "LOCAL", "REMOTE"] else _offsets(line, words)
            return None
        if _is_header(words):
            self._below_program = self._below_program and tuple(words[:2]) not in _HEADERS
            return None
        if self._below_program and words[0].rstrip("46") not in _PROTOCOLS:
            raise ValueError("it may be the rest of a program's name, which netstat -p writes as it is: leave -p out")
        self._below_old_ss = self._below_old_ss or _ends_as_old_ss(words)
        found = _only_ss(words) if self._below_old_ss else self._row(line) if self._columns else _read(line, words)
        found.where = self._where if found.where is None else found.where
        self._below_one = True
        self._below_program = self._below_program or (words[0].startswith("tcp") and any(map(_is_program, words[6:])))
        return found

    def _comment(self, line: str, words: list[str]) -> None:
        """Below a comment a table goes on, but where `list --netns all` says which namespace comes now."""
        if words[0] == "#" and words[1:] and words[1].partition("=")[0] == "--netns":
            named = _unquoted(line.lstrip().lstrip("#"))
            if len(named) != 1 or "=" not in named[0]:
                raise ValueError("what says where the connections are stands alone on its line: '# --netns=X'")
            self._columns = []
            self._where = named[0].partition("=")[2]
        elif self._columns and self._columns[0][0] in _BLANKS:
            first = self._columns[0][0].lower()
            raise ValueError(f"it may be a comment, or a row: a {first} may begin with '#'; put another column first")

    def _row(self, line: str) -> Named:
        """A line below a header of `list -o`."""
        cells = self._by_place(line) or self._by_words(line)
        _check_state(cells.get("STATE", ""))
        local, remote = _end_of_columns("LOCAL", cells), _end_of_columns("REMOTE", cells)
        where, cookie = cells.get("NETNS", "-"), cells.get("COOKIE", "-")
        return Named((local, remote), where=None if where == "-" else where, cookie="" if cookie == "-" else cookie)

    def _by_place(self, line: str) -> dict[str, str]:
        """The cells below their titles; none where one stands elsewhere."""
        cells = {}
        for (name, start), (_, end) in zip(self._columns, [*self._columns[1:], ("", len(line))]):
            if start and line[start - 1 : start].strip():
                return {}
            cells[name] = line[start:end].strip()
        return cells

    def _by_words(self, line: str) -> dict[str, str]:
        """The cells before the first that may have blanks: a terminal's row whose ends are long stands beside its titles."""
        words = line.split()
        names = [name for name, _ in self._columns]
        sure = next((place for place, name in enumerate(names) if name in _BLANKS), len(names))
        wanted = {"LOCAL", "REMOTE", *(name for name in names if name in ("NETNS", "COOKIE"))}
        if not wanted.issubset(names[:sure]) or len(words) < sure or (sure == len(names) and len(words) > sure):
            raise ValueError("its columns do not stand below the header's")
        return dict(zip(names[:sure], words))


def _offsets(line: str, words: list[str]) -> list[tuple[str, int]]:
    found, at = [], 0
    for word in words:
        at = line.index(word, at)
        found.append((word, at))
        at += len(word)
    return found


def _end_of_columns(name: str, cells: dict[str, str]) -> End:
    if name in cells:
        return split(cells[name])
    if f"{name}_ADDR" in cells and f"{name}_PORT" in cells:
        return End(cells[f"{name}_ADDR"], cells[f"{name}_PORT"])
    raise ValueError(f"the table has no column {name.lower()}: list -o local,remote")


def _is_header(words: list[str]) -> bool:
    if words[0] == "conntrack":
        return len(words) > 1 and words[1].startswith("v")
    return tuple(words[:2]) in _HEADERS or not "".join(words).strip("-")


def _is_detail(line: str, words: list[str]) -> bool:
    """What ss -i and -m say of the connection in the line above: it stands indented, and names none."""
    return line[:1].isspace() and any(word.startswith(_DETAILS) for word in words)


def _read(line: str, words: list[str]) -> Named:
    for form in (_conntrack, _lsof, _tcpdump, _proc, _netstat, _ss, _sunos):
        found = form(words)
        if found is not None:
            return found
    return _classic(line)


# ---- ours


def _classic(line: str) -> Named:
    """[tcpdrop [--netns=X]] and the operands of the classic form, with what we print behind a tuple."""
    words = line.partition("#")[0].split()
    if words[0] == "tcpdrop:":
        raise ValueError(f"it is a message of tcpdrop's, and names no connection: {printable(' '.join(words[1:]))}")
    where = None
    if words[0] == "tcpdrop":
        words = _unquoted(line)[1:]
    if words and words[0].startswith("--netns="):
        where = words.pop(0)[len("--netns=") :]
    elif words[:1] == ["--netns"]:
        where = "".join(words[1:2])
        del words[:2]
    _take_state(words)
    if len(words) > 4 and words[3].endswith(":"):
        words[3:] = [words[3][:-1]]  # ": dropped", ": would drop", ": not found"
    if any(word.startswith("-") and word != ARROW for word in words):
        raise ValueError("of the options only --netns may stand before a connection")
    return Named(operands(words), where=where)


def _take_state(words: list[str]) -> None:
    """LOCAL REMOTE STATE or STATE LOCAL REMOTE, as awk or cut leave them; lsof's last column alone has its state in brackets."""
    arrow = any(ARROW in word for word in words)
    for place in (-1, 0):
        if len(words) == (2 if arrow else 3) and words[place] != ARROW and state_number(words[place].strip("()")):
            _check_state(words.pop(place).strip("()"))
            return


def _unquoted(line: str) -> list[str]:
    """As sh would read a command of -l."""
    import shlex

    return shlex.split(line, comments=True)


# ---- other tools'.  None: it has another form.


def _ss(words: list[str]) -> Named | None:
    """[tcp] [STATE] RECVQ SENDQ LOCAL REMOTE ..., and our own table."""
    rest = words[1:] if words[0] == "tcp" else words
    if _names_processes(rest) and not (_PROCESSES_END.match(_behind_names(rest)) or _ends_as_old_ss(rest)):
        raise ValueError("it ends within the name of a process, which ss -p writes as it is: leave -p out")
    if len(rest) > 4 and state_number(rest[0]) and rest[0].isupper() and is_number(rest[1]) and is_number(rest[2]):
        _check_state(rest[0])
        return Named((_ss_end(rest[3]), _ss_end(rest[4])))
    if len(rest) > 3 and is_number(rest[0]) and is_number(rest[1]):
        return Named((_ss_end(rest[2]), _ss_end(rest[3])))
    return None


def _names_processes(words: list[str]) -> bool:
    return any("users:((" in word for word in words)


def _behind_names(words: list[str]) -> str:
    return " ".join(words).rpartition('"')[2]


def _ends_as_old_ss(words: list[str]) -> bool:
    return _names_processes(words) and _OLD_PROCESSES_END.match(_behind_names(words)) is not None


def _only_ss(words: list[str]) -> Named:
    found = _ss(words)
    if found is None:
        raise ValueError("it may be the rest of a name that an old ss -p has written as it is: leave -p out")
    return found


def _ss_end(text: str) -> End:
    """Old ones write IPv6 and its port without brackets."""
    return _without_brackets(text) or split(text)


def _without_brackets(text: str) -> End | None:
    """IPV6:PORT, where a port always follows."""
    host, _, port = text.rpartition(":")
    return End(host, port) if ":" in host and host[0] != "[" and "%" not in host and is_number(port) else None


def _netstat(words: list[str]) -> Named | None:
    """PROTO RECVQ SENDQ LOCAL REMOTE STATE ..., as Linux and the BSDs have it."""
    if words[0].rstrip("46") not in _PROTOCOLS:
        return None
    if not words[0].startswith("tcp"):
        raise ValueError(f"'{printable(words[0])}' is not TCP")
    if len(words) < 6 or not (is_number(words[1]) and is_number(words[2])) or not state_number(words[5]):
        return None
    _check_state(words[5])
    return Named((_netstat_end(words[0], words[3]), _netstat_end(words[0], words[4])))


def _netstat_end(protocol: str, text: str) -> End:
    """Linux writes IPv6 and its port without brackets, the BSDs with a dot; both cut what is long."""
    host = text.rpartition(":")[0]
    address, _, behind = text.rpartition(".")
    cut = len(text) in _NETSTAT_CUTS or (is_number(behind) and len(address) in _ADDRESS_CUTS)
    if ":" in host and cut:
        raise ValueError(f"netstat may have cut '{printable(text)}': take the line of ss or lsof")
    return (_without_brackets(text) if protocol == "tcp6" else None) or split(text)


def _is_program(word: str) -> bool:
    """PID/NAME, as netstat -p has it."""
    return "/" in word and is_number(word.partition("/")[0])


def _sunos(words: list[str]) -> Named | None:
    """LOCAL REMOTE SWIND SENDQ RWIND RECVQ STATE [IF], as Solaris and illumos have it."""
    if len(words) < 7 or not all(map(is_number, words[2:6])) or not state_number(words[6]):
        return None
    _check_state(words[6])
    return Named((split(words[0]), split(words[1])))


def _stands_behind_ends(words: list[str]) -> bool:
    """Is an end among the words before?  Then another form goes on, with what anybody may have named, like a cgroup."""
    return any(":" in word for word in words)


def _lsof(words: list[str]) -> Named | None:
    """COMMAND ... IPv4 DEVICE SIZE TCP LOCAL->REMOTE (STATE)"""
    kinds = [place for place, word in enumerate(words) if word in ("IPv4", "IPv6")]
    if not kinds or len(words) < kinds[-1] + 5 or _stands_behind_ends(words[1 : kinds[-1]]):
        return None
    protocol, name = words[kinds[-1] + 3 : kinds[-1] + 5]
    if protocol != "TCP":
        raise ValueError(f"'{printable(protocol)}' is not TCP")
    _check_state(words[-1].strip("()") if len(words) > kinds[-1] + 5 else "")
    return Named(operands([name]))


def _proc(words: list[str]) -> Named | None:
    """N: ADDRESS:PORT ADDRESS:PORT STATE ..., all hexadecimal, as /proc/net/tcp and tcp6 have it."""
    if len(words) < 4 or not (words[0].endswith(":") and is_number(words[0][:-1])) or not all(map(_is_hex, words[1:4])):
        return None
    if ":" in words[3]:
        raise ValueError(f"'{printable(words[3])}' is not a state as /proc/net/tcp has it")
    if int(words[3], 16) == LISTEN:
        _check_state("LISTEN")
    return Named((_proc_end(words[1]), _proc_end(words[2])))


def _proc_end(text: str) -> End:
    address, _, port = text.partition(":")
    if len(address) not in (8, 32) or len(port) != 4 or ":" in port:
        raise ValueError(f"'{printable(text)}' is not an end as /proc/net/tcp has it")
    raw = bytes.fromhex(address)
    if sys.byteorder == "little":  # pragma: no branch - of each 32 bits; the other kind of machine has tests of its own
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return End(unpack_exactly(raw), str(int(port, 16)))


def _is_hex(text: str) -> bool:
    return not text.strip(":0123456789ABCDEFabcdef")


def _conntrack(words: list[str]) -> Named | None:
    """tcp 6 TIMEOUT STATE src= dst= sport= dport= src= dst= sport= dport= ...

    The first four are what the client's socket has, the second four what the
    server's has, also behind NAT.  Which of the two is on this host the line
    does not say.
    """
    keys = [word.partition("=")[0] for word in words]
    if keys.count("src") != 2 or keys.count("dst") != 2 or _stands_behind_ends(words[: keys.index("src")]):
        return None
    if "tcp" not in [word for word in words if not word.startswith("[")][:3]:  # of an event, [TIME] and [KIND] stand before
        raise ValueError("it is not TCP")
    pairs: dict[str, list[str]] = {}
    for word in words:
        name, _, value = word.partition("=")
        pairs.setdefault(name, []).append(value)
    if any(len(pairs.get(name, ())) != 2 for name in ("sport", "dport")):
        raise ValueError("a port is missing")
    client, server = (
        (End(pairs["src"][place], pairs["sport"][place]), End(pairs["dst"][place], pairs["dport"][place])) for place in (0, 1)
    )
    return Named(client, server)


def _tcpdump(words: list[str]) -> Named | None:
    """... IP FROM > TO: Flags ..., or with -q tcp: who sent the packet, not which end is here."""
    place = next((place for place, word in enumerate(words) if word in ("IP", "IP6")), -1)
    if not 0 <= place <= _BEFORE_IP or len(words) < place + 4 or words[place + 2] != ">":
        return None
    if words[place + 4 : place + 5] not in (["Flags"], ["tcp"]):
        raise ValueError("it is not TCP")
    sender, receiver = split(words[place + 1]), split(words[place + 3].rstrip(":"))
    return Named((sender, receiver), (receiver, sender))


def _check_state(text: str) -> None:
    if text and state_number(text) == LISTEN:
        raise ValueError(f"{STATE_NAMES[LISTEN]} is no connection: a listening socket is never dropped")
