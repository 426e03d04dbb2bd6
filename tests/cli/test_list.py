# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop list: what people and programs read, and where it looks."""

import json
import os
import pwd
import subprocess
import sys

import pytest
from support import procnet
from support.answers import forbid
from support.command import NO_CAPABILITIES, NOBODY, line, needs, run, tcpdrop
from support.crowd import Crowd
from support.holder import fresh_ports
from support.procnet import STATES
from support.screen import Window
from support.terminal import Terminal

import tcpdrop as api
from tcpdrop import cli
from tcpdrop.cli import fields, options
from tcpdrop.cli import list as list_command
from tcpdrop.cli.width import squeezed
from tcpdrop.model.addresses import unpack
from tcpdrop.model.connection import JSON_KEYS
from tcpdrop.model.rows import LADDR, RADDR, packed_addr
from tcpdrop.model.spellings import Lines

pytestmark = pytest.mark.privileged

HEADER = "STATE        RECVQ  SENDQ LOCAL                     REMOTE"


def shown(pair):
    return f"{pair.local[0]}:{pair.local[1]}", f"{pair.remote[0]}:{pair.remote[1]}"


def by_local(pair):
    return ("--local-port", str(pair.local[1]))


def test_columns_are_as_wide_for_one_row_as_for_many(holder):
    pairs = [holder.pair() for _ in range(3)]
    every = tcpdrop("list").out.splitlines()
    one = tcpdrop("list", *by_local(pairs[0])).out.splitlines()
    assert every[0] == one[0] == HEADER
    assert one[1] in every
    state, recvq, sendq, local, remote = one[1].split()
    assert (state, recvq, sendq, (local, remote)) == ("ESTABLISHED", "0", "0", shown(pairs[0]))


def test_nothing_is_1_and_says_so(holder):
    done = tcpdrop("list", "lport", "1")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("tcpdrop: nothing matched")
    assert tcpdrop("list", "lport", "1", "--allow-none").status == 0


@pytest.mark.only_on("linux", reason="v4-mapped sockets are listed as IPv4 by the kernel elsewhere")
def test_a_mapped_socket_is_ipv4_for_every_way_of_asking(holder):
    pair = holder.pair("mapped")
    for ask in (["-4"], ["remote", "127.0.0.1"], ["local", "127.0.0.0/8"], ["family", "inet"], ["--remote-addr", "127.0.0.1"]):
        assert tcpdrop("list", *by_local(pair), *ask).status == 0, ask
    for ask in (["-6"], ["family", "inet6"], ["remote", "::/0"]):
        assert tcpdrop("list", *by_local(pair), *ask).status == 1, ask


def test_jsonl_has_every_key_and_a_summary_last(holder):
    pair = holder.pair()
    lines = [json.loads(text) for text in tcpdrop("list", "--jsonl", *by_local(pair)).out.splitlines()]
    assert [entry["type"] for entry in lines] == ["connection", "summary"]
    drop_keys = {"method", "victim_sees", "peer_told", "protected_by", "outcome", "errno", "error"}
    assert set(JSON_KEYS) | drop_keys | {"schema", "type"} == set(lines[0])
    assert lines[0]["pids"] == [holder.pid]
    assert lines[1]["counts"] == {"listed": 1}
    whole = json.loads(tcpdrop("list", "--json", *by_local(pair)).out)
    assert whole["schema"] == 1
    assert [entry["cookie"] for entry in whole["connections"]] == [lines[0]["cookie"]]


def test_fields_counts_and_shares(holder):
    ports = fresh_ports()
    pair = holder.pair(port=ports["port"])
    ask = ("rport", str(pair.remote[1]))
    done = tcpdrop("list", *ask, "-o", "local,state,pids,process,idle_ms,user")
    assert done.out.splitlines()[0].split() == ["LOCAL", "STATE", "PIDS", "PROCESS", "IDLE_MS", "USER"]
    assert str(holder.pid) in done.out
    assert tcpdrop("list", *ask, "-c").out == "1\n"
    assert tcpdrop("list", *ask, "--summary-by", "local_port").out.split() == [
        "COUNT",
        "SHARE",
        "LOCAL_PORT",
        "1",
        "100.0%",
        str(pair.local[1]),
    ]
    assert tcpdrop("list", *ask, "-o", "colour").status == 2
    assert tcpdrop("list", *ask, "--order", "prettiest").status == 2


@pytest.mark.only_on("linux", reason="who holds a socket")
def test_p_says_who_holds_each(holder):
    pair = holder.pair()
    ask = (*by_local(pair), "-p")
    head, row = tcpdrop("list", *ask).out.splitlines()
    assert head.split() == ["STATE", "LOCAL", "REMOTE", "PIDS", "PROCESS"]
    assert row.split()[:4] == ["ESTABLISHED", *shown(pair), str(holder.pid)]
    assert tcpdrop("list", *ask[:-1], "--processes").out.splitlines() == [head, row]
    assert tcpdrop("list", *ask, "-o", "process,cookie").out.split()[:3] == ["PROCESS", "COOKIE", "PIDS"]
    assert len(row) <= 80


def test_more_columns_no_header_and_the_names_of_all(holder):
    pair = holder.pair()
    plain = tcpdrop("list", *by_local(pair)).out.splitlines()
    assert tcpdrop("list", "-H", *by_local(pair)).out.splitlines() == plain[1:]
    assert tcpdrop("list", "--no-header", "-o", "local_port", *by_local(pair)).out == f"{pair.local[1]}\n"
    assert tcpdrop("list", "-o", "+inode", *by_local(pair)).out.split()[:6] == [*HEADER.split(), "INODE"]
    assert tcpdrop("list", "--output", "inode", *by_local(pair)) == tcpdrop("list", "-o", "inode", *by_local(pair))
    assert tcpdrop("list", "-o", "help").out.split() == list(fields.FIELDS)
    assert tcpdrop("list", "-o", "+colour").status == 2


@pytest.mark.only_on("linux", reason="who holds a socket")
def test_only_a_terminal_is_told_who_holds_them_unasked(holder, monkeypatch):
    pair = holder.pair()
    with Window("list", *by_local(pair)) as window:
        window.until("PROCESS")
        assert str(holder.pid) in window.row_of("ESTABLISHED")
        assert window.end() == 0
    with Terminal("list", *by_local(pair)) as terminal:  # stdout is a pipe
        assert terminal.end()[1].splitlines()[0] == HEADER
    monkeypatch.setattr(list_command, "CHEAP", 0)
    streams = list_command.Streams(None, None)
    monkeypatch.setattr(list_command.Streams, "looked_at", True)
    assert list_command._fields(options.parse([]), streams) == []


def test_a_terminal_s_columns_count_what_it_gives_a_character():
    class One:
        pids, process = (1,), "日本"

    wide = fields.columns([One()], ["process", "pids"], room=80)
    assert wide == ["PROCESS  PIDS", "日本     1"]
    assert fields.columns([One()], ["process", "pids"]) == ["PROCESS  PIDS", "日本       1"]


class Row:
    """What a table asks of a connection."""

    def __init__(self, local, remote, pids=(812,), process="nginx"):
        self.state_name, self.local, self.remote, self.pids, self.process = "ESTABLISHED", local, remote, pids, process


USUAL = Row("192.0.2.10:443", "203.0.113.77:51234")
LONGEST = Row("255.255.255.255:65535", "255.255.255.255:65535", (4194304,), "systemd-resolve")
IPV6 = Row("[2001:db8:1111:2222:3333:4444:5555:6666]:443", "[2001:db8:1111:2222:3333:4444:5555:7777]:51000")


def test_ipv4_with_its_holder_fits_eighty_columns():
    assert len(fields.columns([USUAL], list(fields.WITH_HOLDERS), room=80)[1]) <= 80
    assert max(map(len, fields.columns([USUAL, LONGEST], list(fields.WITH_HOLDERS), room=80))) <= 79


def test_a_long_row_widens_no_other_and_is_not_cut():
    """Whoever copies an end back means that one."""
    alone = fields.columns([USUAL, LONGEST], list(fields.WITH_HOLDERS), room=80)
    head, usual, longest, ipv6 = fields.columns([USUAL, LONGEST, IPV6], list(fields.WITH_HOLDERS), room=80)
    assert [head, usual, longest] == alone
    assert ipv6.split() == ["ESTABLISHED", IPV6.local, IPV6.remote, "812", "nginx"]
    lines = Lines()
    assert lines.read(head) is None
    for text, row in ((usual, USUAL), (longest, LONGEST), (ipv6, IPV6)):
        (ends,) = lines.read(text).readings
        assert [f"[{end.host}]:{end.port}" if ":" in end.host else f"{end.host}:{end.port}" for end in ends] == [row.local, row.remote]


@pytest.mark.parametrize("columns", [0, 1, 2, 3, 10, 21, 40, 47, 80])
def test_where_an_end_must_be_cut_its_port_is_seen(columns):
    """top has no room to widen a row: a tilde in the midst is no address."""
    text = squeezed(IPV6.local, columns)
    assert len(text) <= columns
    if columns >= 10:
        assert text.startswith("[2001"[: columns // 2 - 1]) and text.endswith("]:443")
    assert ("~" in text) == (0 < columns < len(IPV6.local))


def test_what_scripts_read_stands_below_its_title():
    """Every row of a column is as wide as its widest: --from, cut and awk count characters."""
    head, *rows = fields.columns([USUAL, IPV6], list(fields.WITH_HOLDERS))
    assert all(row[head.index(title) - 1] == " " != row[head.index(title)] for row in rows for title in head.split()[1:])


@pytest.mark.only_on("linux", reason="who holds a socket")
def test_namespaces_stand_in_a_table_of_all(holder, other_namespace):
    theirs, _ = other_namespace
    ports = fresh_ports()
    pairs = [one.pair(**ports) for one in (holder, theirs)]
    done = tcpdrop("list", "-p", "--netns", "all", "lport", str(pairs[0].lport), "rport", str(pairs[0].rport))
    head, *rows = done.out.splitlines()
    assert head.split()[-1] == "NETNS"
    assert len({row.split()[-1] for row in rows}) == 2


@pytest.mark.only_on("linux", reason="measures of tcp_info")
def test_limit_takes_the_first_of_an_order(holder):
    ports = fresh_ports()
    pairs = [holder.pair(port=ports["port"] if number == 0 else fresh_ports()["port"]) for number in range(3)]
    ports = ",".join(str(pair.remote[1]) for pair in pairs)
    done = tcpdrop("list", "rport", ports, "--order", "newest", "--limit", "2", "-o", "age_ms")
    ages = [int(text) for text in done.out.split()[1:]]
    assert len(ages) == 2
    assert ages == sorted(ages)


@pytest.mark.only_on("linux", reason="measures of tcp_info")
def test_an_order_reaches_the_lines(holder):
    """Also when every row of the table is wanted: the lines come from the packed rows."""
    ports = fresh_ports()
    first, second = holder.pair(port=ports["port"]), holder.pair(port=ports["client_port"])
    second.peer.call("send", b"x" * 1000)
    ask = ("--remote-port", f"{first.remote[1]},{second.remote[1]}")
    lines = tcpdrop("list", *ask, "--order", "largest").out.splitlines()[1:]
    assert [row.split()[3] for row in lines] == [shown(second)[0], shown(first)[0]]


def test_values_from_outside_cannot_become_syntax(holder):
    for option in ("--remote-addr", "--local-addr", "--local-port", "--state", "--pid", "--user"):
        done = tcpdrop("list", option, "10.0.0.1 or state all")
        assert (done.status, done.out) == (2, ""), option
        assert len(done.err.splitlines()) == 1
    with pytest.raises(TypeError):
        api.connections(remote_addr=None)
    assert len(api.connections(remote_addr=[])) == 0


@pytest.mark.only_on("linux", reason="asks for idle")
def test_explain_says_who_decides_and_opens_nothing(monkeypatch, capsys):
    forbid(monkeypatch)
    assert cli.main(["list", "--explain", "lport 22 and not ( remote 10.0.0.0/8 or idle gt 3s )"]) == 0
    out = capsys.readouterr().out
    assert "kernel" in out
    assert "user space" in out


def test_mixed_and_or_shows_both_readings():
    done = tcpdrop("list", "lport 22 or lport 80 and state established")
    assert done.status == 2
    assert "(lport 22 or lport 80) and" in done.err
    assert "or (lport 80 and" in done.err


@pytest.mark.only_on("linux", reason="names of processes come from /proc")
def test_a_hostile_process_name_stays_harmless(holder):
    code = (
        "import ctypes, socket, sys\n"
        "ctypes.CDLL(None).prctl(15, b'\\x1b[2Jx\\xff\\n', 0, 0, 0)\n"
        "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname())\n"
        "print(c.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-I", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        port = child.stdout.readline().strip()
        text = tcpdrop("list", "lport", port, "-o", "process,local").out
        machine = tcpdrop("list", "lport", port, "--jsonl").out
        child.communicate()
    assert "\x1b" not in text + machine
    assert len(text.splitlines()) == 2
    assert json.loads(machine.splitlines()[0])["process"].startswith("\x1b[2Jx")


@pytest.mark.only_on("linux", reason="network namespaces")
class TestNamespaces:
    def test_by_pid_path_and_all(self, holder, other_namespace):
        theirs, _ = other_namespace
        ports = fresh_ports()
        pairs = [one.pair(**ports) for one in (holder, theirs)]
        ask = ("lport", str(pairs[0].local[1]), "rport", str(pairs[0].remote[1]))
        for where in (str(theirs.pid), f"/proc/{theirs.pid}/ns/net"):
            done = tcpdrop("list", "--netns", where, *ask, "-o", "pids")
            assert done.out.split() == ["PIDS", str(theirs.pid)], where
        everywhere = [json.loads(text) for text in tcpdrop("list", "--netns", "all", *ask, "--jsonl").out.splitlines()[:-1]]
        assert {tuple(entry["pids"]) for entry in everywhere} == {(holder.pid,), (theirs.pid,)}
        assert len({entry["netns"] for entry in everywhere}) == 2
        # and from Python, whose thread stays where it is
        before = os.readlink("/proc/thread-self/ns/net")
        assert [one.remote.port for one in api.connections(" ".join(ask), netns=theirs.pid)] == [pairs[0].remote[1]]
        assert os.readlink("/proc/thread-self/ns/net") == before

    def test_a_process_elsewhere_is_pointed_to(self, holder, other_namespace):
        theirs, _ = other_namespace
        pair = theirs.pair(**fresh_ports())
        done = tcpdrop("list", "--pid", str(theirs.pid), *by_local(pair))
        assert done.status == 1
        assert f"--netns {theirs.pid}" in done.err

    def test_unknown_places_are_one_line(self):
        for where in ("no-such-name", "999999999", "/no/such/file"):
            done = tcpdrop("list", "--netns", where)
            assert (done.status, done.out) == (3, "")
            assert len(done.err.splitlines()) == 1

    def test_without_the_right_to_enter(self, holder, other_namespace):
        theirs, _ = other_namespace
        done = tcpdrop("list", "--netns", str(theirs.pid), wrapper=needs(*NO_CAPABILITIES))
        assert done.status == 3
        assert "CAP_SYS_" in done.err


@pytest.mark.only_on("linux", reason="who holds a socket")
def test_what_may_not_be_read_is_counted_not_guessed(holder):
    """Without rights over the holder, its name is unknown: no match, also under not, and the status says so."""
    pair = holder.pair()
    wrapper = needs(*NOBODY)
    with open(f"/proc/{holder.pid}/comm", encoding="ascii") as file:
        name = file.read().strip()
    # Another name can be ruled out: names may be read, only descriptors may not.
    assert tcpdrop("list", f"lport {pair.local[1]} and comm nosuch", wrapper=wrapper).status == 1
    for ask in (f"comm {name}", f"not comm {name}", f"pid {holder.pid}"):
        done = tcpdrop("list", f"lport {pair.local[1]} and {ask}", wrapper=wrapper)
        assert (done.status, done.out) == (3, ""), ask
        assert "could not be decided" in done.err


@pytest.mark.only_on("linux", reason="the witness is /proc/net/tcp")
def test_all_states_are_what_proc_shows(holder):
    pairs = [holder.pair(family) for family in ("inet", "inet6", "mapped") for _ in range(50)]
    found, witnesses = procnet.while_still(lambda: api.connections("state all"))
    ours = {(packed_addr(one._row, LADDR), one.local.port, packed_addr(one._row, RADDR), one.remote.port) for one in found}
    assert len(pairs) == 150
    assert ours == {witness.ends for witness in witnesses}


@pytest.mark.parametrize("words", ["list", "list --json", "--json list"])
def test_a_closed_pipe_ends_a_list_quietly(holder, words):
    [holder.pair() for _ in range(3)]
    done = run("sh", "-c", f"{{ {sys.executable} -I -m tcpdrop {words}; echo $? >&2; }} | true")
    assert done.err == "0\n"


def test_the_row_of_the_list_is_what_the_classic_form_takes(holder):
    pair = holder.pair()
    entry = json.loads(tcpdrop("list", "--jsonl", *by_local(pair)).out.splitlines()[0])
    operands = [str(entry[name]) for name in ("local_addr", "local_port", "remote_addr", "remote_port")]
    assert tcpdrop(*operands).out == f"{line(pair)}: dropped\n"


@pytest.mark.only_on("linux", reason="the witness is /proc/net/tcp")
def test_ten_thousand_connections_of_all_families_are_what_proc_shows():
    with Crowd(6000, port=21000), Crowd(2000, port=22000, more=["-6"]), Crowd(2000, port=23000, more=["-m"]):
        done, witnesses = procnet.while_still(lambda: tcpdrop("list", "--state", "all"))
        lines = done.out.splitlines()[1:]
        ours = sorted((state, local, remote) for state, _, _, local, remote in map(str.split, lines))
        theirs = sorted((STATES[one.state], text(one.laddr, one.lport), text(one.raddr, one.rport)) for one in witnesses)
    assert len(ours) > 20000
    assert ours == theirs


def text(packed, port):
    addr = unpack(packed)
    return f"[{addr}]:{port}" if ":" in addr else f"{addr}:{port}"


@pytest.mark.only_on("linux", reason="whose a connection is is shown of each")
def test_a_user_is_asked_for_once(holder, monkeypatch):
    """However many connections are shown."""
    port, asked = holder.pair().lport, []
    getpwuid = pwd.getpwuid
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: (asked.append(uid), getpwuid(uid))[1])
    fields._user.cache_clear()
    found = api.connections(f"port {port}")
    lines = fields.columns(found, ["user"])
    assert len(found) == 2 and lines[1:] == [getpwuid(found[0].uid).pw_name] * 2
    assert asked == [found[0].uid]
