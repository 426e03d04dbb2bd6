# SPDX-License-Identifier: BSD-2-Clause
"""docs/troubleshooting.md has every message: whatever in the package's source reads like one."""

import ast
import re
from pathlib import Path

import pytest
from support.command import tcpdrop

pytestmark = pytest.mark.pure

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tcpdrop"
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

#: what they say is no message about something that happened: help, the language, a demonstration, the screen's own words
OTHERS = {
    "cli/help.py",
    "cli/demo.py",
    "cli/check.py",
    "cli/choosing.py",
    "cli/top/screen.py",
    "filters/vocabulary.py",
    "filters/explanation.py",
}
#: exceptions made for who reads them: also in the files above, and of two words
RAISES = {
    "Error",
    "NotFound",
    "NotPermitted",
    "NotSupported",
    "Refused",
    "Protected",
    "TooMany",
    "StillPresent",
    "FilterError",
    "UsageError",
}
#: words that are parts of a line which is described, or of what is shown when asked
PARTS = {
    "cli/messages.py": {"would be dropped"},
    "cli/prompt.py": {"l lists them, i asks one by one"},
    "cli/top/app.py": {
        "what became of each",
        "nothing was dropped yet",
        "the keys of tcpdrop top",
        "Enter: keep   Escape: as it was   ^U: empty",
    },
    "system/procfs.py": {  # caught, and unknown
        "a user without a number in this user namespace",
        "another program since",
        "a file of /proc is not as proc(5) has it",
    },
    "system/trials.py": {"right to drop"},
}


def template(node):
    """The text of an expression, with … for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return template(node.left) + template(node.right)
    return "…"


def is_text(node):
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (is_text(node.left) or is_text(node.right))
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def texts(node, skipped=()):
    """Each text below, as a whole, and those within what it is filled with."""
    for child in ast.iter_child_nodes(node):
        if child in skipped:
            continue
        if is_text(child):
            yield child, template(child)
            yield from texts(child)
        else:
            yield from texts(child, skipped)


def prose(text, words):
    return len(re.findall(r"[A-Za-z]{2,}", text)) >= words and re.search(r"[a-z]{2,} ", text) and not text.startswith("/")


def messages(others=OTHERS):
    """(file, message) of all, but for what the files of `others` show."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documentation = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
        raised = {
            part
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISES
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]
            for part, _ in texts(ast.List([argument]))
        }
        for node, text in texts(tree, documentation):
            if text.startswith(("import sys;", "); from ")):  # a program
                continue
            if (node in raised and prose(text, 2)) or (prose(text, 3) and name not in others):
                found.add((name, text))
    return sorted((name, text) for name, text in found if text not in PARTS.get(name, ()))


def plain(text):
    return re.sub(r"\s+", " ", text).replace("tcpdrop: ", "").strip("… :;")


SPANS = [plain(text) for _, text in re.findall(r"(`+)(.+?)\1", PAGE, re.S)]


def test_every_message_is_on_the_page():
    page = "\n".join(SPANS)
    missing = [f"{name}: {text}" for name, text in messages() if plain(text) not in page]
    what = (
        "docs/troubleshooting.md: add these by their words, … for what is filled in, and what to do (or to PARTS, if nobody sees them):\n"
    )
    assert not missing, what + "\n".join(missing)


def test_the_page_has_no_message_of_the_past():
    known = [text for text in {plain(text) for _, text in messages(others=())} if prose(text, 2)]
    entries = re.findall(r"^- (.+?)(?=^- |^\S|\Z)", PAGE, re.M | re.S)
    gone = [
        span
        for entry in entries
        for span in spans_in_front(entry)
        if prose(span, 3) and not any(text in span or span in text for text in known)
    ]
    assert len(entries) > 50 and not gone, "docs/troubleshooting.md: the program does not say these any more:\n" + "\n".join(gone)


def spans_in_front(entry):
    """The messages of an entry: its code spans up to the colon."""
    while match := re.match(r"(`+)(.+?)\1(,\s+|:\s)", entry, re.S):
        yield plain(match[2])
        entry = entry[match.end() :] if match[3].startswith(",") else ""


def test_each_part_that_is_left_out_is_there():
    for name, parts in PARTS.items():
        source = (PACKAGE / name).read_text(encoding="utf-8")
        assert all(part in source for part in parts), name


def test_a_message_is_found_by_its_words():
    """As a reader would look: a line of the program's, and the page."""
    for args in (["drop"], ["drop", "lport", "70000"], ["drop", "zork"], ["--frobnicate"], ["drop", "lport 1 or lport 2 and lport 3"]):
        done = tcpdrop(*args)
        assert done.status == 2
        first = done.err.splitlines()[0].partition(": ")[2]
        assert any(matches(span, first) for span in SPANS), first


def matches(span, line):
    pattern = ".*".join(map(re.escape, span.split("…")))
    return prose(span, 3) and re.search(pattern, line) is not None
