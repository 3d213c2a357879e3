"""Four processes use one memory for a while: two write, one corrects and erases, one searches; then all of it is checked.

lasting.py FILE SECONDS
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from engrams import Memory

#: The most turns of one writer that stand at a time; it erases its oldest beyond that.
MOST_STANDING = 300


def writer(memory: Memory, name: str, until: float, chance: random.Random) -> dict[str, int]:
    """Adds, corrects, erases; what it was told is what it finds."""
    standing: dict[str, str] = {}
    done = {"added": 0, "corrected": 0, "erased": 0}
    while time.monotonic() < until:
        text = f"{name} said number {done['added']} about {chance.choice(['boats', 'bees', 'bread'])}"
        standing[memory.add(text, user_id=name).event_ids[0]] = text
        done["added"] += 1
        if chance.random() < 0.2:
            id = chance.choice(sorted(standing))
            standing[id] += "!"
            memory.update(id, standing[id])
            done["corrected"] += 1
        while len(standing) > MOST_STANDING or (standing and chance.random() < 0.05):
            memory.delete(id := next(iter(standing)))
            del standing[id]
            done["erased"] += 1
    held = {e.event_ids[0]: e.content for e in memory.get_all(user_id=name, limit=10_000)}
    assert {id: text for id, text in held.items() if id in standing} == standing
    assert held.keys() <= standing.keys()
    return done


def reader(memory: Memory, name: str, until: float, chance: random.Random) -> dict[str, int]:
    """Searches: every hit can be read, or was erased meanwhile."""
    done = {"searched": 0}
    while time.monotonic() < until:
        who = chance.choice(["ann", "bob"])
        for hit in memory.search(chance.choice(["boats", "bees", "bread"]), user_id=who, k=5):
            assert hit.text.startswith(f"{who} said number ")
        memory.context("what about boats?", user_id=who)
        done["searched"] += 1
    return done


def main(place: str, seconds: float) -> None:
    Memory.open(place).close()
    until = time.monotonic() + seconds
    roles: list[tuple[Callable[..., dict[str, int]], str]] = [
        (writer, "ann"),
        (writer, "bob"),
        (reader, "r1"),
        (reader, "r2"),
    ]
    children = []
    for number, (role, name) in enumerate(roles):
        child = os.fork()
        if not child:
            code = 1
            try:
                with Memory.open(place, wait=60) as memory:
                    done = role(memory, name, until, random.Random(number))
                Path(f"{place}.{name}.json").write_text(json.dumps(done))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * len(roles), codes
    total: dict[str, int] = {}
    for _, name in roles:
        for key, count in json.loads(Path(f"{place}.{name}.json").read_text()).items():
            total[key] = total.get(key, 0) + count
    with Memory.open(place) as memory:
        assert memory.finish_erasing()
        assert memory.check() == []
        assert memory.verify_audit() == []
        assert memory.stats().engrams == total["added"] - total["erased"]
    sys.stdout.write(json.dumps(total) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
