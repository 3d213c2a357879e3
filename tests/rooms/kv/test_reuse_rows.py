"""What holds on the small model of the benchmark, on a few contexts: reuse alone fails, the right chunks mend it, and cheaply."""

from __future__ import annotations

from engrams_bench.kv import reusing
from engrams_bench.kv.fixture import load


def test_rows_of_a_few_contexts() -> None:
    """Seed and contexts are not those of the committed rows."""
    found = reusing.measure(load(), seeds=(7,), count=4, tell=print)
    assert len(found["questions"]) == 16
    deep = [at for at, question in enumerate(found["questions"]) if question["depth"]]
    right = {row["way"]: sum(row["right"][at] == "1" for at in deep) for row in found["rows"]}
    share = {row["way"]: row["share"] for row in found["rows"]}
    full = right["full prefill"]
    assert full >= 0.9 * len(deep)
    assert right["the chunks that refer to others, given"] >= full - 1
    for failing in ("plain concatenation", "re-rotated, nothing computed", "cacheblend r = 0", "edge 0.15"):
        assert right[failing] < 0.7 * len(deep), failing
    blended = "stalest 3 chunks by their last third"
    assert right[blended] > right[f"random, as dear as {blended}"]
    assert share[blended] < 0.5
    assert right["cacheblend 0.25"] > right["random, as dear as cacheblend 0.25"]
    assert share["cacheblend 0.25"] < 0.5
