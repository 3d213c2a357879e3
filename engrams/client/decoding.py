"""From JSON back to the records of `engrams.records`, led by their types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from engrams.records import Page


def made(kind: Any, value: Any) -> Any:
    """A value of a type from its JSON. What a record does not know, as a newer server may send, is left out.

    Raises:
        ValueError, TypeError, KeyError: the JSON does not fit the type.
    """
    if value is None or kind in (Any, None, NoneType):
        return None if kind in (None, NoneType) else value
    kind = getattr(kind, "__supertype__", kind)  # what a NewType stands for
    origin, inner = get_origin(kind), get_args(kind)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is date:
        return date.fromisoformat(value)
    if origin in (Union, UnionType):
        return made(_fitting(inner, value), value)
    if origin is Page:
        return Page(tuple(made(inner[0], item) for item in value["items"]), value["next"])
    if origin is tuple:
        each = inner[0] if inner[-1] is Ellipsis else None
        return tuple(made(each or inner[i], item) for i, item in enumerate(value))
    if origin is list:
        return [made(inner[0], item) for item in value]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: made(inner[1], item) for key, item in value.items()}
    if is_dataclass(kind):
        return _record(kind, value)
    return value


def _record(kind: Any, value: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    given = {}
    for field in fields(kind):
        if field.name in value:
            given[field.name] = made(hints[field.name], value[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(f"{kind.__name__} without {field.name}")
    return kind(**given)


def _fitting(kinds: tuple[Any, ...], value: Any) -> Any:
    """Which of several types the JSON is: the record that has all of its names, else the first that is not None."""
    real = [kind for kind in kinds if kind is not NoneType]
    if isinstance(value, Mapping):
        for kind in real:
            if is_dataclass(kind) and {f.name for f in fields(kind)} >= set(value):
                return kind
    return real[0]


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
