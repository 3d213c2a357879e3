"""A store whose texts are encrypted before they are written and decrypted as they are read, whatever lies below.

Sealed: the content of events and engrams, their keys, metadata, attachments and payloads, the reasons of changes, and what
jobs work on and met: AES-256-GCM, bound to the id and version they belong to, so that what was changed or swapped is
refused. Term hashes and word-piece ids go through permutations that only the key knows, so that nobody without it can hash
a word and look for it; that a term is frequent can still be seen. Digests that short texts could be guessed from become
keyed ones. Not sealed: times, ids, namespaces, sessions, roles, speakers (filters read them), counts, sizes, links,
vectors, settings, the audit.

The store below cannot look into sealed metadata, so filters over it are asked here, of every record that meets the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from engrams.errors import Corrupt
from engrams.filters import RESERVED, Filter, comparisons, fields_of, holds, parse
from engrams.ports import Commit, Entry, EntryColumns, EntryRow, Int64, Revised, Store, Where
from engrams.records import (
    Attachment,
    Deletion,
    Engram,
    Event,
    Json,
    Problem,
    Receipt,
    Revision,
    Row,
    Scope,
)
from engrams.store.cells import json_or_none
from engrams.store.cipher import MARK, SETTING, Cipher
from engrams.store.sealed_payloads import SealedJobs, SealedPayloads

#: The one key of sealed metadata, and the kind of the attachment that stands for all of a record.
SEALED = "sealed"
#: Records that are opened at once to see whether they meet a filter over metadata.
PAGE = 1000
#: Versions of which what filters ask is remembered, so that it is decrypted once: some 60 MB.
MOST_REMEMBERED = 50_000
EVERYTHING = Where()


class SealedStore:
    """Every call of `Store`, with texts sealed on the way in and opened on the way out; the rest goes as it is."""

    def __init__(self, store: Store, cipher: Cipher) -> None:
        self._store, self._cipher = store, cipher
        self._fields: dict[
            int, dict[str, Json]
        ] = {}  # by row: what filters ask of a version, which never changes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @cached_property
    def payloads(self) -> SealedPayloads:
        """The payloads, encrypted."""
        return SealedPayloads(self._store.payloads, self._cipher, self._store.location)

    @property
    def jobs(self) -> SealedJobs:
        """The jobs, with what they work on encrypted."""
        return SealedJobs(self._store.jobs, self._cipher)

    def check(self) -> list[Problem]:
        """What the store says, and payloads that are not what was sealed."""
        return [*self._store.check(), *self.payloads.problems()]

    def erase(self, *args: Any, **kwargs: Any) -> Deletion:
        """As the store does, and remembers nothing of it."""
        self._fields = {}
        return self._store.erase(*args, **kwargs)

    # --- in

    def commit(self, change: Commit) -> Receipt:
        """Writes a commit with its texts sealed."""
        c = self._cipher
        key, digest = change.idempotency or ("", "")
        return self._store.commit(
            replace(
                change,
                events=tuple(self._event_in(e) for e in change.events),
                engrams=tuple((self._engram_in(g), self._entry_in(e)) for g, e in change.engrams),
                revised=tuple(self._revised_in(r) for r in change.revised),
                idempotency=(key, c.digest(digest)) if change.idempotency else None,
                jobs=tuple(self.jobs.job_in(job) for job in change.jobs),
            )
        )

    def first_receipt(self, namespace: str, key: str, digest: str) -> Receipt | None:
        """As the store says; digests are stored keyed."""
        return self._store.first_receipt(namespace, key, self._cipher.digest(digest))

    def known_sources(self, namespace: str, sources: Sequence[str]) -> set[str]:
        """Which of these are known; they are stored as keyed digests."""
        stored = {self._cipher.digest(source): source for source in sources}
        return {stored[each] for each in self._store.known_sources(namespace, list(stored))}

    def _event_in(self, event: Event) -> Event:
        about, source = f"event {event.id}", None
        if event.source is not None:
            source = self._cipher.digest(event.source)
        attachments: tuple[Attachment, ...] = ()
        if event.attachments:
            listed = json.dumps([asdict(each) for each in event.attachments])
            sealed = self._cipher.seal(listed, f"attachments {about}")
            attachments = (Attachment(SEALED, name=sealed),)
        return replace(
            event,
            content=self._cipher.seal(event.content, about),
            metadata=self._metadata_in(event.metadata, about),
            attachments=attachments,
            source=source,
        )

    def _metadata_in(self, metadata: Mapping[str, Json], about: str) -> Mapping[str, Json]:
        if not metadata:
            return metadata
        written = json_or_none(metadata, "metadata") or ""
        return {SEALED: self._cipher.seal(written, f"metadata {about}")}

    def _engram_in(self, engram: Engram) -> Engram:
        about = f"engram {engram.id} {engram.version}"
        keys = (self._cipher.seal(json.dumps(engram.keys), f"keys {about}"),) if engram.keys else ()
        return replace(
            engram,
            content=self._cipher.seal(engram.content, about),
            keys=keys,
            metadata=self._metadata_in(engram.metadata, about),
            payload=self.payloads.row_in(engram),
        )

    def _revised_in(self, revised: Revised) -> Revised:
        about = f"reason {revised.engram.id} {revised.engram.version}"
        reason = self._cipher.seal(revised.reason, about) if revised.reason else ""
        return replace(
            revised,
            engram=self._engram_in(revised.engram),
            entry=self._entry_in(revised.entry),
            reason=reason,
        )

    def _entry_in(self, entry: Entry) -> Entry:
        terms = self._cipher.terms(entry.terms)
        order = np.argsort(terms, kind="stable")
        pieces = np.sort(self._cipher.pieces(entry.pieces))
        return replace(entry, terms=terms[order], counts=entry.counts[order], pieces=pieces)

    # --- out

    def events(self, ids: Sequence[str]) -> dict[str, Event]:
        """As the store says, opened."""
        return {id: self._event_out(e) for id, e in self._store.events(ids).items()}

    def about(self, targets: Sequence[str]) -> dict[str, list[Event]]:
        """As the store says, opened."""
        return {id: [self._event_out(e) for e in found] for id, found in self._store.about(targets).items()}

    def journal(
        self,
        scope: Scope,
        where: Where = EVERYTHING,
        *,
        kinds: tuple[str, ...] | None = ("message",),
        after: int = 0,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[tuple[int, Event]]:
        """As the store says, opened; filters over metadata are asked here."""
        where, tree = _split(where)
        how: dict[str, Any] = {"kinds": kinds, "newest_first": newest_first}
        if tree is None:
            found = self._store.journal(scope, where, after=after, limit=limit, **how)
            return [(number, self._event_out(event)) for number, event in found]
        kept: list[tuple[int, Event]] = []
        while len(kept) < limit and (
            page := self._store.journal(scope, where, after=after, limit=PAGE, **how)
        ):
            after = page[-1][0]
            for number, event in page:
                seen = replace(event, metadata=self._metadata_out(event.metadata, f"event {event.id}"))
                if holds(tree, fields_of(seen)):
                    kept.append((number, self._event_out(event)))
        return kept[:limit]

    def engrams(self, ids: Sequence[str]) -> dict[str, Engram]:
        """As the store says, opened."""
        return {id: self._engram_out(g) for id, g in self._store.engrams(ids).items()}

    def engrams_at(self, rows: Sequence[Row]) -> list[Engram]:
        """As the store says, opened."""
        return [self._engram_out(g) for g in self._store.engrams_at(rows)]

    def list_engrams(
        self, scope: Scope, where: Where = EVERYTHING, *, after: int = 0, limit: int = 100
    ) -> list[tuple[Row, Engram]]:
        """As the store says, opened; filters over metadata are asked here."""
        if _split(where)[1] is None:
            found = self._store.list_engrams(scope, where, after=after, limit=limit)
        else:
            rows = self.matching(scope, where)
            found = self._at(rows[rows > after][:limit])
        return [(row, self._engram_out(engram)) for row, engram in found]

    def matching(self, scope: Scope, where: Where = EVERYTHING) -> Int64:
        """As the store says; filters over metadata are asked here, of every version that meets the rest."""
        where, tree = _split(where)
        rows = self._store.matching(scope, where)
        if tree is None:
            return rows
        new = np.array([row for row in rows.tolist() if row not in self._fields], np.int64)
        if len(self._fields) + len(new) > MOST_REMEMBERED:
            self._fields.clear()
            new = rows
        fields = dict(self._fields) if len(new) else self._fields
        for start in range(0, len(new), PAGE):
            for row, engram in self._at(new[start : start + PAGE]):
                metadata = self._metadata_out(engram.metadata, f"engram {engram.id} {engram.version}")
                fields[row] = fields_of(replace(engram, metadata=metadata))
        if len(fields) <= MOST_REMEMBERED:
            self._fields = fields
        return np.array([r for r in rows.tolist() if r in fields and holds(tree, fields[r])], np.int64)

    def _at(self, rows: Int64) -> list[tuple[Row, Engram]]:
        """Versions as they are stored, each with its row; those that are gone are left out."""
        asked = [Row(row) for row in rows.tolist()]
        found = self._store.engrams_at(asked)
        if len(found) == len(asked):
            return list(zip(asked, found, strict=True))
        return [(row, engram) for row in asked for engram in self._store.engrams_at([row])]

    def without_vector(self, *args: Any, **kwargs: Any) -> list[tuple[Row, Engram]]:
        """As the store says, opened."""
        return [(row, self._engram_out(g)) for row, g in self._store.without_vector(*args, **kwargs)]

    def version(self, id: str, version: int) -> Engram | None:
        """As the store says, opened."""
        found = self._store.version(id, version)
        return None if found is None else self._engram_out(found)

    def causes(self, rows: Sequence[Row]) -> dict[int, Any]:
        """As the store says, opened."""
        raw: Any = self._store
        out = {}
        for (row, (change, actor, reason, event)), g in zip(
            raw.causes(rows).items(), self._store.engrams_at(list(raw.causes(rows))), strict=True
        ):
            why = self._cipher.open(reason, f"reason {g.id} {g.version}") if reason else ""
            out[row] = (change, actor, why, event)
        return out

    def settings(self, prefix: str) -> dict[str, str]:
        """As the store says, without the seal, which speaks of this store alone."""
        return {key: value for key, value in self._store.settings(prefix).items() if key != SETTING}

    def receipts(self) -> list[Any]:
        """As the store says, without the digests, which are keyed: the keys of idempotency go on answering."""
        raw: Any = self._store
        return [(path, key, None, receipt) for path, key, _, receipt in raw.receipts()]

    def put_remains(self, tombstones: Sequence[Any], receipts: Sequence[Any]) -> None:
        """Keeps tombstones and receipts; digests become keyed ones."""
        raw: Any = self._store
        keyed = [(p, k, None if d is None else self._cipher.digest(d), r) for p, k, d, r in receipts]
        raw.put_remains(tombstones, keyed)

    def behind(self, *args: Any, **kwargs: Any) -> list[tuple[int, Event]]:
        """As the store says, opened."""
        return [(n, self._event_out(e)) for n, e in self._store.behind(*args, **kwargs)]

    def versions(self, id: str) -> list[Revision]:
        """As the store says, opened."""
        return [self._revision_out(r) for r in self._store.versions(id)]

    def entries(self, scope: Scope, **how: Any) -> Iterator[EntryRow]:
        """As the store says, with the hashes that the index knows."""
        for row in self._store.entries(scope, **how):
            terms = self._cipher.terms_back(row.entry.terms)
            order = np.argsort(terms, kind="stable")
            pieces = np.sort(self._cipher.pieces_back(row.entry.pieces))
            entry = replace(row.entry, terms=terms[order], counts=row.entry.counts[order], pieces=pieces)
            yield replace(row, entry=entry)

    def entry_columns(self, scope: Scope, **how: Any) -> Iterator[EntryColumns]:
        """As the store says, with the hashes that the index knows."""
        for columns in self._store.entry_columns(scope, **how):
            terms = self._cipher.terms_back(columns.terms)
            order = _within(terms, columns.term_counts)
            pieces = self._cipher.pieces_back(columns.pieces)
            yield replace(
                columns,
                terms=terms[order],
                counts=columns.counts[order],
                pieces=pieces[_within(pieces, columns.piece_counts)],
            )

    def _event_out(self, event: Event) -> Event:
        about = f"event {event.id}"
        return replace(
            event,
            content=self._cipher.open(event.content, about),
            metadata=self._metadata_out(event.metadata, about),
            attachments=self._attachments_out(event.attachments, about),
        )

    def _metadata_out(self, metadata: Mapping[str, Json], about: str) -> Mapping[str, Json]:
        sealed = metadata.get(SEALED) if len(metadata) == 1 else None
        if isinstance(sealed, str) and sealed.startswith(MARK):
            opened: dict[str, Json] = json.loads(self._cipher.open(sealed, f"metadata {about}"))
            return opened
        if metadata and self._cipher.version > 1:
            raise Corrupt(f"the metadata of {about} was changed after it was encrypted; restore a backup")
        return metadata

    def _attachments_out(self, attachments: tuple[Attachment, ...], about: str) -> tuple[Attachment, ...]:
        sealed = attachments[0].name if len(attachments) == 1 and attachments[0].kind == SEALED else None
        if sealed is not None and sealed.startswith(MARK):
            listed = json.loads(self._cipher.open(sealed, f"attachments {about}"))
            return tuple(Attachment(**each) for each in listed)
        if attachments and self._cipher.version > 1:
            raise Corrupt(f"the attachments of {about} were changed after it was encrypted; restore a backup")
        return attachments

    def _engram_out(self, engram: Engram) -> Engram:
        about = f"engram {engram.id} {engram.version}"
        keys = tuple(json.loads(self._cipher.open(engram.keys[0], f"keys {about}"))) if engram.keys else ()
        return replace(
            engram,
            content=self._cipher.open(engram.content, about),
            keys=keys,
            metadata=self._metadata_out(engram.metadata, about),
            payload=self.payloads.row_out(engram),
        )

    def _revision_out(self, r: Revision) -> Revision:
        def opened(text: str, version: int) -> str:
            return self._cipher.open(text, f"engram {r.engram_id} {version}")

        reason = self._cipher.open(r.reason, f"reason {r.engram_id} {r.version}") if r.reason else ""
        # The version before is the next lower one that is left; which one that is, its own text says.
        previous = None if r.previous is None else self._previous(r, r.previous)
        metadata = self._metadata_out(r.metadata, f"engram {r.engram_id} {r.version}")
        return replace(
            r, content=opened(r.content, r.version), reason=reason, previous=previous, metadata=metadata
        )

    def _previous(self, r: Revision, text: str) -> str:
        for version in range(r.version - 1, 0, -1):
            try:
                return self._cipher.open(text, f"engram {r.engram_id} {version}")
            except Corrupt:  # sealed for another version: one before it was erased
                continue
        raise Corrupt(
            f"the text before version {r.version} of engram {r.engram_id} was changed; restore a backup"
        )


def _split(where: Where) -> tuple[Where, Filter | None]:
    """What the store can be asked, and the whole filter where some of it speaks of metadata."""
    tree = parse(where.filters)
    if where.filters is None or not any(test.metadata for test in comparisons(tree)):
        return where, None
    below = {key: value for key, value in where.filters.items() if key in RESERVED}
    return replace(where, filters=below or None), tree


def _within(values: npt.NDArray[Any], counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The order that sorts each run of `counts[i]` values by itself, int64[n]."""
    runs = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    return np.argsort(runs << np.uint64(32) | values.astype(np.uint64), kind="stable")
