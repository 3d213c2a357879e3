"""A step of a recipe, and how steps are joined.

A step is a frozen dataclass with one method, `__call__(value, run)`. Its fields are the paper's parameters and the
steps it uses. `first >> second` is a chain; a chain is itself a step. Everything a step may ask of the outside comes
in `run`. `many` is inherited: several values at once, which a step may know how to do cheaper together.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar, cast

from engrams.errors import CannotJoin, EngramsError, StepFailed, UnknownName
from engrams.ports import ChatModel, Clock, Embedder, Index, Store, Tokenizer, TokenTable, Usage
from engrams.records import Json, Price, Scope, TraceStep

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)
Next = TypeVar("Next")

#: Ids that an error names of what a failed step was given.
NAMED = 3


@dataclass
class Trace:
    """What happened in one run: a line per step, and the price so far. Not shared between runs."""

    steps: list[TraceStep] = field(default_factory=list)
    price: Price = field(default_factory=Price)  # tokens, calls and money of language models
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def note(self, step: str, began: float, items_in: int, items_out: int, **notes: Json) -> None:
        """Adds a line; `began` is a `time.perf_counter()` value."""
        self.steps.append(TraceStep(step, (time.perf_counter() - began) * 1e3, items_in, items_out, notes))

    def spend(self, usage: Usage) -> None:
        """Adds what a language model took; unknown money stays unknown. Safe from several threads."""
        with self._lock:
            known = self.price.money is not None and usage.money is not None
            self.price = replace(
                self.price,
                tokens=self.price.tokens + usage.tokens,
                model_calls=self.price.model_calls + usage.calls,
                money=(self.price.money or 0.0) + (usage.money or 0.0) if known else None,
            )


@dataclass(frozen=True)
class Run:
    """What a step may use. Ports only: a step never knows which store lies below."""

    recipe: str
    chain: str
    scope: Scope
    store: Store
    index: Index
    clock: Clock
    tokenizer: Tokenizer
    table: TokenTable
    embedder: Embedder | None = None
    trace: Trace = field(default_factory=Trace)
    model: ChatModel | None = None

    @property
    def chat(self) -> ChatModel:
        """The language model.

        Raises:
            CannotJoin: the memory was opened without one; says how to open it with one.
        """
        if self.model is None:
            raise CannotJoin(without_model(self.recipe))
        return self.model


def without_model(recipe: str) -> str:
    """What is said where a recipe that asks a language model is run without one."""
    return (
        f"the recipe {recipe!r} asks a language model, and this memory is open without one; give model=, or set "
        'ENGRAMS_MODEL, such as openai:NAME@URL or anthropic:NAME; models="none" runs the form that does without'
    )


def size_of(value: object) -> int:
    """How many items a value of a chain stands for, for the trace."""
    for name in ("items", "engrams", "events", "hits"):
        held = getattr(value, name, None)
        if isinstance(held, tuple):
            return len(held)
    return 1


class Step(ABC, Generic[In, Out]):
    """One act of a recipe: a frozen dataclass that turns a value into the next, using only what `run` offers."""

    #: True for steps that make the final context out of ranked items; a search stops before them.
    composes: ClassVar[bool] = False
    #: True for write steps that only add to what is known of the engrams in a draft, each by itself: they run again
    #: for an engram that was corrected.
    annotates: ClassVar[bool] = False
    #: The operations for which a step asks a language model, such as ("extract",). Write steps that do run later, as a job.
    asks: ClassVar[tuple[str, ...]] = ()
    #: Names of fields whose steps do not run as the step is set: a chain in whose place something else decides.
    idle: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __call__(self, value: In, run: Run) -> Out: ...

    def many(self, values: Sequence[In], run: Run) -> Sequence[Out]:
        """What the step gives for each of several values, in their order: the same as for each alone.

        For values that do not hang on each other, such as what is looked up for every fact of a draft. A step that does several
        cheaper together than one by one says how.
        """
        return [self(value, run) for value in values]

    def __rshift__(self: Step[In, Out], following: Step[Out, Next]) -> Chain[In, Next]:
        return Chain((*steps_of(self), *steps_of(following)))

    def without_model(self) -> Step[Any, Any] | None:
        """What stands in for a step that asks a model where there is none: an honest counterpart, or None."""
        return None

    @property
    def name(self) -> str:
        return type(self).__name__


@dataclass(frozen=True)
class Chain(Step[In, Out]):
    """Steps one after the other; what the first gives the second takes."""

    steps: tuple[Step[Any, Any], ...]

    def __call__(self, value: In, run: Run) -> Out:
        """Runs the steps in order and traces each.

        Raises:
            EngramsError: as the step raised it.
            StepFailed: a step raised something else; the cause is chained and names recipe, chain, step.
        """
        return self.many((value,), run)[0]

    def many(self, values: Sequence[In], run: Run) -> Sequence[Out]:
        """Each step for all values before the next; the trace has one line a step, with the items of all values. Raises as `__call__`."""
        current: Sequence[Any] = values
        before = sum(map(size_of, current))
        for step in self.steps:
            began = time.perf_counter()
            try:
                current = step.many(current, run) if len(current) > 1 else [step(one, run) for one in current]
            except EngramsError:
                raise
            except (
                ArithmeticError,
                AttributeError,
                LookupError,
                TypeError,
                ValueError,
                AssertionError,
            ) as cause:
                named = tuple(id for one in current for id in _ids(one))[:NAMED]
                raise StepFailed(run.recipe, run.chain, step.name, named, cause) from cause
            after = sum(map(size_of, current))
            run.trace.note(step.name, began, before, after)
            before = after
        return cast("Sequence[Out]", current)

    def __repr__(self) -> str:
        return " >> ".join(map(repr, self.steps))

    def __iter__(self) -> Iterator[Step[Any, Any]]:
        return iter(self.steps)

    def until_composing(self) -> Chain[In, Any]:
        """The leading steps that still rank, without those that compose a context."""
        cut = next((i for i, s in enumerate(self.steps) if s.composes), len(self.steps))
        return Chain(self.steps[:cut])


def steps_of(step: Step[Any, Any]) -> tuple[Step[Any, Any], ...]:
    """The steps of a chain; a single step is a chain of one."""
    return step.steps if isinstance(step, Chain) else (step,)


def _ids(value: object) -> tuple[str, ...]:
    for name in ("engrams", "events", "items"):
        held = getattr(value, name, None)
        if isinstance(held, tuple):
            return tuple(str(i.id) for i in held[:NAMED] if hasattr(i, "id"))
    return ()


def walk(
    step: Step[Any, Any], prefix: str = "", *, running: bool = False
) -> Iterator[tuple[str, Step[Any, Any]]]:
    """Every step inside a step with its dotted path, outer first: `read.OrElse.first.Top`; `running`: no idle ones."""
    if isinstance(step, Chain):
        for inner in step.steps:
            yield from walk(inner, prefix, running=running)
        return
    here = f"{prefix}.{step.name}" if prefix else step.name
    yield here, step
    for name, held in settings(step).items():
        for inner in held if isinstance(held, tuple) else (held,):
            if isinstance(inner, Step) and not (running and name in step.idle):
                yield from walk(inner, here, running=running)


def settings(step: object) -> dict[str, object]:
    """The dataclass fields of a step with their values."""
    return {f.name: getattr(step, f.name) for f in fields(step)} if is_dataclass(step) else {}


def with_field(step: Step[Any, Any], path: tuple[str, ...], value: object) -> Step[Any, Any]:
    """The same step with one field changed, found by `(StepName, …, field)`; every step of that name changes.

    Raises:
        UnknownName: no such step or field inside; names the nearest.
    """
    changed, result = _with_field(step, path, value)
    if not changed:
        known = {f"{s.name}.{key}" for _, s in walk(step) for key in settings(s)}
        raise UnknownName("step or field", ".".join(path), known)
    return result


def _with_field(step: Step[Any, Any], path: tuple[str, ...], value: object) -> tuple[bool, Step[Any, Any]]:
    if not is_dataclass(step) or isinstance(step, type):
        return False, step
    changed = False
    if not isinstance(step, Chain) and step.name == path[0]:
        if len(path) == 2 and path[1] in {f.name for f in fields(step)}:
            return True, cast("Step[Any, Any]", replace(step, **{path[1]: value}))
        path = path[1:] if len(path) > 2 else path
    updates: dict[str, object] = {}
    for f in fields(step):
        held = getattr(step, f.name)
        if isinstance(held, Step):
            hit, new = _with_field(held, path, value)
            if hit:
                updates[f.name], changed = new, True
        elif isinstance(held, tuple) and any(isinstance(h, Step) for h in held):
            pairs = [_with_field(h, path, value) if isinstance(h, Step) else (False, h) for h in held]
            if any(hit for hit, _ in pairs):
                updates[f.name], changed = tuple(new for _, new in pairs), True
    return changed, cast("Step[Any, Any]", replace(step, **updates)) if changed else step


def parameters(step: Step[Any, Any]) -> Mapping[str, object]:
    """The fields of a step that are no steps themselves: the paper's parameters."""
    return {k: v for k, v in settings(step).items() if not _holds_steps(v)}


def _holds_steps(value: object) -> bool:
    return isinstance(value, Step) or (isinstance(value, tuple) and any(isinstance(v, Step) for v in value))


def replaced(step: Step[Any, Any], change: Callable[[Step[Any, Any]], Step[Any, Any]]) -> Step[Any, Any]:
    """The same step with `change` applied to every step inside it that is no chain, inner ones first."""
    if isinstance(step, Chain):
        return Chain(tuple(inner for one in step.steps for inner in steps_of(replaced(one, change))))
    updates: dict[str, object] = {}
    for name, held in settings(step).items():
        if isinstance(held, Step):
            new: object = replaced(held, change)
        elif isinstance(held, tuple) and any(isinstance(h, Step) for h in held):
            new = tuple(replaced(h, change) if isinstance(h, Step) else h for h in held)
        else:
            continue
        if new != held:
            updates[name] = new
    return change(
        cast("Step[Any, Any]", replace(step, **updates)) if updates and is_dataclass(step) else step
    )
