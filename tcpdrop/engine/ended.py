# SPDX-License-Identifier: BSD-2-Clause
"""Connections of a network namespace that cannot be found any more: what became of them.

One that is known by its number has ended where nothing shows it.  A name is
only a name: `ip netns del` takes it away, and processes live on in there.  So
the connections are looked for in every namespace that shows.
"""

from __future__ import annotations

import errno

from ..errors import Error, NotFound
from ..model.four_tuple import FourTuple
from ..model.rows import COOKIE, ends_of, spelled
from ..system import netns
from ..system.lookups import Lookups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.rows import Row
    from ..system.netns import Namespace


def fates(rows: Sequence[Row], space: Namespace | None, why: Error) -> list[Error]:
    """What is to be said of each; why: the error of opening the namespace."""
    if space is None or not netns.has_ended(why):
        return [why.of(spelled(row)) for row in rows]
    if space.was_seen:
        return [_gone(row, why) for row in rows]
    elsewhere, unseen = _search(rows)
    answers = []
    for row, place in zip(rows, elsewhere):
        if place is None and unseen is None:
            answers.append(_gone(row, why))
            continue
        answer = why.of(spelled(row))
        if place is None:
            answer.hint = f"whether it lives on cannot be told: {unseen}"
        else:
            lives = "it lives on" if row[COOKIE] else "there is one with these ends"
            answer.hint = f"{lives} in {place}: --netns '{place}'"
        answers.append(answer)
    return answers


def _gone(row: Row, why: Error) -> Error:
    return NotFound("not found", errno=why.errno or errno.ENOENT, what=spelled(row), step=why.step, hint=why.message)


def _search(rows: Sequence[Row]) -> tuple[list[str | None], Error | None]:
    """Where each of these sockets is, or without a cookie one with its ends; and why a place may have been missed."""
    quads = [FourTuple(*ends_of(row)) for row in rows]
    places: list[str | None] = [None] * len(rows)
    unseen: Error | None = None
    for space in netns.namespaces("all"):
        try:
            found = Lookups(space.scope).rows_of_each(quads)
        except Error as error:
            if not netns.has_ended(error):
                unseen = unseen or error.of("")
            continue
        finally:
            space.close()
        for number, (row, there) in enumerate(zip(rows, found)):
            if any(not row[COOKIE] or one[COOKIE] == row[COOKIE] for one in there):
                places[number] = places[number] or space.label
    return places, unseen or next((error for error in netns.unseen() if error.outcome != NotFound.outcome), None)
