"""Feedback through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Engrams = Callable[..., Any]


def test_a_hit_is_cited_and_the_scorer_has_a_history(engrams: Engrams, database: Path) -> None:
    for text in ("My cat is grey.", "The cat food is empty.", "Tom has a cat."):
        engrams("add", text)
    hits = engrams("search", "Which cat?", "--json").json
    told = engrams("feedback", "Which cat?", "--cited", hits[1]["id"], "--wrong", hits[0]["id"])
    assert told.code == 0
    assert len(told.lines) == 2
    scorer = told.err.split("engrams history ")[1].split()[0]
    assert [row[1] for row in engrams("history", scorer).rows] == ["ADD"]
    kinds = [json.loads(line)["kind"] for line in engrams("log", "--json").lines]
    assert kinds.count("feedback") == 2


def test_a_verdict_is_needed_and_an_id_must_be_a_hit(engrams: Engrams, database: Path) -> None:
    engrams("add", "My cat is grey.")
    missing = engrams("feedback", "Which cat?")
    assert missing.code == 2
    assert "cited, chosen or wrong" in missing.err
    unknown = engrams("feedback", "Which cat?", "--cited", "nowhere")
    assert unknown.code == 3
    assert "nowhere" in unknown.err
