# SPDX-License-Identifier: BSD-2-Clause
"""A private mount namespace whose /etc and /dev/log are ours: the host's files are never touched."""

import os
import shutil
import socket
from pathlib import Path

from support.command import needs, run

#: what name look-ups and the dynamic linker read
WANTED = ("passwd", "group", "nsswitch.conf", "hosts", "ld.so.cache", "localtime")
SCRIPT = 'mount --make-rprivate / && mount --bind "$1" /etc && shift && exec "$@"'


def etc(tmp_path, text=None, *, mode=0o644, owner=None, drop_ins=None):
    """A wrapper for a command that finds this text in /etc/tcpdrop.conf (None: no such file).

    drop_ins: name -> text of what lies in /etc/tcpdrop.conf.d, None for no such directory.
    """
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
    if drop_ins is not None:
        below = place / "tcpdrop.conf.d"
        below.mkdir(mode=0o755)
        below.chmod(0o755)
        for name, content in drop_ins.items():
            (below / name).write_text(content, encoding="utf-8")
            (below / name).chmod(0o644)
    return ("unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(place))


def python(wrapper, code, *args):
    """Run Python code behind the wrapper; its Done."""
    import sys

    return run(*wrapper, sys.executable, "-c", code, *args)


class Log:
    """A /dev/log of ours, seen alone by what runs behind the wrapper, which finds these other devices there."""

    def __init__(self, place, devices=("null", "full", "urandom"), kind=socket.SOCK_DGRAM):
        self.lines = []
        dev = place / "dev"
        dev.mkdir()
        for name in devices:
            (dev / name).mkdir() if Path("/dev", name).is_dir() else (dev / name).touch()
        self.socket = socket.socket(socket.AF_UNIX, kind)
        self.socket.bind(str(dev / "log"))
        if kind == socket.SOCK_STREAM:
            self.socket.listen(1)
        self.socket.settimeout(0.2)
        script = 'mount --make-rprivate / && for d in %s; do mount --bind /dev/$d "$1/$d"; done && mount --bind "$1" /dev'
        script %= " ".join(devices)
        needs("unshare", "--mount")
        self.wrapper = ("unshare", "--mount", "sh", "-c", script + ' && shift && exec "$@"', "sh", str(dev))

    def read(self):
        """What has come by now."""
        while True:
            try:
                self.lines.append(self.socket.recv(65536).decode().rstrip("\0"))
            except (socket.timeout, BlockingIOError):
                return [text.partition("]: ")[2] for text in self.lines]
