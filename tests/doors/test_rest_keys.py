"""Keys at the REST server: what each right opens, path by path, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from engrams import Memory
from engrams.serve.rest.app import create_app

ANN, BOB = "acme/ann", "acme/bob"
READ, WRITE, ADMIN, OPEN = "read", "write", "admin", "open"

#: Method, path, body or query, and the least right on acme/ann that it needs; ADMIN is over everything.
PATHS: list[tuple[str, str, dict[str, Any], str]] = [
    ("GET", "/health", {}, OPEN),
    ("GET", "/ready", {}, OPEN),
    ("GET", "/openapi.json", {}, OPEN),
    ("POST", "/search", {"query": "kettle", "namespace": ANN}, READ),
    ("POST", "/context", {"query": "kettle", "namespace": ANN}, READ),
    ("POST", "/explain", {"query": "kettle", "namespace": ANN}, READ),
    ("POST", "/compare", {"query": "kettle", "recipes": ["engrams"], "namespace": ANN}, READ),
    ("POST", "/tokens", {"texts": ["kettle"]}, READ),
    ("GET", "/memories", {"namespace": ANN}, READ),
    ("GET", "/memories/{id}", {}, READ),
    ("GET", "/memories/{id}/history", {}, READ),
    ("GET", "/memories/{id}/around", {}, READ),
    ("GET", "/log", {"namespace": ANN}, READ),
    ("GET", "/timeline", {"namespace": ANN}, READ),
    ("GET", "/stats", {"namespace": ANN}, READ),
    ("GET", "/export", {"namespace": ANN}, READ),
    ("GET", "/namespaces", {}, READ),
    ("GET", "/recipes", {}, READ),
    ("GET", "/jobs", {}, READ),
    ("GET", "/rules", {}, READ),
    ("POST", "/retention", {}, READ),
    ("POST", "/memories", {"messages": "a cup", "namespace": ANN}, WRITE),
    ("POST", "/memories/bulk", {"messages": ["a cup"], "namespace": ANN}, WRITE),
    ("PUT", "/memories/{id}", {"content": "the new kettle"}, WRITE),
    ("POST", "/memories/{id}/undo", {}, WRITE),
    ("POST", "/memories/{id}/pin", {}, WRITE),
    ("POST", "/memories/{id}/unpin", {}, WRITE),
    ("POST", "/feedback", {"query": "kettle", "chosen": ["{id}"], "namespace": ANN}, WRITE),
    ("POST", "/consolidate", {"namespace": ANN}, WRITE),
    ("POST", "/jobs", {"kind": "consolidate", "namespace": ANN}, WRITE),
    ("GET", "/stats", {}, ADMIN),
    ("GET", "/export", {}, ADMIN),
    ("GET", "/metrics", {}, ADMIN),
    ("GET", "/spent", {}, ADMIN),
    ("GET", "/costs", {}, READ),
    ("GET", "/estimate", {}, READ),
    ("GET", "/check", {}, ADMIN),
    ("GET", "/audit", {}, ADMIN),
    ("GET", "/audit/verify", {}, ADMIN),
    ("GET", "/keys", {}, ADMIN),
    ("POST", "/keys", {"name": "k", "rights": {"*": "admin"}}, ADMIN),
    ("PUT", "/rules", {"namespace": ANN, "max_events": 1000}, ADMIN),
    ("POST", "/rebuild", {}, ADMIN),
    ("POST", "/rebuild", {"wait": True}, ADMIN),
    ("POST", "/jobs", {"kind": "catch-up"}, ADMIN),
    ("DELETE", "/memories/{id}", {}, WRITE),
    ("DELETE", "/memories", {"namespace": ANN}, WRITE),
]
RIGHTS = {"nobody": OPEN, "stranger": OPEN, "bob": OPEN, "reader": READ, "writer": WRITE, "chief": ADMIN}
ORDER = (OPEN, READ, WRITE, ADMIN)
#: What any key may ask: it speaks of nobody's memories, or shows and does as much as the key may.
ANY_KEY = {
    ("POST", "/tokens"), ("GET", "/namespaces"), ("GET", "/recipes"), ("GET", "/jobs"), ("GET", "/rules"),
    ("GET", "/costs"), ("GET", "/estimate"),
    ("POST", "/retention"),
}  # fmt: skip


@pytest.fixture(scope="module")
def memory() -> Iterator[Memory]:
    with Memory.open(":memory:", embedder="none") as opened:
        yield opened


@pytest.fixture(scope="module")
def keys(memory: Memory) -> dict[str, str]:
    rights = {
        "bob": {BOB: "write"}, "reader": {ANN: "read"}, "writer": {ANN: "write"}, "chief": {"*": "admin"},
    }  # fmt: skip
    made = {name: memory.create_key(name, right).secret or "" for name, right in rights.items()}
    revoked = memory.create_key("gone", {"*": "admin"})
    memory.revoke_key(revoked.id)
    return {**made, "stranger": revoked.secret or ""}


@pytest.fixture(scope="module")
def rest(memory: Memory) -> Iterator[TestClient]:
    with TestClient(create_app(memory, keys=True)) as client:
        yield client


def asked(rest: TestClient, key: str | None, method: str, path: str, given: dict[str, Any], id: str) -> Any:
    given = {k: [id] if v == ["{id}"] else v for k, v in given.items()}
    sent: dict[str, Any] = {"params": given} if method in ("GET", "DELETE") else {"json": given}
    if method == "POST" and not given:
        sent = {}
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return rest.request(method, path.replace("{id}", id), headers=headers, **sent)


@pytest.mark.parametrize(("method", "path", "given", "least"), PATHS, ids=lambda v: str(v)[:40])
def test_a_path_opens_to_those_with_the_right(
    rest: TestClient,
    memory: Memory,
    keys: dict[str, str],
    method: str,
    path: str,
    given: dict[str, Any],
    least: str,
) -> None:
    id = ""
    for who, right in RIGHTS.items():
        if not id or method == "DELETE":
            id = memory.add("the kettle of ann", namespace=ANN).event_ids[0]
            memory.update(id, "the old kettle of ann")
        before = memory.stats().events
        told = asked(rest, keys.get(who), method, path, given, id)
        allowed = ORDER.index(right) >= ORDER.index(least) or (who == "bob" and (method, path) in ANY_KEY)
        if allowed:
            assert told.status_code < 300, (who, told.text)
            continue
        assert memory.stats().events == before, who
        if who in ("nobody", "stranger"):
            assert (told.status_code, told.headers["www-authenticate"]) == (401, "Bearer"), who
        else:  # an id of somebody else's looks like one that does not exist
            assert told.status_code in ((403, 404) if "{id}" in path or path == "/feedback" else (403,)), who
        assert told.json()["error"]["type"] in ("Denied", "NotFound")


def test_every_path_of_the_openapi_is_in_the_matrix(rest: TestClient) -> None:
    paths = rest.get("/openapi.json").json()["paths"]
    there = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    uploads = {("POST", "/import"), ("POST", "/restore")}
    by_id = {("DELETE", "/keys/{id}"), ("DELETE", "/jobs/{id}"), ("POST", "/jobs/{id}/retry")}
    walked = {(method, path) for method, path, _, _ in PATHS}
    assert there - walked - uploads - by_id == set()


def test_files_need_the_right_to_write(rest: TestClient, keys: dict[str, str], memory: Memory) -> None:
    chat = b'{"role": "user", "content": "Hello there."}\n'
    for who, status in {"nobody": 401, "stranger": 401, "bob": 403, "reader": 403, "writer": 201}.items():
        headers = {"X-API-Key": keys[who]} if who in keys else {}
        told = rest.post(
            "/import", params={"namespace": ANN, "name": f"{who}.jsonl"}, content=chat, headers=headers
        )
        assert told.status_code == status, who
    with Memory.open(":memory:", embedder="none") as other, TestClient(create_app(other)) as there:
        other.add("a letter", namespace=ANN)
        file = there.get("/export").content
    for who, status in {"nobody": 401, "bob": 403, "reader": 403, "writer": 200}.items():
        headers = {"X-API-Key": keys[who]} if who in keys else {}
        assert rest.post("/restore", content=file, headers=headers).status_code == status, who


def test_jobs_and_keys_by_id(rest: TestClient, keys: dict[str, str], memory: Memory) -> None:
    job = memory.schedule("consolidate", namespace="acme/carl") or ""
    for who in ("bob", "reader", "writer"):
        headers = {"X-API-Key": keys[who]}
        assert rest.delete(f"/jobs/{job}", headers=headers).status_code == 404
        assert rest.post(f"/jobs/{job}/retry", headers=headers).status_code == 404
        assert rest.delete("/keys/x", headers=headers).status_code == 403
    chief = {"X-API-Key": keys["chief"]}
    assert rest.post(f"/jobs/{job}/retry", headers=chief).status_code == 200
    assert rest.delete(f"/jobs/{job}", headers=chief).status_code == 200
    made = rest.post("/keys", json={"name": "late", "rights": {ANN: "read"}}, headers=chief).json()
    late = {"Authorization": f"bearer {made['secret']}"}
    assert rest.get("/stats", params={"namespace": ANN}, headers=late).status_code == 200
    assert rest.delete(f"/keys/{made['id']}", headers=chief).status_code == 200
    assert rest.get("/stats", params={"namespace": ANN}, headers=late).status_code == 401
    listed = rest.get("/keys", headers=chief).json()["keys"]
    assert all(key["secret"] is None for key in listed)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic abc"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"X-API-Key": ""},
        {"X-API-Key": "engrams__"},
        {"Authorization": "Bearer \xff\xfe"},
    ],
)
def test_what_is_no_key(rest: TestClient, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    told = rest.post("/search", json={"query": "x", "namespace": ANN}, headers=raw)  # type: ignore[arg-type]
    assert told.status_code == 401


def test_what_the_key_did_stands_in_the_audit(rest: TestClient, keys: dict[str, str], memory: Memory) -> None:
    rest.post(
        "/memories", json={"messages": "a saucer", "namespace": ANN}, headers={"X-API-Key": keys["writer"]}
    )
    chief = {"X-API-Key": keys["chief"]}
    rows = rest.get("/audit", params={"limit": 1000}, headers=chief).json()["items"]
    id = keys["writer"].split("_")[1]
    assert rows[-1]["actor"].endswith(f"key:{id}")
