"""Paths about the server: whether it lives, whether its store answers, its figures."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from engrams import __version__
from engrams.serve.rest.answers import Health
from engrams.serve.rest.door import Asking, House, answer
from engrams.serve.rest.metrics import CONTENT_TYPE, Metrics

router = APIRouter(tags=["server"])
TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Figures.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/health", response_model=Health)
async def health() -> Response:
    """That the server lives; asks no key and nothing of the store."""
    return answer({"status": "ok", "version": __version__})


@router.get("/ready", response_model=Health)
def ready(request: Request) -> Response:
    """That the store answers too, else 503; asks no key."""
    house: House = request.app.state.house
    house.memory.log(limit=1)
    return answer({"status": "ok", "version": __version__})


@router.get("/metrics", response_class=Response, responses=TEXT)
def metrics(request: Request, asking: Asking) -> Response:
    """Figures in Prometheus's form, of this process and of the whole store; needs the right to administer."""
    figures: Metrics = request.app.state.metrics
    return Response(figures.shown(asking.memory), media_type=CONTENT_TYPE)
