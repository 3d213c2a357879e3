"""What happens, told to Python's `logging` where somebody listens: names of events and numbers, never content.

`import engrams` brings no `logging` along; where no handler is installed, nothing is made and nothing printed.
"""

from __future__ import annotations

import sys
from typing import Literal

from engrams.records import Deletion

#: Under this name everything is told.
LOGGER = "engrams.memory"
#: What an event is called, and what is told with it. Names, ids, counts and times; a text of a memory is none of these.
EVENTS: dict[str, tuple[str, ...]] = {
    "memory.opened": ("location", "recipe", "actor"),
    "memory.added": ("action", "namespace", "events", "engrams", "pending", "repeated"),
    "memory.changed": ("action", "namespace", "id"),
    "memory.erased": ("namespace", "events", "engrams", "links", "state"),
    "memory.searched": ("namespace", "recipe", "hits", "milliseconds"),
    "memory.answered": ("namespace", "recipe", "hits", "tokens", "found", "milliseconds"),
    "access.denied": ("key", "right", "namespace", "call"),
    "job.done": ("id", "kind", "recipe", "attempts", "tokens"),
    "job.again": ("id", "kind", "recipe", "attempts", "error"),
    "job.dead": ("id", "kind", "recipe", "attempts", "error"),
    "container.exported": ("events", "versions", "signed"),
    "container.taken": ("events", "versions", "conflicts"),
}

Value = str | int | float | bool | None


def tell(event: str, level: Literal["debug", "info", "warning"] = "info", **told: Value) -> None:
    """Tells of an event with the fields that `EVENTS` gives it."""
    logging = sys.modules.get("logging")
    if logging is None:  # then nobody listens
        return
    log = logging.getLogger(LOGGER)
    number = {"debug": 10, "info": 20, "warning": 30}[level]
    if log.isEnabledFor(number) and log.hasHandlers():
        log.log(number, event, extra={"told": {name: told.get(name) for name in EVENTS[event]}})


def tell_erased(namespace: str, done: Deletion) -> None:
    """Tells of an erase: how much went, where."""
    tell(
        "memory.erased",
        namespace=namespace,
        events=len(done.events),
        engrams=len(done.engrams),
        links=done.links,
        state=done.state,
    )
