"""Second Me without training, on traces worked out by hand: notes, named topics, facets, a biography."""

from __future__ import annotations

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.organise.facets import LargestTopics, NameTopics, TopicsByWords
from engrams.prompts import Prompt
from engrams.recipes.second_me_text import SECOND_ME_TEXT
from engrams.records import Engram
from tests.papers.talks import Drawn, Reply, Talk, opened, tell, texts

TOPICS, FACETS, BIOGRAPHY = Prompt("name_topics"), Prompt("draw_facets"), Prompt("biography")
SUMMARY = Prompt("turn_summary")
WORDS = {"sail": (1, 0, 0), "harbour": (0.8, 0.6, 0), "bread": (0, 1, 0), "oven": (0, 0.8, 0.6)}
SIGNS = {"Sailing": ("sail", "harbour"), "Baking": ("bread", "oven")}


def sorted_in(blocks: dict[str, str]) -> dict[str, object]:
    """A topic for each of sailing and baking, that says of how many notes it was told."""
    new = blocks["notes"].splitlines()
    found = {
        name: [n for n, line in enumerate(new, start=1) if any(w in line for w in said)]
        for name, said in SIGNS.items()
    }
    return {
        "topics": [
            {"name": name, "description": f"{name}, {len(notes)} notes.", "notes": notes}
            for name, notes in found.items()
            if notes
        ]
    }


def drawn(blocks: dict[str, str]) -> dict[str, object]:
    names = [line.partition(":")[0] for line in blocks["topics"].splitlines()]
    return {
        "facets": [
            {"name": "Maker", "description": f"Shows in {', '.join(names)}.", "topics": [*names, "Lost"]}
        ]
    }


REPLIES: dict[Prompt, Reply] = {
    TOPICS: sorted_in,
    FACETS: drawn,
    BIOGRAPHY: lambda blocks: {"text": f"Somebody. {blocks['memories'].partition('] ')[2]}"},
    SUMMARY: {"text": "A long note."},
}


def of(memory: Memory, kind: str) -> list[Engram]:
    return [e for e in memory.get_all() if e.kind == kind]


def shown(talk: Talk) -> dict[str, int]:
    return {p.name: len(talk.shown(p.name)) for p in (TOPICS, FACETS, BIOGRAPHY)}


def test_notes_become_topics_topics_facets_and_facets_a_biography() -> None:
    with opened(SECOND_ME_TEXT, REPLIES, WORDS) as (memory, talk):
        said = tell(memory, "user: I sail.", "user: I bake bread.", "user: To the harbour.", "user: Hm.")
        memory.consolidate()
        sail, bake = of(memory, "topic")
        assert (sail.metadata["name"], sail.content) == ("Sailing", "Sailing, 2 notes.")
        assert (list(sail.sources), list(bake.sources)) == ([said[0], said[2]], [said[1]])
        [maker] = of(memory, "facet")
        assert maker.content == "Shows in Sailing, Baking."
        assert set(maker.sources) == {*said[:3]}
        [life] = of(memory, "profile")
        assert life.content == "Somebody. Shows in Sailing, Baking."
        assert set(life.sources) == {*said[:3]}
        assert talk.shown("name_topics")[0]["topics"] == ""
        assert talk.shown("name_topics")[0]["notes"].splitlines()[1] == "2. [2024-03-01] user: I bake bread."


def test_a_topic_of_a_name_that_stands_is_described_anew_and_grows() -> None:
    with opened(SECOND_ME_TEXT, REPLIES, WORDS) as (memory, talk):
        first = tell(memory, "user: I sail.")
        memory.consolidate()
        second = tell(memory, "user: To the harbour.", "user: We sail.", session="b", day=1)
        memory.consolidate()
        [sail] = of(memory, "topic")
        assert sail.content == "Sailing, 2 notes."
        assert list(sail.sources) == [*first, *second]
        assert [r.change for r in memory.history(sail.id)] == ["ADD", "UPDATE"]
        assert talk.shown("name_topics")[1]["topics"] == "Sailing: Sailing, 1 notes."
        assert len(talk.shown("name_topics")[1]["notes"].splitlines()) == 2
        assert talk.shown("draw_facets")[1]["facets"] == "Maker: Shows in Sailing."
        assert len(of(memory, "facet")) == len(of(memory, "profile")) == 1


def test_notes_go_to_the_model_in_batches_each_shown_what_stands_by_then() -> None:
    with opened(SECOND_ME_TEXT.replace("consolidate.NameTopics.batch", 2), REPLIES, WORDS) as (memory, talk):
        tell(memory, "user: I sail.", "user: Hm.", "user: I bake bread.", "user: The harbour.", "user: Oh.")
        memory.consolidate()
        batches = talk.shown("name_topics")
        assert [len(b["notes"].splitlines()) for b in batches] == [2, 2, 1]
        assert batches[1]["topics"] == "Sailing: Sailing, 1 notes."
        assert sorted(e.content for e in of(memory, "topic")) == ["Baking, 1 notes.", "Sailing, 1 notes."]
        assert len(of(memory, "topic")[0].sources) == 2


def test_what_was_looked_at_is_not_asked_about_again() -> None:
    with opened(SECOND_ME_TEXT, REPLIES, WORDS) as (memory, talk):
        tell(memory, "user: I sail.", "user: Hm.")
        memory.consolidate()
        memory.consolidate()
        assert shown(talk) == {"name_topics": 1, "draw_facets": 1, "biography": 1}
        tell(memory, "user: Hm, hm.", day=1)  # no topic changes, so facets and biography stay
        memory.consolidate()
        assert shown(talk) == {"name_topics": 2, "draw_facets": 1, "biography": 1}


def test_who_one_is_stands_before_what_was_found_and_no_search_finds_it() -> None:
    with opened(SECOND_ME_TEXT.replace("read.Nearest.k", 1), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I sail.", "user: I bake bread.")
        memory.consolidate()
        kinds = {h.kind: h.text for h in memory.context("sail?").hits}
        assert kinds == {
            "profile": "Somebody. Shows in Sailing, Baking.",
            "facet": "Shows in Sailing, Baking.",
            "passage": "I sail.",
        }
        assert {h.kind for h in memory.search("sail?", k=9)} == {"passage"}


def test_notes_that_are_not_alike_enough_are_left_out_as_released() -> None:
    for least, found in (
        (-1.0, ["I sail.", "To the harbour.", "I bake bread."]),
        (0.7, ["I sail.", "To the harbour."]),
    ):
        with opened(SECOND_ME_TEXT.replace("read.Nearest.least", least), REPLIES, WORDS) as (memory, _):
            tell(memory, "user: I sail.", "user: I bake bread.", "user: To the harbour.")
            assert [h.text for h in memory.search("sail?", k=3)] == found


def test_a_long_note_is_shown_as_its_summary() -> None:
    short = SECOND_ME_TEXT.replace("write.SummariseLong.tokens", 12)
    with opened(short, REPLIES, WORDS) as (memory, talk):
        tell(memory, "user: I sail each day from the old harbour out to the open sea and back again.")
        memory.consolidate()
        assert talk.shown("name_topics")[0]["notes"] == "1. [2024-03-01] user: A long note."


def test_an_erased_note_takes_back_what_rested_on_it() -> None:
    with opened(SECOND_ME_TEXT, REPLIES, WORDS) as (memory, _):
        first = tell(memory, "user: I sail.")
        memory.consolidate()
        tell(memory, "user: I bake bread.", day=1)
        memory.consolidate()
        memory.delete(first[0])
        assert all(first[0] not in e.sources for e in memory.get_all())
        assert "Sailing" not in " ".join(texts(memory, "topic"))


def test_without_a_model_words_that_notes_share_are_topics() -> None:
    with Memory.open(":memory:", "second-me-text", embedder=Drawn(WORDS), models="none") as memory:
        tell(memory, "user: I sail a boat.", "user: The boat leaks.", "user: A red boat.", "user: Tea.")
        memory.consolidate()
        [boat] = of(memory, "topic")
        assert (boat.metadata["name"], len(boat.sources)) == ("boat", 3)
        [facet] = of(memory, "facet")
        assert (facet.content, of(memory, "profile")) == (boat.content, [])
        assert "facet" in {h.kind for h in memory.context("boat?").hits}
        swapped = [d.split()[3] for d in memory.recipe.differs if "without a model:" in d]
        assert swapped == ["TakeCentralOfLong", "TopicsByWords", "LargestTopics", "LeaveOut"]


def test_settings_that_make_no_sense_are_refused() -> None:
    for make, key in (
        (lambda: NameTopics(batch=0), "batch"),
        (lambda: TopicsByWords(notes=1), "notes"),
        (lambda: LargestTopics(most=0), "most"),
    ):
        with pytest.raises(BadSetting, match=key):
            make()
