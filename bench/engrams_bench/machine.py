"""What the run stood on: processor, Python, code. No names of hosts or folders."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import engrams

#: What sets the threads of numpy's libraries; with more than one, CPU time counts their spinning too.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CPUINFO = Path("/proc/cpuinfo")


def processor() -> str:
    """The processor's name as the system tells it."""
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """Processor, cores, system, versions, threads."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "threads": {name: os.environ.get(name) for name in THREADS},
    }


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git on this machine: the version alone says what ran
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def origin() -> dict[str, Any]:
    """Version and, from a checkout, commit; `changed` says that files of the package differ from that commit."""
    folder = Path(str(files("engrams")))
    tracked = _git(folder, "ls-files", "--error-unmatch", "__init__.py") is not None
    return {
        "version": engrams.__version__,
        "commit": _git(folder, "rev-parse", "HEAD") if tracked else None,
        "changed": bool(_git(folder, "status", "--porcelain", "--", ".")) if tracked else None,
    }
