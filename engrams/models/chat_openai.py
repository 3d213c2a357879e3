"""Whatever speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, LM Studio, OpenRouter, llama.cpp and others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engrams.errors import NeedsExtra, Refused, Unreadable
from engrams.models.chat_vendors import TIMEOUT, as_ours, call_of, in_dialect
from engrams.ports import Reply, Request, Turn, Usage

OPTIONAL: Mapping[str, str] = {
    "max_completion_tokens": "max_tokens",  # the older name, which many servers know alone
    "temperature": "",  # models that reason take none
    "response_format": "",  # the prompt says the schema, too
}
"""Parameters that a server may refuse, with the name to try instead."""


class OpenAIChat:
    """One model at one address, through the vendor's client (extra `openai`). Safe from several threads.

    What a server refuses to take (`OPTIONAL`) is left out from then on. Source: OpenAI API reference, "Create chat completion".
    """

    def __init__(
        self, model: str, url: str | None = None, api_key: str | None = None, *, timeout: float = TIMEOUT
    ) -> None:
        """`url`: up to and without "/chat/completions"; None: OpenAI's own. Without a key, none that means anything is sent.

        Raises:
            NeedsExtra: the vendor's client is not installed.
        """
        try:
            import openai
        except ImportError as cause:
            raise NeedsExtra(f"the model {model!r}", "openai") from cause
        self._model, self._url = model, url
        self._error: type[Exception] = openai.OpenAIError
        self._client = openai.OpenAI(
            api_key=api_key or "none",
            base_url=url or "https://api.openai.com/v1",
            timeout=timeout,
            max_retries=0,
        )
        self._refused: set[str] = set()

    @property
    def name(self) -> str:
        """ "openai:", the model, and the address where it is not the vendor's."""
        return f"openai:{self._model}" + (f"@{self._url}" if self._url else "")

    def complete(self, request: Request) -> Reply:
        """One request, one reply.

        Raises:
            RateLimited, Unreachable: another attempt may mend it.
            Refused: it will not answer; a content filter, or a refusal in words, too.
            Unreadable: the answer is no chat completion.
        """
        try:
            made = in_dialect(self._send, self._body(request), self._refused, OPTIONAL, self._error)
        except self._error as error:
            as_ours(error, self.name)
        choices = getattr(made, "choices", None)
        if not choices:
            raise Unreadable(f"{self.name}: the answer is no chat completion", str(made))
        choice = choices[0]
        if choice.finish_reason == "content_filter" or getattr(choice.message, "refusal", None):
            raise Refused(f"{self.name}: {choice.message.refusal or 'stopped by its content filter'}")
        calls = tuple(
            call_of(call.id, call.function.name, call.function.arguments)
            for call in choice.message.tool_calls or ()
            if call.type == "function"
        )
        stopped = "length" if choice.finish_reason == "length" else ""
        return Reply(choice.message.content or "", calls, _usage(made.usage), stopped)

    def _send(self, body: dict[str, Any]) -> Any:
        return self._client.chat.completions.create(**body)

    def _body(self, request: Request) -> dict[str, Any]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}]
        messages += [_message(turn) for turn in request.turns]
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "max_completion_tokens": request.most_tokens,
        }
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.schema is not None:
            described = {"name": "answer", "schema": dict(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": described}
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": t.name, "description": t.says, "parameters": dict(t.arguments)},
                }
                for t in request.tools
            ]
        return body

    def close(self) -> None:
        """Lets go of the connections."""
        self._client.close()

    def __repr__(self) -> str:
        return f"OpenAIChat({self.name!r})"  # never the key


def _message(turn: Turn) -> dict[str, Any]:
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.call_id, "content": turn.text}
    if not turn.calls:
        return {"role": turn.role, "content": turn.text}
    calls = [
        {
            "id": c.id,
            "type": "function",
            "function": {"name": c.name, "arguments": json.dumps(dict(c.arguments))},
        }
        for c in turn.calls
    ]
    return {"role": turn.role, "content": turn.text or None, "tool_calls": calls}


def _usage(said: Any) -> Usage:
    if said is None:
        return Usage()
    details = getattr(said, "prompt_tokens_details", None)
    cached = (getattr(details, "cached_tokens", None) or 0) if details is not None else 0
    return Usage(tokens_in=said.prompt_tokens or 0, tokens_out=said.completion_tokens or 0, cached_in=cached)
