"""Commands that bring something in: add, import."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engrams.errors import EngramsError, NotFound, UsageError
from engrams.serve.cli.call import Call, command, one_text
from engrams.serve.cli.filters import metadata_of
from engrams.serve.cli.output import clean, counted, shown_path

if TYPE_CHECKING:
    from engrams.memory import Imported, Memory


@command
@click.argument("text", nargs=-1, required=True, metavar="TEXT…")
@click.option(
    "--role",
    metavar="ROLE",
    default="user",
    show_default=True,
    help="Who it is: user, assistant, system, tool …",
)
@click.option("--speaker", metavar="NAME", help="The name of who said it.")
@click.option("--at", metavar="TIME", help="When it happened (2024-05-31, or ISO 8601); else now.")
@click.option(
    "--meta", multiple=True, metavar="K=V|JSON", help="Kept with it, found with --filter. Repeat for more."
)
@click.option("--idempotency-key", metavar="KEY", help="A second add with the same key writes nothing.")
def add(
    call: Call,
    /,
    text: tuple[str, ...],
    role: str,
    speaker: str | None,
    at: str | None,
    meta: tuple[str, ...],
    idempotency_key: str | None,
) -> None:
    """Remember a text. Several words are one text, as with echo; - alone reads standard input.

    Prints the id of the event, which show, history, update and delete take.
    """
    message = {"role": role, "content": one_text(text, "TEXT", 'engrams add "Anna moved to Porto."')}
    if speaker is not None:
        message["name"] = speaker
    with call.memory(make=True) as memory:
        receipt = memory.add(
            message,
            **call.scopes(),
            occurred_at=at,
            metadata=metadata_of(meta),
            idempotency_key=idempotency_key,
        )
        where = memory.location
    if call.out.as_json:
        call.out.json(receipt)
        return
    for id in receipt.event_ids:
        call.out.line(id)
    done = "Was here already" if receipt.repeated else "Remembered"
    made = "" if receipt.repeated else f", {counted(len(receipt.derived), 'engram')} derived"
    call.out.note(f"{done} in {receipt.namespace} of {shown_path(where)}{made}.")


@command
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--format", "form", metavar="NAME", help="What the files are, where their content leaves a doubt."
)
def import_(call: Call, /, files: tuple[str, ...], form: str | None) -> None:
    """Remember chats, transcripts and exports from files, folders and archives.

    ChatGPT, Claude, Slack and WhatsApp exports, JSON lines of messages, text, Markdown: told apart by content.
    Importing a file again adds only what is new in it. - reads standard input.
    """
    for name in files:
        there(name)  # a slip in one name stops it all before anything is written
    found: list[Imported] = []
    failed: list[EngramsError] = []
    with call.memory(make=True) as memory:
        for name in files:
            try:
                found.append(_import(call, memory, name, form))
            except EngramsError as error:
                if len(files) == 1:
                    raise
                failed.append(error)
                call.out.note(f"error: {name}: {error}")
        where = memory.location
    _report(call, found, where)
    if failed:
        many = f"{len(failed)} of {len(files)} files could not be imported"
        failed[0].args = (f"{many}; first: {failed[0]}",)
        raise failed[0]


def _import(call: Call, memory: Memory, name: str, form: str | None) -> Imported:
    with incoming(name, folders=True) as path, call.out.progress(f"Importing {Path(name).name}") as progress:
        return memory.import_file(path, format=form, **call.scopes(), progress=progress)


@contextmanager
def incoming(name: str, *, folders: bool = False) -> Iterator[Path]:
    """A file (`folders`: or a folder) to read from; `-` is standard input, kept in a temporary file for as long.

    Raises:
        NotFound: there is no such file.
        UsageError: it is a folder where none is read.
    """
    if name == "-":
        with tempfile.TemporaryDirectory(prefix="engrams-") as folder:
            path = Path(folder) / "standard-input"
            with path.open("wb") as out:
                shutil.copyfileobj(sys.stdin.buffer, out)
            yield path
        return
    path = there(name)
    if path.is_dir() and not folders:
        raise UsageError(f"{clean(name)} is a folder; give a file in it")
    yield path


def there(name: str) -> Path:
    """The path of a file that is to be read.

    Raises:
        NotFound: nothing is there.
        UsageError: the way to it is barred.
    """
    path = Path(name)
    try:
        found = name == "-" or path.exists()
    except (OSError, ValueError) as cause:
        raise UsageError(
            f"{clean(name)} cannot be read: {getattr(cause, 'strerror', None) or cause}"
        ) from cause
    if not found:
        raise NotFound(f"there is no file {clean(name)}; give the path of an export or transcript")
    return path


def _report(call: Call, found: list[Imported], where: str) -> None:
    out = call.out
    if out.as_json:
        out.json(found)
        return
    if not found:
        return

    def number(count: int) -> object:
        return f"{count:,}" if out.pretty else count

    headings = ("form", "messages", "sessions", "new", "repeated", "file")
    rows = [(f.format, *map(number, (f.messages, f.sessions, f.written, f.repeated)), f.path) for f in found]
    out.table(headings, rows, right=headings[1:5])
    new = sum(f.written for f in found)
    out.note(f"{counted(new, 'new message')} in {shown_path(where)}.")
