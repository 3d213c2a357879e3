"""Messages in the OpenAI form in files: a message or a conversation on each line, or one JSON document of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engrams.errors import BadSetting
from engrams.ingest.messages import SESSION_KEYS, normalise
from engrams.ingest.source import Source
from engrams.records import Json, Message

#: Names under which files carry what messages call `session`, for a conversation or a message.
_SESSIONS = (*SESSION_KEYS, "conversation_id", "thread_id", "id")
_MESSAGES = ("messages", "turns", "conversation")


def is_messages(source: Source) -> bool:
    """Whether it holds messages: objects with a role, conversations of them, or lists of them."""
    if _is_message(source.example) or _inner(source.example) is not None:
        return True
    return (
        source.layout == "document"
        and isinstance(source.document, list)
        and any(map(_is_list, source.document))
    )


def is_jsonl(source: Source) -> bool:
    """Whether messages stand one JSON value on each line."""
    return source.layout == "lines" and is_messages(source)


def is_json(source: Source) -> bool:
    """Whether messages stand in one JSON document."""
    return source.layout == "document" and is_messages(source)


def read_messages(source: Source) -> Iterator[Message]:
    """The messages in the order of the file; those with nothing in them are left out.

    A message keeps its `session`; in a conversation `{"messages": […]}` the messages without one get the
    conversation's, and where that names none either, the place in the file.
    """
    for where, value in source.entries():
        inner = _inner(value) if isinstance(value, Mapping) else value if _is_list(value) else None
        if inner is None:
            yield from _read(value, where, source, None)
            continue
        session = _session(value, f"{source.stem} {where}")
        for i, item in enumerate(inner):
            yield from _read(item, f"{where}[{i}]", source, session)


def _read(item: Json, where: str, source: Source, session: str | None) -> Iterator[Message]:
    if _is_empty(item):
        return
    try:
        for message in normalise(item, key=f"{source.name} {where}", origin="file"):
            yield message if message.session or session is None else replace(message, session=session)
    except BadSetting as error:
        source.fault(error)


def _inner(value: Mapping[str, Json]) -> list[Json] | None:
    return next((value[k] for k in _MESSAGES if isinstance(value.get(k), list)), None)


def _session(value: Json, otherwise: str) -> str:
    held = value if isinstance(value, Mapping) else {}
    return next(
        (str(held[k]) for k in _SESSIONS if isinstance(held.get(k), str | int) and held[k]), otherwise
    )


def _is_message(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    item = value.get("type") in ("function_call", "function_call_output")
    return item or (
        "role" in value and bool({"content", "tool_calls", "function_call", "refusal"} & value.keys())
    )


def _is_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_message(v) for v in value[:3])


def _is_empty(item: Json) -> bool:
    """Whether a message has a role and nothing else to remember, as system messages in exports often do."""
    if not isinstance(item, Mapping) or "role" not in item or "content" not in item:
        return False
    content = item["content"]
    blank = content is None or content == [] or (isinstance(content, str) and not content.strip())
    return blank and not any(item.get(k) for k in ("tool_calls", "function_call", "refusal", "attachments"))
