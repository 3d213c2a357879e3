"""Opens a memory, forks, and uses it on both sides of the fork; exits 0 if nothing went wrong.

forking.py FILE
"""

from __future__ import annotations

import os
import sys

from engrams.ports import Where
from engrams.records import Scope
from engrams.store import open_store
from tests.contracts.stores import add, said

TURNS = 20


def main(place: str) -> None:
    store = open_store(place)
    add(store, said("before"))
    store.journal(Scope("acme/alice"), Where())
    child = os.fork()
    name = "parent" if child else "child"
    for number in range(TURNS):
        add(store, said(f"{name} {number}"))
    texts = [event.content for _, event in store.journal(Scope("acme/alice"), Where(), limit=1000)]
    assert [text for text in texts if text.startswith(name)] == [f"{name} {n}" for n in range(TURNS)]
    if not child:
        store.close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    add(store, said("after"))
    texts = [event.content for _, event in store.journal(Scope("acme/alice"), Where(), limit=1000)]
    assert len(texts) == 2 * TURNS + 2
    assert store.check() == []
    store.close()


if __name__ == "__main__":
    main(sys.argv[1])
