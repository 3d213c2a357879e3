"""The content of a message, text or parts, as lines of text and attachments."""

from __future__ import annotations

import json
from collections.abc import Mapping

from engrams.errors import BadSetting
from engrams.ingest.attachments import PART_TYPES, from_part, named
from engrams.records import Attachment, Json

#: Part types whose text is what was said. `thinking` and `reasoning` are left out: no one said them to anyone.
_SAID = ("text", "input_text", "output_text", "summary_text")
_UNSAID = ("thinking", "redacted_thinking", "reasoning")
#: Parts of parts of parts: tool results hold content of their own, once. Deeper is a mistake or an attack.
_DEEPEST = 4


def body_of(content: object, where: str, origin: str, depth: int = 1) -> tuple[list[str], list[Attachment]]:
    """The texts of a content in order, attachments named among them, and the attachments.

    Raises:
        BadSetting: a content that is neither text nor parts, or a part nobody here knows.
    """
    if isinstance(content, str):
        return [content], []
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list | tuple) or depth > _DEEPEST:
        raise BadSetting(where, content, "text, or a list of content parts", origin)
    texts: list[str] = []
    attachments: list[Attachment] = []
    for i, part in enumerate(content):
        more, attached = _part(part, f"{where}[{i}]", origin, depth)
        texts += more
        attachments += attached
    return texts, attachments


def calls_of(item: Mapping[str, Json], where: str, origin: str) -> list[str]:
    """What a message's `tool_calls` (or the older `function_call`) ask for, one line each."""
    calls = item.get("tool_calls")
    if calls is None:
        calls = [{"function": item["function_call"]}] if item.get("function_call") else []
    if not isinstance(calls, list | tuple):
        raise BadSetting(f"{where}.tool_calls", calls, "a list of tool calls", origin)
    lines = []
    for i, call in enumerate(calls):
        asked = call.get("function", call.get("custom", call)) if isinstance(call, Mapping) else None
        if not isinstance(asked, Mapping) or not isinstance(asked.get("name"), str):
            raise BadSetting(f"{where}.tool_calls[{i}]", call, "a tool call with a function name", origin)
        lines.append(_call(asked["name"], asked.get("arguments", asked.get("input"))))
    return lines


def _part(part: object, where: str, origin: str, depth: int) -> tuple[list[str], list[Attachment]]:
    if isinstance(part, str):
        return [part], []
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or (kind is None and "text" not in part):
        raise BadSetting(where, part, "a content part with 'type'", origin)
    if kind is None or kind in _SAID:
        return [_text(part.get("text"), f"{where}.text", origin)], []
    if kind == "refusal":
        return [_text(part.get("refusal"), f"{where}.refusal", origin)], []
    if kind in _UNSAID:
        return [], []
    if kind in ("tool_use", "server_tool_use", "function_call"):
        return [_call(str(part.get("name")), part.get("input", part.get("arguments")))], []
    if kind in ("tool_result", "function_call_output"):
        held = part.get("content", part.get("output"))
        return ([], []) if held is None else body_of(held, f"{where}.content", origin, depth + 1)
    attachment = from_part(part, where)
    if attachment is not None:
        return [named(attachment)], [attachment]
    known = ", ".join((*_SAID, "refusal", "tool_use", "tool_result", *PART_TYPES))
    raise BadSetting(f"{where}.type", kind, f"one of {known}", origin)


def _text(value: object, where: str, origin: str) -> str:
    if isinstance(value, Mapping):  # the Assistants API wraps text with its annotations
        value = value.get("value")
    if not isinstance(value, str):
        raise BadSetting(where, value, "text", origin)
    return value


def _call(name: str, arguments: object) -> str:
    """`[calls get_weather({"city": "Porto"})]`; arguments come as JSON text or as JSON."""
    if arguments is None:
        shown = ""
    else:
        shown = (
            arguments
            if isinstance(arguments, str)
            else json.dumps(arguments, ensure_ascii=False, default=str)
        )
    return f"[calls {name}({shown})]"
