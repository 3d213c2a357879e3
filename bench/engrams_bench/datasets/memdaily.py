"""MemDaily: what a person tells an assistant over some days, in Chinese, with questions about it.

Format: one file for each kind of question, a list of `tid`, `message_list` (`mid`, `message`, `time` as
"2024年04月01日 周一 08:12", `place`) and `question_list` (`qid`, `question`, `time`,
`target_step_id`: the `mid`s that answer).
Licence: see the source. Source: https://github.com/nuster1128/MemSim (data_generation, final_dataset).
Paper: Zhang et al., "MemSim: A Bayesian Simulator for Evaluating Memory of LLM-based Personal Assistants", 2024.

Traps:
- A haystack is a dozen messages: recall@10 says little, look at recall@5 and NDCG.
- The text has no spaces between words.
- The place of a message is kept as metadata; it is the same all through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engrams import Message
from engrams_bench.cases import Case, DataSet, Question, Session, Turn
from engrams_bench.datasets.reading import elements
from engrams_bench.errors import MalformedData

_TIME = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日\D*?(\d{1,2}):(\d{2})")


def when(stamp: str) -> datetime:
    """A time as the set writes it, as UTC.

    Raises:
        ValueError: it has another form.
    """
    if not (match := _TIME.search(stamp)):
        raise ValueError(f"no time: {stamp!r}")
    year, month, day, hour, minute = map(int, match.groups())
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def _case(kind: str, record: Mapping[str, Any]) -> Case:
    turns = tuple(
        Turn(
            str(said["mid"]),
            Message(
                role="user",
                content=said["message"],
                occurred_at=when(said["time"]),
                metadata={"place": said["place"]},
            ),
        )
        for said in record["message_list"]
    )
    id = f"{kind}:{record['tid']}"
    questions = tuple(
        Question(
            id=f"{id}:{asked['qid']}",
            text=asked["question"],
            category=kind,
            turns=tuple(str(step) for step in dict.fromkeys(asked["target_step_id"])),
            asked_at=when(asked["time"]),
            answer=str(asked.get("answer", "")),
        )
        for asked in record["question_list"]
    )
    return Case(id, (Session("1", turns),), questions)


def load(paths: list[Path]) -> Iterator[Case]:
    """The message lists of the files, each with its questions; the category is the file's name without its number.

    Raises:
        MalformedData: a record lacks a field.
    """
    for path in paths:
        kind = path.stem.lstrip("0123456789_")
        for number, record in enumerate(elements(path)):
            try:
                case = _case(kind, record)
            except (KeyError, TypeError, ValueError) as cause:
                raise MalformedData(
                    f"{path.name}, record {number}: {type(cause).__name__}: {cause}"
                ) from cause
            yield case


MEMDAILY = DataSet(
    name="memdaily",
    title="MemDaily's question files",
    licence="no licence file",
    source="https://github.com/nuster1128/MemSim",
    files=("memdaily/*.json",),
    load=load,
)
