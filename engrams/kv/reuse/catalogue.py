"""Every way of reuse by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engrams.errors import UnknownName
from engrams.kv.reuse.blend import CacheBlend
from engrams.kv.reuse.chunks import GivenChunks, StalestChunks
from engrams.kv.reuse.craft import CacheCraft
from engrams.kv.reuse.edge import Edge
from engrams.kv.reuse.method import Reuse
from engrams.kv.reuse.reference import Concatenate, RandomTokens, RecomputeAll, ReRotate

#: Ways that compose pieces given to them, with their settings as published or chosen here.
METHODS: Mapping[str, Reuse] = MappingProxyType(
    {
        method.name: method
        for method in (
            Concatenate(),
            ReRotate(),
            RandomTokens(),
            Edge(),
            CacheBlend(),
            StalestChunks(),
            GivenChunks(),
            RecomputeAll(),
        )
    }
)
#: Ways that keep pieces of their own.
KEEPING: Mapping[str, type[CacheCraft]] = MappingProxyType({CacheCraft.name: CacheCraft})


def method(name: str) -> Reuse:
    """A way of reuse by name, with its settings as they stand here.

    Raises:
        UnknownName: none of that name that composes pieces given to it.
    """
    if name not in METHODS:
        raise UnknownName("way of reuse", name, METHODS)
    return METHODS[name]
