"""`python -m engrams.serve.hooks run` is what an agent's configuration calls; the same as `engrams hook run`."""

from __future__ import annotations

import sys

from engrams.serve.hooks.door import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
