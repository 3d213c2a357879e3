"""The loop in which a fixed chain, a model that calls tools, or a trained policy decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from engrams.deciding import STOP, Act, Action, Argument, Called, Decide, Done, Features, Linear, Offer
from engrams.errors import BadSetting, CannotJoin
from engrams.models.chat_asking import Asking
from engrams.models.chat_plugged import CallableEndpoint
from engrams.ports import Reply, Request, ToolCall, Usage
from engrams.prompts import Prompt
from engrams.recipe import Recipe
from engrams.step import Run, Step, Trace, walk

Notes = tuple[str, ...]


@dataclass(frozen=True)
class Write(Step[Called[Notes], Done[Notes]]):
    def __call__(self, value: Called[Notes], run: Run) -> Done[Notes]:
        text = str(value.arguments["text"])
        return Done((*value.value, text), f"There are {len(value.value) + 1} notes.")


@dataclass(frozen=True)
class Drop(Step[Called[Notes], Done[Notes]]):
    def __call__(self, value: Called[Notes], run: Run) -> Done[Notes]:
        return Done(value.value[:-1])


@dataclass(frozen=True)
class Shown(Step[Notes, Mapping[str, str]]):
    def __call__(self, value: Notes, run: Run) -> Mapping[str, str]:
        return {"notes": "\n".join(value)}


@dataclass(frozen=True)
class Fixed(Step[Notes, Notes]):
    def __call__(self, value: Notes, run: Run) -> Notes:
        return (*value, "fixed")


@dataclass(frozen=True)
class Propose(Step[Notes, tuple[Mapping[str, Any], ...]]):
    texts: tuple[str, ...] = ("a", "b")

    def __call__(self, value: Notes, run: Run) -> tuple[Mapping[str, Any], ...]:
        return tuple({"text": text} for text in self.texts if text not in value)


WRITE = Act("write", "Writes a note.", Write(), (Argument("text", says="The note."),), Propose())
DROP = Act("drop", "Drops the last note.", Drop())
DECIDE: Decide[Notes] = Decide((WRITE, DROP), Prompt("keep", inline="Keep notes."), Shown(), Fixed())


@dataclass
class Bare:
    """As much of a run as the loop uses."""

    chat: Any = None
    recipe: str = "toy"
    chain: str = "write"

    def __post_init__(self) -> None:
        self.trace = Trace()


def calling(*names_and_texts: tuple[str, str | None]) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(f"c{i}", name, {} if text is None else {"text": text})
        for i, (name, text) in enumerate(names_and_texts)
    )


class Model:
    """Says one reply after the other, and keeps what it was sent."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.sent = list(replies), list[Request]()

    def __call__(self, request: Request) -> Reply:
        self.sent.append(request)
        return self.replies.pop(0)

    def run(self) -> Any:
        return Bare(Asking.over(CallableEndpoint(self, "toy"), len, sleep=lambda _: None))


def loop_note(run: Any) -> Mapping[str, Any]:
    return run.trace.steps[-1].notes  # type: ignore[no-any-return]


def test_a_fixed_chain_asks_nobody() -> None:
    fixed = replace(DECIDE, policy="pipeline")
    assert fixed(("x",), Bare()) == ("x", "fixed")  # type: ignore[arg-type]
    assert fixed.asks == ()


def test_a_model_calls_tools_until_it_is_done() -> None:
    model = Model(
        Reply("I write.", calling(("write", "one"), ("write", "two"))),
        Reply("", calling(("drop", None))),
        Reply("Done."),
    )
    run = model.run()
    assert DECIDE(("zero",), run) == ("zero", "one")
    assert loop_note(run) == {"ended": "done", "called": ["write", "write", "drop"]}
    assert [tool.name for tool in model.sent[0].tools] == ["write", "drop"]
    assert model.sent[0].tools[0].arguments["properties"] == {
        "text": {"type": "string", "description": "The note."}
    }
    assert "zero" in model.sent[0].turns[0].text
    told = [turn for turn in model.sent[1].turns if turn.role == "tool"]
    assert [("There are 2 notes." in t.text, t.call_id) for t in told] == [(True, "c0"), (False, "c1")]
    assert all(t.text.startswith("<<<RESULT") for t in told)
    assert DECIDE.asks == ("decide",)


def test_calls_that_cannot_be_carried_out_are_told() -> None:
    model = Model(
        Reply("", calling(("burn", "all"), ("write", None), ("drop", "x"))),
        Reply("", (ToolCall("c9", "write", {"unreadable": "{bro"}),)),
        Reply("ok"),
    )
    assert DECIDE(("zero",), model.run()) == ()
    told = "".join(turn.text for turn in model.sent[2].turns if turn.role == "tool")
    assert "no such tool. There are: write, drop." in told
    assert told.count("Not done: write lacks 'text'.") == 2


@pytest.mark.parametrize(
    ("limit", "ended", "notes"),
    [
        ({"most_turns": 2}, "turns", 2),
        ({"most_calls": 3}, "calls", 3),
        ({"most_tokens": 250}, "tokens", 3),  # a turn takes 100
    ],
)
def test_the_loop_has_limits_and_says_which_ended_it(limit: Any, ended: str, notes: int) -> None:
    reply = Reply("", calling(("write", "again")), Usage(tokens_in=90, tokens_out=10))
    model = Model(*[reply] * 20)
    run = model.run()
    assert len(replace(DECIDE, **limit)((), run)) == notes
    assert loop_note(run)["ended"] == ended


@dataclass(frozen=True)
class Likes:
    """A policy: a number for each thing."""

    weights: tuple[tuple[str, float], ...]

    def scores(
        self, value: Any, done: Sequence[Action], actions: Sequence[Action], run: Run
    ) -> Sequence[float]:
        liked = dict(self.weights)
        return [liked.get(str(action.arguments.get("text", action.tool)), -1.0) for action in actions]


def test_a_trained_policy_takes_the_action_it_scores_highest() -> None:
    likes = Likes((("a", 1.0), ("b", 2.0), (STOP, 0.5)))
    run: Any = Bare()
    trained = replace(DECIDE, policy=likes)
    assert trained((), run) == ("b", "a")
    assert loop_note(run) == {"ended": "done", "called": ["write", "write"]}
    assert replace(trained, most_calls=1)((), run) == ("b",)
    assert loop_note(run)["ended"] == "calls"
    assert replace(DECIDE, policy=Likes(()))((), run) == ()  # of equal scores stopping comes first
    assert trained.asks == ()
    assert "Likes(weights=" in repr(trained)


def test_a_policy_gives_one_score_for_each_action() -> None:
    @dataclass(frozen=True)
    class Short:
        def scores(self, value: Any, done: Any, actions: Any, run: Any) -> Sequence[float]:
            return [1.0]

    with pytest.raises(BadSetting, match=r"policy\.scores"):
        replace(DECIDE, policy=Short())((), Bare())  # type: ignore[arg-type]


def test_what_cannot_be_joined_is_refused() -> None:
    for wrong in ({"pipeline": None, "policy": "pipeline"}, {"tools": ()}):
        with pytest.raises(CannotJoin):
            replace(DECIDE, **wrong)  # type: ignore[arg-type]
    for bad in (
        {"policy": "dice"},
        {"tools": (WRITE, WRITE)},
        {"most_turns": 0},
        {"tools": (replace(DROP, tool=STOP),)},
    ):
        with pytest.raises(BadSetting):
            replace(DECIDE, **bad)  # type: ignore[arg-type]
    with pytest.raises(BadSetting, match="kind"):
        Argument("x", "list")


@dataclass(frozen=True)
class Letters(Features):
    """How long a note is, and whether it is "b"."""

    @property
    def names(self) -> tuple[str, ...]:
        return ("length", "b")

    def __call__(self, value: Offer[Notes], run: Run) -> Mapping[str, float]:
        text = str(value.action.arguments["text"])
        return {"length": float(len(text)), "b": float(text == "b")}


def test_a_linear_policy_adds_features_by_their_weights() -> None:
    offered = [Action(STOP), Action("write", {"text": "aaa"}), Action("write", {"text": "b"})]
    run: Any = Bare()
    assert Linear(Letters()).scores((), (), offered, run) == [0, 0, 0]
    assert Linear(Letters(), (("b", 2.0), ("length", -0.5))).scores((), (), offered, run) == [0, -1.5, 1.5]
    with pytest.raises(CannotJoin, match="needs weights"):
        replace(DECIDE, policy="trained", trained=Linear(Letters()))
    with pytest.raises(CannotJoin, match="needs weights"):
        replace(DECIDE, policy="trained")
    chosen = replace(DECIDE, tools=(WRITE,), policy="trained", trained=Linear(Letters(), (("b", 1.0),)))
    assert chosen((), run) == ("b",)


def test_weights_are_read_from_a_file_and_become_part_of_the_value(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    path.write_text('{"features": "Letters", "weights": {"b": 1}}', "utf-8")
    read = replace(DECIDE, tools=(WRITE,), policy=f"trained:{path}", trained=Linear(Letters()))
    assert (read.policy, read.trained) == ("trained", Linear(Letters(), (("b", 1.0),)))
    path.unlink()
    assert replace(read, most_calls=3)((), Bare()) == ("b",)  # type: ignore[arg-type]
    assert read.asks == ()


def test_what_is_idle_asks_nothing_and_without_a_model_the_chain_works() -> None:
    @dataclass(frozen=True)
    class Asking(Fixed):
        asks = ("other",)

        def without_model(self) -> Step[Notes, Notes]:
            return Fixed()

    recipe = Recipe("toy", replace(DECIDE, pipeline=Asking()), Fixed())  # type: ignore[arg-type]
    assert recipe.asks("write") == ("decide",)
    assert recipe.replace("write.Decide.policy", "pipeline").asks("write") == ("other",)
    assert "Asking" not in recipe.card()
    bare = recipe.without_models()
    assert bare.write == Fixed()
    assert "without a model: Fixed in place of Decide" in bare.differs
    with pytest.raises(CannotJoin):
        Recipe("toy", replace(DECIDE, pipeline=None), Fixed()).without_models()  # type: ignore[arg-type]


def test_an_argument_may_be_one_of_some_texts() -> None:
    act = replace(WRITE, arguments=(Argument("text", choices=("x", "y")),))
    assert act.schema["properties"]["text"]["enum"] == ["x", "y"]
    model = Model(Reply("", calling(("write", "z"), ("write", "y"))), Reply("ok"))
    assert replace(DECIDE, tools=(act,))((), model.run()) == ("y",)


def test_it_stands_in_a_recipe_as_any_step() -> None:
    recipe = Recipe("toy", DECIDE, Fixed())  # type: ignore[arg-type]
    assert hash(recipe) == hash(Recipe("toy", DECIDE, Fixed()))  # type: ignore[arg-type]
    assert recipe.asks("write") == ("decide",)
    assert "Decide.Act.Write" in [path for path, _ in walk(DECIDE)]
    assert recipe.replace("write.Decide.policy", "pipeline").asks("write") == ()
    assert "Prompt('keep'" in recipe.card()
