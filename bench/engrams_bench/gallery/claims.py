"""What running text says of rows beside each other, checked whenever its numbers are filled in: a sentence that new rows make untrue fails.

A claim stands in a comment before its sentence, in one of four forms; figures are those of `numbers`:

    <!--? DATA ROW FIGURE above DATA ROW FIGURE -->      (or below)
    <!--? DATA ROW FIGURE near DATA ROW FIGURE -->       at most so far apart: see NEAR
    <!--? the best of DATA by FIGURE: ROW, ROW -->       of published memories, in this order
    <!--? none of DATA by FIGURE above ROW -->           no published memory
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from engrams_bench.errors import Drifted
from engrams_bench.gallery.guide import plain
from engrams_bench.gallery.rows import figure, one
from engrams_bench.results import Result

CLAIM = re.compile(r"<!--\? (.+?) -->")
#: Two percentages are near each other that differ by at most so many points.
NEAR = 3.0

_PAIR = re.compile(r"(\S+) (\S+) (.+?) (above|below|near) (\S+) (\S+) (.+)")
_BEST = re.compile(r"the best of (\S+) by (.+?): (.+)")
_NONE = re.compile(r"none of (\S+) by (.+?) above (\S+)")


def require_claims(text: str, rows: Sequence[Result], published: Collection[str]) -> int:
    """Checks every claim of a text; how many there are. `published`: the names of the rows of published memories.

    Raises:
        Drifted: a claim that the rows do not bear out, or that cannot be read.
        BenchError: a claim names no row, or no figure.
    """
    found = CLAIM.findall(text)
    for claim in found:
        if pair := _PAIR.fullmatch(claim):
            _pair(claim, pair, rows)
        elif best := _BEST.fullmatch(claim):
            named = [name.strip() for name in best[3].split(",")]
            order = [name for _, name in _ranked(rows, best[1], best[2], published)]
            _require(order[: len(named)] == named, claim, f"the best are {', '.join(order[: len(named)])}")
        elif none := _NONE.fullmatch(claim):
            held = _figure(rows, none[1], none[3], none[2])
            over = [
                f"{name} ({value:.1f})"
                for value, name in _ranked(rows, none[1], none[2], published)
                if value > held
            ]
            _require(not over, claim, f"above {held:.1f} are {', '.join(over)}")
        else:
            raise Drifted(
                f"no claim: {claim!r}; write 'DATA ROW FIGURE above DATA ROW FIGURE' or another form of claims.py"
            )
    return len(found)


def _pair(claim: str, said: re.Match[str], rows: Sequence[Result]) -> None:
    left, right = _figure(rows, said[1], said[2], said[3]), _figure(rows, said[5], said[6], said[7])
    holds = {"above": left > right, "below": left < right, "near": abs(left - right) <= NEAR}[said[4]]
    _require(holds, claim, f"they are {left:.1f} and {right:.1f}")


def _figure(rows: Sequence[Result], data: str, recipe: str, name: str) -> float:
    value = figure(one(rows, data, recipe), name)
    if value is None:
        raise Drifted(f"a claim speaks of {name} of {recipe} over {data}, which that row does not have")
    return value


def _ranked(
    rows: Sequence[Result], data: str, name: str, published: Collection[str]
) -> list[tuple[float, str]]:
    """(figure, row) of the published memories over a set whose figures compare, the best first."""
    here = [
        row for row in rows if row.data["name"] == data and row.recipe["name"] in published and plain(row)
    ]
    told = [(value, str(row.recipe["name"])) for row in here if (value := figure(row, name)) is not None]
    return sorted(told, key=lambda pair: (-pair[0], pair[1]))


def _require(holds: bool, claim: str, found: str) -> None:
    if not holds:
        raise Drifted(
            f"what is said is not so any more: {claim!r}; {found}. Write the sentence and its claim anew"
        )
