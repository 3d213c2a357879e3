"""`make dist` from an archive of the project, without git, and what a stranger gets from the wheels."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

NETWORK_MOST = 1800  # seconds; a safety net for slow package indexes


@pytest.mark.slow
@pytest.mark.timeout(NETWORK_MOST)
def test_the_wheels_install_with_the_embedder(
    tmp_path: Path, root: Path, project_files: list[Path], real_environment: dict[str, str]
) -> None:
    tree = tmp_path / "engrams"
    for path in project_files:
        place = tree / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    environment = real_environment | {
        "VENV": sys.prefix,
        "PIP_CONSTRAINT": str(root / "requirements" / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    built = subprocess.run(
        [tree / "scripts" / "dist"], env=environment, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]

    wheels = {path.name.partition("-")[0]: path for path in (tree / "dist").glob("*.whl")}
    expected = {"engrams", "engrams_minilm"} | (
        {"engrams_bench"} if (root / "bench" / "pyproject.toml").exists() else set()
    )
    assert set(wheels) == expected
    with zipfile.ZipFile(wheels["engrams_minilm"]) as wheel:
        names = wheel.namelist()
        assert {"engrams_minilm/data/" + name for name in ("minilm.onnx", "vocab.txt", "model.json")} <= set(
            names
        )
        notice = next(name for name in names if name.endswith("licenses/NOTICE"))
        assert "Nils Reimers" in wheel.read(notice).decode()
        assert (
            "Apache License" in wheel.read(next(n for n in names if n.endswith("licenses/LICENSE"))).decode()
        )
        described = json.loads(wheel.read("engrams_minilm/data/model.json"))

    place = tmp_path / "clean"
    venv.create(place, with_pip=True)
    python = str(place / "bin" / "python")
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--retries", "10", "--timeout", "60", "-f", "dist", "engrams[embed]"],
        cwd=tree, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stdout[-2000:] + installed.stderr[-2000:]

    program = (
        "from engrams.models.embedder import resolve_embedder; e = resolve_embedder('auto');"
        "print(e.fingerprint, *e.embed(['the key', 'a pot']).shape)"
    )
    clean = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    asked = subprocess.run(
        [python, "-c", program], env=clean, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.split() == [f"all-MiniLM-L6-v2:int8:{described['sha256'][:16]}:p1", "2", "384"]
    assert asked.stderr == ""
