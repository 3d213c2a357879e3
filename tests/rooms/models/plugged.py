"""Small models for tests: a function, and a class with the face of sentence-transformers' models."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.rooms.models.embeddings_server import numbers


def rows(texts: list[str]) -> list[list[float]]:
    """A model of eight dimensions, lists of floats that are not of unit length."""
    return [numbers(text) for text in texts]


class Tensor:
    """As much of a torch tensor as is asked for."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)
        self.shape = self.values.shape

    def reshape(self, *shape: int) -> Tensor:
        return Tensor(self.values.reshape(*shape))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: Any) -> Tensor:
        return Tensor(self.values[place])

    def detach(self) -> Tensor:
        return self

    cpu = float = detach

    def numpy(self) -> Any:
        return self.values.astype(np.float32)


class SentenceModel:
    """`encode` and `state_dict` as SentenceTransformer has them; callable, as every torch module is."""

    def __init__(self, shift: float = 0.0) -> None:
        self.weights = {"a": Tensor(np.arange(300.0).reshape(3, 100) + shift), "b": Tensor(np.ones(2))}
        self.calls: list[tuple[int, int]] = []

    def encode(
        self, texts: list[str], *, batch_size: int, show_progress_bar: bool, convert_to_numpy: bool
    ) -> Any:
        assert convert_to_numpy
        assert not show_progress_bar
        self.calls.append((len(texts), batch_size))
        return np.array(rows(texts), np.float32)

    def state_dict(self) -> dict[str, Tensor]:
        return self.weights

    def __call__(self) -> None:
        raise AssertionError("a model is asked through encode")
