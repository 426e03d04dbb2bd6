# SPDX-License-Identifier: BSD-2-Clause
"""Drop again and again, and write down the cookie of everything that was said to be dropped.

argv: "filter" (what matches now), "list" (connections that were listed a moment ago) or "tuple" (each by its
four values); the filter; a rule to protect; a file.  Goes on until its input ends, then prints how often each
outcome was had, as JSON; after ten rounds a line, for what is loaded once is loaded by then.
"""

import collections
import json
import struct
import sys
import threading
import time

import tcpdrop


def one_by_one(found):
    for connection in found:
        try:
            tcpdrop.drop_one(connection.local, connection.remote)
        except tcpdrop.NotFound:
            yield "gone", connection
        except tcpdrop.Protected:
            yield "protected", connection
        else:
            yield "dropped", connection


def rounds(how, text, rule):
    if how == "filter":
        return ((result.outcome, result.connection) for result in tcpdrop.drop(text, protect=rule))
    found = list(tcpdrop.connections(text))
    if how == "tuple":
        return one_by_one(found)
    time.sleep(0.002)  # most are gone by then, and their tuples others'
    return ((result.outcome, result.connection) for result in tcpdrop.drop(found, protect=rule))


def main():
    how, text, rule, path = sys.argv[1:]
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    counts = collections.Counter()
    with open(path, "wb") as log:
        while not stop.is_set():
            counts["runs"] += 1
            if counts["runs"] == 10:
                print("warm", flush=True)
            for outcome, connection in rounds(how, text, rule):
                counts[outcome] += 1
                if outcome == "dropped":
                    log.write(struct.pack("=Q", int(connection.cookie, 16)))
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
