"""Only what falls into the question's group is near, however much else is nearer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engrams import Memory
from engrams.arithmetic import cross_polytope
from engrams.recall.nearest import LOOKED_AT, Nearest
from engrams.recipes.reference import DENSE
from engrams.step import Chain, steps_of

WANTED, GROUPS = 3, 32
TEXTS = [f"text {number}" for number in range(8 * LOOKED_AT * WANTED)]


class Random:
    """An embedder that draws a text's vector by its number."""

    fingerprint = "random"
    dimensions = 8

    def embed(self, texts: Sequence[str], *, progress: object = None) -> Any:
        rows = np.array([np.random.default_rng(int(t.split()[-1])).normal(size=8) for t in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("asked", [f"question {number}" for number in range(10_000, 10_005)])
def test_as_many_are_found_in_a_group_as_by_looking_at_all(asked: str) -> None:
    looking = Nearest(kinds=("passage",), k=WANTED, groups=GROUPS)
    recipe = replace(DENSE, read=Chain((looking, *steps_of(DENSE.read)[3:])))
    embedder = Random()
    with Memory.open(":memory:", recipe, embedder=embedder) as memory:
        memory.add_many(TEXTS)
        found = [hit.text for hit in memory.search(asked, k=WANTED)]
    vectors, question = embedder.embed(TEXTS), embedder.embed([asked])
    alike = cross_polytope(vectors, GROUPS, 0) == cross_polytope(question, GROUPS, 0)[0]
    cosines = np.where(alike, vectors @ question[0], -np.inf)
    best = [TEXTS[at] for at in np.argsort(-cosines)[:WANTED] if alike[at]]
    assert found == best
    nearer = int(np.count_nonzero((vectors @ question[0]) >= cosines[TEXTS.index(best[-1])]))
    assert nearer > WANTED, "what is nearest alone would have been something else"
