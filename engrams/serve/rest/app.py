"""The application: every path over one open memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response

from engrams import __version__
from engrams.serve.rest import asking, keeping, memories, running
from engrams.serve.rest.answers import Health
from engrams.serve.rest.door import House, answer
from engrams.serve.rest.limits import Limits, Rates
from engrams.serve.rest.problems import documented, handle

if TYPE_CHECKING:
    from engrams.memory import Memory

DEFAULTS = Limits()
#: The room of the inspector, served at /ui where it is installed.
INSPECTOR = "engrams.serve.inspector"
DESCRIPTION = "Long-term memory for LLM agents. Bodies use the parameter names of the Python class `Memory`."


def create_app(
    memory: Memory,
    *,
    keys: bool = False,
    limits: Limits = DEFAULTS,
    cors: Sequence[str] = (),
) -> FastAPI:
    """The REST server over an open memory, which the caller closes.

    Args:
        memory: opened without a key.
        keys: whether each request must bring an API key, and may do what its rights allow; else everybody may everything.
        limits: sizes, times and rates.
        cors: origins of web pages that may use it, such as "https://app.example"; none by default.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = limits.threads
        yield

    app = FastAPI(title="Engrams", version=__version__, description=DESCRIPTION, lifespan=lifespan)
    app.state.house = House(memory, keys, limits, Rates(limits.rate, limits.burst))
    handle(app)
    if cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    everything = [about, memories.router, asking.router, running.router, keeping.router]
    for router in everything:
        app.include_router(router)
    if find_spec(INSPECTOR) is not None and find_spec(f"{INSPECTOR}.routes") is not None:
        app.include_router(import_module(f"{INSPECTOR}.routes").router)
    for router in everything:
        app.include_router(router, prefix="/v1", include_in_schema=False)
    return app


about = APIRouter(tags=["server"], responses=documented())


@about.get("/health", response_model=Health)
def health() -> Response:
    """That the server answers; asks no key and nothing of the store."""
    return answer({"status": "ok", "version": __version__})
