"""The audit as people ask for it: pages of who did what when, and whether its chain of digests is whole."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engrams.errors import BadSetting
from engrams.lifecycle.opening import House
from engrams.lifecycle.reading import MOST_ON_A_PAGE, after_number, whole_number
from engrams.records import Json, Page, Problem

_DIGEST = re.compile("[0-9a-f]{64}")
#: What those findings of `Store.check` that speak of the audit have in common.
_OF_THE_AUDIT = ("audit row", "the audit ends")


def page(house: House, limit: int, cursor: str | None) -> Page[Mapping[str, Json]]:
    """One page, oldest first."""
    whole_number("limit", limit, 1, MOST_ON_A_PAGE)
    found = house.store.audit(after=after_number(cursor), limit=limit + 1)
    return Page(tuple(found[:limit]), str(found[limit - 1]["seq"]) if len(found) > limit else None)


def broken(house: House, head: str | None = None) -> list[Problem]:
    """Where the chain is broken, the first place first; empty where every row is as it was written.

    `head`, "NUMBER:DIGEST" of a row that was kept elsewhere, must be among them: who writes the whole chain anew, or cuts
    its end off with the counter beside it, cannot make that.

    Raises:
        BadSetting: no such head.
    """
    found = [p for p in house.store.check() if any(words in p.what for words in _OF_THE_AUDIT)]
    return found if head is None else [*_without(house, head), *found]


def _without(house: House, head: str) -> list[Problem]:
    number, _, digest = head.strip().partition(":") if isinstance(head, str) else ("", "", "")
    if not number.isdecimal() or not _DIGEST.fullmatch(digest):
        raise BadSetting(
            "head", head, "the number and digest of a row of the audit, such as '217:3a07…' (64 digits)"
        )
    row = next(iter(house.store.audit(after=int(number) - 1, limit=1)), None)
    if row is not None and (row["seq"], row["digest"]) == (int(number), digest):
        return []
    what = "is not there any more" if row is None or row["seq"] != int(number) else "is another now"
    return [
        Problem(
            f"audit row {number} {what}: the audit was cut off or written anew since its digest was kept",
            "the record of who did what cannot be trusted; compare with a backup",
        )
    ]
