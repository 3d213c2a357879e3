"""What can be done with blocks, by name: compression policies, ways of reuse and of sharing, with paper and what was measured of them."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from engrams.kv.policies.catalogue import cards as of_compression
from engrams.kv.reuse.catalogue import KEEPING, METHODS
from engrams.kv.shared.group_think import GroupThink
from engrams.kv.shared.hogwild import Hogwild
from engrams.kv.shared.task_tree import TaskTree

#: Package data: by kind and name, the row that the benchmark measured last on the fixture model.
MEASURED = "measured.json"


def cards() -> list[dict[str, Any]]:
    """One card each: kind ("compression", "reuse", "sharing"), name, paper (empty: ours, or a row of reference), differs, needs
    (what a name alone does not bring) and measured (an object of figures, empty where it was not measured)."""
    reuse = [
        {"name": way.name, "paper": way.paper, "differs": list(way.differs), "needs": needs}
        for ways, needs in ((METHODS, ""), (KEEPING, "its own store of pieces"))
        for way in ways.values()
    ]
    sharing = [
        {
            "name": way.name,
            "paper": way.paper,
            "differs": list(way.differs),
            "needs": "a loop of the caller's own",
        }
        for way in (Hogwild, GroupThink, TaskTree)
    ]
    rows = measured()
    return [
        {"kind": kind, **card, "measured": rows.get(kind, {}).get(card["name"], {})}
        for kind, group in (("compression", of_compression()), ("reuse", reuse), ("sharing", sharing))
        for card in group
    ]


def measured() -> dict[str, Any]:
    """What the benchmark measured: by kind and name, figures by name. Empty as long as nothing was."""
    found = files("engrams.kv") / MEASURED
    rows: dict[str, Any] = json.loads(found.read_text("utf-8")) if found.is_file() else {}
    return rows
