"""LoCoMo: ten very long conversations between two people, over months, with five kinds of questions.

Format: `locomo10.json`, a list of samples with `sample_id`, `conversation` (`speaker_a`, `speaker_b`, and for each n
`session_n`, a list of turns, with `session_n_date_time`, as "1:56 pm on 8 May, 2023") and `qa` (`question`, `category`,
`evidence`: ids of turns, as "D8:6" for the sixth turn of session 8). Any number of samples is read.
Licence: CC BY-NC 4.0. Source: https://github.com/snap-research/locomo (data/locomo10.json).
Paper: Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", ACL 2024.

Traps:
- Evidence ids are written by hand: several in one string ("D8:6; D9:17", "D9:1 D4:4"), "D:11:26", "D30:05", blanks,
  lists in lists, none at all, and turns that do not exist. They are normalised, what does not exist is dropped.
- `session_n_date_time` exists for sessions that have no turns.
- Photos are shared in turns; their machine-made caption (`blip_caption`) is part of what was said.
- Category 5 is adversarial: the question misattributes something. Its evidence is what misleads, its answer "not said".
- The questions carry no date. About 6 % of the gold is wrong, so nobody reaches 100 %.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engrams import Message
from engrams_bench.cases import Case, DataSet, Question, Session, Turn
from engrams_bench.datasets.reading import elements
from engrams_bench.errors import MalformedData

#: The names of the categories as the paper's section 4.1 orders them in the authors' evaluation code.
CATEGORIES: Mapping[int, str] = MappingProxyType(
    {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
)
ADVERSARIAL = 5

_EVIDENCE = re.compile(r"D:?(\d+):(\d+)")
_SESSION = re.compile(r"session_(\d+)")
_DATE = "%I:%M %p on %d %B, %Y"


def evidence(raw: object) -> tuple[str, ...]:
    """The turn ids in an evidence field, whatever its form: string, list, list of lists; in order, each once.

    >>> evidence(["D8:6; D9:17", "D:11:26", "D30:05", ""])
    ('D8:6', 'D9:17', 'D11:26', 'D30:5')
    """
    if isinstance(raw, str):
        found = [f"D{int(session)}:{int(turn)}" for session, turn in _EVIDENCE.findall(raw)]
    elif isinstance(raw, list | tuple):
        found = [turn for part in raw for turn in evidence(part)]
    else:
        found = []
    return tuple(dict.fromkeys(found))


def spoken(turn: Mapping[str, Any]) -> str:
    """What a turn says: its text, and the caption of the photo it shares."""
    text, caption = str(turn.get("text") or ""), turn.get("blip_caption")
    return f"{text} [shares a photo: {caption}]".strip() if caption else text


def _session(number: int, conversation: Mapping[str, Any]) -> Session:
    at = _when(str(conversation.get(f"session_{number}_date_time", "")))
    turns = []
    for turn in conversation[f"session_{number}"]:
        message = Message(role="user", content=spoken(turn), speaker=str(turn["speaker"]), occurred_at=at)
        turns.append(Turn(evidence(turn["dia_id"])[0], message))
    return Session(str(number), tuple(turns))


def _when(stamp: str) -> datetime | None:
    return datetime.strptime(stamp.strip(), _DATE).replace(tzinfo=UTC) if stamp.strip() else None


def _case(sample: Mapping[str, Any]) -> Case:
    conversation = sample["conversation"]
    numbers = sorted(int(match[1]) for key in conversation if (match := _SESSION.fullmatch(key)))
    sessions = tuple(_session(number, conversation) for number in numbers)
    home = {turn.id: session.id for session in sessions for turn in session.turns}
    questions = []
    for number, asked in enumerate(sample["qa"]):
        gold = tuple(turn for turn in evidence(asked.get("evidence")) if turn in home)
        category = int(asked["category"])
        questions.append(
            Question(
                id=f"{sample['sample_id']}:{number}",
                text=str(asked["question"]),
                category=CATEGORIES[category],
                turns=gold,
                sessions=tuple(dict.fromkeys(home[turn] for turn in gold)),
                abstain=category == ADVERSARIAL,
                answer="" if category == ADVERSARIAL else str(asked.get("answer") or ""),
            )
        )
    return Case(str(sample["sample_id"]), sessions, tuple(questions))


def load(paths: list[Path]) -> Iterator[Case]:
    """The conversations of the files, in order.

    Raises:
        MalformedData: a sample lacks a field of the official schema.
    """
    for path in paths:
        for number, sample in enumerate(elements(path)):
            try:
                case = _case(sample)
            except (KeyError, TypeError, ValueError, IndexError) as cause:
                raise MalformedData(
                    f"{path.name}, sample {number}: {type(cause).__name__}: {cause}"
                ) from cause
            yield case


LOCOMO = DataSet(
    name="locomo",
    title="LoCoMo's locomo10.json",
    licence="CC BY-NC 4.0",
    source="https://github.com/snap-research/locomo",
    files=("locomo/locomo*.json", "locomo*.json"),
    load=load,
)
