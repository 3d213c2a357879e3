"""The async front door is made from the other one; it may not fall behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_async_twin_is_up_to_date(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/make_async.py", "--check"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
