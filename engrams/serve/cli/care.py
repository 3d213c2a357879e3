"""Commands that take care of the file: doctor, backup, vacuum, export, restore."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click

from engrams.errors import StoreError, UsageError, outcome
from engrams.records import Problem
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.output import counted, shown_path, size
from engrams.serve.cli.writing import incoming

UNWELL = outcome(StoreError).exit_code  # what doctor exits with when it found an error


@command
def doctor(call: Call, /) -> None:
    """Check the memory; name what is wrong and how to mend it. Also when it cannot be opened.

    Exits with 0 when all is well or there are only warnings, with 4 when something is broken.
    In a pipe, one problem a line: severity, what is wrong, what mends it.
    """
    place = call.place()
    problems = _problems(call)
    broken = any(p.severity == "error" for p in problems)
    if call.out.as_json:
        call.out.json({"location": place, "well": not problems, "problems": problems})
    else:
        for p in problems:
            _tell(call, p)
        if not problems:
            call.out.note(f"{shown_path(place)}: all is well.")
    if broken:
        raise click.exceptions.Exit(UNWELL)


def _tell(call: Call, problem: Problem) -> None:
    if not call.out.pretty:
        call.out.columns(problem.severity, problem.what, problem.mend)
        return
    from engrams.serve.cli.drawing import problem_lines

    call.out.show(problem_lines(problem))


def _problems(call: Call) -> list[Problem]:
    missing = call.missing()
    if missing is not None:
        make = f'engrams add "some text" --db {shown_path(missing)}'
        return [Problem(f"there is no memory at {missing}", f"check the path; or make one with: {make}")]
    try:
        with call.memory() as memory:
            return list(memory.check())
    except StoreError as error:
        return [Problem(f"{type(error).__name__}: {error}", _mend(call, error))]


#: What helps where a memory cannot even be opened, by the name of the error.
MENDS = {
    "Busy": "let the other program finish, or end it; nothing is broken",
    "NotAMemory": "give --db the path of a memory; this file was left as it is",
    "Corrupt": "keep a copy of the file, then go back to the latest backup (engrams backup) or export (engrams restore)",
    "Full": "make room on the device; what was acknowledged is safe",
    "Unavailable": "check that the folder exists and that you may write in it, or give another path with --db",
    "NewerSchema": "upgrade engrams: pip install --upgrade engrams",
    "Mismatch": "open it with the embedder or model that filled it, or make the vectors anew: engrams reembed",
}


def _mend(call: Call, error: StoreError) -> str:
    return next(
        (MENDS[c.__name__] for c in type(error).__mro__ if c.__name__ in MENDS), f"see: ls -l {call.place()}"
    )


@command
@click.argument("path")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def backup(call: Call, /, path: str, force: bool) -> None:
    """Copy the memory while it is in use: a whole, consistent memory at PATH."""
    target = _target(path, force)
    with call.memory() as memory, call.out.progress("Copying") as progress:
        memory.backup(target, progress=progress)
    count = target.stat().st_size
    if call.out.as_json:
        call.out.json({"path": str(target), "bytes": count})
        return
    call.out.receipt(target, count)
    call.out.note(f"Copied {size(count)}; open it with --db {shown_path(target)}.")


@command
def vacuum(call: Call, /) -> None:
    """Give the room of erased memories back to the file system."""
    with call.memory() as memory:
        before = memory.stats().bytes
        memory.vacuum()
        after = memory.stats().bytes
    if call.out.as_json:
        call.out.json({"bytes_before": before, "bytes_after": after})
        return
    call.out.receipt(before, after)
    call.out.note(f"{size(before)} before, {size(after)} now.")


@command
@click.argument("path", required=False)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--container", is_flag=True, help="Everything, exactly, as one file: docs/container.md.")
@click.option(
    "--signing-key", metavar="FILE", help="Sign the container: a shared secret, or an Ed25519 private key."
)
def export(call: Call, /, path: str | None, force: bool, container: bool, signing_key: str | None) -> None:
    """Write the journal as versioned JSON lines, to PATH or standard output: all of it, or of the scope named."""
    out = call.out
    if container or signing_key is not None:
        _container(call, path, force, signing_key)
        return
    if path is None or path == "-":
        with tempfile.TemporaryDirectory(prefix="engrams-") as folder, call.memory() as memory:
            whole = Path(folder) / "journal.jsonl"
            count = memory.export(whole, **call.scopes())
            with whole.open(encoding="utf-8") as lines:
                shutil.copyfileobj(lines, sys.stdout)
    else:
        target = _target(path, force)
        with call.memory() as memory, out.progress("Exporting") as progress:
            count = memory.export(target, **call.scopes(), progress=progress)
        if out.as_json:
            out.json({"path": str(target), "events": count})
        else:
            out.receipt(target, count)
    out.note(
        f"{counted(count, 'event')} exported{'' if path in (None, '-') else f' to {shown_path(str(path))}'}."
    )


def _container(call: Call, path: str | None, force: bool, signing_key: str | None) -> None:
    from engrams.serve.cli.keeping import key_in

    if path is None or path == "-":
        raise UsageError(
            "a container is a file: say where it goes, as in: engrams export --container memory.engrams"
        )
    scopes = call.scopes()
    if scopes["agent_id"] or scopes["run_id"] or scopes["session"]:
        raise UsageError("a container holds whole namespaces; leave --agent, --run and --session out")
    named = [part for part in (scopes["namespace"], scopes["user_id"]) if part]
    target = _target(path, force)
    with call.memory() as memory, call.out.progress("Exporting") as progress:
        made = memory.export_container(
            target, namespace="/".join(named) or None, signing_key=key_in(signing_key), progress=progress
        )
    if call.out.as_json:
        call.out.json(made)
        return
    call.out.receipt(target, made.events, made.versions, made.digest)
    call.out.note(
        f"{counted(made.events, 'event')} and {counted(made.versions, 'version')} in {shown_path(target)}"
        f"{', signed' if made.signed else ''}; digest {made.digest[:12]}."
    )


@command
@click.argument("path")
@click.option(
    "--signing-key",
    metavar="FILE",
    help="Check a container's signature: the shared secret, or the public key.",
)
def restore(call: Call, /, path: str, signing_key: str | None) -> None:
    """Bring back what export wrote; what is here already stays. - reads standard input."""
    with incoming(path) as source, call.memory(make=True) as memory:
        if signing_key is not None or is_archive(source):
            from engrams.serve.cli.keeping import take_in

            take_in(call, memory, source, fuse=False, signing_key=signing_key)
            return
        with call.out.progress("Restoring") as progress:
            count = memory.restore(source, progress=progress)
        where = memory.location
    if call.out.as_json:
        call.out.json({"events": count, "location": where})
        return
    call.out.receipt(count)
    call.out.note(f"{counted(count, 'event')} brought back into {shown_path(where)}.")


def is_archive(path: Path) -> bool:
    """Whether a file begins as a zip archive does: a container, then, or something else that is refused as one."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _target(path: str, force: bool) -> Path:
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{path} is a folder; give a file in it, as in: {path.rstrip('/')}/memory-backup.db")
    if target.exists() and not force:
        raise UsageError(f"{path} is there already; give another path, or --force to write over it")
    return target
