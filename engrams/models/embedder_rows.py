"""What every embedder owes: a list of texts in, finite rows of unit length out. Checked here, once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engrams.errors import BadSetting, Unreadable

if TYPE_CHECKING:
    from engrams.ports import Float32

STAND_IN = "."
"""What is embedded in place of a text without a visible character: endpoints refuse empty input, and a model of
its own may answer it with zeros, which no length can be given to."""

SHOWN = 200
"""Characters of a bad answer that an error keeps."""


def checked_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list; a lone string is refused, since its letters would be embedded one by one.

    Raises:
        BadSetting: `texts` is a string, or holds something that is none.
    """
    if isinstance(texts, str | bytes):
        raise BadSetting("texts", texts, "a list of texts; for one text give [text]")
    found = list(texts)
    for text in found:
        if not isinstance(text, str):
            raise BadSetting("texts", text, "a list of str")
    return found


def visible(texts: Sequence[str]) -> list[str]:
    """The texts, with `STAND_IN` for those that hold nothing but white space."""
    return [text if text.strip() else STAND_IN for text in texts]


def unit_rows(answer: Any, texts: int, dimensions: int | None, source: str) -> Float32:
    """What a model answered, as float32[texts, d], rows of unit length.

    `answer` is anything numpy reads as numbers; `dimensions` the d expected, None where it is not known yet; `source`
    names the model in errors.

    Raises:
        Unreadable: another shape, something that is no number, a value that is not finite, or a row of zeros.
    """
    try:
        rows = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise Unreadable(
            f"{source}: the vectors are not an array of numbers: {cause}", _shown(answer)
        ) from cause
    if texts == 0:
        return np.zeros((0, dimensions or 0), np.float32)
    if rows.ndim != 2 or rows.shape[0] != texts or rows.shape[1] == 0:
        raise Unreadable(
            f"{source}: {texts} texts went in, an array of shape {rows.shape} came out; expected ({texts}, d)",
            _shown(answer),
        )
    if dimensions is not None and rows.shape[1] != dimensions:
        raise Unreadable(
            f"{source}: the vectors have {rows.shape[1]} dimensions, {dimensions} were expected",
            _shown(answer),
        )
    # Divided by the largest value first: the squares of very small or large numbers leave the range of floats.
    largest = np.abs(rows).max(axis=1, keepdims=True)
    bad = ~np.isfinite(largest[:, 0])
    if bad.any():
        at = int(bad.argmax())
        raise Unreadable(
            f"{source}: the vector of text {at} has a value that is not finite", _shown(rows[at])
        )
    if not largest.all():
        at = int((largest[:, 0] == 0).argmax())
        raise Unreadable(
            f"{source}: the vector of text {at} is all zeros, it has no direction", _shown(rows[at])
        )
    rows = rows / largest
    unit: Float32 = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _shown(value: Any) -> str:
    return repr(value)[:SHOWN]
