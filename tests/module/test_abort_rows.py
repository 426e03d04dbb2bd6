# SPDX-License-Identifier: BSD-2-Clause
"""abort_rows(): rows of a table, each by its cookie, with an errno of its own."""

import errno
import json
import shutil
import signal
import subprocess
import sys
from array import array
from collections import Counter
from pathlib import Path

import pytest
from support import checks, procnet
from support.command import line, tcpdrop, words
from support.crowd import Crowd

import tcpdrop as package
from tcpdrop import _tcpdrop
from tcpdrop.engine import pace
from tcpdrop.engine.run import Run
from tcpdrop.errors import OUTCOMES
from tcpdrop.model.rows import COOKIE, LISTEN, LPORT, ROW, ROW_FIELDS, RPORT, STATE, USUAL_STATES
from tcpdrop.safety.guard import Guard
from tcpdrop.system import kernel

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="batches and cookies of sock_diag")]

USUAL = USUAL_STATES
LISTEN = 1 << LISTEN
THREADS = [1, 2, 8]


def abort(table, places, threads=0, scope=None):
    return list(array("i", _tcpdrop.abort_rows(table, array("I", places).tobytes(), threads=threads, scope=scope)))


def places_of(table, tuples):
    """Where these tuples stand in the table, in the order of `tuples`."""
    at = {checks.ends_of(ROW.unpack(raw)): place for place, raw in enumerate(table)}
    return [at[procnet.ends(tup)] for tup in tuples]


@pytest.fixture
def pairs(holder):
    made = [holder.pair(family) for family in ("inet", "inet6", "mapped") for _ in range(4)]
    yield made
    for pair in made:
        pair.close()


@pytest.mark.parametrize("threads", THREADS)
def test_each_row_has_its_own_errno(pairs, threads):
    """Alive, closed meanwhile, alive: 0, ENOENT, 0, in the order that was asked for."""
    table = _tcpdrop.list_connections(USUAL)
    wanted = pairs[::-1]
    for pair in wanted[1::3]:
        _tcpdrop.abort(*pair.tuple)
    answers = abort(table, places_of(table, [pair.tuple for pair in wanted]), threads)
    assert answers == [errno.ENOENT if n % 3 == 1 else 0 for n in range(len(wanted))]
    assert not any(pair.state() == "ESTABLISHED" for pair in wanted)


@pytest.mark.parametrize("threads", THREADS)
def test_rows_that_were_not_asked_for_are_untouched(pairs, threads):
    table = _tcpdrop.list_connections(USUAL)
    victims, others = pairs[::2], pairs[1::2]
    assert abort(table, places_of(table, [pair.tuple for pair in victims]), threads) == [0] * len(victims)
    assert all(pair.alive() for pair in others)
    assert abort(table, [], threads) == []


def test_both_ends_of_a_connection(pairs):
    """The first takes the second along."""
    table = _tcpdrop.list_connections(USUAL)
    assert abort(table, places_of(table, [pairs[0].tuple, pairs[0].mirrored])) == [0, errno.ENOENT]


def test_the_same_row_twice_is_dropped_once(pairs):
    table = _tcpdrop.list_connections(USUAL)
    place = places_of(table, [pairs[0].tuple])
    assert abort(table, place * 3) == [0, errno.ENOENT, errno.ENOENT]


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("family", ["inet", "inet6", "dual"])
def test_a_listener_is_refused_row_by_row(holder, pairs, family, threads):
    listener = holder.listener(family)
    port = listener.name()[1]
    table = _tcpdrop.list_connections(USUAL | LISTEN)
    listening = [place for place, raw in enumerate(table) if ROW.unpack(raw)[STATE] == LISTEN]
    ours = places_of(table, [pairs[0].tuple])
    assert abort(table, listening + ours, threads) == [errno.EINVAL] * len(listening) + [0]
    assert len(procnet.listeners(port)) == 1
    listener.close()


@pytest.mark.parametrize("threads", THREADS)
def test_many_batches(threads):
    """More than a batch, not a whole number of them; every answer in its own place."""
    with Crowd(1000) as crowd:
        table = _tcpdrop.list_connections(USUAL)
        rows = [ROW.unpack(raw) for raw in table]
        servers = [place for place, row in enumerate(rows) if 20000 <= row[LPORT] < 20004]
        clients = [place for place, row in enumerate(rows) if 20000 <= row[RPORT] < 20004]
        assert len(servers) == len(clients) == 1000
        assert abort(table, servers[:700], threads) == [0] * 700
        assert crowd.alive() == (300, 300)
        answers = abort(table, servers, threads)
        assert answers == [errno.ENOENT] * 700 + [0] * 300
        assert abort(table, clients, threads) == [errno.ENOENT] * 1000


def test_signals_without_end_do_not_disturb_it():
    """A timer a hundred times in the time of one run: EINTR is not an answer."""
    ticks = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: ticks.append(number))
    try:
        with Crowd(4000) as crowd:
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            done = package.drop(crowd.servers)
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert done.counts == {"dropped": 4000}
            assert crowd.alive() == (0, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ticks


def test_between_slices_a_run_can_be_stopped(monkeypatch):
    monkeypatch.setattr(pace, "SLICE", 1000)
    asked = []
    with Crowd(3000) as crowd:
        run = Run(Guard(), stopped=lambda: len(asked) > 1 or asked.append(1))
        run.round(package.connections(crowd.servers))
        assert run.report.counts == {"dropped": 2000, "listed": 1000}
        assert crowd.alive() == (1000, 1000)


@pytest.mark.parametrize("threads", THREADS)
def test_threads_that_drop_the_same_rows_at_once(threads):
    """Each connection is dropped by one of them."""
    import threading

    with Crowd(2000) as crowd:
        listed = package.connections(crowd.servers)
        table, places = listed.batches[0].table, list(listed.batches[0].indices)
        answers = [None] * threads
        running = [threading.Thread(target=lambda n=n: answers.__setitem__(n, abort(table, places, threads))) for n in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(60)
        for each in zip(*answers):
            assert Counter(each) == Counter([0] + [errno.ENOENT] * (threads - 1))
        assert crowd.alive() == (0, 0)


# ---- a saved row is checked like any other


def forged(pair, **changed):
    """The listing's row of a pair, with some fields of somebody's choice."""
    row = dict(zip(ROW_FIELDS, checks.row_of(pair.tuple)))
    row.update(changed)
    return package.Connection(tuple(row[name] for name in ROW_FIELDS))


def test_a_row_with_the_cookie_of_another_socket_is_gone(holder):
    one, other = holder.pair(), holder.pair()
    victim = forged(one, cookie=checks.row_of(other.tuple)[COOKIE])
    assert package.drop(victim).counts == {"gone": 1}
    assert one.alive()
    assert other.alive()


def test_a_row_with_the_cookie_of_a_listener_does_not_kill_the_listener(holder):
    listener = holder.listener()
    port = listener.name()[1]
    row = next(r for r in checks.rows(LISTEN) if r[LPORT] == port)
    pair = holder.pair()
    for victim in (forged(pair, cookie=row[COOKIE]), forged(pair, cookie=row[COOKIE], lport=port)):
        assert package.drop(victim).counts == {"gone": 1}
    assert len(procnet.listeners(port)) == 1
    assert pair.alive()


def test_a_listener_among_the_given_is_an_error_before_the_first_drop(holder):
    listener = holder.listener()
    port = listener.name()[1]
    pair = holder.pair()
    everything = package.connections("state all")
    listed = [c for c in everything if c.local in (("127.0.0.1", port), ("127.0.0.1", pair.lport)) and c.state_name != "TIME_WAIT"]
    assert len(listed) == 2
    for given in (everything, listed, listed[::-1], [c for c in listed if c.local.port == port]):
        with pytest.raises(package.FilterError, match="LISTEN is no connection"):
            package.drop(given)
    assert pair.alive()
    assert len(procnet.listeners(port)) == 1


def test_what_only_a_forger_can_write_is_an_outcome_and_not_an_exception(holder):
    """Wildcards behind the check of states: refused by the C module, row by row."""
    pair, port = holder.pair(), holder.listener().name()[1]
    wild = [forged(pair, **{field: zero}) for field, zero in (("rport", 0), ("lport", 0), ("raddr", bytes(16)), ("laddr", bytes(16)))]
    done = package.drop([*wild, forged(pair, lport=port, rport=0, raddr=bytes(16))])
    assert done.counts == {"failed": 5}
    assert {result.error.errno for result in done} == {errno.EINVAL}
    assert pair.alive()
    assert len(procnet.listeners(port)) == 1


# ---- answers that get lost


@pytest.fixture(scope="module")
def lossy(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    shim = tmp_path_factory.mktemp("shim") / "lossy.so"
    source = Path(__file__).parents[1] / "c" / "lossy.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    return str(shim)


HALF_GONE = """
import json, sys
import tcpdrop
listed = tcpdrop.connections(sys.argv[1])
print(json.dumps(len(listed)), flush=True)
sys.stdin.readline()
print(json.dumps(tcpdrop.drop(listed).counts), flush=True)
"""


def test_a_receive_buffer_that_holds_two_answers_loses_no_truth(lossy):
    """Every row is gone by then, so every row answers: far more than the buffer holds."""
    with Crowd(600) as crowd:
        env = {"LD_PRELOAD": lossy, "LOSSY": "small", "PATH": "/usr/bin:/bin"}
        child = subprocess.Popen(
            [sys.executable, "-c", HALF_GONE, crowd.servers], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd="/"
        )
        assert json.loads(child.stdout.readline()) == 600
        assert package.drop(package.connections(crowd.servers)[:450]).counts == {"dropped": 450}
        out, _ = child.communicate("go\n", timeout=60)
        assert json.loads(out) == {"dropped": 150, "gone": 450}
        assert crowd.alive() == (0, 0)


def test_what_was_never_sent_dropped_nothing(lossy):
    """The send fails as a lost answer does: connections gone by themselves are not ours to claim."""
    with Crowd(20) as crowd:
        env = {"LD_PRELOAD": lossy, "LOSSY": "unsent", "PATH": "/usr/bin:/bin"}
        child = subprocess.Popen(
            [sys.executable, "-c", HALF_GONE, crowd.servers], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd="/"
        )
        assert json.loads(child.stdout.readline()) == 20
        assert package.drop(package.connections(crowd.servers)[:15]).counts == {"dropped": 15}
        out, _ = child.communicate("go\n", timeout=60)
        assert json.loads(out) == {"failed": 20}
        assert crowd.alive() == (5, 5)


@pytest.mark.parametrize("how", ["small", "all"])
def test_lost_answers_and_every_connection_is_dropped(lossy, how):
    with Crowd(600) as crowd, Crowd(50, port=21000) as others:
        done = tcpdrop("drop", "--yes", "--json", "port 20000-20003", env={"LD_PRELOAD": lossy, "LOSSY": how})
        assert done.status == 0, done.err
        assert json.loads(done.out)["summary"]["counts"] == {"dropped": 1200}
        assert crowd.alive() == (0, 0)
        assert others.alive() == (50, 50)


@pytest.mark.parametrize("how", ["all", "unsent"])
def test_a_lost_answer_of_one(lossy, holder, how):
    """What was asked and is gone was dropped; what was never asked lives, and is no lost answer."""
    pair = holder.pair()
    done = tcpdrop(*words(pair), env={"LD_PRELOAD": lossy, "LOSSY": how, "LOSSY_ONE": "1"})
    if how == "all":
        assert (done.status, done.out) == (0, f"{line(pair)}: dropped\n"), done
        assert pair.state() is None
    else:
        assert (done.status, done.out) == (3, ""), done
        assert "sendto: " in done.err and pair.alive()


def test_an_errno_is_an_outcome():
    names = {
        errno.ENOENT: "gone",
        errno.EPERM: "not_permitted",
        errno.EACCES: "not_permitted",
        errno.EOPNOTSUPP: "not_supported",
        errno.EINVAL: "failed",
        errno.ENOBUFS: "failed",
        errno.EIO: "failed",
    }
    for number, name in names.items():
        error = kernel.error_of(number, "1.2.3.4 5 6.7.8.9 10")
        assert error.outcome == name
        assert error.outcome in OUTCOMES
        assert error.errno == number
        assert str(error).startswith("1.2.3.4 5 6.7.8.9 10: ")
