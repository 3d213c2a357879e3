"""LongMemEval: 500 questions, each over its own history of chats between a user and an assistant.

Format: `longmemeval_s.json` (or `longmemeval_s_cleaned.json`; about 50 sessions a question) and
`longmemeval_oracle.json` (only the sessions that hold the answer): a list of `question_id`, `question_type`, `question`,
`question_date` ("2023/05/30 (Tue) 10:18"), `haystack_dates`, `haystack_session_ids`, `haystack_sessions` (lists of turns
with `role`, `content` and, where it holds evidence, `has_answer`) and `answer_session_ids`. Files may be gzipped.
The form with sessions stored once is read too: `s_questions*.jsonl` (the same fields, no `haystack_sessions`, and
`has_answer` as a list of [session id, turn number from 0, true or false]) with `s_sessions*.jsonl[.xz]` (`id`, `turns` as
[role, content] pairs). `engrams-bench convert` makes the official form of it.
Licence: MIT. Source: https://github.com/xiaowu0162/LongMemEval.
Paper: Wu et al., "LongMemEval: Benchmarking Chat Assistants on Long-Term Interactive Memory", ICLR 2025.

Traps:
- Ids of sessions that hold the answer begin with "answer_": a memory must never see them (the runner renames sessions).
- Ids that end in "_abs" are questions without an answer: to be abstained from, and left out of recall. Their
  `answer_session_ids` are sessions that mislead.
- A haystack can hold the same session twice; sessions are not always in the order of their dates; a question can be
  asked before the date of a session in its haystack.
- Session recall@5 is nearly saturated: look at all@5, NDCG@10 and turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from engrams import Message
from engrams_bench.cases import Case, DataSet, Question, Session, Turn
from engrams_bench.datasets.reading import elements, lines
from engrams_bench.errors import MalformedData, MissingData

ABSTENTION = "_abs"
PARTS = 10
"""Of so many parts of its questions `longmemeval-tenth` is one."""


def when(stamp: str) -> datetime:
    """A date as the set writes it, "2023/05/30 (Tue) 10:18", as UTC; the weekday is not read.

    Raises:
        ValueError: it has another form.
    """
    day, _, clock = stamp.split()
    return datetime.strptime(f"{day} {clock}", "%Y/%m/%d %H:%M").replace(tzinfo=UTC)


def unique(names: Sequence[str]) -> list[str]:
    """The names, a repeated one with its number: a, b, a becomes a, b, a#2."""
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return told


def case_of(record: Mapping[str, Any]) -> Case:
    """One record of the official form as a case.

    Raises:
        KeyError, ValueError, TypeError: a field is missing or has another form.
    """
    names = [str(name) for name in record["haystack_session_ids"]]
    told = unique(names)
    sessions, gold = [], []
    for name, stamp, turns in zip(told, record["haystack_dates"], record["haystack_sessions"], strict=True):
        at, held = when(stamp), []
        for number, turn in enumerate(turns):
            id = f"{name}:{number}"
            held.append(Turn(id, Message(role=turn["role"], content=turn["content"], occurred_at=at)))
            if turn.get("has_answer"):
                gold.append(id)
        sessions.append(Session(name, tuple(held)))
    answers = set(record["answer_session_ids"])
    question = Question(
        id=record["question_id"],
        text=record["question"],
        category=record["question_type"],
        turns=tuple(gold),
        sessions=tuple(label for label, name in zip(told, names, strict=True) if name in answers),
        asked_at=when(record["question_date"]),
        abstain=record["question_id"].endswith(ABSTENTION),
        answer=str(record.get("answer", "")),
    )
    return Case(question.id, tuple(sessions), (question,))


def inline(questions: Path, sessions: Path) -> Iterator[dict[str, Any]]:
    """Records of the official form, made of the form with sessions stored once.

    Raises:
        MalformedData: a question names a session that is not there.
    """
    stored = {held["id"]: held["turns"] for held in lines(sessions)}
    for record in lines(questions):
        evidence = {(name, number) for name, number, holds in record.pop("has_answer", []) if holds}
        haystack = []
        for name in record["haystack_session_ids"]:
            if name not in stored:
                raise MalformedData(
                    f"{questions.name}: {record['question_id']} names session {name}, not in {sessions.name}"
                )
            haystack.append(
                [
                    {
                        "role": role,
                        "content": content,
                        **({"has_answer": True} if (name, number) in evidence else {}),
                    }
                    for number, (role, content) in enumerate(stored[name])
                ]
            )
        yield {**record, "haystack_sessions": haystack}


def records(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """The records of the files in the official form, from whichever form they have.

    Raises:
        MissingData: questions without their sessions, or the other way round.
    """
    questions = [path for path in paths if "questions" in path.name]
    sessions = [path for path in paths if "sessions" in path.name]
    if not questions and not sessions:
        for path in paths:
            yield from elements(path)
    elif len(questions) == len(sessions):
        for asked, stored in zip(questions, sessions, strict=True):
            yield from inline(asked, stored)
    else:
        there = ", ".join(path.name for path in paths)
        raise MissingData(
            f"longmemeval: found {there}; each s_questions*.jsonl needs its s_sessions*.jsonl[.xz] beside it"
        )


def load(paths: list[Path]) -> Iterator[Case]:
    """The questions of the files, each with its haystack.

    Raises:
        MalformedData: a record lacks a field of the official schema.
    """
    for number, record in enumerate(records(paths)):
        try:
            case = case_of(record)
        except (KeyError, TypeError, ValueError) as cause:
            raise MalformedData(
                f"{paths[0].name}, record {number}: {type(cause).__name__}: {cause}"
            ) from cause
        yield case


def tenth(paths: list[Path]) -> Iterator[Case]:
    """Those of `load` whose id falls to the first of `PARTS` parts, by its digest: the same whatever else the files hold."""
    return (case for case in load(paths) if _part(case.id) == 0)


def _part(id: str) -> int:
    return int.from_bytes(blake2b(id.encode(), digest_size=8).digest(), "big") % PARTS


LONGMEMEVAL = DataSet(
    name="longmemeval",
    title="LongMemEval-S (longmemeval_s.json)",
    licence="MIT",
    source="https://github.com/xiaowu0162/LongMemEval",
    files=("longmemeval/longmemeval_s*.json*", "longmemeval_s*.json*", "longmemeval/s_*.jsonl*"),
    load=load,
    level="session",
)

LONGMEMEVAL_TENTH = replace(
    LONGMEMEVAL,
    name="longmemeval-tenth",
    title="LongMemEval-S, about one question in ten: for recipes that take an hour or more to write the whole",
    load=tenth,
)

LONGMEMEVAL_ORACLE = DataSet(
    name="longmemeval-oracle",
    title="LongMemEval's longmemeval_oracle.json",
    licence="MIT",
    source="https://github.com/xiaowu0162/LongMemEval",
    files=("longmemeval/longmemeval_oracle*.json*", "longmemeval_oracle*.json*", "longmemeval/oracle*.json*"),
    load=load,
)
