# SPDX-License-Identifier: BSD-2-Clause
"""Connections as lines of text, straight from the packed rows.

ss prints a row in about one microsecond, so this must: fields are unpacked by
the row's layout, addresses and the columns before them are made once each.
"""

from __future__ import annotations

from ..model.addresses import unpack
from ..model.rows import FAMILY, LADDR, LPORT, RADDR, RECVQ, RPORT, SENDQ, STATE, STATE_NAMES, reader
from ..model.table import Batch, Connections
from ..system import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .colours import Paint
    from .options import Parsed
    from .streams import Streams

_SHOWN = reader(LADDR, RADDR, LPORT, RPORT, FAMILY, STATE, RECVQ, SENDQ)

HEADER = f"{'STATE':<11} {'RECVQ':>6} {'SENDQ':>6} {'LOCAL':<25} REMOTE"
_PADS = tuple(" " * max(1, 26 - length) for length in range(64))


class Addresses(dict):  # type: ignore[type-arg]
    """packed address -> text as it stands before its port."""

    def __init__(self, family: int, form: str) -> None:
        self._size = 4 if family == 4 else 16
        self._form = form

    def __missing__(self, packed: bytes) -> str:
        text = unpack(packed[: self._size])
        bracketed = f"[{text}]" if ":" in text and ":" in self._form else text
        value = self[packed] = self._form % bracketed
        return value


class _Heads(dict):  # type: ignore[type-arg]
    """(state, recvq, sendq) -> the first three columns."""

    def __init__(self, paint: Paint | None) -> None:
        self._paint = paint

    def __missing__(self, key: tuple[int, int, int]) -> str:
        state, recvq, sendq = key
        name = f"{STATE_NAMES[state]:<11}"
        if self._paint is not None:
            name = self._paint(name, STATE_NAMES[state])
        value = self[key] = f"{name} {recvq:>6} {sendq:>6} "
        return value


def table_lines(connections: Connections, paint: Paint | None = None) -> list[str]:
    """STATE RECVQ SENDQ LOCAL REMOTE, one line a connection, without the header."""
    heads, pads = _Heads(paint), _PADS
    caches = {4: Addresses(4, "%s:"), 6: Addresses(6, "%s:")}
    lines: list[str] = []
    add = lines.append
    for batch in connections.batches:
        for laddr, raddr, lport, rport, family, state, recvq, sendq in _SHOWN.iter_unpack(batch.data()):
            texts = caches[family]
            local = f"{texts[laddr]}{lport}"
            add(f"{heads[state, recvq, sendq]}{local}{pads[len(local)]}{texts[raddr]}{rport}")
    return lines


def classic_lines(connections: Connections, ending: str = "") -> str:
    """LADDR LPORT RADDR RPORT and the ending, one line a connection, without the last line's end."""
    lines: list[str] = []
    for batch in connections.batches:
        if len(batch):
            lines += [heading(batch)] if len(connections.batches) > 1 else []
            lines.append(kernel.classic_lines(batch.data(), ending.encode()).decode("ascii"))
    return "\n".join(lines)


def heading(batch: Batch) -> str:
    """Where the lines below it are, of several namespaces: the same tuple may be in two.  --from reads it back."""
    from shlex import quote  # only where there are several

    return f"# --netns={quote(str(batch.netns))}"


def painter(parsed: Parsed, streams: Streams) -> Paint | None:
    """What paints text by its meaning; None for a script, for NO_COLOR and for --color=never."""
    if not parsed.coloured(terminal=streams.looked_at):
        return None
    from .colours import paint  # where a person looks

    return paint
