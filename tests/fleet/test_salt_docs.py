# SPDX-License-Identifier: BSD-2-Clause
"""The commands of docs/fleet.md run, and its state file compiles."""

import re
import shlex
from pathlib import Path

import pytest
from support import minions

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="fleets are tested where they run"), minions.required()]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "fleet.md").read_text(encoding="utf-8").partition("\n## Salt\n")[2]
COMMANDS = re.findall(r"^```bash\n(.*?)\n```$", PAGE, re.M | re.S)
STATES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)


def test_there_are_six_commands_and_a_state_file():
    assert (len(COMMANDS), len(STATES)) == (6, 1)
    for word in ("-b 1 --failhard", "--subset", "tcpdrop.summary", "test=True", "state.single tcpdrop.absent", "salt-call --local"):
        assert sum(word in text for text in COMMANDS) >= 1, word


def test_the_commands(tmp_path, holder):
    """From the function on, read as Salt reads them."""
    pair = holder.pair()
    with minions.Loader(tmp_path) as salt:
        for text in COMMANDS:
            words = [word for word in shlex.split(text) if not word.startswith("--out")]
            start = next(at for at, word in enumerate(words) if word.startswith(("tcpdrop.", "state.")))
            found = salt.ask("line", words[start:])
            assert found.get("result", True) is True
            assert found.get("matched", 0) == 0  # none of them means a connection of ours
    assert pair.alive()


def test_the_state_file(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "banned.sls").write_text(STATES[0], encoding="utf-8")
    pillar = '{"banned_networks": ["203.0.113.0/24", "198.51.100.0/24"]}'
    conf = minions.configure(tmp_path / "conf", file_roots={"base": [str(tmp_path / "files")]})
    done = minions.call(conf, "state.show_low_sls", "banned", f"pillar={pillar}")
    assert done.status == 0, done
    (low,) = (one for one in minions.answer(done) if one["state"] == "tcpdrop")
    arguments = {name: low[name] for name in ("remote_addr", "max_drops", "rate", "reason")}
    assert arguments["remote_addr"] == ["203.0.113.0/24", "198.51.100.0/24"]
    assert low["onchanges"] == [{"cmd": "load-the-rules"}]
    with minions.Loader(conf) as salt:
        assert salt.absent(test=True, **arguments)["comment"] == "nothing matches"
