"""Schemas of structured answers: the part of JSON Schema that is used here, read, checked and told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engrams.errors import BadSetting
from engrams.records import Json

#: The keywords that are checked. Any other is refused, so that no schema promises what nobody looks at.
KEYWORDS = frozenset(
    "type properties required additionalProperties items enum minItems maxItems minLength maxLength minimum maximum "
    "description".split()
)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class Misfit(ValueError):
    """An answer that does not fit; the message names the place and what belongs there, never what stood there."""


def require_schema(schema: Mapping[str, Json]) -> None:
    """Checks a schema of an answer.

    Raises:
        BadSetting: it is not of an object, or uses what is not checked here; known keywords are `KEYWORDS`.
    """
    if schema.get("type") != "object":
        raise BadSetting("schema", schema.get("type"), 'a schema with "type": "object" at the top', "prompt")
    _require(schema, "answer")


def _require(schema: object, at: str) -> None:
    if not isinstance(schema, Mapping):
        raise BadSetting(f"schema of {at}", schema, "an object of JSON Schema", "prompt")
    unknown = set(schema) - KEYWORDS
    if unknown:
        raise BadSetting(f"schema of {at}", sorted(unknown), f"keywords among {sorted(KEYWORDS)}", "prompt")
    named = schema.get("type", "")
    for name in named if isinstance(named, list) else [named]:
        if name and name not in _TYPES:
            raise BadSetting(f"type of {at}", name, f"one of {sorted(_TYPES)}", "prompt")
    properties = schema.get("properties", {})
    missing = set(schema.get("required", ())) - set(properties)
    if missing:
        raise BadSetting(f"required of {at}", sorted(missing), f"names among {sorted(properties)}", "prompt")
    for name, inner in properties.items():
        _require(inner, f"{at}.{name}")
    if "items" in schema:
        _require(schema["items"], f"{at}[]")


def read_answer(text: str, schema: Mapping[str, Json]) -> Mapping[str, Json]:
    """The object in a model's answer: the text itself, what stands in a code fence, or from the first brace to the last.

    Raises:
        Misfit: there is no JSON object in it, or it does not fit the schema.
    """
    try:
        value = json.loads(_object_in(text), parse_constant=_no_constant)
    except (ValueError, RecursionError) as cause:
        where = f" at character {cause.pos}" if isinstance(cause, json.JSONDecodeError) else ""
        raise Misfit(f"the answer is no JSON object{where}") from cause
    fitted = fitting(value, schema)
    assert isinstance(fitted, dict)  # the schema is one of an object
    return fitted


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _object_in(text: str) -> str:
    first, last = text.find("{"), text.rfind("}")
    if first < 0 or last < first:
        raise ValueError("no braces")
    return text[first : last + 1]


def fitting(value: Any, schema: Mapping[str, Any], at: str = "answer") -> Any:
    """The value as the schema has it: whole floats become integers where those are asked for, unknown keys go.

    Raises:
        Misfit: it does not fit; names the place.
    """
    if "enum" in schema and value not in schema["enum"]:
        raise Misfit(f"{at} must be one of {json.dumps(schema['enum'], ensure_ascii=False)}")
    value = _typed(value, schema, at)
    if isinstance(value, dict):
        return _fitting_object(value, schema, at)
    if isinstance(value, list):
        _bounded(len(value), schema, at, "minItems", "maxItems", "items")
        inner = schema.get("items", {})
        return [fitting(item, inner, f"{at}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, str):
        _bounded(len(value), schema, at, "minLength", "maxLength", "characters")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _bounded(value, schema, at, "minimum", "maximum", "")
    return value


def _typed(value: Any, schema: Mapping[str, Any], at: str) -> Any:
    named = schema.get("type")
    if named is None:
        return value
    names = named if isinstance(named, list) else [named]
    if "integer" in names and isinstance(value, float) and value.is_integer():
        return int(value)
    for name in names:
        if isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool)):
            return value
    raise Misfit(f"{at} must be {' or '.join(names)}")


def _fitting_object(value: dict[str, Any], schema: Mapping[str, Any], at: str) -> dict[str, Any]:
    properties = schema.get("properties", {})
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        raise Misfit(f"{at} lacks {', '.join(map(repr, missing))}")
    extra = schema.get("additionalProperties", False)
    out = {}
    for name, held in value.items():
        if name in properties:
            out[name] = fitting(held, properties[name], f"{at}.{name}")
        elif extra:
            out[name] = held if extra is True else fitting(held, extra, f"{at}.*")
    return out


def _bounded(size: float, schema: Mapping[str, Any], at: str, least: str, most: str, unit: str) -> None:
    if least in schema and size < schema[least]:
        raise Misfit(f"{at} must be {schema[least]} {unit} or more".replace("  ", " "))
    if most in schema and size > schema[most]:
        raise Misfit(f"{at} must be {schema[most]} {unit} or fewer".replace("  ", " "))


def smallest(schema: Mapping[str, Any]) -> Any:
    """A value that fits a schema, one item in each list: what an estimate stands in for an answer."""
    if "enum" in schema:
        return schema["enum"][0]
    named = schema.get("type", "string")
    name = named[0] if isinstance(named, list) else named
    if name == "object":
        return {key: smallest(inner) for key, inner in schema.get("properties", {}).items()}
    if name == "array":
        count = min(max(1, schema.get("minItems", 1)), schema.get("maxItems", 1))
        return [smallest(schema.get("items", {}))] * count
    if name == "string":
        return "text"[: schema.get("maxLength", 4)].ljust(schema.get("minLength", 0), "t")
    if name in ("integer", "number"):
        return max(schema.get("minimum", 0), min(0, schema.get("maximum", 0)))
    return False if name == "boolean" else None
