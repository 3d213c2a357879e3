"""Mem0 with a graph, on a trace worked out by hand: relations, names that are one, what ends, and what a question is told."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.organise.judge import AskOutdated
from engrams.organise.nodes import UnifyNames
from engrams.prompts import Prompt
from engrams.recall.nearest import Nearest
from engrams.recall.relations import AddRelations, Around, AsName, by_words
from engrams.recipe import Recipe
from engrams.recipes.mem0_graph import MEM0_GRAPH
from engrams.records import Engram
from engrams.step import Chain, steps_of
from tests.papers.talks import Drawn, Reply, opened, tell, texts

FACTS, RECONCILE, OUTDATED = Prompt("facts"), Prompt("reconcile"), Prompt("outdated")
ENTITIES, TRIPLES = Prompt("entities"), Prompt("triples")
NAMES = Prompt("names_of_question", "engrams.recall")
#: "Berg" lies at cosine 0.96 of Ada, "Basle" at 0.8 of Basel, Oslo and the tea are like nothing.
WORDS = {
    "ada": (1, 0, 0, 0, 0),
    "berg": (0.96, 0.28, 0, 0, 0),
    "basel": (0, 0, 1, 0, 0),
    "basle": (0, 0, 0.8, 0.6, 0),
    "oslo": (0, 1, 0, 0, 0),
    "tea": (0, 0, 0, 1, 0),
}
SAID = {
    "live in Basel": [["Ada", "lives in", "Basel"]],
    "Berg drinks": [["Berg", "drinks", "tea"]],
    "moved to Oslo": [["Ada", "lives in", "Oslo"]],
    "Basle is": [["Basle", "is", "old"]],
    "took tea": [["Ada", "took tea to", "Oslo"]],
}


def told(blocks: dict[str, str]) -> dict[str, object]:
    return {"triples": next((found for said, found in SAID.items() if said in blocks["passage"]), [])}


def named(blocks: dict[str, str]) -> dict[str, object]:
    found = next((found for said, found in SAID.items() if said in blocks["passage"]), [])
    return {"entities": [end for s, _, o in found for end in (s, o)]}


def ended(blocks: dict[str, str]) -> dict[str, object]:
    """A later home ends an earlier one."""
    old = blocks["relations"].splitlines()
    if "lives in" not in blocks["new"]:
        return {"numbers": []}
    return {"numbers": [n for n, line in enumerate(old, start=1) if "lives in" in line]}


REPLIES: dict[Prompt, Reply] = {
    FACTS: {"facts": []},
    RECONCILE: {"decisions": []},
    ENTITIES: named,
    TRIPLES: told,
    OUTDATED: ended,
    NAMES: {"entities": ["Ada"]},
}


def relations(memory: Memory) -> list[str]:
    return sorted(texts(memory, "relation"))


def without(name: str, recipe: Recipe = MEM0_GRAPH) -> Recipe:
    return replace(recipe, write=Chain(tuple(s for s in steps_of(recipe.write) if s.name != name)))


def test_relations_of_two_messages_are_extracted_over_their_entities() -> None:
    with opened(MEM0_GRAPH, REPLIES, WORDS) as (memory, talk):
        ids = tell(memory, "Ada: I live in Basel.")
        memory.add([{"role": "user", "content": "Berg drinks tea."}, {"role": "user", "content": "Yes."}])
        memory.work()
        [shown] = [b for b in talk.shown("triples") if "Yes." in b["passage"]]
        assert len(shown["passage"].splitlines()) == 2
        assert shown["entities"].splitlines() == ["Berg", "tea"]
        assert relations(memory) == ["Ada drinks tea", "Ada lives in Basel"]
        [home] = [e for e in memory.get_all() if e.content == "Ada lives in Basel"]
        assert (home.kind, list(home.sources), home.metadata["object"]) == ("relation", ids, "Basel")
        assert not [e for e in memory.get_all() if e.kind == "passage"]


def test_a_name_is_one_with_what_stands_from_a_cosine_on() -> None:
    with opened(MEM0_GRAPH, REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I live in Basel.", "user: Berg drinks tea.")
        # Berg is Ada (0.96); her two mentions are two engrams of one name.
        assert relations(memory) == ["Ada drinks tea", "Ada lives in Basel"]
        assert sorted(texts(memory, "entity")) == ["Ada", "Ada", "Basel", "tea"]
        tell(memory, "user: Basle is old.", day=1)
        assert "Basle is old" in relations(memory)  # 0.8 is below 0.9
    with opened(MEM0_GRAPH.replace("write.UnifyNames.min_cosine", 0.97), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I live in Basel.", "user: Berg drinks tea.")
        assert relations(memory) == ["Ada lives in Basel", "Berg drinks tea"]
    with opened(without("UnifyNames"), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I live in Basel.", "user: Berg drinks tea.")
        assert "Berg drinks tea" in relations(memory)


def test_what_is_outdated_is_closed_in_the_paper_and_deleted_in_the_code() -> None:
    for ending, state, change in (
        ("INVALIDATE", "superseded", "INVALIDATE"),
        ("DELETE", "archived", "DELETE"),
    ):
        recipe = MEM0_GRAPH.replace("write.AskOutdated.ending", ending)
        with opened(recipe, REPLIES, WORDS) as (memory, talk):
            tell(memory, "user: I live in Basel.")
            [old] = [e for e in memory.get_all() if e.kind == "relation"]
            tell(memory, "user: I moved to Oslo.", day=10)
            assert relations(memory) == ["Ada lives in Oslo"]
            gone = memory.get(old.id)
            assert isinstance(gone, Engram) and gone.state == state
            assert [r.change for r in memory.history(old.id)] == ["ADD", change]
            # Nothing stood at first: one question alone, with what is around Ada and Oslo.
            assert talk.shown("outdated") == [
                {
                    "relations": "1. [2024-03-01] Ada lives in Basel",
                    "new": "1. [2024-03-11] Ada lives in Oslo",
                }
            ]


def test_what_may_be_outdated_is_looked_for_around_both_ends() -> None:
    # "Ada took tea to Oslo" lies at 0.58 of Ada and of Oslo: a sentence is near neither of its ends.
    for by, asked in ((("subject", "object"), 1), ((), 0)):
        recipe = MEM0_GRAPH.replace("write.Reconcile.by", by)
        with opened(recipe, REPLIES, WORDS) as (memory, talk):
            tell(memory, "user: I live in Basel.", "user: Basle is old.")
            tell(memory, "user: I took tea to Oslo.", day=1)
            assert [blocks["relations"] for blocks in talk.shown("outdated") if "took" in blocks["new"]] == [
                "1. [2024-03-01] Ada lives in Basel"
            ] * asked


def test_without_the_second_reconciling_both_homes_stand() -> None:
    first, *_ = [s for s in steps_of(MEM0_GRAPH.write) if s.name == "Reconcile"]
    kept = tuple(s for s in steps_of(MEM0_GRAPH.write) if s.name != "Reconcile" or s is first)
    with opened(replace(MEM0_GRAPH, write=Chain(kept)), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I live in Basel.", "user: I moved to Oslo.")
        assert len(relations(memory)) == 2


def test_every_copy_of_an_outdated_relation_ends() -> None:
    once_oslo = {**REPLIES, OUTDATED: lambda b: {"numbers": [1, 9] if "Oslo" in b["new"] else []}}
    with opened(MEM0_GRAPH, once_oslo, WORDS) as (memory, talk):
        tell(memory, "user: I live in Basel.", "user: As said, I live in Basel.")
        assert relations(memory) == ["Ada lives in Basel"] * 2
        tell(memory, "user: I moved to Oslo.", day=1)
        assert talk.shown("outdated")[-1]["relations"] == "1. [2024-03-01] Ada lives in Basel"
        assert relations(memory) == ["Ada lives in Oslo"]


def test_a_context_begins_with_relations_around_what_is_asked_about_and_a_search_ranks_facts() -> None:
    facts = {FACTS: {"facts": ["Ada is glad."]}}
    with opened(MEM0_GRAPH, {**REPLIES, **facts}, WORDS) as (memory, talk):
        tell(memory, "user: I live in Basel.", "user: Berg drinks tea.", "user: Basle is old.")
        assert {h.kind for h in memory.search("Where does Ada live?", k=9)} == {"fact"}
        assert talk.shown("names_of_question") == []
        made = memory.context("Where does Ada live?", explain=True)
        told_of = {h.text: h.signals for h in made.hits if h.kind == "relation"}
        # Nothing of Basle. "Ada" stands in both of two relations of one length, "live" in one: ln 1.2, and ln 1.2 + ln 2.
        assert told_of == {
            "Ada drinks tea": {"relations": pytest.approx(math.log(1.2))},
            "Ada lives in Basel": {"relations": pytest.approx(math.log(1.2) + math.log(2))},
        }
        assert "Ada is glad." in made.text
        assert talk.shown("names_of_question") == [{"question": "Where does Ada live?"}]


def test_the_authors_code_ranks_what_is_around_by_words_and_the_paper_by_meaning() -> None:
    for retrieval, expected in (
        ("released", {"Ada drinks tea"}),  # what lies around Ada, by words
        ("paper", {"Basle is old"}),  # 0.8 of the question's vector, more than Ada's relations
    ):
        recipe = MEM0_GRAPH.replace("read.AddRelations.retrieval", retrieval).replace(
            "read.AddRelations.k", 1
        )
        with opened(recipe, REPLIES, WORDS) as (memory, _):
            tell(memory, "user: I moved to Oslo.", "user: Berg drinks tea.", "user: Basle is old.")
            hits = memory.context("What is there to drink in Basel?").hits
            assert {h.text for h in hits} == expected


def test_in_the_paper_a_relation_far_from_the_question_is_not_told() -> None:
    recipe = MEM0_GRAPH.replace("read.AddRelations.retrieval", "paper")
    with opened(recipe, {**REPLIES, NAMES: {"entities": []}}, WORDS) as (memory, _):
        tell(memory, "user: I moved to Oslo.", "user: Basle is old.")
        assert [h.text for h in memory.context("How is Basel?").hits] == ["Basle is old"]


def test_a_question_that_names_nothing_known_is_told_no_relation() -> None:
    with opened(MEM0_GRAPH, {**REPLIES, NAMES: {"entities": ["Porto"]}}, WORDS) as (memory, _):
        tell(memory, "user: I live in Basel.", "user: Berg drinks tea.")
        assert memory.context("Where is the station of Oslo?").hits == ()


def test_relations_are_around_names_from_a_cosine_on_and_at_most_so_many() -> None:
    for around, expected in (
        (Around(), {"Basle is old", "Ada lives in Basel"}),  # 0.8 and 1
        (Around(min_cosine=0.81), {"Ada lives in Basel"}),
        (Around(most=1), {"Ada lives in Basel"}),
    ):
        recipe = MEM0_GRAPH.replace("read.AddRelations.around", around)
        with opened(recipe, {**REPLIES, NAMES: {"entities": ["Basel"]}}, WORDS) as (memory, _):
            tell(memory, "user: I live in Basel.", "user: Basle is old.", "user: Berg drinks tea.")
            assert {h.text for h in memory.context("What of it?").hits} == expected


def test_bm25_among_a_few_texts() -> None:
    # "tea" in one of three: ln(1 + 2.5 / 1.5); lengths 2, 1, 3, mean 2; k1 = 1.5, b = 0.75.
    rare = math.log(1 + 2.5 / 1.5)
    twice = 2 * 2.5 / (2 + 1.5)
    assert by_words(["tea tea", "cup", "old blue boat"], "Which tea?").tolist() == pytest.approx(
        [rare * twice, 0, 0]
    )
    assert by_words([], "Which tea?").tolist() == []
    short, long = by_words(["tea", "tea cup boat"], "tea").tolist()
    assert (short, long) == pytest.approx(
        tuple(math.log(1.2) * 2.5 / (1 + 1.5 * (0.25 + 0.75 * n / 2)) for n in (1, 3)), rel=1e-6
    )


def test_without_a_model_names_that_follow_each_other_are_related() -> None:
    with Memory.open(":memory:", "mem0-graph", embedder=Drawn(WORDS, dimensions=5), models="none") as memory:
        memory.add({"role": "user", "name": "Ada", "content": "I live in Basel."}, occurred_at="2024-03-01")
        memory.add({"role": "user", "name": "Ada", "content": "I moved to Oslo."}, occurred_at="2024-03-11")
        assert relations(memory) == ["Ada I live in Basel", "Ada I moved to Oslo"]
        assert texts(memory, "fact") == ["I moved to Oslo"]  # the rules of mem0: a move ends a home
        hits = memory.context("Where in Oslo is Ada?").hits
        assert "Ada I moved to Oslo" in [h.text for h in hits]
        assert "without a model: RuleVerdicts in place of AskOutdated" in memory.recipe.differs
        assert "without a model: NamesHeld in place of AskNames" in memory.recipe.differs
        assert "chat" not in memory.recipe.needs


@pytest.mark.parametrize("recipe", ["mem0-graph", "mem0-v3"])
def test_a_thing_may_be_called_none(recipe: str) -> None:
    with Memory.open(":memory:", recipe, embedder=Drawn(WORDS, dimensions=5), models="none") as memory:
        memory.add({"role": "user", "name": "Ada", "content": "Anna Smith likes None."})
        memory.work()
        assert not memory.jobs()
        assert texts(memory, "fact") == ["Anna Smith likes None"]


def test_an_erased_message_takes_no_name_of_another_with_it() -> None:
    with opened(MEM0_GRAPH, REPLIES, WORDS) as (memory, talk):
        [first, _] = tell(memory, "user: I live in Basel.", "user: Berg drinks tea.")
        asked = len(talk.asked)
        memory.delete(first)
        memory.work()
        assert relations(memory) == ["Ada drinks tea"]
        assert sorted(texts(memory, "entity")) == ["Ada", "tea"]
        assert len(talk.asked) == asked  # nothing had to be derived again


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadSetting, match="ending"):
        AskOutdated(ending="FORGET")  # type: ignore[arg-type]
    with pytest.raises(BadSetting, match="min_cosine"):
        UnifyNames(find=Nearest(), min_cosine=2)
    with pytest.raises(BadSetting, match="min_cosine"):
        Around(min_cosine=2)
    with pytest.raises(BadSetting, match="most"):
        Around(most=0)
    with pytest.raises(BadSetting, match="retrieval"):
        AddRelations(names=AsName(), around=Around(), retrieval="both")  # type: ignore[arg-type]
    with pytest.raises(BadSetting, match="k"):
        AddRelations(names=AsName(), around=Around(), k=0)
