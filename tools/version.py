#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The version, in all the places that name it.

tools/version.py            print it; status 1 if the places differ
tools/version.py 1.2.3      set it, with an entry of today in each changelog
"""

import datetime
import email.utils
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLLECTION = "integrations/ansible/ansible_collections/tcpdrop/net"
WHO = "The tcpdrop authors <authors@tcpdrop.invalid>"

#: file -> its version; the first match counts
PLACES = {
    "tcpdrop/__init__.py": r'^__version__ = "(.*)"$',
    f"{COLLECTION}/galaxy.yml": r"^version: (.*)$",
    f"{COLLECTION}/changelogs/changelog.yaml": r"^  (\d.*):$",
    "debian/changelog": r"^tcpdrop \((.*)\)",
    "contrib/tcpdrop.spec": r"^Version: +(.*)$",
}


def found():
    return {name: re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)[1] for name, pattern in PLACES.items()}


def entries(version, now):
    """file -> (text before which the new entry goes, the entry)"""
    return {
        f"{COLLECTION}/changelogs/changelog.yaml": (
            "releases:\n",
            (
                f"releases:\n  {version}:\n    changes:\n      release_summary: See CHANGELOG.md of tcpdrop.\n"
                f"    release_date: '{now:%Y-%m-%d}'\n"
            ),
        ),
        "debian/changelog": (
            "",
            f"tcpdrop ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {WHO}  {email.utils.format_datetime(now)}\n\n",
        ),
        "contrib/tcpdrop.spec": ("%changelog\n", f"%changelog\n* {now:%a %b %d %Y} {WHO} - {version}-1\n- See CHANGELOG.md\n\n"),
        "CHANGELOG.md": ("## Unreleased\n", f"## Unreleased\n\n## {version} - {now:%Y-%m-%d}\n"),
    }


def bump(version):
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    for name in ("tcpdrop/__init__.py", f"{COLLECTION}/galaxy.yml", "contrib/tcpdrop.spec"):
        text = (ROOT / name).read_text(encoding="utf-8")
        place = re.search(PLACES[name], text, re.MULTILINE)
        (ROOT / name).write_text(text[: place.start(1)] + version + text[place.end(1) :], encoding="utf-8")
    for name, (before, entry) in entries(version, now).items():
        text = (ROOT / name).read_text(encoding="utf-8")
        (ROOT / name).write_text(text.replace(before, entry, 1), encoding="utf-8")


def main(arguments):
    if len(arguments) > 1 or not all(re.fullmatch(r"\d+\.\d+\.\d+(rc\d+)?", version) for version in arguments):
        sys.exit("usage: tools/version.py [MAJOR.MINOR.PATCH]")
    if arguments:
        bump(arguments[0])
    places = found()
    if len(set(places.values())) > 1:
        sys.exit("the places differ: " + ", ".join(f"{name} {version}" for name, version in places.items()))
    print(*set(places.values()))


if __name__ == "__main__":
    main(sys.argv[1:])
