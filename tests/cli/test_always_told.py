# SPDX-License-Identifier: BSD-2-Clause
"""A drop that happened is told, whatever is wrong with who should hear of it: by stdout, by the status, or by what a call answers.

tests/fleet/ has the same of the engines.
"""

import json
import resource
import subprocess
import sys
import time

import pytest
from support.command import COMMAND, run
from support.troubles import TROUBLES, victims

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="/dev/log, and names of processes")]


@pytest.fixture(scope="module")
def victim():
    with victims() as one:
        yield one


@pytest.fixture(params=TROUBLES)
def trouble(request, tmp_path):
    with TROUBLES[request.param](tmp_path) as found:
        yield found


def selected(*options):
    return lambda victim: (["drop", *options, f"lport {victim.lport} rport {victim.rport}"], None)


def as_text(out):
    return {one.removesuffix(": dropped") for one in out.splitlines()}


def of_entries(entries):
    return {
        f"{one['local_addr']} {one['local_port']} {one['remote_addr']} {one['remote_port']}"
        for one in entries
        if one["outcome"] == "dropped"
    }


def as_document(out):
    document = json.loads(out)
    assert document["summary"]["counts"] == {"dropped": 1}
    return of_entries(document["connections"])


def as_lines(out):
    *entries, summary = map(json.loads, out.splitlines())
    assert summary["counts"] == {"dropped": 1}
    return of_entries(entries)


#: form -> (what is typed and given to read, who reads what is written)
FORMS = {
    "classic": (lambda victim: (str(victim).split(), None), as_text),
    "classic, --json": (lambda victim: (["--json", *str(victim).split()], None), as_document),
    "classic, --jsonl": (lambda victim: (["--jsonl", *str(victim).split()], None), as_lines),
    "classic, --syslog": (lambda victim: (["--syslog", "--reason", "日\udce9", *str(victim).split()], None), as_text),
    "drop": (selected(), as_text),
    "drop --json": (selected("--json"), as_document),
    "drop --jsonl": (selected("--jsonl"), as_lines),
    "drop --syslog": (selected("--syslog", "--reason", "日\udce9"), as_text),
    "drop --process": (
        lambda victim: (["drop", "--process", r"caf\udce9", "--local-port", str(victim.lport), "--remote-port", str(victim.rport)], None),
        as_text,
    ),
    "drop --from -": (lambda victim: (["drop", "--from", "-"], str(victim)), as_text),
    "drop --from -, --json": (lambda victim: (["drop", "--json", "--from", "-"], str(victim)), as_document),
    "drop --from -, --jsonl": (lambda victim: (["drop", "--jsonl", "--from", "-"], str(victim)), as_lines),
    "drop --for": (selected("--for", "200ms"), as_text),
    "drop --for --json": (selected("--for", "200ms", "--json"), as_document),
    "drop --for --jsonl": (selected("--for", "200ms", "--jsonl"), as_lines),
    "drop --until-gone": (selected("--until-gone=200ms", "--interval", "50ms"), as_text),
    "drop --rate": (selected("--rate", "100"), as_text),
    "drop --rate --jsonl": (selected("--rate", "100", "--jsonl"), as_lines),
}


@pytest.mark.parametrize("form", FORMS)
def test_by_the_command(victim, trouble, form):
    one = victim()
    typed, read = FORMS[form]
    words, given = typed(one)
    how = {"stdout": trouble.stdout} if trouble.stdout is not None else {}
    begun = time.monotonic()
    done = run(
        *(*trouble.wrapper, COMMAND, *words),
        env=trouble.env,
        **how,
        **({"stdin": None, "input": given.encode()} if given is not None else {}),
    )
    assert time.monotonic() - begun < 15  # a loaded machine; it would hang
    assert not one.lives()
    if trouble.unwritten:
        assert done.status == 3
        assert f"tcpdrop: cannot write to standard output: {trouble.unwritten}\n" in done.err
    else:
        assert (done.status, read(done.out)) == (0, {str(one)}), done
    assert done.err.count("the log takes nothing just now: ") == (1 if trouble.stuck else 0), done.err
    assert "Traceback" not in done.err


#: what a program calls -> what it has in hand then
CALLS = {
    "drop_one": "tcpdrop.drop_one(('127.0.0.1', lport), ('127.0.0.1', rport))",
    "drop": "[(str(one.connection), one.outcome) for one in tcpdrop.drop(chosen)]",
    "drop, syslog": "(report := tcpdrop.drop(chosen, syslog=True, reason='\\u65e5\\udce9')).counts, report.warning, report.as_dict()",
    "drop of connections": "tcpdrop.drop(tcpdrop.connections(chosen, owners=True)).as_dict()",
    "keep_dropping": "[one.as_dict() for one in tcpdrop.keep_dropping(chosen, duration=0.2)]",
    "keep_dropping, syslog": "[one.as_dict() for one in tcpdrop.keep_dropping(chosen, duration=0.2, syslog=True, reason='\\u65e5\\udce9')]",
}
PROGRAM = """
import json, logging, sys
import tcpdrop
logging.basicConfig(level="INFO")
lport, rport = map(int, sys.argv[1:3])
chosen = f"lport {lport} rport {rport}"
answer = %s
with open(sys.argv[3], "w", encoding="utf-8") as file:
    json.dump(answer, file, ensure_ascii=False)
"""


@pytest.mark.parametrize("call", CALLS)
def test_by_a_call(victim, trouble, call, tmp_path):
    """The answer is the caller's, whatever becomes of its streams."""
    one, told = victim(), tmp_path / "told"
    how = {"stdout": trouble.stdout, "stderr": trouble.stdout} if trouble.stdout is not None else {}
    begun = time.monotonic()
    program = [sys.executable, "-c", PROGRAM % CALLS[call], str(one.lport), str(one.rport), str(told)]
    done = run(*trouble.wrapper, *program, env=trouble.env, **how)
    assert time.monotonic() - begun < 15
    assert not one.lives()
    answer = told.read_text("utf-8")
    if call == "drop_one":
        assert answer == "null"
    else:
        assert '"dropped"' in answer
    assert ("the log takes nothing" in answer) == (trouble.stuck and call == "drop, syslog")
    assert trouble.unwritten or done.status == 0, done


@pytest.mark.parametrize("form", ["text", "--json", "--jsonl"])
def test_a_reader_who_leaves_in_the_middle(victim, form):
    """head -1 of many: all are dropped, and the status says that not all of it was read."""
    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 8192:
        pytest.skip("too few descriptors for 2,000 connections with both ends (ulimit -Hn)")
    many = [victim() for _ in range(2000)]
    text = "\n".join(map(str, many))
    command = [COMMAND, "drop", *([] if form == "text" else [form]), "--from", "-"]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **streams) as process:
        process.stdin.write(text.encode())
        process.stdin.close()
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 3
    assert "tcpdrop: 2000 dropped\n" in said
    assert said.endswith("tcpdrop: cannot write to standard output: Broken pipe\n")
    assert not any(one.lives() for one in many[::500])
