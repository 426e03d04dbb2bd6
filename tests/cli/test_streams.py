# SPDX-License-Identifier: BSD-2-Clause
"""Standard streams that are full, closed or broken: a drop is never stopped by them, and the status tells."""

import os

import pytest
from support.command import line, tcpdrop, words

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


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
