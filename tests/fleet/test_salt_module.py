# SPDX-License-Identifier: BSD-2-Clause
"""The execution and the state module in Salt's own loader, and by salt-call; the sockets are the witnesses."""

import ast
import errno
import json
import shutil
from pathlib import Path

import pytest
from support import minions, private
from support.command import NO_CAPABILITIES, needs, run

ROOT = Path(__file__).resolve().parents[2]
#: quiet, because salt-call logs the comment of a state that failed as well
STATE = ("-lquiet", "state.single", "tcpdrop.absent", "name=label")
FUNCTIONS = {f"tcpdrop.{name}" for name in ("connections", "count", "summary", "drop", "check", "version")}

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="the Salt here is Linux's"), minions.required()]


@pytest.fixture(scope="module")
def salt(tmp_path_factory):
    with minions.Loader(tmp_path_factory.mktemp("loader")) as loader:
        yield loader


@pytest.fixture
def conf(tmp_path):
    return minions.configure(tmp_path / "conf")


def aborted(*pairs):
    """Both ends say so."""
    errors = (errno.ECONNABORTED, errno.ECONNRESET)
    return all(pair.state() is None and (pair.sock.errno("recv", 1), pair.peer.errno("recv", 1)) == errors for pair in pairs)


def ports(*pairs):
    return [pair.lport for pair in pairs]


def key(pair):
    return "{}:{}->{}:{}".format(*pair.local, *pair.remote)


# ---- loading


def test_an_entry_point_is_all_that_salt_needs(salt):
    assert salt.ask("functions").keys() == FUNCTIONS
    assert salt.ask("states").keys() == {"tcpdrop.absent", "tcpdrop.mod_watch", "tcpdrop.ruled"}
    assert Path(salt.ask("file", "tcpdrop.drop")).parent == minions.modules() / "_modules"


def test_each_function_says_how_it_is_called(salt):
    for name, text in {**salt.ask("functions"), **salt.ask("states")}.items():
        assert "CLI Example:\n\n.. code-block:: bash\n\n    salt" in text, name


def test_module_dirs(tmp_path):
    """One directory for both kinds, as tcpdrop paths --salt prints it; it goes before the entry point."""
    place = shutil.copytree(minions.modules(), tmp_path / "salt")
    with minions.Loader(tmp_path / "conf", module_dirs=[str(place)], states_dirs=[str(place / "_states")]) as salt:
        assert salt.ask("file", "tcpdrop.drop") == str(place / "_modules" / "tcpdrop_mod.py")
        assert salt.absent(local_port=[])["result"] is True


def test_the_file_server(tmp_path, holder):
    """_modules and _states of the file server, synchronised; and a state file with requisites."""
    files = shutil.copytree(minions.modules(), tmp_path / "files")
    kept, pair = holder.pair(), holder.pair()
    states = {
        "rule": {"test.succeed_with_changes": []},
        "old-peers": {"tcpdrop.absent": [{"local_port": ports(pair)}, {"max_drops": 1}, {"onchanges": [{"test": "rule"}]}]},
        "again": {"tcpdrop.absent": [{"local_port": ports(pair)}, {"watch": [{"test": "rule"}]}]},
    }
    (files / "peers.sls").write_text(json.dumps(states))
    options = {"file_roots": {"base": [str(files)]}}
    conf = minions.configure(tmp_path / "conf", **options)
    assert minions.call(conf, "saltutil.sync_all").status == 0
    done = minions.call(conf, "state.apply", "peers")
    assert done.status == 0, done
    results = {one["__id__"]: one for one in minions.answer(done).values()}
    assert results["old-peers"]["changes"] == {key(pair): {"old": "ESTABLISHED", "new": "dropped"}}
    assert (results["again"]["result"], results["again"]["changes"]) == (True, {})
    assert aborted(pair)
    assert kept.alive()
    with minions.Loader(conf, **options) as salt:  # the copies went before the entry point
        assert Path(salt.ask("file", "tcpdrop.drop")).is_relative_to(conf / "var/cache/salt/minion/extmods/modules")


def test_old_interpreters_can_read_the_files():
    for file in (ROOT / "integrations/salt").rglob("*.py"):
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 6))


# ---- looking


def test_connections_count_and_summary(salt, holder):
    pairs = [holder.pair(), holder.pair()]
    chosen = {"local_port": ports(*pairs)}
    found = salt("tcpdrop.connections", **chosen)
    assert (found["matched"], found["truncated"], found["undecidable"]) == (2, False, 0)
    rows = {(row["local_addr"], row["local_port"], row["remote_addr"], row["remote_port"]): row for row in found["connections"]}
    assert rows.keys() == {(*pair.local, *pair.remote) for pair in pairs}
    assert {row["state"] for row in rows.values()} == {"ESTABLISHED"}
    assert {tuple(row["pids"]) for row in rows.values()} == {(holder.pid,)}
    assert salt("tcpdrop.count", **chosen) == 2
    assert salt("tcpdrop.count", f"lport {pairs[0].lport}") == 1
    assert salt("tcpdrop.summary", **chosen) == {"matched": 2, "counts": {"127.0.0.1": 2}, "truncated": False}
    assert salt("tcpdrop.summary", by="process", **chosen)["counts"] == {rows[(*pairs[0].local, *pairs[0].remote)]["process"]: 2}
    assert salt("tcpdrop.summary", by="user", **chosen)["counts"] == {"root": 2}
    assert salt("tcpdrop.summary", by="state", **chosen)["counts"] == {"ESTABLISHED": 2}
    one = salt("tcpdrop.summary", by="local_port", return_limit=1, **chosen)
    assert one == {"matched": 2, "counts": {str(min(ports(*pairs), key=str)): 1}, "truncated": True}
    few = salt("tcpdrop.connections", return_limit=1, **chosen)
    assert (few["matched"], len(few["connections"]), few["truncated"]) == (2, 1, True)


def test_values_with_commas_as_on_the_command_line(salt, holder):
    pairs = [holder.pair(), holder.pair()]
    assert salt("tcpdrop.count", local_port=",".join(map(str, ports(*pairs)))) == 2


def test_check_and_version(salt):
    import tcpdrop

    assert salt("tcpdrop.check") == {**tcpdrop.check().as_dict(), "command": salt("tcpdrop.check")["command"]}
    assert salt("tcpdrop.version")["version"] == tcpdrop.__version__


# ---- dropping


def test_preview_bound_drop_and_again(salt, holder):
    kept, *pairs = [holder.pair() for _ in range(4)]
    chosen = {"local_port": ports(*pairs)}
    seen = salt("tcpdrop.drop", test=True, **chosen)
    assert seen["counts"] == {"would_drop": 3}
    with pytest.raises(minions.Refused, match="3 connections match, and at most 2 may be dropped: none was"):
        salt("tcpdrop.drop", max_drops=2, **chosen)
    with pytest.raises(minions.Refused, match="the real run would be refused: 3 connections match"):
        salt("tcpdrop.drop", max_drops=2, test=True, **chosen)
    assert all(pair.alive() for pair in pairs)
    done = salt("tcpdrop.drop", return_limit=1, **chosen)
    assert (done["comment"], done["matched"], done["counts"], done["truncated"]) == ("3 dropped", 3, {"dropped": 3}, True)
    assert len(done["connections"]) == 1
    assert aborted(*pairs)
    again = salt("tcpdrop.drop", **chosen)
    assert (again["comment"], again["matched"], again["counts"]) == ("nothing matches", 0, {})
    assert kept.alive()


def test_breadth_must_be_typed(salt, holder):
    pair = holder.pair()
    for broad in ({"states": "established"}, {"filter": "port ge 1"}, {"filter": "not state listen"}, {"remote_addr": "0.0.0.0/0"}):
        for how in ({}, {"max_drops": None}, {"duration": "1s"}, {"test": True}):
            with pytest.raises(minions.Refused, match="as broad as all: say all=True too, or bound it by max_drops"):
                salt("tcpdrop.drop", **broad, **how)
        with pytest.raises(minions.Refused, match="at most 0 may be dropped"):
            salt("tcpdrop.drop", **broad, max_drops=0)
    with pytest.raises(minions.Refused, match="nothing is selected"):
        salt("tcpdrop.drop")
    assert pair.alive()


def test_a_hundred_unless_more_is_typed(salt, holder):
    pairs = [holder.pair() for _ in range(101)]
    chosen = {"local_port": ports(*pairs)}
    for bound in ({}, {"max_drops": None}):
        with pytest.raises(minions.Refused, match="101 connections match, and at most 100 may be dropped"):
            salt("tcpdrop.drop", **bound, **chosen)
    assert pairs[0].alive()
    assert salt("tcpdrop.drop", max_drops="none", **chosen)["counts"] == {"dropped": 101}
    assert aborted(pairs[0], pairs[-1])


def test_a_drop_in_of_the_host_binds(conf, holder, tmp_path):
    pair = holder.pair()
    wrapper = private.etc(tmp_path, drop_ins={"nfs.conf": f"protect lport {pair.lport}\n"})
    done = minions.answer(minions.call(conf, "tcpdrop.drop", f"local_port={pair.lport}", wrapper=wrapper))
    assert done["counts"] == {"protected": 1}
    assert pair.alive()


def test_what_is_protected_stays_and_is_told(salt, holder):
    kept, pair = holder.pair(), holder.pair()
    protect = [f"lport {kept.lport},{kept.rport}"]
    done = salt("tcpdrop.drop", local_port=ports(kept, pair), protect=protect)
    assert done["counts"] == {"dropped": 1, "protected": 1}
    assert len(done["warnings"]) == 1
    assert "1 of 2 were spared, the first: " in done["warnings"][0]
    assert aborted(pair)
    state = salt.absent(local_port=ports(kept), protect=protect)
    assert (state["result"], state["changes"], len(state["warnings"])) == (True, {}, 1)
    assert kept.alive()


def test_a_watch(salt, holder):
    pair = holder.pair()
    done = salt("tcpdrop.drop", local_port=ports(pair), duration="200ms", rate=10)
    assert done["counts"] == {"dropped": 1}
    assert aborted(pair)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "nothing is selected; to drop every connection say all=True"),
        ({"remote_addr": None}, "remote_addr is None; leave a selector out"),
        ({"remote_addr": "192.0.2.7 or state all"}, "remote_addr: '192.0.2.7 or state all'"),
        ({"local_port": 1, "all": True}, "all=True does not go with a selection"),
        ({"local_port": 1, "all": "yes"}, "all: True or False, not 'yes'"),
        ({"local_port": 1, "max_drops": -1}, "max_drops: a whole number, not '-1'"),
        ({"local_port": 1, "max_drops": "many"}, "max_drops: a whole number, not 'many'"),
        ({"local_port": 1, "max_drops": "\N{SUPERSCRIPT TWO}"}, "max_drops: a whole number, not '\N{SUPERSCRIPT TWO}'"),
        ({"local_port": 1, "max_drops": "9" * 5000}, "max_drops: a whole number, not '999"),
        ({"local_port": 1, "return_limit": "\N{ARABIC-INDIC DIGIT EIGHT}"}, "return_limit: a whole number, not "),
        ({"local_port": 1, "rate": 0}, "rate is 1 or more a second"),
        ({"local_port": 1, "duration": "soon"}, "soon"),
        ({"local_port": 1, "netns": "nowhere"}, "nowhere"),
        ({"local_prot": 1}, "'local_prot' is not known here; the selectors are local_addr, local_port, "),
        ({"filter": "lport and"}, "filter: expected a port"),
        ({"filter": 0}, "filter: a text, not '0'"),
        ({"filter": ""}, "filter: an empty string is no filter"),
        ({"process": True}, "process cannot be of type bool"),
        ({"process": None}, "process is None; leave a selector out"),
        ({"local_port": 1, "netns": ""}, "not an empty text"),
        ({"local_port": 1, "max_drops": ""}, "max_drops: a whole number, not ''"),
        ({"local_port": 1, "duration": float("nan"), "test": True}, "duration is 0 or more seconds, not nan"),
        ({"local_port": 1, "duration": [], "test": True}, "duration is a number of seconds, not []"),
        ({"local_port": 1, "netns": ["all"]}, "netns is a NAME, a PID or a PATH, not ['all']"),
        ({"local_port": 1, "rate": ""}, "rate: a whole number, not ''"),
        ({"local_port": 1, "protect": ""}, "protect: an empty string is no filter"),
        ({"local_port": 1, "protect": "comm"}, "protect: "),
        ({"states": "LISTEN"}, "LISTEN is no connection"),
        ({"local_port": "http s"}, "local_port: "),
    ],
    ids=str,
)
def test_wrong_arguments_in_one_line(salt, holder, arguments, said):
    pair = holder.pair()
    with pytest.raises(minions.Refused) as caught:
        salt("tcpdrop.drop", **arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    state = salt.absent(**arguments)
    assert (state["result"], state["changes"], state["comment"]) == (False, {}, str(caught.value))
    if "netns" in arguments:
        with pytest.raises(minions.Refused, match=r"netns|network namespace|nowhere"):
            salt("tcpdrop.connections", netns=arguments["netns"])
    assert pair.alive()


def test_values_as_they_are_delivered(salt, holder):
    """What YAML and a command line of Salt's make of what was written."""
    pair = holder.pair()
    port = pair.lport
    for given in (
        {"local_port": port},
        {"local_port": f"1, {port}"},
        {"local_port": f"{port}-{port}"},
        {"local_port": port, "user": 0},
        {"local_port": port, "max_drops": "1", "rate": "5", "return_limit": "1", "netns": None, "protect": None, "reason": 12},
    ):
        assert salt("tcpdrop.drop", test=True, **given)["counts"] == {"would_drop": 1}, given
    for words in (f"local_port={port}", f"local_port=1,{port}", f"local_port=[{port}]", f"local_port='{port}-{port}'"):
        assert salt.ask("line", ["tcpdrop.count", words]) == 1, words
    assert salt.ask("line", ["tcpdrop.count", "process=123"]) == 0
    assert salt("tcpdrop.connections", local_port=port, return_limit="9" * 19)["matched"] == 1
    assert pair.alive()


def test_a_name_that_is_no_utf8(salt, named):
    """Through JSON there and back; test_salt_daemons.py has msgpack."""
    port, spelling = named
    assert [row["process"] for row in salt("tcpdrop.connections", local_port=port)["connections"]] == [spelling]
    assert salt("tcpdrop.summary", by="process", local_port=port)["counts"] == {spelling: 1}
    assert salt("tcpdrop.drop", local_port=port, process=spelling)["counts"] == {"dropped": 1}


def test_a_users_name_that_is_no_utf8(conf, holder, tmp_path):
    """As the command line spells it, and it selects as well."""
    pair = holder.pair()
    users = tmp_path / "passwd"
    users.write_bytes(b"caf\xe9:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n")
    wrapper = needs("unshare", "--mount", "sh", "-c", f'mount --bind {users} /etc/passwd && exec "$@"', "sh")
    spelling = r"caf\udce9"
    done = minions.call(conf, "tcpdrop.summary", "by=user", f"local_port={pair.lport}", wrapper=wrapper)
    assert minions.answer(done)["counts"] == {spelling: 1}
    done = minions.call(conf, "tcpdrop.count", f"local_port={pair.lport}", f"user={spelling}", wrapper=wrapper)
    assert minions.answer(done) == 1


@pytest.mark.parametrize("given", [{"remote_addr": "fe80::1%nosuch"}, {"filter": "dev nosuch and remote 192.0.2.1"}])
def test_a_name_that_nothing_has_is_told(salt, given):
    said = ["a name that nothing has: there is no interface 'nosuch'"]
    for function in ("tcpdrop.connections", "tcpdrop.drop"):
        found = salt(function, **given)
        assert (found["matched"], found["warnings"]) == (0, said), function
    state = salt.absent(**given)
    assert (state["result"], state["warnings"]) == (True, said)
    assert salt("tcpdrop.connections", remote_addr="192.0.2.1")["warnings"] == []


def test_what_cannot_be_decided_for_such_a_name_says_so(salt, holder):
    pair = holder.pair()
    with pytest.raises(minions.Refused, match="2 connections may match or not; a name that nothing has: there is no interface 'nosuch'"):
        salt("tcpdrop.drop", filter=f"dev nosuch and port {pair.lport}")
    assert pair.alive()


def test_an_empty_list_matches_nothing(salt, holder):
    pair = holder.pair()
    assert salt("tcpdrop.drop", remote_addr=[])["matched"] == 0
    assert salt.absent(remote_addr=[])["result"] is True
    assert salt("tcpdrop.count", remote_addr=[]) == 0
    assert pair.alive()


# ---- the state


def test_the_state_predicts_acts_and_is_then_unchanged(salt, holder):
    pair = holder.pair()
    chosen = {"local_port": ports(pair)}
    label = {"name": "label"}
    before = salt.absent(test=True, **chosen)
    assert before == {
        **label,
        "result": None,
        "comment": "1 would drop",
        "changes": {key(pair): {"old": "ESTABLISHED", "new": "would_drop"}},
    }
    assert pair.alive()
    refused = salt.absent(test=True, max_drops=0, **chosen)
    assert (refused["result"], refused["changes"]) == (False, {})
    assert refused["comment"].startswith("the real run would be refused: 1 connections match")
    assert salt.absent(max_drops=0, **chosen)["result"] is False
    assert pair.alive()
    done = salt.absent(**chosen)
    assert done == {**label, "result": True, "comment": "1 dropped", "changes": {key(pair): {"old": "ESTABLISHED", "new": "dropped"}}}
    assert aborted(pair)
    for test in (False, True):
        assert salt.absent(test=test, **chosen) == {**label, "result": True, "comment": "nothing matches", "changes": {}}


def test_what_could_not_be_dropped_is_an_error_with_every_outcome(tmp_path, holder):
    pair = holder.pair()
    with minions.Loader(tmp_path) as salt:
        salt.ask("survive")
        with pytest.raises(minions.Refused, match=r"^1 failed; the first that could not be dropped: .*: still present") as caught:
            salt("tcpdrop.drop", local_port=ports(pair))
        assert caught.value.info["counts"] == {"failed": 1}
        assert caught.value.info["connections"][0]["outcome"] == "failed"
        assert len(caught.value.info["drop_errors"]) == 1
        state = salt.absent(local_port=ports(pair))
    assert (state["result"], state["changes"], state["comment"]) == (False, {}, str(caught.value))
    assert pair.alive()


def test_changes_are_capped(salt, holder):
    pairs = [holder.pair("inet6") for _ in range(3)]
    done = salt.absent(local_port=ports(*pairs), return_limit=2)
    assert done["comment"] == "3 dropped; the changes name the first 2 of them"
    assert len(done["changes"]) == 2
    assert set(done["changes"]) < {f"[::1]:{pair.lport}->[::1]:{pair.rport}" for pair in pairs}
    pair = holder.pair()
    assert salt.absent(local_port=ports(pair), return_limit=0)["changes"] == {"connections": {"dropped": 1}}
    assert aborted(pair, *pairs)


# ---- by salt-call, with its exit status


def test_salt_call(conf, holder):
    pairs = [holder.pair(), holder.pair()]
    chosen = "local_port={},{}".format(*ports(*pairs))
    done = minions.call(conf, "tcpdrop.drop", chosen, "max_drops=1")
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "2 connections match, and at most 1 may be dropped: none was" in done.err
    assert all(pair.alive() for pair in pairs)
    done = minions.call(conf, "tcpdrop.drop", chosen, "test=True")
    assert (done.status, minions.answer(done)["counts"]) == (0, {"would_drop": 2})
    assert all(pair.alive() for pair in pairs)
    assert minions.call(conf, *STATE, chosen, "test=True").status == 0
    assert all(pair.alive() for pair in pairs)
    done = minions.call(conf, "tcpdrop.drop", chosen)
    assert (done.status, minions.answer(done)["counts"]) == (0, {"dropped": 2})
    assert aborted(*pairs)


def said(done, text):
    """One clear line, no traceback, and a status that is not 0."""
    assert done.status != 0, done
    assert "Traceback" not in done.out + done.err
    assert len([line for line in (done.out + done.err).splitlines() if text in line]) == 1, done
    return True


def test_no_privilege(conf, holder):
    pair = holder.pair()
    done = minions.call(conf, "tcpdrop.drop", f"local_port={pair.lport}", wrapper=needs(*NO_CAPABILITIES))
    assert said(done, "not permitted")
    assert "CAP_NET_ADMIN" in done.err
    found = minions.call(conf, "tcpdrop.check", wrapper=NO_CAPABILITIES)
    assert found.status != 0
    assert "CAP_NET_ADMIN" in json.loads(found.out)["local"]["fix"]
    assert pair.alive()


def test_nothing_for_certain_is_no_success(conf, holder):
    """Whose it is cannot be seen: then that nothing matched means nothing, in a watch as well."""
    pair = holder.pair()
    chosen = (f"local_port={pair.lport}", "process=python*")
    for watch in ((), ("duration=200ms",)):
        done = minions.call(conf, "tcpdrop.drop", *chosen, *watch, wrapper=needs(*NO_CAPABILITIES))
        assert said(done, "nothing matches for certain, and 1 connections may match or not")
    assert pair.alive()


def test_a_kernel_that_cannot(conf, holder, no_destroy):
    """What nobody holds cannot be dropped there."""
    listener, client = holder.unaccepted()
    port = listener.name()[1]
    assert said(minions.call(conf, "tcpdrop.drop", f"local_port={port}", env=no_destroy), "not supported")
    server = listener.accept()
    assert client.call("send", b"x") == 1 and server.call("recv", 1) == b"x"


def test_a_system_that_is_not_ours(tmp_path, holder):
    pair = holder.pair()
    conf = minions.configure(tmp_path, grains={"kernel": "Darwin"})
    assert said(
        minions.call(conf, "tcpdrop.drop", f"local_port={pair.lport}"), "tcpdrop knows no way to list or drop connections on Darwin"
    )
    assert pair.alive()


def without_the_library(place, prefix=None):
    """Salt's Python with all its packages but tcpdrop: a command for salt-call.  prefix: where that Python believes to be."""
    site = Path(run(minions.program("python3"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").out.strip())
    place.mkdir()
    for entry in site.iterdir():
        if not entry.name.startswith("tcpdrop"):
            (place / entry.name).symlink_to(entry)
    code = f"import sys; sys.path.append({str(place)!r}); sys.prefix = {str(prefix)!r} if {prefix is not None} else sys.prefix; "
    return (minions.program("python3"), "-I", "-S", "-c", code + "from salt.scripts import salt_call; sys.exit(salt_call())")


def test_a_python_without_the_library(tmp_path, holder):
    """Also where the file's own directory is on sys.path, the module does not take itself for the library."""
    pair = holder.pair()
    files = minions.modules()
    conf = minions.configure(tmp_path / "conf", module_dirs=[str(files)])
    missing = without_the_library(tmp_path / "site")
    for words in (["tcpdrop.check"], [*STATE, f"local_port={pair.lport}"]):
        done = minions.call(conf, *words, program_=missing)
        assert said(done, "tcpdrop is not importable by Salt's Python ")
        how = f"install its wheel there: {minions.program('python3')} -m pip install ./tcpdrop-*.whl"
        assert f"(No module named 'tcpdrop'); {how}" in done.out + done.err
    assert pair.alive()


def test_a_onedir_salt_without_the_library(tmp_path):
    """Only there is a salt-pip."""
    conf = minions.configure(tmp_path / "conf", module_dirs=[str(minions.modules())])
    pip = tmp_path / "salt-pip"
    pip.write_text("#!/bin/sh\n")
    pip.chmod(0o755)
    done = minions.call(conf, "tcpdrop.check", program_=without_the_library(tmp_path / "site", tmp_path))
    assert said(done, f"install its wheel there: {pip} install ./tcpdrop-*.whl")
