# SPDX-License-Identifier: BSD-2-Clause
"""Where a drop is queued: it is looked for until it is gone, for many at once, and zones are named."""

import errno
import json
import sys

import pytest
from support.command import line, run, tcpdrop, words

import tcpdrop as api
from tcpdrop import _tcpdrop
from tcpdrop.safety import guard, login_services
from tcpdrop.system import holders, processes, procfs

SUNOS = pytest.mark.only_on("sunos", reason="drops are queued, and zones exist")
pytestmark = pytest.mark.privileged
MANY = 60


@pytest.fixture
def pairs(holder):
    return [holder.pair() for _ in range(MANY)]


@pytest.fixture
def calls(monkeypatch):
    """How often each function of the C module is called; each one is a walk."""
    counts = dict.fromkeys(("list_connections", "lookup", "abort", "abort_rows"), 0)

    def counted(name):
        real = getattr(_tcpdrop, name)

        def call(*args, **kwargs):
            counts[name] += 1
            return real(*args, **kwargs)

        return call

    for name in counts:
        monkeypatch.setattr(_tcpdrop, name, counted(name))
    return counts


def ports(pairs):
    return ",".join(words(pair)[1] for pair in pairs)


def exactly(pairs):
    """Both ports: the other end of an older one may have been given one of them."""
    return f"lport {ports(pairs)} and rport " + ",".join(sorted({words(pair)[3] for pair in pairs}))


@SUNOS
@pytest.mark.parametrize("named", ["by a selection", "one by one"])
def test_many_cost_one_look_for_all(pairs, calls, named):
    """One walk by abort_rows() before, one ioctl each, a bounded number of walks after, none of them for one victim."""
    target = api.connections(exactly(pairs))
    report = api.drop(list(target) if named == "one by one" else target)
    assert report.counts == {"dropped": MANY}
    assert calls["abort_rows"] == 1
    assert calls["lookup"] == calls["abort"] == 0
    assert calls["list_connections"] <= 12
    assert not api.connections(f"lport {ports(pairs)}")


@SUNOS
def test_when_drop_returns_it_is_gone(holder):
    for _ in range(5):
        pair = holder.pair()
        laddr, lport, raddr, rport = words(pair)
        api.drop_one((laddr, int(lport)), (raddr, int(rport)))
        with pytest.raises(api.NotFound):
            api.drop_one((laddr, int(lport)), (raddr, int(rport)))


@SUNOS
@pytest.mark.parametrize("form", ["classic", "drop", "saved"])
def test_what_is_never_carried_out_is_still_present(holder, tmp_path, form):
    """The kernel accepts it, and takes longer than patience lasts."""
    pair = holder.pair()
    slow = {"TCPDROP_SIM_DELAY_MS": "60000"}
    saved = tmp_path / "saved"
    saved.write_text(line(pair) + "\n")
    forms = {"classic": words(pair), "drop": ["drop", f"lport {words(pair)[1]}"], "saved": ["drop", "--from", str(saved)]}
    status, _, err = tcpdrop(*forms[form], env=slow)
    assert status == 3
    assert f"{line(pair)}: still present" in err


@SUNOS
def test_a_slow_kernel_is_waited_for(holder):
    pair = holder.pair()
    assert tcpdrop(*words(pair), env={"TCPDROP_SIM_DELAY_MS": "700"}) == (0, f"{line(pair)}: dropped\n", "")


@SUNOS
def test_the_other_end_stays_and_is_no_failure(holder):
    pair = holder.pair()
    done = tcpdrop("--json", *words(pair))
    (entry,) = json.loads(done.out)["connections"]
    assert (entry["outcome"], entry["peer_told"], entry["pids_kind"]) == ("dropped", False, "creator")
    assert api.connections(f"lport {words(pair)[3]} and rport {words(pair)[1]}")


@SUNOS
@pytest.mark.parametrize("words_", [["list", "--netns", "all"], ["list", "--netns", "x"], ["drop", "--netns=1", "lport 1"]])
def test_network_namespaces_are_not_of_this_system(words_):
    done = tcpdrop(*words_)
    assert done.status == 3
    assert done.err == "tcpdrop: this system has no network namespaces (a zone is named by --zone, or entered by zlogin)\n"


@SUNOS
@pytest.mark.parametrize("zone", ["0", "global"])
def test_our_own_zone_is_zone_0(holder, zone):
    pair = holder.pair()
    assert tcpdrop("--zone", zone, *words(pair)) == (0, f"{line(pair)}: dropped\n", "")


@SUNOS
def test_another_zone_is_asked_by_the_tuple_alone(holder):
    pair = holder.pair()
    status, _, err = tcpdrop("--zone=7", *words(pair))
    assert (status, err) == (1, f"{line(pair)}: not found\n")
    assert pair.alive()
    done = tcpdrop("--json", "--zone=all", *words(pair))
    (entry,) = json.loads(done.out)["connections"]
    assert (done.status, entry["outcome"], entry["zone"], entry["cookie"]) == (0, "dropped", -1, None)


@SUNOS
def test_what_cannot_be_decided_of_another_zone_is_refused(holder):
    pair = holder.pair()
    laddr, lport, raddr, rport = words(pair)
    assert tcpdrop("--zone=all", "-n", *words(pair)).status == 2
    assert tcpdrop("--zone=all", "--protect", "lport 1", *words(pair)).status == 4
    assert tcpdrop("--zone=all", *words(pair), env={"SSH_CONNECTION": f"{raddr} {rport} {laddr} {lport}"}).status == 4
    assert tcpdrop("--zone=no-such-zone", *words(pair)).status == 3
    assert pair.alive()


@SUNOS
@pytest.mark.parametrize("verb", [["list"], ["drop"]])
def test_our_own_zone_narrows_nothing_and_another_does_not_show(holder, verb):
    pair = holder.pair()
    chosen = f"lport {pair.lport}"
    for zone in ("7", "all"):
        done = tcpdrop(*verb, f"--zone={zone}", chosen)
        assert (done.status, done.out) == (3, "")
        assert done.err.startswith("tcpdrop: connections of another zone do not show (")
        for call in (api.connections, api.drop):
            with pytest.raises(api.NotSupported, match="do not show"):
                call(chosen, zone=zone)
        with pytest.raises(api.NotSupported, match="do not show"):
            next(api.keep_dropping(chosen, duration=0.1, zone=zone))
    assert len(api.connections(chosen, zone="global")) == 1
    assert pair.alive()
    assert tcpdrop(*verb, "--zone", "0", chosen).status == 0


@SUNOS
@pytest.mark.parametrize("verb", ["list", "classic"])
@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EACCES, "cannot be opened"),
        (errno.EBUSY, "in use exclusively"),
        (errno.ENOENT, "the device is missing"),
        (errno.ENXIO, "has no driver behind it"),
        (getattr(errno, "ENOSR", 63), "no STREAMS resources"),
    ],
)
def test_each_refusal_of_a_device_has_a_sentence(holder, verb, number, says):
    pair = holder.pair()
    done = tcpdrop(*(["list"] if verb == "list" else words(pair)), env={"TCPDROP_SIM_OPEN_ERRNO": str(number)})
    assert (done.status, done.out) == (3, "")
    assert says in done.err and "/dev/" in done.err, done.err
    assert pair.alive()


@SUNOS
def test_that_there_are_other_zones_is_said(tmp_path):
    code = f"import sys, tcpdrop.system.sunos_zones as z; z.RUNNING = {str(tmp_path)!r}; from tcpdrop.cli import main; sys.exit(main())"
    (tmp_path / "web.zoneadmd_door").touch()
    done = run(sys.executable, "-I", "-c", code, "127.0.0.1", "1", "127.0.0.1", "2")
    assert (done.status, done.err) == (1, "127.0.0.1 1 127.0.0.1 2: not found (in this zone; there are others: --zone)\n")
    done = run(sys.executable, "-I", "-c", code, "drop", "lport 1")
    assert done.err.endswith("nothing matched in this zone; there are others, whose connections do not show: zlogin ZONE tcpdrop ...\n")


@pytest.mark.only_on("linux", reason="has no zones")
def test_linux_has_no_zones():
    done = tcpdrop("--zone", "1", "127.0.0.1", "1", "127.0.0.1", "2")
    assert (done.status, done.err) == (2, "tcpdrop: --zone: this system has no zones; --netns names a network namespace\n")
    assert tcpdrop("list", "--zone", "1").status == 2


@SUNOS
@pytest.mark.parametrize("creator", ["a login service", "an ancestor", "dead"])
def test_a_login_that_cannot_be_told_is_spared_by_its_creator(holder, monkeypatch, creator):
    """As on a real system: no descriptor names a socket, neither an ancestor's nor anybody's."""

    def no(pid):
        raise OSError(22, "no link")

    monkeypatch.setattr(procfs, "socket_inodes", no)
    monkeypatch.setattr(holders, "_read_process", lambda *args: False)
    monkeypatch.setattr(procfs, "some_are_hidden", lambda: True)
    pair, other = holder.pair(victim="server"), holder.pair()
    if creator == "a login service":
        monkeypatch.setattr(login_services, "LOGIN_CREATORS", {procfs.command_of(holder.pid)})
    elif creator == "an ancestor":
        monkeypatch.setattr(guard, "ancestors", lambda: iter([holder.pid, 1]))
    else:
        holder.listener(port=pair.lport)
        monkeypatch.setattr(processes.Processes, "comm", lambda self, pid: None)
    assert "cannot tell which connection carries your session" in guard.Guard().warning
    report = api.drop(f"lport {pair.lport}")
    assert report.counts == {"protected": 1}
    assert "your own login cannot be told" in report.protected[0].error.hint
    assert api.drop(f"lport {other.lport}", include_self=True).counts == {"dropped": 1}


#: says how often a run has looked
COUNTING = """
import atexit
from tcpdrop.engine.run import Run
looks, one = [], Run.round
Run.round = lambda *given: looks.append(0) or one(*given)
atexit.register(lambda: print("looks", len(looks), file=sys.stderr))
"""


def counters(tmp_path, *arguments, before="", **environment):
    """A command's result, and what its simulated kernel was asked for: that is written when the module is unloaded."""
    file = tmp_path / "counters"
    file.unlink(missing_ok=True)
    code = f"import sys\n{before}\nfrom tcpdrop.cli import main; sys.exit(main())"
    done = run(sys.executable, "-I", "-c", code, *arguments, env={"TCPDROP_SIM_COUNTERS": str(file), **environment})
    found = file.read_text().split()
    return done, dict(zip(found[::2], map(int, found[1::2])))


@SUNOS
@pytest.mark.parametrize("number", [1, MANY])
def test_walks_do_not_grow_with_what_is_dropped(holder, tmp_path, number):
    """The whole command: selecting, protecting, one walk before, a request each and the probe's, looking again."""
    pairs = [holder.pair() for _ in range(number)]
    done, kernel = counters(tmp_path, "drop", "--yes", exactly(pairs))
    assert done.out.count(": dropped") == number
    assert kernel["requests"] == number + 2  # the probe, which the simulator asks twice: it might be younger than the last walk
    assert kernel["walks"] <= 12
    assert kernel["descriptors"] == 0


@SUNOS
def test_walks_do_not_grow_with_what_a_rule_has_to_look_for(holder, tmp_path):
    """The other ends are gone: each is looked for, and all of them in one walk."""
    pairs = [holder.pair() for _ in range(MANY)]
    assert api.drop(f"rport {ports(pairs)}").counts["dropped"] >= MANY  # more where an old connection's port was given anew
    done, kernel = counters(tmp_path, "drop", "--yes", "--protect", "lport 1", exactly(pairs))
    assert done.out.count(": dropped") == MANY
    assert kernel["walks"] <= 14


@SUNOS
def test_a_listing_is_one_walk(tmp_path):
    assert counters(tmp_path, "list")[1] == {"walks": 1, "requests": 0, "opens": 1, "descriptors": 0}


@SUNOS
def test_among_100000(tmp_path):
    """One walk to list; to drop some of them one walk before, one request each, a bounded number of walks."""
    crowd = {"TCPDROP_SIM_CROWD": "100000"}
    done, kernel = counters(tmp_path, "list", "-c", **crowd)
    assert (done.out, kernel["walks"]) == ("100000\n", 1)
    done, kernel = counters(tmp_path, "drop", "--yes", "-q", "rport 2000-2009", **crowd)
    assert done.err == "tcpdrop: 20 dropped\n"
    assert kernel["requests"] == 20 + 1  # the probe's
    assert kernel["walks"] <= 10


@SUNOS
def test_the_creator_stands_for_the_holder(holder):
    pair = holder.pair()
    (entry,) = json.loads(tcpdrop("list", "--json", f"lport {words(pair)[1]}", "rport", words(pair)[3]).out)["connections"]
    assert (entry["pids"], entry["pids_kind"]) == ([holder.pid], "creator")
    assert entry["process"].startswith("python")


# ---- what a kernel does to who asks twice, or while it is short of memory


@SUNOS
def test_what_waits_in_the_queue_is_not_asked_for_again(holder, tmp_path):
    """It would end what the program connects that descriptor to when the first has been carried out."""
    pair = holder.pair()
    words_ = ["drop", "--jsonl", "--for", "4s", "--interval", "100ms", exactly([pair])]
    done, kernel = counters(tmp_path, *words_, before=COUNTING, TCPDROP_SIM_DELAY_MS="60000")
    looks = int(done.err.split()[-1])
    assert done.status == 3
    assert sum(entry.get("error") == "still present" for entry in map(json.loads, done.out.splitlines())) == 1
    assert looks >= 2
    assert kernel["requests"] == 1 + 2 * looks  # and the probe of each look, which the simulator asks twice


@SUNOS
@pytest.mark.parametrize("form", ["list", "drop", "classic"])
def test_a_kernel_short_of_memory_is_asked_again(holder, form):
    """It leaves rows out and says that all went well; the third walk is whole."""
    pairs = [holder.pair() for _ in range(20)]
    forms = {
        "list": ["list", "-o", "local_port", exactly(pairs)],
        "drop": ["drop", exactly(pairs)],
        "classic": words(pairs[0]),
    }
    done = tcpdrop(*forms[form], env={"TCPDROP_SIM_LOSES": "3,2"})
    assert (done.status, done.err) == (0, "tcpdrop: 20 dropped\n" if form == "drop" else ""), done
    assert len(done.out.splitlines()) == {"list": 21, "drop": 20, "classic": 1}[form]


@SUNOS
@pytest.mark.parametrize("form", ["list", "drop", "classic"])
def test_a_kernel_that_stays_short_of_memory_is_an_error_that_says_so(holder, form):
    pair = holder.pair()
    forms = {"list": ["list"], "drop": ["drop", "--yes", f"lport {pair.lport}"], "classic": words(pair)}
    done = tcpdrop(*forms[form], env={"TCPDROP_SIM_LOSES": "1,-1"})
    assert (done.status, done.out) == (3, "")
    assert "rows missing" in done.err
    assert "the kernel is short of memory, and leaves connections out of its answers then: try again" in done.err
    assert pair.alive()
