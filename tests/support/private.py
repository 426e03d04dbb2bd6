# SPDX-License-Identifier: BSD-2-Clause
"""A private mount namespace whose /etc and /dev/log are ours: the host's files are never touched."""

import os
import shutil
from pathlib import Path

from support.command import needs, run

#: what name look-ups and the dynamic linker read
WANTED = ("passwd", "group", "nsswitch.conf", "hosts", "ld.so.cache", "localtime")
SCRIPT = 'mount --make-rprivate / && mount --bind "$1" /etc && shift && exec "$@"'


def etc(tmp_path, text=None, *, mode=0o644, owner=None):
    """A wrapper for a command that finds this text in /etc/tcpdrop.conf (None: no such file)."""
    needs("unshare", "--mount")
    place = Path(tmp_path, "etc")
    if not place.exists():
        place.mkdir()
        for name in WANTED:
            if os.path.exists(f"/etc/{name}"):
                shutil.copy(f"/etc/{name}", place / name)
    file = place / "tcpdrop.conf"
    if file.is_symlink() or file.exists():
        file.unlink()
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        if owner is not None:
            os.chown(file, owner, owner)
        file.chmod(mode)
    return ("unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(place))


def python(wrapper, code, *args):
    """Run Python code behind the wrapper; its Done."""
    import sys

    return run(*wrapper, sys.executable, "-c", code, *args)
