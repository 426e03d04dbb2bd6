# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop check on hosts that this one is not: each finding by itself, and the line that would help."""

import errno
import os

import pytest

import tcpdrop
from tcpdrop import _tcpdrop, capabilities
from tcpdrop.system import environment, procfs, ptrace

pytestmark = pytest.mark.only_on("linux", reason="what is in the way there")


@pytest.fixture
def found():
    """A host where nothing works for an ordinary user."""
    one = capabilities.Capabilities("Linux 6.1", "linux")
    one.listing = one.supported = True
    one.permitted = False
    one.descriptors = {"own": True, "user": False, "others": False}
    return one


def test_selinux_denies(monkeypatch):
    def denied(*args, **kwargs):
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(_tcpdrop, "list_connections", denied)
    monkeypatch.setattr(environment, "selinux", lambda: "enforcing")
    one = tcpdrop.check()
    assert (one.ok, one.listing, one.selinux) == (False, False, "enforcing")
    assert one.problems[0].startswith("connections cannot be listed: ")
    assert one.fix.startswith("SELinux: allow netlink_tcpdiag_socket to this domain")
    assert one.fails == ["everything: what cannot be listed cannot be dropped"]


@pytest.mark.parametrize(
    ("root", "supported", "container", "fix"),
    [
        (False, True, None, "sudo "),
        (True, True, "docker", "CAP_NET_ADMIN: start the container with --cap-add NET_ADMIN"),
        (True, True, "kubernetes", "NET_ADMIN in the container's securityContext.capabilities.add"),
        (True, False, None, "CAP_SYS_PTRACE (in a container --cap-add SYS_PTRACE), or CONFIG_INET_DIAG_DESTROY=y in the kernel"),
        (False, False, None, "sudo "),
    ],
)
def test_the_one_line_that_would_help(found, monkeypatch, root, supported, container, fix):
    found.supported, found.container = supported, container
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    assert capabilities._fix(found).startswith(fix)


def test_nothing_has_to_be_mended(found):
    found.permitted = True
    assert capabilities._fix(found) == ""
    found.supported, found.permitted, found.descriptors["others"] = False, None, True
    assert capabilities._fix(found).startswith("CONFIG_INET_DIAG_DESTROY=y in the kernel, for connections that no process holds")


@pytest.mark.parametrize("scope", [1, 2, 3])
def test_yama(found, monkeypatch, scope):
    found.yama = scope
    capabilities._say_descriptors(found)
    (problem,) = found.problems
    assert problem.startswith(f"kernel.yama.ptrace_scope={scope} keeps your processes' descriptors from each other: ")
    monkeypatch.setattr(ptrace, "yama", lambda: scope)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert f"kernel.yama.ptrace_scope={3 if scope == 3 else 0}" in ptrace.hint()
    assert not (scope == 3 and ptrace.may_borrow_all())


def test_containers(monkeypatch, tmp_path):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    mark = tmp_path / "mark"
    monkeypatch.setattr(environment, "_MARKS", ((str(mark), "podman"),))
    monkeypatch.setattr(environment, "text_of", lambda path: "0::/kubepods/burstable/pod1\n" if path == "/proc/1/cgroup" else "")
    assert environment.container() == "kubernetes"
    mark.touch()
    assert environment.container() == "podman"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    assert environment.container() == "kubernetes"


def test_hidepid_is_that_of_the_last_mount(monkeypatch):
    mounts = b"proc /proc proc rw,hidepid=invisible 0 0\n"
    for more, expected in ((b"", "invisible"), (b"proc /proc proc rw,relatime 0 0\n", None), (b"proc /proc proc rw,hidepid=2 0 0\n", "2")):
        monkeypatch.setattr(procfs, "read", lambda path, raw=mounts + more: raw)
        assert environment.hidepid() == expected


def test_a_probe_borrows_nothing(holder):
    """May it be borrowed?  Asked with a number that nobody has open."""
    before = set(os.listdir("/proc/self/fd"))
    assert ptrace.may_borrow(holder.pid) is True
    assert ptrace.may_borrow(1 << 22) is None
    assert set(os.listdir("/proc/self/fd")) == before
