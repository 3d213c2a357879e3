"""Consolidating: between sessions a recipe merges, links and forgets what it derived before."""

from __future__ import annotations

from dataclasses import dataclass

from engrams.errors import UsageError
from engrams.lifecycle.embedding import entries_of, require_embedder, settings_of
from engrams.lifecycle.opening import House
from engrams.lifecycle.rebuilding import gone_by_rebuild
from engrams.lifecycle.writing import revisions_of
from engrams.ports import Commit, Where
from engrams.records import Decision, Derived, Draft, Engram, Receipt, Scope

#: Engrams read at once.
PAGE = 10_000
#: Why a version is there of what a rebuild took out, since no write chain makes it, and a consolidation made again.
AGAIN = "consolidated again"


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What a consolidation did: engrams made, engrams changed, tokens that models took."""

    made: int
    changed: int
    tokens: int = 0


def consolidate(house: House, namespace: str) -> Consolidated:
    """Runs the recipe's consolidate chain over the active engrams of one namespace, in one transaction.

    The chain is given a draft of all of them and gives one back: engrams that are new in it are kept, and its decisions
    become versions.

    Raises:
        UsageError: the recipe has no such chain.
    """
    chain = house.recipe.consolidate
    if chain is None:
        raise UsageError(
            f"the recipe {house.recipe.name!r} does not consolidate; all it does happens when something is added"
        )
    require_embedder(house)
    scope = Scope(namespace)
    standing = _active(house, scope)
    run = house.run("consolidate", scope)
    draft: Draft = chain(Draft((), tuple(standing)), run)
    ids = [e.id for e in draft.engrams]
    stored = house.store.engrams(ids)
    there = {e.id for e in standing} | stored.keys()
    made = [e for e in draft.engrams if e.id not in there]
    # What the chain gave no vectors or names is prepared as the write chain prepares what it derives.
    entries = entries_of(house, made, draft if draft.vectors or draft.names else None) if made else []
    new = list(zip(made, entries, strict=True))
    now = house.clock.now()
    back = [
        Decision("UPDATE", e, AGAIN)
        for e in draft.engrams
        if e.id in stored and stored[e.id].state == "archived" and gone_by_rebuild(house, e.id)
    ]
    revised = revisions_of(house, (*back, *draft.decisions), now)
    derived = [Derived(e.id, e.kind, "ADD", e.sources) for e, _ in new]
    derived += [Derived(r.engram.id, r.engram.kind, r.change, r.engram.sources) for r in revised]
    if new or revised or draft.links:
        house.store.commit(
            Commit(
                receipt=Receipt(namespace, (), tuple(derived)),
                actor=house.actor,
                action="consolidate",
                recorded_at=now,
                engrams=tuple(new),
                revised=revised,
                links=draft.links,
                settings=settings_of(house, [entry for _, entry in new]),
            )
        )
    return Consolidated(len(new), len(revised), run.trace.price.tokens)


def _active(house: House, scope: Scope) -> list[Engram]:
    where, after, found = Where(writer=house.recipe.writer), 0, []
    while page := house.store.list_engrams(scope, where, after=after, limit=PAGE):
        found += [engram for _, engram in page]
        after = int(page[-1][0])
    return found
