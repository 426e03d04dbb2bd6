# SPDX-License-Identifier: BSD-2-Clause
"""What this host puts in the way: container, SELinux, hidepid.  Reads /proc and /sys, Linux only.

None is "could not be told" or "there is none"; nothing here raises.
"""

from __future__ import annotations

import os

from .procfs import mounts, text_of

#: a file that only such a container has -> its name
_MARKS = (("/run/.containerenv", "podman"), ("/.dockerenv", "docker"))
#: a word in the first process's cgroup -> the container's name
_CGROUPS = (("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("/lxc", "lxc"))


def container() -> str | None:
    """The kind of container we are in, as far as it shows."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    for path, name in _MARKS:
        if os.path.exists(path):
            return name
    word = text_of("/run/systemd/container").strip()  # systemd's own
    if word:
        return word
    groups = text_of("/proc/1/cgroup")
    return next((name for word, name in _CGROUPS if word in groups), None)


def selinux() -> str | None:
    """'enforcing' or 'permissive'."""
    return {"1": "enforcing", "0": "permissive"}.get(text_of("/sys/fs/selinux/enforce").strip())


def hidepid() -> str | None:
    """How /proc hides others' processes: the mount option's value, None when it does not.  proc(5)."""
    found = None
    for fields in mounts():
        if len(fields) > 3 and fields[1] == "/proc":  # the last one mounted is the one to be seen
            options = (option.partition("=") for option in fields[3].split(","))
            found = next((value for name, _, value in options if name == "hidepid"), None)
    return None if found in ("0", "off") else found
