# SPDX-License-Identifier: BSD-2-Clause
"""The JSON of many rows is made by their kind, and is to the byte what Result.as_dict() says of each."""

import itertools
import json
import signal
import subprocess

import pytest
from support.command import COMMAND
from support.crowd import Crowd

from tcpdrop import Result
from tcpdrop.cli.json_rows import json_rows
from tcpdrop.engine.methods import DESTROYED, DISCONNECTED
from tcpdrop.engine.outcome import Outcomes
from tcpdrop.errors import LISTED, WOULD_DROP, NotFound, Protected
from tcpdrop.model.addresses import pack
from tcpdrop.model.connection import Connection, Owner
from tcpdrop.model.rows import INFO, ROW, ROW_FIELDS, ROW_QUEUES, ROW_UID
from tcpdrop.model.table import Batch, Rows, batch_of
from tcpdrop.system.netns import Namespace

MAPPED = bytes(10) + b"\xff\xff"
ADDRESSES = {
    4: [tuple(pack(text).ljust(16, b"\0") for text in ends) for ends in (("10.0.0.1", "10.0.1.9"), ("127.0.0.1", "127.0.0.2"))],
    6: [(pack("2001:db8::1"), pack("2001:db8::2")), (MAPPED + pack("10.0.0.1"), MAPPED + pack("10.0.0.2")), (pack("::1"), pack("::1"))],
}
EVERY_FLAG = (0, ROW_UID, ROW_QUEUES, ROW_UID | ROW_QUEUES)


def rows(**fields):
    """Of everything that makes a kind at least two values each, all of them with all others and with every answer."""
    flags = itertools.product((1, 6), (0, 7), (0, 0xABCDEF), (0, 3), (0, 5), EVERY_FLAG)
    for number, (state, inode, cookie, ifindex, uid, known) in enumerate(flags):
        for family, ends in ADDRESSES.items():
            for laddr, raddr in ends:
                given = {"laddr": laddr, "raddr": raddr, "family": family, "state": state, "inode": inode, "cookie": cookie}
                given.update(ifindex=ifindex, flags=known, uid=uid, lport=80 + number, rport=443, recvq=number, sendq=2, **fields)
                yield from [tuple(given.get(name, 0) for name in ROW_FIELDS)] * len(ANSWERS)


ANSWERS = [
    *(DESTROYED, *DISCONNECTED, ("destroy", "ECONNRESET"), ("destroy", None)),
    *(NotFound("not found", errno=2, what="a 1 b 2"), Protected("protected", hint="held by pid 812 100%s")),
    *(Protected("protected", hint="another"), WOULD_DROP, LISTED),
]


def outcomes_of(batch):
    """Each outcome, way and reason in turn."""
    found = Outcomes(batch)
    for number, answer in zip(range(len(batch)), itertools.cycle(ANSWERS)):
        if isinstance(answer, int):
            found.codes[number] = answer
        else:
            found.note((number,), answer)
    return found


def told(batch, numbers=None):
    outcomes = outcomes_of(batch)
    numbers = range(len(batch)) if numbers is None else numbers
    texts = list(json_rows(outcomes, numbers))
    assert texts == [json.dumps(result.as_dict()) for result in outcomes.results_of(numbers)]
    return texts


def test_rows_of_every_kind():
    batch = batch_of([Connection(row) for row in rows()])
    assert len(set(told(batch))) > 500
    assert len(told(batch, [3, 1, 200])) == 3
    assert told(batch, []) == []


@pytest.mark.only_on("linux", reason="network namespaces")
@pytest.mark.parametrize("netns", ["100% red %s", "caf\udce9"])
def test_where_they_are(netns):
    assert len(set(told(batch_of([Connection(row) for row in rows()], Namespace(netns))))) > 500


def test_what_made_them_and_when(monkeypatch):
    """Of illumos: who made a socket, and how old it is by now."""
    monkeypatch.setattr("tcpdrop.model.sunos_clock.now", lambda: 10**10)
    batch = batch_of([Connection(row) for row in rows(pid=812, created=10**9)])
    assert '"pids": [812], "pids_kind": "creator"' in told(batch)[0]


def test_details_and_holders():
    packed = [ROW.pack(*row) + INFO.pack(*(b"cubic" if letter == "s" else 255 for letter in letters_of(INFO.format))) for row in rows()]
    detailed = Rows(packed)
    detailed.stride = ROW.size + INFO.size
    assert '"cc": "cubic"' in told(Batch(detailed, None))[0]
    held = Batch(Rows([ROW.pack(*row) for row in rows()]), None, owner_of=lambda row: Owner((row[ROW_FIELDS.index("lport")],), "100%"))
    assert '"pids": [80], "pids_kind": "holder", "process": "100%"' in told(held)[0]


def letters_of(form):
    return [letter for letter in form if letter.isalpha()]


def test_a_kind_is_spelled_once(monkeypatch):
    """Else a hundred thousand rows take seconds in which no signal is answered."""
    spelled = []
    real = Result.as_dict
    monkeypatch.setattr(Result, "as_dict", lambda self: spelled.append(self) or real(self))
    row = next(rows())
    port = ROW_FIELDS.index("rport")
    outcomes = Outcomes(batch_of([Connection((*row[:port], number, *row[port + 1 :])) for number in range(1, 1000)]))
    outcomes.note(range(999), DESTROYED)
    assert len(set(json_rows(outcomes, range(999)))) == 999
    assert len(spelled) == 1


@pytest.mark.privileged
@pytest.mark.only_on("linux", reason="a crowd")
@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_a_signal_in_the_middle_leaves_what_was_done(tmp_path, form):
    """The document is complete, has every connection that was dropped, and those alone."""
    out = tmp_path / "out"
    with Crowd(4000, port=23000) as crowd, out.open("wb") as file:
        command = [COMMAND, "drop", "--no-syslog", "--yes", "--rate", "2000", form, crowd.servers]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, text=True) as process:
            while crowd.alive()[1] == crowd.number:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        left = crowd.alive()[1]
    assert process.returncode == 130
    assert 0 < left < crowd.number
    text = out.read_text(encoding="ascii")
    if form == "--json":
        document = json.loads(text)
        entries, summary = document["connections"], document["summary"]
        assert text == json.dumps(document) + "\n"
    else:
        *entries, summary = map(json.loads, text.splitlines())
    assert {entry["outcome"] for entry in entries} == {"dropped"}
    assert len({entry["cookie"] for entry in entries}) == len(entries) == crowd.number - left
    assert summary["counts"] == {"dropped": len(entries), "listed": left}
    assert f"{left} not attempted" in said
