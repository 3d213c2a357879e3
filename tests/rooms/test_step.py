"""Steps, chains, joints and recipes as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from engrams.errors import BadSetting, NotFound, StepFailed, UnknownName
from engrams.joints import ForEach, Fuse, NothingFound, OrElse, When
from engrams.recipe import Paper, Recipe
from engrams.step import Chain, Run, Step, Trace, walk


@dataclass(frozen=True)
class Plus(Step[int, int]):
    n: int = 1

    def __call__(self, value: int, run: Run) -> int:
        return value + self.n


@dataclass(frozen=True)
class Twice(Step[int, int]):
    inner: Step[int, int]

    def __call__(self, value: int, run: Run) -> int:
        return self.inner(self.inner(value, run), run)


@dataclass(frozen=True)
class Say(Step[int, str]):
    composes = True

    def __call__(self, value: int, run: Run) -> str:
        return f"it is {value}"


@dataclass(frozen=True)
class Fail(Step[int, int]):
    error: type[Exception] = KeyError

    def __call__(self, value: int, run: Run) -> int:
        raise self.error("no")


@dataclass(frozen=True)
class Sum(Step[tuple[int, ...], int]):
    def __call__(self, value: tuple[int, ...], run: Run) -> int:
        return sum(value)


@dataclass
class Bare:
    """As much of a run as these steps use."""

    recipe: str = "toy"
    chain: str = "read"
    trace: Any = None

    def __post_init__(self) -> None:
        self.trace = Trace()


@pytest.fixture
def run() -> Any:
    return Bare()


def test_a_chain_hands_on_and_traces_each_step(run: Any) -> None:
    chain = Plus(2) >> Twice(Plus(5)) >> Say()
    assert chain(1, run) == "it is 13"
    assert [s.step for s in run.trace.steps] == ["Plus", "Twice", "Say"]


@dataclass(frozen=True)
class AllAtOnce(Step[int, int]):
    """Counts how many values it was given together, in `seen`."""

    seen: list[int] = field(default_factory=list, compare=False)

    def __call__(self, value: int, run: Run) -> int:
        return self.many((value,), run)[0]

    def many(self, values: Sequence[int], run: Run) -> Sequence[int]:
        self.seen.append(len(values))
        return [10 * value for value in values]


def test_several_values_go_through_a_chain_step_by_step(run: Any) -> None:
    together = AllAtOnce()
    chain = Plus(2) >> together >> Twice(Plus(5))
    assert chain.many((1, 2, 3), run) == [chain(value, Bare()) for value in (1, 2, 3)] == [40, 50, 60]
    assert together.seen == [3, 1, 1, 1]
    assert [(s.step, s.items_in, s.items_out) for s in run.trace.steps] == [
        ("Plus", 3, 3),
        ("AllAtOnce", 3, 3),
        ("Twice", 3, 3),
    ]
    assert list(chain.many((), run)) == []
    with pytest.raises(StepFailed, match=r"toy\.read\.Fail failed: KeyError"):
        (Plus() >> Fail()).many((1, 2), run)


def test_chains_flatten_so_that_grouping_does_not_matter() -> None:
    assert (Plus(1) >> Plus(2)) >> Plus(3) == Plus(1) >> (Plus(2) >> Plus(3))
    assert hash(Plus(1) >> Plus(2)) == hash(Plus(1) >> Plus(2))
    assert repr(Plus(1) >> Plus(2)) == "Plus(n=1) >> Plus(n=2)"


def test_a_search_stops_before_composing(run: Any) -> None:
    assert (Plus(1) >> Say()).until_composing() == Chain((Plus(1),))
    assert (Plus(1) >> Plus(2)).until_composing()(1, run) == 4


def test_foreign_errors_name_the_step_and_our_own_pass(run: Any) -> None:
    with pytest.raises(StepFailed, match=r"toy\.read\.Fail failed: KeyError") as caught:
        (Plus() >> Fail())(1, run)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(NotFound):
        (Plus() >> Fail(NotFound))(1, run)


def test_a_backup_is_taken_only_when_a_step_says_so(run: Any) -> None:
    assert OrElse(first=Fail(NothingFound), backup=Plus(4))(1, run) == 5
    assert OrElse(first=Plus(1), backup=Plus(4))(1, run) == 2
    with pytest.raises(KeyError):
        OrElse(first=Fail(KeyError), backup=Plus(4))(1, run)


def test_branches_are_fused_items_visited_conditions_asked(run: Any) -> None:
    assert Fuse(branches=(Plus(1), Plus(10)), join=Sum())(5, run) == 21
    assert ForEach(Plus(3))((1, 2), run) == (4, 5)
    when = When(test=_is_even, step=Plus(100))
    assert (when(2, run), when(3, run)) == (102, 3)


def _is_even(value: int, run: Run) -> bool:
    return value % 2 == 0


def toy() -> Recipe:
    return Recipe(
        name="toy",
        paper=Paper("A toy", 2025),
        write=Plus(1),  # type: ignore[arg-type]
        read=Plus(2) >> OrElse(first=Twice(Plus(3)), backup=Plus(4)) >> Say(),  # type: ignore[arg-type]
        differs=("it is a toy",),
    )


def test_a_recipe_is_a_value_that_prints_itself() -> None:
    assert toy() == toy()
    assert hash(toy()) == hash(toy())
    card = toy().card()
    for shown in (
        "toy",
        "A toy (2025)",
        "Plus(n=2)",
        "OrElse()",
        "Twice()",
        "Plus(n=4)",
        "differs: it is a toy",
        "needs: nothing",
    ):
        assert shown in card
    assert [path for path, _ in walk(toy().read)] == [
        "Plus",
        "OrElse",
        "OrElse.Twice",
        "OrElse.Twice.Plus",
        "OrElse.Plus",
        "Say",
    ]


def test_replacing_a_parameter_gives_another_recipe() -> None:
    changed = toy().replace("read.Twice.Plus.n", 30)
    assert changed.read == Plus(2) >> OrElse(first=Twice(Plus(30)), backup=Plus(4)) >> Say()
    assert changed.fingerprint() != toy().fingerprint()
    assert toy() == toy()
    with pytest.raises(UnknownName, match=r"Plus\.n"):
        toy().replace("read.Plus.m", 1)
    with pytest.raises(BadSetting, match="chain"):
        toy().replace("think.Plus.n", 1)
    with pytest.raises(BadSetting, match="lower-case"):
        Recipe("Bad Name", Plus(), Plus())  # type: ignore[arg-type]
