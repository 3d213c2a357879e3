"""Where the benchmark stands: on the public front door, with nobody behind it."""

from __future__ import annotations

import ast
from pathlib import Path

import engrams

HERE = Path(__file__).parents[2]
BENCH = HERE / "bench" / "engrams_bench"
#: What a file or folder asks for beside the public names; the floors (import-linter) say the same of modules.
BESIDE = {
    "vectors.py": ("engrams.models.embedder.resolve_embedder",),  # vectors are kept in a file between runs
    "kv": ("engrams.kv.",),
    "parametric": ("engrams.weights.", "engrams.organise.forms.", "engrams.records."),
    "quality": ("engrams.ports.", "engrams.prompts.", "engrams.schemas.", "engrams.models.chat_prices."),
    "compare_command.py": ("engrams.models.chat_prices.", "engrams.settings."),
    "gallery": ("engrams.figures.", "engrams.step.", "engrams.errors."),
    "replays.py": ("engrams.step.",),
    "copying.py": ("engrams.models.scripted.", "engrams.models.scripted_wire."),
}


def imports(path: Path) -> set[str]:
    """The modules and names a file imports, as `engrams.Memory`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_it_imports_only_public_names_of_engrams_and_its_recipes() -> None:
    public = {f"engrams.{name}" for name in engrams.__all__} | {"engrams"}
    used: dict[str, set[str]] = {}
    for path in BENCH.rglob("*.py"):
        place = path.relative_to(BENCH).parts[0]
        used.setdefault(place, set()).update(n for n in imports(path) if n.split(".")[0] == "engrams")
    assert "engrams.Memory" in used["asking.py"]
    for place, names in used.items():
        more = {n for n in names - public if not n.startswith(("engrams.recipes.", *BESIDE.get(place, ())))}
        assert not more, place


def test_nobody_imports_it() -> None:
    files = list((HERE / "engrams").rglob("*.py"))
    assert files
    assert [path for path in files if any(name.startswith("engrams_bench") for name in imports(path))] == []


def test_every_data_set_tells_format_licence_source_and_traps() -> None:
    for path in (HERE / "bench" / "engrams_bench" / "datasets").glob("*.py"):
        if path.stem not in ("__init__", "reading"):
            told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            assert [part for part in ("Format", "Licence", "Traps") if part not in told] == [], path.name
