"""Memories of three types, a core text, facts and events, that whoever reads a conversation files by calling tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from typing import Literal, cast

from engrams.deciding import Act, Argument, Called, Done, Features, Offer
from engrams.errors import BadSetting
from engrams.organise.extract import TakeSentences, spoken
from engrams.organise.facts import read_fact
from engrams.organise.looks import LOOKS, REMEMBERED, looks, words_shared
from engrams.organise.standing import standing
from engrams.ports import Tokenizer, Where
from engrams.records import Decision, Draft, Engram, Event, EventId, Json, derived_id
from engrams.step import Run, Step

Shelf = Literal["core", "semantic", "episodic"]
CORE: Shelf = "core"
#: The shelves that hold many memories; the core is one text.
LISTS: tuple[Shelf, ...] = ("semantic", "episodic")
#: What stands behind a core that was cut.
CUT = " [cut]"


@dataclass(frozen=True, slots=True)
class Shelves:
    """What is filed: the new messages, what lies on the shelves (oldest first; what was taken away stays, archived, so that
    numbers hold), and by id what lay there before."""

    events: tuple[Event, ...]
    items: tuple[Engram, ...]
    before: Mapping[str, Engram]

    def on(self, shelf: str) -> list[Engram]:
        """What a shelf holds or held, in the order of its numbers."""
        return [e for e in self.items if e.kind == shelf]

    def numbered(self, shelf: str) -> list[tuple[int, Engram]]:
        """What a shelf holds, with the numbers from 1."""
        return [(n, e) for n, e in enumerate(self.on(shelf), start=1) if e.state == "active"]

    def with_item(self, item: Engram) -> Shelves:
        """The same with a memory put in its place, or behind all others."""
        held = [item if e.id == item.id else e for e in self.items]
        return replace(self, items=(*held, item) if item.id not in {e.id for e in held} else tuple(held))


@dataclass(frozen=True)
class FileAway(Step[Draft, Draft]):
    """Gives the messages of a draft and all typed memories of the namespace to `by`, and keeps what that makes of them.

    What it adds is new engrams, what it rewrites or takes away is decided about (UPDATE, DELETE) and keeps its history.

    No option of `Reconcile`: there a judge decides about each new engram against the nearest; here a policy sees all shelves at
    once and makes what it adds itself.

    Source: Mem-alpha (Wang et al. 2025), section 3: core, semantic and episodic memory, written chunk by chunk.
    """

    by: Step[Shelves, Shelves]

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Files. Raises what `by` raises."""
        said = spoken(value.events)
        if not said:
            return value
        items = _standing(said[0].namespace, run)
        shelves = self.by(Shelves(said, items, {e.id: e for e in items}), run)
        new = [e for e in shelves.items if e.id not in shelves.before and e.state == "active"]
        changed = [e for e in shelves.items if shelves.before.get(e.id, e) is not e]
        decisions = [
            Decision(
                "DELETE" if e.state == "archived" else "UPDATE",
                e,
                f"filed anew: {said[-1].content}",
                event_id=said[-1].id,
            )
            for e in changed
        ]
        return replace(value, engrams=(*value.engrams, *new), decisions=(*value.decisions, *decisions))


def _standing(namespace: str, run: Run) -> tuple[Engram, ...]:
    """The typed memories of a namespace, oldest first; the core also where it was emptied: there is one of it."""
    found: list[tuple[str, int, Engram]] = []
    for where in (
        Where(kinds=LISTS, writer=run.recipe),
        Where(kinds=(CORE,), writer=run.recipe, states=("active", "archived")),
    ):
        # A rewritten one lies in a later row: its first source says when it was first filed.
        found += [(e.sources[0], row, e) for row, e in standing(run.store, namespace, where)]
    return tuple(e for _, _, e in sorted(found, key=lambda one: one[:2]))


@dataclass(frozen=True)
class ShowShelves(Step[Shelves, Mapping[str, str]]):
    """Shows a model the core, the `most` (>= 1) newest memories of each list with their numbers, and the messages with theirs.

    Source: Mem-alpha, `memory.py` of the authors' code: 20 of each.
    """

    most: int = 20

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadSetting("ShowShelves.most", self.most, "a number of memories, at least 1")

    def __call__(self, value: Shelves, run: Run) -> Mapping[str, str]:
        """The blocks."""
        blocks = {"core": "\n".join(e.content for _, e in value.numbered(CORE)) or "Empty."}
        for shelf in LISTS:
            held = value.numbered(shelf)
            lines = [f"The newest {len(held[-self.most :])} of {len(held)}:" if held else "Empty."]
            lines += [f"{n}. [{e.occurred_at:%Y-%m-%d}] {e.content}" for n, e in held[-self.most :]]
            blocks[shelf] = "\n".join(lines)
        told = enumerate(value.events, start=1)
        blocks["messages"] = "\n".join(
            f"{n}. [{e.occurred_at:%Y-%m-%d}] {e.speaker or e.role}: {e.content}" for n, e in told
        )
        return blocks


@dataclass(frozen=True)
class Insert(Step[Called[Shelves], Done[Shelves]]):
    """Puts a new memory on the shelf of facts or of events; what lies there word for word is not put there twice."""

    def __call__(self, value: Called[Shelves], run: Run) -> Done[Shelves]:
        """Inserts."""
        shelves, given = value.value, value.arguments
        shelf, text = str(given["memory_type"]), " ".join(str(given["content"]).split())
        if not text:
            return Done(shelves, "Not done: the memory is empty.")
        if any(e.content == text and e.kind == shelf and e.state == "active" for e in shelves.items):
            return Done(shelves, "Not done: the same memory is there already.")
        events = _from(shelves, given)
        if events is None:
            return Done(shelves, f"Not done: there are messages 1 to {len(shelves.events)}.")
        made = _filed(shelves, shelf, text, events, run)
        return Done(shelves.with_item(made), f"It is number {len(shelves.on(shelf)) + 1}.")


@dataclass(frozen=True)
class Rewrite(Step[Called[Shelves], Done[Shelves]]):
    """Gives a memory another text; the core gets at most `tokens` (>= 16), the rest is cut off and marked.

    Source: Mem-alpha, `memory_update` of the authors' code: 512 tokens, cut word by word.
    """

    tokens: int = 512

    def __post_init__(self) -> None:
        if self.tokens < 16:
            raise BadSetting("Rewrite.tokens", self.tokens, "a number of tokens, at least 16")

    def __call__(self, value: Called[Shelves], run: Run) -> Done[Shelves]:
        """Rewrites."""
        shelves, given = value.value, value.arguments
        shelf, text = str(given["memory_type"]), " ".join(str(given["new_content"]).split())
        events = _from(shelves, given)
        if not text or events is None:
            return Done(
                shelves, f"Not done: a text is needed, and a message of 1 to {len(shelves.events)}, if any."
            )
        if shelf == CORE:
            text, held = cut(text, self.tokens, run.tokenizer), shelves.on(CORE)
            if not held:
                return Done(shelves.with_item(_filed(shelves, CORE, text, events, run)))
            return Done(shelves.with_item(_changed(held[0], text, events)))
        old = _numbered(shelves, shelf, given)
        if old is None:
            return Done(shelves, f"Not done: {shelf} memory holds no such number.")
        return Done(shelves.with_item(_changed(old, text, events)))


@dataclass(frozen=True)
class TakeAway(Step[Called[Shelves], Done[Shelves]]):
    """Takes a memory away; of the core, all of it."""

    def __call__(self, value: Called[Shelves], run: Run) -> Done[Shelves]:
        """Takes it away."""
        shelves, given = value.value, value.arguments
        shelf = str(given["memory_type"])
        old = next(iter(shelves.on(CORE)), None) if shelf == CORE else _numbered(shelves, shelf, given)
        if old is None:
            return Done(shelves, f"Not done: {shelf} memory holds nothing like that.")
        return Done(shelves.with_item(replace(old, state="archived")))


def cut(text: str, tokens: int, tokenizer: Tokenizer) -> str:
    """A text of at most so many tokens, whole words; what was cut is marked."""
    if tokenizer.count(text) <= tokens:
        return text
    words, most = text.split(), tokens - tokenizer.count(CUT)
    low, high = 0, len(words)
    while low < high:  # the most words that fit
        middle = (low + high + 1) // 2
        low, high = (middle, high) if tokenizer.count(" ".join(words[:middle])) <= most else (low, middle - 1)
    return " ".join(words[:low]) + CUT


def _from(shelves: Shelves, given: Mapping[str, Json]) -> tuple[Event, ...] | None:
    """The messages a memory rests on: the one that is named, else all; None where there is no such message."""
    if "message" not in given:
        return shelves.events
    number = int(given["message"])
    return (shelves.events[number - 1],) if 1 <= number <= len(shelves.events) else None


def _numbered(shelves: Shelves, shelf: str, given: Mapping[str, Json]) -> Engram | None:
    return dict(shelves.numbered(shelf)).get(int(given.get("memory_id") or 0))


def _filed(shelves: Shelves, shelf: str, text: str, events: tuple[Event, ...], run: Run) -> Engram:
    last = events[-1]
    ids = tuple(e.id for e in events)
    speakers = {e.speaker for e in events}
    one = shelf == CORE  # the same of all conversations
    taken = {e.id for e in shelves.items}
    free = (derived_id(run.recipe, shelf, (last.namespace,) if one else ids, n) for n in count())
    return Engram(
        id=next(id for id in free if id not in taken),
        namespace=last.namespace,
        recipe=run.recipe,
        kind=shelf,
        content=text,
        occurred_at=last.occurred_at,
        recorded_at=last.recorded_at,
        sources=ids,
        role=last.role if len(events) == 1 else "",
        speaker=last.speaker if len(speakers) == 1 and not one else None,
        session=None if one else last.session,
        agent_id=last.agent_id,
        run_id=last.run_id,
        thread="" if one else last.thread,
        metadata={} if one else last.metadata,
    )


def _changed(old: Engram, text: str, events: Iterable[Event]) -> Engram:
    told = list(events)
    return replace(
        old,
        content=text,
        state="active",
        sources=tuple(dict.fromkeys((*old.sources, *(e.id for e in told)))),
        occurred_at=max(old.occurred_at, *(e.occurred_at for e in told)),
    )


# --- without a model, and by a trained policy ---


@lru_cache(maxsize=REMEMBERED)
def shelf_of(statement: str) -> Shelf:
    """Where a statement belongs: "semantic" where a rule reads a lasting fact in it, else "episodic"."""
    return "semantic" if read_fact(statement.rstrip(".!…")) is not None else "episodic"


@dataclass(frozen=True)
class ProposeInserts(Step[Shelves, tuple[Mapping[str, Json], ...]]):
    """Every statement of the messages that lies on no shelf yet, with the shelf it belongs on: what a policy may insert.

    A statement is what `statements` takes for a fact of one message.
    """

    statements: Step[Draft, Draft] = field(default_factory=TakeSentences)

    def __call__(self, value: Shelves, run: Run) -> tuple[Mapping[str, Json], ...]:
        """The arguments of the calls."""
        numbers = {event.id: n for n, event in enumerate(value.events, start=1)}
        there = {(e.kind, e.content) for e in value.items if e.state == "active"}
        found: dict[tuple[str, str], Mapping[str, Json]] = {}
        for e in self.statements(Draft(value.events), run).engrams:
            text = " ".join(e.content.split())
            key, number = (shelf_of(text), text), numbers[EventId(e.sources[0])]
            if key not in there:
                found.setdefault(key, {"memory_type": key[0], "content": text, "message": number})
        return tuple(found.values())


@dataclass(frozen=True)
class FileSentences(Step[Shelves, Shelves]):
    """Files every statement, in place of a model: lasting facts that a rule reads are semantic, all else is episodic.

    Nothing is said in other words, rewritten or taken away, and the core stays empty: it has no honest counterpart.
    """

    proposed: ProposeInserts = ProposeInserts()

    def __call__(self, value: Shelves, run: Run) -> Shelves:
        """Files."""
        for given in self.proposed(value, run):
            value = Insert()(Called(value, given), run).value
        return value


@dataclass(frozen=True)
class ProposeNothing(Step[Shelves, tuple[Mapping[str, Json], ...]]):
    """None: a policy that writes no words of its own does not rewrite, and cannot know what is wrong by now."""

    def __call__(self, value: Shelves, run: Run) -> tuple[Mapping[str, Json], ...]:
        """Nothing."""
        return ()


@dataclass(frozen=True)
class LooksOfInsert(Features):
    """What a trained policy sees of a statement: how it looks (`looks`), and whether it would be semantic.

    `known` is the share of its words that one of the `newest` (>= 1) memories of its shelf holds.
    """

    newest: int = 20

    def __post_init__(self) -> None:
        if self.newest < 1:
            raise BadSetting("LooksOfInsert.newest", self.newest, "a number of memories, at least 1")

    @property
    def names(self) -> tuple[str, ...]:
        """Those of `looks`, without what says the same as "semantic"."""
        return (*(name for name in LOOKS if name != "fact"), "semantic")

    def __call__(self, value: Offer[Shelves], run: Run) -> Mapping[str, float]:
        """The numbers."""
        given = value.action.arguments
        text, role = str(given["content"]), value.value.events[int(given["message"]) - 1].role
        near = [e.content for _, e in value.value.numbered(str(given["memory_type"]))[-self.newest :]]
        seen = looks(text, role, words_shared(text, near))
        return {**{n: x for n, x in seen.items() if n != "fact"}, "semantic": seen["fact"]}


_ID = Argument("memory_id", "integer", "The number of the memory; none for the core.", required=False)
_MESSAGE = Argument(
    "message", "integer", "The number of the message it is from, where it is one.", required=False
)
_ANY = Argument("memory_type", says="Which memory.", choices=(CORE, *LISTS))

SHELF_TOOLS: tuple[Act, ...] = (
    Act(
        "new_memory_insert",
        "Adds a memory of a fact (semantic) or of something that happened (episodic). The core is rewritten instead.",
        Insert(),
        (
            Argument("memory_type", says="Which memory.", choices=cast(tuple[str, ...], LISTS)),
            Argument("content", says="What it says, understood alone."),
            _MESSAGE,
        ),
        ProposeInserts(),
    ),
    Act(
        "memory_update",
        "Gives a memory the text it should have from now on, old and new together; the core as a whole.",
        Rewrite(),
        (_ANY, Argument("new_content", says="All of its text."), _ID, _MESSAGE),
        ProposeNothing(),
    ),
    Act(
        "memory_delete",
        "Takes a memory away; the core as a whole.",
        TakeAway(),
        (_ANY, _ID),
        ProposeNothing(),
    ),
)
"""The tools by which Mem-alpha writes, by their names in the authors' code."""
