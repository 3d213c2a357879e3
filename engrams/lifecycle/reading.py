"""Reading: a question becomes a query, the recipe's read chain ranks and composes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from engrams.compose.steps import hit
from engrams.errors import BadSetting, Mismatch
from engrams.filters import parse
from engrams.lifecycle import payloads
from engrams.lifecycle.embedding import require_embedder
from engrams.lifecycle.opening import House
from engrams.lifecycle.telling import tell
from engrams.ports import Where
from engrams.records import Context, Engram, Event, Hit, Json, Page, Problem, Query, Scope, Stats, moment

#: The most hits one search gives; who wants everything pages through `get_all`.
MOST_HITS = 10_000
#: The most items on one page of a list.
MOST_ON_A_PAGE = 10_000
#: The longest question, in characters: a question, not a document.
LONGEST_QUESTION = 100_000

Moment = datetime | date | str | float


@dataclass(frozen=True, slots=True)
class Bounds:
    """The times and filters of a call as the caller gave them."""

    filters: Mapping[str, Json] | None = None
    since: Moment | None = None
    until: Moment | None = None
    as_of: Moment | None = None
    valid_at: Moment | None = None
    as_of_by: Literal["recorded", "occurred"] = "recorded"

    def where(self) -> Where:
        """The same, checked, as the store takes it.

        Raises:
            UsageError: a time or filter that cannot be read, or `since` after `until`.
        """
        if self.filters is not None:
            parse(self.filters)
        if self.as_of_by not in ("recorded", "occurred"):
            raise BadSetting(
                "as_of_by", self.as_of_by, "'recorded' (when we learnt it) or 'occurred' (when it happened)"
            )
        since = None if self.since is None else moment(self.since, "since")
        until = None if self.until is None else moment(self.until, "until", end_of_day=True)
        if since is not None and until is not None and since > until:
            raise BadSetting("since", self.since, f"a time not after until ({until.isoformat()})")
        return Where(
            since=since,
            until=until,
            as_of=None if self.as_of is None else moment(self.as_of, "as_of", end_of_day=True),
            as_of_by=self.as_of_by,
            valid_at=None if self.valid_at is None else moment(self.valid_at, "valid_at"),
            filters=self.filters,
            states=("active",) if self.valid_at is None else ("active", "superseded"),
        )


def query(
    house: House,
    text: object,
    scope: Scope,
    bounds: Bounds,
    *,
    asked_at: Moment | None,
    k: int | None,
    budget: int | None,
    explain: bool,
) -> Query:
    """A checked query.

    Raises:
        BadSetting: an empty or endless question, a `k` or `budget` out of range, a time that is none.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_QUESTION:
        raise BadSetting(
            "query", text, f"a question: text of 1 to {LONGEST_QUESTION:,} characters that is not blank"
        )
    whole_number("k", k, 1, MOST_HITS)
    whole_number("budget", budget, 1, 10_000_000)
    where = bounds.where()
    return Query(
        text=text,
        scope=scope,
        asked_at=None if asked_at is None else moment(asked_at, "asked_at"),
        since=where.since,
        until=where.until,
        as_of=where.as_of,
        as_of_by=where.as_of_by,
        valid_at=where.valid_at,
        filters=where.filters,
        limit=k,
        budget=budget,
        explain=bool(explain),
        writer=house.recipe.writer,
    )


def search(house: House, asked: Query) -> list[Hit]:
    """Ranks by the recipe's read chain, without composing."""
    require_embedder(house)
    require_derived(house)
    began = time.perf_counter()
    ranked = house.recipe.ranking()(asked, house.run("read", asked.scope))
    tell(
        "memory.searched",
        namespace=asked.scope.namespace,
        recipe=house.recipe.name,
        hits=len(ranked.items[: asked.limit]),
        milliseconds=round((time.perf_counter() - began) * 1e3, 1),
    )
    return [hit(s, explain=asked.explain, confidence=ranked.confidence) for s in ranked.items[: asked.limit]]


def context(house: House, asked: Query) -> Context:
    """Runs the whole read chain; price and trace are those of this run."""
    require_embedder(house)
    pending = require_derived(house)
    run = house.run("read", asked.scope)
    began = time.perf_counter()
    made = house.recipe.read(asked, run)
    asked_of_models = run.trace.price
    spent = replace(
        made.price,
        milliseconds=(time.perf_counter() - began) * 1e3,
        model_calls=asked_of_models.model_calls,
        money=asked_of_models.money,
    )
    tell(
        "memory.answered",
        namespace=asked.scope.namespace,
        recipe=house.recipe.name,
        hits=len(made.hits),
        tokens=spent.tokens,
        found=made.found,
        milliseconds=round(spent.milliseconds, 1),
    )
    made = replace(made, price=spent, trace=tuple(run.trace.steps), pending=pending)
    return payloads.attached(house, made)


def require_derived(house: House) -> int:
    """How much of the journal cannot be found yet by the open recipe: entries not looked at, and jobs that will derive.

    Raises:
        Mismatch: nothing at all was derived by it, while the journal has entries.
    """
    writer = house.recipe.writer
    progress = house.store.progress(writer)
    if progress.behind and not progress.looked and not house.store.stats(None, writer=writer).engrams:
        raise Mismatch(
            f"the recipe {house.recipe.name!r} has derived nothing yet from the {progress.behind:,} journal entries in "
            f"{house.store.location}; derive with: engrams rebuild --recipe {house.recipe.name}; or open it without recipe="
        )
    return progress.pending


def stats(house: House, scope: Scope | None) -> Stats:
    """Counts of the open recipe's engrams, and how far it has come."""
    progress = house.store.progress(house.recipe.writer)
    found = house.store.stats(scope, writer=house.recipe.writer)
    return replace(found, pending=progress.pending, dead=progress.dead)


def problems(house: House) -> list[Problem]:
    """What the open recipe has not derived yet, and jobs that were given up."""
    progress = house.store.progress(house.recipe.writer)
    found = []
    if progress.behind:
        what = f"the recipe {house.recipe.name!r} has not looked at {progress.behind:,} journal entries yet"
        found.append(Problem(what, f"engrams rebuild --recipe {house.recipe.name}", "warning"))
    if progress.waiting:
        found.append(Problem(f"{progress.waiting:,} jobs wait to derive", "engrams work --once", "warning"))
    if progress.dead:
        what = f"{progress.dead:,} jobs were given up; what they would have derived cannot be found"
        found.append(Problem(what, "engrams jobs, then: engrams jobs retry ID", "warning"))
    return found


def get_all(house: House, scope: Scope, bounds: Bounds, limit: int, cursor: str | None) -> Page[Engram]:
    """One page of the engrams that hold, in the order they were recorded."""
    whole_number("limit", limit, 1, MOST_ON_A_PAGE)
    found = house.store.list_engrams(
        scope,
        replace(bounds.where(), writer=house.recipe.writer),
        after=after_number(cursor),
        limit=limit + 1,
    )
    return Page(tuple(e for _, e in found[:limit]), str(found[limit - 1][0]) if len(found) > limit else None)


def log(
    house: House, scope: Scope, bounds: Bounds, limit: int, cursor: str | None, *, newest_first: bool
) -> Page[Event]:
    """One page of the journal: everything that was written, corrections and pins included."""
    whole_number("limit", limit, 1, MOST_ON_A_PAGE)
    found = house.store.journal(
        scope,
        bounds.where(),
        kinds=None,
        after=after_number(cursor),
        limit=limit + 1,
        newest_first=newest_first,
    )
    return Page(tuple(e for _, e in found[:limit]), str(found[limit - 1][0]) if len(found) > limit else None)


def whole_number(key: str, value: object, least: int, most: int) -> None:
    """Checks a count; None passes.

    Raises:
        BadSetting: no whole number, or out of range.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadSetting(key, value, f"a whole number from {least} to {most:,}")


def after_number(cursor: object) -> int:
    """The number behind which a page begins.

    Raises:
        BadSetting: no `next` of a page.
    """
    if cursor is None:
        return 0
    if not isinstance(cursor, str) or not cursor.isdigit() or len(cursor) > 18:
        raise BadSetting("cursor", cursor, "the `next` of the page before")
    return int(cursor)
