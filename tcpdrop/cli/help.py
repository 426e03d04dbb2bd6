# SPDX-License-Identifier: BSD-2-Clause
"""What --help and `tcpdrop help [VERB]` print.  Tests compare it with the table of options."""

from __future__ import annotations

from .exit_status import DONE
from .meant import reading
from .options import Parsed, UsageError
from .streams import Streams

USAGE = """\
usage: tcpdrop [options] LADDR LPORT RADDR RPORT
       tcpdrop [options] LADDR:LPORT RADDR:RPORT
       tcpdrop list [options] [FILTER...]
       tcpdrop drop [options] FILTER...
       tcpdrop top [options] [FILTER...]
       tcpdrop check [--json]
       tcpdrop demo
       tcpdrop paths [--ansible | --salt | --man | --completion SHELL]
       tcpdrop help [VERB]"""

NO_OPERANDS = f"""\
{USAGE}
Drops TCP connections; 'tcpdrop --help' says more, 'tcpdrop demo' shows it.
To trace dropped packets, see the tool of the same name in bcc (tcpdrop-bpfcc)."""

HELP = f"""\
{USAGE}

Drops TCP connections of this host, each one exactly, at once, and without
touching any other.  To drop one, name its local and remote end: also netstat's
LADDR.LPORT, lsof's A:P->B:Q, [V6ADDR]:PORT, host and service names, ADDR%DEV.

  tcpdrop list in lport 443                       who is connected?
  tcpdrop drop -n remote 203.0.113.7              what would be dropped?
  tcpdrop drop remote 203.0.113.7                 the same, for good

  list      list connections; never drops
  drop      drop every connection that matches
  top       look, choose and drop on the whole screen; ? shows its keys
  check     can this host drop connections, and may I?
  demo      make a loopback connection, drop it, show what both ends saw
  paths     where the files for Ansible and Salt, man and a shell are
  help      this, or one screen about a verb, with examples: tcpdrop help drop

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
      --netns X        in namespace NAME, PID, PATH, container:ID, pod:UID, all
      --zone X         in the zone of that ID, NAME, or all (tcpdrop(8), ZONES)

to drop with care:
  -n, --dry-run        say what would be dropped, drop nothing
  -l                   the same, as commands; -l, -a, -s also without a verb
  -y, --yes            do not ask; --ask: ask, also about one and for --from
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
  -o, --output FIELDS  list these columns, like local,remote,process,idle_ms;
                       +FIELD adds one to the usual ones, help names them all
  -p, --processes      list who holds each one
  -H, --no-header      list without the line of titles
  -r, --resolve        list, on a terminal, with the host name of each peer
      --color X        auto (a terminal without NO_COLOR), always or never
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

_END = "What each option means: tcpdrop(8)."
_WORDS = """\
 a filter: state S, local A, remote A[/LEN][:PORT], host A, lport N, rport N,
 in, out, idle gt 10m, age gt 8h, pid N, comm GLOB, user U, and, or, not ...
 All of it: tcpdrop --help.  What each option means: tcpdrop(8)."""

#: verb -> its --help, on one screen of 24 lines
VERB_HELP: dict[str, str] = {
    "list": f"""\
usage: tcpdrop list [options] [FILTER...]
Lists the connections that match, or all; never drops, and needs no privilege.

 tcpdrop list in lport 443 remote 203.0.113.0/24
 tcpdrop list --summary-by remote_addr in lport 443
 tcpdrop list --order idlest --limit 20 -o local,remote,process,idle_ms

 which    --local-addr, --local-port, --remote-addr, --remote-port, -s --state,
          --pid, --process, --user, --idle, --age; -a --all; --mine, -4, -6
 where    --netns NAME|PID|PATH|all, --zone X
 how many --order oldest|newest|idlest|largest, --limit N
 output   -p --processes, -r --resolve, -o --output FIELDS|+FIELD|help,
          -H --no-header, --json, --jsonl, --summary-by X, --explain,
          -c --count, -q --quiet, --color auto|always|never
 and      --allow-none, -h --help, -V --version

{_WORDS}""",
    "drop": f"""\
usage: tcpdrop drop [options] FILTER...
Drops every connection that matches, each one exactly; on a terminal it asks.

 tcpdrop drop -n remote 203.0.113.7 lport 443      what would be dropped?
 tcpdrop drop remote 203.0.113.7 lport 443         the same, for good
 tcpdrop drop state close-wait idle gt 10m comm nginx

 which    --local-addr, --local-port, --remote-addr, --remote-port, -s --state,
          --pid, --process, --user, --idle, --age; -a --all; --from FILE;
          narrowed by --mine, -4, -6, --order X, --limit N
 where    --netns NAME|PID|PATH|all, --zone X
 care     -n --dry-run, -l as commands, -y --yes, --ask, --max-drops N,
          --include-self, --protect FILTER, --method auto|destroy|descriptor
 again    --for 30s, --until-gone[=30s], --interval 500ms, --rate N
 output   --json, --jsonl, -c --count, -q --quiet, --allow-none, --color X
 log      --reason TEXT, --syslog, --no-syslog;  -h --help, -V --version

{_WORDS}""",
    "top": f"""\
usage: tcpdrop top [options] [FILTER...]
Look, choose and drop on the whole screen; ? shows the keys, q leaves.

 tcpdrop top
 tcpdrop top in lport 443
 tcpdrop top -n --interval 500ms remote 203.0.113.0/24

 which    --local-addr, --local-port, --remote-addr, --remote-port, -s --state,
          --pid, --process, --user, --idle, --age; --mine, -4, -6
 where    --netns NAME|PID|PATH|all, --zone X;  --interval 2s between two looks
 care     -n --dry-run, --include-self, --protect FILTER, --method X;  --color X
 log      --reason TEXT, --syslog, --no-syslog;  -h --help, -V --version

{_WORDS}""",
    "check": f"""\
usage: tcpdrop check [--json | --jsonl]
Can this host drop connections, and may you?  What works and what does not, what
is in the way, whether your own session is recognised, and what would help.
Drops nothing, and needs no privilege.  Status 0 if any can be dropped, else 3.

 tcpdrop check
 tcpdrop check --json

 also -h --help, -V --version.  {_END}""",
    "demo": f"""\
usage: tcpdrop demo
Makes a connection of its own on loopback, drops it, and shows what both ends
saw.  Touches no other, and needs no privilege.

 tcpdrop demo

 also -h --help, -V --version.  {_END}""",
    "paths": f"""\
usage: tcpdrop paths [--ansible | --salt | --man | --completion SHELL]
Where the files for Ansible and Salt, the manual page and the completions are.

 tcpdrop paths
 man "$(tcpdrop paths --man)"
 . "$(tcpdrop paths --completion bash)"

 also --json, --jsonl, -h --help, -V --version
 {_END}""",
    "help": f"""\
usage: tcpdrop help [VERB]
What --help says, or what it says about one verb.

 tcpdrop help drop

 also -h --help, -V --version.  {_END}""",
}


def run(parsed: Parsed, streams: Streams) -> int:
    """tcpdrop help [VERB]"""
    if not parsed.operands:
        streams.data(HELP)
        return DONE
    verb = parsed.operands[0]
    if verb not in VERB_HELP or len(parsed.operands) > 1:
        raise UsageError(reading(parsed.operands, VERB_HELP) if verb not in VERB_HELP else "'help' takes one verb")
    streams.data(VERB_HELP[verb])
    return DONE
