"""What a tool is: a name, what it takes and gives as JSON schemas, and a function over the memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engrams.errors import BadSetting, UnknownName
from engrams.serve.mcp.reach import Reach

Schema = Mapping[str, Any]
Given = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_SAID = {"string": "text", "integer": "a whole number", "object": "an object", "array": "a list"}


class Result(NamedTuple):
    """What a tool gives: for programs, and for a reader."""

    data: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class Tool:
    """One tool. `takes` and `gives` are the properties of its input and output; `needs` of the first must be given."""

    name: str
    description: str
    takes: Mapping[str, Schema]
    gives: Mapping[str, Schema]
    run: Callable[[Reach, Given], Result]
    needs: tuple[str, ...] = ()
    sure: tuple[str, ...] = ()  # properties of the output that are always there
    hints: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object", "properties": dict(self.takes)}
        return schema | ({"required": list(self.needs)} if self.needs else {})

    @property
    def output_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object", "properties": dict(self.gives)}
        return schema | ({"required": list(self.sure)} if self.sure else {})

    def checked(self, given: Given) -> Given:
        """The arguments, if they fit; what is given as null counts as not given.

        Raises:
            UnknownName: an argument the tool does not take.
            BadSetting: an argument is missing, of the wrong type or out of range.
        """
        return _checked(given, self.input_schema, self.name)


def _checked(given: Given, schema: Schema, where: str) -> dict[str, Any]:
    known: Mapping[str, Schema] = schema["properties"]
    held = {key: value for key, value in given.items() if value is not None}
    for name in schema.get("required", ()):
        if name not in held:
            raise BadSetting(f"{where}.{name}", None, f"{_wanted(known[name])}; it must be given")
    for key, value in held.items():
        if key not in known:
            raise UnknownName(f"argument of {where}", key, known)
        _fits(value, known[key], f"{where}.{key}")
    return held


def _fits(value: object, schema: Schema, where: str) -> None:
    kind = schema.get("type")
    wrong = kind is not None and not isinstance(value, _TYPES[kind])
    if wrong or (isinstance(value, bool) and kind in ("integer", "number")):
        raise BadSetting(where, value, _wanted(schema))
    if kind in ("integer", "number"):
        assert isinstance(value, int | float)
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            raise BadSetting(where, value, _wanted(schema))
    if kind == "array" and "items" in schema:
        assert isinstance(value, list)
        for i, item in enumerate(value):
            _fits(item, schema["items"], f"{where}[{i}]")
    if kind == "object" and "properties" in schema:
        assert isinstance(value, dict)
        _checked(value, schema, where)


def _wanted(schema: Schema) -> str:
    said = _SAID.get(str(schema.get("type")), str(schema.get("type")))
    if "minimum" in schema:
        said += f" from {schema['minimum']:,} to {schema['maximum']:,}"
    return said
