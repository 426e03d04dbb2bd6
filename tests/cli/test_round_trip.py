# SPDX-License-Identifier: BSD-2-Clause
"""What goes out comes in: everything that the command prints, and what other tools print, read back by whatever takes connections."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest
from support.command import line, needs, run, tcpdrop, words
from support.holder import Pair
from support.services import NO_PORT

import tcpdrop as package
from tcpdrop.cli.fields import FIELDS

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="tools and network namespaces of Linux")]


@pytest.fixture(params=["inet", "inet6", "mapped"])
def pair(holder, request):
    return holder.pair(request.param)


def ports(pair):
    return f"lport {pair.lport} and rport {pair.rport}"


def fed(text, *options, status=0):
    """What `drop -n --from -` would drop of this text, in order."""
    done = tcpdrop("drop", "-n", "--from", "-", *options, stdin=None, input=text.encode("utf-8", "surrogateescape"))
    assert done.status == status, done
    assert "Traceback" not in done.err
    return [one.removesuffix(": would drop") for one in done.out.splitlines()]


ALL_FIELDS = "state,process,local,remote,pids,uid,cookie,ifindex,netns,cc,idle_ms,user,mapped"
LISTED = {
    "table": ["list"],
    "ends": ["list", "-o", "local,remote"],
    "ends, the other way round": ["list", "-o", "remote,local"],
    "four columns": ["list", "-o", "local_addr,local_port,remote_addr,remote_port"],
    "columns of all kinds": ["list", "-o", ALL_FIELDS],
    "columns as JSON has them": ["list", "-o", "process,remote_port,remote_addr,state,local_port,local_addr"],
    "every column": ["list", "-o", ",".join(FIELDS)],
    "every column, the other way round": ["list", "-o", ",".join(reversed(FIELDS))],
    "a column more": ["list", "-o", "+cookie"],
    "holders": ["list", "-p"],
    "in colours": ["list", "--color=always"],
    "every column in colours": ["list", "--color=always", "-o", ",".join(FIELDS)],
    "preview in colours": ["drop", "-n", "--color=always"],
    "document": ["list", "--json"],
    "lines of JSON": ["list", "--jsonl"],
    "preview": ["drop", "-n"],
    "preview as a document": ["drop", "-n", "--json"],
    "preview as lines of JSON": ["drop", "-n", "--jsonl"],
    "commands": ["drop", "-l"],
}


@pytest.mark.parametrize("form", LISTED)
def test_a_listing_of_what_is_bound_to_an_interface(holder, form):
    pair = holder.pair(device=b"lo")
    assert fed(tcpdrop(*LISTED[form], ports(pair)).out) == [line(pair)]


def test_a_cookie_in_a_table_names_that_very_socket(pair):
    head, row = tcpdrop("list", "-o", "local,remote,cookie", ports(pair)).out.splitlines()
    assert fed(f"{head}\n{row}") == [line(pair)]
    (found,) = package.connections(ports(pair))
    assert fed(f"{head}\n{row.replace(found.cookie, '7' * len(found.cookie))}", status=1) == []


@pytest.mark.parametrize("form", LISTED)
def test_a_listing(pair, form):
    done = tcpdrop(*LISTED[form], ports(pair))
    assert done.status == 0, done
    assert fed(done.out) == [line(pair)]


def test_a_table_without_its_header(pair):
    for fields in ("local,remote", "local_addr,local_port,remote_addr,remote_port"):
        below = tcpdrop("list", "-o", fields, ports(pair)).out.splitlines()[1]
        assert fed(below) == [line(pair)]
        assert tcpdrop("-n", *below.split()).out == f"{line(pair)}: would drop\n"  # and as operands


@pytest.mark.parametrize("how", [None, 2], ids=["compact", "over many lines"])
def test_connections_out_of_the_document(pair, how):
    """As `jq '.connections'`, `jq '.connections[]'` and `jq -c` give them."""
    document = json.loads(tcpdrop("list", "--json", ports(pair)).out)
    (one,) = document["connections"]
    for value in (document, document["connections"], one, [one, one]):
        assert fed(json.dumps(value, indent=how)) == [line(pair)]
    assert fed("\n".join(json.dumps(one, indent=how) for _ in range(3)) + "\n# a comment\n") == [line(pair)]
    assert fed(json.dumps(one, indent=how) * 2) == [line(pair)]


@pytest.mark.parametrize("form", [[], ["--json"], ["--jsonl"]], ids=["text", "json", "jsonl"])
def test_the_classic_forms_preview(pair, form):
    assert fed(tcpdrop("-n", *form, *words(pair)).out) == [line(pair)]


@pytest.mark.parametrize("form", [[], ["--json"], ["--jsonl"]], ids=["text", "json", "jsonl"])
@pytest.mark.parametrize("verb", [[], ["drop"]], ids=["classic", "drop"])
def test_what_was_dropped_is_not_found_again(pair, verb, form):
    done = tcpdrop(*verb, *form, *([ports(pair)] if verb else words(pair)))
    assert done.status == 0, done
    for options in ([], ["-n"]):
        again = tcpdrop("drop", "--from", "-", *options, stdin=None, input=done.out.encode())
        assert (again.status, again.out) == (1, "")
        assert again.err.startswith(f"{line(pair)}: not found")


@pytest.mark.parametrize("form", [[], ["--json"], ["--jsonl"], ["--color=always"]], ids=["text", "json", "jsonl", "colours"])
def test_what_a_run_that_goes_on_has_dropped_is_not_found_again(pair, form):
    done = tcpdrop("drop", "--until-gone", *form, ports(pair))
    assert done.status == 0, done
    again = tcpdrop("drop", "--from", "-", stdin=None, input=done.out.encode())
    assert (again.status, again.out) == (1, "")
    assert again.err.startswith(f"{line(pair)}: not found")


def test_what_an_engine_answers(pair):
    """Its whole result, as a playbook or a state writes it to a file."""
    source = Path(package.__file__).parent / "integrations/ansible/ansible_collections/tcpdrop/net/plugins/module_utils/_tally.py"
    spec = importlib.util.spec_from_file_location("tally", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tally = module.Tally(10)
    for result in package.drop(ports(pair), dry_run=True):
        tally.add(result)
    for how in (None, 2):
        assert fed(json.dumps(tally.results(), indent=how)) == [line(pair)]


def test_errors_name_their_connection_too(pair):
    """As with 2>&1: what was refused once may be tried again, with --include-self or more rights."""
    refused = tcpdrop("drop", "--protect", ports(pair), ports(pair))
    assert refused.status == 4
    assert fed(refused.err) == [line(pair)]
    assert fed(tcpdrop("drop", "-l", "--protect", ports(pair), ports(pair)).out, status=1) == []  # a comment


def test_the_demo(pair):
    dropped = [one for one in tcpdrop("demo").out.splitlines() if one.endswith(": dropped")]
    assert len(dropped) == 1
    assert fed(dropped[0], status=1) == []
    whole = tcpdrop("drop", "--from", "-", stdin=None, input=tcpdrop("demo").out.encode())
    assert (whole.status, whole.out) == (2, "")


@pytest.mark.parametrize(
    "arguments",
    [
        *(["list", "-c"], ["list", "--summary-by", "state"], ["list", "--explain", "in"], ["list", "-o", "remote,process"]),
        *(["check"], ["check", "--json"], ["check", "--jsonl"], ["paths"], ["--help"], ["--version"]),
    ],
    ids=" ".join,
)
def test_what_names_no_connection_is_refused_with_its_line(pair, arguments):
    printed = tcpdrop(*arguments).out
    done = tcpdrop("drop", "--from", "-", stdin=None, input=printed.encode())
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("tcpdrop: --from: line ")
    assert done.err.count("\n") == 1
    assert pair.alive()


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_an_error_of_ours_is_a_failure_upstream(pair, form):
    """Not 'nothing matched': a script would take that for gone."""
    broken = tcpdrop("list", form, "lport x")
    assert broken.status == 2
    listed = tcpdrop("list", "--jsonl", ports(pair)).out
    for text in (broken.out, listed + broken.out):
        done = tcpdrop("drop", "--from", "-", stdin=None, input=text.encode())
        assert (done.status, done.out) == (3, "")
        assert done.err.startswith(f"tcpdrop: --from: the command that was to name the connections failed: 'x' {NO_PORT}")
    assert pair.alive()


def test_a_connection_that_was_not_found_names_no_socket(pair):
    absent = tcpdrop("--json", "127.0.0.1", "1", "127.0.0.1", "2")
    assert absent.status == 1
    done = tcpdrop("drop", "--from", "-", stdin=None, input=absent.out.encode())
    assert (done.status, done.out) == (2, "")
    assert "it was not found, so nothing says which socket was meant" in done.err


def test_an_empty_file_says_so(tmp_path):
    file = tmp_path / "victims"
    for text in ("", "\n# nothing\n", "[]", '{"schema": 1, "connections": [], "summary": {}}'):
        file.write_text(text, encoding="utf-8")
        assert tcpdrop("drop", "--from", file) == (1, "", f"tcpdrop: --from {file} names no connection\n")


def test_one_connection_named_in_several_ways_is_one(pair):
    everything = [tcpdrop(*form, ports(pair)).out for form in LISTED.values()]
    assert fed("\n".join(everything)) == [line(pair)]


def test_the_ends_of_a_connection_go_into_drop_one(pair):
    (found,) = package.connections(ports(pair))
    package.drop_one(found.local, found.remote)
    assert pair.state() is None


def test_the_address_of_a_connection_goes_into_every_selector(pair):
    (found,) = package.connections(ports(pair))
    whole = f"{found.remote.addr}/{32 if found.family == 'inet' else 128}"
    for form in (str(found.remote), whole):
        for option in ("--remote-addr", "--local-addr"):
            where = [option, form, "--local-port" if option == "--remote-addr" else "--remote-port", str(pair.lport)]
            assert str(pair.lport) in tcpdrop("list", *where).out, where


# ---- every namespace: in a world of its own, for on this host others have theirs

EVERYWHERE = {
    "tables": ["list"],
    "a document": ["list", "--json"],
    "lines of JSON": ["list", "--jsonl"],
    "commands": ["drop", "-l"],
    "previews": ["drop", "-n"],
    "previews as a document": ["drop", "-n", "--json"],
    "columns": ["list", "-o", "netns,local,remote"],
}
WORLD = """
import json, subprocess, sys
sys.path.insert(0, sys.argv[1])
from support import netns
from support.command import tcpdrop
from support.holder import Holder, fresh_ports
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
netns.loopback_up()
with Holder() as ours, Holder(netns=True) as theirs:
    same = fresh_ports()
    here, there = ours.pair(**same), theirs.pair(**same)
    everywhere = tcpdrop(*sys.argv[2:], "--netns", "all", f"lport {here.lport} and rport {here.rport}")
    done = tcpdrop("drop", "--no-syslog", "--from", "-", stdin=None, input=everywhere.out.encode())
    assert tcpdrop("drop", "-n", "--from", "-", stdin=None, input=done.out.encode()).err.count("not found") == 2
    print(json.dumps([everywhere, done, here.lport, here.rport, here.state(), there.state()]))
"""


@pytest.mark.parametrize("form", EVERYWHERE)
def test_a_listing_of_every_namespace_means_each_in_its_own(form):
    """The same ends exist here and there, and both die."""
    alone = needs("unshare", "--net", "--pid", "--fork", "--mount-proc")
    # Below a shell that stays: what the first process there has accepted may be somebody's login.
    script = [sys.executable, "-c", WORLD, Path(__file__).parents[1], *EVERYWHERE[form]]
    done = run(*alone, "sh", "-c", '"$@"; exit', "sh", *script)
    assert done.status == 0, done
    everywhere, dropped, lport, rport, *states = json.loads(done.out)
    assert everywhere[0] == 0, everywhere
    assert dropped[0] == 0, (everywhere, dropped)
    above, first, other, last = dropped[1].splitlines()
    assert first == last == f"127.0.0.1 {lport} 127.0.0.1 {rport}: dropped"
    assert all(one.startswith("# --netns=") for one in (above, other))
    assert above != other
    assert states == [None, None]


# ---- other tools, on real sockets


TOOLS = {
    "ss": ["ss", "-tn"],
    "ss -p": ["ss", "-tnp"],
    "ss with everything": ["ss", "-tnpoe"],
    "ss on one line": ["ss", "-tniO"],
    "ss of a state": ["ss", "-tn", "state", "established"],
    "ss of two protocols": ["ss", "-tun"],
    "ss without its header": ["ss", "-tnpHe"],
    "ss with everything on one line": ["ss", "-tnpOHieom"],
    "netstat": ["netstat", "-tn"],
    "netstat -p": ["netstat", "-tnp"],
    "netstat, wide": ["netstat", "-tneW"],
    "netstat with timers": ["netstat", "-tnoW"],
    "lsof with whole names": ["lsof", "+c0", "-nPi", "-sTCP:ESTABLISHED"],
    "lsof": ["lsof", "-nPiTCP", "-sTCP:ESTABLISHED"],
    "proc": ["cat", "/proc/self/net/tcp", "/proc/self/net/tcp6"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_another_tools_lines(pair, tool):
    if shutil.which(TOOLS[tool][0]) is None:
        pytest.skip(f"no {TOOLS[tool][0]} here")
    done = run(*TOOLS[tool])
    assert done.status == 0, done
    both = [f":{port:04X}" if tool == "proc" else f":{port}" for port in (pair.lport, pair.rport)]
    mine = [one for one in done.out.splitlines() if all(port in one for port in both)]
    headers = [one for one in done.out.splitlines() if not any(digit in one for digit in "0123456789")]
    assert len(mine) == 2
    assert sorted(fed("\n".join([*headers, *mine]))) == sorted([line(pair), line(pair, swapped=True)])


def test_ss_with_the_details_of_each_below_it(pair):
    """Two lines each, and of all the others here as well."""
    done = run("ss", "-tnim", "state", "established", "sport", "=", f":{pair.lport}", "dport", "=", f":{pair.rport}")
    assert done.status == 0, done
    assert "\n\t skmem:(" in done.out
    assert fed(done.out) == [line(pair)]


@pytest.fixture
def apart(holder, other_namespace):
    """A connection from another namespace to a listener here, and connection tracking."""
    for tool in ("conntrack", "iptables", "ip", "nsenter"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here")
    theirs, _ = other_namespace
    there = ("nsenter", "-t", str(theirs.pid), "-n")
    tracking = ("-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")
    steps = [
        ["ip", "link", "add", "apart0", "type", "veth", "peer", "name", "apart1", "netns", str(theirs.pid)],
        ["ip", "addr", "add", "198.51.100.1/24", "dev", "apart0"],
        ["ip", "link", "set", "apart0", "up"],
        [*there, "ip", "addr", "add", "198.51.100.2/24", "dev", "apart1"],
        [*there, "ip", "link", "set", "apart1", "up"],
        ["iptables", "-A", "INPUT", *tracking],
    ]
    try:
        for step in steps:
            done = run(*step)
            if done.status:
                pytest.skip(f"{' '.join(step)}: {done.err.strip()}")
        listener = holder.listener(addr="198.51.100.1")
        client = theirs.socket()
        client.call("settimeout", 20)
        client.call("connect", listener.name())
        yield Pair(listener.accept(), client, holder.pid)
    finally:
        run("iptables", "-D", "INPUT", *tracking)
        run("ip", "link", "del", "apart0")


@pytest.mark.parametrize("source", [["conntrack", "-L", "-p", "tcp"], ["cat", "/proc/self/net/nf_conntrack"]], ids=["conntrack", "proc"])
def test_conntrack_where_one_end_is_here(apart, source):
    done = run(*source)
    assert done.status == 0, done
    mine = "".join(f"{one}\n" for one in done.out.splitlines() if f"={apart.rport} " in one)
    assert "src=198.51.100.2" in mine  # the client, which is elsewhere
    assert fed(mine) == [line(apart)]
    assert tcpdrop("drop", "--from", "-", stdin=None, input=mine.encode())[:2] == (0, f"{line(apart)}: dropped\n")
    again = tcpdrop("drop", "--from", "-", stdin=None, input=mine.encode())
    assert (again.status, again.out) == (1, "")


def test_conntrack_and_tcpdump_where_both_ends_are_here(holder):
    """Neither says which is meant."""
    pair = holder.pair()
    (laddr, lport, raddr, rport), ports = words(pair), (pair.lport, pair.rport)
    tuples = f"src={raddr} dst={laddr} sport={rport} dport={lport} src={laddr} dst={raddr} sport={lport} dport={rport}"
    for text in (
        f"tcp      6 431999 ESTABLISHED {tuples} [ASSURED] mark=0 use=1",
        f"12:00:00.1 IP {raddr}.{ports[1]} > {laddr}.{ports[0]}: Flags [P.], length 4",
    ):
        done = tcpdrop("drop", "--from", "-", stdin=None, input=f"# a capture\n{text}\n".encode())
        assert (done.status, done.out) == (2, "")
        both = f"write {line(pair, swapped=True)} or {line(pair)}"
        assert done.err == f"tcpdrop: --from: line 2 may be either end of a connection, and both are here: {both}\n"
        assert pair.alive()
