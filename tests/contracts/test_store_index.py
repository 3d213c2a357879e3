"""What the store gives the index: entries by row and by column, vectors, closings and marks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrams.ports import OPEN_END, Entry, EntryColumns, EntryRow, Store, Where
from engrams.records import Scope
from engrams.store.sqlite.cells import time_cell
from tests.contracts.stores import HERE, add, at, commit_of, entry, from_event, note, revise, said
from tests.contracts.test_store import Fresh

ALL = Where()


def same(one: Entry, other: Entry) -> bool:
    return (
        (one.length, one.flags, one.vectors.keys()) == (other.length, other.flags, other.vectors.keys())
        and all(np.array_equal(one.vectors[key], other.vectors[key]) for key in one.vectors)
        and all(
            np.array_equal(getattr(one, name), getattr(other, name))
            and getattr(one, name).dtype == getattr(other, name).dtype
            for name in ("terms", "counts", "pieces")
        )
    )


def test_an_entry_comes_back_with_its_columns(store: Store) -> None:
    event = said("x", session="s", agent_id="a", run_id="r", speaker="Ann", thread="t")
    passage = from_event(event, valid_from=at(-3), valid_to=at(3))
    kept = Entry(
        length=300,
        terms=np.array([0, 7, 2**32 - 1], np.uint32),
        counts=np.array([1, 44, 255], np.uint8),
        pieces=np.array([0, 2**16 - 1], np.uint16),
        flags=3,
        vectors={"model-a": np.array([0.6, -0.8], np.float32), "model-b": np.array([1.0], np.float32)},
    )
    store.commit(commit_of([event], [(passage, kept)]))
    [row] = store.entries(HERE)
    assert same(row.entry, kept)
    assert row == EntryRow(
        row=row.row,
        namespace="acme/alice",
        engram_id=passage.id,
        source=event.id,
        thread="t",
        session="s",
        agent_id="a",
        run_id="r",
        speaker="Ann",
        role="user",
        kind="passage",
        recipe="engrams",
        state="active",
        occurred_at=time_cell(event.occurred_at),
        recorded_at=time_cell(event.recorded_at),
        closed_at=OPEN_END,
        valid_from=time_cell(at(-3)),
        valid_to=time_cell(at(3)),
        entry=row.entry,
    )


def test_an_empty_entry_comes_back(store: Store) -> None:
    event = said("")
    store.commit(commit_of([event], [(from_event(event), entry((), ()))]))
    [row] = store.entries(HERE)
    assert (len(row.entry.terms), len(row.entry.counts), len(row.entry.pieces)) == (0, 0, 0)
    assert (row.valid_from, row.valid_to, row.entry.vectors) == (None, None, {})


entries = st.builds(
    lambda terms, pieces, flags, vector: Entry(
        length=len(terms),
        terms=np.array(sorted(terms), np.uint32),
        counts=np.ones(len(terms), np.uint8),
        pieces=np.array(sorted(pieces), np.uint16),
        flags=flags,
        vectors={"m": np.array(vector, np.float32)} if vector else {},
    ),
    st.sets(st.integers(0, 2**32 - 1), max_size=4),
    st.sets(st.integers(0, 2**16 - 1), max_size=4),
    st.integers(0, 3),
    st.one_of(st.none(), st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3)),
)


@given(st.lists(st.tuples(st.sampled_from(["acme/a", "acme/b"]), entries), max_size=12), st.integers(1, 5))
@settings(max_examples=25)
def test_columns_say_what_rows_say(fresh: Fresh, given_entries: list[tuple[str, Entry]], batch: int) -> None:
    with fresh() as store:
        for number, (namespace, kept) in enumerate(given_entries):
            event = said(str(number), namespace, session="\ud800" if number % 2 else None)
            store.commit(commit_of([event], [(from_event(event), kept)], namespace))
        for scope in (Scope("acme/a"), Scope("acme/*"), Scope("nobody")):
            rows = list(store.entries(scope))
            chosen = [kept for namespace, kept in given_entries if scope.covers(namespace)]
            assert all(same(row.entry, kept) for row, kept in zip(rows, chosen, strict=True))
            numbers = [row.row for row in rows]
            assert numbers == sorted(set(numbers))
            assert [row.row for row in store.entries(scope, limit=2)] == numbers[:2]
            if rows:
                assert [row.row for row in store.entries(scope, after=numbers[0])] == numbers[1:]
            whole = EntryColumns.of(rows)
            parts = list(store.entry_columns(scope, batch=batch))
            assert all(0 < len(part.rows) <= batch for part in parts)
            for name in EntryColumns.__dataclass_fields__:
                expected = getattr(whole, name)
                if isinstance(expected, np.ndarray):
                    found = np.concatenate([np.empty(0, expected.dtype), *(getattr(p, name) for p in parts)])
                    assert found.dtype == expected.dtype, name
                    assert np.array_equal(found, expected), name
                else:
                    assert [v for part in parts for v in getattr(part, name)] == list(expected), name
            held_rows, values = store.entry_vectors(scope, "m")
            assert held_rows.tolist() == [row.row for row in rows if row.entry.vectors]
            assert values.dtype == np.float32
            for row, value in zip(held_rows.tolist(), values, strict=True):
                [held] = [each.entry.vectors["m"] for each in rows if each.row == row]
                assert np.array_equal(held, value)
            assert len(store.entry_vectors(scope, "another model")[0]) == 0
            if len(held_rows):
                later, _ = store.entry_vectors(scope, "m", after=int(held_rows[0]))
                assert later.tolist() == held_rows[1:].tolist()


def test_the_first_event_is_found_through_other_engrams(store: Store) -> None:
    event = said()
    fact = note("fact", ("passage",))
    passage = from_event(event, id="passage")
    store.commit(commit_of([event], [passage, fact]))
    store.commit(commit_of(engrams=[note("later", ("fact",)), note("free", ())]))
    found = {row.engram_id: row.source for row in store.entries(HERE)}
    assert found == {"passage": event.id, "fact": event.id, "later": event.id, "free": "free"}


def test_a_mark_changes_with_every_write_and_with_nothing_else(store: Store) -> None:
    marks = [store.mark()]
    [passage] = add(store, said())
    marks.append(store.mark())
    changed = revise(store, passage, content="changed")
    marks.append(store.mark())
    assert store.mark() == marks[-1]
    store.touch([row.row for row in store.entries(HERE)], at(1))
    assert store.mark() == marks[-1]
    assert len(set(marks)) == 3
    assert [mark.row for mark in marks] == [0, 1, 2]
    assert [mark.change for mark in marks] == [0, 0, 1]
    first, second = store.entries(HERE)
    assert (first.closed_at, second.closed_at) == (time_cell(changed.recorded_at), OPEN_END)
    assert store.closings(HERE, after=0) == [(1, first.row, first.closed_at)]
    assert store.closings(HERE, after=1) == store.closings(Scope("acme/bob"), after=0) == []
    assert store.closings(Scope("acme/*"), after=0) == store.closings(HERE, after=0)


def test_writing_while_entries_are_read_is_no_problem(store: Store) -> None:
    for number in range(3):
        add(store, said(str(number)))
    reading = store.entries(HERE)
    assert next(reading).row == 1
    add(store, said("meanwhile"))
    assert [row.row for row in reading][:2] == [2, 3]


@pytest.mark.parametrize("limit", [0, -1])
def test_no_entries_are_asked_for(store: Store, limit: int) -> None:
    add(store, said())
    assert list(store.entries(HERE, limit=limit)) == []
