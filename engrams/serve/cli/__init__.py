"""The command line `engrams`. What a command needs is loaded when that command runs, so that help is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name) and returns its exit code; never raises."""
    from engrams.serve.cli.door import run

    return run(sys.argv[1:] if argv is None else argv)
