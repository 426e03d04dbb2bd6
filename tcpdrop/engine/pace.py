# SPDX-License-Identifier: BSD-2-Clause
"""How fast a run drops, how far it is, and when it ends early."""

from __future__ import annotations

import time

#: rows a call: above the number from which threads are worth it, and less than
#: a tenth of a second, so that a signal is answered
SLICE = 16384

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class Pace:
    """rate: drops a second at most.  stopped: has a signal come?  progress: told how many of how many are done."""

    def __init__(
        self,
        rate: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.rate = rate
        self.stopped = stopped
        self.progress = progress
        #: when it is too late to wait for one's turn; a clock's time, None for never
        self.deadline: float | None = None
        #: when it is the next one's turn
        self._next = 0.0

    def slices(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        """The numbers some at a time, each when it is their turn; a signal ends them."""
        step = SLICE if self.rate is None else max(1, self.rate // 10)
        for first in range(0, len(numbers), step):
            if not self._turn_comes(min(step, len(numbers) - first)):
                return
            self.progress(first, len(numbers))
            yield numbers[first : first + step]
        self.progress(len(numbers), len(numbers))

    def one_by_one(self, number: int, *, dry_run: bool) -> Callable[[], bool]:
        """To be asked before each of so many attempts, may it be made; a dry run has no rate."""
        done = 0

        def go_on() -> bool:
            nonlocal done
            if done % 256 == 0:
                self.progress(done, number)
            done += 1
            return not self.stopped() if dry_run else self._turn_comes(1)

        return go_on

    def _turn_comes(self, number: int) -> bool:
        """Wait until the rate allows so many more, over all looks of the run and all its namespaces; False: they are not to be dropped."""
        if self.rate is not None:
            now = time.monotonic()
            if self.deadline is not None and self._next > max(now, self.deadline):
                wait(self.deadline - now, self.stopped)
                return False
            wait(self._next - now, self.stopped)
            self._next = max(self._next, now) + number / self.rate
        return not self.stopped()


def wait(seconds: float, stopped: Callable[[], bool]) -> None:
    """Sleep, and wake for a signal."""
    end = time.monotonic() + seconds
    while not stopped():
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.1))
