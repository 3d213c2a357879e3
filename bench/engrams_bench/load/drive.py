"""The clients: each adds and searches in a namespace of its own until the time is up, and keeps what was acknowledged."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from engrams_bench.load.talk import Cut, Talk

#: What sentences are made of: who, what they did, with what, where. Each also carries a number that no other has.
WHO = ("Ada", "Ben", "Carla", "Dario", "Edith", "Farid", "Greta", "Hiro")
DID = ("bought", "lost", "repaired", "painted", "sold", "borrowed", "forgot", "found")
WHAT = (
    "a kettle",
    "the red bicycle",
    "two tickets",
    "a map",
    "the spare key",
    "a violin",
    "some bread",
    "the boat",
)
WHERE = (
    "in Porto",
    "at the station",
    "in the garden",
    "by the lake",
    "at work",
    "in the cellar",
    "on Monday",
    "in May",
)


@dataclass
class Log:
    """What the clients met: seconds of each answer, what was acknowledged, what failed."""

    adds: list[float] = field(default_factory=list)
    searches: list[float] = field(default_factory=list)
    acknowledged: dict[str, list[str]] = field(default_factory=dict)  # by namespace: ids of events
    errors: list[str] = field(default_factory=list)
    cut: int = 0  # requests without an answer, once the server was told to stop


async def client(
    number: int, place: tuple[str, int], until: float, seed: int, log: Log, stopping: Callable[[], bool]
) -> None:
    """One client; half of what it asks are adds, the rest searches, with no pause between them."""
    chance, name = random.Random(f"{seed}:{number}"), f"user-{number}"
    talk, asked = Talk(*place), 0
    mine = log.acknowledged.setdefault(name, [])
    while time.perf_counter() < until:
        asked += 1
        adding = chance.random() < 0.5 or asked == 1
        words = f"{chance.choice(WHO)} {chance.choice(DID)} {chance.choice(WHAT)} {chance.choice(WHERE)}"
        began = time.perf_counter()
        try:
            if adding:
                status, told = await talk.ask(
                    "/memories", {"messages": f"{words}, note {number}-{asked}.", "user_id": name}
                )
            else:
                status, told = await talk.ask(
                    "/search", {"query": f"Who {words.split(' ', 1)[1]}?", "user_id": name}
                )
        except Cut as cut:
            if stopping():
                log.cut += 1
                break
            log.errors.append(f"client {number}, request {asked}: {cut}")
            continue
        took = time.perf_counter() - began
        if status not in (200, 201):
            log.errors.append(f"client {number}, request {asked}: {status} {told}")
        elif adding:
            mine += told["event_ids"]
            log.adds.append(took)
        else:
            if not told["hits"]:
                log.errors.append(f"client {number}, request {asked}: found nothing of {len(mine)} memories")
            log.searches.append(took)
    talk.close()


async def drive(
    place: tuple[str, int],
    clients: int,
    seconds: float,
    seed: int,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> Log:
    """All clients at once, for so many seconds."""
    log = Log()
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client(n, place, until, seed, log, stopping) for n in range(clients)))
    return log
