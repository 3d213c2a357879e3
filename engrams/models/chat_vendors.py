"""What the vendors' clients have in common: one attempt, no waiting of their own, their errors as ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from engrams.errors import RateLimited, Refused, Unreachable
from engrams.ports import ToolCall

TIMEOUT = 120.0
"""Seconds of silence before an attempt is given up: a long answer of a slow model, not streamed."""

PASSING = frozenset({408, 409, 425, 500, 502, 503, 504, 529})
"""HTTP statuses that another attempt may mend; 429 is told apart."""

SHOWN = 300
"""Characters of a server's answer that an error shows."""

MOST_DIALECTS = 4
"""How many parameters a server may refuse one after the other; each is left out from then on."""


def as_ours(error: Any, address: str) -> NoReturn:
    """Raises a vendor's error as ours; both vendors' clients are made by one generator and name things alike.

    Raises:
        RateLimited, Refused, Unreachable.
    """
    status = getattr(error, "status_code", None)
    said = " ".join(str(getattr(error, "message", error)).split())[:SHOWN]
    if status is None:
        raise Unreachable(
            f"{address}: no answer ({said}); is the address right and the server running?"
        ) from error
    told = f"{address} answered {status}: {said}"
    if status == 429:
        asked = seconds(error.response.headers)
        raise RateLimited(
            f"{told}; wait{f' {asked:g} seconds' if asked is not None else ''} and try again", asked
        ) from error
    if status in PASSING:
        raise Unreachable(told) from error
    raise Refused(f"{told}; check the key, the model's name and the length of what is sent") from error


def seconds(headers: Mapping[str, str]) -> float | None:
    """How long a server asks to wait: `retry-after-ms`, or `retry-after` as seconds or a date (RFC 9110, section 10.2.3)."""
    milliseconds, header = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds:
            found = float(milliseconds) / 1e3
        elif header:
            found = float(header)
        else:
            return None
    except ValueError:
        try:
            when = parsedate_to_datetime(str(header))
        except ValueError:
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        found = (when - datetime.now(UTC)).total_seconds()
    return max(0.0, found) if found < float("inf") else None


def in_dialect(
    send: Callable[[dict[str, Any]], Any],
    body: dict[str, Any],
    refused: set[str],
    optional: Mapping[str, str],
    kind: type[Exception],
) -> Any:
    """Sends a body without the parameters this server refused before, and learns which it refuses now.

    Servers that speak one protocol differ in what they take. `optional`: parameters that may be left out, each with another
    name to try ("" for none). A refusal (400, 422) that names one of them is answered by leaving it out.
    """
    for _ in range(MOST_DIALECTS):
        sent = {}
        for name, value in body.items():
            if name not in refused:
                sent[name] = value
            elif optional.get(name) and optional[name] not in refused:
                sent[optional[name]] = value
        try:
            return send(sent)
        except kind as error:  # what is no refusal of a parameter goes on as it came
            status, said = getattr(error, "status_code", None), str(error)
            named = [name for name in sent if name in {*optional, *optional.values()} and name in said]
            if status not in (400, 422) or not named:
                raise
            # The longest name first: "max_completion_tokens" may be named in the advice about "max_tokens".
            refused.add(_blamed(said, named))
    return send({name: value for name, value in body.items() if name not in refused})


def _blamed(said: str, named: list[str]) -> str:
    """Of the parameters that a refusal names, the one that it names first."""
    return min(named, key=lambda name: (said.index(name), -len(name)))


def call_of(id: str, name: str, arguments: object) -> ToolCall:
    """A tool call as a model asked for it; arguments that are no object of JSON stand under "unreadable"."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError:
            return ToolCall(id, name, {"unreadable": str(arguments)})
    return ToolCall(
        id, name, dict(arguments) if isinstance(arguments, Mapping) else {"unreadable": str(arguments)}
    )
