"""Embedders that the caller brings: any function, and models of the package sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from engrams.errors import BadSetting
from engrams.models.embedder_rows import checked_texts, unit_rows, visible

if TYPE_CHECKING:
    from engrams.ports import Float32

BATCH = 64
"""Texts handed over at once by default: how often `progress` is told, and what bounds memory."""

SAMPLED = 64
"""Values of each tensor that go into a model's digest; training changes all of them."""

PROBE = "What was said is kept."
"""A text embedded once to learn how many dimensions a model has."""


class CallableEmbedder:
    """Any Python function from a list of texts to an array [n, d] (or a list of lists) as an embedder.

    The rows are brought to unit length. A text of white space alone is handed over as ".".
    """

    def __init__(
        self,
        function: Callable[[list[str]], Any],
        dimensions: int | None = None,
        fingerprint: str | None = None,
        *,
        batch: int = BATCH,
    ) -> None:
        """`dimensions`: length of a row; None: found by embedding one text, at once.

        `fingerprint` names model and weights, since vectors of two models must never be compared; None: the function's
        module and name. `batch`: texts per call, 1 or more.

        Raises:
            BadSetting: no function, dimensions or batch below 1, an empty fingerprint, or none and a function
                without a name of its own.
            Unreadable: with `dimensions=None`, what the function answered is no vector.
        """
        if not callable(function):
            raise BadSetting("function", function, "a function from a list of texts to rows of numbers")
        self._function = function
        self._batch = positive("batch", batch)
        self._fingerprint = (
            named("fingerprint", fingerprint) if fingerprint is not None else _name_of(function)
        )
        self._dimensions = positive("dimensions", dimensions) if dimensions is not None else None
        if self._dimensions is None:
            self._dimensions = int(self._rows([PROBE]).shape[1])

    @property
    def fingerprint(self) -> str:
        """What the caller named it, else "function:" with module, name and dimensions."""
        return self._fingerprint

    @property
    def dimensions(self) -> int:
        """Length of a row."""
        assert self._dimensions is not None
        return self._dimensions

    def embed(self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> Float32:
        """float32[n, dimensions], rows of unit length; `progress` is told (done, n) after each batch.

        Raises:
            BadSetting: `texts` is no list of str.
            Unreadable: the function answered another shape, NaN or infinity, or a row of zeros.
        """
        wanted = visible(checked_texts(texts))
        out = np.empty((len(wanted), self.dimensions), np.float32)
        for start in range(0, len(wanted), self._batch):
            part = wanted[start : start + self._batch]
            out[start : start + len(part)] = self._rows(part)
            if progress is not None:
                progress(start + len(part), len(wanted))
        return out

    def _rows(self, texts: list[str]) -> Float32:
        return unit_rows(self._function(texts), len(texts), self._dimensions, self._fingerprint)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._fingerprint})"


class SentenceTransformersEmbedder(CallableEmbedder):
    """A model of the package sentence-transformers (or of anything with its `encode`) as an embedder."""

    def __init__(self, model: Any, fingerprint: str | None = None, *, batch: int = BATCH) -> None:
        """`fingerprint` None: a digest of the names, shapes and some values of the model's weights.

        Its name would not do: a model says it only when it could ask its hub, and a fine-tuned one keeps it.

        Raises:
            BadSetting: the model has no `encode`, or neither weights (`state_dict`) nor a fingerprint is there.
        """
        if not callable(getattr(model, "encode", None)):
            raise BadSetting("model", model, "an object with encode(texts), as SentenceTransformer has it")
        name = (
            fingerprint if fingerprint is not None else f"sentence-transformers:{_digest_of_weights(model)}"
        )

        def encode(texts: list[str]) -> Any:
            return model.encode(texts, batch_size=batch, show_progress_bar=False, convert_to_numpy=True)

        super().__init__(encode, None, name, batch=batch)


def positive(key: str, value: object) -> int:
    """A whole number, 1 or more.

    Raises:
        BadSetting: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise BadSetting(key, value, "a whole number, 1 or more")
    return int(value)


def named(key: str, value: object) -> str:
    """A text that is not empty.

    Raises:
        BadSetting: it is none.
    """
    if not isinstance(value, str) or not value.strip():
        raise BadSetting(key, value, "a text that names the model and its weights")
    return value


def _name_of(function: Callable[..., Any]) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module is None or name is None or "<lambda>" in name:
        raise BadSetting(
            "fingerprint", None, "a text that names the model: this function has no name of its own"
        )
    return f"function:{module}.{name}"


def _digest_of_weights(model: Any) -> str:
    """16 hex digits over every tensor's name and shape and up to `SAMPLED` of its values, evenly spread."""
    if not callable(getattr(model, "state_dict", None)):
        raise BadSetting(
            "fingerprint", None, "a text that names the model: the object does not show its weights"
        )
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.reshape(-1)
        some = flat[:: max(1, len(flat) // SAMPLED)][:SAMPLED]
        values = np.asarray(some.detach().cpu().float().numpy(), "<f4")
        digest.update(f"{name}{tuple(tensor.shape)}".encode() + values.tobytes())
    return digest.hexdigest()[:16]
