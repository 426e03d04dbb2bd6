# SPDX-License-Identifier: BSD-2-Clause
"""A kernel that answers every abort without carrying it out, put in the place of the C module's."""

import os
import struct

from tcpdrop import _tcpdrop


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
