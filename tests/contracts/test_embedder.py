"""What every embedder keeps, whoever answers: ports.Embedder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.models.embedder import resolve_embedder
from engrams.models.embedder_cached import CachedEmbedder
from engrams.models.embedder_openai import OpenAIEmbedder
from engrams.models.embedder_plugged import CallableEmbedder, SentenceTransformersEmbedder
from engrams.models.minilm import MiniLM, installed
from tests.rooms.models.embeddings_server import serving
from tests.rooms.models.plugged import SentenceModel, rows

if TYPE_CHECKING:
    from engrams.ports import Embedder

needs_embed = pytest.mark.skipif(not installed(), reason="the extra embed is not installed: make weights")
# Rounding of activations can tip over at the last bit of a float sum, and then moves one product by one step.
NEAR = 1e-5

TEXTS = [
    "The spare key is under the blue flower pot.",
    "",
    "Yes.",
    "   \n\t ",
    "我把备用钥匙放在花盆下面。",
    "naïve façade, 3.14 \U0001f331 and a lone \ud800 surrogate",
    "word " * 2_000,
    "Yes.",
]


@pytest.fixture(
    params=[
        "function", "sentence-transformers", "openai", "cached",
        pytest.param("minilm", marks=needs_embed), pytest.param("resolved", marks=needs_embed),
    ]
)  # fmt: skip
def embedder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedder]:
    if request.param == "openai":
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with serving() as server:
            yield OpenAIEmbedder(server.url, "small", batch=3)
        return
    made = {
        "function": lambda: CallableEmbedder(rows, 8, "bytes"),
        "sentence-transformers": lambda: SentenceTransformersEmbedder(SentenceModel(), batch=3),
        "cached": lambda: CachedEmbedder(CallableEmbedder(rows, 8, "bytes"), capacity=3),
        "minilm": MiniLM,
        "resolved": lambda: resolve_embedder("auto"),
    }[request.param]()
    assert made is not None
    yield made


def test_rows_of_unit_length_in_the_order_of_the_texts(embedder: Embedder) -> None:
    found = embedder.embed(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), embedder.dimensions)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert found[2] == pytest.approx(found[7], abs=NEAR)
    for place in (0, 2, 4, 6):
        alone = embedder.embed([TEXTS[place]])[0]
        assert int((found @ alone).argmax()) in ({2, 7} if place == 2 else {place})


def test_the_vector_of_a_text_does_not_depend_on_the_texts_beside_it(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        assert np.abs(embedder.embed([text])[0] - row).max() <= NEAR
    assert np.abs(embedder.embed(TEXTS[::-1])[::-1] - together).max() <= NEAR


def test_the_same_call_gives_the_same_vectors(embedder: Embedder) -> None:
    assert np.array_equal(embedder.embed(TEXTS), embedder.embed(TEXTS))


def test_an_empty_text_has_a_vector_of_its_own(embedder: Embedder) -> None:
    empty, blank, said = embedder.embed(["", "  \n", "The kettle is on."])
    assert empty == pytest.approx(blank, abs=NEAR)
    assert float(empty @ said) < 0.99


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_a_lone_text_is_refused(embedder: Embedder) -> None:
    with pytest.raises(BadSetting, match=r"\[text\]"):
        embedder.embed("a text and no list")
    with pytest.raises(BadSetting, match="list of str"):
        embedder.embed(["fine", 7])  # type: ignore[list-item]


def test_progress_grows_to_the_number_of_texts(embedder: Embedder) -> None:
    told: list[tuple[int, int]] = []
    texts = [f"Sentence number {number}." for number in range(40)]
    embedder.embed(texts, progress=lambda done, total: told.append((done, total)))
    done = [entry[0] for entry in told]
    assert {entry[1] for entry in told} == {40}
    assert done == sorted(set(done))
    assert done[-1] == 40


def test_what_is_returned_belongs_to_the_caller(embedder: Embedder) -> None:
    first = embedder.embed(["Yes."])
    kept = first.copy()
    first[:] = 7
    assert np.array_equal(embedder.embed(["Yes."]), kept)


def test_fingerprint_and_dimensions_stay(embedder: Embedder) -> None:
    before = embedder.fingerprint, embedder.dimensions
    embedder.embed(TEXTS[:3])
    assert before == (embedder.fingerprint, embedder.dimensions)
    assert embedder.fingerprint.strip()
    assert embedder.dimensions >= 1


def test_several_threads_may_ask_at_once(embedder: Embedder) -> None:
    wanted = embedder.embed(TEXTS)
    found: list[float] = []

    def ask() -> None:
        for _ in range(3):
            found.append(float(np.abs(embedder.embed(TEXTS) - wanted).max()))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert max(found) <= NEAR
