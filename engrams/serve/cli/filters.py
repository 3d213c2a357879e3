"""Filters as people write them, `k=v`, made into the filter expressions of `Memory.search`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from engrams.errors import BadSetting
from engrams.records import Json

_EXAMPLES = 'speaker=Ada, price>=10, topic~boat, or JSON such as {"topic": {"in": ["boat", "hens"]}}'
_SIGNS = {"=": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "~": "contains"}
_SHORT = re.compile(r"\s*([^\s=!<>~{}]+)\s*(!=|>=|<=|=|>|<|~)(.*)", re.DOTALL)


def filters_of(given: Sequence[str]) -> dict[str, Json] | None:
    """One filter expression, all parts of which must hold; None where nothing was given.

    Raises:
        BadSetting: neither `k=v` nor a JSON object.
    """
    parts = [_one(text) for text in given]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else {"AND": parts}


def _one(text: str) -> dict[str, Json]:
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as cause:
            raise BadSetting("--filter", text, f"{_EXAMPLES} ({cause})", "command line") from cause
        return dict(found)
    match = _SHORT.fullmatch(text)
    if match is None:
        raise BadSetting("--filter", text, _EXAMPLES, "command line")
    field, sign, value = match[1], match[2], match[3].strip()
    return {field: _condition(_SIGNS[sign], value)}


def _condition(operator: str, text: str) -> Json:
    """A value on the command line may be meant as text or as a number: equality tries both, order the number."""
    typed = _typed(text)
    if typed is None:
        return text if operator == "eq" else {operator: text}
    if operator == "eq":
        return {"in": [text, typed]}
    return {operator: text if operator == "contains" else typed}


def _typed(text: str) -> int | float | bool | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, int | float) else None


def metadata_of(given: Sequence[str]) -> dict[str, Json] | None:
    """Metadata from `k=v` (always text) and JSON objects (any type); later keys win; None where nothing was given.

    Raises:
        BadSetting: neither.
    """
    found: dict[str, Json] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if text.lstrip().startswith("{"):
            try:
                found |= json.loads(text)
            except ValueError as cause:
                raise BadSetting(
                    "--meta", text, f'topic=boat or {{"price": 3}} ({cause})', "command line"
                ) from cause
        elif equals and key.strip():
            found[key.strip()] = value
        else:
            raise BadSetting("--meta", text, 'topic=boat or {"price": 3}', "command line")
    return found or None
