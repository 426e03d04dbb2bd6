# SPDX-License-Identifier: BSD-2-Clause
"""drop --from: a saved list means the same sockets as before, and one line that cannot be read stops it all."""

import json
import os
import subprocess
import threading
import time

import pytest
from support import procnet
from support.command import COMMAND, line, needs, run, tcpdrop, words
from support.holder import fresh_ports

import tcpdrop as package
from tcpdrop.cli import saved as saved_list

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


def jsonl(*filters):
    done = tcpdrop("list", "--jsonl", *filters)
    assert done.status == 0, done.err
    return done.out


def test_an_edited_list_drops_what_was_left_in_it(holder, tmp_path):
    pairs = [holder.pair() for _ in range(4)]
    saved = tmp_path / "victims"
    lines = jsonl("port", ",".join(str(pair.lport) for pair in pairs)).splitlines()
    keep = [text for text in lines if json.loads(text).get("local_port") in (pairs[0].lport, pairs[2].lport)]
    saved.write_text("# edited\n\n" + "\n".join(keep) + "\n", encoding="utf-8")
    done = tcpdrop("drop", "--from", saved)
    assert done.status == 0, done.err
    assert sorted(done.out.splitlines()) == sorted(f"{line(pair)}: dropped" for pair in (pairs[0], pairs[2]))
    assert pairs[1].alive()
    assert pairs[3].alive()


@pytest.mark.parametrize("spelling", ["{}", "{}: would drop", "{}: dropped", "tcpdrop {}", "tcpdrop {}  # because"])
@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_every_line_we_print_can_be_read_back(holder, family, spelling, tmp_path):
    pair = holder.pair(family)
    saved = tmp_path / "victims"
    saved.write_text(spelling.format(line(pair)) + "\n", encoding="utf-8")
    assert tcpdrop("drop", "--from", saved) == (0, f"{line(pair)}: dropped\n", "")
    assert pair.state() is None


def test_l_is_a_program_and_a_saved_list(holder, tmp_path):
    pair = holder.pair()
    saved = tmp_path / "victims"
    out = tcpdrop("drop", "-l", "lport", str(pair.lport)).out
    assert out == f"tcpdrop {line(pair)}\n"
    saved.write_text(out, encoding="utf-8")
    assert pair.alive()
    assert tcpdrop("drop", f"--from={saved}").status == 0
    assert pair.state() is None


def test_many_values_in_one_line_take_no_longer_than_lines(tmp_path):
    """As jq -j and tr write them.  Each had all that is behind it in its line copied, which took fifteen times as long."""
    values = [entry(local_port=number, process="x" * 400) for number in range(1, 16001)]
    took = []
    for between in ("\n", "", " "):
        saved = tmp_path / "victims"
        saved.write_text(between.join(values), encoding="utf-8")
        began = time.process_time()
        assert len(saved_list.read(str(saved), None)) == len(values)
        took.append(time.process_time() - began)
    assert max(took) < 4 * took[0] + 1


ENTRY = {"schema": 1, "type": "connection", "cookie": "7", "local_addr": "::1", "local_port": 1, "remote_addr": "::1", "remote_port": 2}


def entry(**changed):
    return json.dumps({**ENTRY, **changed})


BAD = {
    "words": "127.0.0.1 1 127.0.0.1",
    "port": "127.0.0.1 0 127.0.0.1 5",
    "wildcard": "0.0.0.0 1 127.0.0.1 5",
    "name": "localhost 1 127.0.0.1 5",
    "no json": "{",
    "array": "[1]",
    "deep": '{"a":' * 100000,
    "bytes": "\x1b[31m\x00\udcff",
    "schema": entry(schema=2),
    "no cookie": json.dumps({name: value for name, value in ENTRY.items() if name != "cookie"}),
    "null cookie": entry(cookie=None),
    "any cookie": entry(cookie="f" * 16),
    "zero cookie": entry(cookie="0"),
    "number cookie": entry(cookie=7),
    "text port": entry(local_port="1"),
    "huge port": entry(local_port=65536),
    "null address": entry(local_addr=None),
    "wild address": entry(local_addr="::"),
    "two families": entry(local_addr="127.0.0.1"),
    "huge ifindex": entry(ifindex=99999999999),
    "list ifindex": entry(ifindex=[]),
    "text ifindex": entry(ifindex="1"),
    "namespace": entry(netns=7),
}


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_line_is_named_and_nothing_is_dropped(holder, bad, tmp_path):
    pair = holder.pair()
    saved = tmp_path / "victims"
    text = f"{line(pair)}\n# a comment\n{BAD[bad]}\n{line(pair, swapped=True)}\n"
    saved.write_bytes(text.encode("utf-8", "surrogateescape"))
    for given in (("--from", saved, "--yes"), ("--from", saved, "--jsonl")):
        done = tcpdrop("drop", *given)
        assert done.status == 2, done
        assert "--from: line 3 cannot be read: " in done.err
        assert "\x1b" not in done.err
        assert "Traceback" not in done.err
        assert done.out == "" or json.loads(done.out)["type"] == "error"
    assert pair.alive()


def test_what_cannot_be_opened_is_a_usage_error(tmp_path):
    done = tcpdrop("drop", "--from", tmp_path / "absent")
    assert (done.status, done.out) == (2, "")
    assert "No such file" in done.err
    assert tcpdrop("drop", "--from", tmp_path).status == 2
    empty = tmp_path / "empty"
    empty.write_text("", encoding="utf-8")
    assert tcpdrop("drop", "--from", empty)[:2] == (1, "")


def test_a_listeners_cookie_in_a_saved_row_does_not_kill_the_listener(holder, tmp_path):
    listener = holder.listener()
    port = listener.name()[1]
    client = holder.socket()
    client.call("connect", listener.name())
    server = listener.accept()
    (listening,) = list(package.connections(f"state listen lport {port}"))
    entry = json.loads(jsonl(f"lport {port}").splitlines()[0])
    for changed in ({"cookie": listening.cookie}, {"cookie": listening.cookie, "remote_port": 1}):
        saved = tmp_path / "victims"
        saved.write_text(json.dumps({**entry, **changed}) + "\n", encoding="utf-8")
        done = tcpdrop("drop", "--from", saved)
        assert (done.status, done.out) == (1, "")
    assert len(procnet.listeners(port)) == 1
    client.call("sendall", b"x")
    assert server.call("recv", 1) == b"x"


@pytest.mark.only_on("linux", reason="network namespaces")
def test_a_saved_row_of_another_namespace_is_dropped_there(holder, other_namespace, tmp_path):
    """It says where it was seen, so that the same tuple here is left alone."""
    there, _ = other_namespace
    ports = fresh_ports()
    pair, same_here = there.pair(**ports), holder.pair(**ports)
    saved = tmp_path / "victims"
    saved.write_text(tcpdrop("list", f"--netns={there.pid}", "--jsonl", f"lport {pair.lport}").out, encoding="utf-8")
    where = os.readlink(f"/proc/{there.pid}/ns/net")
    preview = tcpdrop("drop", "-n", "--from", saved)
    assert preview[:2] == (0, f"# --netns='{where}'\n{line(pair)}: would drop\n")
    (entry, _) = map(json.loads, tcpdrop("drop", "-n", "--jsonl", "--from", saved).out.splitlines())
    assert entry["netns"] == where
    saved.write_text(preview.out, encoding="utf-8")  # what is printed of it means the same
    assert tcpdrop("drop", "--from", saved)[:2] == (0, f"# --netns='{where}'\n{line(pair)}: dropped\n")
    assert pair.state() is None
    assert same_here.alive()


@pytest.mark.only_on("linux", reason="network namespaces")
def test_one_namespace_in_several_spellings_is_one(holder, tmp_path):
    """What is told is what it is called here, and not what the file calls it."""
    pair = holder.pair()
    entry = json.loads(jsonl(f"lport {pair.lport}").splitlines()[0])
    spellings = [None, "/proc/self/ns/net", f"/proc/{os.getpid()}/ns/net", str(os.getpid()), os.readlink("/proc/self/ns/net")]
    saved = tmp_path / "victims"
    saved.write_text("".join(json.dumps({**entry, "netns": where}) + "\n" for where in spellings), encoding="utf-8")
    found, summary = map(json.loads, tcpdrop("drop", "-n", "--jsonl", "--from", saved).out.splitlines())
    assert (found["netns"], summary["counts"]) == (None, {"would_drop": 1})
    assert tcpdrop("drop", "-l", "--from", saved).out == f"tcpdrop {line(pair)}\n"


@pytest.mark.only_on("linux", reason="network namespaces")
@pytest.mark.parametrize("form", ["json", "text"])
def test_a_namespace_that_may_not_be_entered_stops_no_other(holder, other_namespace, tmp_path, form):
    wrapper = needs("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all")
    there, _ = other_namespace
    pair, theirs = holder.pair(), there.pair()
    saved = tmp_path / "victims"
    if form == "json":
        where = f"lport {pair.lport}", f"lport {theirs.lport}"
        saved.write_text(jsonl(where[0]) + tcpdrop("list", f"--netns={there.pid}", "--jsonl", where[1]).out, encoding="utf-8")
    else:
        saved.write_text(f"{line(pair)}\ntcpdrop --netns={there.pid} {line(theirs)}\n", encoding="utf-8")
    for options, word in ((("-n",), "would drop"), ((), "dropped")):
        done = tcpdrop("drop", *options, "--from", saved, wrapper=wrapper)
        assert (done.status, done.out.splitlines()[-1]) == (3, f"{line(pair)}: {word}")
        assert f"{line(theirs)}: cannot enter the network namespace: not permitted (setns: EPERM" in done.err
    assert (pair.state(), theirs.alive()) == (None, True)


@pytest.mark.only_on("linux", reason="network namespaces")
@pytest.mark.parametrize("named", ["by a line", "by --netns"])
def test_what_is_no_namespace_is_not_opened(holder, tmp_path, named):
    """Whose file it is could wind a tape by it, or start a watchdog; here a writer would see that somebody reads."""
    pair, pipe, saved = holder.pair(), tmp_path / "pipe", tmp_path / "victims"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: os.close(os.open(pipe, os.O_WRONLY)))
    writer.start()
    saved.write_text(f"tcpdrop --netns={pipe} {line(pair)}\n", encoding="utf-8")
    done = tcpdrop(*(("drop", "--from", saved) if named == "by a line" else (f"--netns={pipe}", *words(pair))))
    assert (done.status, done.out) == (3, "")
    assert f"'{pipe}' is no network namespace" in done.err
    writer.join(0.2)
    assert writer.is_alive()
    os.close(os.open(pipe, os.O_RDONLY))
    writer.join()
    assert pair.alive()


@pytest.mark.parametrize("said", [{}, {"state": "ESTABLISHED", "inode": 7, "uid": 7, "process": "x", "mapped": False, "ifindex": None}])
@pytest.mark.only_on("linux", reason="one end may close alone, and who holds the other shows")
def test_what_a_line_says_of_a_connection_is_not_repeated(holder, tmp_path, said):
    """But for which one is meant."""
    listener = holder.listener()
    client = holder.socket()
    client.call("connect", listener.name())
    listener.accept().call("shutdown", 1)
    (entry, _) = map(json.loads, jsonl(f"lport {client.name()[1]}").splitlines())
    assert entry["state"] == "CLOSE_WAIT"
    saved = tmp_path / "victims"
    saved.write_text(json.dumps({**entry, **said}), encoding="utf-8")
    found = json.loads(tcpdrop("drop", "-n", "--jsonl", "--from", saved).out.splitlines()[0])
    for key in ("state", "inode", "uid", "recvq", "mapped", "ifindex"):
        assert found[key] == entry[key], key
    dropped = json.loads(tcpdrop("drop", "--jsonl", "--from", saved).out.splitlines()[0])
    assert (dropped["outcome"], dropped["victim_sees"]) == ("dropped", "ECONNABORTED")


def test_standard_input_that_cannot_be_read():
    fd = os.open(os.devnull, os.O_WRONLY)
    try:
        done = tcpdrop("drop", "--from", "-", stdin=fd)
    finally:
        os.close(fd)
    assert (done.status, done.out, done.err) == (2, "", "tcpdrop: --from -: Bad file descriptor\n")


def test_standard_input_that_is_closed(holder):
    """It names nothing, and that nothing is left would be another thing."""
    for option in (["--from", "-"], ["--remote-addr", "-"]):
        done = tcpdrop("drop", *option, wrapper=("sh", "-c", '"$@" <&-; exit $?', "sh"))
        assert (done.status, done.out, done.err) == (2, "", f"tcpdrop: {' '.join(option)}: standard input is closed\n")


def test_a_stream_without_an_end_is_left(tmp_path):
    """yes(1) writes on and on: so much is read, and what is in it names nothing then."""
    yes = subprocess.Popen(["yes", "127.0.0.1 1 127.0.0.1 2"], stdout=subprocess.PIPE)
    with yes:
        done = tcpdrop("drop", "--from", "-", stdin=yes.stdout)
        yes.stdout.close()
        yes.wait(10)
    assert (done.status, done.out) == (2, "")
    assert done.err == "tcpdrop: --from -: it has more than 256 MiB\n"


#: of files that were never meant
SECRETS = {
    "shadow": "root:$6$c2VjcmV0$aGFzaA:20000:0:99999:7:::",
    "a key": "-----BEGIN PRIVATE KEY-----",
    "a name": "secret 1 127.0.0.1 5",
    "an interface": "127.0.0.1%secret0:1 127.0.0.1:5",
    "a message": "tcpdrop: secret",
    "JSON": '{"schema": "secret"}',
    "a list": '["secret"]',
    "no JSON": '{"secret',
    "a namespace": entry(netns="net:[secret]"),
}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_file_that_is_named_is_not_shown(tmp_path, secret):
    """Whom sudo lets run `tcpdrop drop --from FILE` is not to read /etc/shadow by it; standard input is the caller's own."""
    saved = tmp_path / "victims"
    saved.write_text(f"127.0.0.1 1 127.0.0.1 5\n{SECRETS[secret]}\n", encoding="utf-8")
    for option in ([], ["--json"]):
        done = tcpdrop("drop", *option, "--from", saved)
        said = "--from: line 2 cannot be read: what stands in a file is not shown; '--from - < FILE' says what is wrong"
        assert (done.status, done.err) == (2, f"tcpdrop: {said}\n")
        assert not done.out or json.loads(done.out)["error"] == said
    why = tcpdrop("drop", "--from", "-", stdin=None, input=saved.read_bytes()).err
    assert why.startswith("tcpdrop: --from: line 2 cannot be read: ") and "is not shown" not in why


def test_nor_why_the_command_had_failed_that_wrote_it(tmp_path):
    saved = tmp_path / "victims"
    saved.write_text('{"type": "error", "error": "secret"}\n', encoding="utf-8")
    failed = "tcpdrop: --from: the command that was to name the connections failed"
    assert tcpdrop("drop", "--from", saved) == (3, "", f"{failed}\n")
    assert tcpdrop("drop", "--from", "-", stdin=None, input=saved.read_bytes()) == (3, "", f"{failed}: secret\n")


def test_a_long_line_is_shown_in_part():
    done = tcpdrop("drop", "--from", "-", stdin=None, input=b"x" * 1_000_000 + b"\n")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("tcpdrop: --from: line 1 cannot be read: 'xxx")
    assert len(done.err) < 400


MARKS = {
    "UTF-8 with a mark": ("utf-8-sig", "\n"),
    "UTF-16 of Windows": ("utf-16", "\r\n"),
    "CRLF": ("ascii", "\r\n"),
}


@pytest.mark.parametrize("form", MARKS)
def test_how_other_systems_write_text(holder, tmp_path, form):
    encoding, end = MARKS[form]
    pair = holder.pair()
    saved = tmp_path / "victims"
    for text in (line(pair), jsonl(f"lport {pair.lport}").strip()):
        saved.write_bytes(f"# of another system{end}{text}{end}".encode(encoding))
        assert tcpdrop("drop", "-n", "--from", saved)[:2] == (0, f"{line(pair)}: would drop\n")
    saved.write_bytes(f"{pair.remote[0]}{end}".encode(encoding))
    done = tcpdrop("list", "-c", "--remote-addr", f"@{saved}", "--local-port", str(pair.lport))
    assert (done.status, done.out) == (0, "1\n")


@pytest.mark.parametrize("bad", [[], {}, None, 7, True, ["127.0.0.1"]], ids=json.dumps)
@pytest.mark.parametrize("key", ["local_addr", "remote_addr", "local_port", "cookie", "netns", "ifindex", "schema", "type"])
def test_a_line_with_a_value_of_another_kind(tmp_path, key, bad):
    entry = {"schema": 1, "type": "connection", "local_addr": "127.0.0.1", "local_port": 1, "remote_addr": "127.0.0.1", "remote_port": 2}
    entry = {**entry, "cookie": "1f", "netns": None, "ifindex": 0, key: bad}
    file = tmp_path / "victims"
    file.write_text(json.dumps(entry))
    done = tcpdrop("drop", "--from", file)
    assert "Traceback" not in done.err
    assert (done.status, done.out) in ((1, ""), (2, ""))


# ---- lines that name connections


@pytest.fixture
def saved(tmp_path):
    """Write lines to a file: --from and its name."""

    def write(*lines):
        file = tmp_path / "victims"
        file.write_text("".join(f"{one}\n" for one in lines))
        return "--from", file

    return write


@pytest.mark.only_on("linux", reason="interfaces and network namespaces of Linux")
@pytest.mark.parametrize("dev", ["", "%lo"])
def test_a_socket_bound_to_an_interface_is_found(holder, saved, dev):
    pair = holder.pair(device=b"lo")
    text = line(pair).replace("127.0.0.1 ", f"127.0.0.1{dev} ", 1)
    assert tcpdrop("drop", *saved(text)) == (0, f"{line(pair)}: dropped\n", "")


@pytest.mark.only_on("linux", reason="interfaces and network namespaces of Linux")
def test_an_interface_that_there_is_none_of(holder, saved):
    pair = holder.pair()
    assert tcpdrop("drop", *saved(line(pair).replace("127.0.0.1 ", "127.0.0.1%nodev ", 1)))[:2] == (2, "")
    assert pair.alive()


@pytest.mark.only_on("linux", reason="interfaces and network namespaces of Linux")
def test_commands_for_another_namespace_say_so(holder, other_namespace, saved):
    """The same tuple may be another connection here."""
    theirs, _ = other_namespace
    pair = theirs.pair()
    done = tcpdrop("drop", "-l", f"--netns={theirs.pid}", f"lport {pair.lport}")
    assert (done.status, done.out) == (0, f"tcpdrop --netns={theirs.pid} {line(pair)}\n")
    assert tcpdrop("drop", *saved(done.out.strip()), "-n")[:2] == (
        0,
        f"# --netns='{os.readlink(f'/proc/{theirs.pid}/ns/net')}'\n{line(pair)}: would drop\n",
    )
    assert run("sh", "-c", done.out.replace("tcpdrop", str(COMMAND), 1))[:2] == (0, f"{line(pair)}: dropped\n")
