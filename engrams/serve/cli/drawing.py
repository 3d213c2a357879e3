"""How things look on a terminal. The only module besides `output` that loads rich, and only for terminals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engrams.records import Context, Event, Hit, Price, Problem
from engrams.serve.cli.output import Out, clean, counted, when

SHORTEST = 4  # letters of a question's word that are worth marking in an answer
LEAST = 0.005  # the least share of a score that shows with two decimals
MARK = r"\[\d+\]"


def hit_lines(out: Out, number: int, hit: Hit, question: str) -> RenderableType:
    """One answer of a search: a dim line of where it comes from, the text, its id."""
    head = Text()
    head.append(f"{number:>2}  ", "bold")
    head.append(_origin(out, when(hit.occurred_at), hit.speaker or hit.role, hit.session))
    head.append(f"   {hit.score:.2f}", "green")
    if hit.pinned:
        head.append("   pinned", "magenta")
    parts: list[RenderableType] = [head, Padding(marked(hit.text, question), (0, 0, 0, 4))]
    if hit.signals:
        strongest = sorted(
            ((v, n) for n, v in hit.signals.items() if abs(v) >= LEAST), key=lambda s: -abs(s[0])
        )
        signals = "  ".join(f"{name} {value:+.2f}" for value, name in strongest)
        parts.append(Padding(Text(clean(signals), "cyan"), (0, 0, 0, 4)))
    parts.append(Padding(Text(hit.event_ids[0] if hit.event_ids else hit.id, "dim"), (0, 0, 1, 4)))
    return Group(*parts)


def marked(text: str, question: str) -> Text:
    """A text in which the words of the question stand out."""
    shown = Text(clean(text))
    words = {re.escape(w) for w in re.findall(r"\w+", question) if len(w) >= SHORTEST}
    if words:
        shown.highlight_regex(rf"(?i)\b(?:{'|'.join(sorted(words))})\b", "bold yellow")
    return shown


def context_lines(
    out: Out, found: Context, *, explain: bool = False, whole: bool = True
) -> list[RenderableType]:
    """A context with its citations (how many, unless `whole`), its price and, asked to, its steps."""
    text = Text(clean(found.text))
    text.highlight_regex(MARK, "bold cyan")
    parts: list[RenderableType] = [
        Panel(text, title="context", title_align="left", border_style="dim", box=frame(out))
    ]
    if found.citations and whole:
        parts.append(citation_table(out, found))
    cited = f"{counted(len(found.citations), 'citation')}{out.glyph(' · ', ', ')}"
    parts.append(Text(f"  {cited}{price_line(out, found.price)}", "dim"))
    if explain:
        parts.append(trace_table(found))
    return parts


def citation_table(out: Out, found: Context) -> Table:
    """Which events the marks of a context stand for."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    for c in found.citations:
        who = Text(_origin(out, when(c.occurred_at), c.speaker or "", c.session).plain)
        table.add_row(Text(clean(c.mark), "bold cyan"), who, Text(", ".join(c.event_ids), "dim"))
    return table


def trace_table(found: Context) -> Table:
    """The steps of a read chain: time, how many items came in and went out."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for heading in ("ms", "in", "out"):
        table.add_column(heading, justify="right")
    table.add_column("step")
    for s in found.trace:
        table.add_row(f"{s.milliseconds:.2f}", str(s.items_in), str(s.items_out), Text(clean(s.step)))
    return table


def price_line(out: Out, price: Price) -> str:
    """What an answer cost, in one line."""
    tokens = counted(price.tokens, "token") + (" (estimated)" if price.tokens_estimated else "")
    if price.money is None:
        money = "price not known"
    else:
        money = "nothing to pay" if price.money == 0 else f"{price.money:.4f} to pay"
    parts = (tokens, counted(price.model_calls, "model call"), f"{price.milliseconds:.1f} ms", money)
    return out.glyph(" · ", ", ").join(parts)


def entry_lines(out: Out, event: Event) -> RenderableType:
    """One entry of the journal."""
    line = Text()
    line.append(when(event.occurred_at), "cyan")
    if event.kind != "message":
        line.append(f"  {event.kind}", "magenta")
        line.append(f" of {event.target}" if event.target else "", "dim")
    else:
        line.append(f"  {clean(event.speaker or event.role)}", "bold")
    line.append(f"  {clean(event.session)}" if event.session else "", "dim")
    parts: list[RenderableType] = [line]
    if event.content:
        parts.append(Padding(Text(clean(event.content)), (0, 0, 0, 4)))
    parts.append(Padding(Text(event.id, "dim"), (0, 0, 0, 4)))
    return Group(*parts)


def fields_table(rows: Iterable[tuple[str, object]]) -> Table:
    """Names and values, one below the other."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in rows:
        table.add_row(Text(clean(key)), Text(clean("" if value is None else str(value))))
    return table


def problem_lines(problem: Problem) -> RenderableType:
    """One finding of doctor and what mends it."""
    color = "red" if problem.severity == "error" else "yellow"
    head = Text.assemble((problem.severity, f"bold {color}"), "  ", clean(problem.what))
    return Group(head, Padding(Text.assemble(("mend  ", "bold green"), clean(problem.mend)), (0, 0, 1, 0)))


def card_lines(card: str) -> Text:
    """A recipe's card with its headings in colour."""
    text = Text(clean(card))
    text.highlight_regex(r"^\S+", "bold")
    text.highlight_regex(r"(?m)^  [a-z]+:", "bold cyan")
    text.highlight_regex(r"(?m)^ {4,}\w+", "green")
    return text


def heading(out: Out, text: str) -> RenderableType:
    """A line across the terminal that opens a part."""
    from rich.rule import Rule

    return Padding(
        Rule(Text(text, "bold"), align="left", style="dim", characters=out.glyph("─", "-")), (1, 0, 0, 0)
    )


def frame(out: Out) -> box.Box:
    """The frame of a panel, of plain signs where the terminal has no others."""
    return box.ROUNDED if out.unicode else box.ASCII


def _origin(out: Out, *parts: str | None) -> Text:
    joint = out.glyph(" · ", ", ")
    return Text(joint.join(clean(p) for p in parts if p), "cyan")


def command_lines(lines: Sequence[tuple[str, str]]) -> list[RenderableType]:
    """Commands to paste, what each does above it; never broken, since half a command cannot be pasted."""
    shown: list[RenderableType] = []
    for line, what in lines:
        shown.append(Text(f"  # {what}", "dim"))
        shown.append(Text(f"  {clean(line)}", "bold green", no_wrap=True, overflow="ignore"))
    return shown
