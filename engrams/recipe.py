"""A recipe: three chains of steps and where they come from. A value: printable, hashable, comparable."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from engrams.errors import BadSetting, CannotJoin
from engrams.figures import Figures, figures_of
from engrams.records import Context, Draft, Query, Ranked
from engrams.step import Chain, Step, parameters, replaced, steps_of, walk, with_field


@dataclass(frozen=True)
class Paper:
    """Where a recipe comes from."""

    title: str
    year: int
    url: str = ""


@dataclass(frozen=True)
class Recipe:
    """A memory system: `write` (events to engrams), `read` (question to context), `consolidate` (between sessions).

    `differs` says in which points the recipe departs from its paper. `needs` names what must be there to run it:
    "embedder", "chat", or nothing. `writer` is the name under which what it derives stands in a store, by default its own:
    recipes with the same write chain share one, and so what they derived. `unit`: how many messages of a conversation the
    write chain is given at a time, in their order, so that each sees what those before it left; 0: as they come.
    """

    name: str
    write: Step[Draft, Draft]
    read: Step[Query, Context]
    paper: Paper | None = None
    summary: str = ""
    consolidate: Step[Any, Any] | None = None
    differs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    writer: str = field(default="", repr=False)
    unit: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise BadSetting("name", self.name, "lower-case words joined by '-'", "recipe")
        if self.unit < 0:
            raise BadSetting("unit", self.unit, "a number of messages, 0 or more", "recipe")
        if not self.writer:
            object.__setattr__(self, "writer", self.name)

    def ranking(self) -> Step[Query, Ranked[Any]]:
        """The part of `read` that finds and ranks, without composing."""
        whole: Chain[Query, Any] = Chain(steps_of(self.read))
        return whole.until_composing()

    def chains(self) -> dict[str, Step[Any, Any]]:
        """The chains that are there, by name."""
        found: dict[str, Step[Any, Any]] = {"write": self.write, "read": self.read}
        return found | ({"consolidate": self.consolidate} if self.consolidate is not None else {})

    def asks(self, chain: str) -> tuple[str, ...]:
        """The operations for which a chain asks a language model, sorted; none where the recipe has no such chain."""
        found = self.chains().get(chain)
        return (
            ()
            if found is None
            else tuple(sorted({o for _, step in walk(found, running=True) for o in step.asks}))
        )

    def replace(self, path: str, value: object) -> Recipe:
        """A new recipe with one parameter changed: `replace("read.Top.k", 10)`.

        Raises:
            BadSetting: the path does not begin with a chain of this recipe or names no field.
            UnknownName: no such step or field in that chain; names the nearest.
        """
        chain, _, rest = path.partition(".")
        parts = tuple(rest.split("."))
        if chain not in self.chains() or len(parts) < 2:
            raise BadSetting(
                "path", path, f"'<chain>.<Step>.<field>' with a chain of {', '.join(self.chains())}", "recipe"
            )
        changed = with_field(self.chains()[chain], parts, value)
        if chain != "write":
            return replace(self, **{chain: changed})._with_needs()  # type: ignore[arg-type]
        # What another chain derives is something else, and may not be taken for what stands under this name.
        own = hashlib.sha256(repr(changed).encode()).hexdigest()[:8]
        return replace(self, write=changed, writer=f"{self.writer}-{own}")._with_needs()

    def _with_needs(self) -> Recipe:
        """The same, needing a language model where a step asks one, and none where no step does any more."""
        asks = any(self.asks(chain) for chain in self.chains())
        if asks == ("chat" in self.needs):
            return self
        others = tuple(need for need in self.needs if need != "chat")
        return replace(self, needs=("chat", *others) if asks else others)

    def without_models(
        self, keep: Callable[[Step[Any, Any]], bool] | None = None, form: str = "no-model"
    ) -> Recipe:
        """The form of the recipe that asks no language model: each step that does is replaced by its honest counterpart.

        Its writer is another, since it derives something else: it is named for the `form`. The card says what was replaced.
        Steps for which `keep` holds stay as they are: those that a recording can answer, for one.

        Raises:
            CannotJoin: a step that asks a model has no counterpart; names them all.
        """
        swapped: list[str] = []
        missing: list[str] = []

        def change(step: Step[Any, Any]) -> Step[Any, Any]:
            if not step.asks or (keep is not None and keep(step)):
                return step
            other = step.without_model()
            if other is None:
                missing.append(step.name)
                return step
            inner = ", ".join(one.name for one in steps_of(other))
            swapped.append(f"without a model: {inner} in place of {step.name}")
            return other

        chains = {name: replaced(chain, change) for name, chain in self.chains().items()}
        if missing:
            raise CannotJoin(
                f"the recipe {self.name!r} has no form without a language model: {', '.join(missing)} "
                "cannot be done honestly without one; open it with model=, or take another recipe"
            )
        if not swapped:
            return self
        written = chains["write"] != self.write or chains.get("consolidate") != self.consolidate
        left = any(step.asks for chain in chains.values() for _, step in walk(chain, running=True))
        return replace(
            self,
            **chains,  # type: ignore[arg-type]
            differs=(*self.differs, *dict.fromkeys(swapped)),
            needs=tuple(need for need in self.needs if left or need != "chat"),
            writer=f"{self.writer}-{form}" if written else self.writer,
        )

    def fingerprint(self) -> str:
        """Twelve hex digits that change when any step or parameter does."""
        unit = f" unit={self.unit}" if self.unit else ""
        return hashlib.sha256(f"{self!r}{unit}".encode()).hexdigest()[:12]

    def svg(self) -> str:
        """The chains as a picture, an SVG file's text; made from the steps alone."""
        from engrams.drawing import drawing  # who runs a recipe draws none

        return drawing(self.name, self.chains())

    def measured(self) -> tuple[Figures, ...]:
        """What the benchmark's committed rows say of this recipe; nothing where it is one's own, or a parameter was changed."""
        return figures_of(self.name, self.fingerprint())

    def card(self) -> str:
        """The recipe on one screen: paper, chains with parameters, needs, departures."""
        lines = [f"{self.name} ({self.fingerprint()})", f"  {self.summary}"] if self.summary else [self.name]
        if self.paper:
            lines.append(
                f"  paper: {self.paper.title} ({self.paper.year})"
                + (f" {self.paper.url}" if self.paper.url else "")
            )
        lines.append(f"  needs: {', '.join(self.needs) or 'nothing'}")
        if self.unit:
            lines.append(f"  unit: {self.unit} message{'s' if self.unit > 1 else ''} at a time")
        for name, chain in self.chains().items():
            asks = f" asks a model to {', '.join(self.asks(name))}" if self.asks(name) else ""
            lines.append(f"  {name}:{asks}")
            for path, step in walk(chain, running=True):
                settings = ", ".join(f"{k}={v!r}" for k, v in parameters(step).items())
                lines.append(f"    {'  ' * path.count('.')}{step.name}({settings})")
        lines += [f"  differs: {d}" for d in self.differs]
        return "\n".join(lines)
