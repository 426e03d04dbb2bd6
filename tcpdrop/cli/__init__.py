# SPDX-License-Identifier: BSD-2-Clause
"""The command line.  `main` reads the form from the operands and loads only what it needs."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself loads enum
import errno
import gc
import os
import sys

from .. import __version__
from ..errors import Error, Refused
from .exit_status import DONE, FAILED, REFUSED, USAGE
from .options import SELECTORS, Parsed, UsageError, check_allowed, parse
from .streams import Streams, error_object

VERBS = ("list", "drop", "top", "check", "demo", "paths", "help")
#: what drops, and tells what it did before a signal ends it
_ACTING = ("classic", "drop", "top")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status.  Prints; never raises but for signals."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale may lack a character of a name, as stderr's may
    streams = Streams(sys.stdout, sys.stderr)
    try:
        status = _run(arguments, streams)
    except KeyboardInterrupt:
        status = 130
    except MemoryError:
        streams.note("tcpdrop: out of memory (a higher ulimit -v helps)")
        status = FAILED
    except Exception:  # a mistake of ours: Python's own status 1 would say that nothing matched
        sys.excepthook(*sys.exc_info())
        status = FAILED
    streams.finish()
    if streams.error is not None and status != USAGE:
        status = _after_write_error(status, streams)
    return status


def command() -> None:
    """The whole command: main(), and what a short run has no use for left out, which would cost as much as a drop.

    That is looking for garbage (a run that goes on and on makes enough objects
    to be looked through all the same) and taking the interpreter apart.
    """
    if hasattr(gc, "set_threshold"):  # PyPy has none
        gc.set_threshold(100_000)
    status = main()  # all is written out, and nothing of ours waits for the end
    os._exit(status)


def _after_write_error(status: int, streams: Streams) -> int:
    """A list whose reader went away ends quietly; lost data of a drop is a failure."""
    if isinstance(streams.error, BrokenPipeError) and streams.reader_may_go:
        return status
    streams.note(f"tcpdrop: cannot write to standard output: {streams.error.strerror if streams.error else ''}")
    return FAILED


def _run(arguments: list[str], streams: Streams) -> int:
    machine = "--json" in arguments or "--jsonl" in arguments
    try:
        return _dispatch(parse(arguments), streams)
    except (UsageError, ValueError) as error:
        message, outcome, status = str(error), None, USAGE
        column = getattr(error, "column", None)
        if column is not None:
            message += f" (column {column})"
    except (OSError, ImportError) as error:  # one of ours, or out of descriptors, say, where no connection is concerned
        if isinstance(error, ImportError) and error.name != "tcpdrop._tcpdrop" and not _is_compiled(error):
            raise
        message, outcome = _reason(error), getattr(error, "outcome", Error.outcome)
        status = REFUSED if isinstance(error, Refused) else FAILED
    streams.note(f"tcpdrop: {message}")
    if machine:
        streams.data(error_object(message, outcome=outcome))
    return status


def _is_compiled(error: ImportError) -> bool:
    """Is it a compiled part of Python's own that cannot be loaded, for want of memory, say?"""
    return str(error.path or "").endswith(".so")


def _reason(error: OSError | ImportError) -> str:
    """In words; an error of ours has them."""
    if isinstance(error, ImportError) and error.name != "tcpdrop._tcpdrop":
        return f"Python cannot load {error.name}: {error}"
    if isinstance(error, Error) or not isinstance(error, OSError) or not error.strerror:
        return str(error)
    what = f"{error.filename}: " if error.filename else ""
    return f"{what}{error.strerror}" + (" (a higher ulimit -n helps)" if error.errno == errno.EMFILE else "")


def _dispatch(parsed: Parsed, streams: Streams) -> int:
    if parsed.flag("version"):
        streams.data(f"tcpdrop {__version__}")
        return DONE
    operands = parsed.operands
    if parsed.flag("help") or not (operands or parsed.flag("all") or parsed.given.get("states") or parsed.flag("as_commands")):
        return _help(parsed, streams, [] if parsed.classic_forced else operands[:1])
    if not operands:
        return _freebsd(parsed, streams)
    if not parsed.classic_forced and operands[0] in VERBS:
        check_allowed(parsed, operands[0])
        parsed.operands = operands[1:]
        return _command(operands[0], parsed, streams)
    if len(operands) in (2, 4) or any("->" in one for one in operands):
        check_allowed(parsed, "classic")
        try:
            return _command("classic", parsed, streams)
        except ValueError as error:
            if not operands[0].isalpha():
                raise
            raise UsageError(_meant(operands, str(error))) from None
    raise UsageError(_meant(operands))


def _meant(operands: list[str], wrong: str = "") -> str:
    """What is wrong, and the verb that may have been meant: `tcpdrop kill lport 443 in` is no connection."""
    from .meant import reading, verb_of  # only a mistake

    if not wrong:
        return reading(operands, VERBS)
    verb = verb_of(operands[0], VERBS)
    return f"{wrong}; did you mean the command '{verb}'?" if verb else wrong


def _command(name: str, parsed: Parsed, streams: Streams) -> int:
    """Each has a file of its own, and only that is loaded."""
    if parsed.operands and name in ("check", "demo", "paths"):
        raise UsageError(f"'{name}' takes no operands")
    streams.reader_may_go = name == "list"
    command = __import__(f"{__name__}.{name}", fromlist=["run"])
    if name in _ACTING and _signal.getsignal(_signal.SIGINT) == _signal.SIG_DFL:  # as the launcher has left it
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    return command.run(parsed, streams)  # type: ignore[no-any-return]


def _help(parsed: Parsed, streams: Streams, about: list[str]) -> int:
    """--help, or what it says about a verb."""
    from .help import HELP, NO_OPERANDS, VERB_HELP  # long

    if parsed.flag("help") or about:
        streams.data(VERB_HELP.get(about[0], HELP) if about else HELP)
        return DONE
    streams.note(NO_OPERANDS)
    if parsed.machine:
        streams.data(error_object("no operands"))
    return USAGE


def _freebsd(parsed: Parsed, streams: Streams) -> int:
    """tcpdrop -a, -s STATE, and -l with either: FreeBSD's spelling of drop."""
    if not SELECTORS & parsed.given.keys():
        parsed.given["all"] = True  # -l alone is every connection
    check_allowed(parsed, "drop")
    return _command("drop", parsed, streams)
