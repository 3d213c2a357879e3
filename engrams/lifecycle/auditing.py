"""The audit as people ask for it: pages of who did what when, and whether its chain of digests is whole."""

from __future__ import annotations

from collections.abc import Mapping

from engrams.lifecycle.opening import House
from engrams.lifecycle.reading import MOST_ON_A_PAGE, after_number, whole_number
from engrams.records import Json, Page, Problem

#: What those findings of `Store.check` that speak of the audit have in common.
_OF_THE_AUDIT = ("audit row", "the audit ends")


def page(house: House, limit: int, cursor: str | None) -> Page[Mapping[str, Json]]:
    """One page, oldest first."""
    whole_number("limit", limit, 1, MOST_ON_A_PAGE)
    found = house.store.audit(after=after_number(cursor), limit=limit + 1)
    return Page(tuple(found[:limit]), str(found[limit - 1]["seq"]) if len(found) > limit else None)


def broken(house: House) -> list[Problem]:
    """Where the chain is broken, the first place first; empty where every row is as it was written."""
    return [p for p in house.store.check() if any(words in p.what for words in _OF_THE_AUDIT)]
