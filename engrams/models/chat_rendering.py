"""From a question to what an endpoint is sent: our instruction, fenced input, the schema in words."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from engrams.ports import Ask, Request, Turn
from engrams.prompts import MARK_LINE, RULES, fenced, new_mark

SCHEMA_LINE = "Answer with one JSON object and nothing else. It fits this JSON schema:\n"
"""What stands before the schema; endpoints that know schemas are given it as such, too."""


def request_for(ask: Ask) -> Request:
    """The request of a question, its stored text in blocks with a mark drawn for it."""
    mark = new_mark()
    parts = [ask.prompt.filled(ask.slots)]
    if ask.schema is not None:
        parts.append(SCHEMA_LINE + json.dumps(ask.schema, ensure_ascii=False))
    results = any(turn.role == "tool" for turn in ask.turns)
    if ask.input or results:
        parts.append(RULES)
    head = MARK_LINE.format(mark=mark) if ask.input or results else ""
    first = "\n\n".join(part for part in (head, fenced(ask.input, mark)) if part) or "Begin."
    turns = [Turn("user", first)]
    for turn in ask.turns:
        turns.append(replace(turn, text=fenced({"result": turn.text}, mark)) if turn.role == "tool" else turn)
    return Request(
        ask=ask,
        system="\n\n".join(parts),
        turns=tuple(turns),
        schema=ask.schema,
        tools=ask.tools,
        most_tokens=ask.most_tokens,
        temperature=ask.temperature,
    )


def key_of(model: str, ask: Ask) -> str:
    """What tells one question from another: model, prompt with its words, input, schema, tools, turns; no mark."""
    whole = [
        model,
        ask.prompt.digest,
        dict(ask.slots),
        dict(ask.input),
        ask.schema,
        [[t.name, t.says, t.arguments] for t in ask.tools],
        [asdict(turn) for turn in ask.turns],
        ask.temperature,
        ask.most_tokens,
        ask.sample,
    ]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=dict).encode("utf-8")).hexdigest()


def sent_text(request: Request) -> str:
    """All words of a request, for counting."""
    tools = [f"{t.name} {t.says} {json.dumps(t.arguments)}" for t in request.tools]
    said = [turn.text + "".join(json.dumps(dict(c.arguments)) for c in turn.calls) for turn in request.turns]
    return "\n".join((request.system, *tools, *said))
