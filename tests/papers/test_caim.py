"""CAIM on a trace worked out by hand: thoughts on sessions under tags, reviewed tag by tag, found by tags where they are needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.organise.postthink import ONTOLOGY, TakeThoughts, ThinkOver
from engrams.prompts import Prompt
from engrams.recall.by_tags import AskTags, FindByTags
from engrams.recipe import Recipe
from engrams.recipes.caim import CAIM
from engrams.records import Engram
from engrams.step import Chain, steps_of
from tests.papers.talks import Reply, opened, tell

THINK, REVIEW = Prompt("session_thoughts"), Prompt("review_thoughts")
TAGS, KEEP, NEEDED = (
    Prompt(n, "engrams.recall") for n in ("tags_of_question", "keep_thoughts", "memory_needed")
)
ABOUT = {"sail": ["hobby", "Lake"], "soup": ["food"], "Oslo": ["travel", "hobby"]}


def thought(blocks: dict[str, str]) -> dict[str, object]:
    """A thought on each turn that speaks of something known, under its tags."""
    found = []
    for n, line in enumerate(blocks["turns"].splitlines(), start=1):
        for word, tags in ABOUT.items():
            if word in line:
                found.append({"thought": f"Ada: {line.split(': ')[1]}", "tags": tags, "turns": [n]})
    return {"thoughts": found}


def reviewed(blocks: dict[str, str]) -> dict[str, object]:
    """What is about sailing is one; what a later thought says is over goes."""
    lines = blocks["memories"].splitlines()
    sails = [n for n, line in enumerate(lines, 1) if "sail" in line]
    if any("no more" in line for line in lines):
        return {"changes": [{"operation": "DELETE", "numbers": sails[:-1]}]}
    text = "Ada sails, as she says."
    return {"changes": [{"operation": "MERGE", "numbers": sails, "text": text}] if len(sails) > 1 else []}


def all_of_them(blocks: dict[str, str]) -> dict[str, object]:
    return {"numbers": list(range(1, len(blocks["memories"].splitlines()) + 1))}


REPLIES: dict[Prompt, Reply] = {
    THINK: thought,
    REVIEW: reviewed,
    TAGS: {"tags": ["hobby", "weather"]},
    NEEDED: {"needed": True},
    KEEP: all_of_them,
}


def thoughts(memory: Memory) -> list[Engram]:
    return [e for e in memory.get_all() if isinstance(e, Engram) and e.kind == "thought"]


def test_a_session_is_thought_over_and_its_thoughts_rest_on_their_turns() -> None:
    with opened(CAIM, REPLIES, {}) as (memory, talk):
        said = tell(memory, "user: I sail.", "assistant: Well.", "user: We had soup.")
        assert talk.asked == []
        memory.consolidate()
        sail, soup = thoughts(memory)
        assert (sail.content, sail.metadata["tags"], list(sail.sources)) == (
            "Ada: I sail.",
            ["hobby", "lake"],
            said[:1],
        )
        assert (soup.metadata["tags"], list(soup.sources)) == (["food"], said[2:])
        [shown] = talk.shown("session_thoughts")
        assert shown["tags"].splitlines() == list(ONTOLOGY)
        assert shown["turns"].splitlines()[0] == "1. [2024-03-01] user: I sail."
        assert len(talk.asked) == 1  # no two thoughts have a tag in common: nothing to review
        memory.consolidate()
        assert len(talk.asked) == 1
        tell(memory, "user: More soup.", day=1)
        memory.consolidate()
        shown = talk.shown("session_thoughts")[1]
        assert (len(shown["earlier"].splitlines()), shown["turns"]) == (3, "1. [2024-03-02] user: More soup.")
        # A tag that the model added is offered from then on.
        assert shown["tags"].splitlines()[-1] == "lake"


def test_a_review_merges_what_has_a_tag_in_common() -> None:
    with opened(CAIM, REPLIES, {}) as (memory, talk):
        [one] = tell(memory, "user: I sail.", session="a")
        memory.consolidate()
        [two] = tell(memory, "user: We sail to Oslo.", session="b", day=1)
        memory.consolidate()
        [merged] = thoughts(memory)
        assert (merged.content, list(merged.sources)) == ("Ada sails, as she says.", [one, two])
        assert merged.metadata["tags"] == ["hobby", "lake", "travel"]
        assert [r.change for r in memory.history(merged.id)] == ["ADD", "MERGE"]
        # Two thoughts came of the second turn, of sailing and of Oslo: one review for the first tag made all of them one.
        assert [name for name, _ in talk.asked].count("review_thoughts") == 1
        tell(memory, "user: I sail no more.", session="c", day=2)
        memory.consolidate()
        assert [t.content for t in thoughts(memory)] == ["Ada: I sail no more."]
        gone = memory.get(merged.id)
        assert isinstance(gone, Engram) and gone.state == "archived"


def test_tags_lead_to_thoughts_the_most_and_the_newest_first() -> None:
    alone: Recipe = replace(CAIM, consolidate=ThinkOver())
    with opened(alone, {**REPLIES, TAGS: {"tags": ["Hobby", "travel", "weather"]}}, {}) as (memory, talk):
        tell(
            memory, "user: I sail.", "user: We had soup.", "user: The harbour of Oslo!", "user: I will sail."
        )
        memory.consolidate()
        hits = memory.search("What does she do?", k=9, explain=True)
        # Of the two tags that there are Oslo has both, sailing one, soup none; what the model makes up is passed over.
        assert [(h.text, h.score) for h in hits] == [
            ("Ada: The harbour of Oslo!", 1.0),
            ("Ada: I will sail.", 0.5),
            ("Ada: I sail.", 0.5),
        ]
        assert hits[0].signals == {"tags": 1.0}
        assert talk.shown("tags_of_question") == [
            {"question": "What does she do?", "tags": "hobby\nlake\nfood\ntravel"}
        ]
        assert [name for name, _ in talk.asked[1:]] == ["tags_of_question"]  # a search asks for no more
        assert len(memory.search("What does she do?", k=1)) == 1
    with opened(alone.replace("read.FindByTags.most", 1), REPLIES, {}) as (memory, _):
        tell(memory, "user: I sail.", "user: I will sail.")
        memory.consolidate()
        assert [h.text for h in memory.context("What does she do?").hits] == ["Ada: I will sail."]


def test_a_context_is_asked_for_the_day_and_the_need_and_keeps_what_is_chosen() -> None:
    with opened(CAIM, {**REPLIES, KEEP: {"numbers": [2]}}, {}) as (memory, talk):
        tell(memory, "user: I sail.", session="a")
        tell(memory, "user: The harbour of Oslo!", session="b", day=1)
        memory.consolidate()
        made = memory.context("What does she do?", asked_at="2024-03-09")
        assert [h.text for h in made.hits] == ["Ada: I sail."]
        assert talk.shown("keep_thoughts") == [
            {
                "question": "[2024-03-09] What does she do?",
                "memories": "1. [2024-03-02] Ada: The harbour of Oslo!\n2. [2024-03-01] Ada: I sail.",
            }
        ]
        assert made.price.model_calls == 3


def test_where_nothing_is_needed_nothing_is_given() -> None:
    with opened(CAIM, {**REPLIES, NEEDED: {"needed": False}}, {}) as (memory, talk):
        tell(memory, "user: I sail.")
        memory.consolidate()
        assert memory.context("How much is two and two?").found is False
        assert talk.shown("keep_thoughts") == []
    kept = tuple(s for s in steps_of(CAIM.read) if s.name != "AskNeeded")
    with opened(replace(CAIM, read=Chain(kept)), {**REPLIES, NEEDED: {"needed": False}}, {}) as (memory, _):
        tell(memory, "user: I sail.")
        memory.consolidate()
        assert memory.context("How much is two and two?").found is True


def test_without_the_review_what_is_told_twice_stands_twice() -> None:
    with opened(replace(CAIM, consolidate=ThinkOver()), REPLIES, {}) as (memory, _):
        tell(memory, "user: I sail.", session="a")
        tell(memory, "user: I sail.", session="b", day=1)
        memory.consolidate()
        assert len(thoughts(memory)) == 2


def test_numbers_a_model_makes_up_rest_on_the_whole_session() -> None:
    wild: dict[Prompt, Reply] = {
        **REPLIES,
        THINK: {
            "thoughts": [
                {"thought": "Ada sails.", "tags": [" Hobby ", ""], "turns": [9]},
                {"thought": " ", "tags": [], "turns": [1]},
            ]
        },
    }
    with opened(CAIM, wild, {}) as (memory, _):
        said = tell(memory, "user: I sail.", "user: Hi!")
        memory.consolidate()
        [one] = thoughts(memory)
        assert (list(one.sources), one.metadata["tags"]) == (said, ["hobby"])


def test_a_memory_without_thoughts_asks_nothing() -> None:
    with opened(CAIM, REPLIES, {}) as (memory, talk):
        tell(memory, "user: I sail.")
        assert memory.context("What does she do?").found is False
        assert talk.asked == []


def test_without_a_model_the_words_of_a_topic_are_its_tags_and_no_vector_is_needed() -> None:
    with Memory.open(":memory:", "caim", embedder="none", models="none") as memory:
        for text in ("I sail the boat.", "The boat sails well.", "We cook soup.", "Soup with salt."):
            memory.add(text, session="one")
        memory.consolidate()
        # Two turns each, where the vocabulary shifts.
        assert [t.content for t in thoughts(memory)] == [
            "I sail the boat The boat sails well",
            "We cook soup Soup with salt",
        ]
        assert {"boat", "sail"} <= set(thoughts(memory)[0].metadata["tags"])
        assert [h.text for h in memory.search("Which boats?", k=9)] == ["I sail the boat The boat sails well"]
        assert memory.context("Who said that?").found is False
        assert memory.context("What soup was it?").found is True
        assert memory.search("Whose soup plate?", k=9)[0].text.startswith("We cook")
        assert "without a model: TakeThoughts in place of ThinkOver" in memory.recipe.differs
        assert "without a model: MatchTags in place of AskTags" in memory.recipe.differs
        assert memory.recipe.needs == ()


def test_without_a_model_tags_are_pairs_of_signs_where_words_have_no_spaces() -> None:
    with Memory.open(":memory:", "caim", embedder="none", models="none") as memory:
        memory.add("我们坐帆船。帆船很快。")
        memory.consolidate()
        assert "帆船" in thoughts(memory)[0].metadata["tags"]
        assert [len(memory.search(asked, k=9)) for asked in ("谁有帆船?", "船在哪里?")] == [1, 0]


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadSetting, match="recent"):
        ThinkOver(recent=-1)
    for field in ("width", "most", "tags"):
        with pytest.raises(BadSetting, match=field):
            TakeThoughts(**{field: 0})  # type: ignore[arg-type]
    with pytest.raises(BadSetting, match="most"):
        FindByTags(choose=AskTags(), most=0)
