"""Commands that ask: search, context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import click

from engrams.serve.cli.call import Call, Times, bounds, command, one_text
from engrams.serve.cli.filters import filters_of

if TYPE_CHECKING:
    from engrams.records import Context, Hit

HITS = 10  # as `Memory.search` has it


@command
@click.argument("query", nargs=-1, metavar="QUERY…")
@click.option(
    "-k", "k", type=int, metavar="N", default=HITS, show_default=True, help="How many answers at most."
)
@bounds
@click.option("--explain", is_flag=True, help="Show the share every signal had in a score.")
def search(
    call: Call,
    /,
    query: tuple[str, ...],
    k: int,
    filters: tuple[str, ...],
    explain: bool,
    **times: Unpack[Times],
) -> None:
    """Find what was said, best first.

    In a pipe, one answer a line: score, time, speaker, session, id, text.
    """
    question = one_text(query, "QUERY", 'engrams search "where does Anna live?"')
    with call.memory() as memory:
        hits = memory.search(
            question, k=k, filters=filters_of(filters), explain=explain, **call.scopes(), **times
        )
    out = call.out
    if out.as_json:
        out.json(hits)
    elif out.pretty:
        from engrams.serve.cli.drawing import hit_lines

        for number, hit in enumerate(hits, start=1):
            out.show(hit_lines(out, number, hit, question))
    else:
        for hit in hits:
            out.columns(
                f"{hit.score:.4f}", hit.occurred_at.isoformat(), _who(hit), hit.session, hit.id, hit.text
            )
            if explain:
                out.columns("", "", "", "", "", _signals(hit))
    if not hits:
        out.note("Nothing found." + _elsewhere(call))


@command
@click.argument("query", nargs=-1, metavar="QUERY…")
@click.option(
    "--budget", type=int, metavar="TOKENS", help="Tokens it may take (else ENGRAMS_BUDGET, else 2000)."
)
@click.option("-k", "k", type=int, metavar="N", help="How many memories at most; else as many as fit.")
@bounds
@click.option("--explain", is_flag=True, help="Show each step with its time, and the signals.")
def context(
    call: Call,
    /,
    query: tuple[str, ...],
    budget: int | None,
    k: int | None,
    filters: tuple[str, ...],
    explain: bool,
    **times: Unpack[Times],
) -> None:
    """What to give a model for a question: in reading order, cited, priced, within a budget.

    In a pipe, the text alone, ready for a prompt.
    """
    question = one_text(query, "QUERY", 'engrams context "where does Anna live?"')
    with call.memory() as memory:
        found = memory.context(
            question,
            budget=budget,
            k=k,
            filters=filters_of(filters),
            explain=explain,
            **call.scopes(),
            **times,
        )
    out = call.out
    if out.as_json:
        out.json(found)
    elif out.pretty:
        from engrams.serve.cli.drawing import context_lines

        out.show(*context_lines(out, found, explain=explain))
    else:
        out.line(found.text)
        if explain:
            out.note(_steps(found))
    if not found.found:
        out.note("Nothing in this memory answers that." + _elsewhere(call))


def _who(hit: Hit) -> str:
    return hit.speaker or hit.role


def _signals(hit: Hit) -> str:
    return " ".join(f"{name}={value:.4f}" for name, value in hit.signals.items())


def _steps(found: Context) -> str:
    lines: list[Any] = [
        f"{s.milliseconds:8.2f} ms  {s.step} ({s.items_in} in, {s.items_out} out)" for s in found.trace
    ]
    return "\n".join(lines)


def _elsewhere(call: Call) -> str:
    """A hint for who looks in the wrong namespace."""
    if any(value is not None for value in call.scopes().values()):
        return ""
    with call.memory() as memory:
        names = memory.namespaces()
    shown = [name for name in names if name != "default"][:3]
    return f" Elsewhere something lies: try --namespace {' or '.join(shown)}." if shown else ""
