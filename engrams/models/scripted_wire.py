"""The vendors' protocols as a server speaks them: requests read, answers written, whole or as events.

Sources: OpenAI API reference ("Create chat completion", "Create a response", their streaming events); Anthropic API reference
("Messages", "Streaming messages").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engrams.errors import RateLimited, Refused, Unreachable

#: Which protocol is spoken at which path.
PATHS: Mapping[str, str] = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/messages": "messages",
}
#: Characters of one piece of a stream; small, so that short answers come in several.
PIECE = 6
#: Seconds since 1970 that every answer carries: a scripted model has no clock.
CREATED = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Heard:
    """One request: who is spoken to how, and everything that was said, as text; `headers` by their names in small letters."""

    protocol: str
    system: str = ""
    messages: tuple[tuple[str, str], ...] = ()
    tools: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    stream: bool = False
    model: str = "scripted"
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def last(self) -> str:
        """The text of the last message."""
        return self.messages[-1][1] if self.messages else ""


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: text, calls of tools (name, arguments), or an error (`status`).

    `cut_after`: the connection is closed after so many events of a stream. `between` is called after each event, with its
    number: a test holds a stream there.
    """

    text: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    stopped: str = "stop"
    between: Callable[[int], None] | None = None


def tokens(*texts: str) -> int:
    """What a text counts: a token for every four characters begun."""
    return sum(-(-len(text) // 4) for text in texts)


def raise_for(said: Said, name: str) -> None:
    """Raises what a status means, as an endpoint does."""
    if said.status == 429:
        raise RateLimited(f"{name}: {said.text}", float(said.headers.get("retry-after", 0)) or None)
    if said.status >= 500:
        raise Unreachable(f"{name} answered {said.status}: {said.text}")
    if said.status != 200:
        raise Refused(f"{name} answered {said.status}: {said.text}")


def heard(protocol: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Heard:
    """A request's body as it was meant."""
    given = body.get("input") if protocol == "responses" else body.get("messages")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())
    said = [(str(item.get("role", item.get("type", ""))), _text(item)) for item in items]
    system = [_text({"content": body.get("system") or body.get("instructions") or ""})]
    system += [text for role, text in said if role in ("system", "developer")]
    return Heard(
        protocol=protocol,
        system="\n".join(filter(None, system)),
        messages=tuple((role, text) for role, text in said if role not in ("system", "developer")),
        tools=tuple(
            tool.get("name") or tool.get("function", {}).get("name", "") for tool in body.get("tools") or ()
        ),
        schema=_schema(body),
        stream=bool(body.get("stream")),
        model=str(body.get("model", "")),
        body=body,
        headers=headers,
    )


def _text(item: Mapping[str, Any]) -> str:
    content = item.get("content", item.get("output", item.get("arguments", "")))
    if isinstance(content, str):
        return content
    parts = [p if isinstance(p, str) else p.get("text") or _text(p) for p in content or ()]
    return "\n".join(str(part) for part in parts)


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    asked = body.get("response_format") or (body.get("text") or {}).get("format") or {}
    asked = (body.get("output_config") or {}).get("format") or asked
    if asked.get("type") != "json_schema":
        return None
    return dict(asked.get("schema") or (asked.get("json_schema") or {}).get("schema") or {})


def error(protocol: str, said: Said) -> dict[str, Any]:
    """The body of an error."""
    if protocol == "messages":
        return {"type": "error", "error": {"type": "api_error", "message": said.text}}
    return {"error": {"message": said.text, "type": "scripted_error", "param": None, "code": None}}


def whole(heard: Heard, said: Said) -> dict[str, Any]:
    """An answer in one piece."""
    return {"chat": _chat, "responses": _response, "messages": _message}[heard.protocol](heard, said)


def stream(heard: Heard, said: Said) -> Iterator[str]:
    """An answer as server-sent events."""
    return {"chat": _chat_events, "responses": _response_events, "messages": _message_events}[heard.protocol](
        heard, said
    )


def pieces(text: str) -> list[str]:
    """A text in pieces of a stream."""
    return [text[i : i + PIECE] for i in range(0, len(text), PIECE)]


def _counted(heard: Heard, said: Said) -> tuple[int, int]:
    called = "".join(name + json.dumps(dict(args)) for name, args in said.calls)
    return tokens(heard.system, *(text for _, text in heard.messages)), tokens(said.text + called)


# --- OpenAI, chat completions


def _chat_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{i}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(dict(args))},
        }
        for i, (name, args) in enumerate(said.calls)
    ]


def _chat_usage(heard: Heard, said: Said) -> dict[str, int]:
    came, went = _counted(heard, said)
    return {"prompt_tokens": came, "completion_tokens": went, "total_tokens": came + went}


def _chat(heard: Heard, said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.calls:
        message["tool_calls"] = _chat_calls(said)
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": CREATED,
        "model": heard.model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if said.calls else said.stopped}
        ],
        "usage": _chat_usage(heard, said),
    }


def _chat_events(heard: Heard, said: Said) -> Iterator[str]:
    head = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": heard.model,
    }

    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": dict(delta), "finish_reason": finish}
        return f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces(said.text):
        yield chunk({"content": piece})
    for i, call in enumerate(_chat_calls(said)):
        function = call["function"]
        begun = {**call, "index": i, "function": {"name": function["name"], "arguments": ""}}
        yield chunk({"tool_calls": [begun]})
        for piece in pieces(function["arguments"]):
            yield chunk({"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
    yield chunk({}, "tool_calls" if said.calls else said.stopped)
    if (heard.body.get("stream_options") or {}).get("include_usage"):
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': _chat_usage(heard, said)})}\n\n"
    yield "data: [DONE]\n\n"


# --- OpenAI, responses


def _output(said: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.text or not said.calls:
        text = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        items.append(
            {"id": "msg_0", "type": "message", "status": "completed", "role": "assistant", "content": [text]}
        )
    for i, (name, args) in enumerate(said.calls):
        items.append(
            {
                "id": f"fc_{i}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{i}",
                "name": name,
                "arguments": json.dumps(dict(args)),
            }
        )
    return items


def _response(heard: Heard, said: Said) -> dict[str, Any]:
    came, went = _counted(heard, said)
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "model": heard.model,
        "output": _output(said),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": list(heard.body.get("tools") or ()),
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "usage": {
            "input_tokens": came,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": went,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": came + went,
        },
    }


def _response_events(heard: Heard, said: Said) -> Iterator[str]:
    made = _response(heard, said)
    number = -1

    def event(kind: str, **fields: Any) -> str:
        nonlocal number
        number += 1
        return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number, **fields})}\n\n"

    begun = {**made, "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for at, item in enumerate(made["output"]):
        begun_with: dict[str, Any] = {"content": []} if "content" in item else {"arguments": ""}
        empty = {**item, "status": "in_progress", **begun_with}
        yield event("response.output_item.added", output_index=at, item=empty)
        place = {"item_id": item["id"], "output_index": at}
        if "content" in item:
            part = item["content"][0]
            place["content_index"] = 0
            yield event("response.content_part.added", **place, part={**part, "text": ""})
            for piece in pieces(part["text"]):
                yield event("response.output_text.delta", **place, delta=piece, logprobs=[])
            yield event("response.output_text.done", **place, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **place, part=part)
        else:
            for piece in pieces(item["arguments"]):
                yield event("response.function_call_arguments.delta", **place, delta=piece)
            yield event(
                "response.function_call_arguments.done",
                **place,
                arguments=item["arguments"],
                name=item["name"],
            )
        yield event("response.output_item.done", output_index=at, item=item)
    yield event("response.completed", response=made)


# --- Anthropic, messages


def _blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": said.text}] if said.text else []
    blocks += [
        {"type": "tool_use", "id": f"toolu_{i}", "name": name, "input": dict(args)}
        for i, (name, args) in enumerate(said.calls)
    ]
    return blocks


def _message(heard: Heard, said: Said) -> dict[str, Any]:
    blocks = _blocks(said)
    came, went = _counted(heard, said)
    used = any(block["type"] == "tool_use" for block in blocks)
    reason = "max_tokens" if said.stopped == "length" else "tool_use" if used else "end_turn"
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": heard.model,
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": came, "output_tokens": went},
    }


def _message_events(heard: Heard, said: Said) -> Iterator[str]:
    made = _message(heard, said)

    def event(kind: str, **fields: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"

    usage = {**made["usage"], "output_tokens": 0}
    yield event("message_start", message={**made, "content": [], "stop_reason": None, "usage": usage})
    for at, block in enumerate(made["content"]):
        if block["type"] == "text":
            yield event("content_block_start", index=at, content_block={"type": "text", "text": ""})
            for piece in pieces(block["text"]):
                yield event("content_block_delta", index=at, delta={"type": "text_delta", "text": piece})
        else:
            yield event("content_block_start", index=at, content_block={**block, "input": {}})
            for piece in pieces(json.dumps(block["input"])):
                yield event(
                    "content_block_delta", index=at, delta={"type": "input_json_delta", "partial_json": piece}
                )
        yield event("content_block_stop", index=at)
    delta = {"stop_reason": made["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=delta, usage={"output_tokens": made["usage"]["output_tokens"]})
    yield event("message_stop")
