"""The inspector's server: who is let in, what else it refuses, what its own paths answer, and the command that starts it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from engrams import Memory
from engrams.errors import BadSetting, Unavailable
from engrams.serve.inspector.page import FILES, POLICY, STATIC
from engrams.serve.inspector.pieces import LONGEST_COMPARED, difference, pieces
from engrams.serve.inspector.running import inspector
from engrams.serve.rest.app import create_app
from tests.doors.conftest import PROGRAM, Engrams
from tests.doors.inspecting import Site, running

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory.open(":memory:", embedder="none") as opened:
        yield opened


@pytest.fixture
def site(memory: Memory) -> Iterator[Site]:
    with running(memory) as opened:
        yield opened


class Answer:
    """What one request got."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(site: Site, method: str, path: str, body: object = None, **headers: str | None) -> Answer:
    """One request with the cookie and all that the page sends; a header given as None is left out."""
    sent: dict[str, str | None] = {
        "Host": f"127.0.0.1:{site.port}",
        "Cookie": site.cookie,
        "X-Engrams-UI": "1",
        "Content-Type": "application/json",
    }
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", site.port)
    try:
        connection.putrequest(method, path, skip_host=True)
        held = b"" if body is None else json.dumps(body).encode()
        for name, value in {**sent, "Content-Length": str(len(held))}.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(held)
        return Answer(connection.getresponse())
    finally:
        connection.close()


# --- who is let in


def test_the_address_opens_it_once(memory: Memory) -> None:
    with inspector(memory) as server:
        site = Site(memory, memory, server.url, server.port)  # type: ignore[arg-type]
        import threading

        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            query = server.url.partition("/ui/")[2]
            assert ask(site, "GET", "/ui/?token=guess", Cookie=None).status == 401
            assert ask(site, "POST", f"/ui/{query}", {}, Cookie=None).status == 401
            first = ask(site, "GET", f"/ui/{query}", Cookie=None)
            kept = first.headers["Set-Cookie"]
            assert (first.status, b'id="app"' in first.body) == (200, True)
            assert kept.startswith(f"engrams_ui_{server.port}=")
            assert kept.endswith("; Path=/; HttpOnly; SameSite=Strict")
            again = ask(site, "GET", f"/ui/{query}", Cookie=None)
            assert (again.status, again.headers["Set-Cookie"]) == (401, None)
            assert b"used already" in again.body
            site.cookie = kept.partition(";")[0]
            assert ask(site, "GET", "/ui/").status == 200
            assert ask(site, "GET", "/ui/").headers["Set-Cookie"] is None
        finally:
            server.stop()
            thread.join()


@pytest.mark.parametrize(
    "path", ["/ui/", "/ui/inspector.js", "/ui/api/start", "/memories", "/health", "/docs"]
)
@pytest.mark.parametrize("cookie", [None, "engrams_ui=x", "a=b; =; \x01", "engrams_ui_{port}=guess"])
def test_nothing_is_shown_without_the_cookie(site: Site, path: str, cookie: str | None) -> None:
    cookie = cookie and cookie.replace("{port}", str(site.port))
    assert ask(site, "GET", path, Cookie=cookie).status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", None]
)
def test_another_name_is_refused(site: Site, host: str | None) -> None:
    host = host and host.replace("{port}", str(site.port))
    assert ask(site, "GET", "/ui/", Host=host).status in (400, 403)


def test_the_names_of_this_machine_are_answered(site: Site) -> None:
    for host in (f"localhost:{site.port}", f"LOCALHOST:{site.port}", f"[::1]:{site.port}"):
        assert ask(site, "GET", "/ui/", Host=host).status == 200


def test_another_page_cannot_change_anything(site: Site) -> None:
    told = site.memory.add("The boat is blue.")
    here = f"http://127.0.0.1:{site.port}"
    for refused in ({"X_Engrams_UI": None}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        for method, path in (
            ("DELETE", f"/memories/{told.event_ids[0]}"),
            ("POST", "/memories"),
            ("PUT", f"/memories/{told.event_ids[0]}"),
        ):
            answer = ask(site, method, path, {"messages": "x"}, **refused)
            assert (answer.status, answer.json["error"]["type"]) == (403, "Denied")
    assert [e.content for e in site.memory.log()] == ["The boat is blue."]
    assert ask(site, "DELETE", f"/memories/{told.event_ids[0]}", Origin=here).status == 200
    assert len(site.memory.log()) == 0


def test_every_answer_keeps_the_browser_from_doing_more(site: Site) -> None:
    for path in ("/ui/", "/ui/inspector.js", "/ui/api/start", "/memories/none", "/nowhere"):
        headers = ask(site, "GET", path).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Access-Control-Allow-Origin"] is None
    assert ask(site, "GET", "/ui/api/start").headers["Cache-Control"] == "no-store"
    assert "unsafe" not in POLICY
    assert "http:" not in POLICY


# --- the page


def test_the_page_has_its_files_and_no_others(site: Site) -> None:
    assert sorted(path.name for path in STATIC.iterdir()) == sorted(FILES)
    for name, kind in FILES.items():
        answer = ask(site, "GET", f"/ui/{name}")
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
        assert answer.body == (STATIC / name).read_bytes()
        assert ask(site, "GET", f"/ui/{name}", If_None_Match=answer.headers["ETag"]).status == 304
    assert ask(site, "GET", "/ui/digests.txt").status == 404
    assert ask(site, "GET", "/ui/..%2fgate.py").status == 404
    assert ask(site, "GET", "/ui").headers["Location"] == "/ui/"


def test_the_page_names_no_other_place() -> None:
    """No script, style, font or picture from elsewhere; addresses that name XML's vocabularies are none."""
    for name in FILES:
        text = (STATIC / name).read_text("utf-8")
        assert "//cdn" not in text
        for address in text.split("http")[1:]:
            assert not address.startswith(("://", "s://")) or address.partition("//")[2].startswith(
                "www.w3.org/"
            )


def test_the_built_page_is_that_of_its_sources() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "build_ui.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lock = json.loads((ROOT / "ui" / "package-lock.json").read_text("utf-8"))
    assert not any("resolved" in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


@pytest.mark.parametrize("place", ["ui/src/main.tsx", "engrams/serve/inspector/static/inspector.js"])
def test_a_change_without_a_build_is_found(tmp_path: Path, place: str) -> None:
    import shutil

    for part in ("ui", "engrams/serve/inspector/static"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "scripts").mkdir()
    check = shutil.copy(ROOT / "scripts" / "build_ui.py", tmp_path / "scripts")
    with (tmp_path / place).open("a") as file:
        file.write("\n")
    done = subprocess.run([sys.executable, check, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, place in done.stderr, done.stderr.count("\n")) == (1, True, 1)


# --- its own paths


def test_the_page_learns_what_lies_here(site: Site) -> None:
    site.memory.add("The boat is blue.", namespace="ada", occurred_at="2024-05-01")
    start = ask(site, "GET", "/ui/api/start").json
    assert (start["namespaces"], start["recipe"], start["stats"]["engrams"]) == (["ada"], "engrams", 1)
    place = ask(site, "GET", "/ui/api/place?namespace=ada").json
    assert place["occurred"] == ["2024-05-01T00:00:00+00:00"] * 2
    assert len(place["recorded"]) == 2
    empty = ask(site, "GET", "/ui/api/place?namespace=nobody").json
    assert (empty["occurred"], empty["recorded"]) == (None, None)


def test_namespaces_come_page_by_page(site: Site) -> None:
    for n in range(60):
        site.memory.add("A note.", namespace=f"team/{n:02}")
    first = ask(site, "GET", "/ui/api/namespaces").json
    assert (len(first["items"]), first["next"], first["total"]) == (50, "team/49", 60)
    second = ask(site, "GET", f"/ui/api/namespaces?after={first['next']}").json
    assert (second["items"][0]["namespace"], len(second["items"]), second["next"]) == (
        "team/50",
        10,
        None,
    )
    assert ask(site, "GET", "/ui/api/namespaces?contains=TEAM/07").json["total"] == 1


def test_versions_say_what_went_and_what_came(site: Site) -> None:
    told = site.memory.add("The boat is blue.")
    site.memory.update(told.event_ids[0], "The boat is red.")
    site.memory.delete(told.engram_ids[0])
    found = ask(site, "GET", f"/ui/api/versions/{told.engram_ids[0]}").json["versions"]
    assert [v["parts"] for v in found] == [
        [],
        [["=", "The boat is "], ["-", "blue"], ["+", "red"], ["=", "."]],
        [["=", "The boat is red."]],
    ]
    assert [(v["state_before"], v["revision"]["state"]) for v in found][2] == ("active", "archived")
    assert ask(site, "GET", "/ui/api/versions/none").status == 404


def test_a_context_comes_in_counted_lines(site: Site) -> None:
    site.memory.add(
        {"role": "user", "name": "Ada", "content": "The key is\nunder the pot."}, occurred_at="2024-05-01"
    )
    answer = ask(site, "POST", "/ui/api/context", {"query": "Where is the key?", "budget": 100}).json
    assert [line["kind"] for line in answer["lines"]] == ["heading", "memory", "memory"]
    assert {line["mark"] for line in answer["lines"][1:]} == {"[1]"}
    assert answer["counted"] == answer["context"]["price"]["tokens"]
    text = "\n".join("".join(word for word, _ in line["words"]) for line in answer["lines"])
    assert text == answer["context"]["text"]
    assert ask(site, "POST", "/ui/api/context", {"query": ""}).status == 422
    assert ask(site, "POST", "/ui/api/context", {"query": "x", "extra": 1}).status == 422


def test_a_counter_that_joins_words_is_told_apart() -> None:
    with Memory.open(":memory:", embedder="none", tokenizer=lambda text: len(text) // 4) as memory:
        memory.add("The spare key is under the blue flower pot.")
        made = memory.context("Where is the spare key?")
        found = pieces(made, memory.count_tokens)
        assert found["counted"] == sum(n for line in found["lines"] for _, n in line["words"])
        assert found["counted"] < made.price.tokens


def test_differences_are_words_and_never_take_long() -> None:
    assert difference("", "new") == [("+", "new")]
    assert difference("old", "") == [("-", "old")]
    assert difference("", "") == []
    assert difference("a b", "a c d") == [("=", "a "), ("-", "b"), ("+", "c d")]
    long = "word " * LONGEST_COMPARED
    assert difference(long, long + "more") == [("-", long), ("+", long + "more")]


def test_a_server_with_keys_shows_what_the_key_may_see(memory: Memory) -> None:
    """`engrams serve` has the page too; there a key takes the place of the cookie."""
    from starlette.testclient import TestClient

    memory.add("Of Ada.", namespace="ada")
    memory.add("Of Ben.", namespace="ben")
    secret = memory.create_key("reader", {"ada": "read"}).secret
    with TestClient(create_app(memory, keys=True)) as client:
        assert client.get("/ui/").headers["content-security-policy"] == POLICY
        assert client.get("/ui/api/start").status_code == 401
        start = client.get("/ui/api/start", headers={"X-API-Key": str(secret)}).json()
        assert (start["namespaces"], start["stats"], start["location"]) == (["ada"], None, None)
        other = client.get("/ui/api/place?namespace=ben", headers={"X-API-Key": str(secret)})
        assert other.status_code == 403


# --- the command


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(database: Path, stop: signal.Signals) -> None:
    with Memory.open(database, embedder="none") as memory:
        memory.add("The boat is blue.")
    with subprocess.Popen(
        [*PROGRAM, "ui", "--no-browser"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            url = child.stdout.readline().strip()
            with Memory.open(":memory:", embedder="none") as nothing:
                site = Site(nothing, nothing, url, urlsplit(url).port or 0)  # type: ignore[arg-type]
                site.enter()
                assert ask(site, "GET", "/ui/api/start").json["stats"]["events"] == 1
                told = ask(site, "POST", "/memories", {"messages": "And fast."}).json
            child.send_signal(stop)
            _, complaint = child.communicate()
        finally:
            child.kill()
        assert child.returncode in (0, -stop), complaint
        assert "Traceback" not in complaint
    with Memory.open(database, embedder="none") as memory:
        assert memory.get(told["event_ids"][0]).content == "And fast."
        assert {row["actor"] for row in memory.audit()} == {"library", "inspector"}


def test_the_command_opens_the_browser(
    database: Path, engrams: Engrams, monkeypatch: pytest.MonkeyPatch
) -> None:
    import webbrowser

    assert engrams("add", "The boat is blue.").code == 0
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        os.kill(os.getpid(), signal.SIGINT)  # whoever sees the page has seen enough
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    answer = engrams("ui")
    assert answer.code == 0
    assert answer.rows[0][0] == opened[0]


def test_a_memory_that_is_not_there_is_no_page(engrams: Engrams) -> None:
    answer = engrams("ui", "--no-browser")
    assert (answer.code, "there is no memory at" in answer.err) == (3, True)


def test_a_port_that_cannot_be_had_is_told(memory: Memory) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(Unavailable, match="cannot be had"),
        inspector(memory, taken.getsockname()[1]),
    ):
        pass
    for port in (-1, 65_536, True):
        with pytest.raises(BadSetting, match="port"), inspector(memory, port):
            pass
