# SPDX-License-Identifier: BSD-2-Clause
"""What cannot be understood: one clear line, exit 2, nothing opened, nothing raw on the terminal."""

import json

import pytest
from support.answers import forbid
from support.command import tcpdrop
from support.services import NO_PORT

from tcpdrop import cli

GOOD = ["10.0.0.1", "1", "10.0.0.2", "2"]


@pytest.fixture
def refused(capsys, monkeypatch):
    """refused(words) -> the line; exit 2, and nothing was asked of the kernel."""

    forbid(monkeypatch)

    def call(*arguments):
        assert cli.main(list(arguments)) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("tcpdrop: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        assert err[:-1].isprintable()
        return err[len("tcpdrop: ") : -1]

    return call


PORTS = {
    "70000": "port 70000 is out of range: a port is 1 to 65535",
    "65536": "port 65536 is out of range: a port is 1 to 65535",
    "99999999999999999999": "out of range",
    "0": "port 0 is out of range: a port is 1 to 65535",
    "00": "out of range",
    "": "a port is missing behind",
    "*": "'*' is a wildcard, and this form drops one connection",
    "any": f"'any' {NO_PORT}",
    "no-such-service": f"'no-such-service' {NO_PORT}",
    "+80": NO_PORT,
    "8 0": NO_PORT,
    ",80": NO_PORT,
    "80\n": rf"'80\n' {NO_PORT}",
    "8_0": NO_PORT,
    "8e1": NO_PORT,
    "0x50": NO_PORT,
    "80.0": NO_PORT,
    "80,81": NO_PORT,
    "80-90": NO_PORT,
    "\N{ARABIC-INDIC DIGIT EIGHT}": f"'\N{ARABIC-INDIC DIGIT EIGHT}' {NO_PORT}",
    "\N{SUPERSCRIPT TWO}": f"'\N{SUPERSCRIPT TWO}' {NO_PORT}",
    "\udcff": rf"'\udcff' {NO_PORT}",
    "\x1b[31m": rf"'\x1b[31m' {NO_PORT}",
}


@pytest.mark.parametrize("port", PORTS, ids=ascii)
@pytest.mark.parametrize("place", [1, 3])
def test_a_port_that_is_none(refused, port, place):
    words = list(GOOD)
    words[place] = port
    assert PORTS[port] in refused(*words)


NOT_IPV4 = "is not an address: IPv4 is four decimal parts without leading zeros, like 10.0.0.1"
ADDRESSES = {
    "10.1": NOT_IPV4,
    "1": NOT_IPV4,
    "2130706433": NOT_IPV4,
    "10.0.0": NOT_IPV4,
    "10.0.0.1.1": NOT_IPV4,
    "0x7f.1": NOT_IPV4,
    "0x7f000001": NOT_IPV4,
    "127.0.0.0x1": NOT_IPV4,
    "0177.0.0.1": NOT_IPV4,
    "10.0.0.01": NOT_IPV4,
    "10.0.0.256": NOT_IPV4,
    "10.0.0.": NOT_IPV4,
    "10.0.0.1.": NOT_IPV4,
    ".": NOT_IPV4,
    "10..0.1": NOT_IPV4,
    "-10.0.0.1": "unknown option -1",
    "10.0.0.-1": "",
    ",10.0.0.1": NOT_IPV4,
    "10. 0.0.1": NOT_IPV4,
    "10.0.0.1\n": r"'10.0.0.1\n': not a host name",
    "10.0.0.1 x": "not a host name",
    "10.0.0.1/24": "'10.0.0.1/24' has host bits set: do you mean the address 10.0.0.1 or the prefix 10.0.0.0/24?",
    "10.0.0.0/24": "'10.0.0.0/24' is a prefix, and this form drops one connection",
    "10.0.0.1/31": "do you mean the address 10.0.0.1 or the prefix 10.0.0.0/31?",
    "::ffff:10.0.0.1/32": "write the prefix of a v4-mapped address as IPv4",
    "::ffff:10.0.0.1/129": "write the prefix of a v4-mapped address as IPv4",
    "10.0.0.0/33": "a prefix length is 0 to 32",
    "10.0.0.0/": "a prefix length is 0 to 32",
    "10.0.0.0/x": "a prefix length is 0 to 32",
    "2001:db8::1/32": "do you mean the address 2001:db8::1 or the prefix 2001:db8::/32?",
    "0.0.0.0": "0.0.0.0 means any address, and a drop names one connection",
    "::ffff:0.0.0.0": "0.0.0.0 means any address",
    "*": "'*' is a wildcard",
    "any": "'*' is a wildcard",
    "": "an address or a host name is missing before port",
    "::1": "one address is IPv4, the other IPv6: no connection has both",
    "::1::": "'::1::' is not an IPv6 address",
    ":1": "is not an IPv6 address",
    "::12345": "is not an IPv6 address",
    "::10.1": "is not an IPv6 address",
    "::ffff:010.0.0.1": "is not an IPv6 address",
    "[::1": "a bracket is missing",
    "::1]": "a bracket is missing",
    "fe80::1%": "an interface name must follow %",
    "\N{ARABIC-INDIC DIGIT ONE}.0.0.1": "'\N{ARABIC-INDIC DIGIT ONE}.0.0.1' is not an address",
    "10.0.0.\N{FULLWIDTH DIGIT ONE}": "'10.0.0.\N{FULLWIDTH DIGIT ONE}': not a host name",
    "10\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}1": "not a host name",
    "10.\N{SUPERSCRIPT ONE}": "'10.\N{SUPERSCRIPT ONE}': not a host name",
    "10.0.0.1\N{SOFT HYPHEN}": "not a host name",
    "\x1b[31m": r"'\x1b[31m': not a host name",
    "\x7f": r"'\x7f': not a host name",
    "\x9b31m": r"'\x9b31m': not a host name",
    "a\tb": r"'a\tb': not a host name",
    "a\rb": r"'a\rb': not a host name",
    "\N{RIGHT-TO-LEFT OVERRIDE}x": r"\u202e",
    "\udcff\udcfe": r"'\udcff\udcfe': not a host name",
    "::\udcff": r"'::\udcff' is not an IPv6 address",
    "::1\x1b": r"'::1\x1b' is not an IPv6 address",
    "a..b": "'a..b': not a host name",
    "a" * 64: "not a host name",
    "a;b": "not a host name",
    "$(id)": "not a host name",
}


@pytest.mark.parametrize("address", ADDRESSES, ids=ascii)
@pytest.mark.parametrize("place", [0, 2])
def test_an_address_that_is_none(refused, monkeypatch, address, place):
    def resolver(*_, **__):
        raise AssertionError("the resolver was asked")

    monkeypatch.setattr("socket.getaddrinfo", resolver)
    words = list(GOOD)
    words[place] = address
    if address == "10.0.0.-1":  # a label of digits and a hyphen: a name, if not one that exists
        assert cli.main(words) == 3  # the resolver was asked
        return
    assert ADDRESSES[address] in refused(*words)


@pytest.mark.parametrize("name", ["no-such-host.invalid", "example..", "a_b.invalid."])
def test_a_name_nobody_knows(refused, monkeypatch, name):
    from socket import EAI_NONAME, gaierror

    def resolver(*_, **__):
        raise gaierror(EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", resolver)
    assert refused(name, *GOOD[1:]) in (f"'{name}': Name or service not known", f"'{name}': not a host name")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["::", "1", "::1", "2"], ":: means any address"),
        (["::1", "1", "::", "2"], ":: means any address"),
        (["::1", "1", "10.0.0.1", "2"], "one address is IPv4, the other IPv6"),
        (["::ffff:10.0.0.1", "1", "::1", "2"], "one address is IPv4, the other IPv6"),
        (["-4", "::1", "1", "::2", "2"], "::1 1 ::2 2 is not IPv4, as -4 demands"),
        (["-6", *GOOD], "is not IPv6, as -6 demands"),
    ],
)
def test_ends_that_do_not_go_together(refused, words, said):
    assert said in refused(*words)


TWO = {
    "10.0.0.1": "'10.0.0.1' is not ADDRESS:PORT or ADDRESS.PORT",
    "10.0.0.1:": "a port is missing behind '10.0.0.1'",
    "10.0.0.1.": "",
    ":80": "an address or a host name is missing before port '80'",
    ".80": "'.80' is not ADDRESS:PORT or ADDRESS.PORT",
    "80": "'80' is not ADDRESS:PORT or ADDRESS.PORT",
    "": "'' is not ADDRESS:PORT or ADDRESS.PORT",
    ":": "an address or a host name is missing",
    "[::1]": "'[::1]' is not [ADDRESS]:PORT",
    "[::1]80": "'[::1]80' is not [ADDRESS]:PORT",
    "[::1:80": "'[::1:80' is not [ADDRESS]:PORT",
    "[]:80": "an address or a host name is missing",
    "::1:80": "'::1:80': write an IPv6 address and its port as [ADDRESS]:PORT",
    "2001:db8::1": "write an IPv6 address and its port as [ADDRESS]:PORT",
    "10.0.0.1:80:81": "",
    "10.0.0.1:0": "port 0 is out of range",
    "10.0.0.1.70000": "port 70000 is out of range",
    "10.0.0.1\x1b": "'10.0.0' is not an address",
    "10.0.0.1:1\x1b": rf"'1\x1b' {NO_PORT}",
}


@pytest.mark.parametrize("operand", TWO, ids=ascii)
def test_an_end_in_one_operand_that_is_none(refused, operand):
    assert TWO[operand] in refused(operand, "10.0.0.2:2")
    assert TWO[operand] in refused("10.0.0.2:2", operand)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["10.0.0.1"], "1 operand: a connection is LADDR LPORT RADDR RPORT or LADDR:LPORT RADDR:RPORT"),
        (["10.0.0.1", "1", "10.0.0.2"], "3 operands: one of LADDR LPORT RADDR RPORT is missing in '10.0.0.1 1 10.0.0.2'"),
        ([*GOOD, "x"], "5 operands: a connection is"),
        ([*GOOD, *GOOD], "8 operands: a connection is"),
        (["lst"], f"1 operand: 'lst' is no command ({', '.join(cli.VERBS)}); to drop one connection give"),
        (["\x1b[2J"], "1 operand"),
        (["\x1b[2J", "1", "2"], r"'\x1b[2J 1 2'"),
        ([""], "1 operand"),
        (["-"], "1 operand"),
    ],
)
def test_a_wrong_number_of_operands(refused, words, said):
    assert said in refused(*words)


OPTIONS = {
    "--bogus": "unknown option --bogus; options cannot be shortened",
    "--dry": "unknown option --dry; options cannot be shortened",
    "--include": "unknown option --include",
    "--DRY-RUN": "unknown option --DRY-RUN",
    "--dry_run": "unknown option --dry_run",
    "-x": "unknown option -x",
    "-nx": "unknown option -x",
    "-n=1": "unknown option -=",
    "---n": "unknown option ---n",
    "--\x1b[31m": r"unknown option --\x1b[31m",
    "-\udcff": r"unknown option -\udcff",
    "--dry-run=1": "--dry-run takes no value",
    "--dry-run=": "--dry-run takes no value",
    "--json=yes": "--json takes no value",
    "--netns=": "--netns: an empty value selects nothing by mistake",
    "--netns=a --netns=b": "--netns is given twice",
    "-4 -6": "-4 and -6 exclude each other",
    "-46": "-4 and -6 exclude each other",
    "--local-port=80": "--local-port does not go with the classic form",
    "--state=established": "--state does not go with the classic form",
}


@pytest.mark.parametrize("given", OPTIONS, ids=ascii)
def test_an_option_that_is_none(refused, given):
    assert OPTIONS[given] in refused(*given.split(" "), *GOOD)
    assert OPTIONS[given] in refused(*GOOD, *given.split(" "))


@pytest.mark.parametrize("option", ["--limit", "--max-drops", "--rate"])
def test_a_number_of_more_digits_than_python_reads(refused, option):
    assert refused("drop", option, "9" * 5000, "lport", "1").startswith(f"{option} takes a whole number, not '999")


def test_a_missing_value(refused):
    assert refused(*GOOD, "--netns") == "--netns needs a value"
    assert "an empty value" in refused("--netns", "", *GOOD)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "x"], "'check' takes no operands"),
        (["demo", "1"], "'demo' takes no operands"),
        (["check", "-n"], "--dry-run does not go with 'check'"),
        (["check", "--netns=1"], "--netns does not go with 'check'"),
        (["demo", "--include-self"], "--include-self does not go with 'demo'"),
        (["demo", "-4"], "-4 does not go with 'demo'"),
        (["list", "-n"], "--dry-run does not go with 'list'"),
        (["list", "--include-self"], "--include-self does not go with 'list'"),
    ],
)
def test_what_does_not_go_with_a_verb(refused, words, said):
    assert said in refused(*words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lst"], "did you mean 'list'?"),
        (["lsit", "lport", "443"], "did you mean 'list'?"),
        (["ls"], "did you mean 'list'?"),
        (["kill"], "did you mean 'drop'?"),
        (["kill", "lport", "443", "in"], "did you mean the command 'drop'?"),
        (["ls", "mine"], "did you mean the command 'list'?"),
        (["help", "dorp"], "did you mean 'drop'?"),
        (["list", "--sumary-by", "state"], "did you mean --summary-by?"),
        (["drop", "--dry", "lport", "1"], "did you mean --dry-run?"),
        (["drop", "--max_drops", "1", "lport", "1"], "did you mean --max-drops?"),
        (["list", "-tn"], "all of it is TCP"),
        (["list", "-n"], "are numbers anyhow"),
        (["list", "-u"], "TCP only"),
        (["drop", "-p", "lport", "1"], "tcpdrop list -p"),
        (["list", "-l"], "tcpdrop list state listen"),
        (["drop", "-K", "lport", "1"], "tcpdrop drop FILTER"),
        (["list", "lprt 443"], "did you mean lport?"),
        (["list", "remtoe 10.0.0.1"], "did you mean remote?"),
        pytest.param(["drop", "--mine"], "drop mine", marks=pytest.mark.only_on("linux", reason="holders by user")),
        (["list", "--json", "-c"], "--json and --jsonl have the counts"),
        (["list", "--jsonl", "--summary-by=state"], "--json and --jsonl have the counts"),
        (["help", "list", "drop"], "one verb"),
    ],
    ids=" ".join,
)
def test_what_was_meant(monkeypatch, capsys, words, said):
    forbid(monkeypatch)
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--bogus"], ["-x"], ["zzzz"], ["list", "xyzzy 3"], ["list", "--s"], ["in"]], ids=" ".join)
def test_what_is_near_nothing_is_not_guessed(monkeypatch, capsys, words):
    forbid(monkeypatch)
    assert cli.main(words) == 2
    assert "did you mean" not in capsys.readouterr().err


# ---- for programs


def as_json(capsys, *arguments):
    assert cli.main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert err
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.mark.parametrize("option", ["--json", "--jsonl"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (GOOD[:3], "3 operands"),
        (["10.1", *GOOD[1:]], "'10.1' is not an address"),
        (["--bogus", *GOOD], "unknown option --bogus"),
        (["\udcff", *GOOD[1:]], r"'\udcff': not a host name"),
        (["demo"], "does not go with 'demo'"),
        ([], "no operands"),
    ],
)
def test_a_usage_error_is_an_object_too(capsys, option, words, said):
    entry = as_json(capsys, option, *words)
    assert {key: entry[key] for key in ("schema", "type", "outcome")} == {"schema": 1, "type": "error", "outcome": None}
    assert said in entry["error"]


def test_json_and_jsonl_exclude_each_other(capsys):
    assert as_json(capsys, "--json", "--jsonl", *GOOD)["error"] == "--json and --jsonl exclude each other"


def test_a_filter_error_says_its_column(refused, capsys):
    assert refused("list", "lport", "80", "or").endswith("after 'or' (column 12)")
    assert as_json(capsys, "list", "--json", "lport 80 or")["error"].endswith("(column 12)")


# ---- the verbs: what a filter or a value means is tested elsewhere; here only that nothing comes out raw

WORDS_WITH_BYTES = [
    *("list {}", "list lport {}", "list state {}", "list remote {}", "list user {}", "list pid {}", "list dev {}", "list idle gt {}"),
    *("list --order={}", "list --limit={}", "list --summary-by={}", "list -o {}", "list --state={}", "list --pid={}", "list --user={}"),
    *("list --local-port={}", "list --local-addr={}", "list --idle={}", "list --netns={}", "list 10.0.0.1 {}", "check {}", "{} list"),
    *("drop --from=/nonexistent{} -n", "drop -n --max-drops={} lport 1", "drop -n --rate={} lport 1", "drop -n --for={} lport 1"),
    *("drop -n --interval={} --for=1s lport 1", "drop -n --protect={} lport 1", "drop -n --until-gone={} lport 1", "-n -s {}"),
]


@pytest.mark.parametrize("words", WORDS_WITH_BYTES)
def test_no_verb_prints_a_word_raw(capsys, words):
    for raw in ("\x1b[31m", "\udcff\udcfe", "\x9b2J\r", "\N{RIGHT-TO-LEFT OVERRIDE}"):
        assert cli.main([word.replace("{}", raw) for word in words.split()]) in (1, 2, 3)
        out, err = capsys.readouterr()
        assert out == ""
        assert err
        assert all(text.isprintable() for text in err.split("\n")), ascii(err)


LONG_WORDS = ["{} 1 10.0.0.1 2", "10.0.0.1 {} 10.0.0.1 2", "10.0.0.1%{} 1 10.0.0.1 2", "10.0.0.1:{} 10.0.0.1:1", "{} {} {}", "--{}", "-{}"]


@pytest.mark.parametrize("words", [*WORDS_WITH_BYTES, *LONG_WORDS])
def test_a_long_word_is_shown_by_its_beginning_and_its_end(capsys, words):
    for unit in ("a", "1", "1.", ":", "\x1b", "a b ", "("):
        long = (unit * 100_000)[:100_000]
        status = cli.main([word.replace("{}", long) for word in words.split()])
        out, err = capsys.readouterr()
        # 4: of many -a, where something is connected.
        assert (status in (1, 2, 3, 4), out) == (True, "")
        assert len(err) < 1000, ascii(err[:300])


def test_the_readings_of_a_long_filter_are_shown_as_a_message_can(refused):
    said = refused("list", "lport 1 or lport 2 and lport 3" + " and lport 4" * 1000)
    assert said.startswith("and and or are mixed: write lport 1 or (lport 2 and") and len(said) < 2500


@pytest.mark.parametrize("word", ["udp", "UDP", "proto"])
def test_another_protocol_is_told_so(word):
    done = tcpdrop("drop", word, "lport", "53")
    assert done.status == 2
    assert f"tcpdrop: '{word}': TCP connections are all there is here, and no other protocol has any" in done.err


def test_a_time_that_does_not_go_with_until_gone():
    done = tcpdrop("drop", "--until-gone", "3s", "lport", "53")
    assert (done.status, done.err) == (2, "tcpdrop: --until-gone takes its time behind '=': --until-gone=3s\n")


TAKERS = {
    "drop": ["--for", "--until-gone=", "--interval", "--rate", "--max-drops", "--limit", "--order", "--method"],
    "list": ["--limit", "--order"],
    "top": ["--interval", "--method"],
}


@pytest.mark.parametrize(("verb", "option"), [(verb, option) for verb in TAKERS for option in TAKERS[verb]])
def test_an_option_without_its_value_is_what_the_error_names(refused, verb, option):
    """`drop --for lport 3`: the filter that is left makes no sense, and is not what is wrong."""
    said = refused(verb, *([f"{option}lport"] if option.endswith("=") else [option, "lport"]), "3")
    assert said.startswith((option.rstrip("="), "a method is one of")), said
