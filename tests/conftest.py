# SPDX-License-Identifier: BSD-2-Clause
"""Where the tests run, and what they are given.

At the start pytest itself moves into a fresh network namespace, so that no test
can touch a connection of this host.  Victims live in a sibling process.  Where
namespaces are forbidden, tests marked `privileged` are skipped and say why.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for support/, and never the source tree's tcpdrop/

from support import netns, orphan, private  # noqa: E402
from support.backends import BACKENDS  # noqa: E402
from support.holder import Holder  # noqa: E402

try:
    from tcpdrop import _tcpdrop
except ImportError as e:
    raise SystemExit(f"install the package first (pip install .): {e}") from e

BACKEND = BACKENDS[_tcpdrop.BACKEND]
STATE = {"tell": None, "why": None, "ran": 0, "skipped": 0}


def pytest_configure(config):
    # A shell's job in the background ignores it, and so would every command that is interrupted here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not sys.platform.startswith("linux"):
        STATE["why"] = "no network namespaces on this system"
    else:
        if os.geteuid():
            STATE["tell"] = orphan.become()
        STATE["why"] = netns.enter()


def pytest_report_header(config):
    return [
        f"tcpdrop: backend {BACKEND.name}, {_tcpdrop.__file__}",
        f"privileged tests: {'in a network namespace of their own' if STATE['why'] is None else 'skipped, ' + STATE['why']}",
    ]


def pytest_runtest_setup(item):
    only = item.get_closest_marker("only_on")
    if only and BACKEND.name not in only.args:
        pytest.skip(f"only on {', '.join(only.args)}: {only.kwargs['reason']}")
    if item.get_closest_marker("real_root") and netns.lone_root():
        pytest.skip("needs root outside a user namespace of one user")
    if item.get_closest_marker("privileged"):
        if STATE["why"] is not None:
            STATE["skipped"] += 1
            pytest.skip(STATE["why"])
        STATE["ran"] += 1


def _must_run():
    return os.environ.get("CI") == "true" or os.environ.get("TCPDROP_REQUIRE_PRIVILEGED") == "1"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    if _must_run() and STATE["skipped"] and not STATE["ran"] and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if STATE["tell"] is not None:
        STATE["tell"](session.exitstatus)


def pytest_terminal_summary(terminalreporter):
    if STATE["skipped"]:
        terminalreporter.line(f"{STATE['skipped']} privileged tests did not run: {STATE['why']}")
        if _must_run() and not STATE["ran"]:
            terminalreporter.line("that is a failure here (CI=true or TCPDROP_REQUIRE_PRIVILEGED=1)", red=True)


@pytest.fixture(scope="session")
def backend():
    """What a drop looks like on the backend under test (support/backends.py)."""
    return BACKEND


@pytest.fixture(scope="module")
def holder():
    """The process that holds the victims, in pytest's own network namespace."""
    with Holder() as h:
        yield h


@pytest.fixture
def other_namespace():
    """A holder in another network namespace, and a descriptor of that."""
    with Holder(netns=True) as h:
        fd = h.netns()
        yield h, fd
        os.close(fd)


@pytest.fixture
def log(tmp_path):
    """A /dev/log of ours, for commands behind its wrapper."""
    made = private.Log(tmp_path)
    yield made
    made.socket.close()


@pytest.fixture
def run():
    """Run Python code in a child: run(code, *args, env=...) -> its stdout; it must succeed."""

    def child(code, *args, env=None):
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:] = [{str(HERE)!r}, *filter(None, sys.path)]\n{code}", *map(str, args)],
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return child


def _shim(tmp_path_factory, name):
    shim = tmp_path_factory.mktemp("shim") / f"{name}.so"
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, HERE / "c" / f"{name}.c", "-ldl", "-pthread"], check=True)
    except FileNotFoundError:
        pytest.skip("no C compiler here")
    # Behind what is there already: a sanitizer must come first.
    return {"LD_PRELOAD": " ".join(filter(None, (os.environ.get("LD_PRELOAD"), str(shim))))}


@pytest.fixture(scope="session")
def no_destroy(tmp_path_factory):
    """The environment in which the kernel seems to lack INET_DIAG_DESTROY."""
    return _shim(tmp_path_factory, "no_destroy")


@pytest.fixture(scope="session")
def no_threads(tmp_path_factory):
    """The environment in which, with THREADS in it, only so many threads are to be had."""
    return _shim(tmp_path_factory, "no_threads")


@pytest.fixture(scope="session")
def faults(tmp_path_factory):
    """The environment in which a call of our module's can be told to fail."""
    env = _shim(tmp_path_factory, "faults")
    # In front of a sanitizer: it looks who calls, and that must be the module itself.
    *others, shim = env["LD_PRELOAD"].split()
    options = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
    return {"LD_PRELOAD": " ".join((shim, *others)), "ASAN_OPTIONS": options}


@pytest.fixture(scope="session")
def busy(tmp_path_factory):
    """The environment in which the kernel disconnects no socket."""
    return _shim(tmp_path_factory, "busy")
