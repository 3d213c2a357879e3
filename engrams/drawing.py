"""Draws the chains of a recipe as SVG, from the steps alone: the same steps give the same picture, and nothing has to be installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from engrams.step import Chain, Step, settings, steps_of, walk

WIDTH = 780  # of the picture, in pixels
LEFT = 104  # where chains begin, right of their names
CHARACTER = (
    6.4  # the mean width of a letter of the smaller size, a little more than it is, so that none sticks out
)
WIDE = 7.6  # the same of a step's name
LINE = 14  # from one line of text to the next
PAD = 8  # inside a box, and between a frame and what is in it
GAP = 20  # an arrow
APART = 10  # between lines of boxes
HEAD = 34  # the title

#: Fill and edge of a step, and of one that asks a language model; Okabe and Ito's blue and vermilion, told apart by all.
PLAIN, ASKING = ("#eef4fa", "#0072b2"), ("#fdf0e6", "#d55e00")


@dataclass(frozen=True)
class _Block:
    """Something drawn: its size, and its parts, each with its place inside."""

    width: float
    height: float
    own: tuple[str, ...] = ()
    parts: tuple[tuple[float, float, _Block], ...] = field(default=())

    def lines(self, x: float, y: float) -> list[str]:
        """The SVG of it with its corner at a place."""
        inside = [line for dx, dy, part in self.parts for line in part.lines(dx, dy)]
        return [f'<g transform="translate({x:g} {y:g})">', *self.own, *inside, "</g>"]


def drawing(name: str, chains: Mapping[str, Step[Any, Any]]) -> str:
    """The chains of a recipe, one under the other: a box for each step, with the steps it uses by the name of the field; a frame
    around branches. Steps that ask a language model are of another colour."""
    y, body = float(HEAD), []
    for chain, step in chains.items():
        block = _row(steps_of(step), WIDTH - LEFT - PAD)
        body.append(f'<text x="{PAD}" y="{y + 20:g}" font-weight="bold">{escape(chain)}</text>')
        body += block.lines(LEFT, y)
        y += block.height + 2 * APART
    if any(one.asks for step in chains.values() for _, one in walk(step)):
        body += _box([("asks a language model", "")], ASKING).lines(LEFT, y)
        y += LINE + 2 * PAD + APART
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:g}" width="{WIDTH}" height="{y:g}" '
            'font-family="sans-serif" font-size="12">',
            f"<title>The recipe {escape(name)}</title>",
            f'<rect width="{WIDTH}" height="{y:g}" fill="#ffffff"/>',
            f'<text x="{PAD}" y="22" font-size="14" font-weight="bold">{escape(name)}</text>',
            *body,
            "</svg>\n",
        ]
    )


def _row(steps: Sequence[Step[Any, Any]], width: float) -> _Block:
    """Steps one after the other with arrows between them, on as many lines as they need."""
    parts: list[tuple[float, float, _Block]] = []
    x = y = tallest = widest = 0.0
    for place, step in enumerate(steps):
        block = _drawn(step, width)
        if place and x + GAP + block.width > width - GAP:  # room for the arrow that leads on
            parts.append((x + 2, y + 6, _arrow()))
            x, y, tallest = 0.0, y + tallest + APART, 0.0
        elif place:
            parts.append((x + 2, y + 6, _arrow()))
            x += GAP
        parts.append((x, y, block))
        x += block.width
        tallest, widest = max(tallest, block.height), max(widest, x)
    return _Block(widest, y + tallest, parts=tuple(parts))


def _drawn(step: Step[Any, Any], width: float) -> _Block:
    branches = {name: held for name, held in settings(step).items() if _is_steps(held)}
    if any(_is_chain(held) for held in branches.values()):
        return _frame(step, branches, width)
    lines = [(step.name, "")]
    for name, held in branches.items():
        used = ", ".join(inner.name for inner in (held if isinstance(held, tuple) else (held,)))
        asks = any(
            one.asks for inner in (held if isinstance(held, tuple) else (held,)) for _, one in walk(inner)
        )
        lines.append((f"{name}: {used}", ASKING[1] if asks else ""))
    return _box(lines, ASKING if step.asks else PLAIN)


def _frame(step: Step[Any, Any], branches: Mapping[str, Any], width: float) -> _Block:
    """A step whose fields are chains: one under the other, each behind the name of its field."""
    label = max(len(name) for name in branches) * CHARACTER + PAD
    y, parts, names = 2.0 * PAD + LINE, [], []
    for name, held in branches.items():
        for inner in held if isinstance(held, tuple) else (held,):
            block = _row(steps_of(inner), width - label - 2 * PAD)
            names.append(f'<text x="{PAD}" y="{y + 20:g}" font-size="11">{escape(name)}</text>')
            parts.append((PAD + label, y, block))
            y += block.height + APART
    wide = max([*(x + block.width + PAD for x, _, block in parts), len(step.name) * WIDE + 2 * PAD])
    edge = (
        f'<rect width="{wide:g}" height="{y:g}" rx="4" fill="none" stroke="#7f7f7f" stroke-dasharray="4 3"/>'
    )
    title = f'<text x="{PAD}" y="{PAD + 11}">{escape(step.name)}</text>'
    return _Block(wide, y, (edge, title, *names), tuple(parts))


def _box(lines: Sequence[tuple[str, str]], colours: tuple[str, str]) -> _Block:
    """Lines of text, each with its colour ("": black), the first larger, in a box."""
    wide = max([len(lines[0][0]) * WIDE, *(len(text) * CHARACTER for text, _ in lines[1:])]) + 2 * PAD
    high = len(lines) * LINE + 2 * PAD - 2
    told = [
        f'<rect width="{wide:g}" height="{high:g}" rx="4" fill="{colours[0]}" stroke="{colours[1]}"/>',
        f'<text x="{PAD}" y="{PAD + 11}">{escape(lines[0][0])}</text>',
    ]
    for place, (text, colour) in enumerate(lines[1:], 1):
        told.append(
            f'<text x="{PAD}" y="{PAD + 11 + place * LINE}" font-size="11" fill="{colour or "#444444"}">{escape(text)}</text>'
        )
    return _Block(wide, high, tuple(told))


def _arrow() -> _Block:
    end = GAP - 6
    return _Block(
        GAP, LINE, (f'<path d="M0 9H{end}M{end - 5} 5L{end} 9L{end - 5} 13" fill="none" stroke="#555555"/>',)
    )


def _is_steps(held: object) -> bool:
    return isinstance(held, Step) or (isinstance(held, tuple) and any(isinstance(one, Step) for one in held))


def _is_chain(held: object) -> bool:
    """Whether a field holds steps in a row, or a step that does."""
    if isinstance(held, tuple):
        return any(_is_chain(one) for one in held)
    if isinstance(held, Chain):
        return len(held.steps) > 1
    return isinstance(held, Step) and any(_is_chain(inner) for inner in settings(held).values())
