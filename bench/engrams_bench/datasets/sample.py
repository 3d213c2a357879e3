"""The histories that Engrams ships, in English and Chinese, with questions: small, ours, always at hand.

Format: `demo*.jsonl`, messages in the OpenAI form, one a line (`id`, `session`, `timestamp`, `role`, `name`, `content`);
beside each a `demo*_questions.json` with `questions` (`id`, `category`, `question`, `gold`: ids of messages). They lie in
the package itself, so no data folder is needed.
Licence: MIT, as all of Engrams; written for it.

Traps: it is small and written by the people who wrote the recall. It shows that everything works; it ranks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from engrams import Message
from engrams_bench.cases import Case, DataSet, Question, Session, Turn
from engrams_bench.datasets.reading import document, lines
from engrams_bench.errors import MalformedData

UNANSWERABLE = "unanswerable"


def shipped() -> Path:
    """The folder of the samples inside the installed package."""
    return Path(str(files("engrams"))) / "samples"


def _text(content: str | list[Mapping[str, Any]]) -> str:
    """What a message says: its text, or its parts of text with a word for each picture."""
    if isinstance(content, str):
        return content
    parts = [
        part["text"] if part["type"] == "text" else f"[image: {part['image_url']['url'].rsplit('/', 1)[-1]}]"
        for part in content
    ]
    return " ".join(parts)


def _case(history: Path, asked: Mapping[str, Any]) -> Case:
    grouped: dict[str, list[Turn]] = {}
    home: dict[str, str] = {}
    for said in lines(history):
        message = Message(
            role=said["role"],
            content=_text(said["content"]),
            speaker=said.get("name"),
            occurred_at=datetime.fromisoformat(said["timestamp"]),
        )
        grouped.setdefault(said["session"], []).append(Turn(said["id"], message))
        home[said["id"]] = said["session"]
    questions = tuple(
        Question(
            id=question["id"],
            text=question["question"],
            category=question["category"],
            turns=tuple(question["gold"]),
            sessions=tuple(dict.fromkeys(home[turn] for turn in question["gold"])),
            asked_at=datetime.fromisoformat(question["asked_at"]) if "asked_at" in question else None,
            abstain=question["category"] == UNANSWERABLE,
            answer="" if question["category"] == UNANSWERABLE else question.get("answer", ""),
        )
        for question in asked["questions"]
    )
    return Case(
        history.stem, tuple(Session(name, tuple(turns)) for name, turns in grouped.items()), questions
    )


def load(paths: list[Path]) -> Iterator[Case]:
    """The histories, each with its questions.

    Raises:
        MalformedData: a file lacks a field, or gold names no message.
    """
    for path in paths:
        try:
            asked = document(path)
            case = _case(path.with_name(asked["history"]), asked)
        except (KeyError, TypeError, ValueError) as cause:
            raise MalformedData(f"{path.name}: {type(cause).__name__}: {cause}") from cause
        yield case


SAMPLE = DataSet(
    name="sample",
    title="Engrams' own sample histories",
    licence="MIT",
    source="the engrams package",
    files=("*_questions.json",),
    load=load,
    folder=shipped,
)
