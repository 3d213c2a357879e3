"""Pictures as SVG, drawn from numbers alone: the same numbers give the same file, and nothing has to be installed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 780, 400
LEFT, TOP, RIGHT, BOTTOM = 70, 36, 500, 350  # the edges of what is drawn in; the legend stands to its right
#: Okabe and Ito 2008: told apart also by those who do not see all colours.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f")
STEPS = 5  # ticks of an axis that counts evenly
DECADE = (1, 2, 5)  # ticks within a power of ten
DECADES = 2.5  # up to so many powers of ten there is room for the ticks within them


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis counts, and whether it counts in powers of ten. `ends` None: as far as the points go."""

    label: str
    log: bool = False
    ends: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) with the name that the legend gives them: joined or apart, dashed where they are not ours."""

    name: str
    points: tuple[tuple[float, float], ...]
    joined: bool = True
    dashed: bool = False
    dots: bool = True


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture; `name` is that of its file. A line without a name is drawn in grey and stands in no legend."""

    name: str
    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]

    def svg(self) -> str:
        """The file's text."""
        across = _Scale(self.x, [x for line in self.lines for x, _ in line.points], LEFT, RIGHT)
        up = _Scale(self.y, [y for line in self.lines for _, y in line.points], BOTTOM, TOP)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" font-family="sans-serif" font-size="12">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="22" font-size="14" font-weight="bold">{escape(self.title)}</text>',
            *_grid(across, up),
            f'<text x="{(LEFT + RIGHT) / 2:g}" y="{BOTTOM + 38}" text-anchor="middle">{escape(self.x.label)}</text>',
            f'<text transform="translate(16 {(TOP + BOTTOM) / 2:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(self.y.label)}</text>",
        ]
        named = [line.name for line in self.lines if line.name]
        for line in self.lines:
            colour = COLOURS[named.index(line.name) % len(COLOURS)] if line.name else "#999999"
            parts += _drawn(line, colour, across, up)
            if line.name:
                parts += _told(line, colour, TOP + 12 + 20 * named.index(line.name))
        return "\n".join([*parts, "</svg>\n"])


class _Scale:
    """From a figure to a place on the page."""

    def __init__(self, axis: Axis, values: Sequence[float], start: float, end: float) -> None:
        self._log, self._start, self._end = axis.log, start, end
        low, high = axis.ends or _ends(values, axis.log)
        self._low, self._high = self._of(low), self._of(high)
        self.ticks = (
            _powers(low, high) if axis.log else [low + (high - low) * i / STEPS for i in range(STEPS + 1)]
        )

    def _of(self, value: float) -> float:
        return math.log10(value) if self._log else value

    def __call__(self, value: float) -> float:
        share = (self._of(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)


def _ends(values: Sequence[float], log: bool) -> tuple[float, float]:
    """Round ends with all values between them."""
    if not log:
        return min(0.0, *values), max(values, default=1.0) or 1.0
    marks = [m * 10.0**power for power in range(-6, 10) for m in DECADE]
    low = max((mark for mark in marks if mark <= min(values)), default=marks[0])
    high = min((mark for mark in marks if mark >= max(values)), default=marks[-1])
    return (low, high) if low < high else (low, low * 10)


def _powers(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    within = DECADE if math.log10(high / low) <= DECADES else (1,)
    # Powers of ten are not exact as floats: the ends belong to it.
    return [m * 10.0**p for p in powers for m in within if low * 0.999 <= m * 10.0**p <= high * 1.001]


def _grid(across: _Scale, up: _Scale) -> list[str]:
    parts = []
    for tick in across.ticks:
        x = across(tick)
        parts.append(f'<path d="M{x:.1f} {TOP}V{BOTTOM}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle">{_figure(tick)}</text>')
    for tick in up.ticks:
        y = up(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_figure(tick)}</text>')
    return parts


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.6g}"


def _drawn(line: Line, colour: str, across: _Scale, up: _Scale) -> list[str]:
    places = [(across(x), up(y)) for x, y in line.points]
    parts = []
    if line.joined and len(places) > 1:
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="2"{_dash(line)}/>')
    if line.dots:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    return parts


def _told(line: Line, colour: str, y: int) -> list[str]:
    """A line of the legend."""
    at = RIGHT + 16
    parts = [f'<text x="{at + 28}" y="{y + 4}">{escape(line.name)}</text>']
    if line.joined:
        parts.append(f'<path d="M{at} {y}H{at + 20}" stroke="{colour}" stroke-width="2"{_dash(line)}/>')
    if line.dots:
        parts.append(f'<circle cx="{at + 10}" cy="{y}" r="3.5" fill="{colour}"/>')
    return parts


def _dash(line: Line) -> str:
    return ' stroke-dasharray="6 4"' if line.dashed else ""
