"""Endpoints through the vendors' own clients, against the scripted server: real requests over real HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from engrams.errors import BadSetting, NeedsExtra, RateLimited, Refused, Unreachable, Unreadable
from engrams.models.chat import resolve_chat
from engrams.models.chat_anthropic import AnthropicChat
from engrams.models.chat_asking import Asking
from engrams.models.chat_openai import OpenAIChat
from engrams.models.scripted import Rule, Rules, ScriptedServer
from engrams.models.scripted_wire import Heard, Said
from engrams.ports import Ask, Endpoint, Tool, Turn
from engrams.prompts import Prompt

NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
LOOK = Tool("look", "Looks at a place.", {"type": "object", "properties": {"at": {"type": "string"}}})
ASK = Ask(
    "find", Prompt("find", inline="Find the name."), {"text": "Ada is here. Grüße!"}, NAME, most_tokens=77
)
TALK = Ask("talk", Prompt("talk", inline="Talk."), {"text": "Hello"}, temperature=None)

Script = Callable[[Heard], Said]


@pytest.fixture
def serve() -> Iterator[Callable[[Script | list[Said]], ScriptedServer]]:
    servers = []

    def begin(script: Script | list[Said]) -> ScriptedServer:
        if isinstance(script, list):
            said = list(script)
            server = ScriptedServer(lambda _: said.pop(0))
        else:
            server = ScriptedServer(script)
        servers.append(server.start())
        return server

    yield begin
    while OPENED:
        OPENED.pop().close()
    for server in servers:
        server.stop()


OPENED: list[Any] = []


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    """Closes what a test opened: an open connection is a warning, and warnings are errors."""
    yield
    while OPENED:
        OPENED.pop().close()


def closing(made: Any) -> Any:
    OPENED.append(made)
    return made


def endpoint(kind: str, server: ScriptedServer) -> Endpoint:
    made = (
        OpenAIChat("toy", server.url, "test-key")
        if kind == "openai"
        else AnthropicChat("toy", server.root, "test-key")
    )
    return closing(made)  # type: ignore[no-any-return]


def asking(kind: str, server: ScriptedServer) -> Asking:
    return Asking.over(endpoint(kind, server), lambda text: len(text.split()), sleep=lambda _: None)


both = pytest.mark.parametrize("kind", ["openai", "anthropic"])


@both
def test_a_structured_answer_over_the_wire(kind: str, serve: Any) -> None:
    server = serve([Said('{"name": "Ada"}')])
    answer = asking(kind, server).ask(ASK)
    assert answer.value == {"name": "Ada"}
    assert not answer.usage.estimated
    assert (answer.usage.tokens_in, answer.usage.tokens_out, answer.usage.calls) != (0, 0, 0)
    heard = server.heard[0]
    assert heard.schema == (NAME if kind == "openai" else {**NAME, "additionalProperties": False})
    assert heard.system.startswith("Find the name.")
    assert "Ada is here. Grüße!" in heard.last
    assert heard.body["temperature"] == 0.0
    assert heard.body["max_completion_tokens" if kind == "openai" else "max_tokens"] == 77
    assert heard.headers["authorization"] == "Bearer test-key"


@both
def test_the_repair_is_a_conversation(kind: str, serve: Any) -> None:
    server = serve([Said('{"nome": "Ada"}'), Said('{"name": "Ada"}')])
    assert asking(kind, server).ask(ASK).value == {"name": "Ada"}
    again = server.heard[1].messages
    assert [role for role, _ in again] == ["user", "assistant", "user"]
    assert "lacks 'name'" in again[2][1]


@both
def test_unreadable_twice_keeps_what_was_said(kind: str, serve: Any) -> None:
    server = serve([Said("no"), Said("never")])
    with pytest.raises(Unreadable) as caught:
        asking(kind, server).ask(ASK)
    assert "never" in caught.value.raw


@both
def test_tools_are_offered_called_and_answered(kind: str, serve: Any) -> None:
    server = serve([Said("I look.", (("look", {"at": "sea"}),)), Said("Blue.")])
    model = asking(kind, server)
    ask = Ask("walk", Prompt("walk", inline="Walk."), {"question": "What colour is the sea?"}, tools=(LOOK,))
    first = model.ask(ask)
    (call,) = first.calls
    assert (call.name, call.arguments, first.text) == ("look", {"at": "sea"}, "I look.")
    turns = (Turn("assistant", first.text, first.calls), Turn("tool", "It is blue.", call_id=call.id))
    second = model.ask(Ask("walk", ask.prompt, ask.input, tools=(LOOK,), turns=turns))
    assert second.text == "Blue."
    assert server.heard[0].tools == ("look",)
    assert "It is blue." in server.heard[1].last
    assert "It is blue." in json.dumps(server.heard[1].body["messages"][-1])


@both
def test_statuses_become_our_errors(kind: str, serve: Any) -> None:
    wait = {"Retry-After": "120"}
    server = serve(
        [Said("busy", status=429, headers=wait), Said("bad key", status=401), Said("x", status=503)]
    )
    made = endpoint(kind, server)
    request = _request(TALK)
    with pytest.raises(RateLimited, match="busy") as caught:
        made.complete(request)
    assert caught.value.retry_after == 120.0
    with pytest.raises(Refused, match="bad key"):
        made.complete(request)
    with pytest.raises(Unreachable, match="503"):
        made.complete(request)


@both
def test_a_wait_in_milliseconds_and_as_a_date_is_understood(kind: str, serve: Any) -> None:
    date = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    server = serve(
        [Said("", status=429, headers={"retry-after-ms": "1500"}), Said("", status=429, headers=date)]
    )
    for expected in (1.5, 0.0):
        with pytest.raises(RateLimited) as caught:
            endpoint(kind, server).complete(_request(TALK))
        assert caught.value.retry_after == expected


@both
def test_nobody_there_and_nobody_answering(kind: str, serve: Any) -> None:
    server = serve([])
    made = endpoint(kind, server)
    server.stop()
    server.stop = lambda: None
    with pytest.raises(Unreachable, match="no answer"):
        made.complete(_request(TALK))
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        slow = (
            OpenAIChat("toy", url, timeout=0.3)
            if kind == "openai"
            else AnthropicChat("toy", url, timeout=0.3)
        )
        with pytest.raises(Unreachable):
            slow.complete(_request(TALK))


@both
def test_a_parameter_that_is_refused_is_left_out_from_then_on(kind: str, serve: Any) -> None:
    def picky(heard: Heard) -> Said:
        for name in ("output_config", "response_format", "max_completion_tokens", "temperature"):
            if name in heard.body:
                return Said(f"Unsupported parameter: '{name}'", status=400)
        return Said('{"name": "Ada"}')

    server = serve(picky)
    model = asking(kind, server)
    assert model.ask(ASK).value == {"name": "Ada"}
    tries = len(server.heard)
    assert tries == (4 if kind == "openai" else 3)
    assert "temperature" not in server.heard[-1].body
    assert server.heard[-1].body["max_tokens"] == 77
    model.ask(TALK)
    assert len(server.heard) == tries + 1


@both
def test_what_is_refused_for_another_reason_is_not_tried_again(kind: str, serve: Any) -> None:
    server = serve([Said("your text is too long", status=400)])
    with pytest.raises(Refused, match="too long"):
        asking(kind, server).ask(ASK)


def test_a_content_filter_refuses(serve: Any) -> None:
    server = serve([Said("", stopped="content_filter")])
    with pytest.raises(Refused, match="content filter"):
        endpoint("openai", server).complete(_request(TALK))


def test_names_and_keys(serve: Any) -> None:
    server = serve([Said("hi"), Said("hi")])
    words = lambda text: len(text.split())  # noqa: E731
    made = closing(
        resolve_chat(f"openai:toy@{server.url}", words, environ={"OPENAI_API_KEY": "secret-of-openai"})
    )
    assert isinstance(made, Asking)
    assert made.name == f"openai:toy@{server.url}"
    made.ask(TALK)
    assert "secret" not in str(server.heard[0].headers)  # a vendor's key goes to the vendor's address only
    other = closing(
        resolve_chat(f"anthropic:toy@{server.root}", words, environ={"ENGRAMS_MODEL_KEY": "key-of-mine"})
    )
    other.ask(TALK)
    assert server.heard[1].headers["authorization"] == "Bearer key-of-mine"
    assert "key-of-mine" not in repr(other)


def test_a_client_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("openai", "anthropic"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(NeedsExtra, match=rf"engrams\[{name}\]"):
            resolve_chat(f"{name}:toy", len, environ={"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"})


# --- the scripted server itself speaks what the vendors' clients understand


def test_openais_client_reads_chat_completions(serve: Any) -> None:
    said = Said("Hello there, friend.", (("look", {"at": "sea"}),))
    server = serve([said, said])
    client = closing(openai.OpenAI(api_key="k", base_url=server.url, max_retries=0))
    messages: Any = [{"role": "user", "content": "Hi"}]
    whole = client.chat.completions.create(model="m", messages=messages)
    assert whole.choices[0].message.content == said.text
    with client.chat.completions.stream(
        model="m", messages=messages, stream_options={"include_usage": True}
    ) as stream:
        final = stream.get_final_completion()
    message = final.choices[0].message
    assert message.content == said.text
    assert message.tool_calls is not None
    assert json.loads(message.tool_calls[0].function.arguments) == {"at": "sea"}
    assert final.usage == whole.usage


def test_openais_client_reads_responses(serve: Any) -> None:
    said = Said("Hello there, friend.", (("look", {"at": "sea"}),))
    server = serve([said, said])
    client = closing(openai.OpenAI(api_key="k", base_url=server.url, max_retries=0))
    whole = client.responses.create(model="m", input="Hi", instructions="Be kind.")
    assert whole.output_text == said.text
    with client.responses.stream(model="m", input="Hi") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == said.text
    assert json.loads(final.output[1].arguments) == {"at": "sea"}  # type: ignore[union-attr]
    assert "response.output_text.delta" in kinds
    assert server.heard[0].system == "Be kind."


def test_anthropics_client_reads_messages(serve: Any) -> None:
    said = Said("Hello there, friend.", (("look", {"at": "sea"}),))
    server = serve([said, said])
    client = closing(anthropic.Anthropic(api_key="k", base_url=server.root, max_retries=0))
    given: Any = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
    whole = client.messages.create(**given)
    with client.messages.stream(**given) as stream:
        final = stream.get_final_message()
    for message in (whole, final):
        assert [block.type for block in message.content] == ["text", "tool_use"]
        assert message.content[0].text == said.text  # type: ignore[union-attr]
        assert message.content[1].input == {"at": "sea"}  # type: ignore[union-attr]
    assert [m.id for m in client.models.list()] == ["scripted"]


def test_rules_say_what_fits_and_fall_silent_when_none_does(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    rules = [
        {"when": "weather", "say": "Wait.", "status": 429, "headers": {"Retry-After": "0"}, "times": 1},
        {"when": r"weather in (\w+)", "say": "Sun in {1}."},
        {"when": "look", "calls": [["look", {"at": "sea"}]]},
    ]
    file.write_text(json.dumps(rules), "utf-8")
    script = Rules.read(file)
    heard = Heard("chat", messages=(("user", "the weather in Porto"),))
    assert [script(heard).status, script(heard).text] == [429, "Sun in Porto."]
    assert script(Heard("chat", messages=(("user", "look"),))).calls == (("look", {"at": "sea"}),)
    assert script(Heard("chat")).status == 500
    least = Rules([Rule("", say="as text", least=True)])
    assert (least(Heard("chat", schema=NAME)).text, least(Heard("chat")).text) == (
        '{"name": "text"}',
        "as text",
    )
    for wrong in ("[1]", "{", '[{"if": "x"}]', '[{"say": "x"}]'):
        file.write_text(wrong)
        with pytest.raises(BadSetting, match="script"):
            Rules.read(file)
    with pytest.raises(BadSetting):
        Rules.read(tmp_path / "none.json")


def test_the_server_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text('[{"when": "", "say": "hi"}]')
    command = [sys.executable, "-W", "error", "-m", "engrams.models.scripted", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            url = child.stdout.readline().strip()
            words = lambda text: len(text.split())  # noqa: E731
            model = closing(resolve_chat(f"openai:m@{url}", words, environ={}))
            assert model.ask(TALK).text == "hi"
        finally:
            child.terminate()


def test_a_script_answers_without_a_server(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text('[{"when": "Hello", "say": "hi", "times": 1}, {"when": "", "status": 400, "say": "no"}]')
    model = resolve_chat(f"scripted:{file}", lambda text: len(text.split()))
    assert model is not None
    answer = model.ask(TALK)
    assert (answer.text, answer.model, answer.usage.tokens_out) == ("hi", f"scripted:{file}", 1)
    with pytest.raises(Refused):
        model.ask(ASK)


def _request(ask: Ask) -> Any:
    from engrams.models.chat_rendering import request_for

    return request_for(ask)
