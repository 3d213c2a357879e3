"""Where data sets lie: the folder named by ENGRAMS_BENCH_DATA, else ./data."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from engrams_bench.cases import DataSet
from engrams_bench.errors import MissingData

VARIABLE = "ENGRAMS_BENCH_DATA"
READ_AT_ONCE = (
    1 << 20
)  # bytes per step of a digest: large enough that the call costs nothing beside the reading


def data_folder(given: Path | None = None) -> Path:
    """The folder that holds the data sets: `given`, else ENGRAMS_BENCH_DATA, else ./data."""
    return given or Path(os.environ.get(VARIABLE) or "data")


def files_of(data: DataSet, folder: Path) -> list[Path]:
    """The files of a data set that are at hand, sorted; empty where it is missing."""
    folder = data.folder() if data.folder else folder
    for pattern in data.files:
        if found := sorted(path for path in folder.glob(pattern) if path.is_file()):
            return found
    return []


def require(data: DataSet, folder: Path) -> list[Path]:
    """The files of a data set.

    Raises:
        MissingData: none is at hand; says where to get the set and where to put it.
    """
    if found := files_of(data, folder):
        return found
    folder = data.folder() if data.folder else folder
    wanted = " or ".join(f"{folder / pattern}" for pattern in data.files)
    raise MissingData(
        f"{data.name}: no {wanted}. Get {data.title} ({data.licence}) from {data.source}, put it there, "
        f"or name another folder in {VARIABLE}"
    )


def digest(paths: list[Path]) -> str:
    """Sixteen hex digits over the content of the files, so that two results can be seen to rest on the same data."""
    seen = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(READ_AT_ONCE):
                seen.update(block)
    return seen.hexdigest()[:16]
