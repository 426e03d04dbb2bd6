# SPDX-License-Identifier: BSD-2-Clause
"""Python's own names that some Solaris or illumos has not: each is taken away, and everything works without."""

import sys

import pytest
from support.command import line, run, words

pytestmark = pytest.mark.privileged

#: where it is absent
ABSENT = {
    "os.O_DIRECTORY": "illumos before 2020-02, Solaris",
    "os.O_CLOEXEC": "Solaris 10",
    "syslog.LOG_AUTHPRIV": "illumos before 2013-12, Solaris",
    "errno.ENOTSUP": "",
    "errno.ENOTUNIQ": "",
    "errno.ENOSR": "",
}

WITHOUT = """
import errno, os, sys, syslog
for name in sys.argv.pop(1).split():
    module, attribute = name.split(".")
    if hasattr(globals()[module], attribute):
        delattr(globals()[module], attribute)
from tcpdrop.cli import main
sys.exit(main(sys.argv[1:]))
"""


def without(names, *arguments):
    return run(sys.executable, "-I", "-c", WITHOUT, names, *arguments)


@pytest.mark.parametrize("name", [*ABSENT, " ".join(ABSENT)], ids=[*ABSENT, "all of them"])
def test_everything_works_without(holder, name):
    """A listing by holder, check, and a drop to the end: its line of audit too."""
    safe, pair = holder.pair(), holder.pair()
    listed = without(name, "list", "-o", "local_port", f"pid {holder.pid} and lport {pair.lport}")
    assert (listed.status, listed.err) == (0, ""), listed
    assert str(pair.lport) in listed.out
    assert without(name, "check")[::2] == (0, "")
    dropped = without(name, "drop", "--syslog", "--protect", f"lport {safe.lport}", f"lport {pair.lport},{safe.lport}")
    assert (dropped.status, dropped.out) == (0, f"{line(pair)}: dropped\n"), dropped
    assert "Traceback" not in dropped.err
    gone = without(name, *words(pair))
    assert gone.status == 1
    assert f"{line(pair)}: not found" in gone.err
    assert "Traceback" not in gone.err
    assert safe.alive()
