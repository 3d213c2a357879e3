"""Kills processes while they make a new memory, and opens what they left; says how many had already written to it.

births.py FOLDER ROUNDS
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from engrams.store import open_store
from tests.contracts.stores import add, said

#: Seconds that making a file and one write take at most on a slow disk; kills fall anywhere within.
LONGEST_LIFE = 0.1


def main(folder: str, rounds: int) -> None:
    chance = random.Random(5)
    written = 0
    for number in range(rounds):
        place = Path(folder) / f"{number}.db"
        child = os.fork()
        if not child:
            add(open_store(place), said("by the child"))
            time.sleep(60)
            os._exit(0)
        time.sleep(chance.uniform(0, LONGEST_LIFE))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        store = open_store(place)
        found = store.stats(None).events
        assert found in (0, 1)
        add(store, said("by the parent"))
        assert store.stats(None).events == found + 1
        assert store.check() == []
        store.close()
        written += found
    sys.stdout.write(f"{written}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
