"""What a command prints: JSON for programs, plain columns for pipes, colour and tables for a terminal.

Results go to standard output, messages and progress to standard error. `rich` is loaded only when standard output is
a terminal and nobody asked for JSON or quiet.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol

from engrams.serve.plain import plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class Progress(Protocol):
    """Takes how much is done, and of how much where that is known (0: not)."""

    def __call__(self, done: int, total: int = 0, /) -> None: ...


WIDEST = 110  # characters a line of prose may take on a wide terminal and still be read with ease
_KEPT = "\n\t"


def clean(text: str) -> str:
    """Text that cannot steer a terminal: control characters but newline and tab stand as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c in _KEPT or not _steers(c) else ascii(c)[1:-1] for c in text)


def _steers(c: str) -> bool:
    return ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0


def column(text: object) -> str:
    """Text for one column of a pipe: on one line, without tabs."""
    return " ".join(clean("" if text is None else str(text)).split())


def when(at: datetime | None) -> str:
    """A time for people, in UTC: day, and the minute where it is not midnight."""
    if at is None:
        return ""
    at = at.astimezone(UTC)
    return (
        at.strftime("%Y-%m-%d")
        if (at.hour, at.minute, at.second) == (0, 0, 0)
        else at.strftime("%Y-%m-%d %H:%M")
    )


def size(count: int) -> str:
    """Bytes for people: 1 kB is 1,000 bytes."""
    value, unit = float(count), "bytes"
    for bigger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, bigger
    return f"{count:,} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 event`, `2 events`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


class Out:
    """Where one command writes to."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False, color: bool = True) -> None:
        self.as_json, self.quiet = as_json, quiet
        self.color = color and not os.environ.get("NO_COLOR")
        self.pretty = not as_json and not quiet and sys.stdout.isatty()
        self.unicode = (sys.stdout.encoding or "ascii").lower().replace("-", "").startswith("utf")

    def glyph(self, fancy: str, simple: str) -> str:
        """The first where the terminal can show it, else the second."""
        return fancy if self.unicode else simple

    @cached_property
    def console(self) -> Console:
        """The terminal. Only asked for when `pretty`."""
        from rich.console import Console

        console = Console(
            color_system="auto" if self.color else None, highlight=False, markup=False, emoji=False
        )
        console.width = min(console.width, WIDEST)
        return console

    # --- results
    def json(self, value: object) -> None:
        """One JSON document."""
        self._write(json.dumps(plain(value), ensure_ascii=not self.unicode, indent=2) + "\n")

    def json_line(self, value: object) -> None:
        """One line of JSON lines."""
        self._write(json.dumps(plain(value), ensure_ascii=not self.unicode) + "\n")

    def line(self, text: str = "") -> None:
        """A line of plain text."""
        self._write(clean(text) + "\n")

    def columns(self, *values: object) -> None:
        """One line of tab-separated columns, for pipes."""
        self._write("\t".join(map(column, values)) + "\n")

    def receipt(self, *values: object) -> None:
        """Columns for a pipe of what a note tells on a terminal."""
        if not self.pretty:
            self.columns(*values)

    def show(self, *things: RenderableType) -> None:
        """Things drawn by rich, one after the other."""
        for thing in things:
            self.console.print(thing)

    def table(
        self, headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
    ) -> None:
        """A table on a terminal, tab-separated columns without headings elsewhere. `right`: headings set right."""
        if not self.pretty:
            for row in rows:
                self.columns(*row)
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for heading in headings:
            table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
        for row in rows:
            table.add_row(
                *(v if isinstance(v, Text) else Text(clean("" if v is None else str(v))) for v in row)
            )
        self.show(table)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)

    # --- messages
    def note(self, text: str) -> None:
        """A message for people, on standard error; none when quiet or for programs."""
        if not self.quiet and not self.as_json:
            sys.stdout.flush()
            sys.stderr.write(clean(text) + "\n")
            sys.stderr.flush()

    def confirm(self, question: str) -> bool | None:
        """Whether the person says yes; None where nobody can be asked."""
        if self.as_json or not sys.stdin.isatty() or not sys.stderr.isatty():
            return None
        sys.stderr.write(clean(question) + " [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().casefold() in ("y", "yes")

    @contextmanager
    def progress(self, label: str) -> Iterator[Progress | None]:
        """A progress bar on standard error, None (no bar) where no person is watching."""
        if not self.pretty or not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(
            stderr=True, color_system="auto" if self.color else None, highlight=False, markup=False
        )
        shown = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
        )
        times = (TimeElapsedColumn(), TimeRemainingColumn(compact=True))
        with Bar(*shown, *times, console=console, transient=True) as bar:
            task = bar.add_task(clean(label), total=None, count="")

            def advance(done: int, total: int = 0, /) -> None:
                count = f"{done:,} of {total:,}" if total else f"{done:,}"
                bar.update(task, completed=done, total=total or None, count=count)

            yield advance


def shown_path(path: str | PurePath) -> str:
    """A path as it can be pasted into a shell: the home folder as `~`, quoted where it must be."""
    import shlex

    text, home = str(path), os.environ.get("HOME", "")
    if home and text.startswith(home + "/") and shlex.quote(text) == text:
        return "~" + text[len(home) :]
    return shlex.quote(text)
