"""Filters as people write them, `k=v`, made into the filter expressions of `Memory.search`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from engrams.errors import BadSetting
from engrams.records import Json

_EXAMPLES = 'speaker=Ada, price>=10, topic~boat, or JSON such as {"topic": {"in": ["boat", "hens"]}}'
_SIGNS = {"=": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "~": "contains"}
#: Fields that are never numbers: what looks like one is text (or, as a time, a year) all the same.
_NEVER_NUMBERS = frozenset(
    "role speaker session kind occurred_at recorded_at agent_id run_id namespace".split()
)
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
    field, operator, value = match[1], _SIGNS[match[2]], match[3].strip()
    typed = None if field in _NEVER_NUMBERS else _typed(value)
    if operator in ("eq", "ne") and typed is not None:  # may be meant as text or as a number: both are tried
        either: dict[str, Json] = {field: {"in": [value, typed]}}
        return either if operator == "eq" else {"NOT": either}
    if operator in ("gt", "gte", "lt", "lte") and typed is not None:
        return {field: {operator: typed}}
    return {field: value if operator == "eq" else {operator: value}}


def _typed(text: str) -> int | float | bool | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, int | float) and math.isfinite(found) else None


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
