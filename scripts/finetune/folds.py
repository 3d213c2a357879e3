"""Who may learn from what: two folds, and no training text in a haystack that is asked of."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence


def components(members: Sequence[Sequence[Hashable]]) -> list[int]:
    """The component of each question: questions that share a member (a session, a passage) are of one.

    Components are numbered from 0 in the order they first appear.

    >>> components([["a", "b"], ["c"], ["b", "d"]])
    [0, 1, 0]
    """
    root: dict[Hashable, Hashable] = {}

    def top(node: Hashable) -> Hashable:
        while root.setdefault(node, node) != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    for number, held in enumerate(members):
        for member in held:
            root[top(("member", member))] = top(("question", number))
    numbered: dict[Hashable, int] = {}
    return [numbered.setdefault(top(("question", n)), len(numbered)) for n in range(len(members))]


def folds(members: Sequence[Sequence[Hashable]], kinds: Sequence[str], count: int = 2) -> list[int]:
    """The fold of each question, 0 to `count` - 1: whole components, kinds of questions evenly spread.

    The largest component goes first, each to the fold that has the fewest questions of its first question's kind.
    """
    component = components(members)
    of: dict[int, list[int]] = {}
    for number, name in enumerate(component):
        of.setdefault(name, []).append(number)
    filled: dict[tuple[int, str], int] = {}
    totals = [0] * count
    chosen = [0] * len(members)
    for held in sorted(of.values(), key=lambda numbers: (-len(numbers), kinds[numbers[0]], numbers[0])):
        kind = kinds[held[0]]
        fold = min(range(count), key=lambda f: (filled.get((f, kind), 0), totals[f], f))
        for number in held:
            chosen[number] = fold
            filled[fold, kinds[number]] = filled.get((fold, kinds[number]), 0) + 1
        totals[fold] += len(held)
    return chosen


def trainable(
    haystacks: Sequence[Sequence[Hashable]], fold: Mapping[int, int] | Sequence[int], held_out: int
) -> set[Hashable]:
    """What may be trained on when `held_out` is to be asked: members of other haystacks that are in none of its own."""
    asked = {member for n, held in enumerate(haystacks) if fold[n] == held_out for member in held}
    others = {member for n, held in enumerate(haystacks) if fold[n] != held_out for member in held}
    return others - asked
