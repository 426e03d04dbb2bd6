# SPDX-License-Identifier: BSD-2-Clause
"""/etc/tcpdrop.conf and --protect: what must live on this host, whoever asks.

Each command runs in a private mount namespace with an /etc of its own.
"""

import json
import os
import sys
import time

import pytest
from support import private
from support.command import NEARLY_NOBODY, NO_CAPABILITIES, line, needs, run, tcpdrop, words

from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]

FILE = "/etc/tcpdrop.conf"

#: what happens to the pair in argv[1:5], in Python: the name of the exception, or the counts
IN_PYTHON = """
import sys
import tcpdrop
local, remote = (sys.argv[1], int(sys.argv[2])), (sys.argv[3], int(sys.argv[4]))
chosen = f"lport {local[1]} rport {remote[1]}"
calls = {
    "drop_one": lambda: tcpdrop.drop_one(local, remote),
    "drop": lambda: tcpdrop.drop(chosen),
    "selectors": lambda: tcpdrop.drop(local_port=local[1]),
    "given": lambda: tcpdrop.drop(list(tcpdrop.connections(chosen))),
    "dry": lambda: tcpdrop.drop(chosen, dry_run=True),
    "keep": lambda: list(tcpdrop.keep_dropping(chosen, duration=0)),
}
for name, call in calls.items():
    try:
        print(name, call())
    except tcpdrop.Error as error:
        print(name, type(error).__name__, error)
"""


def forms(pair):
    """Every way on the command line to drop this one pair."""
    port = str(pair.lport)
    return {
        "classic": words(pair),
        "mirror": words(pair, swapped=True),
        "two operands": [f"{pair.local[0]}:{pair.lport}", f"{pair.remote[0]}:{pair.rport}"],
        "filter": ["drop", "--yes", "lport", port],
        "selector": ["drop", "--yes", "--local-port", port],
        "other end": ["drop", "--yes", "rport", port],
        "all": ["drop", "--all", "--yes"],
        "state": ["-s", "established", "--yes"],
        "dry run": ["drop", "-n", "lport", port],
        "classic dry run": ["-n", *words(pair)],
        "include self": ["drop", "--include-self", "--yes", "lport", port],
        "classic include self": ["--include-self", *words(pair)],
    }


#: each protects the connection between local port {lport} and remote port {rport}
RULES = {
    "port": "protect rport {rport}\n",
    "mirrored": "protect lport {rport} rport {lport}\n",
    "one of several": "# NFS\nprotect rport 2049\n\nprotect remote 127.0.0.1 and rport {rport}  # ours\n",
    "tab, no newline": "protect\t lport {lport}",
    "loopback": "protect loopback",
    "owner": "protect pid {pid}",
    "details": "protect age >= 0s and lport {lport}",
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_binds_every_form(holder, tmp_path, rule):
    pair = holder.pair()
    wrapper = private.etc(tmp_path, RULES[rule].format(lport=pair.lport, rport=pair.rport, pid=holder.pid))
    for name, form in forms(pair).items():
        if name in ("all", "state") and rule != "loopback":
            continue  # these would take the fixture's other connections
        done = tcpdrop(*form, wrapper=wrapper)
        assert (done.status, done.out) == (4, ""), (name, done)
        assert f"protected (by {FILE}: " in done.err, (name, done)
    done = private.python(wrapper, IN_PYTHON, *words(pair))
    said = dict(text.split(" ", 1) for text in done.out.splitlines())
    assert said.pop("drop_one").startswith(f"Protected {line(pair)}: protected (by {FILE}: "), done
    assert said.pop("keep").endswith(": protected>]")
    assert set(said.values()) == {"<Report: 1 protected>"}, said
    assert pair.alive()


def test_a_rule_spares_what_it_names_and_nothing_else(holder, tmp_path):
    safe, victim = holder.pair(), holder.pair()
    wrapper = private.etc(tmp_path, f"protect rport {safe.rport}\n")
    done = tcpdrop("drop", "--yes", f"lport {safe.lport},{victim.lport}", wrapper=wrapper)
    assert (done.status, done.out) == (0, f"{line(victim)}: dropped\n")
    assert f"{line(safe)}: protected (by {FILE}: rport {safe.rport})" in done.err
    assert safe.alive()
    other = holder.pair()
    assert tcpdrop(*words(other), wrapper=wrapper) == (0, f"{line(other)}: dropped\n", "")


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
@pytest.mark.parametrize("rule", ["rport {rport}", "lport {rport}", "local ADDR lport {lport}"])
def test_rules_and_families(holder, tmp_path, family, rule):
    """Also IPv4 on an IPv6 socket, and its mirror."""
    pair = holder.pair(family)
    address = "::1" if family == "inet6" else "127.0.0.1"
    rule = rule.format(lport=pair.lport, rport=pair.rport).replace("ADDR", address)
    wrapper = private.etc(tmp_path, f"protect {rule}\n")
    # By both ports: another family may have one of them for a connection of another test.
    ways = [f"lport {pair.lport} rport {pair.rport}", f"lport {pair.rport} rport {pair.lport}"]
    for form in (words(pair), words(pair, swapped=True), *(["drop", way] for way in ways)):
        done = tcpdrop(*form, wrapper=wrapper)
        assert (done.status, done.out) == (4, ""), (form, done)
        done = tcpdrop(*(["drop", "--protect", rule, *form[1:]] if form[0] == "drop" else ["-n", *form]), wrapper=wrapper)
        assert (done.status, done.out) == (4, ""), (form, done)
    assert pair.alive()


def test_an_empty_file_and_no_file_protect_nothing(holder, tmp_path):
    for text in (None, "", "# only a comment\n\n   \n"):
        pair = holder.pair()
        wrapper = private.etc(tmp_path, text)
        assert tcpdrop(*words(pair), wrapper=wrapper) == (0, f"{line(pair)}: dropped\n", "")


def test_a_file_with_the_mark_of_utf_8(holder, tmp_path):
    pair = holder.pair()
    done = tcpdrop(*words(pair), wrapper=private.etc(tmp_path, f"\ufeffprotect lport {pair.lport}\r\n# more\r\n"))
    assert (done.status, done.out) == (4, "")
    assert f"{FILE}: lport {pair.lport}" in done.err
    assert pair.alive()


def symlink(place):
    (place / "tcpdrop.conf").symlink_to("/nowhere/at/all")


def directory(place):
    (place / "tcpdrop.conf").mkdir()


def fifo(place):
    os.mkfifo(place / "tcpdrop.conf")


def text(content, **how):
    return lambda place: private.etc(place.parent, content, **how)


UNTRUSTED = {
    "of another user": (text("", owner=65534), "belongs to uid 65534, not to root"),
    "group may write": (text("", mode=0o664), "can be written by others than root (mode 0664)"),
    "world may write": (text("", mode=0o646), "can be written by others than root (mode 0646)"),
    "a directory": (directory, "is not a regular file"),
    "a pipe": (fifo, "is not a regular file"),
    "a link to nowhere": (symlink, "leads nowhere"),
    "another verb": (text("allow rport 22\n"), "line 1: a line is 'protect FILTER' or a comment"),
    "no filter": (text("\nprotect\n"), "line 2: a line is 'protect FILTER' or a comment"),
    "a broken filter": (text("protect rport 2049\nprotect rport nosuchport!\n"), "line 2: "),
    "not text": (text(b"\xff\xfe\x00"), "line 1: "),
    "a control character": (text("protect rport \x1b[31m\n"), "line 1: "),
    "nul": (text("protect rport 1\0\n"), "line 1: "),
}


@pytest.mark.parametrize("how", [pytest.param(how, marks=pytest.mark.real_root) if how == "of another user" else how for how in UNTRUSTED])
def test_a_file_that_cannot_be_trusted_stops_everything(holder, tmp_path, how):
    spoil, why = UNTRUSTED[how]
    pair = holder.pair()
    wrapper = private.etc(tmp_path)
    spoil(tmp_path / "etc")
    refused(pair, wrapper, why)


def test_a_file_that_cannot_be_read_stops_everything(holder, tmp_path):
    """Root without capabilities and a file of mode 0: the kernel says no."""
    pair = holder.pair()
    wrapper = (*private.etc(tmp_path, "", mode=0), *needs(*NO_CAPABILITIES))
    refused(pair, wrapper, "cannot be read: Permission denied")


def refused(pair, wrapper, why):
    gone = ["127.0.0.1", "1", "127.0.0.1", "1"]
    for name, form in [*forms(pair).items(), ("absent", gone), ("from", ["drop", "--from", "-"]), ("nothing", ["drop", "lport 1 rport 1"])]:
        done = tcpdrop(*form, wrapper=wrapper)
        assert (done.status, done.out) == (4, ""), (name, done)
        assert done.err.replace("tcpdrop: ", "", 1).startswith(f"{FILE} {why}"), (name, done)
        assert done.err.endswith(": nothing is dropped until it is mended\n"), (name, done)
        assert "\x1b" not in done.err
    done = tcpdrop("drop", "--jsonl", "lport 1", wrapper=wrapper)
    assert (done.status, json.loads(done.out)["type"]) == (4, "error")
    done = private.python(wrapper, IN_PYTHON, *words(pair))
    said = [text.split(" ", 2)[1] for text in done.out.splitlines()]
    assert said == ["Refused"] * 6, done
    assert tcpdrop("list", f"lport {pair.lport}", wrapper=wrapper).status == 0  # looking is free
    assert pair.alive()


# ---- --protect


def test_protect_is_for_one_run_and_may_be_repeated(holder):
    one, two, victim = (holder.pair() for _ in range(3))
    chosen = f"lport {one.lport},{two.lport},{victim.lport}"
    done = tcpdrop("drop", "--yes", "--protect", f"rport {one.rport}", f"--protect=lport {two.lport}", chosen)
    assert (done.status, done.out) == (0, f"{line(victim)}: dropped\n")
    assert f"{line(one)}: protected (by --protect 'rport {one.rport}')\n" in done.err
    assert f"{line(two)}: protected (by --protect 'lport {two.lport}')\n" in done.err
    assert one.alive()
    assert two.alive()


def test_protect_spares_the_mirror(holder):
    """The rule names one end, the selection the other."""
    pair = holder.pair()
    done = tcpdrop("drop", "--protect", f"lport {pair.lport}", f"lport {pair.rport}")
    assert (done.status, done.out) == (4, "")
    assert pair.alive()


@pytest.mark.only_on("linux", reason="names of holders")
def test_what_a_rule_cannot_decide_is_protected(holder):
    """Whether the process of that name holds the socket cannot be seen: it may."""
    pair = holder.pair()
    rule = f"comm {procfs.command_of(holder.pid)}"
    done = tcpdrop("drop", "--include-self", "--protect", rule, f"lport {pair.lport}", wrapper=needs(*NEARLY_NOBODY))
    assert (done.status, done.out) == (4, "")
    assert f"by --protect '{rule}', which cannot be decided here" in done.err
    assert pair.alive()
    done = tcpdrop("drop", "--protect", "comm nosuchprocess", f"lport {pair.lport}")
    assert (done.status, done.out) == (0, f"{line(pair)}: dropped\n")


@pytest.mark.parametrize("bad", ["", "nonsense", "rport", "lport 1 or lport 2 and lport 3"])
def test_a_protecting_filter_that_cannot_be_read_is_a_usage_error(holder, bad):
    pair = holder.pair()
    done = tcpdrop("drop", "--protect", bad, f"lport {pair.lport}")
    assert (done.status, done.out) == (2, "")
    assert "--protect" in done.err
    assert pair.alive()


# ---- the classic form and drop_one(), which have no selection


@pytest.mark.parametrize("port", ["lport", "rport"])
def test_protect_spares_the_classic_form_too(holder, port):
    """Either end of it: on loopback the other one takes it along."""
    pair = holder.pair()
    operands = words(pair)
    rule = f"{port} {pair.lport}"
    assert tcpdrop("--protect", rule, *operands) == (4, "", f"{' '.join(operands)}: protected (by --protect '{rule}')\n")
    assert tcpdrop("--protect", rule, "--include-self", "-n", *operands).status == 4
    assert pair.alive()
    assert tcpdrop("--protect", "lport 1", *operands) == (0, f"{' '.join(operands)}: dropped\n", "")


def test_protect_that_is_no_filter_is_a_usage_error(holder):
    pair = holder.pair()
    status, out, err = tcpdrop("--protect", "nonsense", *words(pair))
    assert (status, out) == (2, "")
    assert err.startswith("tcpdrop: --protect: ")
    assert pair.alive()


def test_the_file_binds_the_classic_form_and_drop_one(holder, backend, tmp_path):
    pair, other = holder.pair(), holder.pair()
    operands = words(pair)
    wrapper = private.etc(tmp_path, f"# never\nprotect rport {pair.rport}\n")
    for options in ([], ["--include-self"], ["--netns=/proc/self/ns/net" if backend.namespaces else "--zone=0"]):
        status, out, err = tcpdrop(*options, *operands, wrapper=wrapper)
        assert (status, out) == (4, "")
        assert err == f"{' '.join(operands)}: protected (by /etc/tcpdrop.conf: rport {pair.rport})\n"
    code = f"import tcpdrop; tcpdrop.drop_one({pair.local}, {pair.remote}, include_self=True)"
    done = run(*wrapper, sys.executable, "-I", "-c", code)
    assert "tcpdrop.errors.Protected: " in done.err
    assert pair.alive()
    assert tcpdrop(*words(other), wrapper=wrapper).status == 0


@pytest.mark.parametrize("unit", ["a", "protect rport 9\n", "protect remote 10.0.0.1,"], ids=["a word", "lines", "a line"])
def test_a_file_without_measure_is_not_read(holder, tmp_path, unit):
    """Thirty megabytes took each drop nine seconds."""
    pair = holder.pair()
    wrapper = private.etc(tmp_path, (unit * (40 << 20))[: 40 << 20])
    began = time.monotonic()
    done = tcpdrop(*words(pair), wrapper=wrapper)
    assert (done.status, done.out) == (4, "")
    assert "/etc/tcpdrop.conf cannot be read: it has more than 1 MiB: nothing is dropped until it is mended" in done.err
    assert time.monotonic() - began < 5  # a loaded machine
    assert pair.alive()


def test_a_file_of_fifty_thousand_addresses_is_read(holder, tmp_path):
    pair = holder.pair()
    rules = "".join(f"protect remote {','.join(f'10.{high}.{low}.9' for low in range(250))}\n" for high in range(200))
    assert tcpdrop(*words(pair), wrapper=private.etc(tmp_path, rules)) == (0, f"{line(pair)}: dropped\n", "")
    pair = holder.pair()
    wrapper = private.etc(tmp_path, f"{rules}protect rport {pair.rport}\n")
    assert tcpdrop(*words(pair), wrapper=wrapper).status == 4


def test_a_file_that_others_may_write_stops_everything(holder, tmp_path):
    pair = holder.pair()
    status, out, err = tcpdrop(*words(pair), wrapper=private.etc(tmp_path, "", mode=0o666))
    assert (status, out) == (4, "")
    assert "/etc/tcpdrop.conf" in err
    assert "can be written by others than root" in err
    assert pair.alive()


@pytest.mark.only_on("linux", reason="it keeps no creation time")
@pytest.mark.parametrize("form", ["drop", "classic"])
def test_what_proves_an_age_denies_none(holder, form):
    """Data moved a moment ago, which says nothing of when it was made: a rule protects what may be older."""
    pair = holder.pair()
    pair.sock.call("send", b"x")
    assert pair.peer.call("recv", 1) == b"x"
    done = tcpdrop(*(("drop", f"lport {pair.lport}") if form == "drop" else words(pair)), "--protect", "age gt 8h")
    assert done.status == 4 and "protected (by --protect 'age > 8h', which cannot be decided here)" in done.err, done
    assert pair.alive()
