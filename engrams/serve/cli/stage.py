"""Where the demo plays: the same scenes drawn on a terminal, as plain lines in a pipe, or kept for one JSON document."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engrams.serve.cli.output import Out, counted, shown_path, when
from engrams.serve.plain import plain

if TYPE_CHECKING:
    from engrams.records import Context, Revision


_SIMPLE = str.maketrans({"“": '"', "”": '"', "’": "'", "…": "..."})


class Stage:
    """Shows one scene after the other and keeps what programs get."""

    def __init__(self, out: Out) -> None:
        self.out = out
        self.kept: dict[str, Any] = {}

    def title(self, text: str) -> None:
        """Opens a part."""
        if self.out.pretty:
            from engrams.serve.cli.drawing import heading

            self.out.show(heading(self.out, text))
        elif not self.out.as_json:
            self.out.line(f"\n== {text}")

    def say(self, text: str, style: str = "") -> None:
        """A sentence to the person watching."""
        text = text if self.out.unicode else text.translate(_SIMPLE)
        if self.out.pretty:
            from rich.text import Text

            self.out.show(Text(text, style))
        elif not self.out.as_json:
            self.out.line(text)

    def good(self, text: str) -> None:
        """Something that came out as it should."""
        self.say(f"{self.out.glyph('✓', '+')} {text}", "green")

    def bad(self, text: str) -> None:
        """Something that did not."""
        self.say(f"{self.out.glyph('✗', 'x')} {text}", "yellow")

    def question(self, text: str) -> None:
        """A question that is asked now."""
        if self.out.pretty:
            from rich.text import Text

            self.out.show(Text.assemble("\n", ("? ", "bold magenta"), (text, "bold")))
        elif not self.out.as_json:
            self.out.line(f"\n? {text}")

    def context(self, found: Context, *, whole: bool = True) -> None:
        """An answer: the text, its citations (one line of them unless `whole`), its price."""
        if self.out.pretty:
            from engrams.serve.cli.drawing import context_lines

            self.out.show(*context_lines(self.out, found, whole=whole))
        elif not self.out.as_json:
            self.out.line(found.text)
            for c in found.citations if whole else ():
                origin = ", ".join(p for p in (when(c.occurred_at), c.speaker, c.session) if p)
                self.out.line(f"  {c.mark} {origin}, event {' '.join(c.event_ids)}")
            estimated = " (estimated)" if found.price.tokens_estimated else ""
            calls = counted(found.price.model_calls, "model call")
            cited = counted(len(found.citations), "citation")
            self.out.line(
                f"  {cited}, {found.price.tokens} tokens{estimated}, {calls}, {found.price.milliseconds:.1f} ms"
            )

    def revisions(self, revisions: Sequence[Revision]) -> None:
        """A history, oldest first."""
        if not self.out.as_json:
            rows = [(r.version, r.change, when(r.at), r.reason, r.content) for r in revisions]
            self.out.table(("version", "change", "when", "why", "text"), rows, right=("version",))

    def commands(self, lines: Sequence[tuple[str, str]]) -> None:
        """Commands to paste, each with what it does."""
        if self.out.pretty:
            from engrams.serve.cli.drawing import command_lines

            self.out.show(*command_lines(lines))
        elif not self.out.as_json:
            for line, what in lines:
                self.out.line(f"  # {what}\n  {line}")

    def keep(self, key: str, value: object) -> None:
        """Something for the JSON document."""
        self.kept[key] = plain(value)

    def close(self) -> None:
        """Prints the JSON document, if one was asked for."""
        if self.out.as_json:
            self.out.json(self.kept)


def program() -> str:
    """How this program is called here, ready to paste: its name where the shell finds it, else its path."""
    started = Path(sys.argv[0])
    if shutil.which("engrams") is not None or started.name != "engrams":
        return "engrams"
    try:
        started = started.resolve().relative_to(Path.cwd().resolve())
    except (OSError, ValueError):
        return shown_path(started)
    return shown_path(started if len(started.parts) > 1 else f"./{started}")
