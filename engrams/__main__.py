"""`python -m engrams` is the command `engrams`."""

from __future__ import annotations

import sys

from engrams.serve.cli import main

if __name__ == "__main__":
    sys.exit(main())
