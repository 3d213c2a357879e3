"""Places for a memory, one of each store: what a memory does with its life does not depend on where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres_server import SERVER


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The place of a memory that is not there yet: a file, then an address."""
    if request.param == "sqlite":
        yield str(tmp_path / "memory.db")
        return
    with SERVER.place() as url:
        yield url
