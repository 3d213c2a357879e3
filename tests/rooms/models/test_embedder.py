"""Functions and objects as embedders, and which one a name means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engrams.errors import BadSetting, NeedsExtra, UnknownName, Unreadable
from engrams.models import embedder, minilm
from engrams.models.embedder import OPENAI_URL, resolve_embedder
from engrams.models.embedder_cached import CachedEmbedder
from engrams.models.embedder_openai import OpenAIEmbedder
from engrams.models.embedder_plugged import CallableEmbedder, SentenceTransformersEmbedder
from engrams.models.embedder_rows import unit_rows
from tests.rooms.models.plugged import SentenceModel, rows


def test_rows_become_unit_length() -> None:
    found = unit_rows([[3, 4], [0, -2]], 2, 2, "hand")
    assert found.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, -1]]


def test_very_small_and_large_rows_keep_their_direction() -> None:
    found = unit_rows([[3e-320, 4e-320], [3e300, 4e300]], 2, 2, "hand")
    assert found == pytest.approx(np.array([[0.6, 0.8], [0.6, 0.8]]), abs=1e-3)


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        ([[1, 2], [3, 4], [5, 6]], r"2 texts went in.*\(3, 2\)"),
        ([1, 2], r"\(2,\)"),
        ([[], []], r"\(2, 0\)"),
        ([[1], [2]], "1 dimensions, 2 were expected"),
        ([[1, 2], [1]], "not an array of numbers"),
        ([["a", "b"], ["c", "d"]], "not an array of numbers"),
        (None, "came out|not an array"),
        ([[1, 2], [np.nan, 0]], "text 1 .* not finite"),
        ([[1, np.inf], [1, 0]], "text 0 .* not finite"),
        ([[1, 2], [0, 0]], "text 1 is all zeros"),
    ],
)
def test_rows_that_are_none(answer: Any, match: str) -> None:
    with pytest.raises(Unreadable, match=match):
        unit_rows(answer, 2, 2, "hand")


def test_a_function_is_asked_in_batches() -> None:
    sizes: list[int] = []

    def model(texts: list[str]) -> list[list[float]]:
        sizes.append(len(texts))
        return rows(texts)

    embedder = CallableEmbedder(model, fingerprint="mine", batch=2)
    assert embedder.dimensions == 8
    embedder.embed(["a", "b", "c", "d", "e"])
    assert sizes == [1, 2, 2, 1]


def test_a_function_is_named_by_where_it_stands() -> None:
    assert CallableEmbedder(rows).fingerprint == "function:tests.rooms.models.plugged.rows"
    with pytest.raises(BadSetting, match="fingerprint"):
        CallableEmbedder(lambda texts: rows(texts))
    with pytest.raises(BadSetting, match="fingerprint"):
        CallableEmbedder(rows, 8, "")


def test_a_models_fingerprint_changes_with_its_weights() -> None:
    one, same, other = (SentenceTransformersEmbedder(SentenceModel(shift)) for shift in (0.0, 0.0, 0.01))
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.fingerprint.startswith("sentence-transformers:")
    assert SentenceTransformersEmbedder(SentenceModel(), "mine").fingerprint == "mine"


def test_a_model_without_weights_needs_a_name() -> None:
    class Bare:
        encode = SentenceModel.encode
        calls: list[tuple[int, int]] = []  # noqa: RUF012

    with pytest.raises(BadSetting, match="fingerprint"):
        SentenceTransformersEmbedder(Bare())
    assert SentenceTransformersEmbedder(Bare(), "bare").dimensions == 8
    with pytest.raises(BadSetting, match="encode"):
        SentenceTransformersEmbedder(object())


def test_what_a_value_means() -> None:
    assert resolve_embedder(None) is None
    assert resolve_embedder("none") is None
    assert isinstance(resolve_embedder(rows, cache=0), CallableEmbedder)
    assert isinstance(resolve_embedder(SentenceModel(), cache=0), SentenceTransformersEmbedder)
    own = CallableEmbedder(rows)
    assert resolve_embedder(own, cache=0) is own
    wrapped = resolve_embedder(own)
    assert isinstance(wrapped, CachedEmbedder)
    assert wrapped.inner is own
    assert resolve_embedder(wrapped) is wrapped


def test_an_endpoint_by_name() -> None:
    here = resolve_embedder("openai:org/model@2@http://localhost:1/v1", api_key="k", cache=0)
    assert isinstance(here, OpenAIEmbedder)
    assert repr(here) == "OpenAIEmbedder('http://localhost:1/v1/embeddings', 'org/model@2')"
    assert OPENAI_URL in repr(resolve_embedder("openai:small", cache=0))


def test_an_object_is_not_asked_for_its_dimensions() -> None:
    class Far:
        fingerprint = "far"

        @property
        def dimensions(self) -> int:
            raise AssertionError("a call over the network")

        def embed(self, texts: list[str]) -> None: ...

    far = Far()
    assert resolve_embedder(far, cache=0) is far


@pytest.mark.parametrize("name", ["minilmm", "", "openai", "bert:base"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises((UnknownName, BadSetting)) as raised:
        resolve_embedder(name)
    assert "minilm" in str(raised.value) or "openai" in str(raised.value)


@pytest.mark.parametrize("value", [7, object(), CallableEmbedder, [1.0]])
def test_what_is_no_embedder(value: object) -> None:
    with pytest.raises(BadSetting, match="embedder"):
        resolve_embedder(value)


def test_a_cache_below_nothing() -> None:
    with pytest.raises(BadSetting, match="cache"):
        resolve_embedder(None, cache=-1)


@pytest.mark.parametrize("missing", ["onnxruntime", minilm.PACKAGE])
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    embedder._minilm.cache_clear()  # one serves the whole process, so an earlier test may have opened it
    monkeypatch.setattr(minilm, "find_spec", lambda name: None if name == missing else object())
    assert resolve_embedder("auto") is None
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    with pytest.raises(NeedsExtra, match=r"pip install 'engrams\[embed\]'"):
        resolve_embedder("minilm")
