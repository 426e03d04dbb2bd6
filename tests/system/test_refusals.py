# SPDX-License-Identifier: BSD-2-Clause
"""What a kernel refuses: the call, its errno and the likeliest cause, in every form; behind real seccomp filters."""

import errno
import json
import sys
from pathlib import Path

import pytest
from support.command import NO_CAPABILITIES, line, needs, tcpdrop, words

import tcpdrop as package
from tcpdrop import _tcpdrop
from tcpdrop.system import kernel, refusals

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="its calls")]

FILTER = Path(__file__).parents[1] / "support" / "seccomp_main.py"
#: the likeliest cause of what socket() says
LIKELIEST = {
    errno.EPROTONOSUPPORT: "likeliest gVisor, WSL 1 or qemu's user mode",
    errno.EAFNOSUPPORT: "likeliest RestrictAddressFamilies= of a systemd unit",
    errno.EPERM: "likeliest a seccomp filter",
    errno.ENOSYS: "likeliest a seccomp filter",
    errno.EACCES: "likeliest SELinux or AppArmor",
}
FORMS = ("classic", "drop", "dry run", "list", "for")


def filtered(what):
    return needs(sys.executable, "-I", FILTER, str(what))


def typed(form, pair):
    return {
        "classic": words(pair),
        "drop": ["drop", "--yes", f"lport {pair.lport}"],
        "dry run": ["drop", "-n", f"lport {pair.lport}"],
        "list": ["list", f"lport {pair.lport}"],
        "for": ["drop", "--for=9s", "--yes", f"lport {pair.lport}"],
    }[form]


@pytest.mark.parametrize("number", LIKELIEST)
@pytest.mark.parametrize("form", FORMS)
def test_no_socket_to_ask_through(holder, form, number):
    """One line with the call, the errno and the cause; status 3."""
    pair = holder.pair()
    done = tcpdrop(*typed(form, pair), wrapper=filtered(number))
    assert (done.status, done.out, done.err.count("\n")) == (3, "", 1), done
    assert f"(socket: {errno.errorcode[number]}; {LIKELIEST[number]}" in done.err
    assert pair.alive()


@pytest.mark.parametrize("number", LIKELIEST)
def test_those_who_look_alike_are_said_to(holder, number):
    """A unit and a container filter by seccomp, and gVisor answers as they do: what /proc shows is beside it."""
    alike = "seccomp, a unit and gVisor look alike from here, and this process has a seccomp filter"
    err = tcpdrop("list", wrapper=filtered(number)).err
    assert (alike in err) == (number != errno.EACCES)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ESOCKTNOSUPPORT, errno.EOPNOTSUPP, errno.ENODEV])
def test_any_other_errno_is_a_filter_s_too(holder, number):
    """SystemCallErrorNumber= and a profile's errnoRet are free to choose."""
    err = tcpdrop("list", wrapper=filtered(number)).err
    assert err.startswith("tcpdrop: ") and "socket: " in err
    assert "likeliest a seccomp filter: a container's profile" in err
    assert err.endswith("and this process has a seccomp filter)\n")


def test_only_what_is_asked_through_sock_diag(holder):
    """gVisor has a netlink, and no sock_diag in it."""
    pair = holder.pair()
    for form in FORMS:
        done = tcpdrop(*typed(form, pair), wrapper=filtered(f"{errno.EPROTONOSUPPORT}:4"))
        assert (done.status, done.out) == (3, "")
        assert "(socket: EPROTONOSUPPORT; likeliest gVisor" in done.err
    assert pair.alive()


@pytest.mark.parametrize("number", LIKELIEST)
def test_check_says_what_would_help(number):
    """Never a module, where the first call is refused."""
    done = tcpdrop("check", wrapper=filtered(number))
    assert (done.status, done.err) == (3, "")
    assert "modprobe" not in done.out
    refused = [one for one in done.out.splitlines() if one.startswith("kernel refuses ")]
    everything = "list, look up, drop, right to drop, interfaces, routes, enter a namespace"
    assert refused[0].split(None, 2)[2].startswith(f"{everything}: socket: {errno.errorcode[number]}, {LIKELIEST[number]}")
    assert len(refused) == 1
    assert "\nkernel allows    borrow a descriptor\n" in done.out
    assert "\nwhat would help  " in done.out


def test_the_table_of_check_as_json():
    found = json.loads(tcpdrop("check", "--json", wrapper=filtered(errno.EAFNOSUPPORT)).out)
    asked = {one["for"]: one for one in found["asked"]}
    assert asked["list"]["works"] is False
    assert (asked["list"]["step"], asked["list"]["errno"]) == ("socket", "EAFNOSUPPORT")
    assert asked["list"]["cause"].startswith("likeliest RestrictAddressFamilies= of a systemd unit")
    assert asked["borrow a descriptor"] == {"for": "borrow a descriptor", "works": True, "step": None, "errno": None, "cause": None}
    assert "RestrictAddressFamilies=AF_NETLINK" in found["fix"]
    assert all(one["works"] for one in json.loads(tcpdrop("check", "--json").out)["asked"])


@pytest.mark.parametrize(("number", "module"), [(errno.ENOENT, "tcp_diag"), (errno.EOPNOTSUPP, "inet_diag")])
def test_the_module_is_not_there(holder, no_destroy, number, module):
    """A kernel without it answers a look-up of what is there as if it were not: that is no evidence that it is gone."""
    pair = holder.pair()
    env = {**no_destroy, "NO_DIAG": str(number)}
    for form in FORMS:
        done = tcpdrop(*typed(form, pair), env=env)
        assert (done.status, done.out) == (3, ""), (form, done)
        assert refusals.name_of(number) in done.err
        assert "not found" not in done.err
    assert f"(dump: {refusals.name_of(number)}; the kernel's module {module} is not there)" in tcpdrop("list", env=env).err
    assert "\nwhat would help  INET" in tcpdrop("check", env=env).out
    assert pair.alive()


def test_saved_lines_where_the_module_is_not_there(holder, no_destroy):
    pair = holder.pair()
    done = tcpdrop("drop", "--from", "-", env={**no_destroy, "NO_DIAG": "2"}, stdin=None, input=f"{line(pair)}\n".encode())
    assert (done.status, done.out) == (3, "")
    assert "the kernel's module tcp_diag is not there" in done.err


def test_python_raises_the_reason(run, no_destroy):
    """No NotFound of what nobody could have found."""
    code = """
import tcpdrop
for ask in (lambda: tcpdrop.drop_one(("127.0.0.1", 1), ("127.0.0.1", 2)), lambda: list(tcpdrop.connections("lport 1"))):
    try:
        ask()
    except tcpdrop.Error as e:
        print(type(e).__name__, e.step, e.errno, "tcp_diag" in e.hint)
"""
    assert run(code, env={**no_destroy, "NO_DIAG": "2"}) == "NotSupported dump 2 True\n" * 2


def test_no_right_and_no_support(holder, no_destroy):
    """The step and the errno, in both forms, before the cause."""
    pair = holder.pair()
    for form in ("classic", "drop"):
        err = tcpdrop(*typed(form, pair), wrapper=needs(*NO_CAPABILITIES)).err
        assert "not permitted (destroy: EPERM; needs CAP_NET_ADMIN in the user namespace that owns network namespace " in err
        err = tcpdrop(*typed(form, pair), "--method=destroy", env=no_destroy).err
        assert "not supported (destroy: EOPNOTSUPP; this kernel is built without CONFIG_INET_DIAG_DESTROY)" in err
    assert pair.alive()


def test_another_namespace_may_not_be_entered(other_namespace):
    holder, _ = other_namespace
    done = tcpdrop(
        "list", "--netns", f"/proc/{holder.pid}/ns/net", wrapper=needs("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all")
    )
    assert done.status == 3
    assert "cannot enter the network namespace: not permitted (setns: EPERM; needs CAP_SYS_ADMIN" in done.err


def test_an_errno_without_a_known_cause_has_its_call(monkeypatch):
    def no(*args, **kwargs):
        error = OSError(errno.EDOM, "Numerical argument out of domain")
        error.step = "dump"
        raise error

    monkeypatch.setattr(_tcpdrop, "list_connections", no)
    with pytest.raises(package.Error, match=r"^dump: Numerical argument out of domain$"):
        kernel.list_connections(0)
    found = package.check()
    assert found.problems[0].startswith("connections cannot be listed: dump: Numerical argument out of domain, EDOM; ss -t asks the same")
    assert found.fix.startswith("to be found out: strace ")


def test_what_shows_of_this_process_is_beside_it(monkeypatch):
    files = {"/proc/self/status": ["Name:\tx", "Seccomp:\t0"], "/proc/self/cgroup": ["0::/system.slice/drop.service/x"]}
    monkeypatch.setattr(refusals, "_lines", lambda path: files.get(path, []))
    assert refusals.cause("socket", errno.EPERM).endswith("this process has no seccomp filter and runs in drop.service")
    files.clear()
    assert refusals.cause("socket", errno.EPERM).endswith("this process may have a seccomp filter")
    assert refusals.filtered() is None
