# SPDX-License-Identifier: BSD-2-Clause
"""Copies of the C module that are wrong on purpose: proof that the tests would see it."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent / "src"
UNITS = (
    *("rows.c", "tuple.c", "text.c", "netlink.c", "inet_diag.c", "rtnetlink.c"),
    *sorted(unit.name for pattern in ("_*.c", "linux*.c") for unit in SOURCE.glob(pattern)),
)

ENDS_CHECK = "row->state == TD_STATE_LISTEN || !td_same_ends(tuple, row)"
COOKIE_GUARD = "row->cookie == 0 || row->cookie == UINT64_MAX"

#: name -> [(file, what stands there, what shall stand there)]
MUTATIONS = {
    # What was found is destroyed, whatever it is.
    "no comparison": [("linux.c", ENDS_CHECK, "0")],
    # ss -K's and everyone's first idea: the kernel's "no cookie" value, no look-up.
    "no cookie": [
        ("linux.c", ENDS_CHECK, "0"),
        ("linux.c", COOKIE_GUARD, "0"),
        ("inet_diag.c", "put32(id + ID_COOKIE, (uint32_t)row->cookie);", "put32(id + ID_COOKIE, 0xffffffffu);"),
        ("inet_diag.c", "put32(id + ID_COOKIE + 4, (uint32_t)(row->cookie >> 32));", "put32(id + ID_COOKIE + 4, 0xffffffffu);"),
    ],
    # The state is compared and the ends are not, and the other way round.
    "ends only": [("linux.c", ENDS_CHECK, "!td_same_ends(tuple, row)")],
}


def build(name, into):
    """Build the mutant as `into`/_tcpdrop.so; its path.  FileNotFoundError without a compiler."""
    work = into / "src"
    shutil.copytree(SOURCE, work)
    for file, old, new in MUTATIONS[name]:
        text = (work / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"src/{file} has changed: adapt the mutation {name!r}"
        (work / file).write_text(text.replace(old, new), encoding="utf-8")
    module = into / "_tcpdrop.so"
    subprocess.run(
        [
            *("cc", "-shared", "-fPIC", "-O1", "-pthread", "-w", f"-I{sysconfig.get_path('include')}"),
            *("-o", str(module)),
            *(str(work / unit) for unit in UNITS),
        ],
        check=True,
    )
    return module


#: abort(argv[2:]) by the module at argv[1]; prints the errno, 0 for dropped
DROP_WITH = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.ExtensionFileLoader("_tcpdrop", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_tcpdrop", loader))
loader.exec_module(module)
try:
    module.abort(bytes.fromhex(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4]), int(sys.argv[5]))
    print(0)
except OSError as e:
    print(e.errno)
"""
