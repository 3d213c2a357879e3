"""The ledger of language models: what each operation took in each namespace on each day, and the limits of a day.

Every process keeps the lines of its day in one setting of the store that nobody else writes, so that counts are never lost
between processes; reading adds them up.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from engrams.errors import BadSetting, OverBudget, StoreError
from engrams.models.chat_prices import Rate, rate_of
from engrams.ports import Clock, Spending, Store, Usage
from engrams.records import new_event_id

#: The settings under which ledgers lie: this, the day, and a name of the process.
PREFIX = "ledger:"

Line = tuple[str, str, str]  # namespace, operation, model


@dataclass(frozen=True, slots=True)
class Limits:
    """What language models may take on one day (UTC) over the whole store; None: any amount."""

    tokens: int | None = None
    money: float | None = None


@dataclass(frozen=True, slots=True)
class Reserved:
    """What is set aside for a call under way: its day, tokens, money."""

    day: date
    id: int
    tokens: int
    money: float


@dataclass
class _Page:
    """This process's lines of one day."""

    key: str
    lines: dict[Line, tuple[Usage, int]] = field(default_factory=dict)
    reserved: dict[int, Reserved] = field(default_factory=dict)


class Ledger:
    """Counts for one open store; safe from several threads, shared by all holders of keys."""

    def __init__(
        self, store: Store, clock: Clock, prices: Mapping[str, Rate], limits: Limits = Limits()
    ) -> None:
        self._store, self._clock, self._prices, self._limits = store, clock, prices, limits
        self._name = new_event_id().replace("-", "")
        self._pages: dict[date, _Page] = {}
        self._lock = threading.Lock()
        self._next = 0

    def account(self, namespace: str) -> NamespaceAccount:
        """The account of one namespace."""
        return NamespaceAccount(self, namespace)

    def price(self, model: str, usage: Usage) -> Usage:
        """The usage with its money; None where nobody set a price."""
        rate = rate_of(model, self._prices)
        return replace(usage, money=None if rate is None else rate.of(usage))

    def reserve(self, model: str, operation: str, tokens_in: int, tokens_out: int) -> Reserved:
        """Sets the most that a call may take aside, where there is a limit.

        It is written down before the sum is looked at: two processes that reach the limit together may both be refused, never
        both let through.

        Raises:
            OverBudget: the day's limit would be passed.
            BadSetting: there is a limit of money, and no price of this model.
        """
        most = self.price(model, Usage(tokens_in=tokens_in, tokens_out=tokens_out))
        if self._limits.money is not None and most.money is None:
            raise BadSetting(
                "model_prices",
                model,
                "a price of this model, since there is a limit of money: set ENGRAMS_MODEL_PRICES=model=in/out",
            )
        with self._lock:
            today = self._clock.now().date()
            self._next += 1
            reserved = Reserved(today, self._next, most.tokens, most.money or 0.0)
            if self._limits == Limits():
                return reserved
            page = self._page(today)
            page.reserved[reserved.id] = reserved
            self._write(page)
            try:
                self._require(today)
            except OverBudget:
                del page.reserved[reserved.id]
                self._write(page)
                raise
            return reserved

    def settle(
        self, reserved: object, namespace: str, model: str, operation: str, usage: Usage, remembered: int = 0
    ) -> Usage:
        """Counts what a call took, in place of what was set aside for it; gives the usage with its money."""
        priced = self.price(model, usage)
        with self._lock:
            day = reserved.day if isinstance(reserved, Reserved) else self._clock.now().date()
            page = self._page(day)
            if isinstance(reserved, Reserved):
                page.reserved.pop(reserved.id, None)
            line = (namespace, operation, model)
            before, times = page.lines.get(line, (Usage(), 0))
            page.lines[line] = (before + priced, times + remembered)
            # The page is a sum: what cannot be written now is written with the next call. The answer is paid and goes on.
            with contextlib.suppress(StoreError):
                self._write(page)
        return priced

    def spendings(self, since: date, until: date) -> list[Spending]:
        """Every line of these days (both inclusive), processes added up; by day, namespace, operation, model."""
        sums: dict[tuple[date, str, str, str], tuple[Usage, int]] = {}
        for day, held in _pages(self._store, PREFIX):
            if since <= day <= until:
                for namespace, operation, model, numbers, remembered in held["lines"]:
                    at = (day, namespace, operation, model)
                    before, times = sums.get(at, (Usage(), 0))
                    sums[at] = (before + Usage(*numbers), times + remembered)
        return [Spending(*at, usage, times) for at, (usage, times) in sorted(sums.items())]

    def _page(self, day: date) -> _Page:
        return self._pages.setdefault(day, _Page(f"{PREFIX}{day:%Y%m%d}:{self._name}"))

    def _write(self, page: _Page) -> None:
        lines = [
            [
                *line,
                [u.calls, u.tokens_in, u.tokens_out, u.cached_in, round(u.seconds, 3), u.money, u.estimated],
                n,
            ]
            for line, (u, n) in page.lines.items()
        ]
        aside = [sum(r.tokens for r in page.reserved.values()), sum(r.money for r in page.reserved.values())]
        self._store.set_setting(page.key, json.dumps({"lines": lines, "aside": aside}))

    def _require(self, day: date) -> None:
        tokens, money = 0, 0.0
        for _, held in _pages(self._store, f"{PREFIX}{day:%Y%m%d}:"):
            tokens += held["aside"][0] + sum(n[1] + n[2] for _, _, _, n, _ in held["lines"])
            money += held["aside"][1] + sum(n[5] or 0.0 for _, _, _, n, _ in held["lines"])
        if self._limits.tokens is not None and tokens > self._limits.tokens:
            raise OverBudget(f"tokens of language models on {day}", self._limits.tokens, tokens)
        if self._limits.money is not None and money > self._limits.money:
            raise OverBudget(f"money for language models on {day}", self._limits.money, money)


@dataclass(frozen=True, slots=True)
class NamespaceAccount:
    """The ledger as the calls of one namespace use it."""

    ledger: Ledger
    namespace: str

    def reserve(self, model: str, operation: str, tokens_in: int, tokens_out: int) -> Reserved:
        """Sets the most that a call may take aside."""
        return self.ledger.reserve(model, operation, tokens_in, tokens_out)

    def settle(self, reserved: object, model: str, operation: str, usage: Usage) -> Usage:
        """Counts what it did take."""
        return self.ledger.settle(reserved, self.namespace, model, operation, usage)

    def remembered(self, model: str, operation: str) -> None:
        """Counts an answer that came from the cache."""
        self.ledger.settle(None, self.namespace, model, operation, Usage(), remembered=1)


def _pages(store: Store, prefix: str) -> list[tuple[date, dict[str, Any]]]:
    found = []
    for key, value in store.settings(prefix).items():
        day = datetime.strptime(key.split(":")[1], "%Y%m%d").date()
        found.append((day, json.loads(value)))
    return found
