"""The graph of passages and names, and the walk over it, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engrams.arithmetic import chances, page_rank
from engrams.errors import BadSetting
from engrams.recall.found import Found, Signal
from engrams.recall.fuse import SumStandardised
from engrams.recall.graph import LEAST, Graph, GraphScores
from engrams.records import Query
from engrams.words import name_hash
from tests.rooms.recall.views import HandView, Turn, found, run

BY = SumStandardised(dialogue=(("base", 1.0),), notes=(("base", 1.0),))


class Named(HandView):
    """A view whose rows speak of names."""

    def __init__(self, *names: str, turns: list[Turn] | None = None) -> None:
        super().__init__(turns or [Turn(thread=i) for i in range(len(names))])
        pairs = [(i, name_hash(name)) for i, held in enumerate(names) for name in held.split(",") if name]
        self.pairs = (
            np.array([row for row, _ in pairs], np.int32),
            np.array([hashed for _, hashed in pairs], np.uint32),
        )

    def names(self) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        return self.pairs


def based(view: HandView, *values: float, text: str = "?") -> Found:
    asked = replace(found(view), query=Query(text))
    return asked.with_signal("base", Signal(np.array(values, np.float32)))


def walk(
    passage: np.ndarray, name: np.ndarray, start: np.ndarray, names: np.ndarray, rounds: int
) -> np.ndarray:  # type: ignore[type-arg]
    leaving = chances(passage, len(start)), chances(name, len(names))
    return page_rank(passage, name, *leaving, start, names, 0.5, rounds)


def test_the_walk_of_one_round_is_what_the_edges_say() -> None:
    # Passage 0 speaks of names 0 and 1, passage 1 of name 1. Start: all at passage 0.
    passage, name = np.array([0, 0, 1]), np.array([0, 1, 1])
    start, nowhere = np.array([1, 0], np.float32), np.array([0, 0], np.float32)
    # Round 1: half starts again, half stands at the names, a quarter each: nothing else at a passage yet.
    assert walk(passage, name, start, nowhere, 1).tolist() == [0.5, 0]
    # Round 2: name 0's quarter goes back to passage 0, name 1's by halves to both, all damped by a half.
    assert walk(passage, name, start, nowhere, 2).tolist() == [0.5 + 0.125 + 0.0625, 0.0625]


def test_starting_at_a_name_reaches_who_speaks_of_it() -> None:
    passage, name = np.array([0, 1, 2]), np.array([0, 1, 1])
    nowhere, start = np.zeros(3, np.float32), np.array([0, 2], np.float32)
    assert walk(passage, name, nowhere, start, 1).tolist() == [0, 0.25, 0.25]


def test_the_graph_of_some_rows_holds_their_names_alone() -> None:
    view = Named("Bern,Aare", "Bern", "Oslo")
    graph = Graph.of(view, np.array([1, 2], np.int32))
    assert graph.size == 2
    assert graph.passage.tolist() == [0, 1]
    assert sorted(graph.hashes.tolist()) == sorted([name_hash("Bern"), name_hash("Oslo")])
    assert graph.places([name_hash("Aare"), int(graph.hashes[1]), 0]).tolist() == [-1, 1, -1]


def test_what_the_best_passage_speaks_of_leads_on() -> None:
    # The question finds passage 0; it speaks of Aarau, and so does passage 1. Nothing leads to passage 2.
    view = Named("Anna Berg,Aarau", "Aarau", "Oslo")
    step = GraphScores(by=BY, seeds=1, damping=0.5, rounds=2)
    signal = step(based(view, 3, 0, 0), run(view)).signals["graph"]
    expected = np.log(np.array([0.6875, 0.0625, 0], np.float32) + LEAST)
    assert signal.values.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert signal.standard().mean() == pytest.approx(0, abs=1e-6)


def test_a_shortlist_walks_over_all_or_among_its_own() -> None:
    # Only passages 0 and 2 are candidates; the way from one to the other leads through passage 1.
    view = Named("Aarau", "Aarau,Bern", "Bern")
    few = based(view, 3, 0, 0).narrowed(np.array([0, 2], np.int32))
    over_all = GraphScores(by=BY, seeds=1, rounds=6)(few, run(view)).signals["graph"]
    assert over_all.values[1] > np.log(2 * LEAST)
    among = GraphScores(by=BY, seeds=1, rounds=6, exact=2)(few, run(view)).signals["graph"]
    assert among.values[1] == pytest.approx(np.log(LEAST), rel=1e-5)
    whole = GraphScores(by=BY, seeds=1, rounds=6)(based(view, 3, 0, 0), run(view)).signals["graph"]
    assert over_all.values.tolist() == pytest.approx(whole.values[[0, 2]].tolist())
    assert over_all.mean == pytest.approx(whole.mean)


def test_the_name_in_the_question_starts_the_walk_too() -> None:
    view = Named("Oslo", "anna berg", "Anna Berg")
    step = GraphScores(by=BY, seeds=1, damping=0.5, rounds=1)
    asked = based(view, 3, 0, 0, text="Where does anna berg's brother live?")
    values = step(asked, run(view)).signals["graph"].values
    # Half of the start is at passage 0, half at the name; damping leaves 0.25 there, and by halves 0.125 for each.
    assert values.tolist() == pytest.approx(np.log(np.array([0.25, 0.125, 0.125]) + LEAST).tolist(), rel=1e-5)


def test_the_longest_name_counts_and_rare_names_more() -> None:
    view = Named("New York", "York,Rome", "York", "Rome")
    step = GraphScores(by=BY, seeds=1, damping=0.5, rounds=1)
    longest = step(based(view, 0, 0, 0, 1, text="new york?"), run(view)).signals["graph"].values
    assert longest[0] > longest[1] == longest[2]
    both = step(based(view, 1, 0, 0, 0, text="rome or new york"), run(view)).signals["graph"].values
    assert np.exp(both[0]) - 0.25 > np.exp(both[3]) - LEAST


def test_what_the_query_may_not_see_starts_no_walk() -> None:
    view = Named("Bern", "Oslo", "Bern")
    view.allowed = np.array([False, True, True])
    values = GraphScores(by=BY, seeds=1, rounds=2)(based(view, 9, 1, 0), run(view)).signals["graph"].values
    assert values.argmax() == 1


def test_where_no_passage_may_be_seen_and_no_name_is_asked_for_nothing_is_walked() -> None:
    view = Named("Bern", "Oslo")
    view.allowed = np.array([False, False])
    values = GraphScores(by=BY)(based(view, 1, 2), run(view)).signals["graph"].values
    assert values.tolist() == [0, 0]


def test_dialogue_and_what_names_nothing_is_left_alone() -> None:
    talk = Named("Bern", "Bern", "Bern", turns=[Turn(speaker="A"), Turn(speaker="B"), Turn(speaker="A")])
    for view in (talk, Named("", "", "")):
        signal = GraphScores(by=BY)(based(view, 1, 2, 3), run(view)).signals["graph"]
        assert signal.standard().tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "fields", [{"seeds": 0}, {"damping": 0.0}, {"damping": 1.0}, {"rounds": 0}, {"exact": -1}]
)
def test_what_makes_no_walk_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(BadSetting):
        GraphScores(by=BY, **fields)  # type: ignore[arg-type]
