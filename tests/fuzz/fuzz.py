#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""One of the targets under atheris, which is libFuzzer for Python:

    tests/fuzz/fuzz.py NAME [-max_total_time=SECONDS] [libFuzzer's options] [DIRECTORY...]
    tests/fuzz/fuzz.py                              names the targets

The seeds, and what was found, are in corpus/NAME; what is new goes to the first DIRECTORY.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # for support/, and never the source tree's tcpdrop/


def main():
    import atheris

    # Of support/ the oracle alone would be of use, and that is to be slow and plain.
    with atheris.instrument_imports(include=["tcpdrop"]):
        from targets import TARGETS
    if len(sys.argv) < 2:
        print(*TARGETS)
        return
    name = sys.argv.pop(1)

    def one(data):
        TARGETS[name](data)  # what it returns is nobody's

    atheris.Setup([*sys.argv, str(HERE / "corpus" / name)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
