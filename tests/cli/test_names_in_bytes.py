# SPDX-License-Identifier: BSD-2-Clause
"""A process's name is bytes: one spelling without lone surrogates wherever it is shown, and that can be typed back."""

import io
import json
import sys

import pytest
from support.command import needs, tcpdrop
from support.named import named  # noqa: F401 - a fixture

import tcpdrop as package
from tcpdrop import cli
from tcpdrop.model.addresses import spelled_bytes, typed_bytes

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="who holds a socket")]


def test_every_output_has_the_one_spelling(named):  # noqa: F811
    port, spelling = named
    connection = package.connections(f"lport {port}", owners=True)[0]
    row = connection.as_dict()
    assert (connection.process, row["process"]) == (spelling, spelling)
    json.dumps(row, ensure_ascii=False).encode()  # what msgpack and YAML need
    assert json.loads(tcpdrop("list", "--json", f"lport {port}").out)["connections"][0]["process"] == spelling
    assert tcpdrop("list", "-o", "process", f"lport {port}", env={"LC_ALL": "C.UTF-8"}).out.splitlines()[1].strip() == spelling


def test_what_is_shown_can_be_typed_back(named):  # noqa: F811
    port, spelling = named
    for chosen in (
        [f"lport {port} and comm {spelling}"],
        [f'lport {port} and comm "{spelling}"'],
        ["--local-port", str(port), "--process", spelling],
    ):
        done = tcpdrop("list", "-c", *chosen, env={"LC_ALL": "C.UTF-8"})
        assert (done.out, done.status) == ("1\n", 0), (chosen, done.err)
    assert tcpdrop("list", "-c", f"lport {port} and comm {spelling}x", env={"LC_ALL": "C.UTF-8"}).out != "1\n"


def test_a_drop_is_told_whatever_the_name(named):  # noqa: F811
    port, _ = named
    (result,) = package.drop(f"lport {port}")
    assert json.dumps(result.as_dict(), ensure_ascii=False).encode("utf-8")
    assert result.outcome == "dropped"


def test_a_stream_that_lacks_a_character_replaces_it(named, monkeypatch):  # noqa: F811
    port, spelling = named
    with io.TextIOWrapper(io.BytesIO(), encoding="latin-1") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        status = cli.main(["list", "-o", "process", f"lport {port}"])
        lines = stream.buffer.getvalue().splitlines()
    assert (status, lines[1].strip()) == (0, spelling.encode("latin-1", "backslashreplace"))


def test_there_and_back():
    for raw in (b"", b"caf\xe9", b"\\udce9", b"\\udc", b"\xe9\\udce", bytes(range(128, 256))):
        text = raw.decode("utf-8", "surrogateescape")
        assert typed_bytes(spelled_bytes(text)).encode("utf-8", "surrogateescape") == raw or raw == b"\\udce9"


@pytest.mark.only_on("linux", reason="a mount namespace")
def test_a_user_whose_name_is_no_utf8(holder, tmp_path):
    """What -o user shows is taken by every selector."""
    pair = holder.pair()
    users = tmp_path / "passwd"
    users.write_bytes(b"l\xe4t:x:0:0::/:/bin/sh\n")
    wrapper = needs("unshare", "--mount", "sh", "-c", f'mount --bind {users} /etc/passwd && exec "$@"', "sh")
    ask = {"wrapper": wrapper, "env": {"LC_ALL": "C.UTF-8"}}
    (shown,) = tcpdrop("list", "-H", "-o", "user", f"lport {pair.lport}", **ask).out.split()
    assert shown == r"l\udce4t"
    for chosen in (["--user", shown], ["user", shown]):
        assert tcpdrop("list", "-c", "--local-port", str(pair.lport), *chosen, **ask)[:2] == (0, "1\n")
    assert "there is no user" in tcpdrop("list", "--user", shown + "x", **ask).err
