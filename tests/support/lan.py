# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts and a wire between them: two network namespaces, joined by a veth pair.

What one sends the other is seen by a packet socket at the other's end of the
wire, whatever the sender says of it.
"""

import contextlib
import errno
import select
import shutil
import socket
import struct
import subprocess
import threading
import time

from support import netns
from support.holder import Holder
from support.sockets import SO_BINDTODEVICE
from support.wait import until

#: near's addresses and far's, and those of nobody that far would answer through near
NEAR, FAR, FOREIGN = "192.0.2.1", "192.0.2.2", "198.51.100.7"
NEAR6, FAR6 = "2001:db8::1", "2001:db8::2"
ADDRESSES = {"inet": (NEAR, FAR), "inet6": (NEAR6, FAR6), "mapped": (f"::ffff:{NEAR}", f"::ffff:{FAR}")}
RST, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 4, 3, 0x0800, 0x86DD
#: long enough for what was sent to be seen
SOON = 0.2


def run_in(holder, *command):
    """A command in the holder's network namespace; it must succeed."""
    done = subprocess.run(["nsenter", "-t", str(holder.pid), "-n", *command], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise OSError(0, f"{' '.join(command)}: {done.stderr.strip()}")
    _until_heard(holder, command)
    return done.stdout


def _until_heard(holder, command):
    """An IPv6 address that ip(8) has added gets its local route a moment later, by a worker of the kernel's."""
    words = list(command)
    if "addr" in words[:3] and "add" in words and ":" in (added := words[words.index("add") + 1]):
        entry = f"local {added.partition('/')[0]} "
        until(lambda: entry in run_in(holder, "ip", "-6", "route", "show", "table", "all", "type", "local"), entry)


class Witness:
    """The resets that come out of a device, seen by a packet socket in the namespace where that is."""

    def __init__(self, holder, device):
        thread = threading.Thread(target=self._open, args=(holder, device))
        thread.start()
        thread.join()

    def _open(self, holder, device):
        with open(f"/proc/{holder.pid}/ns/net") as there:
            netns._libc_call("setns", there.fileno(), netns.CLONE_NEWNET)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._socket.bind((device, ETH_P_ALL))

    def close(self):
        self._socket.close()

    def resets(self):
        """The resets that come now, each as its sender's (local port, remote port)."""
        seen = set()
        deadline = time.monotonic() + SOON
        while select.select([self._socket], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                packet, (_, protocol, kind, *_) = self._socket.recvfrom(65536)
            except OSError as e:  # said once, when the device goes down
                assert e.errno == errno.ENETDOWN, e
                continue
            at, next_header = {ETH_P_IP: ((packet[0] & 15) * 4, 9), ETH_P_IPV6: (40, 6)}.get(protocol, (0, 0))
            if at and kind != socket.PACKET_OUTGOING and packet[next_header] == socket.IPPROTO_TCP:
                sport, dport, _, _, _, flags = struct.unpack_from("!HHIIBB", packet, at)
                if flags & RST:
                    seen.add((sport, dport))
        return seen


class Lan:
    """near, whose connections are dropped, and far, who sees what comes of it."""

    def __init__(self):
        self.near, self.far = Holder(netns=True), Holder(netns=True)
        self.witness = None
        self._resources = contextlib.ExitStack()
        self._resources.callback(self.near.stop)
        self._resources.callback(self.far.stop)
        try:
            self.on_near(f"ip link add va type veth peer name vb netns {self.far.pid}")
            for host, device, four, six in ((self.near, "va", NEAR, NEAR6), (self.far, "vb", FAR, FAR6)):
                # No one else has these addresses: looking for that would take a second.
                run_in(host, "sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/{device}/accept_dad")
                for command in (
                    "link set lo up",
                    f"link set {device} up",
                    f"addr add {four}/24 dev {device}",
                    f"addr add {six}/64 dev {device}",
                ):
                    run_in(host, "ip", *command.split())
            self.witness = Witness(self.far, "vb")
            self._resources.callback(self.witness.close)
        except OSError:
            self.close()
            raise

    def close(self):
        self._resources.close()

    def on_near(self, *commands):
        for command in commands:
            run_in(self.near, *command.split())

    def connect(self, family="inet", *, device=None, options=(), source=None, port=0):
        """A connection from near to far: (near's socket, far's, (laddr, lport, raddr, rport) as near has it)."""
        near, far = ADDRESSES[family]
        listener = self.far.listener(family, addr=far)
        ours = self.near.socket(family)
        if device:
            ours.call("setsockopt", socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode())
        for option in options:
            ours.call("setsockopt", *option)
        ours.call("bind", (source or near, port))
        ours.call("connect", listener.name())
        theirs = listener.accept()
        listener.close()
        return ours, theirs, ours.tuple_to(theirs)


def why_not():
    """Why there cannot be one here, or None."""
    if not (shutil.which("ip") and shutil.which("nsenter")):
        return "no ip(8) or nsenter(1)"
    try:
        Lan().close()
    except OSError as e:
        return f"no two hosts on a wire: {e}"
    return None
