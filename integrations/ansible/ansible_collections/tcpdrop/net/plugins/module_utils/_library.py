# Copyright (c) The tcpdrop authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The way from a module to the tcpdrop library of the target.

A module travels as plain Python: the library, which has a C extension, is the
target's own.  Where the interpreter of the play lacks it, the module starts
anew in one that has it, as apt and dnf do.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import sys

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

#: where docs/fleet.md installs it, and where a package of the system would
INTERPRETERS = ("/opt/tcpdrop/bin/python3", "/usr/bin/python3")

SELECTORS = ("local_addr", "local_port", "remote_addr", "remote_port", "states", "pid", "process", "user")

#: the parameters that both modules take
SELECTION = {
    "local_addr": {"type": "list", "elements": "str"},
    "local_port": {"type": "list", "elements": "str"},
    "remote_addr": {"type": "list", "elements": "str"},
    "remote_port": {"type": "list", "elements": "str"},
    "states": {"type": "list", "elements": "str"},
    "pid": {"type": "list", "elements": "int"},
    "process": {"type": "list", "elements": "str"},
    "user": {"type": "list", "elements": "str"},
    "filter": {"type": "str"},
    "netns": {"type": "str"},
    "return_limit": {"type": "int", "default": 1000},
}


def load(module):
    """The library; starts the module anew where another interpreter has it, fails where none has."""
    try:
        import tcpdrop

        for name in ("connections", "keep_dropping"):
            getattr(tcpdrop, name)  # names load on first use: only this shows that the C extension is there and fits
    except (AttributeError, ImportError, SyntaxError) as error:  # all but ImportError: another tcpdrop, or another Python
        if not has_respawned():
            found = probe_interpreters_for_module([path for path in INTERPRETERS if path != sys.executable], "tcpdrop")
            if found:
                start_anew(module, found)
        module.fail_json(msg=missing_required_lib("tcpdrop", reason="by this module (%s)" % error, url="docs/fleet.md of tcpdrop"))
    return tcpdrop


def start_anew(module, interpreter):
    """Run this module in another interpreter, and end as it ends."""
    try:
        respawn_module(interpreter)
    except AttributeError:  # Mitogen runs modules in a process of its own, which knows nothing of how to start one
        module.fail_json(
            msg="tcpdrop is in %s and not in the interpreter of the play, %s, and Mitogen cannot change over: "
            "set ansible_python_interpreter to the first" % (interpreter, sys.executable)
        )


def selection(module):
    """The keyword arguments of connections() and drop(): what was given, and only that.

    An option that is not set, or null, was not given.  An empty list was: it
    matches nothing.
    """
    given = {name: module.params[name] for name in SELECTORS if module.params[name] is not None}
    if module.params["netns"] is not None:
        given["netns"] = module.params["netns"]
    return given


def limit_of(module):
    limit = module.params["return_limit"]
    if limit < 0:
        module.fail_json(msg="return_limit: 0 or more, not %d" % limit)
    return min(limit, sys.maxsize)  # no more can be counted


def filter_of(module, tcpdrop, name, text):
    """The Filter of this text, or None; a mistake is told with the parameter's name."""
    if text is None:
        return None
    try:
        return tcpdrop.Filter(text)
    except ValueError as error:
        column = getattr(error, "column", None)
        module.fail_json(msg="%s: %s%s" % (name, error, "" if column is None else " (column %d)" % column))


def warn_of_absent(module, tcpdrop, chosen):
    """Nothing matched: is that a name that nothing has?"""
    try:
        names = tcpdrop.absent_names(chosen, **selection(module))
    except OSError as error:  # a hint that cannot be had is no failure
        module.warn(str(error))
        return
    for clause in names:
        module.warn("a name that nothing has: %s" % clause)


def fail(module, error, **results):
    """One line for what the library raised, with the word that stands for it in JSON."""
    text = str(error)
    if isinstance(error, PermissionError):
        text += "; in a play: become: true"
    module.fail_json(**dict(results, msg=text, outcome=getattr(error, "outcome", None)))
