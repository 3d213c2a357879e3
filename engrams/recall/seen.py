"""Whether a query may see an engram that was reached by a link and not through the index."""

from __future__ import annotations

from datetime import UTC, datetime

from engrams.filters import fields_of, holds, parse
from engrams.records import Engram, Query


def may_see(query: Query, engram: Engram) -> bool:
    """Whether scope, times, state and filters of a query let this version of an engram through.

    A version that came after `as_of` is not seen; the one before it is found through the index alone.
    """
    scope = query.scope
    if not scope.covers(engram.namespace) or (query.writer is not None and engram.recipe != query.writer):
        return False
    for wanted, there in (
        (scope.agent_id, engram.agent_id),
        (scope.run_id, engram.run_id),
        (scope.session, engram.session),
    ):
        if wanted is not None and wanted != there:
            return False
    at = engram.occurred_at
    if (query.since is not None and at < query.since) or (query.until is not None and at > query.until):
        return False
    known = engram.recorded_at if query.as_of_by == "recorded" else at
    if query.as_of is not None and known > query.as_of:
        return False
    return _held(query.valid_at, engram) and holds(parse(query.filters), fields_of(engram))


def _held(valid_at: datetime | None, engram: Engram) -> bool:
    """Whether an engram stands, or with a time, whether it was true then."""
    if valid_at is None:
        return engram.state == "active"
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return (engram.valid_from or first) <= valid_at < (engram.valid_to or last) and engram.state != "archived"
