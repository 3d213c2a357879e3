"""What `engrams kv policies` shows beside a name: one row of figures each, from the committed results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engrams_bench.errors import Drifted
from engrams_bench.kv import reuse_table

#: Package data of engrams.
TARGET = Path("engrams/kv/measured.json")


def gather(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """By kind ("compression", "reuse") and name, figures by name; kinds without results are left out.

    Compression: the share of right answers at each share of the cache that was kept, before any question was known; of
    policies that need the question, when it was known. Rows with other settings than a policy's plain name are left out.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for file, suffix in (("before.json", ""), ("aware.json", "_knowing_the_question")):
        if (folder / file).is_file():
            told = json.loads((folder / file).read_text("utf-8"))
            _add(found.setdefault("compression", {}), told["rows"], suffix)
    if (folder / reuse_table.ROWS).is_file():
        found["reuse"] = reuse_table.figures(json.loads((folder / reuse_table.ROWS).read_text("utf-8")))
    return found


def _add(rows: dict[str, dict[str, float]], told: list[Mapping[str, Any]], suffix: str) -> None:
    known = set(rows)
    for row in told:
        if "," in row["policy"] or row["policy"] in known:
            continue
        right: str = row["right"]
        key = f"right_at_{100 * row['budget']:g}_percent{suffix}"
        rows.setdefault(row["policy"], {})[key] = round(right.count("1") / len(right), 4)


def write(folder: Path, target: Path = TARGET, check: bool = False) -> bool:
    """Makes the file from the results; whether it was another before.

    Raises:
        Drifted: with `check`, it is another.
    """
    made = json.dumps(gather(folder), indent=1, sort_keys=True) + "\n"
    before = target.read_text("utf-8") if target.is_file() else ""
    if made == before:
        return False
    if check:
        raise Drifted(f"{target} is not what the results in {folder} say; run: engrams-bench report")
    target.write_text(made, "utf-8")
    return True
