# SPDX-License-Identifier: BSD-2-Clause
"""
List and drop TCP connections, each one exactly, never a listener

:depends: tcpdrop, in Salt's own Python
:platform: Linux, illumos, Solaris

The selectors are those of every part of tcpdrop: ``local_addr``, ``local_port``,
``remote_addr``, ``remote_port``, ``states``, ``pid``, ``process`` and ``user``,
each a value, a list, or values with commas between. All that are given must
match, and ``filter`` as well, which is the language of ``tcpdrop list``. An
empty list matches nothing; null is an error. ``netns`` names a network
namespace (Linux). Write a range of ports with a dash and in quotes, ``'20-25'``:
YAML reads ``20:25`` as one number to base 60, which is port 1225.

A process's name is bytes. Those that are no UTF-8 come back as ``\\udcNN``, and
are taken so.

What is listed or dropped comes back under the keys of ``tcpdrop list --json``.
The connections between the minion and its master are spared, and so are the
login through which ``salt-call`` runs and what ``/etc/tcpdrop.conf`` protects.
"""

# The file is not named tcpdrop.py: Salt puts its directory on sys.path, where
# it would be the library.  Syntax of Python 3.6, whatever Salt runs on.

import itertools
import logging
import os
import re
import signal
import sys
import threading

import salt.payload
import salt.utils.args
from salt.exceptions import CommandExecutionError

log = logging.getLogger(__name__)

__virtualname__ = "tcpdrop"

SELECTORS = ("local_addr", "local_port", "remote_addr", "remote_port", "states", "pid", "process", "user")
FIELDS = ("remote_addr", "local_port", "state", "process", "user")
BAD = ("not_permitted", "not_supported", "failed")
#: in the place of the word of JSON
WORDS = {"listed": "not attempted"}


def __virtual__():
    if __grains__["kernel"] not in ("Linux", "SunOS"):
        return False, "tcpdrop knows no way to list or drop connections on {}".format(__grains__["kernel"])
    # A library that is missing is no reason not to load: each function says so,
    # where "tcpdrop.drop is not available" would not tell why.
    return __virtualname__


def connections(filter=None, return_limit=1000, **kwargs):
    """
    The connections that match; without a selector all of them. Changes nothing

    Gives ``matched`` (how many), ``connections`` (at most ``return_limit`` of
    them), ``truncated``, ``undecidable``: how many more may match or not,
    because no process holds them or it may not be seen, and ``warnings``: where
    nothing matches, the interfaces, units and the like that are not there.

    CLI Example:

    .. code-block:: bash

        salt 'db*' tcpdrop.connections local_port=5432 remote_addr=192.0.2.0/24
        salt-call --local tcpdrop.connections process=nginx --out=json
    """
    tcpdrop = _library()
    limit = _whole("return_limit", return_limit)
    found = _find(tcpdrop, filter, kwargs, details=True, owners=True)
    rows = [tcpdrop.Result(one, "listed").as_dict() for one in itertools.islice(found, min(limit, sys.maxsize))]
    return {
        "matched": len(found),
        "connections": rows,
        "truncated": len(found) > len(rows),
        "undecidable": found.undecidable,
        "warnings": [] if len(found) else _absent(tcpdrop, filter, kwargs),
    }


def count(filter=None, **kwargs):
    """
    How many connections match, as a number

    CLI Example:

    .. code-block:: bash

        salt -C 'G@os:OmniOS and web*' tcpdrop.count states=CLOSE_WAIT
    """
    return len(_find(_library(), filter, kwargs))


def summary(by="remote_addr", filter=None, return_limit=1000, **kwargs):
    """
    How many connections have each value of one field, most first

    by
        ``remote_addr``, ``local_port``, ``state``, ``process`` or ``user``.
        Where it is unknown, the value is ``-``.

    Gives ``matched``, ``counts`` (at most ``return_limit`` values) and ``truncated``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' tcpdrop.summary by=remote_addr local_port=5432
    """
    tcpdrop = _library()
    limit = _whole("return_limit", return_limit)
    if by not in FIELDS:
        raise CommandExecutionError("by: one of {}, not '{}'".format(", ".join(FIELDS), by))
    found = _find(tcpdrop, filter, kwargs, owners=by == "process")
    counts = {}
    for one in found:
        value = one.uid if by == "user" else _field(one, by)
        counts[value] = counts.get(value, 0) + 1
    if by == "user":  # each is asked for once: a directory service takes its time
        named = {}
        for uid, number in counts.items():
            name = _user_name(uid)
            named[name] = named.get(name, 0) + number
        counts = named
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {"matched": len(found), "counts": dict(most[:limit]), "truncated": len(most) > limit}


def drop(
    filter=None,
    test=None,
    all=False,
    max_drops=None,
    include_self=False,
    protect=None,
    duration=None,
    rate=None,
    reason=None,
    return_limit=1000,
    **kwargs,
):
    """
    Drop every connection that matches; a selector, ``filter`` or ``all`` is needed

    When something concerns the whole run, as more matches than ``max_drops`` or
    a right that is missing, nothing is dropped and the function fails. It fails
    too when a connection that should have been dropped was not, and when a signal
    (``saltutil.term_job``) ended it, with what was dropped by then; nothing can
    answer ``saltutil.kill_job``. When nothing matches it succeeds.

    test
        Only say what would be dropped. Fails where the real run would be refused.
    all
        Everything, instead of a selection. It goes with a selection that is as
        broad, naming nothing but states, or what every connection has, like
        ``port ge 1`` or ``in``: such a one needs ``all`` or ``max_drops``.
    max_drops
        If more match, nothing is dropped; 100 unless given, and the word
        ``none`` lifts the bound.
    include_self
        Drop even what carries the session: the connections to the master, the login.
    protect
        A filter, or a list of filters, of connections that must live.
    duration
        Drop what matches, now and whenever it comes back, for so long, like ``30s``.
    rate
        At most so many drops a second.
    reason
        Why, for the log; Salt's user and job id go with it, to syslog(3).

    Gives ``comment``, ``matched``, ``counts`` by outcome, ``connections`` with
    the outcome of each (at most ``return_limit``), ``truncated``,
    ``undecidable``, ``drop_errors`` and ``warnings``.

    CLI Example:

    .. code-block:: bash

        salt 'db1' tcpdrop.drop local_port=5432 remote_addr=192.0.2.0/24 test=True
        salt -G 'role:db' -b 1 --failhard tcpdrop.drop local_port=5432 remote_addr=192.0.2.0/24 max_drops=50
    """
    tcpdrop = _library()
    tally = Tally(_whole("return_limit", return_limit))
    dry_run = _flag("test", __opts__.get("test", False) if test is None else test)
    include_self = _flag("include_self", include_self)
    how = dict(
        _selection(kwargs),
        all=_flag("all", all),
        max_drops=_bound(max_drops),
        include_self=include_self,
        protect=_protected(tcpdrop, protect) + ([] if include_self else _control(tcpdrop)),
        rate=None if rate is None else _whole("rate", rate),
        reason=_reason(reason, kwargs),
        syslog=True,
    )
    chosen = _filter(tcpdrop, "filter", filter)
    report = None
    with Stop() as stop:
        how["stopped"] = stop
        try:
            if max_drops is None and not all:
                _check_breadth(tcpdrop, chosen, _selection(kwargs))
            if duration is not None:
                looks = tcpdrop.keep_dropping(chosen, duration=duration, **how)
            if duration is not None and not dry_run:
                for result in looks:
                    tally.add(result)
                if not tally.matched and not stop():  # nothing is no success where something may match
                    tally.undecidable = _find(tcpdrop, filter, kwargs).undecidable
            else:
                report = tcpdrop.drop(chosen, dry_run=dry_run, **how)
                for result in report:
                    tally.add(result)
                tally.undecidable = report.undecidable
            tally.absent = [] if tally.matched else _absent(tcpdrop, filter, kwargs)
        except (OSError, TypeError, ValueError) as error:
            # In a watch, what was dropped before must not be lost.
            raise CommandExecutionError(str(error), info=tally.results() if tally.matched else None) from error
        return _judged(tally, report, stop)


def check():
    """
    Can this host drop connections, and may Salt? Drops nothing

    The exit status is not 0 where it cannot.

    CLI Example:

    .. code-block:: bash

        salt '*' tcpdrop.check
    """
    found = _library().check()
    if not found.ok:
        __context__["retcode"] = 1
    return found.as_dict()


def version():
    """
    The version of the library, its backend and the Python that has it

    CLI Example:

    .. code-block:: bash

        salt '*' tcpdrop.version
    """
    tcpdrop = _library()
    return {"version": tcpdrop.__version__, "backend": tcpdrop.check().backend, "python": sys.executable}


class Stop:
    """`with Stop() as stop`: stop() is true once a signal came, where Salt would end the job in the middle of a drop."""

    def __init__(self):
        self.name = ""
        self._before = []

    def __enter__(self):
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name)
            # Jobs that are threads are not told of signals; nohup stays nohup.
            if threading.current_thread() is threading.main_thread() and signal.getsignal(number) != signal.SIG_IGN:
                self._before.append((number, signal.signal(number, self._note(name))))
        return self

    def _note(self, name):
        def note(*_):
            self.name = self.name or name

        return note

    def __call__(self):
        return self.name != ""

    def __exit__(self, *_):
        for number, before in self._before:
            signal.signal(number, before)


class Tally:
    """Results, added one by one: all are counted, the first few are kept."""

    def __init__(self, limit):
        self.limit = limit
        self.matched = self.undecidable = 0
        self.counts = {}
        self.connections = []
        self.errors = []
        self.absent = []
        self.spared = ""

    def add(self, result):
        self.matched += 1
        self.counts[result.outcome] = self.counts.get(result.outcome, 0) + 1
        if self.matched <= self.limit:
            self.connections.append(result.as_dict())
        if result.outcome in BAD and len(self.errors) < max(1, self.limit):
            self.errors.append(str(result.error))
        if result.outcome == "protected" and not self.spared:
            self.spared = str(result.error)

    def results(self, report=None):
        words = ["{} {}".format(number, WORDS.get(outcome, outcome.replace("_", " "))) for outcome, number in sorted(self.counts.items())]
        return {
            "comment": ", ".join(words) or "nothing matches",
            "matched": self.matched,
            "counts": self.counts,
            "connections": self.connections,
            "truncated": self.matched > len(self.connections),
            "undecidable": self.undecidable,
            "drop_errors": self.errors,
            "warnings": self.warnings(report),
        }

    def warnings(self, report):
        """What a person should read although the run succeeds."""
        found = list(self.absent)
        if self.spared:
            found.append("{} of {} were spared, the first: {}".format(self.counts["protected"], self.matched, self.spared))
        if report is not None and report.warning:
            found.append(report.warning)
        if self.undecidable and self.matched:
            found.append("{} more may match or not: no process holds them, or it may not be seen".format(self.undecidable))
        if report is not None:
            found.extend(map(str, report.unread))
        if report is not None and report.unverified is not None:
            found.append("it could not be looked again: {}".format(report.unverified))
        return found


def _judged(tally, report, stop):
    """The results, or CommandExecutionError: a run that failed must not end with status 0."""
    results = tally.results(report)
    if report is not None and report.refusal is not None:
        raise CommandExecutionError("the real run would be refused: {}".format(report.refusal))
    if stop():
        raise CommandExecutionError("{}, then stopped by {}".format(results["comment"], stop.name), info=results)
    if tally.errors:
        raise CommandExecutionError("{}; the first that could not be dropped: {}".format(results["comment"], tally.errors[0]), info=results)
    if not tally.matched and tally.undecidable:
        unsure = "nothing matches for certain, and {} connections may match or not".format(tally.undecidable)
        raise CommandExecutionError("; ".join([unsure, *tally.absent]))
    return results


def _library():
    """tcpdrop, by Salt's Python; at each call, for it may have been installed since."""
    try:
        import tcpdrop

        # Names load on first use: only this shows that the C extension is there and fits.
        from tcpdrop import drop, keep_dropping  # noqa: F401
    except (ImportError, SyntaxError) as error:  # SyntaxError: a Python that is too old
        raise CommandExecutionError(
            "tcpdrop is not importable by Salt's Python {} ({}); install its wheel there: {} install ./tcpdrop-*.whl".format(
                sys.executable, error, _pip()
            )
        ) from error
    return tcpdrop


def _pip():
    """What installs into Salt's Python here: only onedir packages have a salt-pip; over salt-ssh it is the target's own Python."""
    beside = os.path.join(sys.prefix, "salt-pip")
    return beside if os.access(beside, os.X_OK) else sys.executable + " -m pip"


def _find(tcpdrop, filter, kwargs, **how):
    try:
        return tcpdrop.connections(_filter(tcpdrop, "filter", filter), **dict(_selection(kwargs), **how))
    except (OSError, TypeError, ValueError) as error:
        raise CommandExecutionError(str(error)) from error


def _absent(tcpdrop, filter, kwargs):
    """Nothing matched: is that a name that nothing has?"""
    try:
        names = tcpdrop.absent_names(_filter(tcpdrop, "filter", filter), **_selection(kwargs))
    except OSError as error:  # a hint that cannot be had is no failure
        return [str(error)]
    return ["a name that nothing has: {}".format(clause) for clause in names]


def _selection(kwargs):
    """The selectors and netns that were given.  Those that Salt adds begin with a dunder."""
    given = salt.utils.args.clean_kwargs(**kwargs)
    for name, value in given.items():
        if name not in SELECTORS and name != "netns":
            raise CommandExecutionError("'{}' is not known here; the selectors are {} and netns".format(name, ", ".join(SELECTORS)))
        if isinstance(value, str) and name != "netns":
            given[name] = value.split(",")
        if name == "process":  # a name of digits comes as a number from a command line of Salt's
            each = given[name] if isinstance(given[name], list) else [value]
            given[name] = value if value is None else [str(one) if type(one) is int else one for one in each]
    return given


def _check_breadth(tcpdrop, chosen, selectors):
    """The default of max_drops is nobody's word that breadth is meant."""
    selectors.pop("netns", None)
    if (selectors or chosen is not None) and tcpdrop.is_broad(chosen, **selectors):
        raise ValueError("the selection is as broad as all: say all=True too, or bound it by max_drops")


def _filter(tcpdrop, name, text):
    """The Filter of this text, or None; a mistake is told with the parameter's name."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise CommandExecutionError("{}: a text, not '{}'".format(name, text))
    try:
        return tcpdrop.Filter(text)
    except (TypeError, ValueError) as error:
        column = getattr(error, "column", None)
        raise CommandExecutionError("{}: {}{}".format(name, error, "" if column is None else " (column {})".format(column))) from error


def _flag(name, value):
    if not isinstance(value, bool):
        raise CommandExecutionError("{}: True or False, not '{}'".format(name, value))
    return value


def _whole(name, value):
    # Not isdigit(), which takes digits that int() does not; nor more of them than int() takes.
    if isinstance(value, bool) or not (isinstance(value, (int, str)) and re.match("[0-9]{1,19}$", str(value))):
        raise CommandExecutionError("{}: a whole number, not '{}'".format(name, value))
    return int(value)


def _bound(value):
    """A number, or None for none at all, which must be typed: null is the default."""
    return None if value == "none" else 100 if value is None else _whole("max_drops", value)


def _protected(tcpdrop, given):
    """A text is one filter, for there are commas in filters."""
    texts = [] if given is None else [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise CommandExecutionError("protect: a filter or a list of filters, not '{}'".format(given))
    return [_filter(tcpdrop, "protect", text) for text in texts]


def _control(tcpdrop):
    """The connections between the minion and its master, as filters.

    The library spares what an ancestor of the job's process holds.  Where jobs
    are threads (multiprocessing: False), or salt-call runs beside the minion,
    no ancestor does.
    """
    # A minion is told the publish port by the master, and need not have it in its configuration.
    way = tcpdrop.Filter.remote_port([__opts__.get("publish_port") or 4505, __opts__.get("master_port") or 4506])
    if not __opts__.get("multiprocessing", True):
        way = way | tcpdrop.Filter.pid(os.getpid())
    found = []
    for address in _masters():
        try:
            found.append(tcpdrop.Filter.remote(address) & way)
        except ValueError:
            continue  # a name: the minion's own look-up of it is master_uri
    return found


def _masters():
    """Addresses of the master: of master_uri (tcp://[2001:db8::1]:4506), and those in the configuration."""
    named = __opts__.get("master") or []
    texts = [__opts__.get("master_uri"), __opts__.get("master_ip")] + (named if isinstance(named, list) else [named])
    for text in texts:
        text = str(text or "").rpartition("://")[2]
        if text.startswith("["):
            text = text[1:].partition("]")[0]
        elif text.count(":") == 1:
            text = text.partition(":")[0]
        if text:
            yield text.partition("%")[0]


def _reason(reason, kwargs):
    """What the log says: why, and for whom Salt does it."""
    user, jid = _job(kwargs)
    salt_job = "salt user={} jid={}".format(user or "-", jid or "-")
    return salt_job if reason is None else "{} ({})".format(reason, salt_job)


def _job(kwargs):
    """Who published this job, and its id.  A state is not told, but the minion keeps a note of each running job."""
    user, jid = kwargs.get("__pub_user"), kwargs.get("__pub_jid")
    notes = os.path.join(__opts__.get("cachedir") or "", "proc")
    if jid or not os.path.isdir(notes):
        return user, jid
    for name in os.listdir(notes):
        try:
            with open(os.path.join(notes, name), "rb") as file:
                note = salt.payload.loads(file.read())
        except (OSError, salt.exceptions.SaltDeserializationError):
            continue  # that job has just ended
        # A state may run in a child of its job; jobs that are threads have the process in common.
        if note.get("pid") in (os.getpid(), os.getppid()) and (
            __opts__.get("multiprocessing", True) or note["jid"] in threading.current_thread().name
        ):
            return note.get("user"), note["jid"]
    return user, jid


def _field(connection, by):
    value = connection.as_dict()[by]
    return "-" if value is None else str(value)


def _user_name(uid):
    import pwd

    if uid is None:
        return "-"
    try:
        return pwd.getpwuid(uid).pw_name.encode("utf-8", "backslashreplace").decode()  # an answer has no lone surrogates
    except KeyError:
        return str(uid)
