"""Paths about memories: tell, list, read, correct, erase."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query
from fastapi.responses import Response

from engrams.errors import UsageError
from engrams.records import Deletion, Engram, Event, Receipt, Stats
from engrams.serve.rest.answers import History, Journal, Memories, Namespaces, Written, page
from engrams.serve.rest.bodies import (
    AddBody,
    BulkBody,
    DeleteQuery,
    ListQuery,
    LogQuery,
    ScopeQuery,
    UndoBody,
    UpdateBody,
    arguments,
)
from engrams.serve.rest.door import Asking, answer

router = APIRouter(tags=["memories"])
Reason = Annotated[str, Query(description="Why, as the history and the audit show it.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="A repeated request with the same key writes nothing and gets the first receipt.",
        max_length=512,
    ),
]


@router.post(
    "/memories",
    status_code=201,
    response_model=Receipt,
    responses={
        200: {"model": Receipt, "description": "The idempotency key was seen before; nothing was written."}
    },
)
def add(body: AddBody, asking: Asking, idempotency_key: IdempotencyKey = None) -> Response:
    """Journals what was said and derives from it; on disk when it is answered."""
    given = body.given()
    if idempotency_key is not None:
        given["idempotency_key"] = idempotency_key
    receipt = asking.memory.add(**given)
    return answer(receipt, 200 if receipt.repeated else 201)


@router.post("/memories/bulk", status_code=201, response_model=Written)
def add_many(body: BulkBody, asking: Asking) -> Response:
    """Bulk load of messages, a thousand per transaction."""
    return answer({"written": asking.memory.add_many(**body.given())}, 201)


@router.get("/memories", response_model=Memories)
def get_all(query: Annotated[ListQuery, Query()], asking: Asking) -> Response:
    """One page of what a scope remembers, in the order it was recorded."""
    return answer(page(asking.memory.get_all(**arguments(query.given()))))


@router.delete("/memories", response_model=Deletion)
def delete_all(query: Annotated[DeleteQuery, Query()], asking: Asking) -> Response:
    """Erases every event of a scope and all that only these support. The scope must be named."""
    given = query.given()
    if not any(value is not None for name, value in given.items() if name != "reason"):
        raise UsageError("say what to erase: ?namespace=, ?user_id=, ?agent_id=, ?run_id= or ?session=")
    return answer(asking.memory.delete_all(**given))


@router.get("/memories/{id}", response_model=Event | Engram)
def get(id: str, asking: Asking) -> Response:
    """An event (with its corrections applied) or an engram (its current version), which has a `recipe`."""
    return answer(asking.memory.get(id))


@router.put("/memories/{id}", response_model=Receipt)
def update(id: str, body: UpdateBody, asking: Asking) -> Response:
    """Corrects an event or engram: a new version, the old one in its history."""
    return answer(asking.memory.update(id, **body.given()))


@router.delete("/memories/{id}", response_model=Deletion)
def delete(id: str, asking: Asking, reason: Reason = "") -> Response:
    """Erases an event with all that rests on it; rejects an engram."""
    return answer(asking.memory.delete(id, reason=reason))


@router.get("/memories/{id}/history", response_model=History)
def history(id: str, asking: Asking) -> Response:
    """Every version of an engram, or of all engrams of an event, oldest first."""
    return answer({"revisions": asking.memory.history(id)})


@router.post("/memories/{id}/undo", response_model=Receipt)
def undo(id: str, asking: Asking, body: Annotated[UndoBody | None, Body()] = None) -> Response:
    """Takes back the last change of an engram, or of what was derived from an event."""
    given: dict[str, Any] = body.given() if body is not None else {}
    return answer(asking.memory.undo(id, **given))


@router.post("/memories/{id}/pin", response_model=Receipt)
def pin(id: str, asking: Asking) -> Response:
    """Never forget this engram, or what was derived from this event."""
    return answer(asking.memory.pin(id))


@router.post("/memories/{id}/unpin", response_model=Receipt)
def unpin(id: str, asking: Asking) -> Response:
    """Takes a pin back."""
    return answer(asking.memory.unpin(id))


@router.get("/log", response_model=Journal)
def log(query: Annotated[LogQuery, Query()], asking: Asking) -> Response:
    """One page of the journal: everything that was written, corrections and pins included."""
    return answer(page(asking.memory.log(**arguments(query.given()))))


@router.get("/stats", response_model=Stats)
def stats(query: Annotated[ScopeQuery, Query()], asking: Asking) -> Response:
    """Counts inside a scope; of the whole store where no scope is given."""
    return answer(asking.memory.stats(**query.given()))


@router.get("/namespaces", response_model=Namespaces)
def namespaces(asking: Asking) -> Response:
    """The namespaces in which something lies, as far as the key may read."""
    return answer({"namespaces": asking.memory.namespaces()})
