# SPDX-License-Identifier: BSD-2-Clause
"""converse(): several exact requests over one socket, of which none is answered by what another asked."""

import errno
import gc
import os
import socket
import struct
import sys
import threading

import pytest
from support import netns
from support.checks import refuses, row_of
from support.wait import until

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import COOKIE, ROW

pytestmark = pytest.mark.privileged

linux = pytest.mark.only_on("linux", reason="elsewhere nothing stays open")
by_reference = pytest.mark.skipif(sys.implementation.name == "pypy", reason="PyPy frees when it likes")
UNBOUND = bytes(4)
NETLINK_SOCK_DIAG = 4


def found(over, *tuples):
    """The cookies of what is found with these."""
    return [row[COOKIE] for row in ROW.iter_unpack(_tcpdrop.lookup_each(tuples, UNBOUND, scope=over))]


def descriptors():
    links = {fd: f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")}
    return {fd: os.readlink(link) for fd, link in links.items() if os.path.lexists(link)}  # not that of listdir() itself


@pytest.fixture
def opened():
    """What is open beside what was at the start."""
    before = descriptors()
    return lambda: sorted(file for fd, file in descriptors().items() if before.get(fd) != file and file.startswith("socket:"))


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_look_up_and_abort(holder, family):
    over = _tcpdrop.converse()
    pairs = [holder.pair(family) for _ in range(3)]
    other = holder.pair(family)
    for pair in pairs:
        (cookie,) = found(over, pair.tuple)
        assert cookie == row_of(pair.tuple)[COOKIE]
        assert _tcpdrop.abort(*pair.tuple, cookie=cookie, scope=over) is None
        until(lambda pair=pair: pair.state() is None, "the victim to vanish")
        refuses(errno.ENOENT, _tcpdrop.abort, *pair.tuple, cookie=cookie, scope=over)
        assert found(over, pair.tuple) == []
    assert other.alive()
    assert _tcpdrop.end(over) is None


@linux
def test_one_socket_goes_from_request_to_request(holder, opened):
    pair, other = holder.pair(), holder.pair()
    over = _tcpdrop.converse()
    assert opened() == []  # the first request opens it
    found(over, pair.tuple)
    (ours,) = opened()
    found(over, pair.tuple, other.tuple, pair.mirrored)
    _tcpdrop.abort(*pair.tuple, scope=over)
    assert opened() == [ours]
    with pytest.raises(ValueError, match="wildcard"):  # before anything is asked
        _tcpdrop.abort(b"\x7f\0\0\1", 0, b"\x7f\0\0\1", 1, scope=over)
    assert opened() == [ours]
    _tcpdrop.end(over)
    assert opened() == []
    _tcpdrop.end(over)
    assert found(over, other.tuple) == [row_of(other.tuple)[COOKIE]]  # ended, not dead
    assert len(opened()) == 1
    _tcpdrop.end(over)


@linux
@by_reference
def test_one_that_is_forgotten_closes_it(holder, opened):
    pair = holder.pair()

    def talk(then):
        over = _tcpdrop.converse()
        found(over, pair.tuple)
        assert len(opened()) == 1
        then(over)

    talk(lambda over: None)
    assert opened() == []
    with pytest.raises(ZeroDivisionError) as caught:
        talk(lambda over: 1 / 0)
    assert len(opened()) == 1  # the traceback has it still, and so whoever needs it closed ends it
    del caught
    gc.collect()
    assert opened() == []
    circle = [_tcpdrop.converse()]
    found(circle[0], pair.tuple)
    circle.append(circle)
    del circle
    gc.collect()
    assert opened() == []


@linux
def test_after_an_error_nothing_is_open(holder, opened):
    pair = holder.pair()
    over = _tcpdrop.converse()
    found(over, pair.tuple)
    refuses(errno.ENOENT, _tcpdrop.abort, *pair.tuple, cookie=1, scope=over)
    assert opened() == []
    assert pair.alive()
    assert found(over, pair.tuple) == [row_of(pair.tuple)[COOKIE]]
    _tcpdrop.end(over)


def look_up_request(number, pair):
    """As the module asks."""
    laddr, lport, raddr, rport = pair.tuple
    ends = struct.pack("!HH", lport, rport) + laddr.ljust(16, b"\0") + raddr.ljust(16, b"\0")
    body = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + ends + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    return struct.pack("=IHHII", 16 + len(body), 20, 1, number, 0) + body


@linux
@pytest.mark.parametrize("number", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("asks", ["look-up", "abort"])
def test_an_old_answer_is_none_to_a_new_request(holder, opened, asks, number):
    """One lies in the socket, under the number of an earlier request or none: it is not what this one asked for, whatever it says."""
    pair, other = holder.pair(), holder.pair()
    before = descriptors()
    over = _tcpdrop.converse()
    for _ in range(3):
        found(over, pair.tuple)
    (fd,) = [int(fd) for fd, file in descriptors().items() if before.get(fd) != file and file.startswith("socket:")]
    with socket.socket(fileno=os.dup(fd)) as theirs:
        theirs.sendto(look_up_request(number, pair), (0, 0))
    with pytest.raises(OSError) as caught:
        found(over, pair.tuple) if asks == "look-up" else _tcpdrop.abort(*pair.tuple, scope=over)
    assert caught.value.errno == errno.EPROTO
    assert pair.alive()
    assert opened() == []
    assert found(over, other.tuple, pair.tuple) == [row_of(other.tuple)[COOKIE], row_of(pair.tuple)[COOKIE]]
    _tcpdrop.abort(*pair.tuple, scope=over)
    assert pair.state() is None
    assert other.alive()
    _tcpdrop.end(over)


@linux
@pytest.mark.parametrize("second", ["look-up", "abort", "end"])
def test_two_threads_do_not_talk_at_once(holder, second):
    """The second is refused, and the first gets what it asked for."""
    pair, victim = holder.pair(), holder.pair()
    over = _tcpdrop.converse()
    calls = {
        "look-up": lambda: found(over, victim.tuple),
        "abort": lambda: _tcpdrop.abort(*victim.tuple, cookie=1, scope=over),
        "end": lambda: _tcpdrop.end(over),
    }
    many = struct.pack("20000I", *range(20000))
    answers = []
    enough = threading.Event()

    def look_up():
        while not enough.is_set():
            try:
                packed = _tcpdrop.lookup_each([pair.tuple], many, scope=over)
            except OSError as e:  # the other was first
                answers.append(refusal(e))
            else:
                answers.append([row[COOKIE] for row in ROW.iter_unpack(packed)])

    def refused():
        try:
            calls[second]()
        except FileNotFoundError:  # the first had an answer just now
            return False
        except OSError as e:
            return refusal(e)
        return False

    thread = threading.Thread(target=look_up)
    thread.start()
    try:
        until(refused, "the second to come while the first talks")
    finally:
        enough.set()
        thread.join()
    assert [row_of(pair.tuple)[COOKIE]] in answers
    assert all(answer in (BUSY, [row_of(pair.tuple)[COOKIE]]) for answer in answers)
    assert victim.alive()
    _tcpdrop.abort(*victim.tuple, scope=over)  # and now it is free
    assert victim.state() is None
    _tcpdrop.end(over)


BUSY = (errno.EBUSY, "conversation")


def refusal(error):
    assert (error.errno, error.step) == BUSY
    return BUSY


@linux
def test_threads_each_with_its_own(holder):
    pairs = [holder.pair() for _ in range(80)]
    right = [row_of(pair.tuple)[COOKIE] for pair in pairs]
    faults = []

    def work(me):
        try:
            over = _tcpdrop.converse()
            for pair, cookie in zip(pairs[me::8], right[me::8]):
                assert found(over, pair.tuple) == [cookie]
                _tcpdrop.abort(*pair.tuple, cookie=cookie, scope=over)
                assert found(over, pair.tuple) == []
            _tcpdrop.end(over)
        except BaseException as e:
            faults.append(e)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert all(pair.state() is None for pair in pairs)


@linux
def test_a_child_opens_its_own(holder, opened):
    """It would read its parent's answers."""
    pair, victim = holder.pair(), holder.pair()
    over = _tcpdrop.converse()
    found(over, pair.tuple)
    (ours,) = opened()
    right = [row_of(pair.tuple)[COOKIE]]
    child = os.fork()
    if not child:
        status = 1
        try:
            good = all(found(over, pair.tuple) == right for _ in range(100)) and ours not in descriptors().values()
            _tcpdrop.abort(*victim.tuple, scope=over)
            status = 0 if good else 2
        finally:
            os._exit(status)
    for _ in range(100):
        assert found(over, pair.tuple) == right
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert opened() == [ours]
    assert found(over, pair.tuple, victim.tuple) == right
    _tcpdrop.end(over)


@linux
def test_each_stays_in_its_namespace(holder, other_namespace):
    """That of its scope, or that in which its first request was made: the socket belongs to it for good."""
    there, fd = other_namespace
    here, theirs = holder.pair(), there.pair()
    ours, over = _tcpdrop.converse(), _tcpdrop.converse(fd)
    for _ in range(3):
        assert found(ours, here.tuple, theirs.tuple) == [row_of(here.tuple)[COOKIE]]
        assert found(over, here.tuple, theirs.tuple) == [row_of(theirs.tuple, scope=fd)[COOKIE]]
    refuses(errno.ENOENT, _tcpdrop.abort, *theirs.tuple, scope=ours)
    seen = []

    def elsewhere():
        found(ours, here.tuple)
        netns.unshare(0x40000000)  # CLONE_NEWNET, of this thread alone
        seen.append(found(ours, here.tuple))
        seen.append(found(None, here.tuple))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [[row_of(here.tuple)[COOKIE]], []]
    _tcpdrop.abort(*theirs.tuple, scope=over)
    assert theirs.state() is None
    assert here.alive()
    _tcpdrop.end(ours)
    _tcpdrop.end(over)


def test_what_is_no_conversation(holder):
    pair = holder.pair()
    capsule = getattr(socket, "CAPI", object())  # of another module; PyPy has none
    for wrong in (None, 3, "", capsule):
        with pytest.raises(TypeError, match="not a conversation"):
            _tcpdrop.end(wrong)
    for wrong in ("", 1.0, capsule):
        with pytest.raises(TypeError):
            _tcpdrop.lookup_each([pair.tuple], UNBOUND, scope=wrong)
        with pytest.raises(TypeError):
            _tcpdrop.abort(*pair.tuple, scope=wrong)
    with pytest.raises(TypeError):
        _tcpdrop.converse(_tcpdrop.converse())
    with pytest.raises(TypeError):  # one request of its own
        _tcpdrop.lookup(*pair.tuple, scope=_tcpdrop.converse())
    assert pair.alive()


@linux
def test_a_scope_that_is_none(holder, opened):
    pair = holder.pair()
    with open("/dev/null") as null:
        over = _tcpdrop.converse(null.fileno())
        for _ in range(2):
            with pytest.raises(OSError) as caught:
                found(over, pair.tuple)
            assert (caught.value.errno, caught.value.step) == (errno.EINVAL, "setns")
    assert opened() == []
