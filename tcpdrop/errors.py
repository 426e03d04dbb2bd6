# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong, as exceptions; one line each, made for an administrator."""

from __future__ import annotations

#: what can become of a connection, in the words of JSON; their places are the numbers that a run keeps, a byte a connection
OUTCOMES = ("listed", "would_drop", "dropped", "gone", "protected", "not_permitted", "not_supported", "failed")
(LISTED, WOULD_DROP, DROPPED, GONE, PROTECTED, NOT_PERMITTED, NOT_SUPPORTED, FAILED) = range(8)
#: those that should have been dropped
FAILURES = (NOT_PERMITTED, NOT_SUPPORTED, FAILED)


class Error(OSError):
    """A failure of the kernel or of a rule of ours.

    errno: the system's number, or None.
    what: the connection or thing concerned, in the classic spelling, or "".
    step: the call that failed ("sendto", "destroy"), or "".
    hint: what to do about it, or "".
    """

    #: the word that stands in JSON for this outcome
    outcome = OUTCOMES[FAILED]

    def __init__(self, message: str, *, errno: int | None = None, what: str = "", step: str = "", hint: str = "") -> None:
        super().__init__(errno, message)
        self.message = message
        self.what = what
        self.step = step
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.what}: {self.message}" if self.what else self.message
        return f"{text} ({self.hint})" if self.hint else text

    def of(self, what: str) -> Error:
        """The same of one connection among those that it concerns."""
        return _rebuild(type(self), self.message, {"errno": self.errno, "what": what, "step": self.step, "hint": self.hint})

    def __reduce__(self) -> tuple[object, ...]:
        state = {"errno": self.errno, "what": self.what, "step": self.step, "hint": self.hint}
        return _rebuild, (type(self), self.message, state)


def _rebuild(cls: type[Error], message: str, state: dict[str, object]) -> Error:
    return cls(message, **state)  # type: ignore[arg-type]


class StillPresent(Error):
    """The kernel accepted the drop, and this very socket is still there."""


class NotFound(Error):
    """There is no such connection (ENOENT)."""

    outcome = OUTCOMES[GONE]


class NotPermitted(Error, PermissionError):
    """The connection exists and the caller may not drop it (EPERM)."""

    outcome = OUTCOMES[NOT_PERMITTED]


class NotSupported(Error):
    """This kernel or system cannot do it (EOPNOTSUPP)."""

    outcome = OUTCOMES[NOT_SUPPORTED]


class Refused(Error):
    """A rule of tcpdrop's own said no; nothing was dropped."""

    outcome = OUTCOMES[PROTECTED]


class Protected(Refused):
    """The connection carries the operator's own session, or a rule protects it."""


class TooMany(Refused):
    """More connections match than were approved."""


class FilterError(ValueError):
    """A filter or a selector cannot be read; column counts from 1, or is None."""

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.column = column
