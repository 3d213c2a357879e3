"""What the rules of the reconciler catch and leave alone, on pairs of statements written for it (data/updates.jsonl).

Part "first" was written before the rules; "unseen" after them, and measured before anything was changed; "last" after
the one change that followed. docs/time-travel.md shows the table.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.organise.facts import read_fact, sentences
from engrams.organise.reconcile import ONE_AT_A_TIME, Supersede, ends
from engrams.recipes.engrams import ENGRAMS
from engrams.step import Chain, steps_of

HERE = Path(__file__).parent
PAIRS: list[dict[str, Any]] = [
    json.loads(line) for line in (HERE / "data" / "updates.jsonl").read_text("utf-8").splitlines()
]
#: Shares that were measured: of updates caught, by part.
CAUGHT = {"first": 77 / 80, "unseen": 63 / 83, "last": 25 / 25}
#: The most that may be taken back wrongly.
MOST_WRONG = 0.02


def superseded(pair: dict[str, Any]) -> bool:
    """Whether the later statement ends the earlier one, as the step decides."""
    before = sentences(pair["earlier"])
    facts = [f for s in sentences(pair["later"]) if (f := read_fact(s)) is not None]
    facts = [f for f in facts if f.mode != "state" or f.attribute in ONE_AT_A_TIME]
    return len(before) == 1 and any(ends(fact, before[0]) is not None for fact in facts)


def test_there_are_enough_pairs_of_each_sort_and_none_twice() -> None:
    assert len(PAIRS) >= 300
    assert sum(p["update"] for p in PAIRS) >= 150
    assert sum(not p["update"] for p in PAIRS) >= 150
    assert len({(p["earlier"], p["later"]) for p in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("part", sorted(CAUGHT))
def test_updates_are_caught_as_measured(part: str) -> None:
    updates = [p for p in PAIRS if p["part"] == part and p["update"]]
    assert sum(map(superseded, updates)) / len(updates) >= CAUGHT[part]


@pytest.mark.parametrize("part", sorted(CAUGHT))
def test_true_facts_are_left_alone(part: str) -> None:
    wrong = [p for p in PAIRS if p["part"] == part and not p["update"] and superseded(p)]
    count = sum(p["part"] == part and not p["update"] for p in PAIRS)
    assert len(wrong) / count <= MOST_WRONG, wrong


@pytest.mark.slow
def test_no_statement_ends_one_of_another_pair_that_it_does_not_speak_of() -> None:
    """Every later update against every earlier statement: only what shares speaker and subject may end."""
    earlier = sorted({p["earlier"] for p in PAIRS})
    later = sorted({p["later"] for p in PAIRS if not p["update"]})
    kinds = {p["earlier"]: p["kind"] for p in PAIRS}
    hits = Counter(
        kinds[old] for new in later for old in earlier if superseded({"earlier": old, "later": new})
    )
    assert sum(hits.values()) / (len(earlier) * len(later)) < 0.01


@pytest.mark.parametrize(
    ("sentence", "who", "attribute", "value", "mode"),
    [
        ("I live in Bern", "i", "home", "Bern", "state"),
        ("Anna has moved to Linz", "anna", "home", "Linz", "change"),
        ("My new phone number is 555 9876", "i", "slot phone number", "555 9876", "change"),
        ("I no longer play the violin", "i", "does", "play the violin", "end"),
        ("The meeting has been moved to Thursday", "it", "time meeting", "Thursday", "change"),
        ("I left Novartis in June", "i", "work", "Novartis", "end"),
    ],
)
def test_sentences_are_read(sentence: str, who: str, attribute: str, value: str, mode: str) -> None:
    fact = read_fact(sentence)
    assert fact is not None
    assert (fact.who, fact.attribute, fact.value, fact.mode) == (who, attribute, value, mode)


@pytest.mark.parametrize(
    "sentence",
    [
        "Should I move to Porto?",
        "I might move to Porto",
        "If I moved to Porto",
        "I used to live in Porto",
        "",
    ],
)
def test_questions_wishes_and_the_past_are_read_as_nothing(sentence: str) -> None:
    assert read_fact(sentence) is None


def test_the_confidence_asked_for_is_the_least_that_decides() -> None:
    with pytest.raises(BadSetting, match=r"Supersede\.confidence"):
        Supersede(confidence=0)
    texts = {}
    for least in (0.8, 0.9):
        recipe = ENGRAMS.replace("read.Top.k", 50)
        chain = Chain((*steps_of(ENGRAMS.write), Supersede(confidence=least)))
        with Memory.open(":memory:", _with(recipe, chain)) as memory:
            memory.add("I live in Bern.", occurred_at="2023-01-01")
            memory.add("I live in Porto.", occurred_at="2024-01-01")
            texts[least] = [e.content for e in memory.get_all()]
    assert texts == {0.8: ["I live in Porto."], 0.9: ["I live in Bern.", "I live in Porto."]}


def test_only_the_same_speaker_ends_what_was_said_and_only_later() -> None:
    chain = Chain((*steps_of(ENGRAMS.write), Supersede()))
    with Memory.open(":memory:", _with(ENGRAMS, chain)) as memory:
        for name, text, day in (
            ("Ann", "I live in Bern.", "2024-01-05"),
            ("Ben", "I moved to Porto.", "2024-02-01"),
            ("Ann", "I moved to Genoa.", "2023-01-01"),
        ):
            memory.add([{"role": "user", "name": name, "content": text}], occurred_at=day)
        memory.add([{"role": "assistant", "content": "I moved to the cloud."}], occurred_at="2024-03-01")
        assert len(memory.get_all()) == 4
        memory.add(
            [{"role": "user", "name": "Ann", "content": "I moved to Turin."}], occurred_at="2024-04-01"
        )
        left = {e.content for e in memory.get_all()}
        assert left == {"I moved to Porto.", "I moved to the cloud.", "I moved to Turin."}


def test_pinned_facts_stay_and_consolidating_finds_what_came_in_one_load() -> None:
    recipe = _with(ENGRAMS, ENGRAMS.write, consolidate=Supersede())
    with Memory.open(":memory:", recipe) as memory:
        said = [
            ("I live in Bern.", 1),
            ("My bank is ING.", 2),
            ("I moved to Porto.", 3),
            ("My new bank is UBS.", 4),
        ]
        memory.add([{"role": "user", "content": text, "timestamp": f"2024-01-0{day}"} for text, day in said])
        [bank] = [e.id for e in memory.get_all() if "ING" in e.content]
        memory.pin(bank)
        assert memory.consolidate().changed == 1
        assert {e.content for e in memory.get_all()} == {
            "My bank is ING.",
            "I moved to Porto.",
            "My new bank is UBS.",
        }


def _with(recipe: Any, write: Any, **fields: Any) -> Any:
    return replace(recipe, name="facts", writer="facts", write=write, **fields)
