"""The files of the project, as the checks of the house see them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).resolve().parents[2]


def _walk(folder: Path, ignored: GitIgnoreSpec) -> list[Path]:
    found: list[Path] = []
    for entry in sorted(folder.iterdir()):
        place = entry.relative_to(ROOT).as_posix()
        if entry.name == ".git" or ignored.match_file(place + "/" if entry.is_dir() else place):
            continue
        if entry.is_dir():
            found += _walk(entry, ignored)
        else:
            found.append(entry)
    return found


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder the project lies in."""
    return ROOT


@pytest.fixture(scope="session")
def project_files() -> list[Path]:
    """Every file that is part of the project: all but what .gitignore names. Works without git, too."""
    ignored = GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())
    files = _walk(ROOT, ignored)
    assert ROOT / "pyproject.toml" in files
    return files
