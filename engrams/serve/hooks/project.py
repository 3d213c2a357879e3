"""Which project a folder belongs to, and the namespace its memory has."""

from __future__ import annotations

import hashlib
import os
import re

#: First segment of every project's namespace.
TENANT = "code"
_ODD = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 60  # characters of the folder's name in the namespace; the digest tells equal names apart


def project_root(folder: str) -> str:
    """The root of the git repository that a folder lies in (of the main checkout, in a worktree), else the folder."""
    start = here = os.path.realpath(folder)
    while True:
        mark = os.path.join(here, ".git")  # noqa: PTH118 - pathlib costs the hook more than it has
        if os.path.isdir(mark):  # noqa: PTH112
            return here
        if os.path.isfile(mark):  # noqa: PTH113
            return _main_checkout(here, mark)
        above = os.path.dirname(here)  # noqa: PTH120
        if above == here:
            return start
        here = above


def project_namespace(folder: str) -> str:
    """The namespace of the project a folder belongs to: `code/`, its name, a digest of its path."""
    root = project_root(folder)
    name = _ODD.sub("-", os.path.basename(root)).strip("-.")[:_LONGEST_NAME]  # noqa: PTH119
    return f"{TENANT}/{name or 'root'}-{hashlib.sha256(root.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _main_checkout(here: str, mark: str) -> str:
    """Where the repository of a worktree was cloned to; a submodule is a project of its own."""
    try:
        with open(mark, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            line = file.readline()
    except OSError:
        return here
    where = os.path.join(here, line.partition("gitdir:")[2].strip())  # noqa: PTH118
    repository, worktree, _ = os.path.normpath(where).partition(f"{os.sep}.git{os.sep}worktrees{os.sep}")
    return os.path.realpath(repository) if worktree else here
