"""The results of learnt policies as a table of the page on recipes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: The folder of these results, below that of all.
POLICIES = "policies"
#: The names of what is held against each other, in the order of the table.
COLUMNS = ("trained", "untrained", "random", "everything", "rules")


def gather(results: Path) -> list[dict[str, Any]]:
    """The committed results, by name of their files."""
    folder = results / POLICIES
    return [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """For each result and price: recall and share kept by the learnt policy and those beside it, and by how much it is worth more."""
    if not results:
        return ""
    heads = [
        "recipe",
        "data, conversations",
        "price",
        *COLUMNS,
        *(f"worth more than {name}" for name in COLUMNS[1:]),
    ]
    lines = ["", "", "**Policies that learn what to keep**", ""]
    lines += [f"| {' | '.join(heads)} |", f"| --- | --- |{' --: |' * (len(heads) - 2)}"]
    for result in results:
        for row in result["rows"]:
            cells = [
                f"`{result['recipe']['name']}`",
                f"{result['data']['name']}, {result['conversations']}",
                f"{row['price']:g}",
            ]
            cells += [
                f"{100 * held['recall']:.1f} of {100 * held['kept']:.0f}"
                for held in (row["policies"][name] for name in COLUMNS)
            ]
            cells += [_more(row["trained less"][name]["worth"]) for name in COLUMNS[1:]]
            lines.append(f"| {' | '.join(cells)} |")
    over = sorted({one["trained less"]["random"]["worth"]["over"] for r in results for one in r["rows"]})
    lines += [
        "",
        "*68.0 of 40*: 68.0 % of a question's evidence in the hits that a reader is given (2,000 characters), with 40 % of all statements' "
        "characters kept. Worth: recall less price times share kept, in points of a hundred; in brackets 95 % intervals of the paired "
        f"bootstrap over {' or '.join(over)} (conversations where there are at least 5). Each conversation is judged by a policy "
        "that learnt from the others.",
    ]
    return "\n".join(lines)


def _more(held: Mapping[str, Any]) -> str:
    low, high = (f"{100 * end:+.1f}" for end in held["interval"])
    return f"{100 * held['difference']:+.1f} ({low} to {high})"
