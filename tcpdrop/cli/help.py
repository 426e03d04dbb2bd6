# SPDX-License-Identifier: BSD-2-Clause
"""What --help prints.  A test compares it with the table of options."""

USAGE = """\
usage: tcpdrop [options] LADDR LPORT RADDR RPORT
       tcpdrop [options] LADDR:LPORT RADDR:RPORT
       tcpdrop list [options] [FILTER...]
       tcpdrop drop [options] FILTER...
       tcpdrop top [options] [FILTER...]
       tcpdrop check [--json]
       tcpdrop demo
       tcpdrop paths [--ansible | --salt | --man | --completion SHELL]"""

NO_OPERANDS = f"""\
{USAGE}
Drops TCP connections; 'tcpdrop --help' says more, 'tcpdrop demo' shows it.
To trace dropped packets, see the tool of the same name in bcc (tcpdrop-bpfcc)."""

HELP = f"""\
{USAGE}

Drops TCP connections of this host, each one exactly, at once, and without
touching any other.  To drop one, name its local and remote end: also netstat's
LADDR.LPORT, lsof's A:P->B:Q, [V6ADDR]:PORT, host and service names, ADDR%DEV.

  list      list connections; never drops
  drop      drop every connection that matches
  top       look, choose and drop on the whole screen; ? shows its keys
  check     can this host drop connections, and may I?
  demo      make a loopback connection, drop it, show what both ends saw
  paths     where the files for Ansible and Salt, man and a shell are

a filter: predicates, neighbours and-ed, with and, or, not and parentheses
  state established     exclude close-wait          family inet6
  local ADDR[/LEN]      remote ADDR[/LEN][:PORT]    host ADDR (either end)
  lport 80,443          rport 5000-5010             port ge 1024 (either end)
  in  out  loopback     dev eth0  cc cubic          kernel (no process holds it)
  pid 4711  comm 'php*' user www-data  mine         unit nginx  cgroup PATH
  idle gt 10m           age gt 8h                   rtt gt 200ms
  sendq gt 64k          recvq, bytes-sent, bytes-received gt 1M    retrans gt 5

to select by values that are never read as filter (repeat, or comma lists):
      --local-addr X, --remote-addr X     an address, a prefix, @FILE of them, -
      --local-port X, --remote-port X     a port, a range or a service
  -s, --state X        established, close-wait, ... or all
      --pid X, --process X, --user X      who holds it
      --idle X, --age X    at least so long, like 90s, 10m, 8h
  -a, --all            every connection (instead of a selection)
      --from FILE      those listed there (-: standard input): by list, --json,
                       ss, netstat, lsof, conntrack, or as LADDR LPORT ...
      --limit N        only the first N, by
      --order X        oldest, newest, idlest or largest
  -4, -6               only IPv4, only IPv6 (what is on the wire)
      --mine           only what processes of your own user hold
      --netns X        in the network namespace of that NAME, PID, PATH, or all
      --zone X         in the zone of that ID, NAME, or all (tcpdrop(8), ZONES)

to drop with care:
  -n, --dry-run        say what would be dropped, drop nothing
  -l                   the same, as commands; -l, -a, -s also without a verb
  -y, --yes            do not ask
      --max-drops N    if more match, drop none (without a terminal: 100)
      --protect FILTER never drop these, nor their other end (/etc/tcpdrop.conf)
      --include-self   drop it even if it carries your own session
      --method X       auto, destroy (ask the kernel) or descriptor (its holder)

to keep them gone:
      --for X          drop whatever matches, for that long
      --until-gone[=X] until nothing matches, at most 60s or that long
      --interval X     between two looks: 500ms
      --rate N         at most N drops a second

output:
      --json           one JSON document instead of text
      --jsonl          one JSON object a line
  -o FIELDS            list these columns, like local,remote,process,idle_ms
      --summary-by X   list counts: remote_addr local_port state process user
      --explain        list how the filter was read
  -c, --count          only how many
  -q, --quiet          no lines for what was dropped or listed
      --allow-none     nothing found is success
      --reason TEXT    why, for the system log
      --syslog         log each connection; --no-syslog: log nothing
  -h, --help
  -V, --version

exit status:
  0  dropped (listed, would drop)    3  failed, not permitted, not supported
  1  no such connection              4  refused: protected, or a bound exceeded
  2  the command line is wrong

More in tcpdrop(8).  To trace dropped packets instead, see the tool of the same
name in bcc."""
