"""The result file: what was run, where, what it found question by question, what it cost. Ids, never texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engrams_bench.errors import MalformedResult
from engrams_bench.measures.ranks import Rank

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question got: the rank of each gold turn and session (None: not within the depth searched).

    `tokens` and `cited` are of the context: its length, and the share of the gold turns that it rests on (None: the
    question has no gold, or no context was asked for). `confidence` in 0..1 and `found` are the memory's own word on
    whether an answer is there (None: its recipe does not say).
    """

    id: str
    case: str
    category: str
    abstain: bool
    turns: tuple[Rank, ...]
    sessions: tuple[Rank, ...]
    confidence: float | None = None
    found: bool | None = None
    tokens: int | None = None
    cited: float | None = None
    model_calls: int = 0

    @property
    def counts(self) -> bool:
        """Whether it enters the tables: an answerable question whose gold is known."""
        return not self.abstain and bool(self.turns or self.sessions)


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run. The mappings are what the file shows; `outcomes` are in the order of the data."""

    recipe: Mapping[str, Any]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    origin: Mapping[str, Any]
    machine: Mapping[str, Any]
    cost: Mapping[str, Any]
    tables: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]
    schema: int = field(default=SCHEMA)

    @property
    def name(self) -> str:
        """What its file is called: data set and recipe."""
        return f"{self.data['name']}-{self.recipe['name']}"

    @property
    def whole(self) -> bool:
        """Whether every question of the data was asked."""
        return self.settings.get("limit") is None


def text_of(result: Result) -> str:
    """The file's text: readable JSON, one outcome a line."""
    head = {"schema": result.schema} | {
        name: dict(getattr(result, name))
        for name in ("recipe", "data", "settings", "origin", "machine", "cost", "tables")
    }
    rows = ",\n".join("    " + json.dumps(asdict(outcome)) for outcome in result.outcomes)
    return json.dumps(head, indent=2, ensure_ascii=False)[:-2] + f',\n  "outcomes": [\n{rows}\n  ]\n}}\n'


def write(result: Result, path: Path) -> None:
    """Writes the file, whole or not at all; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text_of(result), encoding="utf-8")
    unfinished.replace(path)


def read(path: Path) -> Result:
    """Reads a result file.

    Raises:
        MalformedResult: it cannot be read, is no result file, or is one of another schema.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["schema"] != SCHEMA:
            raise MalformedResult(f"{path}: schema {held['schema']}; this engrams-bench reads {SCHEMA}")
        held["outcomes"] = tuple(
            Outcome(**{**row, "turns": tuple(row["turns"]), "sessions": tuple(row["sessions"])})
            for row in held["outcomes"]
        )
        return Result(**held)
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise MalformedResult(
            f"{path}: no result of engrams-bench: {type(cause).__name__}: {cause}"
        ) from cause
