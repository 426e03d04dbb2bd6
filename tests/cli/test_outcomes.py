# SPDX-License-Identifier: BSD-2-Clause
"""What is said when it worked and when it did not: statuses, lines, JSON, and a stdout that fails."""

import json
import os
import sys

import pytest
from support import unsupported
from support.backends import BACKENDS
from support.command import COMMAND, NO_CAPABILITIES, NOBODY, line, needs, run, tcpdrop, words

from tcpdrop import _tcpdrop
from tcpdrop.model.connection import JSON_KEYS

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]

DROP_KEYS = {"method", "victim_sees", "peer_told", "protected_by", "outcome", "errno", "error"}
EPERM, ENOENT, EOPNOTSUPP = 1, 2, 95
HERE = BACKENDS[_tcpdrop.BACKEND]

WHO = {"nobody": NOBODY, "root without capabilities": NO_CAPABILITIES}


@pytest.fixture(params=WHO)
def powerless(request):
    """A user who may not drop what others have."""
    return needs(*WHO[request.param])


# ---- without the right


def advice(wrapper):
    """How the user gets there: sudo, unless it is root already."""
    if wrapper == NOBODY:
        return f"run as root: sudo {COMMAND}"
    return "uid 0 is not enough here, as in a container without --cap-add NET_ADMIN"


def missing(wrapper):
    if HERE.name == "sunos":
        return "needs the privilege sys_ip_config, as root has it; a zone that shares its IP stack never does: drop from the global zone"
    where = os.readlink("/proc/self/ns/net")
    return f"needs CAP_NET_ADMIN in the user namespace that owns network namespace {where}; {advice(wrapper)}"


def test_without_the_right_it_says_which_and_where(holder, powerless):
    pair = holder.pair()
    assert tcpdrop(*words(pair), wrapper=powerless) == (3, "", f"{line(pair)}: not permitted ({missing(powerless)})\n")
    assert pair.alive()


def test_a_dry_run_shows_without_the_right(holder, powerless):
    """Law 8: the selection is shown without any right, then the refusal that the real run would meet."""
    pair = holder.pair()
    refusal = f"tcpdrop: the real run would be refused: not permitted ({missing(powerless)})\n"
    assert tcpdrop("-n", *words(pair), wrapper=powerless) == (3, f"{line(pair)}: would drop\n", refusal)
    done = tcpdrop("-n", "--json", *words(pair), wrapper=powerless)
    assert (done.status, done.err) == (3, refusal)
    assert documents(done, "--json")[1] == {"counts": {"would_drop": 1}}


@pytest.mark.only_on("linux", reason="an option of that kernel")
def test_a_dry_run_on_a_kernel_that_cannot(holder, no_destroy):
    pair = holder.pair()
    refusal = "tcpdrop: the real run would be refused: not supported (this kernel is built without CONFIG_INET_DIAG_DESTROY)\n"
    assert tcpdrop("-n", "--method=destroy", *words(pair), env=no_destroy) == (3, f"{line(pair)}: would drop\n", refusal)


def test_what_is_not_there_is_not_found_even_without_the_right(powerless):
    """Existence is checked first."""
    status, out, err = tcpdrop("127.0.0.1", "1", "127.0.0.1", "2", wrapper=powerless)
    assert (status, out) == (1, "")
    assert err.startswith("127.0.0.1 1 127.0.0.1 2: not found")


@pytest.mark.only_on("linux", reason="network namespaces")
def test_another_process_namespace_may_be_closed_to_us(other_namespace, powerless):
    theirs, _ = other_namespace
    pair = theirs.pair()
    status, out, err = tcpdrop(f"--netns={theirs.pid}", *words(pair), wrapper=powerless)
    assert (status, out) == (3, "")
    assert "not permitted" in err
    assert "needs CAP_" in err
    assert err.count("\n") == 1
    assert pair.alive()


def test_check_without_the_right(powerless):
    status, out, err = tcpdrop("check", wrapper=powerless)
    assert (status, err) == (3, "")
    assert "\nlist             yes\n" in out
    assert "\nkernel can drop  yes\n" in out
    assert "\nyou may drop     no\n" in out
    assert f"\nproblem          {missing(powerless)}\n" in out
    works = f"sudo {COMMAND} LADDR LPORT RADDR RPORT" if powerless == NOBODY else "nothing: see the problem above"
    assert out.endswith(f"\nworks here       {works}\n")


def test_check_with_the_right():
    status, out, err = tcpdrop("check")
    assert (status, err) == (0, "")
    assert "\nyou may drop     yes\n" in out
    assert "problem" not in out
    assert out.endswith(f"\nworks here       {COMMAND} LADDR LPORT RADDR RPORT\n")


def test_the_line_of_check_works(holder):
    """Copied, with the words filled in."""
    pair = holder.pair()
    works = tcpdrop("check").out.splitlines()[-1].split(None, 2)[2]
    for name, value in zip(("LADDR", "LPORT", "RADDR", "RPORT"), words(pair)):
        works = works.replace(name, value, 1)
    assert run("sh", "-c", works) == (0, f"{line(pair)}: dropped\n", "")


# ---- a kernel without INET_DIAG_DESTROY


@pytest.mark.only_on("linux", reason="an option of that kernel")
def test_a_kernel_that_cannot_says_so(holder, no_destroy):
    pair = holder.pair()
    assert tcpdrop("--method=destroy", *words(pair), env=no_destroy) == (
        3,
        "",
        f"{line(pair)}: not supported (this kernel is built without CONFIG_INET_DIAG_DESTROY)\n",
    )
    assert pair.alive()


@pytest.mark.only_on("linux", reason="an option of that kernel")
def test_check_on_a_kernel_that_cannot(no_destroy):
    status, out, err = tcpdrop("check", env=no_destroy)
    assert (status, err) == (0, "")  # the other way is open to root
    assert "\nlist             yes\n" in out
    assert "\nkernel can drop  no\n" in out
    assert "\nworks            every connection that a process holds, through its descriptor\n" in out
    assert "\nproblem          this kernel is built without CONFIG_INET_DIAG_DESTROY\n" in out
    assert out.endswith(f"\nworks here       {COMMAND} LADDR LPORT RADDR RPORT\n")
    entry = json.loads(tcpdrop("check", "--json", env=no_destroy).out)
    assert (entry["ok"], entry["supported"], entry["descriptors"]["others"]) == (True, False, True)
    assert entry["fix"].startswith("CONFIG_INET_DIAG_DESTROY=y")


# ---- a system without a backend


@pytest.fixture(scope="module")
def bare_system(tmp_path_factory):
    """The command on a system that is none of ours: bare_system(words)."""
    place = unsupported.build(tmp_path_factory.mktemp("unsupported"))
    code = f"import sys; sys.path.insert(0, {str(place)!r}); from tcpdrop.cli import main; sys.exit(main())"
    return lambda *arguments: run(sys.executable, "-I", "-c", code, *arguments)


def test_an_unknown_system_imports_and_check_answers(bare_system):
    status, out, err = bare_system("check")
    assert (status, err) == (3, "")
    assert out.splitlines()[0].endswith("(unsupported)")
    assert "\nlist             no\n" in out
    assert "problem          tcpdrop knows no way to list or drop connections on " in out
    entry = json.loads(bare_system("check", "--json").out)
    assert (entry["ok"], entry["backend"], entry["listing"]) == (False, "unsupported", False)


def test_on_an_unknown_system_a_drop_is_not_supported(bare_system, holder):
    pair = holder.pair()
    status, out, err = bare_system(*words(pair))
    assert (status, out) == (3, "")
    assert err.startswith(f"{line(pair)}: not supported")
    assert err.count("\n") == 1
    assert pair.alive()


def test_on_an_unknown_system_mistakes_are_still_mistakes(bare_system):
    assert bare_system("10.1", "1", "10.0.0.1", "2").status == 2
    assert bare_system("--version").status == 0
    assert bare_system().status == 2


# ---- JSON, schema 1


def documents(done, option):
    """(connections, summary) of either form, each object complete."""
    objects = [json.loads(text) for text in done.out.splitlines()]
    assert done.out.isascii()
    assert {entry["schema"] for entry in objects} == {1}
    if option == "--json":
        (whole,) = objects
        assert set(whole) == {"schema", "connections", "summary"}
        connections, summary = whole["connections"], whole["summary"]
    else:
        *connections, summary = objects
        assert summary.pop("type") == "summary"
        assert {entry.pop("type") for entry in connections} <= {"connection"}
        for entry in objects:
            entry.pop("schema")
    for entry in connections:
        assert set(entry) == set(JSON_KEYS) | DROP_KEYS
    return connections, summary


FORMS = pytest.mark.parametrize("option", ["--json", "--jsonl"])


@FORMS
@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_json_dropped(holder, option, family):
    pair = holder.pair(family)
    laddr, lport, raddr, rport = words(pair)
    for extra, outcome in ((["-n"], "would_drop"), ([], "dropped")):
        done = tcpdrop(option, *extra, *words(pair))
        assert (done.status, done.err) == (0, "")
        (entry,), summary = documents(done, option)
        assert summary == {"counts": {outcome: 1}}
        assert entry["outcome"] == outcome
        assert (entry["local_addr"], entry["local_port"]) == (laddr, int(lport))
        assert (entry["remote_addr"], entry["remote_port"]) == (raddr, int(rport))
        assert entry["family"] == ("inet6" if family == "inet6" else "inet")
        assert entry["mapped"] is (family == "mapped" and HERE.mapped)
        assert entry["state"] == "ESTABLISHED"
        assert entry["uid"] == (0 if HERE.uids else None)
        assert isinstance(entry["cookie"], str)
        assert isinstance(entry["inode"], int)
        assert (entry["errno"], entry["error"], entry["protected_by"]) == (None, None, None)
        assert entry["method"] == ("destroy" if outcome == "dropped" else None)


@pytest.mark.only_on("linux", reason="the peer is told")
def test_peer_told_of_the_classic_form(holder):
    pair = holder.pair()
    (entry,) = json.loads(tcpdrop("--json", *words(pair)).out)["connections"]
    assert (entry["outcome"], entry["peer_told"]) == ("dropped", True)


def facts(entry):
    return " ".join(str(entry[key]) for key in ("local_addr", "local_port", "remote_addr", "remote_port"))


@FORMS
def test_json_gone(option):
    done = tcpdrop(option, "::1", "1", "::1", "2")
    assert done.status == 1
    assert done.err.startswith("::1 1 ::1 2: not found")
    (entry,), summary = documents(done, option)
    assert summary == {"counts": {"gone": 1}}
    assert (entry["outcome"], entry["errno"], entry["error"]) == ("gone", ENOENT, "not found")
    assert (entry["family"], facts(entry), entry["state"], entry["cookie"]) == ("inet6", "::1 1 ::1 2", None, None)


@FORMS
def test_json_not_permitted(holder, option, powerless):
    pair = holder.pair()
    done = tcpdrop(option, *words(pair), wrapper=powerless)
    assert done.status == 3
    (entry,), summary = documents(done, option)
    assert summary == {"counts": {"not_permitted": 1}}
    assert (entry["outcome"], entry["errno"], entry["error"]) == ("not_permitted", EPERM, "not permitted")
    assert facts(entry) == line(pair)


@pytest.mark.only_on("linux", reason="an option of that kernel")
@FORMS
def test_json_not_supported(holder, option, no_destroy):
    pair = holder.pair()
    done = tcpdrop(option, "--method=destroy", *words(pair), env=no_destroy)
    assert done.status == 3
    (entry,), summary = documents(done, option)
    assert summary == {"counts": {"not_supported": 1}}
    assert (entry["outcome"], entry["errno"], entry["error"]) == ("not_supported", EOPNOTSUPP, "not supported")


@FORMS
def test_json_protected(holder, option):
    pair = holder.pair()
    laddr, lport, raddr, rport = words(pair)
    done = tcpdrop(option, *words(pair), env={"SSH_CONNECTION": f"{raddr} {rport} {laddr} {lport}"})
    assert done.status == 4
    (entry,), summary = documents(done, option)
    assert summary == {"counts": {"protected": 1}}
    assert (entry["outcome"], entry["error"]) == ("protected", "protected")
    assert entry["protected_by"].startswith("named by SSH_CONNECTION")
    assert pair.alive()


@pytest.mark.only_on("linux", reason="network namespaces")
@FORMS
def test_json_of_a_failure_of_the_whole_call(option):
    done = tcpdrop(option, "--netns=no-such", "127.0.0.1", "1", "127.0.0.1", "2")
    assert done.status == 3
    assert json.loads(done.out) == {"schema": 1, "type": "error", "error": "no network namespace 'no-such'", "outcome": "failed"}


@FORMS
def test_json_check(option):
    done = tcpdrop("check", option)
    assert (done.status, done.err) == (0, "")
    entry = json.loads(done.out)
    assert (entry["schema"], entry["type"], entry["ok"], entry["problems"]) == (1, "check", True, [])
    assert (entry["backend"], entry["listing"], entry["supported"], entry["permitted"]) == (HERE.name, True, True, True)


# ---- --allow-none, -q


def test_allow_none_turns_1_into_0_and_nothing_else(holder, no_destroy):
    gone = ["127.0.0.1", "1", "127.0.0.1", "2"]
    status, out, err = tcpdrop("--allow-none", *gone)
    assert (status, out) == (0, "")
    assert ": not found" in err
    pair = holder.pair()
    assert tcpdrop("--allow-none", "10.1", *gone[1:]).status == 2
    assert tcpdrop("--allow-none", "--method=destroy", *words(pair), env=no_destroy).status == 3
    assert tcpdrop("--allow-none", *words(pair), env={"SSH_CONNECTION": " ".join(words(pair))}).status == 4
    assert pair.alive()
    assert tcpdrop("--allow-none", *words(pair)) == (0, f"{line(pair)}: dropped\n", "")


@FORMS
def test_allow_none_changes_no_word_of_the_json(option):
    done = tcpdrop(option, "--allow-none", "127.0.0.1", "1", "127.0.0.1", "2")
    assert done.status == 0
    assert documents(done, option)[1] == {"counts": {"gone": 1}}


def test_quiet_still_says_what_went_wrong(holder, no_destroy):
    pair = holder.pair()
    for how, status in (({"env": no_destroy}, 3), ({"env": {"SSH_CONNECTION": " ".join(words(pair))}}, 4), ({}, 0), ({}, 1)):
        done = tcpdrop("-q", "--method=destroy", *words(pair), **how)
        assert (done.status, done.out) == (status, "")
        assert bool(done.err) is bool(status)


# ---- a stdout that takes nothing never stops a drop


def full():
    return open("/dev/full", "wb", buffering=0)


def broken_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb", buffering=0)


BROKEN = {"full disk": (full, "No space left on device"), "closed pipe": (broken_pipe, "Broken pipe")}


@pytest.mark.parametrize("options", [[], ["--json"], ["--jsonl"]], ids=["text", "json", "jsonl"])
@pytest.mark.parametrize("kind", BROKEN)
def test_the_drop_happens_and_the_status_tells(holder, kind, options):
    make, reason = BROKEN[kind]
    pair = holder.pair()
    with make() as stdout:
        done = tcpdrop(*options, *words(pair), stdout=stdout)
    assert (done.status, done.err) == (3, f"tcpdrop: cannot write to standard output: {reason}\n")
    assert pair.state() is None


CLOSED = ("sh", "-c", '"$@" >&-; exit $?', "sh")


def test_a_closed_stdout(holder):
    pair = holder.pair()
    assert tcpdrop(*words(pair), wrapper=CLOSED) == (3, "", "tcpdrop: cannot write to standard output: it is closed\n")
    assert pair.state() is None


def test_a_stdout_that_is_not_needed_may_be_closed(holder):
    pair = holder.pair()
    assert tcpdrop("-q", *words(pair), wrapper=CLOSED) == (0, "", "")
    assert pair.state() is None
    status, _, err = tcpdrop(*words(pair), wrapper=CLOSED)
    assert status == 1
    assert err.startswith(f"{line(pair)}: not found")
    assert tcpdrop("10.1", "1", "10.0.0.1", "2", wrapper=CLOSED).status == 2


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"])
def test_the_status_needs_no_streams(holder, closed):
    pair = holder.pair()
    wrapper = ("sh", "-c", f'"$@" {closed}; exit $?', "sh")
    assert tcpdrop("-q", *words(pair), wrapper=wrapper) == (0, "", "")
    assert pair.state() is None
    assert tcpdrop("-q", *words(pair), wrapper=wrapper).status == 1


def test_a_stderr_that_takes_nothing():
    with full() as stderr:
        done = tcpdrop("127.0.0.1", "1", "127.0.0.1", "2", stderr=stderr)
    assert (done.status, done.out) == (1, "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check"]])
def test_the_other_forms_on_a_full_disk(arguments):
    with full() as stdout:
        done = tcpdrop(*arguments, stdout=stdout)
    assert (done.status, done.err) == (3, "tcpdrop: cannot write to standard output: No space left on device\n")
