"""The tables, and the named migrations that made them what they are.

A released migration is never changed: a later version adds another one.

Why the tables look as they do:

- Every primary and unique key begins with the tenant, and no statement joins two tenants, so that Citus can spread the
  tables by it. Indexes over ids alone serve the calls that name nothing but ids.
- `position` counts for each tenant. Whoever writes locks its row first and holds it to the end of the transaction:
  numbers become visible in their order, and a reader who saw number n has seen all before it.
- A row of `engrams` has a number of its own in the whole store: the tenant's number times 2**40, plus a count.
- Every table has row-level security, forced: a transaction sees the tenant and path it named, or nothing.
- An event can be removed only where a tombstone stands, and never altered; the audit neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from engrams.store.postgres.connections import ROLE

#: What the role may do with the tables of schema 1 whose rows lie in a namespace.
_TABLES_1: dict[str, str] = {
    "changes": "select, insert, delete",
    "links": "select, insert, update, delete",
    "vectors": "select, insert, update, delete",
    "recalls": "select, insert, update, delete",
    "sources": "select, insert, delete",
    "contents": "select, insert, delete",
    "engrams": "select, insert, update, delete",
    "receipts": "select, insert, update, delete",
    "events": "select, insert, delete",
    "tombstones": "select, insert, delete",
    "jobs": "select, insert, update, delete",
    "namespaces": "select, insert, delete",
    "audit": "select, insert",
}
_TABLES_2: dict[str, str] = {
    "payload_parts": "select, insert, delete",
    "payloads": "select, insert, update, delete",
}
#: Tables whose rows lie in a namespace, in an order in which their rows can be removed; what the role may do with each.
TABLES = _TABLES_2 | _TABLES_1
#: Tables that speak of a whole tenant; and all that Citus would spread, `position` first: the others follow its places.
COUNTED = ("position", "writers", "spent")
SPREAD = (*COUNTED, *TABLES)
#: Tables that speak of the whole store and hold nothing of anybody: every transaction sees them, every node has them.
SHARED = ("migrations", "settings")
SEQUENCES = ("tenant_numbers", "audit_numbers", "job_numbers")

#: Whether a row may be seen. No sub-query, so that Citus takes it; after a transaction a setting is '' and matches nothing.
_SEEN_TENANT = "current_setting('engrams.tenant', true) in (tenant, '*')"
_SEEN = (
    f"{_SEEN_TENANT} and (current_setting('engrams.scope', true) in (namespace, '*') "
    "or right(current_setting('engrams.scope', true), 2) = '/*' "
    "and starts_with(namespace, left(current_setting('engrams.scope', true), -1)))"
)

_TEXT = 'text collate "C"'
_PLACE = f"tenant {_TEXT} not null, namespace {_TEXT} not null"

_FIRST: tuple[str, ...] = (
    f"create table migrations (version int primary key, name {_TEXT} not null, at bigint not null)",
    f"create table settings (key {_TEXT} primary key, value {_TEXT} not null)",
    "create sequence tenant_numbers minvalue 0 start 0",
    "create sequence audit_numbers",
    f"""create table position (
        tenant {_TEXT} primary key, number bigint,
        event bigint not null default 0, engram bigint not null default 0, change bigint not null default 0,
        audit bigint not null default 0, digest {_TEXT} not null default '')""",
    "create index position_by_number on position (number)",
    f"create table namespaces ({_PLACE}, primary key (tenant, namespace))",
    f"""create table events (
        {_PLACE}, seq bigint not null, id {_TEXT} not null,
        kind {_TEXT} not null, role {_TEXT} not null, speaker {_TEXT}, session {_TEXT}, agent_id {_TEXT},
        run_id {_TEXT}, thread {_TEXT} not null, occurred_at bigint not null, recorded_at bigint not null,
        content {_TEXT} not null, metadata {_TEXT}, attachments {_TEXT}, source {_TEXT}, target {_TEXT},
        primary key (tenant, seq), unique (tenant, id))""",
    "create index events_by_id on events (id)",
    "create index events_by_namespace on events (tenant, namespace, seq)",
    "create index events_by_source on events (tenant, namespace, md5(source)) where source is not null",
    "create index events_by_target on events (target) where target is not null",
    f"""create table tombstones (
        {_PLACE}, id {_TEXT} not null, at bigint not null, reason {_TEXT} not null, primary key (tenant, id))""",
    "create index tombstones_by_id on tombstones (id)",
    f"""create table engrams (
        {_PLACE}, "row" bigint not null, id {_TEXT} not null, version int not null,
        event {_TEXT} not null, thread {_TEXT} not null, session {_TEXT}, agent_id {_TEXT}, run_id {_TEXT},
        speaker {_TEXT}, role {_TEXT} not null, kind {_TEXT} not null, recipe {_TEXT} not null, state {_TEXT} not null,
        pinned boolean not null, occurred_at bigint not null, recorded_at bigint not null, closed_at bigint not null,
        valid_from bigint, valid_to bigint, length int not null, flags int not null,
        terms bytea not null, counts bytea not null, pieces bytea not null,
        primary key (tenant, "row"), unique (tenant, id, version))""",
    "create index engrams_by_id on engrams (id)",
    'create index engrams_by_namespace on engrams (tenant, namespace, "row")',
    f"""create table contents (
        {_PLACE}, "row" bigint not null, content {_TEXT} not null, keys {_TEXT}, payload {_TEXT}, metadata {_TEXT},
        strength float8 not null, confidence float8 not null,
        change {_TEXT} not null, actor {_TEXT} not null, reason {_TEXT} not null, event_id {_TEXT},
        primary key (tenant, "row"), foreign key (tenant, "row") references engrams)""",
    "create index contents_by_event on contents (tenant, event_id) where event_id is not null",
    f"""create table sources (
        {_PLACE}, "row" bigint not null, ordinal int not null, source {_TEXT} not null,
        primary key (tenant, "row", ordinal), foreign key (tenant, "row") references engrams)""",
    'create index sources_by_source on sources (source, tenant, "row")',
    f"""create table recalls (
        {_PLACE}, "row" bigint not null, count bigint not null, last bigint,
        primary key (tenant, "row"), foreign key (tenant, "row") references engrams)""",
    f"""create table vectors (
        {_PLACE}, "row" bigint not null, fingerprint {_TEXT} not null, vector vector not null,
        primary key (tenant, "row", fingerprint), foreign key (tenant, "row") references engrams)""",
    'create index vectors_by_namespace on vectors (tenant, namespace, fingerprint, "row")',
    f"""create table links (
        {_PLACE}, source {_TEXT} not null, target {_TEXT} not null, relation {_TEXT} not null, recipe {_TEXT} not null,
        weight float8 not null, primary key (tenant, source, target, relation, recipe))""",
    "create index links_by_source on links (source)",
    "create index links_by_target on links (target)",
    f"""create table changes (
        {_PLACE}, change bigint not null, "row" bigint not null, closed_at bigint, primary key (tenant, change))""",
    f"""create table receipts (
        {_PLACE}, key {_TEXT} not null, digest {_TEXT}, receipt {_TEXT} not null,
        primary key (tenant, namespace, key))""",
    "create sequence job_numbers",
    f"""create table jobs (
        {_PLACE}, seq bigint not null default nextval('job_numbers'), id {_TEXT} not null, kind {_TEXT} not null,
        key {_TEXT} not null, recipe {_TEXT} not null, created_at bigint not null, due_at bigint not null,
        payload {_TEXT}, once {_TEXT}, state {_TEXT} not null, attempts int not null, worker {_TEXT},
        leased_until bigint, error {_TEXT}, primary key (tenant, seq), unique (tenant, id))""",
    "create index jobs_by_id on jobs (id)",
    "create index jobs_by_key on jobs (tenant, key, seq)",
    "create index jobs_by_due on jobs (state, due_at)",
    "create unique index jobs_once on jobs (tenant, once) "
    "where once is not null and state in ('waiting', 'running')",
    f"""create table spent (
        tenant {_TEXT} not null, day {_TEXT} not null, kind {_TEXT} not null, jobs bigint not null,
        tokens bigint not null, primary key (tenant, day, kind))""",
    f"""create table writers (
        tenant {_TEXT} not null, writer {_TEXT} not null, through bigint not null, primary key (tenant, writer))""",
    f"""create table audit (
        {_PLACE}, seq bigint not null, number bigint not null default nextval('audit_numbers'),
        at bigint not null, actor {_TEXT} not null, action {_TEXT} not null, ids {_TEXT} not null, note {_TEXT} not null,
        digest {_TEXT} not null, primary key (tenant, seq))""",
    "create index audit_by_number on audit (number)",
)

_GUARDS: tuple[str, ...] = (
    """create function append_only() returns trigger language plpgsql as
        $$ begin raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation'; end $$""",
    """create function by_erase_only() returns trigger language plpgsql as $$ begin
        if not exists (select 1 from {schema}.tombstones where tenant = old.tenant and id = old.id) then
            raise exception 'events are append-only; erase leaves a tombstone' using errcode = 'restrict_violation';
        end if;
        return old; end $$""",
    "create trigger never_altered before update on events for each row execute function append_only()",
    "create trigger by_erase_only before delete on events for each row execute function by_erase_only()",
    "create trigger never_emptied before truncate on events execute function append_only()",
    "create trigger never_altered before update or delete on audit for each row execute function append_only()",
    "create trigger never_emptied before truncate on audit execute function append_only()",
)


def journal_engrams_audit(db: Connection[Any], schema: str) -> None:
    """Schema 1: journal, engrams and their index entries, links, receipts, tombstones, audit."""
    statements = [*_FIRST, *(guard.replace("{schema}", schema) for guard in _GUARDS)]
    statements += [f"grant usage on schema {schema} to {ROLE}", f"grant select on migrations to {ROLE}"]
    statements += [f"grant select, insert, update, delete on settings to {ROLE}"]
    statements += [f"grant usage on sequence {name} to {ROLE}" for name in SEQUENCES]
    statements += [f"grant select, insert, update, delete on {table} to {ROLE}" for table in COUNTED]
    statements += [f"grant {rights} on {table} to {ROLE}" for table, rights in _TABLES_1.items()]
    seen = dict.fromkeys(_TABLES_1, _SEEN) | dict.fromkeys(COUNTED, _SEEN_TENANT)
    statements += _guarded(seen | dict.fromkeys(SHARED, "true"))
    db.execute("; ".join(statements), prepare=False)


def _guarded(seen: dict[str, str]) -> list[str]:
    """Row-level security, forced, with the condition under which each table's rows are seen."""
    statements = [f"create policy seen on {t} using ({how}) with check ({how})" for t, how in seen.items()]
    for table in seen:
        statements.append(f"alter table {table} enable row level security")
        statements.append(f"alter table {table} force row level security")
    return statements


_PAYLOADS: tuple[str, ...] = (
    f"""create table payloads (
        {_PLACE}, digest {_TEXT} not null, bytes bigint not null, at bigint not null,
        primary key (tenant, namespace, digest))""",
    f"""create table payload_parts (
        {_PLACE}, digest {_TEXT} not null, part int not null, data bytea not null,
        primary key (tenant, namespace, digest, part))""",
    "alter table payload_parts alter column data set storage external",  # numbers hardly compress
    "create index contents_with_payload on contents (tenant, namespace) where payload is not null",
)


def payloads_in_parts(db: Connection[Any], schema: str) -> None:
    """Schema 2: the large parts of engrams, in rows of a bounded size."""
    statements = [
        *_PAYLOADS,
        *(f"grant {rights} on {table} to {ROLE}" for table, rights in _TABLES_2.items()),
    ]
    db.execute("; ".join([*statements, *_guarded(dict.fromkeys(_TABLES_2, _SEEN))]), prepare=False)


def events_found_by_session(db: Connection[Any], schema: str) -> None:
    """Schema 3: what was said last in a session is found without reading what was said in others."""
    db.execute(
        "create index events_by_session on events (tenant, namespace, session, seq) where session is not null"
    )


@dataclass(frozen=True, slots=True)
class Migration:
    """One named change of the schema."""

    version: int
    name: str
    apply: Callable[[Connection[Any], str], None]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, journal_engrams_audit.__name__, journal_engrams_audit),
    Migration(2, payloads_in_parts.__name__, payloads_in_parts),
    Migration(3, events_found_by_session.__name__, events_found_by_session),
)

#: The schema this version of engrams writes.
CURRENT = MIGRATIONS[-1].version
