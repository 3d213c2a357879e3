"""Commands about the hooks of coding agents: install, uninstall, status, drain; run and notify are for the agents."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from engrams.serve.cli.call import Call, command
from engrams.serve.cli.changes import carry_out
from engrams.serve.cli.commands import Group
from engrams.serve.cli.mcp_door import stored_at
from engrams.serve.cli.output import counted, shown_path


@command
@click.argument("program", metavar="AGENT")
@click.option("--project-file", is_flag=True, help="In the file of the project you are in, not in your own.")
@click.option("--yes", is_flag=True, help="Make the change without asking.")
def install(call: Call, /, program: str, project_file: bool, yes: bool) -> None:
    """Have AGENT (claude-code or codex) call the hooks. Shows the change and asks.

    Each project gets a memory of its own, unless --namespace names one for all.
    """
    from engrams.serve.configs import Machine
    from engrams.serve.hooks.installing import hook_command, hooks_file, install_hooks

    machine = Machine()
    path = hooks_file(program, machine, Path.cwd() if project_file else None)
    place = stored_at(call)
    line = hook_command(
        program, sys.executable, place[-1] if place else None, call.scopes()["namespace"], machine
    )
    trust = " Codex asks you to trust new hooks: /hooks." if program == "codex" else ""
    done = f"{program} remembers its sessions from the next one on.{trust} Undo: engrams hook uninstall {program}"
    carry_out(call, install_hooks(program, line, path), yes=yes, done=done)


@command
@click.argument("program", metavar="AGENT")
@click.option(
    "--project-file", is_flag=True, help="From the file of the project you are in, not from your own."
)
@click.option("--yes", is_flag=True, help="Make the change without asking.")
def uninstall(call: Call, /, program: str, project_file: bool, yes: bool) -> None:
    """Take the hooks out of AGENT's settings again. Memories stay."""
    from engrams.serve.configs import Machine
    from engrams.serve.hooks.installing import hooks_file, uninstall_hooks

    path = hooks_file(program, Machine(), Path.cwd() if project_file else None)
    carry_out(call, uninstall_hooks(path), yes=yes, done=f"{program} no longer calls the hooks.")


@command
def status(call: Call, /) -> None:
    """What waits in the spool, where it lies, and the last lines of its log."""
    from engrams.serve.hooks.project import project_namespace
    from engrams.serve.hooks.spool import DAMAGED, LOG, REFUSED, spool_of, waiting

    folder = spool_of(call.place())
    found = {
        "spool": None if folder is None else str(folder),
        "waiting": len(waiting(folder)) if folder else 0,
        "damaged": len(waiting(folder / DAMAGED)) if folder else 0,
        "refused": len(waiting(folder / REFUSED)) if folder else 0,
        "namespace": project_namespace(str(Path.cwd())),
        "log": _last_lines(folder / LOG) if folder else [],
    }
    if call.out.as_json:
        call.out.json(found)
        return
    for key, value in found.items():
        for each in value if isinstance(value, list) else [value]:
            call.out.columns(key, each)


@command
def drain(call: Call, /) -> None:
    """Take what hooks wrote down into the memory now; otherwise the next command that opens it does."""
    from engrams.serve.hooks.draining import Drained
    from engrams.serve.hooks.draining import drain as take_all
    from engrams.serve.hooks.spool import spool_of, waiting

    folder = spool_of(call.place())
    done = Drained()
    if folder is not None and waiting(folder):
        with call.memory(make=True, take_in=False) as memory:
            done = take_all(memory, folder)
    if call.out.as_json:
        call.out.json(done)
        return
    call.out.receipt(done.added, done.repeated, done.refused, done.damaged)
    aside = (
        f", {counted(done.refused + done.damaged, 'file')} set aside" if done.refused or done.damaged else ""
    )
    where = f" in {shown_path(folder)}" if aside and folder else ""
    call.out.note(f"{counted(done.added, 'message')} taken in, {done.repeated} known before{aside}{where}.")


@command
def run(call: Call, /) -> None:
    """Answer one hook: an agent's message on standard input. For agents, not for people."""
    from engrams.serve.hooks.door import main

    main(["run", *stored_at(call)])


@command
@click.argument("message")
def notify(call: Call, /, message: str) -> None:
    """Take in one turn, as Codex gives it to its notify program. For agents, not for people."""
    from engrams.serve.hooks.door import main

    main(["notify", *stored_at(call), message])


def _last_lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()[-5:]
    except OSError:
        return []


hook = Group(
    name="hook",
    commands=[install, uninstall, status, drain, run, notify],
    help="Memory for coding agents: their hooks write each session down, and tell the next one what matters.",
)
