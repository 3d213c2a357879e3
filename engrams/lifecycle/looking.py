"""Looking inside: what lies around one memory, how many there are over time, what texts count, what jobs cost a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import reduce

import numpy as np
import numpy.typing as npt

from engrams.errors import BadSetting
from engrams.lifecycle.correcting import find
from engrams.lifecycle.opening import House
from engrams.lifecycle.reading import whole_number
from engrams.organise.entities import names_in
from engrams.ports import Int64, View
from engrams.records import Engram, Event, Query, Row, Scope
from engrams.words import fold, term_hash, terms

#: The most nodes one neighbourhood may have: more than that nobody can read in a picture.
MOST_NODES = 400
#: Names shown of one memory, the rarest first, and memories shown of each name, the latest first.
MOST_NAMES, MOST_OF_A_NAME = 12, 5
#: Characters of a node's label.
LONGEST_LABEL = 120
#: How many rows with the same words are read to find a memory's own.
MOST_ALIKE = 64
#: The most parts a timeline may have, days a ledger may go back, texts counted at once.
MOST_PARTS, MOST_DAYS, MOST_TEXTS = 1000, 3660, 10_000
#: Seconds of the steps people count time in: minutes, hours, days, weeks, 30 and 90 days, years, decades, centuries.
STEPS = (
    *(60, 300, 900, 3600, 21_600, 86_400, 604_800),
    *(2_592_000, 7_776_000, 31_557_600, 315_576_000, 3_155_760_000),
)
_SECOND = 1_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Node:
    """A memory, a journal entry or a name. `held`: of a name, how many memories have all of its words (those shown too)."""

    id: str
    kind: str  # "event", "name", or the kind of the engram
    label: str
    occurred_at: datetime | None = None
    held: int = 0


@dataclass(frozen=True, slots=True)
class Tie:
    """What joins two nodes: "source", "speaks of", "said by", "next", or the relation of a link."""

    source: str
    target: str
    relation: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What lies around one memory. `cut`: there is more than was asked for."""

    id: str
    nodes: tuple[Node, ...]
    ties: tuple[Tie, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """How many memories happened when: `counts[i]` from `start` + i * `step` seconds on. Empty where there are none."""

    total: int
    start: datetime | None = None
    step: int = 0
    counts: tuple[int, ...] = ()
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """What jobs cost on one day (UTC): how many were begun, tokens of models."""

    day: date
    jobs: int
    tokens: int


@dataclass
class _Drawing:
    """The nodes and ties so far, at most `most` nodes."""

    most: int
    nodes: dict[str, Node] = field(default_factory=dict)
    ties: dict[tuple[str, str, str], Tie] = field(default_factory=dict)
    cut: bool = False

    def node(self, node: Node) -> bool:
        """Whether there is room for it, or it is there."""
        if node.id not in self.nodes and len(self.nodes) >= self.most:
            self.cut = True
            return False
        self.nodes.setdefault(node.id, node)
        return True

    def tie(self, source: str, target: str, relation: str, weight: float = 1.0) -> None:
        """Joins two nodes that are there."""
        if source != target and source in self.nodes and target in self.nodes:
            self.ties.setdefault((source, target, relation), Tie(source, target, relation, weight))


def around(house: House, id: str, most: int) -> Neighbourhood:
    """Sources, links, names and neighbours of an engram, or of what was derived from an event.

    Raises:
        NotFound: nothing here has that id.
        BadSetting: `most` is no number from 1 to `MOST_NODES`.
    """
    whole_number("most", most, 1, MOST_NODES)
    target = find(house, id)
    drawing = _Drawing(most)
    if isinstance(target, Event):
        drawing.node(_of_event(target))
        found = house.store.engrams(house.store.derived_from([target.id])).values()
        inner = [e for e in found if e.recipe == house.recipe.writer]
    else:
        inner = [target]
    for engram in inner:
        drawing.node(_of_engram(engram))
    _sources(house, drawing, inner)
    _links(house, drawing, inner)
    for engram in inner:
        view = house.index.view(Query("", scope=Scope(engram.namespace), writer=house.recipe.writer))
        _thread(house, drawing, view, engram)
        _names(house, drawing, view, engram)
    return Neighbourhood(target.id, tuple(drawing.nodes.values()), tuple(drawing.ties.values()), drawing.cut)


def timeline(house: House, asked: Query, parts: int) -> Timeline:
    """Counts the memories that a question could find by when they happened, in at most `parts` equal steps.

    Raises:
        BadSetting: `parts` is no number from 1 to `MOST_PARTS`.
    """
    whole_number("parts", parts, 1, MOST_PARTS)
    view = house.index.view(asked)
    times = view.occurred_at[: view.size]
    times = times if view.allowed is None else times[view.allowed[: view.size]]
    if not len(times):
        return Timeline(0)
    first, last = int(times.min()), int(times.max())
    step = next((s for s in STEPS if _steps(first, last, s) <= parts), 0)
    start = first // (step * _SECOND) * step * _SECOND if step else first
    step = step or -(-(last - first + _SECOND) // (parts * _SECOND))
    counts = np.bincount((times - start) // (step * _SECOND))
    return Timeline(len(times), _moment(start), step, tuple(counts.tolist()), _moment(first), _moment(last))


def count_tokens(house: House, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, as contexts count them.

    Raises:
        BadSetting: no list of texts, or too many.
    """
    if isinstance(texts, str) or len(texts) > MOST_TEXTS or not all(isinstance(t, str) for t in texts):
        raise BadSetting("texts", texts, f"a list of at most {MOST_TEXTS:,} texts")
    return [house.tokenizer.count(text) for text in texts]


def spent(house: House, days: int) -> list[Day]:
    """What jobs cost on each of the last days (UTC), the latest first; days without any are left out.

    Raises:
        BadSetting: `days` is no number from 1 to `MOST_DAYS`.
    """
    whole_number("days", days, 1, MOST_DAYS)
    today = house.clock.now().date()
    asked = ((today - timedelta(days=n)) for n in range(days))
    found = ((day, house.store.jobs.spent(day)) for day in asked)
    return [Day(day, cost.jobs, cost.tokens) for day, cost in found if cost.jobs or cost.tokens]


def _sources(house: House, drawing: _Drawing, inner: Sequence[Engram]) -> None:
    wanted = list(dict.fromkeys(s for e in inner for s in e.sources))
    events, engrams = house.store.events(wanted), house.store.engrams(wanted)
    for node in [*map(_of_event, events.values()), *map(_of_engram, engrams.values())]:
        drawing.node(node)
    made = house.store.engrams(house.store.derived_from([e.id for e in inner])).values()
    for engram in made:
        drawing.node(_of_engram(engram))
    for engram in [*inner, *made]:
        for source in engram.sources:
            drawing.tie(engram.id, source, "source")


def _links(house: House, drawing: _Drawing, inner: Sequence[Engram]) -> None:
    links = sorted(house.store.links([e.id for e in inner]), key=lambda link: -abs(link.weight))
    ends = house.store.engrams(list({end for link in links for end in (link.source, link.target)}))
    for link in links:
        for end in (link.source, link.target):
            if end in ends:
                drawing.node(_of_engram(ends[end]))
        drawing.tie(link.source, link.target, link.relation, link.weight)


def _thread(house: House, drawing: _Drawing, view: View, engram: Engram) -> None:
    """What was said before and after it, in the same session or the same call."""
    alike = _rows_with(view, terms(engram.content))
    if not 0 < len(alike) <= MOST_ALIKE:
        return
    for place, found in zip(alike, house.store.engrams_at(_numbers(view, alike)), strict=False):
        if found.id != engram.id or found.version != engram.version:
            continue
        for other, later in ((int(view.previous[place]), False), (int(view.following[place]), True)):
            for near in house.store.engrams_at(_numbers(view, [other])) if other >= 0 else ():
                if drawing.node(_of_engram(near)):
                    drawing.tie(*((engram.id, near.id) if later else (near.id, engram.id)), "next")


def _names(house: House, drawing: _Drawing, view: View, engram: Engram) -> None:
    """What it speaks of by name, who said it, and what else speaks of the same."""
    if engram.speaker:
        said = view.speakers.index(engram.speaker) if engram.speaker in view.speakers else -2
        held = int(np.count_nonzero(_allowed(view) & (view.speaker == said)))
        if drawing.node(_of_name(engram.speaker, held)):
            drawing.tie(engram.id, _name_id(engram.speaker), "said by")
    rows = {name: _rows_with(view, terms(name)) for name in names_in(engram.content)}
    for name in sorted(rows, key=lambda n: len(rows[n]))[:MOST_NAMES]:
        if not drawing.node(_of_name(name, len(rows[name]))):
            return
        drawing.tie(engram.id, _name_id(name), "speaks of")
        latest = rows[name][np.argsort(-view.occurred_at[rows[name]], kind="stable")][: 4 * MOST_OF_A_NAME]
        near = house.store.engrams_at(_numbers(view, latest)) if len(latest) else []
        others = [e for e in near if e.id != engram.id and fold(name) in fold(e.content)]
        for other in others[:MOST_OF_A_NAME]:
            if drawing.node(_of_engram(other)):
                drawing.tie(other.id, _name_id(name), "speaks of")


def _rows_with(view: View, wanted: Sequence[str]) -> Int64:
    """Indices, ascending, of the allowed rows that hold every term; none for no terms."""
    if not wanted:
        return np.empty(0, np.int64)
    lists = sorted((view.postings(term_hash(t))[0] for t in set(wanted)), key=len)
    held: npt.NDArray[np.integer] = reduce(np.intersect1d, lists)
    return np.asarray(held[_allowed(view)[held]], np.int64)


def _allowed(view: View) -> npt.NDArray[np.bool_]:
    return np.ones(view.size, np.bool_) if view.allowed is None else view.allowed


def _numbers(view: View, places: Iterable[int] | Int64) -> list[Row]:
    return [Row(int(view.rows[place])) for place in places]


def _steps(first: int, last: int, step: int) -> int:
    return last // (step * _SECOND) - first // (step * _SECOND) + 1


def _moment(microseconds: int) -> datetime:
    """A time of the arrays; one before the year 1, where a step began there, is the year's first instant."""
    least = datetime.min.replace(tzinfo=UTC)
    began = datetime(1970, 1, 1, tzinfo=UTC)
    span = max(timedelta(microseconds=microseconds), least - began)
    return began + span


def _label(text: str) -> str:
    line = " ".join(text[: 4 * LONGEST_LABEL].split())
    return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 1] + "…"


def _of_event(event: Event) -> Node:
    return Node(event.id, "event", _label(event.content or event.kind), event.occurred_at)


def _of_engram(engram: Engram) -> Node:
    return Node(engram.id, engram.kind, _label(engram.content), engram.occurred_at)


def _name_id(name: str) -> str:
    return f"name:{fold(name)}"


def _of_name(name: str, held: int) -> Node:
    return Node(_name_id(name), "name", name, held=held)
