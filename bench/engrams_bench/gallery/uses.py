"""Which recipe uses which step: what is shared, and why a step of one recipe is no option of another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from engrams import Recipe
from engrams.errors import CannotJoin
from engrams.step import Chain, Step, settings, steps_of

#: How a docstring says why a step is a step of its own.
NO_OPTION = re.compile(r"(?:^|(?<=[.\n]))\s*(No option of .*?)(?:\n\s*\n|\Z)", re.DOTALL)
#: A recipe has a step, or has it in its form without a language model alone.
HAS, INSTEAD = "●", "○"
#: Joints hold steps and do nothing themselves: what they hold stands in the chain.
JOINTS = "engrams.joints"


@dataclass(frozen=True)
class Use:
    """A kind of step: the recipes that have it, with `HAS` or `INSTEAD`, the steps of whose fields it is a choice ("": of none, it
    stands in a chain), and the steps that it stands in for where no model is asked."""

    step: type[Step[Any, Any]]
    recipes: Mapping[str, str]
    holders: tuple[str, ...]
    instead_of: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its class."""
        return self.step.__name__

    @property
    def does(self) -> str:
        """What it does: the first sentence of its docstring."""
        first = (self.step.__doc__ or "").strip().split("\n\n", 1)[0]
        said = " ".join(first.split())
        end = re.search(r"[.;:](?= [A-Z`]|$)", said)
        return (said[: end.start()] if end else said).rstrip(".") + "."

    @property
    def alone(self) -> str:
        """Why it is no option of another, where one recipe alone has it: what its docstring says, or the step of which it is a choice
        already; "" where nothing is said."""
        found = NO_OPTION.search("\n".join(line.strip() for line in (self.step.__doc__ or "").split("\n")))
        if found:
            return " ".join(found[1].split())
        if self.instead_of:
            return f"Stands in for {_named(self.instead_of)} without a model."
        if self.holders and "" not in self.holders:
            return f"A choice of {_named(self.holders)}."
        return ""


def _named(steps: tuple[str, ...]) -> str:
    return ", ".join(f"`{step}`" for step in steps)


def uses(recipes: Mapping[str, Recipe]) -> list[Use]:
    """Every kind of step, those that most recipes have first, then by module and name."""
    have: dict[type[Any], dict[str, str]] = {}
    holders: dict[type[Any], set[str]] = {}
    stands: dict[type[Any], set[str]] = {}
    for name, recipe in recipes.items():
        for mark, form in ((HAS, recipe), (INSTEAD, _without_models(recipe))):
            for chain in form.chains().values():
                for step, holder in _inside(chain, ""):
                    have.setdefault(type(step), {}).setdefault(name, mark)
                    holders.setdefault(type(step), set()).add(holder)
                    other = step.without_model()
                    for inner, _ in _inside(other, "") if other is not None else ():
                        stands.setdefault(type(inner), set()).add(step.name)
    found = [
        Use(kind, told, tuple(sorted(holders[kind])), tuple(sorted(stands.get(kind, ()))))
        for kind, told in have.items()
    ]
    return sorted(found, key=lambda use: (-len(use.recipes), use.step.__module__, use.name))


def _without_models(recipe: Recipe) -> Recipe:
    try:
        return recipe.without_models()
    except CannotJoin:  # it has no such form, and so nothing that would stand in
        return recipe


def _inside(step: Step[Any, Any], holder: str) -> Iterator[tuple[Step[Any, Any], str]]:
    """Every step with the one that it is a choice of; what stands in a chain of several is a choice of none."""
    if isinstance(step, Chain):
        for inner in steps_of(step):
            yield from _inside(inner, holder if len(step.steps) == 1 else "")
        return
    joint = type(step).__module__ == JOINTS
    if not joint:
        yield step, holder
    for held in settings(step).values():
        for one in held if isinstance(held, tuple) else (held,):
            if isinstance(one, Step):
                yield from _inside(one, holder if joint else step.name)


def markdown(found: list[Use], names: list[str]) -> str:
    """What is shared, and what one recipe has alone."""
    shared = [use for use in found if len(use.recipes) > 1]
    alone = [use for use in found if len(use.recipes) == 1]
    lines = [
        f"{len(found)} kinds of steps make {len(names)} recipes; {len(shared)} are in several of them.",
        "",
        "| shared step | what it does | recipes |",
        "| --- | --- | --- |",
    ]
    for use in shared:
        told = ", ".join(
            f"`{name}`" + ("" if mark == HAS else f" {mark}") for name, mark in use.recipes.items()
        )
        lines.append(f"| `{use.name}` | {_cell(use.does)} | {len(use.recipes)}: {told} |")
    lines += [
        "",
        f"{INSTEAD}: in its form without a language model alone. Each of the {len(alone)} others is in one recipe, and says why it is no "
        "option of a step that was there:",
        "",
        "| step | recipe | what it does | why it is a step of its own |",
        "| --- | --- | --- | --- |",
    ]
    for use in sorted(alone, key=lambda use: (names.index(next(iter(use.recipes))), use.name)):
        ((name, mark),) = use.recipes.items()
        who = f"`{name}`" + ("" if mark == HAS else f" {mark}")
        lines.append(f"| `{use.name}` | {who} | {_cell(use.does)} | {_cell(use.alone) or '–'} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


ROW, COLUMN, LEFT, TOP = (
    18,
    24,
    190,
    130,
)  # pixels: a step, a recipe, the names of steps, the names of recipes


def matrix(found: list[Use], names: list[str]) -> str:
    """The shared steps against the recipes as a picture: a dot where a recipe has a step, a ring where only its form without a model
    does; below, how many steps each has alone."""
    shared = [use for use in found if len(use.recipes) > 1]
    width, height = LEFT + COLUMN * len(names) + 40, TOP + ROW * (len(shared) + 2) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        "<title>Steps that several recipes share</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for place, name in enumerate(names):
        x = LEFT + COLUMN * place + COLUMN // 2
        parts.append(f'<text transform="translate({x + 4} {TOP - 8}) rotate(-60)">{escape(name)}</text>')
        parts.append(f'<path d="M{x} {TOP}V{TOP + ROW * len(shared)}" stroke="#eeeeee"/>')
    for place, use in enumerate(shared):
        y = TOP + ROW * place + ROW // 2
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(use.name)}</text>')
        parts.append(f'<path d="M{LEFT} {y}H{LEFT + COLUMN * len(names)}" stroke="#eeeeee"/>')
        for name, mark in use.recipes.items():
            x = LEFT + COLUMN * names.index(name) + COLUMN // 2
            fill = "#0072b2" if mark == HAS else "#ffffff"
            parts.append(f'<circle cx="{x}" cy="{y}" r="4.5" fill="{fill}" stroke="#0072b2"/>')
    y = TOP + ROW * (len(shared) + 1)
    parts.append(f'<text x="{LEFT - 8}" y="{y}" text-anchor="end" font-weight="bold">of its own</text>')
    for place, name in enumerate(names):
        own = sum(len(use.recipes) == 1 and name in use.recipes for use in found)
        x = LEFT + COLUMN * place + COLUMN // 2
        parts.append(f'<text x="{x}" y="{y}" text-anchor="middle">{own}</text>')
    return "\n".join([*parts, "</svg>\n"])
