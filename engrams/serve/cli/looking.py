"""Commands that look: log, show, history, stats, namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from engrams.errors import BadSetting
from engrams.records import Engram, Event
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.filters import filters_of
from engrams.serve.cli.output import counted, size, when
from engrams.serve.plain import plain

if TYPE_CHECKING:
    from engrams.memory import Memory

SHOWN = 50  # entries of the journal that one screen or two hold
PAGE = 1000  # entries read at once on the way through a long journal


@command
@click.option(
    "--limit", type=int, metavar="N", default=SHOWN, show_default=True, help="How many entries at most."
)
@click.option("--all", "everything", is_flag=True, help="The whole journal.")
@click.option("--newest-first", is_flag=True, help="The latest first.")
@click.option("--since", metavar="TIME", help="Happened at this time or later (2024-05-31, or ISO 8601).")
@click.option("--until", metavar="TIME", help="Happened at this time or earlier; a day counts whole.")
@click.option(
    "--filter", "filters", multiple=True, metavar="K=V|JSON", help="Only what matches, as in search."
)
def log(
    call: Call,
    /,
    limit: int,
    everything: bool,
    newest_first: bool,
    since: str | None,
    until: str | None,
    filters: tuple[str, ...],
) -> None:
    """The journal: everything that was written, corrections and pins included.

    In a pipe, one entry a line: time, kind, who, session, id, text. With --json, JSON lines.
    """
    if limit < 1:
        raise BadSetting("--limit", limit, "a whole number from 1, or --all", "command line")
    out, more = call.out, False
    with call.memory() as memory:
        count = 0
        for event in _entries(
            call, memory, newest_first, since, until, filters, None if everything else limit + 1
        ):
            if not everything and count == limit:
                more = True
                break
            count += 1
            if out.as_json:
                out.json_line(event)
            elif out.pretty:
                from engrams.serve.cli.drawing import entry_lines

                out.show(entry_lines(out, event))
            else:
                who = event.speaker or event.role
                out.columns(
                    event.occurred_at.isoformat(), event.kind, who, event.session, event.id, event.content
                )
    if more:
        out.note(
            f"There is more: --limit {limit * 4} or --all{'' if newest_first else ', or --newest-first'}."
        )
    elif not count:
        out.note("The journal is empty here.")


def _entries(
    call: Call,
    memory: Memory,
    newest_first: bool,
    since: str | None,
    until: str | None,
    filters: tuple[str, ...],
    most: int | None,
) -> Iterator[Event]:
    cursor: str | None = None
    wanted = filters_of(filters)
    while True:
        page = memory.log(
            **call.scopes(),
            filters=wanted,
            since=since,
            until=until,
            limit=PAGE if most is None else min(most, PAGE),
            cursor=cursor,
            newest_first=newest_first,
        )
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


@command
@click.argument("id")
def show(call: Call, /, id: str) -> None:
    """One event or engram in full, with every field."""
    with call.memory() as memory:
        found = memory.get(id)
    if call.out.as_json:
        call.out.json({"type": "event" if isinstance(found, Event) else "engram", **plain(found)})
        return
    rows = [(key, value) for key, value in _fields(found) if value not in (None, "", "{}", "[]")]
    if call.out.pretty:
        from engrams.serve.cli.drawing import fields_table

        call.out.show(fields_table(rows))
    else:
        for row in rows:
            call.out.columns(*row)


def _fields(found: Event | Engram) -> Iterator[tuple[str, str]]:
    import json

    yield "type", "event" if isinstance(found, Event) else "engram"
    for key, value in plain(found).items():
        if key == "thread":
            continue  # how neighbours are found; of no use to a reader
        yield (
            key,
            value
            if isinstance(value, str)
            else ""
            if value is None
            else json.dumps(value, ensure_ascii=False),
        )


@command
@click.argument("id")
def history(call: Call, /, id: str) -> None:
    """Every version of a memory: what changed, when, by whom and why, oldest first.

    In a pipe, one version a line: time, change, version, state, actor, reason, text.
    """
    with call.memory() as memory:
        revisions = memory.history(id)
    out = call.out
    if out.as_json:
        out.json(revisions)
        return
    headings = ("when", "change", "version", "state", "by", "why", "text")
    if out.pretty:
        rows = [(when(r.at), r.change, r.version, r.state, r.actor, r.reason, r.content) for r in revisions]
    else:
        rows = [
            (r.at.isoformat(), r.change, r.version, r.state, r.actor, r.reason, r.content) for r in revisions
        ]
    out.table(headings, rows, right=("version",))


@command
def stats(call: Call, /) -> None:
    """How much lies here: in the whole memory, or in the namespace or user that is named."""
    with call.memory() as memory:
        found = memory.stats(**call.scopes())
        where, recipe = memory.location, memory.recipe.name
    out = call.out
    if out.as_json:
        out.json({"location": where, "recipe": recipe, **plain(found)})
        return

    def number(count: int) -> object:
        return f"{count:,}" if out.pretty else count

    rows: list[tuple[str, object]] = [
        ("memory", where),
        ("recipe", recipe),
        ("events", number(found.events)),
        ("engrams", number(found.engrams)),
        *((f"  {k}" if out.pretty else f"engrams.{k}", number(n)) for k, n in sorted(found.kinds.items())),
        ("links", number(found.links)),
        ("namespaces", number(found.namespaces)),
        ("sessions", number(found.sessions)),
        ("first", when(found.first) if out.pretty else plain(found.first)),
        ("last", when(found.last) if out.pretty else plain(found.last)),
        ("on disk", size(found.bytes) if out.pretty else found.bytes),
    ]
    if out.pretty:
        from engrams.serve.cli.drawing import fields_table

        out.show(fields_table(rows))
    else:
        for row in rows:
            out.columns(*row)


@command
def namespaces(call: Call, /) -> None:
    """The namespaces in which something lies, one a line."""
    with call.memory() as memory:
        names = memory.namespaces()
    if call.out.as_json:
        call.out.json(names)
        return
    for name in names:
        call.out.line(name)
    call.out.note(
        f"{counted(len(names), 'namespace')}; read one with --namespace NAME, all below with NAME/*."
    )
