# Copyright (c) The tcpdrop authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The parameters that both modules take."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  local_addr:
    description:
      - Addresses or prefixes of this host's end, like V(192.0.2.10) or V(2001:db8::/32).
      - An IPv4 address also matches where an IPv6 socket carries it.
    type: list
    elements: str
  local_port:
    description:
      - Ports of this host's end, ranges like V("8000-8099"), or names of services.
      - Write a range with a dash and in quotes. YAML reads V(20:25) as one number to base 60, which is port 1225.
    type: list
    elements: str
  remote_addr:
    description: Addresses or prefixes of the other end.
    type: list
    elements: str
  remote_port:
    description: Ports of the other end, ranges, or names of services, as in O(local_port).
    type: list
    elements: str
  states:
    description:
      - TCP states in any spelling, like V(ESTABLISHED), V(close-wait), V(FIN_WAIT1), or V(all).
      - Without a state named anywhere, all but LISTEN, CLOSED and TIME_WAIT are selected.
    type: list
    elements: str
  pid:
    description: Processes that hold the connection (on illumos and Solaris, that made it).
    type: list
    elements: int
  process:
    description:
      - Names of such processes, as C(ps -o comm) shows them; V(*), V(?) and V([...]) are patterns.
      - Bytes that are no UTF-8 are written C(\udcNN), here and in what is returned.
      - Other users' processes can be seen by root only. What cannot be seen does not match.
    type: list
    elements: str
  user:
    description: Names or numbers of the users that own the connection.
    type: list
    elements: str
  filter:
    description:
      - A filter in the language of C(tcpdrop list); see tcpdrop(8).
      - Give values that come from elsewhere by the other parameters, which are never read as filter language.
    type: str
  netns:
    description: A network namespace, by the name of ip-netns(8), a process id or a path; V(all) for each of them (Linux).
    type: str
  return_limit:
    description: At most so many connections are returned; the numbers in the result count all of them.
    type: int
    default: 1000
notes:
  - Selectors and O(filter) narrow each other. A list means any of its values; an empty list matches nothing.
  - For an optional selector use V(default(omit)), not V(default([])).
requirements:
  - tcpdrop on the managed host, in the interpreter of the play, in C(/opt/tcpdrop) or in C(/usr/bin/python3)
"""
