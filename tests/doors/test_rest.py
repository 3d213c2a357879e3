"""The REST server in process: what each path does, says and refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from engrams import Memory, errors
from engrams.errors import OUTCOMES, EngramsError, outcome
from engrams.serve.rest.app import create_app
from engrams.serve.rest.limits import Limits
from engrams.serve.rest.problems import of_error

KEY, BOAT = "The spare key is under the blue flower pot.", "We bought the boat for six hundred pounds."


@pytest.fixture(scope="module")
def opened() -> Iterator[Memory]:
    with Memory.open(":memory:", embedder="none") as memory:
        yield memory


@pytest.fixture(scope="module")
def served(opened: Memory) -> Iterator[TestClient]:
    with TestClient(create_app(opened)) as client:
        yield client


@pytest.fixture
def memory(opened: Memory) -> Memory:
    opened.reset()
    return opened


@pytest.fixture
def rest(memory: Memory, served: TestClient) -> TestClient:
    """The server over an empty memory."""
    return served


def test_a_memory_is_told_asked_corrected_and_erased(rest: TestClient) -> None:
    told = rest.post("/memories", json={"messages": KEY, "user_id": "ada", "metadata": {"topic": "house"}})
    assert told.status_code == 201
    id = told.json()["event_ids"][0]
    found = rest.post("/search", json={"query": "where is the spare key?", "user_id": "ada", "explain": True})
    assert found.status_code == 200
    [hit] = found.json()["hits"]
    assert (hit["text"], hit["event_ids"], hit["metadata"]) == (KEY, [id], {"topic": "house"})
    assert hit["signals"]
    made = rest.post(
        "/context", json={"query": "where is the spare key?", "user_id": "ada", "budget": 50}
    ).json()
    assert KEY in made["text"]
    assert made["citations"][0]["event_ids"] == [id]
    assert 0 < made["price"]["tokens"] <= 50
    listed = rest.get(
        "/memories", params={"user_id": "ada", "filters": json.dumps({"topic": "house"})}
    ).json()
    assert [item["content"] for item in listed["items"]] == [KEY]
    assert listed["next"] is None
    changed = rest.put(f"/memories/{id}", json={"content": "The neighbour has the key.", "reason": "moved"})
    assert changed.status_code == 200
    assert rest.get(f"/memories/{id}").json()["content"] == "The neighbour has the key."
    history = rest.get(f"/memories/{id}/history").json()["revisions"]
    assert [(r["change"], r["reason"]) for r in history] == [("ADD", ""), ("UPDATE", "moved")]
    assert rest.post(f"/memories/{id}/undo", json={"reason": "not so"}).status_code == 200
    assert rest.post(f"/memories/{id}/undo").status_code == 200
    assert (
        rest.post(f"/memories/{id}/pin").status_code == rest.post(f"/memories/{id}/unpin").status_code == 200
    )
    assert id in rest.delete(f"/memories/{id}", params={"reason": "sold"}).json()["events"]
    assert rest.get(f"/memories/{id}").status_code == 404


def test_every_path_is_there_below_v1_too(rest: TestClient) -> None:
    assert rest.post("/v1/memories", json={"messages": KEY}).status_code == 201
    assert len(rest.post("/v1/search", json={"query": "key"}).json()["hits"]) == 1
    assert rest.get("/v1/health").json() == rest.get("/health").json()


def test_a_list_comes_in_pages(rest: TestClient) -> None:
    assert rest.post("/memories/bulk", json={"messages": [f"{BOAT} {n}" for n in range(5)]}).json() == {
        "written": 5
    }
    seen, cursor = [], None
    while True:
        page = rest.get("/memories", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["content"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"{BOAT} {n}" for n in range(5)]
    journal = rest.get("/log", params={"limit": 1, "newest_first": "true"}).json()
    assert [event["content"] for event in journal["items"]] == [f"{BOAT} 4"]


def test_an_idempotency_key_says_it_once(rest: TestClient, memory: Memory) -> None:
    asked: dict[str, Any] = {"json": {"messages": KEY}, "headers": {"Idempotency-Key": "k1"}}
    first, second = rest.post("/memories", **asked), rest.post("/memories", **asked)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == {**first.json(), "repeated": True}
    third = rest.post("/memories", json={"messages": KEY, "idempotency_key": "k1"})
    assert third.json()["repeated"]
    assert memory.stats().events == 1


def test_a_rebuild_is_a_job_unless_it_is_waited_for(rest: TestClient, memory: Memory) -> None:
    rest.post("/memories", json={"messages": KEY})
    later = rest.post("/rebuild", json={"recipe": "bm25"})
    assert later.status_code == 202
    [job] = rest.get("/jobs", params={"state": "waiting"}).json()["jobs"]
    assert (job["id"], job["kind"], job["recipe"]) == (later.json()["id"], "rebuild", "bm25")
    assert rest.post("/rebuild", json={"recipe": "bm25"}).json() == {"id": None}
    assert rest.delete(f"/jobs/{job['id']}").json() == {"id": job["id"]}
    now = rest.post("/rebuild", json={"recipe": "bm25", "wait": True})
    assert (now.status_code, now.json()["recipe"], memory.recipe.name) == (200, "bm25", "bm25")
    current = [r["name"] for r in rest.get("/recipes").json()["recipes"] if r["current"]]
    assert current == ["bm25"]
    memory.rebuild("engrams")


def test_everything_is_erased_only_where_it_is_named(rest: TestClient, memory: Memory) -> None:
    memory.add(KEY)
    refused = rest.delete("/memories")
    assert (refused.status_code, refused.json()["error"]["type"]) == (422, "UsageError")
    assert memory.stats().events == 1
    assert len(rest.delete("/memories", params={"namespace": "default"}).json()["events"]) == 1


def test_an_export_comes_back_as_it_was(rest: TestClient, memory: Memory) -> None:
    memory.add([KEY, BOAT], user_id="ada")
    memory.add(KEY, user_id="ben")
    lines = rest.get("/export", params={"user_id": "ada"}).text.splitlines()
    assert [json.loads(line).get("content") for line in lines] == [None, KEY, BOAT, None]
    whole = rest.get("/export")
    assert whole.headers["content-type"].startswith("application/x-ndjson")
    with Memory.open(":memory:", embedder="none") as other, TestClient(create_app(other)) as there:
        assert there.post("/restore", content=whole.content).json() == {"restored": 3}
        assert sorted(other.namespaces()) == ["ada", "ben"]
        cut = there.post("/restore", content=whole.content[:-10])
        assert (cut.status_code, cut.json()["error"]["type"]) == (415, "UnknownFormat")
        assert cut.json()["error"]["message"].startswith("export.jsonl: ")


def test_an_import_is_told_apart_by_its_content(rest: TestClient) -> None:
    chat = b'{"role": "user", "content": "Hello there."}\n{"role": "assistant", "content": "Hello."}\n'
    done = rest.post("/import", params={"user_id": "ada", "name": "chat.jsonl"}, content=chat)
    assert done.status_code == 201
    assert (done.json()["path"], done.json()["written"]) == ("chat.jsonl", 2)
    for name in ("../up", "", "a/b", "x" * 300, "two\nlines"):
        assert rest.post("/import", params={"name": name}, content=chat).status_code == 422
    odd = rest.post("/import", content=b"\x00\x01")
    assert (odd.status_code, "/tmp" in odd.text) == (415, False)


def test_figures_are_prometheus_s(memory: Memory) -> None:
    with TestClient(create_app(memory)) as rest:
        rest.post("/memories", json={"messages": KEY})
        rest.get("/memories/nothing")
        rest.request("BREW", "/memories")
        shown = rest.get("/metrics")
    assert shown.headers["content-type"].startswith("text/plain")
    for line in (
        'engrams_requests_total{method="POST",path="/memories",status="201"} 1.0',
        'engrams_requests_total{method="GET",path="/memories/{id}",status="404"} 1.0',
        'engrams_requests_total{method="other",path="/memories",status="405"} 1.0',
        'engrams_memory{what="events"} 1.0',
        'engrams_memory_kinds{kind="passage"} 1.0',
        'engrams_jobs{state="waiting"} 0.0',
        'engrams_request_seconds_count{method="POST",path="/memories"} 1.0',
    ):
        assert line in shown.text.splitlines()


def test_it_lives_and_it_is_ready(rest: TestClient, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rest.get("/ready").json()["status"] == "ok"

    def gone(*_: object, **__: object) -> None:
        raise errors.Unavailable("the database cannot be reached")

    monkeypatch.setattr(memory, "log", gone)
    assert rest.get("/health").status_code == 200
    assert (rest.get("/ready").status_code, rest.get("/ready").json()["error"]["type"]) == (
        503,
        "Unavailable",
    )


# --- errors


def every_error() -> list[type[EngramsError]]:
    found, waiting = [], [EngramsError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += [k for k in kind.__subclasses__() if k.__module__ == "engrams.errors"]
    return found


def example(kind: type[EngramsError]) -> EngramsError:
    made = kind.__new__(kind)
    Exception.__init__(made, "what was found; what works")
    return made


@pytest.mark.parametrize("kind", every_error(), ids=lambda k: k.__name__)
def test_every_error_is_answered_by_the_one_table(
    kind: type[EngramsError], rest: TestClient, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise example(kind)

    monkeypatch.setattr(memory, "search", failing)
    told = rest.post("/search", json={"query": "x"})
    assert told.status_code == outcome(kind).http_status
    assert told.json()["error"]["type"] == kind.__name__
    assert told.json()["error"]["message"] == "what was found; what works"


def test_every_status_of_the_table_is_in_the_openapi(rest: TestClient) -> None:
    paths = rest.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for operation in methods.values():
            wanted = {o.http_status for o in OUTCOMES.values()} - (set() if "{" in path else {404})
            assert {str(status) for status in wanted} <= set(operation["responses"]), path


def test_errors_carry_what_they_know() -> None:
    cases: list[tuple[EngramsError, dict[str, Any]]] = [
        (errors.UnknownName("recipe", "bm52", ["bm25", "engrams"]), {"nearest": ["bm25"]}),
        (errors.BadSetting("k", 0, "1 or more"), {"key": "k", "expected": "1 or more", "origin": "argument"}),
        (errors.NeedsExtra("this", "dates"), {"extra": "dates"}),
        (errors.OverBudget("quota", 1, 2), {"limit": 1, "spent": 2}),
        (errors.RateLimited("slow down", 1.5), {"retry_after": 1.5}),
        (errors.StepFailed("engrams", "read", "ByWords", ["e"], ValueError("x")), {"step": "ByWords"}),
    ]
    for error, carried in cases:
        told = json.loads(bytes(of_error(error).body))["error"]
        assert told["message"] == str(error)
        assert carried.items() <= told.items()
    assert of_error(errors.RateLimited("slow down", 1.5)).headers["retry-after"] == "2"
    assert of_error(errors.Busy("locked")).headers["retry-after"] == "1"


def test_the_unexpected_tells_nothing_of_the_inside(
    rest: TestClient, memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(memory, "search", failing)
    told = rest.post("/search", json={"query": "x"})
    assert told.status_code == 500
    assert "secret" not in told.text
    mark = told.json()["error"]["message"].rsplit(" ", 1)[1]
    assert mark in caplog.text
    assert "a secret" in caplog.text


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "the body is no JSON"),
        (b"", 422, "body"),
        (b"[]", 422, "body"),
        (b'{"query": "x", "querry": "y"}', 422, "querry (body)"),
        (b'{"query": ""}', 422, "query"),
        (b'{"query": "x", "k": "5"}', 422, "k (body)"),
        (b'{"query": "x", "k": 0}', 422, "k (body)"),
        (b'{"query": "x", "since": "yesterday"}', 422, "since (argument)"),
        (b'{"query": "x", "namespace": "a//b"}', 422, "namespace"),
        (b'{"query": "x", "filters": {"a": {"about": 1}}}', 422, "about"),
        (b"[" * 100_000, 400, "body"),
        (b'{"query": "\\ud800"}', 422, "query"),
    ],
)
def test_what_cannot_be_read_is_said(rest: TestClient, body: bytes, status: int, says: str) -> None:
    told = rest.post("/search", content=body, headers={"content-type": "application/json"})
    assert told.status_code == status
    assert says in told.json()["error"]["message"]


def test_what_is_not_there_is_said_in_the_same_form(rest: TestClient) -> None:
    for path in ("/nothing", "/memories/", "/memories/x", "/memories/a/b", "/v1/nothing", "/docs"):
        told = rest.get(path)
        assert (told.status_code, told.json()["error"]["type"]) == (404, "NotFound")
    wrong = rest.patch("/memories/x")
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (405, "UsageError")
    assert "GET" in wrong.headers["allow"] or "PUT" in wrong.headers["allow"]


# --- sizes, rates, places


def test_a_body_has_a_bound(memory: Memory) -> None:
    with TestClient(create_app(memory, limits=Limits(body_bytes=1000, upload_bytes=2000))) as rest:
        large = b'{"messages": "' + b"x" * 1000 + b'"}'
        told = rest.post("/memories", content=large, headers={"content-type": "application/json"})
        assert (told.status_code, told.json()["error"]["type"]) == (413, "UsageError")
        parts = rest.post(
            "/memories",
            content=iter([large[:500], large[500:]]),
            headers={"content-type": "application/json"},
        )
        assert parts.status_code == 413
        assert rest.post("/import", content=b"x" * 2001).status_code == 413
        assert rest.post("/import", content=b"Ada: hello\nBen: hello\n" * 50).status_code in (201, 415)
        assert memory.stats(namespace="default").events != 1


def test_a_rate_has_a_bound_for_each_caller(memory: Memory) -> None:
    keys = [memory.create_key(name, {"*": "admin"}).secret for name in ("one", "two")]
    app = create_app(memory, keys=True, limits=Limits(rate=0.001, burst=2))
    with TestClient(app) as rest:
        answers = [rest.get("/stats", headers={"X-API-Key": str(keys[0])}) for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert answers[2].json()["error"]["type"] == "RateLimited"
        assert int(answers[2].headers["retry-after"]) > 900
        assert rest.get("/stats", headers={"X-API-Key": str(keys[1])}).status_code == 200
        assert rest.get("/health").status_code == 200


def test_pages_of_other_sites_may_not_use_it(memory: Memory) -> None:
    memory.add(KEY)
    there = {"Origin": "https://evil.example"}
    with TestClient(create_app(memory)) as rest:
        for origin in ("https://evil.example", "null", "http://testserver.evil.example"):
            told = rest.delete("/memories", params={"namespace": "default"}, headers={"Origin": origin})
            assert (told.status_code, told.json()["error"]["type"]) == (403, "Denied")
        assert memory.stats().events == 1
        assert (
            rest.post("/search", json={"query": "key"}, headers={"Origin": "http://testserver"}).status_code
            == 200
        )
        seen = rest.get("/stats", headers=there)
        assert "access-control-allow-origin" not in seen.headers  # so the browser keeps it from the page
        asked = rest.options("/memories", headers={**there, "Access-Control-Request-Method": "POST"})
        assert "access-control-allow-origin" not in asked.headers
    with TestClient(create_app(memory, cors=["https://app.example"])) as rest:
        here = {"Origin": "https://app.example"}
        told = rest.post("/search", json={"query": "key"}, headers=here)
        assert (told.status_code, told.headers["access-control-allow-origin"]) == (200, "https://app.example")
        asked = rest.options("/memories", headers={**here, "Access-Control-Request-Method": "POST"})
        assert asked.status_code == 200
        assert rest.post("/search", json={"query": "key"}, headers=there).status_code == 403


def test_it_is_asked_under_its_own_names(memory: Memory) -> None:
    with TestClient(create_app(memory, hosts={"localhost", "::1"})) as rest:
        for host, status in {
            "localhost": 200, "localhost:80": 200, "[::1]:80": 200, "evil.example": 403, "": 403, "[::1": 403,
        }.items():  # fmt: skip
            assert rest.get("/stats", headers={"Host": host}).status_code == status, host
