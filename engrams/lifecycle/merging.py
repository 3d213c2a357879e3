"""Taking containers in: restore brings back what was exported, merge fuses two memories, split parts one by namespace.

What is here stays as it is: nothing is overwritten, what was erased here stays erased. Where both sides say something
else under one id, ours is kept and the conflict is shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from engrams.errors import UsageError
from engrams.lifecycle import container as form
from engrams.lifecycle.container_reading import Container, checked
from engrams.lifecycle.container_rows import event_row, link_row, vector_rows, version_row
from engrams.lifecycle.opening import House
from engrams.lifecycle.telling import tell
from engrams.ports import Commit, Revised, Store, Where
from engrams.records import Engram, Event, Link, Receipt, Scope
from engrams.store.moving import End, Version

#: Events or versions in one transaction.
BATCH = 500
#: Conflicts that are shown one by one; the rest are counted.
MOST_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sides that say something else under one id: ours was kept."""

    kind: str  # event, engram
    id: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What was taken in. `repeated`: here before, by id; `alike`: here before under another id; `erased`: erased here."""

    events: int = 0
    versions: int = 0
    links: int = 0
    repeated: int = 0
    alike: int = 0
    erased: int = 0
    conflicts: tuple[Conflict, ...] = ()
    more_conflicts: int = 0


def restore(
    house: House,
    path: Path,
    *,
    signing_key: bytes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Merged:
    """Brings back exactly what a container holds: ids, versions, times, states. Can be cut off and run again."""
    return _Taking(house, checked(path, signing_key=signing_key), progress).run(fuse=False)


def merge(
    house: House,
    path: Path,
    *,
    signing_key: bytes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Merged:
    """Fuses a container into this memory: what both know under different ids (same words, time, speaker) counts once."""
    return _Taking(house, checked(path, signing_key=signing_key), progress).run(fuse=True)


def split(path: Path, folder: Path, *, signing_key: bytes | None = None) -> list[form.Exported]:
    """Writes one container for each namespace of a container; the parts carry no signature.

    Raises:
        UsageError: a file of that name is there already.
    """
    whole = checked(path, signing_key=signing_key)
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted({e.namespace for e in whole.events()} | {v.engram.namespace for v in whole.versions()})
    targets = {name: folder / f"{_file_name(name)}.engrams" for name in names}
    for target in targets.values():
        if target.exists():
            raise UsageError(f"{target} is there already; split into an empty folder")
    return [_part(whole, name, target) for name, target in targets.items()]


def _part(whole: Container, namespace: str, target: Path) -> form.Exported:
    events = {e.id for e in whole.events() if e.namespace == namespace}
    engrams = {v.engram.id for v in whole.versions() if v.engram.namespace == namespace}

    def versions() -> Iterator[Version]:
        """Sources that lie in another namespace stay behind."""
        for each in whole.versions():
            if each.engram.namespace == namespace:
                here = tuple(s for s in each.engram.sources if s in events or s in engrams)
                yield replace(each, engram=replace(each.engram, sources=here))

    def members() -> Iterator[tuple[str, Iterable[bytes]]]:
        yield form.JOURNAL, (form.line(event_row(e)) for e in whole.events() if e.namespace == namespace)
        yield form.ENGRAMS, (form.line(version_row(v)) for v in versions())
        inside = (link for link in whole.links() if link.source in engrams and link.target in engrams)
        yield form.LINKS, (form.line(link_row(link)) for link in inside)
        gone = (t for t in whole.tombstones() if t[0] == namespace)
        yield form.TOMBSTONES, (form.line({"namespace": ns, "id": id, "at": at}) for ns, id, at, _ in gone)
        yield from ((name, [card]) for name, card in whole.cards())
        named = {v.engram.payload.digest for v in versions() if v.engram.payload is not None}
        for digest in sorted(named):
            if (chunks := whole.payload(digest)) is not None:
                yield f"{form.PAYLOADS}{digest}", chunks
        if form.VECTORS in whole.manifest["members"]:
            yield form.VECTORS, (form.line(row) for v in versions() for row in vector_rows(v))

    kept = ("made_at", "recipe", "embedder", "writers")
    head = {key: whole.manifest[key] for key in kept if key in whole.manifest} | {"namespaces": [namespace]}
    return form.write(target, members(), head, None)


class _Taking:
    """One container on its way into one memory."""

    def __init__(
        self, house: House, container: Container, progress: Callable[[int, int], None] | None
    ) -> None:
        self._house, self._container, self._progress = house, container, progress
        counts = container.manifest.get("counts", {})
        self._total, self._done = int(counts.get(form.JOURNAL, 0)) + int(counts.get(form.ENGRAMS, 0)), 0
        self._counts = dict.fromkeys(("events", "versions", "links", "repeated", "alike", "erased"), 0)
        self._conflicts: list[Conflict] = []
        self._more = 0
        self._renamed: dict[str, str] = {}  # ids of theirs that are ours under another id
        self._left_out: set[str] = set()  # ids of theirs that are not taken in

    def run(self, *, fuse: bool) -> Merged:
        """Events first, then versions, then links; each batch is one transaction."""
        if not fuse:
            raw: Any = cast(End, self._house.store)
            here = {e.id for e in self._container.events()}
            raw.put_remains([t for t in self._container.tombstones() if t[1] not in here], [])
        known = self._fingerprints() if fuse else {}
        for batch in _batches(self._container.events(), BATCH):
            self._take_events(batch, known)
            self._report(len(batch))
        for versions in _runs(self._container.versions()):
            self._take_versions(versions)
            self._report(len(versions))
        for links in _batches(self._container.links(), BATCH):
            self._take_links(links)
        self._looked()
        conflicts = len(self._conflicts) + self._more
        tell(
            "container.taken",
            events=self._counts["events"],
            versions=self._counts["versions"],
            conflicts=conflicts,
        )
        return Merged(**self._counts, conflicts=tuple(self._conflicts), more_conflicts=self._more)

    def _looked(self) -> None:
        """What came in was derived already, where both sides had derived everything; also when it came in several runs."""
        store, ids = self._house.store, {e.id for e in self._container.events()}
        for writer in self._container.manifest.get("writers", []):
            while found := store.behind(str(writer), limit=len(ids) + 1):
                if not all(event.id in ids for _, event in found):
                    break
                store.looked(str(writer), found[-1][1].namespace, found[-1][0])

    def _fingerprints(self) -> dict[str, str]:
        """What is here, by what it says, of the namespaces that come in."""
        found: dict[str, str] = {}
        for namespace in sorted({e.namespace for e in self._container.events()}):
            after = 0
            while page := self._house.store.journal(Scope(namespace), Where(), after=after, limit=BATCH):
                for after, event in page:  # noqa: B007 - the last number is where the next page begins
                    found.setdefault(fingerprint(event), event.id)
        return found

    def _take_events(self, events: Sequence[Event], known: dict[str, str]) -> None:
        ids = [e.id for e in events]
        standing, erased = self._house.store.events(ids), self._house.store.erased(ids)
        new = []
        for event in events:
            ours = standing.get(event.id)
            if ours is not None:
                self._counts["repeated"] += 1
                if ours != event:
                    self._conflict("event", event.id, ours.content, event.content)
            elif event.id in erased:
                self._left_out.add(event.id)
                self._counts["erased"] += 1
            elif event.kind == "message" and fingerprint(event) in known:
                self._renamed[event.id] = known[fingerprint(event)]
                self._counts["alike"] += 1
            elif event.target in self._left_out:
                self._left_out.add(event.id)
            else:
                new.append(replace(event, target=self._renamed.get(event.target or "", event.target)))
        self._commit(events=new)
        self._counts["events"] += len(new)

    def _take_versions(self, versions: Sequence[Version]) -> None:
        standing = self._house.store.engrams([v.engram.id for v in versions])
        new = []
        for each in versions:
            engram = self._ours(each.engram)
            ours = standing.get(engram.id)
            if engram.id in self._left_out:
                continue
            if ours is None and not engram.sources and each.engram.sources:
                self._left_out.add(engram.id)  # all it rested on was erased here, or is here under another id
                continue
            if ours is None and self._rests_on_what_is_ours(each.engram):
                self._left_out.add(engram.id)  # ours of the same words stands already
                continue
            if ours is None or engram.version > ours.version:
                new.append(replace(each, engram=engram))
                continue
            self._counts["repeated"] += 1
            there = self._house.store.version(engram.id, engram.version)
            if there is not None and there.content != engram.content:
                self._conflict("engram", engram.id, there.content, engram.content)
                self._left_out.add(engram.id)  # later versions build on what is not ours
        if new:
            self._take_payloads(new)
            revised = tuple(Revised(v.engram, v.entry, v.cause[0], v.cause[2], v.cause[3]) for v in new)
            self._commit(revised=revised, actor=new[0].cause[1])
        self._counts["versions"] += len(new)

    def _take_payloads(self, versions: Sequence[Version]) -> None:
        """The payloads that came along, before the versions that name them."""
        store = self._house.store.payloads
        for each in versions:
            payload = each.engram.payload
            if payload is None or store.size(each.engram.namespace, payload.digest) is not None:
                continue
            chunks = self._container.payload(payload.digest)
            if chunks is not None:
                store.put(each.engram.namespace, chunks)

    def _ours(self, engram: Engram) -> Engram:
        sources = (self._renamed.get(s, s) for s in engram.sources if s not in self._left_out)
        return replace(engram, sources=tuple(dict.fromkeys(sources)))

    def _rests_on_what_is_ours(self, engram: Engram) -> bool:
        return bool(engram.sources) and all(s in self._renamed or s in self._left_out for s in engram.sources)

    def _take_links(self, links: Sequence[Link]) -> None:
        ends = {end for link in links for end in (link.source, link.target)}
        standing = self._house.store.engrams(sorted(ends))
        there = set(self._house.store.links(sorted(ends)))
        new = tuple(
            link
            for link in links
            if link not in there and link.source in standing and link.target in standing
        )
        self._commit(links=new, namespace=next((standing[link.source].namespace for link in new), ""))
        self._counts["links"] += len(new)

    def _commit(
        self,
        events: Sequence[Event] = (),
        revised: tuple[Revised, ...] = (),
        links: tuple[Link, ...] = (),
        actor: str | None = None,
        namespace: str = "",
    ) -> None:
        if not (events or revised or links):
            return
        where = namespace or (events[0].namespace if events else revised[0].engram.namespace)
        self._house.store.commit(
            Commit(
                receipt=Receipt(where, tuple(e.id for e in events)),
                actor=actor or self._house.actor,
                action="restore",
                recorded_at=self._house.clock.now(),
                events=tuple(events),
                revised=revised,
                links=links,
                replayed=True,
            )
        )

    def _conflict(self, kind: str, id: str, ours: str, theirs: str) -> None:
        if len(self._conflicts) < MOST_SHOWN:
            self._conflicts.append(Conflict(kind, id, ours, theirs))
        else:
            self._more += 1

    def _report(self, more: int) -> None:
        self._done += more
        if self._progress is not None:
            self._progress(self._done, max(self._total, self._done))


def looked_alike(source: Store, target: Store, writers: Sequence[str]) -> None:
    """The target, which holds what the source does, knows of every writer that had derived everything in the source."""
    for writer in writers:
        if source.progress(writer).behind:
            continue
        while found := target.behind(writer, limit=BATCH):
            number, event = found[-1]
            target.looked(writer, event.namespace, number)


def fingerprint(event: Event) -> str:
    """What makes two turns the same turn: where, when, by whom, and the words."""
    said = [
        event.namespace,
        event.session,
        event.role,
        event.speaker,
        event.occurred_at.isoformat(),
        event.content,
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        if batch and (len(batch) == size or _tenant(item) != _tenant(batch[-1])):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _tenant(item: Any) -> str:
    """Links know no namespace: any two may share a transaction."""
    return str(getattr(item, "namespace", "")).partition("/")[0]


def _runs(versions: Iterator[Version]) -> Iterator[list[Version]]:
    """Neighbours by one actor in one tenant, no engram twice."""
    batch: list[Version] = []
    ids: set[str] = set()
    for each in versions:
        last = batch[-1] if batch else each
        if batch and (
            len(batch) == BATCH
            or each.engram.id in ids
            or each.cause[1] != last.cause[1]
            or _tenant(each.engram) != _tenant(last.engram)
        ):
            yield batch
            batch, ids = [], set()
        batch.append(each)
        ids.add(each.engram.id)
    if batch:
        yield batch


def _file_name(namespace: str) -> str:
    """A file name of a path: what is safe stays, the rest is told apart by a digest."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in namespace)[:80]
    if plain == namespace:
        return plain
    return f"{plain}-{hashlib.sha256(namespace.encode()).hexdigest()[:8]}"
