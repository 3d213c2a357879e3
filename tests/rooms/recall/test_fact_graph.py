"""The graph of passages, phrases and facts, and the walk from the facts that were kept, worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from engrams.errors import BadSetting, NeedsExtra
from engrams.joints import NothingFound
from engrams.ports import Float32
from engrams.recall.choose import KeepAll, KeepChosen
from engrams.recall.fact_graph import NeedSome, SeedGraph, Synonyms, WalkGraph, phrase_graph
from engrams.recall.nearest import Nearest
from engrams.records import Engram, Query, Ranked, Scored
from engrams.step import Run
from engrams.words import name_hash
from tests.rooms.recall.views import HandStore, HandView, Turn, engram, run

#: kind, the names of the row (joined by '|'), its vector before it is scaled to length 1
ROWS: list[tuple[str, str, tuple[float, ...]]] = [
    ("passage", "Ada|Basel", (1, 0, 0)),
    ("fact", "Ada|Basel", (4, 3, 0)),
    ("entity", "Ada", (0, 0, 1)),
    ("entity", "Basel", (0, 1, 0)),
    ("passage", "City of Basel|Rhine", (0, 1, 0)),
    ("fact", "City of Basel|Rhine", (0, 1, 0)),
    ("entity", "City of Basel", (0, 0.9, np.sqrt(0.19))),
    ("entity", "Rhine", (-1, 0, 0)),
    ("passage", "", (0, -1, 0)),
]


JOINED = Synonyms()


class FactView(HandView):
    """Rows of several kinds, with names and vectors."""

    def __init__(self, rows: list[tuple[str, str, tuple[float, ...]]] = ROWS) -> None:
        super().__init__([Turn() for _ in rows])
        self.kinds = sorted({kind for kind, _, _ in rows})
        self.kind = np.array([self.kinds.index(kind) for kind, _, _ in rows], np.int32)
        pairs = [(i, name) for i, (_, names, _) in enumerate(rows) for name in names.split("|") if name]
        self.pairs = (
            np.array([i for i, _ in pairs], np.int32),
            np.array([name_hash(name) for _, name in pairs], np.uint32),
        )
        held = np.array([vector for _, _, vector in rows], np.float32)
        self.held = held / np.linalg.norm(held, axis=1, keepdims=True)

    def names(self) -> tuple[Any, Any]:
        return self.pairs

    def vectors(self, fingerprint: str) -> Float32 | None:
        return self.held


@dataclass
class Pointing:
    """Embeds every text as one vector."""

    at: tuple[float, float, float]
    fingerprint: str = "hand"
    dimensions: int = 3
    asked: list[str] = field(default_factory=list)

    def embed(self, texts: list[str], *, progress: object = None) -> Float32:
        self.asked += texts
        return np.array([self.at] * len(texts), np.float32)


def looking(view: HandView, *at: float, store: HandStore | None = None) -> Run:
    return replace(run(view, store), embedder=Pointing((at[0], at[1], at[2])))  # type: ignore[arg-type]


def fact(subject: str, object_: str, score: float) -> Scored[Engram]:
    return Scored(replace(engram(1), kind="fact", metadata={"subject": subject, "object": object_}), score)


def edges(view: HandView, synonyms: Synonyms | None = JOINED) -> set[tuple[str, str, float]]:
    graph = phrase_graph(view, synonyms, "hand")
    names = {name_hash(n): n for _, held, _ in ROWS for n in held.split("|") if n}
    called = [f"passage {row}" for row in graph.passages] + [names[int(h)] for h in graph.hashes]
    return {
        (*sorted((called[a], called[b])), round(float(w), 6))  # type: ignore[misc]
        for a, b, w in zip(graph.ends, graph.others, graph.weights, strict=True)
    }


def test_the_edges_of_the_graph() -> None:
    assert edges(FactView()) == {
        ("Ada", "passage 0", 1.0),
        ("Basel", "passage 0", 1.0),
        ("City of Basel", "passage 4", 1.0),
        ("Rhine", "passage 4", 1.0),
        ("Ada", "Basel", 2.0),
        ("City of Basel", "Rhine", 2.0),
        ("Basel", "City of Basel", 1.8),
    }


def test_phrases_less_alike_are_not_joined() -> None:
    assert ("Basel", "City of Basel", 1.8) not in edges(FactView(), Synonyms(min_cosine=0.95))
    assert ("Basel", "City of Basel", 1.8) not in edges(FactView(), None)


def test_a_fact_told_twice_weighs_twice_as_much() -> None:
    assert ("Ada", "Basel", 4.0) in edges(FactView([*ROWS, ("fact", "Basel|Ada", (1, 0, 0))]))


def test_nearest_of_one_kind_and_scaled() -> None:
    view = FactView()
    found = Nearest(kinds=("fact",), k=5, scale="min-max")(Query("?"), looking(view, 1, 0, 0))
    # Cosines 0.8 and 0: the only two facts become 1 and 0.
    assert [(s.item.content, s.score) for s in found.items] == [("101", 1.0), ("105", 0.0)]
    passages = Nearest(kinds=("passage",), k=2)(Query("?"), looking(view, 0, 1, 0))
    assert [(s.item.content, s.score) for s in passages.items] == [("104", 1.0), ("100", 0.0)]


def test_nearest_asks_for_its_own_number_unless_it_may_widen() -> None:
    view, asked = FactView(), Query("?", limit=3)
    assert len(Nearest(kinds=("passage",), k=1)(asked, looking(view, 0, 1, 0)).items) == 1
    assert len(Nearest(kinds=("passage",), k=1, widen=True)(asked, looking(view, 0, 1, 0)).items) == 3


def test_nearest_leaves_out_what_the_query_may_not_see_and_what_is_gone() -> None:
    view = FactView()
    view.allowed = np.arange(view.size) != 4
    step = Nearest(kinds=("passage",), k=3)
    assert [s.item.content for s in step(Query("?"), looking(view, 0, 1, 0)).items] == ["100", "108"]
    gone = looking(FactView(), 0, 1, 0, store=HandStore(frozenset({104})))
    assert [s.item.content for s in step(Query("?"), gone).items] == ["100", "108"]


def test_nearest_needs_an_embedder() -> None:
    with pytest.raises(NeedsExtra, match="embed"):
        Nearest()(Query("?"), run(FactView()))


def test_the_seeds_are_phrases_of_the_facts_and_a_little_of_every_passage() -> None:
    view = FactView()
    facts = Ranked(Query("?"), (fact("Ada", "Basel", 1.0), fact("Basel", "Nowhere", 0.5)))
    seeded = SeedGraph(phrases=5, passage_weight=0.05)(facts, looking(view, 0.6, 0.8, 0))
    graph = seeded.graph
    # Cosines of the passages with the question: 0.6, 0.8, -0.8.
    assert seeded.start[:3].tolist() == pytest.approx([0.05 * 1.4 / 1.6, 0.05, 0], abs=1e-6)
    weights = dict(zip(graph.hashes.tolist(), seeded.start[3:].tolist(), strict=True))
    # Basel stands in one passage and in two facts: (1 + 0.5) / 2; the phrase that the graph lacks is passed over.
    assert weights[name_hash("Ada")] == 1.0
    assert weights[name_hash("Basel")] == 0.75
    assert weights[name_hash("Rhine")] == 0
    few = SeedGraph(phrases=1)(facts, looking(view, 0.6, 0.8, 0))
    assert np.count_nonzero(few.start[3:]) == 1


def test_a_phrase_of_many_passages_weighs_less() -> None:
    view = FactView([*ROWS, ("passage", "Ada", (0, 0, 1))])
    seeded = SeedGraph(passage_weight=0)(
        Ranked(Query("?"), (fact("Ada", "Basel", 1.0),)), looking(view, 1, 0, 0)
    )
    weights = dict(zip(seeded.graph.hashes.tolist(), seeded.start[4:].tolist(), strict=True))
    assert (weights[name_hash("Ada")], weights[name_hash("Basel")]) == (0.5, 1.0)


def test_the_walk_reaches_the_passage_that_only_a_synonym_leads_to() -> None:
    view = FactView()
    facts = Ranked(Query("?"), (fact("Ada", "Basel", 1.0),))
    seeded = SeedGraph(passage_weight=0)(facts, looking(view, 1, 0, 0))
    found = WalkGraph(damping=0.5, k=3)(seeded, looking(view, 1, 0, 0))
    # The same by solving x = (1 - d) s + d W' x over: p0, p4, Ada, Basel, City of Basel, Rhine.
    weights = np.zeros((6, 6))
    for one, other, weight in [(0, 2, 1), (0, 3, 1), (1, 4, 1), (1, 5, 1), (2, 3, 2), (4, 5, 2), (3, 4, 1.8)]:
        weights[one, other] = weights[other, one] = weight
    step = weights / weights.sum(axis=1, keepdims=True)
    rank = np.linalg.solve(np.eye(6) - 0.5 * step.T, 0.5 * np.array([0, 0, 0.5, 0.5, 0, 0]))
    assert [s.item.content for s in found.items] == ["100", "104", "108"]
    assert [s.score for s in found.items] == pytest.approx([rank[0], rank[1], 0], abs=1e-6)
    alone = SeedGraph(passage_weight=0, synonyms=None)(facts, looking(view, 1, 0, 0))
    assert WalkGraph()(alone, looking(view, 1, 0, 0)).items[1].score == 0


def test_nothing_to_go_on_from_asks_the_backup() -> None:
    with pytest.raises(NothingFound):
        NeedSome()(Ranked(Query("?")), run(FactView()))
    some = Ranked(Query("?"), (fact("a", "b", 1.0),))
    assert NeedSome()(some, run(FactView())) is some
    with pytest.raises(NothingFound):
        SeedGraph(passage_weight=0)(Ranked(Query("?")), looking(FactView(), 1, 0, 0))


def test_without_a_model_all_facts_are_kept() -> None:
    some = Ranked(Query("?"), (fact("a", "b", 1.0),))
    assert KeepChosen().without_model() == KeepAll()
    assert KeepAll()(some, run(FactView())) is some


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Nearest(k=0), "Nearest.k"),
        (lambda: Nearest(scale="log"), "Nearest.scale"),  # type: ignore[arg-type]
        (lambda: Synonyms(min_cosine=0), "Synonyms.min_cosine"),
        (lambda: Synonyms(most=0), "Synonyms.most"),
        (lambda: SeedGraph(phrases=0), "SeedGraph.phrases"),
        (lambda: SeedGraph(passage_weight=-1), "SeedGraph.passage_weight"),
        (lambda: WalkGraph(damping=1), "WalkGraph.damping"),
        (lambda: WalkGraph(k=0), "WalkGraph.k"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, key: str) -> None:
    with pytest.raises(BadSetting, match=key):
        make()
