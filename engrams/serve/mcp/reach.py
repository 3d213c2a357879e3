"""What one request may use: the memory with its caller's rights, in the one namespace the server was started for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engrams.errors import BadSetting, NotFound
from engrams.records import Engram, Event
from engrams.serve.fence import disarmed

if TYPE_CHECKING:
    from engrams.memory import Memory
    from engrams.records import Hit


@dataclass(frozen=True)
class Reach:
    """A memory and the path that a model can neither leave nor name."""

    memory: Memory
    namespace: str

    def own(self, id: str) -> Event | Engram:
        """The event or engram of an id, if it lies in the namespace.

        Raises:
            NotFound: there is none here; what lies elsewhere is not told apart from what is not there.
        """
        found = self.memory.get(id)
        if found.namespace != self.namespace:
            raise NotFound(f"no memory has the id {id!r} here; search_memories gives ids")
        return found


def fixed_namespace(namespace: str | None, user: str | None, otherwise: str) -> str:
    """The exact path that the options of the server name.

    Raises:
        BadSetting: a path with a wildcard: a server writes, too.
    """
    if namespace is not None and "*" in namespace.split("/"):
        raise BadSetting("--namespace", namespace, "one exact path such as acme/alice", "command line")
    given = [part for part in (namespace, user) if part is not None]
    return "/".join(given) if given else otherwise


def memory_id(hit: Hit) -> str:
    """The id by which a hit is shown, corrected and deleted: of what was said, where the hit is a passage of it, so that
    deleting erases it; of the engram, where it was derived."""
    return hit.event_ids[0] if hit.kind == "passage" and len(hit.event_ids) == 1 else hit.id


def shown(hit: Hit) -> dict[str, object]:
    """A hit as a tool's result has it: what is not known is left out."""
    found = {
        "id": memory_id(hit),
        "text": disarmed(hit.text),
        "when": hit.occurred_at.isoformat(),
        "speaker": disarmed(hit.speaker or hit.role),
        "kind": hit.kind,
        "score": round(hit.score, 4),
        "metadata": dict(hit.metadata) or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def lines(memories: Iterable[dict[str, object]]) -> str:
    """Memories for a reader: number, day, speaker, text, id."""
    found = [
        f"[{i}] {str(m['when'])[:10]} {m['speaker']}: {m['text']} (id {m['id']})"
        for i, m in enumerate(memories, 1)
    ]
    return "\n".join(found) or "Nothing is remembered about this."
