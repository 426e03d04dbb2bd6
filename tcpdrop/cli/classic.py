# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop LADDR LPORT RADDR RPORT: the form of OpenBSD, FreeBSD and Davies' Solaris tool."""

from __future__ import annotations

import errno

from ..engine import single
from ..engine.methods import AUTO, check_method
from ..errors import DROPPED, OUTCOMES, WOULD_DROP, Error, NotFound
from ..model.addresses import unpack
from ..model.four_tuple import FourTuple, operands
from .exit_status import FAILED, status_of
from .options import Parsed
from .streams import Stop, Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..engine.methods import Way
    from ..filters import Filter
    from ..model.rows import Row
    from ..safety.session import OwnSession
    from ..system.lookups import Lookups
    from .as_json import Document


def run(parsed: Parsed, streams: Streams) -> int:
    """Drop the one connection named.  Raises ValueError for operands that cannot be read."""
    where = parsed.text("netns")
    if where == "all":
        raise ValueError("--netns all names no single connection: give one network namespace")
    job = Job(parsed, streams)
    quads = _quads(parsed)
    job.find_zone()
    try:
        if where is None:
            job.drop(quads, None)
        else:
            from ..system.netns import Namespace  # only where one is named

            with Namespace(where) as scope:
                job.drop(quads, scope)
        status = job.finish()
    finally:
        job.stop.end()
    return 128 + job.stop.number if job.stop.number else status


def _quads(parsed: Parsed) -> list[FourTuple]:
    local, remote = operands(parsed.operands)
    if local.numeric and remote.numeric:
        family = parsed.family
        quad = FourTuple(local.packed(), local.port_number(), remote.packed(), remote.port_number(), local.dev, remote.dev)
        if family and len(quad.laddr) != (4 if family == 4 else 16):
            raise ValueError(f"{quad} is not IPv{family}, as -{family} demands")
        return [quad]
    from .resolve import quads  # the resolver

    return quads(local, remote, family=parsed.family)


class Job:
    """One command: what it drops, and what it says of each."""

    def __init__(self, parsed: Parsed, streams: Streams) -> None:
        self._parsed = parsed
        self._streams = streams
        #: begins with the first abort: until then a signal ends the command at once, then what was dropped is told
        self.stop = Stop(streams)
        self._method = check_method(parsed.text("method") or AUTO)
        self._protect: list[Filter] = []
        if parsed.flag("protect"):
            from .selectors import protecting  # the filter language

            self._protect = protecting(parsed)
        #: the id of another zone
        self._zone: int | None = None
        self._counts: dict[str, int] = {}
        #: (connection, outcome) of each
        self._outcomes: list[tuple[str, str]] = []
        #: what the real run would be refused, for the first of those that it would drop
        self._refusal: Error | None = None
        self._document: Document | None = None
        if parsed.machine:
            from .as_json import Document  # not for text

            self._document = Document(parsed, streams)

    def find_zone(self) -> None:
        """Is another zone than our own named?"""
        text = self._parsed.text("zone")
        if text is None:
            return
        from ..engine import other_zone  # Solaris and illumos

        self._zone, self._drop_elsewhere = other_zone.id_of(text), other_zone.drop
        if self._zone is not None and self._parsed.flag("dry_run"):
            raise ValueError("--dry-run: another zone's connections cannot be seen, so nothing can be said of them")

    def drop(self, quads: list[FourTuple], scope: int | None) -> None:
        """Names may have several addresses: each pair is tried, absent ones matter only if all are."""
        absent: list[tuple[FourTuple, NotFound]] = []
        for quad in quads:
            if self.stop():
                break
            try:
                self._drop_one(quad, scope)
            except NotFound as error:
                absent.append((quad, error))
            except Error as error:
                self._say(quad, error.outcome, error=error)
        if not self._counts:
            for quad, missing in absent:
                if self._zone is None:
                    missing.hint = missing.hint or _why_absent(quad, scope)
                self._say(quad, missing.outcome, error=missing)

    def _drop_one(self, quad: FourTuple, scope: int | None) -> None:
        include_self = self._parsed.flag("include_self")
        if self._zone is not None:
            self.stop.begin()
            way = self._drop_elsewhere(quad, self._zone, protect=self._protect, include_self=include_self)
            self._say(quad, OUTCOMES[DROPPED], way=way)
            return
        own = None if include_self else _own
        if not self._parsed.flag("dry_run"):
            row, way = single.drop_unprotected(quad, own, scope, self._method, self._protect, self.stop.begin)
            self._say(quad, OUTCOMES[DROPPED], row, way=way)
            return
        row = single.find_unprotected(quad, own, scope, self._protect)
        refusal = single.refusal(row, scope, self._method)
        if isinstance(refusal, NotFound):
            raise refusal
        self._refusal = self._refusal or refusal
        self._say(quad, OUTCOMES[WOULD_DROP], row)

    def _say(self, quad: FourTuple, outcome: str, row: Row | None = None, *, way: Way | None = None, error: Error | None = None) -> None:
        """One connection's fate.  way: how it was dropped."""
        what = str(quad)
        self._counts[outcome] = self._counts.get(outcome, 0) + 1
        self._outcomes.append((what, outcome))
        if error is not None:
            self._streams.note(str(error))
        elif self._document is None and not self._parsed.flag("quiet"):
            self._streams.data(f"{what}: {outcome.replace('_', ' ')}")
        if self._document is not None:
            where = self._parsed.text("netns") if self._zone is None else self._zone
            self._document.add_named(quad, row, outcome, where=where, way=way, error=error)

    def finish(self) -> int:
        """The summary, for programs, syslog and whoever asks for the status; people have read the lines."""
        parsed = self._parsed
        if self._document is not None:
            self._document.close({"counts": self._counts})
        self._streams.flush()
        if parsed.audited and not parsed.flag("dry_run"):
            from ..engine.audit import to_syslog  # not without syslog

            what, each = " ".join(parsed.operands), parsed.flag("syslog")
            self._streams.logged(to_syslog(self._outcomes, self._counts, what=what, reason=parsed.text("reason"), each=each))
        if self._refusal is not None:  # a dry run ends as the real one would
            self._refusal.what = ""
            self._streams.note(f"tcpdrop: the real run would be refused: {self._refusal}")
            return FAILED
        status = status_of(self._counts)
        return 0 if status == 1 and parsed.flag("allow_none") else status


def _own(lookups: Lookups) -> OwnSession:
    """What carries the caller's session."""
    from ..safety.session import own  # --include-self, and what is not there, do without

    return own(lookups)


def _is_not_here(address: bytes) -> bool:
    """Is it certainly none of this host's own?  bind(2) says so, unless ip_nonlocal_bind lets everything pass."""
    import _socket  # only what was not found, and not all of socket

    try:
        probe = _socket.socket(_socket.AF_INET if len(address) == 4 else _socket.AF_INET6, _socket.SOCK_DGRAM)
        try:
            probe.bind((unpack(address), 0))
        finally:
            probe.close()
    except OSError as error:
        return error.errno == errno.EADDRNOTAVAIL
    return False


def _why_absent(quad: FourTuple, scope: int | None) -> str:
    """What the user may have meant; neither is dropped."""
    try:
        single.find(quad.swapped(), scope)
    except (Error, ValueError):
        pass
    else:
        return f"but {quad.swapped()} exists: are local and remote swapped?"
    if scope is not None:
        return ""
    nat = f"{unpack(quad.laddr)} is no address here: behind NAT, name the ends as they are on this host" if _is_not_here(quad.laddr) else ""
    from .elsewhere import NETNS, elsewhere  # only what was not found

    others = elsewhere()
    there = f"in this {others}; there are others: {'--netns' if others == NETNS else '--zone'}" if others else ""
    return "; ".join(filter(None, (there, nat)))
