"""Paths about what is kept and who may do what: rules, keys, the audit."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from engrams.records import Deletion
from engrams.serve.rest.answers import AuditPage, Keys, Problems, Rules, gives, page
from engrams.serve.rest.bodies import KeyBody, RuleBody
from engrams.serve.rest.door import Asking, answer

router = APIRouter(tags=["keeping"])
KEY: Any = gives("create_key")


@router.get("/rules", response_model=Rules)
def rules(asking: Asking) -> Response:
    """How long and how much namespaces keep and may hold, by path."""
    return answer({"rules": asking.memory.rules()})


@router.put("/rules", response_model=gives("retain"))
def retain(body: RuleBody, asking: Asking) -> Response:
    """Sets the rule of a path; without any limit, takes it away. Needs the right to administer."""
    return answer(asking.memory.retain(**body.given()))


@router.post("/retention", response_model=Deletion)
async def apply_retention(asking: Asking) -> Response:
    """Erases what the rules no longer keep, oldest first; what is pinned stays."""
    return answer(await asking.slowly(lambda memory: memory.apply_retention()))


@router.get("/audit", response_model=AuditPage)
def audit(
    asking: Asking,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    cursor: Annotated[str | None, Query(description="The `next` of the page before.")] = None,
) -> Response:
    """One page of who did what when, oldest first; never any text."""
    return answer(page(asking.memory.audit(limit=limit, cursor=cursor)))


@router.get("/audit/verify", response_model=Problems)
async def verify_audit(
    asking: Asking,
    head: Annotated[str | None, Query(description="SEQ:DIGEST of a row that was kept elsewhere.")] = None,
) -> Response:
    """Where the audit was altered, the first place first; empty where it is as it was written."""
    return answer({"problems": await asking.slowly(lambda memory: memory.verify_audit(head))})


@router.get("/keys", response_model=Keys)
def list_keys(asking: Asking) -> Response:
    """Every key, without its secret; revoked ones too."""
    return answer({"keys": asking.memory.list_keys()})


@router.post("/keys", status_code=201, response_model=KEY)
def create_key(body: KeyBody, asking: Asking) -> Response:
    """Makes a key with rights on paths; its `secret` is shown once."""
    return answer(asking.memory.create_key(**body.given()), 201)


@router.delete("/keys/{id}", response_model=KEY)
def revoke_key(id: str, asking: Asking) -> Response:
    """Takes a key's rights away for good."""
    return answer(asking.memory.revoke_key(id))
