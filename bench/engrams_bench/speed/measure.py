"""One system from the smallest size to the largest that it reaches in its time: every stage is measured at every size."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engrams_bench.measures.cost import spread
from engrams_bench.speed.child import Child, Cost, Failed, TimeUp
from engrams_bench.speed.texts import messages, questions

PER_USER = 1000
"""Memories of one user, so that a search within a user is over as many, however large the store."""
AT_ONCE = 1000
"""Memories handed over per request of a bulk load."""
HITS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """`sizes` ascending, in memories; `searches` and `adds` per size; `seconds` on the wall for a whole system.

    A stage of searches ends early after `share` of the time, so that slow stores still show all stages.
    """

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    searches: int = 100
    adds: int = 50
    seconds: float = 900.0
    share: float = 0.1
    seed: int = 0


@dataclass(slots=True)
class _Clock:
    ends: float

    def left(self) -> float:
        return max(self.ends - time.monotonic(), 0.0)


Told = Callable[[str], None]


def measure(words: list[str], folder: Path, plan: Plan, told: Told = lambda _: None) -> dict[str, Any]:
    """What every stage cost at every size, and where and why it stopped.

    `words`: the command of the adapter; `folder`: an empty one for the store. Returns `about`, `sizes` (a row of
    figures each, CPU milliseconds unless said otherwise) and `stopped` (None where all sizes were reached).
    """
    store = folder / "store"
    store.mkdir(parents=True)
    clock = _Clock(time.monotonic() + plan.seconds)
    source = _source(plan)
    rows: list[dict[str, Any]] = []
    about: dict[str, Any] = {}
    stopped = None
    held = 0
    known: list[str] = []
    try:
        for size in plan.sizes:
            told(f"{size:,} memories, {clock.left():,.0f} s left")
            row: dict[str, Any] = {"memories": size, "users": -(-size // PER_USER)}
            with Child(words, folder / "log.txt") as child:
                child.cost("open", clock.left(), folder=str(store))
                load, held = _load(child, clock, source, known, held, size)
                row["bulk"] = load
                row["add"] = _adds(child, clock, plan, size)
                row["search user"] = _searches(child, clock, plan, known, user=True)
                row["search all"] = _searches(child, clock, plan, known, user=False)
                about = child.ask("about", clock.left())
                row["rss"] = about.pop("rss")
                child.cost("close", max(clock.left(), 60.0))
            row["disk"] = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
            row["cold start"] = _cold(words, folder, clock, known)
            rows.append(row)
    except (Failed, TimeUp) as reason:
        stopped = f"beyond {rows[-1]['memories'] if rows else 0:,} memories (had {held:,}): {reason}"
    return {"about": about, "sizes": rows, "stopped": stopped, "plan": asdict(plan)}


def _source(plan: Plan) -> Iterator[tuple[str, str]]:
    """(user, text), the users one after the other: a chat is loaded as it lies."""
    for number, text in enumerate(messages(plan.sizes[-1], plan.seed)):
        yield f"u{number // PER_USER}", text


def _load(
    child: Child, clock: _Clock, source: Iterator[tuple[str, str]], known: list[str], held: int, size: int
) -> tuple[dict[str, Any], int]:
    """Brings the store to `size`; keeps the first user's texts in `known`."""
    cpu = wall = 0.0
    begun = held
    while held < size:
        part = list(itertools.islice(source, min(AT_ONCE, size - held)))
        known += [text for user, text in part if user == "u0"]
        try:
            took = child.cost("add_many", clock.left(), items=part)
        except TimeUp as late:
            raise TimeUp(f"bulk load: time is up after {held:,}") from late
        cpu, wall, held = cpu + took.cpu, wall + took.wall, held + len(part)
    count = held - begun
    return {"per memory": cpu / count, "wall per memory": wall / count, "count": count}, held


def _adds(child: Child, clock: _Clock, plan: Plan, size: int) -> dict[str, Any] | None:
    texts = messages(plan.adds, plan.seed + size)
    asked = ({"user": "extra", "text": text} for text in texts)
    return _stage(child, clock, plan, "add", asked)


def _searches(
    child: Child, clock: _Clock, plan: Plan, known: Sequence[str], *, user: bool
) -> dict[str, Any] | None:
    asked = (
        {"user": "u0" if user else None, "query": query, "k": HITS}
        for query in questions(list(known), plan.searches, plan.seed + 1)
    )
    first = next(asked)
    try:
        warm = child.ask("search", clock.left(), **first)
    except Failed as reason:
        return {"error": str(reason)}
    held = _stage(child, clock, plan, "search", asked)
    return None if held is None else {**held, "first": warm["cpu_ms"], "hits": len(warm["texts"])}


def _stage(
    child: Child, clock: _Clock, plan: Plan, what: str, asked: Iterator[dict[str, Any]]
) -> dict[str, Any] | None:
    """p50 and p95 of the requests that fit into the stage's share of the time."""
    ends = time.monotonic() + plan.share * plan.seconds
    costs: list[Cost] = []
    for one in asked:
        costs.append(child.cost(what, clock.left(), **one))
        if time.monotonic() > ends:
            break
    cpu, wall = spread([cost.cpu for cost in costs]), spread([cost.wall for cost in costs])
    if cpu is None or wall is None:
        return None
    return {"p50": cpu.p50, "p95": cpu.p95, "wall p50": wall.p50, "wall p95": wall.p95, "count": cpu.count}


def _cold(words: list[str], folder: Path, clock: _Clock, known: Sequence[str]) -> dict[str, Any]:
    """A fresh process: what loading the library and opening the store costs, and the first search of one user and of all."""
    with Child(words, folder / "log.txt") as child:
        opened = child.cost("open", clock.left(), folder=str(folder / "store"))
        query = questions(list(known), 1)[0]
        first = child.cost("search", clock.left(), user="u0", query=query, k=HITS)
        rss = child.ask("about", clock.left())["rss"]
        found = {"open": opened.cpu, "first search": first.cpu, "rss": rss}
        try:
            found["first search all"] = child.cost("search", clock.left(), user=None, query=query, k=HITS).cpu
        except Failed:  # said beside the searches in all memories, which were asked before
            found["first search all"] = None
        child.cost("close", max(clock.left(), 60.0))
    return found
