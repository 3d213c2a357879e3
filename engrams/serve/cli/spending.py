"""The command about money: cost."""

from __future__ import annotations

import itertools
from typing import Any

import click

from engrams.serve.cli.call import Call, command
from engrams.serve.cli.output import counted

UNKNOWN = "unknown"


def money(amount: float | None) -> str:
    """Money as it is shown; a price nobody set is unknown."""
    return UNKNOWN if amount is None else f"{amount:.4f}"


@command
@click.option(
    "--days", type=int, default=30, show_default=True, metavar="N", help="How many days (UTC) back."
)
@click.option(
    "--by",
    type=click.Choice(["line", "day", "namespace", "operation", "model"]),
    default="line",
    help="Add up by one of them; else a line for each.",
)
def cost(call: Call, /, days: int, by: str) -> None:
    """What language models took: tokens, calls, seconds, money, by day, namespace, operation and model.

    Set prices per million tokens with ENGRAMS_MODEL_PRICES="MODEL=in/out"; without one, money is unknown. In a pipe: what it is
    of, calls, tokens in, tokens out, seconds, money, answers that were remembered. --namespace and --user show theirs alone.
    """
    wanted = "/".join(part for part in (call.given.get("namespace"), call.given.get("user")) if part)
    with call.memory() as memory:
        lines = [line for line in memory.costs(days=days) if _lies_in(line.namespace, wanted)]
    if call.out.as_json:
        call.out.json(lines)
        return
    named = [(_name(line, by), line) for line in lines]
    named.sort(key=lambda pair: pair[0])
    rows = []
    for name, group in itertools.groupby(named, key=lambda pair: pair[0]):
        of = [line for _, line in group]
        total = sum((line.usage for line in of[1:]), of[0].usage)
        again = sum(line.remembered for line in of)
        rows.append(
            [
                *name,
                total.calls,
                total.tokens_in,
                total.tokens_out,
                f"{total.seconds:.1f}",
                money(total.money),
                again,
            ]
        )
    heads = ["day", "namespace", "operation", "model"] if by == "line" else [by]
    numbers = ["calls", "tokens in", "tokens out", "seconds", "money", "remembered"]
    call.out.table([*heads, *numbers], rows, right=numbers)
    calls = sum(line.usage.calls for line in lines)
    call.out.note(f"{counted(calls, 'call')} of language models in {counted(days, 'day')}.")


def _lies_in(namespace: str, path: str) -> bool:
    """Whether a namespace is the one that was asked for, or below it with `/*`; any where none was asked for."""
    return path in ("", namespace) or (path.endswith("/*") and namespace.startswith(path[:-1]))


def _name(line: Any, by: str) -> tuple[str, ...]:
    every = {
        "day": str(line.day),
        "namespace": line.namespace,
        "operation": line.operation,
        "model": line.model,
    }
    return tuple(every.values()) if by == "line" else (every[by],)


def estimated(call: Call, found: Any) -> None:
    """Shows what something would take of language models."""
    if call.out.as_json:
        call.out.json(found)
        return
    rows = [
        [name, usage.calls, usage.tokens_in, usage.tokens_out, money(usage.money)]
        for name, usage in found.operations.items()
    ]
    whole = found.usage
    rows.append(["all", whole.calls, whole.tokens_in, whole.tokens_out, money(whole.money)])
    numbers = ["calls", "tokens in", "tokens out", "money"]
    call.out.table(["operation", *numbers], rows, right=numbers)
    how = (
        "answers count as long as they may be" if found.upper else "answers count as long as they were before"
    )
    looked = f"{found.sampled:,} of them looked at; " if found.sampled < found.events else ""
    call.out.note(f"{counted(found.events, 'message')}; {looked}{how}. Nothing was spent.")
