"""The OpenAPI: what it says of every path, and requests made from it by the thousand, which never fail on the server's side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.python import asgi
from schemathesis.specs.openapi import checks as openapi

from engrams import Memory
from engrams.serve.rest.app import create_app
from engrams.serve.rest.limits import Limits

#: Requests made for each path, that fit the schema and that do not.
EXAMPLES = 5
#: What holds for every answer. Left out: that whatever fits the schema is taken (a time, a path or a filter has a meaning
#: that no schema holds), and what needs several requests.
HOLDS = (
    not_a_server_error, openapi.status_code_conformance, openapi.content_type_conformance,
    openapi.response_headers_conformance, openapi.response_schema_conformance,
)  # fmt: skip
#: What holds for bodies besides: of a query parameter that is given twice, the last counts.
HOLDS_OF_BODIES = (openapi.negative_data_rejection,)


@pytest.fixture(scope="module")
def memory() -> Iterator[Memory]:
    with Memory.open(":memory:", embedder="none") as opened:
        opened.add("The kettle is in the kitchen.", user_id="ada")
        yield opened


def test_requests_made_from_it_never_fail_on_the_servers_side(memory: Memory) -> None:
    app = create_app(memory, limits=Limits(rate=1e6, burst=10**6))
    asked: dict[str, int] = {}
    failed: dict[str, str] = {}
    with asgi.get_client(app, max_stream_events=100) as client:
        for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations():
            operation = found.ok()
            modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]

            @given(st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]))
            @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
            def ask(case: Any) -> None:
                asked[case.operation.label] = asked.get(case.operation.label, 0) + 1
                more = HOLDS_OF_BODIES if case.operation.method.lower() in ("post", "put") else ()
                case.validate_response(case.call(session=client), checks=[*HOLDS, *more])

            try:
                ask()
            except (Exception, FailureGroup) as error:
                failed[operation.label] = "\n".join(map(str, getattr(error, "exceptions", [error])))
    assert failed == {}
    assert len(asked) > 40
    assert sum(asked.values()) > 3 * len(asked)


def described(memory: Memory) -> dict[str, Any]:
    return create_app(memory).openapi()


def test_every_path_says_what_it_does_and_what_it_answers(memory: Memory) -> None:
    api = described(memory)
    ids = []
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            ids.append(operation["operationId"])
            assert operation["description"], where
            assert operation["tags"], where
            assert any(status.startswith("2") for status in operation["responses"]), where
            for parameter in operation.get("parameters", []):
                assert parameter["schema"], where
    assert len(ids) == len(set(ids))
    for name, response in api["components"]["responses"].items():
        example = response["content"]["application/json"]["example"]
        assert set(example["error"]) == {"type", "message"}, name
    assert set(api["components"]["securitySchemes"]) == {"HTTPBearer", "APIKeyHeader"}
    assert "HTTPValidationError" not in json.dumps(api)


def test_the_examples_of_bodies_are_taken(memory: Memory) -> None:
    from starlette.testclient import TestClient

    api = described(memory)
    tried = 0
    with TestClient(create_app(memory)) as rest:
        for path, methods in api["paths"].items():
            content = (
                methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
            )
            if content is None or "{" in path or path == "/feedback":  # which speaks of hits of a search
                continue
            held = content["schema"].get("anyOf", [content["schema"]])[0]
            body = api["components"]["schemas"][held["$ref"].rsplit("/", 1)[1]]
            given = {
                name: part["examples"][0] for name, part in body["properties"].items() if part.get("examples")
            }
            if not set(body.get("required", ())) <= set(given):
                pytest.fail(f"{path}: no example of {set(body['required']) - set(given)}")
            tried += 1
            assert rest.post(path, json=given).status_code < 300, (
                path,
                given,
                rest.post(path, json=given).text,
            )
    assert tried > 10
