"""What a client can browse without a tool: namespaces, the recent journal, one memory; and prompts for people."""

from __future__ import annotations

import json

from mcp import types

from engrams.errors import BadSetting, UnknownName
from engrams.serve.fence import NOTICE
from engrams.serve.mcp.more import entry
from engrams.serve.mcp.reach import Reach
from engrams.serve.mcp.tools import get_context, get_memory

NAMESPACES, LOG, MEMORY = "engrams://namespaces", "engrams://log", "engrams://memory/"
RECENT = 50  # entries of the journal in the resource `log`
_JSON = "application/json"

RESOURCES = [
    types.Resource(name="namespaces", uri=NAMESPACES, mime_type=_JSON, description="Where memories lie, in reach of this server."),
    types.Resource(name="log", uri=LOG, mime_type=_JSON, description=f"The last {RECENT} entries of the journal, newest first."),
]  # fmt: skip
TEMPLATES = [
    types.ResourceTemplate(name="memory", uri_template=MEMORY + "{id}", mime_type=_JSON, description="One memory in full.")
]  # fmt: skip
PROMPTS = [
    types.Prompt(
        name="recall",
        description="Puts what is remembered about a question before the model.",
        arguments=[types.PromptArgument(name="question", required=True)],
    ),
    types.Prompt(
        name="save_session",
        description="Asks the model to remember what this conversation leaves for later ones.",
        arguments=[],
    ),
]
_SAVE = (
    "Look back over this conversation. For each decision, preference, fact or fix that a later conversation will need and "
    "that search_memories does not find yet, call add_memory with one self-contained sentence: who, what, why. Where "
    "something remembered is no longer right, call update_memory. Leave out what was only needed here. Then list what you "
    "remembered."
)


def read_resource(reach: Reach, uri: str) -> str:
    """A resource as JSON.

    Raises:
        NotFound: no memory of that id in reach.
        UnknownName: no resource of that address.
    """
    if uri == NAMESPACES:
        inside = [
            n
            for n in reach.memory.namespaces()
            if n == reach.namespace or n.startswith(reach.namespace + "/")
        ]
        return json.dumps({"current": reach.namespace, "namespaces": inside}, ensure_ascii=False)
    if uri == LOG:
        page = reach.memory.log(namespace=reach.namespace, limit=RECENT, newest_first=True)
        return json.dumps({"notice": NOTICE, "entries": [entry(e) for e in page]}, ensure_ascii=False)
    if uri.startswith(MEMORY):
        return json.dumps(get_memory(reach, {"id": uri.removeprefix(MEMORY)}).data, ensure_ascii=False)
    raise UnknownName("resource", uri, [NAMESPACES, LOG, MEMORY + "{id}"])


def prompt(reach: Reach, name: str, given: dict[str, str]) -> str:
    """The text of a prompt.

    Raises:
        UnknownName: no prompt of that name.
        BadSetting: an argument it needs is missing.
    """
    if name == "save_session":
        return _SAVE
    if name != "recall":
        raise UnknownName("prompt", name, [p.name for p in PROMPTS])
    question = given.get("question", "")
    if not question.strip():
        raise BadSetting("recall.question", question, "the question, as text")
    return f"{get_context(reach, {'query': question}).text}\n\n{question}"
