"""From the scope arguments of a call to the one path it may touch (design, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

from engrams.errors import BadSetting
from engrams.records import Scope

#: Longest namespace path, in characters; enough for `tenant/team/user` with long ids, short enough for an index key.
LONGEST = 512


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scope arguments as a caller gave them."""

    namespace: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    session: str | None = None

    @property
    def names_a_path(self) -> bool:
        """Whether the caller said where."""
        return self.namespace is not None or self.user_id is not None


def resolve(given: Scopes, *, writing: bool, default: str = "default") -> Scope:
    """The scope of a call: `user_id` is the path, or the last segment below `namespace`; with neither, `default`.

    Raises:
        BadSetting: an empty or malformed part, a wildcard where one exact path is needed.
    """
    fields = {
        key: _field(key, value)
        for key, value in (("agent_id", given.agent_id), ("run_id", given.run_id), ("session", given.session))
    }
    path = default if given.namespace is None and given.user_id is None else ""
    if given.namespace is not None:
        path = _path(given.namespace, wildcard=not writing and given.user_id is None)
    if given.user_id is not None:
        path = f"{path}/{_segment('user_id', given.user_id)}" if path else _segment("user_id", given.user_id)
    if len(path) > LONGEST:
        raise BadSetting("namespace", path, f"a path of at most {LONGEST} characters")
    return Scope(path, **fields)


def _path(value: object, *, wildcard: bool) -> str:
    expected = "a path such as 'acme' or 'acme/alice', segments that are not empty, joined by '/'" + (
        "; 'acme/*' reads everything below it" if wildcard else "; no '*' here: one exact path is needed"
    )
    if not isinstance(value, str):
        raise BadSetting("namespace", value, expected)
    segments = value.split("/")
    if wildcard and len(segments) > 1 and segments[-1] == "*":
        segments = segments[:-1]
    if any(_bad_segment(s) for s in segments):
        raise BadSetting("namespace", value, expected)
    return value


def _segment(key: str, value: object) -> str:
    if not isinstance(value, str) or _bad_segment(value) or "/" in value:
        raise BadSetting(
            key,
            value,
            "text that is not empty, without '/', '*' alone or control characters (give a path as namespace=)",
        )
    return value


def _bad_segment(segment: str) -> bool:
    return not segment.strip() or segment == "*" or not _storable(segment)


def _field(key: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or not _storable(value) or len(value) > LONGEST:
        raise BadSetting(key, value, f"text of 1 to {LONGEST} characters without control characters")
    return value


def _storable(text: str) -> bool:
    return all(c.isprintable() or c in "\u200c\u200d\u200e\u200f" for c in text) and not any(
        "\ud800" <= c <= "\udfff" for c in text
    )
