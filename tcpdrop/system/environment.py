# SPDX-License-Identifier: BSD-2-Clause
"""What this host puts in the way: container, SELinux, seccomp, hidepid.  Reads /proc and /sys, Linux only.

None is "could not be told" or "there is none"; nothing here raises.
"""

from __future__ import annotations

import os

#: a file that only such a container has -> its name
_MARKS = (("/run/.containerenv", "podman"), ("/.dockerenv", "docker"))
#: a word in the first process's cgroup -> the container's name
_CGROUPS = (("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("/lxc", "lxc"))


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def container() -> str | None:
    """The kind of container we are in, as far as it shows."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    for path, name in _MARKS:
        if os.path.exists(path):
            return name
    told = _text("/run/systemd/container").strip()  # systemd's own word for it
    if told:
        return told
    groups = _text("/proc/1/cgroup")
    return next((name for word, name in _CGROUPS if word in groups), None)


def selinux() -> str | None:
    """'enforcing' or 'permissive'."""
    return {"1": "enforcing", "0": "permissive"}.get(_text("/sys/fs/selinux/enforce").strip())


def seccomp() -> bool:
    """Is a filter on our system calls?  seccomp(2), proc(5)."""
    return any(line.split() == ["Seccomp:", "2"] for line in _text("/proc/self/status").splitlines())


def hidepid() -> str | None:
    """How /proc hides others' processes: the mount option's value, None when it does not.  proc(5)."""
    found = None
    for line in _text("/proc/self/mounts").splitlines():
        words = line.split()
        if len(words) > 3 and words[1] == "/proc":  # the last one mounted is the one to be seen
            options = (option.partition("=") for option in words[3].split(","))
            found = next((value for name, _, value in options if name == "hidepid"), None)
    return None if found in ("0", "off") else found


def in_first_user_namespace() -> bool:
    """Does a capability of ours count everywhere?  user_namespaces(7)."""
    return _text("/proc/self/uid_map").split() == ["0", "0", "4294967295"]
