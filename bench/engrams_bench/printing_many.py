"""A comparison of many recipes, as text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engrams_bench.comparing import GIVEN, Pair, price
from engrams_bench.measures.intervals import interval
from engrams_bench.printing import columns, percent, span
from engrams_bench.quality.dry import Line
from engrams_bench.report import UNRANKED
from engrams_bench.results import Result

#: Title, price, part of it.
PRICES = (
    ("tokens", "context tokens", "mean"),
    ("search ms", "search ms", "p50"),
    ("seconds", "cpu seconds", ""),
    ("model calls", "model calls in all", ""),
    ("model tokens", "model tokens", ""),
    ("model seconds", "model seconds", ""),
)


def number(value: float | None) -> str:
    """A figure with as many digits as say something; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"


def money(value: float | None) -> str:
    """Money as prices name it; unknown where no price was set."""
    return "unknown" if value is None else f"{value:.4f}" if value else "0"


def recipe_lines(
    rows: Sequence[Result], answers: Sequence[Mapping[str, bool]], fooled: Mapping[str, bool], judge: str
) -> str:
    """What each recipe finds and costs; with a judge, what share of answers is right and how the judge does on wrong ones."""
    level = rows[0].data["level"]
    recall = f"{level} recall@10"
    head = ["recipe", "R@10", "in context", *(title for title, _, _ in PRICES), "money"]
    head += ["right answers", "95 %"] if answers else []
    table = [head]
    for place, row in enumerate(rows):
        found = row.tables["all"]
        unranked = row.recipe["name"] in UNRANKED
        line = [
            str(row.recipe["name"]),
            "–" if unranked else _mean(found, recall),
            _mean(found, GIVEN),
            *(number(price(row, name, part)) for _, name, part in PRICES),
            money(row.cost["model money"]) if "model money" in row.cost else "–",
        ]
        if answers:
            right = [float(told) for told in answers[place].values()]
            line += [percent(sum(right) / len(right)) if right else "–", span(interval(right))]
        table.append(line)
    data = rows[0].data
    text = f"{data['name']}: {data['questions']:,} questions over {data['cases']:,} haystacks, gold by {level}\n\n{columns(table)}\n"
    if fooled:
        wrong = [float(told) for told in fooled.values()]
        text += (
            f"\nThe judge {judge} calls {percent(sum(wrong) / len(wrong))} % {span(interval(wrong))} of {len(wrong):,} answers right "
            "that are wrong on purpose (right answers to other questions of the same kind).\n"
        )
    return text


def _mean(found: Mapping[str, Any], name: str) -> str:
    return percent(found[name]["mean"]) if name in found else "–"


def pair_lines(found: Sequence[Pair]) -> str:
    """Every pair on every measure, with what holds."""
    table = [["measure", "A", "B", "B − A", "95 % over questions", "over conversations", "p", "p (Holm)", ""]]
    for pair in found:
        table.append(
            [
                pair.measure,
                pair.a,
                pair.b,
                f"{100 * pair.difference:+.1f}",
                span(pair.interval),
                span(pair.conversations) or "–",
                f"{pair.p:.4f}",
                f"{pair.adjusted:.4f}",
                "*" if pair.established else "",
            ]
        )
    foot = (
        f"Paired bootstrap over the same questions; Holm's correction over these {len(found)} differences. * holds: p (Holm) below 0.05, "
        "and zero outside the interval over conversations where there are enough of them."
    )
    return f"{columns(table, left=3)}\n\n{foot}\n"


def ledger_lines(lines: Sequence[Any]) -> str:
    """What language models took, by part and operation."""
    table = [["ledger", "operation", "model", "calls", "remembered", "tokens", "money"]]
    for line in lines:
        used = line.usage
        table.append(
            [
                line.namespace,
                line.operation,
                line.model,
                f"{used.calls:,}",
                f"{line.remembered:,}",
                f"{used.tokens:,}",
                money(used.money),
            ]
        )
    return f"{columns(table, left=3)}\n"


def dry_lines(lines: Sequence[Line]) -> str:
    """What language models would take at most."""
    table = [["part", "model", "calls", "tokens in", "tokens out", "money"]]
    for line in lines:
        used = line.usage
        table.append(
            [
                line.part,
                line.model,
                f"{used.calls:,}",
                f"{used.tokens_in:,}",
                f"{used.tokens_out:,}",
                money(used.money),
            ]
        )
    known = [line.usage.money for line in lines]
    total = None if any(one is None for one in known) else sum(one or 0.0 for one in known)
    calls, tokens = sum(line.usage.calls for line in lines), sum(line.usage.tokens for line in lines)
    return (
        f"{columns(table, left=2)}\n\nAt most {calls:,} calls, {tokens:,} tokens, money: {money(total)}. "
        "Answers are counted as long as they may be; what recipes take is scaled up from a sample. Nobody was asked.\n"
    )
