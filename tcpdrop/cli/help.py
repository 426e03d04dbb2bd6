# SPDX-License-Identifier: BSD-2-Clause
"""What --help prints.  A test compares it with the table of options."""

USAGE = """\
usage: tcpdrop [options] LADDR LPORT RADDR RPORT
       tcpdrop [options] LADDR:LPORT RADDR:RPORT
       tcpdrop list [options]
       tcpdrop check [--json]
       tcpdrop demo"""

NO_OPERANDS = f"""\
{USAGE}
Drops TCP connections; 'tcpdrop --help' says more, 'tcpdrop demo' shows it.
To trace dropped packets, see the tool of the same name in bcc (tcpdrop-bpfcc)."""

HELP = f"""\
{USAGE}

Drops one TCP connection of this host, named by its local and remote end, at
once and without touching any other.  Also netstat's LADDR.LPORT, and
[V6ADDR]:PORT; host and service names; ADDR%DEV for a socket bound to DEV.

  list      list connections; never drops
  check     can this host drop connections, and may I?
  demo      make a loopback connection, drop it, show what both ends saw

options:
  -n, --dry-run        say what would be dropped, drop nothing
      --include-self   drop it even if it carries your own session
  -4, -6               only IPv4, only IPv6 (what is on the wire)
      --netns X        in the network namespace of that NAME, PID or PATH
      --json           one JSON document instead of text
      --jsonl          one JSON object a line
  -q, --quiet          no lines for what was dropped or listed
      --allow-none     nothing found is success
  -h, --help
  -V, --version

to select what is listed (repeat them, or give comma lists):
      --local-addr, --remote-addr    an address or a prefix like 10.0.0.0/8
      --local-port, --remote-port    a port or a service name
      --state                        established, close-wait, ... or all

exit status:
  0  dropped (listed, would drop)    3  failed, not permitted, not supported
  1  no such connection              4  refused: protected, or a bound exceeded
  2  the command line is wrong

To trace dropped packets instead, see the tool of the same name in bcc."""
