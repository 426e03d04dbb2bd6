# SPDX-License-Identifier: BSD-2-Clause
"""The classic form, run as a user runs it: every spelling, exact output, and what it must never hit."""

import contextlib
import shutil
import socket
import struct

import pytest
from support import netns, procnet
from support.command import line, needs, run, tcpdrop, words
from support.holder import Pair, end, fresh_ports
from support.sockets import SO_BINDTODEVICE, if_nametoindex
from support.wait import until

from tcpdrop import cli

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


def dropped(pair):
    return 0, f"{line(pair)}: dropped\n", ""


def would_drop(pair):
    return 0, f"{line(pair)}: would drop\n", ""


SPELLINGS = {
    "four": ("inet", "{l} {lp} {r} {rp}"),
    "colons": ("inet", "{l}:{lp} {r}:{rp}"),
    "netstat": ("inet", "{l}.{lp} {r}.{rp}"),
    "mixed": ("inet", "{l}.{lp} {r}:{rp}"),
    "brackets": ("inet", "[{l}]:{lp} [{r}]:{rp}"),
    "arrow": ("inet", "{l}:{lp}->{r}:{rp}"),
    "arrow-apart": ("inet", "{l}:{lp} -> {r}:{rp}"),
    "commas": ("inet", "{l}, {lp}, {r}, {rp},"),
    "whole-prefixes": ("inet", "{l}/32 {lp} {r}/32 {rp}"),
    "whole-prefixes-colons": ("inet", "{l}/32:{lp} [{r}]/32:{rp}"),
    "mapped-whole-prefix": ("inet", "::ffff:{l}/128 {lp} {r}/32 {rp}"),
    "six-whole-prefixes": ("inet6", "[{l}/128]:{lp} [{r}]/128:{rp}"),
    "mapped-text": ("inet", "::ffff:{l} {lp} ::ffff:{r} {rp}"),
    "mapped-hex": ("inet", "::ffff:7f00:1 {lp} 0:0:0:0:0:FFFF:7F00:0001 {rp}"),
    "mapped-brackets": ("inet", "[::ffff:{l}]:{lp} {r}:{rp}"),
    "mapped-netstat": ("inet", "::ffff:{l}.{lp} {r}.{rp}"),
    "six-four": ("inet6", "{l} {lp} {r} {rp}"),
    "six-colons": ("inet6", "[{l}]:{lp} [{r}]:{rp}"),
    "six-dots": ("inet6", "[{l}].{lp} [{r}].{rp}"),
    "six-netstat": ("inet6", "{l}.{lp} {r}.{rp}"),
    "six-four-brackets": ("inet6", "[{l}] {lp} [{r}] {rp}"),
    "six-long": ("inet6", "0:0:0:0:0:0:0:1 {lp} ::0.0.0.1 {rp}"),
    "mapped-socket": ("mapped", "{l} {lp} {r} {rp}"),
    "mapped-socket-mapped-text": ("mapped", "::ffff:{l} {lp} ::ffff:{r} {rp}"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spelling(holder, spelling):
    family, text = SPELLINGS[spelling]
    pair = holder.pair(family)
    laddr, lport, raddr, rport = words(pair)
    operands = text.format(l=laddr, lp=lport, r=raddr, rp=rport).split()
    assert tcpdrop("-n", *operands) == would_drop(pair)
    assert pair.alive()
    assert tcpdrop(*operands) == dropped(pair)
    assert pair.state() is None
    assert pair.sock.errno("send", b"x")


@pytest.mark.parametrize("victim", ["client", "server"])
def test_either_end_can_be_the_local_one(holder, victim):
    pair = holder.pair(victim=victim)
    bystander = holder.pair()
    assert tcpdrop(*words(pair)) == dropped(pair)
    assert bystander.alive()


def test_a_second_time_it_is_not_found(holder):
    pair = holder.pair()
    assert tcpdrop(*words(pair)) == dropped(pair)
    status, out, err = tcpdrop(*words(pair))
    assert (status, out) == (1, "")
    assert err.startswith(f"{line(pair)}: not found")


# ---- options


@pytest.fixture
def main(capsys):
    """The command in this process: main(words) -> (status, stdout, stderr)."""

    def call(*arguments):
        status = cli.main(list(arguments))
        return (status, *capsys.readouterr())

    return call


@pytest.mark.parametrize(
    "order",
    [
        "-n {} {} {} {}",
        "{} -n {} {} {}",
        "{} {} {} -n {}",
        "{} {} {} {} -n",
        "--dry-run {} {} {} {}",
        "-n -n {} {} {} {}",
        "-n -- {} {} {} {}",
        "{} -n {} -- {} {}",
        "-n4 {} {} {} {}",
        "-4n {} {} {} {}",
        "--netns=/proc/self/ns/net -n {} {} {} {}",
        "--netns /proc/self/ns/net -n {} {} {} {}",
        "{} {} --netns /proc/self/ns/net {} {} -n",
        "--include-self --allow-none -n {} {} {} {}",
    ],
)
def test_options_stand_anywhere(holder, backend, main, order):
    pair = holder.pair()
    order = order if backend.namespaces else order.replace("--netns", "--zone").replace("/proc/self/ns/net", "0")
    assert main(*order.format(*words(pair)).split()) == would_drop(pair)
    assert pair.alive()


@pytest.mark.parametrize("options", [["-nq"], ["-qn"], ["-n", "-q"], ["--quiet", "--dry-run"]], ids=" ".join)
def test_bundled_quiet_and_dry(holder, main, options):
    pair = holder.pair()
    assert main(*options, *words(pair)) == (0, "", "")
    assert pair.alive()


def test_quiet_drops_without_a_line(holder):
    pair = holder.pair()
    assert tcpdrop("-q", *words(pair)) == (0, "", "")
    assert pair.state() is None


def test_behind_two_dashes_everything_is_an_operand(holder, main):
    pair = holder.pair()
    status, out, err = main("--", "-n", *words(pair))
    assert (status, out) == (2, "")
    assert "5 operands" in err
    assert main("--", *words(pair)[:3], "-n")[:2] == (2, "")
    assert pair.alive()


@pytest.mark.parametrize("verb", cli.VERBS)
def test_two_dashes_force_the_classic_form(holder, main, monkeypatch, verb):
    """A host may be called 'check'."""
    pair = holder.pair()
    asked = []

    def getaddrinfo(host, *_, **__):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    _, lport, raddr, rport = words(pair)
    assert main("-n", "--", verb, lport, raddr, rport) == would_drop(pair)
    assert asked == [verb]


@pytest.mark.parametrize(("option", "family"), [("-4", "inet"), ("-4", "mapped"), ("-6", "inet6")])
def test_the_family_on_the_wire(holder, main, option, family):
    pair = holder.pair(family)
    assert main("-n", option, *words(pair)) == would_drop(pair)
    other = "-6" if option == "-4" else "-4"
    assert main("-n", other, *words(pair)) == (
        2,
        "",
        f"tcpdrop: {line(pair)} is not IPv{other[1]}, as {other} demands\n",
    )


# ---- interfaces


@pytest.fixture
def twins(holder):
    """Two interfaces with the same link-local address."""
    names = "twin0", "twin1"
    if shutil.which("ip") is None:
        pytest.skip("no ip here (iproute2)")
    done = run("ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1])
    if done.status:
        pytest.skip(f"no veth interfaces here: {done.err.strip()}")
    try:
        for name in names:
            for command in (["link", "set", name, "up"], ["-6", "addr", "add", "fe80::7/64", "dev", name, "nodad"]):
                done = run("ip", *command)
                assert done.status == 0, done.err
        yield names
    finally:
        run("ip", "link", "del", names[0])


def link_local(holder, dev, ports):
    """A connection over one interface."""
    listener = holder.listener("inet6", addr=f"fe80::7%{dev}", port=ports["port"], device=dev.encode())
    client = holder.socket("inet6")
    client.call("setsockopt", socket.SOL_SOCKET, SO_BINDTODEVICE, dev.encode())
    client.call("setsockopt", socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.call("bind", (f"fe80::7%{dev}", ports["client_port"]))
    client.call("connect", (f"fe80::7%{dev}", listener.name()[1]))
    pair = Pair(client, listener.accept(), holder.pid)
    listener.close()
    return pair


def test_link_local_with_and_without_its_interface(holder, twins):
    pair = link_local(holder, twins[0], fresh_ports())
    laddr, lport, raddr, rport = words(pair)
    index = if_nametoindex(twins[0])
    for operands in (
        [laddr, lport, raddr, rport],
        [f"{laddr}%{twins[0]}", lport, raddr, rport],
        [laddr, lport, f"{raddr}%{twins[0]}", rport],
        [f"[{laddr}%{twins[0]}]:{lport}", f"[{raddr}%{twins[0]}]:{rport}"],
        [f"{laddr}%{twins[0]}.{lport}", f"{raddr}%{twins[0]}.{rport}"],
        [f"{laddr}%{index}", lport, raddr, rport],
        # ss's own, a URL's, and one interface in two spellings: compared as numbers
        [f"[{laddr}]%{twins[0]}:{lport}", f"[{raddr}]:{rport}"],
        [f"[{laddr}]%{twins[0]}", lport, raddr, rport],
        [f"[{laddr}%25{twins[0]}]:{lport}", f"[{raddr}%25{twins[0]}]:{rport}"],
        [f"[{laddr}%{twins[0]}]:{lport}", f"[{raddr}]%{index}.{rport}"],
        [f"{laddr}%{twins[0]}:{lport}", f"{raddr}%25{twins[0]}:{rport}"],
        [f"[{laddr}%{twins[0]}/128]:{lport}->[{raddr}]/128:{rport}"],
    ):
        assert tcpdrop("-n", *operands) == would_drop(pair), operands
    status, out, err = tcpdrop(f"{laddr}%{twins[0]}", lport, f"{raddr}%{twins[1]}", rport)
    assert (status, out, err) == (2, "", f"tcpdrop: the ends name two interfaces, %{twins[0]} and %{twins[1]}\n")
    status, out, err = tcpdrop(f"{laddr}%{twins[1]}", lport, raddr, rport)
    assert (status, out) == (1, "")
    assert f"{line(pair)}: not found" in err
    assert pair.alive()
    assert tcpdrop(f"{laddr}%{twins[0]}", lport, raddr, rport) == dropped(pair)
    assert pair.sock.errno("send", b"x")


@pytest.mark.only_on("linux", reason="SO_BINDTODEVICE")
def test_one_tuple_on_two_interfaces_is_refused_until_one_is_named(holder, twins, tmp_path):
    ports = fresh_ports()
    first, second = (link_local(holder, name, ports) for name in twins)
    assert words(first) == words(second)
    status, out, err = tcpdrop(*words(first))
    assert (status, out) == (4, "")
    assert err.startswith(f"{line(first)}: more than one connection has this tuple (choose one with %dev: ")
    assert "twin0" in err
    assert "twin1" in err
    file = tmp_path / "victims"
    file.write_text(line(first))
    assert tcpdrop("drop", "--from", file)[:2] == (4, "")
    assert first.alive()
    assert second.alive()
    laddr, *rest = words(first)
    assert tcpdrop(f"{laddr}%{twins[1]}", *rest) == dropped(first)
    assert first.alive()
    assert second.sock.errno("send", b"x")


def test_an_interface_that_may_be_two_is_refused_with_both(holder, twins):
    """%25va is a URL's %va, or an interface of that name."""
    pair = link_local(holder, twins[0], fresh_ports())
    laddr, *rest = words(pair)
    index = if_nametoindex(twins[0])
    done = run("ip", "link", "add", f"25{twins[0]}", "type", "veth", "peer", "name", "twin25")
    assert done.status == 0, done.err
    try:
        other = if_nametoindex(f"25{twins[0]}")
        status, out, err = tcpdrop(f"{laddr}%25{twins[0]}", *rest)
        assert (status, out) == (2, "")
        assert f"'%25{twins[0]}' may be interface number {index} or number {other}: write %NUMBER" in err
        assert pair.alive()
        assert tcpdrop(f"{laddr}%{index}", *rest) == dropped(pair)
    finally:
        run("ip", "link", "del", f"25{twins[0]}")


@pytest.mark.only_on("linux", reason="SO_BINDTODEVICE")
def test_an_interface_names_only_what_is_bound_to_it(holder, tmp_path):
    """The kernel itself would find a socket that is bound to none."""
    pair = holder.pair()
    laddr, *rest = words(pair)
    status, out, err = tcpdrop(f"{laddr}%lo", *rest)
    assert (status, out) == (1, "")
    assert err == f"{line(pair)}: not found (without %lo there is one, which is not bound to that interface)\n"
    file = tmp_path / "victims"
    file.write_text(f"{laddr}%lo {' '.join(rest)}\n", encoding="utf-8")
    assert tcpdrop("drop", "--from", file)[:2] == (1, "")
    assert pair.alive()
    assert tcpdrop(laddr, *rest) == dropped(pair)


def test_bound_to_a_device(holder):
    pair = holder.pair(device=b"lo")
    laddr, *rest = words(pair)
    assert tcpdrop("-n", f"{laddr}%lo", *rest) == would_drop(pair)
    assert tcpdrop(*words(pair)) == dropped(pair)


# ---- namespaces


@pytest.mark.only_on("linux", reason="network namespaces")
def test_another_namespace_by_pid_and_by_path(other_namespace):
    theirs, fd = other_namespace
    pair = theirs.pair()
    status, out, err = tcpdrop(*words(pair))
    assert (status, out) == (1, "")
    assert err == f"{line(pair)}: not found (in this network namespace; there are others: --netns)\n"
    for where in (str(theirs.pid), f"/proc/{theirs.pid}/ns/net"):
        assert tcpdrop("-n", f"--netns={where}", *words(pair)) == would_drop(pair)
    assert tcpdrop(f"--netns=/proc/self/fd/{fd}", *words(pair), pass_fds=[fd]) == dropped(pair)
    assert pair.state() is None


@pytest.mark.only_on("linux", reason="network namespaces")
def test_the_same_tuple_in_two_namespaces(holder, other_namespace):
    theirs, _ = other_namespace
    ports = fresh_ports()
    mine, other = holder.pair(**ports), theirs.pair(**ports)
    assert words(mine) == words(other)
    assert tcpdrop(f"--netns={theirs.pid}", *words(mine)) == dropped(mine)
    assert mine.alive()
    assert other.sock.errno("send", b"x")


@pytest.mark.only_on("linux", reason="network namespaces")
def test_by_name(other_namespace):
    """ip-netns(8) names are files under /run/netns; here under a /run of the command's own."""
    theirs, _ = other_namespace
    pair = theirs.pair()
    script = (
        'mount -t tmpfs none /run && mkdir /run/netns && : >/run/netns/blue && mount --bind /proc/$0/ns/net /run/netns/blue && exec "$@"'
    )
    mounts = needs("unshare", "-m", "sh", "-c", script, str(theirs.pid))
    assert tcpdrop("--netns", "blue", *words(pair), wrapper=mounts) == dropped(pair)
    # A name that is a number could be a process: neither is guessed.
    numbers = needs("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && mkdir /run/netns && : >/run/netns/1 && exec "$@"', "sh")
    status, out, err = tcpdrop("--netns=1", *words(pair), wrapper=numbers)
    assert (status, out) == (2, "")
    assert "'1' is a process and also a network namespace: write /run/netns/1 or /proc/1/ns/net" in err


@pytest.mark.only_on("linux", reason="network namespaces")
@pytest.mark.parametrize("where", ["no-such-name", "4194305", "/no/such/path"])
def test_no_such_namespace(where):
    hint = " (digits are the id of a process, and there is no such process)" if where.isdigit() else ""
    assert tcpdrop("--netns", where, "127.0.0.1", "1", "127.0.0.1", "2") == (3, "", f"tcpdrop: no network namespace '{where}'{hint}\n")


@pytest.mark.only_on("linux", reason="network namespaces")
def test_a_file_that_is_no_network_namespace():
    status, out, err = tcpdrop("--netns=/proc/self/ns/mnt", "127.0.0.1", "1", "127.0.0.1", "2")
    assert (status, out, err) == (3, "", "tcpdrop: '/proc/self/ns/mnt' is no network namespace, or none any more\n")


def test_where_there_is_one_namespace_only_nothing_is_said_about_others():
    alone = needs("unshare", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c", 'mount -t tmpfs none /run; exec "$@"', "sh")
    status, out, err = tcpdrop("127.0.0.1", "1", "127.0.0.1", "2", wrapper=alone)
    assert (status, out, err) == (1, "", "127.0.0.1 1 127.0.0.1 2: not found\n")


# ---- not found


def test_it_says_so_when_the_swapped_tuple_exists_and_drops_neither(holder):
    """A caller that nobody answers has one end only, so its swapped tuple is free."""
    for setup, argument in ((netns.add_address_on_lo, "192.0.2.1"), (netns.add_host_route_on_lo, "192.0.2.2")):
        with contextlib.suppress(FileExistsError):
            setup(argument)
    caller = holder.socket()
    caller.call("bind", ("192.0.2.1", 0))
    caller.call("setblocking", False)
    assert caller.errno("connect", ("192.0.2.2", 9))
    port = caller.name()[1]
    tup = (*end(("192.0.2.1", port)), *end(("192.0.2.2", 9)))
    until(lambda: procnet.state(tup) == "SYN_SENT", "SYN_SENT")
    right, wrong = f"192.0.2.1 {port} 192.0.2.2 9", f"192.0.2.2 9 192.0.2.1 {port}"
    assert tcpdrop(*wrong.split()) == (1, "", f"{wrong}: not found (but {right} exists: are local and remote swapped?)\n")
    assert procnet.state(tup) == "SYN_SENT"
    assert tcpdrop(*right.split()) == (0, f"{right}: dropped\n", "")
    caller.close()


ABSENT = {
    "inet": ("inet", 1, "127.0.0.1"),
    "inet6": ("inet6", 1, "::1"),
    "mapped": ("mapped", 1, "127.0.0.1"),
    "reuseport": ("inet", 8, "127.0.0.1"),
    "reuseport6": ("inet6", 8, "::1"),
    "dual-by-4": ("dual", 1, "127.0.0.1"),
    "dual-by-6": ("dual", 1, "::1"),
    "dual-reuseport-by-4": ("dual", 8, "127.0.0.1"),
}


@pytest.mark.parametrize("kind", ABSENT)
def test_a_stale_quadruple_never_reaches_the_listener(holder, kind):
    """SOCK_DESTROY without a cookie would fall back to it, destroy it and report success."""
    family, count, addr = ABSENT[kind]
    group = [holder.listener(family, reuseport=count > 1)]
    port = group[0].name()[1]
    group += [holder.listener(family, reuseport=True, port=port) for _ in range(count - 1)]
    client = holder.socket("inet6" if ":" in addr else "inet")
    client.call("connect", (addr, port))
    stale = [addr, str(port), addr, str(client.name()[1])]
    # Gone without a trace: no TIME_WAIT.
    client.call("setsockopt", socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    # In a group the kernel chooses the listener by hash of the tuple: try many.
    for remote in [stale[3], *map(str, range(2000, 2000 + 2 * count))]:
        status, out, err = tcpdrop(*stale[:3], remote) if remote == stale[3] else in_process(*stale[:3], remote)
        assert (status, out) == (1, "")
        assert err.startswith(f"{' '.join(stale[:3])} {remote}: not found")
    assert len(procnet.listeners(port)) == count
    again = holder.socket("inet6" if ":" in addr else "inet")
    again.call("connect", (addr, port))
    for sock in (again, *group):
        sock.close()


def in_process(*arguments):
    """main() without a start of Python for each."""
    import io

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(list(arguments))
    return status, out.getvalue(), err.getvalue()


def test_a_listener_itself_cannot_be_named(holder):
    """Its remote end is no address and no port."""
    listener = holder.listener()
    port = listener.name()[1]
    for remote in (["0.0.0.0", "1"], ["127.0.0.1", "0"], ["*", "*"]):
        assert tcpdrop("127.0.0.1", str(port), *remote)[:2] == (2, "")
    assert len(procnet.listeners(port)) == 1
    listener.close()


def test_the_environment_does_not_matter(holder):
    """Not even an empty one, as cron and sudo leave it."""
    pair = holder.pair()
    assert tcpdrop(*words(pair), wrapper=("env", "-i")) == dropped(pair)
