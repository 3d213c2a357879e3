"""ChatGPT's data export: conversations as trees, of which the branch last shown is read.

The form is not documented by its maker; it is described here as exports of 2023 to 2026 have it. A conversation has
`mapping`, nodes with `parent` and `children`, and `current_node`, the leaf of the branch that was on the screen.
Other branches are answers thrown away or questions rewritten, and are left out, as are system messages, tool traffic,
hidden messages, custom instructions and the model's thoughts: none of it was said between the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from engrams.errors import BadSetting
from engrams.ingest.attachments import named
from engrams.ingest.jsonvalues import as_list, as_mapping
from engrams.ingest.moments import read_moment
from engrams.ingest.source import Source
from engrams.records import Attachment, Json, Message

_UNSAID = {
    "thoughts",
    "reasoning_recap",
    "user_editable_context",
    "model_editable_context",
    "system_error",
    "tether_browsing_display",
    "execution_output",
    "citable_code_output",
}
#: Citations and other marks that the page turns into chips, wrapped in characters of the private use area.
_CHIPS = re.compile("\ue200[^\ue201]*\ue201")
_POINTERS = {
    "image_asset_pointer": "image",
    "audio_asset_pointer": "audio",
    "video_container_asset_pointer": "video",
}


def is_chatgpt(source: Source) -> bool:
    """Whether its first object is a conversation with a tree of messages."""
    return isinstance(source.example.get("mapping"), Mapping)


def read_chatgpt(source: Source) -> Iterator[Message]:
    """The messages of each conversation's current branch, oldest conversation first.

    The conversation's id is the session; its title and the message's id and model are in the metadata.
    """
    found = []
    for where, value in source.entries():
        if isinstance(value, Mapping) and isinstance(value.get("mapping"), Mapping):
            found.append((where, value))
        else:
            source.wrong(where, value, "a conversation with 'mapping'")
    for where, conversation in sorted(found, key=lambda pair: _seconds(pair[1])):
        yield from _conversation(conversation, where, source)


def _conversation(conversation: Mapping[str, Json], where: str, source: Source) -> Iterator[Message]:
    session = conversation.get("conversation_id") or conversation.get("id")
    title = conversation.get("title")
    told = {"conversation": title} if isinstance(title, str) and title else {}
    now = _time(conversation, where, source)
    for node_id, message in _branch(conversation):
        here = f"{where} message {node_id}"
        now = _time(message, here, source) or now  # the first nodes of a conversation often have no time
        role, text, attachments = _said(message)
        if not text.strip():
            continue
        held = as_mapping(message.get("metadata"))
        told_here = {**told, "source_id": message.get("id") or node_id}
        if role == "assistant" and isinstance(held.get("model_slug"), str):
            told_here["model"] = held["model_slug"]
        yield Message(
            role, text, None, now, session if isinstance(session, str) else where, told_here, attachments
        )


def _branch(conversation: Mapping[str, Json]) -> list[tuple[str, Mapping[str, Json]]]:
    """The messages from the root to the leaf last shown; without a current node, to the newest leaf."""
    mapping: Mapping[str, Json] = conversation["mapping"]
    node_id = conversation.get("current_node")
    if not isinstance(node_id, str) or node_id not in mapping:
        leaves = [k for k, node in mapping.items() if not as_mapping(node).get("children")]
        node_id = max(
            leaves, key=lambda k: _seconds(as_mapping(as_mapping(mapping[k]).get("message"))), default=None
        )
    found: list[tuple[str, Mapping[str, Json]]] = []
    seen: set[str] = set()
    while isinstance(node_id, str) and node_id in mapping and node_id not in seen:
        seen.add(node_id)
        node = as_mapping(mapping[node_id])
        if isinstance(node.get("message"), Mapping):
            found.append((node_id, node["message"]))
        node_id = node.get("parent")
    return found[::-1]


def _said(message: Mapping[str, Json]) -> tuple[str, str, tuple[Attachment, ...]]:
    """Role, text and attachments of what one side said to the other; empty text for everything else."""
    nothing: tuple[str, str, tuple[Attachment, ...]] = ("", "", ())
    role = as_mapping(message.get("author")).get("role")
    held, content = as_mapping(message.get("metadata")), as_mapping(message.get("content"))
    kind = str(content.get("content_type"))
    if (
        held.get("is_visually_hidden_from_conversation")
        or held.get("is_user_system_message")
        or kind in _UNSAID
    ):
        return nothing
    parts = content.get("parts")
    shown = (
        [p for p in parts if p] if isinstance(parts, list) else [content.get("text") or content.get("result")]
    )
    if role == "tool" and any(isinstance(p, Mapping) and p.get("content_type") in _POINTERS for p in shown):
        role, shown = "assistant", [p for p in shown if isinstance(p, Mapping)]  # a picture it drew
    elif role not in ("user", "assistant") or message.get("recipient") not in ("all", None):
        return nothing
    files = {str(f.get("id")): f for f in as_list(held.get("attachments")) if isinstance(f, Mapping)}
    texts: list[str] = []
    attachments: list[Attachment] = []
    for part in shown:
        if isinstance(part, str):
            texts.append(_CHIPS.sub("", part))
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):  # a spoken turn, written down
            texts.append(part["text"])
        elif isinstance(part, Mapping) and (attachment := _pointed(part, files)) is not None:
            attachments.append(attachment)
            texts.append(named(attachment))
    for file in files.values():
        attachments.append(
            _file("image" if str(file.get("mime_type")).startswith("image/") else "file", file)
        )
        texts.append(named(attachments[-1]))
    return str(role), "\n".join(t for t in texts if t), tuple(attachments)


def _pointed(part: Mapping[str, Json], files: dict[str, Mapping[str, Json]]) -> Attachment | None:
    """The attachment a part points at; the file of that id, if listed, lends its name and is not listed again."""
    kind = _POINTERS.get(str(part.get("content_type")))
    if kind is None:
        return None
    uri = str(part.get("asset_pointer") or "")
    identity = uri.rsplit("//", 1)[-1]
    file = files.pop(identity, None)
    if file is not None:
        return _file(kind, {**file, "uri": uri})
    size = part.get("size_bytes")
    return Attachment(
        kind, uri or None, identity or None, None, None, size if isinstance(size, int) else None
    )


def _file(kind: str, file: Mapping[str, Json]) -> Attachment:
    name, media_type, size = file.get("name"), file.get("mime_type"), file.get("size")
    return Attachment(
        kind,
        str(file.get("uri") or file.get("id") or "") or None,
        name if isinstance(name, str) else None,
        media_type if isinstance(media_type, str) else None,
        None,
        size if isinstance(size, int) else None,
    )


def _time(item: Mapping[str, Json], where: str, source: Source) -> datetime | None:
    value = item.get("create_time")
    if value is None or value == 0:
        return None
    try:
        return read_moment(value, f"{source.name} {where}.create_time", "file")
    except BadSetting as error:
        source.fault(error)
        return None


def _seconds(item: Mapping[str, Json]) -> float:
    value = item.get("create_time")
    return float(value) if isinstance(value, int | float) else 0.0
