# SPDX-License-Identifier: BSD-2-Clause
"""What --help prints.  A test compares it with the table of options."""

USAGE = """\
usage: tcpdrop [options] LADDR LPORT RADDR RPORT
       tcpdrop [options] LADDR:LPORT RADDR:RPORT
       tcpdrop list [options] [FILTER...]
       tcpdrop drop [options] FILTER...
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
  drop      drop every connection that matches, each one exactly
  check     can this host drop connections, and may I?
  demo      make a loopback connection, drop it, show what both ends saw

A FILTER reads like one of ss:  state close-wait and remote 10.0.0.0/8
or:  lport 443 not ( user backup or idle lt 10m )

options:
  -n, --dry-run        say what would be dropped, drop nothing
      --include-self   drop it even if it carries your own session
      --protect FILTER never drop what this matches, nor its other end
  -4, -6               only IPv4, only IPv6 (what is on the wire)
      --netns X        in the network namespace of that NAME, PID or PATH
      --json           one JSON document instead of text
      --jsonl          one JSON object a line
  -q, --quiet          no lines for what was dropped or listed
      --allow-none     nothing found is success
      --reason TEXT    why, for the log
      --syslog         log each connection to syslog, not only a summary
      --no-syslog      log nothing
  -h, --help
  -V, --version

to select (repeat them, or give comma lists; with a FILTER both must match):
      --local-addr, --remote-addr    an address or a prefix like 10.0.0.0/8
      --local-port, --remote-port    a port or a service name
  -s, --state                        established, close-wait, ... or all
      --pid, --process, --user       who holds it
      --idle, --age                  for at least so long, like 30s, 10m, 2h
  -a, --all                          every connection

to list and drop many:
      --limit N           no more than N, the first by the order
      --order WORD        oldest, newest, idlest or largest first
  -c, --count             only how many

to list:
  -o FIELD,...            these columns, named as in JSON
      --summary-by FIELD  how many by remote_addr, local_port, state, ...
      --explain           how the filter was understood

to drop many:
  -y, --yes               do not ask; no bound but an explicit one
      --max-drops N|none  refuse to drop more (100, when nobody can be asked)
      --from FILE|-       what list --jsonl wrote, or classic lines
      --for TIME          keep dropping what matches, for so long
      --until-gone[=TIME] keep dropping until nothing matches
      --interval TIME     how often --for and --until-gone look
      --rate N            no more than N a second
  -l                      print it as tcpdrop commands, drop nothing

tcpdrop -a, -s STATE, and -l with either, are FreeBSD's spelling of drop.

exit status:
  0  dropped (listed, would drop)    3  failed, not permitted, not supported
  1  no such connection              4  refused: protected, or a bound exceeded
  2  the command line is wrong

To trace dropped packets instead, see the tool of the same name in bcc."""
