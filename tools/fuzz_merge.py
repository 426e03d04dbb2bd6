#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Take over into the corpora in C what of the last runs of make fuzz covers more.

A corpus is seeds, not an archive: MOST of what libFuzzer's own merge keeps is added to it.
That merge starts the fuzzer again, which does not work under atheris: those of Python have
their seeds and what was found.
"""

import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST = 24  # new files in one corpus
LARGEST = 600  # bytes of each
IN_C = {"inet_diag": "fuzz_inet_diag", "rtnetlink": "fuzz_rtnetlink", "mib2": "sunos/fuzz_mib2"}


def main():
    for name, program in IN_C.items():
        kept, found = ROOT / f"tests/c/corpus_{name}", ROOT / f"tests/fuzz/build/{name}"
        if not found.is_dir():
            continue
        with tempfile.TemporaryDirectory() as scratch:
            # In the order in which they are given, what an earlier one covers is not kept again.
            command = [ROOT / "tests/c/build" / program, "-merge=1", scratch, kept, found]
            subprocess.run(command, check=True, capture_output=True)
            known = {file.read_bytes() for file in kept.iterdir()}
            new = sorted((file for file in Path(scratch).iterdir() if file.read_bytes() not in known), key=lambda file: file.stat().st_size)
            new = [file for file in new if file.stat().st_size <= LARGEST][-MOST:]
            for file in new:
                (kept / file.name[:12]).write_bytes(file.read_bytes())
        print(f"{name}: {len(new)} added")


if __name__ == "__main__":
    main()
