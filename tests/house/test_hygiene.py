"""Sizes, names and words: what keeps the house readable, and free of the machine it was built on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from engrams.store.sqlite.schema import MIGRATIONS

# About 400 lines is the aim (docs/design.md, Habits); beyond this a file holds two things.
MOST_LINES = 450
# The front door writes out every argument of every call for its readers; its twin and its clients are made from it by scripts.
SPELT_OUT = {"aio.py", "memory.py", "synchronous.py", "asynchronous.py"}
# Names that say nothing about what is inside.
EMPTY_NAMES = {"utils", "util", "core", "base", "manager", "managers", "helpers", "helper", "misc", "common"}

PERSONAL_PLACE = re.compile(r"(?<![\w.:/~-])/(?:work|root|home|Users|mnt)/[\w.-]+")
# Somebody's own package index: an address, or the option that names one.
PACKAGE_INDEX = re.compile(
    r"(?:extra-)?index-url|find-links|trusted-host|https?://[\w.-]*(?:pypi|nexus|artifactory|devpi)[\w.-]*"
)
KEY = re.compile(r"\b(?:sk-[A-Za-z0-9]{20,}|sk-ant-[\w-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16})\b")
CONFLICT = re.compile(r"^(?:<{7} |>{7} )", re.MULTILINE)

NUMBERED_RECORD = re.compile(r"^(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.md$")


def text_of(path: Path) -> str | None:
    """The file's text, or None where it is no text at all (arrays, databases, pictures)."""
    raw = path.read_bytes()
    return None if b"\0" in raw else raw.decode("utf-8", errors="replace")


def test_no_file_is_too_long(root: Path) -> None:
    lengths = {
        path.relative_to(root).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (root / "engrams").rglob("*.py")
        if path.name not in SPELT_OUT
    }
    assert {place: lines for place, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_module_has_an_empty_name(project_files: list[Path], root: Path) -> None:
    python = [path.relative_to(root) for path in project_files if path.suffix == ".py"]
    assert [
        place for place in python if EMPTY_NAMES & {part.removesuffix(".py") for part in place.parts}
    ] == []


def test_every_room_of_the_package_has_a_tenant(root: Path) -> None:
    rooms = [folder.parent for folder in (root / "engrams").rglob("__init__.py")]
    assert [room for room in rooms if not any(path.name != "__init__.py" for path in room.iterdir())] == []


@pytest.mark.parametrize(
    "pattern", [PERSONAL_PLACE, PACKAGE_INDEX, KEY, CONFLICT], ids=["place", "index", "key", "conflict"]
)
def test_nothing_of_the_machine_is_written_down(
    pattern: re.Pattern[str], project_files: list[Path], root: Path
) -> None:
    found = [
        f"{path.relative_to(root)}:{text.count(chr(10), 0, hit.start()) + 1}: {hit.group()}"
        for path in project_files
        if path != Path(__file__) and (text := text_of(path)) is not None
        for hit in pattern.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (PERSONAL_PLACE, "open('/home/ada/notes.db')"),
        (PERSONAL_PLACE, "see /root/.config"),
        (PACKAGE_INDEX, "pip install --extra-index-url there"),
        (PACKAGE_INDEX, "url = https://pypi.internal/simple"),
        (KEY, "key = sk-" + "a1" * 12),
        (CONFLICT, "<<<<<<< HEAD"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


@pytest.mark.parametrize("line", ["acme/alice/work/x", "https://host/home/page", "~/work/notes", "a/root/b"])
def test_the_pattern_for_places_leaves_the_rest_alone(line: str) -> None:
    assert not PERSONAL_PLACE.search(line)


def test_the_version_is_the_one_the_changelog_opens_with(root: Path) -> None:
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    headings = re.findall(r"^## (\S+)", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == version


def test_decisions_are_numbered_without_gaps(root: Path) -> None:
    names = sorted(path.name for path in (root / "decisions").iterdir() if path.name != "README.md")
    matches = [NUMBERED_RECORD.match(name) for name in names]
    assert [name for name, match in zip(names, matches, strict=True) if match is None] == []
    assert [int(match[1]) for match in matches if match] == list(range(1, len(names) + 1))


def test_every_decision_is_one_page_and_says_why(root: Path) -> None:
    for path in (root / "decisions").glob("[0-9]*.md"):
        text = path.read_text(encoding="utf-8")
        assert re.match(rf"# {int(path.name[:4])}\. ", text), f"{path.name}: the title carries the number"
        assert re.search(r"^## Why", text, re.MULTILINE), f"{path.name}: no section Why"
        assert len(text.splitlines()) <= 60, f"{path.name}: more than a page"


def test_migrations_are_numbered_without_gaps_and_named_once() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert len({migration.name for migration in MIGRATIONS}) == len(MIGRATIONS)
