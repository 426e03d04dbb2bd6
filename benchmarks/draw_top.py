# SPDX-License-Identifier: BSD-2-Clause
"""One look and one draw of `tcpdrop top`, again and again, on the terminal that this was started on.

draw_top.py ROUNDS ORDER        the CPU time of each, in seconds, on standard error
"""

from __future__ import annotations

import curses
import sys
import time

from tcpdrop.cli.options import parse
from tcpdrop.cli.top import Sitting
from tcpdrop.cli.top.screen import Screen
from tcpdrop.cli.top.view import View


def main(rounds: int, order: str) -> None:
    sitting = Sitting(parse([]), None, [], "auto")
    sitting.search.look()

    def work(window: curses.window) -> list[float]:
        view = View(sitting.select, holder=sitting.holder, process=sitting.process, spared=sitting.spared)
        view.order = order
        screen = Screen(window, colours=True)
        taken = []
        for _ in range(rounds):
            began = time.process_time()
            view.resize(screen.page(view))
            view.refresh()
            screen.draw(view)
            taken.append(time.process_time() - began)
        return taken

    taken = curses.wrapper(work)
    sys.stderr.write(" ".join(map(str, taken)) + "\n")


main(int(sys.argv[1]), sys.argv[2])
