# SPDX-License-Identifier: BSD-2-Clause
"""Nothing is dropped that was not approved: the question, the bounds, and what comes after."""

import json
import signal

import pytest
from support.command import line, tcpdrop
from support.crowd import Crowd
from support.terminal import Terminal

from tcpdrop import cli
from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="terminals and thousands of sockets")]


class Service:
    """A listener in the holder, and clients."""

    def __init__(self, holder, number, address="127.0.0.1"):
        self.holder = holder
        self.listener = holder.listener()
        self.port = self.listener.name()[1]
        self.clients, self.servers = [], []
        for _ in range(number):
            self.connect(address)

    def connect(self, address="127.0.0.1"):
        client = self.holder.socket()
        client.call("bind", (address, 0))
        client.call("connect", self.listener.name())
        self.clients.append(client)
        self.servers.append(self.listener.accept())
        return client

    def alive(self):
        """How many clients still have a connection."""
        return sum(client.errno("send", b"x") == 0 for client in self.clients)

    def close(self):
        for sock in (*self.clients, *self.servers, self.listener):
            sock.close()


@pytest.fixture
def service(holder):
    made = []

    def start(number, address="127.0.0.1"):
        made.append(Service(holder, number, address))
        return made[-1]

    yield start
    for each in made:
        each.close()


# ---- the question


def test_the_question_counts_by_service_and_names_it(holder, service):
    one, two = service(3), service(2, "127.0.0.5")
    name = procfs.command_of(holder.pid)
    with Terminal("drop", f"lport {one.port},{two.port}") as terminal:
        terminal.expect("[y/N] ")
        question = terminal.seen.splitlines()[-1]
        assert question == f"Drop 5: 3 in lport {one.port} ({name}), 2 in lport {two.port} ({name}), 2 peers? [y/N] "
        assert (one.alive(), two.alive()) == (3, 2)
        status, out, seen = terminal.type("y\n").end()
    assert status == 0
    assert len(out.splitlines()) == 5
    assert "5 dropped" in seen
    assert (one.alive(), two.alive()) == (0, 0)


def test_the_question_of_the_clients_end(service):
    one = service(2)
    with Terminal("drop", f"rport {one.port}") as terminal:
        terminal.expect(f"Drop 2: 2 out rport {one.port}, 1 peer? [y/N] ")


@pytest.mark.parametrize("answer", ["n\n", "\n", "N\n", "no\n", "yes please\n", "j\n", "\x04"], ids=repr)
def test_anything_but_yes_drops_nothing(service, answer):
    one = service(2)
    with Terminal("drop", f"lport {one.port}") as terminal:
        status, out, seen = terminal.expect("[y/N] ").type(answer).end()
    assert (status, out) == (4, "")
    assert "not confirmed: nothing was dropped" in seen
    assert one.alive() == 2


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n", " y \n"], ids=repr)
def test_yes(service, answer):
    one = service(2)
    with Terminal("drop", f"lport {one.port}") as terminal:
        assert terminal.expect("[y/N] ").type(answer).end()[0] == 0
    assert one.alive() == 0


def test_control_c_at_the_question_ends_it_at_once(service):
    one = service(2)
    with Terminal("drop", f"lport {one.port}") as terminal:
        status, out, _ = terminal.expect("[y/N] ").type("\x03").end()
    assert (status, out) == (130, "")
    assert one.alive() == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_at_the_question_ends_it_at_once(service, number):
    one = service(2)
    with Terminal("drop", "--jsonl", f"lport {one.port}") as terminal:
        terminal.expect("[y/N] ").process.send_signal(number)
        status, out, seen = terminal.end()
    assert status == 128 + number
    assert json.loads(out)["type"] == "error"
    assert "nothing was dropped (stopped by a signal)" in seen
    assert one.alive() == 2


def test_a_refusal_is_an_object_for_programs(service):
    one = service(2)
    with Terminal("drop", "--jsonl", f"lport {one.port}") as terminal:
        status, out, _ = terminal.expect("[y/N] ").type("n\n").end()
    assert status == 4
    assert json.loads(out)["type"] == "error"


def test_what_appears_while_the_question_stands_is_left_alone(service):
    one = service(2)
    with Terminal("drop", f"lport {one.port}") as terminal:
        terminal.expect("Drop 2: ")
        late = one.connect()
        status, out, seen = terminal.type("y\n").end()
    assert status == 0
    assert len(out.splitlines()) == 2
    assert "1 more match now" in seen
    assert late.errno("send", b"x") == 0
    assert one.alive() == 1


def test_a_connection_reused_while_the_question_stands_is_left_alone(holder, service):
    one = service(2)
    with Terminal("drop", f"lport {one.port}") as terminal:
        terminal.expect("Drop 2: ")
        client, server = one.clients.pop(0), one.servers.pop(0)
        port = client.name()[1]
        for end in (client, server):
            end.call("setsockopt", 1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: no TIME_WAIT
            end.close()
        again = holder.socket()
        again.call("setsockopt", 1, 2, 1)  # SO_REUSEADDR
        again.call("bind", ("127.0.0.1", port))
        again.call("connect", one.listener.name())
        one.servers.append(one.listener.accept())
        status, out, seen = terminal.type("y\n").end()
    assert status == 0
    assert len(out.splitlines()) == 1
    assert "1 already gone" in seen
    assert again.errno("send", b"x") == 0
    again.close()


def test_one_match_is_not_asked_for(service):
    one = service(1)
    with Terminal("drop", f"lport {one.port}") as terminal:
        status, _, seen = terminal.end()
    assert status == 0
    assert "[y/N]" not in seen
    assert one.alive() == 0


@pytest.mark.parametrize("form", [("-y",), ("--yes",), ("-n",), ("-l",)])
def test_no_question_with_yes_and_none_in_a_dry_run(service, form):
    one = service(2)
    with Terminal("drop", *form, f"lport {one.port}") as terminal:
        status, _, seen = terminal.end()
    assert status == 0
    assert "[y/N]" not in seen
    assert one.alive() == (2 if form[0] in ("-n", "-l") else 0)


def test_a_broad_form_asks_even_for_one(service):
    """-s STATE: here the only CLOSE_WAIT of the namespace."""
    one = service(1)
    one.servers[0].call("shutdown", 1)
    with Terminal("drop", "-s", "close-wait") as terminal:
        terminal.expect("Drop 1: ")
        assert terminal.type("n\n").end()[0] == 4
    assert tcpdrop("-s", "close-wait")[:2] == (4, "")
    assert one.alive() == 1


def test_saved_rows_on_standard_input_are_exact_and_not_asked_for(service):
    one = service(3)
    saved = tcpdrop("list", "--jsonl", f"lport {one.port}").out.encode()
    with Terminal("drop", "--from", "-", saved=saved) as terminal:
        status, out, seen = terminal.end()
    assert status == 0
    assert len(out.splitlines()) == 3
    assert "[y/N]" not in seen
    assert one.alive() == 0


def test_a_bound_is_checked_before_anything_is_asked(service):
    one = service(3)
    with Terminal("drop", "--max-drops=2", f"lport {one.port}") as terminal:
        status, out, seen = terminal.end()
    assert (status, out) == (4, "")
    assert "[y/N]" not in seen
    assert one.alive() == 3


# ---- without a terminal


def test_without_a_terminal_a_hundred_pass_and_one_more_does_not():
    with Crowd(101) as crowd:
        done = tcpdrop("drop", crowd.servers)
        assert (done.status, done.out) == (4, "")
        assert "101 connections match, and without a terminal at most 100 are dropped: none was" in done.err
        assert crowd.alive() == (101, 101)
        done = tcpdrop("drop", "--json", crowd.servers)
        assert (done.status, json.loads(done.out)["type"]) == (4, "error")
        assert crowd.alive() == (101, 101)
        assert tcpdrop("drop", "--limit=100", crowd.servers).status == 0
        assert crowd.alive() == (1, 1)
    with Crowd(100) as crowd:
        assert tcpdrop("drop", crowd.servers).status == 0
        assert crowd.alive() == (0, 0)


BOUNDS = {
    "yes lifts the default": (("--yes",), 0),
    "an explicit bound is enough": (("--max-drops=101",), 0),
    "none is explicit": (("--max-drops", "none"), 0),
    "yes never lifts an explicit one": (("--yes", "--max-drops=100"), 4),
    "less": (("--max-drops=100",), 4),
    "zero": (("--yes", "--max-drops=0"), 4),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_bounds(case):
    options, status = BOUNDS[case]
    with Crowd(101) as crowd:
        done = tcpdrop("drop", *options, crowd.servers)
        assert done.status == status, done.err
        assert crowd.alive() == ((0, 0) if status == 0 else (101, 101))
        assert (done.out == "") == (status == 4)


def test_protected_rows_do_not_count_towards_a_bound():
    with Crowd(101, ports=1) as crowd:
        first = json.loads(tcpdrop("list", "--jsonl", "--limit=1", crowd.servers).out.splitlines()[0])
        port = first["remote_port"]
        done = tcpdrop("drop", "--protect", f"rport {port}", crowd.servers)
        assert done.status == 0
        assert crowd.alive() == (1, 1)


BROAD = [("-a",), ("drop", "--all"), ("-s", "established"), ("drop", "--state=established"), ("drop", "-s", "all")]


@pytest.mark.parametrize("form", BROAD)
def test_broad_forms_need_yes(holder, form):
    pair = holder.pair()
    for more in ((), ("--max-drops=none",), ("--max-drops=100000",)):
        done = tcpdrop(*form, *more)
        assert (done.status, done.out) == (4, "")
        assert "--yes" in done.err
    assert pair.alive()


def test_a_state_with_another_selector_is_not_broad(holder):
    pair = holder.pair()
    assert tcpdrop("-s", "established", "--local-port", str(pair.lport)) == (0, f"{line(pair)}: dropped\n", "")


def test_exact_forms_are_exempt():
    with Crowd(150) as crowd:
        saved = tcpdrop("list", "--jsonl", crowd.servers).out.encode()
        done = tcpdrop("drop", "--from", "-", "--max-drops=149", stdin=None, input=saved)
        assert done.status == 4
        assert crowd.alive() == (150, 150)
        assert tcpdrop("drop", "--from", "-", stdin=None, input=saved).status == 0
        assert crowd.alive() == (0, 0)


# ---- rounds


class Coming:
    """A connection more whenever the command looks."""

    def __init__(self, service, monkeypatch):
        from tcpdrop.cli import drop as dropping

        self.service = service
        self.select = dropping.select
        monkeypatch.setattr(dropping, "select", self.look)

    def look(self, *args, **kwargs):
        self.service.connect()
        return self.select(*args, **kwargs)


@pytest.mark.parametrize(
    ("options", "dropped", "status", "says"),
    [
        ((), 1, 0, "tcpdrop: 1 more match now\n"),
        (("--yes",), 4, 0, "tcpdrop: 1 more match now\n"),
        (("--yes", "--max-drops=2"), 2, 0, "tcpdrop: 1 more match, beyond the bound of 2: they were left alone\n"),
        (("--yes", "--limit=1"), 1, 0, ""),
    ],
)
def test_further_rounds(service, monkeypatch, capsys, options, dropped, status, says):
    one = service(0)
    Coming(one, monkeypatch)
    assert cli.main(["drop", *options, f"lport {one.port}"]) == status
    out, err = capsys.readouterr()
    assert out.count(": dropped\n") == dropped
    assert says in err
    assert one.alive() == len(one.clients) - dropped


def test_rounds_end_when_nothing_is_left(service):
    one = service(3)
    assert "more match" not in tcpdrop("drop", "--yes", f"lport {one.port}").err
    assert one.alive() == 0


def test_protected_rows_are_no_new_ones(service, monkeypatch):
    one = service(3)
    port = one.clients[0].name()[1]
    done = tcpdrop("drop", "--yes", "--protect", f"rport {port}", f"lport {one.port}")
    assert done.status == 0
    assert "more match" not in done.err
    assert done.err.count("protected (by") == 1
    assert one.alive() == 1
