"""What language models took, by the ledger; and what deriving would take, before anything is spent.

An estimate runs the write chain on a sample, with nobody asked.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby

from engrams.lifecycle.opening import House
from engrams.lifecycle.reading import whole_number
from engrams.lifecycle.writing import derive
from engrams.models.chat_rendering import request_for, sent_text
from engrams.ports import Answer, Ask, Spending, Usage, Where
from engrams.recipe import Recipe
from engrams.records import Event, Scope
from engrams.schemas import smallest

#: Journal entries that are looked at: chunks of neighbours, evenly spread. More are scaled up.
CHUNKS, CHUNK = 4, 25
#: Entries read at once.
PAGE = 1_000
#: How long back answers are looked at for how long they are, in days.
LOOKED_BACK = 30
#: The most days a ledger is asked for.
MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Estimate:
    """What deriving from `events` journal entries would take. `sampled` of them were looked at, the rest is scaled up.

    `operations` by name. An answer counts as long as those of its operation were before; where there were none, as long as it may
    be (`upper`). `usage.money` None: no price is known for some of it.
    """

    events: int
    sampled: int
    usage: Usage
    operations: Mapping[str, Usage]
    upper: bool = False


@dataclass
class _Nobody:
    """A `ChatModel` that answers with the least that fits and counts what a model would have taken."""

    house: House
    lengths: Mapping[str, float]
    operations: dict[str, Usage] = field(default_factory=dict)
    upper: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, ask: Ask) -> Answer:
        """The least that fits; nobody was asked."""
        tokens_in = self.house.tokenizer.count(sent_text(request_for(ask)))
        known = self.lengths.get(ask.operation)
        usage = Usage(
            calls=1,
            tokens_in=tokens_in,
            tokens_out=round(ask.most_tokens if known is None else known),
            estimated=True,
        )
        model = self.house.model_name(ask.operation)
        if self.house.ledger is not None:
            usage = self.house.ledger.price(model, usage)
        with self._lock:
            self.upper = self.upper or known is None
            self.operations[ask.operation] = self.operations.get(ask.operation, Usage()) + usage
        value = None if ask.schema is None else smallest(ask.schema)
        return Answer("text" if value is None else json.dumps(value), value, model=model)

    def ask_many(self, asks: Sequence[Ask]) -> list[Answer]:
        """The same, one after the other."""
        return [self.ask(ask) for ask in asks]


def costs(house: House, days: int) -> list[Spending]:
    """The ledger's lines of the last days (UTC), those of namespaces that the holder of this memory may read.

    Raises:
        BadSetting: `days` is no number from 1 to `MOST_DAYS`.
    """
    whole_number("days", days, 1, MOST_DAYS)
    if house.ledger is None:
        return []
    today = house.clock.now().date()
    found = house.ledger.spendings(today - timedelta(days=days - 1), today)
    return [line for line in found if house.grant is None or house.grant.allows("read", line.namespace)]


def estimate(house: House, recipe: Recipe | None = None) -> Estimate:
    """What the waiting jobs would take, or (with a recipe) deriving anew from the whole journal.

    Raises:
        StepFailed: a step cannot work with the least that fits its schema; nothing is known then.
    """
    if recipe is None:
        events = _waiting(house)
    else:
        house = house.running(recipe)
        events = list(_messages(house))
    sample = _sampled(events)
    nobody = _Nobody(house, _lengths(house))
    dry = replace(house, model=nobody, ledger=None)
    for namespace, run in groupby(sample, key=lambda event: event.namespace):
        derive(dry, tuple(run), Scope(namespace))
    scale = len(events) / len(sample) if sample else 0.0
    scaled = {name: _times(usage, scale) for name, usage in sorted(nobody.operations.items())}
    return Estimate(len(events), len(sample), sum(scaled.values(), Usage()), scaled, nobody.upper)


def _times(usage: Usage, scale: float) -> Usage:
    return replace(
        usage,
        calls=round(usage.calls * scale),
        tokens_in=round(usage.tokens_in * scale),
        tokens_out=round(usage.tokens_out * scale),
        money=None if usage.money is None else usage.money * scale,
    )


def _lengths(house: House) -> dict[str, float]:
    """The mean length of the answers that each operation was given here, in tokens."""
    if house.ledger is None:
        return {}
    today = house.clock.now().date()
    calls: dict[str, int] = {}
    tokens: dict[str, int] = {}
    for line in house.ledger.spendings(today - timedelta(days=LOOKED_BACK), today):
        calls[line.operation] = calls.get(line.operation, 0) + line.usage.calls
        tokens[line.operation] = tokens.get(line.operation, 0) + line.usage.tokens_out
    return {name: tokens[name] / count for name, count in calls.items() if count}


def _waiting(house: House) -> list[Event]:
    ids = [
        str(id)
        for job in house.store.jobs.all(("waiting",), limit=1_000_000)
        if job.kind == "derive" and job.recipe == house.recipe.name
        for id in job.payload.get("events", ())
    ]
    found = house.store.events(ids)
    return [found[id] for id in ids if id in found and found[id].kind == "message"]


def _messages(house: House) -> Iterator[Event]:
    for namespace in house.store.namespaces():
        after = 0
        while page := house.store.journal(Scope(namespace), Where(), after=after, limit=PAGE):
            yield from (event for _, event in page)
            after = page[-1][0]


def _sampled(events: Sequence[Event]) -> list[Event]:
    if len(events) <= CHUNKS * CHUNK:
        return list(events)
    step = (len(events) - CHUNK) // (CHUNKS - 1)
    return [event for n in range(CHUNKS) for event in events[n * step : n * step + CHUNK]]
