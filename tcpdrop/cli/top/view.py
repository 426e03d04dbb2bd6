# SPDX-License-Identifier: BSD-2-Clause
"""What `tcpdrop top` shows and what its keys change.  Knows no terminal: the tests and the screen drive it alike."""

from __future__ import annotations

from ...errors import FilterError
from ...filters import Filter
from ...model.addresses import printable
from ...model.connection import Owner
from .look import ORDERS, Look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model.connection import Connection
    from ...model.table import Connections
    from .look import Identity

#: outcomes and messages that are kept to be read
KEPT = 1000

_UNKNOWN_OWNER = Owner()
#: sort keys whose largest value is looked for
LARGEST_FIRST = frozenset(("rate", "recvq", "sendq", "idle", "age"))


class Line:
    """One row of the screen."""

    __slots__ = ("connection", "ended", "identity", "marked", "new", "owner", "rates", "spared")

    def __init__(self, identity: Identity, connection: Connection) -> None:
        self.identity = identity
        self.connection = connection
        self.owner = _UNKNOWN_OWNER
        #: bytes a second, in and out; None is unknown
        self.rates: tuple[float | None, float | None] = (None, None)
        self.marked = self.new = self.ended = False
        #: why it must live: the operator's own session
        self.spared = ""


class View:
    """The state between two keys."""

    def __init__(
        self,
        select: Callable[[Filter | None], Look],
        *,
        filter_text: str = "",
        holder: Callable[[Connection], Owner] = lambda connection: connection.owner,
        process: Callable[[int], str | None] = lambda inode: None,
        spared: Callable[[Connections], dict[int, str]] = lambda some: {},
        protected: Callable[[Connections], dict[int, str]] = lambda some: {},
        dry_run: bool = False,
    ) -> None:
        self._select = select
        self._holder = holder
        self._process = process
        self._spared = spared
        self._protected = protected
        #: number in this look -> why it must live, "" for not at all, as far as they were on the screen
        self._asked: dict[int, str] = {}
        #: of those that were asked about, why they must live
        self._reasons: dict[Identity, str] = {}
        self.filter_text = ""
        self._filter: Filter | None = None
        #: under the line of the filter: what is wrong with it
        self.filter_error = ""
        self.order, self.descending = "rate", True
        self.dry_run, self.paused = dry_run, False
        self.marks: set[Identity] = set()
        #: where the cursor stands, and the first row on the screen, as numbers in the order shown
        self.cursor, self.first = 0, 0
        self.page = 1
        #: one line for the person at the keys
        self.message = ""
        #: what became of each connection that was dropped, newest last
        self.outcomes: list[str] = []
        self.look: Look | None = None
        self._sorted: list[int] = []
        self._on_screen: list[Line] = []
        #: what was on the screen and has ended since, and how high it stood
        self._ended: list[tuple[int, Line]] = []
        self.set_filter(filter_text)

    # ---- looking

    def refresh(self) -> None:
        """Look again, and keep the cursor on its connection."""
        at = self.at_cursor()
        self.look = self._select(self._filter)
        self._asked = {}
        self.marks &= self.look.numbers.keys()
        self._ended = [
            (height, line) for height, line in enumerate(self._on_screen) if not line.ended and line.identity not in self.look.numbers
        ]
        for _, line in self._ended:
            line.ended, line.marked = True, False
        self._sort()
        if at is not None and at in self.look.numbers:
            self.cursor = self._sorted.index(self.look.numbers[at])
        self._keep_in_sight()

    def _sort(self) -> None:
        assert self.look is not None  # noqa: S101 - nobody sorts before the first look
        self._sorted = self.look.order(self.order, descending=self.descending, process=self._process)

    def __len__(self) -> int:
        return len(self._sorted)

    def at_cursor(self) -> Identity | None:
        return self.identity_of(self.cursor)

    def identity_of(self, number: int) -> Identity | None:
        """The connection at this number of the order shown."""
        if self.look is None or not 0 <= number < len(self._sorted):
            return None
        return self.look.identities[self._sorted[number]]

    def lines(self) -> list[Line]:
        """The rows on the screen: of this look, and at their old height those that ended since the last."""
        assert self.look is not None  # noqa: S101 - refresh() comes first
        numbers = self._sorted[self.first : self.first + self.page]
        spared = self._why_spared(numbers)
        shown = []
        for number in numbers:
            line = Line(self.look.identities[number], self.look.connection(number))
            line.new, line.marked, line.rates = self.look.is_new(number), line.identity in self.marks, self.look.rates(number)
            line.spared = spared.get(number, "")
            line.owner = self._holder(line.connection)
            shown.append(line)
        for height, line in self._ended:
            shown.insert(min(height, len(shown)), line)
        return shown

    def _why_spared(self, numbers: list[int]) -> dict[int, str]:
        """number in the look -> why it must live, for those of these that are the operator's own."""
        assert self.look is not None  # noqa: S101 - refresh() comes first
        unasked = sorted(number for number in numbers if number not in self._asked)
        if unasked:
            found = self._spared(self.look.connections.choose(unasked))
            self._asked.update((number, found.get(at, "")) for at, number in enumerate(unasked))
        return {number: self._asked[number] for number in numbers if self._asked[number]}

    def why_protected(self, identity: Identity) -> str:
        """Why a drop would spare it; "" where it would not.  Asks all rules, so at a key only."""
        assert self.look is not None  # noqa: S101 - refresh() comes first
        why = "".join(self._protected(self.look.connections.choose([self.look.numbers[identity]])).values())
        if why:
            self._reasons[identity] = why
        else:
            self._reasons.pop(identity, None)
        return why

    def reason(self, line: Line) -> str:
        """Why this one must live, as far as that was asked."""
        return line.spared or self._reasons.get(line.identity, "")

    def drawn(self, lines: list[Line]) -> None:
        """These were shown: what ends until the next look fades where it stood."""
        self._on_screen = lines

    @property
    def reversed(self) -> bool:
        """Is the order the other way round than the key's own?"""
        return self.descending != (self.order in LARGEST_FIRST)

    # ---- moving

    def move(self, by: int) -> None:
        self.cursor += by
        self._keep_in_sight()

    def go_to(self, number: int) -> None:
        self.cursor = number
        self._keep_in_sight()

    def resize(self, page: int) -> None:
        self.page = max(1, page)
        self._keep_in_sight()

    def _keep_in_sight(self) -> None:
        self.cursor = max(0, min(self.cursor, len(self._sorted) - 1))
        self.first = max(0, min(self.first, self.cursor, len(self._sorted) - self.page))
        self.first = max(self.first, self.cursor - self.page + 1)

    def search(self, text: str) -> bool:
        """Put the cursor on the next row whose addresses, ports, state or process hold the text."""
        look = self.look
        if look is None or not text:
            return False
        wanted, number = text.lower(), len(self._sorted)
        for step in range(1, number + 1):
            at = (self.cursor + step) % number
            connection = look.connection(self._sorted[at])
            owner = self._holder(connection)
            shown = f"{connection.local} {connection.remote} {connection.state_name} {owner.pids or ''} {owner.process or ''}"
            if wanted in shown.lower():
                self.go_to(at)
                return True
        self.message = f"'{printable(text)}' is in no row"
        return False

    # ---- choosing

    def sort_by(self, order: str) -> None:
        """By this key; by the same key again, the other way round."""
        if order == self.order:
            self.descending = not self.descending
        else:
            self.order, self.descending = order, order in LARGEST_FIRST
        if self.look is not None:
            at = self.at_cursor()
            self._sort()
            if at is not None:
                self.cursor = self._sorted.index(self.look.numbers[at])
            self._keep_in_sight()

    def sort_next(self, step: int) -> None:
        self.sort_by(ORDERS[(ORDERS.index(self.order) + step) % len(ORDERS)])

    def set_filter(self, text: str) -> bool:
        """Select by this filter.  One that cannot be read leaves the last good one, and says why."""
        self.filter_text = text
        try:
            chosen = Filter(text) if text.strip() else None
            if chosen is not None:
                chosen.refuse_listeners()
        except FilterError as error:
            self.filter_error = f"{error}{'' if error.column is None else f' (column {error.column})'}"
            return False
        changed = chosen != self._filter
        self._filter, self.filter_error = chosen, ""
        if changed and self.look is not None:
            self.marks.clear()  # what is no longer in sight is not dropped
            self._on_screen = []
            self.refresh()
            self.look.all_known()
        return True

    def mark(self) -> None:
        """The row at the cursor: marked, or not any more."""
        identity = self.at_cursor()
        if identity is None or self.look is None:
            return
        if identity in self.marks:
            self.marks.discard(identity)
        else:
            why = self.why_protected(identity)
            if why:
                self.message = f"not marked: {why}"
                return
            self.marks.add(identity)
        self.move(1)

    def mark_all(self) -> None:
        """Whatever matches and must not live; once more, nothing."""
        if self.look is None:
            return
        if self.marks:
            self.marks.clear()
            return
        own, spared = self._spared(self.look.connections), self._protected(self.look.connections)
        self._reasons = {self.look.identities[number]: why for number, why in spared.items()}
        self.marks = {identity for number, identity in enumerate(self.look.identities) if number not in spared}
        kept = [f"{len(own)} of your own session"] if own else []
        kept += [f"{len(spared) - len(own)} by a rule"] if len(spared) > len(own) else []
        self.message = f"{len(self.marks)} marked" + (f"; {' and '.join(kept)} not" if kept else "")

    def victims(self) -> set[Identity]:
        """What d would drop: the marked rows, else the one at the cursor."""
        identity = self.at_cursor()
        return set(self.marks) or ({identity} if identity is not None else set())

    def tell(self, outcomes: list[str]) -> None:
        """Keep what became of each."""
        self.outcomes = (self.outcomes + outcomes)[-KEPT:]
        self.marks.clear()
