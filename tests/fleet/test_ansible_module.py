# SPDX-License-Identifier: BSD-2-Clause
"""The modules of the collection, each in a process of its own: parameters, refusals, results."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import private
from support.command import NOBODY, needs
from support.crowd import Crowd
from support.engine import module, modules
from support.wait import until

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="fleets are tested where they run")]

#: what an AnsibleModule puts there, or means by it
RESERVED = {"failed", "skipped", "rc", "results", "exception", "warnings", "ansible_facts", "stdout", "stderr", "deprecations"}


def message(done):
    """That of a task that failed, in one line."""
    assert (done.status, done.result["failed"]) == (1, True)
    assert not done.result.get("changed")
    assert done.err == ""
    assert "\n" not in done.result["msg"]
    return done.result["msg"]


def refused(**parameters):
    return message(module("tcp_drop", **parameters))


def cut(pairs):
    """Every client has been told."""
    return [pair.peer.errno("recv", 1) for pair in pairs] == [errno.ECONNRESET] * len(pairs)


def warned(done, text):
    """Warnings are texts up to ansible-core 2.18, then events."""
    (warning,) = done.result["warnings"]
    return (warning if isinstance(warning, str) else warning["event"]["msg"]).startswith(text)


def lives(pairs):
    return all(pair.alive() for pair in pairs)


def test_what_an_unset_parameter_means(service):
    """null is not given; an empty list is, and matches nothing."""
    port, pairs = service(2)
    empty = [{name: []} for name in ("local_port", "local_addr", "remote_addr", "remote_port", "states", "pid", "process", "user")]
    for done in modules(*(("tcp_drop", one) for one in [*empty, *({"local_port": [port], **one} for one in empty)])):
        assert (done.status, done.result["changed"], done.result["matched"], done.result["msg"]) == (0, False, 0, "nothing matches")
    assert lives(pairs)
    done = module("tcp_drop", local_port=[port], remote_addr=None, filter=None, netns=None, protect=None, reason=None)
    assert (done.result["changed"], done.result["counts"]) == (True, {"dropped": 2})
    assert cut(pairs)


def test_nothing_selected_is_refused(service):
    _, pairs = service()
    nothing = [{}, {"local_port": None}, {"filter": None, "process": None}, {"netns": "all"}, {"protect": "lport 1"}]
    for done in modules(*(("tcp_drop", one) for one in nothing)):
        assert message(done) == "nothing is selected; to drop every connection say all=True"
    assert lives(pairs)


WRONG = {
    "local_port": ["zork", [70000], {"a": 1}, "", "80 or state all"],
    "remote_addr": ["localhost", ["10.0.0.1/8"], {"a": 1}, "", [""]],
    "local_addr": ["1.2.3", True],
    "remote_port": [[1.5], "0x50"],
    "states": ["open", [""], ["listen", "zork"]],
    "pid": ["x", [None], [0]],
    "process": [["a" * 16], [""]],
    "user": ["no-such-user", ""],
    "filter": ["", "lport", "lport 1 and rport 2 or rport 3", ["a", "b"], "loopback or zork"],
    "max_drops": ["many", -1, True, 1.5, "", "²", [1], "9" * 5000],
    "all": ["perhaps"],
    "include_self": ["perhaps"],
    "protect": [3, "", "zork", ["lport 1", ""], {"a": 1}, [1]],
    "duration": ["30", "soon", "", ["a"]],
    "rate": ["fast", 0, -1],
    "return_limit": ["x", -1],
    "netns": ["no-such-namespace"],
    "remote_host": ["10.0.0.1"],
}


def test_a_wrong_value_is_refused_with_the_parameters_name(service):
    """Also in check mode, and with a selection that matches beside it."""
    port, pairs = service()
    calls = [(name, value) for name, values in WRONG.items() for value in values]
    tasks = [("tcp_drop", {"local_port": [port], name: value}) for name, value in calls]
    for check in (False, True):
        for (name, value), done in zip(calls, modules(*tasks, check=check)):
            said = message(done)
            named = {"netns": "network namespace 'no-such-namespace'"}.get(name, name)
            assert named in said, (name, value, said)
    assert lives(pairs)


#: what YAML and Jinja make of what was written, and whether it still selects the one connection
DELIVERED = [
    ({"local_port": "PORT"}, True),
    ({"local_port": "1, PORT "}, True),
    ({"local_port": "PORT-PORT"}, True),
    ({"user": [0]}, True),
    ({"states": None, "user": None, "filter": None}, True),
    ({"rate": "5", "max_drops": "1", "return_limit": "1"}, True),
    ({"process": 123}, False),
    ({"remote_addr": []}, False),
]


def test_values_as_they_are_delivered(service):
    port, pairs = service()
    texts = [json.dumps({"local_port": port, **given}).replace("PORT", str(port)) for given, _ in DELIVERED]
    calls = [("tcp_drop", json.loads(text)) for text in texts]
    for (given, selects), done in zip(DELIVERED, modules(*calls, check=True)):
        assert (done.status, done.result["matched"]) == (0, int(selects)), (given, done.result)
    for name in ("tcp_drop", "tcp_connection_info"):
        assert module(name, check=True, local_port=[port], return_limit=10**30).result["matched"] == 1
    assert lives(pairs)


def test_a_range_as_yaml_reads_it(service):
    """A colon makes it another number; that is the engine's, and the page says how to write it."""
    yaml = pytest.importorskip("yaml", reason="no ansible-core here (make test-ansible installs it)")
    assert yaml.safe_load("20:25") == 1225
    port, pairs = service()
    done = module("tcp_drop", local_port=yaml.safe_load(f'["{port}-{port}"]'))
    assert done.result["counts"] == {"dropped": 1}
    assert cut(pairs)


def test_a_name_that_is_no_utf8(named):
    """Through JSON there and back: one spelling, which selects as well."""
    port, spelling = named
    done = module("tcp_connection_info", local_port=[port], process=[spelling])
    assert [row["process"] for row in done.result["connections"]] == [spelling]
    done = module("tcp_drop", local_port=[port], filter=f"comm {spelling}", protect=f"comm {spelling}")
    assert (done.status, done.result["counts"]) == (0, {"protected": 1})
    done = module("tcp_drop", local_port=[port], process=[spelling])
    assert (done.status, done.result["counts"]) == (0, {"dropped": 1})


def test_all_and_a_selection_exclude_each_other(service):
    port, pairs = service()
    assert "all=True does not go with a selection" in refused(all=True, local_port=[port])
    assert "a listening socket is never dropped" in refused(states=["listen"])
    assert lives(pairs)


def test_breadth_must_be_typed(service):
    port, pairs = service(2)
    for broad in ({"states": ["established"]}, {"filter": "port ge 1"}, {"filter": "not state listen"}, {"remote_addr": ["0.0.0.0/0"]}):
        for how in ({}, {"max_drops": None}, {"duration": "1s"}):
            assert "as broad as all: say all: true too, or bound it by max_drops" in refused(**broad, **how)
        assert "at most 0 may be dropped" in refused(**broad, max_drops=0)
    assert "nothing is selected" in refused()
    assert lives(pairs)
    protect = f"not lport {port} and not rport {port}"
    done = module("tcp_drop", states=["established"], filter="port ge 1", all=True, protect=protect)
    assert done.result["counts"]["dropped"] == 4  # both ends
    assert all(pair.peer.errno("recv", 1) for pair in pairs)


def test_the_bound(service):
    """The default is 100, also for null; nothing is dropped beyond it."""
    port, pairs = service(3)
    said = "3 connections match, and at most 2 may be dropped: none was"
    done = module("tcp_drop", local_port=[port], max_drops="2")
    assert (done.status, done.result["msg"], done.result["outcome"]) == (1, said, "protected")
    done = module("tcp_drop", local_port=[port], max_drops=2, check=True)
    assert (done.status, done.result["msg"], done.result["changed"]) == (1, said, False)
    assert [row["outcome"] for row in done.result["connections"]] == ["would_drop"] * 3  # what it was about
    assert lives(pairs)
    assert module("tcp_drop", local_port=[port], max_drops=3).result["counts"] == {"dropped": 3}
    assert cut(pairs)


def test_the_default_bound():
    with Crowd(101) as crowd:
        for bound in ({}, {"max_drops": None}):
            assert refused(filter=crowd.servers, **bound) == "101 connections match, and at most 100 may be dropped: none was"
        assert crowd.alive() == (101, 101)
        assert module("tcp_drop", filter=crowd.servers, max_drops="none").result["counts"] == {"dropped": 101}
        assert crowd.alive() == (0, 0)


@pytest.mark.parametrize("given", [{"remote_addr": ["fe80::1%nosuch"]}, {"filter": "dev nosuch"}])
@pytest.mark.parametrize("name", ["tcp_drop", "tcp_connection_info"])
def test_a_name_that_nothing_has_is_told(name, given):
    done = module(name, **given)
    assert (done.status, done.result["matched"]) == (0, 0)
    assert warned(done, "a name that nothing has: there is no interface 'nosuch'")
    assert "warnings" not in module(name, remote_addr=["192.0.2.1"]).result


@pytest.mark.real_root
def test_every_selector(service):
    port, pairs = service(2)
    _, others = service()
    pair = pairs[0]
    selectors = {
        "local_addr": ["127.0.0.0/8"],
        "local_port": f"{port}-{port},1",
        "remote_addr": "127.0.0.1",
        "remote_port": [pair.remote[1], "1"],
        "states": ["ESTABLISHED", "close-wait"],
        "pid": [pair.pid],
        "process": "python*",
        "user": ["root", "0"],
        "filter": "loopback and family inet",
    }
    wrong = {"filter": "family inet6", "local_addr": "192.0.2.1", "remote_addr": "192.0.2.1", "states": "time-wait", "pid": os.getpid()}
    calls = [("tcp_drop", {**selectors, name: wrong.get(name, "1")}) for name in selectors]
    for (_, given), done in zip(calls, modules(*calls)):  # each of them has its say
        assert (done.status, done.result["msg"]) == (0, "nothing matches"), given
    done = module("tcp_drop", **selectors)
    assert done.result["counts"] == {"dropped": 1}
    (row,) = done.result["connections"]
    assert (row["local_port"], row["remote_port"], row["outcome"]) == (port, pair.remote[1], "dropped")
    assert row["peer_told"] is True
    assert cut(pairs[:1])
    assert lives(pairs[1:] + others)


def test_another_namespace(other_namespace):
    there, _ = other_namespace
    pair = there.pair(victim="server")
    chosen = {"local_port": [pair.local[1]], "netns": str(there.pid)}
    assert module("tcp_drop", local_port=[pair.local[1]]).result["matched"] == 0
    assert module("tcp_connection_info", **chosen).result["matched"] == 1
    assert module("tcp_drop", **chosen).result["counts"] == {"dropped": 1}
    assert cut([pair])


def test_all(service):
    _, pairs = service(2)
    done = module("tcp_drop", all=True, protect=[f"pid {pairs[0].pid} and rport {pairs[0].remote[1]}", "lport 22,23"])
    assert done.result["counts"]["protected"] == 2  # and its other end
    assert lives(pairs[:1])
    assert pairs[1].peer.errno("recv", 1) in (errno.ECONNRESET, errno.ECONNABORTED)  # it was dropped itself, or its other end


def test_a_drop_in_of_the_host_binds(service, tmp_path):
    port, pairs = service(1)
    wrapper = private.etc(tmp_path, drop_ins={"nfs.conf": f"protect lport {port}\n"})
    done = module("tcp_drop", wrapper=wrapper, local_port=[port])
    (row,) = done.result["connections"]
    assert (row["outcome"], row["protected_by"]) == ("protected", f"by /etc/tcpdrop.conf.d/nfs.conf: lport {port}")
    assert lives(pairs)


def test_a_protecting_text_is_one_filter(service):
    """Commas included; what is spared is no failure, and is said."""
    port, pairs = service(3)
    spared = ",".join(str(pair.remote[1]) for pair in pairs[:2])
    done = module("tcp_drop", local_port=[port], protect=f"rport {spared}", diff=True)
    assert (done.status, done.result["changed"], done.result["msg"]) == (0, True, "1 dropped, 2 protected")
    assert warned(done, "2 of 3 connections were spared, the first: ")
    assert done.result["diff"]["before"].count("\n") == 3
    assert sorted(done.result["diff"]["after"].splitlines()) == sorted(
        f"127.0.0.1 {port} 127.0.0.1 {pair.remote[1]} ESTABLISHED" for pair in pairs[:2]
    )
    assert lives(pairs[:2])
    assert cut(pairs[2:])
    again = module("tcp_drop", local_port=[port], protect=f"rport {spared}")
    assert (again.status, again.result["changed"], again.result["msg"]) == (0, False, "2 protected")


def test_a_watch_drops_what_comes_back(service, holder):
    """For a duration; a preview is one look."""
    port, pairs = service(2)
    with ThreadPoolExecutor() as pool:
        watch = pool.submit(module, "tcp_drop", local_port=[port], duration="3s", rate=1000)
        until(lambda: not any(pair.state() for pair in pairs), "the first look", 60)
        pairs.append(holder.pair(port=port, victim="server"))
        done = watch.result()
    assert (done.result["changed"], done.result["counts"]) == (True, {"dropped": 3})
    assert cut(pairs)
    assert module("tcp_drop", local_port=[port], duration="10ms").result["changed"] is False
    port, pairs = service(2)
    done = module("tcp_drop", local_port=[port], duration="10s", check=True)
    assert (done.result["changed"], done.result["counts"]) == (True, {"would_drop": 2})
    assert lives(pairs)


def test_what_a_watch_has_dropped_is_told_when_it_is_stopped(service, holder, log):
    """The bound holds for the whole time: what comes back beyond it is left alone, and what was dropped is no secret."""
    port, pairs = service(2)
    with ThreadPoolExecutor() as pool:
        watch = pool.submit(module, "tcp_drop", local_port=[port], duration="20s", max_drops=2, log=True, wrapper=log.wrapper)
        until(lambda: not any(pair.state() for pair in pairs), "the first look", 60)
        late = holder.pair(port=port, victim="server")
        done = watch.result()
    assert (done.status, done.result["changed"], done.result["counts"]) == (1, True, {"dropped": 2})
    assert done.result["msg"] == "1 more match, beyond the bound of 2: they were left alone"
    log.read()
    assert [text.partition(": ")[2] for text in log.lines[1:]] == ["2 dropped"]
    assert done.result["outcome"] == "protected"
    assert cut(pairs)
    assert late.alive()


def test_a_rate_takes_its_time(service):
    port, pairs = service(3)
    done = module("tcp_drop", local_port=[port], rate=1000)
    assert done.result["counts"] == {"dropped": 3}
    assert cut(pairs)


def test_the_log_of_the_host(service, log):
    """What was done and why, beside Ansible's own line of how it was called; a preview did nothing."""
    port, pairs = service(2)
    for check in (True, False):
        done = module("tcp_drop", local_port=[port], reason="ticket 7", check=check, log=True, wrapper=log.wrapper)
        assert done.status == 0
    called, called_again, said = (text.partition(": ")[2] for text in (log.read(), log.lines)[1])
    assert "reason=ticket 7" in called
    assert "reason=ticket 7" in called_again
    assert said == "2 dropped (reason: ticket 7)"
    assert cut(pairs)


def test_no_reserved_keys_and_one_document(service):
    port, _ = service()
    for name in ("tcp_connection_info", "tcp_drop"):
        done = module(name, local_port=[port], protect="lport 1") if name == "tcp_drop" else module(name, local_port=[port])
        assert RESERVED.isdisjoint(done.result), name
        assert done.err == ""


def test_without_the_right(service):
    """Another user's connection, and nobody who asks."""
    wrapper = needs(*NOBODY)
    port, pairs = service()
    for check in (False, True):
        done = module("tcp_drop", local_port=[port], wrapper=wrapper, check=check)
        assert (done.status, done.result["outcome"]) == (1, "not_permitted"), done.result
        assert "become: true" in done.result["msg"]
        assert "CAP_NET_ADMIN" in done.result["msg"]
        assert "\n" not in done.result["msg"]
    assert lives(pairs)
    assert module("tcp_connection_info", local_port=[port], wrapper=wrapper).result["matched"] == 1
    assert module("tcp_drop", local_port=[port + 1], wrapper=wrapper).result["changed"] is False  # nothing to do needs no right
    # Whose it is cannot be seen: that nothing matched for certain is not success.
    for watch in ({}, {"duration": "200ms"}):
        done = module("tcp_drop", process=["python*"], local_port=[port], wrapper=wrapper, **watch)
        assert (done.status, done.result["msg"]) == (1, "nothing matches for certain, and 1 connections may match or not")
    done = module("tcp_connection_info", process=["python*"], local_port=[port], wrapper=wrapper)
    assert (done.status, done.result["matched"], done.result["undecidable"]) == (0, 0, 1)
    assert warned(done, "1 more may match or not")


def test_a_kernel_that_cannot(holder, no_destroy):
    """What nobody holds cannot be dropped there; once a process does, it can, through that."""
    listener, client = holder.unaccepted()
    port = listener.name()[1]
    for check in (False, True):
        done = module("tcp_drop", local_port=[port], env=no_destroy, check=check)
        assert (done.status, done.result["outcome"]) == (1, "not_supported"), done.result
        assert "CONFIG_INET_DIAG_DESTROY" in done.result["msg"]
        assert "\n" not in done.result["msg"]
    server = listener.accept()
    assert client.call("send", b"x") == 1 and server.call("recv", 1) == b"x"
    assert module("tcp_connection_info", local_port=[port], env=no_destroy).result["matched"] == 1
    done = module("tcp_drop", local_port=[port], env=no_destroy)
    assert (done.status, done.result["counts"], done.result["connections"][0]["method"]) == (0, {"dropped": 1}, "descriptor")
    assert client.errno("recv", 1) == errno.ECONNRESET
