"""Who asks: the key that came with a request, and the memory as far as its rights go."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from engrams.errors import Denied
from engrams.serve.plain import plain
from engrams.serve.rest.limits import Limits, Rates
from engrams.serve.rest.problems import NO_KEY, Unknown

if TYPE_CHECKING:
    from engrams.memory import Memory

#: Where the gate leaves the memory as the key that came with the request may use it.
HELD = "engrams.held"
#: Of the calls that run at the same time, the share that may be long ones (a rebuild, an import): the rest stays quick.
SHARE_OF_LONG = 4
_BEARER = HTTPBearer(auto_error=False, description="A key of `engrams keys create`.")
_HEADER = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same key, in a header of its own."
)
T = TypeVar("T")


@dataclass(frozen=True)
class House:
    """What the application serves: the memory, whether keys are asked for, the bounds, and what keeps them."""

    memory: Memory
    keys: bool
    limits: Limits
    rates: Rates
    long: CapacityLimiter

    def held_by(self, key: str) -> Memory:
        """The memory as a key's holder may use it.

        Raises:
            Unknown: it is no key of this memory.
        """
        try:
            return self.memory.held_by(key)
        except Denied as cause:
            raise Unknown(str(cause)) from cause


@dataclass(frozen=True)
class Caller:
    """Who asks: what a request may use. The calls of `memory` are made in a worker thread."""

    house: House
    held: Memory | None

    @property
    def memory(self) -> Memory:
        """The memory as this caller may use it.

        Raises:
            Unknown: keys are asked for, and none came.
        """
        if not self.house.keys:
            return self.house.memory
        if self.held is None:
            raise Unknown(NO_KEY)
        return self.held

    async def slowly(self, work: Callable[[Memory], T]) -> T:
        """Does what may take minutes in a worker thread, a few at a time, while others are answered."""
        memory = self.memory
        return await to_thread.run_sync(lambda: work(memory), limiter=self.house.long)


async def caller(
    request: Request,
    _bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    _header: Annotated[str | None, Depends(_HEADER)],
) -> Caller:
    """The dependency of every path that asks the memory; the key itself was looked at by the gate."""
    return Caller(request.app.state.house, request.scope.get("state", {}).get(HELD))


Asking = Annotated[Caller, Depends(caller)]


def answer(value: object, status: int = 200) -> Response:
    """A record, or an object of records, as JSON."""
    text = json.dumps(plain(value), separators=(",", ":"), allow_nan=False)
    return Response(text, status, media_type="application/json")
