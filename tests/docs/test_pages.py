"""Documentation that cannot drift: code runs and prints what the page shows; every name is on a page."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import fields
from pathlib import Path

import pytest

from engrams import Memory, errors
from engrams.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def python_pages() -> list[Path]:
    return [p for p in PAGES if p.name != "design.md" and "```python" in p.read_text("utf-8")]


@pytest.mark.parametrize("page", python_pages(), ids=lambda p: p.name)
def test_the_python_of_a_page_runs_and_prints_what_it_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Pages about models run on the one of the tests.
    (tmp_path / "small-model").symlink_to(ROOT / "tests" / "fixtures" / "weights")
    names: dict[str, object] = {"__name__": page.stem}
    printed = ""
    for language, code in FENCE.findall(page.read_text("utf-8")):
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(code, str(page), "exec", dont_inherit=True), names)
            printed = out.getvalue()
        elif language == "text" and printed:
            assert printed.strip() == code.strip()
            printed = ""


def text_of_all_pages() -> str:
    return "\n".join(p.read_text("utf-8") for p in PAGES)


def test_every_recipe_error_and_setting_is_named_on_a_page() -> None:
    text = text_of_all_pages()
    kinds = [n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.EngramsError)]
    settings = [f"ENGRAMS_{f.name.upper()}" for f in fields(Settings) if f.name != "origins"]
    wanted = [*Memory.catalogue(), *kinds, *settings]
    assert [n for n in wanted if not re.search(rf"`[^`]*\b{re.escape(n)}\b[^`]*`", text)] == []


def test_every_public_call_is_named_on_the_python_page() -> None:
    text = (ROOT / "docs" / "python.md").read_text("utf-8")
    calls = [n for n in vars(Memory) if not n.startswith("_")]
    assert [n for n in calls if not re.search(rf"\b{n}\b", text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))
    assert [t for t in targets if not (page.parent / t).exists()] == []
