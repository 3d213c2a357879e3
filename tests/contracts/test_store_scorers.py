"""What was learnt from events, on every store: an erase takes each version that rests on one, and all after it."""

from __future__ import annotations

from dataclasses import replace

from engrams.ports import Store
from engrams.records import SCORER, Engram, Event, derived_id
from tests.contracts.stores import commit_of, erase, from_event, revise, said


def taught(store: Store, sayings: list[Event]) -> Engram:
    """A scorer with a version for each event, whose content is how many taught it."""
    store.commit(commit_of(sayings))
    first = from_event(sayings[0], kind=SCORER, recipe="feedback", content="1")
    scorer = replace(first, id=derived_id("feedback", SCORER, ("acme/alice",)))
    store.commit(commit_of((), (scorer,)))
    for number, event in enumerate(sayings[1:], 2):
        scorer = revise(store, scorer, event.id, content=str(number), sources=(event.id,))
    return scorer


def contents(store: Store, scorer: Engram) -> list[str]:
    return [revision.content for revision in store.versions(scorer.id)]


def test_a_version_goes_with_all_that_were_learnt_after_it(store: Store) -> None:
    sayings = [said(f"verdict {n}") for n in range(4)]
    scorer = taught(store, sayings)
    erase(store, sayings[2])
    assert contents(store, scorer) == ["1", "2"]
    assert store.engrams([scorer.id])[scorer.id].content == "2"


def test_a_version_that_rests_on_several_goes_with_any_of_them(store: Store) -> None:
    sayings = [said(f"verdict {n}") for n in range(3)]
    scorer = taught(store, sayings[:1])
    store.commit(commit_of(sayings[1:]))
    revise(store, scorer, sayings[2].id, content="all", sources=tuple(e.id for e in sayings))
    erase(store, sayings[1])
    assert contents(store, scorer) == ["1"]


def test_a_scorer_goes_with_its_first_event(store: Store) -> None:
    sayings = [said(f"verdict {n}") for n in range(2)]
    scorer = taught(store, sayings)
    assert scorer.id in erase(store, sayings[0]).engrams
    assert contents(store, scorer) == []


def test_a_scorer_is_not_asked_for_a_vector(store: Store) -> None:
    scorer = taught(store, [said("verdict")])
    assert scorer.id not in {engram.id for _, engram in store.without_vector("letters")}
