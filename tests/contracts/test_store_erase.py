"""Erase: nothing stays that only the erased events support, and nothing else goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrams.errors import BadSetting, NotFound, UsageError
from engrams.ports import OPEN_END, Revised, Store, Where
from engrams.records import Engram, Event, EventId, Row, Scope
from tests.contracts.stores import (
    HERE,
    NAMESPACE,
    add,
    at,
    commit_of,
    entry,
    erase,
    from_event,
    link,
    note,
    revise,
    said,
)

Fresh = Callable[[], AbstractContextManager[Store]]
ALL = Where()


def rows_of(store: Store) -> dict[str, Row]:
    return {row.engram_id: row.row for row in store.entries(HERE) if row.closed_at == OPEN_END}


def test_an_event_goes_with_all_that_only_it_supports(store: Store) -> None:
    gone, stays = said("gone"), said("stays")
    [passage, other] = add(store, gone, stays)
    fact = note("fact", (passage.id,), "from the passage")
    store.commit(
        commit_of(engrams=[fact], links=(link(passage, other), link(fact, other), link(other, other)))
    )
    rows = rows_of(store)
    mark = store.mark()

    deletion = erase(store, gone)

    assert deletion.events == (gone.id,)
    assert set(deletion.engrams) == {passage.id, "fact"}
    assert (deletion.links, deletion.state, len(deletion.digest)) == (2, "done", 64)
    assert store.events([gone.id, stays.id]) == {stays.id: stays}
    assert store.engrams([passage.id, "fact", other.id]) == {other.id: other}
    assert [event.content for _, event in store.journal(HERE, ALL)] == ["stays"]
    assert [row.engram_id for row in store.entries(HERE)] == [other.id]
    assert store.versions(gone.id) == store.versions("fact") == []
    assert store.derived_from([gone.id, passage.id]) == []
    assert store.links([passage.id, "fact"]) == []
    assert store.stats(None).links == 1
    assert store.mark().change > mark.change
    closings = store.closings(HERE, after=mark.change)
    assert {(row, closed) for _, row, closed in closings} == {(rows[passage.id], None), (rows["fact"], None)}
    assert store.check() == []


def test_what_rests_on_more_than_is_left_goes(store: Store) -> None:
    gone, stays = said("gone"), said("stays")
    [passage, _] = add(store, gone, stays)
    both = note("both", (gone.id, passage.id, stays.id))
    store.commit(commit_of(engrams=[both]))
    row, mark = rows_of(store)["both"], store.mark()

    deletion = erase(store, gone)

    assert "both" in deletion.engrams
    assert store.engrams(["both"]) == {}
    assert (row, None) in {(r, closed) for _, r, closed in store.closings(HERE, after=mark.change)}
    assert store.check() == []


def test_the_version_before_what_is_gone_came_in_stands_again(store: Store) -> None:
    stays, gone = said("stays"), said("gone")
    add(store, stays, gone)
    first = note("fact", (stays.id,), "lives in Bern")
    store.commit(commit_of(engrams=[first]))
    revise(store, first, sources=(stays.id, gone.id), content="lives in Bern, works in Thun")

    erase(store, gone)

    now = store.engrams(["fact"])["fact"]
    assert (now.version, now.content, now.sources) == (1, "lives in Bern", (stays.id,))
    assert store.check() == []


def test_an_engram_without_sources_is_nobodys_to_take(store: Store) -> None:
    event = said()
    store.commit(commit_of([event], [note("free", ())]))
    erase(store, event)
    assert list(store.engrams(["free"])) == ["free"]


def test_versions_and_what_people_said_go_too(store: Store) -> None:
    event = said("lives in Rome")
    [first] = add(store, event)
    fix = said("lives in Bern", kind="correction", target=first.id)
    store.commit(commit_of([fix]))
    second = revise(store, first, fix.id, content="lives in Bern", sources=(event.id, fix.id))
    revise(store, second, content="lives in Bern!", sources=(fix.id,))
    pin = said("", kind="pin", target=event.id)
    about_the_pin = said("?", kind="feedback", target=pin.id)
    store.commit(commit_of([pin, about_the_pin]))

    deletion = erase(store, event)

    assert set(deletion.events) == {event.id, fix.id, pin.id, about_the_pin.id}
    assert deletion.engrams == (first.id,)
    assert store.versions(first.id) == []
    assert store.journal(HERE, ALL, kinds=None) == []
    assert list(store.entries(HERE)) == []
    assert store.check() == []


def test_erasing_a_correction_brings_back_what_was_corrected(store: Store) -> None:
    event = said("lives in Rome")
    [first] = add(store, event)
    fix = said("lives in Bern", kind="correction", target=first.id)
    store.commit(commit_of([fix]))
    revise(store, first, fix.id, content="lives in Bern", sources=(event.id, fix.id))

    deletion = erase(store, fix)

    assert (deletion.events, deletion.engrams) == ((fix.id,), ())
    assert store.engrams([first.id]) == {first.id: first}
    assert [(r.version, r.content) for r in store.versions(first.id)] == [(1, "lives in Rome")]
    again = revise(store, first, content="lives in Zug")
    assert store.engrams([first.id]) == {first.id: again}
    assert store.check() == []


def test_a_version_that_a_later_event_brought_goes_and_the_earlier_stands(store: Store) -> None:
    one, two = said("one"), said("two")
    [first] = add(store, one)
    merged = Revised(note(first.id, (one.id, two.id), "one and two", version=2), entry(), "MERGE", "", two.id)
    store.commit(commit_of([two], revised=(merged,)))
    erase(store, two)
    assert store.engrams([first.id]) == {first.id: first}


def test_erase_knows_the_scope(store: Store) -> None:
    mine, theirs = said("mine", session="s"), said("theirs", namespace="acme/bob")
    add(store, mine)
    add(store, theirs, namespace="acme/bob")
    before = store.mark()
    for scope, events in [
        (HERE, (mine, theirs)),
        (Scope("acme"), (mine,)),
        (Scope("acme/alice/*"), (mine,)),
        (Scope(NAMESPACE, session="t"), (mine,)),
        (HERE, (said("never written"),)),
    ]:
        with pytest.raises(NotFound, match="nothing was erased"):
            erase(store, *events, scope=scope)
    assert store.mark() == before
    assert store.stats(None).events == 2
    assert set(erase(store, mine, theirs, scope=Scope("acme/*")).events) == {mine.id, theirs.id}
    assert store.stats(None).events == 0


def test_an_erased_event_does_not_come_back(store: Store) -> None:
    event = said("gone")
    once = commit_of([event], [from_event(event)], idempotency=("key", "digest"))
    store.commit(once)
    erase(store, event)
    assert store.commit(once).repeated
    assert store.commit(commit_of([said("other")], idempotency=("key", "another digest"))).repeated
    assert store.stats(None).events == 0
    with pytest.raises(UsageError, match="erased"):
        store.commit(commit_of([event]))
    with pytest.raises(NotFound):
        erase(store, event)


def test_the_digest_of_a_key_stays_while_another_event_of_it_stays(store: Store) -> None:
    kept, gone = said(), said()
    store.commit(commit_of([kept], idempotency=("kept", "d")))
    store.commit(commit_of([gone], idempotency=("gone", "d")))
    erase(store, gone)
    with pytest.raises(BadSetting):
        store.commit(commit_of(idempotency=("kept", "other")))


def test_the_audit_names_what_was_erased_without_its_text(store: Store) -> None:
    event = said("xylophone")
    add(store, event)
    deletion = erase(store, event)
    last = store.audit()[-1]
    assert (last["action"], last["ids"], last["actor"]) == ("erase", [event.id], "tester")
    assert deletion.digest in str(last["note"])
    assert "xylophone" not in str(store.audit())
    assert "asked to" not in str(store.audit())


def test_reset_leaves_nothing_and_goes_on(store: Store) -> None:
    event = said("gone")
    [passage] = add(store, event, idempotency=("key", "digest"))
    revise(store, passage, content="changed")
    fact = note("fact", (passage.id,), metadata={"a": 1})
    vectors = {"model": entry().terms.astype("float32")}
    store.commit(commit_of(engrams=[(fact, entry(vectors=vectors))], links=(link(fact, fact),)))
    mark = store.mark()

    store.reset()

    assert store.stats(None) == type(store.stats(None))(0, 0, 0, 0, 0, store.stats(None).bytes)
    assert store.namespaces() == []
    assert list(store.entries(HERE)) == []
    assert store.mark() != mark
    assert len(store.closings(HERE, after=mark.change)) == 3
    assert all(closed is None for _, _, closed in store.closings(HERE, after=mark.change))
    assert [row["action"] for row in store.audit()] == ["add", "add", "add", "reset"]
    assert store.check() == []
    add(store, event, idempotency=("key", "other"))  # also what was there before may be written again
    assert min(row.row for row in store.entries(HERE)) > mark.row


# --- any history


@dataclass
class History:
    """What a store should hold: every version by its engram, with what it rests on."""

    events: dict[str, Event] = field(default_factory=dict)
    versions: dict[str, list[tuple[int, tuple[str, ...]]]] = field(default_factory=dict)

    def without(self, gone: set[str]) -> dict[str, list[tuple[int, tuple[str, ...]]]]:
        """The definition, by plain repetition: drop versions that rest on what is gone, until none is left to drop."""
        left = {id: list(versions) for id, versions in self.versions.items()}
        lost = set(gone)
        while True:
            for id, versions in left.items():
                left[id] = [v for v in versions if lost.isdisjoint(v[1])]
            emptied = {id for id, versions in left.items() if not versions} - lost
            if not emptied:
                break
            lost |= emptied
        return {
            id: [(version, tuple(s for s in sources if s not in lost)) for version, sources in versions]
            for id, versions in left.items()
            if versions
        }


@given(st.data())
@settings(max_examples=25)
def test_any_history_is_erased_by_the_definition(fresh: Fresh, data: st.DataObject) -> None:
    with fresh() as store:
        history = History()
        events = [said(str(number)) for number in range(5)]
        store.commit(commit_of(events))
        history.events = {event.id: event for event in events}
        current: dict[str, Engram] = {}
        for number in range(data.draw(st.integers(1, 8))):
            known = [*history.events, *current]
            sources = tuple(data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True)))
            if current and data.draw(st.booleans()):
                engram = current[data.draw(st.sampled_from(sorted(current)))]
                sources = tuple(source for source in sources if source != engram.id)
                current[engram.id] = revise(store, engram, sources=sources, content=f"content {number}")
            else:
                engram = note(f"n{number}", sources, f"content {number}")
                store.commit(commit_of(engrams=[engram]))
                current[engram.id] = engram
            now = current[engram.id]
            history.versions.setdefault(now.id, []).append((now.version, sources))
        gone = data.draw(st.lists(st.sampled_from(sorted(history.events)), min_size=1, unique=True))

        deletion = store.erase(HERE, [EventId(id) for id in gone], actor="t", at=at(0), reason="")

        expected = history.without(set(gone))
        assert set(deletion.engrams) == history.versions.keys() - expected.keys()
        assert set(store.events(list(history.events))) == history.events.keys() - set(gone)
        found = {id: [r.version for r in store.versions(id)] for id in history.versions}
        assert {id: versions for id, versions in found.items() if versions} == {
            id: [version for version, _ in versions] for id, versions in expected.items()
        }
        now_current = store.engrams(list(history.versions))
        assert {id: engram.sources for id, engram in now_current.items()} == {
            id: versions[-1][1] for id, versions in expected.items()
        }
        assert store.check() == []
