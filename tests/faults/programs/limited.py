"""Writes to a memory under a limit on the size of files, until it is refused; then says what it was told.

limited.py FILE BYTES
"""

from __future__ import annotations

import json
import resource
import sys

from engrams.errors import StoreError
from engrams.ports import Where
from engrams.records import Scope
from engrams.store import open_store
from tests.contracts.stores import add, said


def main(place: str, limit: int) -> None:
    store = open_store(place)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    acknowledged = 0
    try:
        while True:
            add(store, said("filler " * 500))
            acknowledged += 1
    except StoreError as error:
        refused = f"{type(error).__name__}: {error}"
    seen = len(store.journal(Scope("acme/alice"), Where(), limit=100_000))
    sys.stdout.write(json.dumps({"acknowledged": acknowledged, "refused": refused, "seen": seen}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
