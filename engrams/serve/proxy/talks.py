"""The two protocols as the proxy reads them: what a person asked, where memory is put, what the model said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engrams.serve.fence import unfenced

#: The paths behind which people talk to a model; every other is passed on as it is.
CHAT, RESPONSES = "/chat/completions", "/responses"
#: The longest answer that is remembered, in characters: some hundred pages. The rest of a longer one is passed on alone.
MOST_REMEMBERED = 1_000_000
#: Bytes of one event of a stream that are held at most until its end has come.
MOST_HELD = 4 * 2**20
#: Bytes of an answer in one piece that are held to be read.
MOST_WHOLE = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Talk:
    """A request as a conversation.

    `question`: the last thing a person said, without what a memory put there; "" where nobody said anything. `new`: what people said
    since the model spoke last, which nobody has remembered yet. `opening`: what tells this conversation from others.
    """

    body: Mapping[str, Any]
    at: str
    question: str = ""
    new: tuple[str, ...] = ()
    opening: tuple[str, ...] = ()

    @property
    def items(self) -> list[Any]:
        """The messages of the request; a text alone is one of the user."""
        given = self.body.get("messages" if self.at == CHAT else "input")
        return [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())

    def with_memory(self, text: str) -> dict[str, Any]:
        """The request with a text put in front of the last thing a person said.

        There, and not among the system's words: what stood before stays word for word as it was, so that the provider's cache of
        it holds, and templates that want roles in turn are kept.
        """
        items = self.items
        at = max(i for i, item in enumerate(items) if _role(item) == "user")
        item, content = dict(items[at]), items[at].get("content")
        if isinstance(content, list):
            kind = "text" if self.at == CHAT else "input_text"
            item["content"] = [{"type": kind, "text": text}, *content]
        else:
            item["content"] = f"{text}\n\n{text_of(content)}"
        items[at] = item
        if self.at == CHAT:
            return {**self.body, "messages": items}
        whole = item["content"] if isinstance(self.body.get("input"), str) else items
        return {**self.body, "input": whole}

    def session(self, answer: str) -> str:
        """A name for the conversation: its opening question and the mark of the first answer to it."""
        first = self.opening if len(self.opening) == 2 else (*self.opening, answer)
        return "proxy-" + hashlib.sha256("\x1f".join(first).encode("utf-8", "replace")).hexdigest()[:16]


def talk_of(path: str, raw: bytes) -> Talk | None:
    """The conversation in a request; None where it is none that can be read: it is passed on then as it is."""
    at = next((known for known in (CHAT, RESPONSES) if path == known), None)
    if at is None:
        return None
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    talk = Talk(body, at)
    items = talk.items
    if not all(isinstance(item, dict) for item in items):
        return None
    people = [i for i, item in enumerate(items) if _role(item) == "user"]
    spoke = max((i for i, item in enumerate(items) if _is_answer(item)), default=-1)
    if not people:
        return talk
    texts = {i: unfenced(text_of(items[i].get("content"))).strip() for i in people}
    opening = [texts[people[0]]]
    opening += [mark for item in items[people[0] :] if (mark := _mark(item))][:1]
    return Talk(
        body,
        at,
        question=texts[people[-1]],
        new=tuple(texts[i] for i in people if i > spoke and texts[i]),
        opening=tuple(opening),
    )


def _role(item: Mapping[str, Any]) -> str:
    return str(item.get("role", ""))


def _is_answer(item: Mapping[str, Any]) -> bool:
    """Whether the model said or asked for this, or a tool answered it: what people said before is remembered already."""
    return _role(item) in ("assistant", "tool") or str(item.get("type", "")).startswith("function_call")


def _mark(item: Mapping[str, Any]) -> str:
    """What tells an answer from others: its words, else the id of the first tool it calls; "" for what is no answer."""
    if item.get("type") == "function_call":
        return str(item.get("call_id", ""))
    if _role(item) != "assistant":
        return ""
    words = unfenced(text_of(item.get("content"))).strip()
    return words or next((str(call.get("id", "")) for call in item.get("tool_calls") or ()), "")


def text_of(content: object) -> str:
    """The words of a message: a text, or its parts that are text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


@dataclass
class Ear:
    """Listens to an answer as it passes, whole or as events, and keeps the model's words, the answer's id, and that of its first call."""

    at: str
    stream: bool
    id: str = ""
    call: str = ""
    _text: list[str] = field(default_factory=list)
    _held: bytearray = field(default_factory=bytearray)
    _length: int = 0

    def hear(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        self._held += chunk
        if not self.stream:
            if len(self._held) > MOST_WHOLE:
                raise ValueError(f"it is larger than {MOST_WHOLE:,} bytes")
            return
        *events, rest = bytes(self._held).replace(b"\r\n", b"\n").split(b"\n\n")
        self._held = bytearray(rest if len(rest) <= MOST_HELD else b"")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data:"):
                    self._event(line[5:].strip())

    def said(self) -> str:
        """The model's words so far, without marks of a memory."""
        if not self.stream:
            self._whole(bytes(self._held))
            self._held.clear()
        return unfenced("".join(self._text)).strip()

    def _event(self, data: bytes) -> None:
        found = _object(data)
        if found is None:
            return
        if self.at == CHAT:
            self.id = self.id or str(found.get("id", ""))
            for choice in found.get("choices") or ():
                if choice.get("index", 0) == 0:
                    delta = choice.get("delta") or {}
                    self._keep(delta.get("content"))
                    self._called(delta.get("tool_calls"), "id")
        elif found.get("type") == "response.created":
            self.id = str((found.get("response") or {}).get("id", ""))
        elif found.get("type") == "response.output_text.delta":
            self._keep(found.get("delta"))
        elif found.get("type") == "response.output_item.added":
            self._called([found.get("item") or {}], "call_id")

    def _whole(self, raw: bytes) -> None:
        found = _object(raw)
        if found is None:
            return
        self.id = str(found.get("id", ""))
        if self.at == CHAT:
            for choice in (found.get("choices") or ())[:1]:
                message = choice.get("message") or {}
                self._keep(text_of(message.get("content")))
                self._called(message.get("tool_calls"), "id")
        else:
            for item in found.get("output") or ():
                if item.get("type") == "message":
                    self._keep(text_of(item.get("content")))
                self._called([item], "call_id")

    def _called(self, calls: Any, key: str) -> None:
        for call in calls or ():
            self.call = self.call or str(call.get(key) or "")

    def _keep(self, text: object) -> None:
        if isinstance(text, str) and self._length < MOST_REMEMBERED:
            self._text.append(text[: MOST_REMEMBERED - self._length])
            self._length += len(text)


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except ValueError:  # "[DONE]", or what is no JSON
        return None
    return found if isinstance(found, dict) else None
