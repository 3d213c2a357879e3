"""A language model that understands nothing: it fills the form it is asked for with the words it was shown, in their order.

It stands in where no model is at hand, over the real protocol of a vendor, so that every step that asks one is run as it is: how many
calls and tokens a recipe takes is then measured and not estimated, and what is found is what the recipe's mechanism gives without any
understanding in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from engrams.models.scripted import ScriptedServer
from engrams.models.scripted_wire import Heard, Said

#: A block of stored text, as `engrams.prompts.fenced` writes it.
_BLOCK = re.compile(r"<<<(\w+) (\w+)\n(.*?)\n\2 \1>>>", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
#: Items of a list, where the form allows as many.
MOST = 8
#: Characters of one text.
LONGEST = 400
#: What a model is to work on stands in a block of such a name, where there are several; in the longest otherwise.
_NEW = ("NEW", "FACT", "QUESTION")


@contextmanager
def copying() -> Iterator[str]:
    """Such a model on loopback for a while; its name as `Memory.open(model=…)` takes it."""
    with ScriptedServer(copied) as server:
        yield f"openai:copies@{server.url}"


def copied(heard: Heard) -> Said:
    """The answer to one request: a call of the first tool where tools are offered and none was called yet, else the form filled, else
    the first words."""
    shown = _shown(heard.last)
    tool = _first_tool(heard)
    if tool is not None:
        name, parameters = tool
        return Said(calls=((name, filled(parameters, shown)),))
    if heard.schema is None:
        return Said("Done" if heard.tools else (shown or ["nothing"])[0])
    return Said(json.dumps(filled(heard.schema, shown), ensure_ascii=False))


def filled(schema: Mapping[str, Any], shown: Sequence[str], place: int = 0) -> Any:
    """A value that fits a schema: texts are what was shown, the `place`-th of it, numbers count from 1, and to each question whether it
    is so the answer is yes. A list has an item for each text shown, at most `MOST`."""
    if "enum" in schema:
        return schema["enum"][0]
    named = schema.get("type", "string")
    name = named[0] if isinstance(named, list) else named
    if name == "object":
        return {key: filled(inner, shown, place) for key, inner in schema.get("properties", {}).items()}
    if name == "array":
        count = min(max(len(shown), 1, schema.get("minItems", 0)), schema.get("maxItems", MOST), MOST)
        return [filled(schema.get("items", {}), shown, n) for n in range(count)]
    if name == "string":
        text = shown[place % len(shown)] if shown else "nothing"
        return text[: min(LONGEST, schema.get("maxLength", LONGEST))].ljust(schema.get("minLength", 0), ".")
    if name in ("integer", "number"):
        return min(max(place + 1, schema.get("minimum", 0)), schema.get("maximum", place + 1))
    return name == "boolean" or None


def _shown(text: str) -> list[str]:
    blocks = [(name, held) for name, _, held in _BLOCK.findall(text)]
    new = [held for name, held in blocks if any(word in name for word in _NEW)]
    held = new[0] if new else max((held for _, held in blocks), key=len, default=text)
    return [sentence.strip() for sentence in _SENTENCE.split(held) if sentence and sentence.strip()]


def _first_tool(heard: Heard) -> tuple[str, Mapping[str, Any]] | None:
    """The first of the tools that are offered, and its parameters; None where none is, or one was called."""
    offered = heard.body.get("tools") or []
    if not offered or any(role == "tool" for role, _ in heard.messages):
        return None
    tool = offered[0].get("function", offered[0])
    return str(tool["name"]), tool.get("parameters", {})
