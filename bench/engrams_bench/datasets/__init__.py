"""The data sets the benchmark can read: an explicit list."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from engrams_bench.cases import DataSet
from engrams_bench.datasets.locomo import LOCOMO
from engrams_bench.datasets.longmemeval import LONGMEMEVAL, LONGMEMEVAL_ORACLE, LONGMEMEVAL_TENTH
from engrams_bench.datasets.memdaily import MEMDAILY
from engrams_bench.datasets.multihop import HOTPOTQA, MUSIQUE, TWO_WIKI
from engrams_bench.datasets.sample import SAMPLE
from engrams_bench.errors import UnknownData

DATASETS: Mapping[str, DataSet] = MappingProxyType(
    {
        data.name: data
        for data in (
            SAMPLE,
            LOCOMO,
            LONGMEMEVAL,
            LONGMEMEVAL_TENTH,
            LONGMEMEVAL_ORACLE,
            MUSIQUE,
            HOTPOTQA,
            TWO_WIKI,
            MEMDAILY,
        )
    }
)

#: Names that stand for several sets.
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType({"multihop": ("musique", "hotpotqa", "2wiki")})


def find(name: str) -> tuple[DataSet, ...]:
    """The data set of that name, or the several a group's name stands for.

    Raises:
        UnknownData: no such name; names the nearest.
    """
    if name in GROUPS:
        return tuple(DATASETS[member] for member in GROUPS[name])
    if name in DATASETS:
        return (DATASETS[name],)
    known = [*DATASETS, *GROUPS]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    raise UnknownData(f"unknown data set {name!r}; {hint}")
