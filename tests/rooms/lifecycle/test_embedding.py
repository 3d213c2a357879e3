"""An embedder inside a memory: what gets a vector, whose vectors they are, and making them anew."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engrams import Memory
from engrams.errors import BadSetting, Mismatch, NeedsExtra, UnknownName, UsageError
from engrams.lifecycle import embedding
from engrams.records import Scope
from tests.rooms.lifecycle.embedders import Letters

ROOT = Path(__file__).resolve().parents[3]
DEFAULT = Scope("default")


def vectors(memory: Memory, fingerprint: str = "letters", path: str = "default") -> list[list[float]]:
    """The vectors of a path, by row."""
    found: list[list[float]] = memory._house.store.entry_vectors(Scope(path), fingerprint)[1].tolist()
    return found


def whether_a_dog(texts: list[str]) -> list[list[float]]:
    return [[1.0, float("dog" in text)] for text in texts]


def test_what_is_added_gets_its_vector_in_the_same_transaction() -> None:
    letters = Letters()
    with Memory.open(":memory:", embedder=letters) as memory:
        memory.add({"role": "user", "name": "Seamus", "content": "The dog ran."})
        memory.add_many([{"role": "user", "content": text} for text in ("A cat.", "The dog ran.")])
        assert vectors(memory) == [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
        assert letters.seen == ["The dog ran.", "A cat."]  # no speaker in it; the same text once
        assert memory._house.store.setting("embedder") == "letters"


def test_meaning_finds_what_no_word_finds() -> None:
    # "sea" and "Atlantic" share no word and, to this embedder, everything.
    letters = Letters(words=("dog", "cat", "sea", "ice"))
    letters.words = ("dog", "cat", "tic", "ice")
    with Memory.open(":memory:", "dense", embedder=letters) as memory:
        memory.add(["My dog sleeps.", "A cat walked in.", "We crossed the Baltic."])
        [hit] = memory.search("anything on the Atlantic?", k=1)
        assert hit.content == "We crossed the Baltic."
        assert set(hit.signals) == set()
        [hit] = memory.search("anything on the Atlantic?", k=1, explain=True)
        assert list(hit.signals) == ["dense"]
        # cosines 0, 0, 1: mean 1/3, deviation sqrt(2)/3, so the best stands at sqrt(2)
        assert hit.score == pytest.approx(2**0.5, abs=1e-6)


def test_a_long_text_is_embedded_up_to_its_bound() -> None:
    letters = Letters()
    recipe = Memory.catalogue()["engrams"].replace("write.Embed.characters", 8)
    with Memory.open(":memory:", recipe, embedder=letters) as memory:
        memory.add("the dog and the cat")
        assert letters.seen == ["the dog "]


def test_corrections_are_embedded_and_what_is_rejected_is_not() -> None:
    with Memory.open(":memory:", embedder=Letters()) as memory:
        receipt = memory.add("I have a dog.")
        memory.update(receipt.event_ids[0], "I have a cat.")
        assert vectors(memory) == [[1, 0, 0, 0], [0, 1, 0, 0]]
        [engram] = memory.get_all()
        memory.update(engram.id, "It is at sea.")
        memory.pin(engram.id)
        assert vectors(memory)[2:] == [[0, 0, 1, 0], [0, 0, 1, 0]]
        memory.delete(engram.id)
        assert len(vectors(memory)) == 4


def test_the_card_shows_what_is_embedded() -> None:
    card = Memory.catalogue()["engrams"].card()
    assert "Embed(characters=600, speaker=False)" in card
    assert "DenseScores(covered=0.9)" in card


def test_without_an_embedder_the_same_recipe_works() -> None:
    for none in ("none", None):  # tests are run with ENGRAMS_EMBEDDER=none
        with Memory.open(":memory:", embedder=none) as memory:
            memory.add(["The dog ran.", "It rained."])
            [hit] = memory.search("dog", k=1, explain=True)
            assert (hit.content, hit.signals["dense"]) == ("The dog ran.", 0.0)
            assert memory._house.store.setting("embedder") is None


def test_an_embedder_may_be_a_function_or_a_name() -> None:
    with Memory.open(":memory:", embedder=whether_a_dog) as memory:
        memory.add("a dog")
        assert memory._house.store.setting("embedder") is not None
    with pytest.raises(UnknownName, match="minilm"):
        Memory.open(":memory:", embedder="minlim")
    with pytest.raises(BadSetting, match="embedder"):
        Memory.open(":memory:", embedder=7)


@pytest.mark.parametrize("name", ["dense", "hybrid-rrf"])
def test_recipes_that_live_by_vectors_say_what_they_need(name: str) -> None:
    assert Memory.catalogue()[name].needs == ("embedder",)
    with pytest.raises(NeedsExtra, match=r"pip install 'engrams\[embed\]'"):
        Memory.open(":memory:", name, embedder="none")


def test_vectors_of_another_embedder_are_never_compared(place: str) -> None:
    with Memory.open(place, embedder=Letters()) as memory:
        id = memory.add("a dog").event_ids[0]
    with Memory.open(place, embedder=Letters("other")) as memory:
        for act in (
            lambda: memory.search("dog"),
            lambda: memory.context("dog"),
            lambda: memory.add("a cat"),
            lambda: memory.update(id, "two dogs"),
        ):
            with pytest.raises(Mismatch) as caught:
                act()
            for part in ("'letters'", "'other'", "engrams reembed"):
                assert part in str(caught.value)
        assert [problem.mend for problem in memory.check()] == ["engrams reembed"]
        assert memory.get(id).content == "a dog"
    with Memory.open(place, "bm25", embedder=Letters("other")) as memory:
        assert memory.search("dog")[0].content == "a dog"  # compares no vectors


def test_two_first_writers_with_different_embedders_do_not_mix(place: str) -> None:
    with Memory.open(place, embedder=Letters()) as one, Memory.open(place, embedder=Letters("other")) as two:
        embedding.require_embedder(two._house)  # looked before the other wrote
        one.add("a dog")
        with pytest.raises(Mismatch):
            two.add("a cat")
        assert [e.content for e in one.get_all()] == ["a dog"]


def test_reembed_changes_over_and_drops_the_old(place: str) -> None:
    with Memory.open(place, embedder=Letters()) as memory:
        memory.add_many([{"role": "user", "content": text} for text in ("a dog", "a cat", "the sea")])
        memory.add("ice", user_id="bob")
    told: list[tuple[int, int]] = []
    with Memory.open(place, embedder=Letters("other", ("cat", "dog", "ice", "sea"))) as memory:
        assert memory.reembed(progress=lambda done, total: told.append((done, total))) == 4
        assert told == [(4, 4)]
        assert memory.search("dog", k=1)[0].content == "a dog"
        assert vectors(memory, "other") == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
        assert vectors(memory, "other", "bob") == [[0, 0, 1, 0]]
        assert vectors(memory, "letters") == []
        assert memory.check() == []
        assert memory.reembed() == 0


def test_the_old_index_answers_until_the_new_one_is_whole(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BATCH", 1)
    with Memory.open(place, embedder=Letters()) as old:
        old.add_many([{"role": "user", "content": text} for text in ("a dog", "a cat", "the sea")])
        answers: list[str] = []

        def meanwhile(done: int, total: int) -> None:
            if done <= 3:
                answers.append(old.search("dog", k=1)[0].content)
            if done == 2:
                old.add("ice")  # written by the old embedder while the new one is at work

        with Memory.open(place, embedder=Letters("other")) as new:
            assert new.reembed(progress=meanwhile) == 4
            assert answers == ["a dog"] * 3
            assert len(vectors(new, "other")) == 4
            assert new.search("ice", k=1)[0].content == "ice"
        with pytest.raises(Mismatch):
            old.search("dog")


def test_a_reembed_that_was_cut_off_goes_on(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "BATCH", 2)
    with Memory.open(place, embedder=Letters()) as memory:
        memory.add_many([{"role": "user", "content": f"dog {n}"} for n in range(6)])
    failing = Letters("other")
    failing.fails_after = 4
    with Memory.open(place, embedder=failing) as memory, pytest.raises(KeyboardInterrupt):
        memory.reembed()
    with Memory.open(place, embedder=Letters()) as memory:
        assert memory.search("dog 3", k=1)[0].content == "dog 3"  # the old index still answers
    again = Letters("other")
    with Memory.open(place, embedder=again) as memory:
        assert memory.reembed() == 2
        assert again.seen == ["dog 4", "dog 5"]
        assert memory.search("dog 3", k=1)[0].content == "dog 3"


KILLED = """
import sys, time
from engrams import Memory
from engrams.lifecycle import embedding
from tests.rooms.lifecycle.embedders import Letters
embedding.BATCH = 2
def told(done, total):
    print(done, flush=True)
    if done >= 4:
        time.sleep(60)
with Memory.open(sys.argv[1], embedder=Letters("other")) as memory:
    memory.reembed(progress=told)
"""


def test_a_reembed_that_was_killed_goes_on(place: str) -> None:
    with Memory.open(place, embedder=Letters()) as memory:
        memory.add_many([{"role": "user", "content": f"dog {n}"} for n in range(6)])
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(place)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert child.stdout is not None
    try:
        assert [child.stdout.readline() for _ in range(2)] == ["2\n", "4\n"]
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    with Memory.open(place, embedder=Letters()) as memory:
        assert memory.search("dog 3", k=1)[0].content == "dog 3"
    again = Letters("other")
    with Memory.open(place, embedder=again) as memory:
        assert memory.reembed() == 2
        assert again.seen == ["dog 4", "dog 5"]
        assert memory.check() == []


def test_a_store_without_vectors_is_filled(place: str) -> None:
    with Memory.open(place, embedder="none") as memory:
        memory.add_many([{"role": "user", "content": text} for text in ("a dog", "a cat", "the sea")])
    with Memory.open(place, embedder=Letters()) as memory, Memory.open(place, embedder=Letters()) as other:
        memory.add("ice")
        # One of four has a vector: too few for the signal to be fair, so it says nothing.
        assert {hit.signals["dense"] for hit in memory.search("ice", explain=True)} == {0.0}
        assert other.search("ice", k=1)[0].content == "ice"
        assert [(p.severity, p.mend) for p in memory.check()] == [("warning", "engrams reembed")]
        assert memory.reembed() == 3
        for each in (memory, other):  # also where the index was loaded before
            assert {hit.signals["dense"] != 0 for hit in each.search("ice", explain=True)} == {True}
        assert memory.check() == []


def test_each_recipe_says_what_of_its_own_memories_is_embedded_anew(place: str) -> None:
    """`dense` puts the speaker in front of what it embeds, the house recipe does not; both lie in one store."""
    said = {"role": "user", "name": "Icelanders", "content": "The dog ran."}
    with Memory.open(place, embedder=Letters()) as memory:
        memory.add(said)
        memory.rebuild("dense")
    other = Letters("other", ("ice", "cat", "dog", "sea"))
    for recipe in ("engrams", "dense"):  # whichever is open
        with Memory.open(place, recipe, embedder=other) as memory:
            assert memory.reembed() == 2
            found = {
                row.recipe: row.entry.vectors["other"].tolist()
                for row in memory._house.store.entries(DEFAULT)
            }
            assert found == {
                "engrams": [0.0, 0.0, 1.0, 0.0],
                "dense": pytest.approx([2**-0.5, 0.0, 2**-0.5, 0.0]),
            }
            assert memory.check() == []
            memory._house.store.set_setting("embedder", "letters")
            memory._house.store.drop_vectors(keep="letters")


def test_reembed_says_what_it_lacks() -> None:
    with Memory.open(":memory:", embedder="none") as memory, pytest.raises(NeedsExtra):
        memory.reembed()
    with (
        Memory.open(":memory:", "bm25", embedder=Letters()) as memory,
        pytest.raises(UsageError, match="bm25"),
    ):
        memory.reembed()


def test_a_few_rows_without_a_vector_count_as_average() -> None:
    letters = Letters()
    with Memory.open(":memory:", embedder=letters) as memory:
        memory.add_many([{"role": "user", "content": f"dog {n}"} for n in range(6)])
        memory.add_many([{"role": "user", "content": f"cat {n}"} for n in range(6)])
        house = memory._house
        row = house.store.mark().row
        memory.add("no vector of this")
        house.store.put_vectors("letters", [house.store.mark().row], np.zeros((1, 4), np.float32))  # type: ignore[list-item]
        assert row < house.store.mark().row
        signals = {h.content: h.signals["dense"] for h in memory.search("dog", k=13, explain=True)}
        assert signals["no vector of this"] == pytest.approx(0, abs=1e-6)
        assert signals["dog 0"] > 0 > signals["cat 0"]


def test_one_long_load_tells_how_far_it_is() -> None:
    told: list[int] = []
    with Memory.open(":memory:", embedder=Letters()) as memory:
        memory.add_many([{"role": "user", "content": f"dog {n}"} for n in range(600)], progress=told.append)
    assert told == [250, 500, 600]
