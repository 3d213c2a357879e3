"""Who decides what is done next: a fixed chain, a model that calls tools, or a trained policy; one loop with limits for all.

A tool is a step: it is given what the loop works on and the arguments of the call, and gives back what the loop works on then
and what the one who decides is told.
"""

from __future__ import annotations

import json
import math
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from engrams.errors import BadSetting, CannotJoin
from engrams.ports import Ask, PromptText, Tool, ToolCall, Turn
from engrams.records import NOTHING, Json
from engrams.schemas import Misfit, fitting
from engrams.step import Run, Step

V = TypeVar("V")

#: The action that ends the loop of a trained policy.
STOP = "stop"
KINDS = ("string", "integer", "number", "boolean")
#: The words for who decides, beside a policy that is given as an object; "trained:FILE" reads the weights of a file.
PIPELINE, TOOLS, TRAINED = "pipeline", "tools", "trained"


@dataclass(frozen=True, slots=True)
class Called(Generic[V]):
    """A call of a tool: what the loop works on, and the arguments."""

    value: V
    arguments: Mapping[str, Json] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Done(Generic[V]):
    """What a tool gives back: what the loop works on now, and what is told (data: it is fenced before a model reads it)."""

    value: V
    told: str = ""


@dataclass(frozen=True)
class Argument:
    """One argument of a tool: its name, its type ("string", "integer", "number", "boolean"), what it means; `choices`, where
    it is one of some texts."""

    name: str
    kind: str = "string"
    says: str = ""
    required: bool = True
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadSetting("Argument.kind", self.kind, f"one of {', '.join(KINDS)}")


@dataclass(frozen=True)
class Act(Step[Called[Any], Done[Any]]):
    """A tool: the name it is called by, what it does in one sentence, its arguments, and the step that does it.

    `proposals` gives the arguments with which a trained policy may call it now; None: it takes none.
    """

    tool: str
    says: str
    step: Step[Called[Any], Done[Any]]
    arguments: tuple[Argument, ...] = ()
    proposals: Step[Any, tuple[Mapping[str, Json], ...]] | None = None

    @property
    def schema(self) -> dict[str, Json]:
        """The arguments as a JSON schema."""
        described = {
            a.name: {
                "type": a.kind,
                **({"description": a.says} if a.says else {}),
                **({"enum": list(a.choices)} if a.choices else {}),
            }
            for a in self.arguments
        }
        required = [a.name for a in self.arguments if a.required]
        return {
            "type": "object",
            "properties": described,
            "required": required,
            "additionalProperties": False,
        }

    def __call__(self, value: Called[Any], run: Run) -> Done[Any]:
        """Does it, once the arguments fit."""
        return self.step(Called(value.value, fitting(dict(value.arguments), self.schema, self.tool)), run)


@dataclass(frozen=True, slots=True)
class Action:
    """What could be done next: a tool with arguments, or `STOP`."""

    tool: str
    arguments: Mapping[str, Json] = field(default_factory=lambda: NOTHING)


class Policy(Protocol):
    """Scores what could be done next. Hashable and printable, since it stands in a recipe."""

    def scores(
        self, value: Any, done: Sequence[Action], actions: Sequence[Action], run: Run
    ) -> Sequence[float]:
        """A number for each action, the higher the better; `done` was done before, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Offer(Generic[V]):
    """What a policy looks at: what the loop works on, and one thing that could be done next."""

    value: V
    action: Action


class Features(Step[Offer[Any], Mapping[str, float]]):
    """What a trained policy sees of an action: a few numbers by name, each of the order of 1; those left out are 0."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """All the names there may be."""


@dataclass(frozen=True)
class Linear:
    """A trained policy: an action's score is the sum of its features, each times its weight; `STOP` has 0.

    So what is done is what is worth more than leaving it. Without weights every score is 0, and nothing is done.
    """

    features: Features
    weights: tuple[tuple[str, float], ...] = ()

    def scores(
        self, value: Any, done: Sequence[Action], actions: Sequence[Action], run: Run
    ) -> Sequence[float]:
        """A number for each action."""
        held = dict(self.weights)
        return [
            sum(held.get(name, 0.0) * x for name, x in seen.items())
            for seen in self.seen(value, actions, run)
        ]

    def seen(self, value: Any, actions: Sequence[Action], run: Run) -> list[Mapping[str, float]]:
        """The features of each action: what there is to learn from. `STOP` has none."""
        return [{} if a.tool == STOP else self.features(Offer(value, a), run) for a in actions]

    def read(self, path: str | Path) -> Linear:
        """The same with the weights of a file: a JSON object with `features` (the name of the step) and `weights` (by name).

        Raises:
            BadSetting: no such file, another step's weights, or a weight that is no number or of no feature.
        """
        try:
            held = json.loads(Path(path).read_text("utf-8"))
            step, weights = held["features"], dict(held["weights"])
        except (OSError, ValueError, TypeError, KeyError) as cause:
            raise BadSetting(
                "policy", f"trained:{path}", f"a JSON file with features and weights; {cause!r}"
            ) from cause
        if step != self.features.name:
            raise BadSetting("policy", f"trained:{path}", f"weights of {self.features.name}, not of {step}")
        for name, weight in weights.items():
            if (
                name not in self.features.names
                or type(weight) not in (int, float)
                or not math.isfinite(weight)
            ):
                known = ", ".join(self.features.names)
                raise BadSetting("policy", f"{name}: {weight!r}", f"a number for one of {known}")
        return replace(self, weights=tuple((name, float(weight)) for name, weight in sorted(weights.items())))


@dataclass(frozen=True)
class Decide(Step[V, V]):
    """Works on a value by a fixed chain (`policy="pipeline"`), by a model that calls tools ("tools"), or by a trained policy
    (an object, "trained" for the one in `trained`, "trained:FILE" for that one with the weights of a file).

    `pipeline` is the chain. `shown` says what of the value a model is shown, by the names of the blocks. It ends when the one who
    decides calls no tool any more, or at a limit, which the trace then names: turns of the model (1 or more), calls of tools (1 or
    more), tokens of the model (1 or more). What was done until then stands. A call that cannot be carried out (no such
    tool, arguments that do not fit) is told and counts.

    Source: the tool-calling loop of ReAct, Yao et al. 2023; policies that choose memory operations, Memory-R1, 2025.
    """

    tools: tuple[Act, ...]
    prompt: PromptText
    shown: Step[V, Mapping[str, str]]
    pipeline: Step[V, V] | None = None
    policy: str | Policy = TOOLS
    trained: Linear | None = None
    operation: str = "decide"
    most_turns: int = 8
    most_calls: int = 16
    most_tokens: int = 50_000
    answer_tokens: int = 1024

    def __post_init__(self) -> None:
        for key in ("most_turns", "most_calls", "most_tokens", "answer_tokens"):
            if getattr(self, key) < 1:
                raise BadSetting(f"Decide.{key}", getattr(self, key), "a whole number, 1 or more")
        if isinstance(self.policy, str):
            self._named(self.policy)
        if self.policy == PIPELINE and self.pipeline is None:
            raise CannotJoin("Decide with policy='pipeline' needs the chain: give pipeline=")
        if self.policy != PIPELINE and not self.tools:
            raise CannotJoin("Decide needs tools; or give pipeline= and policy='pipeline'")
        names = [act.tool for act in self.tools]
        if len(set(names)) < len(names) or STOP in names:
            raise BadSetting("Decide.tools", names, f"names that differ, none of them {STOP!r}")

    def _named(self, policy: str) -> None:
        """Checks the word for a policy; the weights of a file become part of the value, so that its printed form tells them."""
        word, _, path = policy.partition(":")
        if word not in (PIPELINE, TOOLS, TRAINED) or (path and word != TRAINED):
            raise BadSetting(
                "Decide.policy",
                policy,
                "'pipeline', 'tools', 'trained', 'trained:FILE', or an object with scores(...)",
            )
        if word != TRAINED:
            return
        if self.trained is None or not (path or self.trained.weights):
            raise CannotJoin(
                "Decide with policy='trained' needs weights: give 'trained:FILE' where the step has features to weigh, "
                "or an object with scores(...)"
            )
        if path:
            object.__setattr__(self, "trained", self.trained.read(path))
            object.__setattr__(self, "policy", TRAINED)

    @property
    def asks(self) -> tuple[str, ...]:  # type: ignore[override]
        """The operation, where a model decides."""
        return (self.operation,) if self.policy == TOOLS else ()

    @property
    def idle(self) -> tuple[str, ...]:  # type: ignore[override]
        """The chain, where somebody else decides; else the tools."""
        return ("tools", "shown") if self.policy == PIPELINE else ("pipeline",)

    def without_model(self) -> Step[V, V] | None:
        """The fixed chain, where there is one."""
        return self.pipeline

    def __call__(self, value: V, run: Run) -> V:
        """The value as the last call left it."""
        if self.policy == PIPELINE:
            assert self.pipeline is not None  # checked when it was made
            return self.pipeline(value, run)
        policy = self.trained if self.policy == TRAINED else self.policy
        assert policy is not None  # checked when it was made
        began = time.perf_counter()
        loop = _Loop(self, value, run)
        ended = loop.by_model() if isinstance(policy, str) else loop.by_policy(policy)
        called = [action.tool for action in loop.done]
        run.trace.note("Decide loop", began, len(self.tools), len(called), ended=ended, called=called)
        return loop.value


class _Loop(Generic[V]):
    """One run of the loop."""

    def __init__(self, decide: Decide[V], value: V, run: Run) -> None:
        self.decide, self.value, self.run = decide, value, run
        self.acts = {act.tool: act for act in decide.tools}
        self.done: list[Action] = []

    def by_model(self) -> str:
        """Until the model calls no tool; says why it ended."""
        decide, turns, tokens = self.decide, list[Turn](), 0
        tools = tuple(Tool(act.tool, act.says, act.schema) for act in decide.tools)
        shown = dict(decide.shown(self.value, self.run))
        for _ in range(decide.most_turns):
            if tokens >= decide.most_tokens:
                return "tokens"
            answer = self.run.chat.ask(
                Ask(
                    decide.operation,
                    decide.prompt,
                    shown,
                    most_tokens=min(decide.answer_tokens, decide.most_tokens - tokens),
                    tools=tools,
                    turns=tuple(turns),
                )
            )
            tokens += answer.usage.tokens
            if not answer.calls:
                return "done"
            turns.append(Turn("assistant", answer.text, answer.calls))
            for call in answer.calls:
                if len(self.done) >= decide.most_calls:
                    return "calls"
                turns.append(Turn("tool", self._carried_out(call), call_id=call.id))
        return "turns"

    def _carried_out(self, call: ToolCall) -> str:
        """What the model is told of a call."""
        self.done.append(Action(call.name, call.arguments))
        act = self.acts.get(call.name)
        if act is None:
            return f"There is no such tool. There are: {', '.join(self.acts)}."
        try:
            done = act(Called(self.value, call.arguments), self.run)
        except Misfit as wrong:
            return f"Not done: {wrong}."
        self.value = done.value
        return done.told or "Done."

    def by_policy(self, policy: Policy) -> str:
        """Until the policy scores `STOP` highest; of equal scores the first action's counts, and `STOP` is the first."""
        for _ in range(self.decide.most_calls):
            actions = [Action(STOP), *self._open()]
            scores = list(policy.scores(self.value, tuple(self.done), actions, self.run))
            if len(scores) != len(actions):
                raise BadSetting(
                    "policy.scores", len(scores), f"one score for each of {len(actions)} actions"
                )
            best = actions[max(range(len(actions)), key=scores.__getitem__)]
            if best.tool == STOP:
                return "done"
            self.done.append(best)
            self.value = self.acts[best.tool](Called(self.value, best.arguments), self.run).value
        return "calls"

    def _open(self) -> list[Action]:
        found = []
        for act in self.decide.tools:
            given = ({},) if act.proposals is None else act.proposals(self.value, self.run)
            found += [Action(act.tool, arguments) for arguments in given]
        return found
