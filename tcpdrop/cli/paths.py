# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop paths: where the files for Ansible and Salt, the manual page and the completions were installed."""

from __future__ import annotations

from pathlib import Path

from ..errors import Error
from ..model.addresses import printable, spelled_bytes
from .exit_status import DONE
from .options import Parsed, UsageError
from .streams import SCHEMA, Streams, dumps

ENGINES = ("ansible", "salt")

#: shell -> where its completion lies below share/, pip's place and Debian's; and in a source tree
COMPLETIONS = {
    "bash": ("bash-completion/completions/tcpdrop.bash", "bash-completion/completions/tcpdrop", "completion/tcpdrop.bash"),
    "zsh": ("zsh/site-functions/_tcpdrop", "zsh/vendor-completions/_tcpdrop", "completion/_tcpdrop"),
    "fish": ("fish/vendor_completions.d/tcpdrop.fish", "completion/tcpdrop.fish"),
}
MANUAL = ("man/man8/tcpdrop.8", "man/man8/tcpdrop.8.gz", "tcpdrop.8")


def run(parsed: Parsed, streams: Streams) -> int:
    shell = parsed.text("completion")
    wanted = [name for name in (*ENGINES, "man", "completion") if name in parsed.given]
    if len(wanted) > 1:
        raise UsageError("--ansible, --salt, --man and --completion exclude each other: each is one path")
    if shell is not None and shell not in COMPLETIONS:
        raise UsageError(f"--completion: one of {', '.join(COMPLETIONS)}, not {printable(shell)}")
    found = {name: _place(name, shell or "") for name in wanted or ENGINES}
    if parsed.machine:
        streams.data(dumps({"schema": SCHEMA, "type": "paths", **{name: spelled_bytes(place) for name, place in found.items()}}))
    elif wanted:
        streams.path(found[wanted[0]])
    else:
        streams.data("\n".join(f"{engine:<8} {spelled_bytes(place)}" for engine, place in found.items()))
    return DONE


def _place(name: str, shell: str) -> str:
    if name in ENGINES:
        return str(_home() / name)
    return str(_shared(*(MANUAL if name == "man" else COMPLETIONS[shell])))


def _home() -> Path:
    """In the package; beside it in a source tree (pip install --editable)."""
    package = Path(__file__).resolve().parent.parent
    for place in (package / "integrations", package.parent / "integrations"):
        if place.is_dir():
            return place
    raise Error("the files for Ansible and Salt are not here", hint=f"expected in {package / 'integrations'}; install tcpdrop again")


def _shared(*names: str) -> Path:
    """Below the share/ of the prefix, which is above the package: up to lib/python3.x/site-packages; or in docs/."""
    package = Path(__file__).resolve().parent.parent
    prefixes = package.parents[:4] if len(package.parents) > 4 else list(package.parents)
    for prefix in prefixes:
        for name in names:
            for place in (prefix / "share" / name, prefix / "docs" / name):
                if place.is_file():
                    return place
    raise Error(f"{names[0]} is not here", hint=f"expected in share/ of one of {', '.join(map(str, prefixes))}; install tcpdrop again")
