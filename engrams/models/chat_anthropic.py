"""Anthropic's models, through the vendor's client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engrams.errors import NeedsExtra, Refused, Unreadable
from engrams.models.chat_vendors import TIMEOUT, as_ours, call_of, in_dialect
from engrams.ports import Reply, Request, Turn, Usage

OPTIONAL: Mapping[str, str] = {
    "temperature": "",  # newer models take none
    "output_config": "",  # the prompt says the schema, too
}
"""Parameters that a server may refuse; they are left out from then on."""

TOLD = frozenset({"type", "properties", "required", "items", "enum", "description"})
"""The keywords of a schema that the vendor's structured outputs take; bounds are checked here."""


class AnthropicChat:
    """One model at Anthropic, or at another address that speaks its messages (extra `anthropic`). Safe from several threads.

    A structured answer is asked for by the vendor's structured outputs. Source: Anthropic API reference, "Messages".
    """

    def __init__(
        self, model: str, url: str | None = None, api_key: str | None = None, *, timeout: float = TIMEOUT
    ) -> None:
        """`url`: up to and without "/v1/messages"; None: the vendor's own.

        Raises:
            NeedsExtra: the vendor's client is not installed.
        """
        try:
            import anthropic
        except ImportError as cause:
            raise NeedsExtra(f"the model {model!r}", "anthropic") from cause
        self._model, self._url = model, url
        self._error: type[Exception] = anthropic.AnthropicError
        self._client = anthropic.Anthropic(
            api_key=api_key or "none",
            base_url=url or "https://api.anthropic.com",
            timeout=timeout,
            max_retries=0,
        )
        self._refused: set[str] = set()

    @property
    def name(self) -> str:
        """ "anthropic:", the model, and the address where it is not the vendor's."""
        return f"anthropic:{self._model}" + (f"@{self._url}" if self._url else "")

    def complete(self, request: Request) -> Reply:
        """One request, one reply.

        Raises:
            RateLimited, Unreachable: another attempt may mend it.
            Refused: it will not answer, or said no.
            Unreadable: the answer is no message.
        """
        try:
            made = in_dialect(self._send, self._body(request), self._refused, OPTIONAL, self._error)
        except self._error as error:
            as_ours(error, self.name)
        content = getattr(made, "content", None)
        if not isinstance(content, list):
            raise Unreadable(f"{self.name}: the answer is no message", str(made))
        if made.stop_reason == "refusal":
            raise Refused(f"{self.name}: the model would not answer")
        text = "".join(block.text for block in content if block.type == "text")
        called = [block for block in content if block.type == "tool_use"]
        calls = tuple(call_of(block.id, block.name, block.input) for block in called)
        return Reply(text, calls, _usage(made.usage), "length" if made.stop_reason == "max_tokens" else "")

    def _send(self, body: dict[str, Any]) -> Any:
        # The client names no temperature any more; models that take one find it in the body.
        extra = {name: value for name, value in body.items() if name == "temperature"}
        return self._client.messages.create(
            **{name: value for name, value in body.items() if name not in extra}, extra_body=extra
        )

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": request.most_tokens,
            "system": request.system,
            "messages": _messages(request.turns),
        }
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": told(request.schema)}}
        if request.tools:
            body["tools"] = [
                {"name": t.name, "description": t.says, "input_schema": dict(t.arguments)}
                for t in request.tools
            ]
        return body

    def close(self) -> None:
        """Lets go of the connections."""
        self._client.close()

    def __repr__(self) -> str:
        return f"AnthropicChat({self.name!r})"  # never the key


def told(schema: Any) -> Any:
    """A schema as structured outputs take it: without bounds, closed objects."""
    kept = {key: value for key, value in schema.items() if key in TOLD}
    if "properties" in kept:
        kept["properties"] = {name: told(inner) for name, inner in kept["properties"].items()}
        kept["additionalProperties"] = False
    if "items" in kept:
        kept["items"] = told(kept["items"])
    return kept


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Turns as messages of two roles: results of tools stand in the user's, those that follow each other in one."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        if turn.role == "tool":
            block = {"type": "tool_result", "tool_use_id": turn.call_id, "content": turn.text}
            if messages and messages[-1]["role"] == "user" and isinstance(messages[-1]["content"], list):
                messages[-1]["content"].append(block)
            else:
                messages.append({"role": "user", "content": [block]})
        elif turn.calls:
            said = [{"type": "text", "text": turn.text}] if turn.text.strip() else []
            used = [
                {"type": "tool_use", "id": c.id, "name": c.name, "input": dict(c.arguments)}
                for c in turn.calls
            ]
            messages.append({"role": "assistant", "content": [*said, *used]})
        else:
            messages.append({"role": turn.role, "content": turn.text})
    return messages


def _usage(said: Any) -> Usage:
    """Anthropic counts what it read from, and wrote to, its cache apart from the other tokens."""
    if said is None:
        return Usage()
    cached = getattr(said, "cache_read_input_tokens", None) or 0
    written = getattr(said, "cache_creation_input_tokens", None) or 0
    return Usage(
        tokens_in=said.input_tokens + cached + written, tokens_out=said.output_tokens, cached_in=cached
    )
