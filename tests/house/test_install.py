"""`pip install` from an archive of the project into a clean environment: what a stranger gets."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tomllib
import venv
from pathlib import Path

import pytest

MOST_DISTRIBUTIONS = 30
MOST_BYTES = 150_000_000


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_archive_installs_into_a_clean_environment(
    tmp_path: Path, root: Path, project_files: list[Path], real_environment: dict[str, str]
) -> None:
    archive = tmp_path / "engrams.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for path in project_files:
            tar.add(path, arcname=f"engrams/{path.relative_to(root)}")

    place = tmp_path / "clean"
    venv.create(place, with_pip=True)
    # The pinned versions, so that a release of somebody else's on the day of a run cannot turn the result. A compiler
    # that always fails shows that none is needed.
    environment = real_environment | {
        "PIP_CONSTRAINT": str(root / "requirements" / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "CC": "/bin/false",
        "CXX": "/bin/false",
    }
    pip = [str(place / "bin" / "python"), "-m", "pip"]
    installed = subprocess.run(
        [*pip, "install", "--retries", "10", "--timeout", "60", str(archive)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stdout[-2000:] + installed.stderr[-2000:]

    listed = subprocess.run(
        [*pip, "list", "--format", "json"], env=environment, capture_output=True, text=True, check=True
    )
    distributions = {entry["name"].lower() for entry in json.loads(listed.stdout)}
    assert "engrams" in distributions
    assert not distributions & {"torch", "tensorflow", "jax", "transformers", "onnxruntime"}
    assert len(distributions) <= MOST_DISTRIBUTIONS, sorted(distributions)

    site = next((place / "lib").glob("python*")) / "site-packages"
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) <= MOST_BYTES
    missing = [
        path
        for path in project_files
        if path.is_relative_to(root / "engrams") and not (site / path.relative_to(root)).is_file()
    ]
    assert missing == []

    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    clean = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}

    def engrams(*arguments: str) -> str:
        command = [place / "bin" / "engrams", *arguments]
        done = subprocess.run(command, env=clean, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert version in engrams("--version")
    database = str(tmp_path / "memory.db")
    engrams("add", "The spare key is under the blue flower pot.", "--db", database)
    engrams("add", "Lunch was soup.", "--db", database)
    hits = json.loads(engrams("search", "where is the spare key?", "--db", database, "--json"))
    assert "flower pot" in json.dumps(hits)
