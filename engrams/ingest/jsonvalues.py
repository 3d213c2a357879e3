"""Checks that what is kept beside a text is JSON, so that it comes back from any store as it went in."""

from __future__ import annotations

import math
from collections.abc import Mapping

from engrams.errors import BadSetting
from engrams.records import Json

#: How deep metadata may nest. Python's own JSON reader and writer give up near a thousand; no honest use comes near.
DEEPEST = 64


def json_mapping(value: object, where: str, origin: str = "argument") -> dict[str, Json]:
    """A mapping with text keys and JSON values, as a plain dict.

    Raises:
        BadSetting: it is no mapping, or holds something that is not JSON; says where.
    """
    if not isinstance(value, Mapping):
        raise BadSetting(where, value, "a mapping from text to JSON values", origin)
    return {_key(k, where, origin): json_value(v, f"{where}.{k}", origin) for k, v in value.items()}


def json_value(value: object, where: str, origin: str = "argument", depth: int = 1) -> Json:
    """A JSON value; tuples become lists.

    Raises:
        BadSetting: not JSON (NaN and infinities are not), or nested deeper than `DEEPEST`.
    """
    if (
        value is None
        or isinstance(value, str | bool | int)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    if depth > DEEPEST:
        raise BadSetting(where, f"more than {DEEPEST} levels", f"JSON nested at most {DEEPEST} deep", origin)
    if isinstance(value, Mapping):
        return {
            _key(k, where, origin): json_value(v, f"{where}.{k}", origin, depth + 1) for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [json_value(v, f"{where}[{i}]", origin, depth + 1) for i, v in enumerate(value)]
    raise BadSetting(
        where, value, "a JSON value: text, finite number, true, false, null, list or mapping", origin
    )


def as_mapping(value: Json) -> Mapping[str, Json]:
    """The value where it is an object; an empty one for whatever else a file may hold in that place."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Json) -> list[Json]:
    """The value where it is a list; an empty one for whatever else a file may hold in that place."""
    return value if isinstance(value, list) else []


def _key(key: object, where: str, origin: str) -> str:
    if not isinstance(key, str):
        raise BadSetting(f"{where} key", key, "text", origin)
    return key
