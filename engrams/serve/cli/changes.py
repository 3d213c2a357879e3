"""How a command changes a file of another program: shows the change, asks, writes it, says where the copy lies."""

from __future__ import annotations

import sys

from engrams.errors import UsageError
from engrams.serve.cli.call import Call
from engrams.serve.cli.output import shown_path
from engrams.serve.configs import Change

UNCHANGED = "Nothing to change"


def carry_out(call: Call, change: Change, *, yes: bool, done: str) -> bool:
    """Whether the change was made. `yes`: without asking; `done`: what is said then.

    Raises:
        UsageError: nobody can be asked, and nobody said yes.
    """
    if change.is_none:
        if call.out.as_json:
            call.out.json({"path": str(change.path), "changed": False})
        call.out.note(f"{UNCHANGED} in {shown_path(change.path)}.")
        return False
    if not call.out.as_json:
        call.out.line(change.diff())
        sys.stdout.flush()
    if not yes:
        said = call.out.confirm(f"Make this change to {shown_path(change.path)}?")
        if said is None:
            raise UsageError(
                "nothing was changed: nobody can be asked here; look at the change, then add --yes"
            )
        if not said:
            call.out.note("Nothing was changed.")
            return False
    copy = change.apply()
    if call.out.as_json:
        call.out.json(
            {"path": str(change.path), "changed": True, "copy": None if copy is None else str(copy)}
        )
    if copy is not None:
        call.out.note(f"What stood there before is in {shown_path(copy)}.")
    call.out.note(done)
    return True
