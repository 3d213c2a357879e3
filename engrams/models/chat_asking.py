"""Asking a language model: fenced, bounded, tried again, checked against the schema, repaired once, remembered, counted."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engrams.errors import RateLimited, Unreachable, Unreadable
from engrams.models.chat_rendering import key_of, request_for, sent_text
from engrams.ports import Answer, Ask, Reply, Turn, Usage
from engrams.schemas import Misfit, read_answer, require_schema

if TYPE_CHECKING:
    from engrams.models.chat_cache import Answers
    from engrams.ports import Account, ChatModel, Endpoint

CONCURRENCY = 4
"""Requests under way at once: what small accounts of the vendors and one local server take without refusing."""

ATTEMPTS = 5
"""How often a request is sent before a failure that may pass is given up."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the second attempt; the wait doubles up to the longest, and a random part of it is taken."""

MOST_TOKENS = 16_384
"""The most an answer that was cut off is given the second time: what the vendors' smaller models can write."""

REPAIR = "That answer cannot be used: {problem}. Answer again, with one JSON object that fits the schema and nothing else."
"""What the repair says. `problem` names places of the schema, never words of the answer."""


@dataclass(frozen=True)
class Asking:
    """A `ChatModel` over endpoints: one for everything, others for single operations.

    `account` counts and limits, `answers` remembers, `count` estimates tokens where an endpoint does not count them.
    `attempts` and `concurrency`: 1 or more. Safe from several threads; copies made with `accounted` share limit and cache.
    """

    endpoint: Endpoint
    count: Callable[[str], int]
    operations: Mapping[str, Endpoint] = field(default_factory=dict)
    account: Account | None = None
    answers: Answers | None = None
    attempts: int = ATTEMPTS
    concurrency: int = CONCURRENCY
    sleep: Callable[[float], None] = time.sleep
    spent: Callable[[Usage], None] | None = None
    owned: tuple[Endpoint, ...] = ()
    _open: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CONCURRENCY))

    @classmethod
    def over(
        cls,
        endpoint: Endpoint,
        count: Callable[[str], int],
        *,
        concurrency: int = CONCURRENCY,
        **more: object,
    ) -> Asking:
        """One with its own limit of requests under way."""
        return cls(endpoint, count, concurrency=concurrency, _open=threading.Semaphore(concurrency), **more)  # type: ignore[arg-type]

    def accounted(self, account: Account | None, spent: Callable[[Usage], None] | None = None) -> Asking:
        """The same models, counted by another account; `spent` is told what each answer took."""
        return replace(self, account=account, spent=spent)

    @property
    def name(self) -> str:
        """The model that answers where no operation has one of its own."""
        return self.endpoint.name

    def close(self) -> None:
        """Lets go of the connections of endpoints that were made for it; those that a caller brought are the caller's."""
        for endpoint in self.owned:
            close = getattr(endpoint, "close", None)
            if close is not None:
                close()

    def ask(self, ask: Ask) -> Answer:
        """One answer.

        Raises:
            BadSetting: the schema uses what is not checked, a slot has no value.
            Unreadable: twice the answer did not fit the schema, or held nothing; keeps the raw answer.
            ModelError: unreachable, told to slow down, refused.
            OverBudget: a limit would be passed; nothing was spent.
        """
        if ask.schema is not None:
            require_schema(ask.schema)
        endpoint = self.operations.get(ask.operation, self.endpoint)
        key = key_of(endpoint.name, ask)
        known = None if self.answers is None else self.answers.get(key)
        if known is not None:
            if self.account is not None:
                self.account.remembered(endpoint.name, ask.operation)
            return replace(known, usage=Usage(), remembered=True)
        answer = self._answered(endpoint, ask)
        if self.answers is not None:
            self.answers.put(key, answer)
        return answer

    def ask_many(self, asks: Sequence[Ask]) -> list[Answer]:
        """Answers in the order of the questions, `concurrency` at a time.

        Raises:
            ModelError, OverBudget: the first that any question met; those under way are finished, no others begun.
        """
        if len(asks) < 2:
            return [self.ask(ask) for ask in asks]
        from concurrent.futures import ThreadPoolExecutor  # brings logging along; most memories ask no model

        failed = threading.Event()

        def one(ask: Ask) -> Answer | None:
            if failed.is_set():
                return None
            try:
                return self.ask(ask)
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(min(len(asks), self.concurrency), thread_name_prefix="engrams-ask") as pool:
            futures = [pool.submit(one, ask) for ask in asks]
        return [answer for future in futures if (answer := future.result()) is not None]

    def _answered(self, endpoint: Endpoint, ask: Ask) -> Answer:
        reply, used = self._sent(endpoint, ask)
        try:
            value = _checked(reply, ask)
        except Misfit as first:
            repair = Turn("user", REPAIR.format(problem=first))
            turns = (*ask.turns, Turn("assistant", reply.text), repair) if reply.text.strip() else ask.turns
            room = min(2 * ask.most_tokens, MOST_TOKENS) if reply.stopped == "length" else ask.most_tokens
            reply, again = self._sent(
                endpoint, replace(ask, turns=turns, most_tokens=max(room, ask.most_tokens))
            )
            used += again
            try:
                value = _checked(reply, ask)
            except Misfit as second:
                raise Unreadable(
                    f"{endpoint.name} answered {ask.operation!r} twice in a form that cannot be used; first {first}, "
                    f"after asking again {second}",
                    reply.text,
                ) from second
        return Answer(reply.text, value, reply.calls, endpoint.name, used)

    def _sent(self, endpoint: Endpoint, ask: Ask) -> tuple[Reply, Usage]:
        """A reply after as many attempts as it takes, and what all of them took."""
        request = request_for(ask)
        tokens_in = self.count(sent_text(request))
        used = Usage()
        attempt = 0
        while True:
            attempt += 1
            wait = random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)))  # full jitter
            try:
                with self._settled(endpoint, ask, tokens_in) as outcome:
                    reply = _with_usage(endpoint.complete(request), tokens_in, self.count)
                    outcome.usage = reply.usage
                return reply, used + outcome.counted
            except RateLimited as told:
                asked = told.retry_after
                if attempt == self.attempts or (asked is not None and asked > LONGEST_WAIT):
                    raise
                wait = wait if asked is None else asked + wait
            except Unreachable:
                if attempt == self.attempts:
                    raise
            used += outcome.counted
            self.sleep(wait)

    @contextmanager
    def _settled(self, endpoint: Endpoint, ask: Ask, tokens_in: int) -> Iterator[_Outcome]:
        """Sets aside what a request may take before it is sent, and counts what it took."""
        outcome = _Outcome()
        with self._open:
            reserved = None
            if self.account is not None:
                reserved = self.account.reserve(endpoint.name, ask.operation, tokens_in, ask.most_tokens)
            began = time.perf_counter()
            try:
                yield outcome
            finally:
                took = replace(outcome.usage, calls=1, seconds=time.perf_counter() - began)
                if self.account is not None:
                    took = self.account.settle(reserved, endpoint.name, ask.operation, took)
                outcome.counted = took
                if self.spent is not None:
                    self.spent(took)


@dataclass(frozen=True)
class Counted:
    """A `ChatModel` of the caller's own, under the limits and in the ledger of a memory.

    What it says it took counts, else what its words come to; retries and cache are its own.
    """

    model: ChatModel
    count: Callable[[str], int]
    account: Account
    spent: Callable[[Usage], None]

    def ask(self, ask: Ask) -> Answer:
        """Its answer.

        Raises:
            OverBudget: a limit would be passed; it was not asked.
        """
        name = getattr(self.model, "name", type(self.model).__qualname__)
        tokens_in = self.count(sent_text(request_for(ask)))
        reserved = self.account.reserve(name, ask.operation, tokens_in, ask.most_tokens)
        began, taken = time.perf_counter(), Usage()
        try:
            answer = self.model.ask(ask)
            words = Usage(1, tokens_in, self.count(answer.text), estimated=True)
            taken = answer.usage if answer.usage.calls or answer.remembered else words
        finally:
            taken = replace(taken, seconds=taken.seconds or time.perf_counter() - began)
            taken = self.account.settle(reserved, name, ask.operation, taken)
            self.spent(taken)
        return replace(answer, usage=taken)

    def ask_many(self, asks: Sequence[Ask]) -> list[Answer]:
        """Its answers, one after the other: each is under the limits by itself."""
        return [self.ask(ask) for ask in asks]


@dataclass
class _Outcome:
    """What an attempt took: as the endpoint said, and as it was counted."""

    usage: Usage = field(default_factory=Usage)
    counted: Usage = field(default_factory=Usage)


def _with_usage(reply: Reply, tokens_in: int, count: Callable[[str], int]) -> Reply:
    if reply.usage.tokens:
        return reply
    # Some local servers count nothing; a call that cost nothing would be a lie.
    return replace(reply, usage=Usage(tokens_in=tokens_in, tokens_out=count(reply.text), estimated=True))


def _checked(reply: Reply, ask: Ask) -> Mapping[str, object] | None:
    """The object of an answer; None for free text and for calls of tools.

    Raises:
        Misfit: no object that fits; or nothing at all.
    """
    if reply.calls:
        return None
    if reply.stopped == "length" and ask.schema is not None:
        raise Misfit("it was cut off before its end; answer more briefly")
    if not reply.text.strip():
        raise Misfit("it is empty")
    return None if ask.schema is None else read_answer(reply.text, ask.schema)
