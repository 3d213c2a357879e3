"""The model that only copies: it fills any form, calls a tool once, and runs a recipe over the real protocol."""

from __future__ import annotations

import json
from pathlib import Path

from engrams_bench.copying import LONGEST, MOST, copied, copying, filled
from engrams_bench.datasets import DATASETS
from engrams_bench.run import run
from engrams_bench.settings import Settings

from engrams import Memory
from engrams.models.scripted_wire import Heard
from engrams.prompts import fenced

FACTS = {
    "type": "object",
    "properties": {"facts": {"type": "array", "items": {"type": "string"}}},
    "required": ["facts"],
}


def heard(text: str, **more: object) -> Heard:
    return Heard("chat", "Do.", (("user", text),), **more)  # type: ignore[arg-type]


def test_texts_are_what_was_shown_in_its_order_and_numbers_count() -> None:
    schema = {
        "type": "object",
        "properties": {
            "verdicts": {
                "type": "array",
                "maxItems": 2,
                "items": {
                    "type": "object",
                    "properties": {
                        "fact": {"type": "integer", "minimum": 1},
                        "do": {"enum": ["ADD", "NOOP"]},
                        "text": {"type": "string"},
                        "sure": {"type": "boolean"},
                    },
                },
            }
        },
    }
    assert filled(schema, ["One.", "Two.", "Three."]) == {
        "verdicts": [
            {"fact": 1, "do": "ADD", "text": "One.", "sure": True},
            {"fact": 2, "do": "ADD", "text": "Two.", "sure": True},
        ]
    }


def test_lists_and_texts_have_an_end() -> None:
    made = filled(FACTS, ["x" * 2 * LONGEST] * 3 * MOST)["facts"]
    assert (len(made), {len(text) for text in made}) == (MOST, {LONGEST})
    assert filled({"type": "string", "minLength": 9}, []) == "nothing.."


def test_of_several_blocks_the_new_one_is_worked_on_else_the_longest() -> None:
    blocks = {
        "memories": "1. Ada has a boat. It is blue and very old.",
        "new messages": "Ada: It sank. I swam.",
    }
    answer = json.loads(copied(heard(fenced(blocks), schema=FACTS)).text)
    assert answer == {"facts": ["Ada: It sank.", "I swam."]}
    longest = {"day": "Monday.", "message": "It rains. It pours."}
    assert json.loads(copied(heard(fenced(longest), schema=FACTS)).text) == {
        "facts": ["It rains.", "It pours."]
    }


def test_a_tool_is_called_once() -> None:
    body = {"tools": [{"type": "function", "function": {"name": "insert", "parameters": FACTS}}]}
    asked = Heard("chat", "", (("user", fenced({"message": "It rains."})),), ("insert",), body=body)
    assert copied(asked).calls == (("insert", {"facts": ["It rains."]}),)
    after = Heard("chat", "", (*asked.messages, ("tool", "done")), ("insert",), body=body)
    assert (copied(after).calls, copied(after).text) == ((), "Done")


def test_a_recipe_that_asks_a_model_runs_with_it_over_http_and_what_it_takes_is_counted() -> None:
    with copying() as name, Memory.open(":memory:", "memory-r1", model=name, embedder="minilm") as memory:
        memory.add([{"role": "user", "name": "Ada", "content": "My boat is blue. It lies in Aldery."}])
        worked = memory.work()
        assert (worked.again, worked.dead) == (0, 0)
        assert {"It lies in Aldery."} <= {
            e.content.removeprefix("Ada: ").removeprefix("user: ") for e in memory.get_all()
        }


def test_a_row_tells_what_was_asked_to_write_and_what_in_all(own_data: Path) -> None:
    settings = Settings(store="memory", embedder="minilm", models="scripted")
    result = run(Memory.catalogue()["memory-r1"], DATASETS["locomo"], own_data, settings)
    assert result.name == "locomo-memory-r1-scripted"
    for what in ("calls", "tokens"):
        whole = "model calls in all" if what == "calls" else "model tokens"
        assert 0 < result.cost[f"model {what} to write"] < result.cost[whole], (
            "facts and verdicts, then choosing"
        )
