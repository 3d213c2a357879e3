"""The command line as the tests call it: inside this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engrams.serve.cli import main

PROGRAM = (
    sys.executable,
    "-W",
    "error",
    "-c",
    "import sys; from engrams.serve.cli import main; sys.exit(main())",
)


@dataclass(frozen=True)
class Answer:
    """What one command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Engrams = Callable[..., Answer]

KEY = "The spare key is under the blue flower pot."
PLUMBER = "The plumber comes on Thursday at nine."
BOAT = "We bought the boat for six hundred pounds."


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The memory every command uses that names no other."""
    path = tmp_path / "memory.db"
    monkeypatch.setenv("ENGRAMS_DB", str(path))
    monkeypatch.setenv("COLUMNS", "100")
    return path


@pytest.fixture
def engrams(database: Path, capsys: pytest.CaptureFixture[str]) -> Engrams:
    """Runs a command line inside this process."""

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


@pytest.fixture
def process(database: Path) -> Engrams:
    """Runs a command line as a process of its own."""

    def run(
        *arguments: str | bytes,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Answer:
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=stdin, env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, check=False,
        )  # fmt: skip
        return Answer(
            done.returncode,
            done.stdout.decode("utf-8", "backslashreplace"),
            done.stderr.decode("utf-8", "backslashreplace"),
        )

    return run


@pytest.fixture
def program() -> tuple[str, ...]:
    """The command that starts the program, for tests that need more than its output."""
    return PROGRAM


@pytest.fixture
def filled(engrams: Engrams) -> Engrams:
    """A memory with three texts of two speakers."""
    for text, speaker, at, topic in (
        (KEY, "Ada", "2024-03-01", "house"),
        (PLUMBER, "Ben", "2024-04-01T09:00:00+02:00", "house"),
        (BOAT, "Ada", "2024-05-01", "boat"),
    ):
        options = ("--speaker", speaker, "--at", at, "--session", "s1", "--meta", f"topic={topic}")
        added = engrams("add", text, *options)
        assert added.code == 0, added.err
    return engrams
