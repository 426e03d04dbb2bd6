# Copyright (c) The tcpdrop authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What neither the host's log nor a text that is no UTF-8 can keep from answering."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import threading

#: seconds in which the log takes no line, after which nobody waits any longer
LONGEST_WAIT = 0.5


class Answering:
    """`class Module(Answering, AnsibleModule)` waits for no log: syslog(3) does for ever where /dev/log is full and nobody reads it.

    What was dropped by then would never be told.
    """

    #: does a line wait for the log?  Another would only wait behind it.
    stuck = False

    def log(self, msg, log_args=None):
        if self.no_log or self.stuck:
            return
        raised = []
        line = spelled(msg)

        def write():
            try:
                super(Answering, self).log(line, log_args)
            except BaseException as error:  # also the end of the module, where the log cannot be spoken to at all
                raised.append(error)

        writer = threading.Thread(target=write)
        writer.daemon = True  # the end of the module does not wait for it either
        writer.start()
        writer.join(LONGEST_WAIT)
        self.stuck = writer.is_alive()
        if raised:
            raise raised[0]

    def _log_invocation(self):
        """The engine can make no line of a text that is no UTF-8."""
        given = self.params
        self.params = {name: spelled(value) if isinstance(value, str) else value for name, value in given.items()}
        try:
            super()._log_invocation()
        finally:
            self.params = given

    def warn_of_log(self):
        if self.stuck:
            self.warn("the log takes nothing just now: what was asked or done is not in it")


def spelled(text):
    """As syslog(3) can take it: with \\udcNN for what is no UTF-8, and no NUL, at either of which the engine would end the module."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
