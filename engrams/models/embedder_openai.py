"""Embedders behind an address: whatever speaks OpenAI's protocol (POST /embeddings)."""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import random
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from engrams.errors import BadSetting, RateLimited, Refused, Unreachable, Unreadable
from engrams.models.embedder_plugged import BATCH, PROBE, named, positive
from engrams.models.embedder_rows import checked_texts, unit_rows, visible

if TYPE_CHECKING:
    from engrams.ports import Float32

LONGEST = 24_000
"""Characters of a text that are sent: about the 8,191 tokens that OpenAI's models read, at three characters a token."""

BATCH_CHARACTERS = 400_000
"""Characters of one request: OpenAI takes 300,000 tokens."""

LARGEST_ANSWER = 128 * 2**20
"""Bytes: far above 2,048 vectors of 3,072 numbers as text; an endless answer must not fill the memory."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the second attempt; the wait doubles up to the longest, and a random part of it is taken."""

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""HTTP statuses that another attempt may mend."""

SHOWN = 300
"""Characters of a server's answer that an error shows."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key would travel along, and a POST would become a GET."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class OpenAIEmbedder:
    """An endpoint that speaks OpenAI's embeddings protocol: OpenAI, Ollama, vLLM, LM Studio, llama.cpp and others.

    Rows are brought to unit length. A text is cut after 24,000 characters; one of white space alone is sent as ".".
    Failures that may pass (429, 5xx, no connection) are tried again after a random, growing wait, or as long as the
    server asks for. Safe from several threads.

    Source: OpenAI API reference, "Create embeddings".
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        *,
        dimensions: int | None = None,
        fingerprint: str | None = None,
        batch: int = BATCH,
        timeout: float = 30.0,
        attempts: int = 5,
        longest: int = LONGEST,
        headers: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`base_url` up to and without "/embeddings", e.g. "http://localhost:11434/v1".

        `dimensions`: asked for, and checked; None: what the model gives, learnt from its first answer. `fingerprint`
        None: "openai:<model>", with the dimensions where given; name it yourself where one name serves several
        weights. `batch`: texts per request, 1 or more. `timeout`: seconds of silence before an attempt is given up.
        `attempts`: 1 or more. `longest`: characters of a text that are sent. `headers`: sent along, e.g. a version.

        Raises:
            BadSetting: an address that is not http or https, an empty model, or a number out of range.
        """
        self._url = _endpoint(base_url)
        self._model = named("model", model)
        self._asked = positive("dimensions", dimensions) if dimensions is not None else None
        self._known = self._asked
        size = f":{self._asked}" if self._asked else ""
        self._fingerprint = named("fingerprint", fingerprint) if fingerprint else f"openai:{model}{size}"
        self._batch, self._attempts = positive("batch", batch), positive("attempts", attempts)
        self._longest = positive("longest", longest)
        if (
            isinstance(timeout, bool)
            or not isinstance(timeout, int | float)
            or not 0 < timeout < float("inf")
        ):
            raise BadSetting("timeout", timeout, "seconds, above 0")
        self._timeout = timeout
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        for name, value in self._headers.items():
            if not (isinstance(value, str) and value.isascii() and value.isprintable() and value.strip()):
                # Not shown: even a broken key is a secret.
                raise BadSetting(f"header {name}", "...", "printable ASCII characters on one line")
        self._sleep = sleep
        self._lock = threading.Lock()
        self._opener = urllib.request.build_opener(_Stay)

    @property
    def fingerprint(self) -> str:
        """What the caller named it, else "openai:" with the model's name."""
        return self._fingerprint

    @property
    def dimensions(self) -> int:
        """Length of a row; the first time, where not given, one short text is embedded to learn it."""
        if self._known is None:
            self._rows([PROBE])
        assert self._known is not None
        return self._known

    def embed(self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> Float32:
        """float32[n, dimensions], rows of unit length; `progress` is told (done, n) after each request.

        Raises:
            BadSetting: `texts` is no list of str.
            Unreachable: no answer after the last attempt, or only failures of the server.
            RateLimited: still told to slow down after the last attempt, or asked to wait longer than 30 seconds.
            Refused: the server will not answer this request: a wrong key, an unknown model.
            Unreadable: the answer does not hold one vector for each text.
        """
        wanted = [text[: self._longest] for text in visible(checked_texts(texts))]
        if not wanted:
            return np.zeros((0, self.dimensions), np.float32)
        parts: list[Float32] = []
        done = 0
        for batch in self._batches(wanted):
            parts.append(self._rows(batch))
            done += len(batch)
            if progress is not None:
                progress(done, len(wanted))
        out: Float32 = np.concatenate(parts)
        return out

    def _batches(self, texts: list[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        size = 0
        for text in texts:
            if batch and (len(batch) == self._batch or size + len(text) > BATCH_CHARACTERS):
                yield batch
                batch, size = [], 0
            batch.append(text)
            size += len(text)
        yield batch

    def _rows(self, texts: list[str]) -> Float32:
        # Lone surrogates, which broken exports hold, are no Unicode: servers refuse them.
        sent = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        asked: dict[str, Any] = {"model": self._model, "input": sent}
        if self._asked is not None:
            asked["dimensions"] = self._asked
        raw = self._ask(json.dumps(asked).encode("utf-8"))
        rows = unit_rows(_vectors(raw, len(texts)), len(texts), self._known, self._fingerprint)
        with self._lock:
            if self._known is None:
                self._known = rows.shape[1]
        return rows

    def _ask(self, body: bytes) -> bytes:
        attempt = 0
        while True:
            attempt += 1
            wait = random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)))  # full jitter
            last = attempt == self._attempts
            try:
                request = urllib.request.Request(self._url, body, self._headers, method="POST")
                with self._opener.open(request, timeout=self._timeout) as answer:
                    raw: bytes = answer.read(LARGEST_ANSWER + 1)
                if len(raw) > LARGEST_ANSWER:
                    raise Unreadable(f"{self._url}: the answer is larger than {LARGEST_ANSWER} bytes", "")
                return raw
            except urllib.error.HTTPError as cause:
                with cause:
                    said = cause.read(LARGEST_ANSWER).decode("utf-8", "replace").strip()[:SHOWN]
                asked = _seconds(cause.headers.get("Retry-After"))
                self._give_up(cause.code, said, asked, last)
                wait = wait if asked is None else asked
            # TimeoutError and ConnectionError are OSErrors, and so is URLError.
            except (OSError, http.client.HTTPException) as cause:
                why = getattr(cause, "reason", None) or cause
                if last or isinstance(why, ssl.SSLCertVerificationError):
                    raise Unreachable(
                        f"{self._url}: no answer in {attempt} attempts, last: {why!r}; is the address right and the "
                        "server running?"
                    ) from cause
            self._sleep(wait)

    def _give_up(self, status: int, said: str, asked: float | None, last: bool) -> None:
        """Raises unless another attempt is worth it."""
        told = f"{self._url} answered {status}: {said or 'nothing'}"
        if 300 <= status < 400:
            raise Refused(f"{told}; it points elsewhere, give the final address")
        if status not in PASSING:
            raise Refused(f"{told}; check the key, the model {self._model!r} and the length of the texts")
        if status == 429 and (last or (asked is not None and asked > LONGEST_WAIT)):
            raise RateLimited(
                f"{told}; wait{f' {asked:g} seconds' if asked is not None else ''} and try again", asked
            )
        if last or (asked is not None and asked > LONGEST_WAIT):
            raise Unreachable(f"{told}; tried {self._attempts if last else 1} times")

    def __repr__(self) -> str:
        return f"OpenAIEmbedder({self._url!r}, {self._model!r})"  # never the key


def _endpoint(base_url: str) -> str:
    expected = "an address such as 'http://localhost:11434/v1'"
    if not isinstance(base_url, str) or not base_url.isprintable() or " " in base_url:
        raise BadSetting("base_url", base_url, expected)
    try:
        parts = urlsplit(base_url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as cause:
        raise BadSetting("base_url", base_url, expected) from cause
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadSetting("base_url", base_url, expected)
    if "@" in parts.netloc:
        raise BadSetting(
            "base_url", "...", expected + ", without a name and password: give api_key or headers"
        )
    path = parts.path.rstrip("/")
    path = path if path.endswith("/embeddings") else path + "/embeddings"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _seconds(header: str | None) -> float | None:
    """Retry-After: seconds, or a date (RFC 9110, section 10.2.3)."""
    if not header:
        return None
    try:
        found = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except ValueError:
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        found = (when - datetime.now(UTC)).total_seconds()
    return max(0.0, found) if found < float("inf") else None


def _vectors(raw: bytes, texts: int) -> list[Any]:
    """The vectors of an answer in the order of the texts: `data[i].embedding`, placed by `data[i].index`."""
    text = raw.decode("utf-8", "replace")
    try:
        data = json.loads(text)["data"]
        places = [item.get("index", at) for at, item in enumerate(data)]
        vectors = [_numbers(item["embedding"]) for item in data]
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as cause:
        raise Unreadable(
            f"the answer is no list of embeddings: {cause!r}; found {text[:SHOWN]!r}", text
        ) from cause
    if not all(type(place) is int for place in places) or sorted(places) != list(range(texts)):
        raise Unreadable(f"{texts} texts were sent, the answer numbers its vectors {places[:20]}", text)
    by_place = dict(zip(places, vectors, strict=True))
    return [by_place[at] for at in range(texts)]


def _numbers(embedding: Any) -> Any:
    """A list of numbers, or the base64 of little-endian float32 that some servers send unasked."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
    return embedding
