"""The wire protocol of OpenAI's embeddings: what is sent, what is understood, what is tried again, what is raised."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from engrams.errors import BadSetting, RateLimited, Refused, Unreachable, Unreadable
from engrams.models.embedder_openai import BATCH_CHARACTERS, FIRST_WAIT, LONGEST_WAIT, OpenAIEmbedder
from tests.rooms.models.embeddings_server import EmbeddingsServer, Reply, numbers, serving

KEY = "key-of-a-test"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingsServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


class Waits(list[float]):
    """Sleeps without sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def unit(values: list[float]) -> Any:
    return pytest.approx(np.array(values) / np.linalg.norm(values), abs=1e-6)


def test_what_is_sent(server: EmbeddingsServer) -> None:
    asked = OpenAIEmbedder(server.url + "/", "small", KEY, dimensions=4, headers={"X-Team": "7"})
    (row,) = asked.embed(["hello"])
    assert row == unit(numbers("hello")[:4])
    assert server.asked == [{"model": "small", "input": ["hello"], "dimensions": 4}]
    assert server.paths == ["/v1/embeddings"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert server.headers[0]["X-Team"] == "7"
    assert asked.fingerprint == "openai:small:4"


def test_without_a_key_none_is_sent(server: EmbeddingsServer) -> None:
    OpenAIEmbedder(server.url, "small").embed(["hello"])
    assert "Authorization" not in server.headers[0]


def test_batches_by_number_and_by_size(server: EmbeddingsServer) -> None:
    embedder = OpenAIEmbedder(server.url, "small", batch=3, longest=BATCH_CHARACTERS)
    embedder.embed(list("abcdefg"))
    assert [len(body["input"]) for body in server.asked] == [3, 3, 1]
    server.asked.clear()
    large = "x" * (BATCH_CHARACTERS // 2 + 1)
    embedder.embed([large, large, "small"])
    assert [len(body["input"]) for body in server.asked] == [1, 2]


def test_what_a_server_would_refuse_is_not_sent(server: EmbeddingsServer) -> None:
    OpenAIEmbedder(server.url, "small", longest=5).embed(["too long a text", " ", "a\ud800b"])
    assert server.asked[0]["input"] == ["too l", ".", "a?b"]


def test_dimensions_are_learnt_once(server: EmbeddingsServer) -> None:
    embedder = OpenAIEmbedder(server.url, "small")
    assert (embedder.dimensions, embedder.dimensions) == (8, 8)
    assert len(server.asked) == 1


def test_base64_is_understood(server: EmbeddingsServer) -> None:
    packed = base64.b64encode(np.array([3, 4], "<f4").tobytes()).decode()
    server.replies.append(Reply(body=json.dumps({"data": [{"index": 0, "embedding": packed}]}).encode()))
    assert OpenAIEmbedder(server.url, "small").embed(["x"])[0] == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529, 0])
def test_what_may_pass_is_tried_again(server: EmbeddingsServer, status: int) -> None:
    waits = Waits()
    server.replies += [Reply(status), Reply(status)]
    (row,) = OpenAIEmbedder(server.url, "small", sleep=waits).embed(["hello"])
    assert row == unit(numbers("hello"))
    assert len(server.asked) == 3
    assert 0 <= waits[0] <= FIRST_WAIT
    assert 0 <= waits[1] <= 2 * FIRST_WAIT


def test_the_server_says_how_long_to_wait(server: EmbeddingsServer) -> None:
    waits = Waits()
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    server.replies += [
        Reply(429, headers={"Retry-After": "7"}),
        Reply(503, headers={"Retry-After": at}),
        Reply(429, headers={"Retry-After": "soon"}),
    ]
    OpenAIEmbedder(server.url, "small", sleep=waits).embed(["hello"])
    assert waits[0] == 7
    assert 0 < waits[1] <= 20
    assert waits[2] <= LONGEST_WAIT


def test_told_to_slow_down_to_the_end(server: EmbeddingsServer) -> None:
    waits = Waits()
    server.replies += [Reply(429, b'{"error": "slow down"}', {"Retry-After": "3"})] * 2
    with pytest.raises(RateLimited, match="slow down") as raised:
        OpenAIEmbedder(server.url, "small", attempts=2, sleep=waits).embed(["hello"])
    assert raised.value.retry_after == 3
    assert waits == [3]


def test_a_long_wait_is_the_callers_to_take(server: EmbeddingsServer) -> None:
    waits = Waits()
    server.replies.append(Reply(429, headers={"Retry-After": "3600"}))
    with pytest.raises(RateLimited, match="3600 seconds") as raised:
        OpenAIEmbedder(server.url, "small", sleep=waits).embed(["hello"])
    assert raised.value.retry_after == 3600
    assert waits == []
    assert len(server.asked) == 1


def test_a_server_that_fails_to_the_end(server: EmbeddingsServer) -> None:
    server.replies += [Reply(500, b"boom")] * 3
    with pytest.raises(Unreachable, match=r"500: boom.*3 times"):
        OpenAIEmbedder(server.url, "small", attempts=3, sleep=Waits()).embed(["hello"])
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_refusal_is_not_tried_again(server: EmbeddingsServer, status: int) -> None:
    server.replies.append(Reply(status, b'{"error": {"message": "no such model"}}'))
    with pytest.raises(Refused, match="no such model") as raised:
        OpenAIEmbedder(server.url, "small", KEY, sleep=Waits()).embed(["hello"])
    assert len(server.asked) == 1
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(server: EmbeddingsServer, status: int) -> None:
    server.replies.append(Reply(status, headers={"Location": server.url + "/elsewhere"}))
    with pytest.raises(Refused, match="final address"):
        OpenAIEmbedder(server.url, "small", KEY).embed(["hello"])
    assert server.paths == ["/v1/embeddings"]


def test_nobody_answers(server: EmbeddingsServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    waits = Waits()
    with pytest.raises(Unreachable, match=r"in 3 attempts.*refused"):
        OpenAIEmbedder(f"http://127.0.0.1:{port}/v1", "small", attempts=3, sleep=waits).embed(["hello"])
    assert len(waits) == 2


def test_silence_ends_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(Unreachable, match=r"timed out|TimeoutError"):
            OpenAIEmbedder(url, "small", attempts=1, timeout=0.05).embed(["hello"])


BAD_ANSWERS = {
    "no JSON": b"<html>proxy</html>",
    "an error with status 200": b'{"error": "overloaded"}',
    "no list": b'{"data": 7}',
    "too few": b'{"data": [{"index": 0, "embedding": [1, 2]}]}',
    "one twice": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 0, "embedding": [1, 2]}]}',
    "a place that is none": b'{"data": [{"index": "0", "embedding": [1]}, {"index": 1, "embedding": [1]}]}',
    "two lengths": b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1]}]}',
    "no numbers": b'{"data": [{"index": 0, "embedding": [null]}, {"index": 1, "embedding": [1]}]}',
    "not finite": b'{"data": [{"index": 0, "embedding": [NaN]}, {"index": 1, "embedding": [1]}]}',
    "no direction": b'{"data": [{"index": 0, "embedding": [0]}, {"index": 1, "embedding": [1]}]}',
    "broken base64": b'{"data": [{"index": 0, "embedding": "@@"}, {"index": 1, "embedding": [1]}]}',
    "nothing": b"",
}


@pytest.mark.parametrize("body", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_an_answer_that_cannot_be_read(server: EmbeddingsServer, body: bytes) -> None:
    server.replies.append(Reply(body=body))
    with pytest.raises(Unreadable) as raised:
        OpenAIEmbedder(server.url, "small").embed(["one", "two"])
    assert isinstance(raised.value.raw, str)


def test_dimensions_that_change_are_an_error(server: EmbeddingsServer) -> None:
    embedder = OpenAIEmbedder(server.url, "small", dimensions=4)
    server.replies.append(Reply(body=b'{"data": [{"index": 0, "embedding": [1, 2]}]}'))
    with pytest.raises(Unreadable, match=r"2 dimensions, 4 were expected"):
        embedder.embed(["hello"])


@pytest.mark.parametrize(
    ("url", "arguments", "match"),
    [
        ("file:///etc/passwd", {}, "base_url"),
        ("localhost:11434", {}, "base_url"),
        ("http://", {}, "base_url"),
        ("http://host:port/v1", {}, "base_url"),
        ("http://host/v 1", {}, "base_url"),
        ("http://ada:secret@host/v1", {}, "api_key"),
        ("http://host", {"model": " "}, "model"),
        ("http://host", {"api_key": "a\nb"}, "Authorization"),
        ("http://host", {"headers": {"X": "ä"}}, "header X"),
        ("http://host", {"batch": 0}, "batch"),
        ("http://host", {"attempts": 0}, "attempts"),
        ("http://host", {"timeout": 0}, "timeout"),
        ("http://host", {"dimensions": -1}, "dimensions"),
    ],
)
def test_settings_out_of_range(url: str, arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(BadSetting, match=match) as raised:
        OpenAIEmbedder(url, **({"model": "small"} | arguments))
    assert "secret" not in str(raised.value)


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(OpenAIEmbedder("http://host/v1", "small", KEY))
