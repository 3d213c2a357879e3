"""`engrams reembed`, and what the command line says when vectors do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors.conftest import BOAT, KEY, Engrams
from tests.rooms.models.embeddings_server import EmbeddingsServer, serving

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingsServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as made:
        yield made


def test_another_embedder_is_refused_until_the_vectors_are_made_anew(
    engrams: Engrams, server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = f"openai:old@{server.url}", f"openai:new@{server.url}"
    monkeypatch.setenv("ENGRAMS_EMBEDDER", old)
    for text in (KEY, BOAT):
        assert engrams("add", text).code == 0
    monkeypatch.setenv("ENGRAMS_EMBEDDER", new)
    refused = engrams("search", "boat")
    assert refused.code == 4
    for part in ("'openai:old'", "'openai:new'", "engrams reembed"):
        assert part in refused.err
    assert "engrams reembed" in engrams("doctor").out
    assert engrams("search", "boat").code == 4
    done = engrams("reembed", "--json")
    assert (done.code, done.json["vectors"]) == (0, 2)
    assert [asked["model"] for asked in server.asked][-1] == "new"
    assert BOAT in engrams("search", "boat", "--json").out
    assert engrams("doctor").code == 0
    again = engrams("reembed")
    assert (again.code, again.out) == (0, "0\n")


def test_the_embedder_may_be_named(engrams: Engrams, server: EmbeddingsServer) -> None:
    engrams("add", KEY)
    done = engrams("reembed", "--embedder", f"openai:small@{server.url}")
    assert (done.code, done.out) == (0, "1\n")
    assert server.asked[-1]["input"] == [KEY]


def test_without_an_embedder_it_says_what_to_install(engrams: Engrams, database: Path) -> None:
    engrams("add", KEY)
    answer = engrams("reembed")
    assert answer.code == 2
    assert "pip install 'engrams[embed]'" in answer.err
    assert engrams("reembed", "--embedder", "minlim").code == 2
    assert database.exists()
