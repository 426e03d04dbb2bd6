#!/usr/bin/python
# Copyright (c) The tcpdrop authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: tcp_connection_info
short_description: List TCP connections
version_added: 0.1.0
description:
  - Lists the TCP connections of the managed host that match, as C(tcpdrop list --json) does.
  - Without a selector or filter it lists all of them. It changes nothing.
author:
  - The tcpdrop authors (!UNKNOWN)
extends_documentation_fragment:
  - tcpdrop.net.selection
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  platform:
    platforms: linux, illumos, solaris
notes:
  - Listing needs no privilege. Who holds a socket of another user is known to root only.
seealso:
  - module: tcpdrop.net.tcp_drop
"""

EXAMPLES = r"""
- name: Who is connected to the database?
  tcpdrop.net.tcp_connection_info:
    local_port: [5432]
    states: [ESTABLISHED]
  become: true # to see the processes of other users
  register: sessions

- name: Say where they come from
  ansible.builtin.debug:
    msg: "{{ sessions.connections | map(attribute='remote_addr') | unique }}"
  when: sessions.matched > 0

- name: Count what hangs in CLOSE_WAIT, and return none of it
  tcpdrop.net.tcp_connection_info:
    filter: state close-wait and idle gt 10m
    return_limit: 0
  register: hanging
"""

RETURN = r"""
matched:
  description: How many connections match.
  returned: success
  type: int
  sample: 2
connections:
  description: The connections, at most O(return_limit) of them. What is not known is null.
  returned: success
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
    pids: {type: list, elements: int, description: "The processes that hold it, as far as they can be seen."}
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
    outcome: {type: str, description: Always V(listed).}
    errno: {type: int, description: Why it was not dropped.}
    error: {type: str, description: The same in words.}
truncated:
  description: Whether more match than were returned.
  returned: success
  type: bool
undecidable:
  description: How many connections may match or not, for want of rights. They are not among RV(connections).
  returned: success
  type: int
msg:
  description: The same in words.
  returned: always
  type: str
  sample: 2 connections match
outcome:
  description: On failure, which kind, V(not_permitted), V(not_supported) or V(failed); null for a wrong parameter.
  returned: failure
  type: str
"""

from itertools import islice

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


class Module(Answering, AnsibleModule):
    """As both of the collection are."""


def main():
    module = Module(argument_spec=dict(SELECTION), supports_check_mode=True)
    tcpdrop = load(module)
    limit = limit_of(module)
    chosen = filter_of(module, tcpdrop, "filter", module.params["filter"])
    try:
        found = tcpdrop.connections(chosen, details=True, owners=True, **selection(module))
        # Objects are made of these only, however many match.
        rows = [tcpdrop.Result(connection, "listed").as_dict() for connection in islice(found, limit)]
        if not len(found):
            warn_of_absent(module, tcpdrop, chosen)
    except (OSError, TypeError, ValueError) as error:
        fail(module, error)
    if found.undecidable:
        module.warn("%d more may match or not: no process holds them, or it may not be seen" % found.undecidable)
    for unread in found.unread:
        module.warn(str(unread))
    module.warn_of_log()
    module.exit_json(
        changed=False,
        msg="%d connection%s" % (len(found), " matches" if len(found) == 1 else "s match"),
        matched=len(found),
        connections=rows,
        truncated=len(found) > len(rows),
        undecidable=found.undecidable,
    )


if __name__ == "__main__":
    main()
