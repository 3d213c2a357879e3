"""Vectors kept in a file: a text is embedded once, a run cut off goes on, and prices stay real."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engrams_bench import vectors
from engrams_bench.asking import Costs, fill, opened
from engrams_bench.datasets import DATASETS
from engrams_bench.errors import BenchError
from engrams_bench.folder import require
from engrams_bench.vectors import KeptVectors, kept_vectors

from engrams import Memory


class Lengths:
    """Embeds a text as its length and 1, at unit length; remembers what it was given, and fails on demand."""

    fingerprint, dimensions = "lengths", 2

    def __init__(self) -> None:
        self.given: list[str] = []
        self.fails_on = ""

    def embed(self, texts: Sequence[str], *, progress: object = None) -> Any:
        """float32[n, 2]."""
        if self.fails_on in texts:
            raise RuntimeError(self.fails_on)
        self.given += texts
        rows = np.array([[len(text), 1] for text in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_text_is_embedded_once_whatever_asks_for_it(tmp_path: Path) -> None:
    first, again = Lengths(), Lengths()
    one = KeptVectors(first, tmp_path / "deep" / "vectors.db")
    with one.bulk():
        made = one.embed(["a", "bcd", "a"])
    one.close()
    other = KeptVectors(again, tmp_path / "deep" / "vectors.db")
    with other.bulk():
        kept = other.embed(["bcd", "a", "ef"])
    other.close()
    assert (first.given, again.given) == (["a", "bcd"], ["ef"])
    assert np.array_equal(kept[:2], made[[1, 0]])
    assert (other.fingerprint, other.dimensions) == ("lengths", 2)


def test_vectors_of_another_embedder_are_not_taken(tmp_path: Path) -> None:
    for name in ("lengths", "others"):
        inner = Lengths()
        inner.fingerprint = name
        kept = KeptVectors(inner, tmp_path / "vectors.db")
        with kept.bulk():
            kept.embed(["a"])
        kept.close()
        assert inner.given == ["a"]


def test_what_was_embedded_before_a_run_was_cut_off_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "BATCH", 2)
    inner = Lengths()
    kept = KeptVectors(inner, tmp_path / "vectors.db")
    inner.fails_on = "eeeee"
    with kept.bulk(), pytest.raises(RuntimeError):
        kept.embed(["a", "bb", "ccc", "dddd", "eeeee"])
    inner.fails_on, inner.given = "", []
    with kept.bulk():
        kept.embed(["a", "bb", "ccc", "dddd", "eeeee"])
    kept.close()
    assert inner.given == ["eeeee"]


def test_only_the_bulk_load_takes_them_and_says_nothing_of_its_price(tmp_path: Path) -> None:
    sample = DATASETS["sample"]
    case = next(iter(sample.load(require(sample, Path()))))
    inner = Lengths()
    for _ in range(2):
        inner.given = []
        kept, costs = KeptVectors(inner, tmp_path / "vectors.db"), Costs()
        with opened(Memory.catalogue()["engrams"], "memory", kept) as memory:
            fill(memory, case, costs, kept)
            added = len(inner.given)
            memory.search("Where is the harbour?", namespace="bench")
        kept.close()
        assert costs.bulk == [] and len(costs.add) == 20
        assert len(inner.given) == added + 1, "a question is embedded when it is asked"
    assert 0 < added <= 20, "the second time only what was added one by one is embedded anew"


def test_without_a_file_or_an_embedder_nothing_is_kept(tmp_path: Path) -> None:
    with kept_vectors("minilm", None) as one, kept_vectors("none", tmp_path / "vectors.db") as other:
        assert one is None and other is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "text.db").write_text("no database, but long enough to be looked at " * 40)
    pytest.importorskip("onnxruntime")
    with pytest.raises(BenchError, match=r"text\.db"), kept_vectors("minilm", tmp_path / "text.db"):
        pass
