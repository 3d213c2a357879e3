"""The store port: what is committed is what is read, all of it or nothing, inside the scope that was named."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrams.errors import BadSetting, Busy, EngramsError, NotFound, UsageError
from engrams.ports import Revised, Store, Where
from engrams.records import (
    Attachment,
    EngramId,
    Event,
    EventId,
    Link,
    Payload,
    Receipt,
    Row,
    Scope,
    new_event_id,
)
from tests.contracts.stores import (
    HERE,
    NAMESPACE,
    add,
    at,
    commit_of,
    entry,
    from_event,
    link,
    note,
    revise,
    said,
)

Fresh = Callable[[], AbstractContextManager[Store]]
ALL = Where()

# Any text Python can hold, lone surrogates and NUL included.
any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
some_text = st.one_of(
    any_text, st.sampled_from(["", "\0", "a\0b", "\ud800", "\ud83d\ude00", "😀", "שלום", "' or 1=1 --"])
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | some_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(some_text, inner, max_size=3),
    max_leaves=8,
)
times = st.datetimes(timezones=st.just(UTC))
optional = st.none() | some_text
attachments = st.builds(
    Attachment, some_text, optional, optional, optional, optional, st.none() | st.integers(0, 2**60)
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    return Event(
        id=new_event_id(),
        namespace=draw(st.sampled_from(["acme/alice", "acme/bob", "acmex", "ünï/コード"])),
        content=draw(some_text),
        role=draw(some_text),
        occurred_at=draw(times),
        recorded_at=draw(times),
        speaker=draw(optional),
        session=draw(optional),
        agent_id=draw(optional),
        run_id=draw(optional),
        metadata=draw(st.dictionaries(some_text, json_values, max_size=3)),
        attachments=tuple(draw(st.lists(attachments, max_size=2))),
        source=draw(optional),
        thread=draw(some_text),
    )


@given(st.lists(events(), min_size=1, max_size=6))
@settings(max_examples=25)
def test_what_is_committed_is_read_back_equal_and_in_order(fresh: Fresh, given_events: list[Event]) -> None:
    with fresh() as store:
        for event in given_events:
            passage = from_event(event, keys=(event.content,) if event.content else ())
            store.commit(commit_of([event], [passage], event.namespace))
            assert store.engrams([passage.id]) == {passage.id: passage}
        assert store.events([event.id for event in given_events]) == {e.id: e for e in given_events}
        for namespace in {event.namespace for event in given_events}:
            journal = store.journal(Scope(namespace), ALL)
            assert [event for _, event in journal] == [e for e in given_events if e.namespace == namespace]
            assert [g.content for _, g in store.list_engrams(Scope(namespace), ALL)] == [
                e.content for _, e in journal
            ]
        assert store.namespaces() == sorted({event.namespace for event in given_events})
        assert store.check() == []


def test_every_field_of_an_engram_comes_back(store: Store) -> None:
    event = said("born in Bern")
    digest = store.payloads.put(NAMESPACE, [b"twelve bytes"])
    full = note(
        "n1",
        (event.id, "n0"),
        keys=("born", "Bern"),
        payload=Payload(digest, 12, "application/octet-stream"),
        valid_from=at(-5),
        valid_to=at(99),
        state="archived",
        strength=0.25,
        recall_count=3,
        last_recalled_at=at(7),
        confidence=0.5,
        pinned=True,
        role="user",
        speaker="Ann",
        session="s",
        agent_id="a",
        run_id="r",
        thread="t",
        metadata={"nested": {"list": [1, 2.5, None, True, "x"]}, "big": 10**40},
    )
    store.commit(commit_of([event], [full]))
    assert store.engrams(["n1", "n2"]) == {"n1": full}
    [row] = store.matching(HERE, Where(states=("archived",))).tolist()
    assert store.engrams_at([row, Row(row + 1), row]) == [full, full]


def test_metadata_is_a_plain_mapping_of_the_readers_own(store: Store) -> None:
    event = said(metadata={"a": [1]})
    add(store, event)
    store.events([event.id])[event.id].metadata["a"].append(2)
    assert store.events([event.id])[event.id].metadata == {"a": [1]}
    assert type(store.events([event.id])[event.id].metadata) is dict


@pytest.mark.parametrize(
    "metadata",
    [
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": (1, 2)},
        {1: "x"},
        {"x": {2: "y"}},
        {"x": object()},
        {"x": b"bytes"},
        {"x": 10**5000},
        {"x": {1, 2}},
    ],
)
def test_metadata_that_could_not_come_back_is_refused_and_nothing_is_written(
    store: Store, metadata: dict[Any, Any]
) -> None:
    before = store.mark()
    with pytest.raises(BadSetting, match=r"metadata .*expected JSON"):
        add(store, said(), said(metadata=metadata))
    assert store.stats(None).events == 0
    assert store.mark() == before


def test_deep_metadata_comes_back_or_is_refused(store: Store) -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    event = said(metadata={"deep": deep})
    add(store, event)
    assert store.events([event.id])[event.id].metadata == {"deep": deep}
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadSetting, match="metadata"):
        add(store, said(metadata={"deep": deep}))


@pytest.mark.parametrize("namespace", ["", "acme/*", "a\0b", "a\ud800"])
def test_a_namespace_that_nobody_could_name_is_refused(store: Store, namespace: str) -> None:
    with pytest.raises(BadSetting, match="namespace"):
        add(store, said(namespace=namespace), namespace=namespace)
    assert store.namespaces() == []


def test_naive_times_are_refused(store: Store) -> None:
    with pytest.raises(BadSetting, match="aware"):
        add(store, said(occurred_at=datetime(2024, 1, 1)))
    assert store.stats(None).events == 0


def test_times_of_other_zones_are_the_same_instant(store: Store) -> None:
    event = said(occurred_at=datetime(2024, 7, 1, 14, tzinfo=ZoneInfo("Europe/Zurich")))
    add(store, event)
    back = store.events([event.id])[event.id]
    assert back.occurred_at == datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert back.occurred_at.tzinfo is UTC


# --- all or nothing


def test_a_commit_that_fails_leaves_nothing(store: Store) -> None:
    first = said("first")
    [passage] = add(store, first)
    before = (store.mark(), store.stats(None).events, len(store.audit()))
    event = said("second")
    wrong: list[tuple[type[EngramsError], Any]] = [
        (UsageError, commit_of([event, first], [from_event(event)])),
        (UsageError, commit_of([event, event])),
        (UsageError, commit_of([event], [from_event(event), from_event(event)])),
        (UsageError, commit_of([event], [from_event(event, version=2)])),
        (Busy, commit_of([event], [passage])),
        (Busy, commit_of([event], revised=(Revised(replace(passage, version=3), entry(), "UPDATE", ""),))),
        (Busy, commit_of([event], revised=(Revised(passage, entry(), "UPDATE", ""),))),
        (
            NotFound,
            commit_of([event], revised=(Revised(replace(passage, id=EngramId("?")), entry(), "UPDATE", ""),)),
        ),
        (NotFound, commit_of([event], links=(Link(passage.id, EngramId("?"), "next", 1.0, "engrams"),))),
        (BadSetting, commit_of([event], [note("", (event.id,))])),
        (BadSetting, commit_of([event], [note("n\ud800", (event.id,))])),
        (BadSetting, commit_of([event], [note("n", (event.id, "\ud800"))])),
    ]
    for error, commit in wrong:
        with pytest.raises(error):
            store.commit(commit)
        assert (store.mark(), store.stats(None).events, len(store.audit())) == before
        assert store.events([event.id]) == {}
    assert store.check() == []


def test_a_repeated_key_writes_nothing_and_answers_the_same(store: Store) -> None:
    event = said()
    once = commit_of([event], [from_event(event)], idempotency=("key\ud800", "d1"))
    receipt = store.commit(once)
    assert receipt == once.receipt
    again = said()
    repeated = store.commit(commit_of([again], [from_event(again)], idempotency=("key\ud800", "d1")))
    assert repeated == replace(receipt, repeated=True)
    assert store.stats(None).events == 1
    with pytest.raises(BadSetting, match="idempotency_key"):
        store.commit(commit_of([again], idempotency=("key\ud800", "d2")))
    other = said(namespace="acme/bob")
    assert not store.commit(
        commit_of([other], namespace="acme/bob", idempotency=("key\ud800", "d2"))
    ).repeated
    assert store.stats(None).events == 2


def test_an_empty_commit_is_audited_and_nothing_else(store: Store) -> None:
    assert store.commit(commit_of()) == Receipt("acme/alice", ())
    assert [row["action"] for row in store.audit()] == ["add"]
    assert store.stats(None).events == 0


# --- scopes, pages, conditions


PATHS = ("acme", "acme/alice", "acme/alice/notes", "acme/bob", "acme0", "acmex", "acme-", "Acme/alice")


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("acme", {"acme"}),
        ("acme/alice", {"acme/alice"}),
        ("acme/*", {"acme/alice", "acme/alice/notes", "acme/bob"}),
        ("acme/alice/*", {"acme/alice/notes"}),
        ("acm/*", set()),
        ("nobody", set()),
        ("acme/alic", set()),
        ("acme/%", set()),
    ],
)
def test_a_path_shows_itself_or_what_lies_below(store: Store, path: str, seen: set[str]) -> None:
    for namespace in PATHS:
        add(store, said(namespace, namespace), namespace=namespace)
    scope = Scope(path)
    assert {event.namespace for _, event in store.journal(scope, ALL)} == seen
    assert {engram.namespace for _, engram in store.list_engrams(scope, ALL)} == seen
    rows = [Row(row) for row in store.matching(scope, ALL).tolist()]
    assert {engram.namespace for engram in store.engrams_at(rows)} == seen
    assert {row.namespace for row in store.entries(scope)} == seen
    stats = store.stats(scope)
    assert (stats.events, stats.engrams, stats.namespaces) == (len(seen), len(seen), len(seen))


@pytest.mark.parametrize("path", ["", "*", "/*", "a\ud800/*"])
def test_a_scope_that_can_name_nothing_is_refused_or_empty(store: Store, path: str) -> None:
    add(store, said())
    try:
        assert store.journal(Scope(path), ALL) == []
    except BadSetting as error:
        assert "namespace" in str(error)


def test_the_other_fields_of_a_scope_filter(store: Store) -> None:
    one = said("one", agent_id="a", run_id="r1", session="s")
    two = said("two", agent_id="a", run_id="r2")
    add(store, one, two)
    for scope, expected in [
        (Scope("acme/alice", agent_id="a"), ["one", "two"]),
        (Scope("acme/alice", agent_id="a", run_id="r2"), ["two"]),
        (Scope("acme/alice", session="s"), ["one"]),
        (Scope("acme/alice", agent_id="b"), []),
    ]:
        assert [event.content for _, event in store.journal(scope, ALL)] == expected
        assert [engram.content for _, engram in store.list_engrams(scope, ALL)] == expected
        assert store.stats(scope).events == len(expected)


def test_the_journal_comes_in_pages_both_ways(store: Store) -> None:
    made = [said(str(number)) for number in range(7)]
    for event in made:
        add(store, event)
        add(store, said(namespace="acme/bob"), namespace="acme/bob")

    def pages(newest_first: bool) -> list[str]:
        found, after = [], 0
        while page := store.journal(HERE, ALL, after=after, limit=3, newest_first=newest_first):
            assert len(page) <= 3
            found += [event.content for _, event in page]
            after = page[-1][0]
        return found

    assert pages(False) == [event.content for event in made]
    assert pages(True) == [event.content for event in made][::-1]
    numbers = [number for number, _ in store.journal(Scope("acme/*"), ALL)]
    assert numbers == sorted(numbers)
    assert len(numbers) == 14
    assert store.journal(HERE, ALL, limit=0) == []


def test_equal_times_keep_the_order_given(store: Store) -> None:
    same = [said(str(number), occurred_at=at(0), recorded_at=at(0)) for number in range(20)]
    add(store, *same)
    assert [event.content for _, event in store.journal(HERE, ALL)] == [str(n) for n in range(20)]
    assert [engram.content for _, engram in store.list_engrams(HERE, ALL)] == [str(n) for n in range(20)]


def test_engrams_come_in_pages(store: Store) -> None:
    add(store, *(said(str(number)) for number in range(5)))
    first = store.list_engrams(HERE, ALL, limit=3)
    rest = store.list_engrams(HERE, ALL, after=first[-1][0], limit=3)
    assert [engram.content for _, engram in first + rest] == ["0", "1", "2", "3", "4"]


def test_kinds_of_events_are_chosen(store: Store) -> None:
    event = said("said")
    [passage] = add(store, event)
    fix = said("fixed", kind="correction", target=passage.id)
    pin = said("", kind="pin", target=event.id)
    store.commit(commit_of([fix, pin]))
    assert [e.id for _, e in store.journal(HERE, ALL)] == [event.id]
    assert [e.id for _, e in store.journal(HERE, ALL, kinds=None)] == [event.id, fix.id, pin.id]
    assert [e.id for _, e in store.journal(HERE, ALL, kinds=("pin",))] == [pin.id]
    assert store.about([passage.id, event.id, "?"]) == {passage.id: [fix], event.id: [pin]}


def test_times_bound_what_is_found(store: Store) -> None:
    made = [said(str(day), occurred_at=at(day), recorded_at=at(100 + day)) for day in range(5)]
    add(store, *made)

    def found(**where: Any) -> list[str]:
        events = [event.content for _, event in store.journal(HERE, Where(**where))]
        assert [engram.content for _, engram in store.list_engrams(HERE, Where(**where))] == events
        return events

    assert found(since=at(3)) == ["3", "4"]
    assert found(until=at(1)) == ["0", "1"]
    assert found(since=at(1), until=at(2)) == ["1", "2"]
    assert found(as_of=at(102)) == ["0", "1", "2"]
    assert found(as_of=at(2), as_of_by="occurred") == ["0", "1", "2"]
    assert found(as_of=at(99)) == []


def test_versions_are_seen_as_they_stood(store: Store) -> None:
    event = said("lives in Rome", occurred_at=at(0), recorded_at=at(1000))
    [first] = add(store, event)
    second = revise(store, first, content="lives in Bern", recorded_at=at(2000))
    third = revise(store, second, content="", state="superseded", recorded_at=at(3000))

    def believed(**where: Any) -> list[str]:
        return [engram.content for _, engram in store.list_engrams(HERE, Where(**where))]

    instant = timedelta(microseconds=1)
    assert believed(as_of=at(1000) - instant) == []
    assert believed(as_of=at(1000)) == ["lives in Rome"]
    assert believed(as_of=at(2000) - instant) == ["lives in Rome"]
    assert believed(as_of=at(2000)) == ["lives in Bern"]
    assert believed(as_of=at(3000)) == []
    assert believed() == []
    assert believed(states=("superseded",)) == [""]
    assert believed(states=("active", "superseded"), as_of=at(3000)) == [""]
    assert believed(states=()) == []
    assert believed(as_of=at(500), as_of_by="occurred", states=("superseded",)) == [""]
    assert store.engrams([first.id]) == {first.id: third}
    history = store.versions(first.id)
    assert [(r.version, r.content, r.previous, r.change) for r in history] == [
        (1, "lives in Rome", None, "ADD"),
        (2, "lives in Bern", "lives in Rome", "UPDATE"),
        (3, "", "lives in Bern", "UPDATE"),
    ]
    assert [(r.actor, r.reason) for r in history] == [
        ("tester", ""),
        ("tester", "because"),
        ("tester", "because"),
    ]
    assert [r.at for r in history] == [at(1000), at(2000), at(3000)]
    assert store.versions(event.id) == history
    assert store.versions("?") == []


def test_a_clock_that_goes_back_hides_nothing_that_is_current(store: Store) -> None:
    [first] = add(store, said("one", recorded_at=at(1000)))
    second = revise(store, first, content="two", recorded_at=at(500))
    assert [g.content for _, g in store.list_engrams(HERE, ALL)] == ["two"]
    assert [g.content for _, g in store.list_engrams(HERE, Where(as_of=at(2000)))] == ["two"]
    assert store.engrams([first.id]) == {first.id: second}


def test_validity_has_a_first_and_no_last_instant(store: Store) -> None:
    store.commit(
        commit_of(
            engrams=[
                note("always", ()),
                note("from", (), valid_from=at(10)),
                note("to", (), valid_to=at(20)),
                note("both", (), valid_from=at(10), valid_to=at(20)),
            ]
        )
    )

    def true_at(minute: int) -> set[str]:
        return {engram.id for _, engram in store.list_engrams(HERE, Where(valid_at=at(minute)))}

    assert true_at(9) == {"always", "to"}
    assert true_at(10) == {"always", "from", "to", "both"}
    assert true_at(20) == {"always", "from"}


def test_kinds_of_engrams_are_chosen(store: Store) -> None:
    event = said()
    store.commit(commit_of([event], [from_event(event), note("n", (event.id,))]))
    assert {g.kind for _, g in store.list_engrams(HERE, Where(kinds=("note",)))} == {"note"}
    assert len(store.matching(HERE, Where(kinds=()))) == 0
    assert store.stats(HERE).kinds == {"passage": 1, "note": 1}


# --- relations


def test_sources_and_links_are_found_from_both_ends(store: Store) -> None:
    one, two = said("one"), said("two")
    [first, second] = add(store, one, two)
    both = note("both", (two.id, one.id, first.id))
    store.commit(commit_of(engrams=[both], links=(link(first, second), link(second, both, 0.5))))
    assert store.engrams(["both"])["both"].sources == (two.id, one.id, first.id)
    assert set(store.derived_from([one.id])) == {first.id, "both"}
    assert store.derived_from([first.id]) == ["both"]
    assert store.derived_from(["?"]) == []
    assert store.links([first.id]) == [link(first, second)]
    assert set(store.links([second.id, first.id])) == {link(first, second), link(second, both, 0.5)}
    store.commit(commit_of(links=(link(first, second, 0.75),)))
    assert store.links([first.id]) == [link(first, second, 0.75)]
    assert store.stats(HERE).links == 2


def test_links_come_in_the_order_in_which_what_they_join_was_written(store: Store) -> None:
    event = said()
    notes = [note(id, (event.id,)) for id in ("m", "z", "a", "k", "b")]  # the order of their ids is another
    m, z, a, k, b = notes
    store.commit(commit_of([event], notes))
    revise(store, m, content="rewritten")  # a later row, and as old as before
    joined = [link(b, a), link(k, a), link(a, z), link(m, a)]
    store.commit(commit_of(links=tuple(joined)))
    assert store.links(["a"]) == [link(m, a), link(a, z), link(k, a), link(b, a)]
    assert store.links(["b", "k", "m", "z"]) == store.links(["a"])


def test_what_carries_a_payload_is_found_by_its_sources(store: Store) -> None:
    one, two = said("one"), said("two")
    block = replace(
        note("block", (two.id, one.id)),
        kind="kv-block",
        payload=Payload(store.payloads.put(NAMESPACE, [b"abc"]), 3, "x/y"),
    )
    store.commit(commit_of([one, two], [note("n", (one.id,)), block]))
    assert store.derived_from([one.id]) == ["n", "block"]
    assert store.derived_from([one.id], with_payload=True) == ["block"]
    assert store.derived_from([two.id, one.id], with_payload=True) == ["block"]
    revise(store, block, payload=None)
    assert store.derived_from([one.id], with_payload=True) == []


def test_a_recall_is_counted_and_unknown_rows_are_left_out(store: Store) -> None:
    [passage] = add(store, said())
    [row] = store.matching(HERE, ALL).tolist()
    before = store.mark()
    store.touch([row], at(5))
    store.touch([row, Row(row + 99)], at(3))
    touched = store.engrams([passage.id])[passage.id]
    assert (touched.recall_count, touched.last_recalled_at) == (2, at(5))
    assert store.mark() == before


def test_where_events_came_from_is_known_per_namespace(store: Store) -> None:
    add(store, said(source="chat.json#1"), said(source="chat\ud800"), said())
    add(store, said(namespace="acme/bob", source="chat.json#2"), namespace="acme/bob")
    asked = ["chat.json#1", "chat.json#2", "chat\ud800", "?"]
    assert store.known_sources("acme/alice", asked) == {"chat.json#1", "chat\ud800"}
    assert store.known_sources("nobody", asked) == set()


def test_many_ids_at_once(store: Store) -> None:
    made = [said(str(number)) for number in range(2_500)]
    passages = add(store, *made)
    asked = [event.id for event in reversed(made)]
    assert list(store.events(asked)) == asked
    assert len(store.engrams([p.id for p in passages])) == 2_500
    rows = [Row(row) for row in store.matching(HERE, ALL).tolist()]
    assert [g.content for g in store.engrams_at(rows[::-1])] == [e.content for e in reversed(made)]
    assert len(store.derived_from(asked)) == 2_500


# --- statistics, audit, several threads


def test_counts(store: Store) -> None:
    assert store.stats(None) == replace(
        store.stats(None), events=0, engrams=0, links=0, first=None, last=None
    )
    add(store, said(occurred_at=at(5), session="a"), said(occurred_at=at(1), session="b"))
    add(store, said(namespace="acme/bob", occurred_at=at(9), session="a"), namespace="acme/bob")
    everything, here = store.stats(None), store.stats(HERE)
    assert (everything.events, everything.engrams, everything.namespaces, everything.sessions) == (3, 3, 2, 3)
    assert (here.events, here.sessions, here.first, here.last) == (2, 2, at(1), at(5))
    assert (everything.bytes == 0) == (store.location == ":memory:")


def test_the_audit_says_who_did_what_and_holds_no_text(store: Store) -> None:
    event = said("a secret that must not be in the audit")
    add(store, event)
    store.commit(replace(commit_of(), actor="ann\ud800", action="pin"))
    first, second = store.audit()
    assert (first["seq"], first["actor"], first["action"], first["namespace"]) == (
        1,
        "tester",
        "add",
        "acme/alice",
    )
    assert first["ids"] == [event.id]
    assert (second["seq"], second["actor"], second["action"]) == (2, "ann\ud800", "pin")
    assert datetime.fromisoformat(str(second["at"])) > datetime.fromisoformat(str(first["at"]))
    assert store.audit(after=1) == [second]
    assert store.audit(limit=1) == [first]
    assert "secret" not in str(store.audit())


def test_many_threads_write_and_read_at_once(store: Store) -> None:
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(8):
                event = said(f"{number}-{turn}")
                add(store, event)
                assert store.events([event.id])[event.id] == event
                assert len(list(store.entries(HERE))) >= turn + 1
        except (EngramsError, AssertionError, KeyError) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    texts = [event.content for _, event in store.journal(HERE, ALL)]
    assert sorted(texts) == sorted(f"{number}-{turn}" for number in range(6) for turn in range(8))
    for number in range(6):
        assert [text for text in texts if text.startswith(f"{number}-")] == [
            f"{number}-{t}" for t in range(8)
        ]
    assert store.check() == []


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(EngramsError, match="closed"):
        store.stats(None)
    with pytest.raises(EngramsError, match="closed"):
        add(store, said())


def test_unknown_ids_are_absent(store: Store) -> None:
    assert store.events(["?", EventId("")]) == {}
    assert store.engrams(["?"]) == {}
    assert store.engrams_at([Row(5)]) == []
    assert store.links(["?"]) == []
    assert store.about(["?"]) == {}
