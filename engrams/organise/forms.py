"""Moves memories between their three forms: text, a block of a model's cache, an adapter; by what they are used and what each costs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Protocol

from engrams.errors import BadSetting
from engrams.ports.payloads import CACHES
from engrams.records import Draft, Engram, EngramId
from engrams.step import Run, Step

Form = Literal["text", "block", "adapter"]
FORMS: tuple[Form, ...] = ("text", "block", "adapter")
#: Kinds of engrams that hold a form beside the text, dearest first: who has an adapter is asked for no block.
KINDS: Mapping[str, Form] = MappingProxyType({"adapter": "adapter", "kv-block": "block"})
DAY = 86_400.0


@dataclass(frozen=True)
class Costs:
    """What the forms cost on a machine, as measured there: milliseconds, tokens, bytes.

    `read`: to take one token of text in; `load`: to take one token of a block in; `wear`: to put an adapter on; `train`: to make an
    adapter of one memory. `block_bytes` a token, `adapter_bytes` a memory. `rent`: what a megabyte kept for a day
    counts, in milliseconds.
    """

    read: float
    load: float
    wear: float
    train: float
    block_bytes: float
    adapter_bytes: float
    rent: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise BadSetting(f"Costs.{name}", value, "a number from 0")

    def use(self, form: Form, tokens: int) -> float:
        """Milliseconds to use a memory of so many tokens once."""
        return {"text": self.read * tokens, "block": self.load * tokens, "adapter": self.wear}[form]

    def make(self, form: Form, tokens: int) -> float:
        """Milliseconds to make the form of the text."""
        return {"text": 0.0, "block": self.read * tokens, "adapter": self.train}[form]

    def keep(self, form: Form, tokens: int) -> float:
        """Milliseconds that a day of keeping it counts."""
        held = {"text": 0.0, "block": self.block_bytes * tokens, "adapter": self.adapter_bytes}[form]
        return self.rent * held / 1e6


@dataclass(frozen=True)
class Use:
    """What was measured of a memory: its tokens, uses a day, days since the last use (None: never) and since it last changed."""

    id: EngramId
    tokens: int
    a_day: float
    rested: float | None
    unchanged: float
    form: Form = "text"


@dataclass(frozen=True)
class Choice:
    """Which form a memory is to have, what each would cost in the days ahead (milliseconds, making it included), and why."""

    id: EngramId
    now: Form
    form: Form
    costs: Mapping[Form, float]
    why: str

    @property
    def moves(self) -> bool:
        return self.form != self.now


@dataclass(frozen=True)
class ChooseForm:
    """The cheapest form for the `ahead` days to come, if use goes on as measured.

    cost(form) = make (0 for the form it has) + ahead · (uses a day · use + keep). What rested for `cold` days goes back to text. An
    adapter is a choice for what has not changed for `stable` days, since a correction would have to train it anew. A move
    has to save `margin` (0..1) of what the form at hand costs, so that nothing goes back and forth.
    """

    ahead: float = 7.0
    cold: float = 14.0
    stable: float = 7.0
    margin: float = 0.2

    def __post_init__(self) -> None:
        if self.ahead <= 0 or self.cold <= 0 or self.stable < 0 or not 0 <= self.margin < 1:
            raise BadSetting(
                "ChooseForm", vars(self), "days above 0 (stable: from 0), a margin from 0 and below 1"
            )

    def choose(self, use: Use, costs: Costs, forms: Sequence[Form] = FORMS) -> Choice:
        """The choice for one memory among the forms that can be made here; text always can."""
        told = {form: self.cost(use, costs, form) for form in FORMS}
        if use.rested is None or use.rested >= self.cold:
            rested = "never used" if use.rested is None else f"not used for {use.rested:.0f} days"
            return Choice(use.id, use.form, "text", told, rested)
        able = [form for form in FORMS if form in ("text", use.form) or form in forms]
        if use.unchanged < self.stable and use.form != "adapter":
            able = [form for form in able if form != "adapter"]
        best = min(able, key=lambda form: told[form])
        saved = told[use.form] - told[best]
        if best == use.form or saved < self.margin * told[use.form]:
            return Choice(
                use.id,
                use.form,
                use.form,
                told,
                f"nothing saves {self.margin:.0%} of {told[use.form]:.0f} ms",
            )
        why = f"{use.a_day:.2g} uses a day: {best} takes {told[best]:.0f} ms in {self.ahead:g} days, {use.form} {told[use.form]:.0f}"
        return Choice(use.id, use.form, best, told, why)

    def cost(self, use: Use, costs: Costs, form: Form) -> float:
        """Milliseconds for the days ahead."""
        made = 0.0 if form == use.form else costs.make(form, use.tokens)
        return made + self.ahead * (use.a_day * costs.use(form, use.tokens) + costs.keep(form, use.tokens))


def measured(engram: Engram, tokens: int, form: Form, now: datetime) -> Use:
    """The use of an engram by its counted recalls: those of its life, over the days of its life, at least one."""
    born, last = engram.occurred_at, engram.last_recalled_at
    days = max(1.0, (now - born).total_seconds() / DAY)
    rested = None if last is None else max(0.0, (now - last).total_seconds() / DAY)
    changed = max(0.0, (now - engram.recorded_at).total_seconds() / DAY)
    return Use(engram.id, tokens, engram.recall_count / days, rested, changed, form)


@dataclass(frozen=True)
class MoveForms(Step[Draft, Draft]):
    """Gives each engram of `kinds` the form that `rule` finds cheapest, by the movers given: `block`, `adapter`, `text`.

    A mover is a step that is handed engrams in a draft and hands back those for which it did its part: `block` and `adapter` make
    their form, `text` takes other forms away. A form without a mover is no choice; what changes from one form to another is text between.
    Reversible: the text is never touched. Use is the recalls that a read chain counts (`Nearest(reinforce=True)`). What was
    decided, what it costs and what it saves a day stand in the trace.

    Source: ours. MemOS (Li et al. 2025) has the three forms and the idea that memories move between them, and gives no rule.
    """

    costs: Costs
    rule: ChooseForm = field(default_factory=ChooseForm)
    text: Step[Draft, Draft] | None = None
    block: Step[Draft, Draft] | None = None
    adapter: Step[Draft, Draft] | None = None
    kinds: tuple[str, ...] = ("passage", "note", "fact")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Decides and moves; the draft goes on as it came."""
        began, now = time.perf_counter(), run.clock.now()
        chosen = [e for e in value.engrams if e.kind in self.kinds and e.state == "active"]
        held = forms_of(chosen, run)
        uses = [measured(e, run.tokenizer.count(e.content), held.get(e.id, "text"), now) for e in chosen]
        movers = {form: mover for form in FORMS if (mover := getattr(self, form)) is not None}
        choices = [self.rule.choose(use, self.costs, tuple(movers)) for use in uses]
        by_id, done = {e.id: e for e in chosen}, dict.fromkeys(movers, 0)

        def move(form: Form, asked: Sequence[Choice]) -> None:
            if asked:
                handed = Draft((), tuple(by_id[one.id] for one in asked))
                done[form] += len(movers[form](handed, run).engrams)

        moving = [one for one in choices if one.moves and one.form in movers]
        move("text", [one for one in moving if one.now != "text"] if "text" in movers else [])
        for form in ("block", "adapter"):
            free = [one for one in moving if one.form == form and (one.now == "text" or "text" in movers)]
            move(form, free)
        notes = {f"moved to {form}": count for form, count in done.items()}
        run.trace.note(
            self.name, began, len(chosen), sum(done.values()), **notes, **savings(uses, choices, self.costs)
        )
        return value


class Shelf(Protocol):
    """Where blocks and adapters are kept: a `Memory`."""

    def payloads(self, kind: str | None = None, *, namespace: str | None = None) -> list[Engram]: ...

    def drop_payload(self, id: str) -> bool: ...


@dataclass(frozen=True, eq=False)
class DropForms(Step[Draft, Draft]):
    """Back to text: drops the bytes of the blocks and adapters that rest on nothing but these engrams or their sources.

    The engrams that named them stay, so that they can be made again. Hands back all it was given: what has no other form
    is text.
    """

    shelf: Shelf

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Drops."""
        own = {id for engram in value.engrams for id in (engram.id, *engram.sources)}
        for one in self.shelf.payloads(namespace=run.scope.namespace):
            if one.payload is not None and own.issuperset(one.sources):
                self.shelf.drop_payload(one.id)
        return value


def savings(uses: Sequence[Use], choices: Sequence[Choice], costs: Costs) -> dict[str, float]:
    """What the choices save a day against text alone, and what they cost once: tokens, milliseconds, megabytes kept."""
    tokens = saved = made = kept = 0.0
    for use, choice in zip(uses, choices, strict=True):
        if choice.form != "text":
            tokens += use.a_day * use.tokens
            saved += use.a_day * (costs.use("text", use.tokens) - costs.use(choice.form, use.tokens))
            kept += costs.keep(choice.form, use.tokens) / costs.rent if costs.rent else 0.0
        if choice.moves:
            made += costs.make(choice.form, use.tokens)
    return {
        "tokens saved a day": round(tokens, 1),
        "milliseconds saved a day": round(saved, 1),
        "milliseconds to make": round(made, 1),
        "megabytes": round(kept, 3),
    }


def forms_of(engrams: Sequence[Engram], run: Run) -> dict[EngramId, Form]:
    """The forms that engrams have beside their text: what names them, or all of their sources, and was made since they changed."""
    asked = [id for engram in engrams for id in (engram.id, *engram.sources)]
    beside = [
        one
        for one in run.store.engrams(run.store.derived_from(asked, with_payload=True)).values()
        if one.kind in CACHES and one.state == "active"
    ]
    found: dict[EngramId, Form] = {}
    for kind, form in KINDS.items():
        for one in (one for one in beside if one.kind == kind):
            named = set(one.sources)
            for engram in engrams:
                rests = engram.id in named or (engram.sources and named.issuperset(engram.sources))
                if rests and one.recorded_at >= engram.recorded_at:
                    found.setdefault(engram.id, form)
    return found
