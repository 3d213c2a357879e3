"""Tiny models with random weights, and texts that they have read alone."""

from __future__ import annotations

import pytest

from engrams.kv.reuse.joining import Layer, Piece
from tests.rooms.kv.readers import TEXT, Reader, stored, tiny


@pytest.fixture(scope="session", params=["Llama", "Qwen3"])
def reader(request: pytest.FixtureRequest) -> Reader:
    return tiny(request.param)


@pytest.fixture(scope="session")
def pieces(reader: Reader) -> list[Piece]:
    return stored(reader)


@pytest.fixture(scope="session")
def whole(reader: Reader) -> tuple[Layer, ...]:
    """The prefill of all of it."""
    return reader.prefill(TEXT)
