"""A-Mem on a trace worked out by hand: notes, the links between them, and old notes that change."""

from __future__ import annotations

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.organise.notes import PlainNotes, WriteNotes, index_keys, keywords
from engrams.prompts import Prompt
from engrams.recipes.a_mem import A_MEM
from tests.papers.talks import Drawn, opened, tell

NOTE, EVOLVE, KEYWORDS = Prompt("note"), Prompt("evolve"), Prompt("keywords", "engrams.recall")
WORDS = {"kiln": (1, 0, 0), "pottery": (0.8, 0.6, 0), "glaze": (0.6, 0.8, 0), "train": (0, 0, 1)}


def noted(blocks: dict[str, str]) -> dict[str, object]:
    text = blocks["message"]
    word = next(w for w in WORDS if w in text)
    return {"keywords": [word, "craft"], "context": f"About a {word}.", "tags": ["hobby"]}


CALM = {"connect": [], "neighbours": []}


def test_a_note_carries_what_the_model_says_and_is_found_by_all_of_it() -> None:
    with opened(A_MEM, {NOTE: noted, EVOLVE: CALM}, WORDS) as (memory, talk):
        tell(memory, "Ines: I bought a kiln.")
        [note] = memory.get_all()
        assert (note.kind, note.content) == ("note", "I bought a kiln.")
        assert note.metadata["keywords"] == ["kiln", "craft"]
        assert note.keys == ("Ines says: I bought a kiln. About a kiln. kiln, craft hobby",)
        assert talk.shown("note") == [{"message": "Ines says: I bought a kiln."}]
        assert talk.shown("evolve") == []  # the first note has no neighbours


def test_the_authors_code_finds_a_note_by_context_and_keywords_alone() -> None:
    released = A_MEM.replace("write.WriteNotes.index_text", "released")
    with opened(released, {NOTE: noted, EVOLVE: CALM}, WORDS) as (memory, _):
        tell(memory, "Ines: I bought a kiln.")
        assert memory.get_all()[0].keys == ("About a kiln. keywords: kiln, craft",)


def test_a_new_note_is_linked_and_rewrites_its_neighbour() -> None:
    changed = {
        "connect": [1],
        "tags": ["pottery"],
        "neighbours": [{"number": 1, "context": "The kiln is for pottery.", "tags": ["pottery", "hobby"]}],
    }
    with opened(A_MEM, {NOTE: noted, EVOLVE: changed}, WORDS) as (memory, talk):
        [kiln] = tell(memory, "Ines: I bought a kiln.")
        [pottery] = tell(memory, "Ines: I do pottery.")
        old = next(e for e in memory.get_all() if e.sources == (kiln,))
        new = next(e for e in memory.get_all() if e.sources == (pottery,))
        assert old.metadata["context"] == "The kiln is for pottery."
        assert "The kiln is for pottery." in old.keys[0]
        assert old.content == "I bought a kiln."
        assert new.metadata["tags"] == ["pottery"]
        assert [(r.change, r.event_id) for r in memory.history(old.id)][-1] == ("EVOLVE", pottery)
        assert memory.stats().links == 1
        shown = talk.shown("evolve")[0]
        assert shown["note"].startswith("1. [2024-03-01] Ines: I do pottery.")
        assert "context: About a kiln." in shown["neighbours"]


def test_without_evolving_nothing_is_linked_and_nothing_changes() -> None:
    with opened(A_MEM, {NOTE: noted, EVOLVE: CALM}, WORDS) as (memory, _):
        tell(memory, "Ines: I bought a kiln.", "Ines: I do pottery.")
        assert memory.stats().links == 0
        assert {e.version for e in memory.get_all()} == {1}


def test_a_link_brings_in_what_the_question_does_not_find() -> None:
    def linked(blocks: dict[str, str]) -> dict[str, object]:
        """The note on a train belongs to that on the kiln."""
        lines = [line for line in blocks["neighbours"].splitlines() if line[:1].isdigit()]
        places = [n for n, line in enumerate(lines, start=1) if "kiln" in line]
        return {"connect": places if "train" in blocks["note"] else [], "neighbours": []}

    one = A_MEM.replace("read.Nearest.k", 1)
    replies = {NOTE: noted, EVOLVE: linked, KEYWORDS: {"keywords": ["kiln"]}}
    with opened(one, replies, WORDS) as (memory, talk):
        tell(
            memory,
            "Ines: I bought a kiln.",
            "Ines: The glaze is blue.",
            "Ines: I took the train to fetch it.",
        )
        found = memory.context("How did she get it home?")
        assert [hit.text for hit in found.hits] == ["I bought a kiln.", "I took the train to fetch it."]
        assert talk.shown("keywords") == [{"question": "How did she get it home?"}]
    with opened(one, {**replies, EVOLVE: CALM}, WORDS) as (memory, _):
        tell(
            memory,
            "Ines: I bought a kiln.",
            "Ines: The glaze is blue.",
            "Ines: I took the train to fetch it.",
        )
        assert [hit.text for hit in memory.context("How did she get it home?").hits] == ["I bought a kiln."]


def test_a_link_leads_nowhere_that_the_question_may_not_see() -> None:
    linked = {"connect": [1], "neighbours": []}
    one = A_MEM.replace("read.Nearest.k", 1)
    with opened(one, {NOTE: noted, EVOLVE: linked, KEYWORDS: {"keywords": ["train"]}}, WORDS) as (memory, _):
        tell(memory, "Ines: I bought a kiln.", day=0)
        tell(memory, "Ines: I took the train.", day=5)
        assert len(memory.context("How?").hits) == 2
        assert [h.text for h in memory.context("How?", since="2024-03-04").hits] == ["I took the train."]


def test_without_a_model_words_stand_out_and_what_is_alike_is_linked() -> None:
    with Memory.open(":memory:", "a-mem", embedder=Drawn(WORDS), models="none") as memory:
        for text in ("I bought a kiln.", "My kiln does pottery.", "The train was late."):
            memory.add(text)
        # cos(kiln, kiln + pottery) = 0.949, and 0 with the train: one link
        assert memory.stats().links == 1
        assert memory.get_all()[0].metadata["tags"] == []


def test_keywords_are_what_is_said_most_then_the_longest() -> None:
    assert keywords("The kiln, the old kiln and a glaze for pottery.", 3) == ["kiln", "pottery", "glaze"]


def test_what_a_note_is_found_by() -> None:
    about = {"keywords": ["a", "b"], "context": "C.", "tags": ["t"]}
    assert index_keys("text", about, "paper") == ("text C. a, b t",)
    assert index_keys("text", about, "released") == ("C. keywords: a, b",)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadSetting, match="index_text"):
        WriteNotes(index_text="other")  # type: ignore[arg-type]
    with pytest.raises(BadSetting, match="most"):
        PlainNotes(most=0)
