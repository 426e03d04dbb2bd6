# Copyright (c) The tcpdrop authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What a run did, connection by connection, in bounded memory: all are counted, the first few are kept."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

BAD = ("not_permitted", "not_supported", "failed")
ENDED = ("dropped", "would_drop", "gone")
#: in the place of the word of JSON
WORDS = {"listed": "not attempted"}


class Tally:
    """Results of tcpdrop.drop() or tcpdrop.keep_dropping(), added one by one."""

    def __init__(self, limit):
        self.limit = limit
        self.matched = 0
        self.undecidable = 0
        self.counts = {}
        self.connections = []
        self.errors = []
        #: why the first that was spared was
        self.spared = ""
        self._before = []
        self._after = []

    def add(self, result):
        self.matched += 1
        self.counts[result.outcome] = self.counts.get(result.outcome, 0) + 1
        if self.matched <= self.limit:
            self.connections.append(result.as_dict())
            line = "%s %s\n" % (result.connection, result.connection.state.name)
            self._before.append(line)
            if result.outcome not in ENDED:
                self._after.append(line)
        if result.outcome in BAD and len(self.errors) < max(1, self.limit):
            self.errors.append(str(result.error))
        if result.outcome == "protected" and not self.spared:
            self.spared = str(result.error)

    def text(self):
        """'2 dropped, 1 protected'"""
        words = ["%d %s" % (number, WORDS.get(outcome, outcome.replace("_", " "))) for outcome, number in sorted(self.counts.items())]
        return ", ".join(words) or "nothing matches"

    def results(self, diff=False):
        """Under keys of which Ansible reserves none."""
        found = {
            "changed": any(self.counts.get(outcome) for outcome in ("dropped", "would_drop")),
            "msg": self.text(),
            "matched": self.matched,
            "counts": self.counts,
            "connections": self.connections,
            "truncated": self.matched > len(self.connections),
            "undecidable": self.undecidable,
            "drop_errors": self.errors,
        }
        if diff:
            found["diff"] = {
                "before_header": "TCP connections that match",
                "after_header": "what is left of them",
                "before": lines(self._before, self.matched),
                "after": lines(self._after, self.matched - sum(self.counts.get(outcome, 0) for outcome in ENDED)),
            }
        return found

    def warnings(self, report):
        """What a person should read although the task succeeds.  report: None after a watch."""
        if self.counts.get("protected"):
            yield "%d of %d connections were spared, the first: %s" % (self.counts["protected"], self.matched, self.spared)
        if report is None:
            return
        if report.warning:
            yield report.warning
        if report.undecidable and self.matched:
            yield "%d more may match or not: no process holds them, or it may not be seen" % report.undecidable
        for unread in report.unread:
            yield str(unread)
        if report.unverified is not None:
            yield "it could not be looked again: %s" % report.unverified


def lines(kept, of):
    """Those that were kept, and how many there are beside them."""
    more = of - len(kept)
    return "".join(sorted(kept)) + ("(and %d more)\n" % more if more else "")
