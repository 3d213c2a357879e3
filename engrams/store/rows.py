"""Records from the rows of a query, whatever the database: the one order in which stores select their columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engrams.ports import Entry, EntryColumns, EntryRow, Float32, Int64
from engrams.records import NOTHING, Engram, EngramId, Event, EventId, Job, Json, Link, Revision, Row
from engrams.store.cells import (
    attachments_from,
    json_or_none,
    mapping_from,
    path_cell,
    payload_from,
    texts_from,
    time_cell,
    time_of,
    time_of_or_none,
    time_or_none,
)

#: Undoes what a store did to a text that its database cannot hold; None stays None.
Text = Callable[[Any], Any]


def event_from(row: Sequence[Any], text: Text) -> Event:
    """An event of (id, namespace, content, role, occurred_at, recorded_at, kind, speaker, session, agent_id, run_id,
    metadata, attachments, source, target, thread)."""
    (
        id, namespace, content, role, occurred_at, recorded_at, kind, speaker, session, agent_id, run_id, metadata,
        attachments, source, target, thread,
    ) = row  # fmt: skip
    return Event(
        EventId(text(id)),
        namespace,
        text(content),
        text(role),
        time_of(occurred_at),
        time_of(recorded_at),
        kind,
        text(speaker),
        text(session),
        text(agent_id),
        text(run_id),
        mapping_from(text(metadata)),
        attachments_from(text(attachments)),
        text(source),
        text(target),
        text(thread),
    )


def engram_from(row: Sequence[Any], text: Text) -> Engram:
    """An engram of (id, namespace, recipe, kind, content, occurred_at, recorded_at, sources as JSON, keys, payload,
    valid_from, valid_to, state, version, strength, recall count, last recall, confidence, pinned, role, speaker, session,
    agent_id, run_id, thread, metadata)."""
    (
        id, namespace, recipe, kind, content, occurred_at, recorded_at, sources, keys, payload, valid_from, valid_to,
        state, version, strength, count, last, confidence, pinned, role, speaker, session, agent_id, run_id, thread,
        metadata,
    ) = row  # fmt: skip
    return Engram(
        EngramId(text(id)),
        namespace,
        text(recipe),
        text(kind),
        text(content),
        time_of(occurred_at),
        time_of(recorded_at),
        tuple(map(text, texts_from(text(sources)))),
        texts_from(text(keys)),
        payload_from(text(payload)),
        time_of_or_none(valid_from),
        time_of_or_none(valid_to),
        state,
        version,
        strength,
        count or 0,
        time_of_or_none(last),
        confidence,
        bool(pinned),
        text(role),
        text(speaker),
        text(session),
        text(agent_id),
        text(run_id),
        text(thread),
        mapping_from(text(metadata)),
    )


def links_from(rows: Iterable[Sequence[Any]], text: Text) -> list[Link]:
    """The links of (first row of the source, of the target, source, target, relation, weight, recipe): by the row of the end that
    came later, then of the other. An end that is not there, which only damage leaves behind, counts as the first of all."""
    found = [
        (max(begins, ends), min(begins, ends), begins, text(relation), text(recipe), source, target, weight)
        for begins, ends, source, target, relation, weight, recipe in (
            (first or 0, second or 0, *more) for first, second, *more in rows
        )
    ]
    found.sort(key=lambda each: each[:5])
    return [
        Link(EngramId(text(source)), EngramId(text(target)), relation, weight, recipe)
        for *_, relation, recipe, source, target, weight in found
    ]


def revisions_from(rows: Sequence[Sequence[Any]], text: Text) -> list[Revision]:
    """The history of (engram id, version, recorded_at, state, content, change, actor, reason, event id, metadata),
    oldest first; each revision knows the content before it."""
    before: dict[str, str] = {}
    found = []
    for engram_id, version, at, state, content, change, actor, reason, event, metadata in rows:
        engram, now = text(engram_id), text(content)
        found.append(
            Revision(
                change=change,
                at=time_of(at),
                version=version,
                content=now,
                state=state,
                actor=text(actor),
                reason=text(reason),
                event_id=text(event),
                metadata=mapping_from(text(metadata)),
                previous=before.get(engram),
                engram_id=EngramId(engram),
            )
        )
        before[engram] = now
    return found


def audit_from(row: Sequence[Any], text: Text) -> dict[str, Json]:
    """A row of the audit, as `Store.audit` gives it, of (number, at, actor, action, namespace, ids, note,
    digest)."""
    number, at, actor, action, namespace, ids, note, digest = row
    return {
        "seq": number,
        "at": time_of(at).isoformat(),
        "actor": text(actor),
        "action": action,
        "namespace": namespace,
        "ids": json.loads(text(ids)),
        "note": text(note),
        "digest": digest,
    }


#: What stores keep of a job, in this order.
JOB_COLUMNS = "id, kind, key, namespace, recipe, created_at, due_at, payload, once, state, attempts, worker, leased_until, error"


def job_cells(job: Job) -> tuple[Any, ...]:
    """A job as values of `JOB_COLUMNS`; texts as they are.

    Raises:
        BadSetting: something that could not be read back as it was.
    """
    return (
        job.id,
        job.kind,
        job.key,
        path_cell(job.namespace),
        job.recipe,
        time_cell(job.created_at),
        time_cell(job.due_at),
        json_or_none(job.payload, "payload"),
        job.once,
        job.state,
        job.attempts,
        job.worker,
        time_or_none(job.leased_until, "leased_until"),
        job.error,
    )


def job_from(row: Sequence[Any], text: Text) -> Job:
    """A job of `JOB_COLUMNS`."""
    id, kind, key, namespace, recipe, created, due, payload, once, state, attempts, worker, until, error = row
    return Job(
        id=text(id),
        kind=text(kind),
        key=text(key),
        namespace=namespace,
        recipe=text(recipe),
        created_at=time_of(created),
        due_at=time_of(due),
        payload=mapping_from(text(payload)),
        once=text(once),
        state=state,
        attempts=attempts,
        worker=text(worker),
        leased_until=time_of_or_none(until),
        error=text(error),
    )


def _joined(cells: Sequence[bytes], dtype: str) -> tuple[npt.NDArray[Any], list[int]]:
    """All cells of a column as one array, with the ends of each: one conversion instead of one per row."""
    width = np.dtype(dtype).itemsize
    ends = np.cumsum(np.fromiter(map(len, cells), np.int64, len(cells))) // width
    return np.frombuffer(b"".join(cells), dtype), ends.tolist()


def entry_rows_from(
    rows: Sequence[Any],
    paths: Mapping[Any, str] | None,
    vectors: Mapping[int, Mapping[str, Float32]],
    text: Text,
) -> Iterator[EntryRow]:
    """Index entries of (row, namespace, id, first event, thread, session, agent_id, run_id, speaker, role, kind, recipe,
    state, occurred_at, recorded_at, closed_at, valid_from, valid_to, length, flags, terms, counts, pieces).

    `paths` names the namespaces where the rows only number them; `vectors` by row and fingerprint.
    """
    if not rows:
        return
    *_, all_terms, all_counts, all_pieces = zip(*rows, strict=True)
    terms, term_ends = _joined(all_terms, "<u4")
    counts, _ends = _joined(all_counts, "u1")
    pieces, piece_ends = _joined(all_pieces, "<u2")
    begin, piece_begin = 0, 0
    for (
        (row, ns, id, event, thread, session, agent_id, run_id, speaker, role, kind, recipe, state,
         occurred_at, recorded_at, closed_at, valid_from, valid_to, length, flags, _t, _c, _p),
        end,
        piece_end,
    ) in zip(rows, term_ends, piece_ends, strict=True):  # fmt: skip
        yield EntryRow(
            Row(row),
            ns if paths is None else paths[ns],
            EngramId(text(id)),
            text(event),
            text(thread),
            text(session),
            text(agent_id),
            text(run_id),
            text(speaker),
            text(role),
            text(kind),
            text(recipe),
            state,
            occurred_at,
            recorded_at,
            closed_at,
            valid_from,
            valid_to,
            Entry(
                length,
                terms[begin:end],
                counts[begin:end],
                pieces[piece_begin:piece_end],
                flags,
                vectors.get(row, NOTHING) if vectors else NOTHING,
            ),
        )
        begin, piece_begin = end, piece_end


def entry_columns_from(
    rows: Sequence[Any],
    paths: Mapping[Any, str] | None,
    texts: Callable[[Sequence[Any]], Sequence[Any]],
) -> EntryColumns:
    """Columns of (row, namespace, first event, thread, session, agent_id, run_id, speaker, role, kind, state, occurred_at,
    recorded_at, closed_at, valid_from, valid_to, length, flags, terms, counts, pieces), bounds of validity filled in.

    `texts` undoes a whole column of texts at once.
    """
    (
        numbers, spaces, sources, threads, sessions, agents, runs, speakers, roles, kinds, states,
        occurred_at, recorded_at, closed_at, valid_from, valid_to, lengths, flags, terms, counts, pieces,
    ) = zip(*rows, strict=True)  # fmt: skip
    size = len(rows)

    def times(values: Sequence[int]) -> Int64:
        return np.fromiter(values, np.int64, size)

    return EntryColumns(
        rows=times(numbers),
        namespaces=spaces if paths is None else [paths[ns] for ns in spaces],
        sources=texts(sources),
        threads=texts(threads),
        sessions=texts(sessions),
        agent_ids=texts(agents),
        run_ids=texts(runs),
        speakers=texts(speakers),
        roles=texts(roles),
        kinds=texts(kinds),
        states=states,
        occurred_at=times(occurred_at),
        recorded_at=times(recorded_at),
        closed_at=times(closed_at),
        valid_from=times(valid_from),
        valid_to=times(valid_to),
        lengths=np.fromiter(lengths, np.int32, size),
        flags=np.fromiter(flags, np.uint8, size),
        terms=np.frombuffer(b"".join(terms), "<u4"),
        counts=np.frombuffer(b"".join(counts), np.uint8),
        term_counts=np.fromiter(map(len, counts), np.int32, size),
        pieces=np.frombuffer(b"".join(pieces), "<u2"),
        piece_counts=np.fromiter(map(len, pieces), np.int32, size) // np.int32(2),
    )
