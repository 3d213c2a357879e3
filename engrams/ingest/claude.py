"""Claude's data export: conversations with `chat_messages`, of which the branch last shown is read.

The form is not documented by its maker; it is described here as exports of 2024 to 2026 have it. Newer ones leave a
message's `text` empty and have it in `content` blocks; a long paste is an attachment without a name, its words in
`extracted_content`. Thoughts and tool traffic are left out. Attached files are kept by reference, not by their text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from engrams.errors import BadSetting
from engrams.ingest.attachments import named
from engrams.ingest.jsonvalues import as_list
from engrams.ingest.moments import read_moment
from engrams.ingest.source import Source
from engrams.records import Attachment, Json, Message

_ROLES = {"human": "user", "user": "user", "assistant": "assistant"}


def is_claude(source: Source) -> bool:
    """Whether its first object is a conversation with `chat_messages`."""
    return isinstance(source.example.get("chat_messages"), list)


def read_claude(source: Source) -> Iterator[Message]:
    """The messages of each conversation, oldest conversation first.

    The conversation's id is the session; its name and the message's id are in the metadata.
    """
    found = []
    for where, value in source.entries():
        if isinstance(value, Mapping) and isinstance(value.get("chat_messages"), list):
            found.append((where, value))
        else:
            source.wrong(where, value, "a conversation with 'chat_messages'")
    for where, conversation in sorted(found, key=lambda pair: str(pair[1].get("created_at") or "")):
        yield from _conversation(conversation, where, source)


def _conversation(conversation: Mapping[str, Json], where: str, source: Source) -> Iterator[Message]:
    session = conversation.get("uuid")
    name = conversation.get("name")
    told = {"conversation": name} if isinstance(name, str) and name else {}
    now = _time(conversation, where, source)
    for i, message in _branch(conversation):
        here = f"{where}.chat_messages[{i}]"
        role = _ROLES.get(str(message.get("sender", message.get("role"))))
        if role is None:
            source.wrong(f"{here}.sender", message.get("sender"), "'human' or 'assistant'")
            continue
        now = _time(message, here, source) or now
        text, attachments = _said(message)
        if not text.strip():
            continue
        identity = message.get("uuid")
        told_here = {**told, "source_id": identity} if isinstance(identity, str) else told
        yield Message(
            role, text, None, now, session if isinstance(session, str) else where, told_here, attachments
        )


def _branch(conversation: Mapping[str, Json]) -> list[tuple[int, Mapping[str, Json]]]:
    """The messages shown last, with their places: where messages name their parents, those from the leaf to the root."""
    messages = [(i, m) for i, m in enumerate(conversation["chat_messages"]) if isinstance(m, Mapping)]
    by_id = {m["uuid"]: (i, m) for i, m in messages if isinstance(m.get("uuid"), str)}
    parents = [str(m.get("parent_message_uuid")) for _, m in messages]
    if len(by_id) < len(messages) or len({p for p in parents if p in by_id}) >= len(messages) - 1:
        return messages  # no ids to follow, or one line without branches
    if sum(p in by_id for p in parents) == 0:
        return messages
    leaf = conversation.get("current_leaf_message_uuid")
    node = by_id.get(leaf) if isinstance(leaf, str) else None
    node = node or max(messages, key=lambda pair: (str(pair[1].get("created_at") or ""), pair[0]))
    found: list[tuple[int, Mapping[str, Json]]] = []
    seen: set[int] = set()
    while node is not None and node[0] not in seen:
        seen.add(node[0])
        found.append(node)
        node = by_id.get(str(node[1].get("parent_message_uuid")))
    return found[::-1]


def _said(message: Mapping[str, Json]) -> tuple[str, tuple[Attachment, ...]]:
    blocks = as_list(message.get("content"))
    texts = [b["text"] for b in blocks if isinstance(b, Mapping) and _is_said(b)]
    if not any(t.strip() for t in texts):
        texts = [message["text"]] if isinstance(message.get("text"), str) else []
    attachments: list[Attachment] = []
    files = [*as_list(message.get("attachments")), *as_list(message.get("files"))]
    seen: set[str] = set()
    for file in files:
        if not isinstance(file, Mapping):
            continue
        name, pasted = file.get("file_name"), file.get("extracted_content")
        if not name:
            texts += [pasted] if isinstance(pasted, str) else []
            continue
        attachment = _file(file)
        if attachment.name not in seen:  # images are listed among files and again among attachments
            seen.add(str(attachment.name))
            attachments.append(attachment)
            texts.append(named(attachment))
    return "\n".join(t for t in texts if t), tuple(attachments)


def _is_said(block: Mapping[str, Json]) -> bool:
    return block.get("type") == "text" and isinstance(block.get("text"), str)


def _file(file: Mapping[str, Json]) -> Attachment:
    name, form, size = str(file["file_name"]), file.get("file_type"), file.get("file_size")
    kind = str(file.get("file_kind") or "")
    image = (
        kind == "image"
        or str(form).startswith("image/")
        or name.lower().endswith((".png", ".jpg", ".jpeg", ".webp", ".gif"))
    )
    uri = file.get("file_uuid") or file.get("id") or name
    media_type = form if isinstance(form, str) and "/" in form else None
    return Attachment(
        "image" if image else "file",
        str(uri),
        name,
        media_type,
        None,
        size if isinstance(size, int) else None,
    )


def _time(item: Mapping[str, Json], where: str, source: Source) -> datetime | None:
    value = item.get("created_at")
    if not value:
        return None
    try:
        return read_moment(value, f"{source.name} {where}.created_at", "file")
    except BadSetting as error:
        source.fault(error)
        return None
