"""Reading a container: every member is measured, checked and parsed before anything is written anywhere.

Nothing is ever unpacked to disk, so no name in an archive can lead out of a folder. A member may not be larger than the
manifest says, the whole no larger than a limit, and none may unpack to more than a limit times its size.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from engrams.errors import Corrupt, NewerSchema, NotFound, Unavailable, UnknownFormat
from engrams.lifecycle import container as form
from engrams.lifecycle.container_rows import event_from, link_from, vector_from, version_from
from engrams.lifecycle.container_signing import verify
from engrams.records import Event, Json, Link
from engrams.store.moving import Version

T = TypeVar("T")

#: Bytes a container may unpack to, unless the caller says more: 64 GiB, a hundred million turns.
MOST_BYTES = 64 * 2**30
#: The most that deflate makes of a byte is about 1,032 (zlib's own documentation); text of people stays far below this.
MOST_RATIO = 200
#: Below this many bytes no ratio is a danger.
SMALL = 64 * 2**20
#: The longest row and manifest, in bytes; SQLite holds no larger text.
LONGEST_ROW, LONGEST_MANIFEST = 2**30, 64 * 2**20
#: Bytes read at once.
CHUNK = 2**20
_NAME = re.compile(
    r"(?:journal|engrams|links|tombstones|vectors)\.jsonl|recipes/[a-z0-9]+(?:-[a-z0-9]+)*\.txt"
    r"|payloads/[0-9a-f]{64}"
)


@dataclass(frozen=True, slots=True)
class Container:
    """A container that was checked: its manifest, and its rows as often as they are asked for."""

    path: Path
    manifest: Mapping[str, Any]
    signed: bool

    def events(self) -> Iterator[Event]:
        """The journal, in its order."""
        return self._rows(form.JOURNAL, lambda row, _: event_from(row))

    def versions(self) -> Iterator[Version]:
        """Every version of every engram, in the order they were written, vectors included."""
        vectors: dict[tuple[str, int], dict[str, Any]] = {}
        if form.VECTORS in self.manifest["members"]:
            for id, version, embedder, values in self._rows(form.VECTORS, lambda row, _: vector_from(row)):
                vectors.setdefault((id, version), {})[embedder] = values
        for each in self._rows(form.ENGRAMS, version_from):
            found = vectors.get((each.engram.id, each.engram.version))
            yield each if found is None else replace(each, entry=replace(each.entry, vectors=found))

    def links(self) -> Iterator[Link]:
        """The links, by their ends."""
        return self._rows(form.LINKS, lambda row, _: link_from(row))

    def tombstones(self) -> Iterator[tuple[str, str, int, str]]:
        """What was erased: (namespace, id, microseconds since 1970, nothing)."""
        return self._rows(
            form.TOMBSTONES, lambda row, _: (str(row["namespace"]), str(row["id"]), int(row["at"]), "")
        )

    def cards(self) -> Iterator[tuple[str, bytes]]:
        """The cards of recipes, by the names of their members."""
        for name in sorted(self.manifest["members"]):
            if name.startswith(form.CARDS):
                with _opened(self.path) as archive:
                    yield name, archive.read(name)

    def payload(self, digest: str) -> Iterator[bytes] | None:
        """The bytes of a payload, a chunk at a time; None where it did not come along."""
        name = f"{form.PAYLOADS}{digest}"
        return self._bytes(name) if name in self.manifest["members"] else None

    def _bytes(self, name: str) -> Iterator[bytes]:
        with _opened(self.path) as archive, archive.open(name) as member:
            while chunk := member.read(CHUNK):
                yield chunk

    def _rows(self, name: str, make: Callable[[dict[str, Json], int], T]) -> Iterator[T]:
        with _opened(self.path) as archive:
            for number, raw in enumerate(_lines(archive, name), 1):
                try:
                    yield make(json.loads(raw), number)
                except (ValueError, TypeError, KeyError, AttributeError) as cause:
                    raise UnknownFormat(
                        f"{self.path}: {name}, row {number} is not what it should be: {cause}"
                    ) from cause


def checked(path: Path, *, signing_key: bytes | None = None, most_bytes: int = MOST_BYTES) -> Container:
    """A container of which every byte was checked against its manifest, and every row was read.

    Raises:
        NotFound, Unavailable: no file, or one that cannot be read.
        UnknownFormat: no container.
        NewerSchema: of a later version.
        Corrupt: cut off, changed, or built to do harm.
        Denied: a signing key was given and did not sign it.
    """
    with _opened(path) as archive:
        manifest, raw = _manifest(path, archive)
        listed = _listed(path, archive, manifest, most_bytes)
        signature = _signature(path, archive)
        for name, said in listed.items():
            digest, size = hashlib.sha256(), 0
            with archive.open(name) as member:
                while chunk := member.read(CHUNK):
                    size += len(chunk)
                    if size > said["bytes"]:
                        break
                    digest.update(chunk)
            if size != said["bytes"] or digest.hexdigest() != said["sha256"]:
                raise Corrupt(f"{path}: {name} is not what was written ({size} bytes read); export again")
            if name.startswith(form.PAYLOADS) and name != f"{form.PAYLOADS}{said['sha256']}":
                raise Corrupt(f"{path}: {name} is not the payload that its name says; export again")
    if manifest.get("digest") != form.digest_of(listed):
        raise Corrupt(f"{path}: the manifest does not fit its members; export again")
    if signing_key is not None:
        verify(raw, signature, signing_key)
    found = Container(path, manifest, signature is not None)
    _read_through(found)
    return found


def _read_through(container: Container) -> None:
    """Every row parses, ids are given once, versions ascend, and nothing rests on what is not there."""
    path = container.path
    events: set[str] = set()
    for event in container.events():
        if event.id in events:
            raise Corrupt(f"{path}: event {event.id} is there twice")
        events.add(event.id)
    versions: dict[str, int] = {}
    for each in container.versions():
        id, version = each.engram.id, each.engram.version
        if version <= versions.get(id, 0):
            raise Corrupt(f"{path}: version {version} of engram {id} comes after version {versions[id]}")
        versions[id] = version
    known = events | versions.keys()
    for each in container.versions():
        for source in each.engram.sources:
            if source not in known:
                raise Corrupt(f"{path}: engram {each.engram.id} rests on {source}, which is not there")
    for link in container.links():
        if link.source not in versions or link.target not in versions:
            raise Corrupt(f"{path}: a link joins {link.source} to {link.target}, and one is not there")
    for _ in container.tombstones():
        pass


def _manifest(path: Path, archive: zipfile.ZipFile) -> tuple[dict[str, Any], bytes]:
    if form.MANIFEST not in archive.namelist() or archive.getinfo(form.MANIFEST).file_size > LONGEST_MANIFEST:
        raise UnknownFormat(
            f"{path} is an archive of something else: it has no {form.MANIFEST} of a container"
        )
    raw = archive.read(form.MANIFEST)
    try:
        manifest = json.loads(raw)
        if manifest["format"] != form.FORMAT:
            raise ValueError(f"format {manifest['format']!r}")
        version = int(manifest["version"])
    except (ValueError, TypeError, KeyError) as cause:
        raise UnknownFormat(f"{path} is no container of engrams: {cause}") from cause
    if version > form.VERSION:
        raise NewerSchema(
            f"{path} has version {version} of the container, this engrams reads up to {form.VERSION}; upgrade engrams"
        )
    return manifest, raw


def _listed(
    path: Path, archive: zipfile.ZipFile, manifest: Mapping[str, Any], most_bytes: int
) -> dict[str, Any]:
    """The members that the manifest names, which are exactly those that are there, none too large."""
    listed = manifest.get("members")
    if not isinstance(listed, dict) or not all(
        isinstance(m, dict) and type(m.get("bytes")) is int and isinstance(m.get("sha256"), str)
        for m in listed.values()
    ):
        raise Corrupt(f"{path}: the manifest does not say what its members are")
    names = archive.namelist()
    for name in [*names, *listed]:
        if name not in (form.MANIFEST, form.SIGNATURE) and not _NAME.fullmatch(name):
            raise Corrupt(
                f"{path}: found a member {name[:80]!r}, which no container has; nothing of it was read"
            )
    missing = {form.JOURNAL, form.ENGRAMS, form.LINKS, form.TOMBSTONES} - listed.keys()
    if (
        len(names) != len(set(names))
        or {*names} - {form.MANIFEST, form.SIGNATURE} != listed.keys()
        or missing
    ):
        raise Corrupt(f"{path}: the manifest names {sorted(listed)}, the archive holds {sorted(names)}")
    total = sum(archive.getinfo(name).file_size for name in names)
    if total > most_bytes:
        raise Corrupt(
            f"{path} would unpack to {total:,} bytes; the limit is {most_bytes:,}. Nothing was unpacked"
        )
    for name in names:
        info = archive.getinfo(name)
        if info.file_size > SMALL and info.file_size > MOST_RATIO * max(info.compress_size, 1):
            raise Corrupt(
                f"{path}: {name} would unpack to {info.file_size:,} bytes from {info.compress_size:,}"
            )
    return listed


def _signature(path: Path, archive: zipfile.ZipFile) -> Mapping[str, Json] | None:
    if form.SIGNATURE not in archive.namelist():
        return None
    try:
        found = json.loads(archive.read(form.SIGNATURE))
    except ValueError as cause:
        raise Corrupt(f"{path}: {form.SIGNATURE} cannot be read: {cause}") from cause
    return found if isinstance(found, dict) else {}


def _lines(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(name) as member:
        while raw := member.readline(LONGEST_ROW):
            yield raw


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError as cause:
        raise NotFound(f"there is no file {path}") from cause
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as cause:
        with path.open("rb") as file:
            begins = file.read(4)
        if begins == b"PK\x03\x04":
            raise Corrupt(
                f"{path} is cut off or damaged ({cause}); export again, or fetch it again"
            ) from cause
        raise UnknownFormat(f"{path} is no container of engrams, which is a zip archive") from cause
    except (OSError, RuntimeError, lzma.LZMAError) as cause:  # zipfile asks for passwords with a RuntimeError
        if isinstance(cause, lzma.LZMAError) or (isinstance(cause, OSError) and cause.errno is None):
            # no refusal of the file system: a flipped byte named another compression, whose reader gave up
            raise Corrupt(
                f"{path} is cut off or damaged ({cause}); export again, or fetch it again"
            ) from cause
        raise Unavailable(f"{path} cannot be read: {cause}") from cause
