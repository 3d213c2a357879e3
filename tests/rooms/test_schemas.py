"""Schemas of structured answers: what fits, what is told of what does not, the least that fits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrams.errors import BadSetting
from engrams.schemas import Misfit, fitting, read_answer, require_schema, smallest

FACTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "minLength": 1, "maxLength": 20},
                    "kind": {"enum": ["home", "work"]},
                    "weight": {"type": "integer", "minimum": 1, "maximum": 5},
                    "sure": {"type": ["number", "null"]},
                },
                "required": ["text", "kind"],
            },
        },
        "done": {"type": "boolean"},
    },
    "required": ["facts"],
}


def test_what_fits_comes_back_without_what_was_not_asked_for() -> None:
    found = read_answer(
        'Here: {"facts": [{"text": "x", "kind": "home", "weight": 2.0, "sure": null, "why": 1}]} ok', FACTS
    )
    assert found == {"facts": [{"text": "x", "kind": "home", "weight": 2, "sure": None}]}
    weight: Any = found["facts"][0]["weight"]  # type: ignore[index, call-overload]
    assert type(weight) is int


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("no braces", "no JSON object"),
        ('{"facts": [}', "no JSON object at character 11"),
        ('{"facts": NaN}', "no JSON object"),
        ("{}", "answer lacks 'facts'"),
        ('{"facts": {}}', r"answer\.facts must be array"),
        ('{"facts": []}', r"answer\.facts must be 1 items or more"),
        ('{"facts": [{"kind": "home"}]}', r"answer\.facts\[0\] lacks 'text'"),
        ('{"facts": [{"text": "", "kind": "home"}]}', "1 characters or more"),
        ('{"facts": [{"text": "x", "kind": "zoo"}]}', r'kind must be one of \["home", "work"\]'),
        ('{"facts": [{"text": "x", "kind": "home", "weight": 9}]}', "weight must be 5 or fewer"),
        ('{"facts": [{"text": "x", "kind": "home", "weight": true}]}', "weight must be integer"),
        ('{"facts": [{"text": "x", "kind": "home", "sure": "very"}]}', "must be number or null"),
        ('{"facts": [{"text": "x", "kind": "home"}], "done": 1}', r"answer\.done must be boolean"),
    ],
)
def test_what_does_not_fit_is_told_by_its_place(answer: str, told: str) -> None:
    with pytest.raises(Misfit, match=told):
        read_answer(answer, FACTS)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "object", "properties": {"a": {"type": "date"}}},
        {"type": "object", "properties": {"a": {"anyOf": []}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"format": "x"}}}},
        {"type": "object", "properties": {}, "required": ["a"]},
        {"type": "object", "properties": {"a": 1}},
    ],
)
def test_a_schema_that_is_not_checked_whole_is_refused(schema: Any) -> None:
    with pytest.raises(BadSetting):
        require_schema(schema)
    require_schema(FACTS)


def test_the_least_that_fits_fits() -> None:
    assert fitting(smallest(FACTS), FACTS) == smallest(FACTS)
    assert smallest(FACTS)["facts"] == [{"text": "text", "kind": "home", "weight": 1, "sure": 0}]
    assert smallest({"type": "array", "items": {"type": "string"}, "maxItems": 0}) == []


@given(st.text(max_size=200))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    try:
        read_answer(text, FACTS)
    except Misfit as told:
        assert text == "" or len(text) < 12 or text not in str(told)
