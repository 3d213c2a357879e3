"""The tools of the full profile: history, undo, lists, counts, pins, feedback."""

from __future__ import annotations

from engrams.records import Event
from engrams.serve.fence import NOTICE, disarmed, fenced
from engrams.serve.mcp.reach import Reach
from engrams.serve.mcp.tool import TEXT, Given, Result, Schema, Tool
from engrams.serve.plain import plain

MOST_LISTED, LISTED = 200, 20
_READS = {"read_only_hint": True}
_LIST: Schema = {"type": "array", "items": {"type": "object"}}
_IDS: Schema = {"type": "array", "items": TEXT}


def get_history(reach: Reach, given: Given) -> Result:
    """Every version of a memory."""
    found = reach.memory.history(reach.own(given["id"]).id)
    versions = [
        {"version": r.version, "change": r.change, "text": disarmed(r.content), "at": r.at.isoformat(), "by": r.actor}
        | ({"reason": r.reason} if r.reason else {})
        for r in found
    ]  # fmt: skip
    told = "\n".join(f"{v['version']}. {v['at']} {v['change']} by {v['by']}: {v['text']}" for v in versions)
    return Result({"versions": versions, "notice": NOTICE}, fenced(told))


def undo_change(reach: Reach, given: Given) -> Result:
    """Takes back the last change."""
    id = reach.own(given["id"]).id
    reach.memory.undo(id, reason=given.get("reason", ""))
    return Result({"id": id}, "Taken back; undoing again brings it back.")


def list_memories(reach: Reach, given: Given) -> Result:
    """The journal of the namespace, newest first."""
    page = reach.memory.log(
        namespace=reach.namespace,
        session=given.get("session"),
        since=given.get("since"),
        until=given.get("until"),
        limit=given.get("limit", LISTED),
        cursor=given.get("cursor"),
        newest_first=True,
    )
    found = [entry(event) for event in page]
    told = "\n".join(f"{e['when'][:10]} {e['speaker']}: {e['text']} (id {e['id']})" for e in found)
    data = {"memories": found, "notice": NOTICE} | ({"next": page.next} if page.next else {})
    return Result(data, fenced(told or "Nothing is remembered here yet."))


def entry(event: Event) -> dict[str, str]:
    """An entry of the journal, as lists show it."""
    found = {
        "id": event.id,
        "text": disarmed(event.content),
        "when": event.occurred_at.isoformat(),
        "speaker": event.speaker or event.role,
        "kind": event.kind,
    }
    return found | ({"session": event.session} if event.session else {})


def get_stats(reach: Reach, given: Given) -> Result:
    """Counts of the namespace."""
    stats = plain(reach.memory.stats(namespace=reach.namespace))
    del stats["bytes"], stats["namespaces"]  # of the whole store, which is not this server's to tell
    return Result(stats, "\n".join(f"{key}: {value}" for key, value in stats.items()))


def pin_memory(reach: Reach, given: Given) -> Result:
    """Pins a memory, or takes the pin back."""
    id = reach.own(given["id"]).id
    pinned = given.get("pinned", True)
    (reach.memory.pin if pinned else reach.memory.unpin)(id)
    return Result({"id": id, "pinned": pinned}, "Pinned." if pinned else "No longer pinned.")


def give_feedback(reach: Reach, given: Given) -> Result:
    """Marks hits of a question as good or wrong."""
    good, wrong = given.get("good", []), given.get("wrong", [])
    for id in (*good, *wrong):
        reach.own(id)
    reach.memory.feedback(given["query"], chosen=good, wrong=wrong, namespace=reach.namespace)
    return Result(
        {"good": len(good), "wrong": len(wrong)}, "Noted; later searches weigh their signals by it."
    )


MORE = (
    Tool(
        "get_history", "Every version of a memory: what changed, when, by whom, why.", {"id": TEXT},
        {"versions": _LIST}, get_history, needs=("id",), sure=("versions",), hints=_READS,
    ),
    Tool(
        "undo_change", "Take back the last correction or rejection of a memory.", {"id": TEXT, "reason": TEXT},
        {"id": TEXT}, undo_change, needs=("id",), sure=("id",),
    ),
    Tool(
        "list_memories", "What was written, newest first, page by page.",
        {"limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": LISTED}, "cursor": TEXT,
         "session": TEXT, "since": TEXT, "until": TEXT},
        {"memories": _LIST, "next": TEXT}, list_memories, sure=("memories",), hints=_READS,
    ),
    Tool(
        "get_stats", "How much is remembered here.", {},
        {"events": {"type": "integer"}, "engrams": {"type": "integer"}, "sessions": {"type": "integer"}}, get_stats,
        sure=("events", "engrams"), hints=_READS,
    ),
    Tool(
        "pin_memory", "Never forget this memory; pinned=false takes the pin back.",
        {"id": TEXT, "pinned": {"type": "boolean", "default": True}},
        {"id": TEXT, "pinned": {"type": "boolean"}}, pin_memory, needs=("id",), sure=("id", "pinned"),
    ),
    Tool(
        "give_feedback", "Say which memories a search gave were good or wrong for its query; searches learn from it.",
        {"query": TEXT, "good": _IDS, "wrong": _IDS}, {"good": {"type": "integer"}, "wrong": {"type": "integer"}},
        give_feedback, needs=("query",), sure=("good", "wrong"),
    ),
)  # fmt: skip
