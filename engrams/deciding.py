"""Who decides what is done next: a fixed chain, a model that calls tools, or a trained policy; one loop with limits for all.

A tool is a step: it is given what the loop works on and the arguments of the call, and gives back what the loop works on then
and what the one who decides is told.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from engrams.errors import BadSetting, CannotJoin
from engrams.ports import Ask, PromptText, Tool, ToolCall, Turn
from engrams.records import NOTHING, Json
from engrams.schemas import Misfit, fitting
from engrams.step import Run, Step

V = TypeVar("V")

#: The action that ends the loop of a trained policy.
STOP = "stop"
KINDS = ("string", "integer", "number", "boolean")


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
    """One argument of a tool: its name, its type ("string", "integer", "number", "boolean"), what it means."""

    name: str
    kind: str = "string"
    says: str = ""
    required: bool = True

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
            a.name: {"type": a.kind, **({"description": a.says} if a.says else {})} for a in self.arguments
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


@dataclass(frozen=True)
class Decide(Step[V, V]):
    """Works on a value by a fixed chain (`policy="pipeline"`), by a model that calls tools ("tools"), or by a trained policy.

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
    policy: Literal["pipeline", "tools"] | Policy = "tools"
    operation: str = "decide"
    most_turns: int = 8
    most_calls: int = 16
    most_tokens: int = 50_000
    answer_tokens: int = 1024

    def __post_init__(self) -> None:
        for key in ("most_turns", "most_calls", "most_tokens", "answer_tokens"):
            if getattr(self, key) < 1:
                raise BadSetting(f"Decide.{key}", getattr(self, key), "a whole number, 1 or more")
        if self.policy == "pipeline" and self.pipeline is None:
            raise CannotJoin("Decide with policy='pipeline' needs the chain: give pipeline=")
        if self.policy != "pipeline" and not self.tools:
            raise CannotJoin("Decide needs tools; or give pipeline= and policy='pipeline'")
        if isinstance(self.policy, str) and self.policy not in ("pipeline", "tools"):
            raise BadSetting(
                "Decide.policy", self.policy, "'pipeline', 'tools', or an object with scores(...)"
            )
        names = [act.tool for act in self.tools]
        if len(set(names)) < len(names) or STOP in names:
            raise BadSetting("Decide.tools", names, f"names that differ, none of them {STOP!r}")

    @property
    def asks(self) -> tuple[str, ...]:  # type: ignore[override]
        """The operation, where a model decides."""
        return (self.operation,) if self.policy == "tools" else ()

    def __call__(self, value: V, run: Run) -> V:
        """The value as the last call left it."""
        if self.policy == "pipeline":
            assert self.pipeline is not None  # checked when it was made
            return self.pipeline(value, run)
        began = time.perf_counter()
        loop = _Loop(self, value, run)
        ended = loop.by_model() if self.policy == "tools" else loop.by_policy(self.policy)
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
