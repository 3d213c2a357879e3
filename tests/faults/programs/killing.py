"""Kills a process in the middle of one kind of work, again and again, and checks what it left after each kill.

killing.py KIND FOLDER KILLS [ADDRESS]: KIND is one of `KINDS`; ADDRESS is of the server to which `migrate-server` moves.
Prints one JSON object: how many kills, how many of them hit work that had begun and was not done, how many acts were
acknowledged before the end, how many times work that was cut off left something that the next run went on with.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from engrams import Memory
from engrams.lifecycle import rebuilding as rebuilding_piece
from engrams.lifecycle.migrating import migrate
from engrams.ports import Where
from engrams.recipes.engrams import ENGRAMS
from engrams.records import Scope
from tests.rooms.lifecycle.failing import SHOUTING, TIDY, Shout

#: Seconds after its start at which a child is killed, drawn anew each time: from before it opened the file to after its work.
LONGEST_LIFE = {
    "add": 0.08,
    "rebuild": 0.2,
    "renew": 0.3,
    "consolidate": 0.12,
    "erase": 0.25,
    "migrate": 0.2,
    "migrate-server": 0.6,
    "restore": 0.2,
}
#: Turns in the memory that is worked on, enough that the work takes longer than it takes to begin.
TURNS = 150
BEGUN, DONE = b"b", b"d"
#: Turns of one piece of a rebuild of the recipe in use: many pieces, so that kills come between them.
PIECE = 20
#: The house recipe with another write chain under the same writer.
LOUD = replace(ENGRAMS, write=Shout())

#: Where the turns lie, and what is not among the living there.
DEFAULT, OUT = Scope("default"), Where(states=("archived",))
#: The server to which `migrate-server` moves.
ADDRESS = [""]

#: How often a kill waits for the child's first word, so that it comes while it works and not while it starts.
WAITED_FOR = 0.8
#: What the longest life is multiplied by, followed as kills come too early or too late.
PACE = [1.0]

#: How often something was found that a run before had left.
WENT_ON = [0]

Work = Callable[[Callable[[bytes], object]], None]


def killed(work: Work, longest: float, chance: random.Random) -> bytes:
    """Runs work in a child and kills it at a random moment; what the child had told until then."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(read)
            work(lambda told: os.write(write, told))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write)
    if chance.random() < WAITED_FOR:
        select.select([read], [], [])
    time.sleep(chance.uniform(0, longest * PACE[0]))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    told = b""
    while part := os.read(read, 2**16):
        told += part
    os.close(read)
    if os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL):
        raise AssertionError(f"the child failed by itself, after {told!r}")
    # The machine may be fast or busy: kills follow its pace, so that as many come too early as too late.
    PACE[0] *= 0.9 if told.endswith(DONE) else 1.1
    return told


def filled(place: Path) -> None:
    with Memory.open(place) as memory:
        memory.add_many(
            {"role": "user", "content": f"turn {n}: the kettle of number {n}"} for n in range(TURNS)
        )


def shown(memory: Memory) -> object:
    """All that a memory says of itself."""
    return [
        [asdict(e) for e in memory.log(limit=10_000)],
        sorted((e.id, e.content, e.state, e.version) for e in memory.get_all(limit=10_000)),
    ]


def adding(folder: Path, chance: random.Random, number: int) -> tuple[int, int]:
    place = folder / f"{number // 15}.db"  # a new file now and then: kills hit its making, too

    def work(tell: Callable[[bytes], object]) -> None:
        with Memory.open(place) as memory:
            for n in range(10_000):
                memory.add([f"k{number} {n} first", f"k{number} {n} second"], session=f"k{number}")
                tell(DONE)

    told = len(killed(work, LONGEST_LIFE["add"], chance))
    with Memory.open(place) as memory:
        assert memory.check() == []
        found = [e.content for e in memory.log(session=f"k{number}", limit=10_000)]
        assert len(found) % 2 == 0
        assert told <= len(found) // 2 <= told + 1
        assert found == [
            f"k{number} {n} {half}" for n in range(len(found) // 2) for half in ("first", "second")
        ]
        assert [e.content for e in memory.get_all(session=f"k{number}", limit=10_000)] == found
        if found:
            assert memory.search(f"k{number} 0 second", session=f"k{number}")
    return int(told > 0), told


def rebuilding(folder: Path, chance: random.Random, number: int) -> tuple[int, int]:
    place = folder / "memory.db"
    if not place.exists():
        filled(place)
    other = SHOUTING if number % 2 else "engrams"

    def work(tell: Callable[[bytes], object]) -> None:
        with Memory.open(place, "engrams") as memory:
            tell(BEGUN)
            memory.rebuild(other)
            tell(DONE)

    told = killed(work, LONGEST_LIFE["rebuild"], chance)
    with Memory.open(place, "engrams") as memory:
        texts = [e.content for e in memory.get_all(limit=10_000)]
        assert len(texts) == TURNS  # the living memory was never half there
        assert len(memory.log(limit=10_000)) == TURNS
        assert not [p for p in memory.check() if p.severity == "error"]
        memory.rebuild(SHOUTING)  # goes on, and ends as one that was never cut off
        assert sorted(e.content for e in memory.get_all(limit=10_000)) == sorted(t.upper() for t in texts)
    if number % 10 == 9:
        place.unlink()
        for path in folder.glob("memory.db-*"):
            path.unlink()
    return int(told == BEGUN), int(DONE in told)


def renewing(folder: Path, chance: random.Random, number: int) -> tuple[int, int]:
    """The recipe in use derives otherwise: all of what stands changes in one step, and pieces wait for it until then."""
    place = folder / "memory.db"
    rebuilding_piece.BATCH = PIECE
    if not place.exists():
        filled(place)
    recipe = ENGRAMS if number % 2 else LOUD
    with Memory.open(place, "engrams") as memory:
        before = sorted(e.content for e in memory.get_all(limit=10_000))
        said = [e.content for e in memory.log(limit=10_000)]
    after = sorted(said if number % 2 else [text.upper() for text in said])

    def work(tell: Callable[[bytes], object]) -> None:
        with Memory.open(place, "engrams") as memory:
            tell(BEGUN)
            memory.rebuild(recipe)
            tell(DONE)

    told = killed(work, LONGEST_LIFE["renew"], chance)
    with Memory.open(place, "engrams") as memory:
        found = sorted(e.content for e in memory.get_all(limit=10_000))
        assert found == after or (found == before and DONE not in told)  # never half of it
        assert not [p for p in memory.check() if p.severity == "error"]
        waiting = [
            e for _, e in memory._house.store.list_engrams(DEFAULT, OUT, limit=10_000) if "~" in e.recipe
        ]
        assert len(waiting) <= -(-TURNS // PIECE)
        WENT_ON[0] += bool(waiting and found == before)
        memory.rebuild(recipe)  # goes on, and ends as one that was never cut off
        assert sorted(e.content for e in memory.get_all(limit=10_000)) == after
        left = memory._house.store.list_engrams(DEFAULT, OUT, limit=10_000)
        assert {e.recipe for _, e in left} <= {"engrams"}
    return int(told == BEGUN), int(DONE in told)


def consolidating(folder: Path, chance: random.Random, number: int) -> tuple[int, int]:
    whole, place = folder / "whole.db", folder / f"{number}.db"
    if not whole.exists():
        with Memory.open(whole, TIDY) as memory:
            memory.add_many(
                {
                    "role": "user",
                    "content": f"turn {n}" if n % 2 else f"turn {n}: long enough to be kept by anyone",
                }
                for n in range(TURNS)
            )
    shutil.copy(whole, place)
    with Memory.open(place, TIDY) as memory:
        before = shown(memory)

    def work(tell: Callable[[bytes], object]) -> None:
        with Memory.open(place, TIDY) as memory:
            tell(BEGUN)
            memory.consolidate()
            tell(DONE)

    told = killed(work, LONGEST_LIFE["consolidate"], chance)
    with Memory.open(place, TIDY) as memory:
        assert memory.check() == []
        after = shown(memory)
        assert DONE not in told or after != before
        changed = memory.consolidate().changed
        assert (after == before) == bool(changed)  # all of it or nothing of it
    place.unlink()
    return int(told == BEGUN), int(DONE in told)


def erasing(folder: Path, chance: random.Random, number: int) -> tuple[int, int]:
    place = folder / "memory.db"
    if not place.exists():
        filled(place)
    words = [f"zq{number}x{n}q" for n in range(4)]
    with Memory.open(place) as memory:
        ids = [memory.add(f"{word} is to go").event_ids[0] for word in words]

    def work(tell: Callable[[bytes], object]) -> None:
        with Memory.open(place) as memory:
            tell(BEGUN)
            for id in ids:
                memory.delete(id)
                tell(DONE)

    told = killed(work, LONGEST_LIFE["erase"], chance)
    done = told.count(DONE)
    with Memory.open(place) as memory:  # whoever opens next finishes what was begun
        assert memory.check() == []
        standing = {e.content.split()[0] for e in memory.log(limit=10_000)} & {*words}
        assert {*words[done + 1 :]} <= standing <= {*words[done:]}
        held = b"".join(p.read_bytes() for p in folder.glob("memory.db*"))
        assert [w for w in words if w not in standing and w.encode() in held] == []
        for id, word in zip(ids, words, strict=True):
            if word in standing:
                memory.delete(id)
    return int(0 < len(told) < len(words) + 1), done


def migrating(folder: Path, chance: random.Random, number: int) -> tuple[int, int]:
    return moving(folder, chance, number, folder / f"{number // 5}.db", LONGEST_LIFE["migrate"])


def migrating_to_a_server(folder: Path, chance: random.Random, number: int) -> tuple[int, int]:
    target = f"{ADDRESS[0]}?schema=killed{number // 5}"
    return moving(folder, chance, number, target, LONGEST_LIFE["migrate-server"])


def moving(
    folder: Path, chance: random.Random, number: int, target: Path | str, longest: float
) -> tuple[int, int]:
    source = folder / "source.db"
    if not source.exists():
        filled(source)
        with Memory.open(source) as memory:
            memory.delete(memory.log(limit=1).items[0].id)
            memory.add("one more")
            memory.retain("default", max_events=10_000)
            assert memory.schedule("reembed")

    def work(tell: Callable[[bytes], object]) -> None:
        tell(BEGUN)
        migrate(source, target)
        tell(DONE)

    told = killed(work, longest, chance)
    if isinstance(target, str) or target.exists():
        with Memory.open(target, "engrams") as memory:
            assert not [p for p in memory.check() if p.severity == "error"]
    if number % 5 == 4:  # after several kills in one move, the next run ends it and compares all of it
        moved = migrate(source, target)
        assert (moved.events, moved.versions, moved.jobs) == (TURNS, TURNS, 1)
        with Memory.open(source) as one, Memory.open(target, "engrams") as two:
            assert shown(one) == shown(two)
            assert (one.rules(), one.jobs()) == (two.rules(), two.jobs())
            assert two.verify_audit() == []
            audits = [[(r["at"], r["action"], r["ids"]) for r in m.audit(limit=1000)] for m in (one, two)]
            # Before the rows that came along stand the one or two that tell of the move.
            assert audits[1][-len(audits[0]) :] == audits[0]
            assert {action for _, action, _ in audits[1][: -len(audits[0])]} == {"move"}
    return int(told == BEGUN), int(DONE in told)


def restoring(folder: Path, chance: random.Random, number: int) -> tuple[int, int]:
    source, file, target = folder / "source.db", folder / "m.engrams", folder / f"{number // 5}.db"
    if not source.exists():
        filled(source)
        with Memory.open(source) as memory:
            memory.export_container(file)

    def work(tell: Callable[[bytes], object]) -> None:
        with Memory.open(target) as memory:
            tell(BEGUN)
            memory.restore_container(file)
            tell(DONE)

    told = killed(work, LONGEST_LIFE["restore"], chance)
    if number % 5 == 4:
        with Memory.open(target) as memory, Memory.open(source) as one:
            assert not [p for p in memory.check() if p.severity == "error"]
            memory.restore_container(file)
            assert shown(one) == shown(memory)
            assert memory.check() == []
    return int(told == BEGUN), int(DONE in told)


KINDS = {
    "add": adding,
    "rebuild": rebuilding,
    "renew": renewing,
    "consolidate": consolidating,
    "erase": erasing,
    "migrate": migrating,
    "migrate-server": migrating_to_a_server,
    "restore": restoring,
}


def main(kind: str, folder: str, kills: int, address: str = "") -> None:
    ADDRESS[0] = address
    chance = random.Random(17)
    Memory.open(":memory:").close()  # whatever is loaded on first use is loaded before the first fork
    during = acknowledged = 0
    for number in range(kills):
        hit, done = KINDS[kind](Path(folder), chance, number)
        during, acknowledged = during + hit, acknowledged + done
    sys.stdout.write(
        json.dumps({"kills": kills, "during": during, "acknowledged": acknowledged, "went_on": WENT_ON[0]})
        + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
