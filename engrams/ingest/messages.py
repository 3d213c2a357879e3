"""What `Memory.add` accepts, made into records: text, one message, or messages in the OpenAI form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from engrams.errors import BadSetting
from engrams.ingest.jsonvalues import json_mapping
from engrams.ingest.moments import read_moment
from engrams.ingest.parts import body_of, calls_of
from engrams.records import Attachment, Json, Message

#: Longest role or speaker name, in characters: more than any name, and short enough to index.
LONGEST_NAME = 200

#: Other names under which messages carry the same thing; the first is the documented one.
TIME_KEYS = ("timestamp", "occurred_at", "created_at")
SESSION_KEYS = ("session", "session_id")
SPEAKER_KEYS = ("name", "speaker")
_UNDERSTOOD = {
    "role",
    "content",
    "metadata",
    "attachments",
    "id",
    "refusal",
    *TIME_KEYS,
    *SESSION_KEYS,
    *SPEAKER_KEYS,
}

_WHAT_WORKS = "a text, a message such as {'role': 'user', 'content': 'I moved to Porto.'}, or a list of them"


def normalise(
    value: object,
    *,
    session: str | None = None,
    occurred_at: datetime | None = None,
    metadata: Mapping[str, Json] | None = None,
    key: str = "messages",
    origin: str = "argument",
    blank: bool = False,
) -> list[Message]:
    """Texts and messages as records, in the order given; `session`, `occurred_at` and `metadata` fill what they lack.

    A message has `role`, `content` (text, or parts of text, images, sounds, files, tool calls and results) and
    optionally `name`, `timestamp`, `session`, `metadata`, `attachments`, `tool_calls`. Its `id` is kept as
    `metadata["source_id"]`; keys nobody here knows are kept in the metadata under their own name. A bare text is a
    message of the user. `key` and `origin` say in errors where the value stood. A turn without
    words among others is kept; where nobody says anything it is refused, unless `blank` allows it.

    Raises:
        BadSetting: something is missing, empty or of the wrong type; says where in the list, what, and what works.
    """
    shared = json_mapping(metadata, "metadata", origin) if metadata else {}
    given = None if occurred_at is None else read_moment(occurred_at, "occurred_at", origin)
    if isinstance(value, str | Message | Mapping):
        found = [_one(value, key, origin)]
    elif isinstance(value, list | tuple):
        if not value:
            raise BadSetting(key, value, f"{_WHAT_WORKS}, not an empty list", origin)
        found = [_one(item, f"{key}[{i}]", origin) for i, item in enumerate(value) if not _unsaid(item)]
        if not found:
            raise BadSetting(key, value, f"{_WHAT_WORKS}; reasoning items alone are no message", origin)
    else:
        raise BadSetting(key, value, _WHAT_WORKS, origin)
    if not blank and not any(m.content.strip() for m in found):
        raise BadSetting(
            key if isinstance(value, str) else f"{key}.content",
            value,
            f"{_WHAT_WORKS}; text that is not empty",
            origin,
        )
    return [
        replace(
            message,
            session=session if message.session is None else message.session,
            occurred_at=given if message.occurred_at is None else message.occurred_at,
            metadata={**shared, **message.metadata} if shared else message.metadata,
        )
        for message in found
    ]


def _unsaid(item: object) -> bool:
    """Whether an item is the Responses API's record of reasoning, which no one said to anyone."""
    return isinstance(item, Mapping) and item.get("type") == "reasoning" and "role" not in item


def _one(item: object, where: str, origin: str) -> Message:
    if isinstance(item, str):
        return Message("user", _said(item, where, origin))
    if isinstance(item, Message):
        return _checked(item, where, origin)
    if isinstance(item, Mapping):
        return read_message(item, where, origin)
    raise BadSetting(where, item, "a text or a message with 'role' and 'content'", origin)


def read_message(item: Mapping[str, Json], where: str, origin: str = "argument") -> Message:
    """One message in the OpenAI form (chat completions, Responses or Anthropic content blocks) as a record.

    Raises:
        BadSetting: as `normalise`.
    """
    if "role" not in item and item.get("type") in ("function_call", "function_call_output"):
        item = _with_role(item)
    role, content = item.get("role"), item.get("content")
    texts: list[str] = []
    attachments: list[Attachment] = []
    if role is None:
        expected = "'role', such as 'user' or 'assistant', beside 'content'"
        raise BadSetting(f"{where}.role", dict(item), f"a message with {expected}", origin)
    if content is not None:
        texts, attachments = body_of(content, f"{where}.content", origin)
    if isinstance(item.get("refusal"), str):
        texts.append(item["refusal"])
    texts += calls_of(item, where, origin)
    extra = _attachments(item.get("attachments"), f"{where}.attachments", origin)
    texts += extra[0]
    text = "\n".join(t for t in texts if t)
    if not text.strip() and not isinstance(content, str):
        found = content if content is not None else dict(item)
        raise BadSetting(
            f"{where}.content", found, "text, or a list of content parts, that is not empty", origin
        )
    text = text or str(
        content
    )  # a turn without words: real logs have them, and the journal keeps what happened
    return Message(
        role=_name(role, f"{where}.role", origin),
        content=text,
        speaker=_optional_name(item, SPEAKER_KEYS, where, origin),
        occurred_at=_time(item, where, origin),
        session=_optional_name(item, SESSION_KEYS, where, origin),
        metadata=_metadata(item, where, origin),
        attachments=(*attachments, *extra[1]),
    )


def _with_role(item: Mapping[str, Json]) -> Mapping[str, Json]:
    """The Responses API's items for tool calls and results, which have no role, in the form of other messages."""
    rest = {k: v for k, v in item.items() if k not in ("name", "arguments", "output", "type", "status")}
    if item["type"] == "function_call_output":
        return {**rest, "role": "tool", "content": item.get("output")}
    call = {"type": "tool_use", "name": item.get("name"), "input": item.get("arguments")}
    return {**rest, "role": "assistant", "content": [call]}


def _checked(message: Message, where: str, origin: str) -> Message:
    """A record made by the caller, held to the same rules as any other message."""
    return replace(
        message,
        role=_name(message.role, f"{where}.role", origin),
        content=_said(message.content, f"{where}.content", origin),
        speaker=None if message.speaker is None else _name(message.speaker, f"{where}.speaker", origin),
        session=None if message.session is None else _name(message.session, f"{where}.session", origin),
        occurred_at=None
        if message.occurred_at is None
        else read_moment(message.occurred_at, f"{where}.occurred_at", origin),
        metadata=json_mapping(message.metadata, f"{where}.metadata", origin),
        attachments=_attachments(message.attachments, f"{where}.attachments", origin)[1],
    )


def _said(text: object, where: str, origin: str) -> str:
    if not isinstance(text, str):
        raise BadSetting(where, text, "text", origin)
    return text


def _name(value: object, where: str, origin: str) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= LONGEST_NAME:
        raise BadSetting(where, value, f"text of 1 to {LONGEST_NAME} characters", origin)
    return value


def _optional_name(item: Mapping[str, Json], keys: tuple[str, ...], where: str, origin: str) -> str | None:
    found = next(((k, item[k]) for k in keys if item.get(k) is not None), None)
    return None if found is None else _name(found[1], f"{where}.{found[0]}", origin)


def _time(item: Mapping[str, Json], where: str, origin: str) -> datetime | None:
    found = next(((k, item[k]) for k in TIME_KEYS if item.get(k) is not None), None)
    return None if found is None else read_moment(found[1], f"{where}.{found[0]}", origin)


def _metadata(item: Mapping[str, Json], where: str, origin: str) -> Mapping[str, Json]:
    unknown = {k: v for k, v in item.items() if k not in _UNDERSTOOD and v is not None}
    if unknown.get("type") == "message":  # the Responses API says so of every message
        del unknown["type"]
    if item.get("id") is not None:
        unknown["source_id"] = item["id"]
    kept = json_mapping(unknown, where, origin)
    given = item.get("metadata")
    return kept if given is None else {**kept, **json_mapping(given, f"{where}.metadata", origin)}


def _attachments(value: object, where: str, origin: str) -> tuple[list[str], tuple[Attachment, ...]]:
    """Attachments given beside the content: records, or parts in the OpenAI form; with the names for the text."""
    if value is None:
        return [], ()
    if not isinstance(value, list | tuple):
        raise BadSetting(where, value, "a list of attachments", origin)
    if all(isinstance(a, Attachment) for a in value):
        return [], tuple(cast("tuple[Attachment, ...]", value))
    texts, found = body_of(list(value), where, origin)
    return texts, tuple(found)
