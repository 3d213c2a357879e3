"""Questions that need several passages: MuSiQue, HotpotQA and 2WikiMultiHopQA in the forms that HippoRAG publishes.

Formats:
- `musique*_corpus.json`: list of `title`, `text`; `musique*.json`: list of `id`, `question`, `paragraphs` (`title`,
  `paragraph_text`, `is_supporting`).
- `hotpotqa*_corpus.json`: object of title to list of sentences, or list of `title`, `text`; `hotpotqa*.json`: list of
  `_id`, `question`, `supporting_facts` ([title, sentence number] pairs).
- `2wikimultihopqa_corpus.json`: list of `title`, `text`; `2wikimultihopqa*.json`: as HotpotQA's, or `id`, `question`,
  `type`, `gold_titles`.
Licences: the questions CC BY 4.0 (MuSiQue), CC BY-SA 4.0 (HotpotQA), Apache 2.0 (2Wiki); HippoRAG's files MIT.
Source: https://github.com/OSU-NLP-Group/HippoRAG (data, reproduce/dataset).

Traps:
- The passages of one question lie side by side in the corpus files: a memory that looks at neighbours would be told the
  answer. Each passage is a session of its own, and they come in the order of a digest of their text.
- MuSiQue has several passages under one title: its gold is by title and text. The other two are by title.
- There are no dates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engrams import Message
from engrams_bench.cases import Case, DataSet, Question, Session, Turn
from engrams_bench.datasets.reading import document
from engrams_bench.errors import MalformedData, MissingData

Passage = tuple[str, str]  # title, text


def passages(corpus: object) -> list[Passage]:
    """The passages of a corpus file of either form, each once, in the order of a digest of their text."""
    if isinstance(corpus, Mapping):
        found = [(str(title), "".join(sentences)) for title, sentences in corpus.items()]
    elif isinstance(corpus, list):
        found = [(str(held["title"]), str(held["text"])) for held in corpus]
    else:
        raise TypeError(f"a corpus is a list or an object, not {type(corpus).__name__}")
    return sorted(dict.fromkeys(found), key=lambda held: hashlib.sha256("\n".join(held).encode()).digest())


def _gold(
    asked: Mapping[str, Any], by_passage: Mapping[Passage, str], by_title: Mapping[str, str]
) -> tuple[str, ...]:
    if "paragraphs" in asked:
        held = [
            by_passage[part["title"], part["paragraph_text"]]
            for part in asked["paragraphs"]
            if part["is_supporting"]
        ]
    elif "gold_titles" in asked:
        held = [by_title[title] for title in asked["gold_titles"]]
    else:
        held = [by_title[title] for title, _ in asked["supporting_facts"]]
    return tuple(dict.fromkeys(held))


def case_of(name: str, corpus: object, questions: list[Mapping[str, Any]]) -> Case:
    """One corpus with all its questions as a case.

    Raises:
        KeyError, TypeError: a field is missing, or gold names a passage that is not in the corpus.
    """
    held = passages(corpus)
    by_passage = {passage: f"p{number}" for number, passage in enumerate(held)}
    by_title: dict[str, str] = {}
    for passage, id in by_passage.items():
        by_title.setdefault(passage[0], id)
    sessions = tuple(
        Session(id, (Turn(id, Message(role="document", content=f"{title}\n{text}")),))
        for (title, text), id in by_passage.items()
    )
    asked = []
    for question in questions:
        gold = _gold(question, by_passage, by_title)
        id = str(question.get("id") or question["_id"])
        category = str(question.get("type") or id.split("_", 1)[0])
        answer = str(question.get("answer", ""))
        asked.append(Question(id, str(question["question"]), category, gold, answer=answer))
    return Case(name, sessions, tuple(asked))


def load(paths: list[Path]) -> Iterator[Case]:
    """One case for each corpus among the files, with the questions beside it.

    Raises:
        MissingData: a corpus without questions, or the other way round.
        MalformedData: a file lacks a field, or gold is not in the corpus.
    """
    corpora = [path for path in paths if path.stem.endswith("_corpus")]
    questions = [path for path in paths if path not in corpora]
    if len(corpora) != len(questions):
        there = ", ".join(path.name for path in paths)
        raise MissingData(f"multihop: found {there}; each question file needs one *_corpus.json beside it")
    for corpus, asked in zip(corpora, questions, strict=True):
        try:
            case = case_of(asked.stem, document(corpus), document(asked))
        except (KeyError, TypeError) as cause:
            raise MalformedData(f"{asked.name}, {corpus.name}: {type(cause).__name__}: {cause}") from cause
        yield case


def _set(name: str, title: str, stem: str, licence: str) -> DataSet:
    return DataSet(
        name=name,
        title=f"{title} ({stem}.json with {stem}_corpus.json)",
        licence=licence,
        source="https://github.com/OSU-NLP-Group/HippoRAG",
        files=(f"multihop/{stem}*.json", f"{stem}*.json"),
        load=load,
    )


MUSIQUE = _set("musique", "MuSiQue", "musique", "CC BY 4.0")
HOTPOTQA = _set("hotpotqa", "HotpotQA", "hotpotqa", "CC BY-SA 4.0")
TWO_WIKI = _set("2wiki", "2WikiMultiHopQA", "2wikimultihopqa", "Apache 2.0")
