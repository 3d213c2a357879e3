"""Makes LongMemEval's official file of the form with sessions stored once."""

from __future__ import annotations

import json
from pathlib import Path

from engrams_bench.datasets.longmemeval import inline


def convert(questions: Path, sessions: Path, out: Path) -> int:
    """Writes the official JSON list, one record a line; returns how many. The file appears only when it is whole.

    Raises:
        MalformedData: a question names a session that is not there, or a line is no JSON.
    """
    unfinished, count = out.with_name(out.name + ".unfinished"), 0
    with unfinished.open("w", encoding="utf-8") as file:
        for record in inline(questions, sessions):
            file.write(("[" if count == 0 else ",\n") + json.dumps(record, ensure_ascii=False))
            count += 1
        file.write("]\n" if count else "[]\n")
    unfinished.replace(out)
    return count
