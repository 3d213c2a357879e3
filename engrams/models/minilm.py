"""The embedded embedder: all-MiniLM-L6-v2, 8 bit, on onnxruntime. The extra `embed`; nothing is downloaded."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engrams.errors import BadSetting, ModelError, NeedsExtra
from engrams.models.embedder_rows import checked_texts, unit_rows
from engrams.models.wordpiece import WordPiece, split

if TYPE_CHECKING:
    from engrams.ports import Float32

PACKAGE = "engrams_minilm"
"""The distribution of the weights (folder weights/ of the repository)."""

PREPARATION = 1
"""Raised when the same weights would give other vectors: another tokeniser, another truncation."""

LONGEST = 256
"""Word pieces of a text that count, [CLS] and [SEP] among them (max_seq_length of the model); the rest is not read."""

TOKENS_PER_BATCH = 512
"""Padded word pieces in one run: larger ones were not faster on one thread (512: 5.8 ms for a text of 30 pieces,
2,048: 6.6 ms) and took more memory (114 and 160 MB)."""

CHUNK = 4_096
"""Characters tokenised at first: nearly always more than 256 pieces, so a long document is not read to its end."""

MOST_THREADS = 256

MENDED = "pip install --force-reinstall engrams-minilm mends it"


def installed() -> bool:
    """Whether the extra `embed` is there: onnxruntime and the weights package."""
    return find_spec("onnxruntime") is not None and find_spec(PACKAGE) is not None


class MiniLM:
    """The sentence embedder all-MiniLM-L6-v2 (384 dimensions), rounded to int8, in plain onnxruntime.

    A text is cut after 256 word pieces (about 200 English words). Mean pooling and L2 normalisation are part of the
    graph; an empty text gets the vector of the empty sentence. The vector of a text does not depend on the texts beside
    it: activations are rounded per row, which leaves differences of about 1e-7 from the order of float sums.
    Safe from several threads. The model is loaded at the first `embed`.

    Source: Reimers and Gurevych 2019 (Sentence-BERT), Wang et al. 2020 (MiniLM); scripts/build_weights.py says how
    the graph was made.
    """

    def __init__(self, folder: str | Path | None = None, *, threads: int = 1) -> None:
        """`folder` holds minilm.onnx, vocab.txt and model.json; None: the installed weights package.

        `threads` (1 to 256) that one run may use; more than the free cores makes it slower.

        Raises:
            NeedsExtra: onnxruntime or the weights package is not installed.
            BadSetting: `threads` is out of range, or the folder lacks a file.
            ModelError: model.json does not describe a model.
        """
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
            raise BadSetting("threads", threads, f"a whole number from 1 to {MOST_THREADS}")
        if find_spec("onnxruntime") is None:
            raise NeedsExtra("the embedder all-MiniLM-L6-v2", "embed")
        self._folder = _installed_weights() if folder is None else Path(folder)
        for name in ("model.json", "minilm.onnx", "vocab.txt"):
            if not (self._folder / name).is_file():
                raise BadSetting(
                    "folder", str(self._folder), f"a folder with {name}, as scripts/build_weights.py makes it"
                )
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Pieces] | None = None
        try:
            described = json.loads((self._folder / "model.json").read_text(encoding="utf-8"))
            self._dimensions = int(described["dimensions"])
            name, form, digest = (str(described[key]) for key in ("name", "format", "sha256"))
        except (ValueError, KeyError, TypeError) as cause:
            raise ModelError(
                f"{self._folder / 'model.json'} does not describe a model: {cause!r}; {MENDED}"
            ) from cause
        self._fingerprint = f"{name}:{form}:{digest[:16]}:p{PREPARATION}"

    @property
    def fingerprint(self) -> str:
        """Name, number format, first 16 hex digits of the graph's SHA-256, version of the preparation."""
        return self._fingerprint

    @property
    def dimensions(self) -> int:
        """384, unless other weights say otherwise."""
        return self._dimensions

    def embed(self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> Float32:
        """float32[n, 384], rows of unit length; `progress` is told (done, n) after each batch.

        Raises:
            BadSetting: `texts` is no list of str.
            ModelError: the graph cannot be loaded or run.
        """
        wanted = checked_texts(texts)
        out = np.empty((len(wanted), self._dimensions), np.float32)
        if not wanted:
            return out
        session, pieces = self._load()
        ids = [pieces.of(text) for text in wanted]
        done = 0
        for batch in batches([len(piece) for piece in ids]):
            out[batch] = self._run(session, [ids[number] for number in batch])
            done += len(batch)
            if progress is not None:
                progress(done, len(wanted))
        return out

    def _run(self, session: Any, ids: list[list[int]]) -> Float32:
        width = max(map(len, ids))
        pieces = np.zeros((len(ids), width), np.int64)  # 0 is [PAD]
        mask = np.zeros((len(ids), width), np.int64)
        for row, text in enumerate(ids):
            pieces[row, : len(text)] = text
            mask[row, : len(text)] = 1
        try:
            answer = session.run(None, {"input_ids": pieces, "attention_mask": mask})[0]
        except _failures() as cause:
            raise ModelError(
                f"{self._fingerprint}: onnxruntime could not run {pieces.shape}: {cause}"
            ) from cause
        return unit_rows(answer, len(ids), self._dimensions, self._fingerprint)

    def _load(self) -> tuple[Any, Pieces]:
        with self._lock:
            if self._loaded is None:
                vocabulary = (self._folder / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
                self._loaded = _session(self._folder / "minilm.onnx", self._threads), Pieces(vocabulary)
            return self._loaded

    def __repr__(self) -> str:
        return f"MiniLM({self._fingerprint})"


class Pieces:
    """The word pieces of a text as the model wants them: [CLS] first, [SEP] last, `LONGEST` at most."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._words = WordPiece(vocabulary)
        self._first, self._last = vocabulary.index("[CLS]"), vocabulary.index("[SEP]")

    def of(self, text: str) -> list[int]:
        """Between 2 and `LONGEST` piece ids; reads no more of the text than it takes to fill them."""
        room = LONGEST - 2
        taken = CHUNK
        while True:
            whole = taken >= len(text)
            found = split(text[:taken])
            ids: list[int] = []
            # The last word of a part may be cut in its middle: it counts only when the part is the whole text.
            for word in found if whole else found[:-1]:
                ids.extend(self._words.word_ids(word))
                if len(ids) >= room:
                    break
            if whole or len(ids) >= room:
                return [self._first, *ids[:room], self._last]
            taken *= 4


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The numbers of the texts in batches of similar length, each of at most `TOKENS_PER_BATCH` padded pieces.

    Longest first, so that the first run is the one that needs the most memory.
    """
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    start = 0
    while start < len(order):
        size = max(1, TOKENS_PER_BATCH // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


def _installed_weights() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise NeedsExtra("the embedder all-MiniLM-L6-v2", "embed")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _session(graph: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; they are raised besides
    # Threads that wait by spinning burn the cores that the caller's own work needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except _failures() as cause:
        raise ModelError(f"{graph} is not a graph that onnxruntime can load: {cause}; {MENDED}") from cause


def _failures() -> tuple[type[Exception], ...]:
    """What onnxruntime raises; its exceptions have no ancestor of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    return (
        native.EngineError,
        native.Fail,
        native.InvalidArgument,
        native.InvalidGraph,
        native.InvalidProtobuf,
        native.NoModel,
        native.NoSuchFile,
        native.NotImplemented,
        native.RuntimeException,
    )
