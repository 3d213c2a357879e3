"""Files into messages: told apart by what they hold, never by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from engrams.errors import BadSetting, UnknownName
from engrams.ingest import archive
from engrams.ingest.chatgpt import is_chatgpt, read_chatgpt
from engrams.ingest.claude import is_claude, read_claude
from engrams.ingest.facts import is_mcp_memory, is_mem0, read_mcp_memory, read_mem0
from engrams.ingest.markdown import is_markdown, is_notes, read_markdown, read_notes
from engrams.ingest.openai import is_json, is_jsonl, read_messages
from engrams.ingest.slack import is_slack, read_slack
from engrams.ingest.source import Source
from engrams.ingest.transcript import is_transcript, is_whatsapp, read_transcript
from engrams.records import Message


@dataclass(frozen=True)
class Format:
    """One form of files: what it is, how it is known, how it is read. `streams`: read line by line, never held whole."""

    name: str
    about: str
    recognise: Callable[[Source], bool]
    read: Callable[[Source], Iterator[Message]]
    streams: bool = False


_LIST = (
    Format(
        "chatgpt",
        "ChatGPT data export: the zip, conversations.json or its numbered parts",
        is_chatgpt,
        read_chatgpt,
    ),
    Format("claude", "Claude data export: the zip or conversations.json", is_claude, read_claude),
    Format(
        "mcp-memory",
        "knowledge graph of the MCP reference memory server",
        is_mcp_memory,
        read_mcp_memory,
        True,
    ),
    Format(
        "jsonl",
        "messages in the OpenAI form, a message or conversation a line",
        is_jsonl,
        read_messages,
        True,
    ),
    Format("json", "messages in the OpenAI form, one JSON document", is_json, read_messages),
    Format("slack", "Slack export: the JSON file of a channel's day", is_slack, read_slack),
    Format("mem0", "memories as mem0 lists them ('results' or 'memories')", is_mem0, read_mem0),
    Format("markdown", "Markdown transcript: **Anna:** text, or ### User", is_markdown, read_markdown, True),
    Format("whatsapp", "WhatsApp chat export", is_whatsapp, read_transcript, True),
    Format(
        "transcript",
        "plain-text transcript: [2024-05-01 10:22] Anna: text",
        is_transcript,
        read_transcript,
        True,
    ),
    Format(
        "notes", "any other text: notes in paragraphs, with Markdown headings", is_notes, read_notes, True
    ),
)

#: The readable forms by name, in the order in which they are tried.
FORMATS: Mapping[str, Format] = MappingProxyType({f.name: f for f in _LIST})

_HINTS = (
    (b"<!doctype html", "a web page: of an export, import conversations.json"),
    (b"<html", "a web page: of an export, import conversations.json"),
    (b"%PDF", "a PDF: import its text"),
    (b"SQLite", "a database: open it with Memory.open or --db"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
)


def detect(source: str | Path | bytes) -> str:
    """The name of the format (a key of `FORMATS`) that a file, a folder or bytes are in.

    Raises:
        UnknownFormat: none of them; says how the content begins.
        UsageError: not a readable file, or broken JSON.
    """
    return _format_of(next(_parts(source, None))).name


def read(
    source: str | Path | bytes, *, format: str | None = None, problems: list[BadSetting] | None = None
) -> Iterator[Message]:
    """The messages of a file, an archive, a folder with an unpacked export, or of bytes, in the file's order.

    The whole is checked before the first message comes, so a broken line stops an import before it begins. Give a list
    as `problems` to pass over what is broken and find it described there.

    Args:
        source: A path, or the content as bytes.
        format: A key of `FORMATS`; None: told by content.
        problems: Collects faults instead of raising the first.

    Raises:
        UnknownName: `format` is none of `FORMATS`.
        UnknownFormat: the content is in none of the formats.
        BadSetting: broken content; names file and line or place, what was found, what would work.
        UsageError: not a readable file, or nothing in it that can be imported.
    """
    if format is not None and format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    parts = list(_parts(source, problems))
    form = FORMATS[format] if format else _format_of(parts[0])  # the parts of one export are in one form
    return _read(parts, form)


def _read(parts: list[Source], form: Format) -> Iterator[Message]:
    """Checks all and gives the messages. Streams are read twice; the others are held, since their JSON is held anyway."""
    if form.streams:
        found = sum(1 for part in parts for _ in form.read(part)) > 0
        again = [
            Source(p.name, p.held, None if p.problems is None else []) for p in parts
        ]  # faults are told only once
        messages = (message for part in again for message in form.read(part))
    else:
        held = [message for part in parts for message in form.read(part)]
        found, messages = bool(held), (message for message in held)
    if not found and not parts[0].problems:
        raise parts[0].unknown(_ABOUT, f"there are no messages in it, read as {form.name}")
    return messages


def _parts(given: str | Path | bytes, problems: list[BadSetting] | None) -> Iterator[Source]:
    if isinstance(given, str | Path) and _is_folder(Path(given)):
        yield from archive.in_folder(Path(given), problems)
        return
    source = Source.of(given, problems)
    if archive.is_zip(source):
        yield from archive.unpacked(source)
    else:
        yield source


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as a name too long to be one: opening it will say what is wrong
        return False


def _format_of(source: Source) -> Format:
    if source.layout not in ("binary", "empty"):
        for form in _LIST:
            if form.recognise(source):
                return form
    start = source.head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    hint = next((hint for mark, hint in _HINTS if start.startswith(mark.lower())), "")
    raise source.unknown(_ABOUT, hint)


_ABOUT = {f.name: f.about for f in _LIST}
