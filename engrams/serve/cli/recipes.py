"""Commands that change or compare what a memory is derived with: rebuild, compare, undo."""

from __future__ import annotations

import click

from engrams.errors import UsageError
from engrams.serve.cli.call import Call, command, one_text
from engrams.serve.cli.output import counted
from engrams.serve.cli.spending import estimated


@command
@click.option(
    "--recipe", metavar="NAME", help="The recipe to derive with (else the one in use); see: engrams recipes"
)
@click.option("--dry-run", is_flag=True, help="Only say what it would take of language models.")
def rebuild(call: Call, /, recipe: str | None, dry_run: bool) -> None:
    """Derive anew from the journal; the memory then opens with that recipe. Corrections of people hold.

    Others read what stood before until all is derived. Cut off, it goes on where it stopped when it is run again.
    """
    if dry_run:
        with call.memory() as memory:
            estimated(call, memory.estimate(recipe or memory.recipe))
        return
    with call.memory() as memory, call.out.progress("Deriving") as progress:
        done = memory.rebuild(recipe, progress=progress)
    if call.out.as_json:
        call.out.json(done)
        return
    call.out.receipt(done.recipe, done.entries, done.made, done.changed)
    call.out.note(
        f"{done.recipe}: {counted(done.entries, 'journal entry', 'journal entries')}, "
        f"{counted(done.made, 'memory', 'memories')} made, {done.changed} changed."
    )


@command
@click.argument("question", nargs=-1, required=True, metavar="QUESTION…")
@click.option("--recipes", required=True, metavar="A,B", help="Names, joined by commas; see: engrams recipes")
@click.option("--k", "-k", type=int, default=5, metavar="N", help="How many hits each; 5.")
@click.option("--budget", type=int, metavar="TOKENS", help="Tokens of a context, 2000.")
def compare(call: Call, /, question: tuple[str, ...], recipes: str, k: int, budget: int | None) -> None:
    """Ask two memories of one journal and show them side by side: what each found, tokens, milliseconds.

    A recipe that is not in this memory is derived for this question alone, in memory. In a pipe: recipe, tokens,
    milliseconds, rank, score, text.
    """
    names = [name.strip() for name in recipes.split(",") if name.strip()]
    if not names:
        raise UsageError(
            'name the recipes, as in: engrams compare "Where is the key?" --recipes engrams,bm25'
        )
    text = one_text(question, "QUESTION", 'engrams compare "Where is the key?" --recipes engrams,bm25')
    with call.memory() as memory:
        found = memory.compare(text, names, k=k, budget=budget, **call.scopes())
    if call.out.as_json:
        call.out.json(
            [
                {
                    "recipe": c.recipe,
                    "derived": c.derived,
                    "derived_ms": c.derived_ms,
                    "milliseconds": c.milliseconds,
                    "tokens": c.tokens,
                    "hits": c.context.hits,
                }
                for c in found
            ]
        )
        return
    for c in found:
        beside = f", derived for this question in {c.derived_ms:.0f} ms" if c.derived else ""
        call.out.note(f"{c.recipe}: {counted(c.tokens, 'token')}, {c.milliseconds:.1f} ms{beside}")
        for rank, hit in enumerate(c.context.hits, start=1):
            call.out.columns(c.recipe, c.tokens, f"{c.milliseconds:.1f}", rank, f"{hit.score:.3f}", hit.text)


@command
@click.argument("id")
@click.option("--reason", default="", metavar="TEXT", help="Why, as the history will show it.")
def undo(call: Call, /, id: str, reason: str) -> None:
    """Take back the last change of a memory; undoing the undo brings it back."""
    with call.memory() as memory:
        receipt = memory.undo(id, reason=reason)
    if call.out.as_json:
        call.out.json(receipt)
        return
    for made in receipt.event_ids:
        call.out.line(made)
    call.out.note(f"Taken back; see: engrams history {id}")
