"""Several questions at once find what each finds alone, with the same scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from engrams import Memory
from engrams.errors import NeedsExtra
from engrams.index.namespaces import NamespaceIndex
from engrams.recall.nearest import TOGETHER, Nearest
from engrams.recall.question_names import Names
from engrams.recall.relations import Around
from engrams.recipes.mem0_graph import MEM0_GRAPH
from engrams.recipes.reference import DENSE
from engrams.records import Engram, Query, Ranked, Scope
from engrams.step import Chain, Run, Step, steps_of
from tests.papers.talks import Drawn

START = datetime(2024, 3, 1, tzinfo=UTC)
#: As many texts as hold twins of one vector, twins of one text, and rows without either.
TEXTS = [f"text {number % 180}" for number in range(200)]
ASKED = [f"text {number}" for number in range(3, 3 + 2 * TOGETHER + 3)]


class Random:
    """An embedder that draws a text's vector by its number, few directions for many texts; counts how often it is asked."""

    fingerprint = "random"
    dimensions = 8

    def __init__(self) -> None:
        self.calls = 0

    def embed(self, texts: Sequence[str], *, progress: object = None) -> Any:
        self.calls += 1
        seeds = [int(text.split()[-1]) % 150 for text in texts]
        rows = np.array([np.random.default_rng(seed).normal(size=8) for seed in seeds], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass(frozen=True)
class Both(Step[Query, Ranked[Engram]]):
    """Asks `step` each of some queries alone and all at once, and keeps both."""

    step: Step[Query, Ranked[Engram]]
    queries: tuple[Query, ...]
    kept: list[Any] = field(default_factory=list, compare=False)

    def __call__(self, value: Query, run: Run) -> Ranked[Engram]:
        queries = [replace(query, scope=value.scope, writer=value.writer) for query in self.queries]
        alone = [self.step(query, run) for query in queries]
        self.kept.append((alone, list(self.step.many(queries, run)), run))
        return self.step(value, run)


@contextmanager
def asked(step: Step[Query, Ranked[Engram]], queries: Sequence[Query], embedder: Random) -> Iterator[Any]:
    """(each alone, all at once, the run) over a memory of texts an hour apart."""
    both = Both(step, tuple(queries))
    recipe = replace(DENSE, read=Chain((both, *steps_of(DENSE.read)[3:])))
    with Memory.open(":memory:", recipe, embedder=embedder) as memory:
        memory.add_many(
            {"role": "user", "content": text, "occurred_at": START + timedelta(hours=at)}
            for at, text in enumerate(TEXTS)
        )
        memory.search("text 1")
        yield both.kept[0]


@pytest.mark.parametrize(
    "looking",
    [
        Nearest(k=3),
        Nearest(k=500),
        Nearest(kinds=("passage",), k=5, distinct=True),
        Nearest(kinds=("no such kind",), k=5),
        Nearest(k=2, widen=True),
        Nearest(k=20, least=0.6),
        Nearest(k=4, scale="min-max"),
        Nearest(k=4, groups=8),
    ],
)
def test_several_are_found_as_each_alone(looking: Nearest) -> None:
    here = Scope("default")
    queries = [
        Query(text, here, since=START + timedelta(hours=at), limit=at % 7 or None)
        for at, text in enumerate(ASKED)
    ]
    with asked(looking, queries, Random()) as (alone, together, _):
        pass
    assert together == alone
    found = [len(one.items) for one in together]
    assert found == [0] * len(queries) if looking.kinds == ("no such kind",) else min(found) > 0


def test_the_texts_of_several_are_embedded_together() -> None:
    embedder = Random()
    queries = [Query(text, Scope("default")) for text in ASKED]
    with asked(Nearest(k=3), queries, embedder) as (_, _, run):
        before = embedder.calls
        fresh = [Query(f"text {1000 + n}", Scope("default"), writer=run.recipe) for n in range(TOGETHER)]
        assert len(Nearest(k=3).many(fresh, run)) == TOGETHER
        assert embedder.calls == before + 1


def test_what_is_written_between_is_seen_by_those_asked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder, looking = Random(), Nearest(k=1)
    both = Both(looking, ())
    recipe = replace(DENSE, read=Chain((both, *steps_of(DENSE.read)[3:])))
    with Memory.open(":memory:", recipe, embedder=embedder) as memory:
        memory.add("text 1")
        memory.search("text 2")
        run = both.kept[0][2]
        real = NamespaceIndex.view

        def writes_after(self: NamespaceIndex, query: Query) -> Any:
            found = real(self, query)
            if memory.stats().events == 1:
                memory.add("text 2")
            return found

        monkeypatch.setattr(NamespaceIndex, "view", writes_after)
        queries = [Query(f"text {number}", Scope("default"), writer=run.recipe) for number in (2, 2)]
        texts = [ranked.items[0].item.content for ranked in looking.many(queries, run)]
    assert texts[-1] == "text 2"


def test_without_an_embedder_several_are_refused_as_one_is() -> None:
    queries = [Query(text, Scope("default")) for text in ASKED[:2]]
    with asked(Nearest(k=3), queries, Random()) as (_, _, run):
        with pytest.raises(NeedsExtra):
            Nearest(k=3).many(queries, replace(run, embedder=None))
        with pytest.raises(NeedsExtra):
            Around().many([Names(query, (query.text,)) for query in queries], replace(run, embedder=None))


# --- around names

WORDS = {"ada": (1, 0, 0), "berg": (0.9, 0.436, 0), "basel": (0, 1, 0), "oslo": (0, 0.8, 0.6)}


@dataclass(frozen=True)
class BothAround(Step[Names, Ranked[Engram]]):
    """Asks `Around` for each of some names alone and for all at once, and keeps both."""

    around: Around
    names: tuple[tuple[str, ...], ...]
    kept: list[Any] = field(default_factory=list, compare=False)

    def __call__(self, value: Names, run: Run) -> Ranked[Engram]:
        queries = [replace(value.query, since=START + timedelta(hours=at)) for at in range(len(self.names))]
        values = [Names(query, names) for query, names in zip(queries, self.names, strict=True)]
        self.kept.append(([self.around(one, run) for one in values], list(self.around.many(values, run))))
        return self.around(value, run)


@pytest.mark.parametrize("around", [Around(), Around(min_cosine=0.95), Around(most=1), Around(min_cosine=-1)])
def test_relations_around_several_names_are_those_around_each(around: Around) -> None:
    both = BothAround(around, ((), ("Ada",), ("Basel", "Ada"), ("Oslo", "Berg"), ("Zug",), ("Oslo",)))
    recipe = MEM0_GRAPH.without_models().replace("read.AddRelations.around", both)
    with Memory.open(":memory:", recipe, embedder=Drawn(WORDS)) as memory:
        for at, text in enumerate(
            ("Ada met Berg in Basel.", "Berg flew from Oslo to Basel.", "Ada likes Oslo.", "Berg saw Ada.")
        ):
            memory.add(text, occurred_at=START + timedelta(hours=at))
        assert not memory.work().dead
        memory.context("Who is Ada?")
    alone, together = both.kept[0]
    assert together == alone
    assert alone[0].items == ()
    assert any(ranked.items for ranked in alone)
    for ranked in alone:  # scores are those of the closer end, best first
        scores = [scored.score for scored in ranked.items]
        assert scores == sorted(scores, reverse=True)
        assert all(score >= around.min_cosine for score in scores)
