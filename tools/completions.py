#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The completions in docs/completion/, from the option table, the words of the filter language and tools/completion/*.in.

tools/completions.py [DIRECTORY]        run by a Python that has tcpdrop (make completions)
"""

import sys
from pathlib import Path

from tcpdrop.cli import VERBS
from tcpdrop.cli.fields import FIELDS, SUMMARIES
from tcpdrop.cli.options import ALLOWED, COLORS, FLAG, MAYBE, OPTIONS, SELECTORS
from tcpdrop.engine.methods import METHODS
from tcpdrop.filters.sockets import STATE_GROUPS, spelled
from tcpdrop.filters.vocabulary import WORDS
from tcpdrop.model.order import ORDERS
from tcpdrop.model.rows import STATE_NAMES

ROOT = Path(__file__).resolve().parent.parent
FILES = ("tcpdrop.bash", "_tcpdrop", "tcpdrop.fish")
SHELLS = ("bash", "zsh", "fish")

STATES = [*(spelled(number) for number in range(1, len(STATE_NAMES))), *STATE_GROUPS]

#: what takes a value -> the values there are
VALUES = {
    ("-s", "--state", "state", "exclude"): STATES,
    ("--order",): ORDERS,
    ("--summary-by",): SUMMARIES,
    ("--max-drops",): ["none"],
    ("--method",): METHODS,
    ("--color",): COLORS,
    ("-o", "--output"): FIELDS,
    ("--completion",): SHELLS,
    ("family",): ["inet", "inet6"],
}

#: FreeBSD's spelling of drop, beside the options of the classic form
FREEBSD = ["-l", "-a", "-s"]


def options(form):
    """The spellings that this form takes; MAYBE has its value behind "="."""
    found = [spelling for dest, (_, spellings) in OPTIONS.items() if dest in ALLOWED[form] for spelling in spellings]
    return found + FREEBSD if form == "classic" else found


def values():
    """Those of VALUES that there are, and the words that take any value."""
    take = [spelling for kind, spellings in OPTIONS.values() if kind not in (FLAG, MAYBE) for spelling in spellings]
    known = {*take, *WORDS}
    return {tuple(word for word in words if word in known): found for words, found in VALUES.items() if known & set(words)}, take


def script(name, template):
    fish = name.endswith("fish")
    known, take = values()
    target = "found" if name == "_tcpdrop" else "words"
    if fish:
        shown = "\n".join(f"        case {' '.join(words)}\n            printf '%s\\n' {' '.join(found)}" for words, found in known.items())
    else:
        shown = "\n".join(f"\t{' | '.join(words)}) echo '{' '.join(found)}' ;;" for words, found in known.items())
    forms = (*VERBS, "classic")
    filtered = [verb for verb in VERBS if ALLOWED[verb] >= SELECTORS]
    return (
        template.replace("@MADE@", "Made by tools/completions.py, not by hand.")
        .replace("@ENDS@", (ROOT / "tools/completion/ends.awk").read_text(encoding="utf-8").rstrip("\n"))
        .replace("@VALUES@", shown)
        .replace("@TAKE_VALUES@", " | ".join(take))
        .replace("@TAKE_VALUES_FISH@", " ".join(take))
        .replace("@VERBS|@", " | ".join(VERBS))
        .replace("@VERBS@", " ".join(VERBS))
        .replace("@OPTIONS@", "\n".join(f"\t\t{form},*) {target}='{' '.join(options(form))}' ;;" for form in forms))
        .replace(
            "@OPTIONS_FISH@", "\n".join(f"        case {form}\n            printf '%s\\n' {' '.join(options(form))}" for form in forms)
        )
        .replace("@FILTERED@", " ".join(filtered))
        .replace("@FILTERED,[!-]*@", " | ".join(f"{verb}, | {verb},[!-]*" for verb in filtered))
        .replace("@FILTERED,[^-]*@", " | ".join(f"{verb}, | {verb},[^-]*" for verb in filtered))
        .replace("@FILTER@", " ".join([*WORDS, "and", "or", "not"]))
    )


def main(arguments):
    place = Path(arguments[0]) if arguments else ROOT / "docs/completion"
    for name in FILES:
        template = (ROOT / f"tools/completion/{name}.in").read_text(encoding="utf-8")
        (place / name).write_text(script(name, template), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
