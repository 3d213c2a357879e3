"""The index port: whatever happens to a store, a view says what a plain loop over its rows says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrams.index import NamespaceIndex, with_names
from engrams.ports import OPEN_END, Commit, EntryRow, Index, Revised, Store, View, Where
from engrams.records import (
    Engram,
    EngramId,
    Event,
    EventId,
    Query,
    Receipt,
    Scope,
    State,
    derived_id,
    new_event_id,
)
from engrams.store.sqlite import SqliteStore
from engrams.words import term_hash, terms
from tests.rooms.index.fake_store import FakeStore, FakeTable, holds, micros

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
WORDS = "anna bought two green apples rome hat why zebra quick brown fox jumps over lazy dog".split()
NAMES = ("Anna Berg", "Rome", "rome")
NAMESPACES = ("acme/alice", "acme/bob", "acme/bob/notes", "acmecorp", "acme")
PATHS = (*NAMESPACES, "acme/*", "nobody")
PLAIN: tuple[Query, ...] = tuple(Query("", Scope(path)) for path in PATHS)


@dataclass
class World:
    """A store, an index over it that stays warm, and what is needed to do things to them."""

    store: Store
    index: Index
    seed: int
    days: int = 0
    current: dict[EngramId, Engram] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def now(self) -> datetime:
        return FIRST_DAY + timedelta(days=self.days)

    def commit(self, namespace: str, **what: Any) -> None:
        receipt = Receipt(namespace, tuple(e.id for e in what.get("events", ())))
        self.store.commit(Commit(receipt, "test", "add", self.now(), **what))

    def add(self, namespace: str, size: int) -> None:
        """One add of some messages, each giving one or two engrams."""
        self.days += 1
        pick = self.chance
        session = pick.choice([None, "s1", "s2"])
        events, engrams = [], []
        for _ in range(size):
            id = new_event_id()
            event = Event(
                id=id,
                namespace=namespace,
                content=" ".join(pick.choices(WORDS, k=pick.randint(0, 8))) + pick.choice(["", "?"]),
                role=pick.choice(["user", "assistant"]),
                occurred_at=FIRST_DAY + timedelta(days=pick.randint(-20, 20)),
                recorded_at=self.now(),
                speaker=pick.choice([None, "Anna", "Bob"]),
                session=session,
                agent_id=pick.choice([None, "a1", "a2"]),
                run_id=pick.choice([None, "r1"]),
                thread=session or f"~{events[0].id if events else id}",
            )
            events.append(event)
            engrams += [self.engram(event, n) for n in range(pick.choice([1, 1, 2]))]
        self.current.update((e.id, e) for e in engrams)
        entries = [with_names(e, pick.sample(NAMES, pick.randint(0, 2))) for e in self.index.analyse(engrams)]
        self.commit(namespace, events=tuple(events), engrams=tuple(zip(engrams, entries, strict=True)))

    def engram(self, event: Event, ordinal: int) -> Engram:
        bounds = (None, FIRST_DAY, FIRST_DAY + timedelta(days=10))
        return Engram(
            id=derived_id("test", "passage", (event.id,), ordinal),
            namespace=event.namespace,
            recipe="test",
            kind=("passage", "fact")[ordinal],
            content=event.content,
            occurred_at=event.occurred_at,
            recorded_at=event.recorded_at,
            sources=(event.id,),
            valid_from=self.chance.choice(bounds[:2]),
            valid_to=self.chance.choice(bounds[::2]),
            role=event.role,
            speaker=event.speaker,
            session=event.session,
            agent_id=event.agent_id,
            run_id=event.run_id,
            thread=event.thread,
        )

    def revise(self, state: State = "active") -> None:
        """A new version of some engram."""
        if not self.current:
            return
        self.days += 1
        old = self.chance.choice(list(self.current.values()))
        content = " ".join(self.chance.choices(WORDS, k=4))
        new = replace(old, content=content, version=old.version + 1, recorded_at=self.now(), state=state)
        self.current[old.id] = new
        revised = Revised(new, self.index.analyse([new])[0], "UPDATE", "")
        self.commit(old.namespace, revised=(revised,))

    def erase(self) -> None:
        """One event and what rests on it."""
        if not self.current:
            return
        self.days += 1
        old = self.chance.choice(list(self.current.values()))
        events = [EventId(old.sources[0])]
        self.store.erase(Scope(old.namespace), events, actor="test", at=self.now(), reason="")
        self.current = {id: e for id, e in self.current.items() if e.sources != old.sources}

    def step(self) -> None:
        """Something happens."""
        what = self.chance.random()
        if what < 0.6:
            self.add(self.chance.choice(NAMESPACES), self.chance.randint(1, 3))
        elif what < 0.8:
            self.revise()
        elif what < 0.9:
            self.revise("archived")
        else:
            self.erase()


def everything(store: Store, scope: Scope) -> list[EntryRow]:
    return list(store.entries(scope))


def conditions(query: Query) -> Where:
    return Where(query.since, query.until, query.as_of, query.as_of_by, query.valid_at)


def check(store: Store, query: Query, view: View) -> None:
    """Compares a view with loops over all rows of the store."""
    path = Scope(query.scope.namespace)
    stored = everything(store, path)
    base = Where(as_of=query.as_of, as_of_by=query.as_of_by)
    rows = [r for r in stored if holds(r, path, base)]
    assert view.rows.tolist() == [r.row for r in rows]
    assert view.size == len(rows)
    assert view.occurred_at.tolist() == [r.occurred_at for r in rows]
    assert view.length.tolist() == [r.entry.length for r in rows]
    assert view.flags.tolist() == [r.entry.flags for r in rows]
    assert [view.roles[c] for c in view.role] == [r.role for r in rows]
    assert [view.kinds[c] for c in view.kind] == [r.kind for r in rows]
    assert [None if c < 0 else view.speakers[c] for c in view.speaker] == [r.speaker for r in rows]
    assert set(view.speakers) == {r.speaker for r in rows} - {None} or query.as_of is None
    same_groups(view.event.tolist(), [r.source for r in rows])
    same_groups(view.thread.tolist(), [(r.namespace, r.thread) for r in rows])
    sessions = [None if r.session is None else (r.namespace, r.session) for r in rows]
    assert [c < 0 for c in view.session] == [s is None for s in sessions]
    same_groups(view.session.tolist(), sessions)
    assert all(0 <= c < view.threads for c in view.thread)
    check_neighbours(view, stored, rows)
    check_words(view, rows)
    where = conditions(query)
    wanted = [r.row for r in stored if holds(r, query.scope, where)]
    seen = view.rows if view.allowed is None else view.rows[view.allowed]
    assert seen.tolist() == wanted


def same_groups(codes: list[int], names: list[Any]) -> None:
    assert len(set(codes)) == len(set(names)) == len(set(zip(codes, names, strict=True)))


def check_neighbours(view: View, stored: list[EntryRow], rows: list[EntryRow]) -> None:
    appeared: dict[str, int] = {}
    for r in stored:
        appeared.setdefault(r.source, r.row)
    threads: dict[Any, list[tuple[int, int, int]]] = {}
    for i, r in enumerate(rows):
        threads.setdefault((r.namespace, r.thread), []).append((appeared[r.source], r.row, i))
    previous, following = [-1] * len(rows), [-1] * len(rows)
    for members in threads.values():
        for (_, _, a), (_, _, b) in pairwise(sorted(members)):
            previous[b], following[a] = a, b
    assert view.previous.tolist() == previous
    assert view.following.tolist() == following


def check_words(view: View, rows: list[EntryRow]) -> None:
    held: dict[int, list[tuple[int, int]]] = {}
    frequency = [0] * len(view.piece_frequency)
    inverted: dict[int, list[int]] = {}
    for i, r in enumerate(rows):
        for term, count in zip(r.entry.terms.tolist(), r.entry.counts.tolist(), strict=True):
            held.setdefault(term, []).append((i, count))
        for piece in r.entry.pieces.tolist():
            frequency[piece] += 1
            inverted.setdefault(piece, []).append(i)
        assert view.pieces[view.offsets[i] : view.offsets[i + 1]].tolist() == r.entry.pieces.tolist()
    assert len(view.pieces) == view.offsets[-1]
    assert view.piece_frequency.tolist() == frequency
    for piece in range(len(frequency)):
        assert view.rows_with_pieces(np.array([piece]))[0].tolist() == inverted.get(piece, [])
    some = np.arange(len(frequency))[::-2]
    by_piece, places = view.rows_with_pieces(some)
    told = list(zip(by_piece.tolist(), places.tolist(), strict=True))
    assert sorted(told) == sorted(
        (row, at) for at, piece in enumerate(some) for row in inverted.get(piece, [])
    )
    order: dict[int, list[int]] = {}
    for row, at in told:
        order.setdefault(row, []).append(at)
    assert all(places_of == sorted(places_of) for places_of in order.values())
    spoken_of = [(i, term) for term, places in held.items() for i, count in places if count == 0]
    by_row, hashes = view.names()
    assert sorted(zip(by_row.tolist(), hashes.tolist(), strict=True)) == sorted(spoken_of)
    for term in {term_hash(t) for word in WORDS for t in terms(word)} | {0, 2**32 - 1}:
        found, counts = view.postings(term)
        assert list(zip(found.tolist(), counts.tolist(), strict=True)) == held.get(term, [])
        assert (found.dtype, counts.dtype) == (np.int32, np.float32)


def queries(world: World) -> list[Query]:
    """Every kind of question, over every path."""
    day = FIRST_DAY + timedelta(days=world.chance.randint(0, world.days + 1))
    out = []
    for path in PATHS:
        out += [
            Query("", Scope(path)),
            Query("", Scope(path, session="s1")),
            Query("", Scope(path, agent_id="a2", run_id="r1")),
            Query("", Scope(path, session="never")),
            Query("", Scope(path), since=FIRST_DAY, until=day, valid_at=day),
            Query("", Scope(path), as_of=day),
            Query("", Scope(path, session="s2"), as_of=day, since=FIRST_DAY),
            Query("", Scope(path), as_of=FIRST_DAY, as_of_by="occurred"),
        ]
    return out


#: Sizes at which the index does things another way, made so small that a test passes through all of them.
SMALL = {
    "arrays.TAIL_ROWS": 3,
    "arrays.TAIL_POSTINGS": 20,
    "shard.SEGMENT_ROWS": 16,
    "postings.SEGMENT_ROWS": 16,
    "postings.FEW_ROWS": 1,
    "keeping.FEW_GAPS": 1,
    "threads.FEW_GAPS": 1,
    "codes.MANY": 2,
    "codes.FRESH_MOST": 2,
    "growing.SPARE_LEAST": 0,
}


@pytest.fixture(params=["fake", "fake, small pieces", "sqlite"])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], World]]:
    opened: list[Store] = []
    if "small" in request.param:
        for place, value in SMALL.items():
            monkeypatch.setattr(f"engrams.index.{place}", value)

    def made(seed: int) -> World:
        store: Any = SqliteStore.open(":memory:") if request.param == "sqlite" else FakeStore()
        if request.param == "sqlite":
            opened.append(store)
        return World(store, NamespaceIndex(store, FakeTable()), seed)

    yield made
    for store in opened:
        store.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_warm_index_says_what_the_rows_say(make: Callable[[int], World], seed: int) -> None:
    world = make(seed)
    for _ in range(25):
        world.step()
        for query in world.chance.sample(queries(world), 6):
            check(world.store, query, world.index.view(query))


@pytest.mark.parametrize("seed", range(4, 6))
def test_a_cold_index_says_the_same_as_a_warm_one(make: Callable[[int], World], seed: int) -> None:
    world = make(seed)
    for _ in range(40):
        world.step()
        world.index.view(PLAIN[0])
    warm = [world.index.view(query) for query in PLAIN]
    world.index.forget()
    for query, before in zip(PLAIN, warm, strict=True):
        after = world.index.view(query)
        check(world.store, query, after)
        assert after.rows.tolist() == before.rows.tolist()
        assert after.previous.tolist() == before.previous.tolist()


@settings(max_examples=25)
@given(
    steps=st.lists(st.sampled_from(["add", "revise", "archive", "erase", "look"]), max_size=30),
    seed=st.integers(0, 99),
)
def test_no_order_of_events_confuses_it(steps: list[str], seed: int) -> None:
    store: Any = FakeStore()
    world = World(store, NamespaceIndex(store, FakeTable()), seed)
    for step in [*steps, "look"]:
        if step == "add":
            world.add("acme/bob", 2)
        elif step == "erase":
            world.erase()
        elif step == "look":
            for query in (Query("", Scope("acme/*")), Query("", Scope("acme/*"), as_of=world.now())):
                check(world.store, query, world.index.view(query))
        else:
            world.revise("archived" if step == "archive" else "active")


def test_filters_are_the_store_s(make: Callable[[int], World]) -> None:
    world = make(7)
    for _ in range(10):
        world.add("acme/bob", 3)
    world.revise()
    query = Query("", Scope("acme/bob", session="s1"), filters={"role": "user"}, until=FIRST_DAY)
    view = world.index.view(query)
    assert view.allowed is not None
    wanted = [
        r.row
        for r in everything(world.store, query.scope)
        if holds(r, query.scope, conditions(query)) and r.role == "user"
    ]
    assert wanted and view.rows[view.allowed].tolist() == wanted


def test_a_view_stays_as_it_was(make: Callable[[int], World]) -> None:
    world = make(8)
    for _ in range(5):
        world.add("acme/bob", 3)
    query = Query("", Scope("acme/bob"))
    before = world.index.view(query)
    kept = {
        name: np.array(getattr(before, name)) for name in ("rows", "following", "previous", "event", "thread")
    }
    term = term_hash(terms("apples")[0])
    postings = [a.tolist() for a in before.postings(term)]
    frequency, pieces = before.piece_frequency.tolist(), before.rows_with_pieces(np.array([3]))[0].tolist()
    for _ in range(10):
        world.add("acme/bob", 3)
        world.revise()
        world.erase()
        world.index.view(query)
    assert all((getattr(before, name) == values).all() for name, values in kept.items())
    assert [a.tolist() for a in before.postings(term)] == postings
    assert before.piece_frequency.tolist() == frequency
    assert before.rows_with_pieces(np.array([3]))[0].tolist() == pieces
    with pytest.raises(ValueError, match="read-only"):
        before.length[0] = 5


def test_the_last_version_counts_once(make: Callable[[int], World]) -> None:
    """A superseded version is in no statistics, and comes back for the day on which it stood."""
    world = make(9)
    world.add("acme/bob", 1)
    (first,) = [e for e in world.current.values() if e.kind == "passage"]
    world.current = {first.id: first}
    then = world.now()
    world.revise()
    now = world.index.view(Query("", Scope("acme/bob")))
    stored = everything(world.store, Scope("acme/bob"))
    closed = [r for r in stored if r.closed_at != OPEN_END]
    assert [r.engram_id for r in closed] == [first.id] and micros(world.now()) == closed[0].closed_at
    assert closed[0].row not in now.rows
    past = world.index.view(Query("", Scope("acme/bob"), as_of=then))
    assert closed[0].row in past.rows and max(r.row for r in stored) not in past.rows
