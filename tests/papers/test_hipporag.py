"""HippoRAG on a trace worked out by hand: from what the question names, over phrases, to the passages whose facts are reached."""

from __future__ import annotations

import numpy as np
import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.prompts import Prompt
from engrams.recall.fact_graph import WalkGraph
from engrams.recall.question_names import NamesHeld
from engrams.recipe import Recipe
from engrams.recipes.hipporag import HIPPORAG, HIPPORAG_2
from tests.papers.talks import Drawn, opened, tell

ENTITIES, TRIPLES = Prompt("entities"), Prompt("triples")
NAMES = Prompt("names_of_question", "engrams.recall")
#: "Ms Berg" is nearest to Ada; nothing else is like anything else.
WORDS = {
    "ada": (1, 0, 0, 0, 0),
    "berg": (0.96, 0.28, 0, 0, 0),
    "basel": (0, 1, 0, 0, 0),
    "rhine": (0, 0, 1, 0, 0),
    "oslo": (0, 0, 0, 1, 0),
}
PASSAGES = ("user: Ada lives in Basel.", "user: Basel lies on the Rhine.", "user: Oslo is cold.")
FACTS = {
    "Ada lives": [["Ada", "lives in", "Basel"]],
    "lies on": [["Basel", "lies on", "Rhine"]],
    "Oslo": [["Oslo", "is", "cold"]],
}
ASKED = "By which river does Ms Berg live?"


def stated(blocks: dict[str, str]) -> dict[str, object]:
    return {"triples": next(found for said, found in FACTS.items() if said in blocks["passage"])}


def replies(*names: str) -> dict[Prompt, object]:
    return {ENTITIES: {"entities": []}, TRIPLES: stated, NAMES: {"entities": list(names)}}


def asked(recipe: Recipe, *names: str, question: str = ASKED, passages: tuple[str, ...] = PASSAGES):  # type: ignore[no-untyped-def]
    with opened(recipe, replies(*names), WORDS) as (memory, _):  # type: ignore[arg-type]
        tell(memory, *passages)
        return memory.search(question, k=9, explain=True)


def test_a_name_leads_over_phrases_to_the_passage_that_says_neither() -> None:
    hits = asked(HIPPORAG, "Ms Berg")
    assert [h.text for h in hits] == ["Ada lives in Basel.", "Basel lies on the Rhine.", "Oslo is cold."]
    # The walk Ada - Basel - Rhine from Ada with damping 1/2: each is what arrives there, half of it handed on.
    ada, basel, rhine = np.linalg.solve(
        np.array([[1, -0.25, 0], [-0.5, 1, -0.5], [0, -0.25, 1]]), np.array([0.5, 0, 0])
    )
    assert (ada, basel, rhine) == pytest.approx((7 / 12, 1 / 3, 1 / 12))
    # A passage is worth both ends of its facts, from 0 (Oslo) to the best.
    assert [h.score for h in hits] == pytest.approx([1.0, (basel + rhine) / (ada + basel), 0.0])
    assert [set(h.signals) for h in hits] == [{"graph"}] * 3


def test_without_the_walk_only_the_passage_that_holds_the_name_is_found() -> None:
    hits = asked(HIPPORAG.replace("read.WalkGraph.damping", 0.0), "Ms Berg")
    assert [h.score for h in hits] == [1.0, 0.0, 0.0]


def test_passages_that_are_nodes_of_the_walk_score_otherwise() -> None:
    by_nodes = asked(HIPPORAG.replace("read.WalkGraph.by", "nodes"), "Ms Berg")
    assert by_nodes[1].score != pytest.approx(asked(HIPPORAG, "Ms Berg")[1].score)


def test_a_phrase_of_many_passages_weighs_less() -> None:
    # Basel stands in three passages, Oslo in one: the walk begins there with 1/4 and 3/4. From Basel, by an edge of 2 and one of 4,
    # Basel has 2/3 of the walk, Ada 1/9 and the Rhine 2/9; Oslo and cold have all of theirs.
    more = (*PASSAGES, "user: Basel lies on the Rhine, they say.")
    best, basel, again, ada = asked(HIPPORAG, "Basel", "Oslo", passages=more)
    assert (best.text, ada.text) == ("Oslo is cold.", "Ada lives in Basel.")
    assert (best.score, ada.score) == (1.0, 0.0)
    assert basel.score == again.score == pytest.approx((8 / 36 - 7 / 36) / (27 / 36 - 7 / 36))
    alike = asked(HIPPORAG.replace("read.LinkNames.specificity", False), "Basel", "Oslo", passages=more)
    assert alike[1].score == pytest.approx((8 / 18 - 7 / 18) / (9 / 18 - 7 / 18))


def test_where_links_are_unsure_half_a_score_is_the_vector() -> None:
    # The cosine of "Ms Berg" and Ada is 0.96: surer than 0.9, not surer than 0.97.
    sure = asked(HIPPORAG.replace("read.WalkGraph.unsure_until", 0.9), "Ms Berg")
    assert [set(h.signals) for h in sure] == [{"graph"}] * 3
    half = asked(HIPPORAG.replace("read.WalkGraph.unsure_until", 0.97), "Ms Berg")
    assert dict(half[0].signals) == pytest.approx({"graph": 0.5, "dense": 0.5})


def test_a_question_that_names_nothing_is_answered_by_vectors() -> None:
    hits = asked(HIPPORAG, question="Where is it cold, oslo?")
    assert (hits[0].text, set(hits[0].signals)) == ("Oslo is cold.", {"dense"})


def test_both_versions_read_what_one_wrote() -> None:
    with opened(HIPPORAG_2, replies("Ms Berg"), WORDS) as (memory, talk):  # type: ignore[arg-type]
        tell(memory, *PASSAGES)
        assert HIPPORAG.writer == HIPPORAG_2.writer
        assert [n for n, _ in talk.asked] == ["entities", "triples"] * 3


def test_without_a_model_the_names_that_the_memory_knows_are_looked_for() -> None:
    with Memory.open(":memory:", "hipporag", embedder=Drawn(WORDS, dimensions=5), models="none") as memory:
        memory.add({"role": "document", "content": "Ada Berg lives in Basel. Basel lies on the Rhine."})
        memory.add({"role": "document", "content": "Oslo is cold. Oslo lies on the Fjord."})
        [first, second] = memory.search("By which river does ada berg live?", k=2)
        assert first.text.startswith("Ada Berg")
        assert (first.score, second.score) == (1.0, 0.0)
        assert "without a model: NamesHeld in place of AskNames" in memory.recipe.differs
    assert NamesHeld().asks == ()


def test_settings_that_make_no_sense_are_refused() -> None:
    for settings in ({"by": "edges"}, {"unsure_until": 2.0}, {"damping": 1.0}):
        with pytest.raises(BadSetting, match=next(iter(settings))):
            WalkGraph(**settings)
