"""The small files in data/, written by us in the official formats, as a data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

OWN_DATA = Path(__file__).parent / "data"


@pytest.fixture
def own_data() -> Path:
    """A data folder with a few lines of every set."""
    return OWN_DATA
