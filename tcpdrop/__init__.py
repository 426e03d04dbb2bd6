# SPDX-License-Identifier: BSD-2-Clause
"""Drop TCP connections on a running host: exactly, safely, at kernel speed.

This is the table of contents.  Names load on first use: a command that drops
one connection must not pay for the filter language.
"""

__version__ = "0.1.0"

_HOMES = {
    "Capabilities": "capabilities",
    "Connection": "model",
    "Connections": "table",
    "Endpoint": "model",
    "Error": "errors",
    "Filter": "filters",
    "FilterError": "errors",
    "NotFound": "errors",
    "NotPermitted": "errors",
    "NotSupported": "errors",
    "Protected": "errors",
    "Refused": "errors",
    "Report": "report",
    "Result": "report",
    "State": "states",
    "TooMany": "errors",
    "check": "capabilities",
    "connections": "core",
    "drop": "core",
    "drop_one": "core",
    "keep_dropping": "keeping",
    "own_session": "safety",
}

TYPE_CHECKING = False
if TYPE_CHECKING:  # not typing's: importing typing costs more than dropping
    from .capabilities import Capabilities, check
    from .core import connections, drop, drop_one
    from .errors import (
        Error,
        FilterError,
        NotFound,
        NotPermitted,
        NotSupported,
        Protected,
        Refused,
        TooMany,
    )
    from .filters import Filter
    from .keeping import keep_dropping
    from .model import Connection, Endpoint
    from .report import Report, Result
    from .safety import own_session
    from .states import State
    from .table import Connections

__all__ = [
    "Capabilities",
    "Connection",
    "Connections",
    "Endpoint",
    "Error",
    "Filter",
    "FilterError",
    "NotFound",
    "NotPermitted",
    "NotSupported",
    "Protected",
    "Refused",
    "Report",
    "Result",
    "State",
    "TooMany",
    "__version__",
    "check",
    "connections",
    "drop",
    "drop_one",
    "keep_dropping",
    "own_session",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tcpdrop' has no attribute {name!r}")
    module = __import__(f"tcpdrop.{home}", fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> "list[str]":
    return sorted(__all__)
