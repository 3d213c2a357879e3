"""The mean of several low-rank deltas, again of low rank and in 16 bits: the artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


def mean_of(deltas: Sequence[Mapping[str, Floats]], rank: int) -> dict[str, npt.NDArray[np.float16]]:
    """The best delta of `rank` for the mean of the products; down and up take half of the singular values each.

    Averaging weights of runs that start from one model keeps what they agree on (Wortsman et al. 2022, "Model soups").

    Raises:
        ValueError: no deltas, or they name different matrices.
    """
    if not deltas or any(delta.keys() != deltas[0].keys() for delta in deltas):
        raise ValueError("need at least one delta, and all of the same matrices")
    out = {}
    for name in sorted({key.rpartition(".")[0] for key in deltas[0]}):
        products = [delta[name + ".down"].astype(np.float64) @ delta[name + ".up"] for delta in deltas]
        left, values, right = np.linalg.svd(np.mean(products, axis=0), full_matrices=False)
        half = np.sqrt(values[:rank])
        out[name + ".down"] = (left[:, :rank] * half).astype(np.float16)
        out[name + ".up"] = (half[:, None] * right[:rank]).astype(np.float16)
    return out
