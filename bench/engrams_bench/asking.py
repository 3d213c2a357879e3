"""One case at a time: fills a memory of its own with the haystack, asks the questions, and reads the clock.

Times are CPU time of this process (`time.process_time`), so that a busy machine says the same as a quiet one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from engrams import Context, Hit, Memory, Message, Recipe
from engrams_bench.cases import Case, Question
from engrams_bench.errors import BenchError, MalformedData
from engrams_bench.measures.ranks import session_ranks, turn_ranks
from engrams_bench.measures.recall import recall_at
from engrams_bench.results import Outcome
from engrams_bench.vectors import KeptVectors

#: How many of a haystack's last turns are added one by one, to price a single add into a memory that is full.
SINGLE_ADDS = 20
#: The haystacks whose last messages are: of hundreds of small ones, most of the time would go into prices.
PRICED_HAYSTACKS = 10
#: The namespace every haystack lies in: the same for all, since ids of some data sets tell the answer.
NAMESPACE = "bench"
#: Events on one page when the journal is read back.
PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Spent:
    """What language models took, writing and reading: requests, tokens in and out, seconds of waiting for them, money (None: no
    price is known for some of it)."""

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    money: float | None = 0.0

    def __add__(self, other: Spent) -> Spent:
        """Both together; unknown money stays unknown."""
        known = self.money is not None and other.money is not None
        return Spent(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.seconds + other.seconds,
            (self.money or 0.0) + (other.money or 0.0) if known else None,
        )


def spent(memory: Memory) -> Spent:
    """All lines of a memory's ledger together."""
    used = [line.usage for line in memory.costs()]
    return sum((Spent(one.calls, one.tokens, one.seconds, one.money) for one in used), Spent())


@dataclass
class Costs:
    """Prices as they come: milliseconds of CPU for adds (one by one; in bulk a message), searches and contexts, bytes
    on disk a message. `first` are searches that found the memory cold, and paid for loading it. `models`: what language models
    took, `writing`: of this, before the first question."""

    add: list[float] = field(default_factory=list)
    bulk: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    search: list[float] = field(default_factory=list)
    context: list[float] = field(default_factory=list)
    bytes: list[float] = field(default_factory=list)
    seconds: float = 0.0
    models: Spent = field(default_factory=lambda: Spent())
    writing: Spent = field(default_factory=lambda: Spent())


#: Is told each context as it is made.
Hearing = Callable[[Case, Question, Context], None]


def _milliseconds_since(began: float) -> float:
    return (time.process_time() - began) * 1e3


@contextmanager
def opened(
    recipe: Recipe, store: str, embedder: str | KeptVectors = "none", model: object = None
) -> Iterator[Memory]:
    """An empty memory: on disk in a folder that goes away ("file"), in memory alone ("memory"), or in an empty PostgreSQL at an
    address, which is left empty.

    Raises:
        BenchError: something lies in the PostgreSQL already.
    """
    if store.startswith("postgres"):
        with Memory.open(store, recipe, embedder=embedder, actor="bench", model=model) as memory:
            if memory.stats().events:
                raise BenchError(
                    "--store: something lies in that PostgreSQL; name one that is empty, it is emptied after each case"
                )
            try:
                yield memory
            finally:
                memory.reset()
    elif store == "memory":
        with Memory.open(":memory:", recipe, embedder=embedder, actor="bench", model=model) as memory:
            yield memory
    else:
        with tempfile.TemporaryDirectory(prefix="engrams-bench-") as folder:
            place = Path(folder) / "memory.db"
            with Memory.open(place, recipe, embedder=embedder, actor="bench", model=model) as memory:
                yield memory


def messages_of(case: Case) -> list[Message]:
    """The haystack as messages, sessions renamed s1, s2, …: their names may tell which one holds the answer."""
    return [
        replace(turn.message, session=f"s{number}")
        for number, session in enumerate(case.sessions, 1)
        for turn in session.turns
    ]


def fill(
    memory: Memory, case: Case, costs: Costs, vectors: KeptVectors | None = None, singly: int = SINGLE_ADDS
) -> dict[str, str]:
    """Puts the haystack into an empty memory, the last `singly` messages one by one; returns the turn of each event id.

    With `vectors` the bulk load, and what is derived from it later, take them from their file, and say nothing of their price.

    Raises:
        MalformedData: the journal holds something else than what was put in.
    """
    said = messages_of(case)
    apart = min(singly, len(said))
    bulk, single = said[: len(said) - apart], said[len(said) - apart :]
    if bulk:
        began = time.process_time()
        with nullcontext() if vectors is None else vectors.bulk():
            memory.add_many(bulk, namespace=NAMESPACE)
        if vectors is None:
            costs.bulk.append(_milliseconds_since(began) / len(bulk))
    for message in single:
        began = time.process_time()
        memory.add(message, namespace=NAMESPACE)
        costs.add.append(_milliseconds_since(began))
    with nullcontext() if vectors is None else vectors.bulk():
        derive(memory)
    costs.bytes.append(memory.stats().bytes / len(said))
    turns = [turn.id for session in case.sessions for turn in session.turns]
    events = list(_journal(memory))
    if len(events) != len(turns):
        raise MalformedData(f"{case.id}: {len(turns)} turns put in, {len(events)} events in the journal")
    return dict(zip(events, turns, strict=True))


def derive(memory: Memory) -> None:
    """Does what a recipe leaves for later: jobs that ask a model or go one by one, and what is done between sessions.

    Raises:
        BenchError: a job failed; says why.
    """
    worked = memory.work()
    if worked.again or worked.dead:
        why = "; ".join(dict.fromkeys(str(job.error) for job in memory.jobs() if job.error))
        raise BenchError(f"{memory.recipe.name}: {worked.again + worked.dead} jobs failed: {why}")
    if memory.recipe.consolidate is not None:
        memory.consolidate(namespace=NAMESPACE)


def _journal(memory: Memory) -> Iterator[str]:
    cursor: str | None = None
    while True:
        page = memory.log(namespace=NAMESPACE, limit=PAGE, cursor=cursor)
        yield from (event.id for event in page)
        cursor = page.next
        if cursor is None:
            return


def ask(memory: Memory, question: Question, depth: int, cold: bool, costs: Costs) -> list[Hit]:
    """Searches; from a cold memory twice, so that the second price is that of a search alone."""
    for first in (True, False) if cold else (False,):
        began = time.process_time()
        hits = memory.search(question.text, k=depth, namespace=NAMESPACE, asked_at=question.asked_at)
        (costs.first if first else costs.search).append(_milliseconds_since(began))
    return hits


def compose(memory: Memory, question: Question, budget: int, costs: Costs) -> Context:
    """Asks for a context of at most `budget` tokens."""
    began = time.process_time()
    made = memory.context(question.text, budget=budget, namespace=NAMESPACE, asked_at=question.asked_at)
    costs.context.append(_milliseconds_since(began))
    return made


def outcome(
    case: Case, question: Question, hits: Sequence[Hit], made: Context | None, turn_of: Mapping[str, str]
) -> Outcome:
    """What a question got, as ranks of its gold."""
    home = {turn.id: session.id for session in case.sessions for turn in session.turns}

    def turns(events: Iterable[str]) -> list[str]:
        return [turn_of[event] for event in events if event in turn_of]

    found = [turns(hit.event_ids) for hit in hits]
    cited = None
    if made is not None and question.turns:
        cited = recall_at(
            turn_ranks([turns(c.event_ids) for c in made.citations], question.turns), len(turn_of)
        )
    told = made.confidence if made is not None else hits[0].confidence if hits else None
    return Outcome(
        id=question.id,
        case=case.id,
        category=question.category,
        abstain=question.abstain,
        turns=turn_ranks(found, question.turns),
        sessions=session_ranks(found, question.sessions, home),
        confidence=None if told is None else round(told, 4),
        found=made.found if made is not None else None,
        tokens=made.price.tokens if made is not None else None,
        cited=cited,
        model_calls=made.price.model_calls if made is not None else 0,
    )


def answer(
    case: Case,
    questions: Sequence[Question],
    recipe: Recipe,
    store: str,
    depth: int,
    budget: int | None,
    costs: Costs,
    embedder: str | KeptVectors = "none",
    alike: bool = False,
    model: object = None,
    hear: Hearing | None = None,
    singly: int = SINGLE_ADDS,
) -> list[Outcome]:
    """Fills a memory with a case and asks it questions. `budget` None: no contexts are asked for.

    `alike`: the recipe gives the same context whatever is asked, so it is asked for once. `hear` is told each context.
    """
    began = time.process_time()
    with opened(recipe, store, embedder, model) as memory:
        turn_of = fill(memory, case, costs, embedder if isinstance(embedder, KeptVectors) else None, singly)
        costs.writing += spent(memory)
        told: list[Outcome] = []
        made: Context | None = None
        for number, question in enumerate(questions):
            hits = ask(memory, question, depth, number == 0, costs)
            if budget is not None and (made is None or not alike):
                made = compose(memory, question, budget, costs)
            if hear is not None and made is not None:
                hear(case, question, made)
            told.append(outcome(case, question, hits, made, turn_of))
        costs.models += spent(memory)
    costs.seconds += time.process_time() - began
    return told
