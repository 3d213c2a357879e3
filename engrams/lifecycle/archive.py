"""Export and restore of the journal: versioned JSON lines, checked before anything is written.

The first line says what the file is, the last how many events it holds and the SHA-256 of their lines. Engrams are
not in it: they are derived, and restoring derives them again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from engrams.errors import Denied, Full, NewerSchema, NotFound, Unavailable, UnknownFormat
from engrams.lifecycle import feedback
from engrams.lifecycle.correcting import apply, find
from engrams.lifecycle.opening import House
from engrams.lifecycle.writing import BATCH, commit_new
from engrams.ports import Where
from engrams.records import Attachment, Event, EventId, Json, Scope

FORMAT = "engrams-journal"
VERSION = 1


def export(
    house: House, out: IO[str], scope: Scope | None, progress: Callable[[int], None] | None = None
) -> int:
    """Writes every event of a scope (None: of the whole store), oldest first; returns how many."""
    house.store.mark(scope)  # raises `Denied` where not all of it may be read: no part passes for the whole
    _line(
        out,
        {
            "format": FORMAT,
            "version": VERSION,
            "exported_at": _time(house.clock.now()),
            "recipe": house.recipe.name,
        },
    )
    digest = hashlib.sha256()
    count = 0
    for namespace in _namespaces(house, scope):
        after = 0
        inside = Scope(namespace, *((scope.agent_id, scope.run_id, scope.session) if scope else ()))
        while True:
            found = house.store.journal(inside, Where(), kinds=None, after=after, limit=BATCH)
            for number, event in found:
                digest.update(_line(out, _as_json(event)))
                after, count = number, count + 1
            if progress is not None:
                progress(count)
            if len(found) < BATCH:
                break
    _line(out, {"events": count, "sha256": digest.hexdigest()})
    return count


def export_to(house: House, path: Path, scope: Scope | None, progress: Callable[[int], None] | None) -> int:
    """Exports into a file that appears only when it is whole: a cut-off export leaves what was there before.

    Raises:
        Unavailable, Full: the file cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as out:
            count = export(house, out, scope, progress)
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(path)
    except Denied:  # by its class an OSError, and nothing of the disk's
        unfinished.unlink(missing_ok=True)
        raise
    except OSError as cause:
        unfinished.unlink(missing_ok=True)
        kind = Full if cause.errno == errno.ENOSPC else Unavailable
        raise kind(f"{path} cannot be written: {cause.strerror or cause}; nothing was left behind") from cause
    return count


def restore(house: House, path: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Brings back what `export` wrote; events that are here, or were erased, stay so. Returns how many came back.

    The whole file is read and checked first. Each batch is one transaction, so a restore that was cut off can be run
    again and goes on where it stopped.

    Raises:
        UnknownFormat: not such a file, cut off, or changed; says where.
        NewerSchema: written by a later version.
    """
    total = sum(1 for _ in _checked(path))
    back = 0
    waiting: list[Event] = []

    def flush() -> None:
        nonlocal waiting, back
        ids = [e.id for e in waiting]
        known = house.store.events(ids).keys() | house.store.erased(ids)
        runs: dict[tuple[str, datetime], list[Event]] = {}
        for event in waiting:
            if event.id not in known:
                runs.setdefault((event.namespace, event.recorded_at), []).append(event)
        for (namespace, _), events in runs.items():
            commit_new(house, tuple(events), Scope(namespace), action="restore")
            back += len(events)
        waiting = []

    for done, event in enumerate(_checked(path), start=1):
        if event.kind == "message":
            waiting.append(event)
            if len(waiting) >= BATCH:
                flush()
        else:
            flush()
            if event.id not in house.store.events([event.id]).keys() | house.store.erased([event.id]):
                _apply_again(house, event)
                back += 1
        if progress is not None and done % 100 == 0:
            progress(done, total)
    flush()
    if progress is not None:
        progress(total, total)
    return back


def _apply_again(house: House, note: Event) -> None:
    """A correction, rejection, pin or feedback as it was journalled, with what follows from it."""
    if note.kind == "feedback":
        feedback.keep(house, [note])
        return
    try:
        target = find(house, note.target)
    except NotFound:
        # What it was about is not derived by this recipe: the note is kept, and honoured once it is.
        target = note
    apply(house, note, target, "restore")


def _checked(path: Path) -> Iterator[Event]:
    digest = hashlib.sha256()
    count = 0
    closing: dict[str, Json] | None = None
    try:
        with path.open(encoding="utf-8") as lines:
            _header(path, lines.readline())
            for number, line in enumerate(lines, start=2):
                if closing is not None:
                    raise UnknownFormat(
                        f"{path}: line {number} comes after the closing line; the file was changed"
                    )
                try:
                    row = json.loads(line)
                    if "sha256" in row and "events" in row:
                        closing = row
                        continue
                    event = _as_event(row)
                except (ValueError, KeyError, TypeError) as cause:
                    raise UnknownFormat(f"{path}: line {number} is no event of an export: {cause}") from cause
                digest.update(line.encode())
                count += 1
                yield event
    except UnicodeDecodeError as cause:
        raise UnknownFormat(f"{path} is no export of engrams: it is not UTF-8 text ({cause})") from cause
    except OSError as cause:
        raise Unavailable(f"{path} cannot be read: {cause}") from cause
    if closing is None:
        raise UnknownFormat(
            f"{path}: the closing line is missing after {count} events; the file is cut off, export again"
        )
    if closing["events"] != count or closing["sha256"] != digest.hexdigest():
        raise UnknownFormat(
            f"{path}: {count} events found where {closing['events']} were written, or their text was changed; export again"
        )


def _header(path: Path, line: str) -> None:
    try:
        head = json.loads(line)
        found = head.get("format") if isinstance(head, dict) else None
    except ValueError:
        found = None
    if found != FORMAT:
        raise UnknownFormat(
            f'{path} is no export of engrams (its first line should hold "format": "{FORMAT}"); '
            "for chats of other programs use `engrams import`"
        )
    if head.get("version", 0) > VERSION:
        raise NewerSchema(
            f"{path} has version {head['version']} of the export form, this engrams reads up to {VERSION}; upgrade engrams"
        )


def _line(out: IO[str], row: dict[str, Json]) -> bytes:
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate kept as it came: escaped, the file stays UTF-8
        text = json.dumps(row, separators=(",", ":")) + "\n"
    out.write(text)
    return text.encode()


def _as_json(event: Event) -> dict[str, Json]:
    row = {k: v for k, v in asdict_shallow(event).items() if v not in (None, "", (), {})}
    row["content"] = event.content
    row["occurred_at"], row["recorded_at"] = _time(event.occurred_at), _time(event.recorded_at)
    if event.metadata:
        row["metadata"] = dict(event.metadata)
    if event.attachments:
        row["attachments"] = [
            {k: v for k, v in asdict(a).items() if v is not None} for a in event.attachments
        ]
    return row


def asdict_shallow(event: Event) -> dict[str, Json]:
    """The fields of an event by name, values untouched."""
    return {name: getattr(event, name) for name in Event.__dataclass_fields__}


def _as_event(row: dict[str, Json]) -> Event:
    values = dict(row)
    values["id"] = EventId(values["id"])
    for key in ("occurred_at", "recorded_at"):
        values[key] = datetime.fromisoformat(values[key]).astimezone(UTC)
    values["attachments"] = tuple(Attachment(**a) for a in values.get("attachments", ()))
    return Event(**values)


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _namespaces(house: House, scope: Scope | None) -> list[str]:
    return [n for n in sorted(house.store.namespaces()) if scope is None or scope.covers(n)]
