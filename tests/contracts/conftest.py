"""Every store, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from engrams.ports import Store
from tests.contracts.stores import OPENERS


@pytest.fixture(params=sorted(OPENERS), scope="session")
def fresh(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], AbstractContextManager[Store]]:
    """Opens a new, empty store for the length of a block; as often as asked, also inside one property test."""
    open_in: Callable[[Path], Store] = OPENERS[request.param]

    @contextmanager
    def opened() -> Iterator[Store]:
        store = open_in(tmp_path_factory.mktemp("store"))
        try:
            yield store
        finally:
            store.close()

    return opened


@pytest.fixture
def store(fresh: Callable[[], AbstractContextManager[Store]]) -> Iterator[Store]:
    """A new, empty store."""
    with fresh() as opened:
        yield opened
