# SPDX-License-Identifier: BSD-2-Clause
"""The public API as a strict user writes it: type-checked by mypy --strict, never run."""

from __future__ import annotations

import socket

import tcpdrop


def drop_what_a_socket_has(sock: socket.socket) -> None:
    nothing: None = tcpdrop.drop_one(sock.getsockname(), sock.getpeername())  # type: ignore[func-returns-value]
    assert nothing is None


def drop_by_numbers(where: str | int | None) -> str:
    try:
        tcpdrop.drop_one(("10.0.0.1", 80), ("10.0.0.2", 33062), netns=where, include_self=True)
        tcpdrop.drop_one(("fe80::1", 80, 0, 2), ("fe80::2", 33062, 0, 2))
    except tcpdrop.NotFound:
        return "gone"
    except tcpdrop.NotPermitted as error:
        as_permission_error: PermissionError = error
        return str(as_permission_error)
    except tcpdrop.Protected as error:
        refused: tcpdrop.Refused = error
        return refused.hint
    except tcpdrop.Error as error:
        number: int | None = error.errno
        texts: list[str] = [error.what, error.step, error.hint, error.message, error.outcome]
        return f"{number} {texts}"
    except ValueError as error:
        return str(error)
    return "dropped"


def look(connection: tcpdrop.Connection) -> dict[str, object]:
    local: tcpdrop.Endpoint = connection.local
    address: str = local.addr
    port: int = connection.remote.port
    family: str = connection.family
    mapped: bool = connection.mapped
    state: tcpdrop.State = connection.state
    numbers: list[int | None] = [
        *(connection.uid, connection.inode, connection.ifindex, connection.recvq, connection.sendq, connection.zone),
        *(connection.idle_ms, connection.age_ms, connection.rtt_us, connection.retrans, connection.bytes_sent, connection.bytes_received),
    ]
    texts: list[str | None] = [connection.cookie, connection.netns, connection.process, connection.pids_kind, connection.cc]
    pids: tuple[int, ...] | None = connection.pids
    assert state is tcpdrop.State.ESTABLISHED or state == tcpdrop.State["LISTEN"]
    print(address, port, family, mapped, numbers, texts, pids)
    return connection.as_dict()


def may_i() -> bool:
    found: tcpdrop.Capabilities = tcpdrop.check()
    supported: bool | None = found.supported
    permitted: bool | None = found.permitted
    lines: list[str] = found.problems
    print(found.command, found.system, found.backend, found.listing, supported, permitted, lines)
    return found.ok


def column(error: tcpdrop.FilterError) -> int | None:
    return error.column


version: str = tcpdrop.__version__
