"""What both demos do: bring a file in, and ask a question."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from engrams.serve.cli.call import Call
from engrams.serve.cli.output import counted, when
from engrams.serve.cli.stage import Stage

if TYPE_CHECKING:
    from engrams.memory import Imported, Memory
    from engrams.records import Hit

BUDGET = 350  # tokens of a context here: six or seven messages, what one screen shows


def bring_in(call: Call, stage: Stage, memory: Memory, path: Path) -> Imported:
    """Imports a file and says what was found in it and how long it took."""
    began = time.perf_counter()
    with call.out.progress("Importing") as progress:
        done = memory.import_file(path, progress=progress)
    seconds = time.perf_counter() - began
    now = memory.stats()
    what = f"{counted(done.messages, 'message')} in {counted(done.sessions, 'session')}"
    span = f", {when(now.first)[:10]} to {when(now.last)[:10]}" if now.first and now.last else ""
    stage.good(f"{what}{span}: read as {done.format}, kept and indexed in {seconds:.2f} s.")
    stage.keep(
        "import",
        {"messages": done.messages, "sessions": done.sessions, "format": done.format, "seconds": seconds},
    )
    return done


def answer(stage: Stage, memory: Memory, question: str) -> tuple[Hit, ...]:
    """Asks one question and shows the context."""
    stage.question(question)
    found = memory.context(question, budget=BUDGET)
    asked = stage.kept.setdefault("questions", [])
    stage.context(found, whole=not asked)  # the first with every citation, the others shorter
    asked.append(
        {"question": question, "found": found.found, "context": found.text, "tokens": found.price.tokens,
         "milliseconds": found.price.milliseconds, "citations": [list(c.event_ids) for c in found.citations]}
    )  # fmt: skip
    return found.hits
