"""Each call of `Memory` as a request: method, path, what is sent, what comes back. No input or output happens here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from engrams.records import (
    Context,
    Deletion,
    Engram,
    Event,
    Hit,
    Job,
    Json,
    Message,
    Page,
    Problem,
    Receipt,
    Revision,
    Stats,
)

#: Arguments that are times; in a query they are sent as text.
_TIMES = frozenset({"since", "until", "as_of", "valid_at", "asked_at", "occurred_at"})
#: Arguments that may be one hit or id, or several.
_MARKS = frozenset({"cited", "chosen", "wrong"})
#: Arguments that stay on this side.
_OURS = frozenset({"progress"})


@dataclass(frozen=True, slots=True)
class Call:
    """How one call is asked.

    `gives`: the type of the answer, or of what stands `under` a name in it. `again`: it changes nothing, or its idempotency
    key says that it was asked before, so that it may be asked again when no answer came. `slow`: it may take minutes.
    """

    method: str
    path: str
    gives: Callable[[], Any]
    under: str | None = None
    again: bool = False
    slow: bool = False
    always: tuple[tuple[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: the query as pairs, the body as JSON text, None where there is none."""

    call: Call
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


def _of(kind: Any) -> Callable[[], Any]:
    return lambda: kind


def _in(name: str) -> Callable[[], Any]:
    """A type that only few answers need, loaded with the first."""
    return lambda: getattr(import_module("engrams.memory"), name)


def _list_in(name: str) -> Callable[[], Any]:
    return lambda: list[_in(name)()]  # type: ignore[misc]


_KEY, _RULE = _in("Key"), _in("Rule")
_RECEIPT, _DELETION, _NOTHING = _of(Receipt), _of(Deletion), _of(None)

CALLS: Mapping[str, Call] = {
    "add": Call("POST", "/memories", _RECEIPT, again=True),
    "add_many": Call("POST", "/memories/bulk", _of(int), under="written"),
    "import_file": Call("POST", "/import", _in("Imported"), slow=True),
    "search": Call("POST", "/search", _of(list[Hit]), under="hits", again=True),
    "context": Call("POST", "/context", _of(Context), again=True),
    "explain": Call("POST", "/explain", _of(Context), again=True),
    "feedback": Call("POST", "/feedback", _RECEIPT),
    "get": Call("GET", "/memories/{id}", _of(Event | Engram), again=True),
    "get_all": Call("GET", "/memories", _of(Page[Engram]), again=True),
    "log": Call("GET", "/log", _of(Page[Event]), again=True),
    "update": Call("PUT", "/memories/{id}", _RECEIPT),
    "delete": Call("DELETE", "/memories/{id}", _DELETION),
    "delete_all": Call("DELETE", "/memories", _DELETION, again=True),
    "history": Call("GET", "/memories/{id}/history", _of(list[Revision]), under="revisions", again=True),
    "pin": Call("POST", "/memories/{id}/pin", _RECEIPT),
    "unpin": Call("POST", "/memories/{id}/unpin", _RECEIPT),
    "undo": Call("POST", "/memories/{id}/undo", _RECEIPT),
    "around": Call("GET", "/memories/{id}/around", _in("Neighbourhood"), again=True),
    "timeline": Call("GET", "/timeline", _in("Timeline"), again=True),
    "count_tokens": Call("POST", "/tokens", _of(list[int]), under="tokens", again=True),
    "spent": Call("GET", "/spent", _list_in("Day"), under="days", again=True),
    "costs": Call("GET", "/costs", _list_in("Spending"), under="costs", again=True),
    "estimate": Call("GET", "/estimate", _in("Estimate"), again=True, slow=True),
    "rebuild": Call("POST", "/rebuild", _in("Rebuilt"), slow=True, always=(("wait", True),)),
    "compare": Call("POST", "/compare", _list_in("Compared"), under="compared", again=True, slow=True),
    "consolidate": Call("POST", "/consolidate", _in("Consolidated"), slow=True, always=(("wait", True),)),
    "schedule": Call("POST", "/jobs", _of(str | None), under="id", again=True),
    "jobs": Call("GET", "/jobs", _of(list[Job]), under="jobs", again=True),
    "retry_job": Call("POST", "/jobs/{id}/retry", _NOTHING),
    "drop_job": Call("DELETE", "/jobs/{id}", _NOTHING),
    "stats": Call("GET", "/stats", _of(Stats), again=True),
    "namespaces": Call("GET", "/namespaces", _of(list[str]), under="namespaces", again=True),
    "check": Call("GET", "/check", _of(list[Problem]), under="problems", again=True, slow=True),
    "export": Call("GET", "/export", _NOTHING, again=True, slow=True),
    "restore": Call("POST", "/restore", _of(int), under="restored", slow=True),
    "retain": Call("PUT", "/rules", _RULE, again=True),
    "rules": Call("GET", "/rules", _list_in("Rule"), under="rules", again=True),
    "apply_retention": Call("POST", "/retention", _DELETION, again=True, slow=True),
    "audit": Call("GET", "/audit", _of(Page[Any]), again=True),
    "verify_audit": Call("GET", "/audit/verify", _of(list[Problem]), under="problems", again=True, slow=True),
    "create_key": Call("POST", "/keys", _KEY),
    "list_keys": Call("GET", "/keys", _list_in("Key"), under="keys", again=True),
    "revoke_key": Call("DELETE", "/keys/{id}", _KEY, again=True),
}


def request(name: str, given: Mapping[str, Any]) -> Request:
    """The request of a call; arguments that are None are left to the server."""
    call = CALLS[name]
    sent = {key: value for key, value in given.items() if value is not None and key not in _OURS}
    path = call.path
    if "{id}" in path:
        path = path.replace("{id}", quote(str(sent.pop("id", "")), safe=""))
    for mark in _MARKS.intersection(sent):
        sent[mark] = [sent[mark]] if isinstance(sent[mark], str | Hit) else list(sent[mark])
    if name == "add":
        key = sent.pop("idempotency_key", None)
        # A key of ours, so that the same thing is not said twice when an answer was lost on its way.
        sent["idempotency_key"] = uuid.uuid4().hex if key is None else key
    if call.method in ("GET", "DELETE") or name in ("import_file", "restore"):
        return Request(call, path, _query(sent))
    body = json.dumps(as_json({**dict(call.always), **sent}), allow_nan=False).encode()
    return Request(call, path, (), body, (("Content-Type", "application/json"),))


def as_json(value: Any) -> Any:
    """An argument as JSON holds it: messages in the OpenAI form, times as ISO 8601, hits and recipes by id and name."""
    if isinstance(value, Message):
        return _message(value)
    if isinstance(value, Hit):
        return value.id
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat()
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    if hasattr(value, "read") and isinstance(getattr(value, "name", None), str):
        return value.name  # a recipe
    if is_dataclass(value) and not isinstance(value, type):
        held = {f.name: as_json(getattr(value, f.name)) for f in fields(value)}
        return {k: v for k, v in held.items() if v is not None}
    if isinstance(value, PurePath):
        return str(value)
    return [as_json(v) for v in value]


def _message(said: Message) -> dict[str, Any]:
    row = {
        "role": said.role,
        "content": said.content,
        "name": said.speaker,
        "timestamp": None if said.occurred_at is None else said.occurred_at.isoformat(),
        "session": said.session,
        "metadata": as_json(said.metadata) or None,
        "attachments": [as_json(a) for a in said.attachments] or None,
    }
    return {k: v for k, v in row.items() if v is not None}


def _query(sent: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for key, value in sent.items():
        if key == "states":
            pairs += [("state", str(state)) for state in value]
        elif isinstance(value, bool):
            pairs.append((key, "true" if value else "false"))
        elif isinstance(value, Mapping):
            pairs.append((key, json.dumps(as_json(value), allow_nan=False)))
        elif isinstance(value, int | float) and key in _TIMES:
            pairs.append((key, datetime.fromtimestamp(value, UTC).isoformat()))
        else:
            pairs.append((key, str(as_json(value))))
    return tuple(pairs)
