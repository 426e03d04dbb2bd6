# SPDX-License-Identifier: BSD-2-Clause
"""--json and --jsonl of a drop, schema 1: every key, every outcome, and refusals as objects."""

import json

import pytest
from support.backends import BACKENDS
from support.command import line, tcpdrop, words

from tcpdrop import _tcpdrop
from tcpdrop.model.connection import JSON_KEYS

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


DROP_KEYS = {"method", "victim_sees", "peer_told", "protected_by", "outcome", "errno", "error"}
EPERM, ENOENT, EOPNOTSUPP = 1, 2, 95
HERE = BACKENDS[_tcpdrop.BACKEND]


# ---- the classic form


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
def test_allow_none_changes_no_word_of_the_json(option):
    done = tcpdrop(option, "--allow-none", "127.0.0.1", "1", "127.0.0.1", "2")
    assert done.status == 0
    assert documents(done, option)[1] == {"counts": {"gone": 1}}


# ---- drop


def objects(form, out):
    if form == "json":
        document = json.loads(out)
        assert document["schema"] == 1
        return document["connections"], document["summary"]
    *entries, summary = map(json.loads, out.splitlines())
    assert all(entry.pop("schema") == 1 and entry.pop("type") == "connection" for entry in entries)
    assert (summary["schema"], summary["type"]) == (1, "summary")
    return entries, summary


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_every_key_is_there_and_the_counts_add_up(holder, form):
    safe, victim = holder.pair("inet6"), holder.pair("mapped")
    done = tcpdrop("drop", f"--{form}", "--protect", f"lport {safe.lport}", f"lport {safe.lport},{victim.lport}")
    entries, summary = objects(form, done.out)
    assert summary["counts"] == {"dropped": 1, "protected": 1}
    assert {key: summary[key] for key in ("undecidable", "later", "dry_run")} == {"undecidable": 0, "later": 0, "dry_run": False}
    assert all(set(entry) == {*JSON_KEYS, *DROP_KEYS} for entry in entries)
    (dropped,) = (entry for entry in entries if entry["outcome"] == "dropped")
    (spared,) = (entry for entry in entries if entry["outcome"] == "protected")
    assert [dropped[key] for key in ("family", "mapped", "local_addr", "method", "errno", "error")] == [
        *("inet", BACKENDS[_tcpdrop.BACKEND].mapped, "127.0.0.1", "destroy", None, None)
    ]
    assert (spared["family"], spared["method"], spared["error"]) == ("inet6", None, "protected")
    assert spared["protected_by"] == f"by --protect 'lport {safe.lport}'"
    assert dropped["state"] == "ESTABLISHED"
    assert int(dropped["cookie"], 16) > 0
    assert safe.alive()


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_refusals_and_usage_errors_are_objects(holder, form):
    pair = holder.pair()
    cases = {2: ["nonsense"], 4: ["--max-drops=0", f"lport {pair.lport}"]}
    for status, options in cases.items():
        done = tcpdrop("drop", f"--{form}", *options)
        assert done.status == status
        found = json.loads(done.out)
        assert (found["schema"], found["type"]) == (1, "error")
        assert found["error"] in done.err
    assert objects(form, tcpdrop("drop", f"--{form}", "lport 1").out)[1]["counts"] == {}
