# SPDX-License-Identifier: BSD-2-Clause
"""Host and service names, and that numbers never reach the resolver."""

import json
import socket
import sys

import pytest
from support.answers import forbid
from support.command import COMMAND, line, needs, run, tcpdrop, words
from support.holder import fresh_ports
from support.services import number

from tcpdrop import cli

pytestmark = pytest.mark.privileged

# Every way to the resolver and to services(5) that CPython has tells the auditors.
AUDITED = """
import sys, json
asked = []
def hook(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getservbyname", "socket.getservbyport",
                 "socket.getnameinfo"):
        asked.append(event)
sys.addaudithook(hook)
from tcpdrop.cli import main
status = main(sys.argv[1:])
print(json.dumps([status, asked, [m for m in ("socket", "tcpdrop.cli.resolve") if m in sys.modules]]))
"""


def audited(*arguments):
    """(status, what the resolver was asked, the modules that could ask)"""
    done = run(sys.executable, "-I", "-c", AUDITED, *arguments)
    assert not done.err or "not found" in done.err or "tcpdrop: " in done.err, done.err
    return json.loads(done.out.splitlines()[-1])


NUMERIC = {
    "dropped": (0, "{} {} {} {}"),
    "two": (0, "{}:{} {}.{}"),
    "gone": (1, "127.0.0.1 1 127.0.0.1 2"),
    "gone6": (1, "::1 1 ::1 2"),
    "device": (1, "fe80::1%lo 1 fe80::2 2"),
    "octal": (2, "0177.0.0.1 1 127.0.0.1 2"),
    "short": (2, "10.1 1 127.0.0.1 2"),
    "hex": (2, "0x7f.0x1 1 127.0.0.1 2"),
    "number": (2, "2130706433 1 127.0.0.1 2"),
    "prefix": (2, "10.0.0.0/8 1 127.0.0.1 2"),
    "no-device": (2, "fe80::1%nosuch 1 fe80::2 2"),
    "port": (2, "127.0.0.1 70000 127.0.0.1 2"),
}


@pytest.mark.only_on("linux", reason="the status of a drop")
@pytest.mark.parametrize("kind", NUMERIC)
def test_numbers_never_reach_the_resolver(holder, kind):
    status, text = NUMERIC[kind]
    pair = holder.pair()
    assert audited(*text.format(*words(pair)).split()) == [status, [], []]


def test_the_auditors_do_see_a_name():
    assert audited("localhost", "1", "127.0.0.1", "2")[1] == ["socket.getaddrinfo"]
    assert set(audited("127.0.0.1", "no-such-service", "127.0.0.1", "2")[1]) == {"socket.getservbyname"}


# ---- nobody to ask


@pytest.mark.parametrize("failure", ["EAI_AGAIN", "EAI_FAIL", "EAI_MEMORY"])
def test_a_resolver_that_cannot_answer_is_no_mistake_of_the_user(capsys, monkeypatch, failure):
    """A passing failure: the name may be right, so a script must not take it for a wrong command line."""

    def getaddrinfo(*_, **__):
        raise socket.gaierror(getattr(socket, failure), "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert cli.main(["server.example", "1", "127.0.0.1", "2"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "tcpdrop: 'server.example': Temporary failure in name resolution (no name server answered: give the address)\n"


@pytest.mark.parametrize("arguments", [["127.0.0.1", "ssh", "127.0.0.1", "2"], ["drop", "lport ssh"], ["list", "--remote-port", "ssh"]])
def test_a_system_without_services_says_so(capsys, monkeypatch, arguments):
    """As in a small container: /etc/services is not there, and 'ssh' is no mistake."""

    def getservbyname(*_):
        raise OSError("service/proto not found")

    monkeypatch.setattr("tcpdrop.system.services.getservbyname", getservbyname)
    assert cli.main(arguments) == 2
    err = capsys.readouterr().err
    assert "'ssh' is not a port number, and this system knows no services by name (services(5)): give the number" in err


# ---- several addresses

ANSWERS = {
    "many": ["192.0.2.7", "127.0.0.1", "::1", "2001:db8::7"],
    "four": ["127.0.0.1"],
    "six": ["::1"],
    "twice": ["127.0.0.1", "127.0.0.1"],
    "scoped": ["fe80::1%lo"],
    "nothing": [],
}


@pytest.fixture
def main(capsys, monkeypatch):
    """The command in this process, with host names of our own."""

    def getaddrinfo(host, port, *_, **__):
        if host not in ANSWERS:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        kinds = [(socket.AF_INET6 if ":" in a else socket.AF_INET, (a, 0, 0, 0) if ":" in a else (a, 0)) for a in ANSWERS[host]]
        return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in kinds]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    def call(*arguments):
        status = cli.main(list(arguments))
        return (status, *capsys.readouterr())

    return call


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
@pytest.mark.parametrize("names", [("many", "many"), ("many", ""), ("", "many")], ids=["both", "local", "remote"])
def test_every_pair_of_one_family_is_tried(holder, main, names, family):
    """One is dropped and the others are absent: success, and nothing about those."""
    pair = holder.pair(family)
    laddr, lport, raddr, rport = words(pair)
    operands = names[0] or laddr, lport, names[1] or raddr, rport
    assert main("-n", *operands) == (0, f"{line(pair)}: would drop\n", "")
    assert main(*operands) == (0, f"{line(pair)}: dropped\n", "")
    assert pair.state() is None


def test_both_families_at_once(holder, main):
    """Same ports, one connection of each family: the name means both."""
    ports = fresh_ports()
    four, six = holder.pair(**ports), holder.pair("inet6", **ports)
    lport, rport = words(four)[1::2]
    for option, pairs in (("-4", [four]), ("-6", [six]), ("-n", [four, six])):
        status, out, err = main("-n", option, "many", lport, "many", rport)
        assert (status, err) == (0, "")
        assert out.splitlines() == [f"{line(pair)}: would drop" for pair in pairs]
    status, out, err = main("many", lport, "many", rport)
    assert (status, err) == (0, "")
    assert out.splitlines() == [f"{line(four)}: dropped", f"{line(six)}: dropped"]


def test_all_absent_is_not_found_each_named(main):
    status, out, err = main("many", "1", "many", "2")
    assert (status, out) == (1, "")
    lines = err.splitlines()
    assert len(lines) == 2 * 4
    assert all(": not found" in text for text in lines)
    assert lines[0].startswith("192.0.2.7 1 192.0.2.7 2: not found")
    assert main("--allow-none", "many", "1", "many", "2")[:2] == (0, "")


def test_an_address_named_twice_is_tried_once(main):
    _, _, err = main("twice", "1", "twice", "2")
    assert err.count("\n") == 1


def test_a_protected_pair_does_not_hide_the_dropped_one(holder, main, monkeypatch):
    ports = fresh_ports()
    four, six = holder.pair(**ports), holder.pair("inet6", **ports)
    lport, rport = words(four)[1::2]
    monkeypatch.setenv("SSH_CONNECTION", f"127.0.0.1 {rport} 127.0.0.1 {lport}")
    status, out, err = main("many", lport, "many", rport)
    assert (status, out) == (0, f"{line(six)}: dropped\n")
    assert err == f"{line(four)}: protected (named by SSH_CONNECTION; --include-self)\n"
    assert four.alive()


@pytest.mark.parametrize(
    ("operands", "said"),
    [
        (["four", "1", "six", "2"], "'four' and 'six' have no address family in common"),
        (["four", "1", "::1", "2"], "'four' and '::1' have no address family in common"),
        (["127.0.0.1", "1", "six", "2"], "'127.0.0.1' and 'six' have no address family in common"),
        (["-6", "four", "1", "four", "2"], "127.0.0.1 and 127.0.0.1 are not IPv6, as -6 demands"),
        (["-4", "six", "1", "::1", "2"], "::1 and ::1 are not IPv4, as -4 demands"),
        (["nothing", "1", "four", "2"], "'nothing' and 'four' have no address family in common"),
        (["unheard", "1", "four", "2"], "'unheard': Name or service not known"),
        (["four", "1", "unheard", "2"], "'unheard': Name or service not known"),
        (["four", "1", "0.0.0.0", "2"], "0.0.0.0 means any address"),
        (["four", "0", "four", "2"], "port 0 is out of range"),
    ],
)
def test_names_that_mean_nothing(main, monkeypatch, operands, said):
    forbid(monkeypatch)
    status, out, err = main(*operands)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_service_names(holder, main, monkeypatch):
    pair = holder.pair()
    laddr, lport, raddr, rport = words(pair)
    services = {"near": int(lport), "far-end": int(rport)}

    def getservbyname(name, protocol):
        assert protocol == "tcp"
        if name not in services:
            raise OSError("service/proto not found")
        return services[name]

    monkeypatch.setattr("tcpdrop.system.services.getservbyname", getservbyname)
    for operands in ([laddr, "near", raddr, "far-end"], [f"{laddr}:near", f"{raddr}.far-end"], ["many:near", "many.far-end"]):
        assert main("-n", *operands) == (0, f"{line(pair)}: would drop\n", ""), operands


def test_a_final_dot_makes_a_name_absolute_and_no_address(holder, main, monkeypatch):
    pair = holder.pair()
    monkeypatch.setitem(ANSWERS, "four.example.", ["127.0.0.1"])
    _, lport, _, rport = words(pair)
    assert main("-n", "four.example.", lport, "four", rport) == (0, f"{line(pair)}: would drop\n", "")


def test_an_international_name(holder, main, monkeypatch):
    pair = holder.pair()
    monkeypatch.setitem(ANSWERS, "xn--bcher-kva.example", ["127.0.0.1"])
    _, lport, _, rport = words(pair)
    assert main("-n", "b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", lport, "four", rport)[0] == 0


def test_the_real_resolver(holder, tmp_path):
    """A private /etc/hosts, in a mount namespace of the command's own."""
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.9 victim\n127.0.0.1 victim\n::1 victim\n", encoding="ascii")
    mounts = needs("unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh")
    if "127.0.0.1" not in run(*mounts, "getent", "ahosts", "victim").out:
        pytest.skip("host names do not come from /etc/hosts here, or with one address only")
    pair = holder.pair()
    _, lport, _, rport = words(pair)
    done = run(*mounts, COMMAND, "victim", lport, "victim", rport)
    assert done == (0, f"{line(pair)}: dropped\n", "")


def test_the_real_services():
    if number("http") is None:
        pytest.skip("no services(5) here (apt-get install netbase)")
    status, _, err = tcpdrop("127.0.0.1", "http", "127.0.0.1.https")
    assert status == 2
    status, _, err = tcpdrop("127.0.0.1:http", "127.0.0.1.https")
    assert status == 1
    assert err.startswith("127.0.0.1 80 127.0.0.1 443: not found")
