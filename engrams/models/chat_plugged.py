"""Language models that the caller brings: any function from a request to an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from engrams.errors import BadSetting, Unreadable
from engrams.ports import Reply, Request


class CallableEndpoint:
    """A Python function as a language model: it is given the `Request` and returns text, an object, or a `Reply`.

    An object is taken as the JSON of a structured answer. `request.ask` tells operation, prompt and input; `request.system` and
    `request.turns` are what a model would be sent.
    """

    def __init__(self, function: Callable[[Request], Any], name: str | None = None) -> None:
        """`name` None: the function's module and name; cache and ledger count by it.

        Raises:
            BadSetting: no function.
        """
        if not callable(function):
            raise BadSetting("model", function, "a function from a request to a text or an object")
        self._function = function
        found = getattr(function, "__qualname__", type(function).__qualname__)
        module = getattr(function, "__module__", type(function).__module__)
        self._name = name or f"function:{module}.{found}"

    @property
    def name(self) -> str:
        """What the caller named it, else "function:" with its module and name."""
        return self._name

    def complete(self, request: Request) -> Reply:
        """What the function said.

        Raises:
            Unreadable: it returned neither text nor an object nor a `Reply`.
        """
        said = self._function(request)
        if isinstance(said, Reply):
            return said
        if isinstance(said, str):
            return Reply(said)
        if isinstance(said, Mapping):
            return Reply(json.dumps(dict(said), ensure_ascii=False))
        raise Unreadable(
            f"{self._name} returned {type(said).__name__}; expected text or an object", repr(said)
        )

    def __repr__(self) -> str:
        return f"CallableEndpoint({self._name})"
