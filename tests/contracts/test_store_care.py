"""What upkeep rests on: settings by their beginning, erases that finish, versions brought back from elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engrams.errors import Busy
from engrams.ports import Revised, Store
from tests.contracts.stores import HERE, add, at, commit_of, entry, erase, from_event, said


def test_settings_are_found_by_their_beginning(store: Store) -> None:
    for key in ("key:b", "key:a", "keys", "quota:x", "ke"):
        store.set_setting(key, f"value of {key}")
    assert store.settings("key:") == {"key:a": "value of key:a", "key:b": "value of key:b"}
    assert list(store.settings("key:")) == ["key:a", "key:b"]
    assert store.settings("key:%") == store.settings("k_y") == {}
    assert list(store.settings("")) == ["ke", "key:a", "key:b", "keys", "quota:x"]


def test_an_erase_leaves_nothing_to_finish_where_nobody_reads(store: Store) -> None:
    event = said("gone")
    add(store, event)
    assert erase(store, event).state == "done"
    assert store.settings("erase:") == {}
    assert store.finish_erasing()


def test_versions_from_elsewhere_may_begin_anywhere_and_have_gaps(store: Store) -> None:
    event = said("told")
    store.commit(commit_of([event]))
    first = replace(from_event(event), version=2, content="two")
    later = replace(first, version=5, content="five", recorded_at=at(100_000))

    def back(*engrams: object) -> None:
        revised = tuple(Revised(e, entry(), "UPDATE", "why", None) for e in engrams)  # type: ignore[arg-type]
        store.commit(replace(commit_of(revised=revised), replayed=True))

    back(first)
    assert store.engrams([first.id])[first.id] == first
    back(later)
    assert store.engrams([first.id])[first.id] == later
    assert [(r.version, r.content, r.change, r.reason) for r in store.versions(first.id)] == [
        (2, "two", "UPDATE", "why"),
        (5, "five", "UPDATE", "why"),
    ]
    with pytest.raises(Busy):
        back(replace(later, version=5))
    with pytest.raises(Busy):  # outside a replay, the next version is the next
        revised = (Revised(replace(later, version=7), entry(), "UPDATE", "", None),)
        store.commit(commit_of(revised=revised))
    assert store.check() == []
    assert len(list(store.entries(HERE))) == 2
