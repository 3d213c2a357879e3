"""Who asks: the key that came with a request, and the memory as far as its rights go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from engrams.errors import Denied
from engrams.serve.plain import plain
from engrams.serve.rest.limits import Limits, Rates
from engrams.serve.rest.problems import Unknown

if TYPE_CHECKING:
    from engrams.memory import Memory

_BEARER = HTTPBearer(auto_error=False, description="A key of `engrams keys create`.")
_HEADER = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same key, in a header of its own."
)


@dataclass(frozen=True)
class House:
    """What the application serves: the memory, whether keys are asked for, and the bounds."""

    memory: Memory
    keys: bool
    limits: Limits
    rates: Rates = field(repr=False)


@dataclass(frozen=True)
class Caller:
    """One request's caller. `memory` asks the store for the key's rights, so it is used in a worker thread."""

    house: House
    key: str | None

    @cached_property
    def memory(self) -> Memory:
        """The memory as this caller may use it.

        Raises:
            Unknown: keys are asked for, and this is none of the memory's.
        """
        if not self.house.keys:
            return self.house.memory
        if not self.key:
            raise Unknown(
                "send a key: Authorization: Bearer engrams_… or X-API-Key; make one with: engrams keys create"
            )
        try:
            return self.house.memory.held_by(self.key)
        except Denied as cause:
            raise Unknown(str(cause)) from cause


async def caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    header: Annotated[str | None, Depends(_HEADER)],
) -> Caller:
    """The dependency of every path that asks the memory: `Annotated[Caller, Depends(caller)]`, or `Asking` for short.

    Raises:
        RateLimited: this caller asks too often.
    """
    house: House = request.app.state.house
    key = bearer.credentials if bearer is not None else header
    address = request.client.host if request.client else ""
    held = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest() if house.keys and key else ""
    house.rates.take(f"{address} {held}" if held else address)
    return Caller(house, key if house.keys else None)


Asking = Annotated[Caller, Depends(caller)]


def answer(value: object, status: int = 200) -> Response:
    """A record, or an object of records, as JSON."""
    import json

    return Response(json.dumps(plain(value), separators=(",", ":")), status, media_type="application/json")
