# SPDX-License-Identifier: BSD-2-Clause
"""The process that holds the victims: sockets driven by JSON lines, one reply a request.

Run by support/holder.py.  Bytes travel as {"b": hex}, sockets as {"s": number},
jobs (calls that may block, each in a thread) as {"j": number}.
"""

import contextlib
import json
import os
import resource
import select
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support import netns
from support.sockets import RDHUP, SO_BINDTODEVICE

THINGS = {}
JOBS = {}
ADDRESS = {"inet": "127.0.0.1", "inet6": "::1", "mapped": "::ffff:127.0.0.1", "mptcp": "127.0.0.1", "mptcp6": "::1"}
MPTCP = 262


def keep(thing):
    number = len(THINGS) + 1
    THINGS[number] = thing
    return number


def encode(value):
    if isinstance(value, bytes):
        return {"b": value.hex()}
    if isinstance(value, socket.socket):
        return {"s": keep(value)}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def decode(value):
    if isinstance(value, dict):
        return bytes.fromhex(value["b"])
    return tuple(decode(item) for item in value) if isinstance(value, list) else value


def answer(function, *args):
    """What the call gave, or the errno it failed with."""
    try:
        return {"value": encode(function(*args))}
    except OSError as e:
        return {"errno": e.errno, "text": str(e)}
    except Exception as e:
        return {"fault": f"{type(e).__name__}: {e}"}


def do_socket(family, kind=socket.SOCK_STREAM):
    protocol = MPTCP if family.startswith("mptcp") else 0
    s = socket.socket(socket.AF_INET if family in ("inet", "mptcp") else socket.AF_INET6, kind, protocol)
    if family == "mapped":
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return s


def do_call(number, method, *args):
    return getattr(THINGS[number], method)(*args)


def do_poll(number, timeout):
    poller = select.poll()
    poller.register(THINGS[number], select.POLLIN | select.POLLOUT | RDHUP)
    return sum(event for _, event in poller.poll(timeout))


def do_epoll(number, timeout):
    """Edge-triggered: the event that comes after the first look."""
    with select.epoll() as poller:
        poller.register(THINGS[number], select.EPOLLIN | select.EPOLLOUT | RDHUP | select.EPOLLET)
        poller.poll(0)
        return sum(event for _, event in poller.poll(timeout))


def do_forget(number):
    THINGS[number].close()


def do_start(what, *args):
    job = {}

    def run():
        job["answer"] = answer(COMMANDS[what], *args)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    JOBS[len(JOBS) + 1] = (thread, job)
    return [len(JOBS), thread.native_id]


def do_wait(number, timeout):
    thread, job = JOBS[number]
    thread.join(timeout)
    return json.dumps(job.get("answer", {"running": True}))


def do_pair(family, device, port, client_port):
    """A listener of its own, a client and what it accepted.

    Each end is bound to a port that no other socket of its family has: what connect() chooses
    may be an older connection's as well, and so may what bind() finds with SO_REUSEADDR.
    """
    listener = do_socket(family)
    if device:
        listener.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device)
    if port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((ADDRESS[family], port))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what it accepts lets a later listener have the port
    listener.listen(16)
    client = do_socket(family)
    if device:
        client.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device)
    if client_port:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind((ADDRESS[family], client_port))
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    listener.close()
    return client, server


def do_crowd(family, count, state):
    """`count` connections in one state; those that outlive their descriptor lose it."""
    with do_socket(family) as listener:
        listener.bind((ADDRESS[family], 0))
        listener.listen(16)
        for _ in range(count):
            client = do_socket(family)
            client.connect(listener.getsockname())
            server, _ = listener.accept()
            if state == "established":
                keep(client)
            elif state == "close_wait":
                keep(client)
                server.shutdown(socket.SHUT_WR)
            elif state == "time_wait":
                client.close()
                server.close()
                continue
            elif state == "fin_wait2":
                client.close()
            keep(server)
    return count


def do_listen_many(family, count):
    for _ in range(count):
        s = do_socket(family)
        s.bind(("127.0.0.1" if family == "inet" else "::", 0))
        s.listen(1)
        keep(s)
    return count


COMMANDS = {name[3:]: function for name, function in list(globals().items()) if name.startswith("do_")}


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY and hard < 65536 else 65536
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    if "--netns" in sys.argv:
        why = netns.enter()
        if why:
            raise SystemExit(why)
    print(json.dumps({"value": os.getpid()}), flush=True)
    for line in sys.stdin:
        what, *args = json.loads(line)
        print(json.dumps(answer(COMMANDS[what], *(decode(a) for a in args))), flush=True)


if __name__ == "__main__":
    main()
