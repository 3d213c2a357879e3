"""The proxy between the vendor's own client and a scripted model: real servers, real HTTP."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from engrams import Memory
from engrams.errors import BadSetting, Busy
from engrams.models.scripted import ScriptedServer
from engrams.models.scripted_wire import Heard, Said
from engrams.serve.fence import CLOSE, OPEN
from engrams.serve.proxy.app import create_app
from tests.doors.rest_server import running

KEY, BOAT = "The spare key is under the blue flower pot.", "We bought the boat for six hundred pounds."
ASKED = "Where is the spare key?"


class Upstream:
    """A scripted model whose script a test sets."""

    def __init__(self) -> None:
        self.script: Callable[[Heard], Said] = lambda heard: Said("Under the pot.")
        self.server = ScriptedServer(lambda heard: self.script(heard)).start()

    @property
    def heard(self) -> list[Heard]:
        return self.server.heard


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.server.stop()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "m.db", embedder="none") as opened:
        yield opened


@pytest.fixture
def proxy(upstream: Upstream, memory: Memory) -> Iterator[str]:
    with running(create_app(memory, upstream.server.url, hosts={"127.0.0.1"}, patience=60)) as url:
        yield url


@pytest.fixture
def client(proxy: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="upstream-key", base_url=f"{proxy}/v1", max_retries=0) as made:
        yield made


def chat(client: openai.OpenAI, *texts: str, **more: Any) -> Any:
    """One call with the turns of a conversation, a person's first."""
    roles = ("user", "assistant")
    messages: Any = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
    return client.chat.completions.with_raw_response.create(model="m", messages=messages, **more)


def remembered(memory: Memory, count: int, **scope: Any) -> list[tuple[str, str]]:
    """What is journalled, once so much of it is: the proxy remembers after it has answered."""
    waiting = threading.Event()
    for _ in range(1000):
        found = [(event.role, event.content) for event in memory.log(**scope)]
        if len(found) >= count:
            return found
        waiting.wait(0.02)
    raise AssertionError(f"{count} turns were expected, {found} are there")


def cost(raw: Any) -> dict[str, str]:
    return dict(part.split("=") for part in raw.headers["x-engrams-context"].split("; "))


def test_what_is_known_goes_along_and_what_was_said_stays(
    client: Any, upstream: Upstream, memory: Memory
) -> None:
    memory.add(KEY)
    memory.add(BOAT)
    raw = chat(client, ASKED)
    assert raw.parse().choices[0].message.content == "Under the pot."
    told = upstream.heard[0].last
    assert told.startswith(OPEN)
    assert told.endswith(f"{CLOSE}\n\n{ASKED}")
    assert KEY in told
    found = cost(raw)
    assert int(found["memories"]) >= 1
    assert 0 < int(found["tokens"]) <= 1000
    assert memory.count_tokens([told.removesuffix(f"\n\n{ASKED}")]) == [int(found["tokens"])]
    assert remembered(memory, 4)[2:] == [("user", ASKED), ("assistant", "Under the pot.")]


def test_nothing_known_changes_no_byte(proxy: str, upstream: Upstream) -> None:
    body = b'{"model":"m",  "messages":[{"role":"user","content":"Hello \\u00e4"}], "x": 1e2}'
    answer = httpx.post(f"{proxy}/v1/chat/completions", content=body)
    found = cost(answer)
    assert (found["memories"], found["tokens"], found["why"]) == ("0", "0", "nothing found")
    assert upstream.heard[0].body == json.loads(body)
    assert upstream.heard[0].headers["content-length"] == str(len(body))


def test_streams_pass_and_are_remembered(client: Any, upstream: Upstream, memory: Memory) -> None:
    memory.add(KEY)
    said = "It is under the blue flower pot, as you told me."
    upstream.script = lambda heard: Said(said)
    pieces = list(
        client.chat.completions.create(model="m", stream=True, messages=[{"role": "user", "content": ASKED}])
    )
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == said
    assert len(pieces) > 5
    assert KEY in upstream.heard[0].last
    assert remembered(memory, 3)[1:] == [("user", ASKED), ("assistant", said)]


def test_a_stream_passes_piece_by_piece(client: Any, upstream: Upstream) -> None:
    read = threading.Semaphore(0)
    waited: list[bool] = []

    def between(number: int) -> None:
        if number == 1:
            waited.append(
                read.acquire(timeout=20)
            )  # the first piece is with the client before the next is sent

    upstream.script = lambda heard: Said("one two three four", between=between)
    with client.chat.completions.create(
        model="m", stream=True, messages=[{"role": "user", "content": "Count."}]
    ) as stream:
        got = ""
        for piece in stream:
            got += piece.choices[0].delta.content or ""
            if got and not waited:
                read.release()
    assert (got, waited) == ("one two three four", [True])


def test_responses_pass_whole_and_as_streams(client: Any, upstream: Upstream, memory: Memory) -> None:
    memory.add(KEY)
    raw = client.responses.with_raw_response.create(model="m", input=ASKED, instructions="Be brief.")
    assert raw.parse().output_text == "Under the pot."
    assert int(cost(raw)["memories"]) >= 1
    assert isinstance(upstream.heard[0].body["input"], str)
    assert KEY in upstream.heard[0].body["input"]
    parts = [{"role": "user", "content": [{"type": "input_text", "text": ASKED}]}]
    with client.responses.stream(model="m", input=parts) as stream:
        assert stream.get_final_response().output_text == "Under the pot."
    given = upstream.heard[1].body["input"][0]["content"]
    assert [part["type"] for part in given] == ["input_text", "input_text"]
    assert KEY in given[0]["text"]
    assert given[1]["text"] == ASKED
    assert remembered(memory, 5)[1:] == [("user", ASKED), ("assistant", "Under the pot.")] * 2


def test_tools_pass_untouched(client: Any, upstream: Upstream, memory: Memory) -> None:
    memory.add(KEY)
    tool = {
        "type": "function",
        "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
    }
    upstream.script = lambda heard: Said("", (("look", {"at": "pot"}),))
    asked = {"role": "user", "content": ASKED}
    first = client.chat.completions.create(model="m", messages=[asked], tools=[tool], tool_choice="auto")
    call = first.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"at": "pot"}
    assert upstream.heard[0].body["tools"] == [tool]
    remembered(memory, 2)  # the question is remembered already, and is not recalled to its own conversation
    upstream.script = lambda heard: Said("It is there.")
    result = {"role": "tool", "tool_call_id": call.id, "content": "a key"}
    messages = [asked, first.choices[0].message.model_dump(exclude_none=True), result]
    client.chat.completions.create(model="m", messages=messages, tools=[tool])
    sent = upstream.heard[1].body["messages"]
    assert sent[1:] == messages[1:]
    assert (
        sent[0]["content"] == upstream.heard[0].body["messages"][0]["content"]
    )  # the provider's cache of it holds
    assert remembered(memory, 3)[1:] == [("user", ASKED), ("assistant", "It is there.")]


@pytest.mark.parametrize("stream", [False, True])
def test_a_run_of_tools_is_one_conversation(
    stream: bool, client: Any, upstream: Upstream, memory: Memory
) -> None:
    calls: list[Any] = [Said("", (("look", {"at": "pot"}),)), Said("It is there."), Said("A key.")]
    upstream.script = lambda heard: calls[len(upstream.heard) - 1]
    given: list[Any] = [{"role": "user", "content": ASKED}]
    if stream:
        with client.responses.stream(model="m", input=given) as events:
            first = events.get_final_response()
    else:
        first = client.responses.create(model="m", input=given)
    remembered(memory, 1)
    call = first.output[0]
    given += [call.model_dump(exclude_none=True, exclude={"parsed_arguments"})]
    given += [{"type": "function_call_output", "call_id": call.call_id, "output": "a key"}]
    raw = client.responses.with_raw_response.create(model="m", input=given)
    assert cost(raw)["why"] == "nothing found"
    given += [{"role": "assistant", "content": "It is there. "}, {"role": "user", "content": "What is?"}]
    client.responses.create(model="m", input=given)
    found = remembered(memory, 4)
    assert found == [
        ("user", ASKED),
        ("assistant", "It is there."),
        ("user", "What is?"),
        ("assistant", "A key."),
    ]
    assert len({event.session for event in memory.log()}) == 1


def test_a_conversation_is_remembered_once_and_not_recalled_to_itself(
    client: Any, upstream: Upstream, memory: Memory
) -> None:
    upstream.script = lambda heard: Said(f"Answer {len(upstream.heard)}.")
    first, second = "The boat has a red sail.", "What colour is the sail of the boat?"
    chat(client, first)
    remembered(memory, 2)
    raw = chat(client, first, "Answer 1.", second)
    assert cost(raw)["why"] == "nothing found"
    found = remembered(memory, 4)
    assert found == [
        ("user", first),
        ("assistant", "Answer 1."),
        ("user", second),
        ("assistant", "Answer 2."),
    ]
    sessions = {event.session for event in memory.log()}
    assert len(sessions) == 1
    memory.add("The sail of the boat was sewn in Porto.")  # without a session of its own
    assert (
        cost(chat(client, first, "Answer 1.", second, "Answer 2.", "Where was the sail sewn?"))["memories"]
        == "1"
    )
    remembered(memory, 7)
    elsewhere = chat(client, second)
    assert int(cost(elsewhere)["memories"]) >= 1  # another conversation is told of it
    assert "red sail" in upstream.heard[-1].last
    remembered(memory, 9)
    assert len({event.session for event in memory.log()}) == 3


def test_an_answer_named_before_belongs_to_its_conversation(
    client: Any, upstream: Upstream, memory: Memory
) -> None:
    first = client.responses.create(model="m", input="The boat has a red sail.")
    remembered(memory, 2)
    client.responses.create(model="m", input="And the hull is green.", previous_response_id=first.id)
    remembered(memory, 4)
    assert len({event.session for event in memory.log()}) == 1
    client.responses.create(model="m", input="Hi.", extra_headers={"X-Engrams-Session": "mine"})
    remembered(memory, 6)
    assert {event.session for event in memory.log(session="mine")} == {"mine"}


def test_each_user_has_a_memory_of_their_own(client: Any, upstream: Upstream, memory: Memory) -> None:
    memory.add(KEY, user_id="ada")
    assert cost(chat(client, ASKED, user="ben"))["memories"] == "0"
    assert cost(chat(client, ASKED, user="ada"))["memories"] == "1"
    assert cost(chat(client, ASKED, user="ben", extra_headers={"X-Engrams-User": "ada"}))["memories"] != "0"
    assert [h.body["user"] for h in upstream.heard] == [
        "ben",
        "ada",
        "ben",
    ]  # the field is the upstream's, too
    scoped = {"X-Engrams-User": "cleo", "X-Engrams-Namespace": "acme"}
    chat(client, "I like tea.", extra_headers=scoped)
    assert remembered(memory, 2, namespace="acme", user_id="cleo")[0] == ("user", "I like tea.")
    assert all(not name.startswith("x-engrams") for heard in upstream.heard for name in heard.headers)


def test_memory_keeps_to_its_budget(client: Any, memory: Memory, upstream: Upstream) -> None:
    for n in range(40):
        memory.add(f"Key number {n} hangs on the spare hook in room {n}.")
    for budget in (100, 300):
        found = cost(chat(client, ASKED, extra_headers={"X-Engrams-Budget": str(budget)}))
        assert 0 < int(found["tokens"]) <= budget
    for budget in ("0", "5"):
        assert cost(chat(client, ASKED, extra_headers={"X-Engrams-Budget": budget}))["why"] == "no budget"
    assert int(cost(chat(client, ASKED, extra_headers={"X-Engrams-Budget": "999999"}))["tokens"]) <= 1000
    with pytest.raises(openai.UnprocessableEntityError, match="budget"):
        chat(client, ASKED, extra_headers={"X-Engrams-Budget": "many"})


def test_what_a_memory_put_there_is_never_remembered(client: Any, upstream: Upstream, memory: Memory) -> None:
    put = f"{OPEN}\nRemembered: the code is 1234.\n{CLOSE}"
    upstream.script = lambda heard: Said(f"As it says: {put} Fine.")
    chat(client, f"{put}\n\nHello there.")
    assert remembered(memory, 2) == [("user", "Hello there."), ("assistant", "As it says:  Fine.")]
    chat(client, put)
    chat(client, "Bye.")
    assert ("user", "Bye.") in remembered(memory, 5)
    assert not any("1234" in text for _, text in remembered(memory, 5))


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_errors_of_the_upstream_pass_unchanged(
    status: int, proxy: str, upstream: Upstream, memory: Memory
) -> None:
    headers = {"Retry-After": "7", "X-Request-Id": "r1", "x-ratelimit-remaining-tokens": "0"}
    upstream.script = lambda heard: Said("no", status=status, headers=headers)
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    through = httpx.post(f"{proxy}/v1/chat/completions", json=body)
    straight = httpx.post(f"{upstream.server.url}/chat/completions", json=body)
    assert (
        (through.status_code, through.content)
        == (straight.status_code, straight.content)
        == (status, through.content)
    )
    ours = {k: v for k, v in through.headers.items() if k not in ("x-engrams-context", "date", "server")}
    assert ours == {k: v for k, v in straight.headers.items() if k not in ("date", "server")}
    assert list(memory.log()) == []  # who tries again says it again


def test_the_vendors_errors_reach_the_vendors_client(client: Any, upstream: Upstream) -> None:
    upstream.script = lambda heard: Said("slow down", status=429, headers={"Retry-After": "7"})
    with pytest.raises(openai.RateLimitError, match="slow down") as caught:
        chat(client, "Hello")
    assert caught.value.response.headers["retry-after"] == "7"


def test_everything_else_is_passed_on(client: Any, proxy: str, upstream: Upstream) -> None:
    assert [model.id for model in client.models.list()] == ["scripted"]
    answer = httpx.post(f"{proxy}/v1/embeddings?x=1", json={"input": "a"})
    assert (answer.status_code, "x-engrams-context" in answer.headers) == (404, False)
    assert "/v1/embeddings" in answer.text
    for body in (b"", b"no json", b"[]", b'{"messages": 5}', b'{"messages": [1]}', b'{"input": [[]]}'):
        for path in ("chat/completions", "responses"):
            assert httpx.post(f"{proxy}/v1/{path}", content=body, timeout=10).status_code in (200, 502)


def test_where_the_memory_fails_the_request_goes_on(
    client: Any,
    upstream: Upstream,
    memory: Memory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory.add(KEY)

    def fails(*args: object, **more: object) -> None:
        raise Busy("another process holds the lock")

    monkeypatch.setattr(memory, "context", fails)
    monkeypatch.setattr(memory, "add", fails)
    with caplog.at_level(logging.WARNING, "engrams.proxy"):
        raw = chat(client, ASKED)
        assert raw.parse().choices[0].message.content == "Under the pot."
        _until(lambda: len(caplog.records) >= 2)
    assert cost(raw) == {"memories": "0", "tokens": "0", "ms": "0", "why": "Busy"}
    assert upstream.heard[0].last == ASKED
    told = caplog.text
    assert "recall failed" in told
    assert "could not be remembered" in told
    assert ASKED not in told


def test_a_slow_memory_holds_nobody_up(
    upstream: Upstream, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(memory, "context", lambda *_, **__: over.wait(60))
    app = create_app(memory, upstream.server.url, patience=0.05)
    with running(app) as url, openai.OpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0) as client:
        raw = chat(client, ASKED)
        over.set()
    assert cost(raw)["why"] == "timeout"


@pytest.mark.parametrize("where", ["chat", "responses"])
def test_a_client_that_goes_away_midway_loses_nothing_that_was_said(
    where: str, client: Any, upstream: Upstream, memory: Memory
) -> None:
    gone, after = threading.Event(), 8
    upstream.script = lambda heard: Said(
        "word " * 2000, between=lambda n: gone.wait(20) if n == after else None
    )
    if where == "chat":
        stream = client.chat.completions.create(
            model="m", stream=True, messages=[{"role": "user", "content": "Tell me."}]
        )
    else:
        stream = client.responses.create(model="m", stream=True, input="Tell me.")
    for number, _ in enumerate(stream):
        if number == after - 1:
            break
    stream.close()
    gone.set()
    (asked, said) = remembered(memory, 2)
    assert asked == ("user", "Tell me.")
    assert said[1].startswith("word word")
    assert len(said[1]) < 5 * 2000


def test_an_upstream_that_breaks_off_is_not_mended(client: Any, upstream: Upstream, memory: Memory) -> None:
    upstream.script = lambda heard: Said("word " * 100, cut_after=9)
    got = list(
        client.chat.completions.create(
            model="m", stream=True, messages=[{"role": "user", "content": "Tell."}]
        )
    )
    assert len(got) <= 9
    assert remembered(memory, 2)[1][1].startswith("word")


def test_nobody_upstream(upstream: Upstream, memory: Memory) -> None:
    url = upstream.server.url
    upstream.server.stop()
    upstream.server.stop = lambda: None  # type: ignore[method-assign]
    with running(create_app(memory, url)) as own:
        answer = httpx.post(
            f"{own}/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hi"}]}
        )
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "Unreachable")
    assert list(memory.log()) == []


def test_keys_have_a_header_of_their_own(upstream: Upstream, memory: Memory) -> None:
    memory.add(KEY, user_id="ada")
    key = str(memory.create_key("ada's", {"ada": "write"}).secret)
    with (
        running(create_app(memory, upstream.server.url, keys=True, patience=60)) as url,
        openai.OpenAI(api_key="upstream-key", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        with pytest.raises(openai.PermissionDeniedError, match="x-engrams-key"):
            chat(client, ASKED, user="ada")
        with pytest.raises(openai.PermissionDeniedError):
            chat(client, ASKED, user="ada", extra_headers={"X-Engrams-Key": "wrong"})
        with pytest.raises(openai.PermissionDeniedError):
            chat(client, ASKED, user="ben", extra_headers={"X-Engrams-Key": key})
        with pytest.raises(openai.PermissionDeniedError):
            client.models.list()
        assert upstream.heard == []
        raw = chat(client, ASKED, user="ada", extra_headers={"X-Engrams-Key": key})
        assert cost(raw)["memories"] == "1"
        remembered(memory, 3, user_id="ada")
    sent = upstream.heard[0].headers
    assert sent["authorization"] == "Bearer upstream-key"
    assert key not in str(sent)


def test_pages_of_other_sites_may_not_use_it(proxy: str, upstream: Upstream) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Host": "[::1"}):
        assert httpx.post(f"{proxy}/v1/chat/completions", json=body, headers=headers).status_code in (
            400,
            403,
        )
    assert upstream.heard == []
    assert httpx.post(f"{proxy}/v1/chat/completions", json=body, headers={"Origin": proxy}).status_code == 200


def test_a_wrong_name_is_told_where_it_was_given_to_us(client: Any, upstream: Upstream) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="user_id"):
        chat(client, ASKED, extra_headers={"X-Engrams-User": "a/b"})
    raw = chat(client, ASKED, user="a/b")  # the field is the upstream's: no request fails for it
    assert cost(raw)["why"] == "user"


def test_an_upstream_that_is_no_address_is_refused(memory: Memory) -> None:
    for wrong in ("api.openai.com", "ftp://x/v1", "http://", "https://u:p@h/v1", "https://h/v1?x=1"):
        with pytest.raises(BadSetting, match="upstream"):
            create_app(memory, wrong)


def test_many_at_once_and_a_stop_lose_nothing(upstream: Upstream, memory: Memory) -> None:
    with running(create_app(memory, upstream.server.url)) as url:

        def talk(n: int) -> None:
            with openai.OpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0) as client:
                for turn in range(4):
                    chat(client, f"Person {n} says {turn}.", user=f"u{n}")

        threads = [threading.Thread(target=talk, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # The server has stopped: everything it answered is on disk.
    for n in range(8):
        said = [event.content for event in memory.log(user_id=f"u{n}") if event.role == "user"]
        assert said == [f"Person {n} says {turn}." for turn in range(4)]
    assert memory.stats().events == 64


def _until(true: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(1000):
        if true():
            return
        waiting.wait(0.02)
    raise AssertionError("it never became true")
