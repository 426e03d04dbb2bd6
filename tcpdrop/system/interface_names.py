# SPDX-License-Identifier: BSD-2-Clause
"""By which names the interfaces of some network namespaces go: asked once, and only where a name is to be found."""

from __future__ import annotations

from . import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Optional

    #: the namespaces that a device may be in
    Scopes = Callable[[], Iterable[Optional[int]]]


class InterfaceNames:
    """One mapping of names to indices for each namespace.  Iteration raises Error where one cannot be asked."""

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes
        self._found: list[dict[str, int]] = []
        self._is_all = False

    def __iter__(self) -> Iterator[dict[str, int]]:
        yield from self._found
        if self._is_all:
            return
        for number, scope in enumerate(self._scopes()):  # which may be open only until the next one is
            if number == len(self._found):
                self._found.append(names_in(scope))
                yield self._found[number]
        self._is_all = True


def names_in(scope: int | None) -> dict[str, int]:
    return {name.decode("utf-8", "surrogateescape"): index for name, index in kernel.interfaces(scope).items()}
