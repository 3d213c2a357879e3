"""From what a memory returned to the ranks of what it should have returned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Rank = int | None


def turn_ranks(found: Sequence[Iterable[str]], gold: Sequence[str]) -> tuple[Rank, ...]:
    """The rank of each gold turn: the place of the first hit that rests on it.

    `found` holds, for each hit in order, the turns it rests on. A hit that rests on several turns takes one place; its
    price shows in the tokens of the context.
    """
    first: dict[str, int] = {}
    for place, turns in enumerate(found, 1):
        for turn in turns:
            first.setdefault(turn, place)
    return tuple(first.get(turn) for turn in gold)


def session_ranks(
    found: Sequence[Iterable[str]], gold: Sequence[str], session_of: Mapping[str, str]
) -> tuple[Rank, ...]:
    """The rank of each gold session among the sessions found: a session stands where its best turn stands."""
    order: dict[str, int] = {}
    for turns in found:
        for turn in turns:
            order.setdefault(session_of[turn], len(order) + 1)
    return tuple(order.get(session) for session in gold)
