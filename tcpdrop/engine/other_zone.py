# SPDX-License-Identifier: BSD-2-Clause
"""Dropping in another zone, whose connections do not show: by the exact tuple, and the kernel's answer is all there is."""

from __future__ import annotations

from ..model.addresses import printable
from ..safety import Protection
from ..safety.rules import Rules
from ..safety.session import OwnSession
from ..system import kernel
from ..system import sunos_zones as zones
from .methods import DESTROY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filters import Filter
    from ..model.four_tuple import FourTuple
    from .methods import Way


def id_of(zone: str | int) -> int | None:
    """The id of another zone; None for the caller's own.  Raises as sunos_zones.number_of() does."""
    number = zones.number_of(zone)
    return None if number == zones.OWN else number


def drop(quad: FourTuple, zone: int, *, include_self: bool = False, protect: list[Filter] | None = None) -> Way:
    """Drop the one connection of this tuple in another zone.

    Raises Protected for what SSH_CONNECTION names, and where there are rules at
    all, since none can be decided; else as single.drop().  That it is gone is not seen.
    """
    if quad.devs:
        raise ValueError(f"{quad}: interfaces of another zone cannot be told: leave %{printable(quad.devs[0])} out")
    for name, _ in Rules(protect or []):
        raise Protection(f"by {name}, which cannot be decided in another zone").refusal(str(quad))
    if not include_self and OwnSession().names(*quad.ends()):
        raise Protection("named by SSH_CONNECTION", lifted=True).refusal(str(quad))
    kernel.abort(quad.ends(), scope=zone, what=str(quad))
    return DESTROY, None  # who held it does not show
