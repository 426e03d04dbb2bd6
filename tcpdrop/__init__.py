# SPDX-License-Identifier: BSD-2-Clause
"""Drop TCP connections on a running host: exactly, safely, at kernel speed.

This is the table of contents.  Names load on first use: a command that drops
one connection must not pay for the filter language.
"""

__version__ = "0.1.0"

_HOMES = {
    "Capabilities": "capabilities",
    "Connection": "model.connection",
    "Connections": "model.table",
    "Endpoint": "model.connection",
    "Error": "errors",
    "Filter": "filters",
    "FilterError": "errors",
    "NotFound": "errors",
    "NotPermitted": "errors",
    "NotSupported": "errors",
    "Protected": "errors",
    "Refused": "errors",
    "Report": "engine.outcome",
    "Result": "engine.outcome",
    "State": "model.states",
    "TooMany": "errors",
    "check": "capabilities",
    "connections": "api",
    "drop": "api",
    "drop_one": "engine.drop_one",
    "absent_names": "api",
    "is_broad": "api",
    "keep_dropping": "api",
    "own_session": "safety.guard",
}

TYPE_CHECKING = False
if TYPE_CHECKING:  # not typing's: importing typing costs more than dropping
    from .api import absent_names, connections, drop, is_broad, keep_dropping
    from .capabilities import Capabilities, check
    from .engine.drop_one import drop_one
    from .engine.outcome import Report, Result
    from .errors import Error, FilterError, NotFound, NotPermitted, NotSupported, Protected, Refused, TooMany
    from .filters import Filter
    from .model.connection import Connection, Endpoint
    from .model.states import State
    from .model.table import Connections
    from .safety.guard import own_session

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
    "absent_names",
    "check",
    "connections",
    "drop",
    "drop_one",
    "is_broad",
    "keep_dropping",
    "own_session",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        if name == "_tcpdrop":
            return _c_module()
        raise AttributeError(f"module 'tcpdrop' has no attribute {name!r}")
    module = __import__(f"tcpdrop.{home}", fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value


def _c_module() -> object:
    """The C module; where it is not, what to do about that."""
    try:
        __import__("tcpdrop._tcpdrop")
    except (ImportError, UnicodeError) as error:
        import os
        import sys

        place = os.path.dirname(__file__)
        if not os.path.isdir(place):
            why = f"a C module cannot be loaded from an archive ({place}): install the wheel"
        elif os.path.exists(os.path.join(place, os.pardir, "setup.py")):
            why = "this is the source tree, in which nothing is built: ./try makes .venv/bin/tcpdrop and .venv/bin/python3"
        elif isinstance(error, UnicodeError):  # CPython 3.13
            why = f"this Python loads no C module from a directory whose name is not UTF-8 ({place}): install tcpdrop elsewhere"
        else:
            why = f"the C module in {place} is not for {sys.executable} ({error}): install tcpdrop with that Python"
        raise ImportError(why, name="tcpdrop._tcpdrop") from None
    return globals()["_tcpdrop"]


def __dir__() -> "list[str]":
    return sorted(__all__)
