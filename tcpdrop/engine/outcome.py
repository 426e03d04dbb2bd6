# SPDX-License-Identifier: BSD-2-Clause
"""What became of each connection of a run."""

from __future__ import annotations

from ..errors import DROPPED, FAILED, FAILURES, GONE, LISTED, OUTCOMES, PROTECTED, WOULD_DROP, Error
from ..model.columns import codes_of, picked, places_of
from ..model.connection import Connection
from ..model.table import Connections
from .methods import DESTROYED, usual_way
from .peer_told import Peers, mirrors_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from typing import Optional

    from ..model.rows import Row
    from ..model.table import Batch
    from ..system.kernel import Ends
    from .methods import Way

    #: the code of its outcome, why it was not dropped, whether its peer was told, and how it was dropped
    Fate = tuple[int, Optional[Error], Optional[bool], Optional[Way]]


class Result:
    """One connection and its outcome; error says why it was not dropped."""

    __slots__ = ("connection", "error", "method", "outcome", "peer_told", "victim_sees")

    def __init__(
        self, connection: Connection, outcome: str, error: Error | None = None, peer_told: bool | None = None, way: Way | None = None
    ) -> None:
        self.connection = connection
        self.outcome = outcome
        self.error = error
        #: how it was dropped: "destroy" or "descriptor" (see methods.py)
        self.method = None if way is None else way[0]
        #: the errno, by name, that the program which held it gets; None where nobody did or nothing was dropped
        self.victim_sees = None if way is None else way[1]
        #: whether the peer got a reset at once; None where nothing was dropped or it is unknown
        self.peer_told = peer_told

    def __repr__(self) -> str:
        return f"<{self.connection}: {self.outcome}>"

    def as_dict(self) -> dict[str, object]:
        """The connection and its fate under the keys of JSON schema 1."""
        way = None if self.method is None else (self.method, self.victim_sees)
        return {**self.connection.as_dict(), **fate(self.outcome, self.error, self.peer_told, way)}


def fate(outcome: str, error: Error | None = None, peer_told: bool | None = None, way: Way | None = None) -> dict[str, object]:
    """The keys of JSON schema 1 that say what became of a connection."""
    method, victim_sees = way or (None, None)
    return {
        "method": method,
        "victim_sees": victim_sees,
        "peer_told": peer_told,
        "protected_by": error.hint if error is not None and outcome == OUTCOMES[PROTECTED] else None,
        "outcome": outcome,
        "errno": error.errno if error is not None else None,
        "error": error.message if error is not None else None,
    }


class Outcomes:
    """What became of each row of one batch, by its number there."""

    __slots__ = ("_mirrors", "_peers", "_ways", "batch", "codes", "errors", "told")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.codes = codes_of(WOULD_DROP, len(batch))
        #: those of which an earlier look of the run has said the same: keep.py
        self.told: set[int] = set()
        #: number -> why it was not dropped
        self.errors: dict[int, Error] = {}
        #: number -> how it was dropped, where that was not the usual way
        self._ways: dict[int, Way] = {}
        self._peers: Peers | None = None
        #: other ends on this host of what is to be dropped
        self._mirrors: AbstractSet[Ends] = frozenset()

    def numbers(self, code: int) -> Sequence[int]:
        """The rows of this outcome."""
        return places_of(self.codes, code)

    def touched(self) -> Sequence[int]:
        """All but those that a run which was stopped did not come to."""
        return [number for number, code in enumerate(self.codes) if code != LISTED] if LISTED in self.codes else range(len(self.codes))

    def look_for_mirrors(self, numbers: Sequence[int]) -> None:
        """Before these are dropped: what takes a socket of this host along has told its peer."""
        self._mirrors = mirrors_of(self.batch, numbers)

    def note(self, numbers: Sequence[int], answer: Way | Error) -> None:
        """These were dropped so, or not for this reason."""
        if isinstance(answer, Error):
            self.fail(numbers, answer, OUTCOMES.index(answer.outcome))
        elif answer is DESTROYED and isinstance(numbers, range):  # a hundred thousand, say
            self.codes[numbers.start : numbers.stop] = bytes([DROPPED]) * len(numbers)
        else:
            for number in numbers:
                self.codes[number] = DROPPED
                self.errors.pop(number, None)
                if answer is not DESTROYED:
                    self._ways[number] = answer

    def show_as_selected(self) -> None:
        """Nothing became of any."""
        self.codes = codes_of(WOULD_DROP, len(self.codes))
        self.errors.clear()

    def fail(self, numbers: Sequence[int], error: Error, code: int = FAILED) -> None:
        for number in numbers:
            self.codes[number] = code
            self.errors[number] = error

    def way(self, number: int) -> Way | None:
        """How it was dropped."""
        if self.codes[number] != DROPPED:
            return None
        return self._ways.get(number) or usual_way(self.batch[number])

    @property
    def peers(self) -> Peers:
        """The peers of what was dropped: were they told?  Wanted when all is done."""
        if self._peers is None:
            self._peers = Peers(self.batch, self.numbers(DROPPED), self._ways, self._mirrors)
        return self._peers

    def results(self) -> Iterator[Result]:
        return self._results(range(len(self.codes)), self.peers)

    def result(self, number: int, fate: Fate) -> Result:
        code, error, told, way = fate
        return Result(self.batch.connection(number), OUTCOMES[code], error, told, way)

    def results_of(self, numbers: Sequence[int]) -> Iterator[Result]:
        """Of these alone, and while the run goes on."""
        return self._results(numbers, self._peers_of(numbers))

    def fates(self, numbers: Sequence[int]) -> Iterator[tuple[int, Row, Fate]]:
        """results_of() for who needs no Connection of each."""
        return self._fates(numbers, self._peers_of(numbers))

    def _peers_of(self, numbers: Sequence[int]) -> Peers:
        dropped = picked(numbers, places_of(bytearray(picked(self.codes, numbers)), DROPPED))
        return Peers(self.batch, dropped, self._ways, self._mirrors)

    def _results(self, numbers: Sequence[int], peers: Peers) -> Iterator[Result]:
        return (self.result(number, fate) for number, _, fate in self._fates(numbers, peers))

    def _fates(self, numbers: Sequence[int], peers: Peers) -> Iterator[tuple[int, Row, Fate]]:
        for number, row in zip(numbers, self.batch.choose(numbers)):
            code = self.codes[number]
            if code == DROPPED:
                yield number, row, (code, self.errors.get(number), peers.told(number, row), self._ways.get(number) or usual_way(row))
            else:
                yield number, row, (code, self.errors.get(number), None, None)


class Round:
    """One selection of a run and what became of it: the Outcomes of each of its batches."""

    __slots__ = ("connections", "outcomes")

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.outcomes = [Outcomes(batch) for batch in connections.batches]

    def __len__(self) -> int:
        return len(self.connections)

    def count(self, code: int) -> int:
        return sum(one.codes.count(code) for one in self.outcomes)

    def chosen(self, code: int) -> Connections:
        """Those of this outcome."""
        return Connections([one.batch.choose(one.numbers(code)) for one in self.outcomes])

    def errors(self) -> Iterator[Error]:
        """Why connections were not dropped, but for what was told at an earlier look."""
        for one in self.outcomes:
            yield from (error for number, error in one.errors.items() if number not in one.told)

    def results(self) -> Iterator[Result]:
        for one in self.outcomes:
            yield from one.results()


class Report:
    """The outcome of a whole run: len(), iteration over Result, counts.

    True in a boolean context if something was dropped (or would be).
    """

    def __init__(self, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self.rounds: list[Round] = []
        #: outcome -> number, of the looks of a run that goes on, which it does not keep
        self.earlier: dict[str, int] = {}
        #: connections that could not be decided for want of rights; none of them was touched
        self.undecidable = 0
        #: of all network namespaces those that could not be read, and why: nothing in there was touched
        self.unread: Sequence[Error] = ()
        #: connections that appeared after the approval and were left alone
        self.later = 0
        #: why it could not be looked again afterwards
        self.unverified: Error | None = None
        #: why more was spared than certainly carries the operator's session, in one line; or ""
        self.warning = ""
        #: what the real run would be refused for (dry runs only)
        self.refusal: Error | None = None

    def __len__(self) -> int:
        return sum(map(len, self.rounds)) + sum(self.earlier.values())

    def __iter__(self) -> Iterator[Result]:
        for one in self.rounds:
            yield from one.results()

    def __bool__(self) -> bool:
        return bool(self._count(DROPPED) or self._count(WOULD_DROP))

    def __repr__(self) -> str:
        words = [f"{number} {outcome}" for outcome, number in self.counts.items()]
        return f"<Report: {', '.join(words) or 'nothing matched'}>"

    def _count(self, code: int) -> int:
        return sum(one.count(code) for one in self.rounds) + self.earlier.get(OUTCOMES[code], 0)

    @property
    def counts(self) -> dict[str, int]:
        """outcome -> number; outcomes that did not occur are left out."""
        numbers = {outcome: self._count(code) for code, outcome in enumerate(OUTCOMES)}
        return {outcome: number for outcome, number in numbers.items() if number}

    def _with(self, *codes: int) -> list[Result]:
        return [result for result in self if OUTCOMES.index(result.outcome) in codes]

    @property
    def dropped(self) -> list[Result]:
        return self._with(DROPPED)

    @property
    def gone(self) -> list[Result]:
        """Already closed, or another connection by then."""
        return self._with(GONE)

    @property
    def protected(self) -> list[Result]:
        return self._with(PROTECTED)

    @property
    def failed(self) -> list[Result]:
        """Not permitted, not supported, or any other failure."""
        return self._with(*FAILURES)

    def raise_for_failures(self) -> None:
        """Raise the first failure, if any connection could not be dropped that should have been."""
        for one in (outcomes for this in self.rounds for outcomes in this.outcomes):
            for number, code in enumerate(one.codes):
                if code in FAILURES:
                    raise one.errors[number]

    def as_dict(self) -> dict[str, object]:
        """JSON schema 1: connections and summary."""
        return {
            "schema": 1,
            "connections": [result.as_dict() for result in self],
            "summary": self.summary(),
        }

    def summary(self) -> dict[str, object]:
        return {
            "counts": self.counts,
            "undecidable": self.undecidable,
            "unread": [str(error) for error in self.unread],
            "later": self.later,
            "dry_run": self.dry_run,
            "unverified": None if self.unverified is None else str(self.unverified),
        }
