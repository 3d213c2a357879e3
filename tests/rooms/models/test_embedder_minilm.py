"""all-MiniLM-L6-v2: the pieces of a text, the batches, and how near the int8 graph is to the float model."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engrams.errors import BadSetting, ModelError
from engrams.models.minilm import CHUNK, LONGEST, TOKENS_PER_BATCH, MiniLM, Pieces, batches, installed

needs_embed = pytest.mark.skipif(not installed(), reason="the extra embed is not installed: make weights")

# all-MiniLM-L6-v2 in float32, computed with numpy from the published weights, to three decimals.
FLOAT32 = json.loads(Path(__file__).with_name("minilm_float32.json").read_text(encoding="utf-8"))

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "key", "##s", "the", "."]


def test_pieces_stand_between_first_and_last() -> None:
    pieces = Pieces(VOCABULARY)
    assert pieces.of("The keys.") == [2, 6, 4, 5, 7, 3]
    assert pieces.of("") == [2, 3]
    assert pieces.of("blue key") == [2, 1, 4, 3]


def test_a_text_is_cut_after_256_pieces() -> None:
    pieces = Pieces(VOCABULARY)
    assert pieces.of("key " * 254) == [2, *[4] * 254, 3]
    assert pieces.of("key " * 255) == [2, *[4] * 254, 3]
    assert len(pieces.of("keys " * 1000)) == LONGEST


@pytest.mark.parametrize("blanks", [0, CHUNK - 4, CHUNK - 2, CHUNK, 5 * CHUNK])
def test_a_long_text_is_read_as_far_as_needed(blanks: int) -> None:
    # Pieces found in parts are those of the whole, wherever the part ends.
    assert Pieces(VOCABULARY).of(" " * blanks + "keys the key") == [2, 4, 5, 6, 4, 3]


def test_a_word_longer_than_a_part_is_one_unknown_piece() -> None:
    assert Pieces(VOCABULARY).of("x" * (3 * CHUNK) + " key") == [2, 1, 4, 3]


def test_batches_are_of_similar_length_and_bounded() -> None:
    lengths = [10, 256, 12, 2, 256, 256, 11] + [9] * 100
    found = list(batches(lengths))
    assert sorted(number for batch in found for number in batch) == list(range(len(lengths)))
    for batch in found:
        assert max(lengths[number] for number in batch) * len(batch) <= TOKENS_PER_BATCH
    assert found[0] == [1, 4]
    assert list(batches([])) == []
    assert list(batches([5 * TOKENS_PER_BATCH])) == [[0]]


@needs_embed
def test_near_to_the_float_model() -> None:
    found = MiniLM().embed(list(FLOAT32))
    expected = np.array(list(FLOAT32.values()))
    cosines = (found * expected).sum(axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines[:3].min() > 0.99
    assert (
        cosines[3] > 0.97
    )  # nothing between [CLS] and [SEP]: the fewest values for the rounding to average over
    # What it is for: the question is nearer to the sentence that answers it than to the others.
    sentence, question, other = found[0], found[1], found[2]
    assert sentence @ question > other @ question + 0.2


@needs_embed
def test_the_weights_are_those_of_the_fingerprint() -> None:
    import engrams_minilm

    described = json.loads((engrams_minilm.DATA / "model.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256((engrams_minilm.DATA / "minilm.onnx").read_bytes()).hexdigest()
    assert described["sha256"] == digest
    assert MiniLM().fingerprint == f"all-MiniLM-L6-v2:int8:{digest[:16]}:p1"
    assert MiniLM().dimensions == 384
    assert described["longest"] == LONGEST


@needs_embed
def test_threads_do_not_change_the_vectors() -> None:
    texts = list(FLOAT32)
    assert np.abs(MiniLM(threads=2).embed(texts) - MiniLM().embed(texts)).max() <= 1e-5


@needs_embed
def test_nothing_heavy_is_loaded_before_the_first_text() -> None:
    program = (
        "import sys; from engrams.models.minilm import MiniLM; m = MiniLM(); assert m.dimensions == 384;"
        "assert 'onnxruntime' not in sys.modules; m.embed(['x']); assert 'onnxruntime' in sys.modules;"
        "assert not {'torch', 'onnx', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@needs_embed
@pytest.mark.parametrize("threads", [0, 257, 1.0, True])
def test_threads_out_of_range(threads: int) -> None:
    with pytest.raises(BadSetting, match="threads"):
        MiniLM(threads=threads)


@needs_embed
def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"model\.json"):
        MiniLM(tmp_path)


@needs_embed
@pytest.mark.parametrize("described", ["", "[]", "{}", '{"dimensions": "many"}'])
def test_a_description_that_is_none(tmp_path: Path, described: str) -> None:
    for name in ("minilm.onnx", "vocab.txt"):
        (tmp_path / name).touch()
    (tmp_path / "model.json").write_text(described, encoding="utf-8")
    with pytest.raises(ModelError, match="does not describe a model"):
        MiniLM(tmp_path)


@needs_embed
@pytest.mark.parametrize("graph", [b"", b"no graph at all", b"\x08\x08"])
def test_a_graph_that_is_none(tmp_path: Path, graph: bytes) -> None:
    (tmp_path / "minilm.onnx").write_bytes(graph)
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    described = {"name": "x", "format": "int8", "sha256": "0" * 64, "dimensions": 384}
    (tmp_path / "model.json").write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(ModelError, match="reinstall"):
        MiniLM(tmp_path).embed(["x"])
