"""The application: every path over one open memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from engrams import __version__
from engrams.serve.inspector.routes import router as inspector
from engrams.serve.rest import about, asking, files, keeping, looking, memories, running
from engrams.serve.rest.described import describe
from engrams.serve.rest.door import SHARE_OF_LONG, House
from engrams.serve.rest.gate import Gate
from engrams.serve.rest.limits import Limits, Rates
from engrams.serve.rest.metrics import Metrics
from engrams.serve.rest.problems import handle

if TYPE_CHECKING:
    from engrams.memory import Memory

DEFAULTS = Limits()
DESCRIPTION = "Long-term memory for LLM agents. Bodies use the parameter names of the Python class `Memory`."


def create_app(
    memory: Memory,
    *,
    keys: bool = False,
    limits: Limits = DEFAULTS,
    cors: Collection[str] = (),
    hosts: Collection[str] | None = None,
    at_end: Callable[[], None] | None = None,
) -> FastAPI:
    """The REST server over an open memory, with the inspector at /ui.

    Every path is there as it is and below /v1; a change that breaks callers would come below /v2.

    Args:
        memory: opened without a key; the caller closes it.
        keys: whether each request must bring an API key, and may do what its rights allow; else everybody may everything.
        limits: sizes, times and rates.
        cors: origins of web pages that may use it, such as "https://app.example"; none by default.
        hosts: names under which it may be asked, such as "localhost"; None: any.
        at_end: called when the server stops.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = limits.threads
        yield
        if at_end is not None:
            await to_thread.run_sync(at_end)

    # No page of documentation: those of the framework load scripts from elsewhere.
    app = FastAPI(
        title="Engrams",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    rates = Rates(limits.rate, limits.burst)
    long = CapacityLimiter(max(1, limits.threads // SHARE_OF_LONG))
    app.state.house = House(memory, keys, limits, rates, long)
    app.state.metrics = Metrics()
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    handle(app)
    app.add_middleware(
        Gate, house=app.state.house, metrics=app.state.metrics, hosts=hosts, origins=frozenset(cors)
    )
    if cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Retry-After"],
        )
    rooms = [m.router for m in (about, memories, asking, looking, running, keeping, files)]
    for router in rooms:
        app.include_router(router)
    app.include_router(inspector)
    app.get("/openapi.json", include_in_schema=False)(lambda: describe(app))
    for router in rooms:
        app.include_router(router, prefix="/v1", include_in_schema=False)
    return app
