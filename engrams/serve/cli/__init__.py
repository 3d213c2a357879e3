"""The command line `engrams`. What a command needs is loaded when that command runs, so that help is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name) and returns its exit code; never raises."""
    given = sys.argv[1:] if argv is None else argv
    if list(given[:1]) == ["hook"] and given[1:2] and given[1] in ("run", "notify"):
        # An agent waits: none of the command line is loaded.
        from engrams.serve.hooks.door import main as answer

        return answer(given[1:])
    from engrams.serve.cli.door import run

    return run(given)
