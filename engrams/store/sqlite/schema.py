"""The tables, and the named migrations that made them what they are.

A released migration is never changed: a later version adds another one. `user_version` is the number of the last
migration that ran; `application_id` says that the file is a memory.

Why the tables look as they do:

- `engrams` has one row per version, clustered by (namespace, row), without the text: one namespace loads from
  neighbouring pages. What only people and models read lies in `contents`.
- `position` counts rows, so that numbers are never used twice, also after an erase, and so that one small read tells
  other processes whether anything changed.
- An event can be removed only where a tombstone stands, and never altered; the audit neither.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

#: "Engr" in ASCII, at byte 68 of the file.
APPLICATION_ID = 0x456E6772

#: `closed_at` of the current version: the largest 64-bit integer, `ports.OPEN_END`.
OPEN = 2**63 - 1

_FIRST: tuple[str, ...] = (
    """create table migrations (
        version integer primary key, name text not null, at integer not null)""",
    """create table position (
        one integer primary key check (one = 1),
        event integer not null, engram integer not null, change integer not null,
        audit integer not null, digest text not null)""",
    "insert into position values (1, 0, 0, 0, 0, '')",
    "create table namespaces (ns integer primary key, path text not null unique)",
    """create table events (
        seq integer primary key,
        id not null unique,
        ns integer not null references namespaces,
        kind text not null, role not null, speaker, session, agent_id, run_id, thread not null,
        occurred_at integer not null, recorded_at integer not null,
        content not null, metadata, attachments, source, target)""",
    "create index events_by_namespace on events (ns, seq)",
    "create index events_by_source on events (ns, source) where source is not null",
    "create index events_by_target on events (target) where target is not null",
    """create table tombstones (
        id primary key not null, ns integer not null references namespaces,
        at integer not null, reason text not null) without rowid""",
    """create trigger events_are_never_altered before update on events
        begin select raise(abort, 'events are append-only'); end""",
    """create trigger events_go_by_erase_only before delete on events
        when not exists (select 1 from tombstones where id = old.id)
        begin select raise(abort, 'events are append-only; erase leaves a tombstone'); end""",
    """create table engrams (
        ns integer not null references namespaces,
        "row" integer not null,
        id not null, version integer not null,
        event not null, thread not null, session, agent_id, run_id, speaker, role not null,
        kind text not null, recipe text not null, state text not null, pinned integer not null,
        occurred_at integer not null, recorded_at integer not null, closed_at integer not null,
        valid_from integer, valid_to integer,
        length integer not null, flags integer not null,
        terms blob not null, counts blob not null, pieces blob not null,
        primary key (ns, "row")) without rowid""",
    "create unique index engrams_by_id on engrams (id, version)",
    """create table contents (
        "row" integer primary key,
        ns integer not null references namespaces,
        content not null, keys, payload, metadata,
        strength real not null, confidence real not null,
        change text not null, actor not null, reason not null, event_id)""",
    "create index contents_by_event on contents (event_id) where event_id is not null",
    """create table sources (
        "row" integer not null references contents ("row"),
        ordinal integer not null, source not null,
        primary key ("row", ordinal)) without rowid""",
    'create index sources_by_source on sources (source, "row")',
    """create table recalls (
        "row" integer primary key references contents ("row"), count integer not null, last integer)""",
    "create table models (model integer primary key, fingerprint text not null unique)",
    """create table vectors (
        ns integer not null, "row" integer not null references contents ("row"),
        model integer not null references models, vector blob not null,
        primary key (ns, "row", model)) without rowid""",
    'create index vectors_by_row on vectors ("row")',
    """create table links (
        source not null, target not null, relation not null, recipe text not null,
        weight real not null, ns integer not null references namespaces,
        primary key (source, target, relation, recipe)) without rowid""",
    "create index links_by_target on links (target)",
    """create table changes (
        change integer primary key, ns integer not null references namespaces,
        "row" integer not null, closed_at integer)""",
    """create table receipts (
        ns integer not null references namespaces, key not null, digest, receipt not null,
        primary key (ns, key)) without rowid""",
    """create table audit (
        seq integer primary key, at integer not null, actor not null, action text not null,
        namespace not null, ids not null, note not null, digest text not null)""",
    """create trigger audit_is_never_altered before update on audit
        begin select raise(abort, 'the audit is append-only'); end""",
    """create trigger audit_is_never_shortened before delete on audit
        begin select raise(abort, 'the audit is append-only'); end""",
)


def journal_engrams_audit(db: sqlite3.Connection) -> None:
    """Schema 1: journal, engrams and their index entries, links, receipts, tombstones, audit."""
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    for statement in _FIRST:
        db.execute(statement)


def store_settings(db: sqlite3.Connection) -> None:
    """Schema 2: what holds for the whole store, such as the embedder whose vectors are compared."""
    db.execute("create table settings (key text primary key not null, value not null) without rowid")


_JOBS: tuple[str, ...] = (
    """create table jobs (
        seq integer primary key autoincrement, id not null unique, kind text not null, key not null,
        namespace not null, recipe not null, created_at integer not null, due_at integer not null, payload, once,
        state text not null, attempts integer not null, worker, leased_until integer, error)""",
    "create index jobs_by_key on jobs (key, seq)",
    "create unique index jobs_once on jobs (once) where once is not null and state in ('waiting', 'running')",
    """create table spent (
        day text not null, kind text not null, jobs integer not null, tokens integer not null,
        primary key (day, kind)) without rowid""",
    "create table writers (writer primary key not null, through integer not null) without rowid",
)


def jobs_and_writers(db: sqlite3.Connection) -> None:
    """Schema 3: durable jobs, what they cost, and how far the writer of each recipe has come with the journal.

    What lies here was derived as it was written: all recipes of schema 2 write the same passages, under their own names,
    so that those of the first one found stand for all.
    """
    for statement in _JOBS:
        db.execute(statement)
    found = [recipe for (recipe,) in db.execute("select distinct recipe from engrams order by recipe")]
    alone = found[0] if len(found) == 1 and found[0] in _SAME_PASSAGES else None
    if alone is not None:
        db.execute("update engrams set recipe = 'engrams' where recipe = ?", (alone,))
    if alone is not None or "engrams" in found:
        db.execute("insert into writers select 'engrams', event from position")


def payloads_found_by_digest(db: sqlite3.Connection) -> None:
    """Schema 4: which payloads versions name is found without reading the versions that name none."""
    db.execute("create index contents_by_payload on contents (ns, payload) where payload is not null")


def events_found_by_session(db: sqlite3.Connection) -> None:
    """Schema 5: what was said last in a session is found without reading what was said in others."""
    db.execute("create index events_by_session on events (ns, session, seq) where session is not null")


#: The recipes of schema 2 beside the house recipe.
_SAME_PASSAGES = ("bm25", "dense", "full-context", "hybrid-rrf", "none")


@dataclass(frozen=True, slots=True)
class Migration:
    """One named change of the schema."""

    version: int
    name: str
    apply: Callable[[sqlite3.Connection], None]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, journal_engrams_audit.__name__, journal_engrams_audit),
    Migration(2, store_settings.__name__, store_settings),
    Migration(3, jobs_and_writers.__name__, jobs_and_writers),
    Migration(4, payloads_found_by_digest.__name__, payloads_found_by_digest),
    Migration(5, events_found_by_session.__name__, events_found_by_session),
)

#: The schema this version of engrams writes.
CURRENT = MIGRATIONS[-1].version
