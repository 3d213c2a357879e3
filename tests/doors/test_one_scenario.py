"""One life of a memory through every door: the same answer, word for word, and the same kind of error by the one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.request import Request, urlopen

import anyio
import httpx
import openai
import pytest
from mcp import Client as McpClient

from engrams import Memory
from engrams.client import Client
from engrams.errors import EngramsError, NotFound, outcome
from engrams.models.scripted import ScriptedServer
from engrams.models.scripted_wire import Said
from engrams.serve.cli import main
from engrams.serve.fence import CLOSE, OPEN
from engrams.serve.mcp.server import create_server
from engrams.serve.proxy.app import create_app as create_proxy
from engrams.serve.rest.app import create_app
from tests.doors.inspecting import running as inspected
from tests.doors.rest_server import running

PERSON = "ada"
TOLD = (
    ("2024-03-01T10:00:00Z", "The spare key is under the blue flower pot."),
    ("2024-03-02T10:00:00Z", "We bought the boat for six hundred pounds."),
    ("2024-03-03T10:00:00Z", "The plumber comes on Thursday at nine."),
    ("2024-03-04T10:00:00Z", "Nobody may know about the surprise party."),
)
CORRECTED = "The spare key is with Ben now."
ASKED = "Where is the spare key?"
NOBODY = "01890000-0000-7000-8000-000000000000"


class Door(Protocol):
    """What the scenario needs of a door."""

    def add(self, text: str, at: str) -> str: ...

    def update(self, id: str, text: str) -> None: ...

    def delete(self, id: str) -> None: ...

    def search(self) -> list[str]: ...

    def context(self) -> str: ...

    def missing(self) -> tuple[str, int]:
        """The type and the code with which the door says that there is nothing under an id."""
        ...


class OfLibrary:
    """`Memory` itself; the client of the REST server has the same calls."""

    def __init__(self, memory: Any, code: int) -> None:
        self.memory, self.code = memory, code

    def add(self, text: str, at: str) -> str:
        return str(self.memory.add(text, user_id=PERSON, occurred_at=at).event_ids[0])

    def update(self, id: str, text: str) -> None:
        self.memory.update(id, text)

    def delete(self, id: str) -> None:
        self.memory.delete(id)

    def search(self) -> list[str]:
        return [hit.text for hit in self.memory.search(ASKED, user_id=PERSON, k=3)]

    def context(self) -> str:
        return str(self.memory.context(ASKED, user_id=PERSON, budget=300).text)

    def missing(self) -> tuple[str, int]:
        try:
            self.memory.get(NOBODY)
        except EngramsError as error:
            return type(error).__name__, self.code
        raise AssertionError("nothing is there")


class OfCommandLine:
    """The command line, with its own process's output taken."""

    def __init__(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self.capsys = place, capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main([*arguments, "--db", str(self.place)])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def json(self, *arguments: str) -> Any:
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    def add(self, text: str, at: str) -> str:
        return str(self.json("add", text, "--user", PERSON, "--at", at)["event_ids"][0])

    def update(self, id: str, text: str) -> None:
        self.json("update", id, text)

    def delete(self, id: str) -> None:
        self.json("delete", id, "--yes")

    def search(self) -> list[str]:
        found = self.json("search", ASKED, "--user", PERSON, "-k", "3")
        return [hit["text"] for hit in (found["hits"] if isinstance(found, dict) else found)]

    def context(self) -> str:
        return str(self.json("context", ASKED, "--user", PERSON, "--budget", "300")["text"])

    def missing(self) -> tuple[str, int]:
        code, _, err = self.run("show", NOBODY, "--json")
        return str(json.loads(err)["error"]["type"]), code


class OfHttp:
    """A REST address, asked without the client; with headers, the inspector's."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = self.http.request(method, path, json=body or None)
        assert answer.is_success, answer.text
        return answer.json()

    def add(self, text: str, at: str) -> str:
        return str(
            self.ask("POST", "/memories", messages=text, user_id=PERSON, occurred_at=at)["event_ids"][0]
        )

    def update(self, id: str, text: str) -> None:
        self.ask("PUT", f"/memories/{id}", content=text)

    def delete(self, id: str) -> None:
        self.ask("DELETE", f"/memories/{id}")

    def search(self) -> list[str]:
        return [hit["text"] for hit in self.ask("POST", "/search", query=ASKED, user_id=PERSON, k=3)["hits"]]

    def context(self) -> str:
        return str(self.ask("POST", "/context", query=ASKED, user_id=PERSON, budget=300)["text"])

    def missing(self) -> tuple[str, int]:
        answer = self.http.get(f"/memories/{NOBODY}")
        return str(answer.json()["error"]["type"]), answer.status_code


class OfTools:
    """The MCP server, one conversation a call."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def call(self, name: str, **given: object) -> Any:
        async def run() -> Any:
            async with McpClient(create_server(self.memory, PERSON, "default", spooled_at="")) as client:
                return await client.call_tool(name, given)

        return anyio.run(run)

    def good(self, name: str, **given: object) -> Any:
        result = self.call(name, **given)
        assert not result.is_error, result.content
        return result.structured_content

    def add(self, text: str, at: str) -> str:
        return str(self.good("add_memory", text=text, when=at)["id"])

    def update(self, id: str, text: str) -> None:
        self.good("update_memory", id=id, text=text)

    def delete(self, id: str) -> None:
        self.good("delete_memory", id=id)

    def search(self) -> list[str]:
        return [m["text"] for m in self.good("search_memories", query=ASKED, k=3)["memories"]]

    def context(self) -> str:
        [text] = self.call("get_context", query=ASKED, budget=300).content
        return unfenced(str(text.text))

    def missing(self) -> tuple[str, int]:
        error = self.call("get_memory", id=NOBODY).structured_content["error"]
        return str(error["type"]), int(error["code"])


def unfenced(text: str) -> str:
    """What stands between the marks that say "stored text" to a model."""
    inside = text.partition(OPEN)[2].partition(CLOSE)[0] if OPEN in text else text
    return inside[inside.find("## ") :].strip("\n")  # from the first heading on


@contextmanager
def library(place: Path, _: Any) -> Iterator[Door]:
    with Memory.open(place, embedder="none") as memory:
        yield OfLibrary(memory, 0)


@contextmanager
def command_line(place: Path, capsys: Any) -> Iterator[Door]:
    yield OfCommandLine(place, capsys)


@contextmanager
def rest(place: Path, _: Any) -> Iterator[Door]:
    with (
        Memory.open(place, embedder="none") as memory,
        running(create_app(memory)) as url,
        httpx.Client(base_url=url) as http,
    ):
        yield OfHttp(http)


@contextmanager
def client(place: Path, _: Any) -> Iterator[Door]:
    with (
        Memory.open(place, embedder="none") as memory,
        running(create_app(memory)) as url,
        Client(url) as made,
    ):
        yield OfLibrary(made, 0)


@contextmanager
def tools(place: Path, _: Any) -> Iterator[Door]:
    with Memory.open(place, embedder="none") as memory:
        yield OfTools(memory)


@contextmanager
def inspector(place: Path, _: Any) -> Iterator[Door]:
    with Memory.open(place, embedder="none") as memory, inspected(memory) as site:
        with urlopen(Request(site.root, headers={"Cookie": site.cookie})) as page:
            assert page.status == 200
        headers = {"Cookie": site.cookie, "X-Engrams-UI": "1"}
        with httpx.Client(base_url=f"http://127.0.0.1:{site.port}", headers=headers) as http:
            yield OfHttp(http)


DOORS: dict[str, tuple[Callable[[Path, Any], Any], str]] = {
    "library": (library, ""),
    "client": (client, ""),
    "command line": (command_line, "exit_code"),
    "rest": (rest, "http_status"),
    "mcp": (tools, "mcp_code"),
    "inspector": (inspector, "http_status"),
}


def lived(door: Door) -> tuple[list[str], str]:
    """Tells, corrects and forgets; then asks."""
    ids = [door.add(text, at) for at, text in TOLD]
    door.update(ids[0], CORRECTED)
    door.delete(ids[3])
    return door.search(), door.context()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], str]:
    """What the library answers."""
    with library(tmp_path_factory.mktemp("library") / "m.db", None) as door:
        return lived(door)


def test_the_answer_of_the_library(expected: tuple[list[str], str]) -> None:
    hits, context = expected
    assert hits[0] == CORRECTED
    assert len(hits) == 3
    assert CORRECTED in context
    assert "party" not in context
    assert TOLD[0][1] not in context


@pytest.mark.parametrize("name", [name for name in DOORS if name != "library"])
def test_every_door_gives_the_same_answer(
    name: str, tmp_path: Path, capsys: Any, expected: tuple[list[str], str]
) -> None:
    with DOORS[name][0](tmp_path / "m.db", capsys) as door:
        assert lived(door) == expected


@pytest.mark.parametrize("name", DOORS)
def test_every_door_says_by_the_one_table_that_nothing_is_there(
    name: str, tmp_path: Path, capsys: Any
) -> None:
    make, field = DOORS[name]
    with make(tmp_path / "m.db", capsys) as door:
        door.add(TOLD[1][1], TOLD[1][0])
        kind, code = door.missing()
    assert kind == "NotFound"
    assert code == (getattr(outcome(NotFound), field) if field else 0)


def test_the_proxy_gives_a_model_what_the_library_finds(
    tmp_path: Path, expected: tuple[list[str], str]
) -> None:
    place = tmp_path / "m.db"
    with library(place, None) as door:
        lived(door)
    with (
        Memory.open(place, embedder="none") as memory,
        ScriptedServer(lambda heard: Said("With Ben.")) as upstream,
        running(create_proxy(memory, upstream.url, hosts={"127.0.0.1"}, budget=300, patience=60)) as url,
        openai.OpenAI(api_key="upstream", base_url=f"{url}/v1", max_retries=0) as model,
    ):
        answer = model.chat.completions.create(
            model="m", messages=[{"role": "user", "content": ASKED}], user=PERSON
        )
        assert answer.choices[0].message.content == "With Ben."
        given = "\n".join([upstream.heard[0].system, *(text for _, text in upstream.heard[0].messages)])
    lines = [line for line in expected[1].splitlines() if line.startswith("[")]
    shown = [line for line in unfenced(given).splitlines() if line.startswith("[")]
    assert shown == lines
