# SPDX-License-Identifier: BSD-2-Clause
"""The command line.  `main` reads the form from the operands and loads only what it needs."""

from __future__ import annotations

import sys

from .exit_status import DONE, FAILED, REFUSED, USAGE
from .options import Parsed, UsageError, check_allowed, parse
from .streams import Streams

VERBS = ("list", "drop", "top", "check", "demo", "paths")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status.  Prints; never raises but for signals."""
    arguments = sys.argv[1:] if arguments is None else arguments
    streams = Streams(sys.stdout, sys.stderr)
    try:
        status = _run(arguments, streams)
    except KeyboardInterrupt:
        status = 130
    except Exception:  # a mistake of ours: Python's own status 1 would say that nothing matched
        sys.excepthook(*sys.exc_info())
        status = FAILED
    streams.finish()
    if streams.error is not None and status != USAGE:
        status = _after_write_error(status, streams)
    return status


def _after_write_error(status: int, streams: Streams) -> int:
    """A list whose reader went away ends quietly; lost data of a drop is a failure."""
    if isinstance(streams.error, BrokenPipeError) and streams.reader_may_go:
        return status
    streams.note(f"tcpdrop: cannot write to standard output: {streams.error.strerror if streams.error else ''}")
    return FAILED


def _run(arguments: list[str], streams: Streams) -> int:
    from ..errors import Error, Refused

    machine = "--json" in arguments or "--jsonl" in arguments
    try:
        parsed = parse(arguments)
        return _dispatch(parsed, streams)
    except (UsageError, ValueError) as error:
        message, outcome, status = str(error), None, USAGE
        column = getattr(error, "column", None)
        if column is not None:
            message += f" (column {column})"
    except Error as error:
        message, outcome = str(error), error.outcome
        status = REFUSED if isinstance(error, Refused) else FAILED
    except OSError as error:  # out of descriptors, say, where no connection is concerned
        message, outcome, status = str(error), Error.outcome, FAILED
    except ImportError as error:
        if error.name != "tcpdrop._tcpdrop":
            raise
        message, outcome, status = str(error), Error.outcome, FAILED
    streams.note(f"tcpdrop: {message}")
    if machine:
        from .as_json import error_object

        streams.data(error_object(message, outcome=outcome))
    return status


def _dispatch(parsed: Parsed, streams: Streams) -> int:
    if parsed.flag("version"):
        from .. import __version__

        streams.data(f"tcpdrop {__version__}")
        return DONE
    if parsed.flag("help"):
        from .help import HELP

        streams.data(HELP)
        return DONE
    operands = parsed.operands
    if not parsed.classic_forced and operands and operands[0] in VERBS:
        return _verb(operands[0], parsed, streams)
    if len(operands) in (2, 4) or any("->" in one for one in operands):
        from . import classic

        check_allowed(parsed, "classic")
        return classic.run(parsed, streams)
    if not operands and (parsed.flag("all") or parsed.given.get("states") or parsed.flag("as_commands")):
        return _freebsd(parsed, streams)
    if not operands:
        from .help import NO_OPERANDS

        streams.note(NO_OPERANDS)
        if parsed.machine:
            from .as_json import error_object

            streams.data(error_object("no operands"))
        return USAGE
    raise UsageError(_likely_reading(parsed))


def _verb(verb: str, parsed: Parsed, streams: Streams) -> int:
    check_allowed(parsed, verb)
    parsed.operands = parsed.operands[1:]
    if verb == "list":
        from .list import run

        streams.reader_may_go = True
        return run(parsed, streams)
    if verb == "drop":
        from .drop import run

        return run(parsed, streams)
    if verb == "top":
        from .top import run

        return run(parsed, streams)
    if parsed.operands:
        raise UsageError(f"'{verb}' takes no operands")
    if verb == "check":
        from .check import run

        return run(parsed, streams)
    if verb == "paths":
        from . import paths

        return paths.run(parsed, streams)
    from . import demo

    return demo.run(streams)


def _freebsd(parsed: Parsed, streams: Streams) -> int:
    """tcpdrop -a, -s STATE, and -l with either: FreeBSD's spelling of drop."""
    from .drop import run
    from .selectors import selects

    if not selects(parsed):
        parsed.given["all"] = True  # -l alone is every connection
    check_allowed(parsed, "drop")
    return run(parsed, streams)


def _likely_reading(parsed: Parsed) -> str:
    from ..model.addresses import printable

    given = [printable(operand) for operand in parsed.operands]
    number = f"{len(given)} operand{'s' if len(given) > 1 else ''}"
    if len(given) == 3:
        return f"{number}: one of LADDR LPORT RADDR RPORT is missing in '{' '.join(given)}'"
    if given[0].isalpha():
        return f"{number}: '{given[0]}' is no command ({', '.join(VERBS)}); to drop one connection give LADDR LPORT RADDR RPORT"
    return f"{number}: a connection is LADDR LPORT RADDR RPORT or LADDR:LPORT RADDR:RPORT"
