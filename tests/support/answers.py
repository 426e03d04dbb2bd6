# SPDX-License-Identifier: BSD-2-Clause
"""A kernel that answers every abort without carrying it out, or that nobody may ask, in the place of the C module's."""

import os
import struct
from types import BuiltinFunctionType

from tcpdrop import _tcpdrop
from tcpdrop.safety import rules
from tcpdrop.system import netns


def answer(monkeypatch, number, *, once=False):
    """Each abort gives this errno, 0 for dropped, and the socket lives; once: the second is the real one's."""
    real = {name: getattr(_tcpdrop, name) for name in ("abort", "abort_rows")}

    def asked():
        if once:
            for name, function in real.items():
                monkeypatch.setattr(_tcpdrop, name, function)

    def abort(*_, **__):
        asked()
        if number:
            error = OSError(number, os.strerror(number))
            error.step = "destroy"
            raise error

    def abort_rows(table, indices, **_):
        asked()
        return struct.pack("=i", number) * (len(indices) // 4)

    monkeypatch.setattr(_tcpdrop, "abort", abort)
    monkeypatch.setattr(_tcpdrop, "abort_rows", abort_rows)


def forbid(monkeypatch):
    """From now on whoever asks the kernel, enters a namespace or reads the host's rules fails the test."""

    def opened(*_, **__):
        raise AssertionError("opened")

    for name, value in list(vars(_tcpdrop).items()):
        if isinstance(value, BuiltinFunctionType) and name != "classic_lines":  # which makes text
            monkeypatch.setattr(_tcpdrop, name, opened)
    for name in ("__enter__", "_open"):
        monkeypatch.setattr(netns.Namespace, name, opened)
    monkeypatch.setattr(rules, "rules", opened)
