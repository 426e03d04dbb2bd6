# SPDX-License-Identifier: BSD-2-Clause
"""Many threads call the API at once."""

import threading

from support.marks import drops_on_linux

import tcpdrop


@drops_on_linux
def test_many_threads_each_its_own(holder):
    """No lock, no shared socket: each thread drops its own and nobody else's."""
    pairs = [holder.pair(family) for family in ("inet", "inet6", "mapped") for _ in range(16)]
    spared = [holder.pair() for _ in range(4)]
    start = threading.Barrier(4)
    wrong = []

    def work(mine):
        start.wait(10)
        for pair in mine:
            try:
                tcpdrop.drop_one(pair.local, pair.remote)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(pairs[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert not any(pair.state() for pair in pairs)
    assert all(pair.alive() for pair in spared)


@drops_on_linux
def test_racing_for_one_connection_one_wins(holder):
    for _ in range(5):
        pair = holder.pair()
        start = threading.Barrier(4)
        results = []

        def work(pair=pair, start=start, results=results):
            start.wait(10)
            try:
                tcpdrop.drop_one(pair.local, pair.remote)
            except tcpdrop.NotFound:
                results.append("gone")
            else:
                results.append("dropped")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(results) == 4
        assert "dropped" in results
        assert pair.state() is None
