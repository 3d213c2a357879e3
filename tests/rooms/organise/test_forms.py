"""Text, block or adapter: the rule by hand, the movers, and a month of use over a real memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engrams import Memory, Recipe
from engrams.errors import BadSetting
from engrams.organise.forms import Choice, ChooseForm, Costs, DropForms, Form, MoveForms, Use, savings
from engrams.recipes.catalogue import CATALOGUE
from engrams.records import Draft, EngramId
from engrams.step import Run, Step

#: Ten milliseconds to read a token, one to load it, two to put an adapter on, 500 to train one.
COSTS = Costs(read=10, load=1, wear=2, train=500, block_bytes=1e6, adapter_bytes=5e6, rent=0.1)
ME = EngramId("m")


def use(a_day: float, *, rested: float | None = 0, unchanged: float = 100, form: Form = "text") -> Use:
    return Use(ME, 10, a_day, rested, unchanged, form)


@pytest.mark.parametrize(
    ("a_day", "form", "wanted"),
    [
        (1, "text", {"text": 7 * 100, "block": 100 + 7 * (10 + 1), "adapter": 500 + 7 * (2 + 0.5)}),
        (1, "block", {"text": 700, "block": 77, "adapter": 517.5}),
        (0, "adapter", {"text": 0, "block": 107, "adapter": 3.5}),
    ],
)
def test_the_cost_of_a_form_is_to_make_to_use_and_to_keep_it(
    a_day: float, form: Form, wanted: dict[Form, float]
) -> None:
    told = ChooseForm(ahead=7).choose(use(a_day, form=form), COSTS).costs
    assert told == pytest.approx(wanted)


def test_what_is_used_often_and_stands_becomes_an_adapter() -> None:
    rule = ChooseForm()
    # At 10 uses a day: text 7,000; block 100 + 7 (100 + 1) = 807; adapter 500 + 7 (20 + 0.5) = 643.5.
    assert rule.choose(use(10), COSTS).form == "adapter"
    assert (
        rule.choose(use(10, unchanged=6), COSTS).form == "block"
    )  # changed six days ago: it may change again
    assert rule.choose(use(10), COSTS, ("block",)).form == "block"  # nobody here makes adapters
    assert rule.choose(use(10), COSTS, ()).form == "text"
    assert rule.choose(use(1), COSTS).form == "block"
    assert rule.choose(use(0.1), COSTS).form == "text"  # 70 against 114


def test_what_rests_goes_back_to_text_whatever_it_cost() -> None:
    rule = ChooseForm(cold=14)
    assert rule.choose(use(10, rested=13.9, form="adapter"), COSTS).form == "adapter"
    back = rule.choose(use(10, rested=14, form="adapter"), COSTS)
    assert (back.form, back.moves, back.why) == ("text", True, "not used for 14 days")
    assert rule.choose(use(0, rested=None), COSTS).why == "never used"


def test_a_move_has_to_be_worth_it() -> None:
    # From a block at 11 uses a day, 7 (110 + 1) = 777, to an adapter, 500 + 7 (22 + 0.5) = 657.5: saves 15 %.
    assert ChooseForm(margin=0.2).choose(use(11, form="block"), COSTS).form == "block"
    moved = ChooseForm(margin=0.1).choose(use(11, form="block"), COSTS)
    assert moved.form == "adapter"
    assert moved.why == "11 uses a day: adapter takes 658 ms in 7 days, block 777"


def test_an_adapter_of_what_changed_since_stays_a_choice_of_its_own() -> None:
    assert ChooseForm().choose(use(10, unchanged=1, form="adapter"), COSTS).form == "adapter"


def test_savings_are_against_text_alone() -> None:
    uses = [use(10, form="block"), use(2), use(0.1)]
    choices = [
        Choice(ME, one.form, form, {}, "")
        for one, form in zip(uses, ("adapter", "block", "text"), strict=True)
    ]
    assert savings(uses, choices, COSTS) == {
        "tokens saved a day": 120.0,  # (10 + 2) · 10
        "milliseconds saved a day": 10 * (100 - 2) + 2 * (100 - 10),
        "milliseconds to make": 500 + 100,
        "megabytes": 5 + 10,
    }


@pytest.mark.parametrize("wrong", [{"ahead": 0}, {"cold": 0}, {"margin": 1}, {"stable": -1}])
def test_rules_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadSetting):
        ChooseForm(**wrong)
    with pytest.raises(BadSetting, match="read"):
        replace(COSTS, read=-1)


# --- over a real memory


class Days:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True, eq=False)
class Make(Step[Draft, Draft]):
    """A stand-in for what makes a block or an adapter: it keeps bytes of the right size, and refuses what it is told to."""

    shelf: list[Memory]
    kind: str
    bytes: int
    refuse: tuple[str, ...] = ()

    def __call__(self, value: Draft, run: Run) -> Draft:
        done = [e for e in value.engrams if not e.content.startswith(self.refuse or ("\0",))]
        for engram in done:
            self.shelf[0].keep_payload(
                engram.content,
                self.kind,
                engram.id.encode().ljust(self.bytes),
                fingerprint="f",
                sources=[engram.id],
                namespace=run.scope.namespace,
            )
        return replace(value, engrams=tuple(done))


@dataclass(frozen=True, eq=False)
class Drop(Step[Draft, Draft]):
    """DropForms over a memory that is not open yet when the recipe is made."""

    shelf: list[Memory]

    def __call__(self, value: Draft, run: Run) -> Draft:
        return DropForms(self.shelf[0])(value, run)


class House:
    """A memory whose recipe moves forms, and a hand to use it with."""

    def __init__(self, rule: ChooseForm, costs: Costs, refuse: tuple[str, ...] = ()) -> None:
        self.clock, self.shelf = Days(), list[Memory]()
        moving = MoveForms(
            costs,
            rule,
            text=Drop(self.shelf),
            block=Make(self.shelf, "kv-block", 40),
            adapter=Make(self.shelf, "adapter", 90, refuse),
        )
        recipe: Recipe = replace(CATALOGUE["bm25"], name="forms", consolidate=moving)
        self.memory = Memory.open(":memory:", recipe, clock=self.clock)
        self.shelf.append(self.memory)

    def use(self, text: str, times: int) -> None:
        """Counts recalls as a read chain with `reinforce` does."""
        store = self.memory._house.store
        for _ in range(times):
            rows = [row for row, engram in self.rows() if engram.content == text]
            store.touch(rows, self.clock.now())

    def rows(self) -> list[tuple[Any, Any]]:
        from engrams.ports import Where
        from engrams.records import Scope

        where = Where(writer=self.memory._house.recipe.writer)
        return list(self.memory._house.store.list_engrams(Scope("default"), where, limit=1000))

    def forms(self) -> dict[str, str]:
        return {one.content: one.kind for one in self.memory.payloads() if one.payload is not None}


@pytest.fixture
def house() -> Iterator[House]:
    held = House(ChooseForm(stable=2, cold=5), COSTS)
    yield held
    held.memory.close()


OFTEN, NOW_AND_THEN, NEVER = (
    "The deploy script needs the flag dry first.",
    "The printer on the third floor is out of toner.",
    "Somebody left an umbrella in the lobby.",
)


def test_forms_follow_use_and_go_back(house: House) -> None:
    for text in (OFTEN, NOW_AND_THEN, NEVER):
        house.memory.add(text)
    house.use(OFTEN, 12)
    house.use(NOW_AND_THEN, 1)
    house.memory.consolidate()
    assert house.forms() == {OFTEN: "kv-block", NOW_AND_THEN: "kv-block"}  # new: too young for an adapter
    house.clock.at += timedelta(days=2)
    house.use(OFTEN, 400)
    house.memory.consolidate()
    assert house.forms() == {OFTEN: "adapter", NOW_AND_THEN: "kv-block"}
    house.clock.at += timedelta(days=4)
    house.use(OFTEN, 1)
    house.memory.consolidate()
    assert house.forms() == {OFTEN: "adapter"}  # the other rested for six days
    house.clock.at += timedelta(days=30)
    house.memory.consolidate()
    assert house.forms() == {}
    assert house.memory.search("umbrella")[0].text == NEVER  # the text was never touched


def test_a_context_names_the_forms_of_what_it_cites(house: House) -> None:
    house.memory.add(OFTEN)
    house.use(OFTEN, 50)
    assert house.memory.context("deploy flag").kv == ()
    house.memory.consolidate()
    (handle,) = house.memory.context("deploy flag").kv
    assert (handle.bytes, handle.fingerprint) == (40, "f")


def test_a_corrected_memory_is_text_again_until_its_form_is_made_anew(house: House) -> None:
    receipt = house.memory.add(OFTEN)
    house.use(OFTEN, 50)
    house.memory.consolidate()
    house.clock.at += timedelta(hours=1)
    house.memory.update(receipt.engram_ids[0], "The deploy script needs no flag any more.")
    house.memory.consolidate()
    assert house.memory.context("deploy flag").kv == ()
    house.use("The deploy script needs no flag any more.", 50)
    house.memory.consolidate()
    assert "The deploy script needs no flag any more." in house.forms()


def test_what_a_mover_refuses_stays_text() -> None:
    house = House(ChooseForm(stable=0), replace(COSTS, train=1), refuse=("The deploy",))
    with house.memory:
        house.memory.add(OFTEN)
        house.use(OFTEN, 50)
        house.memory.consolidate()
        assert house.forms() == {}
