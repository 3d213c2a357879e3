"""Commands that change what is remembered: update, delete, delete-all, pin, unpin."""

from __future__ import annotations

import click

from engrams.errors import UsageError
from engrams.records import Deletion, Receipt
from engrams.serve.cli.call import Call, command, one_text
from engrams.serve.cli.filters import metadata_of
from engrams.serve.cli.output import counted

KEPT = 1  # the exit code where the person said no: nothing was done


@command
@click.argument("id")
@click.argument("text", nargs=-1, metavar="TEXT…")
@click.option(
    "--meta", multiple=True, metavar="K=V|JSON", help="New metadata, in place of the old. Repeat for more."
)
@click.option("--reason", default="", metavar="TEXT", help="Why, as the history will show it.")
def update(call: Call, /, id: str, text: tuple[str, ...], meta: tuple[str, ...], reason: str) -> None:
    """Correct an event or engram: a new version, the old one in its history. - alone reads standard input."""
    if not text and not meta:
        raise UsageError(f'give the new text, as in: engrams update {id} "Anna moved to Lisbon."')
    content = one_text(text, "TEXT", f'engrams update {id} "Anna moved to Lisbon."') if text else None
    with call.memory() as memory:
        receipt = memory.update(id, content, metadata=metadata_of(meta), reason=reason)
    _receipt(call, receipt, f"Corrected; see: engrams history {id}")


@command
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--reason", default="", metavar="TEXT", help="Why, as the audit will show it.")
def delete(call: Call, /, ids: tuple[str, ...], yes: bool, reason: str) -> None:
    """Erase events with all that rests on them; reject engrams, which are then never recalled again."""
    with call.memory() as memory:
        for id in ids:
            memory.get(id)  # all ids are known before anything is erased
        if not yes and not _agreed(call, f"Delete {counted(len(ids), 'memory', 'memories')} for good?"):
            raise click.exceptions.Exit(KEPT)
        done: list[Deletion] = []
        for id in dict.fromkeys(ids):
            if not any(id in d.events or id in d.engrams for d in done):  # an engram may go with its event
                done.append(memory.delete(id, reason=reason))
    _deleted(call, done)


@command
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--reason", default="", metavar="TEXT", help="Why, as the audit will show it.")
def delete_all(call: Call, /, yes: bool, reason: str) -> None:
    """Erase everything of the namespace, user, agent, run or session that is named."""
    scopes = call.scopes()
    if not any(scopes.values()):
        raise UsageError(
            "say what to erase: --namespace PATH, --user ID, or with them --agent, --run, --session; "
            "what was written without any of these lies in --namespace default"
        )
    with call.memory() as memory:
        found = memory.stats(**scopes)
        if not yes and not _agreed(
            call, f"Erase {counted(found.events, 'event')} and all that rests on them?"
        ):
            raise click.exceptions.Exit(KEPT)
        done = memory.delete_all(**scopes, reason=reason)
    _deleted(call, [done])


@command
@click.argument("query", nargs=-1, metavar="QUERY…")
@click.option("--cited", multiple=True, metavar="ID", help="A hit that the answer used. Repeat for more.")
@click.option("--chosen", multiple=True, metavar="ID", help="A hit that was picked. Repeat for more.")
@click.option(
    "--wrong", multiple=True, metavar="ID", help="A hit that does not belong there. Repeat for more."
)
@click.option("-k", type=int, default=10, show_default=True, help="How many hits were shown.")
@click.option("--asked-at", metavar="TIME", help="When it was asked, as it was given to search.")
def feedback(
    call: Call,
    /,
    query: tuple[str, ...],
    cited: tuple[str, ...],
    chosen: tuple[str, ...],
    wrong: tuple[str, ...],
    k: int,
    asked_at: str | None,
) -> None:
    """Say which hits of a question were good and which wrong; later searches here learn from it."""
    text = one_text(query, "QUERY", 'engrams feedback "Where is the key?" --cited ID')
    with call.memory() as memory:
        receipt = memory.feedback(
            text, cited=cited, chosen=chosen, wrong=wrong, k=k, asked_at=asked_at, **call.scopes()
        )
    _receipt(call, receipt, f"Learnt; see: engrams history {receipt.engram_ids[0]}")


@command
@click.argument("id")
def pin(call: Call, /, id: str) -> None:
    """Never forget this engram, or what was derived from this event."""
    with call.memory() as memory:
        receipt = memory.pin(id)
    _receipt(call, receipt, "Pinned.")


@command
@click.argument("id")
def unpin(call: Call, /, id: str) -> None:
    """Take a pin back."""
    with call.memory() as memory:
        receipt = memory.unpin(id)
    _receipt(call, receipt, "No longer pinned.")


def _agreed(call: Call, question: str) -> bool:
    answer = call.out.confirm(question)
    if answer is None:
        raise UsageError("nobody can be asked here; add --yes to delete without asking")
    if not answer:
        call.out.note("Nothing was deleted.")
    return answer


def _deleted(call: Call, done: list[Deletion]) -> None:
    events = [id for d in done for id in d.events]
    engrams = [id for d in done for id in d.engrams]
    links = sum(d.links for d in done)
    if call.out.as_json:
        state = "pending" if any(d.state == "pending" for d in done) else "done"
        call.out.json(
            {"events": events, "engrams": engrams, "links": links, "state": state, "receipts": done}
        )
        return
    for kind, ids in (("event", events), ("engram", engrams)):
        for id in ids:
            call.out.columns(kind, id)
    call.out.note(
        f"Deleted {counted(len(events), 'event')}, {counted(len(engrams), 'engram')}, {counted(links, 'link')}."
    )
    for digest in (d.digest for d in done if d.digest):
        call.out.note(f"Receipt: {digest}")
    if any(d.state == "pending" for d in done):
        from engrams.serve.cli.keeping import PENDING

        call.out.note(PENDING)


def _receipt(call: Call, receipt: Receipt, message: str) -> None:
    if call.out.as_json:
        call.out.json(receipt)
        return
    for id in receipt.event_ids:
        call.out.line(id)
    call.out.note(message)
