"""Turns found in a text, made into messages: roles from names, sessions from silences, media by reference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from engrams.ingest.attachments import by_uri, named
from engrams.ingest.messages import LONGEST_NAME
from engrams.records import Attachment, Message

#: A silence this long begins a new session in a transcript that names none: a night's sleep, and more than a long lunch.
SILENCE = timedelta(hours=6)

#: Names that chat programs give to roles, lower case. Any other name is a person: role user, name as speaker.
ROLE_NAMES = {
    "user": "user",
    "human": "user",
    "you": "user",
    "you said": "user",
    "me": "user",
    "prompt": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "response": "assistant",
    "chatgpt": "assistant",
    "chatgpt said": "assistant",
    "gpt": "assistant",
    "gpt-4": "assistant",
    "claude": "assistant",
    "gemini": "assistant",
    "copilot": "assistant",
    "system": "system",
    "developer": "developer",
    "tool": "tool",
    "function": "tool",
}

#: Media as WhatsApp writes it: `<attached: x.jpg>` on iPhones, `x.jpg (file attached)` on Android, in any language.
_MEDIA = re.compile(
    r"<[^<>:]{2,30}: (?P<a>[^<>/\\]{1,120}\.\w{2,4})>|^(?P<b>[^\s/\\<>]{1,120}\.\w{2,4}) \([^()]{3,40}\)",
    re.M,
)
_KINDS = {"jpg": "image", "jpeg": "image", "png": "image", "webp": "image", "gif": "image", "heic": "image"}
_KINDS |= {
    "opus": "audio",
    "m4a": "audio",
    "mp3": "audio",
    "ogg": "audio",
    "mp4": "video",
    "mov": "video",
    "3gp": "video",
}


@dataclass
class Turn:
    """Something said in a text: by whom (None: not said), its lines, and when if the text tells."""

    name: str | None
    lines: list[str]
    occurred_at: datetime | None = None
    stamped: bool = False
    session: str | None = None

    @property
    def text(self) -> str:
        """What was said, without blank lines around it."""
        return "\n".join(self.lines).strip("\r\n")


def role_of(name: str) -> str | None:
    """The role that a name stands for, None for a person's."""
    return ROLE_NAMES.get(name.strip().rstrip(":").lower())


def as_messages(turns: Iterator[Turn], stem: str, *, someone: bool = True) -> Iterator[Message]:
    """Messages with roles, sessions and attachments; turns without text are left out.

    A turn without a session is put in one that begins after each silence of `SILENCE`, named by file and first moment;
    without times all are one session, named as the file. Stamped lines of nobody, such as "Anna joined", are of the
    system if the text names `someone` elsewhere, and of the user in a log that names nobody.
    """
    session, last = stem, None
    for turn in turns:
        text, attachments = with_media(turn.text)
        if not text.strip():
            continue
        role = role_of(turn.name) if turn.name else ("system" if turn.stamped and someone else "user")
        if turn.occurred_at is not None:
            if last is None or turn.occurred_at - last >= SILENCE:
                session = f"{stem} {turn.occurred_at:%Y-%m-%d %H:%M}"
            last = turn.occurred_at
        yield Message(
            role=role or "user",
            content=text,
            speaker=turn.name[:LONGEST_NAME] if turn.name and role is None else None,
            occurred_at=turn.occurred_at,
            session=(turn.session or session)[:LONGEST_NAME],
            attachments=attachments,
        )


def with_media(text: str) -> tuple[str, tuple[Attachment, ...]]:
    """A text with its media named as everywhere in a memory (`[image: x.jpg]`), and the media."""
    found: list[Attachment] = []

    def name_it(match: re.Match[str]) -> str:
        name = match["a"] or match["b"]
        kind = _KINDS.get(name.rsplit(".", 1)[-1].lower(), "file")
        found.append(by_uri(kind, name, "media", name=name))
        return named(found[-1])

    return _MEDIA.sub(name_it, text), tuple(found)
