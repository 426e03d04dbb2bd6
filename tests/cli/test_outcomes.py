# SPDX-License-Identifier: BSD-2-Clause
"""What is said when it worked and when it did not: without the right, on a kernel that cannot, on an unknown system."""

import json
import sys

import pytest
from support import unsupported
from support.command import line, run, tcpdrop, words
from support.rights import refused

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


def test_without_the_right_it_says_which_and_where(holder, powerless):
    pair = holder.pair()
    assert tcpdrop(*words(pair), wrapper=powerless) == (3, "", f"{line(pair)}: not permitted ({refused(powerless)})\n")
    assert pair.alive()


def test_a_dry_run_shows_without_the_right(holder, powerless):
    """Law 8: the selection is shown without any right, then the refusal that the real run would meet."""
    pair = holder.pair()
    refusal = f"tcpdrop: the real run would be refused: not permitted ({refused(powerless)})\n"
    assert tcpdrop("-n", *words(pair), wrapper=powerless) == (3, f"{line(pair)}: would drop\n", refusal)
    done = tcpdrop("-n", "--json", *words(pair), wrapper=powerless)
    assert (done.status, done.err) == (3, refusal)
    assert json.loads(done.out)["summary"] == {"counts": {"would_drop": 1}}


@pytest.mark.only_on("linux", reason="an option of that kernel")
def test_a_dry_run_on_a_kernel_that_cannot(holder, no_destroy):
    pair = holder.pair()
    why = "destroy: EOPNOTSUPP; this kernel is built without CONFIG_INET_DIAG_DESTROY"
    refusal = f"tcpdrop: the real run would be refused: not supported ({why})\n"
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


@pytest.mark.only_on("linux", reason="an option of that kernel")
def test_a_kernel_that_cannot_says_so(holder, no_destroy):
    pair = holder.pair()
    assert tcpdrop("--method=destroy", *words(pair), env=no_destroy) == (
        3,
        "",
        f"{line(pair)}: not supported (destroy: EOPNOTSUPP; this kernel is built without CONFIG_INET_DIAG_DESTROY)\n",
    )
    assert pair.alive()


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


def test_quiet_still_says_what_went_wrong(holder, no_destroy):
    pair = holder.pair()
    for how, status in (({"env": no_destroy}, 3), ({"env": {"SSH_CONNECTION": " ".join(words(pair))}}, 4), ({}, 0), ({}, 1)):
        done = tcpdrop("-q", "--method=destroy", *words(pair), **how)
        assert (done.status, done.out) == (status, "")
        assert bool(done.err) is bool(status)
