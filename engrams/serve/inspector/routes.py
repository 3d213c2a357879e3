"""What the page asks beside the REST paths: how it begins, places, versions with their differences, contexts in pieces."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from engrams import __version__
from engrams.errors import Denied
from engrams.serve.inspector.page import router as page
from engrams.serve.inspector.pieces import pieces, versions
from engrams.serve.rest.bodies import ContextBody
from engrams.serve.rest.door import Asking, answer

#: Namespaces on one page; each costs the store one count.
MOST_NAMESPACES = 50

ui = APIRouter(prefix="/ui/api", include_in_schema=False)


@ui.get("/start")
def start(asking: Asking) -> Response:
    """What the page must know first. The whole store's counts and place are null for keys that may not see them."""
    memory = asking.memory
    names = memory.namespaces()
    whole: dict[str, Any] = {"stats": None, "location": None}
    try:
        whole = {"stats": memory.stats(), "location": memory.location}
    except Denied:
        whole["denied"] = True
    return answer(
        {
            "version": __version__,
            "recipe": memory.recipe.name,
            "recipes": list(memory.catalogue()),
            "embedder": memory.embedder,
            "namespaces": names[:MOST_NAMESPACES],
            "more_namespaces": max(0, len(names) - MOST_NAMESPACES),
            **whole,
        }
    )


@ui.get("/place")
def place(asking: Asking, namespace: str) -> Response:
    """One namespace: its counts, and the span of when its entries were recorded and happened."""
    memory = asking.memory
    ends = [memory.log(namespace=namespace, limit=1, newest_first=newest) for newest in (False, True)]
    recorded = [page[0].recorded_at for page in ends if len(page)]
    found = memory.stats(namespace=namespace)
    span = [found.first, found.last] if found.first is not None else None
    return answer({"namespace": namespace, "stats": found, "recorded": recorded or None, "occurred": span})


@ui.get("/namespaces")
def namespaces(asking: Asking, after: str = "", contains: str = "") -> Response:
    """A page of namespaces with their counts, in order; `next`: what to give as `after`."""
    memory = asking.memory
    wanted = sorted(n for n in memory.namespaces() if n > after and contains.lower() in n.lower())
    shown = wanted[:MOST_NAMESPACES]
    items = [{"namespace": n, "stats": memory.stats(namespace=n)} for n in shown]
    following = shown[-1] if len(wanted) > len(shown) else None
    return answer({"items": items, "next": following, "total": len(wanted)})


@ui.get("/versions/{id}")
def history(id: str, asking: Asking) -> Response:
    """Every version of a memory, with what changed."""
    return answer({"versions": versions(asking.memory.history(id))})


@ui.post("/context")
def context(body: ContextBody, asking: Asking) -> Response:
    """What an agent would get, in counted pieces."""
    memory = asking.memory
    given = body.given()
    made = memory.context(**{**given, "explain": True})
    return answer({"context": made, **pieces(made, memory.count_tokens)})


router = APIRouter()
router.include_router(ui)
router.include_router(page)
