"""Which language model is meant: an endpoint by name, a recording, a function, an object."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from engrams.errors import BadSetting, UnknownName
from engrams.models.chat_asking import CONCURRENCY, Asking
from engrams.models.chat_cache import answers_of
from engrams.models.chat_vendors import TIMEOUT

if TYPE_CHECKING:
    from engrams.ports import ChatModel, Endpoint

NAMES = (
    "none",
    "openai:<model>",
    "openai:<model>@<url>",
    "anthropic:<model>",
    "record:<file>+<model>",
    "replay:<file>",
    "scripted:<file>",
)

EXPECTED = (
    "None, 'none', 'openai:<model>@<url>', 'anthropic:<model>', 'record:<file>+<model>', 'replay:<file>', an object with "
    "ask(ask) and ask_many(asks), one with complete(request) and name, or a function from a request to a text or an object"
)

KEYS: Mapping[str, str] = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
"""The environment variables that the vendors' own clients read; each goes to its vendor's own address only."""

OWN_KEY = "ENGRAMS_MODEL_KEY"
"""The environment variable with the key of an endpoint at another address."""


def resolve_chat(
    value: object,
    count: Callable[[str], int],
    *,
    operations: Mapping[str, str] | None = None,
    cache: str = "process",
    concurrency: int = CONCURRENCY,
    timeout: float = TIMEOUT,
    environ: Mapping[str, str] | None = None,
) -> ChatModel | None:
    """The language model that `value` means; None where it means none.

    - None or "none": none.
    - "openai:<model>", "openai:<model>@<url>": an endpoint that speaks OpenAI's protocol; "anthropic:<model>", with "@<url>".
    - "record:<file>+<model>": that model, each exchange written to the file; "replay:<file>": answers from it, no model;
      "scripted:<file>": what the rules of a file say.
    - An object with `ask` and `ask_many`: itself. One with `complete` and `name`, or a function: an endpoint.

    `operations`: another model for single operations. `cache`: "process", "off" or a folder. `timeout`: seconds of silence until
    an attempt is given up.

    Raises:
        UnknownName: a text that is none of these.
        NeedsExtra: the vendor's client is not installed.
        BadSetting: no text and none of these objects; no key in the environment.
    """
    environ = os.environ if environ is None else environ
    if value is None or value == "none":
        return None
    if _has(value, "ask", "ask_many"):
        given: ChatModel = value  # type: ignore[assignment]
        return given
    own = {name: endpoint_of(model, environ, timeout) for name, model in (operations or {}).items()}
    endpoint = endpoint_of(value, environ, timeout)
    return Asking.over(
        endpoint,
        count,
        operations=own,
        answers=answers_of(cache),
        concurrency=concurrency,
        owned=(*own.values(), *((endpoint,) if isinstance(value, str) else ())),
    )


def endpoint_of(value: Any, environ: Mapping[str, str], timeout: float = TIMEOUT) -> Endpoint:
    """The endpoint that a name, an object or a function means.

    Raises:
        as `resolve_chat`.
    """
    if isinstance(value, str):
        return _by_name(value, environ, timeout)
    if isinstance(value, type):
        raise BadSetting("model", value, f"an object of the class, not the class: {value.__name__}(...)")
    if _has(value, "complete", "name"):
        given: Endpoint = value
        return given
    if callable(value):
        from engrams.models.chat_plugged import CallableEndpoint

        return CallableEndpoint(value)
    raise BadSetting("model", value, EXPECTED)


def _has(value: object, *names: str) -> bool:
    return not isinstance(value, str | type) and all(
        getattr_static(value, n, None) is not None for n in names
    )


def _by_name(name: str, environ: Mapping[str, str], timeout: float) -> Endpoint:
    kind, _, rest = name.partition(":")
    # Imported where they are chosen: who has no model pays for none.
    if kind in ("record", "replay"):
        from engrams.models.chat_cassette import Recording, Replaying

        if kind == "replay":
            return Replaying(rest)
        parts = re.fullmatch(r"(.+?)\+((?:openai|anthropic|scripted):.+)", rest)
        if parts is None:
            raise BadSetting(
                "model", name, "'record:<file>+<model>', as in 'record:talks.jsonl+openai:gpt-5-mini'"
            )
        return Recording(parts[1], _by_name(parts[2], environ, timeout))
    if kind == "scripted":
        from engrams.models.scripted import Rules, ScriptedChat

        return ScriptedChat(Rules.read(rest), name)
    if kind not in KEYS:
        raise UnknownName("model", name, NAMES)
    model, _, url = rest.partition("@http")  # the model's own name may hold an @
    if not model:
        raise BadSetting("model", name, f"a model after '{kind}:'")
    address = "http" + url if url else None
    key = environ.get(OWN_KEY if address else KEYS[kind])
    if not key and address is None:
        raise BadSetting(KEYS[kind], None, f"the key of {kind}, for the model {model!r}", "environment")
    if kind == "openai":
        from engrams.models.chat_openai import OpenAIChat

        return OpenAIChat(model, address, key, timeout=timeout)
    from engrams.models.chat_anthropic import AnthropicChat

    return AnthropicChat(model, address, key, timeout=timeout)
