# SPDX-License-Identifier: BSD-2-Clause
"""By which tunnel a packet may go on that leaves by a device, also below those that this kernel does not make.

That the real one says so of tunnels and bridges is seen in world/test_tunnels.py.
"""

import errno
import subprocess
import sys

import pytest
from support.command import needs

from tcpdrop.errors import Error
from tcpdrop.system import devices
from tcpdrop.system.devices import Device, Devices, add_answers

pytestmark = pytest.mark.only_on("linux", reason="devices of Linux")

UP = 0x10000


def device(name, kind="", *, below=0, master=0, flags=UP, elsewhere=False):
    number = lambda value: value.to_bytes(4, sys.byteorder)  # noqa: E731
    info = devices._attribute(1, kind.encode() + b"\0")
    attributes = {3: name.encode() + b"\0", 5: number(below), 10: number(master)}
    return Device(flags, {**attributes, **({18: info} if kind else {}), **({37: number(0)} if elsewhere else {})})


STACKS = {
    "hardware": ({2: device("eth0")}, set()),
    "itself": ({2: device("tun0", "tun")}, {"tun0"}),
    "itself, held by nobody": ({2: device("tun0", "tun", flags=0)}, {"tun0"}),
    "a VLAN": ({2: device("tap0.7", "vlan", below=3), 3: device("tap0", "tun")}, {"tap0"}),
    "a macvlan on a VLAN": ({2: device("m", "macvlan", below=3), 3: device("v", "vlan", below=4), 4: device("tap0", "tun")}, {"tap0"}),
    "a bond": ({2: device("bond0", "bond"), 3: device("tap0", "tun", master=2), 4: device("eth0", master=2)}, {"tap0"}),
    "two of a team": ({2: device("t", "team"), 3: device("tap0", "tun", master=2), 4: device("tap1", "tun", master=2)}, {"tap0", "tap1"}),
    "of which one has no carrier": ({2: device("b", "bond"), 3: device("tap0", "tun", master=2, flags=0), 4: device("e", master=2)}, set()),
    "in another namespace": ({2: device("m", "macvlan", below=3, elsewhere=True), 3: device("tap0", "tun")}, set()),
    "a VLAN of hardware": ({2: device("eth0.7", "vlan", below=3), 3: device("eth0"), 4: device("tap0", "tun")}, set()),
    "a pair, and a bond behind it": (
        {
            2: device("va", "veth", below=3),
            3: device("vb", "veth", below=2, master=4),
            4: device("b", "bond"),
            5: device("tap0", "tun", master=4),
        },
        {"tap0"},
    ),
    "a pair alone": ({2: device("va", "veth", below=3), 3: device("vb", "veth", below=2)}, set()),
    "what went meanwhile": ({2: device("v", "vlan", below=9)}, set()),
}


@pytest.mark.pure
@pytest.mark.parametrize("stack", STACKS)
def test_what_is_below_is_followed(monkeypatch, stack):
    some, expected = STACKS[stack]
    monkeypatch.setattr(Devices, "_read", lambda self, index=0: {index: some[index]} if index else some)
    assert Devices().tunnels(2, ()) == expected


@pytest.mark.pure
def test_a_device_that_is_gone_raises(monkeypatch):
    """No tunnel, for certain, is only what was looked at."""

    def gone(*args, **options):
        raise Error("devices: gone", errno=errno.ENODEV)

    monkeypatch.setattr(devices, "_ask", gone)
    with pytest.raises(Error):
        Devices().tunnels(2, ())


@pytest.mark.privileged
def test_the_kernel_is_asked_and_what_it_refuses_is_told():
    code = """
from tcpdrop.errors import Error
from tcpdrop.system import kernel
from tcpdrop.system.devices import Devices
print({one.name: (one.kind, one.alive) for one in Devices()._read().values()})
print(Devices()._read(kernel.interfaces(None)[b"br0"]).popitem()[1].kind)
try:
    Devices()._read(4711)
except Error as error:
    print(error.errno)
"""
    done = subprocess.run(
        [*needs("unshare", "--net"), "sh", "-c", 'ip link add br0 type bridge && exec "$@"', "sh", sys.executable, "-c", code],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    if "Unknown device type" in done.stderr:
        pytest.skip("no bridges here")
    assert done.stdout == f"{{'lo': ('', False), 'br0': ('bridge', False)}}\nbridge\n{errno.ENODEV}\n", done


@pytest.mark.pure
@pytest.mark.parametrize(
    ("data", "number"),
    {
        "cut": (b"\x10\0\0\0", errno.EBADMSG),
        "longer than it is": (devices._HEADER.pack(99, 16, 0, 1, 0), errno.EBADMSG),
        "without an end": (devices._HEADER.pack(0, 16, 0, 1, 0), errno.EBADMSG),
        "of another kind": (devices._HEADER.pack(16, 99, 0, 1, 0), errno.EBADMSG),
        "a refusal": (devices._HEADER.pack(20, 2, 0, 1, 0) + (-errno.EPERM).to_bytes(4, sys.byteorder, signed=True), errno.EPERM),
        "an error that no kernel has": (devices._HEADER.pack(20, 2, 0, 1, 0) + b"\0\0\0\x80", errno.EBADMSG),
        "an error that is none": (devices._HEADER.pack(20, 2, 0, 1, 0) + bytes(4), errno.EBADMSG),
    }.values(),
)
def test_what_is_no_answer_raises(data, number):
    with pytest.raises(OSError) as caught:
        add_answers(data, [])
    assert caught.value.errno == number


@pytest.mark.pure
def test_a_list_during_which_devices_came_is_none():
    assert add_answers(devices._HEADER.pack(48, 16, 2 | 0x10, 1, 0) + bytes(32), []) == (True, None)
