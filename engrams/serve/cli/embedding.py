"""The command that makes the vectors of a memory anew."""

from __future__ import annotations

import click

from engrams.serve.cli.call import Call, command
from engrams.serve.cli.output import counted, shown_path


@command
@click.option(
    "--embedder",
    metavar="NAME",
    help="auto, minilm or openai:<model>@<url> (else ENGRAMS_EMBEDDER, else auto).",
)
def reembed(call: Call, /, embedder: str | None) -> None:
    """Make every vector anew with another embedder, or those that are missing. Goes on where it was cut off.

    Until the last one is made, programs that have the memory open with the old embedder are answered as before.
    """
    with call.memory(embedder=embedder) as memory:
        with call.out.progress("Embedding") as progress:
            count = memory.reembed(progress=progress)
        where = memory.location
    if call.out.as_json:
        call.out.json({"vectors": count, "location": where})
        return
    call.out.receipt(count)
    call.out.note(f"{counted(count, 'vector')} made in {shown_path(where)}.")
