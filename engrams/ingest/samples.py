"""The conversation histories that come with the package, and questions about them with the turns that answer them.

They were written for Engrams: nobody's real words, and not made from any data set.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from engrams.errors import UnknownName
from engrams.ingest.openai import read_messages
from engrams.ingest.source import Source
from engrams.records import Message

Category = Literal["single", "multi", "temporal", "update", "preference", "unanswerable"]

#: The histories by name, and what each is.
SAMPLES = MappingProxyType(
    {
        "demo": "two friends write to each other from September 2024 to June 2025 (English, 440 turns, 60 questions)",
        "demo_zh": "two friends write to each other from October 2024 to May 2025 (Chinese, 60 turns, 15 questions)",
    }
)


@dataclass(frozen=True)
class Question:
    """A question about a history. `gold`: the ids of the turns that answer it; empty where nothing does."""

    id: str
    category: Category
    question: str
    answer: str
    gold: tuple[str, ...]


def history(name: str = "demo") -> list[Message]:
    """The messages of a sample; each has its id (`s12:4`: session and turn) as `metadata["source_id"]`.

    Raises:
        UnknownName: no such sample.
    """
    return list(read_messages(Source(f"{name}.jsonl", _held(name, f"{name}.jsonl"))))


def questions(name: str = "demo") -> list[Question]:
    """The questions about a sample.

    Raises:
        UnknownName: no such sample.
    """
    held = json.loads(_held(name, f"{name}_questions.json"))
    return [
        Question(q["id"], q["category"], q["question"], q["answer"], tuple(q["gold"]))
        for q in held["questions"]
    ]


def _held(name: str, file: str) -> bytes:
    if name not in SAMPLES:
        raise UnknownName("sample", name, SAMPLES)
    return files("engrams").joinpath("samples", file).read_bytes()
