"""The spool taken into the memory. Cut off at any point, it begins anew and writes nothing twice: records carry keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engrams.errors import BadSetting, EngramsError, UsageError
from engrams.serve.hooks import spool
from engrams.serve.hooks.capture import finish

if TYPE_CHECKING:
    from engrams.memory import Memory

_OLDEST_STATE = (
    90 * 86_400
)  # seconds after which a session that never came back is forgotten (its memories are not)


@dataclass(frozen=True, slots=True)
class Drained:
    """What was taken in: messages that are new, messages that were here before, files set aside."""

    added: int = 0
    repeated: int = 0
    refused: int = 0
    damaged: int = 0


def drain(memory: Memory, folder: Path | None = None) -> Drained:
    """Takes in what hooks wrote down for this memory; a file is removed once all of it is on disk in the memory.

    What the memory refuses (a secret, where the guard says so) is set aside with the reason in the log, as are damaged files.

    Raises:
        StoreError, Denied: the memory takes nothing in now; the spool stays as it is.
    """
    folder = spool.spool_of(memory.location) if folder is None else folder
    if folder is None or not folder.is_dir():
        return Drained()
    _finish_sessions(folder)
    added = repeated = refused = damaged = 0
    for path in spool.waiting(folder):
        try:
            records = spool.read(path)
        except FileNotFoundError:  # another process took it in
            continue
        except spool.Damaged as error:
            spool.log(folder, str(error))
            spool.set_aside(path, spool.DAMAGED)
            damaged += 1
            continue
        fine = True
        for record in records:
            try:
                if take_in(memory, record):
                    added += 1
                else:
                    repeated += 1
            except UsageError as error:
                spool.log(folder, f"{path.name}: not taken in: {error}")
                fine = False
        if fine:
            path.unlink(missing_ok=True)
        else:
            spool.set_aside(path, spool.REFUSED)
            refused += 1
    return Drained(added, repeated, refused, damaged)


def take_in(memory: Memory, record: spool.Record) -> bool:
    """Adds one record; False where it is here already."""
    message = {"role": record["role"], "content": record["text"], "timestamp": record["at"]}
    try:
        receipt = memory.add(
            {k: v for k, v in message.items() if v is not None},
            namespace=record["namespace"],
            agent_id=record["client"],
            session=record["session"],
            metadata={"hook": record["kind"]},
            idempotency_key=record["key"],
        )
    except BadSetting as error:
        if error.key == "idempotency_key":  # told before, by another hook and a second earlier
            return False
        raise
    return not receipt.repeated


def _finish_sessions(folder: Path) -> None:
    """Reads on where the hooks of a session left some of its transcript, and forgets sessions long gone."""
    import time

    for path in sorted((folder / spool.SESSIONS).glob("*.json")):
        try:
            state = json.loads(path.read_bytes())
            if state.get("more"):
                finish(folder, state["client"], state["session"], state)
            elif time.time() - path.stat().st_mtime > _OLDEST_STATE:
                path.unlink(missing_ok=True)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            spool.log(folder, f"session {path.name}: {type(error).__name__}: {error}")


def drain_quietly(memory: Memory, place: str | None = None) -> None:
    """What every door does that opens a memory: takes in what waits; what goes wrong is for the log, not for the caller."""
    folder = spool.spool_of(memory.location if place is None else place)
    if folder is None or not spool.waiting(folder):
        return
    try:
        drain(memory, folder)
    except EngramsError as error:
        spool.log(folder, f"not emptied: {type(error).__name__}: {error}")
