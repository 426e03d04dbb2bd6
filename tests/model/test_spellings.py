# SPDX-License-Identifier: BSD-2-Clause
"""Lines that name a connection, as text alone: each form has one reading, and what has none or two is refused."""

import ipaddress
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpdrop.model.addresses import is_loopback, parse_port
from tcpdrop.model.four_tuple import End, interface, operands, pack_whole, split, split_dev
from tcpdrop.model.spellings import Lines

pytestmark = pytest.mark.pure

FOUR = ("10.0.0.1", "80", "10.0.0.2", "33062")
SIX = ("2001:db8::1", "443", "2001:db8::9", "51000")


def ends(reading):
    return tuple(text for end in reading for text in (end.host + (f"%{end.dev}" if end.dev else ""), end.port))


def read(text):
    """The readings of the last line."""
    lines = Lines()
    *above, last = text.split("\n")
    for line in above:
        assert lines.read(line) is None, line
    named = lines.read(last)
    return None if named is None else [ends(one) for one in named.readings]


ONE = {
    "classic": ("10.0.0.1 80 10.0.0.2 33062", FOUR),
    "dropped": ("10.0.0.1 80 10.0.0.2 33062: dropped", FOUR),
    "would drop": ("   10.0.0.1 80 10.0.0.2 33062: would drop", FOUR),
    "protected": ("10.0.0.1 80 10.0.0.2 33062: protected (held by pid 812 sshd; --include-self)", FOUR),
    "command": ("tcpdrop 10.0.0.1 80 10.0.0.2 33062", FOUR),
    "comment behind": ("10.0.0.1 80 10.0.0.2 33062  # the bad one", FOUR),
    "colons": ("10.0.0.1:80 10.0.0.2:33062", FOUR),
    "dots": ("10.0.0.1.80 10.0.0.2.33062", FOUR),
    "arrow": ("10.0.0.1:80->10.0.0.2:33062", FOUR),
    "arrow apart": ("10.0.0.1:80 -> 10.0.0.2:33062", FOUR),
    "commas": ("10.0.0.1, 80, 10.0.0.2, 33062,", FOUR),
    "whole prefix": ("10.0.0.1/32 80 10.0.0.2/32 33062", ("10.0.0.1/32", "80", "10.0.0.2/32", "33062")),
    "brackets": ("[2001:db8::1]:443 [2001:db8::9]:51000", SIX),
    "ss": ("ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062", FOUR),
    "ss -p": ('ESTAB 0 36 10.0.0.1:80 10.0.0.2:33062 users:(("a b",pid=1,fd=3)) timer:(on,200ms,0)', FOUR),
    "ss -p of old": ('ESTAB      0      0      10.0.0.1:80    10.0.0.2:33062  users:(("a b",1,3),("c",22,7)) timer:(on,200ms,0)', FOUR),
    "ss of old, IPv6": ("ESTAB 0 0 2001:db8::1:443 2001:db8::9:51000", SIX),
    "ss of old, mapped": ("0 0 ::ffff:10.0.0.1:80 ::ffff:10.0.0.2:33062", ("::ffff:10.0.0.1", "80", "::ffff:10.0.0.2", "33062")),
    "ss of a state": ("0      0      [2001:db8::1]:443      [2001:db8::9]:51000", SIX),
    "ss of two protocols": ("tcp   TIME-WAIT 0 0 10.0.0.1:80 10.0.0.2:33062", FOUR),
    "ss of an interface": ("ESTAB 0 0 [fe80::1]%va:80 [fe80::2]:90", ("fe80::1%va", "80", "fe80::2", "90")),
    "ss of an interface with dots": ("ESTAB 0 0 [fe80::1]%eth0.100:80 [fe80::2]:90", ("fe80::1%eth0.100", "80", "fe80::2", "90")),
    "ss of IPv4 on an interface": ("ESTAB 0 0 10.0.0.1%lo:80 10.0.0.2:33062", ("10.0.0.1%lo", *FOUR[1:])),
    "netstat": ("tcp        0      0 10.0.0.1:80  10.0.0.2:33062  ESTABLISHED 812/sshd: alice", FOUR),
    "netstat of IPv6": ("tcp6       0      0 2001:db8::1:443  2001:db8::9:51000  CLOSE_WAIT", SIX),
    "netstat of the BSDs": ("tcp4       0      0 10.0.0.1.80  10.0.0.2.33062  ESTABLISHED", FOUR),
    "netstat of the BSDs, IPv6": ("tcp6       0      0 2001:db8::1.443  2001:db8::9.51000  ESTABLISHED", SIX),
    "netstat of Solaris": ("10.0.0.1.80          10.0.0.2.33062        64128      0 64128      0 ESTABLISHED", FOUR),
    "lsof": ("nginx 812 www 4u IPv4 53 0t0 TCP 10.0.0.1:80->10.0.0.2:33062 (ESTABLISHED)", FOUR),
    "ends and their state, as awk leaves them": ("10.0.0.1:80 10.0.0.2:33062 ESTAB", FOUR),
    "a state and the ends": ("TIME-WAIT [2001:db8::1]:443 [2001:db8::9]:51000", SIX),
    "lsof's last column": ("10.0.0.1:80->10.0.0.2:33062 (CLOSE_WAIT)", FOUR),
    "lsof without state": ("nginx 812 www 4u IPv6 0xabc 0t0 TCP [2001:db8::1]:443->[2001:db8::9]:51000", SIX),
    "table": ("STATE        RECVQ  SENDQ LOCAL                     REMOTE\nESTABLISHED 0 0 10.0.0.1:80 10.0.0.2:33062", FOUR),
    "columns": (
        "PROCESS        REMOTE          LOCAL\ntmux: server   10.0.0.2:33062  10.0.0.1:80",
        FOUR,
    ),
    "columns of one end": ("REMOTE_PORT  REMOTE_ADDR  LOCAL_ADDR  LOCAL_PORT\n33062        10.0.0.2     10.0.0.1    80", FOUR),
}


@pytest.mark.parametrize("form", ONE)
def test_a_form_with_one_reading(form):
    text, expected = ONE[form]
    assert read(text) == [expected]


def proc(address, port):
    words = [address[at : at + 4] for at in range(0, len(address), 4)]
    return "".join((word[::-1] if sys.byteorder == "little" else word).hex().upper() for word in words) + f":{port:04X}"


@pytest.mark.parametrize("address", ["10.0.0.1", "2001:db8::12:3456", "::ffff:10.1.2.3"])
def test_proc_net_tcp(address):
    import socket

    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    line = f"  12: {proc(packed, 80)} {proc(packed, 443)} 01 00000000:00000000 00:00000000 00000000     0        0 12345 1"
    assert read("  sl  local_address rem_address   st tx_queue\n" + line) == [(address, "80", address, "443")]


CLIENT, SERVER = "src=10.0.0.5 dst=192.0.2.1 sport=1234 dport=80", "src=10.0.0.1 dst=192.0.2.7 sport=8080 dport=5555"


BEFORE = [
    "tcp      6 431999 ESTABLISHED ",
    "ipv4     2 tcp      6 431999 ESTABLISHED ",
    "    [NEW] tcp      6 120 SYN_SENT ",
    "[1764280800.123456]\t [UPDATE] ipv4     2 tcp      6 60 SYN_RECV ",
]


@pytest.mark.parametrize("before", BEFORE)
def test_conntrack_tells_both_sockets_and_behind_nat_they_differ(before):
    found = read(f"{before}{CLIENT} packets=3 bytes=164 {SERVER} packets=2 bytes=112 [ASSURED] mark=0 use=1")
    assert found == [("10.0.0.5", "1234", "192.0.2.1", "80"), ("10.0.0.1", "8080", "192.0.2.7", "5555")]


def test_tcpdump_tells_who_sent_and_not_which_end_is_here():
    found = read("12:00:00.1 IP 10.0.0.1.80 > 10.0.0.2.33062: Flags [P.], seq 1:5, ack 1, win 512, length 4")
    assert found == [FOUR, (*FOUR[2:], *FOUR[:2])]
    assert read("12:00:00.1 eth0  In  IP 10.0.0.1.80 > 10.0.0.2.33062: tcp 4") == found  # -i any -q


#: behind the ends stands what others have named: ss's cgroup, netstat's program, the reason of a line of ours
NAMED_BY_OTHERS = [
    f"a {CLIENT} {CLIENT}",
    f"tcp {CLIENT} {CLIENT}",
    "IPv4 1 2 TCP 10.9.9.9:1->10.9.9.8:2",
    "4u IPv6 1 2 TCP [::1]:1->[::1]:2 (ESTABLISHED)",
    "IP 10.9.9.9.1 > 10.9.9.8.2: Flags [.]",
]
BEFORE_NAMES = [
    "ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062 cgroup:/user/x ",
    "0 0 10.0.0.1:80 10.0.0.2:33062 cgroup:/user/x ",
    "tcp ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062 cgroup:/user/x ",
    "tcp 0 0 10.0.0.1:80 10.0.0.2:33062 ESTABLISHED 12/x ",
]


@pytest.mark.parametrize("name", NAMED_BY_OTHERS)
@pytest.mark.parametrize("before", BEFORE_NAMES)
def test_a_name_behind_the_ends_is_not_read_as_another_connection(before, name):
    """Whoever may make a cgroup would choose what is dropped."""
    assert read(before + name) == [FOUR]


@pytest.mark.parametrize("first", ["PROCESS", "USER", "NETNS"])
def test_a_row_that_begins_with_a_hash_is_not_passed_over_for_a_comment(first):
    lines = Lines()
    assert lines.read(f"{first:<9} LOCAL        REMOTE") is None
    with pytest.raises(ValueError, match=rf"a comment, or a row: a {first.lower()} may begin with '#'"):
        lines.read("#x        10.0.0.1:80  10.0.0.2:33062")
    assert lines.read("LOCAL        REMOTE") is None
    assert lines.read("# 10.0.0.1:80  10.0.0.2:33062") is None


NOTHING = [
    "",
    "   ",
    "# a comment",
    "# tcpdrop 10.0.0.1 80 10.0.0.2 33062  # protected: by --protect",
    "STATE        RECVQ  SENDQ LOCAL                     REMOTE",
    "LOCAL  REMOTE  PROCESS",
    "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process",
    "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process",
    "Recv-Q Send-Q Local Address:Port Peer Address:Port Process",
    "Active Internet connections (w/o servers)",
    "Proto Recv-Q Send-Q Local Address           Foreign Address         State",
    "COMMAND   PID USER   FD   TYPE   DEVICE SIZE/OFF NODE NAME",
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "TCP: IPv4",
    "   Local Address        Remote Address    Swind Send-Q Rwind Recv-Q    State",
    "-------------------- -------------------- ----- ------ ----- ------ -----------",
    "conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.",
]


@pytest.mark.parametrize("line", NOTHING)
def test_a_line_that_names_nothing(line):
    assert Lines().read(line) is None


def test_what_ss_says_below_a_connection_names_none():
    """ss -tnim without -O: two lines each."""
    lines = Lines()
    ss = "ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062"
    details = ["\t skmem:(r0,rb131072,t0) ts sack cubic rto:204 rtt:0.016/0.008 mss:32768 cwnd:10", "\t skmem:(r0,rb131072)"]
    for detail in (details[0], details[1], f" {details[0]}", "\t inet-sockopt: ( is_icsk mc_loop)"):
        assert ends(lines.read(ss).readings[0]) == FOUR
        assert lines.read(detail) is None
    for above in ("", "# a comment", "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process"):
        assert lines.read(above) is None
        with pytest.raises(ValueError, match="is not LADDR LPORT RADDR RPORT"):
            lines.read(details[0])
    assert ends(lines.read(ss).readings[0]) == FOUR
    assert ends(lines.read(f"\t{ss}").readings[0]) == FOUR
    with pytest.raises(ValueError, match="is not LADDR LPORT RADDR RPORT"):
        lines.read(details[0].lstrip())


REFUSED = {
    "LISTEN 10.0.0.1:80 10.0.0.2:33062": "LISTEN is no connection",
    "10.0.0.1:80 10.0.0.2:33062 listen": "LISTEN is no connection",
    "10.0.0.1:80 10.0.0.2:33062 nosuch": "is not LADDR LPORT RADDR RPORT",
    "tcpdrop: 3 dropped, 1 protected": "a message of tcpdrop's",
    "LISTEN 0 128 0.0.0.0:22 0.0.0.0:*": "LISTEN is no connection",
    "LISTEN 0 128 10.0.0.1:22 10.0.0.2:33": "LISTEN is no connection",
    "tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN": "LISTEN is no connection",
    "sshd 812 root 3u IPv4 53 0t0 TCP *:22 (LISTEN)": "LISTEN is no connection",
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000": "LISTEN is no connection",
    "   0: 0000:0016 00000000:0000 01 00000000:00000000": "not an end as /proc/net/tcp has it",
    "udp 0 0 10.0.0.1:53 10.0.0.2:33062 ESTABLISHED": "'udp' is not TCP",
    "udp ESTAB 0 0 10.0.0.1:53 10.0.0.2:33062": "'udp' is not TCP",
    "named 1 bind 4u IPv4 53 0t0 UDP 10.0.0.1:53->10.0.0.2:33062": "'UDP' is not TCP",
    f"udp 17 29 {CLIENT} {SERVER}": "it is not TCP",
    "tcp 6 100 CLOSE src=10.0.0.5 dst=192.0.2.1 src=10.0.0.5 dst=192.0.2.1": "a port is missing",
    "12:00:00.1 IP 10.0.0.1.53 > 10.0.0.2.33062: UDP, length 4": "it is not TCP",
    # netstat on Linux makes 22 characters and a colon of what is longer
    "tcp6 0 0 2001:db8:aaaa:bbbb:c:22 2001:db8::9:51000 ESTABLISHED": "netstat may have cut",
    "tcp6 0 0 2001:db8::1.443 2001:db8:aaaa:bbbb.510 ESTABLISHED": "netstat may have cut",
    # ... and a BSD's 16 or 18 of an address, whatever its port: this was 2001:db8::1234:5678
    "tcp6 0 0 2001:db8::1.443 2001:db8::1234:5.443 ESTABLISHED": "netstat may have cut",
    "tcp6 0 0 2001:db8::1234:567.80 2001:db8::1.443 ESTABLISHED": "netstat may have cut",
    "10.0.0.1:80->10.0.0.2:33062 (LISTEN)": "LISTEN is no connection",
    "10.0.0.1:80->10.0.0.2:33062 (nosuch)": "is not",
    "tcpdrop -n 10.0.0.1 80 10.0.0.2 33062": "only --netns may stand before",
    "tcpdrop --netns='x 10.0.0.1 80 10.0.0.2 33062": "No closing quotation",
    "tcpdrop": "is not LADDR LPORT RADDR RPORT",
    "10.0.0.1 80 10.0.0.2": "is not LADDR LPORT RADDR RPORT",
    "10.0.0.1 80 10.0.0.2 33062 or else": "is not LADDR LPORT RADDR RPORT",
    "10.0.0.1:80->10.0.0.2:33062->10.0.0.3:1": "is not LADDR LPORT RADDR RPORT",
    "   COUNT  SHARE  STATE": "is not LADDR LPORT RADDR RPORT",
    "\t cubic wscale:7,7 rto:204": "is not LADDR LPORT RADDR RPORT",
    'ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062 users:(("x': "ends within the name of a process",
    'ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062 users:(("x",pid=1,fd=3),("y': "ends within the name of a process",
    # a name that looks like the end of all, and another that begins a line of its own
    'ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062 users:(("",pid=1,fd=2))",pid=1,fd=3),("': "ends within the name of a process",
    'ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062 users:(("",1,2))",1,3),("': "ends within the name of a process",
    "# --netns=T1 --netns=T2": "stands alone on its line",
    "# --netns=T1 is where they were": "stands alone on its line",
    "# --netns T1": "stands alone on its line",
}


@pytest.mark.parametrize("line", REFUSED, ids=ascii)
def test_a_line_that_is_refused_says_why(line):
    with pytest.raises(ValueError, match=r"^.+$") as caught:
        Lines().read(line)
    assert REFUSED[line] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_without_one_end_is_refused():
    lines = Lines()
    assert lines.read("REMOTE      PROCESS") is None
    with pytest.raises(ValueError, match="the table has no column local"):
        lines.read("10.0.0.2:1  sshd")


def test_a_row_that_does_not_stand_below_its_header_is_refused():
    for header, row in (
        ("PROCESS  LOCAL        REMOTE", "tmux: server  10.0.0.1:80  10.0.0.2:33062"),
        ("LOCAL        REMOTE", "10.0.0.1:8000  10.0.0.2:33062  7"),
        ("STATE  LOCAL        REMOTE", "10.0.0.1:8000  10.0.0.2:33062"),
    ):
        lines = Lines()
        assert lines.read(header) is None
        with pytest.raises(ValueError, match="do not stand below the header's"):
            lines.read(row)


def test_a_terminal_s_row_whose_ends_are_long_is_read_by_its_words():
    """It moves the rest of its line, and is read back as it was copied."""
    ends = "[2001:db8:1111:2222:3333:4444:5555:6666]:443 [2001:db8:1111:2222:3333:4444:5555:7777]:51000"
    (found,) = read(f"STATE       LOCAL                 REMOTE                PIDS    PROCESS\nESTABLISHED {ends} 812     tmux: server")
    assert found == ("2001:db8:1111:2222:3333:4444:5555:6666", "443", "2001:db8:1111:2222:3333:4444:5555:7777", "51000")


def test_a_table_ends_with_a_blank_line():
    assert read("PROCESS  LOCAL  REMOTE\n\n10.0.0.1:80 10.0.0.2:33062") == [FOUR]


@pytest.mark.parametrize("zeros", [0, 1, 3, 5000])
def test_zeros_before_a_port_mean_nothing(zeros):
    assert parse_port("0" * zeros + "33062") == 33062
    with pytest.raises(ValueError, match="out of range"):
        parse_port("0" * zeros + "133062")


@pytest.mark.parametrize("comment", ["# mine", "#10.0.0.9:1  10.0.0.8:2", "  # mine"])
def test_a_comment_does_not_end_a_table(comment):
    """What stood below it was read as LOCAL REMOTE: the other end."""
    lines = Lines()
    for line in ("REMOTE      LOCAL", comment):
        assert lines.read(line) is None
    assert ends(lines.read("10.0.0.2:33062  10.0.0.1:80").readings[0]) == FOUR


@pytest.mark.parametrize("name", ["::1.1 ::1.2 #", "::1.1->::1.2 #", "::1 1 ::1 2", "LOCAL REMOTE\n::1.1 ::1.2"])
def test_what_stands_below_names_that_an_old_ss_has_written_is_ss_s(name):
    """`",1,2))` leaves room in a name of fifteen bytes, and the next process has fifteen of its own."""
    lines = Lines()
    assert ends(lines.read('ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062 users:(("",1,2))').readings[0]) == FOUR
    assert lines.read('#",1,3),("') is None
    with pytest.raises(ValueError, match="may be the rest of a name"):
        for line in name.split("\n"):
            lines.read(line)
    assert ends(lines.read("0 0 10.0.0.1:80 10.0.0.2:33062").readings[0]) == FOUR


def test_the_name_of_a_process_is_no_line():
    """ss and netstat write a name as it is, with its line ends: whoever chose it would choose what is dropped."""
    ss = 'ESTAB 0 0 10.0.0.1:80 10.0.0.2:33062 users:(("a b",pid=12,fd=3),("c))",pid=13,proc_ctx=x,fd=4)) ino:1 sk:2'
    assert read(ss) == [FOUR]
    netstat = "tcp  0  0 10.0.0.1:80  10.0.0.2:33062  ESTABLISHED "
    for program in ("12/x", "0  4711  12/x", "12/tmux: server"):
        for behind in ("::1.1 ::1.2 ", "0 0 ::.1 ::.2", "\n::1.1 ::1.2", "#\n::1.1 ::1.2", "-\n::1.1 ::1.2", "::1.1->::1.2"):
            lines = Lines()
            assert ends(lines.read(netstat + program).readings[0]) == FOUR
            assert ends(lines.read(netstat + "-").readings[0]) == FOUR
            *nothing, last = behind.split("\n")
            assert [lines.read(line) for line in nothing] == [None] * len(nothing)
            with pytest.raises(ValueError, match="it may be the rest of a program's name"):
                lines.read(last)
            lines.read("State Recv-Q Send-Q Local Address:Port Peer Address:Port Process")
            assert ends(lines.read(ss).readings[0]) == FOUR


def test_the_namespace_and_the_cookie_are_read():
    lines = Lines()
    named = lines.read("tcpdrop --netns='/run/a b' 10.0.0.1 80 10.0.0.2 33062")
    assert (named.where, named.cookie) == ("/run/a b", "")
    assert lines.read("tcpdrop --netns T1 10.0.0.1 80 10.0.0.2 33062").where == "T1"
    assert lines.read("10.0.0.1 80 10.0.0.2 33062").where is None
    lines.read("LOCAL        REMOTE          NETNS  COOKIE")
    named = lines.read("10.0.0.1:80  10.0.0.2:33062  T2     2f")
    assert (named.where, named.cookie) == ("T2", "2f")
    named = lines.read("10.0.0.1:80  10.0.0.2:33062  -      -")
    assert (named.where, named.cookie) == (None, "")


def test_above_a_table_stands_its_namespace():
    """As `list --netns all` prints it: the same ends are another connection elsewhere."""
    lines = Lines()
    lines.read("# --netns='net:[4026531840]'")
    lines.read("STATE        RECVQ  SENDQ LOCAL                     REMOTE")
    assert lines.read("ESTABLISHED 0 0 10.0.0.1:80 10.0.0.2:33062").where == "net:[4026531840]"
    lines.read("# --netns=T1")
    assert lines.read("ESTABLISHED 0 0 10.0.0.1:80 10.0.0.2:33062").where == "T1"
    assert lines.read("tcpdrop --netns=T2 10.0.0.1 80 10.0.0.2 33062").where == "T2"


# ---- interfaces

KNOWN = {"lo": 1, "va": 2, "25vb": 3, "vb": 4, "7": 5, "eth": 7, "25": 9}


@pytest.mark.parametrize(("dev", "index"), [("va", 2), ("2", 2), ("25va", 2), ("lo", 1), ("25lo", 1), ("vb", 4), ("4", 4)])
def test_an_interface_by_name_number_and_as_in_a_url(dev, index):
    assert interface(dev, KNOWN) == index


@pytest.mark.parametrize("dev", ["25vb", "7"])
def test_an_interface_with_two_readings_is_refused_with_both(dev):
    with pytest.raises(ValueError, match=r"may be interface number . or number .: write %NUMBER"):
        interface(dev, KNOWN)


@pytest.mark.parametrize("dev", ["nosuch", "02", "252", "4711", "-1", "٢", "25", ""])
def test_an_interface_that_there_is_none_of(dev):
    with pytest.raises(ValueError, match="there is no interface"):
        interface(dev, {name: index for name, index in KNOWN.items() if name != "25"})


# ---- text that nobody expects

words = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            *("10.0.0.1", "::1", "[fe80::1]%va:80", "10.0.0.1:80", "80", "0", "->", ">", "IP", "TCP", "tcp", "tcp6", "udp", "IPv4"),
            *("ESTAB",),
            *("LISTEN", "src=1", "dst=1", "sport=1", "dport=1", "1:", "0100007F:0016", "01", "Flags", "tcpdrop", "tcpdrop:", "--netns=x"),
            *("#", "# --netns=", "'", '"', "%", "%25", "/32", "/128", "/", "[", "]", ":", ".", ",", "LOCAL", "REMOTE", "STATE", "*"),
        ]
    ),
)


@given(st.lists(words, max_size=14).map(" ".join))
def test_any_line_is_read_or_refused_with_one_line(text):
    lines = Lines()
    for line in ("LOCAL  REMOTE", text, "", text):
        try:
            lines.read(line)
        except ValueError as error:
            assert str(error)
            assert str(error).isprintable(), ascii(str(error))


@given(words)
def test_any_end_is_read_or_refused(text):
    for reader in (split, split_dev, pack_whole, lambda text: End(text, "1").packed(), lambda text: operands([text, text])):
        try:
            reader(text)
        except ValueError as error:
            assert str(error).isprintable(), ascii(str(error))


def test_what_is_loopback():
    packed = [
        ipaddress.ip_address(text).packed
        for text in ("127.0.0.1", "127.255.255.255", "::1", "126.0.0.1", "128.0.0.1", "::", "::2", "::7f00:1")
    ]
    assert [is_loopback(one) for one in packed] == [True, True, True, False, False, False, False, False]
