#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of the README from real runs: a host of our own with a few servers, a terminal, and what stands on its screen.

tools/pictures.py DIRECTORY        run by a Python that has tcpdrop and pyte (make pictures)

It goes on in network and mount namespaces of its own (unshare, ip, mount), so
nothing of this machine is dropped, and no path of it stands in a picture.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.screen import Window  # noqa: E402 - a terminal that can be looked at

#: where the README says to install it
PLACE = "/opt/tcpdrop"
HOST = "192.0.2.10"
#: name of the process, its port, and the addresses of its clients
SERVERS = (
    ("nginx", 443, ["198.51.100.23", "198.51.100.23", "198.51.100.23", "203.0.113.5", "203.0.113.17", "203.0.113.17", "203.0.113.40"]),
    ("postgres", 5432, ["198.51.100.23", "198.51.100.23"]),
)
#: who sits at the terminal, by ssh
OPERATOR = ("198.51.100.7", 50022)

#: a server that has this name, takes clients and sends to every third
SERVER = """
import ctypes, socket, sys, time
name, host, port, number = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)
listener = socket.create_server((host, port))
print(flush=True)
clients = [listener.accept()[0] for _ in range(number)]
while True:
    for place, client in enumerate(clients):
        try:
            client.send(b"x" * (4000 * (place % 3)))
        except OSError:
            pass
    time.sleep(0.1)
"""


#: their clients, which are no ancestors of the command: HOST, then PORT, ADDRESS and port of each
CLIENTS = """
import selectors, socket, struct, sys
selector = selectors.DefaultSelector()
for port, address, own in zip(*[iter(sys.argv[2:])] * 3):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT: the next picture has the same ends
    client.bind((address, int(own)))
    client.connect((sys.argv[1], int(port)))
    selector.register(client, selectors.EVENT_READ)
print(flush=True)
while True:
    for key, _ in selector.select():
        try:
            gone = not key.fileobj.recv(1 << 20)
        except OSError:
            gone = True
        if gone:
            selector.unregister(key.fileobj)
"""

#: what stands above the command: HOST, the code of its client, that one's address and port, then the command
LOGIN = """
import ctypes, socket, subprocess, sys
host, code, address, own, *command = sys.argv[1:]
ctypes.CDLL(None).prctl(15, b"sshd", 0, 0, 0)
listener = socket.create_server((host, 22))
client = subprocess.Popen([sys.executable, "-I", "-c", code, host, "22", address, own], stdout=subprocess.DEVNULL)
carrier = listener.accept()[0]
try:
    sys.exit(subprocess.call(command))
finally:
    client.kill()
"""


# ---- the host


def go_in():
    """In namespaces of our own: exec, once.  Where the program is installed there."""
    if os.environ.get("PICTURES_OF") != os.readlink("/proc/self/ns/net"):
        flags = ["-nm"] if os.geteuid() == 0 else ["-rnm"]
        script = 'ip link set lo up && PICTURES_OF=$(readlink /proc/self/ns/net) exec "$@"'
        os.execvp("unshare", ["unshare", *flags, "sh", "-ec", script, "sh", sys.executable, *sys.argv])
    for address in {HOST, OPERATOR[0], *(client for _, _, clients in SERVERS for client in clients)}:
        run("ip", "address", "add", f"{address}/32", "dev", "lo")
    if any(path.startswith("/opt/") for path in (sys.prefix, sys.base_prefix)):  # which must not be covered
        return sys.prefix
    run("mount", "-t", "tmpfs", "tmpfs", "/opt")
    os.mkdir(PLACE)
    run("mount", "--bind", sys.prefix, PLACE)
    return PLACE


def run(*command):
    subprocess.run(command, check=True)


class Host:
    """The servers and their clients."""

    def __enter__(self):
        self._processes = []
        for name, port, clients in SERVERS:
            self._start(SERVER, name, HOST, port, len(clients))
        ends = [(port, address, 50000 + port % 997 + 11 * at) for _, port, clients in SERVERS for at, address in enumerate(clients)]
        self._start(CLIENTS, HOST, *(word for end in ends for word in end))
        return self

    def _start(self, code, *words):
        self._processes.append(subprocess.Popen([sys.executable, "-I", "-c", code, *map(str, words)], stdout=subprocess.PIPE))
        self._processes[-1].stdout.readline()

    def __exit__(self, *exc):
        for process in self._processes:
            process.kill()
            process.wait()
            process.stdout.close()


# ---- what a person does


def question(place):
    with typed(place, "drop in remote 198.51.100.0/24", columns=90) as window:
        window.until("[y/N]").press("l\n").until(lambda text: text.count("[y/N]") == 2)
        window.press("y\n").end()
        return picture(window)


def top(place):
    with typed(place, "top in lport 22,443,5432 --interval 500ms") as window:
        window.until("10 connections").until("nginx").until("you").press("4").until("by remote")
        window.press("\x1b[7~" + "\x1b[B" * 3).press("  ").until("2 marked")  # Home, three down
        window.until(is_drawn)
        found = picture(window)
        window.press("q").end()
        return found


def is_drawn(text):
    """Does each row have its rates, and those that are marked their marks?  What comes of a screen comes in parts."""
    rates = re.findall(r"(\S+) +[\d.]+k? +([\d.]+k?)$", text, re.M)
    return len(rates) == 10 and text.count("\n*") == 2 and any(name == "nginx" and rate.endswith("k") for name, rate in rates)


def check(place):
    with typed(place, "check", columns=100) as window:
        window.end()
        return re.sub(r"(Linux \d+\.\d+)[\w.-]+", r"\1", picture(window))  # whose machine it was tells nobody anything


def typed(place, words, *, columns=80):
    """A window in which this was typed at a prompt of root's, who has logged in by ssh."""
    login = (sys.executable, "-I", "-c", LOGIN, HOST, CLIENTS, *map(str, OPERATOR))
    window = Window(*words.split(), size=(24, columns), command=(*login, f"{place}/bin/tcpdrop"))
    if not words.startswith("top"):
        window.show(f"# tcpdrop {words}\r\n")
    return window


# ---- SVG

CELL, LINE, EDGE = 8.4, 18, 12
COLOURS = {"default": "#d8dee9", "green": "#a3be8c", "brown": "#ebcb8b", "cyan": "#88c0d0", "red": "#e06c75", "magenta": "#b48ead"}
PAPER = "#20242c"


def picture(window):
    """The screen as SVG, without the empty lines at its end."""
    screen = window.screen
    lines = [runs(screen.buffer[number], screen.columns) for number in range(screen.lines)]
    while not "".join(text for _, text, _ in lines[-1]).strip():
        lines.pop()
    width, height = screen.columns * CELL + 2 * EDGE, len(lines) * LINE + 2 * EDGE
    drawn = [part for number, line in enumerate(lines) for column, text, look in line for part in draw(number, column, text, look)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-family="monospace" font-size="14">',
            f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def runs(row, columns):
    """(column, text, its look) of cells beside each other that look alike."""
    found = []
    for column in range(columns):
        cell = row[column]
        look = (cell.fg, cell.bold, cell.reverse, cell.underscore)
        if found and found[-1][2] == look:
            found[-1] = (found[-1][0], found[-1][1] + cell.data, look)
        else:
            found.append((column, cell.data, look))
    return found


def draw(number, column, text, look):
    """A run of cells: its own paper where it is reversed, and its letters, each in its cell."""
    colour, bold, reverse, underscore = look
    ink, left, up = COLOURS.get(colour, COLOURS["default"]), EDGE + column * CELL, EDGE + number * LINE
    if reverse:
        yield f'<rect x="{left:.1f}" y="{up}" width="{len(text) * CELL:.1f}" height="{LINE}" fill="{ink}"/>'
        ink = PAPER
    shown = text.rstrip()
    if shown:
        place = f'x="{left:.1f}" y="{up + 13}" textLength="{len(shown) * CELL:.1f}" xml:space="preserve"'
        style = ' font-weight="bold"' * bold + ' text-decoration="underline"' * underscore
        yield f'<text {place} fill="{ink}"{style}>{escape(shown)}</text>'


PICTURES = {"question": question, "top": top, "check": check}


def main(directory):
    place = go_in()
    for name, make in PICTURES.items():
        with Host():
            svg = make(place)
        Path(directory, f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
