"""Paths that ask: search, context, explain, compare; and what the answers were worth."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from engrams.records import Context, Receipt
from engrams.serve.rest.answers import Comparison, Hits, Recipes
from engrams.serve.rest.bodies import CompareBody, ContextBody, ExplainBody, FeedbackBody, SearchBody
from engrams.serve.rest.door import Asking, answer

router = APIRouter(tags=["asking"])


@router.post("/search", response_model=Hits)
def search(body: SearchBody, asking: Asking) -> Response:
    """The `k` best answers, best first, one per event."""
    return answer({"hits": asking.memory.search(**body.given())})


@router.post("/context", response_model=Context)
def context(body: ContextBody, asking: Asking) -> Response:
    """What an agent should be given for a question: text within `budget` tokens, cited and priced."""
    return answer(asking.memory.context(**body.given()))


@router.post("/explain", response_model=Context)
def explain(body: ExplainBody, asking: Asking) -> Response:
    """A context whose hits carry every signal's share and whose trace shows each step."""
    return answer(asking.memory.explain(**body.given()))


@router.post("/feedback", response_model=Receipt)
def feedback(body: FeedbackBody, asking: Asking) -> Response:
    """Tells what a question's hits were worth; the namespace's later searches weigh their signals by it."""
    return answer(asking.memory.feedback(**body.given()))


@router.post("/compare", response_model=Comparison)
async def compare(body: CompareBody, asking: Asking) -> Response:
    """What each recipe makes of one question over this journal: context, tokens, milliseconds."""
    return answer({"compared": await asking.slowly(lambda memory: memory.compare(**body.given()))})


@router.get("/recipes", response_model=Recipes)
def recipes(asking: Asking) -> Response:
    """The memory systems that can be run here."""
    memory = asking.memory
    found = [
        {"name": name, "current": name == memory.recipe.name, "card": recipe.card()}
        for name, recipe in memory.catalogue().items()
    ]
    return answer({"recipes": found})
