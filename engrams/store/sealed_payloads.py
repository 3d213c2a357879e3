"""Payloads and jobs that are encrypted before they are kept.

A payload: a mark, 32 bytes of salt, then parts of 1 MiB, each AES-256-GCM under a key of this payload's own. The nonce is
the part's number and whether it is the last one, as in the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizar,
2015), so that parts can be neither swapped nor left out; the last one is bound to the payload's name. The name is a keyed
digest: who knows some bytes cannot ask whether they are here.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from engrams.errors import Corrupt
from engrams.ports import Jobs
from engrams.ports.payloads import Blob, Payloads
from engrams.records import Engram, Job, JobState, Payload, Problem
from engrams.store.cipher import MARK, Cipher, invalid_tag
from engrams.store.payloads import SEALED, changed, was_changed

HEADER = b"engrams-payload-1\n"
SALT_BYTES = 32
#: Bytes of a part before it is encrypted, and what encrypting adds to it (the tag of AES-GCM).
PART, TAG = 2**20, 16
#: Bytes of the nonce that number the parts; the last of the twelve says whether it is the last part.
NUMBER_BYTES = 11
#: The key of a job's payload under which all of it lies sealed, and the one that stays readable: ids, by which an erase
#: finds what was said of a failure.
_SEALED, _READABLE = "sealed", "events"


class SealedPayloads:
    """Every call of `Payloads`, with bytes encrypted on the way in and decrypted on the way out."""

    def __init__(self, payloads: Payloads, cipher: Cipher, location: str) -> None:
        self._payloads, self._cipher, self._location = payloads, cipher, location

    def put(self, namespace: str, chunks: Iterable[bytes], *, name: Callable[[], str] | None = None) -> str:
        """Keeps bytes encrypted; the digest of what they were."""
        digest = hashlib.sha256()

        def counted() -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk

        def named() -> str:
            return self.name_of(digest.hexdigest())

        self._payloads.put(namespace, self._closed(counted(), named), name=named)
        return digest.hexdigest()

    def open(self, namespace: str, digest: str) -> Iterator[bytes]:
        """The bytes as they were, a chunk at a time."""
        name = self.name_of(digest)
        return self._opened(self._payloads.open(namespace, name), name)

    def size(self, namespace: str, digest: str) -> int | None:
        """How many bytes they were; None where there are none."""
        stored = self._payloads.size(namespace, self.name_of(digest))
        if stored is None:
            return None
        body = max(stored - len(HEADER) - SALT_BYTES, TAG)
        return body - TAG * -(-body // (PART + TAG))

    def drop(self, namespace: str, digest: str) -> bool:
        """Removes the bytes, whoever names them."""
        return self._payloads.drop(namespace, self.name_of(digest))

    def list(self, namespace: str | None = None) -> builtins.list[Blob]:
        """What lies there, under the keyed names, with the sizes that lie there: only who names a payload knows its digest."""
        return self._payloads.list(namespace)

    def collect(self, before: datetime) -> int:
        """Removes what was put before a time and no engram names."""
        return self._payloads.collect(before)

    def problems(self) -> Iterator[Problem]:
        """Payloads that are not what was sealed."""
        for blob in self._payloads.list():
            try:
                for _ in self._opened(self._payloads.open(blob.namespace, blob.digest), blob.digest):
                    pass
            except Corrupt:
                yield changed(blob.digest)

    # --- in the rows of engrams

    def name_of(self, digest: str) -> str:
        """What a payload lies under."""
        return self._cipher.digest(f"payload {digest}") + SEALED

    def row_in(self, engram: Engram) -> Payload | None:
        """The payload as the engram's row names it: where it lies, and sealed, what it is."""
        if engram.payload is None:
            return None
        was = json.dumps([engram.payload.digest, engram.payload.media_type])
        sealed = self._cipher.seal(was, f"payload engram {engram.id} {engram.version}")
        return Payload(self.name_of(engram.payload.digest), engram.payload.bytes, sealed)

    def row_out(self, engram: Engram) -> Payload | None:
        """The payload that an engram's row names."""
        if engram.payload is None:
            return None
        was = self._cipher.open(engram.payload.media_type, f"payload engram {engram.id} {engram.version}")
        digest, media_type = json.loads(was)
        return Payload(digest, engram.payload.bytes, media_type)

    def _closed(self, chunks: Iterable[bytes], name: Callable[[], str]) -> Iterator[bytes]:
        salt = os.urandom(SALT_BYTES)
        aead = self._cipher.of_payload(salt)
        yield HEADER + salt
        for number, (part, last) in enumerate(_parts(chunks, PART)):
            yield aead.encrypt(_nonce(number, last), part, name().encode() if last else b"")

    def _opened(self, stored: Iterable[bytes], name: str) -> Iterator[bytes]:
        source = iter(stored)
        begin = b""
        while len(begin) < len(HEADER) + SALT_BYTES and (chunk := next(source, b"")):
            begin += chunk
        head, salt = begin[: len(HEADER)], begin[len(HEADER) : len(HEADER) + SALT_BYTES]
        if head != HEADER or len(salt) != SALT_BYTES:
            raise was_changed(name, self._location)
        aead = self._cipher.of_payload(salt)
        rest = _chained(begin[len(HEADER) + SALT_BYTES :], source)
        for number, (part, last) in enumerate(_parts(rest, PART + TAG)):
            try:
                yield aead.decrypt(_nonce(number, last), part, name.encode() if last else b"")
            except invalid_tag() as cause:
                raise was_changed(name, self._location) from cause


class SealedJobs:
    """Every call of `Jobs`, with what they work on and what they met encrypted."""

    def __init__(self, jobs: Jobs, cipher: Cipher) -> None:
        self._jobs, self._cipher = jobs, cipher

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    def put(self, jobs: Sequence[Job]) -> list[str]:
        """Keeps jobs, sealed."""
        return self._jobs.put([self.job_in(job) for job in jobs])

    def lease(self, worker: str, at: datetime, until: datetime, kinds: Sequence[str]) -> Job | None:
        """As the store says, opened."""
        found = self._jobs.lease(worker, at, until, kinds)
        return None if found is None else self.job_out(found)

    def fail(self, id: str, worker: str, error: str, again_at: datetime | None) -> bool:
        """Puts a job back, with its error sealed."""
        return self._jobs.fail(id, worker, self._cipher.seal(error, f"error {id}"), again_at)

    def all(
        self, states: Sequence[JobState] = ("waiting", "running", "dead"), *, limit: int = 1000
    ) -> list[Job]:
        """As the store says, opened."""
        return [self.job_out(job) for job in self._jobs.all(states, limit=limit)]

    def job_in(self, job: Job) -> Job:
        """A job as it is stored."""
        payload = dict(job.payload)
        if payload:
            left = {key: value for key, value in payload.items() if key == _READABLE}
            payload = {**left, _SEALED: self._cipher.seal(json.dumps(payload), f"job {job.id}")}
        error = None if job.error is None else self._cipher.seal(job.error, f"error {job.id}")
        return replace(job, payload=payload, error=error)

    def job_out(self, job: Job) -> Job:
        """A job as it was put; one that was put before jobs were sealed is as it is."""
        payload, error = job.payload, job.error
        if _SEALED in payload:
            payload = json.loads(self._cipher.open(str(payload[_SEALED]), f"job {job.id}"))
        if error is not None and (self._cipher.version > 1 or error.startswith(MARK)):
            error = self._cipher.open(error, f"error {job.id}")
        return replace(job, payload=payload, error=error)


def _parts(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """The bytes in parts of one size, each with whether it is the last; one empty part where there are none."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) > size:  # what may be the last part is held until more comes
            yield bytes(held[:size]), False
            del held[:size]
    yield bytes(held), True


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(NUMBER_BYTES, "big") + bytes([last])
