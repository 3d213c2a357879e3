"""Names of ways of reuse."""

from __future__ import annotations

import re

import pytest

from engrams.errors import UnknownName
from engrams.kv.reuse.blend import CacheBlend
from engrams.kv.reuse.catalogue import KEEPING, METHODS, method
from engrams.kv.reuse.method import Reuse
from engrams.kv.shared.group_think import GroupThink
from engrams.kv.shared.hogwild import Hogwild
from engrams.kv.shared.task_tree import TaskTree


def test_a_way_is_found_by_name() -> None:
    assert method("cacheblend") == CacheBlend()
    assert all(isinstance(way, Reuse) for way in METHODS.values())
    with pytest.raises(UnknownName, match="did you mean 'cacheblend'"):
        method("cache-blend")


def test_what_is_published_names_its_paper_and_where_it_departs() -> None:
    published = [METHODS["cacheblend"], METHODS["edge"], *KEEPING.values(), Hogwild, GroupThink, TaskTree]
    for way in published:
        assert re.search(r", 20\d\d, arXiv \d{4}\.\d{5}$", way.paper), way.name
        assert way.differs
    ours = [way.name for way in METHODS.values() if not way.paper]
    assert ours == ["concatenate", "re-rotate", "random", "stalest-chunks", "given-chunks", "recompute-all"]
