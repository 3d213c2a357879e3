"""Uses a memory as a user without rights, and reports one JSON line per act.

unprivileged.py FOLDER FILE ACT…: first proves that a plain write into FOLDER and onto FILE fails, then does each act
(open, read, write, make) on FILE.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from engrams.errors import EngramsError
from engrams.ports import Where
from engrams.records import Scope
from engrams.store import open_store
from tests.contracts.stores import add, said

#: "nobody": a user that owns nothing.
NOBODY = 65_534


def plain_write_fails(folder: Path, file: Path) -> bool:
    failed = 0
    for path, mode in ((folder / "probe", "x"), (file, "r+b")):
        try:
            path.open(mode).close()
        except (PermissionError, FileNotFoundError):
            failed += 1
    return failed == 2


def act(what: str, file: Path) -> object:
    store = open_store(file, wait=1)
    try:
        if what == "read":
            return [event.content for _, event in store.journal(Scope("acme/alice"), Where())]
        if what == "write":
            add(store, said("not to be written"))
        return what
    finally:
        store.close()


def main(folder: str, file: str, *acts: str) -> None:
    # Whatever is loaded on first use is loaded now: the interpreter may lie in a folder that nobody else may enter.
    for what in ("read", "write"):
        act(what, Path(":memory:"))
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    sys.stdout.write(json.dumps({"plain write fails": plain_write_fails(Path(folder), Path(file))}) + "\n")
    for what in acts:
        try:
            sys.stdout.write(json.dumps({what: act(what, Path(file))}) + "\n")
        except EngramsError as error:
            sys.stdout.write(json.dumps({what: f"{type(error).__name__}: {error}"}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
