# SPDX-License-Identifier: BSD-2-Clause
"""A host on which an ordinary user may become root by sudo: /etc and /run are private, and the real ones stay as they are."""

import os
import shutil

from support.command import needs, run

NAME, UID = "carrie", 4711
SCRIPT = (
    """
mount --make-rprivate / && mount --bind "$1" /etc && mount -t tmpfs -o mode=755 none /run && mkdir -m 755 /run/sshd &&
install -d -o %d -m 755 /run/home && shift && exec "$@"
"""
    % UID
)
ADDED = {
    "passwd": f"{NAME}:x:{UID}:{UID}::/run/home:/bin/sh\n",
    "group": f"{NAME}:x:{UID}:\n",
    "shadow": f"{NAME}:*:19000:0:99999:7:::\n",
    "sudoers": f"{NAME} ALL=(ALL) NOPASSWD: ALL\n",
}


class Sudoer:
    """`wrapper` is for what shall see that host."""

    name = NAME

    def __init__(self, place):
        self.etc = place / "etc"
        shutil.copytree("/etc", self.etc, symlinks=True, ignore=shutil.ignore_patterns("alternatives", "ca-certificates", "ssl"))
        for name, line in ADDED.items():
            with open(self.etc / name, "a", encoding="utf-8") as file:
                file.write(line)
        self.wrapper = ("unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(self.etc))
        needs("sudo", "-n")
        needs(*self.wrapper)
        user = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
        needs(*self.wrapper, *user, "sudo", "-n")
        assert run(*self.wrapper, *user, "sudo", "-n", "printenv", "SUDO_USER").out == f"{NAME}\n"

    def may_log_in_with(self, key):
        """The public key, where that user's sshd may read it."""
        shutil.copy(key, self.etc / "authorized_key")
        os.chmod(self.etc / "authorized_key", 0o644)
        return "/etc/authorized_key"
