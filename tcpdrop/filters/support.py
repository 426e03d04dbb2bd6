# SPDX-License-Identifier: BSD-2-Clause
"""What each system can answer: a question it cannot is refused before anything is opened."""

from __future__ import annotations

from ..errors import FilterError
from ..system import platform
from .nodes import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .nodes import Node

_EVERYWHERE = frozenset(["state", "local", "remote", "host", "lport", "rport", "port", "family", "loopback", "in", "out"])
#: backend -> the words it answers; a backend that is not here lists nothing anyway
SUPPORTED = {
    "linux": _EVERYWHERE.union(
        ["dev", "kernel", "pid", "comm", "user", "mine", "unit", "cgroup", "idle", "age", "rtt", "recvq", "sendq"],
        ["bytes-sent", "bytes-received", "retrans", "cc"],
    ),
    # MIB2 has the creator's pid and the creation time, and no more of that kind.
    "sunos": _EVERYWHERE.union(["pid", "age", "recvq", "sendq"]),
}
_SYSTEMS = {"linux": "Linux", "sunos": "Solaris and illumos"}


def refusal(node: Node, positive: bool, backend: str) -> str:
    """Why this system cannot answer a predicate in this place; '' if it can."""
    word = node.word
    if word not in SUPPORTED.get(backend, (word,)):
        return f"{word} cannot be answered on {_SYSTEMS[backend]}"
    if word == "age" and backend == "linux" and not (positive and node.args[1] in (">", ">=")):
        # The reading is a lower bound, since data last moved: it proves an age and denies none.
        return "Linux keeps no creation time: only age gt T and age ge T can be answered, and not under not"
    return ""


def check(node: Node, backend: str | None = None) -> None:
    """FilterError if any predicate of the expression cannot be answered (None: here)."""
    for predicate, positive in walk(node):
        reason = refusal(predicate, positive, platform.NAME if backend is None else backend)
        if reason:
            raise FilterError(reason)
