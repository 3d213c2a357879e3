"""What the command line says when something cannot be done: one line, the kind, an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engrams.errors import EngramsError, outcome

Engrams = Callable[..., Any]


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (("serch", "x"), 2, "did you mean 'search'"),
        (("search", "--fliter", "a=b", "x"), 2, "--filter"),
        (("search", ""), 2, "QUERY"),
        (("search", "   "), 2, "QUERY"),
        (("search",), 2, "QUERY"),
        (("context", " "), 2, "QUERY"),
        (("add", " "), 2, "TEXT"),
        (("search", "key", "-k", "0"), 2, "k (argument)"),
        (("search", "key", "-k", "-1"), 2, "k (argument)"),
        (("search", "key", "-k", "many"), 2, "not a valid integer"),
        (("context", "key", "--budget", "0"), 2, "budget"),
        (("log", "--limit", "0"), 2, "--limit"),
        (("search", "key", "--since", "yesterday"), 2, "ISO 8601"),
        (("search", "key", "--since", "2024-02-30"), 2, "ISO 8601"),
        (("search", "key", "--since", "2025-01-01", "--until", "2024-01-01"), 2, "not after"),
        (("search", "key", "--as-of", "99999-01-01"), 2, "ISO 8601"),
        (("add", "x", "--at", "sometime"), 2, "ISO 8601"),
        (("search", "key", "--filter", "nonsense"), 2, "speaker=Ada"),
        (("search", "key", "--filter", '{"a": {"near": 3}}'), 2, "operator"),
        (("search", "key", "--filter", "{broken"), 2, "speaker=Ada"),
        (("add", "x", "--meta", "nonsense"), 2, "topic=boat"),
        (("add", "x", "--user", "a/b"), 2, "user_id"),
        (("add", "x", "--namespace", "acme/*"), 2, "namespace"),
        (("show", "nothing"), 3, "nothing"),
        (("history", "nothing"), 3, "nothing"),
        (("update", "nothing", "new"), 3, "nothing"),
        (("update", "nothing"), 2, "new text"),
        (("pin", "nothing"), 3, "nothing"),
        (("recipes", "show", "nothing"), 2, "recipe"),
        (("completion", "tcsh"), 2, "bash"),
        (("import", "/nowhere/chats.json"), 3, "/nowhere/chats.json"),
        (("restore", "/nowhere/journal.jsonl"), 3, "/nowhere/journal.jsonl"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    filled: Engrams, command: tuple[str, ...], code: int, says: str
) -> None:
    answer = filled(*command)
    assert (answer.code, answer.out) == (code, ""), answer.err
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("error: ")
    assert says in answer.err
    error = json.loads(filled(*command, "--json").err)["error"]
    assert error["exit_code"] == code
    assert says in error["message"]
    assert error["type"] in {"UsageError", "UnknownName", "BadSetting", "NotFound", "UnknownFormat"}


def test_a_memory_that_is_not_there_is_not_made_by_looking(engrams: Engrams, database: Path) -> None:
    for command in (
        ("search", "key"),
        ("context", "key"),
        ("log",),
        ("stats",),
        ("namespaces",),
        ("vacuum",),
    ):
        answer = engrams(*command)
        assert answer.code == 3
        assert "engrams add" in answer.err
    assert not database.exists()


def test_every_error_of_the_house_has_its_exit_code(
    engrams: Engrams, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engrams.errors import (
        BadSetting,
        NeedsExtra,
        OverBudget,
        RateLimited,
        StepFailed,
        UnknownName,
        Unreadable,
    )
    from engrams.memory import Memory

    made: dict[type[EngramsError], EngramsError] = {
        BadSetting: BadSetting("k", 0, "more"),
        NeedsExtra: NeedsExtra("it", "all"),
        OverBudget: OverBudget("it", 1, 2),
        RateLimited: RateLimited("slower"),
        StepFailed: StepFailed("r", "read", "Top", (), ValueError("x")),
        UnknownName: UnknownName("recipe", "x", ["y"]),
        Unreadable: Unreadable("no JSON", "raw"),
    }

    def below(kind: type[EngramsError]) -> list[type[EngramsError]]:
        return [kind, *(k for direct in kind.__subclasses__() for k in below(direct))]

    for kind in below(EngramsError):
        error = made.get(kind) or kind("it went wrong")

        def fail(*args: object, error: EngramsError = error, **kwargs: object) -> None:
            raise error

        monkeypatch.setattr(Memory, "open", fail)
        answer = engrams("add", "x", "--json")
        told = json.loads(answer.err)["error"]
        assert told == {"type": kind.__name__, "message": str(error), "exit_code": outcome(kind).exit_code}
        assert answer.code == outcome(kind).exit_code


def test_the_unexpected_is_one_line_and_a_way_to_more(
    engrams: Engrams, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engrams.memory import Memory

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(Memory, "open", fail)
    answer = engrams("add", "x")
    assert answer.code == 1
    assert (
        answer.err
        == "error: unexpected RuntimeError: no such luck; run with ENGRAMS_DEBUG=1 for the traceback\n"
    )
    monkeypatch.setenv("ENGRAMS_DEBUG", "1")
    assert "Traceback" in engrams("add", "x").err
