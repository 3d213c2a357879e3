"""HippoRAG 2 on a trace worked out by hand: facts lead from what a question names to the passage that answers it."""

from __future__ import annotations

from engrams import Memory
from engrams.organise.triples import JoinNames, valid
from engrams.prompts import Prompt
from engrams.recipes.hipporag import HIPPORAG_2
from tests.papers.talks import Drawn, opened, tell, texts

ENTITIES, TRIPLES = Prompt("entities"), Prompt("triples")
KEEP = Prompt("keep_facts", "engrams.recall")
#: The question is about Ada; the passage that answers it shares no word with it.
WORDS = {"ada": (1, 0, 0), "basel": (0, 1, 0), "rhine": (0, 0.9, 0.44), "oslo": (0, 0, 1)}

PASSAGES = ("user: Ada lives in Basel.", "user: Basel lies on the Rhine.", "user: Oslo is cold.")
FACTS = {
    "Ada lives": [["Ada", "lives in", "Basel"]],
    "lies on": [["Basel", "lies on", "Rhine"], ["Basel", "lies on", "Rhine"], ["Basel", "", "Rhine"]],
    "Oslo": [["Oslo", "is", "cold"]],
}


def named(blocks: dict[str, str]) -> dict[str, object]:
    return {"entities": [n for n in ("Ada", "Basel", "Rhine", "Oslo") if n in blocks["passage"]]}


def stated(blocks: dict[str, str]) -> dict[str, object]:
    return {"triples": next(found for said, found in FACTS.items() if said in blocks["passage"])}


def first(blocks: dict[str, str]) -> dict[str, object]:
    return {"numbers": [1]}


def test_what_a_model_reads_becomes_facts_phrases_and_links() -> None:
    with opened(HIPPORAG_2, {ENTITIES: named, TRIPLES: stated}, WORDS) as (memory, talk):
        tell(memory, *PASSAGES)
        assert texts(memory, "fact") == ["Ada lives in Basel", "Basel lies on Rhine", "Oslo is cold"]
        assert texts(memory, "entity") == ["Ada", "Basel", "Basel", "Rhine", "Oslo", "cold"]
        assert memory.stats().links == 3
        assert talk.shown("triples")[0] == {"passage": "Ada lives in Basel.", "entities": "Ada\nBasel"}


def test_a_fact_leads_to_the_passage_that_shares_no_word_with_the_question() -> None:
    with opened(HIPPORAG_2, {ENTITIES: named, TRIPLES: stated, KEEP: first}, WORDS) as (memory, talk):
        tell(memory, *PASSAGES)
        hits = memory.search("By which river does Ada live?", k=3)
        assert [h.text for h in hits] == ["Ada lives in Basel.", "Basel lies on the Rhine.", "Oslo is cold."]
        assert hits[1].score > hits[2].score
        assert talk.shown("keep_facts")[0]["facts"].splitlines()[0] == "1. Ada lives in Basel"


def test_without_the_walk_the_answer_is_no_nearer_than_anything_else() -> None:
    still = HIPPORAG_2.replace("read.WalkGraph.damping", 0.0)
    with opened(still, {ENTITIES: named, TRIPLES: stated, KEEP: first}, WORDS) as (memory, _):
        tell(memory, *PASSAGES)
        hits = memory.search("By which river does Ada live?", k=3)
        assert hits[0].text == "Ada lives in Basel."
        assert hits[1].score == hits[2].score == 0


def test_where_no_fact_helps_passages_are_found_by_their_vectors() -> None:
    none = {ENTITIES: named, TRIPLES: stated, KEEP: {"numbers": []}}
    with opened(HIPPORAG_2, none, WORDS) as (memory, _):
        tell(memory, *PASSAGES)
        hits = memory.search("Where is Oslo?", k=1, explain=True)
        assert [h.text for h in hits] == ["Oslo is cold."]
        assert dict(hits[0].signals) == {"dense": 1.0}


def test_facts_of_an_erased_message_go_with_it() -> None:
    with opened(HIPPORAG_2, {ENTITIES: named, TRIPLES: stated, KEEP: first}, WORDS) as (memory, _):
        ids = tell(memory, *PASSAGES)
        memory.delete(ids[1])
        assert texts(memory, "fact") == ["Ada lives in Basel", "Oslo is cold"]
        assert memory.stats().links == 2


def test_without_a_model_names_in_one_sentence_are_joined_by_the_words_between() -> None:
    with Memory.open(":memory:", "hipporag-2", embedder=Drawn(WORDS), models="none") as memory:
        memory.add({"role": "document", "content": "Ada Berg lives in Basel. Basel lies on the Rhine."})
        assert texts(memory, "fact") == ["Ada Berg lives in Basel", "Basel lies on the Rhine"]
        assert memory.search("By which river does Ada live?", k=1)


def test_what_is_no_triple_is_left_out() -> None:
    assert valid([["a", "b", "c"], ["a", "b", "c"], ["a", " ", "c"], ["a", "b"], [" x ", "y  z", "w"]]) == (
        ("a", "b", "c"),
        ("x", "y z", "w"),
    )


def test_names_too_far_apart_say_nothing_of_each_other() -> None:
    near = Memory.open(":memory:", HIPPORAG_2.without_models(), embedder=Drawn(WORDS), models="none")
    far = Memory.open(
        ":memory:",
        HIPPORAG_2.without_models().replace("write.JoinNames.words", 2),
        embedder=Drawn(WORDS),
        models="none",
    )
    with near, far:
        for memory in (near, far):
            memory.add({"role": "document", "content": "We saw Basel on a long and rainy day before Oslo."})
        assert (len(texts(near, "fact")), len(texts(far, "fact"))) == (1, 0)
    assert JoinNames().words == 12
