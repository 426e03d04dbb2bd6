# SPDX-License-Identifier: BSD-2-Clause
"""Every engine and the command line give the same rows for the same selectors, listed and planned."""

import json

import pytest
from support import engine, minions
from support.command import tcpdrop

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="fleets are tested where they run")]

#: parameters of the engines; PORT is a port with three connections, CLIENT the port of one of their clients
SELECTIONS = [
    {},
    {"local_port": ["PORT"]},
    {"remote_addr": ["127.0.0.0/8"], "remote_port": ["CLIENT"], "process": ["python*"], "user": ["root"]},
    {"local_addr": ["::1", "127.0.0.1"], "states": ["established", "CLOSE_WAIT"], "filter": "not rport CLIENT"},
    {"local_port": []},
]
#: what moves between two looks
MOVING = ("idle_ms", "age_ms", "rtt_us")


def command_line(place, selections):
    """[(listed, planned) rows for each selection]"""
    found = []
    for selectors in selections:
        words = [
            "--" + name.replace("states", "state").replace("_", "-") + "=" + ",".join(values)
            for name, values in selectors.items()
            if name != "filter"
        ]
        words += [selectors["filter"]] if "filter" in selectors else []
        listing, planning = tcpdrop("list", "--json", *words), tcpdrop("drop", "--dry-run", "--yes", "--json", *(words or ["--all"]))
        found.append([json.loads(done.out)["connections"] for done in (listing, planning)])
    return found


def ansible(place, selections):
    """The same, by a playbook."""
    why = engine.absent()
    if why:
        pytest.skip(why)
    tasks = []
    for selectors in selections:
        tasks.append({"name": "list", "tcpdrop.net.tcp_connection_info": selectors})
        tasks.append({"name": "plan", "check_mode": True, "tcpdrop.net.tcp_drop": selectors or {"all": True}})
    played = engine.Engine(place).play({"hosts": "all", "gather_facts": False, "tasks": tasks})
    assert played.status == 0, played.out + played.err
    rows = [step.result["connections"] for step in played.steps]
    return list(zip(rows[::2], rows[1::2]))


def salt(place, selections):
    """The same, by Salt's own loader."""
    with minions.Loader(place) as loader:
        found = []
        for selectors in selections:
            listed = loader("tcpdrop.connections", **selectors)
            planned = loader("tcpdrop.drop", test=True, **(selectors or {"all": True}))
            found.append((listed["connections"], planned["connections"]))
        return found


def comparable(rows):
    return sorted(({key: value for key, value in row.items() if key not in MOVING} for row in rows), key=json.dumps)


@pytest.mark.parametrize("of", [ansible, pytest.param(salt, marks=minions.required())])
def test_the_same_rows(of, service, tmp_path):
    port, pairs = service(3, family="mapped")
    service(2)
    service(1, family="inet6")
    text = json.dumps(SELECTIONS).replace("PORT", str(port)).replace("CLIENT", str(pairs[0].remote[1]))
    selections = json.loads(text)
    on_the_command_line = [one for one in selections if one.get("local_port") != []]  # which cannot say "none of them"
    wanted = iter(command_line(tmp_path, on_the_command_line))
    for selectors, found in zip(selections, of(tmp_path, selections)):
        expected = next(wanted) if selectors in on_the_command_line else ([], [])
        for rows, same in zip(found, expected):
            assert comparable(rows) == comparable(same), selectors
        assert [bool(rows) for rows in expected] == [selectors.get("local_port") != []] * 2, selectors
