# SPDX-License-Identifier: BSD-2-Clause
"""The real Salt, in a venv of its own that has tcpdrop too (make test-salt)."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.command import run

VENV = os.environ.get("SALT_VENV")
LOADER = Path(__file__).resolve().with_name("minions_main.py")

#: nothing of a minion that takes time and is not asked for here
QUICK = {
    "enable_gpu_grains": False,
    "enable_fqdns_grains": False,
    "grains_cache": False,
    "random_startup_delay": 0,
    "acceptance_wait_time": 1,
    "master_tries": -1,
    "fileserver_backend": ["roots"],
    "log_level_logfile": "info",
}


def required():
    """Skip, and say why, where there is no Salt; TCPDROP_REQUIRE_SALT=1 makes that a failure."""
    why = None
    if VENV is None:
        why = "run by make test-salt, which makes Salt a venv of its own"
    elif not Path(VENV, ".salt").exists():
        why = f"Salt could not be installed in {VENV}: make {VENV}/.salt tells why"
    if why and os.environ.get("TCPDROP_REQUIRE_SALT") == "1":
        pytest.fail(f"TCPDROP_REQUIRE_SALT=1: {why}", pytrace=False)
    return pytest.mark.skipif(why is not None, reason=str(why))


def program(name):
    return Path(str(VENV), "bin", name)


def modules():
    """What tcpdrop paths --salt prints: the modules as they are installed for Salt."""
    return Path(run(program("tcpdrop"), "paths", "--salt").out.strip())


def configure(place, kind="minion", **options):
    """A directory for salt's -c: every path that Salt writes to is below it."""
    place = Path(place)
    place.mkdir(parents=True, exist_ok=True)
    paths = {"pki_dir": "/pki", "cachedir": "/cache", "sock_dir": "/run", "log_file": "/log", "pidfile": "/pid"}
    base = {**QUICK, **paths, "root_dir": str(place), "user": "root", "id": "here"}
    (place / kind).write_text(json.dumps({**base, **options}), encoding="utf-8")  # JSON is YAML
    return place


def call(place, *words, local=True, env=None, wrapper=(), program_=None):
    """salt-call; its Done."""
    command = program_ or (program("salt-call"),)
    return run(*wrapper, *command, "-c", place, *(["--local"] if local else []), "--out=json", *words, env=env, timeout=120)


def answer(done):
    """What salt-call --out=json printed."""
    assert done.out, done.err
    return json.loads(done.out)["local"]


class Refused(Exception):
    """CommandExecutionError, in the other process."""


class Loader:
    """Salt's own loader in one process: the functions, without a start of salt-call for each."""

    def __init__(self, place, **options):
        self._process = subprocess.Popen(
            [program("python3"), "-I", LOADER, configure(place, **options) / "minion"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def ask(self, *request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the loader died"
        answer = json.loads(line)
        if "refused" in answer:
            error = Refused(answer["refused"])
            error.info = answer["info"]
            raise error
        assert "fault" not in answer, answer["fault"]
        return answer["value"]

    def __call__(self, function, *args, **kwargs):
        """An execution function."""
        return self.ask("call", function, args, kwargs)

    def absent(self, *, test=False, **kwargs):
        """The state tcpdrop.absent, test as __opts__ has it."""
        return self.ask("state", "tcpdrop.absent", test, {"name": "label", **kwargs})
