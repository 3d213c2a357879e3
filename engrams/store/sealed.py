"""A store whose texts are encrypted before they are written and decrypted as they are read, whatever lies below.

Sealed: the content of events and engrams, their keys, and the reasons of changes: AES-256-GCM, bound to the id and version
they belong to, so that a changed or swapped text is refused. Term hashes and word-piece ids go through permutations that
only the key knows, so that nobody without it can hash a word and look for it; that a term is frequent can still be seen.
Digests that short texts could be guessed from become keyed ones. Not sealed: times, ids, namespaces, sessions, roles,
speakers, metadata and attachments (filters read them), counts, links, vectors, settings, the audit.

A random data key does this; it lies in the settings, encrypted with the user's key, which is what a rotation changes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from engrams.errors import BadSetting, Corrupt, Denied, NeedsExtra
from engrams.ports import Commit, Entry, EntryColumns, EntryRow, Revised, Store
from engrams.records import Engram, Event, Receipt, Revision, Row, Scope

SETTING = "seal"
#: What a sealed text begins with: the form, and its version.
MARK = "sealed:1:"
#: What a generated key begins with; anything else is a passphrase.
KEY_MARK = "engrams-key-"
KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D, section 8.2: 96 bits, random
#: Cost of turning a passphrase into a key (RFC 7914): 32 MiB and about a tenth of a second.
SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26}
SHORTEST_PASSPHRASE = 12
#: Rounds of the permutation of term hashes; four make a strong one (Luby and Rackoff, 1988), two more cost little.
ROUNDS = 6
_HALVES = 2**16


def new_key() -> str:
    """A fresh key, as text: 256 random bits."""
    return KEY_MARK + base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


class Cipher:
    """What one data key does: seals texts, permutes hashes, keys digests."""

    def __init__(self, data_key: bytes) -> None:
        self._aead = _aead(_part(data_key, b"text"))
        self._digests = _part(data_key, b"digests")
        raw = hashlib.shake_256(_part(data_key, b"terms")).digest(2 * ROUNDS * _HALVES)
        self._rounds = np.frombuffer(raw, "<u2").reshape(ROUNDS, _HALVES)
        chance = np.frombuffer(hashlib.shake_256(_part(data_key, b"pieces")).digest(8 * _HALVES), "<u8")
        self._pieces = np.argsort(chance, kind="stable").astype(np.uint16)
        self._pieces_back = np.argsort(self._pieces, kind="stable").astype(np.uint16)

    def seal(self, text: str, about: str) -> str:
        """A text as it is stored; `about` names what it belongs to, and must be the same when it is opened."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, text.encode("utf-8", "surrogatepass"), about.encode())
        return MARK + base64.b64encode(nonce + sealed).decode()

    def open(self, text: str, about: str) -> str:
        """The text that was sealed.

        Raises:
            Corrupt: it was changed, or belongs to something else.
        """
        try:
            raw = base64.b64decode(text.removeprefix(MARK), validate=True)
            if not text.startswith(MARK):
                raise ValueError("no sealed text")
            opened: bytes = self._aead.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], about.encode())
        except (ValueError, _invalid_tag()) as cause:
            raise Corrupt(
                f"the text of {about} was changed after it was encrypted; restore a backup"
            ) from cause
        return opened.decode("utf-8", "surrogatepass")

    def digest(self, text: str) -> str:
        """A digest that only the key can make again: 64 hex digits."""
        return hmac.new(self._digests, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def terms(self, hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Term hashes, uint32[n], as they are stored: a keyed permutation of 32 bits."""
        left, right = (hashes >> 16).astype(np.uint16), (hashes & 0xFFFF).astype(np.uint16)
        for table in self._rounds:
            left, right = right, left ^ table[right]
        return _whole(left, right)

    def terms_back(self, stored: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """What `terms` undoes, uint32[n]."""
        left, right = (stored >> 16).astype(np.uint16), (stored & 0xFFFF).astype(np.uint16)
        for table in self._rounds[::-1]:
            left, right = right ^ table[left], left
        return _whole(left, right)

    def pieces(self, ids: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """Word-piece ids, uint16[n], as they are stored."""
        return np.asarray(self._pieces[ids])

    def pieces_back(self, stored: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """What `pieces` undoes, uint16[n]."""
        return np.asarray(self._pieces_back[stored])


def make_seal(key: str) -> tuple[str, bytes]:
    """(a new data key encrypted with the user's key, as the setting keeps it; the data key)."""
    data_key = os.urandom(KEY_BYTES)
    return wrap(data_key, key), data_key


def wrap(data_key: bytes, key: str) -> str:
    """The data key encrypted with the user's key, as the setting keeps it."""
    salt, nonce = os.urandom(16), os.urandom(NONCE_BYTES)
    sealed = _aead(_user_key(key, salt)).encrypt(nonce, data_key, SETTING.encode())
    return json.dumps({"version": 1, "salt": salt.hex(), "key": (nonce + sealed).hex()})


def unwrap(seal: str, key: str) -> bytes:
    """The data key.

    Raises:
        Denied: not the key that it was encrypted with.
        BadSetting: no usable key.
    """
    row = json.loads(seal)
    raw = bytes.fromhex(row["key"])
    try:
        found: bytes = _aead(_user_key(key, bytes.fromhex(row["salt"]))).decrypt(
            raw[:NONCE_BYTES], raw[NONCE_BYTES:], SETTING.encode()
        )
    except _invalid_tag() as cause:
        raise Denied("the key in ENGRAMS_KEY is not the one this memory is encrypted with") from cause
    return found


class SealedStore:
    """Every call of `Store`, with texts sealed on the way in and opened on the way out; the rest goes as it is."""

    def __init__(self, store: Store, cipher: Cipher) -> None:
        self._store, self._cipher = store, cipher

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

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
        source = None if event.source is None else self._cipher.digest(event.source)
        return replace(event, content=self._cipher.seal(event.content, f"event {event.id}"), source=source)

    def _engram_in(self, engram: Engram) -> Engram:
        about = f"engram {engram.id} {engram.version}"
        keys = (self._cipher.seal(json.dumps(engram.keys), f"keys {about}"),) if engram.keys else ()
        return replace(engram, content=self._cipher.seal(engram.content, about), keys=keys)

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

    def journal(self, *args: Any, **kwargs: Any) -> list[tuple[int, Event]]:
        """As the store says, opened."""
        return [(n, self._event_out(e)) for n, e in self._store.journal(*args, **kwargs)]

    def engrams(self, ids: Sequence[str]) -> dict[str, Engram]:
        """As the store says, opened."""
        return {id: self._engram_out(g) for id, g in self._store.engrams(ids).items()}

    def engrams_at(self, rows: Sequence[Row]) -> list[Engram]:
        """As the store says, opened."""
        return [self._engram_out(g) for g in self._store.engrams_at(rows)]

    def list_engrams(self, *args: Any, **kwargs: Any) -> list[tuple[Row, Engram]]:
        """As the store says, opened."""
        return [(row, self._engram_out(g)) for row, g in self._store.list_engrams(*args, **kwargs)]

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
        return replace(event, content=self._cipher.open(event.content, f"event {event.id}"))

    def _engram_out(self, engram: Engram) -> Engram:
        about = f"engram {engram.id} {engram.version}"
        keys = tuple(json.loads(self._cipher.open(engram.keys[0], f"keys {about}"))) if engram.keys else ()
        return replace(engram, content=self._cipher.open(engram.content, about), keys=keys)

    def _revision_out(self, r: Revision) -> Revision:
        def opened(text: str, version: int) -> str:
            return self._cipher.open(text, f"engram {r.engram_id} {version}")

        reason = self._cipher.open(r.reason, f"reason {r.engram_id} {r.version}") if r.reason else ""
        # The version before is the next lower one that is left; which one that is, its own text says.
        previous = None if r.previous is None else self._previous(r, r.previous)
        return replace(r, content=opened(r.content, r.version), reason=reason, previous=previous)

    def _previous(self, r: Revision, text: str) -> str:
        for version in range(r.version - 1, 0, -1):
            try:
                return self._cipher.open(text, f"engram {r.engram_id} {version}")
            except Corrupt:  # sealed for another version: one before it was erased
                continue
        raise Corrupt(
            f"the text before version {r.version} of engram {r.engram_id} was changed; restore a backup"
        )


def _whole(left: npt.NDArray[np.uint16], right: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint32]:
    return (left.astype(np.uint32) << np.uint32(16)) | right


def _within(values: npt.NDArray[Any], counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The order that sorts each run of `counts[i]` values by itself, int64[n]."""
    runs = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    return np.argsort(runs << np.uint64(32) | values.astype(np.uint64), kind="stable")


def _part(key: bytes, use: bytes) -> bytes:
    return hmac.new(key, b"engrams " + use, hashlib.sha256).digest()


def _user_key(key: str, salt: bytes) -> bytes:
    if key.startswith(KEY_MARK):
        try:
            raw = base64.urlsafe_b64decode(key.removeprefix(KEY_MARK))
        except ValueError:
            raw = b""
        if len(raw) != KEY_BYTES:
            raise BadSetting(
                "ENGRAMS_KEY", "(hidden)", "a whole key as `engrams encrypt --new-key` prints it"
            )
        return _part(raw, salt)
    if len(key) < SHORTEST_PASSPHRASE:
        raise BadSetting(
            "ENGRAMS_KEY",
            "(hidden)",
            f"a passphrase of at least {SHORTEST_PASSPHRASE} characters, or a generated key",
        )
    return hashlib.scrypt(key.encode("utf-8", "surrogatepass"), salt=salt, dklen=KEY_BYTES, **SCRYPT)


def _aead(key: bytes) -> Any:
    if find_spec("cryptography") is None:
        raise NeedsExtra("an encrypted memory", "encryption")
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag

    return InvalidTag


__all__ = ["Cipher", "SealedStore", "make_seal", "new_key", "unwrap", "wrap"]
