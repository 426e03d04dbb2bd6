# SPDX-License-Identifier: BSD-2-Clause
"""Files that options name, standard input being "-": text that is read as a whole, and so is bounded."""

from __future__ import annotations

import sys

from ..errors import FilterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

#: how UTF-16 begins, as PowerShell and Notepad write it
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def text_of(path: str, name: str, largest: int) -> str:
    """Its text, what is no UTF-8 in it as surrogates.  Raises FilterError, which calls it by this name.

    largest: bytes; of a stream that has no end no more is read.
    """
    try:
        if path != "-":
            with open(path, "rb") as file:
                raw = _read(file, largest)
        elif sys.stdin is None:
            raise FilterError(f"{name}: standard input is closed")
        else:
            raw = _read(sys.stdin.buffer, largest)
    except OSError as error:
        raise FilterError(f"{name}: {error.strerror}") from None
    if len(raw) > largest:
        raise FilterError(f"{name}: it has more than {largest >> 20} MiB")
    if raw.startswith(_UTF_16):
        return raw.decode("utf-16", "replace")
    return raw.decode("utf-8", "surrogateescape").lstrip("\ufeff")


def _read(file: BinaryIO, largest: int) -> bytes:
    return file.read(largest + 1)
