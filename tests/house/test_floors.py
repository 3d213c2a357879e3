"""The import contract of docs/design.md, section "The house"."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def write_house(folder: Path, root: Path, modules: dict[str, str]) -> None:
    """Packages of the same names under the same contracts, with only the modules given."""
    (folder / "pyproject.toml").write_text((root / "pyproject.toml").read_text("utf-8"), "utf-8")
    least = dict.fromkeys(("errors", "records", "client", "serve/__init__", "../engrams_bench/__init__"), "")
    for name, text in ({"__init__": ""} | least | modules).items():
        path = folder / "engrams" / (name + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        (path.parent / "__init__.py").touch()


def test_the_package_keeps_its_floors(root: Path) -> None:
    outcome = lint_imports(root)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


ALLOWED = {
    "step on arithmetic": {"step": "import engrams.arithmetic", "arithmetic": "import numpy"},
    "recall on step": {"recall/near": "import engrams.step", "step": ""},
    "store on records": {"store/file": "import engrams.records\nimport sqlite3"},
    "memory on everything": {
        "memory": "import engrams.store.file",
        "store/file": "import engrams.ports",
        "ports": "",
    },
    "recipes on rooms": {
        "recipes/house": "import engrams.recall.near",
        "recall/near": "import engrams.joints",
        "joints": "",
    },
    "torch in kv": {"kv/blocks": "import torch.nn"},
    "filters in the store": {"store/file": "import engrams.filters", "filters": "import engrams.records"},
    "the front door from the benchmark": {"../engrams_bench/run": "import engrams"},
    "click at the door": {"serve/cli": "import click\nimport engrams.memory", "memory": ""},
}

FORBIDDEN = {
    "errors on records": {"errors": "import engrams.records"},
    "ports on step": {"ports": "import engrams.step", "step": ""},
    "step on joints": {"step": "import engrams.joints", "joints": ""},
    "a room on its neighbour": {"recall/near": "import engrams.compose.order", "compose/order": ""},
    "a room on the store": {"recall/near": "import engrams.store.file", "store/file": ""},
    "the store on a step": {"store/file": "import engrams.step", "step": ""},
    "models on the index": {"models/word": "import engrams.index.words", "index/words": ""},
    "recipes on models": {"recipes/house": "import engrams.models.word", "models/word": ""},
    "recipe on recipes": {"recipe": "import engrams.recipes.house", "recipes/house": ""},
    "settings on memory": {"settings": "import engrams.memory", "memory": ""},
    "lifecycle on memory": {"lifecycle/jobs": "import engrams.memory", "memory": ""},
    "memory on a door": {"memory": "import engrams.serve.cli", "serve/cli": ""},
    "a door on another": {"client": "import engrams.serve.cli", "serve/cli": ""},
    "a door on a recipe": {"serve/cli": "import engrams.recipe", "recipe": ""},
    "a door on the store": {"serve/cli": "import engrams.store.file", "store/file": ""},
    "the benchmark on the store": {"../engrams_bench/run": "import engrams.store.file", "store/file": ""},
    "a room nobody drew": {"attic": ""},
    "torch in recall": {"recall/near": "import torch"},
    "rich in memory": {"memory": "from rich.table import Table"},
    "sqlite3 in memory": {"memory": "import sqlite3"},
    "numpy in records": {"records": "import numpy as np"},
    "the benchmark from inside": {"memory": "import engrams_bench"},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("modules", ALLOWED.values(), ids=ALLOWED.keys())
def test_the_contract_allows(modules: dict[str, str], tmp_path: Path, root: Path) -> None:
    write_house(tmp_path, root, modules)
    outcome = lint_imports(tmp_path)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.slow
@pytest.mark.parametrize("modules", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_contract_forbids(modules: dict[str, str], tmp_path: Path, root: Path) -> None:
    write_house(tmp_path, root, modules)
    outcome = lint_imports(tmp_path)
    assert outcome.returncode == 1
    assert "BROKEN" in outcome.stdout


def test_every_door_is_under_the_contract_of_doors(root: Path) -> None:
    contracts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    doors = {name.strip(" ()") for name in contracts[0]["layers"][0].split("|")}
    (bound,) = [contract for contract in contracts if contract["name"].startswith("A door")]
    there = {f"engrams.{name}" for name in doors if list((root / "engrams").glob(f"{name}*"))}
    assert there
    assert set(bound["source_modules"]) == there


def test_no_room_goes_through_the_front_door(root: Path) -> None:
    """`from engrams import X` inside the package would be a circle through the lobby; the doors stand outside."""
    guilty = []
    rooms = {entry.stem for entry in (root / "engrams").iterdir()}
    doors = {root / "engrams" / name for name in ("serve", "integrations", "client.py")}
    for path in (root / "engrams").rglob("*.py"):
        if doors & {path, *path.parents}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "engrams":
                guilty += [f"{path}:{node.lineno}" for name in node.names if name.name not in rooms]
    assert guilty == []
