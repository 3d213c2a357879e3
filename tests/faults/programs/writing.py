"""Writes turns to a memory, one commit after the other, and says on standard output which ones were acknowledged.

writing.py FILE NAME COUNT [START_FILE [WAIT]]: COUNT 0 means until killed. With START_FILE, waits until it exists. WAIT is how many
seconds it waits for a store that does not answer.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from engrams.store import open_store
from tests.contracts.stores import commit_of, from_event, said


def main(place: str, name: str, count: int, start: str = "", wait: str = "60") -> None:
    while start and not Path(start).exists():
        time.sleep(0.001)
    store = open_store(place, wait=float(wait))
    number = 0
    while count == 0 or number < count:
        pair = [said(f"{name} {number} {half}", session=name) for half in ("first", "second")]
        store.commit(commit_of(pair, [from_event(event) for event in pair]))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
