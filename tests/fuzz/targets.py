# SPDX-License-Identifier: BSD-2-Clause
"""What the fuzzer calls: each reads any bytes as one thing that the package reads, and asserts what holds of any.

Bad input is one clear line of the package's own exceptions; what was read and is written out is read back
the same; and no reading means more than its text says.
"""

import errno
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from support import oracle
from support.filter_cases import CGROUPS, INTERFACES, MAPPED, V4, V6, Listening, listener

from tcpdrop.cli import address_file, saved
from tcpdrop.cli.output import classic_lines, table_lines
from tcpdrop.errors import Error, FilterError, Refused
from tcpdrop.filters import Filter, plan_for
from tcpdrop.filters.decision import by_columns
from tcpdrop.filters.explanation import parenthesised
from tcpdrop.filters.facts import UNKNOWN, Facts
from tcpdrop.filters.parser import parse
from tcpdrop.model.addresses import printable, spelled_bytes, unpack
from tcpdrop.model.connection import Connection
from tcpdrop.model.four_tuple import FourTuple
from tcpdrop.model.rows import ALL_STATES, LISTEN, ROW, ROW_QUEUES, ROW_UID
from tcpdrop.model.spellings import Lines
from tcpdrop.model.table import Connections, batch_of
from tcpdrop.safety import rules
from tcpdrop.safety.session import OwnSession
from tcpdrop.system import containers, devices, environment, netns, procfs, ptrace, sunos_fdinfo, systemd_units
from tcpdrop.system.netns import Namespace
from tcpdrop.system.sunos_psinfo import PsInfo

#: what Python itself says of bad text: true, and no help to whoever wrote it
NOT_OURS = re.compile(
    r"invalid literal|could not convert|codec can't|embedded null|Exceeds the limit|not enough values|too many values"
    r"|unexpected keyword|object is not|has no attribute|must be|non-hexadecimal|index out of range"
)


def one_line(error, beginning=""):
    """A refusal says in one line what is wrong, in our words."""
    text = str(error)
    assert text.isprintable(), ascii(text)
    assert text.startswith(beginning) and len(text) > len(beginning), text
    assert not NOT_OURS.search(text), text


def text_of(data):
    return data.decode("utf-8", "surrogateescape")


# ---- the filter language


def _rows():
    """Rows of all kinds, each field with few values, so that filters tell them apart."""
    made = []
    for number in range(16):
        family, mapped = ((4, False), (6, False), (6, True), (4, False))[number % 4]
        pool = V4 if family == 4 else [MAPPED + addr for addr in V4] if mapped else V6
        local, remote = (pool[(number * step) % len(pool)] for step in (1, 3))
        state = 1 + number % 11
        inode = 100 + number if number % 3 else 0
        flags = ROW_QUEUES | (ROW_UID if inode else 0)
        lport, rport = (22, 80, 40000, 1)[number % 4], 0 if state == LISTEN else (443, 50000, 22)[number % 3]
        pad = bytes(16)
        made.append(
            (
                *((local + pad)[:16], (remote + pad)[:16], 1 + number, inode, 0, 0, lport, rport, family, state, 0, 0),
                *(number % 3, 1000 * (number % 2), 1024 * (number % 3), 5000 * (number % 2), 0, flags, 0, 0),
            )
        )
    return made


ROWS = _rows()
KNOWN = Facts(listeners=Listening([listener(22), listener(80, family=6, dual=True)]), interfaces=INTERFACES, owners=None, cgroups=True)
KNOWN._cgroup_ids.update(CGROUPS)


def filter_text(data):
    """Read, written and read again it is the same; and it answers, is planned and pushed down as the oracle has it."""
    text = text_of(data)
    try:
        node = parse(text, "any")
    except FilterError as error:
        one_line(error)
        assert error.column is not None and 1 <= error.column <= len(text) + 1
        return None
    assert str(node).isprintable()
    assert parse(str(node), "any") == node
    assert parse(parenthesised(node), "any") == node
    if re.search(r"\b(unit|cgroup)\b", text):
        return None  # what these ask the host for differs from one moment to the next
    try:
        chosen = Filter(str(node))
    except FilterError as error:
        return one_line(error)  # another system's
    test, plan = node.compiled(), plan_for(chosen, KNOWN, base=ALL_STATES, backend="linux")
    columns = by_columns(node, b"".join(ROW.pack(*row) for row in ROWS), len(ROWS))
    for number, row in enumerate(ROWS):
        answer = oracle.answer(node, row, None, KNOWN)
        assert test(row, None, KNOWN) is answer
        assert plan.states >> row[9] & 1 or answer is not True
        early = test(row, None, UNKNOWN)
        assert early is None or early is answer
        if columns is not None:
            assert (number in columns) is (answer is True)
    return None


# ---- --from


def from_text(data):
    """Whatever --from is given, by every spelling; what it names is written in each of ours and read back as that."""
    with mock.patch.object(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data))):
        text = saved._text("-")
    try:
        found = list(saved._items(text))
    except (FilterError, Error) as error:
        return one_line(error, "--from: ")
    for one, where in found:
        try:
            Namespace(where).scope  # noqa: B018 - opens it
        except (ValueError, Error) as error:
            one_line(error)
        if isinstance(one, Connection):
            _reads_back(one)
        else:
            assert 1 <= len(one.quads) <= 2
            for quad in one.quads:
                assert _read_line(str(quad)) == quad.ends()
                _is_in(quad, text)
    return None


def _read_line(line):
    """The ends that one line names."""
    ((one, _),) = saved._items(line)
    (quad,) = one.quads
    return quad.ends()


def _reads_back(connection):
    """A connection in every form that we print."""
    batch = batch_of([connection], Namespace())
    ends = (connection.local.addr, connection.local.port, connection.remote.addr, connection.remote.port)
    packed = FourTuple(saved.pack(ends[0]), ends[1], saved.pack(ends[2]), ends[3]).ends()
    assert _read_line(classic_lines(Connections([batch]))) == packed
    assert _read_line(table_lines(Connections([batch]))[0]) == packed
    ((again, _),) = saved._items(json.dumps(connection.as_dict()))
    assert (again.cookie, again.ifindex, again.local, again.remote) == (
        *(connection.cookie, connection.ifindex, connection.local, connection.remote),
    )


def _is_in(quad, text):
    """Nothing is named that does not stand there: each port, and each IPv4 address, in some spelling."""
    hexadecimal = text.upper()
    for port in (quad.lport, quad.rport):
        assert str(port) in text or f"{port:04X}" in hexadecimal or re.search("[a-z]", text), (port, text)
    for addr in (quad.laddr, quad.raddr):
        if len(addr) == 4:
            last = addr[::-1] if sys.byteorder == "little" else addr
            assert unpack(addr) in text or last.hex().upper() in hexadecimal or ":" in text, (addr, text)


def address_lines(data):
    """--remote-addr -: each line an address or a prefix; what it means is written and read back."""
    with mock.patch.object(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data))):
        try:
            (chosen,) = address_file.filters({"remote_addr": ["-"]})
        except FilterError as error:
            return one_line(error, "--remote-addr -: ")
    lines = [line for line in text_of(data).split("\n") if line.partition("#")[0].strip(" \t\r\ufeff,")]
    if lines:
        assert Filter(str(chosen)) == chosen
        test = chosen.node.compiled()
        assert all(test(row, None, UNKNOWN) is oracle.answer(chosen.node, row, None, UNKNOWN) for row in ROWS)
    else:
        assert not any(chosen.test(row, None, UNKNOWN) for row in ROWS)
    return None


# ---- what protects


def ssh_connection(data):
    """It names one connection or none; never an error, for anybody may set it."""
    own = OwnSession.__new__(OwnSession)
    own.tuples = set()
    own._add_variable(data)
    assert len(own.tuples) <= 1
    for ends in own.tuples:
        laddr, lport, raddr, rport = ends
        assert all(isinstance(addr, bytes) and len(addr) in (4, 16) for addr in (laddr, raddr))
        assert len(data.decode("ascii").split()) == 4
        assert own.names(*ends) and own.names(raddr, rport, laddr, lport)
        try:
            quad = FourTuple(*ends)
        except ValueError as error:
            one_line(error)  # no connection has these
            continue
        twin = OwnSession.__new__(OwnSession)
        twin.tuples = set()
        twin._add_variable(f"{unpack(quad.raddr)} {quad.rport} {unpack(quad.laddr)} {quad.lport}".encode())
        assert twin.tuples == own.tuples


PLACE = tempfile.TemporaryDirectory(prefix="tcpdrop-fuzz-")


def conf(data):
    """/etc/tcpdrop.conf, and behind each NUL a drop-in: each line is followed, or refused with its number, and nothing is lost."""
    path = f"{PLACE.name}/tcpdrop.conf"
    os.makedirs(f"{path}.d", 0o755, exist_ok=True)
    for old in os.listdir(f"{path}.d"):
        os.unlink(f"{path}.d/{old}")
    files = {path: b"", **{f"{path}.d/{number}.conf": part for number, part in enumerate(data.split(b"\0")[1:5], 1)}}
    files[path] = data.split(b"\0")[0]
    for name, content in files.items():
        Path(name).write_bytes(content)
        os.chmod(name, 0o644)
    with mock.patch.object(rules, "PATH", path):
        found = list(rules.lines())
        refused = [what for _, _, what in found if isinstance(what, Refused)]
        for error in refused:
            one_line(error, path)
        try:
            assert len(rules.rules()) == sum(isinstance(what, Filter) for _, _, what in found)
            assert not refused
        except Refused as error:
            assert str(error) == str(refused[0])
    said = [
        (name, number)
        for name, content in files.items()
        for number, line in enumerate(content.split(b"\n"), 1)
        if line.strip() and not line.strip().startswith(b"#")
    ]
    assert [(name, number) for name, number, _ in found] == said, (found, said)
    for _, _, what in found:
        if isinstance(what, Filter):
            assert rules._rule(path, 1, f"protect {what}\n".encode("utf-8", "surrogateescape"), rules._own) == what
        elif isinstance(what, str):
            assert 0 < len(os.fsencode(what)) <= 15


# ---- /proc


#: what reads a file of /proc, and what it may answer
READERS = (
    lambda: isinstance(procfs.parent_of(1), int),  # whoever goes up stops at 0 and below
    lambda: procfs.have_terminal() in (True, False),
    lambda: procfs.audit_session(1) is None or isinstance(procfs.audit_session(1), int),
    lambda: (procfs.session_scope(1) or "session-.scope").endswith(".scope"),
    lambda: isinstance(procfs.command_of(1), str),
    lambda: all(uid >= 0 for uid in procfs.uids_of(1)) and len(procfs.uids_of(1)) in (1, 2),
    lambda: procfs.cgroup_of(1) is None or "\n" not in procfs.cgroup_of(1),
    lambda: procfs.named(1).isprintable(),
    lambda: all(isinstance(path, str) and isinstance(shown, str) and device >= 0 for path, device, shown in procfs.mounts_of("cgroup2")),
    lambda: environment.hidepid() != "0",
    lambda: environment.container() is None or environment.container() != "",
    lambda: ptrace.may_borrow_all() in (True, False),
    lambda: ptrace.yama() is None or ptrace.yama() >= 0,
    lambda: procfs.variable_of(1, b"SSH_CONNECTION") is None or b"\0" not in procfs.variable_of(1, b"SSH_CONNECTION"),
)


def proc(data):
    """A file of /proc is what any other kernel, or whoever stands for one, makes of it: an answer or an OSError."""
    if not data:
        return
    number, content = data[0] % len(READERS), data[1:]

    def read(path):
        if path.endswith("/psinfo"):
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return content

    procfs._unmapped[:] = [None]
    with mock.patch.object(procfs, "read", read):
        try:
            assert READERS[number]()
        except OSError:
            pass


def cgroups(data):
    """Lines of /proc/PID/cgroup: containers and pods by their names, systemd's units, and what belongs to none."""
    text = text_of(data)
    for line in text.split("\n"):
        path = line.split(":", 2)[-1]
        for kind in ("container", "pod"):
            for name in containers.names(kind, path):
                assert name
                assert kind == "container" or re.fullmatch("[0-9a-f-]{32,36}", name)
    found = procfs.parse_cgroup(data)
    assert found is None or found in text


def psinfo_and_fdinfo(data):
    """Structures of Solaris and illumos: what is of another layout is an OSError, and an end is one of a stream."""
    try:
        ends, sure = sunos_fdinfo.connection_of(data)
        assert ends is None or (len(ends[0]) == len(ends[2]) and len(ends[0]) in (4, 16) and 0 <= ends[1] <= 65535)
        assert ends is not None or not sure
    except OSError as error:
        assert error.errno == errno.EPROTO
    try:
        found = PsInfo(data, 1)
        assert "\0" not in found.command and len(found.uids) in (1, 2)
    except OSError as error:
        assert error.errno == errno.EPROTO


def devices_told(data):
    """A datagram of rtnetlink's: whole answers, or an OSError; and devices whatever they say."""
    try:
        _, found = devices.add_answers(data, [])
    except OSError:
        return
    for header, attributes in found or ():
        assert sum(len(value) for value in attributes.values()) <= len(data)
        if len(header) == devices._LINK.size:
            one = devices.Device(devices._LINK.unpack(header)[3], attributes)
            assert 0 <= one.below < 1 << 32 and 0 <= one.master < 1 << 32


# ---- names


def netns_label(data):
    """--netns: one file, or one line; and how a namespace is shown is typed back."""
    text = text_of(data)
    try:
        path, inode = netns.path_of(text)
    except (ValueError, Error) as error:
        one_line(error)
    else:
        assert "/" in path and (inode is None or inode >= 0)
    try:
        with Namespace(text):
            pass
    except (ValueError, Error) as error:
        one_line(error)
    name = os.fsencode(text).replace(b"/", b"").replace(b"\0", b"")
    shown = spelled_bytes(os.fsdecode(name))
    if name and not shown.isdigit() and ":" not in shown and b"\\udc" not in name:
        assert netns.path_of(shown) == (f"{netns.NAMES}/{os.fsdecode(name)}", None)
    try:
        systemd_units.unit_name(text)
    except ValueError as error:
        one_line(error)
    assert printable(text).isprintable()


def lines_below_each_other(data):
    """What a line means may depend on the header above it, and on nothing else: twice the same is twice the same."""
    lines, again = Lines(), Lines()
    for line in text_of(data).split("\n")[:20]:
        read = []
        for reader in (lines, again):
            try:
                named = reader.read(line)
            except ValueError as error:
                read.append(str(error))
                assert read[-1].isprintable()
            else:
                read.append(named and [(end.host, end.port, end.dev) for ends in named.readings for end in ends])
        assert read[0] == read[1]


TARGETS = {
    "filter": filter_text,
    "from": from_text,
    "lines": lines_below_each_other,
    "addresses": address_lines,
    "ssh_connection": ssh_connection,
    "conf": conf,
    "proc": proc,
    "cgroups": cgroups,
    "sunos": psinfo_and_fdinfo,
    "netns": netns_label,
    "devices": devices_told,
}
