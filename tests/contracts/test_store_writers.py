"""What one writer made is told apart and goes alone; what each version was, and which call brought a receipt, is told."""

from __future__ import annotations

import pytest

from engrams.errors import BadSetting
from engrams.ports import Store
from tests.contracts.stores import HERE, NAMESPACE, add, commit_of, link, note, revise, said


def test_what_one_writer_made_is_dropped_with_all_that_lies_beside_it(store: Store) -> None:
    event, far = said("one"), said("far", "globex")
    [passage] = add(store, event)
    add(store, far, namespace="globex")
    theirs = note("theirs", (event.id,), recipe="other", recall_count=3)
    store.commit(commit_of(engrams=[theirs], links=(link(passage, theirs), link(passage, passage))))
    revise(store, theirs, content="changed")
    elsewhere = note("elsewhere", (far.id,), recipe="other", namespace="globex")
    store.commit(commit_of(engrams=[elsewhere], namespace="globex"))
    rows = {row.row for row in store.entries(HERE) if row.engram_id == "theirs"}
    before = store.mark(HERE)

    assert store.drop_engrams("other") == 3

    assert list(store.engrams(["theirs", "elsewhere", passage.id])) == [passage.id]
    assert store.versions("theirs") == []
    assert store.links([passage.id]) == [link(passage, passage)]
    assert store.derived_from([event.id]) == [passage.id]
    closings = store.closings(HERE, after=before.change)
    assert {(row, closed) for _, row, closed in closings} == {(row, None) for row in rows}
    assert store.drop_engrams("other") == 0
    assert store.check() == []
    store.commit(commit_of(engrams=[theirs]))  # the id is free again


def test_a_history_tells_each_version_and_the_text_before_it(store: Store) -> None:
    event = said("lives in Rome")
    [first] = add(store, event)
    fix = said("lives in Bern", kind="correction", target=first.id)
    store.commit(commit_of([fix]))
    second = revise(store, first, fix.id, content="lives in Bern", metadata={"sure": True})
    revise(store, second, content="lives in Bern", state="archived")
    for id in (first.id, event.id):  # of the engram, and of all that name the event
        told = [
            (
                r.version,
                r.change,
                r.content,
                r.previous,
                r.state,
                r.actor,
                r.reason,
                r.event_id,
                dict(r.metadata),
            )
            for r in store.versions(id)
        ]
        assert told == [
            (1, "ADD", "lives in Rome", None, "active", "tester", "", None, {}),
            (
                2,
                "UPDATE",
                "lives in Bern",
                "lives in Rome",
                "active",
                "tester",
                "because",
                fix.id,
                {"sure": True},
            ),
            (
                3,
                "UPDATE",
                "lives in Bern",
                "lives in Bern",
                "archived",
                "tester",
                "because",
                None,
                {"sure": True},
            ),
        ]


def test_a_receipt_is_found_by_its_key(store: Store) -> None:
    event = said("one")
    store.commit(commit_of([event], idempotency=("key", "digest")))
    found = store.first_receipt(NAMESPACE, "key", "digest")
    assert found is not None
    assert (found.event_ids, found.repeated) == ((event.id,), True)
    assert store.first_receipt(NAMESPACE, "another", "digest") is None
    assert store.first_receipt("acme/bob", "key", "digest") is None
    with pytest.raises(BadSetting, match="idempotency_key"):
        store.first_receipt(NAMESPACE, "key", "other")
    mark = store.mark()
    assert store.audit()[-1]["ids"] == [event.id]  # looking leaves no trace
    assert store.mark() == mark
