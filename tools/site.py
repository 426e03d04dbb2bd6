# SPDX-License-Identifier: BSD-2-Clause
"""tools/site.py: the documentation as a site, in build/site, and every link in it followed.

mkdocs reads one directory, so the pages are copied there as they lie in the tree:
what links to a file of the tree finds it.  The manual page comes from mandoc.
"""

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
PAGES, SITE = ROOT / "build" / "pages", ROOT / "build" / "site"
#: beside the pages themselves: what they show or link to
SHOWN = ("docs/**/*", "contrib/**/*", "LICENSE", ".github/ISSUE_TEMPLATE/*")


def lay_out():
    shutil.rmtree(PAGES, ignore_errors=True)
    for path in {path for pattern in ("*.md", *SHOWN) for path in ROOT.glob(pattern) if path.is_file()}:
        copy = PAGES / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    manual = subprocess.run(
        ["mandoc", "-T", "html", "-O", "fragment,toc", ROOT / "docs" / "tcpdrop.8"], check=True, capture_output=True, encoding="utf-8"
    ).stdout
    # A blank line would end the HTML, as Markdown has it; a comment shows as one.
    text = "\n".join(line if line.strip() else "<!-- -->" for line in manual.splitlines())
    (PAGES / "docs" / "manual.md").write_text(f"# tcpdrop(8)\n\n<div>\n{text}\n</div>\n", encoding="utf-8")


class Page(HTMLParser):
    """What a page links to, and which places in it can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.places = [], {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def broken():
    """Each link that leads nowhere; those to other hosts are not followed."""
    pages = {path: Page(path) for path in SITE.rglob("*.html") if path.name != "404.html"}
    found = []
    for path, page in pages.items():
        for link in page.links:
            scheme, host, where, _, place = urlsplit(link)
            target = (path.parent / unquote(where)).resolve() if where else path
            if scheme or host:
                continue
            if not target.exists() or (target in pages and unquote(place) not in pages[target].places):
                found.append(f"{path.relative_to(SITE)}: {link}")
    assert len(pages) > 10, pages
    return sorted(found)


def main():
    lay_out()
    built = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--clean"], cwd=ROOT, check=False)
    if built.returncode:
        return built.returncode
    links = broken()
    print("\n".join(f"broken: {link}" for link in links) or f"{SITE.relative_to(ROOT)}: no broken link")
    return bool(links)


if __name__ == "__main__":
    sys.exit(main())
