"""Where the pairs come from: the data sets as the benchmark reads them, and what only their files say."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from engrams_bench.cases import Case
from engrams_bench.datasets import DATASETS
from engrams_bench.folder import data_folder, require

Triple = tuple[str, str, str]


def cases(name: str) -> list[Case]:
    """The cases of a data set of the benchmark.

    Raises:
        MissingData: it is not at hand; says where to get it.
    """
    found = DATASETS[name]
    return list(found.load(_files(name)))


def chats() -> tuple[list[Case], dict[str, str]]:
    """LongMemEval's answerable questions with their haystacks, and the answer to each by its id."""
    held = [case for case in cases("longmemeval") if not case.questions[0].abstain]
    answers: dict[str, str] = {}
    for path in _files("longmemeval"):
        if path.suffix == ".jsonl" and "questions" in path.name:
            records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        elif path.suffix == ".json":
            records = json.loads(path.read_text(encoding="utf-8"))
        else:
            continue
        answers.update({record["question_id"]: str(record["answer"]) for record in records})
    return held, answers


def passages() -> tuple[Case, dict[str, list[Triple]], set[str]]:
    """2WikiMultiHopQA, its facts by question id, and the titles of the sets that are only measured."""
    triples: dict[str, list[Triple]] = {}
    for path in _files("2wiki"):
        if not path.stem.endswith("_corpus"):
            for record in json.loads(path.read_text(encoding="utf-8")):
                held = record.get("evidence_triples") or record.get("evidences") or []
                triples[str(record.get("id") or record["_id"])] = [tuple(triple) for triple in held]
    titles = {
        session.turns[0].message.content.partition("\n")[0]
        for name in ("musique", "hotpotqa")
        for case in cases(name)
        for session in case.sessions
    }
    return cases("2wiki")[0], triples, titles


@cache
def _files(name: str) -> list[Path]:
    return require(DATASETS[name], data_folder())
