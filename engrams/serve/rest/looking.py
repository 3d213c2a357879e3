"""Paths that look inside: surroundings, counts over time, tokens of texts, what jobs cost, what is wrong."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from engrams.serve.rest.answers import Costs, Days, Problems, Tokens, gives
from engrams.serve.rest.bodies import BoundsQuery, TextsBody, arguments
from engrams.serve.rest.door import Asking, answer

router = APIRouter(tags=["looking"])


class TimelineQuery(BoundsQuery):
    """Which memories are counted, in at most how many steps."""

    parts: int = Field(60, ge=1, le=1000)


@router.get("/memories/{id}/around", response_model=gives("around"))
def around(id: str, asking: Asking, most: Annotated[int, Query(ge=1)] = 60) -> Response:
    """What lies around an engram or event: sources, links, names, what was said before and after."""
    return answer(asking.memory.around(id, most=most))


@router.get("/timeline", response_model=gives("timeline"))
def timeline(query: Annotated[TimelineQuery, Query()], asking: Asking) -> Response:
    """How many memories happened when, in equal steps of time."""
    return answer(asking.memory.timeline(**arguments(query.given())))


@router.post("/tokens", response_model=Tokens)
def count_tokens(body: TextsBody, asking: Asking) -> Response:
    """Tokens of each text, as contexts count them."""
    return answer({"tokens": asking.memory.count_tokens(**body.given())})


@router.get("/spent", response_model=Days)
def spent(asking: Asking, days: Annotated[int, Query(ge=1, le=3660)] = 30) -> Response:
    """What jobs cost on each of the last days (UTC), the latest first; needs the right to administer."""
    return answer({"days": asking.memory.spent(days=days)})


@router.get("/costs", response_model=Costs)
def costs(asking: Asking, days: Annotated[int, Query(ge=1, le=36_500)] = 30) -> Response:
    """What language models took, a line per day (UTC), namespace, operation and model, as far as the key may read."""
    return answer({"costs": asking.memory.costs(days=days)})


@router.get("/estimate", response_model=gives("estimate"))
async def estimate(asking: Asking, recipe: str | None = None) -> Response:
    """What the waiting jobs would take of language models or, with a recipe, deriving anew with it; asks no model."""
    return answer(await asking.slowly(lambda memory: memory.estimate(recipe)))


@router.get("/check", response_model=Problems)
async def check(asking: Asking) -> Response:
    """What is wrong with the store and what mends it; needs the right to administer."""
    return answer({"problems": await asking.slowly(lambda memory: memory.check())})
