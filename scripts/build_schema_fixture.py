#!/usr/bin/env python3
"""Writes tests/fixtures/schema-N.db: a small memory of the present schema, kept for every later version to open.

Run once per released schema; a released file is never written again. What lies in it is checked by
tests/contracts/test_released_schemas.py.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from engrams.ports import Commit, Entry, Revised
from engrams.records import Attachment, Engram, EngramId, Event, EventId, Link, Receipt, Scope
from engrams.store.sqlite import SqliteStore
from engrams.store.sqlite.schema import CURRENT

START = datetime(2024, 3, 1, 9, tzinfo=UTC)
ALICE, BOB = "acme/alice", "acme/bob"


def at(hours: int) -> datetime:
    return START + timedelta(hours=hours)


def said(number: int, namespace: str, content: str, **fields: object) -> Event:
    known = {
        "role": "user",
        "occurred_at": at(number),
        "recorded_at": at(number + 100),
        "thread": "s1",
        **fields,
    }
    return Event(id=EventId(f"event-{number}"), namespace=namespace, content=content, **known)  # type: ignore[arg-type]


def passage(event: Event) -> tuple[Engram, Entry]:
    engram = Engram(
        id=EngramId(event.id.replace("event", "passage")),
        namespace=event.namespace,
        recipe="engrams",
        kind="passage",
        content=event.content,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        sources=(event.id,),
        role=event.role,
        speaker=event.speaker,
        session=event.session,
        thread=event.thread,
        metadata=event.metadata,
    )
    return engram, entry(event.content)


def entry(text: str) -> Entry:
    terms = np.array(sorted({sum(map(ord, word)) for word in text.split()}), np.uint32)
    vector = np.array([0.6, 0.8], np.float32)
    return Entry(
        len(terms), terms, np.ones(len(terms), np.uint8), np.array([7, 9], np.uint16), 1, {"model": vector}
    )


def commit(store: SqliteStore, events: tuple[Event, ...], **fields: object) -> None:
    namespace = events[0].namespace if events else ALICE
    receipt = Receipt(namespace, tuple(event.id for event in events))
    engrams = tuple(passage(event) for event in events if event.kind == "message")
    change = Commit(receipt, "fixture", "add", at(200), events, engrams, **fields)  # type: ignore[arg-type]
    store.commit(change)


def fill(store: SqliteStore) -> None:
    one = said(
        1, ALICE, "I moved to Bern last week.", speaker="Ann", session="s1", metadata={"tags": ["home", 1]}
    )
    two = said(
        2, ALICE, "Bern is on the Aare. 🏔", speaker="Ann", attachments=(Attachment("image", "aare.jpg"),)
    )
    half = said(3, ALICE, "half an emoji: \ud83d", source="chat.json#3")
    gone = said(4, ALICE, "xylophone")
    bob = said(5, BOB, "I like tea.", speaker="Bob", agent_id="a", run_id="r")
    commit(store, (one, two), idempotency=("key-1", "digest-1"))
    commit(store, (half, gone))
    commit(store, (bob,))
    first, _ = passage(one)
    fix = said(6, ALICE, "I moved to Biel last week.", kind="correction", target=first.id)
    changed = replace(first, version=2, content=fix.content, sources=(one.id, fix.id), recorded_at=at(300))
    second, _ = passage(two)
    commit(
        store,
        (fix,),
        revised=(Revised(changed, entry(changed.content), "UPDATE", "misheard", fix.id),),
        links=(Link(first.id, second.id, "next", 0.5, "engrams"),),
    )
    store.touch([row.row for row in store.entries(Scope(BOB))], at(400))
    store.erase(Scope(ALICE), [gone.id], actor="fixture", at=at(500), reason="asked to")


def main() -> None:
    target = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / f"schema-{CURRENT}.db"
    if target.exists():
        sys.exit(f"{target.name} exists; a released schema is never written again")
    target.parent.mkdir(exist_ok=True)
    store = SqliteStore.open(target)
    fill(store)
    assert store.check() == []
    store.vacuum()
    store.close()
    target.chmod(0o644)
    print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
