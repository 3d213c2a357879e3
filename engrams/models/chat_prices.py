"""What tokens cost: prices as a person sets them. A price nobody set is unknown, never nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engrams.errors import BadSetting
from engrams.ports import Usage

MILLION = 1_000_000
"""Prices are per million tokens, as the vendors print them."""

EXPECTED = "'model=in/out' or 'model=in/out/cached', per million tokens, joined by commas, such as 'gpt-5-mini=0.25/2/0.025'"


@dataclass(frozen=True, slots=True)
class Rate:
    """Money per million tokens: read, written, and read from the provider's own cache."""

    tokens_in: float
    tokens_out: float
    cached_in: float

    def of(self, usage: Usage) -> float:
        """What a usage costs."""
        fresh = usage.tokens_in - usage.cached_in
        return (
            fresh * self.tokens_in + usage.cached_in * self.cached_in + usage.tokens_out * self.tokens_out
        ) / MILLION


def rates(text: str) -> dict[str, Rate]:
    """The rates of a setting by model; without a third number, cached tokens cost what others do.

    Raises:
        BadSetting: a part that is no model with two or three numbers, 0 or more.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        model, _, numbers = part.rpartition("=")
        try:
            values = [float(number) for number in numbers.split("/")]
        except ValueError as cause:
            raise BadSetting("model_prices", part, EXPECTED) from cause
        if not model.strip() or len(values) not in (2, 3) or not all(0 <= v < float("inf") for v in values):
            raise BadSetting("model_prices", part, EXPECTED)
        found[model.strip()] = Rate(values[0], values[1], values[2] if len(values) == 3 else values[0])
    return found


def rate_of(model: str, known: Mapping[str, Rate]) -> Rate | None:
    """The rate of an endpoint by its whole name, else by the model's alone ("openai:gpt-5-mini@http://…": gpt-5-mini)."""
    bare = model.partition(":")[2].partition("@http")[0]
    return known.get(model) or known.get(bare)


def chosen(text: str, what: str = "models") -> dict[str, str]:
    """The models of single operations: 'reflect=anthropic:NAME,extract=openai:NAME@URL'.

    Raises:
        BadSetting: a part that is no operation with a model.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        operation, _, model = part.partition("=")
        if not operation.strip() or not model.strip():
            raise BadSetting(
                what, part, "'operation=model' joined by commas, such as 'reflect=anthropic:NAME'"
            )
        found[operation.strip()] = model.strip()
    return found
