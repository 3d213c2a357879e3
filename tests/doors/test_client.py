"""The client: the calls of `Memory`, asked of a real server, give what `Memory` gives."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from engrams import Memory, Message, errors
from engrams.client import AsyncClient, Client
from engrams.errors import BadSetting, Denied, EngramsError, NotFound, Unavailable, UsageError
from engrams.serve.rest.app import create_app
from tests.doors.rest_server import running

ROOT = Path(__file__).resolve().parents[2]
#: What a client does not do: it is done beside the store, by whoever keeps the server.
BESIDE_THE_STORE = {
    *("open", "held_by", "chat", "work", "reset", "reembed", "backup", "vacuum", "finish_erasing"),
    *("encrypted_copy", "change_key", "recipe", "location", "embedder", "catalogue", "find_recipe"),
    *("export_container", "restore_container", "merge_container", "split_container"),
    *("keep_payload", "payload", "payloads", "drop_payload", "policies", "weights", "methods"),
}
KEY, BOAT = "The spare key is under the blue flower pot.", "We bought the boat for six hundred pounds."


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.fixture(scope="module")
def memory() -> Iterator[Memory]:
    with Memory.open(":memory:", embedder="none") as opened:
        yield opened


@pytest.fixture(scope="module")
def url(memory: Memory) -> Iterator[str]:
    with running(create_app(memory)) as address:
        yield address


@pytest.fixture
def client(url: str, memory: Memory) -> Iterator[Client]:
    memory.reset()
    with Client(url) as made:
        yield made


# --- what it is


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_it_has_the_calls_of_memory_with_the_same_arguments(kind: type) -> None:
    assert public(Memory) - public(kind) == BESIDE_THE_STORE
    assert public(kind) - public(Memory) == set()
    for name in public(kind) - {"close"}:
        ours, theirs = (inspect.signature(getattr(k, name)) for k in (kind, Memory))
        assert str(ours) == str(theirs), name


def test_both_are_made_from_what_memory_says() -> None:
    spec = importlib.util.spec_from_file_location("make_client", ROOT / "scripts" / "make_client.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    for name, file in (("Client", "synchronous.py"), ("AsyncClient", "asynchronous.py")):
        assert maker.generate(name) == (ROOT / "engrams" / "client" / file).read_text("utf-8")


def test_importing_it_loads_no_http_and_no_arrays() -> None:
    program = "import sys, engrams.client; print({'httpx', 'numpy', 'asyncio', 'fastapi'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- what it gives


def test_every_call_gives_what_memory_gives(client: Client, memory: Memory, tmp_path: Path) -> None:
    told = client.add(
        [
            {"role": "user", "name": "Ada", "content": KEY, "timestamp": "2024-03-01"},
            Message("assistant", "Noted.", speaker="Bot", occurred_at=datetime(2024, 3, 1, tzinfo=UTC)),
        ],
        namespace="acme/ada",
        session="s1",
        metadata={"topic": "house", "price": 1.5},
    )
    assert (told.namespace, len(told.event_ids), told.repeated) == ("acme/ada", 2, False)
    counts: list[int] = []
    boats = (f"{BOAT} {n}" for n in range(1001))
    assert client.add_many(boats, namespace="acme/ben", progress=counts.append) == 1001
    assert counts == [1000, 1001]
    id = told.event_ids[0]
    engram = memory.get_all(namespace="acme/ada")[0].id
    ada = {"namespace": "acme/ada"}
    times = {"since": date(2024, 1, 1), "until": "2024-12-31", "as_of": datetime.now(UTC), "asked_at": 1.75e9}
    same: dict[str, Callable[[Any], Any]] = {
        "search": lambda m: m.search(
            "where is the spare key?", k=2, explain=True, filters={"topic": "house"}, **ada
        ),
        "search with times": lambda m: m.search("spare key", **times, **ada),
        "get event": lambda m: m.get(id),
        "get engram": lambda m: m.get(engram),
        "get_all": lambda m: m.get_all(limit=1, **ada),
        "get_all with filters": lambda m: m.get_all(filters={"speaker": "Ada"}, since=1.7e9, **ada),
        "log": lambda m: m.log(newest_first=True, limit=3, namespace="acme/*"),
        "history": lambda m: m.history(id),
        "around": lambda m: m.around(engram, most=5),
        "timeline": lambda m: m.timeline(parts=3, **ada),
        "count_tokens": lambda m: m.count_tokens([KEY, ""]),
        "spent": lambda m: m.spent(days=3),
        "costs": lambda m: m.costs(days=3),
        "estimate": lambda m: m.estimate("bm25"),
        "jobs": lambda m: m.jobs("waiting", "dead"),
        "stats": lambda m: m.stats(**ada),
        "stats of all": lambda m: m.stats(),
        "namespaces": lambda m: m.namespaces(),
        "check": lambda m: m.check(),
        "rules": lambda m: m.rules(),
        "audit": lambda m: m.audit(limit=2),
        "verify_audit": lambda m: m.verify_audit(),
        "list_keys": lambda m: m.list_keys(),
    }
    client.retain("acme/ada", max_events=100)
    client.create_key("reader", {"acme/*": "read"})
    client.schedule("consolidate", namespace="acme/ada")
    for name, call in same.items():
        assert call(client) == call(memory), name
    for name in ("context", "explain"):
        mine, theirs = (
            getattr(m, name)("where is the spare key?", budget=60, **ada) for m in (client, memory)
        )
        assert (mine.text, mine.hits, mine.citations, mine.found) == (
            theirs.text, theirs.hits, theirs.citations, theirs.found,
        )  # fmt: skip
        assert [step.step for step in mine.trace] == [step.step for step in theirs.trace]
        assert mine.price.tokens == theirs.price.tokens > 0
    both = client.compare("spare key", ["engrams", "bm25"], **ada)
    assert [(c.recipe, c.derived, c.context.found) for c in both] == [
        ("engrams", False, True),
        ("bm25", False, True),
    ]


def test_what_changes_the_memory_changes_it(client: Client, memory: Memory, tmp_path: Path) -> None:
    first = client.add(KEY, user_id="ada").event_ids[0]
    second = client.add(BOAT, user_id="ada").event_ids[0]
    client.update(first, "The spare key is with the neighbour.", metadata={"by": "hand"}, reason="moved")
    assert memory.get(first).content == "The spare key is with the neighbour."
    assert memory.history(first)[-1].reason == "moved"
    client.undo(first, reason="not so")
    assert {e.content for e in memory.get_all(user_id="ada")} == {KEY, BOAT}
    client.pin(second)
    assert [e.content for e in memory.get_all(user_id="ada") if e.pinned] == [BOAT]
    client.unpin(second)
    assert not any(e.pinned for e in memory.get_all(user_id="ada"))
    hit = client.search("spare key", user_id="ada")[0]
    assert client.feedback("spare key", cited=hit, user_id="ada").event_ids
    assert memory.log(user_id="ada", newest_first=True)[0].kind == "feedback"
    path = tmp_path / "out.jsonl"
    assert client.export(path, user_id="ada") == len(memory.log(user_id="ada"))
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]
    assert second in client.delete(second, reason="sold").events
    with pytest.raises(NotFound):
        client.get(second)
    assert len(client.delete_all(user_id="ada").events) > 0
    assert memory.namespaces() == []
    assert client.restore(path) == 0  # erased is erased
    assert client.rebuild("bm25").recipe == memory.recipe.name == "bm25"
    assert client.rebuild("engrams").recipe == memory.recipe.name == "engrams"
    with pytest.raises(UsageError, match="consolidate"):
        client.consolidate(user_id="ada")
    job = client.schedule("catch-up")
    assert job is not None
    assert client.schedule("catch-up") is None
    client.retry_job(job)
    client.drop_job(job)
    assert memory.jobs() == []
    key = client.create_key("reader", {"acme/*": "read"})
    assert key.secret is not None
    assert client.revoke_key(key.id).revoked_at is not None
    assert client.retain("ada", max_events=1).max_events == 1
    for n in range(3):
        client.add(f"{BOAT} {n}", user_id="ada")
    assert len(client.apply_retention().events) == 2
    chat = tmp_path / "chat.jsonl"
    chat.write_text(
        '{"role": "user", "content": "Hello there."}\n{"role": "assistant", "content": "Hello."}\n'
    )
    done = client.import_file(chat, user_id="chat")
    assert (done.path, done.written, done.repeated) == ("chat.jsonl", 2, 0)
    assert client.import_file(chat, user_id="chat").repeated == 2


def test_the_asynchronous_one_gives_the_same(url: str, memory: Memory, tmp_path: Path) -> None:
    memory.reset()

    async def talk() -> None:
        async with AsyncClient(url) as client:
            receipt = await client.add(KEY, user_id="ada")
            assert await client.add_many([BOAT, BOAT], user_id="ada") == 2
            hits = await client.search("where is the spare key?", user_id="ada")
            assert hits == memory.search("where is the spare key?", user_id="ada")
            assert (await client.context("spare key", user_id="ada")).found
            assert await client.get(receipt.event_ids[0]) == memory.get(receipt.event_ids[0])
            assert await client.get_all(user_id="ada") == memory.get_all(user_id="ada")
            assert await client.export(tmp_path / "out.jsonl") == 3
            assert await client.restore(tmp_path / "out.jsonl") == 0
            with pytest.raises(NotFound):
                await client.get("nothing")
            with pytest.raises(Unavailable, match="cannot be read"):
                await client.restore(tmp_path / "none")
            with pytest.raises(Unavailable, match="cannot be written"):
                await client.export(tmp_path / "no" / "folder")

    asyncio.run(talk())


# --- what it says when something is wrong


def test_errors_are_those_of_memory(client: Client, memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "odd.bin").write_bytes(b"\x00\x01\x02")
    wrong: list[Callable[[Any], Any]] = [
        lambda m: m.get("nothing"),
        lambda m: m.search("", user_id="ada"),
        lambda m: m.search("x", k=0),
        lambda m: m.search("x", since="yesterday"),
        lambda m: m.search("x", filters={"price": {"about": 1}}),
        lambda m: m.rebuild("bm52"),
        lambda m: m.add([]),
        lambda m: m.add("x", namespace="a//b"),
        lambda m: m.add("x", occurred_at="tomorrow"),
        lambda m: m.schedule("consolidat"),
        lambda m: m.create_key("k", {"*": "own"}),
        lambda m: m.revoke_key("nobody"),
        lambda m: m.import_file(tmp_path / "odd.bin"),
        lambda m: m.get_all(cursor="x"),
        lambda m: m.update("nothing", "x"),
    ]
    for number, call in enumerate(wrong):
        with pytest.raises(EngramsError) as theirs:
            call(memory)
        with pytest.raises(EngramsError) as ours:
            call(client)
        assert issubclass(theirs.type, ours.type) or issubclass(ours.type, theirs.type), number
        assert str(ours.value), number
    with pytest.raises(errors.UnknownName, match="bm25") as named:
        client.rebuild("bm52")
    assert named.value.nearest == ("bm25",)
    with pytest.raises(BadSetting) as set_:
        client.search("x", since="yesterday")
    assert (set_.value.key, set_.value.origin) == ("since", "argument")
    with pytest.raises(UsageError, match="say what to erase"):
        client.delete_all()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"url": "127.0.0.1:8765"}, "an address"),
        ({"timeout": 0}, "seconds"),
        ({"retries": -1}, "whole number"),
        ({"retries": True}, "whole number"),
    ],
)
def test_a_client_that_cannot_be_made(given: dict[str, Any], match: str) -> None:
    with pytest.raises(BadSetting, match=match):
        Client(**given)


def test_where_nobody_answers_it_says_so() -> None:
    with (
        socket.socket() as bound
    ):  # bound and not listening: nobody else can take the port, and nobody answers
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with (
            Client(f"http://127.0.0.1:{port}", retries=1) as client,
            pytest.raises(Unavailable, match="engrams serve"),
        ):
            client.search("x")


# --- what it does again


class Scripted:
    """A transport that answers what it is told, in turn, and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[Any]()

    def transport(self) -> Any:
        import httpx

        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            told = self.answers.pop(0)
            if isinstance(told, Exception):
                raise told
            return told  # type: ignore[no-any-return]

        return httpx.MockTransport(answer)


def refused(status: int, kind: str = "Busy", **headers: str) -> Any:
    import httpx

    return httpx.Response(status, json={"error": {"type": kind, "message": "no"}}, headers=headers)


def test_what_may_be_asked_again_is() -> None:
    import httpx

    hits = httpx.Response(200, json={"hits": []})
    script = Scripted(httpx.ReadError("cut"), refused(503), refused(429, "RateLimited"), hits)
    with Client(transport=script.transport(), retries=3) as client:
        assert client.search("x") == []
    assert len(script.asked) == 4

    receipt = httpx.Response(201, json={"namespace": "default", "event_ids": ["e"]})
    script = Scripted(httpx.ReadTimeout("slow"), receipt)
    with Client(transport=script.transport()) as client:
        assert client.add("x").event_ids == ("e",)
    keys = [json.loads(request.content)["idempotency_key"] for request in script.asked]
    assert keys[0] == keys[1]  # so the server writes it once, whichever of the two it heard
    assert len(keys[0]) >= 16


def test_what_may_have_been_done_is_not_asked_again() -> None:
    import httpx

    for told, kind in ((httpx.ReadError("cut"), Unavailable), (refused(503), errors.Busy)):
        script = Scripted(told)
        with Client(transport=script.transport()) as client, pytest.raises(kind):
            client.update("e", "x")
        assert len(script.asked) == 1
    done = httpx.Response(200, json={"namespace": "default", "event_ids": ["e"]})
    script = Scripted(
        httpx.ConnectError("refused"), refused(429, "RateLimited"), done
    )  # nothing was heard, or done
    with Client(transport=script.transport()) as client:
        assert client.update("e", "x").event_ids == ("e",)


def test_in_the_end_it_gives_up_and_says_why() -> None:
    script = Scripted(*[refused(429, "RateLimited", **{"Retry-After": "0"}) for _ in range(3)])
    with Client(transport=script.transport()) as client, pytest.raises(errors.RateLimited):
        client.search("x")
    assert len(script.asked) == 3


def test_what_is_no_engrams_server_is_told_apart() -> None:
    import httpx

    for told in (
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(200, text="<html>Hello</html>"),
        httpx.Response(200, json={"results": []}),
        httpx.Response(200, json=[]),
        httpx.Response(500, json={"error": "no"}),
    ):
        script = Scripted(told)
        with (
            Client(transport=script.transport(), retries=0) as client,
            pytest.raises(Unavailable, match="check the address"),
        ):
            client.search("x")


def test_a_later_server_may_say_more() -> None:
    import httpx

    said = {"type": "Overheated", "message": "too hot", "degrees": 90}
    script = Scripted(
        httpx.Response(200, json={"namespace": "n", "event_ids": [], "colour": "blue"}),
        httpx.Response(418, json={"error": said}),
    )
    with Client(transport=script.transport()) as client:
        assert client.pin("e").namespace == "n"
        with pytest.raises(EngramsError, match="too hot"):
            client.pin("e")


def test_an_export_that_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    import httpx

    for body in (b"", b'{"format": "engrams-journal"}\n{"id": "1"', b'{"format": "engrams-journal"}\n'):
        script = Scripted(httpx.Response(200, content=body))
        with Client(transport=script.transport()) as client, pytest.raises(Unavailable, match="cut off"):
            client.export(tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_sent(memory: Memory) -> None:
    secret = memory.create_key("reader", {"ada": "read"}).secret
    with running(create_app(memory, keys=True)) as url:
        with Client(url) as client, pytest.raises(Denied, match="send a key"):
            client.search("x", user_id="ada")
        with Client(url, key=secret) as client:
            assert client.search("x", user_id="ada") == []
            with pytest.raises(Denied, match="may not write"):
                client.add("x", user_id="ada")


def test_a_context_names_the_blocks_of_what_it_cites(client: Client, memory: Memory) -> None:
    event = memory.add(KEY).event_ids[0]
    told = {"tokens": 11, "layers": 3, "milliseconds_saved": 2.5}
    handle = memory.keep_payload(KEY, "kv-block", b"block", fingerprint="f", sources=[event], metadata=told)
    assert client.context("where is the spare key?").kv == (handle,)
