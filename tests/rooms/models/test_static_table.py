"""The static table: a small one by hand, and the shipped one."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engrams.errors import StoreError
from engrams.models import static_table
from engrams.models.static_table import SCALE, TABLE, TABLE_DIGEST, VOCABULARY, VOCABULARY_DIGEST, StaticTable

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def small() -> StaticTable:
    words = ["[UNK]", "the", ",", "cat", "dog", "##s", "3"]
    unit = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [0.6, 0.8], [-1, 0], [0, 1]])
    return StaticTable(np.round(unit * SCALE).astype(np.int8), words)


def test_pieces_are_distinct_ascending_and_bear_content(small: StaticTable) -> None:
    found = small.pieces("The dogs, the cats: 3 zebras!")
    assert found.dtype == np.uint16
    assert found.tolist() == [3, 4, 5, 6]
    assert small.pieces("the, zebra").tolist() == []


def test_count_takes_every_piece(small: StaticTable) -> None:
    assert small.count("the dogs, zebra") == 5  # the, dog, ##s, comma, unknown


def test_similarity_is_cosine_cut_at_zero(small: StaticTable) -> None:
    assert small.similarity(3).tolist() == pytest.approx([1, 1, 1, 1, 0.6, 0, 0], abs=0.01)


def test_similarities_are_worked_out_for_some_pieces_only(small: StaticTable) -> None:
    got = small.similarities([4, 6], np.array([3, 4]))
    assert got.shape == (2, 2)
    assert got[0].tolist() == pytest.approx([0.6, 1], abs=0.01)
    assert got[1].tolist() == pytest.approx([0, 0.8], abs=0.01)


def test_a_table_that_does_not_fit_its_vocabulary_is_refused() -> None:
    with pytest.raises(StoreError, match="2 vectors and 1 pieces"):
        StaticTable(np.zeros((2, 2), dtype=np.int8), ["[UNK]"])


def test_the_shipped_files_are_those_the_script_made() -> None:
    assert hashlib.sha256(TABLE.read_bytes()).hexdigest() == TABLE_DIGEST
    assert hashlib.sha256(VOCABULARY.read_bytes()).hexdigest() == VOCABULARY_DIGEST


def test_the_shipped_table_knows_what_is_alike() -> None:
    table = static_table.shipped_table()
    assert len(table) == 30_522
    assert table is static_table.shipped_table()
    (piano,), (guitar,), (tax,) = (table.pieces(w).tolist() for w in ("piano", "guitar", "tax"))
    alike = table.similarity(piano)
    assert alike[piano] == pytest.approx(1, abs=0.02)
    assert alike[guitar] > 2 * alike[tax]
    assert alike.min() >= 0


def test_a_missing_file_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(static_table, "TABLE", tmp_path / "gone.npy")
    with pytest.raises(StoreError, match="reinstall engrams"):
        static_table.shipped_table.__wrapped__()


def test_the_script_explains_itself() -> None:
    script = ROOT / "scripts" / "build_static_table.py"
    made = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    assert "--check" in made.stdout


def test_the_script_reduces_to_principal_components() -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("build", ROOT / "scripts" / "build_static_table.py")
    assert spec is not None and spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    # 64 dimensions of 70 are kept; six that hardly vary are dropped, so cosines stay as they were.
    rows = np.random.default_rng(7).normal(size=(300, 70)).astype(np.float32)
    rows[:, 64:] *= 1e-4
    table = build.reduce(rows)
    assert table.dtype == np.int8 and table.shape == (300, 64)
    centred = rows - rows.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    assert np.abs((table / SCALE) @ (table / SCALE).T - centred @ centred.T).max() < 0.05
