"""Slack's workspace export: one JSON file for each channel and day."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from engrams.errors import BadSetting
from engrams.ingest.attachments import named
from engrams.ingest.jsonvalues import as_list
from engrams.ingest.messages import LONGEST_NAME
from engrams.ingest.moments import read_moment
from engrams.ingest.source import Source
from engrams.records import Attachment, Json, Message

#: `<https://x.org|label>`, `<@U123|anna>`, `<#C123|channel>`, `<!here>`; the label is what the reader saw.
_MARKED = re.compile(r"<[@#!]?([^<>|]*)(?:\|([^<>]*))?>")
_ESCAPED = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


def is_slack(source: Source) -> bool:
    """Whether its objects are messages with `ts`."""
    example = source.example
    return isinstance(example.get("ts"), str) and example.get("type") == "message" and "role" not in example


def read_slack(source: Source) -> Iterator[Message]:
    """The messages with text or files; a thread is a session, as are the messages outside threads of one file."""
    for where, value in source.entries():
        if not isinstance(value, Mapping) or not isinstance(value.get("ts"), str):
            source.wrong(where, value, "a message with 'ts'")
            continue
        try:
            when = read_moment(value["ts"], f"{source.name} {where}.ts", "file")
        except BadSetting as error:
            source.fault(error)
            continue
        files = [_file(f) for f in as_list(value.get("files")) if isinstance(f, Mapping)]
        lines = [_shown(str(value.get("text") or "")), *map(named, files)]
        text = "\n".join(line for line in lines if line.strip())
        if not text:
            continue
        thread = value.get("thread_ts")
        session = f"{source.stem} {thread}" if isinstance(thread, str) else source.stem
        role = "system" if str(value.get("subtype")).startswith("channel_") else "user"
        speaker = _speaker(value)
        yield Message(
            role, text, speaker, when, session[:LONGEST_NAME], {"source_id": value["ts"]}, tuple(files)
        )


def _speaker(value: Mapping[str, Json]) -> str | None:
    profile = value.get("user_profile")
    held = profile if isinstance(profile, Mapping) else {}
    names = (held.get("display_name"), held.get("real_name"), value.get("username"), value.get("user"))
    return next((n[:LONGEST_NAME] for n in names if isinstance(n, str) and n.strip()), None)


def _file(file: Mapping[str, Json]) -> Attachment:
    form = str(file.get("mimetype") or "")
    kind = form.split("/", 1)[0] if form.startswith(("image/", "audio/", "video/")) else "file"
    uri, name = file.get("url_private") or file.get("id"), file.get("name") or file.get("title")
    return Attachment(kind, str(uri) if uri else None, str(name) if name else None, form or None)


def _shown(text: str) -> str:
    text = _MARKED.sub(lambda m: m[2] or m[1], text)
    for written, meant in _ESCAPED.items():
        text = text.replace(written, meant)
    return text
