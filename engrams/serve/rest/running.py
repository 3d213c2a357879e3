"""Paths about work: consolidate, rebuild, jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response

from engrams.records import JobState
from engrams.serve.rest.answers import Jobs, Scheduled, gives
from engrams.serve.rest.bodies import ConsolidateBody, JobBody, RebuildBody
from engrams.serve.rest.door import Asking, answer

router = APIRouter(tags=["work"])
LATER: dict[int | str, dict[str, Any]] = {
    202: {"model": Scheduled, "description": "The job that will do it."}
}


@router.post("/consolidate", response_model=gives("consolidate"), responses=LATER)
async def consolidate(asking: Asking, body: Annotated[ConsolidateBody | None, Body()] = None) -> Response:
    """Runs the recipe's consolidate chain over one namespace, as a job unless `wait` is true."""
    given = body.given() if body is not None else {}
    if given.pop("wait", False):
        return answer(await asking.slowly(lambda memory: memory.consolidate(**given)))
    return answer({"id": await asking.slowly(lambda memory: memory.schedule("consolidate", **given))}, 202)


@router.post("/rebuild", response_model=gives("rebuild"), responses=LATER)
async def rebuild(asking: Asking, body: Annotated[RebuildBody | None, Body()] = None) -> Response:
    """Derives anew from the journal with a recipe, as a job unless `wait` is true; needs the right to administer."""
    given = body.given() if body is not None else {}
    if given.pop("wait", False):
        return answer(await asking.slowly(lambda memory: memory.rebuild(**given)))
    return answer({"id": await asking.slowly(lambda memory: memory.schedule("rebuild", **given))}, 202)


@router.get("/jobs", response_model=Jobs)
def jobs(asking: Asking, state: Annotated[list[JobState], Query()] = []) -> Response:  # noqa: B006
    """Jobs that wait, run or were given up, oldest first."""
    return answer({"jobs": asking.memory.jobs(*state)})


@router.post("/jobs", status_code=202, response_model=Scheduled)
def schedule(body: JobBody, asking: Asking) -> Response:
    """Puts something among the jobs."""
    return answer({"id": asking.memory.schedule(**body.given())}, 202)


@router.post("/jobs/{id}/retry", response_model=Scheduled)
def retry_job(id: str, asking: Asking) -> Response:
    """Makes a job that was given up, or waits, due now."""
    asking.memory.retry_job(id)
    return answer({"id": id})


@router.delete("/jobs/{id}", response_model=Scheduled)
def drop_job(id: str, asking: Asking) -> Response:
    """Removes a job; what it would have derived stays out until a rebuild."""
    asking.memory.drop_job(id)
    return answer({"id": id})
