"""Commands on the pages of the doors run as they stand, in order, and print what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Pages whose commands are for the shell as it is; those of others need a checkout, or hours.
PAGES = ("mcp.md", "coding-agents.md", "inspector.md", "your-own-recipe.md")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_and_print_what_it_shows(
    page: str, tmp_path: Path, own_home: Path
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    bin, installed = tmp_path / "bin", tmp_path / "installed"
    bin.mkdir()
    # Packages of a page go into a folder of their own, and nothing is fetched for them.
    offline = f'--disable-pip-version-check --no-index --no-deps --no-build-isolation --target "{installed}"'
    for name, does in (
        ("engrams", '-W error -m engrams "$@"'),
        ("python", '"$@"'),
        ("pip", f'-m pip "$@" {offline}'),
    ):
        script = bin / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {does}\n', "utf-8")
        script.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{bin}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH")))),
    }
    printed = ""
    for language, code in FENCE.findall((ROOT / "docs" / page).read_text("utf-8")):
        if language == "sh":
            done = subprocess.run(
                ["sh", "-e", "-c", code],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{code}\n{done.stderr}"
            printed = done.stdout
        elif language == "text" and printed:
            assert _without_day(printed) == _without_day(code)
        if language != "sh":  # what a page shows belongs to the code right before it
            printed = ""


def _without_day(text: str) -> str:
    """What was written today says so."""
    return re.sub(r"\d{4}-\d\d-\d\d", "DAY", text).strip()
