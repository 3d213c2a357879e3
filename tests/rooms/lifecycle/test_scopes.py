"""Where a call may read or write, by the rules of docs/design.md, section 4."""

from __future__ import annotations

import pytest

from engrams.errors import BadSetting
from engrams.lifecycle.scopes import Scopes, resolve
from engrams.records import Scope


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (Scopes(), "default"),
        (Scopes(user_id="alice"), "alice"),
        (Scopes(namespace="acme"), "acme"),
        (Scopes(namespace="acme", user_id="alice"), "acme/alice"),
        (Scopes(namespace="acme/team", user_id="al.i-ce@x y"), "acme/team/al.i-ce@x y"),
    ],
)
def test_the_path(given: Scopes, path: str) -> None:
    assert resolve(given, writing=True).namespace == path
    assert resolve(given, writing=False).namespace == path


def test_fields_stand_beside_the_path() -> None:
    scope = resolve(Scopes(agent_id="a", run_id="r", session="s"), writing=True, default="home")
    assert scope == Scope("home", "a", "r", "s")


def test_a_wildcard_reads_below_and_never_writes() -> None:
    scope = resolve(Scopes(namespace="acme/*"), writing=False)
    assert scope.below
    assert [scope.covers(n) for n in ("acme/a", "acme/a/b", "acme", "acmex/a")] == [True, True, False, False]
    with pytest.raises(BadSetting, match="exact"):
        resolve(Scopes(namespace="acme/*"), writing=True)


@pytest.mark.parametrize(
    "path", ["", " ", "/", "a/", "/a", "a//b", "*", "a/*/b", "a\x00b", "a\nb", "\ud800", "x" * 600, 5]
)
def test_a_malformed_path_is_refused(path: str) -> None:
    with pytest.raises(BadSetting, match="namespace"):
        resolve(Scopes(namespace=path), writing=False)


@pytest.mark.parametrize("user", ["", "*", "a/b", "../x/", "\x00", 7])
def test_a_user_id_is_one_segment(user: str) -> None:
    with pytest.raises(BadSetting, match="user_id"):
        resolve(Scopes(user_id=user), writing=False)
