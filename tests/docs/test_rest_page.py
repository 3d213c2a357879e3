"""The page on REST: every command on it is run against a real server, and every path is named."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from engrams import Memory
from engrams.serve.cli import main
from engrams.serve.rest.app import create_app
from tests.doors.rest_server import running

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rest.md"
COMMANDS = [
    line
    for fence in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for line in fence.replace("\\\n", " ").splitlines()
]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "journal.md").write_text("**Ada**: We bought the boat.\n\n**Ben**: For how much?\n")
    with (
        Memory.open(tmp_path / "memory.db", embedder="none") as memory,
        running(create_app(memory)) as address,
    ):
        yield address


def curl(words: list[str], url: str) -> httpx.Response:
    """What curl does with these options."""
    method, headers, body, out, asked = "GET", {}, None, None, ""
    waiting = iter(words)
    for word in waiting:
        if word == "-X":
            method = next(waiting)
        elif word == "-H":
            name, _, value = next(waiting).partition(": ")
            headers[name] = value.encode()
        elif word == "-d":
            body = next(waiting).encode()
        elif word == "--data-binary":
            body = Path(next(waiting).removeprefix("@")).read_bytes()
        elif word == "-o":
            out = Path(next(waiting))
        else:
            assert not word.startswith("-"), word
            asked = word.replace("http://127.0.0.1:8765", url)
    told = httpx.request(method, asked, headers=headers, content=body)
    if out is not None:
        out.write_bytes(told.content)
    return told


def test_every_command_of_the_page_works(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENGRAMS_DB", str(tmp_path / "memory.db"))
    ran = 0
    for line in COMMANDS:
        words = shlex.split(line)
        if words[0] == "curl":
            told = curl(words[1:], url)
            assert told.status_code < 300, (line, told.text)
            ran += 1
        elif words[:2] != ["engrams", "serve"] and words[0] != "pip":  # which tests/faults runs
            assert main(words[1:]) == 0, line
            ran += 1
    assert ran >= 9


def test_the_options_of_the_page_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    named = set(re.findall(r"`(--[a-z-]+)", PAGE.read_text("utf-8")))
    served = {
        w for line in COMMANDS if line.startswith("engrams serve") for w in shlex.split(line) if w[:2] == "--"
    }
    assert named | served <= known


def test_every_path_is_named() -> None:
    text = PAGE.read_text("utf-8")
    with Memory.open(":memory:", embedder="none") as memory:
        paths = create_app(memory).openapi()["paths"]
    for path in paths:
        last = path.rsplit("/", 1)[1]
        assert path in text or f"…/{last}`" in text, path
