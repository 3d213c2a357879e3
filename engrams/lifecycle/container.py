"""The container: a memory, or part of one, as one file that any machine can check, read and take in.

A zip archive. `manifest.json` names every other member with its size and SHA-256; `signature.json`, where there is one,
signs the manifest. The members are `journal.jsonl` (events), `engrams.jsonl` (every version with its history and index
entry), `links.jsonl`, `tombstones.jsonl`, `recipes/NAME.txt` (cards), `payloads/SHA256` (large parts of engrams, as they
are) and, if asked for, `vectors.jsonl`. docs/container.md describes each field. All but the payloads is JSON and numbers as
text: reading one runs no code.

The archive of one state is the same bytes each time, but for the time in its manifest.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from engrams.errors import Busy, Denied, Full, Unavailable
from engrams.lifecycle.container_rows import event_row, link_row, vector_rows, version_row
from engrams.lifecycle.container_signing import sign
from engrams.lifecycle.opening import House
from engrams.lifecycle.telling import tell
from engrams.recipe import Recipe
from engrams.recipes.catalogue import CATALOGUE
from engrams.records import Json, Link, Scope
from engrams.store.moving import End, Version, every_event, every_version

FORMAT, VERSION = "engrams-container", 2
MANIFEST, SIGNATURE = "manifest.json", "signature.json"
JOURNAL, ENGRAMS, LINKS = "journal.jsonl", "engrams.jsonl", "links.jsonl"
TOMBSTONES, VECTORS = "tombstones.jsonl", "vectors.jsonl"
#: The folders of the archive with cards and payloads.
CARDS, PAYLOADS = "recipes/", "payloads/"
#: The time that every member carries, the earliest a zip can hold: the same state gives the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
#: How often an export begins anew because somebody wrote meanwhile.
_TRIES = 3
#: Engrams whose links are asked for at once.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote; `digest` is SHA-256 over the digests of its members, the same for the same memory."""

    path: str
    events: int
    versions: int
    links: int
    digest: str
    signed: bool = False
    namespaces: tuple[str, ...] = field(default=())


def export(
    house: House,
    path: Path,
    scope: Scope | None,
    *,
    vectors: bool = True,
    signing_key: bytes | None = None,
    progress: Callable[[int], None] | None = None,
) -> Exported:
    """Writes a scope's path (None: everything) as one container, which appears only when it is whole.

    Raises:
        Busy: others kept writing; export from a backup.
        Full, Unavailable: the file cannot be written.
    """
    store = _Seen(house, scope)
    for _ in range(_TRIES):
        before = house.store.mark(scope)
        head = _head(house, store)
        made = write(path, _members(house, store, vectors, progress, head), head, signing_key)
        if house.store.mark(scope) == before:
            tell("container.exported", events=made.events, versions=made.versions, signed=made.signed)
            return made
        path.unlink(missing_ok=True)
    raise Busy(
        f"{house.store.location} was written to during each of {_TRIES} exports; export from a copy that stands still: "
        "engrams backup COPY.db, then engrams export --db COPY.db --container"
    )


class _Seen:
    """A store of which only the namespaces of a scope are seen."""

    def __init__(self, house: House, scope: Scope | None) -> None:
        self._store, self._scope = house.store, scope

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def namespaces(self) -> list[str]:
        """Those inside the scope's path."""
        return [n for n in self._store.namespaces() if self._scope is None or self._scope.covers(n)]


def _head(house: House, store: _Seen) -> dict[str, Json]:
    return {
        "made_at": datetime.now(UTC).isoformat(),
        "recipe": {"name": house.recipe.name, "fingerprint": house.recipe.fingerprint()},
        "embedder": house.store.setting("embedder"),
        "namespaces": sorted(store.namespaces()),
    }


def _members(
    house: House,
    store: _Seen,
    vectors: bool,
    progress: Callable[[int], None] | None,
    head: dict[str, Json],
) -> Iterator[tuple[str, Iterable[bytes]]]:
    end = cast(End, store)
    seen = 0
    writers: set[str] = {house.recipe.writer}
    payloads: dict[str, str] = {}

    def versions() -> Iterator[Version]:
        nonlocal seen
        for version in every_version(end):
            seen += 1
            writers.add(version.engram.recipe)
            if version.engram.payload is not None:
                payloads.setdefault(version.engram.payload.digest, version.engram.namespace)
            if progress is not None and seen % _AT_ONCE == 0:
                progress(seen)
            yield version

    inside = set(store.namespaces())
    yield JOURNAL, (line(event_row(event)) for event in every_event(end))
    yield ENGRAMS, (line(version_row(version)) for version in versions())
    # Whose engrams are whole: who takes them in need not derive them again.
    head["writers"] = sorted(w for w in writers if not house.store.progress(w).behind)
    yield LINKS, (line(link_row(link)) for link in _links(end))
    gone = sorted(row for row in end.tombstones() if row[0] in inside)
    yield TOMBSTONES, (line({"namespace": ns, "id": id, "at": at}) for ns, id, at, _ in gone)
    for recipe in sorted(_recipes(house, writers), key=lambda r: r.name):
        yield f"{CARDS}{recipe.name}.txt", [recipe.card().encode() + b"\n"]
    for digest, namespace in sorted(payloads.items()):
        if end.payloads.size(namespace, digest) is not None:  # a cache that was dropped stays away
            yield f"{PAYLOADS}{digest}", end.payloads.open(namespace, digest)
    if vectors:
        yield VECTORS, (line(row) for version in every_version(end) for row in vector_rows(version))


def _recipes(house: House, writers: set[str]) -> list[Recipe]:
    """The open recipe, and for each other writer the recipe it is named by, else all that share it."""
    found = {house.recipe.name: house.recipe}
    for writer in writers - {house.recipe.writer}:
        named = CATALOGUE.get(writer)
        for recipe in [r for r in CATALOGUE.values() if r.writer == writer] if named is None else [named]:
            found.setdefault(recipe.name, recipe)
    return list(found.values())


def _links(store: End) -> Iterator[Link]:
    ids: list[str] = sorted({version.engram.id for version in every_version(store)})
    known = set(ids)
    for start in range(0, len(ids), _AT_ONCE):
        part = set(ids[start : start + _AT_ONCE])
        found = [link for link in store.links(sorted(part)) if link.source in part and link.target in known]
        yield from sorted(found, key=lambda link: (link.source, link.target, link.relation, link.recipe))


def line(row: Mapping[str, Json]) -> bytes:
    """One row of JSON lines, the same bytes for the same row."""
    return json.dumps(row, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def write(
    path: Path,
    members: Iterable[tuple[str, Iterable[bytes]]],
    head: Mapping[str, Json],
    signing_key: bytes | None,
) -> Exported:
    """Writes members, then the manifest that names them, into a file that takes its place when it is on disk."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    listed: dict[str, Json] = {}
    counts: dict[str, int] = {}
    try:
        with (
            unfinished.open("wb") as out,
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
        ):
            for name, lines in members:
                digest, size, count = hashlib.sha256(), 0, 0
                with archive.open(_entry(name), "w", force_zip64=True) as member:
                    for raw in lines:
                        member.write(raw)
                        digest.update(raw)
                        size, count = size + len(raw), count + 1
                listed[name] = {"sha256": digest.hexdigest(), "bytes": size}
                counts[name] = count
            whole = digest_of(listed)
            manifest = {
                "format": FORMAT,
                "version": VERSION,
                **head,
                "counts": {name: n for name, n in counts.items() if name.endswith(".jsonl")},
                "members": listed,
                "digest": whole,
            }
            raw = json.dumps(manifest, ensure_ascii=True, sort_keys=True, indent=1).encode() + b"\n"
            archive.writestr(_entry(MANIFEST), raw)
            if signing_key is not None:
                archive.writestr(_entry(SIGNATURE), json.dumps(sign(raw, signing_key)) + "\n")
        with unfinished.open("rb+") as done:
            os.fsync(done.fileno())
        unfinished.replace(path)
    except Denied:  # by its class an OSError, and nothing of the disk's
        raise
    except OSError as cause:
        kind = Full if cause.errno == errno.ENOSPC else Unavailable
        raise kind(f"{path} cannot be written: {cause.strerror or cause}; nothing was left behind") from cause
    finally:
        unfinished.unlink(missing_ok=True)
    namespaces = tuple(head.get("namespaces", ()))
    return Exported(
        str(path), counts[JOURNAL], counts[ENGRAMS], counts[LINKS], whole, signing_key is not None, namespaces
    )


def digest_of(listed: Mapping[str, Mapping[str, Json]]) -> str:
    """SHA-256 over names and digests of members, in the order of their names."""
    rows = "".join(f"{name} {listed[name]['sha256']}\n" for name in sorted(listed))
    return hashlib.sha256(rows.encode()).hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    # Numbers hardly compress; text does.
    entry.compress_type = zipfile.ZIP_STORED if name.startswith(PAYLOADS) else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry
