"""What came back: the answer of a call, or the error that the server named, as the exception it was there."""

from __future__ import annotations

import json
import random
from typing import Any

from engrams import errors
from engrams.client.calls import Request
from engrams.client.decoding import made
from engrams.errors import EngramsError, RateLimited, Unavailable

#: The wait before the second try, in seconds; each further one is twice as long, and never above the longest.
FIRST_WAIT, LONGEST_WAIT = 0.1, 10.0
#: What a busy server answers, and one that asks to slow down; of the latter nothing was done.
BUSY, SLOW_DOWN = 503, 429
#: Characters of a strange answer that an error shows.
SHOWN = 200


def read(asked: Request, status: int, body: bytes, where: str) -> Any:
    """What the call returns.

    Raises:
        EngramsError: what the server said went wrong, by the class it named.
        Unavailable: what answered is no engrams server.
    """
    if status >= 400:
        raise error(status, body, where)
    try:
        found = json.loads(body)
        return made(asked.call.gives(), found if asked.call.under is None else found[asked.call.under])
    except (ValueError, TypeError, KeyError) as cause:
        raise strange(status, body, where) from cause


def error(status: int, body: bytes, where: str) -> EngramsError:
    """The exception that an answer names."""
    try:
        found = json.loads(body)["error"]
        kind = getattr(errors, found["type"], EngramsError)
        message = str(found["message"])
    except (ValueError, TypeError, KeyError):
        return strange(status, body, where)
    if not (isinstance(kind, type) and issubclass(kind, EngramsError)):
        kind = EngramsError
    raised: EngramsError = kind.__new__(kind)
    Exception.__init__(raised, message)
    for name, value in {"value": None, "retry_after": None, **found}.items():
        if name not in ("type", "message"):
            setattr(raised, name, tuple(value) if isinstance(value, list) else value)
    return raised


def strange(status: int, body: bytes, where: str) -> Unavailable:
    """What answered is no engrams server, or another version."""
    shown = body[:SHOWN].decode("utf-8", "replace")
    return Unavailable(
        f"{where} answered {status}, and not as an engrams server does: {shown!r}; check the address"
    )


def unreachable(where: str, cause: Exception) -> Unavailable:
    """Nothing answered."""
    reason = str(cause) or type(cause).__name__
    return Unavailable(f"no answer from {where}: {reason}; start it with: engrams serve")


def wait(asked: Request, tries: int, status: int | None, after: str | None, *, heard: bool) -> float | None:
    """Seconds to wait before asking again, None not to.

    Args:
        tries: how often it was asked.
        status: of the answer, None where none came.
        after: the answer's Retry-After.
        heard: whether the server may have heard the request.
    """
    if status is None:
        again = asked.call.again or not heard
    else:
        again = status == SLOW_DOWN or (status == BUSY and asked.call.again)
    if not again:
        return None
    longest = min(FIRST_WAIT * 2.0 ** (tries - 1), LONGEST_WAIT)
    asked_for = min(float(after), LONGEST_WAIT) if after is not None and after.isdigit() else 0.0
    return max(asked_for, longest * random.uniform(0.5, 1.0))


__all__ = ["RateLimited", "error", "read", "strange", "unreachable", "wait"]
