#!/usr/bin/python
# Copyright (c) The tcpdrop authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: tcp_drop
short_description: Drop TCP connections
version_added: 0.1.0
description:
  - Drops every TCP connection of the managed host that matches, each one exactly, and never a listening socket.
  - The program that holds a connection sees an error (ECONNABORTED on Linux), and its peer a reset. Data in flight is lost.
  - Nothing is dropped when something concerns the whole task, as O(max_drops) exceeded or a right that is missing.
  - When nothing matches, the task succeeds and is not changed.
author:
  - The tcpdrop authors (!UNKNOWN)
extends_documentation_fragment:
  - tcpdrop.net.selection
  - ansible.builtin.action_common_attributes
options:
  all:
    description:
      - Drop every connection, instead of a selection. Without it, something must be selected.
      - It goes with a selection that is as broad, naming nothing but states, or what every connection has, as V(port ge 1) or V(in) does.
        Such a one needs O(all) or O(max_drops).
    type: bool
    default: false
  max_drops:
    description:
      - If more connections match, the task fails and nothing is dropped. With O(duration) it bounds the whole time.
      - It is 100 unless given. The word V(none) lifts the bound.
    type: raw
  include_self:
    description:
      - Drop even the connection through which Ansible controls this host. The host is then unreachable for the rest of the play.
      - What C(/etc/tcpdrop.conf) on the host protects stays protected.
    type: bool
    default: false
  protect:
    description:
      - A filter, or a list of filters, of connections that must live, whatever is selected. Their other ends live too.
      - A text is one filter, commas included.
    type: raw
  duration:
    description: Drop what matches, now and whenever it comes back, for so long, like V(30s) or V(10m).
    type: str
  rate:
    description: At most so many drops a second, so that not all clients come back at once.
    type: int
  reason:
    description: Why, for the log of the host.
    type: str
attributes:
  check_mode:
    support: full
    details: The same selection and checks; it fails where the real run would be refused.
  diff_mode:
    support: full
  platform:
    platforms: linux, illumos, solaris
notes:
  - The connection that carries the play is spared, also behind C(become), and so is what C(/etc/tcpdrop.conf) protects.
    This is no failure; the task warns, and RV(counts) says how many.
  - On Linux it needs CAP_NET_ADMIN, on illumos and Solaris the privilege sys_ip_config. C(become) gives both.
  - A signal (SIGTERM, SIGHUP, SIGINT) ends it between two drops; the task fails, and tells what was dropped. Nothing can answer SIGKILL,
    with which C(async) ends what takes longer than it allows, so give it more than O(duration).
  - Connections that a host forwards, as a bastion does for the hosts behind it, are not its own session. Name them in O(protect).
seealso:
  - module: tcpdrop.net.tcp_connection_info
"""

EXAMPLES = r"""
- name: Drop the sessions of one client network
  tcpdrop.net.tcp_drop:
    local_port: [5432]
    remote_addr: [203.0.113.0/24]
    max_drops: 50
    reason: the replica moved
  become: true

- name: What would that do? (also in a run without --check)
  tcpdrop.net.tcp_drop:
    local_port: [5432]
    remote_addr: [203.0.113.0/24]
  check_mode: true
  diff: true
  become: true

- name: Drop what hangs, as a filter says it
  tcpdrop.net.tcp_drop:
    filter: state close-wait and idle gt 10m and comm nginx
  become: true

- name: Keep a peer away for half a minute
  tcpdrop.net.tcp_drop:
    remote_addr: ["{{ peer }}"]
    duration: 30s
  become: true

- name: Everybody out, but not all in the same second
  tcpdrop.net.tcp_drop:
    local_port: [8443]
    max_drops: none
    rate: 200
    protect: remote 198.51.100.0/24 or loopback
  become: true
"""

RETURN = r"""
matched:
  description: How many connections matched, the protected ones included.
  returned: always, unless nothing was looked at
  type: int
  sample: 3
counts:
  description: How many had which outcome; those that did not occur are left out.
  returned: always, unless nothing was looked at
  type: dict
  sample: {dropped: 2, protected: 1}
connections:
  description: What matched and what became of it, at most O(return_limit) of them. What is not known is null.
  returned: always, unless nothing was looked at
  type: list
  elements: dict
  contains:
    family: {type: str, description: "V(inet) or V(inet6), what is on the wire."}
    mapped: {type: bool, description: IPv4 carried by an IPv6 socket.}
    local_addr: {type: str, description: Address of this host's end.}
    local_port: {type: int, description: Port of this host's end.}
    remote_addr: {type: str, description: Address of the other end.}
    remote_port: {type: int, description: Port of the other end.}
    state: {type: str, description: "Like V(ESTABLISHED), V(FIN_WAIT1), V(SYN_RECV)."}
    pids: {type: list, elements: int, description: "The processes that hold it, where the selection asked for them."}
    pids_kind: {type: str, description: "V(holder), or V(creator) on illumos and Solaris."}
    process: {type: str, description: The command name of a holder.}
    uid: {type: int, description: The socket's owner.}
    inode: {type: int, description: The socket's inode number.}
    cookie: {type: str, description: "The socket's identity, an opaque string."}
    ifindex: {type: int, description: The interface it is bound to.}
    netns: {type: str, description: The network namespace. Null is the module's own.}
    zone: {type: int, description: The zone. Null is the module's own.}
    recvq: {type: int, description: Bytes that the application has not read.}
    sendq: {type: int, description: Bytes that the peer has not acknowledged.}
    idle_ms: {type: int, description: Since data last moved.}
    age_ms: {type: int, description: At least so old.}
    rtt_us: {type: int, description: Round-trip time.}
    retrans: {type: int, description: Segments sent again.}
    bytes_sent: {type: int, description: Bytes sent.}
    bytes_received: {type: int, description: Bytes received.}
    cc: {type: str, description: The congestion control.}
    method: {type: str, description: How it was dropped.}
    victim_sees: {type: str, description: "The error that the program which held it gets, like ECONNABORTED."}
    peer_told: {type: bool, description: Whether the peer got a reset at once.}
    protected_by: {type: str, description: Why it was spared.}
    outcome:
      type: str
      description:
        - V(dropped), or V(would_drop) in check mode; V(gone) if it had ended by itself; V(protected).
        - V(not_permitted), V(not_supported) and V(failed) make the task fail.
    errno: {type: int, description: Why it was not dropped.}
    error: {type: str, description: The same in words.}
truncated:
  description: Whether more matched than were returned.
  returned: always, unless nothing was looked at
  type: bool
undecidable:
  description: How many connections may match or not, for want of rights. None of them was touched.
  returned: always, unless nothing was looked at
  type: int
drop_errors:
  description: A line for each connection that could not be dropped, at most O(return_limit) of them.
  returned: always, unless nothing was looked at
  type: list
  elements: str
msg:
  description: The same in words.
  returned: always
  type: str
  sample: 2 dropped, 1 protected
outcome:
  description:
    - When the whole task failed, which kind, V(protected) (a bound exceeded), V(not_permitted), V(not_supported) or V(failed).
    - Null for a wrong parameter.
  returned: failure
  type: str
"""

import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.tcpdrop.net.plugins.module_utils._library import (
    SELECTION,
    fail,
    filter_of,
    limit_of,
    load,
    selection,
    warn_of_absent,
)
from ansible_collections.tcpdrop.net.plugins.module_utils._module import Answering
from ansible_collections.tcpdrop.net.plugins.module_utils._stop import Stop
from ansible_collections.tcpdrop.net.plugins.module_utils._tally import Tally

MAX_DROPS = 100

SPEC = dict(
    SELECTION,
    all={"type": "bool", "default": False},
    max_drops={"type": "raw"},
    include_self={"type": "bool", "default": False},
    protect={"type": "raw"},
    duration={"type": "str"},
    rate={"type": "int"},
    reason={"type": "str"},
)


class Module(Answering, AnsibleModule):
    """As both of the collection are."""


def bound(module):
    """max_drops: a number, or None for none at all."""
    given = module.params["max_drops"]
    if given == "none":
        return None
    if given is None:  # null is not a word: the default
        given = MAX_DROPS
    if isinstance(given, bool) or not re.match("[0-9]{1,19}$", str(given)):
        module.fail_json(msg="max_drops: a whole number, or the word none for no bound; not '%s'" % (given,))
    return int(given)


def protected(module, tcpdrop):
    """protect, as filters.  A text is one, for there are commas in filters."""
    given = module.params["protect"]
    texts = [] if given is None else [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        module.fail_json(msg="protect: a filter or a list of filters, not '%s'" % (given,))
    return [filter_of(module, tcpdrop, "protect", text) for text in texts]


def arguments(module, tcpdrop, stop):
    """What drop() and keep_dropping() have in common."""
    return dict(
        selection(module),
        all=module.params["all"],
        max_drops=bound(module),
        include_self=module.params["include_self"],
        protect=protected(module, tcpdrop),
        rate=module.params["rate"],
        reason=module.params["reason"],
        stopped=stop,
    )


def check_breadth(module, tcpdrop, chosen):
    """The default of max_drops is nobody's word that breadth is meant."""
    selectors = dict(selection(module))
    selectors.pop("netns", None)
    typed = module.params["all"] or module.params["max_drops"] is not None
    if not typed and (selectors or chosen is not None) and tcpdrop.is_broad(chosen, **selectors):
        module.fail_json(msg="the selection is as broad as all: say all: true too, or bound it by max_drops")


def run(module, tcpdrop, tally, stop):
    """Drop, or say what would be; the Report of a single look."""
    chosen = filter_of(module, tcpdrop, "filter", module.params["filter"])
    how = arguments(module, tcpdrop, stop)
    check_breadth(module, tcpdrop, chosen)
    looks = None
    if module.params["duration"] is not None:
        looks = tcpdrop.keep_dropping(chosen, duration=module.params["duration"], **how)
    if looks is not None and not module.check_mode:
        for result in looks:
            tally.add(result)
        if not tally.matched and not stop():  # nothing is no success where something may match
            tally.undecidable = tcpdrop.connections(chosen, **selection(module)).undecidable
        report = None
    else:
        report = tcpdrop.drop(chosen, dry_run=module.check_mode, **how)
        for result in report:
            tally.add(result)
        tally.undecidable = report.undecidable
    if not tally.matched:
        warn_of_absent(module, tcpdrop, chosen)
    return report


def finish(module, tally, report, stop):
    results = tally.results(diff=module._diff)
    for warning in tally.warnings(report):
        module.warn(warning)
    if report is not None and report.refusal is not None:
        fail(module, report.refusal, **dict(results, changed=False))
    if stop():
        module.fail_json(**dict(results, msg="%s, then stopped by %s" % (results["msg"], stop.name), outcome="failed"))
    if tally.errors:
        results["msg"] += "; the first that could not be dropped: %s" % tally.errors[0]
        module.fail_json(**results)
    if not tally.matched and tally.undecidable:
        results["msg"] = "nothing matches for certain, and %d connections may match or not" % tally.undecidable
        module.fail_json(**results)
    module.exit_json(**results)


def main():
    module = Module(argument_spec=SPEC, supports_check_mode=True)
    tcpdrop = load(module)
    tally = Tally(limit_of(module))
    report = failure = None
    with Stop() as stop:
        try:
            report = run(module, tcpdrop, tally, stop)
        except (OSError, TypeError, ValueError) as error:
            failure = error
        # In a watch, what was dropped before a failure must not be lost.
        if not module.check_mode and (failure is None or tally.matched):
            module.log("%s%s" % (tally.text(), " (reason: %s)" % module.params["reason"] if module.params["reason"] else ""))
    module.warn_of_log()
    if failure is not None:
        fail(module, failure, **(tally.results() if tally.matched else {}))
    finish(module, tally, report, stop)


if __name__ == "__main__":
    main()
