# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop top at a real terminal: what is shown, each key, what is dropped, and a terminal that is whole afterwards."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.command import COMMAND, NOBODY, needs, run, words
from support.screen import Window
from support.wait import until

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]

DOWN, UP, PAGE_DOWN, PAGE_UP, HOME, END = "\x1b[B", "\x1b[A", "\x1b[6~", "\x1b[5~", "\x1b[7~", "\x1b[8~"


def top(*args, **how):
    return Window("top", "--no-syslog", "--interval", "200ms", *args, **how)


def dropped(pair):
    """Its program got an error, and the kernel has it no more."""
    return pair.state() is None


def servers(*pairs):
    """A filter for these ends of these pairs; by both ports, since one of them may be an older connection's as well."""
    return f"lport {','.join(str(pair.lport) for pair in pairs)} rport {','.join(str(pair.rport) for pair in pairs)}"


@pytest.mark.only_on("linux", reason="names of processes, and what was moved")
def test_rows_say_state_ends_process_and_rates(holder):
    pair = holder.pair()
    with top(servers(pair)) as window:
        window.until("1 connection ").until(str(holder.pid))
        row = window.row_of(f":{pair.lport} ")
        assert re.search(rf"ESTABLISHED 127\.0\.0\.1:{pair.lport} +127\.0\.0\.1:{pair.rport} +{holder.pid} \S+", row), row
        window.until(lambda text: re.search(rf"{holder.pid} \S+ +0 +0$", text, re.M))
        assert window.press("q").end() == 0
        assert window.is_whole()


@pytest.mark.only_on("sunos", reason="tells who made a socket, and counts no bytes")
def test_what_this_system_does_not_tell_is_left_empty(holder):
    pair = holder.pair()
    with top(servers(pair)) as window:
        window.until(
            lambda text: re.search(rf"ESTABLISHED 127\.0\.0\.1:{pair.lport} +127\.0\.0\.1:{pair.rport} +{holder.pid}$", text, re.M)
        )
        window.press("f\x15").press("comm x").until("cannot be answered").press("\x1b").until("1 connection ")
        for key in "123456789":
            window.press(key).until(f"by {['rate', 'state', 'local', 'remote', 'process', 'recvq', 'sendq', 'idle', 'age'][int(key) - 1]}")
        assert window.row_of(f":{pair.lport} ")
        assert window.press("q").end() == 0


def test_a_new_row_is_marked_and_an_ended_one_fades_one_look(holder):
    first = holder.pair()
    with top(f"loopback and pid {holder.pid}") as window:
        window.until(f":{first.lport}")
        second = holder.pair()
        window.until(lambda text: window.row_of(rf"^\+ .*:{second.lport} "))
        window.until(lambda text: window.row_of(rf"^  .*:{second.lport} "))
        second.close()
        window.until(lambda text: window.row_of(rf"^- .*:{second.lport}\b"))
        window.until(lambda text: not window.row_of(rf":{second.lport}\b"))
        assert window.press("q").end() == 0


def test_the_filter_is_edited_live_with_its_error_below(holder):
    one, other = holder.pair(), holder.pair()
    with top(servers(one, other)) as window:
        window.until("2 connections")
        window.press("f\x15")  # ^U
        for part, seen in ((f"lport {one.lport}", "1 connection "), (" and bogus", "'bogus'")):
            window.press(part).until(seen)
        assert window.row_of(f":{one.lport} ")  # the last good filter still selects
        window.press("\x1b").until(lambda text: "2 connections" in text and "'bogus'" not in text)  # as it was
        window.press("f\x15" + f"lport {other.lport}\r").until("1 connection ")
        assert window.rows()[1] == f"filter: lport {other.lport}"
        assert window.press("q").end() == 0


def test_a_long_filter_shows_its_end_while_it_is_typed(holder):
    one = holder.pair()
    with top(servers(one)) as window:
        window.until("1 connection ").press("f").press(
            f" and not ( lport 1 or lport 2 or lport 3 or rport 4 or rport 5 ) and lport {one.lport}"
        )
        window.until(lambda text: window.rows()[1].endswith(f" and lport {one.lport}"))
        assert window.screen.cursor.x == len(window.rows()[1])
        window.press("\r").until("1 connection ")
        assert window.press("q").end() == 0


def test_marks_a_question_and_a_drop_seen_by_the_sockets(holder):
    pairs = [holder.pair() for _ in range(3)]
    with top(servers(*pairs)) as window:
        window.until("3 connections").press("2")  # any stable order: by state
        window.press("3").until("by local").press(HOME)
        window.press(" ").until("1 marked").press(" ").until("2 marked")
        marked = [int(re.search(r"127\.0\.0\.1:(\d+) ", row)[1]) for row in window.rows() if row.startswith("*")]
        assert len(marked) == 2
        window.press("d").until("Drop 2: ").press("n").until("not confirmed: nothing was dropped")
        assert all(pair.alive() for pair in pairs)
        window.press("d").until("Drop 2: ").press("y").until(lambda text: text.count(": dropped") == 2)
        assert sorted(pair.lport for pair in pairs if dropped(pair)) == sorted(marked)
        window.until("1 connection ")
        time.sleep(0.5)
        assert window.text().count(": dropped") == 2  # stays to be read
        assert window.press("q").end() == 0
        assert "2 dropped" in window.raw.decode()


def test_enter_drops_the_row_at_the_cursor_and_a_dry_run_nothing(holder):
    pair = holder.pair()
    with top(servers(pair), "-n") as window:
        window.until("DRY RUN").press("\r").until(": would drop")
        assert pair.alive()
        window.press("n").until(lambda text: "DRY RUN" not in text)
        window.press("\r").until("Drop 1: ").press("y").until(": dropped")
        assert dropped(pair)
        assert window.press("q").end() == 0


def test_a_marks_all_that_match_and_o_shows_every_outcome(holder):
    pairs = [holder.pair() for _ in range(8)]
    with top(servers(*pairs)) as window:
        window.until("8 connections").press("a").until("8 marked").press("a").until(lambda text: "marked" not in text.splitlines()[0])
        window.press("a").until("8 marked").press("d").until("Drop 8: ").press("y").until(": dropped")
        window.press("o").until(lambda text: text.count(": dropped") == 8).press("x").until("0 connections")
        assert all(map(dropped, pairs))
        assert window.press("q").end() == 0


def test_a_row_that_has_ended_meanwhile_is_gone_not_dropped(holder):
    """Each has its own outcome, by its identity."""
    pair, bystander = holder.pair(), holder.pair()
    with top(servers(pair, bystander)) as window:
        window.until("2 connections").press("p").until("PAUSED").press("a").until("2 marked")
        assert run(COMMAND, "--no-syslog", *words(pair)).status == 0
        window.press("d").until("Drop 2: ").press("y").until(": dropped").until("not found")
        assert dropped(bystander)
        assert window.press("q").end() == 0


def test_sorting_by_a_key_and_reversed_by_the_same(holder):
    pairs = [holder.pair() for _ in range(4)]
    ports = sorted(pair.lport for pair in pairs)

    def shown():
        return [int(found[1]) for row in window.rows() if (found := re.search(r"ESTABLISHED 127\.0\.0\.1:(\d+) ", row))]

    with top(servers(*pairs)) as window:
        window.until("4 connections").press("3").until("by local")
        window.until(lambda text: shown() == ports)
        window.press("3").until("reversed").until(lambda text: shown() == ports[::-1])
        for key, word in (
            ("1", "by rate"),
            ("2", "by state"),
            ("4", "by remote"),
            ("5", "by process"),
            ("s", "by recvq"),
            ("S", "by process"),
        ):
            window.press(key).until(word)
        window.press("9").until("by age").press("r").until("reversed")
        assert window.press("q").end() == 0


def test_the_cursor_pages_and_searches(holder):
    pairs = [holder.pair() for _ in range(40)]
    ports = sorted(pair.lport for pair in pairs)

    def cursor():
        for height in range(4, 24):
            if window.screen.buffer[height][2].reverse:
                found = re.search(r"127\.0\.0\.1:(\d+) ", window.rows()[height])
                return int(found[1]) if found else None
        return None

    with top(servers(*pairs)) as window:
        window.until("40 connections").press("3").press(HOME).until(lambda text: cursor() == ports[0])
        window.press(DOWN + DOWN).until(lambda text: cursor() == ports[2])
        window.press(UP).until(lambda text: cursor() == ports[1])
        window.press(END).until(lambda text: cursor() == ports[-1])
        window.press(PAGE_UP).until(lambda text: cursor() == ports[-1 - 18])
        window.press(PAGE_DOWN).until(lambda text: cursor() == ports[-1])
        window.press(HOME).press(f"/{ports[30]}\r").until(lambda text: cursor() == ports[30])
        window.press("/nowhere\r").until("'nowhere' is in no row")
        window.press("N").until("'nowhere' is in no row")
        assert window.press("q").end() == 0


@pytest.mark.only_on("linux", reason="names of processes")
def test_the_holder_is_searched_as_well(holder):
    pair = holder.pair()
    with top(servers(pair)) as window:
        window.until(f" {holder.pid} ").press(f"/{holder.pid}\r/no such name\r").until("'no such name' is in no row")
        window.press(f"/{holder.pid}\r").until(lambda text: "is in no row" not in text)
        assert window.press("q").end() == 0


def test_all_that_is_known_of_a_row_and_the_keys(holder):
    pair = holder.pair()
    with top(servers(pair)) as window:
        window.until(str(holder.pid)).press("i").until("cookie").until("local_port")
        assert window.row_of(rf"^local_port +{pair.lport}$")
        window.press("x").until("1 connection ").press("?").until("dry run on and off").press("x").until("1 connection ")
        assert window.press("q").end() == 0


@pytest.mark.parametrize("size", [(24, 80), (10, 40), (5, 20), (50, 200)], ids=str)
def test_every_size_is_drawn_and_resizing_works(holder, size):
    pair = holder.pair()
    with top(servers(pair), size=size) as window:
        window.until("tcpdrop top")
        window.resize(24, 80).until(lambda text: window.row_of(f":{pair.lport} ") and "q" in window.rows()[-1])
        window.resize(30, 132).until("RECVQ").until("IDLE")
        window.resize(8, 30).until(lambda text: len(window.rows()[0]) <= 30)
        window.resize(24, 80).until(f":{pair.lport} ")
        assert window.press("q").end() == 0


def painted(window):
    return bool(re.search(rb"\x1b\[[0-9;]*3[0-7]m", window.raw))


@pytest.mark.parametrize("env", [{"LINES": "5", "COLUMNS": "20"}, {"COLUMNS": "100000"}, {"LINES": "x"}], ids=str)
def test_the_terminal_s_size_is_the_terminal_s_own(holder, env):
    """Of these curses would stay so small, or end the process."""
    with top(servers(holder.pair()), env=env) as window:
        window.until(lambda text: window.rows()[-1].endswith("? keys  q"))
        assert window.press("q").end() == 0


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "vt100"}, {"LC_ALL": "C"}], ids=str)
def test_without_colours_or_characters_it_is_legible(holder, env):
    pair = holder.pair()
    with top(servers(pair), env=env) as window:
        window.until(f":{pair.lport} ").press(" ").until("1 marked")
        assert window.row_of(r"^\* ")
        if "NO_COLOR" in env:
            assert not painted(window)
        assert window.press("q").end() == 0


def test_a_terminal_whose_own_colours_cannot_be_had_back(holder, tmp_path):
    """It has colours and no way back to its own (op): it is drawn without any."""
    if shutil.which("tic") is None:
        pytest.skip("no tic here")
    entry = r"half|colours without op, colors#8, pairs#64, setaf=\E[3%p1%dm, setab=\E[4%p1%dm, use=vt100,"
    subprocess.run(["tic", "-x", "-o", tmp_path, "-"], input=entry, text=True, check=True, capture_output=True)
    pair = holder.pair()
    with top(servers(pair), env={"TERM": "half", "TERMINFO": str(tmp_path)}) as window:
        window.until(f":{pair.lport} ").press(" ").until("1 marked")
        assert window.press("q").end() == 0


@pytest.mark.parametrize(("color", "env", "expected"), [("auto", {}, True), ("never", {}, False), ("always", {"NO_COLOR": "1"}, True)])
def test_colours_as_they_are_wished(holder, color, env, expected):
    with top(servers(holder.pair()), "--color", color, env=env) as window:
        window.until("1 connection ").press(" ").until("1 marked")
        assert window.press("q").end() == 0
        assert painted(window) == expected


def test_hostile_names_do_no_harm(holder):
    """Control characters, wide ones and bytes that are no UTF-8 in the name of a process."""
    pair = holder.pair()
    for name in (b"\x1b[2Jx\n\r", "日本語の名前".encode()[:15], b"\xff\xfe\x80bad"):
        code = (
            "import ctypes, socket, sys, time; ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0);"
            "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); k = s.accept();"
            "print(s.getsockname()[1], flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", code, name.hex()], stdout=subprocess.PIPE, text=True, cwd="/") as child:
            try:
                port = int(child.stdout.readline())
                with top(f"lport {port},{pair.lport}", size=(24, 100)) as window:
                    window.until("2 connections").until(str(child.pid))
                    assert window.row_of(f":{port} ") and window.row_of(f":{pair.lport} ")
                    assert all(len(row) <= 100 for row in window.rows())
                    assert window.press("q").end() == 0
            finally:
                child.kill()


# ---- what must live


def test_ones_own_session_is_shown_as_you_and_cannot_be_marked(holder):
    own, other = holder.pair(), holder.pair()
    env = {"SSH_CONNECTION": f"127.0.0.1 {own.rport} 127.0.0.1 {own.lport}"}
    with top(servers(own, other), env=env) as window:
        window.until("2 connections").until(lambda text: window.row_of(rf":{own.lport} .* you\b"))
        window.press("a").until("1 marked; 1 of your own session not")
        window.press("d").until("Drop 1: ").press("y").until(": dropped")
        assert own.alive() and dropped(other)
        window.until("1 connection ").press(" ").until("not marked: named by SSH_CONNECTION")
        window.press("d").until("protected")  # also when it is only at the cursor
        assert own.alive()
        assert window.press("q").end() == 0


def test_what_a_rule_protects_says_why(holder):
    kept, other = holder.pair(), holder.pair()
    with top(servers(kept, other), "--protect", f"lport {kept.lport}") as window:
        window.until("2 connections").press("a").until("1 marked; 1 by a rule not").press("d").until("Drop 1: ").press("y")
        window.until(": dropped").until("1 connection ")
        assert kept.alive() and dropped(other)
        window.press(" ").until(f"not marked: by --protect 'lport {kept.lport}'")
        window.press("i").until(f"protected_by    by --protect 'lport {kept.lport}'").press("x")
        window.until(lambda text: f"\nby --protect 'lport {kept.lport}'" in text)  # it is at the cursor
        window.press("d").until("protected (by --protect")
        assert kept.alive()
        assert window.press("q").end() == 0


@pytest.mark.only_on("linux", reason="the right and its name")
def test_who_may_drop_nothing_is_told_all_of_the_reason(holder):
    pair = holder.pair()
    wrapper = needs(*NOBODY)
    with top(servers(pair), command=(shutil.which(wrapper[0]), *wrapper[1:], COMMAND)) as window:
        window.until("1 connection ").press("d").until("not permitted")
        window.until(lambda text: "CAP_NET_ADMIN" in text and "sudo" in text)
        assert pair.alive()
        assert window.press("q").end() == 0


def test_many_keys_are_not_drawn_one_by_one(holder):
    """Where the operator's login cannot be told, what must live is asked of everything that is there: not at each key."""
    pairs = [holder.pair() for _ in range(40)]
    with top(servers(*pairs), env={"SUDO_USER": "alice"}) as window:
        window.until("40 connections").until(str(holder.pid)).press("3").until("by local")
        drawn = len(window.raw)
        window.press((DOWN + UP) * 300 + END)
        last = max(pair.lport for pair in pairs)
        window.until(lambda text: window.row_of(f":{last} "))
        assert len(window.raw) - drawn < 30_000  # each of 600 draws would move the cursor by some 200 bytes
        assert window.press("q").end() == 0


# ---- ways out


def test_no_terminal_is_one_line_and_status_2():
    done = run(COMMAND, "top")
    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1 and "terminal" in done.err


@pytest.mark.parametrize(
    "words", [["top", "bogus"], ["top", "state", "listen"], ["top", "--yes"], ["top", "--interval", "0s"]], ids=" ".join
)
def test_a_mistake_is_told_before_the_screen_is_taken(words):
    with Window(*words) as window:
        assert window.end() == 2
        assert b"\x1b[?47h" not in window.raw


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_whole(holder, number):
    pair = holder.pair()
    with top(servers(pair)) as window:
        window.until("1 connection ")
        os.kill(window.process.pid, number)
        assert window.end() == 128 + number
        assert window.is_whole()
        assert pair.alive()


@pytest.mark.parametrize("at", ["the question", "a filter", "a page"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_wherever_it_waits(holder, number, at):
    pair = holder.pair()
    keys, seen = {"the question": ("d", "[y/N]"), "a filter": ("f", "Enter: keep"), "a page": ("?", "any key: back")}[at]
    with top(servers(pair)) as window:
        window.until("1 connection ").press(keys).until(seen)
        os.kill(window.process.pid, number)
        assert window.end() == 128 + number
        assert window.is_whole()
        assert pair.alive()


def test_it_stops_and_comes_back(holder):
    """^Z and fg, in a shell with job control."""
    pair = holder.pair()
    shell = ("/bin/bash", "-c", 'set -m; "$@"; stty -a; echo stopped; read line; fg; echo ended $?', "bash", COMMAND)
    with top(servers(pair), command=shell) as window:
        window.until("1 connection ").press("\x1a").until("stopped")
        assert re.search(r"(?<!-)icanon", window.text()) and re.search(r"(?<!-)echo\b", window.text())
        window.press("\n").until(f":{pair.lport} ").press("?").until("dry run on and off")
        window.press("x").until(f":{pair.lport} ").press("q").until("ended 0")


def test_a_stop_while_it_draws_is_not_lost(holder):
    """^S holds its output, so it waits in the midst of a draw, while curses ignores SIGTSTP; ^Z lets the output go on."""
    pair = holder.pair()
    shell = ("/bin/bash", "-c", 'set -m; "$@"; echo stopped; read line; fg; echo ended $?', "bash", COMMAND)
    with top(servers(pair), command=shell) as window:
        window.until(f":{pair.lport} ").press("\x13")
        pid = os.tcgetpgrp(window.master)
        until(lambda: "poll" not in Path(f"/proc/{pid}/wchan").read_text(encoding="ascii"), "it to wait for its output")
        time.sleep(0.3)  # a look is no wait that long
        assert "poll" not in Path(f"/proc/{pid}/wchan").read_text(encoding="ascii")
        window.press("\x1a").until("stopped")
        window.press("\n").until(f":{pair.lport} ").press("q").until("ended 0")


@pytest.mark.parametrize("ignored", [False, True], ids=["hangup", "nohup"])
def test_a_terminal_that_dies_ends_it(holder, ignored):
    pair = holder.pair()
    command = ("/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", COMMAND) if ignored else (COMMAND,)
    with top(servers(pair), command=command) as window:
        window.until("1 connection ")
        window.hang_up()
        assert window.process.wait(20) in ((3,) if ignored else (129, -signal.SIGHUP))
        assert pair.alive()


def test_an_idle_screen_costs_little(holder):
    """Not a measure of speed: two seconds of a screen that shows ten rows are no busy loop."""
    pair = holder.pair()
    with Window("top", servers(pair)) as window:
        window.until("1 connection ")

        def spent():
            fields = Path(f"/proc/{window.process.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        before = spent()
        window.read(2)
        assert spent() - before < 60  # hundredths of a second; a busy loop takes 200
        assert window.press("q").end() == 0
