# SPDX-License-Identifier: BSD-2-Clause
"""The part of a run that goes through descriptors: what SOCK_DESTROY left, or must not be asked for."""

from __future__ import annotations

import time

from ..errors import Error
from ..system.mptcp import unsupported
from .descriptor import abort, chosen
from .methods import DESCRIPTOR, DESTROY, helps
from .outcome import DROPPED, FAILED, GONE, NOT_PERMITTED, NOT_SUPPORTED, WOULD_DROP, Round
from .pace import wait

_CODES = {"gone": GONE, "not_permitted": NOT_PERMITTED, "not_supported": NOT_SUPPORTED}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..model.table import Batch
    from .descriptor import Answer
    from .methods import Lacking
    from .run import Run


def drop_by_descriptor(
    run: Run, batch: Batch, this: Round, start: int, other: Sequence[int], scope: int | None, lacking: Lacking | None
) -> None:
    """Drop `other`, and what SOCK_DESTROY was refused, through their holders; note each outcome.

    lacking: why SOCK_DESTROY can do nothing here; without it `other` are subflows
    of MPTCP.  In a dry run everything but the drop is done, so that the preview
    says what will be refused.
    """
    failures: dict[int, Error] = {place: unsupported(str(batch.connection(place))) if lacking is None else lacking.error for place in other}
    for at, error in this.errors.items():
        if start <= at < start + len(batch) and this.codes[at] in (NOT_PERMITTED, NOT_SUPPORTED) and helps(error):
            failures[at - start] = error
    if run.method == DESTROY:
        for place in other:
            _note(this, start + place, failures[place], None, dry_run=False)
        return
    if not failures:
        return
    places = list(failures)
    for place in places:  # until it was tried: a signal may come first
        this.codes[start + place] = WOULD_DROP
        this.errors.pop(start + place, None)
    rows = [batch.row(place) for place in places]
    first = [lacking.lender] if lacking is not None and lacking.lender is not None else []
    answers = abort(rows, scope, dry_run=run.report.dry_run, go_on=_pace(run, len(places)), first=first)
    for place, answer in zip(places, answers):
        _note(this, start + place, answer, failures[place], dry_run=run.report.dry_run)


def _note(this: Round, at: int, answer: Answer, failure: Error | None, *, dry_run: bool) -> None:
    if answer is None:
        return
    if isinstance(answer, str):
        if not dry_run:
            this.codes[at] = DROPPED
            this.ways[at] = (DESCRIPTOR, answer)
        return
    told = chosen(answer, failure)
    if not told.what:  # said of the whole run: each line names its own connection
        told = type(told)(told.message, errno=told.errno, what=answer.what, step=told.step, hint=told.hint)
    this.codes[at] = _CODES.get(told.outcome, FAILED)
    this.errors[at] = told


def _pace(run: Run, number: int) -> Callable[[], bool]:
    """Asked before each attempt: keeps to --rate, tells how far it is, ends for a signal."""
    began, done = time.monotonic(), 0

    def go_on() -> bool:
        nonlocal done
        if run.rate is not None and not run.report.dry_run:
            wait(began + done / run.rate - time.monotonic(), run.stopped)
        if done % 256 == 0:
            run.progress(done, number)
        done += 1
        return not run.stopped()

    return go_on
