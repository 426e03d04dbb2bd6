# SPDX-License-Identifier: BSD-2-Clause
"""The question before a drop: what it says, what answers it, and what comes while it stands."""

import json
import os
import signal
import types

import pytest
from support.command import tcpdrop
from support.screen import Window
from support.service import until_dropped
from support.terminal import Terminal

from tcpdrop import cli
from tcpdrop.cli import prompt
from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


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


def test_the_end_of_input_names_yes(service):
    one = service(2)
    with Terminal("drop", f"lport {one.port}") as terminal:
        assert "a script says --yes" in terminal.expect("[y/N] ").type("\x04").end()[2]
    with Terminal("drop", f"lport {one.port}") as terminal:
        assert "--yes" not in terminal.expect("[y/N] ").type("n\n").end()[2]


def test_l_lists_them_by_the_page_and_asks_again(holder, service):
    one = service(30)
    with Window("drop", f"lport {one.port}", size=(10, 80)) as window:
        window.until("[y/N]").press("l\n").until("9 of 30; Enter: more, q: enough")
        row = window.row_of("ESTABLISHED")
        assert f"127.0.0.1:{one.port}" in row
        assert f"{holder.pid} {procfs.command_of(holder.pid)}" in row
        window.press("\n").until("18 of 30").press("q\n").until("Drop 30: ")
        window.press("l\n\n\n").until("27 of 30").press("\n")
        window.until(lambda text: "27 of 30" in text and "Drop 30: " in text).press("n\n")
        assert window.end() == 4
    assert one.alive() == 30


@pytest.mark.parametrize(
    ("answers", "left"),
    [("nyn", (True, False, True)), ("yq", (False, True, True)), ("na", (True, False, False)), ("y\x04", (False, True, True))],
    ids=repr,
)
def test_i_asks_one_by_one(service, answers, left):
    one = service(3)
    with Terminal("drop", f"lport {one.port}", "--jsonl") as terminal:
        terminal.expect("Drop 3: ").type("i\n")
        asked = []
        for number, answer in enumerate(answers, 1):
            terminal.expect(f"  {number} of 3, drop it?")
            asked.append(int(terminal.seen.splitlines()[-2].split()[2].rpartition(":")[2]))
            terminal.type(answer if answer == "\x04" else f"{answer}\n")
        status, out, seen = terminal.end()
    by_port = {entry["remote_port"]: entry["outcome"] for entry in map(json.loads, out.splitlines()) if entry["type"] == "connection"}
    ports = [*asked, *(port for port in by_port if port not in asked)]
    expected = {port: "listed" if lives else "dropped" for port, lives in zip(ports, left)}
    assert status == 0
    assert by_port == expected
    assert one.alive() == sum(left)
    # By the server's ends, which were dropped: not every system tells the peer at once.
    alive = {client.name()[1] for client, server in zip(one.clients, one.servers) if server.errno("send", b"x") == 0}
    assert alive == {port for port in ports if expected[port] == "listed"}
    assert "not attempted" in seen or all(not lives for lives in left)


@pytest.mark.parametrize("answers", ["n\nn\n", "q\n"], ids=repr)
def test_none_of_them_is_not_confirmed(service, answers):
    one = service(2)
    with Terminal("drop", f"lport {one.port}") as terminal:
        terminal.expect("[y/N] ").type("i\n").expect("1 of 2, drop it?").type(answers)
        status, out, seen = terminal.end()
    assert (status, out) == (4, "")
    assert "not confirmed: nothing was dropped" in seen
    assert one.alive() == 2


def test_a_choice_approves_no_later_look(service):
    one = service(2)
    with Terminal("drop", "--for", "20s", "--interval", "500ms", f"lport {one.port}") as terminal:
        terminal.expect("Drop 2: ").type("i\n").expect("1 of 2, drop it?").type("y\n").expect("2 of 2, drop it?")
        one.connect()  # before the next look, which would find one alone, and asks about no single one
        terminal.seen = ""
        status, out, _ = terminal.type("n\n").expect("Drop 2: ").type("n\n").end()
    assert (status, len(out.splitlines())) == (0, 1)
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_answers_the_question_where_stdout_is_the_terminal_too(service, number):
    one = service(2)
    with Terminal("drop", f"lport {one.port}", stdout_too=True) as terminal:
        terminal.expect("[y/N] ").process.send_signal(number)
        assert terminal.end()[0] == 128 + number
    assert one.alive() == 2


def test_control_c_answers_the_question_where_stdout_is_the_terminal_too(service):
    one = service(2)
    with Terminal("drop", f"lport {one.port}", stdout_too=True) as terminal:
        assert terminal.expect("[y/N] ").type("\x03").end()[0] == 130
    assert one.alive() == 2


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
    assert one.clients[0].errno("send", b"x") == 0


def test_saved_rows_on_standard_input_are_exact_and_not_asked_for(service):
    one = service(3)
    saved = tcpdrop("list", "--jsonl", f"lport {one.port}").out.encode()
    with Terminal("drop", "--from", "-", saved=saved) as terminal:
        status, out, seen = terminal.end()
    assert status == 0
    assert len(out.splitlines()) == 3
    assert "[y/N]" not in seen
    assert one.alive() == 0


# ---- --ask


def saved_rows(one):
    return tcpdrop("list", "--jsonl", f"lport {one.port}").out.encode()


@pytest.mark.parametrize(("answers", "status", "left"), [("y\n", 0, 0), ("n\n", 4, 3), ("l\ny\n", 0, 0), ("i\ny\nn\nn\n", 0, 2)], ids=repr)
def test_saved_rows_are_asked_about_where_that_is_wished(service, answers, status, left):
    """Standard input carries them: the terminal of the session answers."""
    one = service(3)
    with Terminal("drop", "--from", "-", "--ask", saved=saved_rows(one)) as terminal:
        terminal.expect("Drop 3: ").type(answers)
        assert terminal.end()[0] == status
    assert ("ESTABLISHED" in terminal.seen) == (answers[0] in "li")
    assert one.alive() == left


def test_one_match_is_asked_about_where_that_is_wished(service):
    one = service(1)
    with Terminal("drop", "--ask", f"lport {one.port}") as terminal:
        assert terminal.expect("Drop 1: ").type("\n").end()[0] == 4
    assert one.alive() == 1


@pytest.mark.parametrize("more", [[], ["-n"]], ids=["for good", "dry run"])
def test_where_nobody_can_be_asked_nothing_is_dropped(service, more):
    """Cron, a daemon: the session has no terminal.  A dry run says the same."""
    one = service(1)
    done = tcpdrop("drop", "--ask", *more, f"lport {one.port}", start_new_session=True)
    assert done.status == 4
    assert "--ask: there is no terminal to ask at" in done.err
    assert one.alive() == 1


def test_ask_and_yes_exclude_each_other():
    assert tcpdrop("drop", "--ask", "--yes", "lport 1") == (2, "", "tcpdrop: --yes and --ask exclude each other\n")


def test_a_bound_is_checked_before_anything_is_asked(service):
    one = service(3)
    with Terminal("drop", "--max-drops=2", f"lport {one.port}") as terminal:
        status, out, seen = terminal.end()
    assert (status, out) == (4, "")
    assert "[y/N]" not in seen
    assert one.alive() == 3


@pytest.mark.parametrize("answer", ["\x03", "n\n"], ids=["control-c", "no"])
def test_leaving_at_a_later_question_keeps_the_account(service, answer):
    """--for: the first look dropped one, the second found two and asks."""
    one = service(1)
    (first,) = one.clients
    with Terminal("drop", "--for", "60s", "--interval", "500ms", f"rport {one.port}", stdout_too=True) as terminal:
        until_dropped(first)
        terminal.process.send_signal(signal.SIGSTOP)  # both come between two looks: one alone is dropped unasked
        later = [one.connect() for _ in range(2)]
        terminal.process.send_signal(signal.SIGCONT)
        status, _, seen = terminal.expect("[y/N] ").type(answer).end()
    assert status == (130 if answer == "\x03" else 0)
    assert "nothing was dropped" not in seen
    assert ("1 dropped" in seen) == (answer == "\x03")
    assert all(client.errno("send", b"x") == 0 for client in later)


def test_a_signal_that_came_while_the_question_was_made_ends_it_too(monkeypatch, capsys, service):
    """It was noted by the run, and the question stood there all the same."""
    one = service(2)
    real = prompt.question
    monkeypatch.setattr(prompt, "question", lambda victims: os.kill(os.getpid(), signal.SIGINT) or real(victims))
    asked = []
    terminal = types.SimpleNamespace(write=asked.append, ask=asked.append)
    monkeypatch.setattr(prompt, "_of_this_command", lambda: terminal)
    assert cli.main(["drop", "--no-syslog", f"lport {one.port}"]) == 130
    assert "nothing was dropped (stopped by a signal)" in capsys.readouterr().err
    assert (asked, one.alive()) == ([], 2)
