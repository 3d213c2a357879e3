"""The error tree and the one table from errors to what the doors answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engrams import errors
from engrams.errors import (
    OUTCOMES,
    BadSetting,
    EngramsError,
    NeedsExtra,
    OverBudget,
    StepFailed,
    UnknownName,
    outcome,
)


def every_kind(kind: type[EngramsError] = EngramsError) -> Iterator[type[EngramsError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__.startswith("engrams."):
            yield from every_kind(below)


@pytest.mark.parametrize(
    "kind", sorted(set(every_kind()), key=lambda k: k.__name__), ids=lambda k: k.__name__
)
def test_every_error_has_an_exit_code_a_status_and_is_drawn(kind: type[EngramsError]) -> None:
    answer = outcome(kind)
    assert 1 <= answer.exit_code <= 125
    assert 400 <= answer.http_status <= 599
    assert answer.mcp_code < 0
    assert kind.__doc__
    if kind.__module__ == "engrams.errors":
        assert kind.__name__ in (errors.__doc__ or "")


def test_who_must_act_decides_the_answer() -> None:
    assert outcome(BadSetting("k", 0, "at least 1")).http_status == 422
    assert outcome(errors.Corrupt("x")) == OUTCOMES[errors.StoreError]
    assert outcome(errors.Busy).exit_code == outcome(errors.RateLimited).exit_code == 75  # EX_TEMPFAIL: retry
    assert {
        outcome(k).exit_code
        for k in (errors.UsageError, errors.NotFound, errors.StoreError, errors.ModelError)
    } == {
        2,
        3,
        4,
        5,
    }


def test_messages_say_what_was_found_and_what_works() -> None:
    bad = BadSetting("budget", "x" * 200, "a number", "engrams.toml")
    assert str(bad).startswith("budget (engrams.toml): found 'xxx")
    assert str(bad).endswith("of type str; expected a number")
    assert len(str(bad)) < 200
    near = UnknownName("recipe", "engram", ["engrams", "bm25"])
    assert near.nearest == ("engrams",)
    assert "did you mean 'engrams'?" in str(near)
    assert "known: a, b" in str(UnknownName("recipe", "zzz", ["b", "a"]))
    assert "pip install 'engrams[embed]'" in str(NeedsExtra("the embedder", "embed"))
    assert "the limit is 5, 7.5 would be spent" in str(OverBudget("tokens", 5, 7.5))
    failed = StepFailed("r", "read", "Top", ["1", "2", "3", "4"], KeyError("k"))
    assert str(failed) == "r.read.Top failed at 1, 2, 3: KeyError: 'k'"


def test_usage_errors_are_value_errors_for_those_who_do_not_know_us() -> None:
    assert issubclass(errors.UsageError, ValueError)
    assert issubclass(errors.NotFound, LookupError)
    assert issubclass(errors.Denied, PermissionError)
